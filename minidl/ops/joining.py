"""Many to one and one to many: concatenate ⇄ split, stack ⇄ unstack, tile and repeat.

Each is the transpose of its partner: the gradient of a concatenation is split at the
same places, and that of a copy is the sum over the copies.

Throughout:  x input, xs several    y output, ys several    g = ∂L/∂y
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from minidl.backend import namespace
from minidl.engine.op import op
from minidl.engine.tensor import TensorLike
from minidl.errors import ShapeError
from minidl.foreign import answers
from minidl.ops.indexing import take
from minidl.ops.reduce import sum
from minidl.ops.shape import axes_of, reshape

__all__ = ["concatenate", "repeat", "split", "stack", "tile", "unstack"]


@answers
def concatenate(xs: Sequence[Any], axis: int = 0) -> Any:
    """Join arrays end to end along `axis`; the other lengths must agree."""
    return _concatenate(*_some(xs, "concatenate"), axis=axis)


@op(linear=True)
def _concatenate(*xs, axis):
    y = namespace(xs[0]).concatenate(xs, axis)
    ends = list(accumulate(x.shape[axis] for x in xs))
    return y, lambda g: split(g, sections=ends[:-1], axis=axis)


@answers
def stack(xs: Sequence[Any], axis: int = 0) -> Any:
    """Join arrays of one shape along a new axis."""
    return _stack(*_some(xs, "stack"), axis=axis)


@op(linear=True)
def _stack(*xs, axis):
    return namespace(xs[0]).stack(xs, axis), lambda g: unstack(g, axis=axis)


def _some(xs, name):
    xs = tuple(xs)
    if not xs:
        raise ShapeError(f"{name}: the list is empty; it needs at least one array")
    return xs


@op(linear=True)
def split(x, *, sections, axis=0):
    """Cut x along `axis`: into so many equal sections, or at the places of a list.

    A tuple comes back: split(x, 3), or split(x, [2, 5]) for x[:2], x[2:5] and x[5:].
    """
    (axis,) = axes_of(axis, x.ndim)
    places = _places(sections, x.shape, axis)
    cuts = zip([0, *places], [*places, x.shape[axis]], strict=True)
    ys = tuple(x[(slice(None),) * axis + (slice(a, b),)] for a, b in cuts)
    return ys, lambda *gs: concatenate(gs, axis)


def _places(sections, shape, axis):
    """Return where to cut."""
    n = shape[axis]
    if not hasattr(sections, "__len__"):
        if sections < 1 or n % sections:
            raise ShapeError(
                f"split: axis {axis} of x {shape} cannot be cut into {sections} equal "
                "sections; give a number that divides its length, or a list of places"
            )
        return (
            list(range(n // sections, n, n // sections)) if n else [0] * (sections - 1)
        )
    places = [operator.index(i) for i in sections]
    if places != sorted(places) or any(not 0 <= i <= n for i in places):
        raise ShapeError(
            f"split: places {places} must rise and lie within 0 … {n}, the length of "
            f"axis {axis} of x {shape}"
        )
    return places


@op(linear=True)
def unstack(x, *, axis=0):
    """Return x[0], x[1], … as a tuple, along any axis: one node for all of them."""
    (axis,) = axes_of(axis, x.ndim)
    before = (slice(None),) * axis
    ys = tuple(x[(*before, i, ...)] for i in range(x.shape[axis]))
    return ys, lambda *gs: stack(gs, axis)


@op(linear=True)
def tile(x, *, reps):
    """Lay copies of the whole of x side by side: reps[i] of them along axis i."""
    reps = (reps,) if isinstance(reps, int) else tuple(reps)
    n = max(x.ndim, len(reps))
    lengths = (1,) * (n - x.ndim) + x.shape
    reps = (1,) * (n - len(reps)) + reps
    each = [m for pair in zip(reps, lengths, strict=True) for m in pair]
    old, copies = x.shape, tuple(range(0, 2 * n, 2))
    return namespace(x).tile(x, reps), lambda g: reshape(
        sum(reshape(g, shape=each), axis=copies), shape=old
    )


def repeat(x: TensorLike, repeats: int | Sequence[int], axis: int | None = None) -> Any:
    """Repeat each element (or row, along `axis`) so many times; without axis, flat.

    With a list, each element has its own count.
    """
    if axis is None:
        x, axis = reshape(x, shape=-1), 0
    xp = namespace(getattr(x, "data", x) if hasattr(x, "requires_grad") else x)
    n = x.shape[axis]
    if isinstance(repeats, int):
        return _repeat(x, repeats=repeats, axis=axis)
    if len(repeats) != n:
        raise ShapeError(
            f"repeat: {len(repeats)} counts for {n} elements of axis {axis}"
        )
    return take(x, xp.repeat(xp.arange(n), list(repeats)), axis=axis)


@op(linear=True)
def _repeat(x, *, repeats, axis):
    (axis,) = axes_of(axis, x.ndim)
    each = (*x.shape[: axis + 1], repeats, *x.shape[axis + 1 :])
    y = x.repeat(repeats, axis)
    return y, lambda g: sum(reshape(g, shape=each), axis=axis + 1)
