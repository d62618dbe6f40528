"""What is asked of each task besides: the rows that students do not see."""
# ruff: noqa: D103  most draw what their names say

from pathlib import Path

import numpy as np

from minidl_course import Row
from minidl_course.assignment import load

public = load(Path(__file__).with_name("rows.py"))
number = public.number


def of_margins(draw):
    """First losses around K − 1, what the hinge loss gives to equal scores."""
    inputs = public.beginnings(draw)
    k = inputs["scores"].shape[1]
    return {**inputs, "first": inputs["first"] / np.log(k) * (k - 1)}


def broken(draw):
    """A loss that is no number, and one that is infinite."""
    return {**public.beginnings(draw), "first": np.array([np.nan, np.inf, 1e-9])}


def unequal(draw):
    """Micro-batches of different sizes."""
    inputs = public.with_rest(draw)
    n = len(inputs["x"])
    return {**inputs, "sizes": 1.0 + draw.permutation(n), "lr": 0.02}


def micro(draw):
    return public.pairs(draw, average=2)


def binary(draw):
    inputs = public.pairs(draw, average=4)
    return {**inputs, "said": inputs["said"] % 2, "truth": 1 - inputs["truth"] % 2}


def absent(draw):
    """Class k − 1 is never predicted, k never occurs, k + 1 is not there at all."""
    inputs = public.pairs(draw)
    k = int(inputs["truth"].max()) + 1
    said = np.where(inputs["said"] == k - 1, 0, inputs["said"])
    return {
        "said": np.append(said, k), "truth": np.append(inputs["truth"], 0),
        "classes": k + 2,
    }  # fmt: skip


def with_alpha(draw):
    inputs = public.labeled(draw)
    alpha = draw.uniform(inputs["x"].shape[1], low=0.2, high=3.0)
    return {**inputs, "alpha": alpha}


def yes_or_no(draw):
    n, d = draw.sizes(2, low=3, high=8)
    return {
        "x": 3 * draw.normal(n, d), "labels": draw.integers(0, 2, n, d),
        "gamma": number(draw, 1.4, 3.5), "alpha": number(draw, 0.1, 0.4),
    }  # fmt: skip


def wide(draw):
    """Fifteen decades."""
    return {
        "u": draw.uniform(9, low=0.02, high=0.98), "low": 1e-12 * number(draw, 1, 5),
        "high": 1e3 * number(draw, 1, 5),
    }  # fmt: skip


def above_one(draw):
    """A range that begins above 1."""
    return {**public.decades(draw), "low": number(draw, 2, 9), "high": 500.0}


def second_fall(draw):
    """After the minimum it rises, and falls again, steeper, but not as low."""
    t, a = np.arange(100), number(draw, 30, 36)
    fall = 1.8 / (1 + np.exp(-(t - a) / 8))
    bump = np.clip((t - 62) / 18, 0, 1) * 1.1 * (t < draw.integer(84, 87))
    later = 0.25 * np.clip((t - 62) / 10, 0, 1)
    return {"losses": 2.3 - fall + bump + later + 0.01 * draw.normal(100)}


def lucky(draw):
    """The very first batches are easier than anything that comes."""
    losses = public.sweeping(draw)["losses"].copy()
    losses[:4] = number(draw, 0.1, 0.2)
    return {"losses": losses}


def turned(draw):
    """A step that turns the weights, and leaves their length."""
    a, b = draw.sizes(2, low=3, high=8)
    w = draw.normal(a, b)
    order = np.roll(np.arange(a), draw.integer(1, a))
    return {"w": w, "step": w[order] - w}


def three(draw):
    return {"y": 3 * draw.away(3)}


def level(draw):
    """A small slope, far from 0."""
    return {"y": public.line(draw)["y"] + 1000 * draw.choice((1, -1))}


def slight(draw):
    """Rises of 8 to 12 %, which are too small, beside one that is not."""
    small = [
        (public.training(draw), public.run(draw, number(draw, 0.08, 0.12)))
        for _ in range(2)
    ]
    return public.shuffled(draw, (public.training(draw), public.run(draw, 0.6)), *small)


def late(draw):
    """The rise of the last two epochs only, beside a steady one."""
    rise = number(draw, 0.5, 0.6)
    return public.shuffled(
        draw, (public.training(draw), public.run(draw, rise)),
        (public.training(draw), public.run(draw, 0.01, jump=rise)),
    )  # fmt: skip


