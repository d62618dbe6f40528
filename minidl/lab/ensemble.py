"""Ensembles: several models answer, and their probabilities are averaged.

    M members    N samples    K classes    w_m their weights, which sum to 1

    p_m = softmax(s_m)         of the scores s_m of member m
    p̄   = Σ_m w_m p_m          the answer of the ensemble
    H(p) = − Σ_k p_k log p_k   the entropy, in nats
    disagreement = H(p̄) − Σ_m w_m H(p_m) ≥ 0

Where members disagree, the answer is uncertain because more data could settle it; where
all of them say "one half", the entropy of p̄ is large and the disagreement 0. It is the
Jensen-Shannon divergence of the p_m, and the mutual information between the answer and
the choice of a member.  Lakshminarayanan, Pritzel & Blundell 2017 (arXiv:1612.01474).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minidl import nn, ops
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.lab.bench import device
from minidl.train import evaluation
from minidl.train.batches import Data

Vector = np.ndarray[Any, Any]


def averaged(scores: TensorLike, weights: TensorLike) -> tuple[Any, Any]:
    """Return the mean of the members' probabilities, and how much they disagree.

    scores (N, M, K), weights (M,) -> p̄ (N, K), disagreement (N,) in nats

    >>> sure = 1000.0
    >>> scores = np.array([[[sure, 0], [0, sure]], [[0, 0], [0, 0]]])
    >>> p, disagreement = averaged(scores, np.ones(2))
    >>> p.tolist(), disagreement.round(3).tolist()       # the first: log 2
    ([[0.5, 0.5], [0.5, 0.5]], [0.693, 0.0])
    """
    # region a6.14: the members' mean probabilities, and how much of H is disagreement
    w = weights / weights.sum()
    p = ops.softmax(scores, axis=2)
    mean = (w[:, None] * p).sum(axis=1)
    disagreement = entropy(mean) - (w * entropy(p)).sum(axis=1)
    # endregion
    return mean, disagreement


def entropy(p: TensorLike) -> Any:
    """− Σ_k p_k log p_k, where 0 log 0 is 0.    p (…, K) -> (…)

    >>> entropy(np.array([[0.5, 0.5], [1.0, 0.0]])).round(3).tolist()
    [0.693, 0.0]
    """
    return (p * -ops.log(above_zero(p))).sum(axis=-1)


def above_zero(p: TensorLike) -> Any:
    """Return p, but no less than the smallest normal number: its log is finite."""
    return ops.maximum(p, float(np.finfo(values(p).dtype).tiny))


class Ensemble(nn.Module):
    """A model that averages the answers of others.    x (N, …) -> (N, K)

    models      trained models, whose outputs are scores (N, K), before any softmax
    weights     one number ≥ 0 each, such as validation accuracies; default: all equal
    regression  outputs are numbers and not scores: they are averaged as they are

    Called like any model it returns log p̄: scores whose softmax is p̄ again, so that
    `cross_entropy`, the metrics and a Trainer's `evaluate` take it as they take a net.
    `probabilities`, `predict` and `disagreement` take inputs (N, …), a dataset or
    batches, put all members into eval mode, and answer with arrays on the host.

    >>> from minidl.data import blobs
    >>> from minidl.train import accuracy
    >>> x, y = blobs(60, classes=3, rng=0)[:]
    >>> ensemble = Ensemble([nn.Linear(2, 3, rng=i) for i in range(5)])
    >>> p = ensemble.probabilities(x)
    >>> p.shape, bool(np.allclose(p.sum(axis=1), 1))
    ((60, 3), True)
    >>> accuracy(p, y) == accuracy(ensemble.predict(x), y)
    True
    >>> bool((ensemble.disagreement(x) >= 0).all())
    True
    """

    def __init__(
        self,
        models: Iterable[nn.Module],
        weights: Sequence[float] | None = None,
        *,
        regression: bool = False,
    ) -> None:
        self.members = nn.ModuleList(_models(models))
        shares = _weights(weights, len(self.members))
        self.weights = nn.Buffer(shares, device(self))
        self.regression = regression

    def forward(self, *inputs: TensorLike) -> Tensor:
        """Return log p̄ (N, K); of a regression the mean of the outputs (N, …)."""
        outputs = self.outputs(*inputs)
        w = self.weights.astype(outputs.dtype)
        if self.regression:
            mean: Tensor = (_beside(w, outputs) * outputs).sum(axis=1)
            return mean
        p, _ = averaged(outputs, w)
        scores: Tensor = ops.log(above_zero(p))
        return scores

    def outputs(self, *inputs: TensorLike) -> Tensor:
        """Return what all members put out, side by side.    x (N, …) -> (N, M, …)"""
        outputs = [member(*inputs) for member in self.members]
        shapes = [tuple(output.shape) for output in outputs]
        for m, shape in enumerate(shapes):
            if shape != shapes[0]:
                raise ShapeError(
                    f"Ensemble: member {m} puts out {shape} and member 0 {shapes[0]}; "
                    "all must be made for the same classes"
                )
        if not self.regression and (len(shapes[0]) != 2 or shapes[0][1] < 2):
            raise ShapeError(
                f"Ensemble: members put out {shapes[0]}, and scores are (N, K) with 2 "
                "classes or more; models of numbers want Ensemble(models, "
                "regression=True)"
            )
        stacked: Tensor = ops.stack(outputs, axis=1)
        return stacked

    def probabilities(self, data: Data) -> Vector:
        """Return p̄ of all samples.    data of N samples -> (N, K)

        Raises RangeError where a member's scores are NaN, or probabilities already.
        """
        return self._judged(data)[0]

    def disagreement(self, data: Data) -> Vector:
        """Return how much the members disagree on each sample.    -> (N,)

        In nats, from 0 to log K; of a regression the standard deviation of the members'
        outputs (N, …).
        """
        if not self.regression:
            return self._judged(data)[1]
        outputs = self._host(data)
        w = _beside(self.weights.numpy(), outputs)
        spread = outputs - (w * outputs).sum(axis=1, keepdims=True)
        deviation: Vector = np.sqrt((w * spread**2).sum(axis=1))
        return deviation

    def predict(self, data: Data) -> Vector:
        """Return the most probable labels (N,), or the numbers of a regression."""
        if self.regression:
            outputs = self._host(data)
            w = _beside(self.weights.numpy(), outputs)
            mean: Vector = (w * outputs).sum(axis=1)
            return mean
        labels: Vector = self.probabilities(data).argmax(axis=1)
        return labels

    def _judged(self, data: Data) -> tuple[Vector, Vector]:
        if self.regression:
            raise DTypeError(
                "this ensemble was made with regression=True: its members put out "
                "numbers, which have no probabilities; use .predict(data)"
            )
        scores = self._host(data)
        _refuse_probabilities(scores)
        p, disagreement = averaged(scores, self.weights.numpy().astype(scores.dtype))
        return p, np.maximum(disagreement, 0)  # rounding can leave −1e-8

    def _host(self, data: Data) -> Vector:
        """Return the outputs of all members for all samples, on the host (N, M, …)."""
        outputs = evaluation.predict(_Outputs(self), data, device(self))
        finite = np.isfinite(outputs).all(axis=(0, *range(2, outputs.ndim)))
        if not finite.all():
            raise RangeError(
                f"Ensemble: member {int(finite.argmin())} puts out NaN or infinity; "
                "has its training diverged? Leave it out, or train it again"
            )
        return outputs


class _Outputs(nn.Module):
    """An ensemble as a model that puts out (N, M, …), for the loop over batches."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.ensemble = ensemble

    def forward(self, *inputs: TensorLike) -> Tensor:
        return self.ensemble.outputs(*inputs)


