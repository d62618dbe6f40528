"""Products of large matrices, a part of the result for each thread (kernels/parts.py).

Throughout:  x (…, D)    w (D, K)    y (…, K)    g = ∂L/∂y

The longer axis of the result is cut, so that more of what BLAS packs is a thread's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels.parts import WORK, parts_of, together
from minidl.ops.linalg import affine, matmul
from minidl.ops.total import total
from minidl.process import threads_of_ours

Fast = Any  # (y, backward), or None to decline


@affine.fast("cpu")
def affine_in_parts(x: Array, w: Array, b: Array | None = None) -> Fast:
    """Takes x, w and b of one width; None where one thread is enough, or no product."""
    if threads_of_ours() == 1 or x.ndim < 2 or w.ndim != 2 or not x.size:
        return None
    if b is not None and (b.shape != w.shape[1:] or b.dtype != x.dtype):
        return None
    rows = x.reshape(-1, x.shape[-1])
    if not shared(rows, w):
        return None
    y = product(rows, w)
    if b is not None:
        y += b

    def backward(g: Array, wanted: list[bool]) -> tuple[Any, Any, Any]:
        gs = g.reshape(-1, w.shape[1])
        return (
            product(gs, w.T).reshape(x.shape) if wanted[0] else None,
            product(rows.T, gs) if wanted[1] else None,
            total(gs, axis=0) if wanted[2] else None,
        )

    return y.reshape(*x.shape[:-1], -1), backward


@matmul.fast("cpu")
def matmul_in_parts(a: Array, b: Array) -> Fast:
    """Takes two matrices of one width."""
    if threads_of_ours() == 1 or not a.ndim == b.ndim == 2 or not shared(a, b):
        return None
    return product(a, b), (lambda g: product(g, b.T), lambda g: product(a.T, g))


def shared(a: Array, b: Array) -> bool:
    """Whether there are two threads for a @ b, and work for both."""
    if a.shape[1] != len(b) or a.dtype != b.dtype or a.dtype.kind != "f":
        return False
    return bool(len(a) * b.size >= 2 * WORK)


def product(a: Array, b: Array) -> Array:
    """Return a @ b."""
    (n, d), k = a.shape, b.shape[1]
    y, some = np.empty((n, k), a.dtype), parts_of(max(n, k), d * min(n, k))
    if n >= k:
        together(lambda at: np.matmul(a[at], b, out=y[at]), some)
    else:
        together(lambda at: np.matmul(a, b[:, at], out=y[:, at]), some)
    return y
