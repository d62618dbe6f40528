"""What is asked of each task besides: the rows that students do not see."""
# ruff: noqa: D103  most draw what their names say

from pathlib import Path

import numpy as np

from minidl_course import Row
from minidl_course.assignment import load

public = load(Path(__file__).with_name("rows.py"))
without, number = public.without, public.number


def all_settings(draw):
    return public.settings(draw, strides=(2, 6), dilations=(2, 5), frames=(0, 3))


def spread(draw):
    """Windows with gaps, in a frame."""
    flip = draw.choice((1, -1))
    how = {"dilation": np.array((2, 3)[::flip]), "padding": np.array((3, 2)[::-flip])}
    return {**public.images(draw), **how}


def grouped(draw):
    """Two or three groups, of several channels and kernels each."""
    groups = draw.integer(2, 4)
    c, f, n = draw.sizes(3, low=2, high=5)
    h, w = draw.sizes(2, low=5, high=8)
    kh, kw = draw.sizes(2, low=2, high=4)
    return {
        "x": draw.normal(n, groups * c, h, w), "w": draw.normal(groups * f, c, kh, kw),
        "groups": groups,
    }  # fmt: skip


def depthwise(draw):
    """Every channel has a kernel of its own."""
    c, n = draw.sizes(2, low=2, high=5)
    h, w = draw.sizes(2, low=5, high=8)
    return {
        "x": draw.normal(n, c, h, w), "w": draw.normal(c, 1, 3, 2), "groups": c,
        "padding": 1,
    }  # fmt: skip


def uneven(draw):
    """A frame with four different sides."""
    order = draw.permutation(4)
    return public.columns(draw, padding=(order[:2].tolist(), order[2:].tolist()))


def gaps(draw):
    """Windows so far apart that some pixels belong to none."""
    return public.columns(draw, stride=(4, 3), padding=((1, 2), (2, 1)))


def wide(draw):
    return public.columns(draw, padding=((2, 2), (1, 1)), dilation=(2, 3))


def ties(draw):
    """Few different numbers; one image is the same everywhere."""
    inputs = public.overlapping(draw)
    x = draw.integers(0, 3, *inputs["x"].shape).astype(float)
    x[0] = draw.integer(1, 9)
    return {**inputs, "x": x}


def overlapping_in_a_frame(draw):
    n, c = draw.sizes(2, low=2, high=5)
    h, w = draw.sizes(2, low=6, high=9)
    return {
        "x": draw.normal(n, c, h, w), "kernel_size": 3, "stride": 1, "padding": 1,
        "u": draw.away(997),
    }  # fmt: skip


def spread_layers(draw):
    return public.layers(draw, strides=(2, 4), dilations=(2, 5))


def pooling_layers(draw):
    return {"sizes": draw.integers(2, 5, 3, 2)}


def grouped_costs(draw):
    groups = draw.integer(2, 5)
    inputs = public.costs(draw)
    n_in, n_out = (groups * inputs["channels"]).tolist()
    image = np.array((2, n_in, *inputs["image"][2:]))
    return {**inputs, "image": image, "channels": np.array((n_in, n_out)),
            "groups": groups}  # fmt: skip


def sequences(draw):
    n, t, d, n_out = draw.sizes(4, low=2, high=12)
    return {"shape": np.array((n, t, d)), "n_out": n_out}


def filled(draw):
    return {**public.photos(draw), "fill": number(draw, 2, 9)}


def smaller(draw):
    """A part of each image, and no frame."""
    c, h, w = draw.sizes(3, low=3, high=6)
    return {
        "x": draw.normal(draw.integer(12, 20), c, h + 4, w + 5),
        "size": np.array((h, w)), "seed": draw.integer(0, 10**6),
    }  # fmt: skip


def soft(draw):
    """Labels that have been mixed once already."""
    inputs = public.labeled(draw)
    q = draw.uniform(len(inputs["x"]), inputs["classes"], low=0.1, high=1)
    return {
        "x": inputs["x"], "q": q / q.sum(axis=1, keepdims=True),
        "alpha": inputs["alpha"], "seed": inputs["seed"],
    }  # fmt: skip


def long_images(draw):
    """Much wider than high: the box has the proportions of the image."""
    inputs = public.labeled(draw)
    x = draw.normal(len(inputs["x"]), 3, draw.integer(4, 7), draw.integer(20, 30))
    return {**inputs, "x": x}


def among(draw):
    """The vectors themselves among others: each of them is its own neighbor."""
    inputs = public.directions(draw)
    others = draw.normal(5, inputs["x"].shape[1])
    return {**inputs, "among": np.concatenate([inputs["x"], others])}


