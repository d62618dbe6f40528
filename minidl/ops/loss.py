"""Losses of classifiers: how far scores are from the labels, as one number.

Throughout:  x scores (N, K, …), class on axis 1    p = softmax(x)    g = ∂L/∂y
             labels (N, …) integers, or probabilities (N, K, …)    w weights (K,)
             reduction "mean" over the batch, "sum", or "none": a loss for each example
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from minidl.backend import namespace
from minidl.engine.op import op
from minidl.engine.tensor import values
from minidl.ops.elementwise import exp, log, where
from minidl.ops.labels import (
    IGNORE,
    check_probabilities,
    check_scores,
    class_labels,
    class_weights,
    is_labels,
    labels_only,
    onehot,
)
from minidl.ops.shape import reshape
from minidl.ops.softmax import below_max
from minidl.ops.targets import (
    as_target,
    check_between,
    check_log_probabilities,
    check_reduction,
    reduced,
    spread,
)


@op
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


@op(linear=True)
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


@op(linear=True)
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
