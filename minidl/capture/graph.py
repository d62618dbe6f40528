"""One captured step: a CUDA graph, the memory it works in, and what to do around it.

A stream that captures launches nothing; it writes down what it is told to do. `replay`
then gives the whole list to the device at once. The list holds addresses, not arrays.
Therefore

- the step's arrays come from a pool of its own. Those that it frees would otherwise be
  given to others, and the next replay would write into what is theirs by then;
- the inputs have a fixed place, into which every new batch is copied;
- numbers of the host that change (replay.py) have a place, too: they are written there
  by one launch before the graph's;
- it is replayed only while the arrays that it was told about are those in use.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import numpy as np

from minidl.backend import Array, DType
from minidl.capture.optimizers import rule
from minidl.capture.replay import Number, Script
from minidl.engine.modes import mode
from minidl.kernels.cuda import compiler as cuda
from minidl.kernels.cuda.blas import Products

MOST = 64  # as in replay.cu
TABLE = np.dtype(
    [("value", np.float64, MOST), ("at", np.uint64, MOST), ("width", np.int32, MOST)],
    align=True,
)


@contextmanager
def noting(grads: dict[Any, Any], script: Script | None = None) -> Iterator[None]:
    """Note the leaves that backward reaches and, in a capture, what Python counts."""
    before = mode.reached, mode.stateful
    mode.reached = grads
    mode.stateful = partial(rule, script) if script else None
    try:
        yield
    finally:
        mode.reached, mode.stateful = before


class Cells:
    """The memory of a step's Numbers, and what was last written there."""

    def __init__(self) -> None:
        self.arrays: list[Array] = []
        self.values: list[float] = []
        self.written: list[float] = []

    def put(self) -> None:
        """Write all numbers, if one of them has changed."""
        if self.values == self.written:
            return
        for i in range(0, len(self.values), MOST):
            table, n = np.zeros((), TABLE), len(self.values[i : i + MOST])
            table["value"][:n] = self.values[i : i + MOST]
            table["at"][:n] = [x.data.ptr for x in self.arrays[i : i + MOST]]
            table["width"][:n] = [x.itemsize for x in self.arrays[i : i + MOST]]
            put = cuda.kernel("replay", "put")
            put((1,), (MOST,), (table[()], np.int32(n)))
        self.written = list(self.values)


class Graph:
    """A step, captured for inputs of these shapes.

    step      what is captured: a function of arrays that returns a list of arrays
    inputs    the arrays of the first batch; only their shapes and dtypes matter
    leaves    whose gradients the step may find: an earlier call has told
    products  the handle and workspace of matrix products; lives as long as the graph

    Whatever the step raises passes through, and all is then as it was before.
    """

    def __init__(
        self,
        step: Callable[[Sequence[Array]], list[Array]],
        inputs: Sequence[Array],
        leaves: Sequence[Any],
        products: Products,
    ) -> None:
        cupy = self.cupy = sys.modules["cupy"]
        self.products = products
        self.pool, self.places = cupy.cuda.MemoryPool(), cupy.cuda.MemoryPool()
        self.cells, self.script = Cells(), Script(self._cell)
        found = {leaf: leaf.grad for leaf in leaves}
        self.side = side = cupy.cuda.Stream(non_blocking=True)
        self.inputs = [self._place(x.shape, x.dtype) for x in inputs]
        with cupy.cuda.using_allocator(self.pool.malloc), side, products:
            try:
                self.graph, self.outputs = self._capture(side, step)
            except BaseException:
                self.script.undo()
                for leaf, g in {**self.script.grads, **found}.items():
                    leaf.grad = g
                raise
        self.before = self._needed(found)
        self.after = [(leaf, leaf.grad) for leaf in self.script.grads]
        self.fresh = (
            True  # what is counted by hand has been counted for the first replay
        )

    def _place(self, shape: tuple[int, ...], dtype: DType) -> Array:
        """Return memory that is written before a replay.

        It is no memory of the step's pool: what the step used and freed before would
        be given again here, and a replay uses it once more, after we have written.
        """
        with self.cupy.cuda.using_allocator(self.places.malloc):
            return self.cupy.empty(shape, dtype)

    def _capture(self, side: Any, step: Callable[..., Any]) -> tuple[Any, list[Array]]:
        side.begin_capture()
        try:
            with noting(self.script.grads, self.script):
                outputs = step(self.inputs)
        except BaseException:
            with suppress(Exception):  # the device may have given it up already
                side.end_capture()
            raise
        return side.end_capture(), outputs

    def _cell(self, number: Number, dtype: str) -> Array:
        """Make the memory of a number; it is written anew at every replay."""
        i, array = len(self.cells.values), self._place((), dtype)
        self.cells.arrays.append(array)
        self.cells.values.append(float(number.formula()))

        def follow() -> None:
            self.cells.values[i] = float(number.formula())

        self.script.actions.append(follow)
        return array

    def _needed(self, found: dict[Any, Any]) -> list[tuple[Any, Any]]:
        """Return the leaves whose gradient must be as it was when backward saw it.

        Where a call found a gradient and backward saw none, the step itself forgets it.
        """
        forgets = {leaf for leaf, g in found.items() if g is not None}
        seen = self.script.grads.items()
        return [(leaf, g) for leaf, g in seen if g is not None or leaf not in forgets]

    def fits(self) -> bool:
        """Whether the step still works on the arrays that are in use."""
        return all(leaf.grad is g for leaf, g in self.before) and all(
            check() for check in self.script.checks
        )

    def replay(self, inputs: Sequence[Array]) -> list[Array]:
        """Run the step on a batch; return copies of its outputs.

        No Python of the step runs but its script; nothing waits for the device.
        """
        if not self.fresh:
            for action in self.script.actions:
                action()
        self.fresh = False
        for place, x in zip(self.inputs, inputs, strict=True):
            place[...] = x
        self.cells.put()
        self.graph.launch(self.cupy.cuda.get_current_stream())
        for leaf, g in self.after:
            leaf.grad = g
        return [y.copy() for y in self.outputs]
