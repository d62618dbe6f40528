"""Order. Given the order, sorting is a linear map, and the way back undoes it.

Throughout:  x input    y output    g = ∂L/∂y    i integers: which element of x
Equals keep the order they had. Positions have no derivative and are plain arrays.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from typing import Any

from minidl.backend import Array, namespace
from minidl.engine.op import op
from minidl.engine.tensor import values
from minidl.errors import RangeError
from minidl.ops.indexing import take_along_axis
from minidl.ops.shape import axes_of


def argsort(x: Any, axis: int = -1, descending: bool = False) -> Array:
    """Return the positions that put x in order, the smallest first."""
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


def topk(x: Any, k: int, axis: int = -1, largest: bool = True) -> tuple[Any, Array]:
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
