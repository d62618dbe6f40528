"""History: what happened in training, step by step and epoch by epoch.

    steps    a table with a row for each batch: step, epoch, samples, lr, labels, loss
    epochs   a table with a row for each epoch: epoch, step, train_loss, lr, seconds
             and, with validation data, val_loss and val_<metric>

A table is a dictionary {name: list}, so that `history.epochs["val_loss"]` is the curve.

The loss of a step is taken in as the 0-d array that the step made, and becomes a number
later: on a GPU, asking for it would make the program wait for the device. So is the
number of labels that it is a mean over, where that depends on the labels.
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterable, Mapping
from itertools import dropwhile, takewhile
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from minidl.backend import Array
from minidl.engine.tensor import TensorLike
from minidl.errors import RangeError
from minidl.train.batches import numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Path = str | os.PathLike[str]
Table = dict[str, list[Any]]
PARTS = ("steps", "epochs")


class History:
    """The two tables of a training run, and their ways into files and pictures.

    >>> history = History()
    >>> for step, loss in enumerate([2.0, 1.0], start=1):
    ...     history.add_step(np.array(loss), step=step, epoch=1)
    >>> history.add_epoch({"epoch": 1, "train_loss": 1.5})
    >>> history.steps["loss"], history["train_loss"]
    ([2.0, 1.0], [1.5])
    """

    def __init__(self) -> None:
        self._facts: Table = {}  # of the steps: all columns but the next two
        self._losses: list[float] = []
        self._labels: list[float | None] = []
        self.epochs: Table = {}
        self._waiting: list[tuple[Array, Any]] = []  # losses and labels not read yet

    # Writing

    def add_step(
        self, loss: Array, labels: TensorLike | None = None, **facts: float
    ) -> None:
        """Add a row to `steps`.

        loss    () and of a device, perhaps; it is not read now
        labels  how many it is a mean over, a number or such an array; None: "samples"
        """
        _append(self._facts, facts, rows=len(self._losses) + self.waiting)
        self._waiting.append((loss, labels))

    def add_epoch(self, record: Mapping[str, float]) -> None:
        """Add a row to `epochs`; a column without a value there gets None."""
        _append(self.epochs, record, rows=len(self))

    # Reading

    @property
    def waiting(self) -> int:
        """How many losses have not been read yet."""
        return len(self._waiting)

    def read(self) -> list[float]:
        """Read the losses that wait, in one transfer, and return them as numbers."""
        if not self._waiting:
            return []
        n = len(self._waiting)
        read = numbers([x for pair in zip(*self._waiting, strict=True) for x in pair])
        new, labels = read[:n], read[n:]
        self._labels += labels
        self._waiting = []
        self._losses += new
        return new

    @property
    def steps(self) -> Table:
        """The table of steps, every loss a number."""
        self.read()
        counted = any(n is not None for n in self._labels)
        labels = {"labels": self._labels} if counted else {}
        return {**self._facts, **labels, "loss": self._losses}

    def newest(self, n: int) -> list[float]:
        """Return the last n losses of those that are read already."""
        return self._losses[-n:]

    @property
    def last(self) -> dict[str, Any]:
        """The newest row of `epochs`; {} before the first."""
        return {name: column[-1] for name, column in self.epochs.items()}

    def __getitem__(self, name: str) -> list[Any]:
        if name not in self.epochs:
            raise RangeError(
                f"the epochs have no {name!r}; there are {sorted(self.epochs)}"
            )
        return self.epochs[name]

    def keys(self) -> Any:
        """Return the names of the columns of `epochs`."""
        return self.epochs.keys()

    def __len__(self) -> int:
        """Return how many epochs there are."""
        return len(next(iter(self.epochs.values()), []))

    def mean_loss(self, epoch: int) -> float:
        """Σ n L / Σ n over the steps of an epoch, n being the labels of each."""
        steps = self.steps
        labels = steps.get("labels", steps["samples"])
        columns = (steps["epoch"], labels, steps["samples"], steps["loss"])
        # the newest first: an epoch is found quickly
        rows = zip(*map(reversed, columns), strict=True)
        later = dropwhile(lambda row: row[0] > epoch, rows)
        own = takewhile(lambda row: row[0] == epoch, later)
        return mean((loss, samples if n is None else n) for _, n, samples, loss in own)

    # Keeping

    def to_dict(self) -> dict[str, Table]:
        """Return {"steps": …, "epochs": …}, copies."""
        return {
            part: {name: list(column) for name, column in getattr(self, part).items()}
            for part in PARTS
        }

    @classmethod
    def from_dict(cls, tables: Mapping[str, Mapping[str, Any]]) -> Self:
        """Return the history that `to_dict` gave."""
        if set(tables) != set(PARTS):
            raise RangeError(f"a history has the tables {PARTS}, not {sorted(tables)}")
        new = cls()
        steps, new.epochs = _columns(tables["steps"]), _columns(tables["epochs"])
        for table in (steps, new.epochs):
            lengths = {name: len(column) for name, column in table.items()}
            if len(set(lengths.values())) > 1:
                raise RangeError(
                    f"the columns of a history differ in length: {lengths}"
                )
        new._losses = steps.pop("loss", [])
        new._labels = steps.pop("labels", [None] * len(new._losses))
        new._facts = steps
        return new

    def to_json(self, path: Path) -> None:
        """Write both tables to a JSON file; NaN and infinity, which it lacks, as words.

        >>> import tempfile
        >>> history = History()
        >>> history.add_epoch({"epoch": 1, "val_loss": float("inf")})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     history.to_json(f"{folder}/run.json")
        ...     History.from_json(f"{folder}/run.json")["val_loss"]
        [inf]
        """
        words = {
            part: {
                name: [_to_word(v) for v in column] for name, column in table.items()
            }
            for part, table in self.to_dict().items()
        }
        with open(path, "w", encoding="utf-8") as file:
            json.dump(words, file, allow_nan=False)

    @classmethod
    def from_json(cls, path: Path) -> Self:
        """Read what `to_json` wrote."""
        with open(path, encoding="utf-8") as file:
            tables = json.load(file)
        return cls.from_dict(
            {
                part: {
                    name: [_from_word(v) for v in column] for name, column in t.items()
                }
                for part, t in tables.items()
            }
        )

    def to_csv(self, path: Path, part: str = "epochs") -> None:
        """Write a table, "epochs" or "steps", to a CSV file with a line of names."""
        if part not in PARTS:
            raise RangeError(f"a history has the tables {PARTS}, not {part!r}")
        table = getattr(self, part)
        with open(path, "w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(table)
            out.writerows(zip(*table.values(), strict=True))

    def state_dict(self) -> dict[str, Any]:
        """Return the tables as arrays, which a checkpoint keeps; None becomes NaN."""
        return {
            part: {
                name: np.array([np.nan if v is None else v for v in column])
                for name, column in table.items()
            }
            for part, table in self.to_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become the history that `state` was taken from."""
        other = type(self).from_dict(state)
        vars(self).update(vars(other))

    # Looking

    def plot(self, *, log: bool = False, path: Path | None = None) -> Figure:
        """Draw loss and metrics against the epoch (`minidl.show.curves`)."""
        from minidl.show import curves

        return curves(self, log=log, path=None if path is None else os.fspath(path))

    def __repr__(self) -> str:
        n = len(self._losses) + self.waiting
        shown = ", ".join(f"{k} {v:.4g}" for k, v in self.last.items() if v is not None)
        epochs, steps = f"epoch{'s' * (len(self) != 1)}", f"step{'s' * (n != 1)}"
        told = f": {shown}" if shown else ""
        return f"History({len(self)} {epochs}, {n} {steps}{told})"


def mean(losses: Iterable[tuple[float, float]]) -> float:
    """Σ n L / Σ n of (L, n), each a mean over n labels; without labels it is NaN.

    >>> mean([(1.0, 3), (2.0, 1), (float("nan"), 0)])
    1.25
    """
    known = [(loss, n) for loss, n in losses if n]
    total = math.fsum(n for _, n in known)
    return math.fsum(n * loss for loss, n in known) / total if known else math.nan


def _append(table: Table, row: Mapping[str, Any], rows: int) -> None:
    """Add a row to a table that has `rows` of them; None where something is missing."""
    for name in row:
        table.setdefault(name, [None] * rows)
    for name, column in table.items():
        column.append(row.get(name))


def _columns(table: Mapping[str, Any]) -> Table:
    """Return lists of plain numbers, of arrays or of lists."""
    return {
        name: column.tolist() if hasattr(column, "tolist") else list(column)
        for name, column in table.items()
    }


def _to_word(value: object) -> Any:
    number = isinstance(value, float) and not math.isfinite(value)
    return str(value) if number else value


def _from_word(value: object) -> Any:
    return float(value) if isinstance(value, str) else value
