"""What is asked of each task: the rows that a student can see.

Draws choose the shapes as well as the numbers: N examples, C channels, D features,
T time steps, K classes, and u = ∂L/∂y. A row that looks easy may hold a corner.
"""
# ruff: noqa: D103  most draw what their names say

import numpy as np

from minidl_course import Row, narrow, without


def number(draw, low, high):
    return float(draw.uniform(1, low=low, high=high)[0])


def normed(draw, shape, features):
    """x, its γ and β, an ε that can be seen, and u."""
    shift = 3 * draw.normal(*features)
    return {
        "x": draw.normal(*shape) + draw.integer(-3, 4), "gamma": 2 * draw.away(
        *features), "beta": shift, "eps": number(draw, 0.01, 0.5),
        "u": draw.normal(*shape),
    }  # fmt: skip


def batch(draw):
    n, c = draw.sizes(2, low=3)
    return normed(draw, (n, c), (c,))


def images(draw):
    n, c, h, w = draw.sizes(4)
    return normed(draw, (n, c, h, w), (c,))


def statistics(draw):
    inputs = images(draw)
    return {"x": inputs["x"], "eps": inputs["eps"]}


def several(draw):
    """A few batches (B, N, D) in float32, none of which has mean 0 and variance 1."""
    b, n, d = draw.sizes(3, low=3)
    x = draw.normal(b, n, d) * (1 + draw.uniform(d)) + 3 * draw.away(d)
    return {"batches": x.astype("float32"), "momentum": number(draw, 0.1, 0.9)}


def sequences(draw):
    n, t, d = draw.sizes(3, low=3)
    return normed(draw, (n, t, d), (d,))


def noisy(draw):
    """A key for the noise, and how much of it."""
    n, d = draw.sizes(2, low=4, high=10)
    key = np.array([draw.integer(0, 2**31), draw.integer(0, 99)], np.uint64)
    return {
        "x": draw.away(n, d), "key": key, "p": number(draw, 0.2, 0.7),
        "u": draw.away(n, d),
    }  # fmt: skip


def walk(draw):
    """A parameter (N, D), and gradients (T, N, D)."""
    t, n, d = draw.sizes(3, low=3)
    return {
        "p": 2 * draw.away(n, d), "grads": draw.normal(t, n, d),
        "lr": number(draw, 0.05, 0.5), "weight_decay": number(draw, 0.1, 0.9),
    }  # fmt: skip


def labeled(draw):
    n, k = draw.sizes(2, low=3)
    return {
        "x": 2 * draw.normal(n, k), "labels": draw.integers(0, k, n),
        "smoothing": number(draw, 0.1, 0.6), "u": draw.away(n),
    }  # fmt: skip


def weighted(draw):
    """Classes that weigh differently."""
    inputs = without(labeled, "u")(draw)
    weight = draw.uniform(inputs["x"].shape[1], low=0.3, high=2)
    return {**inputs, "weight": weight}


def pairs(draw):
    """Images and labels, all of them different enough to be told apart."""
    n, h, w = draw.sizes(3, low=5, high=10)
    classes = n + draw.integer(1, 4)
    return {
        "x": draw.normal(n, 1, h, w), "labels": draw.permutation(classes)[:n],
        "classes": classes, "alpha": number(draw, 0.3, 2),
        "seed": draw.integer(0, 10**6),
    }  # fmt: skip


def overfitting(draw):
    """A loss that falls, with some bad luck on the way, and then stays above its best.

    Above it, it falls again, so that whoever takes the last one for the best is seen.
    """
    patience = draw.integer(2, 5)
    falls = 5.0 - 0.5 * np.arange(draw.integer(4, 8))
    luck = 4.1 + draw.uniform(patience - 1, low=0)  # not enough to lose patience
    rises = 0.1 + 0.4 * np.sort(draw.uniform(patience + 5, low=0))[::-1]
    rises[0] += 0.8
    rises += falls[-1]
    return {"metrics": np.concatenate([falls[:3], luck, falls[3:], rises]),
            "patience": patience}  # fmt: skip


def turning(draw):
    """Weights (D, K), and directions (T, D, K) from which gradients are made."""
    t, d, k = draw.sizes(3, low=3)
    return {
        "p": 2 * draw.away(d, k), "directions": draw.away(t, d, k),
        "lr": number(draw, 0.05, 0.3),
    }  # fmt: skip


