"""Attention on a CPU, one sequence at a time: its scores stay in the cache.

Throughout:  q (N, …, L, D), k (N, …, S, D), v (N, …, S, E)    one of N at a time
             s scores, written over by e = exp(s − max) and p = e / Σ e
             hide  true where a query may not look: s becomes −∞ there

Backward, with y = p v:  ds = p (g vᵀ − Σ g y), for Σⱼ pⱼ (g vᵀ)ⱼ = Σ g y, a sum over E
numbers in place of S. All of p is kept, as in the plain body.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels.parts import parts_of, together
from minidl.ops.attention import (
    NEVER,
    causal_mask,
    check_mask,
    scaled_dot_product_attention,
    without_hidden,
)

Fast = Any  # (y, backward[, aux]), or None to decline
LEAST = np.finfo(np.float32).min  # in place of the maximum −∞ of a hidden row


@scaled_dot_product_attention.fast("cpu")
def attention_by_sequence(
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None = None,
    dropout_key: Any = None,
    *,
    causal: bool = False,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Fast:
    """Takes float32, one batch for all, and masks that are truth values."""
    if dropout or not (_fits(q, k, v) and (mask is None or mask.dtype == bool)):
        return None
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    shape = (*q.shape[:-1], k.shape[-2])
    check_mask("scaled_dot_product_attention", mask, shape)
    hide = hidden(mask, causal, shape, q)
    if mask is not None:
        k, v = without_hidden(k, mask), without_hidden(v, mask)
    p, y = np.empty(shape, q.dtype), np.empty((*q.shape[:-1], v.shape[-1]), q.dtype)
    ones = np.ones((shape[-1], 1), q.dtype)

    def attend(some: slice) -> None:
        for i in range(some.start, some.stop):
            near = _are_small(q[i], k[i], scale)
            e = np.matmul(q[i] * scale, k[i].swapaxes(-1, -2), out=p[i])
            if hide is not None:
                np.copyto(e, NEVER, where=hide[i])
            if not near:
                e -= np.maximum(e.max(axis=-1, keepdims=True), LEAST)
            np.exp(e, out=e)
            e /= np.maximum(e @ ones, 1e-30)
            np.matmul(e, v[i], out=y[i])

    together(attend, parts_of(len(q), math.prod(shape[1:]) * q.shape[-1]))

    def backward(g: Array) -> tuple[Any, ...]:
        return *pull_back(g, q, k, v, p, y, scale), None, None

    return y, backward


def pull_back(
    g: Array, q: Array, k: Array, v: Array, p: Array, y: Array, scale: float
) -> tuple[Array, Array, Array]:
    """dv = pᵀ g,  ds = p (g vᵀ − Σ g y),  dq = ds k,  dk = dsᵀ q."""
    dq, dk, dv = (np.empty(x.shape, x.dtype) for x in (q, k, v))

    def of_some(some: slice) -> None:
        ds = np.empty(p.shape[1:], p.dtype)
        for i in range(some.start, some.stop):
            gi = np.ascontiguousarray(g[i])
            np.matmul(p[i].swapaxes(-1, -2), gi, out=dv[i])
            np.matmul(gi, v[i].swapaxes(-1, -2), out=ds)
            ds -= np.vecdot(gi, y[i])[..., None]
            ds *= p[i]
            np.matmul(ds, k[i] * scale, out=dq[i])
            np.matmul(ds.swapaxes(-1, -2), q[i] * scale, out=dk[i])

    together(of_some, parts_of(len(q), math.prod(p.shape[1:]) * q.shape[-1]))
    return dq, dk, dv


def _fits(q: Array, k: Array, v: Array) -> bool:
    """Whether all are float32 of one batch, and of lengths that fit."""
    if not q.dtype == k.dtype == v.dtype == np.float32 or q.ndim < 3:
        return False
    batches = q.shape[:-2] == k.shape[:-2] == v.shape[:-2]
    places = k.shape[-2:-1] == v.shape[-2:-1] != (0,)
    return bool(batches and places and q.shape[-1] == k.shape[-1])


def _are_small(q: Array, k: Array, scale: float) -> bool:
    """Whether |s| ≤ ‖q‖ ‖k‖ < 50: then exp neither overflows nor vanishes.

    The maximum need not be taken off, which costs more than the exponentials.
    """
    longest = np.vecdot(q, q).max() * np.vecdot(k, k).max()
    return bool(scale * scale * longest < 50.0**2)


def hidden(mask: Array, causal: bool, shape: tuple[int, ...], like: Array) -> Any:
    """Return where a query may not look, stretched to `shape`; None for nowhere."""
    if causal:
        past = causal_mask(shape[-2], shape[-1], like)
        mask = past if mask is None else mask & past
    if mask is None or mask.all():
        return None
    return np.broadcast_to(~mask, shape)
