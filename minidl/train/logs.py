"""Callbacks that write the history down, for other programs to read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from minidl.errors import RangeError
from minidl.train.callback import Callback, Record
from minidl.train.events import EventFile
from minidl.train.history import PARTS

if TYPE_CHECKING:
    from minidl.train.trainer import Trainer

Path = str | os.PathLike[str]


class CSVLog(Callback):
    """Keep a CSV file as complete as the history: a line for each epoch, or each step.

    path   the file; it is written anew after every epoch, so that a resumed run has
           one table, and a column that comes late has its place
    part   "epochs" or "steps"

    >>> import tempfile
    >>> from minidl import nn, ops, optim
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.train import Trainer
    >>> net = nn.Linear(2, 2, rng=0)
    >>> opt = optim.SGD(net.parameters(), lr=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = CSVLog(f"{folder}/run.csv")
    ...     trainer = Trainer(net, opt, ops.cross_entropy, callbacks=[log])
    ...     history = trainer.fit(DataLoader(moons(100, rng=0)), epochs=2)
    ...     with open(f"{folder}/run.csv") as file:
    ...         print(file.readline().strip())
    epoch,step,train_loss,lr,seconds
    """

    turn: ClassVar[int] = 5

    def __init__(self, path: Path, part: str = "epochs") -> None:
        if part not in PARTS:
            raise RangeError(f"CSVLog: part={part!r}; it may be one of {PARTS}")
        self.path, self.part = path, part

    def on_begin(self, trainer: Trainer) -> None:
        """Find out now, and not after an epoch, whether the file can be written."""
        folder = os.path.dirname(os.fspath(self.path))
        if folder:
            os.makedirs(folder, exist_ok=True)
        with open(self.path, "a"):
            pass

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        """Write the table."""
        beside = f"{os.fspath(self.path)}.part"
        trainer.history.to_csv(beside, self.part)
        os.replace(beside, self.path)

    def on_end(self, trainer: Trainer) -> None:
        """After Ctrl-C or an error, write the steps of the epoch that was left."""
        if trainer.position:
            self.on_epoch(trainer, {})


class TensorBoardLog(Callback):
    """Write losses, metrics and rates for `tensorboard --logdir FOLDER`.

    folder   where each `fit` begins a file of its own; a subfolder for each run puts
             their curves into one picture

    Steps are written at the end of each epoch, under "step/…", and so is the record,
    under "epoch/…". It needs nothing to be installed here (events.py is the format).

    >>> import tempfile
    >>> from minidl import nn, ops, optim
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.train import Trainer
    >>> net = nn.Linear(2, 2, rng=0)
    >>> opt = optim.SGD(net.parameters(), lr=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = TensorBoardLog(folder)
    ...     trainer = Trainer(net, opt, ops.cross_entropy, callbacks=[log])
    ...     history = trainer.fit(DataLoader(moons(100, rng=0)), epochs=2)
    ...     print(os.listdir(folder)[0].startswith("events.out.tfevents"))
    True
    """

    turn: ClassVar[int] = 5

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file: EventFile | None = None
        self.done = 0  # rows of the steps that are written

    def on_begin(self, trainer: Trainer) -> None:
        """Begin a file; after a resume, the next one goes on where it was left."""
        self.file = EventFile(self.folder)

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        """Write the steps since the last time, and the record."""
        self._steps(trainer)
        assert self.file is not None
        row = {f"epoch/{k}": v for k, v in record.items() if k not in ("epoch", "step")}
        self.file.write({int(record["epoch"]): row})

    def on_end(self, trainer: Trainer) -> None:
        """Write what is left."""
        self._steps(trainer)

    def _steps(self, trainer: Trainer) -> None:
        assert self.file is not None
        columns = [trainer.history.steps.get(k, []) for k in ("step", "loss", "lr")]
        new = list(zip(*(column[self.done :] for column in columns), strict=True))
        self.file.write({t: {"step/loss": x, "step/lr": lr} for t, x, lr in new})
        self.done += len(new)

    def state_dict(self) -> dict[str, Any]:
        """Return how many steps are written already."""
        return {"done": self.done}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on after them."""
        self.done = int(state["done"])
