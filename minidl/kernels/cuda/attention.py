"""Attention on a GPU: two products and one launch forward, four and one back.

Throughout:  q (…, L, D), k (…, S, D), v (…, S, E)    s scores (…, L, S)
             p weights (…, L, S), written over s    g = ∂L/∂y    ds = ∂L/∂s

The softmax is that of attention.cu: scale, mask and causality cost no launch of their
own, and no mask is stretched in memory. All of p is kept, as in the plain body.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from minidl.backend import Array, device_of
from minidl.kernels.cuda import compiler as cuda
from minidl.ops.attention import (
    check_mask,
    masked_softmax,
    scaled_dot_product_attention,
)
from minidl.ops.shape import sum_to

Fast = Any  # (y, backward[, aux]), or None to decline
ROWS = 8  # of a block of 256 threads: one warp each
MASK = np.dtype(
    [("stride", np.int64, 4)]
    + [(n, np.int32) for n in ("heads", "queries", "keys", "kind", "causal")],
    align=True,
)


@scaled_dot_product_attention.fast("cuda")
def quick_attention(
    q: Array,
    k: Array,
    v: Array,
    mask: Any = None,
    dropout_key: Any = None,
    *,
    causal: bool = False,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Fast:
    """Return attention of float32 with one batch for all; else None."""
    if dropout or not (_fits(q, k, v) and _can_mask(mask, q.ndim)):
        return None
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    shape = (*q.shape[:-1], k.shape[-2])
    check_mask("scaled_dot_product_attention", mask, shape)
    flat = [x.reshape(-1, *x.shape[-2:]) for x in (q, k, v)]
    p = flat[0] @ flat[1].swapaxes(1, 2)
    softmax(p.reshape(shape), p, mask, causal, scale)
    y = (p @ flat[2]).reshape(*q.shape[:-1], v.shape[-1])
    shapes = q.shape, k.shape, v.shape

    def backward(g: Array, wanted: Any) -> tuple[Any, ...]:
        g = g.reshape(-1, *g.shape[-2:])
        dv = p.swapaxes(1, 2) @ g
        dp, dmask = g @ flat[2].swapaxes(1, 2), None
        if wanted[3]:
            added = softmax_back(p, dp, cuda.empty_like(p), 1.0)
            dmask = sum_to(added.reshape(shape), shape=mask.shape)
        ds = softmax_back(p, dp, dp, scale)
        found = ds @ flat[1], ds.swapaxes(1, 2) @ flat[0], dv
        back = (d.reshape(s) for d, s in zip(found, shapes, strict=True))
        return *back, dmask, None

    return y, backward


@masked_softmax.fast("cuda")
def quick_masked_softmax(s: Array, mask: Any = None) -> Fast:
    """Return masked_softmax of contiguous float32; else None."""
    if s.ndim < 2 or not s.size or not cuda.takes(s) or not _can_mask(mask, s.ndim):
        return None
    check_mask("masked_softmax", mask, s.shape)
    p = cuda.empty_like(s)
    softmax(s, p, mask, False, 1.0)

    def backward(g: Array, wanted: Any) -> tuple[Any, Any]:
        g = sys.modules["cupy"].ascontiguousarray(g)
        ds = softmax_back(p, g, cuda.empty_like(p), 1.0)
        return ds, sum_to(ds, shape=mask.shape) if wanted[1] else None

    return p, backward


def softmax(s: Array, p: Array, mask: Array, causal: bool, scale: float) -> None:
    """Write the masked softmax of scale s into p, which may be the memory of s."""
    how, (heads, queries, keys) = np.zeros((), MASK), (1, *s.shape)[-3:]
    how["heads"], how["queries"], how["keys"] = heads, queries, keys
    how["causal"], given = causal, np.uint64(0)
    if mask is not None:
        stretched = sys.modules["cupy"].broadcast_to(mask, s.shape)
        steps = [n // mask.itemsize for n in stretched.strides]
        how["stride"] = [0] * (4 - len(steps)) + steps
        how["kind"], given = 1 + (mask.dtype.kind == "f"), mask
    rows = s.size // keys
    kernel, numbers = cuda.kernel("attention", "masked_softmax"), np.float32(scale)
    args = s, p, given, how[()], numbers, np.int64(rows)
    kernel((-(-rows // ROWS),), (cuda.THREADS,), args)


def softmax_back(p: Array, g: Array, ds: Array, scale: float) -> Array:
    """Write scale p (g − Σ p g) into ds, which may be the memory of g; return it."""
    keys, rows = p.shape[-1], p.size // p.shape[-1]
    numbers = np.int32(keys), np.float32(scale), np.int64(rows)
    kernel = cuda.kernel("attention", "softmax_back")
    kernel((-(-rows // ROWS),), (cuda.THREADS,), (p, g, ds, *numbers))
    return ds


def _fits(q: Array, k: Array, v: Array) -> bool:
    """Whether all are float32 of one batch on the device, of lengths that fit."""
    if not all(device_of(x) == "cuda" and x.dtype == np.float32 for x in (q, k, v)):
        return False
    if min(q.ndim, k.ndim, v.ndim) < 2 or not q.size or not v.size:
        return False
    batches = q.shape[:-2] == k.shape[:-2] == v.shape[:-2]
    return bool(batches and q.shape[-1] == k.shape[-1] and k.shape[-2] == v.shape[-2])


def _can_mask(mask: Array, ndim: int) -> bool:
    """Whether the kernel can read the mask: truth values or float32, at most 4 axes."""
    if mask is None:
        return True
    known = mask.dtype == np.bool_ or mask.dtype == np.float32
    return bool(device_of(mask) == "cuda" and known and ndim <= 4)
