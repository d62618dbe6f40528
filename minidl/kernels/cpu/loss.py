"""cross_entropy on a CPU: no matrix of zeros and ones, and a few rows at a time.

Throughout:  x scores (N, K)    labels (N,)    g = ∂L/∂y
             e = exp(x − max x)    s = Σₖ e, so that p = e / s

Kept is e; the way back is one product with g / (N s), less g / N at the labels. A sum
over rows as a product with ones takes half the time of `e.sum(axis=1)`.
On 128 x 10 scores the plain body takes 1.8 times as long, on 2048 x 1000 4 times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.ops.loss import cross_entropy
from minidl.ops.targets import check_reduction, look_for_softmax

BLOCK = 1 << 17  # numbers at a time: 512 kB in float32
NARROW = 64  # up to here it is quicker to turn the rows before their maximum is taken


@cross_entropy.fast("cpu")
def quick_cross_entropy(
    x: Array,
    labels: Array,
    *,
    weight: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Any:
    """Return cross_entropy of plain labels; None for all that is rarer, or wrong."""
    if weight is not None or label_smoothing or not _suits(x):
        return None
    n, k = x.shape
    if not _are_labels(labels, n, k) or 0 <= ignore_index < k:
        return None
    found = _exponentials(x)
    if found is None:
        return None
    check_reduction("cross_entropy", reduction)
    look_for_softmax("cross_entropy", x)
    e, s, top = found
    at = np.arange(0, n * k, k) + labels  # where the labels lie in x.ravel()
    losses = top - x.ravel()[at]  # first, or large scores would cost digits
    losses += np.log(s)
    share = 1 / n if reduction == "mean" else 1.0

    def backward(g: Array, wanted: Sequence[bool]) -> tuple[Array, None]:
        g = g * share
        dx: Array = e * (g / s)[:, None]
        dx.ravel()[at] -= g
        return dx, None

    return (losses if reduction == "none" else losses.sum() * share), backward


def _are_labels(labels: Array, n: int, k: int) -> bool:
    """Whether labels are n integers of which each has a score."""
    return (
        isinstance(labels, np.ndarray)
        and labels.dtype.kind in "iu"
        and labels.shape == (n,)
        and bool(labels.max() < k and labels.min() >= 0)
    )


def _suits(x: Array) -> bool:
    """Whether x is (N, K), float32 or float64, row after row without gaps."""
    floats = x.dtype == np.float32 or x.dtype == np.float64
    return bool(floats and x.ndim == 2 and x.size and x.flags.c_contiguous)


def _exponentials(x: Array) -> tuple[Array, Array, Array] | None:
    """Return e (N, K), s (N,) and max x (N,); None if a maximum is infinite."""
    n, k = x.shape
    e, s, top = np.empty_like(x), np.empty(n, x.dtype), np.empty(n, x.dtype)
    ones, step = np.ones(k, x.dtype), max(1, BLOCK // k)
    for first in range(0, n, step):
        at = slice(first, first + step)
        rows, part = x[at], e[at]
        if k <= NARROW:
            rows.T.copy().max(axis=0, out=top[at])
        else:
            rows.max(axis=1, out=top[at])
        if not math.isfinite(np.vdot(top[at], top[at])):
            return None
        np.subtract(rows, top[at, None], out=part)
        np.exp(part, out=part)
        np.matmul(part, ones, out=s[at])
    return e, s, top
