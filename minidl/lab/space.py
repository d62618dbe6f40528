"""The space of a search: which values each hyper-parameter may take.

A space is a dictionary from names to domains; a list means `choice`, and any other
value is a constant. Each domain maps a position u in [0, 1) to a value, so that one
uniform number per name draws a setting; the inverse tells where in its range it lies.

    u  position in [0, 1)    a, b  the ends of a range
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from minidl.errors import DTypeError, RangeError

Setting = dict[str, Any]


@dataclass(frozen=True)
class Domain:
    """The values of one hyper-parameter. A subclass defines the three maps below."""

    conditions: dict[str, tuple[Any, ...]] = field(default_factory=dict, kw_only=True)

    def at(self, u: float) -> Any:
        """Return the value at position u in [0, 1)."""
        raise NotImplementedError

    def position(self, value: Any) -> float:
        """Return the position of a value: the inverse of `at`."""
        raise NotImplementedError

    def values(self, points: int) -> list[Any]:
        """Return `points` values from end to end, for a grid."""
        raise NotImplementedError

    def between(self, u: float, v: float) -> Domain:
        """Return the part of the domain between two positions."""
        raise NotImplementedError

    def when(self, **conditions: Any) -> Self:
        """Exist only if other names have these values; a tuple lists several.

        >>> space = {
        ...     "rule": choice("sgd", "adam"),
        ...     "momentum": uniform(0.5, 0.9).when(rule="sgd"),
        ... }
        >>> grid(space, points=2)
        [{'rule': 'sgd', 'momentum': 0.5}, {'rule': 'sgd', 'momentum': 0.9},
         {'rule': 'adam'}]
        """
        several = {
            k: v if isinstance(v, tuple) else (v,) for k, v in conditions.items()
        }
        return replace(self, conditions={**self.conditions, **several})


@dataclass(frozen=True)
class Choice(Domain):
    """One of several options, each as likely as the others."""

    options: tuple[Any, ...]

    def at(self, u: float) -> Any:
        """Return option ⌊u · n⌋."""
        return self.options[int(u * len(self.options))]

    def position(self, value: Any) -> float:
        """Return the middle of the option's share of [0, 1)."""
        return (self.options.index(value) + 0.5) / len(self.options)

    def values(self, points: int) -> list[Any]:
        """Return all options."""
        return list(self.options)

    def between(self, u: float, v: float) -> Domain:
        """Return the options that have a part between u and v."""
        n = len(self.options)
        first, last = int(u * n), min(int(v * n), n - 1)
        return replace(self, options=self.options[first : last + 1])


@dataclass(frozen=True)
class Uniform(Domain):
    """a + u (b − a)."""

    low: float
    high: float

    def at(self, u: float) -> float:
        """Return a + u (b − a)."""
        return self.low + u * (self.high - self.low)

    def position(self, value: float) -> float:
        """Return (value − a) / (b − a)."""
        return (value - self.low) / (self.high - self.low)

    def values(self, points: int) -> list[float]:
        """Return values at equal distances."""
        return [self.at(u) for u in ends(points)]

    def between(self, u: float, v: float) -> Domain:
        """Return the range from position u to position v."""
        return replace(self, low=self.at(u), high=self.at(v))


@dataclass(frozen=True)
class LogUniform(Domain):
    """a (b / a)ᵘ: every decade of the range is as likely as every other."""

    low: float
    high: float

    def at(self, u: float) -> float:
        """Return a (b / a)ᵘ."""
        # region a6.6: the value at position u, where equal steps are equal ratios
        value = float(self.low * (self.high / self.low) ** u)
        # endregion
        return min(max(value, self.low), self.high)  # rounding must not leave the range

    def position(self, value: float) -> float:
        """Return log(value / a) / log(b / a)."""
        return math.log(value / self.low) / math.log(self.high / self.low)

    def values(self, points: int) -> list[float]:
        """Return values at equal ratios."""
        return [self.at(u) for u in ends(points)]

    def between(self, u: float, v: float) -> Domain:
        """Return the range from position u to position v."""
        return replace(self, low=self.at(u), high=self.at(v))


