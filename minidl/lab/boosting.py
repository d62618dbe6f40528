"""Boosting: each weak learner gives more weight to what those before it got wrong.

    w_i    weight of sample i      T_m(x)  label that learner m gives      K  classes

    ε_m = Σ_i w_i [T_m(x_i) ≠ y_i] / Σ_i w_i
    α_m = log((1 − ε_m) / ε_m) + log(K − 1)
    w_i ← w_i exp(α_m [T_m(x_i) ≠ y_i]),  and divided by their sum
    C(x) = argmax_k Σ_m α_m [T_m(x) = k]

This is SAMME, algorithm 2 of Zhu, Zou, Rosset & Hastie 2009, "Multi-class AdaBoost".
With K = 2 it is AdaBoost (Freund & Schapire 1997). α > 0 where the learner is better
than chance, ε < 1 − 1/K.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.backend import generator, to_numpy
from minidl.data.dataset import is_labels
from minidl.engine.tensor import TensorLike, values
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.lab.bench import device
from minidl.lab.cross_validation import as_dataset
from minidl.lab.ensemble import Vector
from minidl.lab.objective import seeds, trained
from minidl.nn.module import Module
from minidl.train import Trainer, evaluation
from minidl.train.batches import Data

ROUNDING = 1e-9  # an error that differs from chance by less is chance
Classifier = Callable[[Any], Vector]  # x (N, …) -> labels (N,)


def reweighted(w: Vector, wrong: Vector, classes: int) -> tuple[float, Vector]:
    """Return α of a learner with these mistakes, and the weights for the next one.

    w (N,) positive, wrong (N,) booleans -> α, w (N,) that sum to 1

    >>> alpha, w = reweighted(np.ones(4) / 4, np.array([True, False, False, False]), 2)
    >>> round(alpha, 3), w.round(3).tolist()      # log 3; a half is on the mistake
    (1.099, [0.5, 0.167, 0.167, 0.167])
    """
    error = w[wrong].sum() / w.sum()
    alpha = math.log((1 - error) / error) + math.log(classes - 1)
    w = w * np.exp(alpha * wrong)
    return alpha, w / w.sum()


@dataclass(frozen=True)
class Stump:
    """A decision tree with one question: is x_d ≤ threshold?

    feature    d, of x (N, D)          threshold   halfway between two values of x_d
    below      the label if it is      above       the label if it is not

    >>> x = np.array([[0.0, 5], [1, 5], [2, 5], [3, 5]])
    >>> stump = Stump.fit(x, np.array([1, 1, 0, 0]), np.ones(4), classes=2)
    >>> stump
    Stump(feature=0, threshold=1.5, below=1, above=0)
    >>> stump(x).tolist()
    [1, 1, 0, 0]
    """

    feature: int
    threshold: float
    below: int
    above: int

    def __call__(self, x: Vector) -> Vector:
        """Return labels.    x (N, D) -> (N,)"""
        at = x[:, self.feature] <= self.threshold
        labels: Vector = np.where(at, self.below, self.above)
        return labels

    @classmethod
    def fit(cls, x: Vector, y: Vector, w: Vector, classes: int) -> Stump:
        """Find the stump with the smallest weighted error, Σ w_i [T(x_i) ≠ y_i].

        x (N, D), y (N,), w (N,)

        For every feature the samples are sorted; the weight of each class below each
        possible threshold is a running sum, and the heaviest class wins on either side.
        """
        n = len(x)
        weight = np.zeros((n, classes))
        weight[np.arange(n), y] = w
        total = weight.sum(axis=0)
        best, found = -1.0, cls(0, math.inf, int(total.argmax()), int(total.argmax()))
        for d in range(x.shape[1]):
            order = np.argsort(x[:, d], kind="stable")
            column = x[order, d]
            below = weight[order].cumsum(axis=0)[:-1]
            right = below.max(axis=1) + (total - below).max(axis=1)
            right[column[:-1] == column[1:]] = -1  # equal values cannot be parted
            i = int(right.argmax()) if n > 1 else 0
            if n > 1 and right[i] > best:
                best = float(right[i])
                sides = below[i].argmax(), (total - below[i]).argmax()
                middle = halfway(column[i], column[i + 1])
                found = cls(d, middle, int(sides[0]), int(sides[1]))
        return found


def halfway(a: float, b: float) -> float:
    """Return the middle of a < b; a itself where it would be rounded to b."""
    middle = a + (b - a) / 2
    return float(middle if middle < b else a)


class Boosting:
    """Weak learners with their votes.

    learners   functions from x (N, …) to labels (N,)
    alphas     the vote of each     errors   ε of each, on the samples as weighted then
    classes    K
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.learners: list[Classifier] = []
        self.alphas: list[float] = []
        self.errors: list[float] = []

    def scores(self, x: TensorLike) -> Vector:
        """Return the share of the votes that each class has.    x (N, …) -> (N, K)"""
        scores: Vector = self.staged_scores(x)[-1]
        return scores

    def staged_scores(self, x: TensorLike) -> Vector:
        """Return the scores with the first 1, 2, … M learners.    -> (M, N, K)"""
        x = inputs_of(x)
        votes = np.stack([
            alpha * (learner(x)[:, None] == np.arange(self.classes))
            for alpha, learner in zip(self.alphas, self.learners, strict=True)
        ])  # fmt: skip
        staged: Vector = votes.cumsum(axis=0)
        staged /= np.cumsum(self.alphas)[:, None, None]
        return staged

    def predict(self, x: TensorLike) -> Vector:
        """Return the label with the most votes.    x (N, …) -> (N,)"""
        labels: Vector = self.scores(x).argmax(axis=1)
        return labels

    def staged_accuracy(self, x: TensorLike, y: TensorLike) -> Vector:
        """Return the accuracy of the first 1, 2, … M learners.    -> (M,)"""
        right = self.staged_scores(x).argmax(axis=2) == to_numpy(values(y))
        shares: Vector = right.mean(axis=1)
        return shares

    def __repr__(self) -> str:
        errors = f"{self.errors[0]:.3f} … {self.errors[-1]:.3f}" if self.errors else ""
        return (
            f"Boosting({len(self.learners)} learners, {self.classes} classes, weighted "
            f"errors {errors})"
        )


