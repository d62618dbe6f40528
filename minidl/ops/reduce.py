"""From many numbers to few.

Throughout:  x input    y output    g = ∂L/∂y    n how many numbers become one
`axis` is an int, a tuple of ints, or None for all; `keepdims` leaves axes of length 1.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.backend import Array, namespace
from minidl.engine.op import op
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.errors import RangeError, ShapeError
from minidl.foreign import answers
from minidl.ops.creation import ones_like
from minidl.ops.elementwise import abs, sqrt, where
from minidl.ops.shape import axes_of, broadcast_to, flip, reshape
from minidl.ops.total import running_total, total

__all__ = [
    "all", "any", "argmax", "cumsum", "logsumexp", "max", "mean", "min", "norm",
    "prod", "std", "sum", "var",
]  # fmt: skip

Axis = int | tuple[int, ...] | None


def kept(shape, axis):
    """The shape after a reduction over `axis` that keeps the axes, with length 1."""
    if axis is None:
        return (1,) * len(shape)
    axes = axes_of(axis, len(shape))
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def count(shape, axis, name="mean", ddof=0):
    """How many numbers become one, less `ddof`; an error where that leaves nothing."""
    n = math.prod(shape[i] for i in axes_of(axis, len(shape)))
    if n <= ddof:
        less = f" less ddof={ddof}" if ddof else ""
        raise RangeError(
            f"{name} of x {shape} over axis {axis}: {n} numbers{less} leave nothing to "
            "divide by; is the batch empty, or too small?"
        )
    return n - ddof


@op(linear=True, adds_up=True)
def sum(x, *, axis=None, keepdims=False):
    """Σ x over `axis`. Backward, every summand receives the same g."""
    shape, keep = x.shape, kept(x.shape, axis)
    y = total(x, axis, keepdims)
    return y, lambda g: broadcast_to(reshape(g, shape=keep), shape=shape)


@op(linear=True, adds_up=True)
def mean(x, *, axis=None, keepdims=False):
    """μ = Σ x / n. Backward, every summand receives g / n."""
    shape, keep = x.shape, kept(x.shape, axis)
    n = count(shape, axis)
    y = total(x, axis, keepdims) / n
    return y, lambda g: broadcast_to(reshape(g / n, shape=keep), shape=shape)


@op(adds_up=True)
def var(x, *, axis=None, ddof=0, keepdims=False):
    """σ² = Σ (x − μ)² / (n − ddof), with ddof = 0 as in NumPy (PyTorch's is 1)."""
    keep, n = kept(x.shape, axis), count(x.shape, axis, "var", ddof)
    mu = mean(x, axis=axis, keepdims=True)
    d = x - mu
    y = sum(d * d, axis=axis, keepdims=keepdims) / n
    return y, lambda g: (x - mu) * (g.reshape(keep) * (2 / n))


@op(adds_up=True)
def std(x, *, axis=None, ddof=0, keepdims=False):
    """σ = √(Σ (x − μ)² / (n − ddof)), with ddof = 0 as in NumPy (PyTorch's is 1).

    The gradient is 0 where σ is, as in PyTorch.
    """
    keep, n = kept(x.shape, axis), count(x.shape, axis, "std", ddof)
    mu = mean(x, axis=axis, keepdims=True)
    d = x - mu
    y, flat, sigma = _root(sum(d * d, axis=axis, keepdims=True) / n)
    y = y if keepdims else y.squeeze(axis)
    return y, lambda g: (x - mu) * where(flat, 0.0, g.reshape(keep) / (sigma * n))


@op(adds_up=True)
def _length(x, *, axis, keepdims):
    """‖x‖ = √Σ x², whose gradient is x / ‖x‖, and 0 at 0."""
    keep = kept(x.shape, axis)
    y, zero, length = _root(sum(x * x, axis=axis, keepdims=True))
    y = y if keepdims else y.squeeze(axis)
    return y, lambda g: x * where(zero, 0.0, g.reshape(keep) / length)


def _root(v):
    """√v; where v is 0; a √v that may be divided by and differentiated there too."""
    zero = values(v) == 0
    root = sqrt(where(zero, 1.0, v))
    return where(zero, 0.0, root), zero, root


@answers
def norm(
    x: TensorLike, ord: float = 2, axis: Axis = None, keepdims: bool = False
) -> Any:
    """‖x‖ over `axis`: √Σ x² (ord 2), Σ |x| (ord 1) or max |x| (ord math.inf).

    Of a matrix too: all that `axis` names is one long vector, so that ord 2 is what
    NumPy calls the Frobenius norm. The gradient at 0 is 0.
    """
    if ord == 2:
        return _length(x, axis=axis, keepdims=keepdims)
    if ord == 1:
        return sum(abs(x), axis=axis, keepdims=keepdims)
    if ord == math.inf:
        return max(abs(x), axis=axis, keepdims=keepdims)
    raise RangeError(
        f"norm: ord is 1, 2 or math.inf, not {ord}; for another p try "
        "(ops.abs(x) ** p).sum(axis) ** (1 / p)"
    )


@op(adds_up=True)
def prod(x, *, axis=None, keepdims=False):
    """Π x. The derivative by one factor is the product of the others: no division.

    So zeros among the factors do no harm, to any order.
    """
    keep, axes = kept(x.shape, axis), axes_of(axis, x.ndim)
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    order = (*axes, *rest)
    y = values(x).prod(axis=axis, keepdims=keepdims)  # the way back needs no y

    def backward(g):
        rows = x.transpose(order)
        others = _others(
            rows.reshape((-1, *rows.shape[len(axes) :])) if x.size else rows
        )
        back = tuple(order.index(i) for i in range(len(order)))
        return g.reshape(keep) * others.reshape(rows.shape).transpose(back)

    return y, backward


def _others(x):
    """For each x[i] the product of all others: by pairs first, then within pairs."""
    half = x.shape[0] // 2
    if half == 0:
        return ones_like(x)
    a, b, odd = x[:half], x[half : 2 * half], x[2 * half :]
    join = namespace(x).concatenate
    rest = _others(join([a * b, odd]))
    pairs, single = rest[:half], rest[half:]
    return join([pairs * b, pairs * a, single])


# The largest and the smallest


@op(linear=True)
def max(x, *, axis=None, keepdims=False):
    """The largest of x over `axis`.

    Of equals along one axis the first receives the whole gradient; over all axes, or
    over a tuple of them, equals share it. So does PyTorch in max(dim), max() and amax.
    """
    y = x.max(axis=axis, keepdims=True)
    out = y if keepdims else y.squeeze(axis)
    return out, lambda g: _to_winners(g, x, y, axis, namespace(x).argmax)


@op(linear=True)
def min(x, *, axis=None, keepdims=False):
    """The smallest of x over `axis`; equals share or not as in `max`."""
    y = x.min(axis=axis, keepdims=True)
    out = y if keepdims else y.squeeze(axis)
    return out, lambda g: _to_winners(g, x, y, axis, namespace(x).argmin)


def _to_winners(g, x, y, axis, first):
    """Send g to the element of x that became y, or share it among all that equal it."""
    g = reshape(g, shape=y.shape)
    if axis is None or isinstance(axis, tuple):
        won = (x == y) | (x != x)  # a nan among them makes y nan
        return where(won, g / won.sum(axis=axis, keepdims=True, dtype=x.dtype), 0.0)
    ruler = namespace(x).arange(x.shape[axis])
    ruler = ruler.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
    return where(ruler == first(x, axis=axis, keepdims=True), g, 0.0)


# Logarithms, running sums


@op(adds_up=True)
def logsumexp(x, *, axis=None, keepdims=False):
    """ln Σ eˣ, whose gradient is softmax(x).

    The largest x is taken out of the sum first and cancels: nothing overflows. Where
    all x are −∞, so is y, and the gradient is 0.
    """
    keep = kept(x.shape, axis)
    tensor = isinstance(x, Tensor)
    y = logsumexp(x, axis=axis, keepdims=True) if tensor else _logsumexp(x, axis)
    level = where(values(y) == -math.inf, 0.0, y)
    out = y if keepdims else y.squeeze(axis)
    return out, lambda g: g.reshape(keep) * namespace(x).exp(x - level)


def _logsumexp(x, axis):
    xp, top = namespace(x), x.max(axis=axis, keepdims=True)
    top = where(xp.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):  # ln 0 = −∞ is right
        return xp.log(xp.exp(x - top).sum(axis=axis, keepdims=True)) + top


@op(linear=True, adds_up=True)
def cumsum(x, *, axis=None):
    """yᵢ = x₀ + … + xᵢ along `axis`; without axis, x is one long row.

    The transpose sums from the other end: gradients of all later sums reach xᵢ.
    """
    shape, along = x.shape, 0 if axis is None else axis
    row = x.reshape(-1) if axis is None else x
    return running_total(row, along), lambda g: reshape(
        flip(cumsum(flip(g, axis=along), axis=along), axis=along), shape=shape
    )


# Without a derivative: plain arrays come out, also of a Tensor


@answers
def argmax(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Array:
    """Return where the largest stands along `axis` (the first one, among equals)."""
    if values(x).size == 0:
        raise ShapeError(f"argmax: x {x.shape} is empty; there is no largest in it")
    return namespace(values(x)).argmax(values(x), axis=axis, keepdims=keepdims)


@answers
def any(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return whether at least one is true (is not 0) along `axis`."""
    return values(x).any(axis=axis, keepdims=keepdims)


@answers
def all(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return whether all are true (are not 0) along `axis`."""
    return values(x).all(axis=axis, keepdims=keepdims)
