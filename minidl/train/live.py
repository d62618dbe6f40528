"""Watching a run in a notebook: one live figure."""

from __future__ import annotations

import math
import os
import sys
import time
from typing import TYPE_CHECKING, Any, ClassVar

from minidl.train.callback import Callback, Record

if TYPE_CHECKING:
    from minidl.train.trainer import Trainer


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
