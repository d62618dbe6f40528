"""Layer norm in one pass over each row, which stays in the cache between its sums.

Throughout:  x (N, D)    y output    g = ∂L/∂y    γ, β (D,)    μ, rstd (N,)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels.numba.loops import (
    ONE,
    ZERO,
    In1,
    In2,
    Number,
    Out1,
    Out2,
    loop,
    ready,
)
from minidl.kernels.parts import parts, together
from minidl.ops.norm import layer_norm
from minidl.ops.total import PIECE

SMALL = 4096  # numbers: up to here the plain body is as fast
LEAST = 1 << 16  # numbers for a thread

Fast = Any  # (y, backward), or None to decline


@loop
def forward(
    x: In2, gamma: In1, beta: In1, y: Out2, mean: Out1, rstd: Out1, eps: Number
) -> None:
    """y = γ (x − μ) rstd + β; μ is taken from the first number on, as in the op."""
    n, d = x.shape
    size = np.float32(d)
    for i in range(n):
        total = ZERO
        for j in range(d):
            total += x[i, j] - x[i, 0]
        mean[i] = x[i, 0] + total / size
        total = ZERO
        for j in range(d):
            total += (x[i, j] - mean[i]) * (x[i, j] - mean[i])
        rstd[i] = ONE / np.sqrt(total / size + eps)
        for j in range(d):
            y[i, j] = (x[i, j] - mean[i]) * rstd[i] * gamma[j] + beta[j]


@loop
def backward(
    x: In2, gamma: In1, g: In2, mean: In1, rstd: In1,
    dx: Out2, dgamma: Out1, dbeta: Out1,
) -> None:  # fmt: skip
    """dx = rstd (γ g − Σ γ g / D − x̂ Σ γ g x̂ / D);  dγ += Σ g x̂,  dβ += Σ g."""
    n, d = x.shape
    size = np.float32(d)
    for i in range(n):
        m, r = mean[i], rstd[i]
        first, second = ZERO, ZERO
        for j in range(d):
            xhat = (x[i, j] - m) * r
            first += g[i, j] * gamma[j]
            second += g[i, j] * gamma[j] * xhat
            dgamma[j] += g[i, j] * xhat
            dbeta[j] += g[i, j]
        first /= size
        second /= size
        for j in range(d):
            dx[i, j] = r * (g[i, j] * gamma[j] - first - (x[i, j] - m) * r * second)


@layer_norm.fast("cpu", rank=2)
def layer_norm_by_rows(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    n_axes: int | None = None,
    eps: float = 1e-5,
) -> Fast:
    """Takes float32 with γ and β."""
    if x.dtype != np.float32 or not x.flags.c_contiguous or x.size < SMALL:
        return None
    if gamma is None or beta is None or gamma.shape != beta.shape:
        return None
    k = gamma.ndim
    if n_axes not in (None, k) or not 1 <= k <= x.ndim or x.shape[-k:] != gamma.shape:
        return None
    return by_rows(x, gamma, beta, eps) if ready(forward, backward) else None


def by_rows(x: Array, gamma: Array, beta: Array, eps: float) -> Fast:
    """Return y and the way back; each thread takes some of the rows."""
    features, d = gamma.shape, gamma.size
    rows, scale, shift = x.reshape(-1, d), gamma.ravel(), beta.ravel()
    y = np.empty_like(x)
    mean, rstd = np.empty((2, len(rows)), x.dtype)
    out = y.reshape(-1, d)

    def standardize(at: slice) -> None:
        forward(rows[at], scale, shift, out[at], mean[at], rstd[at], eps)

    together(standardize, parts(len(rows), LEAST // d + 1))

    def back(g: Array) -> tuple[Array, Array, Array]:
        gs, dx = np.ascontiguousarray(g).reshape(-1, d), np.empty_like(x)
        out = dx.reshape(-1, d)  # dx owns its memory, so that nobody has to copy it
        sums = np.zeros((2, -(-len(rows) // PIECE), d), x.dtype)  # see ops/total.py

        def pull_back(some: slice) -> None:
            for piece in range(some.start, some.stop):
                at = slice(piece * PIECE, (piece + 1) * PIECE)
                given = rows[at], scale, gs[at], mean[at], rstd[at], out[at]
                backward(*given, *sums[:, piece])

        together(pull_back, parts(sums.shape[1], LEAST // (PIECE * d) + 1))
        dgamma, dbeta = sums.sum(axis=1)
        return dx, dgamma.reshape(features), dbeta.reshape(features)

    return y, back
