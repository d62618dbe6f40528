"""Losses that compare two arrays of one shape, number by number.

Throughout:  x what the network says    t what it should have said, of the same shape
             d = x − t    g = ∂L/∂y    n how many numbers
             reduction "mean" over all n, "sum", or "none": one loss for each number

Both arrays get their gradients. Shapes must be equal: (N, 1) and (N,) would stretch to
(N, N), and train on pairs that do not belong together.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import namespace
from minidl.engine.op import op
from minidl.engine.tensor import values
from minidl.errors import RangeError
from minidl.ops.activation import relu
from minidl.ops.elementwise import clip, exp, log, where
from minidl.ops.targets import (
    REDUCTIONS,
    check_log_probabilities,
    check_reduction,
    check_same_shape,
    numbers,
    reduced,
    signs,
    spread,
)
from minidl.ops.unit import cosine_similarity


@op
def mse_loss(x, target, *, reduction="mean"):
    """(x − t)², the mean of it.    dx = 2 d g / n,  dt = −dx."""
    target, n = _pair("mse_loss", x, target, reduction)
    d = x - target

    def dx(g):
        return d * (2 * spread(g, reduction, n))

    return reduced(d * d, reduction, n), (dx, lambda g: -dx(g))


@op(linear=True)
def l1_loss(x, target, *, reduction="mean"):
    """|x − t|, the mean of it.    dx = sign(d) g / n,  dt = −dx; both 0 where x = t."""
    target, n = _pair("l1_loss", x, target, reduction)
    d = x - target
    side = namespace(d).sign(d)

    def dx(g):
        return side * spread(g, reduction, n)

    return reduced(side * d, reduction, n), (dx, lambda g: -dx(g))


@op
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


@op
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
    a: Any, b: Any, labels: Any, margin: float = 0.0, reduction: str = "mean"
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
