"""An ONNX graph in the making: nodes, constants, and lengths that grow with the batch.

`g("Add", a, b)` adds a node and returns its result, an `Operand`: a name in the graph
with the shape and dtype that the trace saw. Arrays, and numbers beside an operand,
become constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from minidl.interchange.trace import Batch, Stretched

OPSET = 20  # Gelu came with it; what came later is built of older nodes
WHOLE = np.dtype(np.int64)
END = np.iinfo(np.int64).max


class Operand(NamedTuple):
    """A result in the graph: its name, and what is known of it."""

    name: str
    shape: tuple[Any, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """How many axes."""
        return len(self.shape)


class Graph:
    """Nodes and constants, added one after the other.

    batch   the input, and its axis, that say how large the batch is
    """

    def __init__(self, batch: tuple[str, int] | None) -> None:
        self.onnx = import_module("onnx")
        self.batch = batch
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.known: dict[Any, Operand] = {}  # constants by where their arrays are
        self.kept: list[Any] = []

    def __call__(
        self, kind: str, *inputs: Any, n: int = 1, domain: str = "", **settings: Any
    ) -> Any:
        """Add a node; return its result, or a list of the n that it has.

        The result is an Operand like the first input: only the names count in between.
        An input may be an array, a list of whole numbers, or None, which is left out.
        """
        names = ["" if x is None else self.constant(x).name for x in inputs]
        while names and not names[-1]:
            names.pop()
        made = [f"v{len(self.nodes)}" + (f"_{i}" if i else "") for i in range(n)]
        helper = self.onnx.helper
        self.nodes.append(helper.make_node(kind, names, made, **settings))
        like = inputs[0] if isinstance(inputs[0], Operand) else self.constant(inputs[0])
        results = [Operand(name, like.shape, like.dtype) for name in made]
        return results if n > 1 else results[0]

    def constant(self, x: Any) -> Operand:
        """Return an array as a constant, and an Operand as it is."""
        if isinstance(x, Operand):
            return x
        if isinstance(x, Stretched):
            one = self.constant(x.array)
            shape = list(x.array.shape)
            shape[x.axis] = Batch(x.times)
            y: Operand = self("Expand", one, self.lengths(shape))
            return y._replace(shape=tuple(shape))
        if isinstance(x, (list, tuple, int)):
            x = np.array(x, WHOLE)
        key = (x.ctypes.data, x.shape, x.strides, x.dtype.str)
        if key not in self.known:
            name = f"c{len(self.constants)}"
            self.kept.append(x)  # its place in memory is the key: it may not be freed
            self.constants[name] = self.onnx.numpy_helper.from_array(
                np.ascontiguousarray(x).reshape(x.shape), name
            )
            self.known[key] = Operand(name, x.shape, x.dtype)
        return self.known[key]

    def like(self, x: Any, dtype: Any) -> Operand:
        """Return a number, an array or an operand in this dtype."""
        if isinstance(x, (bool, int, float)):
            return self.constant(np.array(x, dtype))
        if isinstance(x, Batch):  # a mean over all examples divides by it
            y: Operand = self("Squeeze", self.cast(self._times(x), dtype), [0])
            return y._replace(shape=(), dtype=np.dtype(dtype))
        x = self.constant(x)
        return x if x.dtype == dtype else self.cast(x, dtype)

    def cast(self, x: Operand, dtype: Any) -> Operand:
        """Return an operand in another dtype."""
        dtype = np.dtype(dtype)
        to = self.onnx.helper.np_dtype_to_tensor_dtype(dtype)
        y: Operand = self("Cast", x, to=to)
        return y._replace(dtype=dtype)

    def lengths(self, shape: Sequence[Any]) -> Operand:
        """Return a shape as a vector of whole numbers; −1 where one grows alone."""
        if not any(isinstance(n, Batch) for n in shape):
            return self.constant(list(shape))
        parts = [
            self._times(n) if isinstance(n, Batch) else self.constant([n])
            for n in shape
        ]
        y: Operand = self("Concat", *parts, axis=0)
        return y

    def _times(self, n: Batch) -> Operand:
        """Return `times` × the batch as a vector of one number."""
        assert self.batch is not None
        name, axis = self.batch
        whole: Operand = self(
            "Shape", Operand(name, (), WHOLE), start=axis, end=axis + 1
        )
        y: Operand = whole if n.times == 1 else self("Mul", whole, [n.times])
        return y

    def reshape(self, x: Operand, shape: Sequence[Any]) -> Operand:
        """Return x in another shape."""
        growing = [i for i, n in enumerate(shape) if isinstance(n, Batch)]
        if len(growing) == 1 and -1 not in shape and 0 not in shape:
            lengths = self.constant(
                [-1 if i in growing else n for i, n in enumerate(shape)]
            )
        else:
            lengths = self.lengths(shape)
        y: Operand = self("Reshape", x, lengths, allowzero=int(0 in shape))
        return y._replace(shape=tuple(shape))

    def transpose(self, x: Operand, axes: Sequence[int]) -> Operand:
        """Permute the axes of x."""
        y: Operand = self("Transpose", x, perm=list(axes))
        return y._replace(shape=tuple(x.shape[i] for i in axes))

    def slices(self, x: Operand, cuts: Sequence[tuple[int, int, int, int]]) -> Operand:
        """Cut x: (axis, start, stop, step) each."""
        if not cuts:
            return x
        axes, starts, stops, steps = (list(part) for part in zip(*cuts, strict=True))
        y: Operand = self("Slice", x, starts, stops, axes, steps)
        return y

    def reduce(self, kind: str, x: Operand, axes: Sequence[int], keep: bool) -> Operand:
        """Reduce x over axes: "ReduceSum", "ReduceMean", "ReduceMax", …"""
        y: Operand = self(kind, x, list(axes), keepdims=int(keep))
        kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
        left = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        return y._replace(shape=kept if keep else left)
