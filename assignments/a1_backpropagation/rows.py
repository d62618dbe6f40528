"""What is asked of each task: the rows that a student can see.

Draws choose the shapes as well as the numbers: N examples, D features, K classes, and
u = ∂L/∂y. A row that looks easy may hold a corner: a zero, a tie, a score of 1000.
"""
# ruff: noqa: D103  most draw what their names say

import numpy as np

from minidl_course import Row, narrow, without


def pair(draw):
    """a (N, D) with a zero in it, and b (D,), which no number of is near 0."""
    n, d = draw.sizes(2)
    a = draw.normal(n, d)
    a[0, 0] = 0
    return {"a": a, "b": draw.away(d), "u": draw.normal(n, d)}


def fronted(draw):
    t, n, d = draw.sizes(3)
    return {"x": draw.normal(t, n, d), "shape": np.array(draw.choice([(d,), (n, d)]))}


def stretched(draw):
    n, d, k = draw.sizes(3)
    shape = draw.choice([(n, 1, k), (1, d, k), (n, 1, 1), (1, d, 1)])
    return {"x": draw.normal(n, d, k), "shape": np.array(shape)}


def two_to_stretch(draw):
    n, d = draw.sizes(2)
    return {"a": draw.normal(n, 1), "b": draw.normal(d), "u": draw.normal(n, d)}


def twice(draw):
    n, d = draw.sizes(2)
    x, c, u = draw.normal(3, n, d)
    return {"x": x, "c": c, "u": u}


def often(draw):
    k, n, d = draw.sizes(3, low=3)
    return {"x": draw.normal(n, d), "weights": draw.normal(k), "u": draw.normal(n, d)}


def neighbors(draw):
    n, d = draw.sizes(2)
    a, b, c, u = draw.normal(4, n, d)
    return {"a": a, "b": b, "c": c, "u": u}


def chain(draw):
    steps, n = draw.sizes(2, low=3)
    return {"x": draw.normal(n), "c": draw.away(steps), "u": draw.normal(n)}


def diamond(draw):
    (n,) = draw.sizes(1)
    x, u = draw.uniform(2, n)
    return {"x": x, "depth": draw.integer(2, 6), "u": u}


def outputs(draw):
    n, d = draw.sizes(2, low=4)
    return {"x": draw.normal(n, d), "c": draw.normal(d), "u": draw.normal(d)}


def long_chain(draw):
    (n,) = draw.sizes(1)
    c = draw.uniform(3000, low=0.999, high=1.001)
    return {"x": draw.normal(n), "c": c, "u": draw.normal(n)}


def layer(draw):
    n, d, k = draw.sizes(3)
    x, w, b = draw.normal(n, d), draw.normal(d, k), draw.normal(k)
    return {"x": x, "w": w, "b": b, "u": draw.normal(n, k)}


def scores(draw):
    n, k = draw.sizes(2)
    return {"x": 2 * draw.normal(n, k), "u": draw.normal(n, k)}


def large(draw):
    """Scores near 1000."""
    n, k = draw.sizes(2)
    return {"x": 1000 + 2 * draw.normal(n, k)}


def along(draw):
    n, k, t = draw.sizes(3)
    axis = draw.choice([0, 1, -2])
    return {"x": draw.normal(n, k, t), "axis": axis, "u": draw.normal(n, k, t)}


def labeled(draw):
    n, k = draw.sizes(2)
    labels = draw.integers(0, k, n)
    return {"x": 2 * draw.normal(n, k), "labels": labels, "u": draw.normal(n)}


def one_loss(draw):
    return {**labeled(draw), "u": float(draw.away(1)[0])}


def soft(draw):
    """Labels that are probabilities; one class of the first example has none."""
    n, k = draw.sizes(2)
    q = draw.uniform(n, k, low=0.1, high=1.0)
    q[0, 0] = 0
    q /= q.sum(axis=1, keepdims=True)
    return {"x": draw.normal(n, k), "labels": q, "u": draw.normal(n)}


def sure_and_wrong(draw):
    """Scores of ±1000 for the right class, and one of −∞ for a wrong one."""
    n, k = draw.sizes(2, low=3)
    labels = draw.integers(1, k, n)
    x = draw.normal(n, k)
    x[np.arange(n), labels] += 1000.0 * np.where(np.arange(n) % 2, 1, -1)
    x[1, 0] = -np.inf
    return {"x": x, "labels": labels, "u": draw.normal(n)}


def margins(draw):
    """Labels and scores; one rival is behind the label, but within the margin."""
    found, margin = labeled(draw), float(draw.uniform(1, low=0.5, high=2.0)[0])
    x, label = found["x"], found["labels"][0]
    x[0, (label + 1) % x.shape[1]] = x[0, label] - margin / 2
    return {**found, "margin": margin}


