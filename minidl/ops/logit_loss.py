"""Losses of a margin: questions with two answers, and examples that are hard.

Throughout:  x scores, any real number    p = σ(x), what it says of "yes"
             t what is true, from 0 ("no") to 1 ("yes")    g = ∂L/∂y    w, α weights
             s(x) = log(1 + eˣ) = softplus(x): −log p = s(−x) and −log(1 − p) = s(x)
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import math
from typing import Any

from minidl.engine.op import op
from minidl.engine.tensor import values
from minidl.errors import RangeError, ShapeError
from minidl.ops.elementwise import exp, where
from minidl.ops.labels import check_scores, class_labels, class_weights, onehot
from minidl.ops.reduce import logsumexp
from minidl.ops.special import sigmoid, softplus
from minidl.ops.targets import (
    as_target,
    beside,
    check_between,
    check_reduction,
    check_same_shape,
    numbers,
    reduced,
    spread,
)


@op
def binary_cross_entropy_with_logits(
    x, target, *, weight=None, pos_weight=None, reduction="mean"
):
    """−t log p − (1 − t) log(1 − p) with p = σ(x): is it so, yes or no?

    x any shape, target like x, from 0 to 1 -> scalar.    dx = (p − t) g / n.
    `weight` multiplies every loss, `pos_weight` those of "yes" alone; both stretch to
    the shape of x. "mean" divides by n, whatever the weights, as in PyTorch.
    """
    name = "binary_cross_entropy_with_logits"
    check_reduction(name, reduction)
    target = numbers(x, target)
    check_same_shape(name, x, target)
    check_between(name, target, 0, 1)
    w, a = beside(x, weight), beside(x, pos_weight)
    yes, no = softplus(-x), softplus(x)
    losses, n = (a * target * yes + (1 - target) * no) * w, x.size

    def backward(g, wanted):
        g = w * spread(g, reduction, n)
        p = sigmoid(x)
        dx = ((1 - target) * p - a * target * (1 - p)) * g if wanted[0] else None
        return dx, (a * yes - no) * g if wanted[1] else None

    return reduced(losses, reduction, n), backward


def focal_loss(
    x: Any, labels: Any, gamma: float = 2.0, alpha: Any = None, reduction: str = "mean"
) -> Any:
    """−α (1 − pₜ)^γ log pₜ, with pₜ the probability of what is true.

    Cross entropy that cares less for what is known well. Lin et al. 2017, equation 5.

    x (N, K, …), labels (N, …)   p = softmax(x) of K classes; alpha (K,), one per class
    x and labels of one shape    p = σ(x), and labels are 0 or 1, as in the paper; alpha
                                 is a number, the weight of 1, and 1 − alpha that of 0
    "mean" divides by the number of losses, whatever alpha.

    Both are one function of a margin m, the score of the truth less that of all else:
    log pₜ = −s(−m) and log(1 − pₜ) = −s(m), which neither overflow nor cancel.
    """
    check_reduction("focal_loss", reduction)
    if gamma < 0:
        raise RangeError(f"focal_loss: gamma is {gamma}, and it must be 0 or more")
    labels = as_target(x, labels)
    two = labels.shape == x.shape
    m, weight = (_two_classes if two else _k_classes)(x, labels, alpha)
    losses = softplus(-m) * exp(-gamma * softplus(m)) * weight
    return reduced(losses, reduction, losses.size)


def _two_classes(x, labels, alpha):
    """Return the margin of labels 0 or 1 by their scores, and their weights."""
    labels = values(labels)
    check_between("focal_loss", labels, 0, 1, only=True)
    if x.size == 0:
        raise ShapeError(f"focal_loss: x {x.shape} is empty; skip an empty batch")
    if alpha is None:
        return where(labels > 0, x, -x), 1.0
    if not isinstance(alpha, (int, float)) or not 0 <= alpha <= 1:
        raise RangeError(
            f"focal_loss: alpha is {alpha}; for labels of the shape of x it is a "
            "number from 0 to 1, the weight of the label 1"
        )
    return where(labels > 0, x, -x), beside(x, where(labels > 0, alpha, 1 - alpha))


def _k_classes(x, labels, alpha):
    """Return x_y − log Σ_{j≠y} exp xⱼ for the label y of a row, and the weight of y."""
    check_scores("focal_loss", x)
    if x.shape[1] < 2:
        raise ShapeError(
            f"focal_loss: x {x.shape} has one class only, on axis 1; for yes or no "
            "give scores and labels (0 or 1) of one shape"
        )
    hot = onehot(x, class_labels("focal_loss", x, labels)[0])
    m = where(hot, x, 0.0).sum(axis=1) - logsumexp(where(hot, -math.inf, x), axis=1)
    if alpha is None:
        return m, 1.0
    return m, where(hot, class_weights("focal_loss", x, alpha), 0.0).sum(axis=1)
