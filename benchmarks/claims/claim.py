"""A claim of the lectures: what it says, how it is measured, and when it holds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

SEEDS = 5
Figures = dict[str, float]


@dataclass(frozen=True)
class Says:
    """What a claim says of a figure: it lies between two numbers.

    zero   it is 0 but for the differences among seeds: |mean| ≤ their deviation σ, and
           not so beyond 2 σ
    """

    low: float = -math.inf
    high: float = math.inf
    zero: bool = False

    def holds(self, values: Sequence[float]) -> bool | None:
        """Whether the mean agrees; None within one standard error of a bound."""
        mean, error = summary(values)
        if math.isnan(mean):
            return False
        if self.zero:
            sigmas = abs(mean) / (error * math.sqrt(len(values)) or 1e-12)
            return True if sigmas <= 1 else False if sigmas > 2 else None
        if self.low <= mean - error and mean + error <= self.high:
            return True
        if mean + error < self.low or mean - error > self.high:
            return False
        return None

    def __str__(self) -> str:
        if self.zero:
            return "0"
        if math.isinf(self.low):
            return f"≤ {self.high:g}"
        if math.isinf(self.high):
            return f"≥ {self.low:g}"
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Claim:
    """A claim, and the function that measures it.

    run     takes a seed, returns figures by name; its docstring says what is measured
    topic   its section in docs/topics.cfg
    says    the claim, in one sentence
    agrees  what the claim says of some figures; the others are shown beside them
    seeds   1 where nothing is random
    note    what came out, in words
    """

    run: Callable[[int], Figures]
    topic: str
    says: str
    agrees: Mapping[str, Says]
    seeds: int = SEEDS
    note: str = ""

    @property
    def name(self) -> str:
        """The name of the function: what `--only` takes."""
        return self.run.__name__

    @property
    def how(self) -> str:
        """What is trained or computed, in one line."""
        return " ".join((self.run.__doc__ or "").split()).rstrip(".")

    def verdict(self, rows: Sequence[Figures]) -> str:
        """Return "confirmed", "refuted" or "depends".

        Confirmed if every figure agrees, refuted if none does. In between, or where a
        figure cannot be told from its bound, it depends.
        """
        held = [s.holds([row[name] for row in rows]) for name, s in self.agrees.items()]
        if all(held):
            return "confirmed"
        return "refuted" if all(h is False for h in held) else "depends"


def claim(
    *,
    topic: str,
    says: str,
    agrees: Mapping[str, Says],
    seeds: int = SEEDS,
    note: str = "",
) -> Callable[[Callable[[int], Figures]], Claim]:
    """Make a Claim of the function below."""
    return lambda run: Claim(run, topic, says, agrees, seeds, note)


@dataclass(frozen=True)
class Elsewhere:
    """A claim that another page measures.

    topic    its section in docs/topics.cfg
    says     the claim     verdict, found   what came out there
    page     the file in docs/, or "" if there is none
    command  which writes or prints it
    """

    topic: str
    says: str
    verdict: str
    found: str
    page: str
    command: str


def summary(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and its standard error; an error of 0 for a single value."""
    mean = statistics.fmean(values)
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return mean, 0.0
    return mean, statistics.stdev(values) / math.sqrt(len(values))
