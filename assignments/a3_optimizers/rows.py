"""What is asked of each task: the rows that a student can see.

Draws choose the shape of p, the number of steps T, and all settings. A row that looks
easy may hold a corner: a gradient of 0, a step at which something changes.
"""
# ruff: noqa: D103  most draw what their names say

import numpy as np

from minidl_course import Row, narrow

HALVES = {"low": 0.3, "high": 0.9}  # for momentum and for what means remember


def number(draw, low, high):
    return float(draw.uniform(1, low=low, high=high)[0])


def walk(draw, steps=None):
    """A parameter (N, D), and gradients that are not near 0."""
    t, n, d = draw.sizes(3, low=3)
    t = t if steps is None else steps
    p, grads = draw.normal(n, d), 2 * draw.away(t, n, d)
    return {"p": p, "grads": grads, "lr": number(draw, 0.05, 0.5)}


def first(inputs):
    """The same inputs, but a single step."""

    def drawn(draw):
        found = inputs(draw)
        return {**found, "grads": found["grads"][:1]}

    return drawn


def rolling(draw):
    return {**walk(draw), "momentum": number(draw, **HALVES)}


def damped(draw):
    return {**rolling(draw), "dampening": number(draw, 0.2, 0.8)}


def added(draw):
    return {**walk(draw), "eps": number(draw, 0.01, 0.5)}


def slowed(draw):
    """Adagrad with a sum that does not start at 0, and a rate that falls."""
    settings = {"lr_decay": number(draw, 0.1, 1), "initial": number(draw, 0.5, 2)}
    return {**added(draw), **settings}


def forgetful(draw):
    return {**added(draw), "alpha": number(draw, **HALVES)}


def with_momentum(draw):
    return {**forgetful(draw), "momentum": number(draw, **HALVES)}


def measured(draw):
    return {**added(draw), "rho": number(draw, **HALVES), "lr": 1.0}


def moments(draw):
    settings = {"beta1": number(draw, **HALVES), "beta2": number(draw, 0.5, 0.99)}
    return {**added(draw), **settings}


def ebbing(draw):
    """Gradients that are large at first and small later: what does `top` remember?"""
    inputs = moments(draw)
    t = len(inputs["grads"])
    inputs["grads"] *= 0.3 ** np.arange(t).reshape(-1, 1, 1)
    return {**inputs, "amsgrad": True}


# Schedules


def staircase(draw):
    """A rate that falls `every` few steps, asked at some steps in order."""
    every = draw.integer(3, 9)
    ts = np.sort(np.append(draw.integers(0, 5 * every, 10), [every, 3 * every]))
    return {
        "ts": ts, "lr": number(draw, 0.1, 1), "every": every,
        "gamma": number(draw, 0.2, 0.8),
    }  # fmt: skip


def edges(draw):
    inputs = staircase(draw)
    every = inputs["every"]
    ts = [0, every - 1, every, every + 1, 2 * every - 1, 2 * every, 3 * every]
    return {**inputs, "ts": np.array(ts)}


def on_the_way(draw):
    steps = draw.integer(10, 40)
    ts = np.sort(draw.integers(0, steps, 12))
    return {"ts": ts, "lr": number(draw, 0.5, 1), "steps": steps}


def downhill(draw):
    return {**on_the_way(draw), "lr_end": number(draw, 0.1, 0.4)}


def beyond(inputs):
    """The same schedule, asked at its end and after it."""

    def drawn(draw):
        found = inputs(draw)
        steps = found["steps"]
        ts = np.array([steps - 1, steps, steps + 1, 2 * steps, 5 * steps])
        return {**found, "ts": ts}

    return drawn


def wave(draw):
    return {**on_the_way(draw), "lr_min": number(draw, 0.05, 0.3)}


def climb(draw):
    warmup = draw.integer(6, 15)
    return {"ts": np.arange(warmup - 1), "lr": number(draw, 0.5, 1), "warmup": warmup}


def descent(draw):
    inputs = climb(draw)
    ts = inputs["warmup"] + np.sort(draw.integers(0, 200, 12))
    return {**inputs, "ts": ts}


def stuck(draw, patience=None):
    """A metric that falls, gets stuck for long, falls once more, and is stuck again."""
    patience = draw.integer(1, 4) if patience is None else patience
    parts, best = [], 5.0
    for length in draw.integers(0, 3, 3):
        parts.append(best - 0.25 * np.arange(1, 3 + length))
        best = parts[-1][-1]
        parts.append(best + draw.uniform(2 * patience + 3, low=0.05, high=1))
    return {
        "metrics": np.concatenate(parts), "lr": number(draw, 0.5, 1),
        "factor": number(draw, 0.3, 0.7), "patience": patience,
    }  # fmt: skip


def now_and_then(draw):
    """One step better, then exactly `patience` worse: nobody has to lose patience."""
    patience, times = draw.integer(2, 5), draw.integer(3, 6)
    inputs = stuck(draw, patience)
    better = 9.0 - np.arange(times)
    worse = better[:, None] + draw.uniform(times, patience, low=0.1, high=0.9)
    calm = np.concatenate([better[:, None], worse], axis=1).ravel()
    return {**inputs, "metrics": np.concatenate([calm, inputs["metrics"]])}


