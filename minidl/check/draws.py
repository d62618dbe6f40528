"""What is known about one gradient at one point: a draw.

    x, y      an input and the outputs (the first of them, where there are several)
    g         the cotangent ∂L/∂y, drawn at random
    jac       J with J[j, k] = ∂y_k/∂x_j, by differences alone    (x.size, outputs)
    want      J g, the right ∂L/∂x         got      the student's

A mistake must be seen in several draws: another x and another g each time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minidl.backend import Array, device_of, to_device, to_numpy
from minidl.check.steps import Pass, Step, drawn, is_array, moved

BENT = 1e-3  # left and right slopes differ by more than this share: look closer
FINER = 8  # times that the step is divided by 10 there


class Point:
    """A step at one point: what it computes there, and its gradients for a random g."""

    def __init__(self, step: Step, arrays: list[Any], rng: np.random.Generator) -> None:
        self.step, self.arrays = step, arrays
        self.made: Pass = step.run(copies(arrays))
        self.ys = [to_numpy(y).copy() for y in self.made.ys]
        self.gs = [drawn(y, rng) for y in self.made.ys]
        self.g = flat_of(self.gs)
        self._wide: dict[int, tuple[Array, Array]] = {}

    @functools.cached_property
    def gots(self) -> list[Any]:
        """The student's gradients for g, one for each slot."""
        return self.ask(self.gs)

    def ask(self, gs: Sequence[Array]) -> list[Any]:
        """Return the student's gradients for other cotangents, on the host."""
        found = self.made.back([g.copy() for g in gs])
        return [None if g is None else to_numpy(g).copy() for g in found]

    def values(self, arrays: list[Any]) -> Array:
        """Return all float outputs at other inputs, one after the other."""
        return flat_of(self.step.run(copies(arrays)).ys)

    def jacobian(self, slot: int) -> tuple[Array, Array]:
        """Return J for an input, and at which of its elements there is a derivative."""
        if slot not in self._wide:
            self._wide[slot] = jacobian(self.values, self.arrays, slot)
        return self._wide[slot]

    def slope(self, arrays: list[Any], slot: int, v: Array, values: Any = None) -> Any:
        """Return the derivative of all outputs along v, at other inputs.

        values   the function to differentiate, in place of the step's own
        """
        f, h = values or self.values, width(arrays[slot])
        ends = []
        for sign in (1, -1):
            other = list(arrays)
            x = arrays[slot]
            other[slot] = x + to_device((sign * h * v).astype(x.dtype), device_of(x))
            ends.append(f(other))
        return (ends[0] - ends[1]) / (2 * h)


@dataclass
class Draw:
    """One input of a step at one point, as host arrays."""

    point: Point
    slot: int
    got: Array
    want: Array
    smooth: Array
    returned: Any = None  # the dtype that it was returned in
    tables: dict[Any, Any] = field(default_factory=dict)  # of predictions, by pool

    @classmethod
    def of(cls, point: Point, place: int) -> Draw:
        """Return what is known about the place-th gradient that a step returns."""
        slot = point.step.slots[place]
        wide, smooth = point.jacobian(slot)
        shape = np.shape(point.arrays[slot])
        got, want = point.gots[place], (wide @ point.g).reshape(shape)
        smooth = smooth.reshape(shape)
        dtype = getattr(got, "dtype", None)
        if np.shape(got) == shape:
            got = np.where(smooth, got, 0.0)
        return cls(point, slot, got, np.where(smooth, want, 0.0), smooth, dtype)

    @property
    def name(self) -> str:
        """What the input is called."""
        return self.point.step.names[self.slot]

    @functools.cached_property
    def x(self) -> Array:
        """The input."""
        return to_numpy(self.point.arrays[self.slot])

    @property
    def y(self) -> Array:
        """The first output."""
        return self.point.ys[0]

    @functools.cached_property
    def g(self) -> Array:
        """The cotangent of the first output."""
        return to_numpy(self.point.gs[0])

    @functools.cached_property
    def jac(self) -> Array:
        """J, zero where there is no derivative."""
        wide, smooth = self.point.jacobian(self.slot)
        return wide * smooth[:, None]

    @functools.cached_property
    def inputs(self) -> dict[str, Array]:
        """The other float inputs by name."""
        return self._others("f")

    @functools.cached_property
    def whole(self) -> dict[str, Array]:
        """The integer and boolean inputs by name."""
        return self._others("iub")

    def _others(self, kinds: str) -> dict[str, Array]:
        pairs = zip(self.point.step.names, self.point.arrays, strict=True)
        found = {n: to_numpy(a) for n, a in pairs if is_array(a) and n != self.name}
        return {n: a for n, a in found.items() if a.dtype.kind in kinds and a.size}

    @property
    def tolerance(self) -> float:
        """How close two arrays must be to be called equal."""
        return tolerance(self.point.arrays[self.slot])

    def pull(self, g: Array) -> Array:
        """Return the right gradient for other cotangents: one, or one a column."""
        return self.jac @ g


