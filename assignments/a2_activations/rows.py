"""What is asked of each task: the rows that a student can see.

Draws choose the shapes as well as the numbers: N examples, D features, C channels, and
u = ∂L/∂y. A row that looks easy may hold a corner: a zero, a tie, a score of 1000.
"""
# ruff: noqa: D103  most draw what their names say

import numpy as np

from minidl_course import Row, narrow, without


def plain(draw):
    """Numbers of both signs, none near a kink."""
    n, d = draw.sizes(2)
    x = 2 * draw.away(n, d)
    x[0, :2] = abs(x[0, :2]) * [-1, 1]  # both signs, for every student
    return {"x": x, "u": draw.normal(n, d)}


def far(draw):
    """The same, and −1000, −35, 35 and 1000."""
    inputs = plain(draw)
    inputs["x"][:2, :2] = [[-1000.0, -35.0], [35.0, 1000.0]]
    return inputs


def kinks(draw):
    """The same, and some zeros."""
    inputs = plain(draw)
    inputs["x"][0] = 0
    return inputs


def sloped(draw):
    return {**plain(draw), "s": float(draw.uniform(1, low=0.01, high=0.3)[0])}


def steep(draw):
    """A negative slope and one above 1: each tells other wrong answers apart."""
    u, v = draw.uniform(2, low=0.25, high=0.75)
    return {**plain(draw), "s": np.array([-u, 1 + 2 * v])}


def with_alpha(draw):
    return {**plain(draw), "alpha": float(draw.uniform(1, low=0.5, high=1.5)[0])}


def alpha_at_kinks(draw):
    return {**with_alpha(draw), **kinks(draw)}


def alpha_far(draw):
    """Numbers of ±1000, and some so small that eˣ − 1 has no digits left."""
    inputs = with_alpha(draw)
    inputs["x"][:2, :2] = [[-1000.0, -1e-12], [1e-12, 1000.0]]
    return inputs


def groups(draw):
    n, d, k = draw.sizes(3)
    return {"x": draw.normal(n, d * k), "pieces": k, "u": draw.normal(n, d)}


def ties(draw):
    inputs = groups(draw)
    x = inputs["x"]
    x[:] = np.round(x)
    x[0] = x[0, 0]
    return inputs


def samples(draw):
    d, n, new = draw.sizes(3, high=9)
    mean = 3 * draw.normal(d)
    return {"x": draw.normal(n, d) + mean, "new": draw.normal(new, d) + mean}


def images(draw):
    n, c, h, w = draw.sizes(4)
    mean = 3 * draw.normal(c, 1, 1)
    return {"x": draw.normal(n, c, h, w) + mean, "new": draw.normal(2, c, h, w) + mean}


def stretched(draw):
    """Many samples of few features, with another variance in every direction."""
    d, more, new = draw.sizes(3, low=3)
    mix = draw.uniform(d, d) + 2 * np.diag(1.0 + np.arange(d))
    mean = 3 * draw.normal(d)
    x = draw.normal(3 * d + more, d) @ mix + mean
    k = draw.integer(2, d + 1)
    return {"x": x, "new": draw.normal(new, d) @ mix + mean, "k": k}


def few(draw):
    """Fewer samples than features."""
    n, d = sorted(draw.sizes(2, low=4, high=9))
    x = draw.normal(n, d) * (1.0 + np.arange(d)) + draw.normal(d)
    return {"x": x, "k": draw.integer(2, n)}


def to_whiten(draw):
    inputs = stretched(draw)
    eps = float(draw.uniform(1, low=0.01, high=0.5)[0])
    return {**inputs, "k": inputs["x"].shape[1], "eps": eps}


def images_to_whiten(draw):
    c, h, w = draw.sizes(3, high=5)
    x = draw.normal(2 * c * h * w, c, h, w) * draw.uniform(c, h, w, low=1.0, high=3.0)
    eps = float(draw.uniform(1, low=0.01, high=0.5)[0])
    return {"x": x, "new": draw.normal(3, c, h, w), "eps": eps}


def weight(draw):
    return {"shape": np.array(draw.sizes(2, low=3, high=12))}


def convolution(draw):
    return {"shape": np.array(draw.sizes(4))}


def directed(draw, out=False):
    """For tanh or SELU, whose gains are neither 1 nor ReLU's."""
    return {**weight(draw), "out": out, "nonlinearity": draw.integer(2, 4)}


def outward(draw):
    return directed(draw, out=True)


def leaking(draw):
    return {**weight(draw), "s": float(draw.uniform(1, low=0.1, high=0.9)[0])}