# fmt: off
ROWS = [
    Row("a1.1", "kind", 1, "quotient", narrow(without(pair, "u")),
        "the value has the shape that a / b has in NumPy",
        compare="kind"),
    Row("a1.1", "value", 2, "quotient", without(pair, "u"),
        "compare with a / b on paper for a = 6, b = 3"),
    Row("a1.1", "gradient of a", 2, "quotient_da", pair,
        "hold b fixed: y is then a straight line in a. What is its slope?"),
    Row("a1.1", "gradient of b", 3, "quotient_db", pair,
        "write a / b as a times a power of b, and look the power up; mind the sign"),

    Row("a1.2", "kind", 1, "summed", fronted,
        "y has exactly the shape that was asked for", compare="kind"),
    Row("a1.2", "axes in front", 2, "summed", fronted,
        "broadcasting puts missing axes in front: `extra` says how many there are"),
    Row("a1.2", "axes of length 1", 3, "summed", stretched,
        "an axis that was 1 long has been copied: which axes of x are they?"),
    Row("a1.2", "in a product", 2, "stretched", two_to_stretch,
        "one factor misses an axis, the other has one of length 1: print the shapes"),

    Row("a1.3", "kind", 1, "used_twice", narrow(twice),
        "the sum has the shape and the dtype of what is added", compare="kind"),
    Row("a1.3", "used twice", 3, "used_twice", twice,
        "draw the graph: two arrows leave x. What comes back along each of them?"),
    Row("a1.3", "used often", 2, "used_often", often,
        "the third to arrive finds the sum of the first two: does it stay?"),
    Row("a1.3", "others keep theirs", 3, "neighbors", neighbors,
        "a + b hands the same array to a and to b; who wrote into it? See `ours`"),

    Row("a1.4", "kind", 1, "chain", narrow(chain),
        "a gradient must arrive at x, in its shape", compare="kind"),
    Row("a1.4", "chain", 2, "chain", chain,
        "the walk takes nodes from the end of the list: which must be taken first?"),
    Row("a1.4", "diamond", 4, "diamond", diamond,
        "a node may go only when all that use it have gone; compare the ticks"),
    Row("a1.4", "several outputs", 3, "outputs", outputs,
        "an edge is (node, which output): follow each one, whatever its output is"),
    Row("a1.4", "3000 steps", 2, "long_chain", long_chain,
        "a function that calls itself 3000 times runs out of stack: use a list",
        draws=1),

    Row("a1.5", "kind", 1, "affine_all", narrow(layer),
        "dx is shaped like x, dw like w, db like b", compare="kind"),
    Row("a1.5", "gradient of x", 3, "affine_dx", layer,
        "G is (N, K), w is (D, K), and dx is (N, D): how do they fit?"),
    Row("a1.5", "gradient of w", 4, "affine_dw", layer,
        "G is (N, K), x is (N, D), and dw is (D, K): which sum does that make?"),
    Row("a1.5", "gradient of b", 2, "affine_db", layer,
        "b was stretched over the batch: see a1.2"),

    Row("a1.6", "kind", 1, "probabilities", narrow(without(scores, "u")),
        "as many probabilities as scores", compare="kind"),
    Row("a1.6", "value", 2, "probabilities", without(scores, "u"),
        "do the probabilities of a row add up to 1?"),
    Row("a1.6", "another axis", 1, "probabilities", without(along, "u"),
        "`axis` says along which the sum is taken; keepdims lets it divide"),
    Row("a1.6", "scores of 1000", 1, "probabilities", large,
        "exp(1000) overflows: z, not x, may be exponentiated without fear"),

    Row("a1.7", "kind", 1, "probabilities_dx", narrow(scores),
        "dx is shaped like x", compare="kind"),
    Row("a1.7", "gradient", 4, "probabilities_dx", scores,
        "raise one score: its probability rises, and all others fall. Both count"),
    Row("a1.7", "another axis", 2, "probabilities_dx", along,
        "the sum in the gradient runs along the same `axis` as that in the value"),

    Row("a1.8", "kind", 1, "losses", narrow(without(labeled, "u")),
        "`losses` holds one number for each example", compare="kind"),
    Row("a1.8", "mean", 3, "loss", without(labeled, "u"),
        "with all scores equal the loss is log K: is yours?"),
    Row("a1.8", "soft labels", 1, "losses", without(soft, "u"),
        "q may have several classes that are not 0: sum over all of them"),
    Row("a1.8", "sure and wrong", 2, "losses", without(sure_and_wrong, "u"),
        "work with z, not x, and take no logarithm of a p that is 0; see `_times`"),

    Row("a1.9", "kind", 1, "losses_dx", narrow(labeled),
        "dx is shaped like the scores", compare="kind"),
    Row("a1.9", "mean", 3, "loss_dx", one_loss,
        "the scores of an example never gain or lose together: do yours sum to 0?"),
    Row("a1.9", "each example", 1, "losses_dx", labeled,
        "g may differ from example to example; it is shaped to fit already"),

    Row("a1.10", "kind", 1, "hinge", narrow(without(margins, "u")),
        "`losses` holds one number for each example", compare="kind"),
    Row("a1.10", "value", 2, "hinge", without(margins, "u"),
        "the label's own score is no rival of itself"),
    Row("a1.10", "gradient", 2, "hinge_dx", margins,
        "every rival that pushes is pushed down by 1; what happens to the label?"),
]
# fmt: on
