"""Activations: what a neuron makes of its sum.

Throughout:  x input    y output    g = ∂L/∂y    σ the logistic curve
Curves come first, then functions with a kink, then softmax, which looks at all numbers
of a row. `tanh` and `erf` are in ops/elementwise.py.

Those with a kink at 0 have no derivative there, and one is chosen: that of the left
side, so that ReLU′(0) = 0. Where both sides are straight the op is a linear map, once
it is known on which side each x lies.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.backend import device_of, namespace
from minidl.engine.op import op
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.errors import RangeError, ShapeError
from minidl.ops.elementwise import (
    clip,
    erf,
    exp,
    expm1,
    log,
    multiply,
    tanh,
    where,
)
from minidl.ops.shape import axes_of, reshape, sum_to

__all__ = [
    "elu", "gelu", "glu", "hardtanh", "leaky_relu", "log_softmax", "logsigmoid",
    "maxout", "mish", "prelu", "relu", "selu", "sigmoid", "silu", "softmax", "softplus",
    "softsign",
]  # fmt: skip

FAR = 1000.0  # where σ(−x), Φ(−x) and their slopes are 0 in any float


# Curves that saturate


@op
def sigmoid(x):
    """σ(x) = 1 / (1 + e⁻ˣ);  σ′ = σ (1 − σ)."""
    y = sigmoid(x) if isinstance(x, Tensor) else _sigmoid(x)
    # region a2.2: the way back needs y alone
    return y, lambda g: g * (y * (1 - y))
    # endregion


def _sigmoid(x):
    # region a2.1: the logistic curve, for scores of any size
    with np.errstate(over="ignore"):  # where e⁻ˣ overflows, y = 1/∞ = 0 is right
        return 1 / (1 + namespace(x).exp(-x))
    # endregion


@op
def softplus(x, *, beta=1.0):
    """ln(1 + exp(βx)) / β, a smooth max(x, 0);  its derivative is σ(βx).

    Computed as max(βx, 0) + ln(1 + exp(−|βx|)), which cannot overflow.
    """
    xp, z = namespace(values(x)), beta * values(x)  # the way back needs no y
    y = (xp.maximum(z, 0) + xp.log1p(xp.exp(-xp.abs(z)))) / beta
    return y, lambda g: g * sigmoid(beta * x)


def logsigmoid(x: TensorLike) -> Any:
    """ln σ(x) = −ln(1 + e⁻ˣ), which does not overflow where σ(x) is 0;  1 − σ(x)."""
    return -softplus(-x)


@op
def softsign(x):
    """x / (1 + |x|), from −1 to 1, flatter than tanh;  the slope is 1 / (1 + |x|)².

    Bergstra et al. 2009; Glorot & Bengio 2010, section 3.
    """
    share = 1 / (1 + abs(x))
    return x * share, lambda g: g * (share * share)


# Functions with a kink at 0


@op(linear=True)
def relu(x):
    """max(x, 0), whose derivative is 1 for x > 0, else 0; at the kink, 0.

    Kept for the way back is y, which the next layer keeps anyway, and no mask.
    Nair & Hinton 2010.
    """
    # region a2.4: the larger of x and 0, and where g may pass
    y = namespace(x).maximum(x, 0.0)

    def backward(g):
        return where(y > 0, g, 0.0)

    # endregion
    return y, backward


@op(linear=True)
def leaky_relu(x, *, negative_slope=0.01):
    """x for x > 0, else s x, with s = negative_slope; at the kink, the slope is s.

    Maas, Hannun & Ng 2013.
    """
    positive = x > 0
    # region a2.5: like relu, but what is negative leaks through
    y = where(positive, x, negative_slope * x)

    def backward(g):
        return where(positive, g, negative_slope * g)

    # endregion
    return y, backward


@op
def prelu(x, slope):
    """x for x > 0, else a x, with a learned slope a; at the kink, the slope is a.

    x (N, C, …), slope (C,) or (1,) -> y like x.    da = Σ g x over the x ≤ 0 of a
    channel.    He et al. 2015, section 2.1.
    """
    shape = slope.shape
    if shape != (1,) and (x.ndim < 2 or shape != (x.shape[1],)):
        raise ShapeError(
            f"prelu: slope has shape {shape}; for x {x.shape} it should be (1,), or "
            "hold one number for each channel (axis 1 of x)"
        )
    column = (-1, *(1 for _ in x.shape[2:])) if x.ndim else ()
    a = slope.reshape(() if shape == (1,) else column)
    column = a.shape
    positive = values(x) > 0

    def backward(g, wanted):
        dx = where(positive, g, g * a) if wanted[0] else None
        if not wanted[1]:
            return dx, None
        da = sum_to(
            g * where(positive, 0.0, x), shape=(1,) * (x.ndim - len(column)) + column
        )
        return dx, da.reshape(shape)

    return where(positive, x, a * x), backward


@op
def elu(x, *, alpha=1.0):
    """x for x > 0, else α (eˣ − 1); at 0, the slope is α.

    Clevert, Unterthiner & Hochreiter 2016, equation 15.
    """
    # region a2.6: both sides at once, for each is 0 where the other is not
    y = clip(x, low=0.0) + alpha * expm1(clip(x, high=0.0))

    def backward(g):
        return where(values(x) > 0, g, g * (alpha * exp(clip(x, high=0.0))))

    # endregion
    return y, backward


SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def selu(x: TensorLike) -> Any:
    """λ elu(x, α), with λ and α such that N(0, 1) keeps its mean and variance.

    At 0, the slope is λ α.    Klambauer et al. 2017, equation 2.
    """
    return SELU_SCALE * elu(x, alpha=SELU_ALPHA)


@op
def gelu(x, *, approximate="none"):
    """x Φ(x), with Φ(x) the chance that N(0, 1) falls below x;  dx = g (Φ + x φ).

    approximate="tanh" takes ½ (1 + tanh(√(2/π) (x + 0.044715 x³))) for Φ.
    Hendrycks & Gimpel 2016, section 2.
    """
    if approximate not in ("none", "tanh"):
        raise RangeError(f'gelu: approximate is "none" or "tanh", not {approximate!r}')
    near = clip(x, low=-FAR, high=FAR)  # as good as x, and ∞ · 0 is no number
    phi, slope = _normal(near) if approximate == "none" else _near_normal(near)
    return clip(x, low=-FAR) * phi, lambda g: g * (phi + near * slope())


def _normal(x):
    """Φ(x) = ½ (1 + erf(x / √2)), and how to get its slope, the density of N(0, 1)."""
    phi = 0.5 * (1 + erf(x * math.sqrt(0.5)))
    return phi, lambda: exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))


def _near_normal(x):
    """½ (1 + tanh u) with u = √(2/π) (x + 0.044715 x³), and how to get its slope."""
    scale, cubic = math.sqrt(2 / math.pi), 0.044715
    t = tanh(scale * x * (1 + cubic * x * x))
    slope = lambda: 0.5 * (1 - t * t) * (scale * (1 + 3 * cubic * x * x))  # noqa: E731
    return 0.5 * (1 + t), slope


@op
def silu(x):
    """x σ(x), also called swish;  dx = g σ (1 + x (1 − σ)).

    Elfwing, Uchibe & Doya 2018; Ramachandran, Zoph & Le 2017.
    """
    near = clip(x, low=-FAR, high=FAR)  # as good as x, and ∞ · 0 is no number
    s = sigmoid(near)
    return clip(x, low=-FAR) * s, lambda g: g * (s * (1 + near * (1 - s)))


@op
def mish(x):
    """x tanh(ln(1 + eˣ));  dx = g (t + x σ(x) (1 − t²)), t the hyperbolic tangent.

    Misra 2020, equation 1.
    """
    near = clip(x, low=-FAR, high=FAR)  # as good as x, and ∞ · 0 is no number
    t = tanh(softplus(near))
    return clip(
        x, low=-FAR
    ) * t, lambda g: g * (t + near * (sigmoid(near) * (1 - t * t)))


@op(linear=True)
def hardtanh(x, *, min_val=-1.0, max_val=1.0):
    """x, but no less than min_val and no more than max_val; at the limits, slope 0.

    Raises RangeError unless min_val < max_val.
    """
    if not min_val < max_val:
        raise RangeError(
            f"hardtanh: min_val={min_val} must be less than max_val={max_val}"
        )
    inside = (x > min_val) & (x < max_val)
    return namespace(x).clip(x, min_val, max_val), lambda g: where(inside, g, 0.0)


def glu(x: TensorLike, axis: int = -1) -> Any:
    """a σ(b), where a and b are the two halves of x along `axis`: b opens a gate for a.

    x (N, 2D) -> y (N, D).    Dauphin et al. 2017, equation 1.
    Raises ShapeError if the axis has no halves.
    """
    (axis,) = axes_of(axis, x.ndim)
    if x.shape[axis] % 2:
        raise ShapeError(
            f"glu: axis {axis} of x {tuple(x.shape)} has an odd length; it is cut into "
            "values and gates, one half each"
        )
    before, half = (slice(None),) * axis, x.shape[axis] // 2
    gate = sigmoid(x[(*before, slice(half, None))])
    return multiply(x[(*before, slice(half))], gate)


@op(linear=True)
def maxout(x, *, pieces, axis=-1):
    """The largest of every `pieces` neighbors along `axis`; of equal ones the first.

    x (N, D k) -> y (N, D), k = pieces; images take axis=1.    Goodfellow et al. 2013,
    section 2. The winner gets all of g, the others nothing.

    >>> import numpy as np
    >>> maxout(np.array([1.0, 5.0, 2.0, 4.0, 0.0, 3.0]), pieces=3)
    array([5., 4.])
    """
    shape, at = x.shape, axis % x.ndim
    if pieces < 1 or shape[at] % pieces:
        raise ShapeError(
            f"maxout: axis {axis} of x {shape} has {shape[at]} numbers, which do not "
            f"fall into groups of pieces={pieces}; is it another axis? (images: axis=1)"
        )
    groups = (*shape[:at], shape[at] // pieces, pieces, *shape[at + 1 :])
    # region a2.7: the maximum of each group of pieces, and to whom it sends g
    z = x.reshape(groups)
    y = z.max(axis=at + 1)
    winner = namespace(x).expand_dims(z.argmax(axis=at + 1), at + 1)

    def backward(g):
        place = (
            namespace(winner)
            .arange(pieces)
            .reshape((-1, *(1 for _ in shape[at + 1 :])))
        )
        g = reshape(g, shape=winner.shape)
        return reshape(where(winner == place, g, 0.0), shape=shape)

    # endregion
    return y, backward


# Softmax: x scores (N, K), K classes along `axis`, each compared with all others


@op(adds_up=True)
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


@op(adds_up=True)
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
    if not x.size:  # no scores, and so no largest
        return x
    top = values(x).max(axis=axis, keepdims=True)
    on_cpu = device_of(top) == "cpu"
    if on_cpu and math.isfinite(np.vdot(top, top)):  # in doubt, no: it may overflow
        return x - top
    with np.errstate(invalid="ignore", over="ignore"):
        return where((values(x) == top) & (abs(top) == math.inf), 0.0, x - top)
