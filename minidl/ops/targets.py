"""What a loss is told: targets, labels, weights; and how many losses become one.

Throughout:  x what the network says    t, target what it should have said    g = ∂L/∂y
             of classes: x scores (N, K, …), class on axis 1    w weights (K,)
             labels (N, …) integers, or probabilities (N, K, …)

Values are looked at only where that costs nearly nothing, in NumPy arrays; on a GPU it
would stop the training step, and targets are checked when they are loaded.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from minidl.backend import Array, device_of, namespace
from minidl.engine.modes import mode
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.errors import DTypeError, MistakeWarning, RangeError, ShapeError

REDUCTIONS = ("mean", "sum", "none")
IGNORE = -100  # the label that PyTorch leaves out, too
OFF_BY = 1e-3  # how far probabilities may miss 0, 1, or a sum of 1
ENOUGH = 16  # so many scores are not all between 0 and 1 by chance


def as_target(x: TensorLike, target: TensorLike) -> Any:
    """Return labels or targets as an array beside x, or a Tensor that has gradients.

    Lists become arrays; Tensors of integers, and integers for floats, too.
    """
    if isinstance(target, Tensor):
        return target if target.dtype.kind == "f" else target.data
    if hasattr(target, "dtype"):
        return target
    x = values(x)
    try:
        target = np.asarray(target)
    except ValueError as error:
        raise ShapeError(
            f"the rows of these labels differ in length ({error})"
        ) from None
    return namespace(x).asarray(
        target.astype(x.dtype) if target.dtype == float else target
    )


def numbers(x: TensorLike, target: TensorLike) -> Any:
    """Return a target as floats like those of x; a Tensor that has gradients stays."""
    target = as_target(x, target)
    return target if target.dtype.kind == "f" else target.astype(values(x).dtype)


def beside(x: TensorLike, weight: TensorLike) -> Any:
    """Return a weight as numbers like those of x; 1 for None."""
    if weight is None:
        return 1.0
    like = values(x)
    return namespace(like).asarray(values(weight), dtype=like.dtype)


def check_same_shape(name: str, x: TensorLike, target: TensorLike) -> None:
    """Raise unless both have one shape, and at least one number."""
    if x.shape != target.shape:
        hint = (
            "they would stretch to each other, and pair what does not belong together; "
            if x.size == target.size
            else ""
        )
        raise ShapeError(
            f"{name}: shapes {x.shape} and {target.shape} should be equal; {hint}"
            "try .reshape(…) on one of them"
        )
    if x.size == 0:
        raise ShapeError(
            f"{name}: x {x.shape} is empty, and an empty batch has no loss; skip it"
        )


def check_between(
    name: str, target: TensorLike, low: float, high: float, only: bool = False
) -> None:
    """Raise unless a target lies between two numbers, or is `only` one of the two."""
    t = np.asarray(target) if isinstance(target, (int, float)) else values(target)
    if device_of(t) != "cpu" or t.size == 0:
        return
    fits = (
        (t == low) | (t == high) if only else (t >= low - OFF_BY) & (t <= high + OFF_BY)
    )
    if not fits.all():
        word = "or" if only else "to"
        raise RangeError(
            f"{name}: targets are {low} {word} {high}, and these run from "
            f"{t.min():.4g} to {t.max():.4g}; are they labels of more classes, or "
            "scores?"
        )


def check_chances(name: str, x: TensorLike) -> None:
    """Raise unless what a network says is a probability, from 0 to 1."""
    x = values(x)
    if device_of(x) == "cpu" and not ((x >= 0) & (x <= 1)).all():
        raise RangeError(
            f"{name}: x are probabilities, and these run from {x.min():.4g} to "
            f"{x.max():.4g}; of scores take binary_cross_entropy_with_logits(x, "
            "target), or put a sigmoid before it"
        )


def check_log_probabilities(name: str, x: TensorLike) -> None:
    """Raise if numbers that should be logarithms of probabilities are positive."""
    x = values(x)
    if device_of(x) == "cpu" and x.max() > OFF_BY:
        raise RangeError(
            f"{name}: x are log-probabilities, at most 0, and the largest is "
            f"{x.max():.4g}; scores become log-probabilities by log_softmax(x, axis=1)"
        )


def signs(name: str, x: TensorLike, labels: TensorLike) -> Array:
    """Return labels (N,) that are 1 or −1, one for each row of x."""
    labels = values(as_target(x, labels))
    if labels.shape != x.shape[:-1]:
        raise ShapeError(
            f"{name}: for vectors {x.shape} labels should be {x.shape[:-1]}, and they "
            f"are {labels.shape}"
        )
    check_between(name, labels, -1, 1, only=True)
    return labels


# Labels: which class is the right one, as a whole number or as probabilities


def is_labels(target: TensorLike) -> bool:
    """Whether a target holds classes rather than probabilities."""
    return values(target).dtype.kind in "iu"


def labels_only(name: str, labels: TensorLike) -> Array:
    """Return labels, if they are integers."""
    if not is_labels(labels):
        raise DTypeError(
            f"{name}: labels (N, …) are integers 0 … K − 1, and these are "
            f"{values(labels).dtype} {labels.shape}; {_as_labels(labels)}"
        )
    return values(labels)


def class_labels(
    name: str, x: TensorLike, labels: TensorLike, ignore_index: int | None = None
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


def _as_labels(labels: TensorLike) -> str:
    """Say how to make labels of these."""
    if labels.dtype.kind in "fiub":
        return "try labels.astype('int64')"
    return "number the words: labels = np.unique(words, return_inverse=True)[1]"


def _all_in_range(labels: Array, k: int) -> bool:
    return bool(labels.min() >= 0 and labels.max() < k)


def onehot(x, labels):
    """Return which scores belong to the labels (N, 1, …): booleans (N, K, …)."""
    k = x.shape[1]
    return labels == namespace(labels).arange(k).reshape((k, *(1 for _ in x.shape[2:])))


def class_weights(name: str, x: TensorLike, weight: TensorLike) -> Array:
    """Return the weights of classes as (K, 1, …), to stand beside x."""
    like, k = values(x), x.shape[1]
    weight = namespace(like).asarray(values(weight), dtype=like.dtype)
    if weight.shape != (k,):
        raise ShapeError(
            f"{name}: weight has shape {weight.shape}; it should be ({k},), one number "
            f"for each class of x {x.shape}"
        )
    return weight.reshape((k, *(1 for _ in x.shape[2:])))


def check_scores(name: str, x: TensorLike) -> None:
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


def check_probabilities(name: str, x: TensorLike, p: TensorLike) -> None:
    """Raise unless p gives every class of x a probability."""
    if p.dtype.kind != "f" or p.shape == (x.shape[0], *x.shape[2:]) != x.shape:
        raise DTypeError(
            f"{name}: labels (N, …) are integers 0 … K − 1, probabilities (N, K, …) "
            f"are floats, and these are {p.dtype} {p.shape}; {_as_labels(p)}"
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


# What works, and is hardly ever meant


def look_for_softmax(name: str, x: TensorLike) -> None:
    """Warn of scores that a softmax has made probabilities, where one is careful."""
    x = values(x)
    if not mode.careful or device_of(x) != "cpu" or x.shape[1] < 2:
        return
    chosen = not (x % 1).any()  # rows of 0 and a single 1: written by hand
    if x.min() >= 0 and abs(x.sum(axis=1) - 1).max() < OFF_BY and not chosen:
        warnings.warn(
            f"{name}: the scores x {x.shape} are 0 or more and add up to 1 over the "
            f"classes: they look like the output of a softmax, and {name} makes one "
            "itself. Two of them leave little gradient; let the model return scores, "
            "without the softmax at its end",
            MistakeWarning,
            stacklevel=2,
        )


def look_for_sigmoid(name: str, x: TensorLike) -> None:
    """Warn of scores that a sigmoid has made probabilities, where one is careful."""
    x = values(x)
    if not mode.careful or device_of(x) != "cpu" or x.size < ENOUGH:
        return
    if x.min() > 0 and x.max() < 1:
        warnings.warn(
            f"{name}: all scores x {x.shape} are between 0 and 1: they look like the "
            f"output of a sigmoid, and {name} makes one itself. Let the model return "
            "scores, or take binary_cross_entropy, which wants probabilities",
            MistakeWarning,
            stacklevel=2,
        )


# Many losses, and one


def check_reduction(
    name: str, reduction: str, known: tuple[str, ...] = REDUCTIONS
) -> None:
    """Raise unless `reduction` is one of those there are."""
    if reduction not in known:
        raise RangeError(
            f"{name}: reduction is one of {', '.join(known)}, not {reduction!r}"
        )


def reduced(losses, reduction, count):
    """Return the losses, their sum, or their sum divided by `count`."""
    if reduction == "none":
        return losses
    total = losses.sum()
    if reduction == "sum":
        return total
    if not isinstance(count, int) and device_of(count) == "cpu" and not count > 0:
        raise RangeError(
            f"the weights of these labels add up to {count}, and nothing is left to "
            "take a mean of; is every label ignore_index, or of weight 0?"
        )
    return total / count


def spread(g, reduction, count):
    """Send the gradient of a reduced loss back to the single losses."""
    return g / count if reduction == "mean" else g
