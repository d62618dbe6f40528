"""Rows of ops/loss.py.

The oracles are loops over examples and classes, as a book would write the sums.
"""

import math

import numpy as np

from minidl import nn, ops
from tests.rows import LayerRow, Row, generator, normal, off_zero

IGNORE = -100


def distribution(*shape):
    p = np.exp(normal(*shape))
    return p / p.sum(axis=1, keepdims=True)


X, Y = normal(5, 4), np.array([0, 3, 1, 1, 2])
SOME = np.array([0, IGNORE, 1, IGNORE, 2])
PIXELS, CLASSES = normal(2, 3, 2, 2), generator().integers(0, 3, (2, 2, 2))
W4, W3 = (0.5, 1.0, 2.0, 0.25), (0.5, 1.0, 2.0)
P, Q = distribution(5, 4), distribution(2, 3, 2, 2)
A, B = normal(3, 4), normal(3, 4)
OFF = A + off_zero(3, 4) * np.where(
    generator().random((3, 4)) < 0.5, 0.3, 3
)  # |A − OFF| is no 1
YES = generator().uniform(0.1, 0.9, (3, 4))
TRUE = generator().integers(0, 2, (3, 4))


def rows_of(x, labels):
    """(N, K, …) scores and labels as rows of K scores, with one label or K chances each."""
    k = x.shape[1]
    rows = np.moveaxis(x, 1, -1).reshape(-1, k)
    if labels.ndim == x.ndim:
        return rows, np.moveaxis(labels, 1, -1).reshape(-1, k)
    return rows, labels.reshape(-1)


def reduce(losses, counts, reduction, shape):
    if reduction == "none":
        return np.array(losses).reshape(shape)
    return np.array(sum(losses) / (sum(counts) if reduction == "mean" else 1))


def loop(loss_of, reduction="mean"):
    """An oracle: loss_of(row, label) -> (loss, its share of the count), for each row."""

    def oracle(x, labels):
        found = [loss_of(*pair) for pair in zip(*rows_of(x, labels), strict=True)]
        return reduce(*zip(*found, strict=True), reduction, x.shape[:1] + x.shape[2:])

    return oracle


def log_softmax(row):
    return row - math.log(sum(math.exp(v) for v in row))


def entropy(weight=None, smoothing=0.0):
    def loss_of(row, y):
        if np.ndim(y) == 0 and y == IGNORE:
            return 0.0, 0.0
        k, log_p, loss = len(row), log_softmax(row), 0.0
        w = weight or [1.0] * k
        for j in range(k):
            q = float(j == y) if np.ndim(y) == 0 else y[j]
            loss -= w[j] * ((1 - smoothing) * q + smoothing / k) * log_p[j]
        return loss, 1.0 if np.ndim(y) else w[y]

    return loss_of


def nll(weight=(1.0,) * 4):
    return lambda row, y: (
        (0.0, 0.0) if y == IGNORE else (-weight[y] * row[y], weight[y])
    )


def hinge(margin=1.0):
    def loss_of(row, y):
        gaps = [max(0.0, row[j] - row[y] + margin) for j in range(len(row)) if j != y]
        return sum(gaps), 1.0

    return loss_of


def focal(gamma=2.0, alpha=(1.0,) * 4):
    def loss_of(row, y):
        p = math.exp(log_softmax(row)[y])
        return -alpha[y] * (1 - p) ** gamma * math.log(p), 1.0

    return loss_of


def pairs(loss_of, reduction="mean"):
    """An oracle for two arrays of one shape."""

    def oracle(x, t):
        losses = [loss_of(a, b) for a, b in zip(x.flat, t.flat, strict=True)]
        return reduce(losses, [1.0] * x.size, reduction, x.shape)

    return oracle


def yes_or_no(pos=1.0):
    def loss_of(x, t):
        p = 1 / (1 + math.exp(-x))
        return -pos * t * math.log(p) - (1 - t) * math.log(1 - p)

    return loss_of


