"""Trials, and the result of a search: what was tried, what came out, what it means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import RangeError
from minidl.lab.space import Choice, Domains, Setting, positions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODES = ("min", "max")
GROUPS = 4  # of equal size, into which `importance` sorts the values of a range
EDGE = 0.05  # of a range: nearer to its end, a value is at the edge


@dataclass(frozen=True)
class Trial:
    """One run of the objective.

    value    what it returned; NaN if it failed
    error    why it failed, in words; "" if it did not
    seconds  how long it took
    budget   how long it was allowed to train, where the search says so
    fold     which part of the data was held out, in cross-validation
    record   of a Trainer: the last row of its history, as far as it is finite
    """

    index: int
    setting: Setting
    value: float
    error: str = ""
    seconds: float = 0.0
    budget: int | None = None
    fold: int | None = None
    record: dict[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        what = self.error or f"{self.value:.4g}"
        return f"Trial({self.index}: {shown(self.setting)} -> {what})"


class Result:
    """The trials of a search, in the order of their numbers.

    >>> result = Result([Trial(0, {"lr": 0.1}, 3.0), Trial(1, {"lr": 0.2}, 2.0)])
    >>> result.best.setting, result.best.value
    ({'lr': 0.2}, 2.0)
    """

    def __init__(
        self, trials: list[Trial], mode: str = "min", domains: Domains | None = None
    ) -> None:
        self.trials, self.mode, self.domains = trials, mode, domains or {}

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def failed(self) -> list[Trial]:
        """The trials that raised an error, or whose value was not finite."""
        return [trial for trial in self.trials if trial.error]

    @property
    def ranked(self) -> list[Trial]:
        """The trials that did not fail, the best first; more budget counts first."""
        sign = 1 if self.mode == "min" else -1
        good = [trial for trial in self.trials if not trial.error]
        return sorted(good, key=lambda t: (-(t.budget or 0), sign * t.value, t.index))

    @property
    def best(self) -> Trial:
        """The best trial; where a search has budgets, among those with the largest."""
        if not self.ranked:
            why = self.failed[0].error if self.failed else "there was no trial"
            raise RangeError(
                f"none of {len(self.trials)} trials gave a number; the first one: {why}"
            )
        return self.ranked[0]

    @property
    def at_edge(self) -> list[str]:
        """The names whose best value lies at an end of its range: widen that range.

        The best value may lie beyond it (the lecture's advice for coarse searches).
        """
        found = []
        for name, u in positions(self.domains, self.best.setting):
            if not isinstance(self.domains[name], Choice) and not EDGE < u < 1 - EDGE:
                found.append(name)
        return found

    def importance(self) -> dict[str, float]:
        """Return, for each name, the share of the variance that it explains alone.

        The trials are ranked by value (a diverged loss of 1e9 must not decide all), and
        sorted into 4 groups by the position of the name's value (a choice: one group
        for each option). With SSw the squares within the groups and SSt all of them,

            ε² = 1 − (SSw / (N − G)) / (SSt / (N − 1)),    at least 0:

        the share of the variance of ranks that lies between groups, corrected for what
        G groups of N trials explain by chance (Kelley 1935).
        """
        trials = self.ranked
        rank = np.empty(len(trials))
        rank[np.argsort([t.value for t in trials], kind="stable")] = np.arange(
            len(trials)
        )
        shares = {}
        for name in self.domains:
            rows = [
                (u, r)
                for t, r in zip(trials, rank, strict=True)
                if (u := dict(positions(self.domains, t.setting)).get(name)) is not None
            ]
            if rows:
                u, r = np.array(rows).T
                option = isinstance(self.domains[name], Choice)
                shares[name] = explained(r, u if option else quantiles(u))
        return shares

    def plot(self, *, path: str | None = None) -> Figure:
        """Draw all trials, and which names mattered (`minidl.show.search`)."""
        from minidl.show import search

        return search(self, path=path)

    def __repr__(self) -> str:
        lines = [f"{len(self.trials)} trials, {len(self.failed)} failed"]
        for trial in self.ranked[:5]:
            lines.append(f"  {trial.value:<10.4g} {shown(trial.setting)}")
        if self.ranked and self.at_edge:
            lines.append(
                f"  the best {', '.join(self.at_edge)} lies at the edge of its range: "
                "widen the range and search again"
            )
        return "\n".join(lines)


def quantiles(u: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the number of the group of each position: equal ones stay together."""
    edges = np.quantile(u, np.arange(1, GROUPS) / GROUPS)
    return np.searchsorted(edges, u, side="left").astype(float)


def explained(r: np.ndarray[Any, Any], group: np.ndarray[Any, Any]) -> float:
    """Return ε², the corrected share of the variance of r between the groups."""
    kinds = np.unique(group)
    n, g = len(r), len(kinds)
    total = float(((r - r.mean()) ** 2).sum())
    if n <= g or g < 2 or total == 0:
        return 0.0
    own = [r[group == kind] for kind in kinds]
    within = float(sum(((x - x.mean()) ** 2).sum() for x in own))
    return max(0.0, 1 - (within / (n - g)) / (total / (n - 1)))


def shown(setting: Setting) -> str:
    """Return a setting in one short line.

    >>> shown({"lr": 0.0123456, "rule": "sgd"})
    'lr=0.0123, rule=sgd'
    """
    return ", ".join(f"{name}={word(value)}" for name, value in setting.items())


def word(value: object) -> str:
    """Return a value as one reads it: three digits, a class by its name."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(getattr(value, "__name__", value))
