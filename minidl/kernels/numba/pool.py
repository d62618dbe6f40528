"""Max pooling of images in rows, in one pass each way: see kernels/cpu/pool.py.

Throughout:  x (H, C, W, N)    y, winner (OH, C, OW, N)    g = ∂L/∂y
             KH KW the window, SH SW the stride; the batch is innermost
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array, optional
from minidl.kernels.numba.loops import ZERO, Bytes4, Count, In4, Out4, loop, ready
from minidl.kernels.parts import parts, together
from minidl.ops.pool import max_pool2d, pool_windows
from minidl.ops.windows import Windows

SMALL = 16384  # numbers: up to here the other body is as fast
LEAST = 1 << 16  # numbers for a thread
pool = optional("minidl.kernels.cpu.pool")

Fast = Any  # (y, backward), or None to decline


@loop
def forward(
    x: In4, kh: Count, kw: Count, sh: Count, sw: Count, y: Out4, winner: Bytes4
) -> None:
    """Write the largest of each window, and the first place that holds it.

    NaN is larger than all: what it is compared with is not at least as large.
    """
    for i in range(y.shape[0]):
        for c in range(y.shape[1]):
            for j in range(y.shape[2]):
                for n in range(y.shape[3]):
                    y[i, c, j, n] = x[i * sh, c, j * sw, n]
                    winner[i, c, j, n] = 0
                for place in range(1, kh * kw):
                    u, v = i * sh + place // kw, j * sw + place % kw
                    for n in range(y.shape[3]):
                        best, a = y[i, c, j, n], x[u, c, v, n]
                        better = not (best >= a) and best == best
                        y[i, c, j, n] = a if better else best
                        winner[i, c, j, n] = place if better else winner[i, c, j, n]


@loop
def backward(
    g: In4, winner: Bytes4, kh: Count, kw: Count, sh: Count, sw: Count, dx: Out4
) -> None:
    """Write g where a pixel won; windows do not overlap, and dx is 0 before."""
    for i in range(g.shape[0]):
        for c in range(g.shape[1]):
            for j in range(g.shape[2]):
                for place in range(kh * kw):
                    u, v = i * sh + place // kw, j * sw + place % kw
                    for n in range(g.shape[3]):
                        won = winner[i, c, j, n] == place
                        dx[u, c, v, n] = g[i, c, j, n] if won else ZERO


def max_pool2d_in_one_pass(
    x: Array,
    *,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Fast:
    """Takes float32 in rows, as conv2d leaves it, and windows without a frame."""
    at = pool_windows(
        "max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode
    )
    rows = x.transpose(2, 1, 3, 0)
    if x.dtype != np.float32 or x.size < SMALL or not rows.flags.c_contiguous:
        return None
    if at.padding != pool.NO_FRAME or at.dilation != (1, 1):
        return None
    if not pool.overlap_free(at) or at.size[0] * at.size[1] > 256:
        return None
    return by_lines(x, rows, at) if ready(forward, backward) else None


def by_lines(x: Array, rows: Array, at: Windows) -> Fast:
    """Return y and the way back; each thread takes some lines of y."""
    (oh, ow), order, shape = at.out, (2, 1, 3, 0), x.shape
    y = np.empty((oh, shape[1], ow, shape[0]), np.float32)
    winner = np.empty(y.shape, np.uint8)
    ways, (down, _) = (*at.size, *at.stride), at.stride
    lines = parts(oh, LEAST * oh // y.size + 1)

    def choose(some: slice) -> None:
        forward(rows[some.start * down :], *ways, y[some], winner[some])

    together(choose, lines)
    winner_of_images = winner.transpose(3, 1, 0, 2)

    def back(g: Any) -> Any:
        if type(g) is not np.ndarray:
            return pool.deal(
                g, at=at, shape=shape, order=order, winner=winner_of_images
            )
        dx = np.zeros((shape[2], shape[1], shape[3], shape[0]), np.float32)
        gs = np.ascontiguousarray(g.transpose(order))

        def deal(some: slice) -> None:
            backward(gs[some], winner[some], *ways, dx[some.start * down :])

        together(deal, lines)
        return dx.transpose(3, 1, 0, 2)

    return y.transpose(3, 1, 0, 2), back


if pool:
    max_pool2d.fast("cpu", rank=2)(max_pool2d_in_one_pass)
