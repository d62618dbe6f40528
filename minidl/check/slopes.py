"""Slopes from values alone: central differences, and where they tell nothing.

    D(h) = (L(x + h v) − L(x − h v)) / 2h            off by h² L''' / 6 and rounding / h
    R    = (4 D(h/2) − D(h)) / 3                     Richardson: the h² cancels
    |R − D(h/2)|                                     how far D(h/2) was off: its check

L = Σ u f(x) with a random cotangent u: a u of ones could not see a wrong softmax, whose
outputs always add up to one.

At a kink the slopes to the left and to the right differ, however small h is; elsewhere
they differ by h L'', which shrinks with h. A kink nearby, or the edge of a domain, is
left behind by smaller steps; one at x itself is set aside and counted.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, sqrt
from typing import Any

import numpy as np

from minidl.backend import Array, DType, device_of, namespace, to_device
from minidl.check.report import EDGE, KINK, OK, WRONG, Finding
from minidl.check.subject import Pull, Subject, blank

FINER = 10  # times that a step is divided by 10
KINKS = 2000  # slopes that a search for kinks may take
FULL = 5000  # elements that are compared one by one, at most
DIRECTIONS = 2  # random directions, each for all elements at once
SLIGHT = 0.01  # a single wrong element, off by this share of a typical one


@dataclass
class Tolerance:
    """How far is too far: more than atol + rtol · size, and what rounding may do."""

    eps: float = 1e-6
    rtol: float = 1e-6
    atol: float = 1e-8

    def of_width(self, width: DType) -> Tolerance:
        """Return the tolerance for functions that compute in a narrower float."""
        if width == np.float64:
            return self
        unit = float(np.finfo(width).eps)
        return Tolerance(unit ** (1 / 3), max(self.rtol, 40 * unit ** (2 / 3)), unit)


@dataclass
class Slope:
    """A slope by differences, how far off it may be, and those to either side."""

    value: float
    error: float
    left: float
    right: float
    kind: str = OK  # or KINK, EDGE


class Loss:
    """L = Σ u f(x) around the points of a subject, and its gradient there."""

    def __init__(
        self,
        subject: Subject,
        rng: np.random.Generator,
        t: Tolerance,
        points: Sequence[Array] | None = None,
    ) -> None:
        self.subject, self.t = subject, t.of_width(subject.width)
        self.points = subject.points if points is None else points
        self.ys = subject.examine() if points is None else subject.values(points)
        self.us = [drawn(y, rng) for y in self.ys]
        unit = float(np.finfo(subject.width).eps)
        # what rounding alone may change in L
        self.noise = unit * sum(
            float(abs(u * y).sum()) for u, y in zip(self.us, self.ys, strict=True)
        )
        self.noise = max(self.noise, unit * 1e-3)

    def along(self, i: int, v: Array, step: float) -> float:
        """L with the i-th point moved by step · v; NaN where f cannot be computed."""
        moved = list(self.points)
        moved[i] = moved[i] + (step * v).astype(moved[i].dtype)
        try:
            with np.errstate(all="ignore"):
                ys = self.subject.values(moved)
        except (ValueError, ArithmeticError):  # beyond the edge of its domain
            return float("nan")
        pairs = zip(self.us, ys, strict=True)
        return sum(float((u.astype("float64") * y).sum()) for u, y in pairs)

    @functools.cached_property
    def pull(self) -> Pull:
        """The backward of f, from cotangents to gradients."""
        return self.subject.recorded(self.points)[1]

    @functools.cached_property
    def gradients(self) -> list[Any]:
        """∂L/∂x by the backward; zeros where no path leads."""
        return self.pull([u.copy() for u in self.us])

    @functools.cached_property
    def typical(self) -> float:
        """The size of a typical element of the input with the largest gradient.

        A gradient that is 0 (of a bias before a softmax, say) has no size of its own,
        and differences bring the rounding of all others into it.
        """
        with np.errstate(all="ignore"):
            sizes = [float((g * g).mean()) ** 0.5 for g in self.gradients if np.size(g)]
        return max((s for s in sizes if np.isfinite(s)), default=0.0)

    @functools.cached_property
    def here(self) -> float:
        """L at the points themselves."""
        return self.along(0, blank(self.points[0]), 0.0)

    def slope(self, i: int, v: Array, exact: float = float("nan")) -> Slope:
        """Return the slope along v, by steps that shrink until they tell something.

        The sides differ by k + c h: k at a kink, c of the curvature. Two steps tell k,
        and none is asked if the slope is `exact`, what the gradient says.
        """
        seen: list[tuple[float, Slope]] = []
        here, h = self.here, self.t.eps
        left = right = float("nan")
        for _ in range(FINER):
            far, near = self._pair(i, v, h), self._pair(i, v, h / 2)
            central = (near[0] - near[1]) / h
            value = (4 * central - (far[0] - far[1]) / (2 * h)) / 3
            right, left = (near[0] - here) * 2 / h, (here - near[1]) * 2 / h
            if np.isfinite([value, left, right]).all():
                rounding = 4 * self.noise / h
                found = Slope(value, abs(value - central) + rounding, left, right)
                fits = abs(value - exact) <= 0.1 * self.t.rtol * abs(value)
                if fits or abs(right - left) <= self._clear(found, h):
                    return found
                seen.append((h, found))
                if len(seen) == 2 and not self._kink(*seen):
                    return min((s for _, s in seen), key=lambda s: s.error)
                if len(seen) == 3:
                    break
            h /= 10
        if not seen:
            return Slope(float("nan"), float("inf"), left, right, EDGE)
        last = seen[-1][1]
        if len(seen) > 1 and self._kink(*seen[-2:]):
            last.kind = KINK
        return last

    def _pair(self, i: int, v: Array, h: float) -> tuple[float, float]:
        return self.along(i, v, h), self.along(i, v, -h)

    def _clear(self, s: Slope, h: float) -> float:
        """How far the sides may differ without a kink that matters."""
        size = abs(s.left) + abs(s.right)
        return 0.3 * (self.t.atol + self.t.rtol * size) + 16 * self.noise / h

    def _kink(self, one: tuple[float, Slope], two: tuple[float, Slope]) -> bool:
        """Whether the sides still differ where the step has become zero."""
        (_, a), (h, b) = one, two
        k = ((b.right - b.left) - 0.1 * (a.right - a.left)) / 0.9
        return abs(k) > 2 * self._clear(b, h) and abs(k) > 1e-3 * abs(a.right - a.left)

    def judge(self, i: int, v: Array, exact: float, size: float) -> Finding:
        """Compare a slope along v with differences; errors are relative to `size`."""
        t, s = self.t, self.slope(i, v, exact)
        name, shape = self.subject.names[i], np.shape(self.points[i])
        exact += 0.0  # no −0 in messages
        off, scale = abs(exact - s.value), max(size, abs(s.value))
        if s.kind != OK:
            return Finding(
                name, shape, exact, s.value, 0.0, s.kind, left=s.left, right=s.right
            )
        most = 1e-4 * scale + t.atol + t.rtol * self.typical
        allowed = t.atol + t.rtol * scale + min(s.error, most)
        fits = off <= allowed  # the error of what fits is at most rtol
        error = t.rtol * off / allowed if fits else off / max(scale, t.atol)
        return Finding(name, shape, exact, s.value, error, OK if fits else WRONG)

    def kinks(self, i: int, v: Array) -> Array:
        """Return where x sits on a kink or an edge, by halving along v."""
        bent, left = np.zeros(v.size, bool), KINKS
        parts = [(0, v.size)]
        while parts:
            low, high = parts.pop()
            part = blank(v).ravel()
            part[low:high] = v.ravel()[low:high]
            left -= 1
            if left > 0 and self.slope(i, part.reshape(v.shape)).kind == OK:
                continue
            if high - low == 1 or left <= 0:
                bent[low:high] = True
                continue
            middle = (low + high) // 2
            parts += [(low, middle), (middle, high)]
        return bent.reshape(v.shape)

    def direction(self, i: int, rng: np.random.Generator) -> Finding:
        """Check all elements of an input at once: slopes along random directions.

        ⟨∇L, v⟩ is about as large as the length of ∇L, and so is what it is measured by.
        """
        g = self.gradients[i]
        found, bent = None, None
        for _ in range(DIRECTIONS if g.size > 1 else 1):
            v = drawn(g, rng)
            if bent is not None:
                v = v * to_device(~bent, device_of(v))
            one = self._one(i, g, v)
            if one.verdict in (KINK, EDGE) and bent is None:
                bent = self.kinks(i, v)
                v = v * to_device(~bent, device_of(v))
                at = tuple(int(k[0]) for k in np.nonzero(bent)) if bent.any() else None
                first = self.element(i, at) if at is not None else one
                one = self._one(i, g, v) if not bent.all() else first
                one.bent = first
            if found is None or one.error > found.error or one.verdict == WRONG:
                one.bent = one.bent or (found.bent if found else None)
                found = one
            if one.verdict == WRONG:
                break
        assert found is not None
        found.kinks = int(bent.sum()) if bent is not None else 0
        found.compared = g.size - found.kinks
        found.directions = DIRECTIONS
        found.missed = self.missed(g)
        if bent is not None and found.verdict == OK and bent.sum() > 1:
            found = self._ties(i, bent, found)
        return found

    def _one(self, i: int, g: Array, v: Array) -> Finding:
        kept = namespace(g).where(v != 0, g, 0)  # what is set aside may be infinite
        return self.judge(
            i, v, float((kept * v).sum()), float((kept * kept).sum()) ** 0.5
        )

    def missed(self, g: Array) -> float:
        """The probability that one wrong element in an input is not seen.

        It is off by 1 % of a typical element; a direction misses it if its component
        there, a normal number, is too small.
        """
        size = float((g * g).sum()) ** 0.5
        delta = SLIGHT * size / sqrt(g.size) if g.size else 0.0
        allowed = self.t.atol + self.t.rtol * size
        return (
            erf(min(allowed / (delta * sqrt(2)), 9.0)) ** DIRECTIONS if delta else 1.0
        )

    def _ties(self, i: int, bent: Array, found: Finding) -> Finding:
        """Move equal elements together: a tie is no kink then, and shares add up."""
        x, g = self.points[i], self.gradients[i]
        for value in np.unique(np.asarray(x[bent] if device_of(x) == "cpu" else []))[
            :8
        ]:
            v = ((x == value) & bent).astype(x.dtype)
            if v.sum() < 2:
                continue
            one = self._one(i, g, v)
            if one.verdict == WRONG:
                one.tie, one.kinks, one.value = True, found.kinks, float(value)
                one.bent = found.bent
                return one
        return found

    def element(self, i: int, at: tuple[int, ...]) -> Finding:
        """Check one element of an input."""
        g = self.gradients[i]
        v = blank(g)
        v[at] = 1.0
        finite = namespace(g).where(namespace(g).isfinite(g), g, 0)
        size = float((finite * finite).mean()) ** 0.5 if g.size else 0.0
        finding = self.judge(i, v, float(g[at]), size)
        finding.at, finding.value = at, float(self.points[i][at])
        return finding

    def elements(self, i: int) -> list[Finding]:
        """Check every element of an input, one after the other."""
        return [self.element(i, at) for at in np.ndindex(self.gradients[i].shape)]

    def search(self, i: int, rng: np.random.Generator, bent: Any = None) -> Finding:
        """Find an element that is off: halve the input again and again.

        The larger error of two halves is at least half of what both have together, so
        it cannot get lost. Elements at kinks are set aside, and the search goes on.
        """
        g, shape = self.gradients[i].ravel(), self.gradients[i].shape
        v = drawn(g, rng)
        found: Finding | None = None
        for _ in range(5):
            low, high = 0, g.size
            while high - low > 1:
                middle = (low + high) // 2
                parts = ((low, middle), (middle, high))
                low, high = max(parts, key=lambda part: self._gap(i, g, v, *part))
            at = tuple(int(k) for k in np.unravel_index(low, shape))
            found = self.element(i, at)
            if found.verdict in (OK, WRONG):
                break
            v[low] = 0.0
        assert found is not None
        return found

    def _gap(self, i: int, g: Array, v: Array, low: int, high: int) -> float:
        """How far off the slope is along v, cut down to the elements low … high − 1."""
        part, eps = blank(v), self.t.eps
        part[low:high] = v[low:high]
        w = part.reshape(self.gradients[i].shape)
        numeric = (self.along(i, w, eps) - self.along(i, w, -eps)) / (2 * eps)
        gap = abs(numeric - float((g * part).sum()))
        return gap if np.isfinite(gap) else float("inf")


def drawn(like: Array, rng: np.random.Generator) -> Array:
    """Return random normal numbers of an array's shape and dtype, where it is."""
    numbers = np.asarray(rng.standard_normal(like.shape), dtype=like.dtype)
    return to_device(numbers, device_of(like))


def worst(findings: Sequence[Finding]) -> Finding:
    """Return a mistake rather than a kink, and the largest of its kind."""
    grave = {WRONG: 2, OK: 1, KINK: 0, EDGE: 0}
    return max(findings, key=lambda f: (grave[f.verdict], f.error))