# fmt: off
ROWS = [
    Row("a4.1", "kind", 1, "batch", narrow(without(batch, "u")),
        "y is shaped like x, and float32 stays float32", compare="kind"),
    Row("a4.1", "vectors", 2, "batch", without(batch, "u"),
        "with γ = 1 and β = 0, every column of y has mean 0 and nearly variance 1"),
    Row("a4.1", "images", 2, "batch", without(images, "u"),
        "one mean for a channel: over `axes`, which has the batch and all positions"),
    Row("a4.1", "statistics", 1, "batch_statistics", statistics,
        "mean and var are what the layer remembers; var is without ε, divided by n"),

    Row("a4.2", "kind", 1, "batch_all", narrow(batch),
        "dx is shaped like x; dgamma and dbeta have one number for each channel",
        compare="kind"),
    Row("a4.2", "gradient of β", 2, "batch_all", batch,
        "β was stretched over the batch: what is the transpose of copying?",
        answers=("dbeta",)),
    Row("a4.2", "gradient of γ", 2, "batch_all", batch,
        "y = γ x̂ + β: what does γ multiply? It can be made again from x, mean, rstd",
        answers=("dgamma",)),
    Row("a4.2", "gradient of x", 3, "batch_all", batch,
        "three ways lead from x to L: directly, through μ, and through σ²",
        answers=("dx",)),
    Row("a4.2", "images", 2, "batch_all", images,
        "n is the number of values that share a mean, not the size of the batch"),

    Row("a4.3", "kind", 1, "remembered", several,
        "what is remembered is changed in place, and keeps its shape", compare="kind"),
    Row("a4.3", "mean", 2, "remembered", several,
        "`share` is the weight of the new, 1 − share that of the old",
        rtol=1e-5, atol=1e-6, answers=("means",)),
    Row("a4.3", "variance", 3, "remembered", several,
        "var was divided by n; an estimate for all data is divided by something else",
        rtol=1e-5, atol=1e-6, answers=("variances",)),

    Row("a4.4", "kind", 1, "layer", narrow(without(batch, "u")),
        "y is shaped like x, and float32 stays float32", compare="kind"),
    Row("a4.4", "vectors", 3, "layer", without(batch, "u"),
        "with γ = 1 and β = 0, every row of y has mean 0 and nearly variance 1"),
    Row("a4.4", "sequences", 2, "layer", without(sequences, "u"),
        "each time step of each example is on its own: see `axes`"),

    Row("a4.5", "kind", 1, "layer_all", narrow(batch),
        "dx is shaped like x, dgamma like γ, dbeta like β", compare="kind"),
    Row("a4.5", "gradient of β", 2, "layer_all", batch,
        "β is shared by all examples: sum over `batch`, not over `axes`",
        answers=("dbeta",)),
    Row("a4.5", "gradient of γ", 2, "layer_all", batch,
        "γ is shared by all examples: sum over `batch`, not over `axes`",
        answers=("dgamma",)),
    Row("a4.5", "gradient of x", 3, "layer_all", batch,
        "what arrives at x̂ is not g; from there on it is as in a4.2, along `axes`",
        answers=("dx",)),

    Row("a4.6", "kind", 1, "dropped", narrow(without(noisy, "u")),
        "y is shaped like x, and float32 stays float32", compare="kind"),
    Row("a4.6", "value", 3, "dropped", without(noisy, "u"),
        "what is kept must be made larger, so that the mean of y is x; x must stay"),

    Row("a4.7", "kind", 1, "dropped_dx", narrow(noisy),
        "dx is shaped like x", compare="kind"),
    Row("a4.7", "gradient", 3, "dropped_dx", noisy,
        "y is x times a number, another one for each element: what is its slope?"),

    Row("a4.8", "kind", 1, "shrunk", narrow(walk),
        "what comes out has the shape and the dtype of g", compare="kind"),
    Row("a4.8", "steps", 2, "shrunk", walk,
        "differentiate ½ λ θ² and add it to g, in a new array"),

    Row("a4.9", "kind", 1, "smoothed", narrow(without(labeled, "u")),
        "q keeps its shape (N, K)", compare="kind"),
    Row("a4.9", "losses", 2, "smoothed", without(labeled, "u"),
        "every row of q adds up to 1, before and after"),
    Row("a4.9", "gradient of x", 1, "smoothed_dx", labeled,
        "the slope p − q uses the q that you leave behind"),
    Row("a4.9", "weights", 2, "smoothed_weighted", weighted,
        "w multiplies what each class is asked for: the label's and the shared part"),

    Row("a4.10", "kind", 1, "mixed", narrow(pairs),
        "as many samples as before; labels have become rows", compare="kind"),
    Row("a4.10", "images", 2, "mixed", pairs,
        "draw the shares first, then the partners, both from g; λ is the sample's own",
        answers=("x",), rtol=1e-5, atol=1e-6),
    Row("a4.10", "labels", 2, "mixed", pairs,
        "a sample and its label are mixed with the same partner, in the same share",
        answers=("y",), rtol=1e-5, atol=1e-6),

    Row("a4.11", "when it stops", 2, "stopped", overfitting,
        "it stops in the epoch in which `patience` bad ones in a row are complete",
        answers=("epochs",)),
    Row("a4.11", "what was best", 2, "stopped", overfitting,
        "remember the value and the epoch, and start to count anew",
        answers=("best", "best_epoch")),
    Row("a4.11", "weights", 2, "stopped", overfitting,
        "take the weights in the epoch that is best, not in the one that is last",
        answers=("weight",)),

    Row("a4.12", "kind", 1, "turned", narrow(turning),
        "q keeps the shape and the dtype of p", compare="kind"),
    Row("a4.12", "gradients at right angles", 2, "turned", turning,
        "each column of p is a vector w, and loses its own part along w: sum over axes",
        answers=("p",)),
    Row("a4.12", "other gradients", 1, "straight", turning,
        "where `passed` is 0 the step stays Adam's"),
]
# fmt: on
