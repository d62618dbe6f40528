"""Callbacks that end training: when nothing gets better, or when the time is over."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from minidl.errors import RangeError
from minidl.optim import ReduceOnPlateau
from minidl.train.callback import Callback, Judge, Record, direction, judged

if TYPE_CHECKING:
    from minidl.train.trainer import Trainer


class EarlyStopping(Judge):
    """Stop when the metric has not improved for `patience` epochs; take the best back.

    monitor, mode, min_delta  as in `Judge`
    patience                  how many epochs without a new best are borne: after as
                              many, training stops
    restore                   put the weights of the best epoch into the model when
                              training is done or stopped (after Ctrl-C they stay)

    The weights kept are those that were judged, averaged ones if a WeightAverage is
    there.

    >>> from minidl import nn, ops, optim
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.train import Trainer
    >>> net = nn.Linear(2, 2, rng=0)
    >>> frozen = optim.SGD(net.parameters(), lr=0.0)          # it never gets better
    >>> stop = EarlyStopping(patience=2)
    >>> trainer = Trainer(net, frozen, ops.cross_entropy, callbacks=[stop])
    >>> len(trainer.fit(DataLoader(moons(40, rng=0)), moons(20, rng=1), epochs=50))
    3
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        *,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore: bool = True,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if patience < 1:
            raise RangeError(
                f"EarlyStopping: patience is {patience}; it must be at least one epoch"
            )
        self.patience, self.restore = patience, restore
        self.best_epoch, self.bad = 0, 0
        self.weights: dict[str, Any] | None = None

    def on_validation(self, trainer: Trainer, record: Record) -> None:
        """Compare, while the weights that were judged are in the model."""
        value = judged(self, self.monitor, record)
        # region a4.11: remember the best epoch, and lose patience after it
        if self.better(value):
            self.best, self.best_epoch, self.bad = value, int(record["epoch"]), 0
            if self.restore:
                self.weights = trainer.model.state_dict()
            return
        self.bad += 1
        if self.bad >= self.patience:
            trainer.stop()
        # endregion

    def on_begin(self, trainer: Trainer) -> None:
        """Who calls fit again after the stop gets one more epoch, at least."""
        self.bad = min(self.bad, self.patience - 1)

    def on_end(self, trainer: Trainer) -> None:
        """Put the best weights back."""
        if self.weights is not None and trainer.ending in ("done", "stopped"):
            trainer.model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """Return the best so far, and its weights."""
        if self.best is None:
            return {"bad": self.bad}
        state = {"best": self.best, "best_epoch": self.best_epoch, "bad": self.bad}
        return state | ({} if self.weights is None else {"weights": self.weights})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.best = float(state["best"]) if "best" in state else None
        self.best_epoch = int(state.get("best_epoch", 0))
        self.bad, self.weights = int(state["bad"]), state.get("weights")


class PlateauLR(Callback):
    """Make the learning rate smaller when the metric stays where it is.

    monitor   the column of the record to watch
    options   of `optim.ReduceOnPlateau`: factor, patience, threshold, cooldown, lr_min

    >>> from minidl import nn, ops, optim
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.train import Trainer
    >>> net = nn.Linear(2, 2, rng=0)
    >>> opt = optim.SGD(net.parameters(), lr=1.0)
    >>> plateau = PlateauLR(patience=0, threshold=10.0, threshold_mode="abs")
    >>> history = Trainer(net, opt, ops.cross_entropy, callbacks=[plateau]).fit(
    ...     DataLoader(moons(40, rng=0)), moons(20, rng=1), epochs=3
    ... )
    >>> history["lr"], round(opt.lr, 6)                # ten better is never reached
    ([1.0, 1.0, 0.1], 0.01)
    """

    def __init__(
        self, monitor: str = "val_loss", mode: str = "auto", **options: Any
    ) -> None:
        self.monitor = monitor
        self.options = {"mode": direction(monitor, mode), **options}
        self.rule: ReduceOnPlateau | None = None
        self._saved: Mapping[str, Any] | None = None

    def on_begin(self, trainer: Trainer) -> None:
        """Make the rule, now that the optimizer is known."""
        if self.rule is None:
            self.rule = ReduceOnPlateau(trainer.optimizer, **self.options)
            if self._saved is not None:
                self.rule.load_state_dict(self._saved)

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        """Show the rule the metric of this epoch."""
        assert self.rule is not None
        self.rule.step(judged(self, self.monitor, record))

    def state_dict(self) -> dict[str, Any]:
        """Return what the rule has seen."""
        return {} if self.rule is None else self.rule.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""
        if self.rule is None:
            self._saved = dict(state)
        else:
            self.rule.load_state_dict(state)


