"""Rows of ops/dropout.py: the oracle runs the cipher of the paper, word by word."""

import functools
import math

import numpy as np

from minidl import ops
from tests.rows import Row, normal

KEY = np.array([2**63 + 5, 7], np.uint64)
WORD = 2**64 - 1


def philox(key, block):
    """Four 64-bit words: Philox4x64 of ten rounds, with Python's integers.

    Salmon et al. 2011, figure 2 and its constants; NumPy counts blocks from 1.
    """
    k0, k1 = int(key[0]), int(key[1])
    c0, c1, c2, c3 = block + 1, 0, 0, 0
    for _ in range(10):
        a, b = c0 * 0xD2E7470EE14C6C93, c2 * 0xCA5A826395121157
        c0, c1, c2, c3 = (b >> 64) ^ c1 ^ k0, b & WORD, (a >> 64) ^ c3 ^ k1, a & WORD
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & WORD, (k1 + 0xBB67AE8584CAA73B) & WORD
    return c0, c1, c2, c3


def bits(key, i):
    """The 16 random bits of element i."""
    word = philox(key, i // 16)[i // 4 % 4]
    return word >> 16 * (i % 4) & 0xFFFF


def dropped(x, key, p, share=()):
    t = round((1 - p) * 65536)
    shape = [1 if i in share else n for i, n in enumerate(x.shape)]
    kept = [bits(key, i) < t for i in range(np.prod(shape, dtype=int))]
    return np.where(np.reshape(kept, shape), x, 0) * (65536 / max(t, 1))


def normals(key, word):
    """Two numbers of N(0, 1) from a 64-bit word: Box & Muller's r cos θ and r sin θ."""
    bits = philox(key, word // 4)[word % 4]
    r = math.sqrt(-2 * math.log((bits % 2**32 + 0.5) / 2**32))
    theta = 2 * math.pi * (bits >> 32) / 2**32
    return r * math.cos(theta), r * math.sin(theta)


def noisy(x, key, std):
    n = [normals(key, i // 2)[i % 2] for i in range(x.size)]
    return x + std * np.reshape(n, x.shape)


def r(op, x, oracle, **settings):
    return Row(op, (x, KEY), functools.partial(oracle, **settings), settings)


ROWS = [
    r(ops.dropout, normal(5, 7), dropped, p=0.3),
    r(ops.dropout, normal(3, 4, 2, 2), dropped, p=0.5, share=(2, 3)),
    r(ops.dropout, normal(2, 5, 3), dropped, p=0.7, share=(1,)),
    r(ops.dropout, normal(4, 3), dropped, p=0.0),
    r(ops.dropout, normal(4, 3), dropped, p=1.0),
    r(ops.gaussian_noise, normal(4, 3), noisy, std=0.3),
]
