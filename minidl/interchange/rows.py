"""The table: operation -> ONNX nodes.

Each row is a function (g, xs, s, y) -> result, or a list of results:

    g   the graph (graph.py)        xs  what the operation was given: operands, constant
    s   its settings                    arrays, numbers, or None
    y   an Operand without a name: the shape and dtype that the result has

`TABLE[name](g, xs, s, y)` is all that to_onnx asks. Operations that are layers of their
own are in layers.py, recurrent ones in recurrent.py, losses in losses.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from minidl.errors import GraphError
from minidl.interchange.graph import END, WHOLE, Graph, Operand
from minidl.interchange.trace import Batch, taken_apart
from minidl.ops.shape import axes_of

Row = Callable[[Graph, Sequence[Any], dict[str, Any], Operand], Any]
Xs = Sequence[Any]
Settings = dict[str, Any]

TABLE: dict[str, Row] = {}


def row(*names: str) -> Callable[[Row], Row]:
    """Put a function into the table, under these names of operations."""

    def put(function: Row) -> Row:
        TABLE.update(dict.fromkeys(names, function))
        return function

    return put


def plain(kind: str) -> Row:
    """Return the row of an operation that is one node: all inputs in y's dtype."""
    return lambda g, xs, s, y: g(kind, *(g.like(x, y.dtype) for x in xs))


for _name, _kind in {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "power": "Pow",
    "maximum": "Max", "minimum": "Min", "negative": "Neg", "abs": "Abs", "sign": "Sign",
    "reciprocal": "Reciprocal", "sqrt": "Sqrt", "exp": "Exp", "log": "Log",
    "sin": "Sin", "cos": "Cos", "tan": "Tan", "arcsin": "Asin", "arccos": "Acos",
    "arctan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "tanh": "Tanh", "erf": "Erf",
    "relu": "Relu", "sigmoid": "Sigmoid", "mish": "Mish", "softsign": "Softsign",
    "copy": "Identity", "matmul": "MatMul", "numpy.add": "Add",
    "numpy.subtract": "Sub", "numpy.multiply": "Mul",
}.items():  # fmt: skip
    TABLE[_name] = plain(_kind)


# Element by element


@row("square")
def square(g: Graph, xs: Xs, s: Settings, y: Operand) -> Operand:
    """x x."""
    result: Operand = g("Mul", xs[0], xs[0])
    return result


