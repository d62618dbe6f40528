"""What is asked of each task: the rows that a student can see.

Draws choose the sizes as well as the numbers. A row that looks easy may hold a corner.
"""
# ruff: noqa: D103  most draw what their names say

import numpy as np

from minidl_course import Row, narrow, without


def number(draw, low, high):
    return float(draw.uniform(1, low=low, high=high)[0])


# a6.1


def beginnings(draw):
    """Scores of K classes, of which two do not occur; first losses of each kind."""
    k, n = draw.integer(5, 10), draw.integer(11, 20)
    ratios = np.array([0.4, 0.87, 0.92, 1.08, 1.13, 1.9, 2.1, 5.0])
    inputs = {"scores": draw.normal(n, k), "y": draw.integers(0, k - 2, n)}
    ratios = ratios[draw.permutation(8)] + draw.uniform(8, low=-0.01, high=0.01)
    return {**inputs, "first": np.log(k) * ratios}


def weighted_beginnings(draw):
    inputs = beginnings(draw)
    k = inputs["scores"].shape[1]
    return {**inputs, "weight": draw.uniform(k, low=0.2, high=5.0)}


# a6.2, a6.3


def groups(draw):
    """Two whole groups of k rows, and nothing left over."""
    k, d = draw.integer(2, 6), draw.integer(3, 6)
    return {"x": 3 * draw.away(2 * k, d), "k": k}


def with_rest(draw):
    """Two whole groups and some rows more, fewer than k."""
    k, d = draw.integer(2, 6), draw.integer(3, 6)
    return {"x": 3 * draw.away(2 * k + draw.integer(1, k), d), "k": k}


# a6.4


def pairs(draw, average=0):
    """Predictions and truths of 3 to 5 classes; class 0 is predicted too often."""
    k, n = draw.integer(3, 6), draw.integer(30, 50)
    truth, other = draw.integers(0, k, n), draw.integers(0, k, n)
    said = np.where(draw.uniform(n) < 0.3, truth, other)
    every, extra = np.arange(k), draw.integer(4, 9)
    return {
        "said": np.concatenate([said, every, np.zeros(extra, np.int64)]),
        "truth": np.concatenate([truth, every, draw.integers(1, k, extra)]),
        "average": average,
    }


def macro(draw):
    return pairs(draw, average=1)


# a6.5


def labeled(draw):
    n, k = draw.sizes(2, low=3, high=8)
    return {
        "x": 2 * draw.normal(n, k), "labels": draw.integers(0, k, n),
        "gamma": number(draw, 1.4, 3.5),
    }  # fmt: skip


def without_gamma(draw):
    return {**labeled(draw), "gamma": 0.0}


def huge(draw):
    """Scores of a thousand: each label once far ahead, once far behind."""
    inputs = labeled(draw)
    x = 1000.0 * inputs["x"]
    rows = np.arange(len(x))
    x[rows, inputs["labels"]] = 3000.0 * (-1.0) ** rows
    return {**inputs, "x": x}


# a6.6


def decades(draw):
    """A range of two to four decades below 1, and positions in it."""
    low = number(draw, 1, 9) * 10.0 ** -draw.integer(5, 8)
    high = low * 10 ** number(draw, 2, 4)
    return {"u": draw.uniform(9, low=0.02, high=0.98), "low": low, "high": high}


def ends(draw):
    return {**decades(draw), "u": np.array([0.0, 0.5, 1.0])}


# a6.7


def sweeping(draw):
    """Nothing happens, the loss falls, and then it rises."""
    t, a = np.arange(100), number(draw, 40, 55)
    fall = 1.8 / (1 + np.exp(-(t - a) / number(draw, 3, 5)))
    rise = 0.003 * np.maximum(0, t - number(draw, 70, 78)) ** 2
    return {"losses": 2.3 - fall + rise + 0.01 * draw.normal(100)}


# a6.8


def matrices(draw):
    """Two matrices of unequal size, and a step of each of unequal share."""
    a, b, c = draw.sizes(3, low=3, high=8)
    w, v = draw.normal(a, b), 9 * draw.normal(b, c)
    return {
        "w": w, "step": 0.3 * draw.normal(a, b),
        "v": v, "step_v": number(draw, 0.5, 0.9) * draw.normal(b, c),
    }  # fmt: skip


# a6.9


def line(draw):
    """Points on a line, and noise."""
    n = draw.integer(8, 30)
    trend = draw.choice((1, -1)) * number(draw, 1, 4) * np.linspace(0, 1, n)
    return {"y": number(draw, 3, 9) + trend + 0.3 * draw.normal(n)}


