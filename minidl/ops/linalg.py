"""Products of matrices: most of the time of a network is spent here.

With them, backward.py differentiates a whole layer: `affine` is x w + b.

Throughout:  a, b, x, w inputs    y output    g = ∂L/∂y, written G where it is a matrix
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from minidl.engine.op import op
from minidl.engine.tensor import TensorLike, values
from minidl.errors import ShapeError
from minidl.ops.activation import relu
from minidl.ops.elementwise import where
from minidl.ops.shape import axes_of, reshape, sum_to, transpose
from minidl.ops.total import total

__all__ = ["affine", "affine_relu", "matmul", "outer", "tensordot"]


@op
def matmul(a, b):
    """a @ b.    a (..., N, D), b (..., D, K) -> y (..., N, K);  dA = G Bᵀ,  dB = Aᵀ G.

    Leading axes are batches and stretch as in NumPy. A vector on the left counts as a
    row, one on the right as a column, and its axis is dropped from y.
    """
    if not a.ndim or not b.ndim or a.shape[-1] != b.shape[-min(2, b.ndim)]:
        raise ShapeError(
            f"matmul: a {a.shape} @ b {b.shape}: the last axis of a must be as long as "
            "the last but one of b (the only one, of a vector); is a .T missing?"
        )
    if a.ndim < 2 or b.ndim < 2:
        return _with_vector(a, b)
    return _product(a, b)


def _product(a, b):
    a_shape, b_shape = a.shape, b.shape
    return a @ b, (
        lambda g: _summed(g @ b.swapaxes(-1, -2), a_shape),
        lambda g: _summed(a.swapaxes(-1, -2) @ g, b_shape),
    )


def _summed(g, shape):
    """Sum over the batches that an input did not have."""
    return g if g.shape == shape else sum_to(g, shape=shape)


def _with_vector(a, b):
    """Make matrices of vectors, multiply, and drop the axes that were added."""
    a_shape, b_shape = a.shape, b.shape
    row = a.reshape((1, -1)) if a.ndim == 1 else a
    column = b.reshape((-1, 1)) if b.ndim == 1 else b
    y, (da, db) = _product(row, column)
    full, added = y.shape, (-2,) * (a.ndim == 1) + (-1,) * (b.ndim == 1)
    return y.squeeze(axis=added), (
        lambda g: da(g.reshape(full)).reshape(a_shape),
        lambda g: db(g.reshape(full)).reshape(b_shape),
    )


@op
def affine(x, w, b=None):
    """x w + b.    x (N, D), w (D, K), b (K,) -> y (N, K).

    dx = G wᵀ,  dw = xᵀ G,  db = Σₙ G.    Further leading axes of x count as batch.
    """
    if w.ndim != 2 or not x.ndim or x.shape[-1] != w.shape[0]:
        hint = "did you mean to flatten x first?"
        if x.ndim == w.ndim == 2:
            hint = f"a layer that takes x is nn.Linear({x.shape[1]}, {w.shape[1]})"
        raise ShapeError(
            f"affine: x has {x.shape[-1] if x.ndim else 'no'} features but w expects "
            f"{w.shape[0]} (x {x.shape}, w {w.shape}); {hint}"
        )
    if b is not None and b.shape != w.shape[1:]:
        raise ShapeError(
            f"affine: b has shape {b.shape}, but w {w.shape} has {w.shape[1]} outputs, "
            f"which need ({w.shape[1]},); try b.reshape(-1)"
        )
    y = x @ w
    if b is not None:
        y += b

    def backward(g, wanted):
        # region a1.5: three gradients, each in the shape of what it belongs to
        rows = g.reshape((-1, w.shape[1]))
        return (
            g @ w.T if wanted[0] else None,
            x.reshape((-1, w.shape[0])).T @ rows if wanted[1] else None,
            total(rows, axis=0) if wanted[2] else None,
        )
        # endregion

    return y, backward


@op
def affine_relu(x, w, b=None):
    """relu(x w + b), a hidden layer.    x (N, D), w (D, K), b (K,) -> y (N, K).

    A composition, which a device may compute at once: nn.Sequential uses it on a GPU.
    Further leading axes of x count as batch.
    """
    z, back = affine.body(x, w, b)
    y = relu(z)
    return y, lambda g, wanted: back(where(values(y) > 0, g, 0.0), wanted)


@op
def outer(a, b):
    """a bᵀ: every product aᵢ bⱼ.    a (N,), b (K,) -> y (N, K)."""
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(
            f"outer: a {a.shape} and b {b.shape} must be vectors; try .reshape(-1)"
        )
    return a.reshape((-1, 1)) * b, (lambda g: g @ b, lambda g: a @ g)


def tensordot(
    a: TensorLike,
    b: TensorLike,
    axes: int | tuple[int | Sequence[int], int | Sequence[int]] = 2,
) -> Any:
    """Sum products over axes of a and b: a matrix product, after some rearranging.

    axes   how many: the last of a with the first of b; or which, (of a, of b)
    """
    if isinstance(axes, int):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ShapeError(
                f"tensordot: axes={axes}, but a {a.shape} and b {b.shape} have fewer"
            )
        axes = (range(a.ndim - axes, a.ndim), range(axes))
    over_a, over_b = (
        axes_of(i if isinstance(i, int) else tuple(i), x.ndim)
        for i, x in zip(axes, (a, b), strict=True)
    )
    lengths = [a.shape[i] for i in over_a]
    if lengths != [b.shape[i] for i in over_b]:
        raise ShapeError(
            f"tensordot: axes {over_a} of a {a.shape} and {over_b} of b {b.shape} must "
            "have the same lengths, in that order"
        )
    of_a = [i for i in range(a.ndim) if i not in over_a]
    of_b = [i for i in range(b.ndim) if i not in over_b]
    rows, columns = [a.shape[i] for i in of_a], [b.shape[i] for i in of_b]
    n, d, k = math.prod(rows), math.prod(lengths), math.prod(columns)
    left = reshape(transpose(a, axes=(*of_a, *over_a)), shape=(n, d))
    right = reshape(transpose(b, axes=(*over_b, *of_b)), shape=(d, k))
    return reshape(matmul(left, right), shape=(*rows, *columns))
