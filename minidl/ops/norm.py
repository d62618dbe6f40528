"""Normalization: subtract a mean, divide by a standard deviation, learn both anew.

What differs is only which numbers share a mean, in x (N, C, H, W):
batch norm all of a channel (over N, H, W), layer norm all of an example (C, H, W),
group norm a group of channels of an example, instance norm one channel of an example.

Throughout:  x input    y output    g = ∂L/∂y    μ, σ² mean and (biased) variance
             rstd = 1 / √(σ² + ε)    x̂ = (x − μ) rstd    γ, β learned scale and shift
x̂ is as large as x and quickly made again: closures keep x and the small statistics.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.engine.op import op
from minidl.engine.tensor import TensorLike, values
from minidl.errors import RangeError, ShapeError
from minidl.ops.elementwise import sqrt, where
from minidl.ops.shape import broadcast_to

__all__ = [
    "batch_norm", "batch_norm_eval", "cosine_similarity", "group_norm",
    "instance_norm", "layer_norm", "normalize", "rms_norm",
]  # fmt: skip


@op(adds_up=True)
def batch_norm(x, gamma=None, beta=None, *, eps=1e-5):
    """γ x̂ + β, with μ and σ² of each channel over the batch.

    x (N, C) or (N, C, H, W), gamma (C,), beta (C,) -> y like x; aux: μ (C,), σ² (C,).
    Without gamma, γ = 1; without beta, β = 0.    Ioffe & Szegedy 2015, algorithm 1.
    """
    gamma, beta = _columns("batch_norm", x, gamma, beta)
    channels = (x.shape[1],)
    axes = (0, *range(2, x.ndim))
    n = x.size // x.shape[1]
    if n < 2:
        raise ShapeError(
            f"batch_norm: x {x.shape} has {n} value per channel, and one value has no "
            "variance; train with a batch of two or more (drop_last=True leaves out a "
            "last batch of one), or call model.eval() to use running statistics"
        )
    first = values(x)[(slice(1), slice(None), *(slice(1) for _ in axes[1:]))]
    given, x = x, x - first  # x̂ stays what it is, and near 0 rounding costs least
    # region a4.1: normalize each channel over the batch, then scale and shift
    mean = x.sum(axis=axes, keepdims=True) / n
    centered = x - mean
    var = (centered * centered).sum(axis=axes, keepdims=True) / n
    rstd = 1 / sqrt(var + eps)
    y = centered * (rstd * gamma)
    y += beta
    # endregion

    def backward(g):
        x = given - first
        # region a4.2: send g back through every line above, the last line first
        xhat = (x - mean) * rstd
        dbeta = g.sum(axis=axes, keepdims=True)
        dgamma = (g * xhat).sum(axis=axes, keepdims=True)
        dx = g - dbeta / n
        dx -= xhat * (dgamma / n)
        dx *= rstd * gamma
        # endregion
        return dx, dgamma.reshape(channels), dbeta.reshape(channels)

    mean_of_x = (values(mean) + first).reshape(channels)
    return y, backward, (mean_of_x, values(var).reshape(channels))


@op(adds_up=True)
def batch_norm_eval(x, mean, var, gamma=None, beta=None, *, eps=1e-5):
    """γ (x − μ) / √(σ² + ε) + β, with μ and σ² given: batch norm after training.

    x (N, C) or (N, C, H, W), the others (C,) -> y like x. Every example is on its own.
    """
    gamma, beta = _columns("batch_norm_eval", x, gamma, beta)
    mean, var = _columns("batch_norm_eval", x, mean, var)
    channels = (x.shape[1],)
    axes = (0, *range(2, x.ndim))
    sigma = sqrt(var + eps)
    scale = gamma / sigma
    y = x * scale
    y += beta - mean * scale

    def backward(g, wanted):
        dx = g * scale if wanted[0] else None
        if not any(wanted[1:]):
            return dx, None, None, None, None
        dbeta = g.sum(axis=axes, keepdims=True)
        dgamma = (g * (x - mean)).sum(axis=axes, keepdims=True) / sigma
        dvar = -0.5 * dgamma * gamma / (var + eps)
        small = (-dbeta * scale, dvar, dgamma, dbeta)
        return dx, *(d.reshape(channels) for d in small)

    return y, backward


@op(adds_up=True)
def layer_norm(x, gamma=None, beta=None, *, n_axes=None, eps=1e-5):
    """γ x̂ + β, with μ and σ² of each example over its last axes.

    x (N, …, D), gamma (D,), beta (D,) -> y like x. The last `n_axes` axes count: by
    default as many as gamma has, else one.    Ba, Kiros & Hinton 2016, section 3.
    """
    k, gamma, beta = _last_axes("layer_norm", x, n_axes, gamma, beta)
    features = x.shape[x.ndim - k :]
    batch, axes = tuple(range(x.ndim - k)), tuple(range(x.ndim - k, x.ndim))
    n = math.prod(features)
    first = values(x)[(..., *(slice(1) for _ in axes))]
    given, x = x, x - first  # x̂ stays what it is: see batch_norm
    # region a4.4: normalize each example over its features, then scale and shift
    mean = x.sum(axis=axes, keepdims=True) / n
    centered = x - mean
    var = (centered * centered).sum(axis=axes, keepdims=True) / n
    rstd = 1 / sqrt(var + eps)
    y = centered * rstd
    y *= gamma
    y += beta
    # endregion

    def backward(g):
        x = given - first
        # region a4.5: send g back; γ differs from feature to feature, so it comes first
        xhat = (x - mean) * rstd
        dbeta = g.sum(axis=batch)
        dgamma = (g * xhat).sum(axis=batch)
        dxhat = g * gamma
        dx = dxhat - dxhat.sum(axis=axes, keepdims=True) / n
        dx -= xhat * ((dxhat * xhat).sum(axis=axes, keepdims=True) / n)
        dx *= rstd
        # endregion
        return dx, dgamma, dbeta

    return y, backward


@op(adds_up=True)
def group_norm(x, gamma=None, beta=None, *, num_groups, eps=1e-5):
    """γ x̂ + β, with μ and σ² of each example over each of its groups of channels.

    x (N, C, …), gamma (C,), beta (C,) -> y like x. The C channels form `num_groups`
    groups of neighbors; batches of any size will do.    Wu & He 2018, section 3.
    """
    gamma, beta = _columns("group_norm", x, gamma, beta)
    if num_groups < 1 or x.shape[1] % num_groups:
        raise ShapeError(
            f"group_norm: {x.shape[1]} channels do not form {num_groups} equal groups; "
            "num_groups must divide the number of channels"
        )
    shape, channels = x.shape, (x.shape[1],)
    axes = (0, *range(2, x.ndim))
    n = math.prod(shape[1:]) // num_groups
    if n < 2:
        raise ShapeError(
            f"group_norm: x {shape} in {num_groups} groups leaves {n} value per group, "
            "and what is normalized alone is always 0; take fewer groups, larger "
            "images, or batch norm"
        )
    groups = (shape[0], num_groups, n)
    rows = x.reshape(groups)
    first = values(rows)[..., :1]
    rows = rows - first  # x̂ stays what it is: see batch_norm
    mean = rows.sum(axis=2, keepdims=True) / n
    centered = rows - mean
    rstd = 1 / sqrt((centered * centered).sum(axis=2, keepdims=True) / n + eps)
    centered *= rstd
    y = centered.reshape(shape) * gamma
    y += beta

    def backward(g):
        xhat = (x.reshape(groups) - first - mean) * rstd
        dgamma = (g * xhat.reshape(shape)).sum(axis=axes)
        dxhat = (g * gamma).reshape(groups)
        dx = dxhat - dxhat.sum(axis=2, keepdims=True) / n
        dx -= xhat * ((dxhat * xhat).sum(axis=2, keepdims=True) / n)
        dx *= rstd
        return dx.reshape(shape), dgamma.reshape(channels), g.sum(axis=axes)

    return y, backward


def instance_norm(
    x: TensorLike,
    gamma: TensorLike | None = None,
    beta: TensorLike | None = None,
    eps: float = 1e-5,
) -> Any:
    """γ x̂ + β, with μ and σ² of each channel of each example.

    x (N, C, H, W), gamma (C,), beta (C,) -> y like x: group norm with a group for each
    channel.    Ulyanov, Vedaldi & Lempitsky 2016.
    """
    if x.ndim < 3:
        raise ShapeError(
            f"instance_norm: x {x.shape} has no positions to take a mean over; it "
            "wants (N, C, H, W). For (N, D) try batch_norm or layer_norm"
        )
    return group_norm(x, gamma, beta, num_groups=x.shape[1], eps=eps)


@op(adds_up=True)
def rms_norm(x, gamma=None, *, n_axes=None, eps=1e-5):
    """γ x / √(mean of x² + ε): layer norm that subtracts no mean.

    x (N, …, D), gamma (D,) -> y like x; `n_axes` as in layer_norm.
    Zhang & Sennrich 2019, equation 4 (ε keeps zeros from dividing by zero).
    """
    k, gamma, _ = _last_axes("rms_norm", x, n_axes, gamma, None)
    batch, axes = tuple(range(x.ndim - k)), tuple(range(x.ndim - k, x.ndim))
    n = math.prod(x.shape[x.ndim - k :])
    scale = 1 / sqrt((x * x).sum(axis=axes, keepdims=True) / n + eps)
    y = x * scale
    y *= gamma

    def backward(g):
        xhat = x * scale
        dgamma = (g * xhat).sum(axis=batch)
        dxhat = g * gamma
        dx = dxhat - xhat * ((dxhat * xhat).sum(axis=axes, keepdims=True) / n)
        dx *= scale
        return dx, dgamma

    return y, backward


def _columns(name, x, gamma, beta):
    """Return γ and β as (1, C, 1, …) to stand beside x; 1 and 0 where they are None."""
    if x.ndim < 2 or x.size == 0:
        raise ShapeError(
            f"{name}: x {x.shape} should be (N, C) or (N, C, H, W), and not empty; "
            "x[None] makes one example a batch"
        )
    for b in (gamma, beta):
        if b is not None and b.shape != (x.shape[1],):
            raise ShapeError(
                f"{name}: x {x.shape} has {x.shape[1]} channels (axis 1), and a vector "
                f"for them has shape {b.shape}; it should be ({x.shape[1]},)"
            )
    column = (1, x.shape[1], *(1 for _ in range(x.ndim - 2)))
    return (
        1.0 if gamma is None else gamma.reshape(column),
        0.0 if beta is None else beta.reshape(column),
    )


def _last_axes(name, x, n_axes, gamma, beta):
    """Return how many last axes are normalized, and γ and β, 1 and 0 where None."""
    given = [b for b in (gamma, beta) if b is not None]
    k = n_axes or (given[0].ndim if given else 1)
    if n_axes is not None and (isinstance(n_axes, (tuple, list)) or n_axes < 1):
        raise RangeError(
            f"{name}: n_axes is how many last axes are normalized, 1 or more, and not "
            f"{n_axes!r}; for x {x.shape} over its last axis it is 1"
        )
    features = x.shape[x.ndim - k :] if 1 <= k <= x.ndim else (0,)
    if 0 in features:
        raise ShapeError(
            f"{name}: x {x.shape} is to be normalized over its last {k} axes, which "
            "must be there and not empty"
        )
    if any(b.shape != features for b in given):
        shapes = " and ".join(str(b.shape) for b in given)
        raise ShapeError(
            f"{name}: x {x.shape} is normalized over its last {k} axes, {features}, "
            f"and γ and β have shape {shapes}; they should have the shape of these "
            "axes, and n_axes says how many count"
        )
    return k, 1.0 if gamma is None else gamma, 0.0 if beta is None else beta


# Vectors of length one, and the angles between them: ‖x‖ = √(Σ x²) along one axis


@op(adds_up=True)
def normalize(x, *, axis=-1, eps=1e-12):
    """x / max(‖x‖, ε), with ‖x‖ = √(Σ x²) along `axis`: unit length.

    x (N, D) -> y like x. A vector shorter than ε is divided by ε: zero stays zero.
    """
    square = (x * x).sum(axis=axis, keepdims=True)
    long = values(square) > eps * eps
    length = sqrt(where(long, square, eps * eps))

    def backward(g):
        y = x / length
        along = where(long, (g * y).sum(axis=axis, keepdims=True), 0.0)
        dx = g - y * along
        dx /= length
        return dx

    return x / length, backward


def cosine_similarity(
    a: TensorLike, b: TensorLike, axis: int = -1, eps: float = 1e-8
) -> Any:
    """The cosine of the angle between a and b: Σ a b / (‖a‖ ‖b‖), along `axis`.

    a, b (N, D), or of shapes that stretch to one -> y (N,); lengths below ε count as ε.
    """
    shape = np.broadcast_shapes(a.shape, b.shape)
    a, b = (broadcast_to(x, shape=shape) for x in (a, b))  # first, or ‖·‖ is of a part
    unit = normalize(a, axis=axis, eps=eps) * normalize(b, axis=axis, eps=eps)
    return unit.sum(axis=axis)
