"""A run as curves: from a History, or from a mapping of columns, whatever is there.

    loss            of every step (N,)       rate       its learning rate (N,)
    train_loss …    of every epoch (E,)      epochs     their numbers (E,)

A column that is absent is an empty curve. None is a value that was not measured: its
point is left out of that curve. NaN and infinity in a loss are what they say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.lab import trend
from minidl.lab.trend import Vector

ASIDE = ("step", "epoch", "samples", "seconds", "lr")
EMPTY = np.zeros(0)
LIMIT = 1e30  # larger losses count as this, so that their squares stay finite


@dataclass
class Reading:
    """The curves of a run; `diagnose_curves` knows a run only through this.

    curves    {name: (E,) or, for "loss", (N,)}, finite values only
    steps     the numbers of the steps in `loss`
    rate      the learning rate, beside `loss` if there is one, else for each epoch
    epoch_of  the epoch of each step in `loss`
    broken    where a loss is NaN or infinite first: (column, its row, its number)
    """

    curves: dict[str, Vector] = field(default_factory=dict)
    steps: Vector = field(default_factory=lambda: EMPTY)
    epochs: Vector = field(default_factory=lambda: EMPTY)
    rate: Vector = field(default_factory=lambda: EMPTY)
    epoch_of: Vector = field(default_factory=lambda: EMPTY)
    broken: tuple[str, int, float] | None = None

    def __getitem__(self, name: str) -> Vector:
        return self.curves.get(name, EMPTY)

    @property
    def by_step(self) -> bool:
        """Whether there are enough steps to read; else the epochs must do."""
        return len(self["loss"]) >= max(8, len(self["train_loss"]))

    @property
    def training(self) -> Vector:
        """The training loss, as fine as it is there: of steps, or else of epochs."""
        if self.by_step:
            return self["loss"]
        return self["train_loss"] if len(self["train_loss"]) else self["val_loss"]

    @property
    def trace(self) -> Vector:
        """The training loss in at most 40 means: what the eye sees of it."""
        return trend.blocks(self.training)

    @property
    def start(self) -> float:
        """The loss before anything was learned: the median of the first few.

        If it exploded at once they tell nothing, and the first alone counts.
        """
        y = self.training
        if not len(y):
            return math.nan
        few = float(np.median(y[: max(3, min(10, len(y) // 50))]))
        return float(y[0]) if few > 2.5 * y[0] > 0 else max(few, float(y[0]))

    @property
    def end(self) -> float:
        """The loss that training ended with: the median of the last means."""
        return trend.ends(self.trace)[1] if len(self.training) else math.nan

    @property
    def level(self) -> float:
        """What is left of the first loss at the end: 1 is nothing learned."""
        return self.end / self.start if self.start > 0 else math.nan

    @property
    def judges(self) -> int | None:
        """How many samples validation has, as far as its accuracy tells.

        An accuracy of n samples is k / n. The smallest n that fits all values is the
        guess; one value alone would not tell.
        """
        seen = np.unique(np.round(self["val_accuracy"], 12))
        if len(seen) < 2:
            return None
        seen = seen[(seen > 0) & (seen < 1)]
        for n in range(2, 1001):
            counts = seen * n
            if len(seen) and np.abs(counts - np.round(counts)).max() < 1e-4:
                return n
        return None


def read(history: Any) -> Reading:
    """Return the curves of a History, of its `to_dict`, or of a mapping of columns.

    Raises DTypeError for anything else, ShapeError for columns that do not belong
    together, RangeError where no loss and no accuracy is left to read.
    """
    steps, epochs = _tables(history)
    reading = Reading()
    loss = _column(steps, "loss")
    reading.broken = _broken(steps, epochs)
    keep = np.isfinite(loss)
    _put(reading, "loss", loss[keep])
    reading.steps = _beside(steps, "step", loss, np.arange(1.0, len(loss) + 1))[keep]
    reading.epoch_of = _beside(steps, "epoch", loss, EMPTY)
    reading.epoch_of = reading.epoch_of[keep] if len(reading.epoch_of) else EMPTY
    rate = _beside(steps, "lr", loss, EMPTY)
    reading.rate = rate[keep] if np.isfinite(rate).all() and len(rate) else EMPTY
    for name in epochs:
        if name not in ASIDE:
            values = _column(epochs, name)
            values = values[np.isfinite(values)]
            _put(reading, name, _share(name, values) if "accuracy" in name else values)
    length = max((len(_column(epochs, name)) for name in epochs), default=0)
    reading.epochs = _beside(epochs, "epoch", EMPTY, np.arange(1.0, length + 1))
    if not len(reading.rate) and "lr" in epochs:
        rate = _column(epochs, "lr")
        reading.rate = rate[np.isfinite(rate)]
    if not reading.curves and reading.broken is None:
        raise RangeError(
            "diagnose_curves: no loss and no accuracy to read; the columns are "
            f"{sorted({*steps, *epochs})}, and these would do: loss (of steps), "
            "train_loss, val_loss, train_accuracy, val_accuracy (of epochs)"
        )
    return reading


def _tables(history: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Split what came into columns of steps and columns of epochs."""
    if hasattr(history, "steps") and hasattr(history, "epochs"):
        return history.steps, history.epochs
    if not isinstance(history, Mapping):
        raise DTypeError(
            "diagnose_curves reads a History or a mapping of columns, such as "
            f'{{"loss": […], "lr": […]}}, not {type(history).__name__}; '
            "History.from_json(path) reads a file"
        )
    if "steps" in history or "epochs" in history:
        return history.get("steps") or {}, history.get("epochs") or {}
    if "loss" not in history:
        return {}, history
    n = len(history["loss"])
    epochal = [k for k in history if k.startswith(("train_", "val_"))]
    if not epochal:
        return history, {}
    e = len(history[epochal[0]])
    if e == n:  # one table: a row for each epoch, whose training loss is called "loss"
        renamed = {"train_loss" if k == "loss" else k: v for k, v in history.items()}
        return {}, renamed if "train_loss" not in history else dict(history)
    fits = {name: len(column) for name, column in history.items()}
    steps = {k: v for k, v in history.items() if k not in epochal and fits[k] == n}
    return steps, {k: v for k, v in history.items() if k not in steps}


