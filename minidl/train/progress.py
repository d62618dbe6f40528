"""Watching a run: a live line in a terminal, a line an epoch in a log, a live figure.

The live line shows what the history has read already, and at most ten times a second,
so that looking on does not slow the steps down. Either line fits 60 columns.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

from minidl.train.callback import Callback, Record

if TYPE_CHECKING:
    from minidl.train.trainer import Trainer

BAR = 8
EVERY = 0.1  # seconds between two drawings of the line
RECENT = 20  # losses whose mean is shown
COLUMNS = 60


def progress_for(callbacks: Iterable[Callback]) -> list[Callback]:
    """Return what suits the place, LivePlot or ProgressBar, if none was given."""
    kind = LivePlot if in_notebook() else ProgressBar
    if sys.stderr is None or any(isinstance(given, kind) for given in callbacks):
        return []
    return [kind()]


class ProgressBar(Callback):
    """In a terminal one live line: epoch, how far, loss, metric, speed, time left.

    stream   where it is written, standard error by default; if that is no terminal but
             a pipe or a file, it gets a line after every epoch

    What does not fit a line is left out; all of it is in the history.

    >>> ProgressBar.line("3/10", 0.5, {"loss": 0.25}, rate=120.0, left=75)
    'epoch 3/10  ━━━━────  loss 0.25  120 steps/s  1:15 left'
    >>> ProgressBar.report("3/10", {"train_loss": 0.25, "val_loss": 0.3, "seconds": 2})
    'epoch 3/10  loss 0.25  val_loss 0.3  2.0 s'
    """

    turn: ClassVar[int] = 20
    writes: ClassVar[bool] = True

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream
        self.out: TextIO | None = None
        self.live = False
        self.batches = 0  # in an epoch; 0: not known yet
        self.first = self.begun = self.drawn = 0.0
        self.metric: dict[str, float] = {}

    def on_begin(self, trainer: Trainer) -> None:
        """Find out whether anybody looks on, and how long an epoch is."""
        self.out = sys.stderr if self.stream is None else self.stream
        self.live = self.out is not None and self.out.isatty()
        self.begun, self.first = time.perf_counter(), trainer.t
        loader = trainer.train_batches
        self.batches = len(loader) if hasattr(loader, "__len__") else 0

    def on_step(self, trainer: Trainer) -> None:
        """Draw, unless it was drawn a moment ago."""
        if self.live and time.perf_counter() - self.drawn > EVERY:
            self._draw(trainer)

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        """Take in the newest metric of validation; in a log, write the line."""
        self.batches = self.batches or int(record["step"]) // int(record["epoch"])
        names = [name for name in record if name.startswith("val_")]
        self.metric = {name: record[name] for name in names[-1:]}
        if self.live:
            self._draw(trainer)
        elif self.out is not None:
            text = self.report(f"{trainer.epoch}/{trainer.goal}", record)
            print(text, file=self.out, flush=True)

    def on_end(self, trainer: Trainer) -> None:
        """Leave the line as it is, with the last values, and say how it ended."""
        if self.out is None:
            return
        ends = {"done": "", "stopped": "stopped", "failed": "failed"}
        ends["interrupted"] = f"Ctrl-C after step {trainer.t}: fit() goes on from here"
        end = ends[trainer.ending]
        if self.live:
            self._draw(trainer)
            self.out.write("\n")
        if end:
            print(end, file=self.out, flush=True)

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
        self.out.write(f"\r\x1b[K{text[: _width(self.out) - 1]}")
        self.out.flush()

    @staticmethod
    def line(
        epoch: str, within: float, shown: dict[str, float], rate: float, left: float
    ) -> str:
        """Return the live line; what is not known (nan) is left out."""
        full = 0 if math.isnan(within) else round(BAR * min(within, 1.0))
        speed = f"{rate:.0f} steps/s" if rate >= 10 else f"{rate:.2g} steps/s"
        return _fitted(
            [
                (f"epoch {epoch}", 0),
                ("" if math.isnan(within) else f"{'━' * full}{'─' * (BAR - full)}", 2),
                *_numbers(shown),
                (speed, 3),
                ("" if math.isnan(left) else f"{_clock(left)} left", 1),
            ]
        )

    @staticmethod
    def report(epoch: str, record: Record) -> str:
        """Return the line of an epoch that is over."""
        names = ["train_loss"] * ("train_loss" in record)
        names += [name for name in record if name.startswith("val_")]
        shown = {name.removeprefix("train_"): record[name] for name in names}
        seconds = record.get("seconds", math.nan)
        time_ = "" if math.isnan(seconds) else f"{seconds:.1f} s"
        numbers = [(text, 1 + i) for i, (text, _) in enumerate(_numbers(shown))]
        return _fitted([(f"epoch {epoch}", 0), *numbers, (time_, 99)])


def _numbers(shown: Mapping[str, float]) -> list[tuple[str, int]]:
    return [(f"{name} {value:.3g}", 0) for name, value in shown.items()]


def _fitted(parts: list[tuple[str, int]]) -> str:
    """Join the parts; those with the highest number go until the rest fits."""
    parts = [part for part in parts if part[0]]
    while len(text := "  ".join(part for part, _ in parts)) > COLUMNS:
        last = max(rank for _, rank in parts)
        if last == 0:
            return text[: COLUMNS - 1] + "…"
        parts = [part for part in parts if part[1] != last]
    return text


def _clock(seconds: float) -> str:
    """Return minutes and seconds, with hours if there are any."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"


