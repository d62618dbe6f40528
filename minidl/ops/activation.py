"""Activations: what a neuron makes of its sum.

Throughout:  x input    y output    g = ∂L/∂y    σ the logistic curve
`sigmoid` and `softplus` stand in ops/special.py, `tanh` in ops/trigonometry.py, and
`softmax`, which looks at all numbers of a row, in ops/softmax.py.

Those with a kink at 0 have no derivative there, and one is chosen: that of the left
side, so that ReLU′(0) = 0. Where both sides are straight the op is a linear map, once
it is known on which side each x lies.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import math
from typing import Any

from minidl.backend import namespace
from minidl.engine.op import op
from minidl.engine.tensor import values
from minidl.errors import RangeError, ShapeError
from minidl.ops.elementwise import clip, exp, expm1, where
from minidl.ops.shape import reshape, sum_to
from minidl.ops.special import erf, sigmoid
from minidl.ops.trigonometry import tanh

FAR = 1000.0  # where σ(−x), Φ(−x) and their slopes are 0 in any float


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
    a = slope if shape == (1,) else slope.reshape((-1, *(1 for _ in x.shape[2:])))
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


def selu(x: Any) -> Any:
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
