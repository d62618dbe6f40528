"""Rows of ops/attention.py: the oracle goes from query to query, in plain sums."""

import functools
import math

import numpy as np

from minidl import ops
from tests.rows import Row, normal


def softmax_of(s):
    """Of one row of scores; nothing but −∞ becomes zeros."""
    e = np.zeros_like(s)
    if (s > -math.inf).any():
        e = np.exp(s - s.max())
        e /= e.sum()
    return e


def hidden(s, mask):
    if mask is None:
        return s
    added = np.where(mask, 0, -math.inf) if mask.dtype == bool else mask
    return s + added


def masked_softmax(s, mask=None):
    return np.apply_along_axis(softmax_of, -1, hidden(s, mask))


def attention(q, k, v, mask=None, causal=False, scale=None):
    s = np.einsum("...ld,...sd->...ls", q, k)
    s = s * (q.shape[-1] ** -0.5 if scale is None else scale)
    n, m = s.shape[-2:]
    if causal:
        s = s + np.array(
            [[0 if j <= i + m - n else -math.inf for j in range(m)] for i in range(n)]
        )
    return np.einsum("...ls,...se->...le", masked_softmax(s, mask), v)


def additive(q, k, v):
    s = [[v @ np.tanh(a + b) for b in y] for x, y in zip(q, k, strict=True) for a in x]
    return np.reshape(s, (len(q), q.shape[1], k.shape[1]))


def dropped(q, k, v, mask, key):
    """The same weights as without, but those that ops.dropout drops."""
    s = np.einsum("...ld,...sd->...ls", q, k) * q.shape[-1] ** -0.5
    p = ops.dropout(masked_softmax(s, mask), key, p=0.4)
    return np.einsum("...ls,...se->...le", p, v)


def turned(x, start=0, base=10000.0):
    """Pairs as complex numbers: multiplied by exp(i t base^(-2k/D))."""
    t, k = np.arange(x.shape[-2]) + start, np.arange(x.shape[-1] // 2)
    z = x[..., 0::2] + 1j * x[..., 1::2]
    z = z * np.exp(1j * np.outer(t, base ** (-2 * k / x.shape[-1])))
    return np.stack([z.real, z.imag], axis=-1).reshape(x.shape)


KEY = np.array([5, 2], np.uint64)


def r(inputs, **settings):
    oracle = functools.partial(attention, **settings)
    return Row(ops.scaled_dot_product_attention, inputs, oracle, settings)


def qkv(*batch, n=3, m=4, d=2, e=3):
    return normal(*batch, n, d), normal(*batch, m, d), normal(*batch, m, e)


SOME = np.array([[1, 0, 1, 1], [0, 1, 0, 0], [1, 1, 0, 0]], bool)
NONE_FOR_ONE = np.array([[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 0, 0]], bool)

# fmt: off
ROWS = [
    r((*qkv(), None)),
    r((*qkv(2), None), scale=0.3),
    r((*qkv(2, 2), SOME)),
    r((*qkv(2), NONE_FOR_ONE)),
    r((*qkv(2, m=3), None), causal=True),
    r((*qkv(), SOME), causal=True),
    r((*qkv(n=1), None), causal=True),
    r((*qkv(n=4, m=2), None), causal=True),
    r((*qkv(2), normal(3, 4))),
    r((*qkv(2, 2), normal(2, 1, 1, 4)), causal=True),
    r((normal(2, 3, 2), normal(4, 2), normal(4, 3), None)),
    Row(ops.scaled_dot_product_attention, (*qkv(2), SOME, KEY), dropped, {"dropout": 0.4}),
    Row(ops.rope, (normal(2, 3, 4),), turned),
    Row(ops.rope, (normal(5, 6),), lambda x: turned(x, 7, 50.0), {"start": 7, "base": 50.0}),
    Row(ops.masked_softmax, (normal(2, 3, 4), None), masked_softmax),
    Row(ops.masked_softmax, (normal(2, 3, 4), NONE_FOR_ONE), masked_softmax),
    Row(ops.masked_softmax, (normal(2, 3, 4), normal(3, 4)), masked_softmax),
    Row(ops.masked_softmax, (normal(2, 3, 4), normal(2, 1, 4)), masked_softmax),
    Row(ops.additive_scores, (normal(2, 3, 2), normal(2, 4, 2), normal(2)), additive),
]
