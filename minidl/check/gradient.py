"""Gradients against central differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.engine.backward import grad
from minidl.engine.tensor import Tensor, TensorLike, values

Function = Callable[..., Any]
STREAM = (
    0xC0FFEE  # u must not be the numbers that a test drew x from with the same seed
)


def directional_error(
    f: Function, inputs: Sequence[Array], order: int = 1, rng: int = 0
) -> float:
    """Return the largest relative error of the gradients of f, up to `order`.

    Along a direction v the derivative of L = Σ u f is a single number, so that one pair
    of evaluations checks every element at once:

        ⟨∇L, v⟩ ≈ (L(x + εv) − L(x − εv)) / 2ε

    u and v are random: a u of ones could not see a wrong softmax, whose outputs always
    add up to one. For the next order, ⟨∇L, v⟩ takes the place of f. Integer and boolean
    inputs are held fixed, and so is None.
    """
    draw = np.random.default_rng((rng, STREAM))
    first = _outputs(f(*inputs))
    us = [draw.standard_normal(np.shape(values(y))) for y in first]
    vs = [draw.standard_normal(x.shape) if _is_float(x) else None for x in inputs]

    def loss(*xs: Any) -> Any:
        total: Any = 0.0
        for y, u in zip(_outputs(f(*xs)), us, strict=True):
            total = (y * u).sum() + total
        return total

    eps = 1e-5
    ends = []
    for step in (eps, -eps):
        moved = [
            x if v is None else x + step * v for x, v in zip(inputs, vs, strict=True)
        ]
        ends.append(float(values(loss(*moved))))
    numeric = (ends[0] - ends[1]) / (2 * eps)
    exact = float(values(_slope(loss, inputs, vs, create_graph=False)))
    error = abs(exact - numeric) / max(1e-3, abs(exact) + abs(numeric))
    if order == 1:
        return error

    def slope(*xs: Any) -> Any:
        return _slope(loss, xs, vs, create_graph=True)

    return max(error, directional_error(slope, inputs, order - 1, rng + 1))


def _slope(loss: Function, xs: Sequence[Any], vs: Any, create_graph: bool) -> Any:
    """⟨∇L, v⟩, as a function of x: its gradient is one order up."""
    tensors = [
        x if v is None or isinstance(x, Tensor) else Tensor(x, requires_grad=True)
        for x, v in zip(xs, vs, strict=True)
    ]
    y = loss(*tensors)
    total: Any = np.zeros(())
    if not (isinstance(y, Tensor) and y.requires_grad):
        return total  # a constant has no slope
    wanted = [(x, v) for x, v in zip(tensors, vs, strict=True) if v is not None]
    gs = grad(y, [x for x, _ in wanted], create_graph=create_graph, allow_unused=True)
    for g, (_, v) in zip(gs, wanted, strict=True):
        if g is not None:
            total = (g * v).sum() + total
    return total


def _outputs(y: TensorLike) -> tuple[Any, ...]:
    """Return the float outputs: those that can have a gradient."""
    ys = y if isinstance(y, (tuple, list)) else (y,)
    return tuple(y for y in ys if np.asarray(values(y)).dtype.kind == "f")


def _is_float(x: TensorLike) -> bool:
    return hasattr(x, "dtype") and x.dtype.kind == "f"
