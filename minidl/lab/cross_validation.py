"""k-fold cross-validation: every sample is held out once; the test set stays untouched.

    for each setting:  for each of k parts:  train on the others, judge on this one
    choose the setting with the best mean;   train it on all data;   test once

For small data: k trainings for every setting cost too much where one takes hours, and
there one validation set is used (`random_search`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Unpack

import numpy as np

from minidl.data import KFold, TensorDataset
from minidl.engine.tensor import TensorLike
from minidl.errors import DTypeError, RangeError
from minidl.lab.objective import Objective, Outcome, fit, own_randomness, seeds
from minidl.lab.running import Runner, Running
from minidl.lab.space import Setting, Space, as_domains, grid
from minidl.lab.trials import Trial, shown
from minidl.train.batches import Data
from minidl.train.callback import direction

LEAK = 0.1  # share of a test set that may also be in the training data


def cross_validate(
    make_trainer: Callable[..., Any],
    data: Data,
    space: Space | Sequence[Setting] | None = None,
    k: int = 5,
    *,
    prepare: Callable[[Any], Any] | None = None,
    points: int | Mapping[str, int] = 3,
    seed: int = 0,
    epochs: int = 10,
    monitor: str = "val_loss",
    mode: str | None = None,
    **options: Unpack[Running],
) -> CrossValidation:
    """Judge every setting by the mean over k held-out parts.

    make_trainer  returns a new Trainer for a setting (keywords, or one dictionary)
    data          all data but the test set: a dataset, or a tuple (x, y)
    space         a list of settings, or a space, of which a grid is made (`points`);
                  without it there is one setting, the factory's own
    prepare       learns from the inputs of the training parts alone, and returns a
                  function for all inputs: `data.standardize`. What is learned from all
                  data before they are parted has seen the held-out part
    epochs        of every training, and of the last one on all data
    and store, jobs, backend, progress, as in search.py

    The test set is not asked for here. `result.refit()` trains the best setting on all
    data, and `result.test(test)` measures it, once.

    >>> from minidl import nn, ops, optim
    >>> from minidl.data import load_iris, standardize
    >>> from minidl.train import Trainer, accuracy
    >>> def make_trainer(lr):
    ...     net = nn.Linear(4, 3)
    ...     optimizer = optim.Momentum(net.parameters(), lr=lr)
    ...     return Trainer(net, optimizer, ops.cross_entropy, [accuracy])
    >>> train, _, test = load_iris()
    >>> result = cross_validate(
    ...     make_trainer, train, [{"lr": 0.001}, {"lr": 0.1}], k=3, prepare=standardize,
    ...     monitor="val_accuracy",
    ... )
    >>> result.best.setting, len(result.best.values), result.best.mean > 0.8
    ({'lr': 0.1}, 3, True)
    >>> result.test(test)["accuracy"] > 0.8
    True
    """
    dataset = as_dataset(data)
    settings = _settings(space, points)
    names = list(dict.fromkeys(name for setting in settings for name in setting))
    objective = FoldObjective(
        make_trainer, names, None, epochs, monitor,
        dataset=dataset, folds=KFold(k, rng=seed), prepare=prepare,
    )  # fmt: skip
    chosen = direction(monitor, mode or "auto")
    runner = Runner(objective, chosen, total=len(settings) * k, **options)
    starts = seeds(seed, range(len(settings) * k))
    plan = [
        (Trial(i * k + fold, setting, math.nan, fold=fold), starts[i * k + fold])
        for i, setting in enumerate(settings)
        for fold in range(k)
    ]
    trials = runner.run(plan)
    rows = [Folds(s, trials[i * k : i * k + k]) for i, s in enumerate(settings)]
    return CrossValidation(rows, chosen, objective, seed)


@dataclass
class FoldObjective(Objective):
    """An objective that trains on all parts but one, and judges on that one."""

    dataset: Any = None
    folds: KFold = field(default_factory=KFold)
    prepare: Callable[[Any], Any] | None = None

    def __call__(self, trial: Trial) -> Outcome:
        """Return the value of a setting on one part."""
        for number, (training, held_out) in enumerate(self.folds.split(self.dataset)):
            if number == trial.fold:
                self.data = prepared(self.prepare, training, held_out)
        return super().__call__(trial)


@dataclass(frozen=True)
class Folds:
    """One setting, and its trial on each part."""

    setting: Setting
    trials: list[Trial]

    @property
    def values(self) -> list[float]:
        """The value on each part; NaN where the training failed."""
        return [trial.value for trial in self.trials]

    @property
    def mean(self) -> float:
        """The mean over the parts; NaN if one of them failed."""
        return float(np.mean(self.values))

    @property
    def std(self) -> float:
        """The deviation over the parts (not that of the mean: parts share samples)."""
        return float(np.std(self.values, ddof=1))


class CrossValidation:
    """What k-fold cross-validation found, and the way from there to a tested model."""

    def __init__(
        self, rows: list[Folds], mode: str, objective: FoldObjective, seed: int
    ) -> None:
        self.rows, self.mode, self.seed = rows, mode, seed
        self._objective = objective
        self._tested: dict[str, float] | None = None

    @property
    def best(self) -> Folds:
        """The setting with the best mean."""
        sign = 1 if self.mode == "min" else -1
        good = [row for row in self.rows if math.isfinite(row.mean)]
        if not good:
            trial = next(t for row in self.rows for t in row.trials if t.error)
            raise RangeError(f"every setting failed on some part; first: {trial.error}")
        return min(good, key=lambda row: sign * row.mean)

    def refit(self) -> Any:
        """Train the best setting on all data, held-out parts included; the Trainer.

        The model wants inputs that were prepared: `result.prepare(x)`.
        """
        return self._final[0]

    def prepare(self, x: TensorLike) -> Any:
        """Return inputs as the final model wants them; learned from all data."""
        return self._final[1](x)

    @cached_property
    def _final(self) -> tuple[Any, Callable[[Any], Any]]:
        own, setting = self._objective, self.best.setting
        made = own.prepare(own.dataset.x) if own.prepare else lambda x: x
        everything = TensorDataset(made(own.dataset.x), own.dataset.y)
        with own_randomness(self.seed):
            trainer = own.call(setting)
            fit(trainer, everything, None, own.epochs)
        return trainer, made

    def test(self, test: Data) -> dict[str, float]:
        """Measure the refitted model on the test set: {"loss": …, metric: …}; once.

        Raises RangeError at a second call (whoever looks twice begins to choose, and
        then needs yet other data to know how good the choice is), and where the test
        set is part of the training data.
        """
        if self._tested is not None:
            raise RangeError(
                f"the test set was used already: {self._tested}. A second look would "
                "make it a validation set; choose by .rows, and test once"
            )
        parts = as_dataset(test)
        _refuse_known(self._objective.dataset, parts)
        trainer = self.refit()
        prepared_test = TensorDataset(self.prepare(parts.x), parts.y)
        self._tested = dict(trainer.evaluate(prepared_test))
        return self._tested

    def __repr__(self) -> str:
        k = len(self.rows[0].trials)
        lines = [f"{k} folds, {len(self.rows)} settings; mean ± deviation over folds"]
        for row in self.rows:
            mark = "  <- best" if math.isfinite(row.mean) and row is self.best else ""
            lines.append(
                f"  {row.mean:.4g} ± {row.std:.2g}  {shown(row.setting)}{mark}"
            )
        return "\n".join(lines)


def prepared(
    prepare: Callable[[Any], Any] | None, training: Data, held_out: Data
) -> tuple[Any, Any]:
    """Return both parts, changed as the training part alone has taught."""
    if prepare is None:
        return training, held_out
    made = prepare(training.x)
    changed = [TensorDataset(made(part.x), part.y) for part in (training, held_out)]
    return changed[0], changed[1]


def _settings(space: Any, points: int | Mapping[str, int]) -> list[Setting]:
    """Return the settings of a list, or of the grid of a space."""
    if space is None:
        return [{}]
    if isinstance(space, Mapping):
        return grid(as_domains(space), points)
    settings = [dict(setting) for setting in space]
    if not settings:
        raise RangeError("cross_validate: the list of settings is empty")
    return settings


def as_dataset(data: Data, owner: str = "cross_validate") -> TensorDataset:
    """Return arrays x and y as a dataset; a set with more or less has no folds here."""
    arrays = isinstance(data, (tuple, list)) and all(hasattr(a, "shape") for a in data)
    dataset = TensorDataset(*data) if arrays else data
    if not isinstance(dataset, TensorDataset) or len(dataset.arrays) != 2:
        raise DTypeError(
            f"{owner} wants arrays: a tuple (x, y), or TensorDataset(x, y); "
            "the three parts of load_…() come one by one, and test stays out"
        )
    return dataset


def _refuse_known(training: TensorDataset, test: TensorDataset) -> None:
    """Raise RangeError if much of the test set is part of the training data."""
    known = {row.tobytes() for row in np.ascontiguousarray(training.x)}
    same = sum(row.tobytes() in known for row in np.ascontiguousarray(test.x))
    if same > LEAK * len(test):
        raise RangeError(
            f"{same} of the {len(test)} samples of the test set are in the training "
            "data, so that it measures nothing new; part them first, by "
            "train_test_split(x, y)"
        )