# fmt: off
ROWS = [
    Row("a3.1", "kind", 1, "sgd", narrow(walk),
        "p keeps its shape and its dtype, and it moves", compare="kind"),
    Row("a3.1", "steps", 3, "sgd", walk,
        "which way is downhill? And p itself has to move: p -= …, not p = …"),

    Row("a3.2", "kind", 1, "momentum", narrow(rolling),
        "p keeps its shape and its dtype, and it moves", compare="kind"),
    Row("a3.2", "first step", 2, "momentum", first(rolling),
        "v starts at 0: the first step is that of plain gradient descent"),
    Row("a3.2", "many steps", 3, "momentum", rolling,
        "what must v hold when the next step begins? It is changed in place, too"),
    Row("a3.2", "dampening", 2, "momentum", damped,
        "τ makes g smaller before it comes into v; the very first g comes in whole"),

    Row("a3.3", "kind", 1, "nesterov", narrow(rolling),
        "p keeps its shape and its dtype, and it moves", compare="kind"),
    Row("a3.3", "first step", 2, "nesterov", first(rolling),
        "already the first step is longer than that of gradient descent; how much?"),
    Row("a3.3", "many steps", 4, "nesterov", rolling,
        "the step uses the v that is already renewed, and once more μ"),

    Row("a3.4", "kind", 1, "adagrad", narrow(added),
        "p keeps its shape and its dtype, and it moves", compare="kind"),
    Row("a3.4", "first step", 2, "adagrad", first(added),
        "with a small ε every weight moves by η at first, whatever its gradient"),
    Row("a3.4", "many steps", 3, "adagrad", added,
        "s is a sum over all steps so far; this step's gradient is in it already"),
    Row("a3.4", "decay and start", 2, "adagrad", slowed,
        "the loop counts t from 1; at the first step the rate has not decayed yet"),

    Row("a3.5", "kind", 1, "rmsprop", narrow(forgetful),
        "p keeps its shape and its dtype, and it moves", compare="kind"),
    Row("a3.5", "first step", 2, "rmsprop", first(forgetful),
        "s starts at 0: after the first step it is a share of g²; which one?"),
    Row("a3.5", "many steps", 3, "rmsprop", forgetful,
        "a running mean keeps α of the old and takes 1 − α of the new"),
    Row("a3.5", "momentum", 2, "rmsprop", with_momentum,
        "b collects the steps u, which are divided already; the rate comes last"),
    Row("a3.5", "centered", 2, "rmsprop_centered", forgetful,
        "self.spread(g, s, m) also renews m: call it once a step, and not before s"),

    Row("a3.6", "kind", 1, "adadelta", narrow(measured),
        "p keeps its shape and its dtype, and it moves", compare="kind"),
    Row("a3.6", "first step", 3, "adadelta", first(measured),
        "d starts at 0, so the first numerator is √ε; ε stands under both roots"),
    Row("a3.6", "many steps", 4, "adadelta", measured,
        "which d is under the root: that of before this step, or the new one?"),

    Row("a3.7", "kind", 1, "adam", narrow(moments),
        "p keeps its shape and its dtype, and it moves", compare="kind"),
    Row("a3.7", "first step", 3, "adam", first(moments),
        "at t = 1 both hats undo 1 − β exactly: what is left of m̂, and of v̂?"),
    Row("a3.7", "many steps", 4, "adam", moments,
        "m and v keep what they are; the hats are new arrays, with β to the power t"),
    Row("a3.7", "AMSGrad", 2, "adam", ebbing,
        "top is the largest v so far, and must be kept; the hat comes after it"),

    Row("a3.8", "values", 2, "step", staircase,
        "how often has the rate fallen by step t?"),
    Row("a3.8", "where it falls", 1, "step", edges,
        "step `every` is the first with the smaller rate; steps count from 0"),

    Row("a3.9", "on the way", 2, "linear", downhill,
        "at t = 0 it is lr; which share of the way to lr_end is done at t?"),
    Row("a3.9", "after the end", 2, "linear", beyond(downhill),
        "the line must not go on: what is the largest t that counts?"),

    Row("a3.10", "on the way", 3, "cosine", wave,
        "cos runs from 1 to −1; shift and stretch it to run from lr to lr_min"),
    Row("a3.10", "after the end", 2, "cosine", beyond(wave),
        "the cosine would rise again: what is the largest t that counts?"),

    Row("a3.11", "climb", 2, "inverse_sqrt", climb,
        "s = t + 1: the first step is lr / w, and not 0"),
    Row("a3.11", "descent", 2, "inverse_sqrt", descent,
        "four times as far after the start, the rate is half: from where on?"),

    Row("a3.12", "stuck", 2, "plateau", stuck,
        "`patience` bad epochs in a row are forgiven; the one after them is not"),
    Row("a3.12", "good news in between", 1, "plateau", now_and_then,
        "what becomes of the count of bad epochs when one is better?"),
]
# fmt: on
