"""Samples in another order than once each: for classes of very different sizes.

N samples    K classes    n samples drawn in an epoch
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array, to_numpy
from minidl.data.draws import permutation
from minidl.engine.tensor import TensorLike, values
from minidl.errors import DTypeError, RangeError


class BalancedSampler:
    """Every class as often as every other: `DataLoader(…, sampler=…)`.

    labels   (N,) the class of each sample, whole numbers
    samples  n; N unless given

    Of an epoch's n draws every class gets n / K, one more or less. Each goes through
    its own samples in a random order, and again when they are used up: rare samples
    repeat, and of a large class each epoch sees another part. What is learned are
    scores as if classes were equally frequent; a test set keeps its own frequencies.

    >>> sampler = BalancedSampler([0, 0, 0, 0, 0, 1])
    >>> sorted([0, 0, 0, 0, 0, 1][i] for i in sampler.order(seed=0, epoch=0))
    [0, 0, 0, 1, 1, 1]
    """

    def __init__(self, labels: TensorLike, samples: int | None = None) -> None:
        self.labels: Array = np.asarray(to_numpy(values(labels)))
        if self.labels.ndim != 1 or self.labels.dtype.kind not in "iub":
            raise DTypeError(
                "BalancedSampler: labels are (N,) whole numbers, and these are "
                f"{self.labels.dtype} {self.labels.shape}"
            )
        self.samples = len(self.labels) if samples is None else samples
        if not len(self.labels) or self.samples < 1:
            raise RangeError(
                f"BalancedSampler: {len(self.labels)} labels and samples="
                f"{self.samples}; both are at least 1"
            )

    def __len__(self) -> int:
        return self.samples

    def order(self, seed: int, epoch: int) -> Array:
        """Return the numbers of the samples of an epoch.    -> (n,) int64"""
        classes = [np.flatnonzero(self.labels == k) for k in np.unique(self.labels)]
        first = permutation(seed, epoch, len(classes))  # who gets what is left over
        drawn: list[Any] = []
        for place, k in enumerate(first):
            own = classes[k]
            count = len(range(place, self.samples, len(classes)))
            again = -(-count // len(own)) if count else 0
            rounds = [
                own[permutation(seed + 1 + int(k), epoch * again + i, len(own))]
                for i in range(again)
            ]
            drawn += [np.concatenate(rounds)[:count]] if rounds else []
        every = np.concatenate(drawn)
        return every[permutation(seed, epoch, len(every))]
