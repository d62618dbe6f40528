"""What the fast bodies of normalization have in common: memory, and sums.

Five facts, measured on one core, decide their form (the plain bodies say what is
computed):
- a sum over rows or columns is a product with a vector of ones, and BLAS makes it
  several times as fast as `x.sum(axis=…)`: it reads once and writes nothing;
- what is done in blocks of 128 KB stays in the processor's cache between two steps;
- NumPy stretches a vector over short rows at half the speed of two equal arrays; so a
  vector is laid out once as long as a block, and blocks are flat;
- writing one array from another takes twice as long if the one that is written does
  not start on a cache line (64 bytes), and NumPy's seldom do;
- a matrix of rank one, column times row, is cheapest as a product of matrices with an
  inner axis of 2 (BLAS is slow at 1).
"""

from __future__ import annotations

import math

import numpy as np

from minidl.backend import Array

BLOCK = 32768  # numbers: 128 KB


def aligned(shape: tuple[int, ...]) -> Array:
    """Return a new float32 array that starts on a cache line."""
    n = math.prod(shape)
    scratch = np.empty(n + 16, np.float32)
    start = -scratch.__array_interface__["data"][0] % 64 // 4
    return scratch[start : start + n].reshape(shape)


def ones(n: int) -> Array:
    """Return n times 1, to sum with."""
    return np.ones(n, np.float32)


def is_finite(x: Array) -> bool:
    """Whether the sums along the last axis of x are neither NaN nor infinite."""
    lines = x.reshape(-1, x.shape[-1])
    return bool(np.isfinite(lines @ ones(lines.shape[1])).all())