def _width(out: TextIO) -> int:
    try:
        return os.get_terminal_size(out.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80


# In a notebook


def in_notebook() -> bool:
    """Whether this is a Jupyter kernel. Nothing is imported to find out."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


class LivePlot(Callback):
    """One live figure of the history: in a notebook, in a file, or both.

    path     a picture to write after every epoch (.png, .svg, .pdf)
    log      draw the losses on a logarithmic axis
    seconds  between two drawings; the last is always drawn

    In a notebook the same output is replaced each time (a display with an id, no
    widget), so that the file keeps one picture. Elsewhere, without a path, nothing.

    >>> import tempfile
    >>> from minidl import nn, ops, optim
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.train import Trainer
    >>> net = nn.Linear(2, 2, rng=0)
    >>> opt = optim.SGD(net.parameters(), lr=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     live = LivePlot(f"{folder}/run.png")
    ...     trainer = Trainer(net, opt, ops.cross_entropy, callbacks=[live])
    ...     history = trainer.fit(DataLoader(moons(100, rng=0)), epochs=2)
    ...     os.listdir(folder)
    ['run.png']
    """

    turn: ClassVar[int] = 20
    writes: ClassVar[bool] = True

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        log: bool = False,
        seconds: float = 1.0,
    ) -> None:
        self.path, self.log, self.seconds = path, log, seconds
        self.handle: Any = None
        self.drawn, self.epochs = -math.inf, 0  # when, and how many are in the picture

    def on_begin(self, trainer: Trainer) -> None:
        """A new fit gets a new figure."""
        self.handle, self.drawn, self.epochs = None, -math.inf, 0

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        """Draw, unless it was drawn a moment ago."""
        if time.perf_counter() - self.drawn >= self.seconds:
            self._draw(trainer)

    def on_end(self, trainer: Trainer) -> None:
        """Draw how it ended, unless that is in the picture already."""
        if len(trainer.history) > self.epochs:
            self._draw(trainer)

    def _draw(self, trainer: Trainer) -> None:
        notebook = in_notebook()
        if not notebook and self.path is None:
            return
        picture = trainer.history.plot(log=self.log, path=self.path)
        if notebook:
            from IPython.display import display

            if self.handle is None:
                self.handle = display(picture, display_id=True)
            else:
                self.handle.update(picture)
        self.drawn, self.epochs = time.perf_counter(), len(trainer.history)
