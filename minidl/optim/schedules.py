"""Schedules: functions from the step, counted from 0, to the learning rate.

They hold no state, so one can be plotted before it is used, joined to another, and
resumed anywhere: an optimizer whose `lr` is a schedule saves nothing but its step.

    t    the step, from 0            η(t)   what the schedule returns
    lr   η(0), or the peak           γ      a factor, usually below 1

Epochs are as good a clock as steps: `per_epoch` turns one into the other.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence

from minidl.errors import DTypeError, RangeError
from minidl.optim.cycles import cosine_restarts, cyclic, one_cycle, swa
from minidl.optim.settings import at_least, count, positive, shown

Schedule = Callable[[int], float]


@shown
def constant(lr: float) -> Schedule:
    """η(t) = lr."""
    lr = at_least("constant", "lr", lr)
    return lambda t: lr


@shown
def step(lr: float, every: int, gamma: float = 0.1) -> Schedule:
    """η(t) = lr γ^⌊t / every⌋    (ResNets: 0.1 every 30 epochs; He et al. 2016).

    >>> [round(step(0.1, every=30)(epoch), 6) for epoch in (0, 29, 30, 60)]
    [0.1, 0.1, 0.01, 0.001]
    """
    lr, gamma = at_least("step", "lr", lr), positive("step", "gamma", gamma)
    every = count("step", "every", every)
    # region a3.8: the same rate for a while, then a fraction of it
    return lambda t: lr * gamma ** (t // every)
    # endregion


@shown
def multistep(lr: float, milestones: Sequence[int], gamma: float = 0.1) -> Schedule:
    """η(t) = lr γ^(number of milestones that t has reached)."""
    lr, gamma = at_least("multistep", "lr", lr), positive("multistep", "gamma", gamma)
    marks = sorted(count("multistep", "a milestone", m, low=0) for m in milestones)
    return lambda t: lr * gamma ** bisect.bisect_right(marks, t)


@shown
def exponential(lr: float, gamma: float) -> Schedule:
    """η(t) = lr γᵗ."""
    lr, gamma = (
        at_least("exponential", "lr", lr),
        positive("exponential", "gamma", gamma),
    )
    return lambda t: lr * gamma**t


@shown
def linear(lr: float, steps: int, lr_end: float = 0.0) -> Schedule:
    """η(t) = lr + (lr_end − lr) t / steps, and lr_end afterwards."""
    lr, lr_end = at_least("linear", "lr", lr), at_least("linear", "lr_end", lr_end)
    steps = count("linear", "steps", steps)
    # region a3.9: a straight line, and flat after its end
    return lambda t: lr + (lr_end - lr) * min(t, steps) / steps
    # endregion


@shown
def cosine(lr: float, steps: int, lr_min: float = 0.0) -> Schedule:
    """η(t) = lr_min + ½ (lr − lr_min) (1 + cos(π t / steps)), and lr_min afterwards.

    Loshchilov & Hutter 2017, eq. 5, without its restarts (arXiv:1608.03983).

    >>> half_way = cosine(1.0, steps=100)(50)
    >>> round(half_way, 6)
    0.5
    """
    lr, lr_min = at_least("cosine", "lr", lr), at_least("cosine", "lr_min", lr_min)
    steps = count("cosine", "steps", steps)

    def at(t: int) -> float:
        # region a3.10: half a wave of the cosine, and flat after its end
        share = (1 + math.cos(math.pi * min(t, steps) / steps)) / 2
        return lr_min + (lr - lr_min) * share
        # endregion

    return at


@shown
def inverse_sqrt(lr: float, warmup: int = 1) -> Schedule:
    """η(t) = lr min(s / w, √(w / s)), with s = t + 1 and w = warmup: the peak is lr.

    Vaswani et al. 2017, eq. 3, where lr = 1 / √(d_model w) (arXiv:1706.03762).
    """
    lr = at_least("inverse_sqrt", "lr", lr)
    w = count("inverse_sqrt", "warmup", warmup)
    # region a3.11: up in a straight line, and down again ever more slowly
    return lambda t: lr * min((t + 1) / w, math.sqrt(w / (t + 1)))
    # endregion


@shown
def polynomial(
    lr: float, steps: int, power: float = 1.0, lr_end: float = 0.0
) -> Schedule:
    """η(t) = lr_end + (lr − lr_end) (1 − t / steps)^power, and lr_end afterwards."""
    lr, power = at_least("polynomial", "lr", lr), positive("polynomial", "power", power)
    lr_end = at_least("polynomial", "lr_end", lr_end)
    steps = count("polynomial", "steps", steps)
    return lambda t: lr_end + (lr - lr_end) * (1 - min(t, steps) / steps) ** power


# Schedules made of schedules


@shown
def warmup(steps: int, then: Schedule) -> Schedule:
    """Climb in a straight line to `then(0)`, and go on with `then` (Goyal et al. 2017).

    >>> [warmup(4, constant(1.0))(t) for t in range(6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    steps, then = count("warmup", "steps", steps, low=0), _schedule("warmup", then)
    return lambda t: then(0) * (t + 1) / steps if t < steps else then(t - steps)


@shown
def join(*parts: Schedule, at: Sequence[int]) -> Schedule:
    """Play one schedule after the other; each begins at its own 0.

    at: the steps at which the second, the third, … begin.

    >>> f = join(constant(1.0), linear(1.0, steps=4), at=[2])
    >>> [f(t) for t in range(8)]
    [1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    starts = [0, *(count("join", "a start in `at`", s) for s in at)]
    for part in parts:
        _schedule("join", part)
    if len(starts) != len(parts) or sorted(set(starts)) != starts:
        raise RangeError(
            f"join: {len(parts)} schedules need {len(parts) - 1} rising starts, "
            f"and at={list(at)}; as in join(f, g, at=[100])"
        )

    def joined(t: int) -> float:
        i = max(bisect.bisect_right(starts, t) - 1, 0)
        return parts[i](t - starts[i])

    return joined


@shown
def scale(f: Schedule, factor: float) -> Schedule:
    """η(t) = factor f(t), as for a batch that is `factor` times as large."""
    f, factor = _schedule("scale", f), at_least("scale", "factor", factor)
    return lambda t: factor * f(t)


@shown
def per_epoch(f: Schedule, steps_per_epoch: int) -> Schedule:
    """η(t) = f(⌊t / steps_per_epoch⌋): f counts epochs, the optimizer counts steps.

    >>> f = per_epoch(step(0.1, every=30), steps_per_epoch=100)
    >>> f(2999), round(f(3000), 6)
    (0.1, 0.01)
    """
    f = _schedule("per_epoch", f)
    n = count("per_epoch", "steps_per_epoch", steps_per_epoch)
    return lambda t: f(t // n)


def _schedule(owner: str, f: Schedule) -> Schedule:
    if not callable(f):
        raise DTypeError(
            f"{owner} wants a schedule, a function of the step, not {f!r}; "
            "try schedules.constant(0.1)"
        )
    return f


__all__ = [
    "Schedule",
    "constant",
    "cosine",
    "cosine_restarts",
    "cyclic",
    "exponential",
    "inverse_sqrt",
    "join",
    "linear",
    "multistep",
    "one_cycle",
    "per_epoch",
    "polynomial",
    "scale",
    "step",
    "swa",
    "warmup",
]
