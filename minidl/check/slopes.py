"""Slopes from values alone: central differences, and where they tell nothing.

    ⟨∇L, v⟩ ≈ (L(x + εv) − L(x − εv)) / 2ε        off by ε² L''' / 6 and by rounding / ε

L = Σ u f(x) with a random cotangent u: a u of ones could not see a wrong softmax, whose
outputs always add up to one.

At a kink the slopes to the left and to the right differ, however small ε is; elsewhere
they differ by ε L'', which shrinks with ε. A kink nearby, but not at x, is stepped over
by a large ε and missed by a small one, so that smaller steps are tried as well.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.backend import Array, device_of, namespace, to_device
from minidl.check.report import KINK, OK, WRONG, Finding
from minidl.check.subject import Subject
from minidl.engine.backward import grad
from minidl.engine.tensor import Tensor, values

STEPS = (1.0, 0.1, 0.01)  # of ε
ROUNDING = 2.0**-52
KINKS = 5  # are set aside in the search for a mistake


@dataclass
class Tolerance:
    """How far is too far: more than atol + rtol · size, and what rounding may do."""

    eps: float = 1e-6
    rtol: float = 1e-6
    atol: float = 1e-8


class Loss:
    """L = Σ u f(x) around the points of a subject, and its gradient there."""

    def __init__(
        self, subject: Subject, rng: np.random.Generator, t: Tolerance
    ) -> None:
        self.subject, self.t = subject, t
        ys = subject.examine()
        self.us = [drawn(y, rng) for y in ys]
        self.ys = ys
        # what rounding alone may change in L
        self.noise = ROUNDING * sum(
            float(abs(u * y).sum()) for u, y in zip(self.us, ys, strict=True)
        )

    def along(self, i: int, v: Array, step: float) -> float:
        """L with the i-th point moved by step · v."""
        xs = self.subject.tensors(requires_grad=False)
        xs[i].data += step * v
        return self._total(self.subject(*xs))

    def _total(self, ys: list[Any]) -> float:
        """Σ u y."""
        pairs = zip(self.us, ys, strict=True)
        return sum(float((u * values(y)).sum()) for u, y in pairs)

    @functools.cached_property
    def gradients(self) -> list[Any]:
        """∂L/∂x by the way back; zeros where no way leads."""
        xs = self.subject.tensors(requires_grad=True)
        pairs = zip(self.subject(*xs), self.us, strict=True)
        return pulled(list(pairs), xs, create_graph=False)

    def judge(self, i: int, v: Array, exact: float, size: float) -> Finding:
        """Compare a slope along v with differences; errors are relative to `size`."""
        t = self.t
        name, shape = self.subject.names[i], self.subject.points[i].shape
        exact += 0.0  # no −0 in messages
        best = Finding(name, shape, exact, 0.0, float("inf"), WRONG)
        for step in STEPS:
            eps = step * t.eps
            ends = self.along(i, v, eps), self.along(i, v, -eps)
            numeric = (ends[0] - ends[1]) / (2 * eps)
            off, scale = abs(exact - numeric), max(size, abs(numeric))
            allowed = t.atol + t.rtol * scale + 4 * self.noise / eps
            fits = off <= allowed  # the error of what fits is at most rtol
            error = t.rtol * off / allowed if fits else off / max(scale, t.atol)
            if fits or error < best.error:
                best = Finding(
                    name, shape, exact, numeric, error, OK if fits else WRONG
                )
            if fits:
                return best
        sides = self._sides(i, v)
        if sides:
            best.verdict, (best.left, best.right) = KINK, sides
        return best

    def _sides(self, i: int, v: Array) -> tuple[float, float] | None:
        """Return the slopes left and right of a kink; None where it is smooth."""
        gaps, here = [], self.along(i, v, 0.0)
        for eps in (self.t.eps, 0.1 * self.t.eps):
            right = (self.along(i, v, eps) - here) / eps
            left = (here - self.along(i, v, -eps)) / eps
            gaps.append(abs(right - left))
        clear = 1e-3 * (abs(left) + abs(right)) + 8 * self.noise / eps
        return (left, right) if min(gaps) > clear and gaps[1] > 0.5 * gaps[0] else None

    def direction(self, i: int, rng: np.random.Generator) -> Finding:
        """Check all elements of an input at once: the slope along a random direction.

        ⟨∇L, v⟩ is about as large as the length of ∇L, and so is what it is measured by.
        """
        g = self.gradients[i]
        v = drawn(g, rng)
        return self.judge(i, v, float((g * v).sum()), float((g * g).sum()) ** 0.5)

    def numeric(self, i: int) -> Array:
        """∂L/∂x by differences alone, every element of it."""
        x, eps = self.subject.points[i], self.t.eps
        found, v = blank(x), blank(x)
        for at in np.ndindex(x.shape):
            v[at] = 1.0
            found[at] = (self.along(i, v, eps) - self.along(i, v, -eps)) / (2 * eps)
            v[at] = 0.0
        return found

    def element(self, i: int, at: tuple[int, ...]) -> Finding:
        """Check one element of an input."""
        g = self.gradients[i]
        v = blank(g)
        v[at] = 1.0
        size = float((g * g).mean()) ** 0.5 if g.size else 0.0
        finding = self.judge(i, v, float(g[at]), size)
        finding.at, finding.value = at, float(self.subject.points[i][at])
        return finding

    def elements(self, i: int) -> list[Finding]:
        """Check every element of an input, one after the other."""
        return [self.element(i, at) for at in np.ndindex(self.gradients[i].shape)]

    def search(self, i: int, rng: np.random.Generator) -> Finding:
        """Find an element that is off: halve the input again and again.

        The larger error of two halves is at least half of what both have together, so
        it cannot get lost. Elements at kinks are set aside, and the search goes on.
        """
        g, shape = self.gradients[i].ravel(), self.gradients[i].shape
        v = drawn(g, rng)
        seen: list[Finding] = []
        while not seen or (seen[-1].verdict == KINK and len(seen) < KINKS):
            low, high = 0, g.size
            while high - low > 1:
                middle = (low + high) // 2
                parts = ((low, middle), (middle, high))
                low, high = max(parts, key=lambda part: self._error(i, g, v, *part))
            at = tuple(int(k) for k in np.unravel_index(low, shape))
            seen.append(self.element(i, at))
            v[low] = 0.0
        return seen[0] if seen[-1].verdict == OK else seen[-1]

    def _error(self, i: int, g: Array, v: Array, low: int, high: int) -> float:
        """How far off the slope is along v, cut down to the elements low … high − 1."""
        part, eps = blank(v), self.t.eps
        part[low:high] = v[low:high]
        w = part.reshape(self.gradients[i].shape)
        numeric = (self.along(i, w, eps) - self.along(i, w, -eps)) / (2 * eps)
        return abs(numeric - float((g * part).sum()))


def drawn(like: Array, rng: np.random.Generator) -> Array:
    """Return random normal numbers of an array's shape, where it is."""
    return to_device(np.asarray(rng.standard_normal(like.shape)), device_of(like))


def pulled(pairs: list[Any], xs: list[Tensor], create_graph: bool) -> list[Any]:
    """Return ∂Σ g y / ∂x for pairs (y, g), by the way back; zeros where none leads."""
    kept = [(y, g) for y, g in pairs if isinstance(y, Tensor) and y.requires_grad]
    found: Any = [None] * len(xs)
    if kept:
        ys, gs = [y for y, _ in kept], [g for _, g in kept]
        found = grad(ys, xs, gs, create_graph=create_graph, allow_unused=True)
    zeros = [Tensor(z) if create_graph else z for z in (blank(x.data) for x in xs)]
    return [z if g is None else g for z, g in zip(zeros, found, strict=True)]


def blank(x: Array) -> Array:
    """Return zeros like x, to be written to."""
    return namespace(x).zeros_like(x)
