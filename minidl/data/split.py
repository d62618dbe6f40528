"""Parting data: what is trained on, what decides, what is only ever measured.

Labels (N,) are stratified: each part gets the classes in the proportions of the whole.
Every function takes a dataset, or arrays: `train_test_split(x, y)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.backend import Array, Seed, generator, to_numpy
from minidl.data.dataset import Dataset, Subset, TensorDataset, is_labels
from minidl.engine.tensor import TensorLike
from minidl.errors import DTypeError, RangeError


def train_test_split(
    *data: TensorLike,
    test_size: float | int = 0.2,
    stratify: bool | None = None,
    rng: Seed = None,
) -> tuple[Any, Any]:
    """Part data into two datasets at random.    N -> N − M, M = test_size · N

    test_size   a share below 1, or a number of samples
    stratify    by default whenever y holds labels: every class then has its share of M,
                to within one sample

    >>> train, test = train_test_split(np.zeros((10, 2)), [0] * 5 + [1] * 5, rng=0)
    >>> len(train), sorted(test.y.tolist())
    (8, [0, 1])
    """
    dataset = _dataset(data)
    n = len(dataset)
    m = test_size if isinstance(test_size, int) else round(test_size * n)
    if not 0 < m < n:
        raise RangeError(
            f"test_size={test_size} of {n} samples leaves {n - m} to train on and "
            f"{m} to test; both must have some"
        )
    order = _order(dataset, stratify, generator(rng))
    step = n / m  # along the classes, every step-th sample goes to the test set
    chosen = ((np.arange(m) + 0.5) * step).astype(np.int64)
    test = np.zeros(n, bool)
    test[order[chosen]] = True
    return _take(dataset, np.flatnonzero(~test)), _take(dataset, np.flatnonzero(test))


class KFold:
    """k ways to part data, in which each sample is held out exactly once.

    The sizes of the k parts differ by one sample at most, and so do, if stratified, the
    numbers of each class in them.

    >>> folds = KFold(3, rng=0).split(np.zeros((9, 2)), [0, 1, 2] * 3)
    >>> [(len(train), sorted(held_out.y.tolist())) for train, held_out in folds]
    [(6, [0, 1, 2]), (6, [0, 1, 2]), (6, [0, 1, 2])]
    """

    def __init__(self, k: int = 5, *, stratify: bool | None = None, rng: Seed = None):
        if k < 2:
            raise RangeError(f"KFold wants k = 2 parts at least, not {k}")
        self.k, self.stratify, self.rng = k, stratify, rng

    def __len__(self) -> int:
        return self.k

    def split(self, *data: TensorLike) -> Iterator[tuple[Any, Any]]:
        """Yield k pairs (training set, held-out set)."""
        dataset = _dataset(data)
        n = len(dataset)
        if n < self.k:
            raise RangeError(f"{n} samples cannot be parted into {self.k} folds")
        order = _order(dataset, self.stratify, generator(self.rng))
        # region a6.11: deal the samples out like cards, in their order
        fold = np.empty(n, np.int64)
        fold[order] = np.arange(n) % self.k
        # endregion
        for i in range(self.k):
            held_out = np.flatnonzero(fold == i)
            yield _take(dataset, np.flatnonzero(fold != i)), _take(dataset, held_out)


def bootstrap(*data: TensorLike, rng: Seed = None) -> tuple[Any, Any]:
    """Draw N of N samples with replacement; return them, and those never drawn.

    About 1/e = 37 % are never drawn ("out of bag"). Efron 1979; bagging: Breiman 1996.

    >>> bag, rest = bootstrap(np.arange(1000.0), rng=0)
    >>> len(bag), len(np.unique(bag.x)) + len(rest)
    (1000, 1000)
    """
    dataset = _dataset(data)
    n = len(dataset)
    g = generator(rng)
    # region a6.12: n of n samples, drawn with replacement, and those never drawn
    drawn = g.integers(n, size=n)
    never = np.setdiff1d(np.arange(n), drawn)
    # endregion
    return _take(dataset, drawn), _take(dataset, never)


def _dataset(data: tuple[Any, ...]) -> Any:
    """Return the dataset that came, or wrap the arrays that came instead."""
    first = data[0] if len(data) == 1 else None
    if isinstance(first, (Dataset, list)):
        return first
    return TensorDataset(*data)


def _order(dataset: Any, stratify: bool | None, g: np.random.Generator) -> Array:
    """Return all samples in a random order, class after class if stratified."""
    y = dataset.arrays[1] if len(getattr(dataset, "arrays", ())) > 1 else None
    labels = y is not None and is_labels(y)
    if stratify and not labels:
        raise DTypeError(
            "stratify=True wants integer labels y (N,) in a TensorDataset; without "
            "them leave it off"
        )
    order = g.permutation(len(dataset))
    if labels and stratify is not False:
        order = order[np.argsort(to_numpy(y)[order], kind="stable")]
    return order


def _take(dataset: Dataset, indices: Array) -> Any:
    """Return these samples as a dataset of the same kind, where it has one."""
    if hasattr(dataset, "subset"):
        return dataset.subset(indices)
    return Subset(dataset, indices)
