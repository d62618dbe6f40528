"""Losses as layers: they keep the settings of an op.

Throughout:  x what the network says    y the loss    reduction "mean", "sum" or "none"
Of classes   x scores (N, K, …), class on axis 1    labels (N, …)
Of numbers   target what x should have been
Formulas and papers stand in minidl/ops/loss.py.
"""

from __future__ import annotations

from typing import Any

from minidl import ops
from minidl.engine.tensor import Tensor
from minidl.nn.module import Buffer, Module


def _kept(weight: Any) -> Buffer | None:
    """Return a weight as a buffer, which moves with the module and is saved with it."""
    return None if weight is None else Buffer(weight)


class CrossEntropyLoss(Module):
    """−Σₖ qₖ log softmax(x)ₖ for labels, or for probabilities q (N, K, …).

    weight           of each class (K,), for classes that are rare
    ignore_index     the label of what shall not count, such as padding
    label_smoothing  ε: asks for 1 − ε of the label and shares ε among all classes
    """

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        self.weight = _kept(weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.reduction = reduction

    def forward(self, x: Tensor, labels: Any) -> Tensor:
        """Return the loss."""
        y: Tensor = ops.cross_entropy(
            x,
            labels,
            weight=self.weight,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
        )
        return y


class LabelSmoothingLoss(CrossEntropyLoss):
    """Cross entropy that asks for 1 − ε of the label and ε / K of every class.

    Szegedy et al. 2016, section 7.
    """

    def __init__(
        self,
        smoothing: float = 0.1,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, ignore_index, smoothing, reduction)


class NLLLoss(Module):
    """−x_y: cross entropy of log-probabilities, as LogSoftmax(axis=1) gives them."""

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        self.weight = _kept(weight)
        self.ignore_index = ignore_index
        self.reduction = reduction

    def forward(self, x: Tensor, labels: Any) -> Tensor:
        """Return the loss."""
        y: Tensor = ops.nll_loss(
            x,
            labels,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )
        return y


class HingeLoss(Module):
    """Σ_{j≠y} max(0, xⱼ − x_y + margin): the multiclass support vector machine."""

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        self.margin = margin
        self.reduction = reduction

    def forward(self, x: Tensor, labels: Any) -> Tensor:
        """Return the loss."""
        y: Tensor = ops.hinge_loss(
            x, labels, margin=self.margin, reduction=self.reduction
        )
        return y


class FocalLoss(Module):
    """−α (1 − p)^γ log p, with p the probability of what is true.

    Softmax of K classes where x has an axis more than the labels, else σ of one score,
    with labels 0 or 1; alpha is a weight (K,), or the number for the label 1.
    """

    def __init__(
        self, gamma: float = 2.0, alpha: Any = None, reduction: str = "mean"
    ) -> None:
        self.gamma = gamma
        self.alpha = alpha if isinstance(alpha, (int, float)) else _kept(alpha)
        self.reduction = reduction

    def forward(self, x: Tensor, labels: Any) -> Tensor:
        """Return the loss."""
        y: Tensor = ops.focal_loss(x, labels, self.gamma, self.alpha, self.reduction)
        return y


class BCEWithLogitsLoss(Module):
    """−t log σ(x) − (1 − t) log(1 − σ(x)): yes or no, for each number of x.

    pos_weight multiplies the losses of "yes" (t = 1), weight all of them.
    """

    def __init__(
        self, weight: Any = None, pos_weight: Any = None, reduction: str = "mean"
    ) -> None:
        self.weight = _kept(weight)
        self.pos_weight = _kept(pos_weight)
        self.reduction = reduction

    def forward(self, x: Tensor, target: Any) -> Tensor:
        """Return the loss."""
        y: Tensor = ops.binary_cross_entropy_with_logits(
            x,
            target,
            weight=self.weight,
            pos_weight=self.pos_weight,
            reduction=self.reduction,
        )
        return y


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
