"""A forward and a backward in plain NumPy, as CS231n writes them.

out, cache = forward(x, w, b)          dx, dw, db = backward(dout, cache)
h, c, cache = forward(…)               … = backward(dh, dc, cache)
loss, dx = forward(x, labels)          (backward None: forward returns gradients)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.check.subject import Pull, Subject, flat, is_float, names_of, title_of
from minidl.engine.tensor import TensorLike
from minidl.errors import GraphError

Function = Callable[..., Any]


class Pair:
    """forward and backward as one thing."""

    def __init__(self, forward: Function, backward: Function | None) -> None:
        self.forward, self.backward = forward, backward
        self.title = title_of(forward).removesuffix("_forward")

    def names(self, n: int) -> list[str]:
        """Return what the n inputs are called."""
        return names_of(self.forward, n)

    def slots(self, inputs: list[Any]) -> list[int]:
        """Return which inputs get a gradient: the floats, as many as come back."""
        floats = [i for i, x in enumerate(inputs) if is_float(x)]
        y, cache = self.run(inputs)
        ones = [np.ones_like(a) for a in flat(y) if is_float(np.asarray(a))]
        try:
            found = self._asked(ones, cache)
        except Exception:  # the errors of a backward are findings, made later
            return floats
        if isinstance(found, dict):
            names = self.names(len(inputs))
            return [i for i in floats if _entry(found, names[i]) is not None]
        if len(found) == len(inputs):
            return floats
        return floats[: len(found)]

    def run(self, inputs: Sequence[Any]) -> tuple[Any, Any]:
        """Return the outputs and the cache; settings in dictionaries are copied."""
        given = [copy.deepcopy(x) if isinstance(x, dict) else x for x in inputs]
        made = self.forward(*given)
        if not isinstance(made, (tuple, list)) or len(made) < 2:
            raise GraphError(
                f"{self.title}: forward returned {type(made).__name__}; it returns its "
                "output and a cache, `return out, cache`"
            )
        if self.backward is None:
            return made[0], tuple(made[1:])
        return (made[0] if len(made) == 2 else tuple(made[:-1])), made[-1]

    def pull(
        self, gs: Sequence[Array], cache: Any, inputs: list[Any], slots: list[int]
    ) -> list[Any]:
        """Return the gradients of the slots, from those of the outputs."""
        found = self._asked(gs, cache)
        names = self.names(len(inputs))
        if isinstance(found, dict):
            return [_entry(found, names[i]) for i in slots]
        if len(found) == len(inputs):
            return [found[i] for i in slots]
        return list(found[: len(slots)])

    def _asked(self, gs: Sequence[Array], cache: Any) -> Any:
        if self.backward is None:
            return [None if g is None else g * gs[0] for g in flat(cache)]
        found = self.backward(*gs, cache)
        if isinstance(found, dict):
            return found
        return list(found) if isinstance(found, (tuple, list)) else [found]


class PairSubject(Subject):
    """A pair as a function of named arrays."""

    def __init__(self, pair: Pair, inputs: Sequence[Any]) -> None:
        self.pair = pair
        super().__init__(pair.forward, inputs)
        self.title = pair.title
        kept = pair.slots(self.inputs)
        self.slots = kept
        self.names = [pair.names(len(self.inputs))[i] for i in kept]
        self.points = [self.inputs[i] for i in kept]

    def _filled(self, points: Sequence[Any]) -> list[Any]:
        inputs = list(self.inputs)
        for i, x in zip(self.slots, points, strict=True):
            inputs[i] = x
        return inputs

    def __call__(self, *xs: TensorLike) -> list[Any]:
        """Return the float outputs, as arrays."""
        arrays = [np.array(x.data if hasattr(x, "requires_grad") else x) for x in xs]
        y, _ = self.pair.run(self._filled(arrays))
        return [a for a in map(np.asarray, flat(y)) if is_float(a)]

    def values(self, points: Sequence[Array]) -> list[Array]:
        """Return the outputs at other points."""
        return self(*points)

    def recorded(self, points: Sequence[Array]) -> tuple[list[Array], Pull]:
        """Return the outputs, and the way from their gradients to the points'."""
        inputs = self._filled([x.copy() for x in points])
        y, cache = self.pair.run(inputs)

        def pull(gs: Sequence[Array]) -> list[Any]:
            return self.pair.pull([g.copy() for g in gs], cache, inputs, self.slots)

        return [a for a in map(np.asarray, flat(y)) if is_float(a)], pull

    def examine(self) -> list[Array]:
        """Return the outputs at the points, if they are finite and steady."""
        with np.errstate(all="ignore"):
            return self.steady(self.values(self.points))


def _entry(found: dict[str, Any], name: str) -> Any:
    """Return the gradient of a name: under that name, or with a d before it."""
    return found.get(name, found.get(f"d{name}"))
