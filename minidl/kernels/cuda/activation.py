"""relu on a GPU, alone and behind an affine map: one launch each way, and no mask.

Throughout:  x (N, D)    w (D, K)    b (K,)    z = x w    y = max(z + b, 0)    g = ∂L/∂y
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minidl.backend import Array
from minidl.engine.tensor import Tensor
from minidl.kernels.cuda import compiler as cuda
from minidl.ops.activation import relu
from minidl.ops.elementwise import where
from minidl.ops.linalg import affine_relu


@relu.fast("cuda")
def quick_relu(x: Array) -> Any:
    """Return relu of contiguous float32; else None."""
    if not cuda.takes(x):
        return None
    y = cuda.empty_like(x)
    cuda.launch("activation", "relu", x.size, x, y)

    def backward(g: Array) -> Any:
        if isinstance(g, Tensor) or not cuda.takes(g):
            return where(y > 0, g, 0.0)
        dx = cuda.empty_like(g)
        cuda.launch("activation", "relu_back", g.size, y, g, dx)
        return dx

    return y, backward


@affine_relu.fast("cuda")
def quick_affine_relu(x: Array, w: Array, b: Array | None = None) -> Any:
    """Return affine_relu of contiguous float32 with a bias; else None.

    Bias and relu are one launch after the product, dz and db one before the products of
    the way back (two, if there are many rows).
    """
    if b is None or not _fits(x, w, b):
        return None
    shape, rows = x.shape, x.reshape(-1, len(w))
    y = cuda.product(rows, w)
    n, k = y.shape
    cuda.run("activation", "bias_relu", cuda.grid_of(n, k, rows=32), y, b, n, k)

    def backward(g: Array, wanted: Sequence[bool]) -> tuple[Any, Any, Any]:
        g, dz, grid = cuda.contiguous(g), cuda.empty_like(y), cuda.grid_of(n, k)
        parts = cuda.memory_for(grid[1], k)
        cuda.run("activation", "bias_relu_back", grid, y, g, dz, parts, n, k)
        return (
            cuda.product(dz, w.T).reshape(shape) if wanted[0] else None,
            cuda.product(rows.T, dz) if wanted[1] else None,
            cuda.total(parts) if wanted[2] else None,
        )

    return y.reshape(*shape[:-1], k), backward


def _fits(x: Array, w: Array, b: Array) -> bool:
    """Whether these are rows, a matrix and a bias that fit, and none is empty."""
    if not cuda.takes(x, w, b) or x.ndim < 2 or w.ndim != 2 or not x.size * w.size:
        return False
    return bool(x.shape[-1] == w.shape[0] and b.shape == w.shape[1:])