def flat_of(arrays: Sequence[Any]) -> Array:
    """Return several arrays as one vector on the host."""
    parts = [np.asarray(to_numpy(a), np.float64).ravel() for a in arrays]
    return np.concatenate(parts) if parts else np.zeros(0)


def copies(arrays: Sequence[Any]) -> list[Any]:
    """Return copies of what is an array."""
    return [x.copy() if is_array(x) else x for x in arrays]


def width(x: Array) -> float:
    """The step h of a central difference: ∛ of the rounding error, where it is best."""
    return float(np.cbrt(np.finfo(x.dtype).eps))


def tolerance(x: Array) -> float:
    """How exact differences are at least, and mistakes are larger."""
    return 1e-5 if x.dtype == np.float64 else 3e-3


def jacobian(
    f: Callable[[list[Any]], Array], arrays: list[Any], slot: int
) -> tuple[Array, Array]:
    """Return J (x.size, outputs) by central differences, and where x is smooth.

    Where the slopes to the left and to the right differ, smaller steps tell a strong
    curvature (they agree in the end) from a kink or the edge of a domain (never).
    """
    x = arrays[slot]
    host, here = to_numpy(x), f(arrays)
    wide = np.zeros((host.size, here.size))
    smooth = np.ones(host.size, bool)
    bent = np.zeros_like(wide)
    h = width(x)
    with np.errstate(all="ignore"):
        for j in range(host.size):
            wide[j], bent[j] = _slope(f, arrays, slot, j, h, here)
        finite = np.isfinite(wide) & np.isfinite(bent)
        size = float(np.sqrt((np.where(finite, wide, 0.0) ** 2).mean() or 1.0))
        odd = ~finite | (abs(bent) > BENT * np.maximum(abs(wide), size))
        for k in np.flatnonzero(odd.any(axis=1)):
            wide[k], smooth[k] = _closer(f, arrays, slot, int(k), here, size)
    return wide, smooth


def _slope(
    f: Callable[..., Any], arrays: list[Any], slot: int, j: int, h: float, here: Array
) -> tuple[Array, Array]:
    """Return the slope along element j, and how the one-sided slopes differ."""
    x = arrays[slot]
    flat = x.ravel()
    old = float(flat[j])
    h *= max(1.0, abs(old))
    ends = []
    for sign in (1, -1):
        moved = flat.copy()
        moved[j] = old + sign * h
        ends.append(
            (moved, f([*arrays[:slot], moved.reshape(x.shape), *arrays[slot + 1 :]]))
        )
    (above, up), (below, down) = ends
    apart = float(above[j]) - float(below[j])  # 2 h, as it was rounded
    return (up - down) / apart, (up - 2 * here + down) / (0.5 * apart)


def _closer(
    f: Callable[..., Any],
    arrays: list[Any],
    slot: int,
    j: int,
    here: Array,
    size: float,
) -> tuple[Array, bool]:
    """Look at one element with smaller and smaller steps."""
    h, best = width(arrays[slot]), np.zeros(here.size)
    rounding = float(np.finfo(arrays[slot].dtype).eps) * (abs(here).max(initial=0) + 1)
    for _ in range(FINER):
        h /= 10
        slope, bent = _slope(f, arrays, slot, j, h, here)
        if not (np.isfinite(slope).all() and np.isfinite(bent).all()):
            continue
        best = slope
        top = np.maximum(abs(slope), size)
        if (abs(bent) <= 10 * BENT * top + 8 * rounding / h).all():
            good = rounding / h < 1e-2 * max(float(abs(slope).max(initial=0)), size)
            return slope, good
    return best, False


def other_point(step: Step, rng: np.random.Generator) -> Point | None:
    """Return a point other than the given one, at which the step is finite."""
    for k in range(3):
        try:
            with np.errstate(all="ignore"):
                point = Point(step, moved(step.arrays, rng, k), rng)
        except Exception:  # somebody's code need not take other inputs
            continue
        if all(np.isfinite(y).all() for y in point.ys):
            return point
    return None
