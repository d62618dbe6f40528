"""Losses: how far what the network says is from what is true, as one number.

A model of layers gives scores; backward starts from a number. This is the step between.

Throughout:  x what the network says    g = ∂L/∂y    w, α weights
             reduction "mean" over the batch, "sum", or "none": every loss by itself
Of classes   x scores (N, K, …), class on axis 1    p = softmax(x)
             labels (N, …) integers, or probabilities (N, K, …)
Of yes or no x scores of any shape    p = σ(x), what x says of "yes"    t from 0 to 1
             s(x) = log(1 + eˣ) = softplus(x): −log p = s(−x) and −log(1 − p) = s(x)
Of numbers   t what x should have been, of the same shape    d = x − t    n how many
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.backend import namespace
from minidl.engine.op import op
from minidl.engine.tensor import TensorLike, values
from minidl.errors import RangeError, ShapeError
from minidl.ops.activation import below_max, relu, sigmoid, softplus
from minidl.ops.elementwise import clip, exp, log, log1p, subtract, where
from minidl.ops.norm import cosine_similarity
from minidl.ops.reduce import logsumexp
from minidl.ops.shape import reshape
from minidl.ops.targets import (
    IGNORE,
    REDUCTIONS,
    as_target,
    beside,
    check_between,
    check_chances,
    check_log_probabilities,
    check_probabilities,
    check_reduction,
    check_same_shape,
    check_scores,
    class_labels,
    class_weights,
    is_labels,
    labels_only,
    look_for_sigmoid,
    look_for_softmax,
    numbers,
    onehot,
    reduced,
    signs,
    spread,
)

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "cosine_embedding_loss", "cross_entropy", "focal_loss", "hinge_embedding_loss",
    "hinge_loss", "huber_loss", "kl_div", "l1_loss", "mse_loss", "nll_loss",
]  # fmt: skip

# Of classes


@op(adds_up=True)
def cross_entropy(
    x,
    labels,
    *,
    weight=None,
    ignore_index=IGNORE,
    label_smoothing=0.0,
    reduction="mean",
):
    """−Σₖ qₖ log pₖ, where p = softmax(x) and q is what was asked for.

    x (N, K) or (N, K, …), labels (N, …) integers or (N, K, …) probabilities -> scalar.
    A label asks for q = 1 in its class and 0 elsewhere; label smoothing ε moves q a
    part of the way to 1/K (Szegedy et al. 2016, section 7); weight multiplies qₖ by wₖ.
    "mean" divides by the weights of the labels, without those equal to ignore_index;
    given probabilities, by their number. All this is as in PyTorch.

    Softmax and logarithm are one op, for log-sum-exp does not overflow and the gradient
    is merely (p − q) g / N.
    Raises RangeError, DTypeError or ShapeError for labels that do not fit.
    """
    name = "cross_entropy"
    check_reduction(name, reduction)
    check_scores(name, x)
    look_for_softmax(name, x)
    check_between(f"{name}, label_smoothing", label_smoothing, 0, 1)
    labels = as_target(x, labels)
    q, slope, count = _asked(name, x, labels, weight, ignore_index, label_smoothing)
    z = below_max(x, 1)
    # region a1.8: the logarithm of softmax, then −Σ q log p for each example
    log_p = z - log(exp(z).sum(axis=1, keepdims=True))
    losses = -_times(q, log_p).sum(axis=1)
    # endregion
    column = (x.shape[0], 1, *x.shape[2:])

    def backward(g, wanted):
        g = spread(g, reduction, count)
        g = g.reshape(column) if reduction == "none" else g
        dx = dq = None
        if wanted[0]:
            # region a1.9: what each score should move by
            dx = (exp(log_p) * q.sum(axis=1, keepdims=True) - q) * g
            # endregion
        if wanted[1]:
            dq = -log_p * g * slope
        return dx, dq

    return reduced(losses, reduction, count), backward


def _asked(name, x, labels, weight, ignore_index, smoothing=0.0):
    """Return the target q (N, K, …), its slope in the labels, and what to divide by."""
    k = x.shape[1]
    w, count = None if weight is None else class_weights(name, x, weight), x.size // k
    if not is_labels(labels):
        check_probabilities(name, x, labels)
        q = labels
    else:
        labels, heard = class_labels(name, x, labels, ignore_index)
        q = onehot(x, labels).astype(values(x).dtype)
        if heard is not None:  # what is ignored weighs nothing
            w = heard.astype(q.dtype) if w is None else w * heard
        if w is not None:
            count = (q * w).sum()
    if w is None and not smoothing:
        return q, 1.0, count
    w = 1.0 if w is None else w
    # region a4.9: every class is asked for a little
    slope = w * (1 - smoothing)
    q = q * slope + w * (smoothing / k)
    # endregion
    return q, slope, count


def _times(q, log_p):
    """q log p, with 0 · −∞ = 0: impossible, and not asked for."""
    with np.errstate(invalid="ignore"):
        return where(values(q) != 0, q * log_p, 0.0)


@op(linear=True, adds_up=True)
def nll_loss(x, labels, *, weight=None, ignore_index=IGNORE, reduction="mean"):
    """−x_y, the log-probability of the label y: cross_entropy after log_softmax.

    x (N, K, …) log-probabilities, labels (N, …) -> scalar; settings: see cross_entropy.
    """
    check_reduction("nll_loss", reduction)
    check_scores("nll_loss", x)
    check_log_probabilities("nll_loss", x)
    labels = labels_only("nll_loss", as_target(x, labels))
    q, _, count = _asked("nll_loss", x, labels, weight, ignore_index)
    losses = -_times(q, x).sum(axis=1)
    column = (x.shape[0], 1, *x.shape[2:])

    def backward(g):
        g = spread(g, reduction, count)
        return -q * (reshape(g, shape=column) if reduction == "none" else g)

    return reduced(losses, reduction, count), (backward, None)


@op(linear=True, adds_up=True)
def hinge_loss(x, labels, *, margin=1.0, reduction="mean"):
    """Σ_{j≠y} max(0, xⱼ − x_y + margin), the multiclass support vector machine.

    x (N, K, …), labels y (N, …) -> scalar. Every score that comes closer to that of the
    label than the margin pushes; exactly at the margin it does not.
    Weston & Watkins 1999; PyTorch's multi_margin_loss divides by K as well.
    """
    check_reduction("hinge_loss", reduction)
    check_scores("hinge_loss", x)
    labels, _ = class_labels("hinge_loss", x, as_target(x, labels))
    hot = onehot(x, labels)
    # region a1.10: how far each score comes into the margin, and who pushes whom
    gap = x - namespace(x).take_along_axis(x, labels, axis=1) + margin
    pushes = (gap > 0) & ~hot
    losses = where(pushes, gap, 0.0).sum(axis=1)
    slope = pushes - hot * pushes.sum(axis=1, keepdims=True)
    # endregion
    slope, n = slope.astype(x.dtype), losses.size
    column = (x.shape[0], 1, *x.shape[2:])

    def backward(g):
        g = spread(g, reduction, n)
        return slope * (reshape(g, shape=column) if reduction == "none" else g)

    return reduced(losses, reduction, n), (backward, None)


# Of yes or no: questions with two answers, and examples that are hard


@op(adds_up=True)
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
    look_for_sigmoid(name, x)
    w, a = beside(x, weight), beside(x, pos_weight)
    yes, no = softplus(-x), softplus(x)
    losses, n = (a * _times(target, yes) + _times(1 - target, no)) * w, x.size

    def backward(g, wanted):
        g = w * spread(g, reduction, n)
        p = sigmoid(x)
        dx = ((1 - target) * p - a * target * (1 - p)) * g if wanted[0] else None
        return dx, (a * yes - no) * g if wanted[1] else None

    return reduced(losses, reduction, n), backward


@op(adds_up=True)
def binary_cross_entropy(x, target, *, weight=None, reduction="mean"):
    """−t log x − (1 − t) log(1 − x), for probabilities x: what σ has put out.

    x any shape, from 0 to 1, target like x -> scalar.    dx = (x − t) / (x (1 − x)) g.
    Logarithms stop at −100 and x (1 − x) at 1e-12, as in PyTorch. Given scores, take
    `binary_cross_entropy_with_logits`, which loses nothing where σ is near 0 or 1.
    Raises RangeError for x or targets beyond 0 and 1.
    """
    name = "binary_cross_entropy"
    check_reduction(name, reduction)
    target = numbers(x, target)
    check_same_shape(name, x, target)
    check_between(name, target, 0, 1)
    check_chances(name, x)
    w, n = beside(x, weight), x.size
    with np.errstate(divide="ignore"):
        yes, no = clip(log(x), low=-100.0), clip(log1p(-x), low=-100.0)
    losses = -(target * yes + (1 - target) * no) * w

    def backward(g, wanted):
        g = w * spread(g, reduction, n)
        slope = (x - target) / clip(x * (1 - x), low=1e-12)
        return slope * g if wanted[0] else None, (no - yes) * g if wanted[1] else None

    return reduced(losses, reduction, n), backward


def hinge_embedding_loss(
    x: TensorLike, labels: TensorLike, margin: float = 1.0, reduction: str = "mean"
) -> Any:
    """x where the label is 1, max(0, margin − x) where it is −1, for distances x.

    x any shape, labels like x, 1 or −1 -> scalar: pairs that belong together come
    close, others stay as far apart as the margin (Hadsell, Chopra & LeCun 2006).
    """
    name = "hinge_embedding_loss"
    check_reduction(name, reduction)
    labels = values(as_target(x, labels))
    check_same_shape(name, x, labels)
    check_between(name, labels, -1, 1, only=True)
    losses = where(labels > 0, x, relu(subtract(margin, x)))
    return reduced(losses, reduction, losses.size)


def focal_loss(
    x: TensorLike,
    labels: TensorLike,
    gamma: float = 2.0,
    alpha: TensorLike | None = None,
    reduction: str = "mean",
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
    # region a6.5: log p and log(1 − p) of the margin, then the loss of each
    log_p, log_rest = -softplus(-m), -softplus(m)
    losses = -log_p * exp(gamma * log_rest) * weight
    # endregion
    return reduced(losses, reduction, losses.size)


def _two_classes(x, labels, alpha):
    """Return the margin of labels 0 or 1 by their scores, and their weights."""
    labels = values(labels)
    check_between("focal_loss", labels, 0, 1, only=True)
    if x.size == 0:
        raise ShapeError(f"focal_loss: x {x.shape} is empty; skip an empty batch")
    look_for_sigmoid("focal_loss", x)
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
    look_for_softmax("focal_loss", x)
    hot = onehot(x, class_labels("focal_loss", x, labels)[0])
    m = where(hot, x, 0.0).sum(axis=1) - logsumexp(where(hot, -math.inf, x), axis=1)
    if alpha is None:
        return m, 1.0
    return m, where(hot, class_weights("focal_loss", x, alpha), 0.0).sum(axis=1)


# Of numbers: two arrays of one shape, each with its gradient. Shapes must be equal:
# (N, 1) and (N,) would stretch to (N, N), and pair what does not belong together.


@op(adds_up=True)
def mse_loss(x, target, *, reduction="mean"):
    """(x − t)², the mean of it.    dx = 2 d g / n,  dt = −dx."""
    target, n = _pair("mse_loss", x, target, reduction)
    d = x - target

    def dx(g):
        return d * (2 * spread(g, reduction, n))

    return reduced(d * d, reduction, n), (dx, lambda g: -dx(g))


@op(linear=True, adds_up=True)
def l1_loss(x, target, *, reduction="mean"):
    """|x − t|, the mean of it.    dx = sign(d) g / n,  dt = −dx; both 0 where x = t."""
    target, n = _pair("l1_loss", x, target, reduction)
    d = x - target
    side = namespace(d).sign(d)

    def dx(g):
        return side * spread(g, reduction, n)

    return reduced(side * d, reduction, n), (dx, lambda g: -dx(g))


@op(adds_up=True)
def huber_loss(x, target, *, delta=1.0, reduction="mean"):
    """½ d² for |d| ≤ δ, else δ (|d| − ½ δ): a parabola that goes on as straight lines.

    With c = d clipped to ±δ it is c (d − ½ c), the mean of it.    dx = c g / n,
    dt = −dx.    Huber 1964; an outlier pulls with the force δ, and no more.
    """
    if not delta > 0:
        raise RangeError(f"huber_loss: delta is {delta}, and it must be greater than 0")
    target, n = _pair("huber_loss", x, target, reduction)
    d = x - target
    c = clip(d, low=-delta, high=delta)

    def dx(g):
        return c * spread(g, reduction, n)

    return reduced(c * (d - 0.5 * c), reduction, n), (dx, lambda g: -dx(g))


@op(adds_up=True)
def kl_div(x, target, *, log_target=False, reduction="mean"):
    """t (log t − x): x log-probabilities, t probabilities (log t, if log_target).

    Summed over a distribution it is KL(t ‖ exp x), Kullback & Leibler 1951. "mean" is
    over all numbers, as in PyTorch; "batchmean" divides the sum by N, which is what the
    books mean.    dx = −t g / n,  dt = (log t − x + 1) g / n.
    0 log 0 = 0; at t = 0, where the slope in t is −∞, log t counts as 0.
    """
    check_reduction("kl_div", reduction, (*REDUCTIONS, "batchmean"))
    target = numbers(x, target)
    check_same_shape("kl_div", x, target)
    check_log_probabilities("kl_div", x)
    n = x.shape[0] if reduction == "batchmean" and x.ndim else x.size
    how = "mean" if reduction == "batchmean" else reduction
    t = exp(target) if log_target else target
    log_t = target if log_target else log(where(values(t) == 0, 1.0, t))
    with np.errstate(invalid="ignore"):
        losses = where(values(t) == 0, 0.0, t * (log_t - x))

    def dt(g):
        slope = (log_t - x + 1) * spread(g, how, n)
        return slope * t if log_target else slope

    return reduced(losses, how, n), (lambda g: -t * spread(g, how, n), dt)


def cosine_embedding_loss(
    a: TensorLike,
    b: TensorLike,
    labels: TensorLike,
    margin: float = 0.0,
    reduction: str = "mean",
) -> Any:
    """1 − cos(a, b) for pairs that belong together, else max(cos(a, b) − margin, 0).

    a, b (N, D), labels (N,): 1 for together, −1 for apart -> scalar. At the margin the
    gradient is 0.
    """
    name = "cosine_embedding_loss"
    check_reduction(name, reduction)
    check_same_shape(name, a, b)
    labels = signs(name, a, labels)
    cos = cosine_similarity(a, b, axis=-1)
    losses = where(labels > 0, 1 - cos, relu(cos - margin))
    return reduced(losses, reduction, losses.size)


def _pair(name, x, target, reduction):
    """Return the target as numbers like those of x, and how many they are."""
    check_reduction(name, reduction)
    target = numbers(x, target)
    check_same_shape(name, x, target)
    return target, x.size
