"""The training loop and its laboratory: Trainer, callbacks, checkpoints, metrics."""

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
