"""The training loop and its laboratory: Trainer, callbacks, checkpoints, metrics."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from minidl.foreign import missing as _missing
from minidl.train.averages import WeightAverage, update_batch_norm
from minidl.train.callback import Callback
from minidl.train.checkpoint import (
    Checkpoint,
    CheckpointError,
    Checkpoints,
    CheckpointWarning,
    Randomness,
    load_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from minidl.train.gradients import GradientAccumulation, GradientClip
from minidl.train.history import History
from minidl.train.logs import CSVLog, TensorBoardLog
from minidl.train.metrics import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    f1_score,
    precision,
    recall,
    top_k,
)
from minidl.train.progress import LivePlot, ProgressBar
from minidl.train.samples import Samples
from minidl.train.sequence_metrics import bleu1, edit_distance, token_error_rate
from minidl.train.stopping import Budget, EarlyStopping, PlateauLR
from minidl.train.trainer import Trainer

if _TYPE_CHECKING:
    from minidl.train.estimators import MinidlClassifier, MinidlRegressor

__all__ = [
    "Budget",
    "CSVLog",
    "Callback",
    "Checkpoint",
    "CheckpointError",
    "CheckpointWarning",
    "Checkpoints",
    "EarlyStopping",
    "GradientAccumulation",
    "GradientClip",
    "History",
    "LivePlot",
    "MinidlClassifier",
    "MinidlRegressor",
    "PlateauLR",
    "ProgressBar",
    "Randomness",
    "Samples",
    "TensorBoardLog",
    "Trainer",
    "WeightAverage",
    "accuracy",
    "balanced_accuracy",
    "bleu1",
    "confusion_matrix",
    "edit_distance",
    "f1_score",
    "load_checkpoint",
    "precision",
    "read_checkpoint",
    "recall",
    "save_checkpoint",
    "token_error_rate",
    "top_k",
    "update_batch_norm",
]


def __getattr__(name: str) -> _Any:
    """Import what needs scikit-learn when it is first named."""
    if name in ("MinidlClassifier", "MinidlRegressor"):
        return getattr(_import_module("minidl.train.estimators"), name)
    raise _missing("minidl.train", name, __all__)