def alone(draw):
    """No training loss was written down."""
    inputs = public.rising(draw)
    return {**inputs, "train": np.zeros((len(inputs["val"]), 0))}


def classes(draw):
    inputs = public.dealing(draw)
    return {**inputs, "y": np.sort(draw.integers(0, 3, inputs["n"]))}


def many(draw):
    return {"n": draw.integer(1000, 2000), "seed": draw.integer(0, 10**6)}


def warming(draw):
    return public.counts(draw, number(draw, 0.6, 0.9), warmup=True)


def certain(draw):
    """Members that are sure, of different classes; one wavers between two."""
    inputs = public.weighted(draw)
    scores = 1000 * inputs["scores"]
    scores[0, 0, :2] = 1000.0 * draw.integer(20, 30)
    return {**inputs, "scores": scores}


# fmt: off
ROWS = [
    Row("a6.1", "another loss", 1, "firsts_of_hinge", of_margins,
        "log K is right for cross entropy only: ask the loss", hidden=True),
    Row("a6.1", "no number", 1, "firsts", broken,
        "nan is neither below nor above anything; it must be high", hidden=True),
    Row("a6.2", "unequal sizes", 1, "accumulated", unequal,
        "a micro-batch of size n counts n times, in the sum and in the total",
        answers=("path",), hidden=True),
    Row("a6.2", "a rest", 1, "accumulated", public.with_rest,
        "what waits at the end must be in waiting and total", answers=("last",),
        hidden=True),
    Row("a6.3", "unequal sizes", 1, "accumulated", unequal,
        "the sum of the sizes, not their number", answers=("path",), hidden=True),
    Row("a6.3", "a rest", 2, "accumulated", public.with_rest,
        "a rest of r is divided by r, not by k", answers=("last",), hidden=True),
    Row("a6.4", "micro", 1, "shares", micro,
        "sum each count over the classes, and keep an axis", hidden=True),
    Row("a6.4", "binary", 1, "shares", binary,
        "`at` picks the class that is asked for", hidden=True),
    Row("a6.4", "0 / 0", 1, "shares_of_zero", absent,
        "where the denominator is 0 the share is `zero`; do not divide by half of it",
        hidden=True),
    Row("a6.5", "weights of classes", 1, "focal", with_alpha,
        "times weight", hidden=True),
    Row("a6.5", "yes or no", 1, "focal", yes_or_no,
        "use m and weight as they are given, not x and labels", hidden=True),
    Row("a6.6", "fifteen decades", 1, "positions", wide,
        "the logarithm goes evenly from log(low) to log(high)", hidden=True),
    Row("a6.6", "above 1", 1, "positions", above_one,
        "do not take it for granted that logarithms are negative", hidden=True),
    Row("a6.7", "a second fall", 2, "sweep", second_fall,
        "only slopes up to the smallest mean count", hidden=True),
    Row("a6.7", "a lucky beginning", 2, "sweep", lucky,
        "the first BURN_IN means do not count", hidden=True),
    Row("a6.8", "a turn", 2, "step_size", turned,
        "the length of the difference, not the difference of the lengths", hidden=True),
    Row("a6.9", "three points", 1, "slope", three,
        "σ² = Σ r² / (n − 2), and n − 2 is 1 here", hidden=True),
    Row("a6.9", "far from 0", 2, "slope", level,
        "residuals are y less its mean less the line", rtol=1e-5, hidden=True),
    Row("a6.10", "a small rise", 1, "verdicts", slight,
        "rise > least", hidden=True),
    Row("a6.10", "a jump at the end", 2, "verdicts", late,
        "the line through val[best:] must rise by more than 3 errors: .t", hidden=True),
    Row("a6.10", "no training loss", 1, "verdicts", alone,
        "if len(train) is 0, question 1 is answered yes; ask this first", hidden=True),
    Row("a6.11", "classes", 3, "folds", classes,
        "`order` has class after class: deal, do not cut", hidden=True),
    Row("a6.12", "many", 2, "bag", many,
        "never is an array of all the numbers that drawn does not have", hidden=True),
    Row("a6.13", "warm-up", 2, "newest", warming,
        "the smaller of decay and n / (n + 9)", hidden=True),
    Row("a6.14", "disagreement", 2, "answers", public.weighted,
        "entropy of the mean less the weighted mean of the entropies",
        answers=("disagreement",), hidden=True),
    Row("a6.14", "certain members", 2, "answers", certain,
        "softmax and entropy are given, and do not overflow", hidden=True),
]
# fmt: on