def _beside(w: TensorLike, outputs: TensorLike) -> Any:
    """Return w (M,) with as many axes as outputs (N, M, …) have after the first."""
    return w.reshape(-1, *[1] * (outputs.ndim - 2))


def _models(models: Iterable[nn.Module]) -> list[nn.Module]:
    """Return the models as a list; refuse what is none."""
    if isinstance(models, nn.Module) and not isinstance(models, nn.ModuleList):
        raise DTypeError(
            f"Ensemble takes a list of models, and got one {type(models).__name__}; "
            "try Ensemble([net1, net2])"
        )
    members = list(models)
    if not members:
        raise RangeError("Ensemble got no models; try Ensemble([net1, net2])")
    for m, member in enumerate(members):
        if not isinstance(member, nn.Module):
            hint = "; pass its .model" if hasattr(member, "model") else ""
            raise DTypeError(
                f"Ensemble: member {m} is a {type(member).__name__}, and not a "
                f"Module{hint}"
            )
    return members


def _weights(weights: Sequence[float] | None, n: int) -> Vector:
    """Return n weights that sum to 1."""
    w = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (n,):
        raise ShapeError(f"Ensemble: {n} models want {n} weights, not {w.shape}")
    if not (np.isfinite(w).all() and (w >= 0).all() and w.sum() > 0):
        raise RangeError(
            f"Ensemble: weights are numbers from 0 on, not all of them 0, and not "
            f"{w.tolist()}"
        )
    shares: Vector = (w / w.sum()).astype(np.float32)
    return shares


def _refuse_probabilities(scores: Vector) -> None:
    """Raise RangeError where scores are probabilities: softmax would blur them."""
    sums = scores.sum(axis=2)
    close = (np.abs(sums - 1) < 1e-4).all(axis=0) & (scores >= 0).all(axis=(0, 2))
    if close.any():
        raise RangeError(
            f"Ensemble: every row of member {int(close.argmax())} sums to 1, as "
            "probabilities do; Ensemble wants scores and takes the softmax itself, so "
            "leave the Softmax at the end of the model out"
        )