class Budget(Callback):
    """Stop when so many minutes are over; until then let the learning rate fall.

    minutes  None: no limit but the epochs of `fit`
    The last epoch ends with the time; it is validated as others are. With minutes,
    `rate` follows the clock, so that a run cannot be repeated to the bit.

    >>> from minidl import nn, ops, optim
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.train import Trainer
    >>> net, budget = nn.Linear(2, 2, rng=0), Budget(minutes=0.001)
    >>> opt = optim.SGD(net.parameters(), lr=budget.rate(0.1))
    >>> trainer = Trainer(net, opt, ops.cross_entropy, callbacks=[budget])
    >>> history = trainer.fit(DataLoader(moons(40, rng=0)), epochs=100_000)
    >>> sum(history["seconds"]) < 60, budget.progress
    (True, 1.0)
    """

    def __init__(self, minutes: float | None = None) -> None:
        if minutes is not None and not minutes > 0:
            raise RangeError(f"Budget: minutes is {minutes}; give more than 0, or None")
        self.minutes = minutes
        self.steps: float = 1
        self.done = 0
        self.start = self.seconds = 0.0

    def alone(self) -> str:
        """Return why it stands alone, if it follows the clock."""
        return (
            "minutes=… follows the clock of each; count epochs" if self.minutes else ""
        )

    @property
    def progress(self) -> float:
        """How much of the steps or of the time is used up, from 0 to 1."""
        time_used = self.seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(self.done / self.steps, time_used))

    def rate(self, lr: float, climb: float = 0.02) -> Callable[[int], float]:
        """Return a schedule: η rises to lr, then falls along a cosine to lr / 20.

        With p = progress:  η = lr min(1, p / climb) (0.05 + 0.95 (1 + cos π p) / 2);
        p / climb counts the step that is to come, too.
        """

        def now(t: int) -> float:
            p = self.progress
            up = min(1.0, (p + 1 / self.steps + 1e-3) / climb)
            return lr * up * (0.05 + 0.95 * (1 + math.cos(math.pi * p)) / 2)

        return now

    def on_begin(self, trainer: Trainer) -> None:
        """Count the steps that are to come, and start the clock."""
        batches = trainer.train_batches
        if not self.minutes and not hasattr(batches, "__len__"):
            raise RangeError(
                f"Budget: {type(batches).__name__} has no len(), so it is unknown when "
                "training ends; give minutes=…, or a DataLoader or a list"
            )
        n = len(batches) if hasattr(batches, "__len__") else math.inf
        self.steps = max(1, trainer.goal * n)
        self.done = trainer.t
        self.start = time.perf_counter() - self.seconds

    def on_step(self, trainer: Trainer) -> None:
        """Look at the clock."""
        self.done, self.seconds = trainer.t, time.perf_counter() - self.start
        if self.minutes and self.seconds >= 60 * self.minutes:
            trainer.stop(now=True)

    def state_dict(self) -> dict[str, Any]:
        """Return the steps and the time that were used."""
        return {"done": self.done, "seconds": self.seconds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.done, self.seconds = int(state["done"]), float(state["seconds"])
        self.start = time.perf_counter() - self.seconds
