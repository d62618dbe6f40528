"""Watching a run in a terminal: one live line, and silence in a pipe.

It shows what the history has read already, and at most ten times a second, so that
looking on does not slow the steps down.
"""

from __future__ import annotations

import math
import os
import sys
import time
from typing import TYPE_CHECKING, ClassVar, TextIO

from minidl.train.callback import Callback, Record
from minidl.train.live import LivePlot, in_notebook

if TYPE_CHECKING:
    from minidl.train.trainer import Trainer

BAR = 8
EVERY = 0.1  # seconds between two drawings of the line
RECENT = 20  # losses whose mean is shown


def progress_for() -> list[Callback]:
    """Return what suits the place: LivePlot, ProgressBar, or nothing."""
    if in_notebook():
        return [LivePlot()]
    stream = sys.stderr
    return [ProgressBar(stream)] if stream is not None and stream.isatty() else []


class ProgressBar(Callback):
    """One live line: epoch, how far, loss, metric, steps a second, time left.

    stream   where it is written if that is a terminal; standard error by default

    >>> ProgressBar.line("3/10", 0.5, {"loss": 0.25}, rate=120.0, left=75)
    'epoch 3/10  ━━━━────   loss 0.25  120 steps/s  1:15 left'
    """

    turn: ClassVar[int] = 20

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream
        self.out: TextIO | None = None
        self.batches = 0  # in an epoch; 0: not known yet
        self.first = self.begun = self.drawn = 0.0
        self.metric: dict[str, float] = {}

    def on_begin(self, trainer: Trainer) -> None:
        """Find out whether anybody looks on, and how long an epoch is."""
        stream = sys.stderr if self.stream is None else self.stream
        self.out = stream if stream is not None and stream.isatty() else None
        self.begun, self.first = time.perf_counter(), trainer.t
        loader = trainer.train_batches
        self.batches = len(loader) if hasattr(loader, "__len__") else 0

    def on_step(self, trainer: Trainer) -> None:
        """Draw, unless it was drawn a moment ago."""
        if self.out is not None and time.perf_counter() - self.drawn > EVERY:
            self._draw(trainer)

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        """Take in the newest metric of validation."""
        self.batches = self.batches or int(record["step"]) // int(record["epoch"])
        names = [name for name in record if name.startswith("val_")]
        self.metric = {name: record[name] for name in names[-1:]}
        if self.out is not None:
            self._draw(trainer)

    def on_end(self, trainer: Trainer) -> None:
        """Leave the line as it is, with the last values, and begin a new one."""
        if self.out is None:
            return
        self._draw(trainer)
        ends = {"done": "", "stopped": "  stopped", "failed": "  failed"}
        ends["interrupted"] = (
            f"  Ctrl-C after step {trainer.t}: fit() goes on from here"
        )
        self.out.write(ends[trainer.ending] + "\n")
        self.out.flush()

    def _draw(self, trainer: Trainer) -> None:
        assert self.out is not None
        now = time.perf_counter()
        self.drawn = now
        rate = (trainer.t - self.first) / max(now - self.begun, 1e-9)
        total = self.batches * trainer.goal
        done = trainer.epoch * self.batches + trainer.position
        within = trainer.position / self.batches if self.batches else math.nan
        over = trainer.position == 0 and trainer.t > 0
        epoch = trainer.epoch if over else trainer.epoch + 1
        left = (total - done) / rate if total > done and rate else math.nan
        read = trainer.history.newest(RECENT)
        shown = {"loss": sum(read) / len(read)} if read else {}
        text = self.line(
            f"{epoch}/{trainer.goal}", 1.0 if over else within, shown | self.metric,
            rate, left,
        )  # fmt: skip
        self.out.write(f"\r\x1b[K{text[: _width() - 1]}")
        self.out.flush()

    @staticmethod
    def line(
        epoch: str, within: float, shown: dict[str, float], rate: float, left: float
    ) -> str:
        """Return the line as text; what is not known (nan) is left out."""
        full = 0 if math.isnan(within) else round(BAR * min(within, 1.0))
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
        parts = [
            f"epoch {epoch}",
            "" if math.isnan(within) else f"{'━' * full}{'─' * (BAR - full)} ",
            numbers,
            f"{rate:.0f} steps/s" if rate >= 10 else f"{rate:.2g} steps/s",
            "" if math.isnan(left) else f"{_clock(left)} left",
        ]
        return "  ".join(part for part in parts if part)


def _clock(seconds: float) -> str:
    """Return minutes and seconds, with hours if there are any."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80
