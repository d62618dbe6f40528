"""Pooling on a CPU: one pass over the image for each place in a window.

Throughout:  x (N, C, H, W)    y (N, C, OH, OW)    g = ∂L/∂y
             shifts: x[:, :, u::s, v::s], what all windows see at their place (u, v)

No columns are built: y is a running maximum, or sum, over the shifts. Arrays keep the
order in memory of x, so that what conv2d lays out (kernels/cpu/conv.py) stays so.
Both are linear maps, given the winners: `collect` and `deal` are a pair of transposes,
so that gradients of gradients pass through them too.

Deleting this file changes nothing but the time a step takes.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.engine.op import op
from minidl.ops.pool import avg_pool2d, max_pool2d, pool_windows
from minidl.ops.windows import Windows

Fast = Any  # (y, backward), or None to decline
Order = tuple[int, ...]  # the axes of an array, from the longest stride to the shortest

NO_FRAME = ((0, 0), (0, 0))


@max_pool2d.fast("cpu")
def max_pool2d_by_shifts(
    x: Array,
    *,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Fast:
    """Return max_pool2d(x), and keep one byte for each output: which place won.

    The last of the places that were better than all before them won, so that the first
    of equals wins. (An infinite g gives nan, not 0, to the others in its window.)
    """
    at = pool_windows(
        "max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode
    )
    if x.dtype != np.float32 or at.size[0] * at.size[1] > 256:
        return None
    order = order_of(x)
    first, *others = shifted(framed(x, order, at, -math.inf), at)
    y = first.copy(order="K")
    winner = np.zeros_like(y, dtype=np.uint8)
    for place, view in enumerate(others, start=1):
        better = (view > y).view(np.uint8)
        better *= np.uint8(place)
        np.maximum(winner, better, out=winner)
        np.maximum(y, view, out=y)
    if np.isnan(y.sum()):
        return None  # NaN is larger than all, which `view > y` does not say
    shape = x.shape
    return y, lambda g: deal(g, at=at, shape=shape, order=order, winner=winner)


@avg_pool2d.fast("cpu")
def avg_pool2d_by_shifts(
    x: Array,
    *,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    count_include_pad: bool = True,
    ceil_mode: bool = False,
) -> Fast:
    """Return avg_pool2d(x), where every mean is over equally many pixels."""
    at = pool_windows("avg_pool2d", x, kernel_size, stride, padding, 1, ceil_mode)
    equal = count_include_pad and not ceil_mode
    if x.dtype != np.float32 or (at.padding != NO_FRAME and not equal):
        return None
    order, shape, share = order_of(x), x.shape, 1 / (at.size[0] * at.size[1])
    y = collect(x, at=at, order=order)
    y *= share
    return y, lambda g: deal(g * share, at=at, shape=shape, order=order)


@op(linear=True)
def collect(x, *, at, order, winner=None):
    """Σ over the places of each window; given the winners, theirs alone."""
    shape, views = x.shape, shifted(framed(x, order, at, 0.0), at)
    y = next(views) * (1.0 if winner is None else winner == 0)
    for place, view in enumerate(views, start=1):
        y += view if winner is None else view * (winner == place)
    return y, lambda g: deal(g, at=at, shape=shape, order=order, winner=winner)


@op(linear=True)
def deal(g, *, at, shape, order, winner=None):
    """Hand g to all places of its window, or to the winner: collect, transposed."""
    g, (dx, inside) = in_order(g, order), canvas(shape, order, at)
    apart = overlap_free(at)
    for place, view in enumerate(shifted(dx, at)):
        taken = 1.0 if winner is None else winner == place
        if apart:
            np.multiply(g, taken, out=view)
        else:
            view += g * taken
    return inside, lambda u: collect(u, at=at, order=order, winner=winner)


def shifted(x: Array, at: Windows) -> Iterator[Array]:
    """Yield, for each place in the window, what all windows see there."""
    for _, _, rows, columns in at.shifts():
        yield x[:, :, rows, columns]


def overlap_free(at: Windows) -> bool:
    """Whether no pixel is in two windows."""
    settings = zip(at.stride, at.size, at.dilation, strict=True)
    return all(s > d * (k - 1) for s, k, d in settings)


def framed(x: Array, order: Order, at: Windows, fill: float) -> Array:
    """Return x with its frame."""
    if at.padding == NO_FRAME:
        return x
    y, inside = canvas(x.shape, order, at)
    y[...] = fill
    inside[...] = x
    return y


def canvas(shape: tuple[int, ...], order: Order, at: Windows) -> tuple[Array, Array]:
    """Return zeros for an image with its frame, and the part inside the frame."""
    (top, bottom), (left, right) = at.padding
    h, w = shape[2:]
    y = zeros((*shape[:2], top + h + bottom, left + w + right), order)
    inside = y[:, :, top : top + h, left : left + w]
    return y, y if at.padding == NO_FRAME else inside


def zeros(shape: tuple[int, ...], order: Order) -> Array:
    """Return zeros that lie in memory in this order."""
    y = np.zeros([shape[axis] for axis in order], np.float32)
    return y.transpose([order.index(axis) for axis in range(len(order))])


def order_of(x: Array) -> Order:
    """Return the order in memory of x."""
    strides = [-abs(stride) for stride in x.strides]
    return tuple(sorted(range(x.ndim), key=strides.__getitem__))


def in_order(g: Array, order: Order) -> Array:
    """Return g in this order, for loops over two orders at once are slow."""
    if g.transpose(order).flags.c_contiguous:
        return g
    y = zeros(g.shape, order)
    y[...] = g
    return y
