"""The objective of a search: a function of a setting, called the same way everywhere.

It takes the setting as keywords or as one dictionary, and returns a number; or it makes
a Trainer, which is then trained and judged here. Every call starts from random
generators that depend on the trial alone, so that its value does not depend on which
process makes it, or on what was tried before.
"""

from __future__ import annotations

import copy
import inspect
import math
import os
import random
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from minidl import backend
from minidl.data import DataLoader
from minidl.errors import DTypeError, RangeError
from minidl.lab.space import Setting
from minidl.lab.trials import Trial
from minidl.nn.module import Module
from minidl.train import ProgressBar, Randomness
from minidl.train.batches import Data, is_samples
from minidl.train.progress import LivePlot

BATCH = 50
Outcome = tuple[float, dict[str, float]]  # a value, and all that was measured


@dataclass
class Objective:
    """A function, how it takes a setting, and how a Trainer that it returns is fitted.

    data     (training, validation) for Trainers; the training data are a dataset, a
             tuple of arrays, or a loader, which every trial begins anew
    epochs   how long a Trainer is trained, unless the search says so (budget)
    monitor  the column of the history that is the value, at the end of training
    """

    function: Callable[..., Any]
    names: Sequence[str]
    data: Data | None = None
    epochs: int = 1
    monitor: str = "val_loss"
    budgets: bool = False
    keywords: bool = field(init=False)
    takes_budget: bool = field(init=False)
    device: str = field(default_factory=backend.default_device)
    dtype: str = field(default_factory=lambda: str(backend.default_dtype()))

    def __post_init__(self) -> None:
        """Find out how the function takes a setting; refuse what cannot work."""
        if not callable(self.function):
            raise DTypeError(
                f"the objective is a function of the setting, not {self.function!r}; "
                "try `def objective(lr): …; return loss`"
            )
        known = parameters(self.function)
        self.takes_budget = "budget" in known or "**" in known
        named = any(name in known for name in self.names)
        self.keywords = "**" in known or named or not self.names
        if self.keywords:
            self._check_names(known)
        if self.data is not None:
            self.data = pair_of(self.data)
        if self.budgets and not self.takes_budget and self.data is None:
            raise DTypeError(
                "this search trains some settings longer than others: let the "
                "objective take `budget` (how many epochs, say), or return a Trainer "
                "and give data=(training, validation)"
            )

    def _check_names(self, known: Mapping[str, bool]) -> None:
        unknown = [name for name in self.names if name not in known]
        asked = [
            name
            for name, needed in known.items()
            if needed and name not in (*self.names, "budget", "**")
        ]
        if ("**" not in known and unknown) or asked:
            raise DTypeError(
                f"the objective takes {', '.join(known)}, and the space has "
                f"{', '.join(self.names)}; give both the same names, or let the "
                "objective take one dictionary"
            )

    def settle(self) -> None:
        """Compute as the caller did."""
        settle(self.device, self.dtype)

    def __call__(self, trial: Trial) -> Outcome:
        """Return the value of a trial, whatever it is, and a Trainer's last record."""
        budget = trial.budget if self.takes_budget else None
        outcome = self.call(
            trial.setting, **({} if budget is None else {"budget": budget})
        )
        if hasattr(outcome, "fit"):
            return self.fitted(outcome, trial.budget or self.epochs)
        return value_of(outcome), {}

    def call(self, setting: Setting, **extra: Any) -> Any:
        """Call the function with a setting, in the way it takes one."""
        if self.keywords:
            return self.function(**setting, **extra)
        return self.function(dict(setting), **extra)

    def fitted(self, trainer: Any, epochs: int) -> Outcome:
        """Train a Trainer; return the monitored column at the end, and all columns."""
        if self.data is None:
            raise DTypeError(
                "the objective returned a Trainer; give the search its data, as in "
                "data=(training, validation)"
            )
        training, validation = self.data
        fit(trainer, training, validation, epochs)
        record = trainer.history.last
        if record.get(self.monitor) is None:
            raise RangeError(
                f"monitor={self.monitor!r} is no column of the history; there are "
                f"{', '.join(record)}"
            )
        known = {name: float(x) for name, x in record.items() if x is not None}
        seen = {name: x for name, x in known.items() if math.isfinite(x)}
        return known[self.monitor], seen