# a6.10


def run(draw, rise, noise=0.0, jump=0.0):
    """A validation loss of 24 epochs: it falls for eight or so, then rises by a share.

    noise   it goes up and down by so much, in turn
    jump    so much is added in the last two epochs
    """
    t, best = np.arange(24), draw.integer(7, 10)
    low = number(draw, 0.6, 1.0)
    since = np.maximum(0, t - best) / (23 - best)
    val = low * (1 + 1.5 * np.exp(-t / 2) + rise * since)
    val[-2:] += jump * low
    return val + noise * low * (-1.0) ** t + 0.002 * draw.uniform(24)


def training(draw, learns=True):
    """A training loss that falls to the end, or stands still after epoch 5."""
    t = np.arange(24)
    still = np.minimum(t, 5) if not learns else t
    return 2.3 * np.exp(-still / number(draw, 5, 8)) + 0.05


def shuffled(draw, *runs):
    """Pairs (training loss, validation loss) in a random order."""
    order = draw.permutation(len(runs))
    train, val = zip(*[runs[i] for i in order], strict=True)
    return {"train": np.array(train), "val": np.array(val)}


def rising(draw):
    """Two that rise by 50 to 90 %, and two that do not rise, in a random order."""
    yes = [(training(draw), run(draw, number(draw, 0.5, 0.9))) for _ in range(2)]
    no = [(training(draw), run(draw, number(draw, -0.1, 0.0))) for _ in range(2)]
    return shuffled(draw, *yes, *no)


def noisy(draw):
    """The same rise, once in so much noise that it says nothing."""
    rise = number(draw, 0.5, 0.7)
    return shuffled(
        draw, (training(draw), run(draw, rise)),
        (training(draw), run(draw, rise, noise=0.1)),
        (training(draw), run(draw, rise, noise=0.12)),
    )  # fmt: skip


def standing(draw):
    """The same rise, once while training learns nothing more either."""
    rise = number(draw, 0.5, 0.7)
    return shuffled(
        draw, (training(draw), run(draw, rise)),
        (training(draw, learns=False), run(draw, rise)),
        (training(draw, learns=False), run(draw, rise)),
    )  # fmt: skip


# a6.11, a6.12


def dealing(draw):
    """n samples that do not divide evenly by k."""
    k = draw.integer(3, 7)
    n = k * draw.integer(4, 7) + draw.integer(1, k)
    return {"n": n, "k": k, "seed": draw.integer(0, 10**6)}


def samples(draw):
    return {"n": draw.integer(20, 60), "seed": draw.integer(0, 10**6)}


# a6.13


def counts(draw, decay, warmup=False):
    n = 1 + np.concatenate([[0, 1, 2], draw.integers(3, 200, 6)])
    return {"n": n, "decay": decay, "warmup": warmup}


def plain_counts(draw):
    return counts(draw, 0.0)


def forgetting(draw):
    return counts(draw, number(draw, 0.6, 0.95))


# a6.14


def members(draw):
    """Scores of M members for N samples of K classes; all weights are equal."""
    n, m, k = draw.sizes(3, low=3, high=8)
    return {"scores": 2 * draw.normal(n, m, k), "weights": np.full(m, 2.0)}


def weighted(draw):
    inputs = members(draw)
    m = len(inputs["weights"])
    return {**inputs, "weights": draw.uniform(m, low=0.2, high=4.0)}


