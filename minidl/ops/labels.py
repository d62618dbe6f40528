"""Labels: which class is the right one, as whole numbers or as probabilities.

Throughout:  x scores (N, K, …), class on axis 1    N batch, K classes
             labels (N, …) integers, or probabilities (N, K, …)    w weights (K,)
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

from minidl.backend import Array, device_of, namespace
from minidl.engine.tensor import values
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.ops.targets import OFF_BY

IGNORE = -100  # the label that PyTorch leaves out, too


def is_labels(target: Any) -> bool:
    """Whether a target holds classes rather than probabilities."""
    return values(target).dtype.kind in "iu"


def labels_only(name: str, labels: Any) -> Array:
    """Return labels, if they are integers."""
    if not is_labels(labels):
        raise DTypeError(
            f"{name}: labels (N, …) are integers 0 … K − 1, and these are "
            f"{values(labels).dtype} {labels.shape}; try labels.astype('int64')"
        )
    return values(labels)


def class_labels(
    name: str, x: Any, labels: Any, ignore_index: int | None = None
) -> tuple[Array, Array | None]:
    """Return labels (N, 1, …) to stand beside x, and which of them count (None: all).

    A label that is ignored becomes 0, which any number of classes has.
    """
    labels = labels_only(name, labels)
    k, expected = x.shape[1], (x.shape[0], *x.shape[2:])
    if labels.shape != expected:
        hint = "one-hot rows become labels by .argmax(axis=1), a column by .reshape(-1)"
        raise ShapeError(
            f"{name}: for scores {x.shape} labels should be {expected}, and they are "
            f"{labels.shape}; {hint}"
        )
    counts, on_cpu = None, device_of(labels) == "cpu"
    fit = on_cpu and _all_in_range(labels, k)
    if ignore_index is not None and not (fit and not 0 <= ignore_index < k):
        counts = labels != ignore_index
        labels = namespace(labels).where(counts, labels, 0)
        fit = on_cpu and _all_in_range(labels, k)
    if on_cpu and not fit:
        raise RangeError(
            f"{name}: scores {x.shape} are for the labels 0 … {k - 1}, but the labels "
            f"run from {labels.min()} to {labels.max()}; do they start at 1, or has "
            "the last layer too few outputs?"
        )
    column = (labels.shape[0], 1, *labels.shape[1:])
    return labels.reshape(column), None if counts is None else counts.reshape(column)


def _all_in_range(labels: Array, k: int) -> bool:
    return bool(labels.min() >= 0 and labels.max() < k)


def onehot(x, labels):
    """Return which scores belong to the labels (N, 1, …): booleans (N, K, …)."""
    k = x.shape[1]
    return labels == namespace(labels).arange(k).reshape((k, *(1 for _ in x.shape[2:])))


def class_weights(name: str, x: Any, weight: Any) -> Array:
    """Return the weights of classes as (K, 1, …), to stand beside x."""
    like, k = values(x), x.shape[1]
    weight = namespace(like).asarray(values(weight), dtype=like.dtype)
    if weight.shape != (k,):
        raise ShapeError(
            f"{name}: weight has shape {weight.shape}; it should be ({k},), one number "
            f"for each class of x {x.shape}"
        )
    return weight.reshape((k, *(1 for _ in x.shape[2:])))


def check_scores(name: str, x: Any) -> None:
    """Raise unless x is a batch of scores (N, K, …) with at least one number."""
    if x.ndim < 2:
        raise ShapeError(
            f"{name}: x has shape {x.shape}, and scores are (N, K) or (N, K, …), the "
            "class on axis 1; a single example goes in as x[None], its label as [label]"
        )
    if x.size == 0:
        raise ShapeError(
            f"{name}: x {x.shape} is empty, and an empty batch has no loss; skip it"
        )


def check_probabilities(name: str, x: Any, p: Any) -> None:
    """Raise unless p gives every class of x a probability."""
    if p.dtype.kind != "f" or p.shape == (x.shape[0], *x.shape[2:]) != x.shape:
        raise DTypeError(
            f"{name}: labels (N, …) are integers 0 … K − 1, probabilities (N, K, …) "
            f"are floats, and these are {p.dtype} {p.shape}; try labels.astype('int64')"
        )
    if p.shape != x.shape:
        raise ShapeError(
            f"{name}: for scores {x.shape} probabilities should have the same shape, "
            f"and they are {p.shape}"
        )
    p = values(p)
    if device_of(p) != "cpu":
        return
    sums = p.sum(axis=1)
    if p.min() < -OFF_BY or abs(sums - 1).max() > OFF_BY:
        raise RangeError(
            f"{name}: probabilities are 0 or more and sum to one over axis 1; here the "
            f"least is {p.min():.4g} and sums run from {sums.min():.4g} to "
            f"{sums.max():.4g}; scores become probabilities by softmax(x, axis=1)"
        )