def _column(table: Mapping[str, Any], name: str) -> Vector:
    """Return a column as floats; None becomes NaN, a column that is absent is empty."""
    column = table.get(name)
    if column is None:
        return EMPTY
    values: Sequence[Any] = column.tolist() if hasattr(column, "tolist") else column
    try:
        numbers = [math.nan if v is None or v == "" else float(v) for v in values]
    except (TypeError, ValueError):
        raise DTypeError(
            f"diagnose_curves: the column {name!r} must hold numbers (None where a "
            f"value is missing), and it begins with {list(values)[:3]}"
        ) from None
    found = np.array(numbers)
    return np.where(np.isfinite(found), np.clip(found, -LIMIT, LIMIT), found)


def _beside(
    table: Mapping[str, Any], name: str, like: Vector, default: Vector
) -> Vector:
    """Return a column that must be as long as its table's others."""
    column = _column(table, name)
    if not len(column):
        return default
    if len(like) and len(column) != len(like):
        raise ShapeError(
            f"diagnose_curves: {len(column)} values of {name!r} for {len(like)} losses"
        )
    return column


def _share(name: str, values: Vector) -> Vector:
    """Return accuracies from 0 to 1, of such or of percent."""
    highest = values.max(initial=0)
    if highest > 100 or values.min(initial=0) < 0:
        raise RangeError(
            f"diagnose_curves: an accuracy is a share from 0 to 1, or percent, and "
            f"{name!r} goes from {values.min():.4g} to {highest:.4g}"
        )
    return values / 100 if highest > 1 else values


def _put(reading: Reading, name: str, values: Vector) -> None:
    if len(values):
        reading.curves[name] = values


def _broken(
    steps: Mapping[str, Any], epochs: Mapping[str, Any]
) -> tuple[str, int, float] | None:
    """Find the first loss that is not finite; what is only missing does not count.

    NaN in a training loss is NaN. In a column of validation it may stand for a value
    that was not measured, as in a table read from a file; infinity may not.
    """
    for table, name in ((steps, "loss"), (epochs, "train_loss"), (epochs, "val_loss")):
        column = _column(table, name)
        wrong = np.isinf(column) if name == "val_loss" else ~np.isfinite(column)
        wrong &= ~_missing(table, name)
        if wrong.any():
            row = int(np.argmax(wrong))
            count = _column(table, "step" if table is steps else "epoch")
            return name, row, float(count[row]) if len(count) > row else row + 1.0
    return None


def _missing(table: Mapping[str, Any], name: str) -> Vector:
    """Where a column has None, or the empty text of a CSV file."""
    column = table.get(name, ())
    return np.array([v is None or (isinstance(v, str) and not v) for v in column], bool)