def boosting(
    learner: type[Stump] | Callable[[], Trainer],
    data: Data,
    n: int = 50,
    *,
    epochs: int = 5,
    seed: int = 0,
) -> Boosting:
    """Boost n weak learners: AdaBoost for two classes, SAMME for more.

    learner   `lab.Stump`: decision stumps on x (N, D); or a function that returns a new
              Trainer: then nets are boosted, each trained for `epochs` epochs on N
              samples that are drawn with the weights as probabilities
    data      a dataset, or a tuple (x, y), with labels (N,)

    It ends early at a learner that makes no mistake (it gets the vote of one whose ε
    is 1/N), or one that is no better than chance (it gets none). Boosting fits what it
    is told: wrong labels get ever more weight.

    >>> from minidl.data import load_breast_cancer
    >>> from minidl.train import accuracy
    >>> train, _, test = load_breast_cancer()
    >>> boosted = boosting(Stump, train, n=50)
    >>> one, many = boosted.staged_accuracy(test.x, test.y)[[0, -1]]
    >>> bool(many > one)
    True
    """
    x, y = _checked(data)
    if n < 1:
        raise RangeError(f"boosting: n = {n}, but one learner is the least")
    w = np.full(len(x), 1 / len(x))
    found = Boosting(int(y.max()) + 1)
    for start in seeds(seed, range(n)):
        classifier = _weak(learner, x, y, w, found.classes, epochs, start)
        wrong = classifier(x) != y
        error = float(w[wrong].sum())
        if error > 1 - 1 / found.classes - ROUNDING:
            break
        alpha, w = reweighted(w, wrong, found.classes) if error else (
            math.log(len(x) - 1) + math.log(found.classes - 1), w
        )  # fmt: skip
        found.learners.append(classifier)
        found.alphas.append(alpha)
        found.errors.append(error)
        if not error:
            break
    if not found.learners:
        raise RangeError(
            f"boosting: the first learner is wrong on {error:.0%} of the samples, and "
            f"guessing among {found.classes} classes on "
            f"{1 - 1 / found.classes:.0%}; a learner must beat that: train longer, or "
            "take a larger one"
        )
    return found


def inputs_of(data: Any) -> Vector:
    """Return the inputs of an array, a dataset or a tuple (x, y), on the host."""
    if isinstance(data, (tuple, list)) and data and hasattr(data[0], "shape"):
        data = data[0]
    x: Vector = to_numpy(values(data.x if hasattr(data, "arrays") else data))
    return x


def _checked(data: Data) -> tuple[Vector, Vector]:
    """Return x and y on the host; refuse what cannot be boosted."""
    dataset = as_dataset(data, "boosting")
    x, y = to_numpy(dataset.x), to_numpy(dataset.y)
    if not is_labels(y) or len(np.unique(y)) < 2:
        raise DTypeError(
            "boosting wants labels (N,) of two classes or more, and y is "
            f"{y.dtype} {y.shape}; numbers are averaged by bagging"
        )
    if y.min() < 0:
        raise RangeError(
            f"boosting: labels are 0 … K − 1, and the smallest is {y.min()}; of −1 and "
            "1 make 0 and 1 by (y > 0).astype(int)"
        )
    if not np.isfinite(x).all():
        raise RangeError(
            "boosting: x has NaN or infinite values; leave those samples out, or put "
            "the mean of the feature in their place"
        )
    return x, y


def _weak(
    learner: Any, x: Vector, y: Vector, w: Vector, classes: int, epochs: int, seed: int
) -> Classifier:
    """Return a learner, trained on samples of these weights."""
    if learner is Stump:
        if x.ndim != 2:
            raise ShapeError(
                f"boosting: stumps ask about single features of x (N, D), and x is "
                f"{x.shape}; try x.reshape(len(x), -1)"
            )
        return Stump.fit(x, y, w, classes)
    drawn = generator(seed).choice(len(x), len(x), p=w)
    return Labels(trained(learner, (x[drawn], y[drawn]), epochs, seed))


@dataclass(frozen=True)
class Labels:
    """A net as a function from inputs to its most probable labels, on the host."""

    model: Module

    def __call__(self, x: Vector) -> Vector:
        """Return labels.    x (N, …) -> (N,)"""
        scores = evaluation.predict(self.model, x, device(self.model))
        labels: Vector = scores.argmax(axis=1)
        return labels