def settle(device: str, dtype: str) -> None:
    """Set the defaults of this process: a worker is a new one, with others."""
    if backend.default_device() != device:
        backend.use(device)
    backend.default_dtype(dtype)


def fit(trainer: Any, training: Data, validation: Data, epochs: int) -> None:
    """Train without a line of progress of its own, on batches that begin anew."""
    quiet = (ProgressBar, LivePlot)
    trainer.callbacks = [c for c in trainer.callbacks if not isinstance(c, quiet)]
    if is_samples(training):
        training = DataLoader(training, BATCH, shuffle=True)
    elif isinstance(training, DataLoader):
        training = copy.copy(training)  # its place in the epochs is its own
        training._pool = None
    trainer.fit(training, validation, epochs)


def trained(
    make_trainer: Callable[[], Any], data: Data, epochs: int, seed: int
) -> Module:
    """Return the model of a new Trainer, trained with random numbers of its own."""
    with own_randomness(seed):
        trainer = make_trainer()
        if not hasattr(trainer, "fit"):
            raise DTypeError(
                "make_trainer must return a Trainer, and returned a "
                f"{type(trainer).__name__}; did you forget `return`?"
            )
        fit(trainer, data, None, epochs)
    model: Module = trainer.model
    return model


def parameters(function: Callable[..., Any]) -> dict[str, bool]:
    """Return the parameters that may be given by name, and whether each is needed."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some functions in C have no signature
        return {}
    names = {}
    for p in found:
        if p.kind is p.VAR_KEYWORD:
            names["**"] = False
        elif p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
            names[p.name] = p.default is p.empty
    return names


def pair_of(data: Data) -> tuple[Any, Any]:
    """Return (training, validation) of a pair, or of three splits but for the last."""
    parts = tuple(data) if isinstance(data, (tuple, list)) else ()
    if len(parts) not in (2, 3) or hasattr(parts[0], "shape"):
        raise DTypeError(
            "data= is a pair (training, validation) of datasets, tuples (x, y) or "
            "loaders; try data=((x, y), (x_val, y_val))"
        )
    return parts[0], parts[1]


def value_of(outcome: object) -> float:
    """Return what the objective returned as a number."""
    array = backend.to_numpy(outcome)
    if array.size != 1 or array.dtype.kind not in "fiub":
        raise DTypeError(
            "the objective must return one number, and returned "
            f"{type(outcome).__name__} of shape {array.shape}; did you forget `return`?"
        )
    return float(array.reshape(()))


def attempt(objective: Objective, planned: Trial, seed: int) -> Trial:
    """Run a trial; an error or a NaN becomes a part of it, and ends nothing.

    All generators start from `seed`, and are as they were when the trial is over.
    """
    start = time.perf_counter()
    error, value = "", math.nan
    record: dict[str, float] = {}
    try:
        objective.settle()
        with own_randomness(seed):
            value, record = objective(planned)
        if not math.isfinite(value):
            error = f"the value is {value}"
    except Exception as problem:  # whatever it is, the other trials go on
        error = described(problem)
    seconds = time.perf_counter() - start
    return replace(planned, value=value, error=error, seconds=seconds, record=record)


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Start all generators of the process from `seed`; bring them back at the end."""
    generators = Randomness()
    before = generators.state_dict()
    try:
        backend.seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002  the objective may draw from it
        yield
    finally:
        generators.load_state_dict(before)


def described(problem: Exception) -> str:
    """Return an error in one line, and where it was raised."""
    first = (str(problem).splitlines() or [""])[0]
    frames = traceback.extract_tb(problem.__traceback__)
    place = f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})"
    return f"{type(problem).__name__}: {first}{place}"


def seeds(seed: int, numbers: Iterable[int]) -> list[int]:
    """Return a seed for each number, the same whatever the other numbers are."""
    return [
        int(np.random.SeedSequence([seed, n]).generate_state(1)[0]) for n in numbers
    ]