def chances(x, t):
    return -t * math.log(x) - (1 - t) * math.log(1 - x)


def focal_two(x, t, gamma=1.5, alpha=0.25):
    p = 1 / (1 + math.exp(-x))
    p, a = (p, alpha) if t else (1 - p, 1 - alpha)
    return -a * (1 - p) ** gamma * math.log(p)


def huber(delta=1.0):
    def loss_of(x, t):
        d = abs(x - t)
        return 0.5 * d * d if d <= delta else delta * (d - 0.5 * delta)

    return loss_of


def kl(x, t):
    return t * (math.log(t) - x)


def together(a, b):
    losses = []
    for u, v, y in zip(a, b, (1, -1, -1), strict=True):
        cos = u @ v / math.sqrt((u @ u) * (v @ v))
        losses.append(1 - cos if y == 1 else max(0.0, cos + 0.9))
    return np.array(sum(losses) / 3)


def cross_entropies():
    """One row for each setting of cross_entropy."""
    cases = [
        (X, Y, {}, entropy()),
        (X, Y, {"reduction": "none"}, entropy()),
        (X, Y, {"weight": W4, "label_smoothing": 0.1}, entropy(W4, 0.1)),
        (X, SOME, {"weight": W4}, entropy(W4)),
        (X, SOME, {"reduction": "sum", "label_smoothing": 0.2}, entropy(None, 0.2)),
        (PIXELS, CLASSES, {"reduction": "none", "weight": W3}, entropy(W3)),
        (PIXELS, CLASSES, {}, entropy()),
        (X, P, {}, entropy()),
        (X, P, {"weight": W4, "label_smoothing": 0.1}, entropy(W4, 0.1)),
        (PIXELS, Q, {"reduction": "none", "weight": W3}, entropy(W3)),
        (PIXELS, Q, {"reduction": "sum"}, entropy()),
    ]
    return [
        Row(ops.cross_entropy, (x, y), loop(f, kw.get("reduction", "mean")), kw)
        for x, y, kw, f in cases
    ]


SUM, NONE = {"reduction": "sum"}, {"reduction": "none"}
LOG_P = np.log(P)

