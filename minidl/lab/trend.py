"""What a noisy curve does: its level, its noise, its slope with an error.

The noise of a curve is read from the curve itself. A smooth trend leaves almost nothing
in the second differences y[i−1] − 2 y[i] + y[i+1]; noise of deviation σ leaves √6 σ
there. Medians keep single spikes from counting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Vector = np.ndarray[Any, Any]
MAD = 1.4826  # the deviation of a normal distribution, in units of its median |y|


def noise(y: Vector) -> float:
    """Return the deviation σ of a curve around its trend; 0 for fewer than 4 points.

    σ = 1.4826 median |y[i−1] − 2 y[i] + y[i+1]| / √6.

    >>> rng = np.random.default_rng(0)
    >>> bool(0.9 < noise(np.linspace(0, 50, 999) + rng.normal(size=999)) < 1.1)
    True
    """
    if len(y) < 4:
        return 0.0
    return float(MAD * np.median(np.abs(np.diff(y, 2))) / math.sqrt(6))


def roughness(y: Vector) -> float:
    """Return the same from the mean square: for curves that jump between few values."""
    return math.sqrt(float((np.diff(y, 2) ** 2).mean()) / 6) if len(y) >= 4 else 0.0


def ends(y: Vector, share: float = 0.1) -> tuple[float, float]:
    """Return the median of the first and of the last part of a curve."""
    k = max(1, min(len(y), math.ceil(share * len(y))))
    return float(np.median(y[:k])), float(np.median(y[-k:]))


def blocks(y: Vector, count: int = 40) -> Vector:
    """Return the means of at most `count` equal stretches of a curve, in order."""
    size = max(1, -(-len(y) // count))
    parts = [y[i : i + size].mean() for i in range(0, len(y), size)]
    if len(y) % size and len(parts) > 1 and len(y) % size < size / 2:
        parts.pop()  # too few steps for a mean as good as the others
    return np.array(parts)


@dataclass(frozen=True)
class Line:
    """A straight line through a stretch: its rise from end to end, and the error."""

    rise: float
    error: float

    @property
    def t(self) -> float:
        """How many errors the rise is: beyond ±3 it is no accident."""
        if self.error > 0:
            return self.rise / self.error
        return math.copysign(math.inf, self.rise) if self.rise else 0.0


def line(y: Vector) -> Line:
    """Fit y = a + b x by least squares, x from 0 to 1.

    The error of b is σ / √Σ (x − x̄)², σ² = Σ r² / (n − 2) over the residuals r.

    >>> line(np.array([3.0, 2.0, 1.0])).rise
    -2.0
    """
    n = len(y)
    if n < 3:
        return Line(float(y[-1] - y[0]) if n else 0.0, math.inf)
    x = np.linspace(0, 1, n)
    x -= x.mean()
    # region a6.9: the slope of the line, and its error
    spread = float(x @ x)
    slope = float(x @ y) / spread
    residuals = y - y.mean() - slope * x
    sigma = math.sqrt(float(residuals @ residuals) / (n - 2))
    error = sigma / math.sqrt(spread)
    # endregion
    return Line(round(slope, 12), error)


def at(y: Vector, place: float) -> float:
    """Return a curve's value at a place from 0 (its first point) to 1 (its last)."""
    return float(np.interp(place * (len(y) - 1), np.arange(len(y)), y))


def smoothed(y: Vector, width: int = 3) -> Vector:
    """Return the running median over `width` points; the ends repeat themselves."""
    if len(y) < width:
        return y
    padded = np.pad(y, width // 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    return np.asarray(np.median(windows, axis=1))


def rhythm(y: Vector, period: int) -> float:
    """Return how well a curve repeats itself after `period` points: from −1 to 1.

    It is the correlation of the curve, its running mean over a period taken away, with
    itself one period later.

    >>> round(rhythm(np.tile([0.0, 3.0, 1.0, 2.0], 9), 4), 3)
    1.0
    """
    before, after = period // 2, (period - 1) // 2
    mean = np.convolve(y, np.ones(period) / period, "valid")
    rest = y[before : len(y) - after] - mean
    a, b = rest[:-period], rest[period:]
    if len(a) < 8:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size > 0 else 0.0


def period(y: Vector, candidates: range) -> int:
    """Return after how many points a curve repeats itself best, 0 with no candidate."""
    return max(candidates, key=lambda p: rhythm(y, p), default=0)
