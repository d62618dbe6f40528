"""Batch norm on a CPU, in few passes over memory: see minidl/kernels/cpu/blocks.py.

Throughout:  x input    y output    g = ∂L/∂y    N images, C channels, P positions
             z a block, to be written over    p, q, r numbers for each channel
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels.cpu.blocks import BLOCK, aligned, ones
from minidl.ops.norm import batch_norm

SMALL = 65536  # numbers: up to here the plain body is as fast
LONG = 64  # positions that are worth a sum of their own
FAR = 0.95  # (μ − first)² as a share of the mean of (x − first)²: from 4 σ on

Fast = Any  # (y, backward[, aux]), or None to decline


@batch_norm.fast("cpu")
def fast_batch_norm(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    eps: float = 1e-5,
) -> Fast:
    """y = x p + q with p = γ rstd, q = β − μ p; likewise dx from g and x."""
    if x.dtype != np.float32 or x.ndim < 2 or x.size <= max(SMALL, x.shape[1]):
        return None  # the plain body says what is wrong
    if any(v is not None and v.shape != (x.shape[1],) for v in (gamma, beta)):
        return None
    order = contiguous_order(x)
    if order is None:
        return None
    c, n = x.shape[1], x.size // x.shape[1]
    shape, view = x.shape, (n, c, 1) if order[-1] == 1 else (x.shape[order[0]], c, -1)
    images = x.transpose(order).reshape(view)
    mean = images[0, :, 0].copy()
    off, square = moments(images, mean)
    if (off * off > FAR * n * square).any():  # the first number would cost digits
        mean += off / n
        off, square = moments(images, mean)
    mean += off / n
    var = np.maximum(square / n - (off / n) ** 2, 0).astype(x.dtype)
    rstd = 1 / np.sqrt(var + eps)
    scale = rstd if gamma is None else gamma * rstd
    y = combine(images, scale, (0.0 if beta is None else beta) - mean * scale)

    def backward(g: Array) -> tuple[Array, Array, Array]:
        gs = np.ascontiguousarray(g.transpose(order)).reshape(view)
        dbeta, dgamma = (v.astype(x.dtype) for v in moments(images, mean, gs))
        dgamma *= rstd
        slope = scale * rstd * dgamma / -n
        dx = combine(gs, scale, scale * dbeta / -n - slope * mean, images, slope)
        return placed(dx, shape, order), dgamma, dbeta

    return placed(y, shape, order), backward, (mean, var)


def contiguous_order(x: Array) -> tuple[int, ...] | None:
    """Return the axes of x as they lie in memory, channels second or last, or None.

    H, C, W, N is how conv2d lays images out (kernels/cpu/conv.py).
    """
    for order in (tuple(range(x.ndim)), (0, *range(2, x.ndim), 1), (2, 1, 3, 0)):
        if len(order) == x.ndim and x.transpose(order).flags.c_contiguous:
            return order
    return None


def placed(y: Array, shape: tuple[int, ...], order: tuple[int, ...]) -> Array:
    """Return y in the shape of x, which had its axes in this order in memory."""
    y = y.reshape([shape[i] for i in order])
    straight = tuple(range(len(order)))
    return y if order == straight else y.transpose([order.index(i) for i in straight])


def blocks(images: Array) -> Iterator[tuple[slice, list[slice]]]:
    """Cut (N, C, P) into flat pieces: some channels, and for them some images."""
    n, c, p = images.shape
    some = c if c * p <= BLOCK else max(1, BLOCK // p)
    step = max(1, BLOCK // (some * p)) if some == c else 1
    several = [slice(i, i + step) for i in range(0, n, step)]
    for start in range(0, c, some):
        yield slice(start, min(start + some, c)), several


def laid_out(v: Array, images: Array) -> Array:
    """Repeat a number for each channel over positions and images, to a block."""
    n, _, p = images.shape
    line = np.repeat(v, p) if p > 1 else v
    times = min(n, max(1, BLOCK // line.size))
    return np.tile(line, times) if times > 1 else line


def moments(
    images: Array, mean: Array, others: Array | None = None
) -> tuple[Array, Array]:
    """Σ w and Σ (x − μ) w for each channel, in one pass; w = x − μ, or `others`."""
    p = images.shape[2]
    first, second = np.zeros((2, len(mean)))  # float64, for there are many blocks
    scratch = aligned((max(BLOCK, p),))
    for channels, several in blocks(images):
        middle = laid_out(mean[channels], images)
        for some in several:
            x = images[some, channels]
            z = np.subtract(x.reshape(-1), middle[: x.size], out=scratch[: x.size])
            w = z if others is None else others[some, channels]
            total, product = sums(z, w.reshape(-1), x.shape[1], p)
            first[channels] += total
            second[channels] += product
    return first, second


def sums(z: Array, w: Array, c: int, p: int) -> tuple[Array, Array]:
    """Σ w and Σ z w for each of c channels with p positions; z may be written over."""
    if p >= LONG:
        z, w = z.reshape(-1, p), w.reshape(-1, p)
        lines = (w @ ones(p)).reshape(-1, c), np.vecdot(z, w).reshape(-1, c)
        return lines[0].sum(axis=0), lines[1].sum(axis=0)
    rows = ones(z.size // (c * p))
    total = rows @ w.reshape(-1, c * p)
    z *= w
    product = rows @ z.reshape(-1, c * p)
    return total.reshape(c, p).sum(axis=1), product.reshape(c, p).sum(axis=1)


def combine(
    a: Array, p: Array, q: Array, b: Array | None = None, r: Array | None = None
) -> Array:
    """Return a p + q, or a p + b r + q.    a, b (N, C, P), p, q, r (C,)."""
    y = aligned(a.shape)
    scratch = aligned((0 if b is None else max(BLOCK, a.shape[2]),))
    for channels, several in blocks(a):
        p_, q_ = laid_out(p[channels], a), laid_out(q[channels], a)
        r_ = None if r is None else laid_out(r[channels], a)
        for some in several:
            x, out = a[some, channels].reshape(-1), y[some, channels].reshape(-1)
            np.multiply(x, p_[: x.size], out=out)
            if b is not None and r_ is not None:
                z = b[some, channels].reshape(-1)
                out += np.multiply(z, r_[: x.size], out=scratch[: x.size])
            out += q_[: x.size]
    return y
