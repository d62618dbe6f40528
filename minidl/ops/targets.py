"""What a loss is told: targets, weights, and how to reduce many losses to one.

Throughout:  x what the network says    t, target what it should have said    g = ∂L/∂y

Values are looked at only where that costs nearly nothing, in NumPy arrays; on a GPU it
would stop the training step, and targets are checked when they are loaded.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array, device_of, namespace
from minidl.engine.tensor import Tensor, values
from minidl.errors import RangeError, ShapeError

REDUCTIONS = ("mean", "sum", "none")
OFF_BY = 1e-3  # how far probabilities may miss 0, 1, or a sum of 1


def as_target(x: Any, target: Any) -> Any:
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


def numbers(x: Any, target: Any) -> Any:
    """Return a target as floats like those of x; a Tensor that has gradients stays."""
    target = as_target(x, target)
    return target if target.dtype.kind == "f" else target.astype(values(x).dtype)


def beside(x: Any, weight: Any) -> Any:
    """Return a weight as numbers like those of x; 1 for None."""
    if weight is None:
        return 1.0
    like = values(x)
    return namespace(like).asarray(values(weight), dtype=like.dtype)


def check_same_shape(name: str, x: Any, target: Any) -> None:
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
    name: str, target: Any, low: float, high: float, only: bool = False
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


def check_log_probabilities(name: str, x: Any) -> None:
    """Raise if numbers that should be logarithms of probabilities are positive."""
    x = values(x)
    if device_of(x) == "cpu" and x.max() > OFF_BY:
        raise RangeError(
            f"{name}: x are log-probabilities, at most 0, and the largest is "
            f"{x.max():.4g}; scores become log-probabilities by log_softmax(x, axis=1)"
        )


def signs(name: str, x: Any, labels: Any) -> Array:
    """Return labels (N,) that are 1 or −1, one for each row of x."""
    labels = values(as_target(x, labels))
    if labels.shape != x.shape[:-1]:
        raise ShapeError(
            f"{name}: for vectors {x.shape} labels should be {x.shape[:-1]}, and they "
            f"are {labels.shape}"
        )
    check_between(name, labels, -1, 1, only=True)
    return labels


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
