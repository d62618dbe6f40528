"""What is asked of each task besides: the rows that students do not see."""
# ruff: noqa: D103  most draw what their names say

from pathlib import Path

import numpy as np

from minidl_course import Row
from minidl_course.assignment import load

public = load(Path(__file__).with_name("rows.py"))
without = public.without


def left(draw):
    """Numbers so negative that e⁻ˣ overflows in float32, and not in float64."""
    (n,) = draw.sizes(1)
    return {"x": draw.uniform(n, low=-600.0, high=-90.0).astype(np.float32)}


def infinite(draw):
    """Gradients that are infinite where x is negative: ∞ · 0 is no number."""
    inputs = public.plain(draw)
    inputs["x"][0, 0], inputs["x"][0, 1] = -1.5, 2.5
    inputs["u"][0, 0] = np.inf
    return inputs


def endless(draw):
    """Numbers that are infinite."""
    inputs = public.plain(draw)
    inputs["x"][0, :2] = [-np.inf, np.inf]
    return inputs


def infinite_slope(draw):
    """The same, where what is negative leaks."""
    return {**infinite(draw), "s": float(draw.uniform(1, low=0.1, high=0.9)[0])}


def channels(draw):
    """Groups along axis 1 of images."""
    n, c, k, h, w = draw.sizes(5)
    inputs = {"x": draw.normal(n, c * k, h, w), "pieces": k, "axis": 1}
    return {**inputs, "u": draw.normal(n, c, h, w)}


def with_constant(draw):
    """A feature that never varies; as many directions as do."""
    inputs = public.stretched(draw)
    x, d = inputs["x"], inputs["x"].shape[1]
    x[:, draw.integer(0, d)] = 2.5
    return {"x": x, "k": d - 1}


def flat(draw):
    """The same for whitening, and new samples that differ in that feature."""
    inputs = public.to_whiten(draw)
    inputs["x"][:, -1], inputs["new"][:, -1] = 0.0, 1.0
    return inputs


def fewer(draw):
    inputs = public.to_whiten(draw)
    return {**inputs, "k": draw.integer(1, inputs["k"])}


def backwards(draw):
    return {**public.convolution(draw), "out": True}


# fmt: off
ROWS = [
    Row("a2.1", "far out in float32", 1, "logistic_far", left,
        "in float32 eˣ overflows from 89 on, in float64 from 710 on", hidden=True),
    Row("a2.2", "gradient of the gradient", 2, "logistic_again", public.plain,
        "y is a Tensor when the way back is recorded: leave it one", hidden=True),
    Row("a2.3", "gradient of the gradient", 2, "tanh_again", public.plain,
        "the way back must also work on Tensors: only operators, no np", hidden=True),
    Row("a2.4", "x is left alone", 1, "rectified", without(endless, "u"),
        "y is new memory; and x may be infinite", hidden=True),
    Row("a2.4", "an infinite gradient", 1, "rectified_dx", infinite,
        "∞ · 0 is no number: where picks, a product mixes", hidden=True),
    Row("a2.5", "an infinite gradient", 1, "leaky_dx", infinite_slope,
        "∞ · 0 is no number: where picks, a product mixes", hidden=True),
    Row("a2.5", "value, any slope", 1, "leaky", without(public.steep, "u"),
        "a maximum of two lines picks the wrong one", hidden=True),
    Row("a2.6", "gradient of the gradient", 2, "exponential_again", public.with_alpha,
        "the way back must also work on Tensors: only ops, no np", hidden=True),
    Row("a2.7", "value along channels", 2, "largest", without(channels, "u"),
        "the group stands right behind `at`", hidden=True),
    Row("a2.7", "gradient along channels", 2, "largest_dx", channels,
        "the group stands right behind `at`", hidden=True),
    Row("a2.8", "a mean image", 2, "centered", public.images,
        "the mean image has one number per feature, and there are C H W", hidden=True),
    Row("a2.9", "a constant feature", 2, "variances", with_constant,
        "a variance of 0 is a variance", hidden=True),
    Row("a2.10", "fewer directions", 2, "white", fewer,
        "each direction is divided by its own spread", hidden=True),
    Row("a2.10", "no variance", 2, "white", flat,
        "ε stands under the root: see self._scale(x)", hidden=True),
    Row("a2.11", "a uniform one", 1, "xavier_bound", public.convolution,
        "the bound is √3 standard deviations", rtol=1e-5, hidden=True),
    Row("a2.12", "a uniform one", 1, "he_bound", backwards,
        "the bound is √3 standard deviations", rtol=1e-5, hidden=True),
]
# fmt: on
