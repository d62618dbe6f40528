"""What of a step Python must do again, when a captured step is replayed on a GPU.

A captured step (`minidl.compile`) is a list of launches: replayed, it runs without any
Python. But a step also counts, and asks a schedule for the rate. So there is a Script
of what to do before every replay, and a number that differs from step to step stands
in memory, as a Number.

    step of an optimizer            captured once           before every replay
    script.repeat(count)            count()                 count()
    lr = Number(rate, script)       rate(), in memory       rate(), into that memory
    p −= lr g                       launched                (the graph does it)

The module knows no device: capture/graph.py makes the memory of a Number.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from minidl.backend import DType
from minidl.errors import GraphError


class Script:
    """The Python part of one captured step.

    actions   in their order, what to do before every replay
    undone    what takes an action back, should the capture fail
    checks    whether the arrays that were captured are still those in use
    grads     each leaf that backward reached, and the `.grad` that it first found
    found     how things were when the step met them first
    cells     makes the memory of a Number: (number, dtype) -> 0-d array
    """

    def __init__(self, cell: Callable[[Number, Any], Any]) -> None:
        self.actions: list[Callable[[], object]] = []
        self.undone: list[Callable[[], object]] = []
        self.checks: list[Callable[[], bool]] = []
        self.grads: dict[Any, Any] = {}
        self.found: dict[Any, Any] = {}
        self.cell = cell

    def repeat(
        self, action: Callable[[], object], undo: Callable[[], object] | None = None
    ) -> None:
        """Do something now, and again before every replay."""
        action()
        self.actions.append(action)
        if undo is not None:
            self.undone.append(undo)

    def undo(self) -> None:
        """Take back what the failed capture counted."""
        for action in reversed(self.undone):
            action()


class Number:
    """A number of the host that may differ at every replay: η, t, 1 − βᵗ.

    With numbers it gives Numbers, with arrays arrays: it then stands in the device's
    memory, rounded to the array's dtype as a Python number would be. It has no truth
    value, for a graph cannot take another branch.
    """

    # An array on the left asks this attribute: with None it leaves the matter to us.
    __array_ufunc__ = None

    def __init__(
        self, formula: Callable[[], Any], script: Script, dtype: DType = "float32"
    ) -> None:
        self.formula, self.script, self.dtype_in_place = formula, script, dtype
        self.cells: dict[Any, Any] = {}

    def __cupy_get_ndarray__(self) -> Any:
        return self.cell(self.dtype_in_place)

    def cell(self, dtype: DType) -> Any:
        """Return the 0-d array of this dtype that holds it at every replay."""
        name = str(dtype)
        if name not in self.cells:
            self.cells[name] = self.script.cell(self, name)
        return self.cells[name]

    def _with(
        self, function: Callable[..., Any], other: Any, swapped: bool = False
    ) -> Any:
        """Return function(self, other); swapped, function(other, self)."""
        if hasattr(other, "dtype"):
            cell = self.cell(other.dtype)
            return function(other, cell) if swapped else function(cell, other)
        one, two = self.formula, getattr(other, "formula", lambda: other)
        if swapped:
            one, two = two, one
        return Number(lambda: function(one(), two()), self.script, self.dtype_in_place)

    def __bool__(self) -> bool:
        raise GraphError(
            "a captured step cannot branch on the rate or on the count of steps; "
            "multiply by a comparison, as in `(t > 1) * x`"
        )

    def __add__(self, other: Any) -> Any:
        return self._with(operator.add, other)

    def __radd__(self, other: Any) -> Any:
        return self._with(operator.add, other, swapped=True)

    def __sub__(self, other: Any) -> Any:
        return self._with(operator.sub, other)

    def __rsub__(self, other: Any) -> Any:
        return self._with(operator.sub, other, swapped=True)

    def __mul__(self, other: Any) -> Any:
        return self._with(operator.mul, other)

    def __rmul__(self, other: Any) -> Any:
        return self._with(operator.mul, other, swapped=True)

    def __truediv__(self, other: Any) -> Any:
        return self._with(operator.truediv, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._with(operator.truediv, other, swapped=True)

    def __pow__(self, other: Any) -> Any:
        return self._with(operator.pow, other)

    def __rpow__(self, other: Any) -> Any:
        return self._with(operator.pow, other, swapped=True)

    def __neg__(self) -> Any:
        return 0 - self

    def __gt__(self, other: Any) -> Any:
        return self._with(operator.gt, other)

    def __lt__(self, other: Any) -> Any:
        return self._with(operator.lt, other)
