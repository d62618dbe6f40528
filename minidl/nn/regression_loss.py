"""Losses that compare two arrays of one shape, as layers.

Throughout:  x what the network says    target what it should have said    y the loss
             reduction "mean", "sum" or "none"
Formulas and papers stand in minidl/ops/regression_loss.py.
"""

from __future__ import annotations

from typing import Any

from minidl import ops
from minidl.engine.tensor import Tensor
from minidl.nn.module import Module


class MSELoss(Module):
    """(x − t)²."""

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, x: Tensor, target: Any) -> Tensor:
        """Return the loss."""
        y: Tensor = ops.mse_loss(x, target, reduction=self.reduction)
        return y


class L1Loss(Module):
    """|x − t|."""

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, x: Tensor, target: Any) -> Tensor:
        """Return the loss."""
        y: Tensor = ops.l1_loss(x, target, reduction=self.reduction)
        return y


class HuberLoss(Module):
    """½ (x − t)² up to |x − t| = δ, then on as a straight line."""

    def __init__(self, delta: float = 1.0, reduction: str = "mean") -> None:
        self.delta = delta
        self.reduction = reduction

    def forward(self, x: Tensor, target: Any) -> Tensor:
        """Return the loss."""
        y: Tensor = ops.huber_loss(
            x, target, delta=self.delta, reduction=self.reduction
        )
        return y


class KLDivLoss(Module):
    """t (log t − x) for log-probabilities x; reduction may be "batchmean", too."""

    def __init__(self, log_target: bool = False, reduction: str = "mean") -> None:
        self.log_target = log_target
        self.reduction = reduction

    def forward(self, x: Tensor, target: Any) -> Tensor:
        """Return the loss."""
        y: Tensor = ops.kl_div(
            x, target, log_target=self.log_target, reduction=self.reduction
        )
        return y


class CosineEmbeddingLoss(Module):
    """1 − cos(a, b) where the label is 1, max(cos(a, b) − margin, 0) where it is −1."""

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        self.margin = margin
        self.reduction = reduction

    def forward(self, a: Tensor, b: Any, labels: Any) -> Tensor:
        """Return the loss of vectors a, b (N, D) with labels (N,)."""
        y: Tensor = ops.cosine_embedding_loss(a, b, labels, self.margin, self.reduction)
        return y
