"""Products with one matrix on a GPU: all rows of a batch at once.

CuPy's `x @ w` of x (N, T, D) and w (D, K) is N products, whose addresses it collects
in four launches before the one that counts. As (N T, D) @ (D, K) it is one product; and
∂L/∂w is one as well, where the plain body makes N and adds them up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from minidl.backend import Array, device_of
from minidl.ops.linalg import affine, matmul


@affine.fast("cuda")
def affine_by_rows(x: Array, w: Array, b: Array | None = None) -> Any:
    """Return affine of a batch of matrices; None for one matrix, or what is wrong."""
    if not _is_batch(x, w) or (b is not None and b.shape != w.shape[1:]):
        return None
    y = _product(x, w)
    if b is not None:
        y += b

    def backward(g: Array, wanted: Sequence[bool]) -> tuple[Any, ...]:
        dx = _product(g, w.T) if wanted[0] else None
        db = _rows(g).sum(axis=0) if wanted[2] else None
        return dx, _rows(x).T @ _rows(g) if wanted[1] else None, db

    return y, backward


@matmul.fast("cuda")
def matmul_by_rows(a: Array, b: Array) -> Any:
    """Return matmul of a batch of matrices and one matrix; else None."""
    if not _is_batch(a, b):
        return None
    return _product(a, b), (
        lambda g: _product(g, b.T),
        lambda g: _rows(a).T @ _rows(g),
    )


def _is_batch(x: Array, w: Array) -> bool:
    """Whether x (N, …, D) has three axes or more, w (D, K) two, and they fit."""
    if device_of(w) != "cuda" or x.ndim < 3 or w.ndim != 2 or x.dtype != w.dtype:
        return False
    return bool(x.shape[-1] == w.shape[0] and math.prod((*x.shape, *w.shape)))


def _product(x: Array, w: Array) -> Array:
    return (_rows(x) @ w).reshape(*x.shape[:-1], w.shape[1])


def _rows(x: Array) -> Array:
    return x.reshape(-1, x.shape[-1])
