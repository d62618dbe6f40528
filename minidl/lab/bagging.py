"""Bagging: each member learns from another bootstrap sample of the training data.

A bootstrap draws N of N samples with replacement. About 37 % are not in it: they are
"out of bag" for its member, and test it. So the score of the ensemble can be estimated
without a validation set.  Breiman 1996, "Bagging predictors"; Breiman 1996,
"Out-of-bag estimation".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minidl.backend import Array, to_numpy
from minidl.data import TensorDataset, bootstrap
from minidl.data.dataset import is_labels
from minidl.errors import DTypeError, RangeError
from minidl.lab.cross_validation import as_dataset
from minidl.lab.ensemble import Ensemble, Vector
from minidl.lab.objective import seeds, trained
from minidl.lab.running import in_processes
from minidl.nn.module import Module
from minidl.train import Trainer, accuracy
from minidl.train.batches import Data

Metric = Callable[[Any, Any], float]


class Bagging(Ensemble):
    """An ensemble with the score that its members reach out of bag.

    oob_score        the metric of `oob_predictions` over all samples that have one
    oob_predictions  for each sample, the mean of what the members say that did not
                     learn from it: probabilities (N, K), or numbers (N, …) for a
                     regression; NaN where all of them did
    """

    def __init__(
        self, models: Sequence[Module], oob_predictions: Vector, oob_score: float,
        *, regression: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(models, regression=regression)
        self.oob_predictions, self.oob_score = oob_predictions, oob_score


def bagging(
    make_trainer: Callable[[], Trainer],
    data: Data,
    *,
    n: int = 10,
    epochs: int = 10,
    metric: Metric | None = None,
    seed: int = 0,
    jobs: int = 1,
) -> Bagging:
    """Train n models, each on another bootstrap sample; return them as an ensemble.

    make_trainer  returns a new Trainer with a new model; it is called with nothing
    data          all data to train on: a dataset, or a tuple (x, y). With labels (N,)
                  probabilities are averaged, with targets the outputs themselves
    metric        (predictions, y) -> number, of the score out of bag; default: accuracy
                  for labels, the mean squared error for targets
    seed          of the samples, first weights and order of the batches
    jobs          processes that train members side by side (extra `search`); -1: as
                  many as there are cores. The members are the same

    The score out of bag is that of about 37 % of the members, and so a little too low
    for all of them.

    >>> from minidl import nn, ops, optim
    >>> from minidl.data import load_iris
    >>> train, _, test = load_iris()
    >>> def make_trainer():
    ...     net = nn.Linear(4, 3)
    ...     return Trainer(net, optim.Adam(net.parameters(), 0.05), ops.cross_entropy)
    >>> bags = bagging(make_trainer, train, n=5, epochs=30)
    >>> len(bags.members), bags.oob_predictions.shape, bags.oob_score > 0.8
    (5, (90, 3), True)
    >>> accuracy(bags.probabilities(test), test.y) > 0.8
    True

    `minidl.show.boundary(bags, x, y)` draws all members in the plane.
    """
    dataset = as_dataset(data, "bagging")
    if n < 1:
        raise RangeError(f"bagging: n = {n}, but one model is the least")
    regression = has_targets(dataset.y)
    places = TensorDataset(dataset.x, dataset.y, np.arange(len(dataset)))
    rows = [
        (make_trainer, places, epochs, start, regression)
        for start in seeds(seed, range(n))
    ]
    models, judged = zip(*in_processes(_member, rows, jobs), strict=True)
    outs = [out for out in judged if out is not None]
    if not outs:
        raise RangeError(
            f"bagging: no sample of {len(dataset)} is out of any bag; take more samples"
        )
    predictions = mean_of_known(outs, len(dataset))
    seen = ~np.isnan(predictions).reshape(len(dataset), -1).any(axis=1)
    metric = metric or (mean_squared_error if regression else accuracy)
    score = float(metric(predictions[seen], to_numpy(dataset.y)[seen]))
    return Bagging(models, predictions, score, regression=regression)


def has_targets(y: Array) -> bool:
    """Whether y holds numbers and not labels; refuse labels in another form."""
    rows = to_numpy(y).reshape(len(y), -1)
    one_hot = rows.shape[1] > 1 and ((rows == 0) | (rows == 1)).all()
    if not is_labels(y) and (y.dtype.kind in "biu" or one_hot):
        raise DTypeError(
            "bagging wants labels (N,) of integers or targets of floats, and y is "
            f"{y.dtype} {y.shape}; one-hot rows become labels by .argmax(axis=1)"
        )
    return not is_labels(y)


def mean_of_known(outs: Sequence[tuple[Vector, Vector]], n: int) -> Vector:
    """Return the mean answer for each of n samples, NaN where there is none.

    outs   of each member (answers (R, …), indices (R,) of the samples they are for)

    >>> mean_of_known([(np.array([1.0, 2.0]), np.array([0, 1])),
    ...                (np.array([4.0]), np.array([1]))], 3).tolist()
    [1.0, 3.0, nan]
    """
    shape = outs[0][0].shape[1:]
    total, count = np.zeros((n, *shape)), np.zeros((n, *[1] * len(shape)))
    for answers, indices in outs:
        total[indices] += answers
        count[indices] += 1
    mean: Vector = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def mean_squared_error(predictions: Vector, y: Vector) -> float:
    """The mean of (prediction − y)²."""
    return float(((predictions.reshape(y.shape) - y) ** 2).mean())


def _member(
    make_trainer: Callable[[], Trainer],
    places: TensorDataset,
    epochs: int,
    start: int,
    regression: bool,
) -> tuple[Module, tuple[Vector, Vector] | None]:
    """Return a trained member, what it says out of its bag, and of which samples."""
    bag, rest = bootstrap(places, rng=start)
    model = trained(make_trainer, (bag.x, bag.y), epochs, start)
    if not len(rest):
        return model, None
    one = Ensemble([model], regression=regression)
    answers = one.predict(rest.x) if regression else one.probabilities(rest.x)
    return model, (answers, to_numpy(rest.arrays[2]))
