"""Layer norm on a CPU, a block of rows at a time: see minidl/kernels/cpu/blocks.py.

Throughout:  x input (N, D)    y output    g = ∂L/∂y    z a block, to be written over
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels.cpu.blocks import BLOCK, aligned, ones
from minidl.ops.norm import layer_norm
from minidl.ops.total import total

SMALL = 16384  # numbers: up to here the plain body is as fast

Fast = Any  # (y, backward[, aux]), or None to decline


@layer_norm.fast("cpu")
def fast_layer_norm(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    n_axes: int | None = None,
    eps: float = 1e-5,
) -> Fast:
    """Rows are scaled by matrices of rank one; sums with weights γ are products."""
    if x.dtype != np.float32 or not x.flags.c_contiguous or x.size <= SMALL:
        return None
    if gamma is None or beta is None or gamma.shape != beta.shape:
        return None
    k = gamma.ndim
    if n_axes not in (None, k) or not 1 <= k <= x.ndim or x.shape[-k:] != gamma.shape:
        return None
    shape, features, d = x.shape, gamma.shape, gamma.size
    rows, weight = x.reshape(-1, d), gamma.reshape(d)
    mean = rows @ np.full(d, 1 / d, x.dtype)
    y, rstd = standardize(rows, mean, weight, beta.reshape(d), eps)

    def backward(g: Array) -> tuple[Array, Array, Array]:
        gs = np.ascontiguousarray(g).reshape(-1, d)
        dx, dgamma = pull_back(gs, rows, weight, mean, rstd)
        dbeta = total(gs, axis=0)
        return dx.reshape(shape), dgamma.reshape(features), dbeta.reshape(features)

    return y.reshape(shape), backward


class Outer:
    """Matrices of rank one, column times row, for a block of rows."""

    def __init__(self, n: int, row: Array) -> None:
        self.column = np.zeros((n, 2), row.dtype)
        self.row = np.zeros((2, row.size), row.dtype)
        self.row[0] = row
        self.scratch = aligned((n, row.size))

    def __call__(self, column: Array) -> Array:
        """Return column times row, in memory that the next call writes over."""
        n = len(column)
        self.column[:n, 0] = column
        return np.matmul(self.column[:n], self.row, out=self.scratch[:n])


def some_rows(rows: Array) -> tuple[int, list[slice]]:
    """Return how many rows a block has, and the blocks."""
    n, d = rows.shape
    step = min(n, max(1, BLOCK // d))
    return step, [slice(i, i + step) for i in range(0, n, step)]


def standardize(
    rows: Array, mean: Array, gamma: Array, beta: Array, eps: float
) -> tuple[Array, Array]:
    """Return γ x̂ + β (N, D), and rstd (N,)."""
    d = rows.shape[1]
    y, rstd, share = aligned(rows.shape), np.empty_like(mean), np.full(d, 1 / d, "f4")
    step, several = some_rows(rows)
    flat, by_gamma, shift = (
        Outer(step, ones(d)),
        Outer(step, gamma),
        np.tile(beta, (step, 1)),
    )
    for some in several:
        z = np.subtract(rows[some], flat(mean[some]), out=y[some])
        var, off = np.vecdot(z, z) / d, z @ share  # off: what rounding left of the mean
        if (off * off > 1e-8 * var).any():
            mean[some] += off
            np.subtract(rows[some], flat(mean[some]), out=z)
            var = np.vecdot(z, z) / d
        np.divide(1, np.sqrt(var + eps), out=rstd[some])
        z *= by_gamma(rstd[some])
        z += shift[: len(z)]
    return y, rstd


def pull_back(
    g: Array, rows: Array, gamma: Array, mean: Array, rstd: Array
) -> tuple[Array, Array]:
    """dx = rstd (γ g − Σ γ g / D − x̂ Σ γ g x̂ / D),  dγ = Σ g x̂."""
    dx, dgamma = aligned(rows.shape), np.zeros_like(gamma)
    step, several = some_rows(rows)
    flat, by_gamma = Outer(step, ones(gamma.size)), Outer(step, gamma)
    scratch, share = aligned(flat.scratch.shape), gamma / -gamma.size
    for some in several:
        s, gb, out = rstd[some], g[some], dx[some]
        z = np.subtract(rows[some], flat(mean[some]), out=scratch[: len(out)])
        np.multiply(gb, z, out=out)
        dgamma += s @ out
        z *= flat(s * s * s * (out @ share))
        z += flat(s * (gb @ share))
        np.multiply(gb, by_gamma(s), out=out)
        out += z
    return dx, dgamma
