"""What is asked of each task besides: the rows that students do not see."""
# ruff: noqa: D103  most draw what their names say

from pathlib import Path

import numpy as np

from minidl_course import Row
from minidl_course.assignment import load

public = load(Path(__file__).with_name("rows.py"))
without, number = public.without, public.number


def far(inputs):
    """Values far from 0, which differ little: E(x²) − μ² would lose all digits."""

    def drawn(draw):
        found = {**without(inputs, "u")(draw), "eps": 1e-5}
        return {**found, "x": 1e6 + 0.1 * found["x"]}

    return drawn


def constant_channel(draw):
    inputs = public.statistics(draw)
    inputs["x"][:, 0] = number(draw, 1, 9)
    return inputs


def constant(draw):
    """A channel that is constant, and so has no variance."""
    inputs = public.batch(draw)
    inputs["x"][:, 0] = number(draw, 1, 9)
    return inputs


def plain_mean(draw):
    return {**public.several(draw), "momentum": 0.0}


def image_batches(draw):
    b, n, c, h = draw.sizes(4)
    x = 2 * draw.normal(b, n, c, h, 3) + draw.normal(c, 1, 1)
    return {"batches": x.astype("float32"), "momentum": number(draw, 0.1, 0.9)}


def two_axes(draw):
    n, c, h, w = draw.sizes(4)
    x = draw.normal(n, c, h, w) + draw.integer(-3, 4)
    return {"x": x, "n_axes": draw.integer(2, 4), "eps": number(draw, 0.01, 0.5)}


def channels(draw):
    """Whole rows are kept or dropped together."""
    n, c, t = draw.sizes(3, low=3, high=9)
    inputs = public.noisy(draw)
    return {**inputs, "x": draw.away(n, c, t), "u": draw.away(n, c, t)}


def soft(draw):
    """Labels that are probabilities, with weights."""
    inputs = public.weighted(draw)
    q = draw.uniform(*inputs["x"].shape, low=0.1, high=1)
    return {**inputs, "labels": q / q.sum(axis=1, keepdims=True)}


def soft_slope(draw):
    inputs = soft(draw)
    return {**inputs, "u": draw.away(len(inputs["x"]))}


def mixed_before(draw):
    """Labels that have been mixed once already."""
    inputs = public.pairs(draw)
    q = draw.uniform(len(inputs["x"]), inputs["classes"], low=0.1, high=1)
    return {
        "x": inputs["x"], "q": q / q.sum(axis=1, keepdims=True),
        "alpha": inputs["alpha"], "seed": inputs["seed"],
    }  # fmt: skip


def sounds(draw):
    """Samples with one axis, and a small α: nearly all one or the other."""
    inputs = public.pairs(draw)
    x = draw.normal(len(inputs["labels"]), draw.integer(2, 9))
    return {**inputs, "x": x, "alpha": 0.1}


def with_nan(draw):
    inputs = public.overfitting(draw)
    metrics = inputs["metrics"].copy()
    metrics[[0, 2]] = np.nan  # not one after the other: nobody stops there
    return {**inputs, "metrics": metrics}


def rising(draw):
    """An accuracy, which must rise by more than a little; nothing is put back."""
    inputs = public.overfitting(draw)
    small = np.linspace(0, 0.04, len(inputs["metrics"]))
    return {
        "metrics": 9 - inputs["metrics"] + small, "patience": inputs["patience"],
        "min_delta": 0.3, "rising": True, "restore": False,
    }  # fmt: skip


def kernels(draw):
    """Weights (F, C, KH, KW): each of the F kernels is a vector."""
    t, f, c, h = draw.sizes(4, low=2, high=6)
    return {
        "p": 2 * draw.away(f, c, h, 3), "directions": draw.away(t, f, c, h, 3),
        "lr": number(draw, 0.05, 0.3),
    }  # fmt: skip


# fmt: off
ROWS = [
    Row("a4.1", "far from zero", 2, "batch", far(public.batch),
        "E(x²) − μ² is a difference of large numbers: center first",
        rtol=1e-5, atol=1e-7, hidden=True),
    Row("a4.1", "a constant channel", 1, "batch_statistics", constant_channel,
        "ε under the root keeps 0 / 0 away", hidden=True),
    Row("a4.2", "a constant channel", 1, "batch_all", constant,
        "rstd is finite where the variance is 0", hidden=True),
    Row("a4.2", "gradient of the gradient", 3, "batch_again", public.batch,
        "the way back must also work on Tensors: only operators, no np", hidden=True),
    Row("a4.3", "the mean of all batches", 1, "remembered", plain_mean,
        "`share` may be an array: it is 1, 1/2, 1/3, …", rtol=1e-5, atol=1e-6,
        hidden=True),
    Row("a4.3", "images", 1, "remembered_images", image_batches,
        "n counts all values of a channel", rtol=1e-5, atol=1e-6, hidden=True),
    Row("a4.4", "two or three axes", 1, "layer_plain", two_axes,
        "the last n_axes axes share a mean; without gamma, γ = 1", hidden=True),
    Row("a4.4", "far from zero", 1, "layer", far(public.sequences),
        "E(x²) − μ² is a difference of large numbers: center first",
        rtol=1e-5, atol=1e-7, hidden=True),
    Row("a4.5", "sequences", 2, "layer_all", public.sequences,
        "all axes but the last count as batch", hidden=True),
    Row("a4.5", "gradient of the gradient", 2, "layer_again", public.batch,
        "the way back must also work on Tensors: only operators, no np", hidden=True),
    Row("a4.6", "none and all", 2, "dropped_corners", without(public.noisy, "p", "u"),
        "p = 0 and p = 1 are allowed", hidden=True),
    Row("a4.6", "whole rows", 1, "dropped_channels", without(channels, "u"),
        "the mask stretches over the shared axes", hidden=True),
    Row("a4.7", "whole rows", 1, "dropped_channels_dx", channels,
        "the mask stretches over the shared axes", hidden=True),
    Row("a4.7", "the way back of the way back", 1, "dropped_du", public.noisy,
        "it is called with g in place of x", hidden=True),
    Row("a4.8", "with momentum", 2, "shrunk_with_momentum", public.walk,
        "the rule takes what you return for the gradient", hidden=True),
    Row("a4.9", "labels that are probabilities", 1, "smoothed_weighted", soft,
        "q may be any row that adds up to 1", hidden=True),
    Row("a4.9", "gradient of the labels", 1, "smoothed_dq", soft_slope,
        "slope is by how much the new q moves with the old one", hidden=True),
    Row("a4.10", "mixed twice", 2, "mixed_soft", mixed_before,
        "labels may be rows already; what came must stay as it is", rtol=1e-5,
        atol=1e-6, hidden=True),
    Row("a4.10", "vectors", 1, "mixed", sounds,
        "samples may have any number of axes", rtol=1e-5, atol=1e-6, hidden=True),
    Row("a4.11", "not a number", 1, "stopped", with_nan,
        "nan is never better: self.better knows", hidden=True),
    Row("a4.11", "rising", 1, "stopped", rising,
        "self.better knows the mode and min_delta", hidden=True),
    Row("a4.12", "kernels", 2, "turned", kernels,
        "`axes` and keepdims serve weights with any number of axes", hidden=True),
    Row("a4.12", "the whole of p", 1, "turned_whole", public.turning,
        "the loop asks for each column first, and then for all of p as one vector",
        hidden=True),
]
# fmt: on
