"""What a constant factor may be: a length, a count, a setting, a 2, or their roots."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from minidl.backend import Array
from minidl.check.draws import Draw
from minidl.check.quantities import basics


class Meaning(NamedTuple):
    """A factor: `value` times too `way` ("large" or "small"), and what value is."""

    value: float
    what: str
    way: str


def meaning(c: float, d: Draw) -> Meaning | None:
    """Return what a factor |c| ≠ 1 may be; None if it is none of the known numbers.

    A number that is two things here, a length and an exponent, is said to be either.
    """
    found: list[Meaning] = []
    for value, what in _known(d):
        if not value > 0 or _same(value, 1):
            continue
        if value < 1:
            value, what = 1 / value, f"1 / ({what})"
        for way, size in (("large", value), ("small", 1 / value)):
            if _same(abs(c), size):
                found.append(Meaning(value, what, way))
    if not found:
        return None
    first = found[0]
    others = [m.what for m in found[1:] if m.what not in first.what]
    odd = "root", "minus 1", "Bessel"  # seldom meant where a plainer one fits
    others = [what for what in others if not any(word in what for word in odd)]
    return first._replace(what=" or ".join([first.what, *others[:1]]))


def _same(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-5 * abs(b)


def _known(d: Draw) -> Iterator[tuple[float, str]]:
    """Yield all numbers that a factor is compared with, the likely ones first."""
    lengths = _lengths(d)
    yield from lengths.items()
    yield from (
        (math.sqrt(n), f"the square root of {what}") for n, what in lengths.items()
    )
    yield from _settings(d)
    yield from _masks(d)
    yield from _numbers(d)
    yield from (pair for pair in ((3.0, "a plain three"), (math.pi, "π")))
    for n, what in lengths.items():  # an unbiased variance divides by n − 1
        if n > 2:
            yield n - 1, f"{what}, minus 1"
            yield n / (n - 1), f"n / (n − 1) with n {what} (Bessel's correction)"
    sizes = dict.fromkeys(n for n in (*d.y.shape, *d.x.shape) if n > 1)
    for n in sizes:
        for m in sizes:
            if n > m:
                yield (
                    n / m,
                    f"{n} / {m}, the lengths of two axes: one stands for the other",
                )
    yield math.log(2), "log 2"


def _lengths(d: Draw) -> dict[float, str]:
    """Return the lengths of axes, and how many elements there are of what."""
    known: dict[float, str] = {}
    arrays = [(d.y, "y"), (d.x, d.name), *((a, n) for n, a in d.inputs.items())]
    for array, name in arrays:
        for n, what in _counts(array):
            known.setdefault(n, what.format(a=name))
    for name, array in d.whole.items():
        known.setdefault(
            int((array != 0).sum()), f"how many entries of {name} are not 0"
        )
        known.setdefault(
            int((array >= 0).sum()), f"how many entries of {name} are not < 0"
        )
    known.setdefault(2, "a plain two")
    return {n: what for n, what in known.items() if n > 1}


def _counts(a: Array) -> Iterator[tuple[int, str]]:
    for axis, n in enumerate(a.shape):
        batch = ", the batch" if axis == 0 and a.ndim > 1 else ""
        also = [str(i) for i in range(axis + 1, a.ndim) if a.shape[i] == n]
        more = f", or of axis {' or '.join(also)}" if also else ""
        yield n, f"the length of axis {axis} of {{a}}{batch}{more}"
    yield a.size, "the number of elements of {a}"
    if a.ndim > 2 and a.size:
        yield a.size // a.shape[1], "how many elements of {a} share a channel"
        yield a.size // len(a), "how many elements an example of {a} has"
        yield a.shape[-1] * a.shape[-2], "how many pixels {a} has"
        yield a.shape[0] * a.shape[1], "the product of the first two axes of {a}"


def _settings(d: Draw) -> Iterator[tuple[float, str]]:
    """Yield the settings of the step, and simple functions of them."""
    for name, value in d.point.step.settings.items():
        if isinstance(value, tuple) and all(isinstance(v, int) for v in value):
            yield float(np.prod(value)), f"the product of {name}"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if math.isfinite(value):
            yield float(value), f"{name} = {value:.6g}"
            yield 1.0 - float(value), f"1 − {name}"
            yield float(value) ** 2, f"{name}²"


def _numbers(d: Draw) -> Iterator[tuple[float, str]]:
    """Yield the numbers that stand in the forward pass."""
    for c in d.point.step.constants:
        if abs(c) not in (0, 1):
            yield abs(c), f"the {c:.6g} in the forward pass"


def _masks(d: Draw) -> Iterator[tuple[float, str]]:
    """Yield the value of a mask that is zero or that."""
    for name, a in basics(d).items():
        zeros = a.dtype.kind == "f" and (a == 0).any()
        used = np.unique(a[a != 0]) if zeros else np.zeros(0)
        if used.size == 1:
            yield float(used[0]), f"the value of {name} where it is not 0"


SCALARS: dict[str, Callable[[Array], float]] = {
    "the sum of {a}": np.sum,
    "the mean of {a}": np.mean,
    "the norm of {a}": lambda a: float(np.linalg.norm(a)),
    "the squared norm of {a}": lambda a: (a * a).sum(),
    "the maximum of {a}": np.max,
    "the minimum of {a}": np.min,
    "the sum of |{a}|": lambda a: abs(a).sum(),
    "the standard deviation of {a}": np.std,
    "the variance of {a}": np.var,
    "how many entries of {a} are positive": lambda a: (a > 0).sum(),
    "how many entries of {a} are not 0": lambda a: (a != 0).sum(),
}


def scalars(d: Draw) -> Iterator[tuple[str, float]]:
    """Yield numbers that depend on the data: a factor that changes with the draw."""
    for name, held in {**basics(d), "g": d.g, "the right gradient": d.want}.items():
        a = np.asarray(held, np.float64).ravel()
        for what, f in SCALARS.items():
            with np.errstate(all="ignore"):
                value = float(f(a))
            if np.isfinite(value) and value != 0:
                yield what.format(a=name) if a.size > 1 else name, value


def fitted(a: Array, b: Array) -> float:
    """Return the c for which c · b is nearest to a."""
    return float((a * b).sum() / ((b * b).sum() or 1.0))
