"""batch_norm and layer_norm on a GPU: a block of threads for each channel, or row.

Throughout:  x (N, C, …) or (N, …, D)    γ β (C,) or (D,)    r = 1 / √(σ² + ε)

Kept for the way back are x, μ and r. Batch norm is one launch each way. With few
channels most of a large GPU has nothing to do: a batch of large images would want
several blocks for a channel. Layer norm is one launch, and on the way back two, one
along the rows and one down the columns (three, if there are many rows).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels.cuda import compiler as cuda
from minidl.ops.norm import batch_norm, layer_norm


@batch_norm.fast("cuda")
def quick_batch_norm(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    eps: float = 1e-5,
) -> Any:
    """Return batch_norm of contiguous float32 with γ and β; else None."""
    if gamma is None or beta is None or not cuda.takes(x, gamma, beta) or x.ndim < 2:
        return None
    c, length = x.shape[1], math.prod(x.shape[2:])
    n = len(x) * length
    if n < 2 or not gamma.shape == beta.shape == (c,) != (0,):
        return None
    empty, y = sys.modules["cupy"].empty, cuda.empty_like(x)
    mean, var, rstd = (empty(c, x.dtype) for _ in range(3))
    sizes = np.int32(length), np.float32(eps), np.int64(n)
    run = cuda.kernel("norm", "batch_norm")
    run((c,), (cuda.THREADS,), (x, gamma, beta, y, mean, var, rstd, *sizes))

    def backward(g: Array) -> tuple[Array, Array, Array]:
        g = sys.modules["cupy"].ascontiguousarray(g)
        dx, dgamma, dbeta = cuda.empty_like(x), empty(c, x.dtype), empty(c, x.dtype)
        given = x, g, gamma, mean, rstd, dx, dgamma, dbeta
        run = cuda.kernel("norm", "batch_norm_back")
        run((c,), (cuda.THREADS,), (*given, np.int32(length), np.int64(n)))
        return dx, dgamma, dbeta

    return y, backward, (mean, var)


@layer_norm.fast("cuda")
def quick_layer_norm(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    n_axes: int | None = None,
    eps: float = 1e-5,
) -> Any:
    """Return layer_norm of contiguous float32 with γ and β; else None."""
    if gamma is None or beta is None or not _fit(x, gamma, beta, n_axes):
        return None
    d = gamma.size
    n, features = x.size // d, gamma.shape
    y, mean, rstd = cuda.empty_like(x), cuda.empty((n,)), cuda.empty((n,))
    block = (min(cuda.THREADS, -(-d // 32) * 32),)  # whole warps
    sizes = np.int32(d), np.float32(eps)
    forward = cuda.kernel("norm", "layer_norm")
    forward((n,), block, (x, gamma, beta, y, mean, rstd, *sizes))

    def backward(g: Array, wanted: Sequence[bool]) -> tuple[Any, Any, Any]:
        g, dx = cuda.contiguous(g), None
        if wanted[0]:
            dx = cuda.empty_like(x)
            along = cuda.kernel("norm", "layer_norm_back")
            along((n,), block, (x, g, gamma, mean, rstd, dx, sizes[0]))
        if not (wanted[1] or wanted[2]):
            return dx, None, None
        grid, sums = cuda.grid_of(n, d), (cuda.empty(features), cuda.empty(features))
        parts = grid[1]
        found = sums
        if parts > 1:
            found = cuda.empty((parts, d)), cuda.empty((parts, d))
        cuda.run("norm", "layer_norm_sums", grid, x, g, mean, rstd, *found, n, d)
        if parts > 1:
            cuda.launch("norm", "layer_norm_totals", 2 * d, *found, *sums, parts, d)
        return dx, *sums

    return y, backward


def _fit(x: Array, gamma: Array, beta: Array, n_axes: int | None) -> bool:
    """Whether x is not empty, and its last axes are those of γ and β."""
    k = gamma.ndim
    if not cuda.takes(x, gamma, beta) or n_axes not in (None, k) or not x.size:
        return False
    return bool(1 <= k <= x.ndim and gamma.shape == beta.shape == x.shape[-k:])
