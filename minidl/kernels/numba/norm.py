"""Batch norm with one pass for each sum, and one to write.

Throughout:  x input    y output    g = ∂L/∂y    μ mean    p, q, r one for each channel
             images: x as (L, C, P), lines in memory, channels, positions of a line

Sums of a line are float32 and those of all lines float64; where a line has one position
(P = 1), PIECE lines are added first. Sums are of distances to the first number, as in
the op, so that equal numbers have a variance of 0; where it lies too far out, they are
taken again, of distances to the mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels.numba.loops import ZERO, In1, In3, Out2, Out3, loop, ready
from minidl.kernels.parts import parts, together
from minidl.ops.norm import batch_norm

SMALL = 16384  # numbers: up to here the plain body is as fast
PIECE = 64
LEAST = 1 << 16  # numbers for a thread
FAR = 0.95  # (μ − first)² as a share of the mean of (x − first)²: from 4 σ on

Fast = Any  # (y, backward, aux), or None to decline


@loop
def moments(x: In3, mean: In1, first: Out2, second: Out2) -> None:
    """Σ (x − μ) and Σ (x − μ)² of each line or piece, for each channel."""
    lines, channels, positions = x.shape
    if positions == 1:
        for i in range(lines):
            for c in range(channels):
                z = x[i, c, 0] - mean[c]
                first[i // PIECE, c] += z
                second[i // PIECE, c] += z * z
    else:
        for i in range(lines):
            for c in range(channels):
                s, t = ZERO, ZERO
                for k in range(positions):
                    z = x[i, c, k] - mean[c]
                    s += z
                    t += z * z
                first[i, c], second[i, c] = s, t


@loop
def slopes(g: In3, x: In3, mean: In1, first: Out2, second: Out2) -> None:
    """Σ g and Σ g (x − μ) of each line or piece, for each channel."""
    lines, channels, positions = x.shape
    if positions == 1:
        for i in range(lines):
            for c in range(channels):
                first[i // PIECE, c] += g[i, c, 0]
                second[i // PIECE, c] += g[i, c, 0] * (x[i, c, 0] - mean[c])
    else:
        for i in range(lines):
            for c in range(channels):
                s, t = ZERO, ZERO
                for k in range(positions):
                    s += g[i, c, k]
                    t += g[i, c, k] * (x[i, c, k] - mean[c])
                first[i, c], second[i, c] = s, t


@loop
def forward(x: In3, mean: In1, p: In1, q: In1, y: Out3) -> None:
    """y = (x − μ) p + q."""
    lines, channels, positions = x.shape
    for i in range(lines):
        if positions == 1:
            for c in range(channels):
                y[i, c, 0] = (x[i, c, 0] - mean[c]) * p[c] + q[c]
        else:
            for c in range(channels):
                for k in range(positions):
                    y[i, c, k] = (x[i, c, k] - mean[c]) * p[c] + q[c]


@loop
def backward(g: In3, x: In3, mean: In1, p: In1, q: In1, r: In1, dx: Out3) -> None:
    """dx = g p + (x − μ) r + q."""
    lines, channels, positions = x.shape
    for i in range(lines):
        if positions == 1:
            for c in range(channels):
                dx[i, c, 0] = g[i, c, 0] * p[c] + ((x[i, c, 0] - mean[c]) * r[c] + q[c])
        else:
            for c in range(channels):
                for k in range(positions):
                    z = (x[i, c, k] - mean[c]) * r[c] + q[c]
                    dx[i, c, k] = g[i, c, k] * p[c] + z


@batch_norm.fast("cpu", rank=2)
def batch_norm_by_lines(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    eps: float = 1e-5,
) -> Fast:
    """Takes float32 without gaps: N first or last in memory, or the channels last."""
    if x.dtype != np.float32 or x.ndim < 2 or x.size <= max(SMALL, x.shape[1]):
        return None
    if any(v is not None and v.shape != (x.shape[1],) for v in (gamma, beta)):
        return None
    order = order_of(x)
    if order is None or not ready(moments, slopes, forward, backward):
        return None
    c, shape = x.shape[1], x.shape
    n, last = x.size // c, (-1, c, 1) if order[-1] == 1 else (shape[order[0]], c, -1)
    gamma = np.ones(c, x.dtype) if gamma is None else np.ascontiguousarray(gamma)
    beta = np.zeros(c, x.dtype) if beta is None else np.ascontiguousarray(beta)
    images = x.transpose(order).reshape(last)
    mean = images[0, :, 0].copy()
    off, square = sums(moments, images, mean)
    if (off * off > FAR * n * square).any():
        mean += off / n
        off, square = sums(moments, images, mean)
    var = np.maximum(square / n - (off / n) ** 2, 0).astype(x.dtype)
    mean += off / n
    rstd = 1 / np.sqrt(var + eps)
    scale = gamma * rstd
    y = np.empty_like(x)  # in the order of x; it owns its memory: nobody has to copy it
    by_lines(forward, images, mean, scale, beta, y.transpose(order).reshape(last))

    def back(g: Array) -> tuple[Array, Array, Array]:
        gs = np.ascontiguousarray(g.transpose(order)).reshape(last)
        dbeta, dgamma = (v.astype(mean.dtype) for v in sums(slopes, gs, images, mean))
        dgamma *= rstd
        dx = np.empty_like(x)
        out = dx.transpose(order).reshape(last)
        shift, slope = scale * dbeta / -n, scale * rstd * dgamma / -n
        by_lines(backward, gs, images, mean, scale, shift, slope, out)
        return dx, dgamma, dbeta

    return y, back, (mean, var)


def sums(body: Any, *arrays: Array) -> Array:
    """Return both sums of all lines for each channel, (2, C), in float64."""
    lines, channels, positions = arrays[0].shape
    piece = PIECE if positions == 1 else 1
    found = np.zeros((2, -(-lines // piece), channels), np.float32)

    def some_lines(some: slice) -> None:
        at = slice(some.start * piece, some.stop * piece)
        own = (x[at] if x.ndim == 3 else x for x in arrays)
        body(*own, *found[:, some])

    count = found.shape[1]
    together(some_lines, parts(count, LEAST * count // arrays[0].size + 1))
    return found.sum(axis=1, dtype=np.float64)


def by_lines(body: Any, *arrays: Array) -> None:
    """Call a loop with some lines of the images, in each thread."""

    def some_lines(at: slice) -> None:
        body(*(x[at] if x.ndim == 3 else x for x in arrays))

    lines = len(arrays[0])
    together(some_lines, parts(lines, LEAST * lines // arrays[0].size + 1))


def order_of(x: Array) -> tuple[int, ...] | None:
    """Return the axes of x as they lie in memory, channels second or last, or None."""
    for order in (tuple(range(x.ndim)), (0, *range(2, x.ndim), 1), (2, 1, 3, 0)):
        if len(order) == x.ndim and x.transpose(order).flags.c_contiguous:
            return order
    return None
