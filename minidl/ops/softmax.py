"""Softmax: scores become probabilities, each by comparison with all others.

Throughout:  x scores (N, K)    y output    g = ∂L/∂y    K classes, along `axis`
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from minidl.backend import device_of
from minidl.engine.op import op
from minidl.engine.tensor import values
from minidl.ops.elementwise import exp, log, where


@op
def softmax(x, *, axis=-1):
    """exp(xₖ) / Σⱼ exp(xⱼ), along `axis`: scores become probabilities.

    x (N, K) -> y (N, K).    dx = y (g − Σⱼ gⱼ yⱼ).
    The largest x is subtracted first: it cancels, and exp cannot overflow. An infinite
    score takes all of the probability; several share it, as do scores that are all −∞.
    """
    z = below_max(x, axis)
    # region a1.6: exponentials, divided by their sum
    y = exp(z)
    y /= y.sum(axis=axis, keepdims=True)
    # endregion

    def backward(g):
        # region a1.7: every output depends on every score of its row
        return y * (g - (g * y).sum(axis=axis, keepdims=True))
        # endregion

    return y, backward


@op
def log_softmax(x, *, axis=-1):
    """xₖ − log Σⱼ exp(xⱼ), along `axis`: the logarithm of softmax, without underflow.

    x (N, K) -> y (N, K).    dx = g − softmax(x) Σⱼ gⱼ.
    """
    z = below_max(x, axis)
    y = z - log(exp(z).sum(axis=axis, keepdims=True))
    return y, lambda g: g - exp(y) * g.sum(axis=axis, keepdims=True)


def below_max(x, axis):
    """Return x − max x along `axis`, at most 0; the maximum is a constant to gradients.

    It is one because all that is done with x − max x does not change with the max. A
    maximum of ∞ or −∞ is 0 less than itself, too, where ∞ − ∞ would be no number.
    """
    top = values(x).max(axis=axis, keepdims=True)
    on_cpu = device_of(top) == "cpu"
    if on_cpu and math.isfinite(np.vdot(top, top)):  # in doubt, no: it may overflow
        return x - top
    with np.errstate(invalid="ignore", over="ignore"):
        return where((values(x) == top) & (abs(top) == math.inf), 0.0, x - top)
