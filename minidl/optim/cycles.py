"""Schedules that go up and down: restarts, one cycle, many cycles, SWA's small ones.

The second half of `schedules`, which has their simple siblings and the legend.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from minidl.errors import RangeError
from minidl.optim.settings import at_least, choice, count, number, positive, shown

Schedule = Callable[[int], float]


@shown
def cosine_restarts(
    lr: float, steps: int, factor: int = 1, lr_min: float = 0.0
) -> Schedule:
    """A cosine from lr to lr_min over `steps`, again over `steps · factor`, and so on.

        η = lr_min + ½ (lr − lr_min) (1 + cos(π T_cur / T_i))

    T_cur steps since the last restart, T_i steps between two.  Loshchilov & Hutter
    2017, eq. 5 (arXiv:1608.03983).

    >>> f = cosine_restarts(1.0, steps=2, factor=2)
    >>> [round(f(t), 3) for t in range(8)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0, 0.962]
    """
    name = "cosine_restarts"
    lr, lr_min = at_least(name, "lr", lr), at_least(name, "lr_min", lr_min)
    steps, factor = count(name, "steps", steps), count(name, "factor", factor)

    def at(t: int) -> float:
        now, length = (t % steps, steps) if factor == 1 else (t, steps)
        while now >= length:
            now, length = now - length, length * factor
        return lr_min + (lr - lr_min) * (1 + math.cos(math.pi * now / length)) / 2

    return at


@shown
def one_cycle(
    lr: float,
    steps: int,
    *,
    rise: float = 0.3,
    div: float = 25.0,
    final_div: float = 1e4,
    shape: str = "cos",
    three_phase: bool = False,
) -> Schedule:
    """Up from lr / div to lr over `rise · steps`, then down to lr / (div · final_div).

    shape: "cos" or "linear".  three_phase: down to lr / div as fast as it went up, and
    only then to the end.  Smith & Topin 2018 (arXiv:1708.07120); the turning points are
    PyTorch's. The paper lets the momentum go the opposite way; this is the rate alone.
    """
    name = "one_cycle"
    lr, div = at_least(name, "lr", lr), positive(name, "div", div)
    low, end = lr / div, lr / div / positive(name, "final_div", final_div)
    steps, rise = count(name, "steps", steps, low=2), number(name, "rise", rise)
    bend = {"cos": _half_cosine, "linear": _line}[
        choice(name, "shape", shape, ("cos", "linear"))
    ]
    corners = [(0.0, low), (rise * steps - 1, lr)]
    corners += [(2 * rise * steps - 2, low)] if three_phase else []
    corners += [(steps - 1.0, end)]
    if any(a[0] >= b[0] for a, b in pairwise(corners)):
        raise RangeError(
            f"{name}: with rise={rise:g} of {steps} steps the phases would have their "
            "turning points at "
            f"{[round(t, 1) for t, _ in corners]}; they must rise: try rise=0.3, "
            "or more steps"
        )

    def at(t: int) -> float:
        now = min(t, steps - 1)
        i = next(i for i, corner in enumerate(corners[1:]) if now <= corner[0])
        (start, a), (stop, b) = corners[i], corners[i + 1]
        return bend(a, b, (now - start) / (stop - start))

    return at


def _line(a: float, b: float, x: float) -> float:
    return a + (b - a) * x


def _half_cosine(a: float, b: float, x: float) -> float:
    return b + (a - b) * (1 + math.cos(math.pi * x)) / 2


@shown
def cyclic(
    lr_min: float,
    lr_max: float,
    steps_up: int,
    steps_down: int | None = None,
    *,
    mode: str = "triangular",
    gamma: float = 1.0,
) -> Schedule:
    """Up and down between lr_min and lr_max, in straight lines, for ever.

        η(t) = lr_min + (lr_max − lr_min) · triangle(t) · height

    mode: "triangular", height 1; "triangular2", halved at every cycle; "exp_range", γᵗ.
    Smith 2017 (arXiv:1506.01186).

    >>> [cyclic(0.0, 1.0, steps_up=2)(t) for t in range(6)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]
    """
    name = "cyclic"
    lr_min, lr_max = at_least(name, "lr_min", lr_min), at_least(name, "lr_max", lr_max)
    gamma = positive(name, "gamma", gamma)
    choice(name, "mode", mode, ("triangular", "triangular2", "exp_range"))
    up = count(name, "steps_up", steps_up)
    down = up if steps_down is None else count(name, "steps_down", steps_down)
    heights: dict[str, Callable[[int, int], float]] = {
        "triangular": lambda t, cycle: 1.0,
        "triangular2": lambda t, cycle: 0.5**cycle,
        "exp_range": lambda t, cycle: gamma**t,
    }
    height = heights[mode]

    def at(t: int) -> float:
        cycle, now = divmod(t, up + down)
        triangle = now / up if now <= up else (up + down - now) / down
        return lr_min + (lr_max - lr_min) * triangle * height(t, cycle)

    return at


@shown
def swa(
    before: Schedule,
    start: int,
    lr: float,
    *,
    cycle: int = 1,
    lr_min: float | None = None,
) -> Schedule:
    """`before` until step `start`; then lr, or again and again from lr to lr_min.

        s = (t mod cycle + 1) / cycle ;  η = (1 − s) lr + s lr_min

    t counts from `start`. Averages are taken where the cycle is lowest, at its end:
    `SWA(params, start, every=cycle)`.  Izmailov et al. 2018, algorithm 1 and the
    cyclical rate of its section 3 (arXiv:1803.05407).

    >>> f = swa(lambda t: 9.0, start=2, lr=1.0, cycle=4, lr_min=0.0)
    >>> [f(t) for t in range(8)]
    [9.0, 9.0, 0.75, 0.5, 0.25, 0.0, 0.75, 0.5]
    """
    lr, start = at_least("swa", "lr", lr), count("swa", "start", start, low=0)
    cycle = count("swa", "cycle", cycle)
    low = lr if lr_min is None else at_least("swa", "lr_min", lr_min)

    def at(t: int) -> float:
        if t < start:
            return before(t)
        s = ((t - start) % cycle + 1) / cycle
        return (1 - s) * lr + s * low

    return at
