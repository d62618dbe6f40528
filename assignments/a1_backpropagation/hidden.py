"""What is asked of each task besides: the rows that students do not see."""
# ruff: noqa: D103  most draw what their names say

from pathlib import Path

import numpy as np

from minidl_course import Row
from minidl_course.assignment import load

public = load(Path(__file__).with_name("rows.py"))
without = public.without


def both(draw):
    """Axes that were missing in front, and one of length 1, at once."""
    t, n, d = draw.sizes(3)
    shape = draw.choice([(1, d), (n, 1), (1, 1)])
    return {"x": draw.normal(t, n, d), "shape": np.array(shape)}


def corners(draw):
    n, d, k = draw.sizes(3)
    cube = draw.normal(n, d, k)
    return {"x": draw.normal(n, d), "cube": cube, "empty": np.zeros((0, k))}


def slices(draw):
    n, t = draw.sizes(2)
    x, z = draw.normal(2, n, t)
    return {"x": x, "z": z, "w": draw.away(t), "u": draw.normal(n)}


def partway(draw):
    n, d = draw.sizes(2)
    x, c, u = draw.normal(3, n, d)
    return {"x": x, "c": c, "u": u}


def sequences(draw):
    """A layer whose batch has two axes."""
    n, t, d, k = draw.sizes(4)
    x, w, b = draw.normal(n, t, d), draw.normal(d, k), draw.normal(k)
    return {"x": x, "w": w, "b": b, "u": draw.normal(n, t, k)}


def ties(draw):
    """Scores of ±1000, and some that tie, along the first axis."""
    n, k = draw.sizes(2, low=3)
    x = 1000.0 * draw.integers(-1, 2, n, k) + draw.normal(n, k)
    x[1, 0] = x[0, 1] = x[0, 0]
    return {"x": x, "axis": 0, "u": draw.normal(n, k)}


def weighted(draw):
    inputs = public.one_loss(draw)
    weight = draw.uniform(inputs["x"].shape[1], low=0.5, high=2.0)
    return {**inputs, "weight": weight}


def smoothed(draw):
    return {
        **without(weighted, "u")(draw),
        "smoothing": float(draw.uniform(1, low=0.1, high=0.5)[0]),
    }


def at_the_margin(draw):
    """Scores that are whole quarters: some come exactly as near as the margin."""
    n, k = draw.sizes(2, low=3)
    labels = np.zeros(n, dtype=np.int64)
    x = draw.integers(-8, 9, n, k) / 4
    margin = draw.integer(2, 6) / 4
    x[:, 1] = x[:, 0] - margin
    x[:, 2] = x[:, 0] + draw.uniform(n)
    return {"x": x, "labels": labels, "margin": margin, "u": draw.normal(n)}


# fmt: off
ROWS = [
    Row("a1.1", "gradient of the gradient", 2, "quotient_again", public.pair,
        "the way back must also work on Tensors: only operators, no np", hidden=True),
    Row("a1.2", "both at once", 2, "summed", both,
        "missing axes shift the others: the last axes belong together", hidden=True),
    Row("a1.2", "corners", 2, "summed_corners", corners,
        "nothing to sum, everything, two neighboring axes, a batch of none",
        hidden=True),
    Row("a1.3", "through slices", 2, "slices", slices,
        "a Scatter is no array: ask it for .dense(), or let it .add_to", hidden=True),
    Row("a1.3", "gradient of the gradient", 1, "used_twice_again", public.twice,
        "a Tensor is not changed in place: old + g is a new one", hidden=True),
    Row("a1.4", "no farther than asked", 2, "partway", partway,
        "the same order serves minidl.grad, which stops on the way", hidden=True),
    Row("a1.5", "a batch with two axes", 2, "affine_all", sequences,
        "all axes but the last count as batch: make one of them", hidden=True),
    Row("a1.5", "gradient of the gradient", 2, "affine_again",
        without(public.layer, "b"),
        "there may be no b; only operators, no np", hidden=True),
    Row("a1.6", "large scores and ties", 1, "probabilities", without(ties, "u"),
        "z, not x, may be exponentiated without fear", hidden=True),
    Row("a1.7", "large scores and ties", 1, "probabilities_dx", ties,
        "a p that is 0 must give a gradient of 0, not nan", hidden=True),
    Row("a1.7", "gradient of the gradient", 2, "probabilities_again", public.scores,
        "the way back must also work on Tensors: only operators, no np", hidden=True),
    Row("a1.8", "weights and smoothing", 1, "smoothed", smoothed,
        "q need not sum to 1, and may be large in several classes", hidden=True),
    Row("a1.9", "weights", 2, "weighted_dx", weighted,
        "q need not sum to 1: what does p have to be compared with then?", hidden=True),
    Row("a1.9", "gradient of the gradient", 1, "losses_again", public.labeled,
        "the way back must also work on Tensors: only operators, no np", hidden=True),
    Row("a1.10", "exactly at the margin", 1, "hinge_dx", at_the_margin,
        "a rival exactly at the margin pushes nobody", hidden=True),
]
# fmt: on