# fmt: off
ROWS = [
    Row("a2.1", "kind", 1, "logistic", narrow(without(plain, "u")),
        "one number for each that came, and float32 stays float32", compare="kind"),
    Row("a2.1", "value", 2, "logistic", without(plain, "u"),
        "what does yours say at 0? And at 2 and −2, added up?"),
    Row("a2.1", "far out", 2, "logistic_far", without(far, "u"),
        "somewhere an exponential overflows; is the value right there all the same? "
        "Then say so (np.errstate), or choose a form that does not"),

    Row("a2.2", "kind", 1, "logistic_dx", narrow(plain),
        "dx is shaped like x", compare="kind"),
    Row("a2.2", "gradient", 2, "logistic_dx", plain,
        "the slope is steepest at 0, and it is 1/4 there; is g in it?"),
    Row("a2.2", "far out", 1, "logistic_dx", far,
        "a saturated unit hands back 0, and never nan"),

    Row("a2.3", "kind", 1, "tanh", narrow(without(plain, "u")),
        "one number for each that came, and float32 stays float32", compare="kind"),
    Row("a2.3", "value", 2, "tanh", without(plain, "u"),
        "what does yours say at 0? It is odd: are yours?"),
    Row("a2.3", "gradient", 2, "tanh_dx", plain,
        "the slope is steepest at 0, and it is 1 there; is g in it?"),
    Row("a2.3", "far out", 1, "tanh_far", far,
        "∞ / ∞ is nan: namespace(x) has a function for this one"),

    Row("a2.4", "kind", 1, "rectified", narrow(without(plain, "u")),
        "one number for each that came, and float32 stays float32", compare="kind"),
    Row("a2.4", "value", 2, "rectified", without(plain, "u"),
        "what is negative becomes 0, the rest stays"),
    Row("a2.4", "gradient", 2, "rectified_dx", plain,
        "nudge a negative x: does y move?"),
    Row("a2.4", "at the kink", 1, "rectified_dx", kinks,
        "the docstring says which slope is chosen at 0"),

    Row("a2.5", "kind", 1, "leaky", narrow(without(sloped, "u")),
        "one number for each that came, and float32 stays float32", compare="kind"),
    Row("a2.5", "value", 2, "leaky", without(sloped, "u"),
        "what is negative does not become 0, but small"),
    Row("a2.5", "gradient", 2, "leaky_dx", sloped,
        "two straight lines, two slopes"),
    Row("a2.5", "any slope", 1, "leaky_dx", steep,
        "a maximum of two lines picks the wrong one if the slope is over 1"),

    Row("a2.6", "kind", 1, "exponential", narrow(without(with_alpha, "u")),
        "one number for each that came, and float32 stays float32", compare="kind"),
    Row("a2.6", "value", 2, "exponential", without(with_alpha, "u"),
        "for very negative x it goes to −α"),
    Row("a2.6", "gradient", 3, "exponential_dx", with_alpha,
        "differentiate each side of 0 for itself; is α in the left one?"),
    Row("a2.6", "at the kink", 1, "exponential_dx", alpha_at_kinks,
        "the docstring says which slope is chosen at 0"),
    Row("a2.6", "far out", 1, "exponential_far", alpha_far,
        "where evaluates both sides: what does eˣ say at 1000? And of a tiny x is "
        "eˣ − 1 exact?", atol=0),

    Row("a2.7", "kind", 1, "largest", narrow(without(groups, "u")),
        "`pieces` neighbors become one number", compare="kind"),
    Row("a2.7", "value", 3, "largest", without(groups, "u"),
        "z has an axis more than x: which one is the group?"),
    Row("a2.7", "gradient", 4, "largest_dx", groups,
        "one of each group gets g, the others nothing; and dx is shaped like x"),
    Row("a2.7", "ties", 2, "largest_dx", ties,
        "of equal ones the first wins, and it gets all"),

    Row("a2.8", "kind", 1, "centered", samples,
        "the mean has the shape of one sample", compare="kind"),
    Row("a2.8", "mean of each feature", 2, "centered", samples,
        "average over samples, not over features"),
    Row("a2.8", "mean of each channel", 2, "centered_channels", images,
        "self._axes(x) says what to average over"),

    Row("a2.9", "kind", 1, "directions", without(stretched, "new"),
        "v holds a direction in every row", compare="kind"),
    Row("a2.9", "directions", 3, "directions", without(stretched, "new"),
        "center first; and eigh gives the smallest eigenvalue first, in columns"),
    Row("a2.9", "variances", 3, "variances", without(stretched, "new"),
        "of n samples: is it divided by n, or by n − 1?"),
    Row("a2.9", "new samples", 2, "projected", stretched,
        "self.mean (D,) is learned here, and used in transform"),
    Row("a2.9", "few samples", 2, "few_samples", few,
        "n samples span fewer than n directions: which decomposition minds least?"),

    Row("a2.10", "kind", 1, "white", to_whiten,
        "without zca z is (N, k)", compare="kind"),
    Row("a2.10", "white", 3, "white", to_whiten,
        "print the covariance: what should stand on its diagonal?"),
    Row("a2.10", "zca", 2, "white_images", images_to_whiten,
        "PCA turned the data by Vᵀ; turn them back, and make images of them"),

    Row("a2.11", "kind", 1, "xavier", weight,
        "the standard deviation is one number", compare="kind"),
    Row("a2.11", "a weight", 2, "xavier_std", weight,
        "a square root of a mean of two wishes: see the handout", rtol=1e-5),
    Row("a2.11", "a convolution", 1, "xavier_std", convolution,
        "_fans counts the inputs and outputs of a unit", rtol=1e-5),

    Row("a2.12", "kind", 1, "he", weight,
        "the standard deviation is one number", compare="kind"),
    Row("a2.12", "signals", 1, "he_std", directed,
        "gain² / fan is a variance; which fan do signals meet?", rtol=1e-5),
    Row("a2.12", "gradients", 1, "he_std", outward,
        "mode says which of the two fans", rtol=1e-5),
    Row("a2.12", "a leaky unit", 1, "he_leaky", leaking,
        "calculate_gain wants to know the slope, too", rtol=1e-5),
]
# fmt: on
