"""Losses as layers: they keep the settings of an op.

Throughout:  x what the network says    y the loss    reduction "mean", "sum" or "none"
Of classes   x scores (N, K, …), class on axis 1    labels (N, …)
Of numbers   target what x should have been
Formulas and papers stand in minidl/ops/loss.py; what such a short class stands for, in
minidl/nn/layer.py.
"""

from __future__ import annotations

from minidl import ops
from minidl.engine.modes import careful
from minidl.engine.tensor import Tensor, TensorLike
from minidl.nn.layer import OpLayer

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CosineEmbeddingLoss", "CrossEntropyLoss",
    "FocalLoss", "HingeEmbeddingLoss", "HingeLoss", "HuberLoss", "KLDivLoss", "L1Loss",
    "LabelSmoothingLoss", "MSELoss", "NLLLoss",
]  # fmt: skip


class Loss(OpLayer):
    """A loss of what the network says and what is true; careful at its first call."""

    _called = False

    def judge(self, x: Tensor, truth: TensorLike) -> Tensor:
        """Return the loss."""
        if self._called:
            return self.compute(x, truth)
        self._called = True
        with careful():
            return self.compute(x, truth)


class LabelLoss(Loss):
    """A loss of scores and labels."""

    def forward(self, x: Tensor, labels: TensorLike) -> Tensor:
        """Return the loss."""
        return self.judge(x, labels)


class TargetLoss(Loss):
    """A loss of two arrays of one shape."""

    def forward(self, x: Tensor, target: TensorLike) -> Tensor:
        """Return the loss."""
        return self.judge(x, target)


class CrossEntropyLoss(LabelLoss, op=ops.cross_entropy):
    """−Σₖ qₖ log softmax(x)ₖ for labels, or for probabilities q (N, K, …).

    weight           of each class (K,), for classes that are rare
    ignore_index     the label of what shall not count, such as padding
    label_smoothing  ε: asks for 1 − ε of the label and shares ε among all classes
    """

    weight: TensorLike | None = None
    ignore_index: int = -100
    label_smoothing: float = 0.0
    reduction: str = "mean"


class LabelSmoothingLoss(CrossEntropyLoss):
    """Cross entropy that asks for 1 − ε of the label and ε / K of every class.

    Szegedy et al. 2016, section 7.
    """

    def __init__(
        self,
        smoothing: float = 0.1,
        weight: TensorLike | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, ignore_index, smoothing, reduction)


class NLLLoss(LabelLoss, op=ops.nll_loss):
    """−x_y: cross entropy of log-probabilities, as LogSoftmax(axis=1) gives them."""

    weight: TensorLike | None = None
    ignore_index: int = -100
    reduction: str = "mean"


class HingeLoss(LabelLoss, op=ops.hinge_loss):
    """Σ_{j≠y} max(0, xⱼ − x_y + margin): the multiclass support vector machine."""

    margin: float = 1.0
    reduction: str = "mean"


class FocalLoss(LabelLoss, op=ops.focal_loss):
    """−α (1 − p)^γ log p, with p the probability of what is true.

    Softmax of K classes where x has an axis more than the labels, else σ of one score,
    with labels 0 or 1; alpha is a weight (K,), or the number for the label 1.
    """

    gamma: float = 2.0
    alpha: TensorLike | None = None
    reduction: str = "mean"


class BCELoss(TargetLoss, op=ops.binary_cross_entropy):
    """−t log x − (1 − t) log(1 − x), for probabilities x: after a Sigmoid.

    BCEWithLogitsLoss takes scores, and is exact where probabilities are 0 or 1.
    """

    weight: TensorLike | None = None
    reduction: str = "mean"


class HingeEmbeddingLoss(LabelLoss, op=ops.hinge_embedding_loss):
    """x where the label is 1, max(0, margin − x) where it is −1, for distances x."""

    margin: float = 1.0
    reduction: str = "mean"


class BCEWithLogitsLoss(TargetLoss, op=ops.binary_cross_entropy_with_logits):
    """−t log σ(x) − (1 − t) log(1 − σ(x)): yes or no, for each number of x.

    pos_weight multiplies the losses of "yes" (t = 1), weight all of them.
    """

    weight: TensorLike | None = None
    pos_weight: TensorLike | None = None
    reduction: str = "mean"


class MSELoss(TargetLoss, op=ops.mse_loss):
    """(x − t)²."""

    reduction: str = "mean"


class L1Loss(TargetLoss, op=ops.l1_loss):
    """|x − t|."""

    reduction: str = "mean"


class HuberLoss(TargetLoss, op=ops.huber_loss):
    """½ (x − t)² up to |x − t| = δ, then on as a straight line."""

    delta: float = 1.0
    reduction: str = "mean"


class KLDivLoss(TargetLoss, op=ops.kl_div):
    """t (log t − x) for log-probabilities x; reduction may be "batchmean", too."""

    log_target: bool = False
    reduction: str = "mean"


class CosineEmbeddingLoss(OpLayer, op=ops.cosine_embedding_loss):
    """1 − cos(a, b) where the label is 1, max(cos(a, b) − margin, 0) where it is −1."""

    margin: float = 0.0
    reduction: str = "mean"

    def forward(self, a: Tensor, b: TensorLike, labels: TensorLike) -> Tensor:
        """Return the loss of vectors a, b (N, D) with labels (N,)."""
        return self.compute(a, b, labels)