@row("rsqrt")
def rsqrt(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """1 / √x."""
    return g("Reciprocal", g("Sqrt", xs[0]))


@row("expm1")
def expm1(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """2 tanh(x/2) / (1 − tanh(x/2)): no digit is lost near 0."""
    t = g("Tanh", g("Mul", xs[0], g.like(0.5, y.dtype)))
    return g(
        "Div", g("Mul", t, g.like(2.0, y.dtype)), g("Sub", g.like(1.0, y.dtype), t)
    )


@row("log1p")
def log1p(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """ln(1 + x)."""
    return g("Log", g("Add", xs[0], g.like(1.0, y.dtype)))


@row("where")
def where(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """A where `on` is true, b elsewhere."""
    on, a, b = xs
    return g("Where", g.like(on, bool), g.like(a, y.dtype), g.like(b, y.dtype))


@row("masked_fill")
def masked_fill(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """A number where the mask is true."""
    return g("Where", g.like(xs[1], bool), g.like(s["value"], y.dtype), xs[0])


@row("clip")
def clip(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Between two limits, either of which may be missing."""
    return clipped(g, xs[0], s.get("low"), s.get("high"), y)


def clipped(g: Graph, x: Any, low: Any, high: Any, y: Operand) -> Any:
    """Return x, no less than `low` and no more than `high`; None: no limit."""
    limits = [None if v is None else g.like(v, y.dtype) for v in (low, high)]
    return g("Clip", x, *limits)


@row("_astype")
def astype(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Another dtype."""
    return g.cast(xs[0], y.dtype)


# Comparisons and sums of NumPy, on tokens, lengths and masks


@row("numpy.equal", "numpy.not_equal", "numpy.less", "numpy.less_equal",
     "numpy.greater", "numpy.greater_equal")  # fmt: skip
def compared(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Which are equal, smaller, …: `s` has the name of the operation."""
    kinds = {"equal": "Equal", "not_equal": "Equal", "less": "Less",
             "less_equal": "LessOrEqual", "greater": "Greater",
             "greater_equal": "GreaterOrEqual"}  # fmt: skip
    name = s["name"].removeprefix("numpy.")
    dtype = next(x.dtype for x in xs if isinstance(x, Operand))
    wide = np.dtype(dtype) if dtype.kind == "f" else WHOLE
    result = g(kinds[name], *(g.like(x, wide) for x in xs))
    return g("Not", result) if name == "not_equal" else result


@row("numpy.bitwise_and", "numpy.logical_and")
def both(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Whether both are true."""
    return g("And", *(g.like(x, bool) for x in xs))


@row("numpy.bitwise_or", "numpy.logical_or")
def either(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Whether one is true."""
    return g("Or", *(g.like(x, bool) for x in xs))


@row("numpy.invert", "numpy.logical_not")
def inverted(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Whether it is false."""
    return g("Not", xs[0])


@row("numpy.add.reduce", "numpy.logical_or.reduce", "numpy.logical_and.reduce")
def counted(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """How many are true, or whether any or all are."""
    axes = axes_of(s.get("axis"), xs[0].ndim)
    kind = {"add": "Sum", "logical_or": "Max", "logical_and": "Min"}
    how = f"Reduce{kind[s['name'].split('.')[1]]}"
    total = g.reduce(how, g.like(xs[0], WHOLE), axes, bool(s.get("keepdims")))
    return g.cast(total, y.dtype)


# Shapes


@row("reshape")
def reshape(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """The same numbers in the shape of y."""
    return g.reshape(xs[0], y.shape)


TABLE |= dict.fromkeys(("squeeze", "expand_dims"), reshape)


@row("transpose")
def transpose(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Permuted axes."""
    n = xs[0].ndim
    axes = s.get("axes") or range(n)[::-1]
    return g.transpose(xs[0], [i % n for i in axes])


@row("swapaxes")
def swapaxes(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Two axes exchanged."""
    order = list(range(xs[0].ndim))
    a, b = s["axis1"], s["axis2"]
    order[a], order[b] = order[b], order[a]
    return g.transpose(xs[0], order)


@row("broadcast_to")
def broadcast_to(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Copies, until it has the shape of y."""
    return g("Expand", xs[0], g.lengths(y.shape))


@row("flip")
def flip(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """The reverse order."""
    axes = axes_of(s.get("axis"), xs[0].ndim)
    return g.slices(xs[0], [(a, -1, -END, -1) for a in axes])


@row("pad")
def pad(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """A margin."""
    width, n = s["width"], xs[0].ndim
    pairs = np.broadcast_to(np.array(width), (n, 2))
    mode = {"replicate": "edge", "circular": "wrap"}.get(s.get("mode", "constant"))
    value = g.like(s.get("value", 0.0), y.dtype)
    ends = [int(i) for i in pairs.T.reshape(-1)]
    return g("Pad", xs[0], ends, value, mode=mode or s.get("mode", "constant"))


@row("tril", "triu")
def triangle(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """One of the triangles of a matrix."""
    k = g.constant(np.array(s.get("k", 0), WHOLE))
    return g("Trilu", xs[0], k, upper=int(s["name"] == "triu"))


@row("_concatenate")
def concatenate(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """End to end."""
    return g("Concat", *(g.like(x, y.dtype) for x in xs), axis=s["axis"] % len(y.shape))


@row("_stack")
def stack(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Along a new axis."""
    axis = s["axis"] % len(y.shape)
    parts = [g("Unsqueeze", g.like(x, y.dtype), [axis]) for x in xs]
    return g("Concat", *parts, axis=axis)


@row("unstack")
def unstack(g: Graph, xs: Xs, s: Settings, y: Operand) -> list[Any]:
    """One along an axis after the other."""
    axis = s.get("axis", 0) % xs[0].ndim
    pick = (g.constant(np.array(i, WHOLE)) for i in range(fixed(xs[0].shape[axis])))
    return [g("Gather", xs[0], i, axis=axis) for i in pick]


@row("split")
def split(g: Graph, xs: Xs, s: Settings, y: Operand) -> list[Any]:
    """Parts along an axis."""
    axis, sections = s.get("axis", 0) % xs[0].ndim, s["sections"]
    n = fixed(xs[0].shape[axis])
    if isinstance(sections, int):
        sections = range(n // sections, n, n // sections)
    ends = [0, *sections, n]
    return [g.slices(xs[0], [(axis, a, b, 1)]) for a, b in pairwise(ends)]


@row("tile")
def tile(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Copies side by side."""
    reps = s["reps"] if isinstance(s["reps"], (tuple, list)) else (s["reps"],)
    n = max(len(reps), xs[0].ndim)
    x = g.reshape(xs[0], (1,) * (n - xs[0].ndim) + tuple(xs[0].shape))
    return g("Tile", x, [1] * (n - len(reps)) + list(reps))


@row("_repeat")
def repeat(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Each element several times."""
    axis = s["axis"] % xs[0].ndim
    x = g("Unsqueeze", xs[0], [axis + 1])
    reps = [1] * (xs[0].ndim + 1)
    reps[axis + 1] = s["repeats"]
    return g.reshape(g("Tile", x, reps), y.shape)


@row("roll")
def roll(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Everything moved on, along one axis or several."""
    axis, shift, x = s.get("axis"), s["shift"], xs[0]
    if axis is None:
        raise GraphError(
            "to_onnx: roll needs an axis there; name it: roll(x, 1, axis=1)"
        )
    axes = axis if isinstance(axis, tuple) else (axis,)
    shifts = shift if isinstance(shift, tuple) else (shift,)
    for a, by in zip(axes, shifts, strict=True):
        a = a % xs[0].ndim
        cut = -(by % fixed(xs[0].shape[a])) if by % fixed(xs[0].shape[a]) else 0
        if cut:
            parts = g.slices(x, [(a, cut, END, 1)]), g.slices(x, [(a, 0, cut, 1)])
            x = g("Concat", *parts, axis=a)
    return x


def fixed(n: Any) -> int:
    """Return a length that must be known when the file is written."""
    if isinstance(n, Batch):
        raise taken_apart()
    return int(n)


# Choosing


@row("getitem")
def getitem(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """x[index]: slices, whole numbers, None, …, and one array of whole numbers."""
    x, cuts, ones, chosen, axis, shape_has_none = xs[0], [], [], [], 0, False
    for part in _spelled_out(s["index"], xs[0].ndim):
        if part is None:
            shape_has_none = True
            continue
        if isinstance(part, slice):
            if cut := _cut(part, axis):
                cuts.append(cut)
        elif isinstance(part, int):
            cuts.append((axis, part, part + 1 if part != -1 else END, 1))
            ones.append(axis)
        else:
            chosen.append((axis, part))
        axis += 1
    x = g.slices(x, cuts)
    if chosen and (len(chosen) > 1 or ones or shape_has_none):
        raise GraphError(
            "to_onnx: x[…] with an array of numbers beside other indices has no node "
            "there; take one step after the other, such as x[:, i] and then x[0]"
        )
    if chosen:
        where, part = chosen[0]
        return g("Gather", x, index_of(g, part), axis=where)
    return g.reshape(x, y.shape) if ones or shape_has_none else x


def index_of(g: Graph, part: Any) -> Operand:
    """Return an index as an operand of whole numbers."""
    if not isinstance(part, Operand):
        part = np.asarray(part)
    if part.dtype.kind not in "iu":
        raise GraphError(
            "to_onnx: how many a mask picks is not known before the numbers are, and a "
            "graph has fixed shapes; try ops.where(mask, x, 0.0)"
        )
    return g.like(part, WHOLE)


def _spelled_out(index: Any, ndim: int) -> list[Any]:
    """Return an index with slices for "…", and for axes that it leaves out."""
    parts = list(index) if isinstance(index, tuple) else [index]
    named = sum(p is not None and p is not Ellipsis for p in parts)
    at = next((i for i, p in enumerate(parts) if p is Ellipsis), len(parts))
    whole = [slice(None)] * (ndim - named)
    return parts[:at] + whole + parts[at + 1 :]


def _cut(part: slice, axis: int) -> tuple[int, int, int, int] | None:
    """Return (axis, start, stop, step) of a slice, None where it takes everything."""
    step = part.step or 1
    start = (0 if step > 0 else -1) if part.start is None else part.start
    stop = (END if step > 0 else -END) if part.stop is None else part.stop
    if isinstance(start, Batch):
        fixed(start)
    if isinstance(stop, Batch):  # all of the batch
        stop = END
    return None if (start, stop, step) == (0, END, 1) else (axis, start, stop, step)


@row("take")
def take(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """The elements i along an axis."""
    x, axis = xs[0], s.get("axis")
    if axis is None:
        x, axis = g.reshape(x, (-1,)), 0
    return g("Gather", g.constant(x), index_of(g, xs[1]), axis=axis % max(1, x.ndim))


@row("take_along_axis")
def take_along_axis(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Each row with indices of its own."""
    i = g("Expand", index_of(g, xs[1]), g.lengths(y.shape))
    return g("GatherElements", xs[0], i, axis=s.get("axis", -1))


@row("embedding")
def embedding(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """The row of each token."""
    return g("Gather", g.constant(xs[1]), index_of(g, xs[0]), axis=0)


# Reductions


def reduction(kind: str) -> Row:
    """Return the row of Σ, the mean, the largest, …"""

    def reduced(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
        axes = axes_of(s.get("axis"), xs[0].ndim)
        return g.reduce(kind, g.like(xs[0], y.dtype), axes, bool(s.get("keepdims")))

    return reduced


for _name, _kind in {
    "sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin",
    "prod": "ReduceProd", "logsumexp": "ReduceLogSumExp", "_length": "ReduceL2",
}.items():  # fmt: skip
    TABLE[_name] = reduction(_kind)


@row("var", "std")
def var(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """The mean of (x − μ)², or its root; with ddof, Σ (x − μ)² / (n − ddof)."""
    axes, keep = axes_of(s.get("axis"), xs[0].ndim), bool(s.get("keepdims"))
    d = g("Sub", xs[0], g.reduce("ReduceMean", xs[0], axes, True))
    result = g.reduce(
        "ReduceMean", g("Mul", d, d)._replace(shape=xs[0].shape), axes, keep
    )
    if ddof := s.get("ddof", 0):
        n = math.prod(fixed(xs[0].shape[a]) for a in axes)
        result = g("Mul", result, g.like(n / (n - ddof), y.dtype))
    return g("Sqrt", result) if s["name"] == "std" else result


@row("cumsum")
def cumsum(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """A running sum."""
    axis = s.get("axis")
    x = xs[0] if axis is not None else g.reshape(xs[0], (-1,))
    return g("CumSum", x, g.constant(np.array(axis or 0, WHOLE)))


@row("sort")
def sort(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """In order along an axis."""
    axis = s.get("axis", -1) % xs[0].ndim
    n = fixed(xs[0].shape[axis])
    largest = int(s.get("descending", False))
    return g("TopK", xs[0], [n], n=2, axis=axis, largest=largest, sorted=1)[0]


# Products


@row("affine", "affine_relu")
def affine(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """x w + b."""
    x, w, b = xs
    z = g("MatMul", g.constant(x), g.constant(w))
    z = z if b is None else g("Add", z, g.constant(b))
    return g("Relu", z) if s["name"] == "affine_relu" else z


@row("outer")
def outer(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """a bᵀ."""
    return g("Mul", g("Unsqueeze", xs[0], [1]), g.constant(xs[1]))


@row("_einsum")
def einsum(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Σ Π xs, by the labels of the axes."""
    equation = f"{','.join(s['terms'])}->{s['out']}"
    return g("Einsum", *(g.constant(x) for x in xs), equation=equation)


# Activations


@row("leaky_relu")
def leaky_relu(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """A slope below 0."""
    return g("LeakyRelu", xs[0], alpha=s.get("negative_slope", 0.01))


@row("prelu")
def prelu(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """A learned slope below 0, of each channel or of all."""
    slope, n = g.constant(xs[1]), max(0, xs[0].ndim - 2)
    slope = (
        g.reshape(slope, (*slope.shape, *(1,) * n)) if slope.shape != (1,) else slope
    )
    return g("PRelu", xs[0], slope)


@row("elu")
def elu(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """α (eˣ − 1) below 0."""
    return g("Elu", xs[0], alpha=s.get("alpha", 1.0))


@row("gelu")
def gelu(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """x Φ(x)."""
    return g("Gelu", xs[0], approximate=s.get("approximate", "none"))


@row("silu")
def silu(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """x σ(x)."""
    return g("Mul", xs[0], g("Sigmoid", xs[0]))


@row("softplus")
def softplus(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """ln(1 + exp(βx)) / β."""
    beta = g.like(s.get("beta", 1.0), y.dtype)
    return g("Div", g("Softplus", g("Mul", xs[0], beta)), beta)


@row("hardtanh")
def hardtanh(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Between min_val and max_val."""
    return clipped(g, xs[0], s.get("min_val", -1.0), s.get("max_val", 1.0), y)


@row("softmax")
def softmax(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Probabilities along an axis."""
    return g("Softmax", xs[0], axis=s.get("axis", -1))


@row("log_softmax")
def log_softmax(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Their logarithms."""
    return g("LogSoftmax", xs[0], axis=s.get("axis", -1))


@row("maxout")
def maxout(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """The largest of every `pieces` neighbors."""
    x, at = xs[0], s.get("axis", -1) % xs[0].ndim
    groups = (*y.shape[: at + 1], s["pieces"], *y.shape[at + 1 :])
    return g.reduce("ReduceMax", g.reshape(x, groups), [at + 1], False)
