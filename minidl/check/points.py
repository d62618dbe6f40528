"""The right formula at a wrong point: the output for the input, another index.

Each prediction is a set of slopes, as in paths.py, of the step itself where one input
was replaced: σ′(y) for σ′(x), labels shifted by one, weights of neighbors exchanged.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minidl.backend import Array, to_numpy
from minidl.check.draws import Draw
from minidl.check.paths import Slopes
from minidl.check.pools import Prediction
from minidl.check.quantities import axis_sets, over
from minidl.check.relations import Fit, Verdict, constant, extra, in_all, times


def wrong_points(draws: Sequence[Draw]) -> list[Verdict]:
    """Return the points at which the derivative of got was taken, in the place of x."""
    looks = {id(d): Slopes(d) for d in draws}
    found = []
    for group in in_all(draws, lambda d: _fits(looks[id(d)])):
        c = constant(group)
        if c is not None:
            said = f"is {times(c, draws[0])}{group[0].said}"
            found.append(Verdict(said, group[0].cost + extra(c, draws[0])))
    return found


def _fits(look: Slopes) -> list[Fit]:
    found: list[Fit] = []
    if not 0 < float(np.linalg.norm(look.got)) < np.inf or look.got.size < 3:
        return []
    for said, cost, p in _elsewhere(look):
        if (c := _factor(look, p)) is not None:
            found.append(Fit(said, cost, c))
    return found


def _factor(look: Slopes, p: Array) -> float | None:
    """Return c with got = c p, as far as p is known; None if there is none."""
    got = look.got[: p.size]
    c = float(got @ p) / (float(p @ p) or 1.0)
    near = 10 * look.d.tolerance * float(np.linalg.norm(got))
    return c if c and np.linalg.norm(c * p - got) <= near else None


def _elsewhere(look: Slopes) -> Iterator[Prediction]:
    """Yield the slopes with one input in the place of another, or changed."""
    d, names = look.d, look.d.point.step.names
    for said, cost, at in (*_replaced(look), *_exchanged(look.host, names)):
        fits = lambda p: _factor(look, p) is not None  # noqa: E731
        slopes = look.slopes(d.point.values, at, fits)
        if slopes is not None and not np.allclose(slopes, look.want, rtol=1e-6):
            yield f"the right formula {said}", cost, slopes


def _replaced(look: Slopes) -> Iterator[tuple[str, float, list[Any]]]:
    """One input is another array of the same shape."""
    d = look.d
    for i, a in enumerate(look.host):
        if not isinstance(a, np.ndarray) or a.size == 0:
            continue
        for said, cost, other in _instead(d, d.point.step.names[i], a):
            if np.shape(other) == a.shape and not np.array_equal(other, a):
                at = [*look.host[:i], other.astype(a.dtype), *look.host[i + 1 :]]
                yield f"at another point, {said}", cost + (i != d.slot), at


def _exchanged(
    host: list[Any], names: list[str]
) -> Iterator[tuple[str, float, list[Any]]]:
    """Two inputs of one shape and kind are exchanged."""
    for i, j in itertools.combinations(range(len(host)), 2):
        a, b = host[i], host[j]
        both = isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
        if both and (a.shape, a.dtype) == (b.shape, b.dtype):
            at = list(host)
            at[i], at[j] = b, a
            yield f"with {names[i]} and {names[j]} exchanged", 3, at


def _instead(d: Draw, name: str, a: Array) -> Iterator[Prediction]:
    """Yield arrays that may stand in the place of an input by mistake."""
    if a.dtype.kind == "f":
        yield from _of_others(d, name, a)
        yield from _of_itself(name, a)
    elif a.dtype.kind in "iu" and a.max(initial=0) > 0:
        yield from _of_indices(name, a)
    yield from _of_neighbors(name, a)


def _of_others(d: Draw, name: str, a: Array) -> Iterator[Prediction]:
    """The output, other inputs, and what the backward remembers."""
    yield f"with the output in the place of the input {name}", 2, d.y
    for other, b in d.inputs.items():
        if other != name:
            yield f"with {other} in the place of {name}", 3, b
    for other, held in d.point.made.cached.items():
        b = to_numpy(held)
        if b.dtype.kind == "f" and not np.array_equal(b, d.y):
            yield f"with {other} in the place of {name}", 2.5, b


def _of_itself(name: str, a: Array) -> Iterator[Prediction]:
    """Functions of the input."""
    instead = f"in the place of {name}"
    yield f"−{name} {instead}", 3, -a
    yield f"|{name}| {instead}", 3.5, abs(a)
    yield f"1 − {name} {instead}", 3.5, 1 - a
    yield f"{name}² {instead}", 3.5, a * a
    yield f"zeros {instead}", 6.5, np.zeros_like(a)
    yield f"ones {instead}", 6.5, np.ones_like(a)
    whole = np.floor(a)
    yield f"{name} rounded down", 3, whole
    said = f"1 − fraction in the place of the fraction of {name}"
    yield f"{said} (the weights of neighbors exchanged)", 3, 2 * whole + 1 - a
    if a.ndim and a.shape[-1] == 2:
        said = f"the fractions of the two columns of {name} exchanged"
        yield said, 3, whole + np.flip(a - whole, -1)


def _of_indices(name: str, a: Array) -> Iterator[Prediction]:
    """Indices off by one, ignored, sorted, inverted."""
    top, a = int(a.max()), a.astype(np.int64)
    off, instead = "an index is off by one", f"in the place of {name}"
    yield f"{name} + 1 {instead}: {off}", 2, np.minimum(a + 1, top)
    yield f"{name} − 1 {instead}: {off}", 2, np.maximum(a - 1, 0)
    yield f"{name} + 1, end to end, {instead}: {off}", 2.1, (a + 1) % (top + 1)
    yield f"{name} − 1, end to end, {instead}: {off}", 2.1, (a - 1) % (top + 1)
    yield f"zeros {instead}: {name} is ignored", 2.5, np.zeros_like(a)
    yield f"{name} sorted in its place", 3, np.sort(a.ravel()).reshape(a.shape)
    if a.ndim == 1 and sorted(a.tolist()) == list(range(a.size)):
        said = f"the inverse of the permutation {name} in its place"
        yield f"{said}: argsort is missing, or too much", 2, np.argsort(a)


def _of_neighbors(name: str, a: Array) -> Iterator[Prediction]:
    """The input mirrored, shifted, transposed, averaged."""
    for axes in axis_sets(a.ndim):
        if all(a.shape[i] > 1 for i in axes):
            yield f"{name} turned round along {over(axes)}", 3, np.flip(a, axes)
    for axis, n in enumerate(a.shape):
        for by in (-1, 1) if n > 1 else ():
            said = f"{name} shifted by {by} along axis {axis} in the place of {name}"
            yield said, 3, np.roll(a, by, axis)
        if a.dtype.kind == "f" and n > 1:
            mean = np.broadcast_to(a.mean(axis=axis, keepdims=True), a.shape)
            yield f"the mean of {name} over axis {axis} in its place", 3.5, mean
    if a.ndim > 1 and a.shape[-1] == a.shape[-2]:
        yield f"{name} transposed", 2.5, np.swapaxes(a, -1, -2)
