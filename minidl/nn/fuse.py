"""Neighbors in a Sequential that a GPU computes at once: Linear and ReLU.

A launch costs a GPU as much time as many thousand additions. One op for both layers,
`ops.affine_relu`, adds the bias and bends the result in one launch, and on the way back
bends g and sums it for the bias in one. The numbers are those of the two layers alone.
"""

from __future__ import annotations

from typing import Any

from minidl import ops
from minidl.engine.tensor import Tensor, TensorLike
from minidl.nn.activation import ReLU
from minidl.nn.linear import Linear
from minidl.nn.module import Module


def fits(layer: Module, after: Any, x: TensorLike) -> bool:
    """Whether x goes through these two at once: on a GPU, and if nobody listens."""
    return (
        type(layer) is Linear
        and type(after) is ReLU
        and isinstance(x, Tensor)
        and x.device == "cuda"
        and not (_heard(layer) or _heard(after))
    )


def affine_relu(layer: Linear, after: ReLU, x: Tensor) -> Tensor:
    """Return after(layer(x))."""
    y: Tensor = ops.affine_relu(x, layer.weight, layer.bias)
    return y


def _heard(layer: Module) -> bool:
    """Whether a hook waits for what goes through this layer."""
    return layer._hooks is not None and bool(layer._hooks.hooks)
