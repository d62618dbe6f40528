"""elu, silu and softmax on a CPU: the plain formulas, a few numbers at a time.

Throughout:  x input    y output    g = ∂L/∂y    σ the logistic curve

A plain body goes through all numbers once for every operation, and each pass reads
memory and writes it. Here all passes are made over a block (see blocks.py) while it is
in the cache; and a number beside an array is an array, which NumPy compares faster.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels.blocks import BLOCK, aligned, ones
from minidl.kernels.cpu_special import blocks
from minidl.ops.activation import FAR, elu, silu
from minidl.ops.softmax import softmax

Fast = Any  # (y, backward[, aux]), or None to decline


@elu.fast("cpu")  # type: ignore[attr-defined, untyped-decorator]
def quick_elu(x: Array, *, alpha: float = 1.0) -> Fast:
    """Return elu of float32 with α ≥ 0; kept is y alone, for α eˣ = y + α if x ≤ 0."""
    if x.dtype != np.float32 or not 0 <= alpha < math.inf:
        return None
    xs, y = np.ascontiguousarray(x).reshape(-1), aligned(x.shape)
    ys, zeros = y.reshape(-1), np.zeros(min(x.size, BLOCK), x.dtype)
    room = np.empty_like(zeros)
    for some in blocks(xs.size):
        z, nothing = ys[some], zeros[: ys[some].size]
        np.minimum(xs[some], nothing, out=z)
        np.expm1(z, out=z)
        z *= alpha
        z += np.maximum(xs[some], nothing, out=room[: z.size])

    def backward(g: Array) -> Array:
        dx, gs = aligned(x.shape), np.ascontiguousarray(g).reshape(-1)
        out = dx.reshape(-1)
        for some in blocks(out.size):
            d, nothing = out[some], zeros[: out[some].size]
            np.minimum(ys[some], nothing, out=d)
            d += alpha
            if alpha != 1:
                d += (1 - alpha) * (ys[some] > 0).astype(d.dtype)
            d *= gs[some]
        return dx

    return y, backward


@silu.fast("cpu")  # type: ignore[attr-defined, untyped-decorator]
def quick_silu(x: Array) -> Fast:
    """Return silu of float32; kept are x and σ."""
    if x.dtype != np.float32:
        return None
    xs, y, s = np.ascontiguousarray(x).reshape(-1), aligned(x.shape), aligned((x.size,))
    ys, low = y.reshape(-1), np.full(min(x.size, BLOCK), -FAR, x.dtype)
    for some in blocks(xs.size):
        part, near = s[some], ys[some]
        np.maximum(xs[some], low[: part.size], out=near)  # −∞ · 0 is no number
        np.negative(near, out=part)
        with np.errstate(over="ignore"):  # where e⁻ˣ overflows, σ = 1/∞ = 0 is right
            np.exp(part, out=part)
        part += 1
        np.reciprocal(part, out=part)
        near *= part

    def backward(g: Array) -> Array:
        """g σ (1 + x (1 − σ))."""
        dx, gs = aligned(x.shape), np.ascontiguousarray(g).reshape(-1)
        out, high, room = dx.reshape(-1), -low, np.empty_like(low)
        for some in blocks(out.size):
            d, part = out[some], s[some]
            n = part.size
            near = np.maximum(xs[some], low[:n], out=room[:n])
            np.minimum(near, high[:n], out=near)
            np.subtract(1, part, out=d)
            d *= near
            d += 1
            d *= part
            d *= gs[some]
        return dx

    return y, backward


@softmax.fast("cpu")  # type: ignore[attr-defined, untyped-decorator]
def quick_softmax(x: Array, *, axis: int = -1) -> Fast:
    """Return softmax of rows without gaps, with finite maxima; else None."""
    if (
        x.dtype != np.float32
        or x.ndim < 1
        or axis not in (-1, x.ndim - 1)
        or not x.size
    ):
        return None
    k = x.shape[-1]
    xs, y = np.ascontiguousarray(x).reshape(-1, k), aligned(x.shape)
    ys, add, step = y.reshape(-1, k), ones(k), max(1, BLOCK // k)
    parts = [slice(i, i + step) for i in range(0, len(xs), step)]
    for some in parts:
        rows, e = xs[some], ys[some]
        top = rows.max(axis=1, keepdims=True)
        if not math.isfinite(np.vdot(top, top)):
            return None
        np.subtract(rows, top, out=e)
        np.exp(e, out=e)
        e /= (e @ add)[:, None]

    def backward(g: Array) -> Array:
        """y (g − Σ g y)."""
        dx, gs = aligned(x.shape), np.ascontiguousarray(g).reshape(-1, k)
        out = dx.reshape(-1, k)
        for some in parts:
            d = out[some]
            np.subtract(gs[some], np.vecdot(gs[some], ys[some])[:, None], out=d)
            d *= ys[some]
        return dx

    return y, backward
