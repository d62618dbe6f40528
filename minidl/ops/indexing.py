"""Picking and placing: x[index] and its transpose; and order, which is picking too.

Throughout:  x input    y output    g = ∂L/∂y    i integers: which elements

To pick is linear; its transpose puts g back where it was picked, into zeros, and adds
what was picked twice. `Scatter` leaves the adding to the engine. Given the order,
sorting is linear as well; positions have no derivative and are plain arrays.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array, device_of, namespace
from minidl.engine.op import op
from minidl.engine.tensor import TensorLike, values
from minidl.errors import RangeError, ShapeError
from minidl.foreign import answers
from minidl.ops.shape import axes_of, reshape, transpose

__all__ = [
    "add_at", "argsort", "diagonal", "getitem", "scatter", "sort", "take",
    "take_along_axis", "topk",
]  # fmt: skip

MANY = 1 << 16  # so many additions may lose digits in float32


class Scatter:
    """A gradient that is zero but at x[index]: returned by the backward of indexing.

    The engine adds it into an array of its own, so that T steps of a loop over x[:, t]
    cost O(T), not O(T²).
    """

    __slots__ = ("g", "index", "shape")

    def __init__(self, index: object, g: TensorLike, shape: tuple[int, ...]) -> None:
        self.index, self.g, self.shape = index, g, shape

    def dense(self) -> Any:
        """Return the gradient with its zeros; a Tensor if g is one."""
        return scatter(self.g, index=self.index, shape=self.shape)

    def add_to(self, total: Array) -> None:
        """Add g to total[index]; where an index repeats, all its shares count."""
        add_at(total, self.index, self.g)


@op(linear=True)
def getitem(x, *, index):
    """x[index]: slices, ints, ..., None, integer arrays, and (on a CPU) masks.

    The gradient is zero but at x[index]; it is added into place by the engine.
    """
    shape = x.shape
    return x[index], lambda g: Scatter(index, g, shape)


@op(linear=True)
def scatter(x, *, index, shape):
    """Zeros of `shape` with x added at [index]: the transpose of getitem."""
    y = namespace(x).zeros(shape, x.dtype)
    if is_basic(index):
        y[index] = x
    elif device_of(x) == "cuda":  # add_at calls this operation there
        namespace(x).add.at(y, index, x)
    else:
        add_at(y, index, x)
    return y, lambda g: getitem(g, index=index)


def add_at(total: Array, index: Any, x: Array) -> None:
    """total[index] += x, in place; an index that repeats gets all its shares.

    Where there is a fast `scatter` its order of addition counts, on a GPU: the same
    numbers give the same bits.
    """
    if is_basic(index):
        total[index] += x
    elif device_of(total) == "cuda":
        total += scatter(x, index=index, shape=total.shape)
    elif x.size > MANY and total.dtype != np.float64:
        sums = np.zeros(total.shape)  # float64: one after the other they lose digits
        np.add.at(sums, index, x.astype(np.float64))
        total += sums.astype(total.dtype)
    else:
        np.add.at(total, index, x)


def is_basic(index: object) -> bool:
    """Whether it is made of slices, ints, ..., None and masks: no element twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        part is None
        or part is ...
        or isinstance(part, (int, slice))
        or (hasattr(part, "dtype") and part.dtype.kind == "b")
        for part in parts
    )


def plain_index(index: object) -> object:
    """Replace the Tensors in an index by their arrays."""
    if isinstance(index, tuple):
        return tuple(plain_index(part) for part in index)
    return values(index)


def as_index(x: Array, i: TensorLike) -> Any:
    """Return i as an array where x is, if it is a list."""
    return namespace(x).asarray(i) if isinstance(i, (list, tuple, range)) else i


@op(linear=True)
def take(x, i, *, axis=None):
    """The elements i along `axis`: x[:, i] for axis 1; without axis, of a flat x."""
    shape, n, i = x.shape, x.size, as_index(x, i)
    if axis is None:
        return x.reshape(-1)[i], (
            lambda g: reshape(scatter(g, index=i, shape=(n,)), shape=shape),
            None,
        )
    (axis,) = axes_of(axis, x.ndim)
    index = (slice(None),) * axis + (i,)
    return x[index], (lambda g: Scatter(index, g, shape), None)


@op(linear=True)
def take_along_axis(x, i, *, axis=-1):
    """y[n, k] = x[n, i[n, k]] for axis 1: each row has indices of its own.

    x and i have as many axes; apart from `axis` their lengths agree, or i has length 1.
    """
    if x.ndim != i.ndim:
        raise ShapeError(
            f"take_along_axis: x {x.shape} and i {i.shape} need equally many axes; try "
            "i[:, None] for one index in each row"
        )
    (axis,) = axes_of(axis, x.ndim)
    shape, index = x.shape, _grid(x, i, axis)
    return x[index], (lambda g: Scatter(index, g, shape), None)


def _grid(x, i, axis):
    """i along `axis`, and along every other axis the numbers 0 … n − 1."""
    grid = [
        namespace(x).arange(n).reshape([-1 if a == b else 1 for b in range(x.ndim)])
        for a, n in enumerate(x.shape)
    ]
    grid[axis] = i
    return tuple(grid)


def diagonal(x: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return x[i, i + offset], as the last axis of y; negative offsets lie below."""
    a, b = axes_of((axis1, axis2), x.ndim)
    rest = [i for i in range(x.ndim) if i not in (a, b)]
    n = max(0, min(x.shape[a] + min(offset, 0), x.shape[b] - max(offset, 0)))
    i = namespace(values(x)).arange(n)
    index = (..., i + max(0, -offset), i + max(0, offset))
    return getitem(transpose(x, axes=(*rest, a, b)), index=index)


# Order


@answers
def argsort(x: TensorLike, axis: int = -1, descending: bool = False) -> Array:
    """Return the positions that put x in order, the smallest first.

    Equals keep the order they had.
    """
    x = values(x)
    xp = namespace(x)
    axes_of(axis, x.ndim)
    if not descending:
        return xp.argsort(x, axis=axis, kind="stable")
    back = xp.argsort(xp.flip(x, axis), axis=axis, kind="stable")
    return x.shape[axis] - 1 - xp.flip(back, axis)  # so that equals keep their order


@op(linear=True)
def sort(x, *, axis=-1, descending=False):
    """x in order along `axis`, the smallest first."""
    i = argsort(x, axis, descending)
    return take_along_axis(x, i, axis=axis), lambda g: take_along_axis(
        g, argsort(i, axis), axis=axis
    )


@answers
def topk(
    x: TensorLike, k: int, axis: int = -1, largest: bool = True
) -> tuple[Any, Array]:
    """Return the k largest (or smallest) along `axis`, in order; and their places."""
    n = x.shape[axes_of(axis, x.ndim)[0]]
    if not 0 <= k <= n:
        raise RangeError(
            f"topk: k={k} of axis {axis}, which has {n} elements (x {x.shape})"
        )
    order = argsort(x, axis, descending=largest)
    first = [slice(None)] * x.ndim
    first[axis] = slice(k)
    i = order[tuple(first)]
    return take_along_axis(x, i, axis=axis), i
