"""How far a metric may be trusted: its confidence interval, by the bootstrap.

The test set is one sample of what could have been measured. Drawing N of its N samples
with replacement, many times, shows how the metric would vary from one such set to the
next.  Efron 1979; the percentile interval: Efron & Tibshirani 1993, chapter 13.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minidl.backend import generator, to_numpy
from minidl.data import bootstrap
from minidl.engine.tensor import TensorLike, values
from minidl.errors import RangeError, ShapeError


@dataclass(frozen=True)
class Interval:
    """A metric, and where it lies with the given confidence.

    value    of all samples              low, high   the ends of the interval
    std      the standard error          level       the confidence, such as 0.95
    samples  the metric of each bootstrap sample; `minidl.show.intervals` draws them
    """

    value: float
    low: float
    high: float
    std: float
    level: float
    samples: np.ndarray[Any, Any] = field(compare=False)

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __repr__(self) -> str:
        ends = f"{self.low:.4g} to {self.high:.4g}"
        return f"{self.value:.4g} ({100 * self.level:g} %: {ends})"


def confidence_interval(
    metric: Callable[..., float],
    *arrays: TensorLike,
    level: float = 0.95,
    n: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return a metric and its confidence interval, from n bootstrap samples.

    metric   a function of the arrays, such as train.accuracy(scores, labels)
    arrays   what it takes, (N, …) each: row i of all of them belongs to sample i

    The ends are percentiles of the metric over bootstrap samples. It speaks of the test
    data alone: another seed of training moves the metric, too. With fewer than about 20
    samples it is too narrow.

    >>> from minidl.train import accuracy
    >>> labels = np.arange(200) % 2
    >>> said = np.where(np.arange(200) < 180, labels, 1 - labels)     # 90 % right
    >>> found = confidence_interval(accuracy, said, labels)
    >>> found.value, 0.85 < found.low < 0.88, 0.92 < found.high < 0.95
    (0.9, True, True)

    Two models on the same samples are compared by their difference:

    >>> other = np.where(np.arange(200) < 170, labels, 1 - labels)
    >>> def gain(a, b, y):
    ...     return accuracy(a, y) - accuracy(b, y)
    >>> 0 in confidence_interval(gain, said, other, labels)
    False

    `minidl.show.intervals({"one": found, …})` draws one or several.
    """
    if not 0 < level < 1:
        raise RangeError(
            f"confidence_interval: level = {level}; it lies between 0 and 1, as 0.95"
        )
    if n < 100:
        raise RangeError(
            f"confidence_interval: n = {n}; percentiles want 100 samples or more"
        )
    parts = _rows(arrays)
    value = _number(metric(*parts))
    rng = generator(seed)
    drawn = []
    for _ in range(n):
        rows = bootstrap(np.arange(len(parts[0])), rng=rng)[0].x
        drawn.append(_number(metric(*(part[rows] for part in parts))))
    bad = sum(not math.isfinite(x) for x in [value, *drawn])
    if bad:
        raise RangeError(
            f"confidence_interval: the metric is NaN or infinite on {bad} of {n + 1} "
            "samples: some class may be missing in them; take more data, or a metric "
            "that is defined without it"
        )
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    std = float(np.std(drawn))
    return Interval(value, float(low), float(high), std, level, np.array(drawn))


def _rows(arrays: tuple[TensorLike, ...]) -> list[np.ndarray[Any, Any]]:
    """Return the arrays on the host; refuse those that have other numbers of rows."""
    parts = [np.asarray(to_numpy(values(a))) for a in arrays]
    shapes = [part.shape for part in parts]
    if not parts or () in shapes or len({shape[0] for shape in shapes}) > 1:
        raise ShapeError(
            "confidence_interval wants the arrays of the metric, with one row for "
            f"each sample, and their shapes are {shapes}; as in "
            "confidence_interval(accuracy, scores, labels)"
        )
    if len(parts[0]) < 2:
        raise RangeError("confidence_interval: one sample tells nothing about others")
    return parts


def _number(x: Any) -> float:
    """Return what the metric returned as a number."""
    array = to_numpy(values(x))
    if np.size(array) != 1:
        raise ShapeError(
            "confidence_interval: the metric must return one number, and returned "
            f'{np.shape(array)}; try average="macro", or .mean()'
        )
    return float(np.reshape(array, ()))
