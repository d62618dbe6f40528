"""Attention: look at everything, most at what fits best.

Throughout:  q queries (…, L, D)    k keys (…, S, D)    v values (…, S, E)
             s scores (…, L, S)    p weights (…, L, S), rows that add up to 1
             y output (…, L, E)    g = ∂L/∂y    leading axes are batch and heads

A mask says which keys a query may look at, and stretches to (…, L, S): truth values,
true where it may look, or numbers that are added to the scores, −∞ where it may not.
Who may look at nothing gets zeros.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import math
from typing import Any

from minidl.backend import Array, namespace
from minidl.engine.op import op
from minidl.engine.tensor import TensorLike, values
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.ops.dropout import keep_mask, scale_of, threshold
from minidl.ops.elementwise import exp, tanh, where
from minidl.ops.shape import sum_to

__all__ = [
    "additive_scores", "causal_mask", "masked_softmax", "rope",
    "scaled_dot_product_attention",
]  # fmt: skip

NEVER = -math.inf


@op
def scaled_dot_product_attention(
    q, k, v, mask=None, dropout_key=None, *, causal=False, scale=None, dropout=0.0
):
    """softmax(q kᵀ / √D) v.    q (…, L, D), k (…, S, D), v (…, S, E) -> y (…, L, E).

    causal  query i sees no key that comes after it; the last query and the last key
            stand at the same time, so that one new query sees all keys of a cache
    scale   in place of 1 / √D, without which scores grow with D and softmax saturates
    dropout probability to drop a weight, as `ops.dropout` does, by the dropout_key (2,)

    Vaswani et al. 2017, equation 1.    dv = pᵀ g,  dp = g vᵀ,  ds = p (dp − Σ p dp).
    """
    _check(q, k, v)
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    q_shape, k_shape, v_shape = q.shape, k.shape, v.shape
    check_mask("scaled_dot_product_attention", mask, (*q_shape[:-1], k_shape[-2]))
    k, v = without_hidden(k, mask), without_hidden(v, mask)
    s = (q * scale) @ k.swapaxes(-1, -2)
    if causal:
        s = where(causal_mask(s.shape[-2], s.shape[-1], like=s), s, NEVER)
    p = _weights(s, mask)
    keep, share = _kept(p, dropout_key, dropout)
    used = p if keep is None else where(keep, p * share, 0.0)

    def backward(g, wanted):
        dv = used.swapaxes(-1, -2) @ g if wanted[2] else None
        dp = g @ v.swapaxes(-1, -2)
        dp = dp if keep is None else where(keep, dp * share, 0.0)
        ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True))
        dq = ds @ k * scale if wanted[0] else None
        dk = ds.swapaxes(-1, -2) @ q * scale if wanted[1] else None
        summed = (_summed(dq, q_shape), _summed(dk, k_shape), _summed(dv, v_shape))
        return *summed, sum_to(ds, shape=mask.shape) if wanted[3] else None, None

    return used @ v, backward


def _kept(p, key, dropout):
    """Return which weights are kept, and what they are multiplied by; None for all."""
    if not dropout:
        return None, 1.0
    if key is None:
        raise RangeError(
            f"attention: dropout={dropout} needs a dropout_key, two uint64: "
            'np.array([seed, call], "uint64"), another for each call'
        )
    kept = threshold(dropout)
    return keep_mask(values(p), values(key), kept), scale_of(kept)


def without_hidden(x: TensorLike, mask: TensorLike | None) -> Any:
    """Return keys or values with zeros where no query may look: 0 · NaN is NaN."""
    if mask is None:
        return x
    mask = values(mask)
    seen = mask if mask.dtype == bool else mask > NEVER
    seen = seen.any(axis=-2) if seen.ndim > 1 else seen
    return where(seen[..., None], x, 0.0)


@op
def masked_softmax(s, mask=None):
    """p = softmax(s) over the last axis, among those that the mask lets through.

    s (…, L, S), mask (…, L, S) -> p like s.    ds = p (g − Σ p g). A row in which
    nothing is let through becomes zeros, not 0 / 0.

    >>> import numpy as np
    >>> masked_softmax(np.zeros((2, 2)), np.array([[True, True], [True, False]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    check_mask("masked_softmax", mask, s.shape)
    p = _weights(s, mask)

    def backward(g, wanted):
        ds = p * (g - (p * g).sum(axis=-1, keepdims=True))
        return ds, sum_to(ds, shape=mask.shape) if wanted[1] else None

    return p, backward


def additive_scores(q: TensorLike, k: TensorLike, v: TensorLike) -> Any:
    """sᵢⱼ = v · tanh(qᵢ + kⱼ).    q (…, L, A), k (…, S, A), v (A,) -> s (…, L, S).

    q and k are queries and keys after a linear map each.    Bahdanau et al. 2015,
    section A.1.2.
    """
    if q.shape[-1] != k.shape[-1] or v.shape != q.shape[-1:]:
        raise ShapeError(
            f"additive_scores: q {tuple(q.shape)}, k {tuple(k.shape)} and v "
            f"{tuple(v.shape)} must end with the same length"
        )
    return tanh(q[..., :, None, :] + k[..., None, :, :]) @ v


@op(linear=True)
def rope(x, *, start=0, base=10000.0, inverse=False):
    """Turn each pair (x₂ₖ, x₂ₖ₊₁) at time t by the angle t · base^(−2k/D).

    x (…, T, D), D even -> y like x; the first of the T stands at time `start`. Turned
    so, the product of a query at t and a key at s depends on t − s alone.    Su et al.
    2021, equation 34. A rotation is linear; its transpose turns back (`inverse`).
    Raises ShapeError unless D is even.
    """
    if x.ndim < 2 or x.shape[-1] % 2:
        raise ShapeError(
            f"rope: x {tuple(x.shape)} should be (…, T, D) with an even D, for "
            "features are turned in pairs"
        )
    xp, (t, d) = namespace(x), x.shape[-2:]
    speed = xp.exp(xp.arange(0, d, 2) * (-math.log(base) / d))
    angle = (xp.arange(t) + start)[:, None] * speed
    c, s = xp.cos(angle).astype(x.dtype), xp.sin(angle).astype(x.dtype)
    s = -s if inverse else s
    y, even, odd = xp.empty_like(x), x[..., 0::2], x[..., 1::2]
    y[..., 0::2] = even * c - odd * s
    y[..., 1::2] = even * s + odd * c
    return y, lambda g: rope(g, start=start, base=base, inverse=not inverse)


def causal_mask(n_queries: int, n_keys: int, like: TensorLike) -> Array:
    """Return who may look at whom, (L, S): at the past and at itself.

    The last query stands at the time of the last key.

    >>> import numpy as np
    >>> causal_mask(2, 3, like=np.ones(1)).astype(int)
    array([[1, 1, 0],
           [1, 1, 1]])
    """
    xp = namespace(values(like))
    now = xp.arange(n_queries)[:, None] + (n_keys - n_queries)
    return xp.arange(n_keys) <= now


def _weights(s, mask):
    """softmax(s) of what the mask lets through."""
    if mask is not None:
        truth = values(mask).dtype.kind == "b"
        s = where(values(mask), s, NEVER) if truth else s + mask
    top = values(s).max(axis=-1, keepdims=True)  # it cancels, so it is a constant
    e = exp(s - where(top == NEVER, 0.0, top))
    total = e.sum(axis=-1, keepdims=True)
    return e / where(values(total) == 0, 1.0, total)


def _summed(d, shape):
    """Sum over the batches that an input did not have."""
    return d if d is None or d.shape == shape else sum_to(d, shape=shape)


def _check(q: TensorLike, k: TensorLike, v: TensorLike) -> None:
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1]:
        raise ShapeError(
            f"attention: q {tuple(q.shape)} and k {tuple(k.shape)} should be (…, L, D) "
            "and (…, S, D), of the same D"
        )
    if k.shape[-2] != v.shape[-2]:
        raise ShapeError(
            f"attention: k {tuple(k.shape)} and v {tuple(v.shape)} have different "
            "numbers of places (their last axis but one); each key has one value"
        )
    if not k.shape[-2]:
        raise ShapeError(
            f"attention: k {tuple(k.shape)} has no places: a sequence of length 0 has "
            "nothing to look at"
        )


def check_mask(name: str, mask: TensorLike, shape: tuple[int, ...]) -> None:
    """Raise unless the mask stretches to the shape of the scores."""
    if mask is None:
        return
    if mask.dtype.kind not in "bf":
        raise DTypeError(
            f"{name}: the mask is {mask.dtype}; it holds truth values (true: may look) "
            "or floats that are added to the scores: try mask.astype(bool)"
        )
    lengths = zip(mask.shape[::-1], shape[::-1], strict=False)
    if mask.ndim > len(shape) or any(m not in (1, n) for m, n in lengths):
        raise ShapeError(
            f"{name}: mask {tuple(mask.shape)} does not stretch to the scores "
            f"{tuple(shape)}, (batch, heads, queries, keys); a mask of keys for each "
            "sequence is mask[:, None, None, :]"
        )