@dataclass(frozen=True)
class Integers(Domain):
    """a, a + 1, …, b, each as likely as the others; both ends occur."""

    low: int
    high: int

    def at(self, u: float) -> int:
        """Return a + ⌊u (b − a + 1)⌋."""
        return self.low + int(u * (self.high - self.low + 1))

    def position(self, value: int) -> float:
        """Return the middle of the number's share of [0, 1)."""
        return (value - self.low + 0.5) / (self.high - self.low + 1)

    def values(self, points: int) -> list[int]:
        """Return `points` whole numbers at nearly equal distances, each once."""
        length = self.high - self.low
        return list(dict.fromkeys(self.low + round(u * length) for u in ends(points)))

    def between(self, u: float, v: float) -> Domain:
        """Return the whole numbers from position u to position v."""
        last = min(v, math.nextafter(1.0, 0.0))
        return replace(self, low=self.at(u), high=self.at(last))


Space = Mapping[str, Any]
Domains = dict[str, Domain]


def choice(*options: Any) -> Choice:
    """Return a domain of options: `choice("relu", "tanh")`, or `choice(16, 32, 64)`.

    >>> choice(16, 32, 64).at(0.5)
    32
    """
    if len(options) == 1 and isinstance(options[0], (list, tuple)):
        options = tuple(options[0])
    if not options:
        raise RangeError(
            'choice: give one option at least, as in choice("sgd", "adam")'
        )
    return Choice(options)


def uniform(low: float, high: float) -> Uniform:
    """Return the range from low to high, each part as likely as its length.

    >>> uniform(0.0, 0.5).at(0.5)
    0.25
    """
    return Uniform(*checked("uniform", low, high))


def log_uniform(low: float, high: float) -> LogUniform:
    """Return the range from low to high, each decade as likely as the others.

    Rates and weight decays belong here: a uniform draw between 1e-4 and 1 is above 0.1
    in 90 of 100 cases.

    >>> round(log_uniform(1e-4, 1e-2).at(0.5), 6)
    0.001
    """
    low, high = checked("log_uniform", low, high)
    if low <= 0:
        raise RangeError(
            f"log_uniform: low is {low:g}, and 0 has no logarithm; try "
            f"log_uniform({high / 1000:g}, {high:g}), or uniform({low:g}, {high:g})"
        )
    return LogUniform(low, high)


def integers(low: int, high: int) -> Integers:
    """Return the whole numbers from low to high, both ends included.

    >>> [integers(1, 3).at(u) for u in (0.0, 0.5, 0.99)]
    [1, 2, 3]
    """
    for end in (low, high):
        if isinstance(end, bool) or not isinstance(end, (int, np.integer)):
            raise DTypeError(
                f"integers: {end!r} is not a whole number; try int({end!r})"
            )
    if not low <= high:
        raise RangeError(f"integers: low {low} is above high {high}; swap them")
    return Integers(int(low), int(high))


def checked(owner: str, low: Any, high: Any) -> tuple[float, float]:
    """Return two finite numbers, the first below the second."""
    for end in (low, high):
        if isinstance(end, (bool, str)) or not np.isscalar(end):
            raise DTypeError(
                f"{owner}: {end!r} is not a number; try {owner}(0.01, 0.1)"
            )
    low, high = float(low), float(high)
    if not -math.inf < low < high < math.inf:
        raise RangeError(
            f"{owner}: low = {low:g} must be below high = {high:g}, both finite"
        )
    return low, high


def ends(points: int) -> list[float]:
    """Return `points` positions from 0 to 1; the middle if there is one only."""
    return [i / (points - 1) for i in range(points)] if points > 1 else [0.5]


