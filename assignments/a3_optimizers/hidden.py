"""What is asked of each task besides: the rows that students do not see."""
# ruff: noqa: D103  most draw what their names say

from pathlib import Path

import numpy as np

from minidl_course import Row
from minidl_course.assignment import load

public = load(Path(__file__).with_name("rows.py"))
number = public.number


def rated(inputs):
    """The same inputs, with a rate other than 1."""

    def drawn(draw):
        return {**inputs(draw), "lr": number(draw, 0.2, 0.8)}

    return drawn


def still(inputs):
    """Some gradients that are 0 at first, or always, or tiny; and an ε that matters."""

    def drawn(draw):
        found = {**inputs(draw), "eps": 1e-8}
        found["grads"][:, 0] = 0
        found["grads"][:, 1] *= 1e-4  # as the root of ε: it is seen where ε stands
        found["grads"][0, 1] = 0
        return found

    return drawn


def scalar(inputs):
    """A parameter that is a single number."""

    def drawn(draw):
        found = inputs(draw)
        return {**found, "p": found["p"][0, 0], "grads": found["grads"][:, 0, 0]}

    return drawn


def any_order(draw):
    """A schedule holds no state: it may be asked for any step at any time."""
    inputs = public.staircase(draw)
    return {**inputs, "ts": inputs["ts"][draw.permutation(len(inputs["ts"]))]}


def uphill(draw):
    inputs = public.downhill(draw)
    return {**inputs, "lr": inputs["lr_end"], "lr_end": inputs["lr"]}


def one_step(draw):
    return {**public.wave(draw), "steps": 1, "ts": np.array([0, 1, 2, 7])}


def peak(draw):
    inputs = public.climb(draw)
    w = inputs["warmup"]
    return {**inputs, "ts": np.array([w + 1, w - 2, w, w - 1, 0, 4 * w - 1])}


def no_warmup(draw):
    ts = np.append(0, draw.integers(0, 50, 8))
    return {**public.climb(draw), "warmup": 1, "ts": ts}


def resting(draw):
    patience = draw.integer(2, 4)  # longer than the rest is: some bad ones are counted
    return {**public.stuck(draw, patience), "cooldown": draw.integer(2, 4)}


def rising_with_nan(draw):
    """An accuracy that is to rise; some of its values could not be computed."""
    inputs = public.stuck(draw, patience=draw.integer(2, 4))
    metrics = 9 - inputs["metrics"]
    metrics[draw.integers(2, len(metrics), 4)] = np.nan
    metrics[0] = np.nan
    return {**inputs, "metrics": metrics, "rising": True}


# fmt: off
ROWS = [
    Row("a3.1", "a rate that falls", 1, "sgd_falling", public.walk,
        "lr is that of this step", hidden=True),
    Row("a3.2", "a rate that falls", 2, "momentum_falling", public.rolling,
        "the rate stays out of the velocity", hidden=True),
    Row("a3.3", "a rate that falls", 2, "nesterov_falling", public.rolling,
        "the rate stays out of the velocity", hidden=True),
    Row("a3.3", "a single number", 1, "nesterov", scalar(public.rolling),
        "g belongs to somebody else, also if it has no axes", hidden=True),
    Row("a3.4", "gradients of 0", 2, "adagrad", still(public.added),
        "0 / 0 is what ε is there for: outside of the root", hidden=True),
    Row("a3.5", "gradients of 0", 1, "rmsprop", still(public.forgetful),
        "0 / 0 is what ε is there for: outside of the root", hidden=True),
    Row("a3.5", "centered, with momentum", 1, "rmsprop_centered",
        public.with_momentum, "both settings may be there at once", hidden=True),
    Row("a3.6", "another rate", 2, "adadelta", rated(public.measured),
        "η scales the step, and not what d remembers of it", hidden=True),
    Row("a3.6", "gradients of 0", 2, "adadelta", still(public.measured),
        "a weight that never had a gradient does not move", hidden=True),
    Row("a3.7", "gradients of 0", 2, "adam", still(public.moments),
        "0 / 0 is what ε is there for: outside of the root", hidden=True),
    Row("a3.7", "a single number", 2, "adam", scalar(public.moments),
        "m and v are changed in place, and g never", hidden=True),
    Row("a3.8", "in any order", 1, "step", any_order,
        "nothing may be remembered from call to call", hidden=True),
    Row("a3.9", "uphill", 1, "linear", uphill,
        "lr_end may be the larger one", hidden=True),
    Row("a3.10", "a single step", 1, "cosine", one_step,
        "with steps = 1 all is over at t = 1", hidden=True),
    Row("a3.11", "the peak", 1, "inverse_sqrt", peak,
        "both branches meet in lr", hidden=True),
    Row("a3.11", "without warm-up", 1, "inverse_sqrt", no_warmup,
        "w = 1 has its peak at t = 0", hidden=True),
    Row("a3.12", "cooldown", 2, "plateau", resting,
        "while it rests, nothing is counted as bad", hidden=True),
    Row("a3.12", "rising, and not a number", 1, "plateau", rising_with_nan,
        "ask self.better: it knows the mode, and nan is never better", hidden=True),
]
# fmt: on
