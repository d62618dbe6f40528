"""Other ways to do one operation of a backward: each is a mistake the other way round.

Each function takes an operation and yields (said, cost, edit): what completes
"∂L/∂x …" with {op} for its source, and what does it otherwise (program.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minidl.check.program import NEW, Call, Edit, Op, bare
from minidl.check.quantities import axis_sets, over

Change = tuple[str, float, Edit]
REDUCE = (
    "sum", "mean", "max", "min", "var", "std", "prod", "add.reduce", "amax", "amin",
    "maximum.reduce", "minimum.reduce", "cumsum", "flip", "argmax", "argmin", "repeat",
)  # fmt: skip
COMPARE = ("greater", "less", "greater_equal", "less_equal", "equal", "not_equal")
OFF = "an index is off by one"


def changes_of(op: Op, constants: Sequence[float] = ()) -> Iterator[Change]:
    """Yield other ways to do an operation.    constants: those of the forward pass"""
    if op.name in REDUCE and np.ndim(op.args[0]) > 1:
        yield from _axes(op)
    if op.name in COMPARE:
        yield from _thresholds(op, constants)
    ways: Callable[[Op], Iterator[Change]] | None = WAYS.get(op.name)
    if ways is not None:
        yield from ways(op)


def over_all(
    ops: Sequence[Op], groups: Sequence[list[int]]
) -> Iterator[tuple[str, float, dict[int, Edit]]]:
    """Yield edits of all sums, means, … that go over one axis: over another."""
    by_axis: dict[tuple[str, int], list[list[int]]] = {}
    for ks in groups:
        if (op := ops[ks[-1]]).name in REDUCE and _axis(op) is not None:
            by_axis.setdefault((str(_axis(op)), np.ndim(op.args[0])), []).append(ks)
    for (axis, ndim), same in by_axis.items():
        names = ", ".join(dict.fromkeys(f"`{ops[ks[-1]].text}`" for ks in same[:3]))
        for axes in axis_sets(ndim) if len(same) > 1 and ndim > 1 else ():
            said = (
                f"is right once what goes over axis {axis} goes over {over(axes)}: the "
                f"axis is wrong in {names}"
            )
            yield said, 3.2, {k: _over(axes, False) for ks in same for k in ks}
    writes = [k for ks in groups for k in ks if ops[k].name == "setitem"]
    if len(writes) > 1:
        said = (
            "is right once all `x[i] = v`, or `x[i] += v`, of its backward add up "
            "(np.add.at) where i names an entry more than once: the last write wins"
        )
        yield said, 3.0, dict.fromkeys(writes, _add_up)


# --- axes, masks, signs


def _axis(op: Call) -> Any:
    return op.settings.get("axis", op.args[1] if len(op.args) > 1 else None)


def _axes(op: Op) -> Iterator[Change]:
    old = "" if _axis(op) is None else f", which goes over axis {_axis(op)},"
    for axes in axis_sets(np.ndim(op.args[0])):
        said = f"is right once {{op}}{old} goes over {over(axes)}: the axis is wrong"
        yield said, 3.2, _over(axes, False)
        yield f"{said}, with keepdims=True", 3.25, _over(axes, True)


def _over(axes: tuple[int, ...], keepdims: bool) -> Edit:
    axis = axes[0] if len(axes) == 1 else axes
    more: dict[str, Any] = {"keepdims": True} if keepdims else {}

    def edit(call: Call) -> Any:
        if len(call.args) > 1:
            return call.do([call.args[0], axis, *call.args[2:]], **more)
        return call.do(axis=axis, **more)

    return edit


def _thresholds(op: Op, constants: Sequence[float]) -> Iterator[Change]:
    said = "is right with the opposite of {op}: the mask is inverted"
    yield said, 3.2, lambda call: ~np.asarray(bare(call.do()))
    for c in sorted({0.0, 1.0, *constants, *(-c for c in constants)}):
        if np.ndim(op.args[1]) == 0:
            said = f"is right with {c:.6g} for the limit in {{op}}: the mask is another"
            yield said, 3.4, _limit(c)


def _limit(c: float) -> Edit:
    return lambda call: call.do([call.args[0], c])


def _sums(op: Op) -> Iterator[Change]:
    turned, sign = (np.subtract, "−") if op.name == "add" else (np.add, "+")
    said = f"is right with {sign} in {{op}}: a sign is wrong"
    yield said, 3.3, lambda call: turned(*bare(tuple(call.args)))
    yield from _alone("is right with the {} operand of {{op}} alone: the other is a "
                      "term too many")  # fmt: skip


def _factors(op: Op) -> Iterator[Change]:
    yield from _alone("is right with the {} operand of {{op}} alone: the other is a "
                      "factor too many")  # fmt: skip


def _alone(said: str) -> Iterator[Change]:
    for i, word in ((0, "first"), (1, "second")):
        yield said.format(word), 3.5, _only(i)


def _only(i: int) -> Edit:
    def edit(call: Call) -> Any:
        return np.broadcast_to(bare(call.args[i]), np.shape(call.do())) * 1.0

    return edit


# --- matrices and shapes


def _products(op: Op) -> Iterator[Change]:
    """Matrices transposed, or in another order."""
    for how in list(itertools.product((False, True), repeat=3))[1:]:
        words = (
            "the first matrix transposed", "the second matrix transposed",
            "the two exchanged",
        )  # fmt: skip
        what = " and ".join(w for w, on in zip(words, how, strict=True) if on)
        yield f"is right with {what} in {{op}}", 2.4 + sum(how), _turned(how)


def _turned(how: Sequence[bool]) -> Edit:
    def edit(call: Call) -> Any:
        pair = [
            np.swapaxes(bare(a), -1, -2) if on and np.ndim(a) > 1 else bare(a)
            for a, on in zip(call.args, how[:2], strict=True)
        ]
        return call.do(pair[::-1] if how[2] else pair)

    return edit


def _orders(op: Op) -> Iterator[Change]:
    """Axes in another order: in the place of a transpose, around a reshape."""
    ndim, reshape = np.ndim(op.args[0]), op.name == "reshape"
    for axes in itertools.permutations(range(ndim)) if 1 < ndim <= 5 else ():
        if reshape:
            said = (
                f"is right with .transpose{axes} before {{op}}: a reshape moves no axes"
            )
        else:
            said = f"is right with .transpose{axes} in the place of {{op}}: the order "
            said += "of the axes is wrong"
        yield said, 3.2, _permuted(axes)
    n = np.ndim(op.result) if op.result is not None else 0
    for axes in itertools.permutations(range(n)) if reshape and n <= 4 else ():
        said = "is right with a transpose after {op}: a reshape moves no axes"
        yield said, 3.3, _permuted_after(axes)


def _permuted(axes: tuple[int, ...]) -> Edit:
    def edit(call: Call) -> Any:
        a = np.transpose(bare(call.args[0]), axes)
        return call.do([a, *call.args[1:]]) if call.name == "reshape" else a

    return edit


def _permuted_after(axes: tuple[int, ...]) -> Edit:
    def edit(call: Call) -> Any:
        form = tuple(np.shape(call.do())[i] for i in axes)
        return np.reshape(bare(call.args[0]), form).transpose(np.argsort(axes))

    return edit


def _moves(op: Op) -> Iterator[Change]:
    yield "is right without {op}: it is turned or moved for nothing", 3.4, _only(0)
    if op.name == "roll":
        said = "is right with {op} rolled the other way: the shift has the wrong sign"
        yield said, 3.2, _rolled_back


def _rolled_back(call: Call) -> Any:
    if len(call.args) > 1:
        by = -np.asarray(bare(call.args[1]))
        return call.do([call.args[0], by, *call.args[2:]])
    return call.do(shift=-np.asarray(call.settings["shift"]))


# --- indices


def _indices(op: Op) -> Iterator[Change]:
    """An index or a slice moved; all rows in the place of each its own."""
    index = op.args[1]
    parts = list(index) if isinstance(index, tuple) else [index]
    for i, part in enumerate(parts):
        if isinstance(part, slice):
            moves = _slices(part)
        elif isinstance(part, (int, np.integer)) or _is_whole(part):
            moves = _numbers(part)
        else:
            moves = iter(())
        for said, cost, new in moves:
            yield said, cost, _indexed(i, new)
        others = [p for p in parts if _is_whole(p) and np.ndim(p) == 1]
        if isinstance(part, slice) and part == slice(None) and len(others) == 1:
            said = (
                "is right with np.arange in the place of `:` in {op}: each row has an "
                "index of its own, and `:` takes all rows of every column"
            )
            yield said, 3.2, _indexed(i, _range(len(others[0])))
    if op.name == "setitem":
        said = (
            "is right once {op} adds up (np.add.at) where an index names an entry more "
            "than once: the last write wins there"
        )
        yield said, 3.0, _add_up


Mover = Callable[[Any], Any]


def _slices(part: slice) -> Iterator[tuple[str, float, Mover]]:
    for a, b in ((1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1)):
        if not (a and part.start is None) and not (b and part.stop is None):
            said = f"is right with the slice in {{op}} moved by {a or b}: {OFF}"
            yield said, 3.4, _slid(a, b)
    if isinstance(part.start, int) and isinstance(part.stop, int):
        for k in (2, 3):
            said = f"is right with a stride of {k} in {{op}}: it was forgotten"
            yield said, 3.4, _strided(k)
            said = f"is right with {{op}} {k} times as far from its start: a dilation, "
            yield said + "or a stride, was forgotten", 3.4, _dilated(k)


def _slid(a: int, b: int) -> Mover:
    def slide(s: slice) -> slice:
        ends = [None if v is None else v + by for v, by in ((s.start, a), (s.stop, b))]
        return slice(ends[0], ends[1], s.step)

    return slide


def _strided(k: int) -> Mover:
    return lambda s: slice(s.start, s.start + k * (s.stop - s.start), k)


def _dilated(k: int) -> Mover:
    return lambda s: slice(k * s.start, s.stop + (k - 1) * s.start, s.step)


def _numbers(_: Any) -> Iterator[tuple[str, float, Mover]]:
    for by in (1, -1):
        said = f"is right with the index in {{op}} moved by {by}: {OFF}"
        yield said, 3.3, _plus(by)
    said = "is right with `:`, all entries, in the place of the index in {op}"
    yield said, 3.5, lambda _: slice(None)


def _plus(by: int) -> Mover:
    return lambda p: bare(p) + by


def _is_whole(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype.kind in "iu"


def _range(n: int) -> Mover:
    return lambda _: np.arange(n)


def _indexed(i: int, change: Mover) -> Edit:
    def edit(call: Call) -> Any:
        index = call.args[1]
        parts = list(index) if isinstance(index, tuple) else [index]
        parts[i] = change(parts[i])
        new = tuple(parts) if isinstance(index, tuple) else parts[0]
        return call.do([call.args[0], new, *call.args[2:]])

    return edit


def _add_up(call: Call) -> Any:
    a, index, value = bare(tuple(call.args))
    np.add.at(a, index, value - a[index])


def _pads(op: Op) -> Iterator[Change]:
    said = "is right with the widths before and after exchanged in {op}: it is shifted"
    yield said, 3.2, lambda call: call.do([call.args[0], _swapped(call.args[1])])


def _swapped(widths: Any) -> Any:
    return [tuple(pair)[::-1] for pair in np.broadcast_to(widths, (len(widths), 2))]


def _casts(op: Op) -> Iterator[Change]:
    if op.result is not None and op.result.dtype.kind in "iub":
        yield "is right without {op}: integers have no fractions", 3.2, _only(0)


def _creations(op: Op) -> Iterator[Change]:
    if op.result is not None and op.result.dtype.kind in "iub":
        said = "is right with floats in {op}: an array of integers cuts fractions off"
        yield said, 3.2, lambda call: np.asarray(bare(call.do()), np.float64)


WAYS: dict[str, Any] = {
    "astype": _casts, **dict.fromkeys(NEW, _creations),
    "matmul": _products, "dot": _products, "add": _sums, "subtract": _sums,
    "multiply": _factors, "divide": _factors, "true_divide": _factors,
    "reshape": _orders, "transpose": _orders, "swapaxes": _orders,
    "getitem": _indices, "setitem": _indices,
    "pad": _pads, "roll": _moves, "flip": _moves, "cumsum": _moves,
}  # fmt: skip