ROWS = [
    *cross_entropies(),
    #   op             inputs                 what loops say
    Row(ops.nll_loss,  (LOG_P, Y),            loop(nll())),
    Row(ops.nll_loss,  (LOG_P, SOME),         loop(nll(W4)), {"weight": W4}),
    Row(ops.nll_loss,  (np.log(Q), CLASSES),  loop(nll(), "none"), NONE),
    Row(ops.hinge_loss, (X, Y),               loop(hinge())),
    Row(ops.hinge_loss, (X, Y),               loop(hinge(0.3), "none"), {"margin": 0.3, **NONE}),
    Row(ops.hinge_loss, (PIXELS, CLASSES),    loop(hinge(), "sum"), SUM),
    Row(ops.focal_loss, (X, Y),               loop(focal())),
    Row(ops.focal_loss, (X, Y),               loop(focal(0.0, W4), "none"), {"gamma": 0.0, "alpha": W4, **NONE}),
    Row(ops.focal_loss, (PIXELS, CLASSES),    loop(focal(0.5), "sum"), {"gamma": 0.5, **SUM}),
    Row(ops.focal_loss, (A, TRUE),            pairs(focal_two), {"gamma": 1.5, "alpha": 0.25}),
    Row(ops.focal_loss, (A, TRUE),            pairs(lambda x, t: 2 * focal_two(x, t, 2.0, 0.5), "none"), NONE),
    Row(ops.binary_cross_entropy_with_logits, (A, YES),  pairs(yes_or_no())),
    Row(ops.binary_cross_entropy_with_logits, (A, TRUE), pairs(yes_or_no(3.0), "none"), {"pos_weight": 3.0, **NONE}),
    Row(ops.binary_cross_entropy_with_logits, (A, YES),
        lambda x, t: (pairs(yes_or_no(), "none")(x, t) * W4).sum(), {"weight": W4, **SUM}, "weight"),
    Row(ops.binary_cross_entropy, (YES[::-1], YES),      pairs(chances)),
    Row(ops.binary_cross_entropy, (YES[::-1], YES),
        lambda x, t: pairs(chances, "none")(x, t) * W4, {"weight": W4, **NONE}, "weight"),
    Row(ops.hinge_embedding_loss, (YES, 2 * TRUE - 1),   pairs(lambda x, y: x if y > 0 else 1 - x)),
    Row(ops.hinge_embedding_loss, (OFF, 2 * TRUE - 1),
        pairs(lambda x, y: x if y > 0 else max(0.0, 0.3 - x), "sum"), {"margin": 0.3, **SUM}),
    Row(ops.mse_loss,   (A, B),               pairs(lambda x, t: (x - t) ** 2)),
    Row(ops.mse_loss,   (A, B),               pairs(lambda x, t: (x - t) ** 2, "none"), NONE),
    Row(ops.l1_loss,    (A, OFF),             pairs(lambda x, t: abs(x - t))),
    Row(ops.l1_loss,    (A, OFF),             pairs(lambda x, t: abs(x - t), "none"), NONE),
    Row(ops.huber_loss, (A, OFF),             pairs(huber())),
    Row(ops.huber_loss, (A, OFF),             pairs(huber(0.2), "sum"), {"delta": 0.2, **SUM}),
    Row(ops.kl_div,     (LOG_P, P[::-1]),     pairs(kl)),
    Row(ops.kl_div,     (LOG_P, P[::-1]),     lambda x, t: pairs(kl, "sum")(x, t) / 5, {"reduction": "batchmean"}),
    Row(ops.kl_div,     (LOG_P, LOG_P[::-1]), pairs(lambda x, t: kl(x, math.exp(t)), "none"), {"log_target": True, **NONE}),
    Row(ops.cosine_embedding_loss, (A, B),    together, {"labels": [1, -1, -1], "margin": -0.9}),
]  # fmt: skip

LAYERS = [
    #        layer                op                  inputs     settings
    LayerRow(nn.CrossEntropyLoss, ops.cross_entropy,  (X, SOME), {"weight": W4, "label_smoothing": 0.1, **SUM}),
    LayerRow(nn.NLLLoss,          ops.nll_loss,       (LOG_P, SOME), {"weight": W4, **NONE}),
    LayerRow(nn.HingeLoss,        ops.hinge_loss,     (X, Y),    {"margin": 0.3, **SUM}),
    LayerRow(nn.FocalLoss,        ops.focal_loss,     (X, Y),    {"gamma": 0.5, "alpha": W4, **NONE}),
    LayerRow(nn.BCEWithLogitsLoss, ops.binary_cross_entropy_with_logits, (A, YES), {"pos_weight": 3.0, **SUM}),
    LayerRow(nn.BCELoss,          ops.binary_cross_entropy, (YES[::-1], YES), {"weight": W4, **SUM}),
    LayerRow(nn.HingeEmbeddingLoss, ops.hinge_embedding_loss, (YES, 2 * TRUE - 1), {"margin": 0.3, **SUM}),
    LayerRow(nn.MSELoss,          ops.mse_loss,       (A, B),    SUM),
    LayerRow(nn.L1Loss,           ops.l1_loss,        (A, B),    SUM),
    LayerRow(nn.HuberLoss,        ops.huber_loss,     (A, B),    {"delta": 0.2, **SUM}),
    LayerRow(nn.KLDivLoss,        ops.kl_div,         (LOG_P, P[::-1]), {"reduction": "batchmean"}),
    LayerRow(nn.CosineEmbeddingLoss, ops.cosine_embedding_loss, (A, B, np.array([1, -1, -1])), {"margin": -0.9, **SUM}),
]  # fmt: skip