def as_domains(space: Any) -> Domains:
    """Return a space with a domain for each name; say what is wrong with it.

    >>> as_domains({"lr": [0.1, 0.01], "epochs": 3})["epochs"].at(0.7)
    3
    """
    if not isinstance(space, Mapping) or not space:
        raise DTypeError(
            f"a space is a dictionary with a name at least, not {space!r}; try "
            '{"lr": log_uniform(1e-4, 1e-1)}'
        )
    domains = {str(name): as_domain(name, given) for name, given in space.items()}
    names = list(domains)
    for i, (name, domain) in enumerate(domains.items()):
        if later := [other for other in domain.conditions if other not in names[:i]]:
            raise RangeError(
                f"{name} depends on {later[0]!r}, which must stand before it in the "
                f"space; its names are {', '.join(names)}"
            )
    return domains


def as_domain(name: object, given: Any) -> Domain:
    """Return a domain as it is, a list as a choice, anything else as a constant."""
    if isinstance(given, Domain):
        return given
    if isinstance(given, list) and not given:
        raise RangeError(f"{name} is an empty list; give one value at least")
    return Choice(tuple(given)) if isinstance(given, list) else Choice((given,))


def draw(space: Space, *, seed: int, i: int) -> Setting:
    """Return setting number i: a function of the seed, the number and the space alone.

    Every name uses up one random number, whether its condition holds or not.
    """
    domains = as_domains(space)
    u = np.random.default_rng([seed, i]).random(len(domains)).tolist()
    drawn = {name: domains[name].at(x) for name, x in zip(domains, u, strict=True)}
    return active(domains, drawn)


def grid(space: Space, points: int | Mapping[str, int]) -> list[Setting]:
    """Return every combination of a few values of each name, the last name fastest.

    >>> grid({"lr": log_uniform(0.01, 1), "depth": [1, 2]}, points=2)
    [{'lr': 0.01, 'depth': 1}, {'lr': 0.01, 'depth': 2}, {'lr': 1.0, 'depth': 1},
     {'lr': 1.0, 'depth': 2}]
    """
    domains = as_domains(space)
    columns = [
        domain.values(points_of(points, name)) for name, domain in domains.items()
    ]
    settings = []
    for row in itertools.product(*columns):
        setting = active(domains, dict(zip(domains, row, strict=True)))
        if setting not in settings:  # names whose condition fails make twins
            settings.append(setting)
    return settings


def points_of(points: int | Mapping[str, int], name: str) -> int:
    """Return how many values the grid takes of a range."""
    n = points.get(name, 3) if isinstance(points, Mapping) else points
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise RangeError(
            f"points = {n!r} for {name}: a grid takes a whole number of values, at "
            'least 1; try points=3, or points={"lr": 5}'
        )
    return int(n)


def active(domains: Domains, setting: Setting) -> Setting:
    """Return the setting without the names whose conditions do not hold."""
    kept: Setting = {}
    for name, domain in domains.items():
        if all(
            kept.get(other) in options for other, options in domain.conditions.items()
        ):
            kept[name] = setting[name]
    return kept


def positions(domains: Domains, setting: Setting) -> Iterator[tuple[str, float]]:
    """Yield (name, position) for every name of the setting that can vary."""
    for name, domain in domains.items():
        fixed = isinstance(domain, Choice) and len(domain.options) == 1
        if name in setting and not fixed:
            yield name, domain.position(setting[name])


def narrowed(domains: Domains, settings: Sequence[Setting], margin: float) -> Domains:
    """Return the space that these settings cover, and a margin on both sides of it.

    >>> space = {"lr": log_uniform(1e-4, 1)}
    >>> part = narrowed(as_domains(space), [{"lr": 0.01}, {"lr": 0.1}], margin=0.0)
    >>> round(part["lr"].low, 6), round(part["lr"].high, 6)
    (0.01, 0.1)
    """
    new = dict(domains)
    for name, domain in domains.items():
        at = [dict(positions(domains, s)).get(name) for s in settings]
        known = [u for u in at if u is not None]
        if not known:
            continue
        if isinstance(domain, Choice):
            chosen = {domain.options.index(s[name]) for s in settings if name in s}
            new[name] = replace(
                domain, options=tuple(domain.options[i] for i in sorted(chosen))
            )
        else:
            low, high = max(0.0, min(known) - margin), min(1.0, max(known) + margin)
            new[name] = domain.between(low, high) if low < high else domain
    return new