# fmt: off
ROWS = [
    Row("a5.1", "everything at once", 1, "fit", all_settings,
        "(framed − reach) divided by the stride, rounded down, and one", hidden=True),
    Row("a5.2", "dilation", 1, "looped", spread,
        "place u lies u · dh rows below the beginning of the window", hidden=True),
    Row("a5.2", "groups", 1, "looped", grouped,
        "kernels of one group see the channels of this group only", hidden=True),
    Row("a5.3", "dilation and frame", 1, "unfolded", public.windows(spread),
        "at.shifts() knows the dilation; take pixels from `framed`", answers=("y",),
        hidden=True),
    Row("a5.3", "x stays as it was", 1, "unfolded", public.windows(public.images),
        "write into a new array", hidden=True),
    Row("a5.4", "four different sides", 1, "folded", uneven,
        "the image begins `top` rows and `left` columns inside", answers=("y",),
        hidden=True),
    Row("a5.4", "pixels without a window", 1, "folded", gaps,
        "they get 0; columns stay as they were", hidden=True),
    Row("a5.4", "dilation", 1, "folded", wide,
        "the slices of at.shifts(), as in a5.3", answers=("y",), hidden=True),
    Row("a5.5", "groups", 1, "convolved", grouped,
        "a product for each group: one axis more", hidden=True),
    Row("a5.5", "every channel its own kernel", 1, "convolved", depthwise,
        "as many groups as channels", hidden=True),
    Row("a5.6", "groups", 2, "convolved_all", public.with_u(grouped),
        "a product for each group: one axis more", hidden=True),
    Row("a5.6", "without a bias", 1, "convolved_all", public.with_u(spread),
        "what is not wanted is None, or whatever you like", hidden=True),
    Row("a5.6", "gradient of the gradient", 2, "convolved_again",
        public.with_u(public.images),
        "the way back must also work on Tensors: operators, methods, fold",
        hidden=True),
    Row("a5.7", "ties", 2, "largest_dx", ties,
        "of equal pixels the first gets all, and the others nothing", answers=("dx",),
        hidden=True),
    Row("a5.7", "the way back of the way back", 1, "largest_du", public.overlapping,
        "the way back must also work on Tensors: reshape, where, fold", hidden=True),
    Row("a5.8", "real pixels only", 1, "mean_real", overlapping_in_a_frame,
        "`share` may be an array (OH, OW): multiply by it, both ways", hidden=True),
    Row("a5.8", "the way back of the way back", 1, "mean_du", public.overlapping,
        "the way back must also work on Tensors: reshape, broadcast_to, fold",
        hidden=True),
    Row("a5.9", "dilation", 1, "sights", spread_layers,
        "the places of a window are `dilation` steps apart", hidden=True),
    Row("a5.9", "pooling", 1, "sights_of_pools", pooling_layers,
        "a pooling is a window like any other", hidden=True),
    Row("a5.10", "groups", 1, "adds", grouped_costs,
        "with groups the weights themselves have fewer numbers", hidden=True),
    Row("a5.10", "linear layers", 1, "adds_of_linear", sequences,
        "their channels are the last axis, all the others are positions", hidden=True),
    Row("a5.11", "fill", 1, "shifted", filled,
        "x has its frame already; what came must stay as it is", hidden=True),
    Row("a5.11", "a part of the image", 1, "cut_out", smaller,
        "(h, w) may be smaller than the image, and high is not wide", hidden=True),
    Row("a5.12", "mixed twice", 1, "pasted_soft", soft,
        "labels may be rows already; what came must stay as it is", rtol=1e-5,
        atol=1e-6, hidden=True),
    Row("a5.12", "wide images", 1, "pasted", long_images,
        "the box is √(1 − λ) as high and as wide as the image", rtol=1e-5, atol=1e-6,
        hidden=True),
    Row("a5.13", "in the midst of training", 1, "frozen_late", public.freezing,
        "a gradient that is there already would still make a step", rtol=1e-4,
        atol=1e-5, hidden=True),
    Row("a5.13", "undone", 1, "thawed", public.freezing,
        "_mode keeps the mode to return to; frozen twice is frozen once", rtol=1e-4,
        atol=1e-5, hidden=True),
    Row("a5.14", "among others", 1, "neighbors", among,
        "where `same` is false, a sample that is there too is its own neighbor",
        hidden=True),
    Row("a5.14", "a vector of zeros", 1, "neighbors_of_zero", public.directions,
        "it has no direction; divide by TINY at least, and no nan comes", hidden=True),
]
# fmt: on
