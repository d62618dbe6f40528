"""What a program asks for: `loss.backward()`, and `minidl.grad` to any order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.backend import namespace
from minidl.errors import DTypeError, GraphError, ShapeError
from minidl.modes import recording
from minidl.replay import reached
from minidl.tensor import Tensor, values
from minidl.walk import pull


def backward(y: Tensor, gradient: Any = None, retain_graph: bool = False) -> None:
    """Add ∂y/∂leaf into `leaf.grad` for every leaf that requires a gradient."""
    totals = pull([y], [_seed(y, gradient)], retain=retain_graph)
    found = [(leaf, totals.of(leaf)) for leaf in totals.sums]
    reached(totals.sums)
    for leaf, g in found:
        if leaf.grad is None:
            leaf.grad = g
        else:
            leaf.grad += g


def grad(
    ys: Tensor | Sequence[Tensor],
    xs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    create_graph: bool = False,
    retain_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Any, ...]:
    """Return Σ ∂ys/∂x for each x: plain arrays, or Tensors to differentiate again.

    ys, xs        a Tensor or several; xs may be leaves or computed on the way
    grad_outputs  ∂L/∂y for each y, where ys are no scalars
    create_graph  return Tensors whose graph can be differentiated, to any order
    allow_unused  give None for an x that no y depends on, in place of a GraphError

    >>> x = Tensor(2.0, requires_grad=True)
    >>> (dx,) = grad(x * x * x, x, create_graph=True)
    >>> grad(dx, x)
    (array(12., dtype=float32),)
    """
    ys, xs = _sequence(ys), _sequence(xs)
    gs = [None] * len(ys) if grad_outputs is None else _sequence(grad_outputs)
    if len(gs) != len(ys):
        raise ShapeError(f"grad_outputs has {len(gs)} gradients for {len(ys)} outputs")
    if not all(x.requires_grad for x in xs):
        raise GraphError(
            "grad: an x does not require a gradient; set requires_grad=True"
        )
    seeds = [_seed(y, g) for y, g in zip(ys, gs, strict=True)]
    if not create_graph:
        totals = pull(ys, seeds, xs, retain=retain_graph)
        found = tuple(totals.of(x) for x in xs)
    else:
        with recording():
            tensors = [
                g if isinstance(g, Tensor) else Tensor(g, copy=False) for g in seeds
            ]
            totals = pull(ys, tensors, xs, create=True, retain=True)
            found = tuple(totals.of(x) for x in xs)
    if not allow_unused and any(g is None for g in found):
        where = [i for i, g in enumerate(found) if g is None]
        raise GraphError(
            f"grad: y does not depend on xs[{where[0]}]; was it used, or detached on "
            "the way? allow_unused=True returns None for it"
        )
    return found


def _sequence(x: Any) -> list[Any]:
    return list(x) if isinstance(x, (list, tuple)) else [x]


def _seed(y: Any, g: Any) -> Any:
    """Return ∂L/∂y to start from: 1 for the loss itself."""
    if not isinstance(y, Tensor) or not y.requires_grad:
        raise GraphError(
            "this value depends on nothing that requires a gradient; was it computed "
            "under no_grad, detached, or from Tensors without requires_grad=True?"
        )
    if g is None:
        if y.size != 1:
            raise GraphError(
                f"backward starts from one number, and this has shape {y.shape}; "
                "reduce it with .sum() or .mean(), or pass gradient=∂L/∂y of that shape"
            )
        return namespace(y.data).ones_like(y.data)
    data = values(g) if hasattr(g, "dtype") else np.asarray(g, dtype=y.dtype)
    if data.shape != y.shape or data.dtype != y.dtype:
        error = ShapeError if data.shape != y.shape else DTypeError
        raise error(
            f"the gradient is {data.dtype} {data.shape}, but y is {y.dtype} {y.shape}; "
            "∂L/∂y has the shape and dtype of y"
        )
    return g if isinstance(g, Tensor) else data
