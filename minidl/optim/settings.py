"""What a hyper-parameter may be: checks that say what to write instead.

They return a Python number: a NumPy float64 would widen every float32 array it meets.
"""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeAlias

from minidl.errors import DTypeError, RangeError

Settings = ParamSpec("Settings")
Params = Iterable[Any]  # parameters, pairs of name and parameter, or groups
Rate = float | Callable[[int], float]  # η, or η as a function of the step
Scalar: TypeAlias = Any  # a number; in a captured step, a 0-d array on the device


class Shown:
    """A function of the step that prints itself as the call that made it."""

    def __init__(self, f: Callable[[int], float], text: str) -> None:
        self.f, self.text = f, text

    def __call__(self, t: int) -> float:
        """Return η(t)."""
        return self.f(t)

    def __repr__(self) -> str:
        return self.text


def shown(
    make: Callable[Settings, Callable[[int], float]],
) -> Callable[Settings, Callable[[int], float]]:
    """Let the schedules that a function makes print themselves.

    >>> shown(lambda lr, steps=10: lambda t: lr)(0.1)
    <lambda>(0.1)
    """

    @functools.wraps(make)
    def made(*args: Settings.args, **kwargs: Settings.kwargs) -> Callable[[int], float]:
        given = [repr(x) for x in args] + [f"{k}={v!r}" for k, v in kwargs.items()]
        return Shown(make(*args, **kwargs), f"{make.__name__}({', '.join(given)})")

    return made


def number(owner: str, name: str, value: Any) -> float:
    """Return `value` as a Python float; a DTypeError says what came instead."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        hint = "call it first, as in f(0)" if callable(value) else f"try {name}=0.1"
        raise DTypeError(
            f"{owner}: {name} must be a number, not {type(value).__name__}; {hint}"
        )
    return float(value)


def at_least(owner: str, name: str, value: Any, low: float = 0.0) -> float:
    """Return a finite number that is not below `low`."""
    x = number(owner, name, value)
    if not low <= x < math.inf:
        raise RangeError(
            f"{owner}: {name} must be a finite number of at least {low:g}, not {x:g}"
        )
    return x


def positive(owner: str, name: str, value: Any) -> float:
    """Return a finite number above zero."""
    x = number(owner, name, value)
    if not 0 < x < math.inf:
        raise RangeError(f"{owner}: {name} must be finite and above 0, not {x:g}")
    return x


def fraction(owner: str, name: str, value: Any) -> float:
    """Return a number of [0, 1): the share of the past that a running mean keeps.

    >>> fraction("Adam", "betas[0]", 0.9)
    0.9
    >>> fraction("Adam", "betas[0]", 1)
    Traceback (most recent call last):
    minidl.errors.RangeError: Adam: betas[0] must be in [0, 1), not 1 (0.9 is usual: ...
    """
    x = number(owner, name, value)
    if not 0 <= x < 1:
        raise RangeError(
            f"{owner}: {name} must be in [0, 1), not {x:g} "
            "(0.9 is usual: nine tenths of the past, one tenth of what is new)"
        )
    return x


def betas_of(owner: str, betas: Any) -> tuple[float, float]:
    """Return the pair (β₁, β₂)."""
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise RangeError(
            f"{owner}: betas must be a pair such as (0.9, 0.999), not {betas!r}"
        )
    one, two = (fraction(owner, f"betas[{i}]", b) for i, b in enumerate(betas))
    return one, two


def count(owner: str, name: str, value: Any, low: int = 1) -> int:
    """Return a whole number of steps, at least `low`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise DTypeError(
            f"{owner}: {name} counts steps and must be a whole number, not {value!r}; "
            f"try int({name})"
        )
    if value < low:
        raise RangeError(f"{owner}: {name} must be at least {low}, not {value}")
    return int(value)


def choice(owner: str, name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """Return one of the allowed words."""
    if value not in allowed:
        words = " or ".join(repr(word) for word in allowed)
        raise RangeError(f"{owner}: {name} must be {words}, not {value!r}")
    return str(value)
