"""Callback: what may happen around the steps of a Trainer.

    fit ─ on_begin
          ├─ each batch   forward, on_loss, backward, on_backward,
          │               optimizer.step, on_update, on_step
          ├─ each epoch   on_train_end, validation, on_validation, on_epoch
          └─ on_end

`on_backward` and `on_update` are part of the arithmetic: they change what is learned
(clipping, accumulating, averaging), and are run again when the trainer replays steps to
find a NaN. So whatever they count belongs into `state_dict`. `on_loss` returns what
backward starts from, and counts nothing: it may be part of a captured step. The others
watch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from minidl.engine.tensor import TensorLike
from minidl.errors import RangeError

if TYPE_CHECKING:
    from minidl.engine.tensor import Tensor
    from minidl.train.trainer import Trainer

Record = dict[str, float]
RISING = ("accuracy", "precision", "recall", "f1", "top_k", "score", "auc")
FALLING = ("loss", "error", "perplexity")


class Callback:
    """Does nothing; a callback of your own overrides what it needs.

    >>> class Shout(Callback):
    ...     def on_epoch(self, trainer, record):
    ...         print(f"epoch {record['epoch']}!")
    """

    turn: ClassVar[int] = 0  # the smaller, the sooner; equal ones as they were given
    writes: ClassVar[bool] = False  # files or lines: of several ranks, the first alone

    def alone(self) -> str:
        """Return why it cannot work on several ranks (minidl.parallel), if so."""
        return ""

    def on_begin(self, trainer: Trainer) -> None:
        """`fit` begins, perhaps not for the first time."""

    def on_loss(self, trainer: Trainer, loss: Tensor, y: TensorLike) -> Tensor:
        """The loss of a batch with the truth y is there; return it, or another one."""
        return loss

    def on_backward(self, trainer: Trainer) -> bool | None:
        """The gradients are there; return False to wait for more of them."""

    def on_update(self, trainer: Trainer) -> None:
        """The optimizer has stepped."""

    def on_step(self, trainer: Trainer) -> None:
        """A batch is done, and in the history."""

    def on_train_end(self, trainer: Trainer) -> None:
        """The batches of an epoch are done; next comes validation."""

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Wrap validation, and `on_validation` of all callbacks."""
        yield

    def on_validation(self, trainer: Trainer, record: Record) -> None:
        """The epoch's record is complete; the weights are those that were judged."""

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        """The epoch is over, and in the history."""

    def on_end(self, trainer: Trainer) -> None:
        """`fit` is about to return, or to raise; `trainer.ending` tells how it went.

        "done" all epochs; "stopped" by `trainer.stop()`; "interrupted" by Ctrl-C;
        "failed" by an error.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must keep: arrays, numbers, words, lists, dicts."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""


class Judge(Callback):
    """A callback that waits for the best value of one column of the record.

    monitor    the column: "val_loss", "val_accuracy", "train_loss", …
    mode       "min" or "max"; "auto" tells by the name
    min_delta  how much better counts as better
    """

    def __init__(
        self, monitor: str = "val_loss", mode: str = "auto", min_delta: float = 0.0
    ) -> None:
        self.monitor, self.mode = monitor, direction(monitor, mode)
        self.min_delta = min_delta
        if not min_delta >= 0:
            raise RangeError(f"min_delta is {min_delta}, but it must be 0 or more")
        self.best: float | None = None

    def better(self, value: float) -> bool:
        """Whether `value` beats the best so far; NaN never does."""
        if self.best is None:
            return value == value
        gain = value - self.best if self.mode == "max" else self.best - value
        return gain > self.min_delta


def direction(monitor: str, mode: str) -> str:
    """Return "min" or "max"; find it out by the name of the metric.

    >>> direction("val_loss", "auto"), direction("val_f1_score", "auto")
    ('min', 'max')
    """
    if mode in ("min", "max"):
        return mode
    if mode != "auto":
        raise RangeError(f'mode={mode!r}; it may be "min", "max" or "auto"')
    if any(word in monitor for word in FALLING):
        return "min"
    if any(word in monitor for word in RISING):
        return "max"
    raise RangeError(
        f"is a high {monitor!r} good or bad? Its name does not tell; "
        'give mode="max" or mode="min"'
    )


def judged(callback: Callback, monitor: str, record: Record) -> float:
    """Return the value of a column, or say which columns there are."""
    if monitor not in record:
        hint = " (fit got no validation data)" if monitor.startswith("val_") else ""
        raise RangeError(
            f"{type(callback).__name__} watches {monitor!r}, which the record of this "
            f"epoch lacks{hint}; there are {sorted(record)}"
        )
    return float(record[monitor])
