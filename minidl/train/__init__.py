"""The training loop and its laboratory; so far, the metrics."""

from minidl.train.metrics import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    f1_score,
    precision,
    recall,
    top_k,
)

__all__ = [
    "accuracy",
    "balanced_accuracy",
    "confusion_matrix",
    "f1_score",
    "precision",
    "recall",
    "top_k",
]