# fmt: off
ROWS = [
    Row("a6.1", "equal scores", 2, "firsts", beginnings,
        "hand scores of 0 to the loss that is given", answers=("expected",)),
    Row("a6.1", "the ratio", 1, "firsts", weighted_beginnings,
        "first divided by expected; class weights change nothing", answers=("ratio",)),
    Row("a6.1", "the verdict", 2, "firsts", beginnings,
        "right is within 10 % of expected, to both sides; spread goes up to HIGH times",
        answers=("verdict",)),

    Row("a6.2", "when it steps", 2, "accumulated", groups,
        "count each micro-batch from 1, and step when k of them wait",
        answers=("stepped",)),
    Row("a6.2", "where it goes", 2, "accumulated", groups,
        "backward adds up gradients; flush() divides and steps", answers=("path",)),

    Row("a6.3", "the mean of a group", 2, "accumulated", groups,
        "divide the sum by self.total before anything else; path is the parameter",
        answers=("path",)),
    Row("a6.3", "before the step", 1, "accumulated", groups,
        "before_step wants the mean, and comes before optimizer.step()",
        answers=("seen",)),
    Row("a6.3", "all begins anew", 1, "accumulated", groups,
        "clear the gradients, and set both counters back", answers=("cleared", "path")),

    Row("a6.4", "precision", 2, "shares", pairs,
        "hits over all that was called this class: the sum of a column of c",
        answers=("precision",)),
    Row("a6.4", "recall", 1, "shares", pairs,
        "hits over all that is of this class: the sum of a row of c",
        answers=("recall",)),
    Row("a6.4", "F1", 2, "shares", pairs,
        "2 TP / (2 TP + FP + FN); called + support has TP twice",
        answers=("f1_score",)),
    Row("a6.4", "macro", 1, "shares", macro,
        "leave the shares of all classes behind; their mean is made below"),

    Row("a6.5", "kind", 1, "focal_dx", narrow(labeled),
        "dx is shaped like x", compare="kind"),
    Row("a6.5", "cross entropy", 1, "focal", without_gamma,
        "with γ = 0 it is −log p: softplus(−m)"),
    Row("a6.5", "value", 2, "focal", labeled,
        "log(1 − p) = −softplus(m); a power is exp(γ log …)"),
    Row("a6.5", "gradient", 2, "focal_dx", labeled,
        "use only functions that the file imports: they speak Tensor",
        answers=("dx",)),
    Row("a6.5", "scores of a thousand", 1, "focal_dx", huge,
        "no overflow: never take the log of a probability"),

    Row("a6.6", "ends and middle", 1, "positions", ends,
        "u = 0 is low, u = 1 is high, and u = 1/2 is the root of low · high"),
    Row("a6.6", "everywhere", 2, "positions", decades,
        "log(value) goes from log(low) to log(high) as u goes from 0 to 1"),

    Row("a6.7", "the smallest mean", 2, "sweep", sweeping,
        "argmin over steps from BURN_IN on, plus BURN_IN: leave it behind as bottom",
        answers=("lowest",)),
    Row("a6.7", "the steepest fall", 2, "sweep", sweeping,
        "the smallest _slope over log(rates), from BURN_IN to the smallest mean",
        answers=("steepest",)),
    Row("a6.7", "the suggestion", 2, "sweep", sweeping,
        "the geometric mean of steepest and lowest / 3", answers=("suggestion",)),

    Row("a6.8", "one matrix", 2, "step_size", without(matrices, "v", "step_v"),
        "norm(list of differences) / norm(before)"),
    Row("a6.8", "two matrices", 1, "step_size", matrices,
        "norm takes a list of arrays, and gives one length for all of them"),

    Row("a6.9", "slope", 3, "slope", line,
        "rise is your slope; x has mean 0: b = Σ x y / Σ x²", answers=("rise",)),
    Row("a6.9", "error", 2, "slope", line,
        "σ² = Σ r² / (n − 2), and the error of b is σ / √Σ x²", answers=("error",)),

    Row("a6.10", "it rises", 2, "verdicts", rising,
        "all four questions must be answered with yes"),
    Row("a6.10", "noise", 2, "verdicts", noisy,
        "clear of noise: rise > 4 trend.noise(val)"),
    Row("a6.10", "training stands still", 2, "verdicts", standing,
        "the training loss must have fallen by 10 % since trend.at(train, place)"),

    Row("a6.11", "folds", 2, "folds", dealing,
        "the sample at place i of `order` goes to fold i mod k", answers=("fold",)),
    Row("a6.11", "sizes", 1, "folds", dealing,
        "sizes of the folds differ by one at most", answers=("sizes", "times")),

    Row("a6.12", "drawn", 2, "bag", samples,
        "n whole numbers below n, drawn at once from g; both answers are arrays",
        answers=("drawn",)),
    Row("a6.12", "never drawn", 1, "bag", samples,
        "which of 0 … n − 1 are not among them? In rising order"),

    Row("a6.13", "plain mean", 2, "newest", plain_counts,
        "the mean of n values: each has the weight 1 / n"),
    Row("a6.13", "a mean that forgets", 1, "newest", forgetting,
        "decay is the weight of what is old; the first value has weight 1"),

    Row("a6.14", "kind", 1, "answers", narrow(members),
        "mean (N, K), disagreement (N,); weights[:, None] stand beside (N, M, K)",
        compare="kind"),
    Row("a6.14", "mean probabilities", 2, "answers", members,
        "p is your mean: softmax over classes first, then the mean over members",
        answers=("p",)),
    Row("a6.14", "weights", 1, "answers", weighted,
        "divide the weights by their sum", answers=("p",)),
]
# fmt: on
