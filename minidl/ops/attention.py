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
    q_shape, k_shape, v_shape = q.shape, k.shape, v.shape
    check_mask("scaled_dot_product_attention", mask, (*q_shape[:-1], k_shape[-2]))
    k, v = without_hidden(k, mask), without_hidden(v, mask)
    s, scale = dot_scores(q, k, scale, causal)
    p = _weights(s, mask)
    dropped = _dropping(p, dropout_key, dropout)
    used = dropped(p)

    def backward(g, wanted):
        dq = dk = dv = None
        # region a8.5: gradients of v, of the weights, of the scores, of q and of k
        if wanted[2]:
            dv = used.swapaxes(-1, -2) @ g
        dp = dropped(g @ v.swapaxes(-1, -2))
        ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True))
        if wanted[0]:
            dq = ds @ k * scale
        if wanted[1]:
            dk = ds.swapaxes(-1, -2) @ q * scale
        # endregion
        summed = (_summed(dq, q_shape), _summed(dk, k_shape), _summed(dv, v_shape))
        return *summed, sum_to(ds, shape=mask.shape) if wanted[3] else None, None

    return used @ v, backward


def dot_scores(
    q: TensorLike, k: TensorLike, scale: float | None = None, causal: bool = False
) -> Any:
    """Return s = scale · q kᵀ, −∞ for keys of the future if causal, and the scale.

    q (…, L, D), k (…, S, D) -> s (…, L, S). The scale is 1 / √D unless it is given.
    """
    # region a8.4: every query times every key, times the scale
    if scale is None:
        scale = 1 / math.sqrt(q.shape[-1])
    s = (q * scale) @ k.swapaxes(-1, -2)
    # endregion
    if causal:
        s = where(causal_mask(s.shape[-2], s.shape[-1], like=s), s, NEVER)
    return s, scale


def _dropping(p, key, dropout):
    """Return what dropout does to the weights, a function; it is linear."""
    if not dropout:
        return lambda x: x
    if key is None:
        raise RangeError(
            f"attention: dropout={dropout} needs a dropout_key, two uint64: "
            'np.array([seed, call], "uint64"), another for each call'
        )
    kept = threshold(dropout)
    keep, share = keep_mask(values(p), values(key), kept), scale_of(kept)
    return lambda x: where(keep, x * share, 0.0)


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
    # region a8.1: every query meets every key
    return tanh(q[..., :, None, :] + k[..., None, :, :]) @ v
    # endregion


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
    # region a8.6: a key may be seen if it is not later than the query
    now = xp.arange(n_queries)[:, None] + (n_keys - n_queries)
    return xp.arange(n_keys) <= now
    # endregion


def _weights(s, mask):
    """softmax(s) of what the mask lets through."""
    # region a8.2: −∞ where nobody may look; then softmax, and zeros for an empty row
    if mask is not None:
        truth = values(mask).dtype.kind == "b"
        s = where(values(mask), s, NEVER) if truth else s + mask
    top = values(s).max(axis=-1, keepdims=True)  # it cancels, so it is a constant
    e = exp(s - where(top == NEVER, 0.0, top))
    total = e.sum(axis=-1, keepdims=True)
    return e / where(values(total) == 0, 1.0, total)
    # endregion


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
