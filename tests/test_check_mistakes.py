"""minidl.check.explain: families of mistakes, each over several operations; no alarms.

A row is a pair of NumPy functions, its inputs, and what the verdict must say. The right
implementations below them are written with other algebra, loops and other widths.
"""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest

from minidl import check
from minidl.engine.op import op

RNG = np.random.default_rng(11)


def normal(*shape):
    return RNG.standard_normal(shape)


def positive(*shape):
    return RNG.uniform(0.5, 2, shape)


def of(f):
    """A forward that remembers its inputs."""

    @functools.wraps(f)
    def forward(*xs):
        return f(*xs), xs

    return forward


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def spread(g, x, axis=1):
    return np.broadcast_to(np.expand_dims(g, axis), x.shape)


def affine(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w)


def affine_back(dw=lambda g, x, w: x.T @ g, db=lambda g: g.sum(axis=0), dx=None):
    def back(g, cache):
        x, w = cache
        flat = x.reshape(len(x), -1)
        into = (g @ w.T).reshape(x.shape) if dx is None else dx(g, x, w)
        return into, dw(g, flat, w), db(g)

    return back


def batch_norm(x, gamma, beta):
    std = np.sqrt(x.var(axis=0) + 1e-5)
    xhat = (x - x.mean(axis=0)) / std
    return gamma * xhat + beta, (xhat, gamma, std)


def batch_norm_back(dx):
    def back(g, cache):
        xhat, gamma, std = cache
        h = g * gamma
        return dx(h, xhat, std), (g * xhat).sum(axis=0), g.sum(axis=0)

    return back


def cross_entropy(x, t):
    p = softmax(x)
    return -np.log(p[np.arange(len(x)), t]).mean(), (p, t)


def cross_entropy_back(change):
    def back(g, cache):
        p, t = cache
        return g * change(p.copy(), np.arange(len(p)), t)

    return back


def minus(d, rows, t, by=1.0):
    d[rows, t] -= by
    return d / len(d)


def conv(x, w):
    h, k = x.shape[1] - w.shape[0] + 1, w.shape[0]
    y = np.stack(
        [np.tensordot(x[:, i : i + k], w, axes=([1], [0])) for i in range(h)], 1
    )
    return y, (x, w)


def conv_back(add=True, turn=False, short=0):
    def back(g, cache):
        x, w = cache
        dx, k = np.zeros_like(x), len(w)
        for i in range(g.shape[1] - short):
            part = np.outer(g[:, i], w[::-1] if turn else w)
            dx[:, i : i + k] = dx[:, i : i + k] + part if add else part
        dw = sum(g[:, i] @ x[:, i : i + k] for i in range(g.shape[1]))
        return dx, dw

    return back


def recurrent(x, h, w, u):
    hs = []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ w + h @ u)
        hs.append(h)
    return np.stack(hs, 1), (x, w, u, np.stack(hs, 1))


def recurrent_back(through_time=True, tanh=True, add=True, transpose=True):
    def back(g, cache):
        x, w, u, hs = cache
        dx, dw, dh = np.zeros_like(x), np.zeros_like(w), 0
        for t in reversed(range(x.shape[1])):
            d = g[:, t] + (dh if through_time else 0)
            z = d * (1 - hs[:, t] ** 2) if tanh else d
            dx[:, t] = z @ w.T
            dw = dw + x[:, t].T @ z if add else x[:, t].T @ z
            dh = z @ (u.T if transpose else u)
        return dx, dh, dw

    return back


def gather(index, table):
    return table[index], (index, table)


def gather_back(change):
    def back(g, cache):
        d = np.zeros_like(cache[1])
        change(d, cache[0], g)
        return d

    return back


def bilinear(image, at):
    low = np.floor(at).astype(int)
    u, v = (at - low).T
    (x, y) = low.T
    y = [
        image[y, x] * (1 - u) * (1 - v), image[y, x + 1] * u * (1 - v),
        image[y + 1, x] * (1 - u) * v, image[y + 1, x + 1] * u * v,
    ]  # fmt: skip
    return sum(y), (image, low, u, v)


def bilinear_back(put=np.add.at, turn=False):
    def back(g, cache):
        image, low, u, v = cache
        u, v = (1 - u, 1 - v) if turn else (u, v)
        x, y = low.T
        d = np.zeros_like(image)
        put(d, (y, x), g * (1 - u) * (1 - v))
        put(d, (y, x + 1), g * u * (1 - v))
        put(d, (y + 1, x), g * (1 - u) * v)
        put(d, (y + 1, x + 1), g * u * v)
        return d

    return back


def assign(d, at, g):
    d[at] = g


X, A, B, P = normal(4, 5), normal(4, 5), normal(4, 5), positive(4, 5)
AFFINE = (normal(5, 2, 3), normal(6, 4), normal(4))
NORM = (normal(6, 4), positive(4), normal(4))
SCORES = (normal(6, 5), np.array([0, 2, 1, 4, 2, 0]))
SIGNAL, STEPS = (
    (normal(2, 7), normal(3)),
    (normal(2, 4, 3), normal(2, 5), normal(3, 5), normal(5, 5)),
)
TABLE = (np.array([[0, 2, 2], [1, 2, 4]]), normal(6, 3))
IMAGE = (normal(5, 6), RNG.uniform(0.1, 3.9, (9, 2)))

# what the verdict says        forward, backward, inputs
MISTAKES = [
    # factors, signs
    (r"5 times too small.*batch", affine, affine_back(dw=lambda g, x, w: x.T @ g / len(x)), AFFINE),
    (r"6 times too large.*mean", cross_entropy, cross_entropy_back(lambda d, r, t: minus(d, r, t) * len(d)), SCORES),
    (r"2 times too large", of(np.sqrt), lambda g, c: g / np.sqrt(c[0]), (P,)),
    (r"square root of the length of axis 1", of(lambda x: x.sum(1) / np.sqrt(5)), lambda g, c: spread(g, c[0]) * 1.0, (X,)),
    (r"n / \(n − 1\)", of(lambda x: x.var(1)), lambda g, c: 2 * spread(g, c[0]) * (c[0] - c[0].mean(1, keepdims=True)) / 4, (normal(3, 5),)),
    (r"0\.7 in the forward", of(lambda x: x * (x > -0.3) / 0.7), lambda g, c: g * (c[0] > -0.3), (X,)),
    (r"wrong sign", of(np.sin), lambda g, c: -g * np.cos(c[0]), (X,)),
    (r"∂L/∂b has the wrong sign", of(lambda a, b: a / b), lambda g, c: (g / c[1], g * c[0] / c[1] ** 2), (A, P)),
    # shapes, axes, order
    (r"\.reshape\(x\.shape\) is missing", affine, affine_back(dx=lambda g, x, w: g @ w.T), AFFINE),
    (r"reshape does not move axes", of(lambda x: x.transpose(1, 2, 0)), lambda g, c: g.reshape(c[0].shape), (normal(3, 4, 5),)),
    (r"right after \.transpose", of(lambda x: x.transpose(1, 2, 0)), lambda g, c: g.transpose(1, 2, 0), (normal(3, 4, 5),)),
    (r"\.sum\(axis=0\) is missing", affine, affine_back(db=lambda g: g), AFFINE),
    (r"running sum|Jacobian is not transposed", of(lambda x: np.cumsum(x, 1)), lambda g, c: np.cumsum(g, 1), (X,)),
    (r"Jacobian is not transposed", of(lambda x: np.sort(x, 1)), lambda g, c: np.take_along_axis(g, np.argsort(c[0], 1), 1), (X,)),
    (r"reshaped to \(3, 3, 4\).*right one.*\(3, 4, 3\)", of(lambda x: np.repeat(x, 3, 1)), lambda g, c: g.reshape(3, 3, 4).sum(1), (normal(3, 4),)),
    (r"shifted along axis 1", of(lambda x: np.roll(x, 1, 1)), lambda g, c: np.roll(g, 1, 1), (X,)),
    (r"over axis 0.*over axis 1|over axis 1.*over axis 0", of(softmax), lambda g, c: softmax(c[0]) * (g - (g * softmax(c[0])).sum(0)), (X,)),
    # last write wins, fan-out, one of several
    (r"the last share only", gather, gather_back(assign), TABLE),
    (r"the mean of the shares", gather, gather_back(lambda d, i, g: [np.add.at(d, i, g), np.divide(d, np.maximum(np.bincount(i.ravel(), minlength=6), 1)[:, None], out=d)]), TABLE),
    (r"last (use alone|share only)", conv, conv_back(add=False), SIGNAL),
    (r"last use alone", bilinear, bilinear_back(put=assign), IMAGE),
    (r"first use alone", recurrent, recurrent_back(add=False), STEPS),
    (r"last entry of axis 0", affine, affine_back(db=lambda g: g[-1]), AFFINE),
    (r"last entry of axis 1 of g, which is left out", conv, conv_back(short=1), SIGNAL),
    # paths
    (r"lacks a path: the mean over axis 0", batch_norm, batch_norm_back(lambda h, x, s: (h - x * (h * x).mean(0)) / s), NORM),
    (r"lacks a path: the variance over axis 0", batch_norm, batch_norm_back(lambda h, x, s: (h - h.mean(0)) / s), NORM),
    (r"the mean and the variance over axis 0", batch_norm, batch_norm_back(lambda h, x, s: h / s), NORM),
    (r"wrong sign on one path.*variance", batch_norm, batch_norm_back(lambda h, x, s: (h - h.mean(0) + x * (h * x).mean(0)) / s), NORM),
    (r"one path twice.*variance", batch_norm, batch_norm_back(lambda h, x, s: (h - h.mean(0) - 2 * x * (h * x).mean(0)) / s), NORM),
    (r"lacks a path.*sum of exponentials", of(softmax), lambda g, c: g * softmax(c[0]), (X,)),
    (r"lacks a path: the norm", of(lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)), lambda g, c: g / np.linalg.norm(c[0], axis=1, keepdims=True), (X,)),
    (r"lacks a path: `h`", recurrent, recurrent_back(through_time=False), STEPS),
    (r"diagonal of the Jacobian", of(softmax), lambda g, c: g * softmax(c[0]) * (1 - softmax(c[0])), (X,)),
    # chain factors, wrong points
    (r"lacks a factor: the derivative of `np.tanh", recurrent, recurrent_back(tanh=False), STEPS),
    (r"lacks a factor: multiplied by y", of(sigmoid), lambda g, c: g * (1 - sigmoid(c[0])), (X,)),
    (r"factor too many: cache\[2\]|lacks a factor.*cache\[2\]", batch_norm, batch_norm_back(lambda h, x, s: (h - h.mean(0) - x * (h * x).mean(0)) / s**2), NORM),
    (r"input in the place of the output", of(np.tanh), lambda g, c: g * (1 - c[0] ** 2), (X,)),
    (r"g · x; the right one is g · y", of(np.exp), lambda g, c: g * c[0], (X,)),
    (r"−x in the place of x", of(lambda x: np.log1p(np.exp(x))), lambda g, c: g * sigmoid(-c[0]), (X,)),
    (r"t − 1|t \+ 1|off by one", cross_entropy, cross_entropy_back(lambda d, r, t: minus(d, r, (t + 1) % 5)), SCORES),
    (r"matrix untransposed", recurrent, recurrent_back(transpose=False), STEPS),
    (r"w turned round along axis 0|w turned", conv, conv_back(turn=True), SIGNAL),
    (r"weights of neighbors exchanged", bilinear, bilinear_back(turn=True), IMAGE),
    # g ignored, masks, places
    (r"g of ones: g.*is ignored", cross_entropy, lambda g, c: minus(c[0].copy(), np.arange(6), c[1]), SCORES),
    (r"g is used twice|g²", of(lambda x: 3 * x), lambda g, c: 3 * g * g, (X,)),
    (r"mean of g times", of(lambda x: x * x), lambda g, c: 2 * c[0] * g.mean(), (X,)),
    (r"mask is inverted", of(lambda x: np.maximum(x, 0)), lambda g, c: g * (c[0] <= 0), (X,)),
    (r"to all entries of", of(lambda x: x.max(1)), lambda g, c: spread(g, c[0]) * 1.0, (X,)),
    (r"g itself decides where it passes", of(lambda x: np.maximum(x, 0)), lambda g, c: np.maximum(g, 0), (X,)),
    (r"border of g", of(lambda x: 3 * x), lambda g, c: np.pad(3 * g[1:-1, 1:-1], 1), (normal(5, 6),)),
    (r"wrong sign on one path, the one through `e`", cross_entropy, cross_entropy_back(lambda d, r, t: minus(d, r, t, -1.0)), SCORES),
    # leaks, clipping, width
    (r"0\.01 w \(weight decay", affine, affine_back(dw=lambda g, x, w: x.T @ g + 0.01 * w), AFFINE),
    (r"0\.1 sign\(x\)", of(np.sin), lambda g, c: g * np.cos(c[0]) + 0.1 * np.sign(c[0]), (X,)),
    (r"0\.5 w.*without it.*5 times too small", affine, affine_back(dw=lambda g, x, w: x.T @ g / len(x) + 0.5 * w), AFFINE),
    (r"entries are clipped to ±1", of(lambda x: x * x), lambda g, c: np.clip(2 * g * c[0], -1, 1), (X,)),
    (r"nearly right.*looks like", of(np.exp), lambda g, c: (g * np.exp(c[0])).astype("f2") * 1.0, (X,)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("says", "forward", "backward", "inputs"),
    MISTAKES,
    ids=[f"{i}-{row[0][:30]}" for i, row in enumerate(MISTAKES)],
)
def test_a_mistake_is_named(says, forward, backward, inputs):
    with np.errstate(all="ignore"):
        found = check.explain((forward, backward), inputs)
    assert re.search(says, found.sentences[0], re.DOTALL), found.sentences


RIGHT = [
    (affine, affine_back(), AFFINE),
    (affine, affine_back(db=lambda g: np.ones(len(g)) @ g), AFFINE),
    (affine, affine_back(dw=lambda g, x, w: np.einsum("nd,nk->dk", x, g)), AFFINE),
    (batch_norm, batch_norm_back(lambda h, x, s: (h - h.mean(0) - x * (h * x).mean(0)) / s), NORM),
    (batch_norm, batch_norm_back(lambda h, x, s: (6 * h - h.sum(0) - x * (h * x).sum(0)) / (6 * s)), NORM),
    (of(softmax), lambda g, c: softmax(c[0]) * (g - (g * softmax(c[0])).sum(1, keepdims=True)), (X,)),
    (cross_entropy, cross_entropy_back(minus), SCORES),
    (conv, conv_back(), SIGNAL),
    (recurrent, recurrent_back(), STEPS),
    (gather, gather_back(np.add.at), TABLE),
    (bilinear, bilinear_back(), IMAGE),
    (of(sigmoid), lambda g, c: g * sigmoid(c[0]) * sigmoid(-c[0]), (X,)),
    (of(np.tanh), lambda g, c: g / np.cosh(c[0]) ** 2, (X,)),
    (of(lambda x: np.maximum(x, 0)), lambda g, c: np.where(c[0] > 0, g, 0), (np.maximum(X, 0),)),
    (of(abs), lambda g, c: g * np.sign(c[0]), (np.round(X),)),
    (of(lambda x: x.max(1)), lambda g, c: spread(g, c[0]) * (c[0] == c[0].max(1, keepdims=True)), (X,)),
    (of(np.log), lambda g, c: g / c[0], (np.array([1e-9, 1.0, 3.0]),)),
    (of(lambda x: np.exp(x.astype("f4"))), lambda g, c: g * np.exp(c[0].astype("f4")), (X,)),
    (of(lambda x: x), lambda g, c: g, (X,)),
]  # fmt: skip


@pytest.mark.parametrize(("forward", "backward", "inputs"), RIGHT)
def test_what_is_right_raises_no_alarm(forward, backward, inputs):
    with np.errstate(all="ignore"):
        assert check.explain((forward, backward), inputs).sentences == []
        assert check.gradcheck((forward, backward), inputs).ok


def test_two_that_tie_are_both_said():
    """All lengths are alike, or two predictions are the same array here."""
    forward = of(lambda x: x.mean(axis=1))
    said = check.explain((forward, lambda g, c: spread(g, c[0]) * 1.0), [normal(5, 5)])
    assert "axis 0 of y" in said.sentences[0] or "or of axis 1" in said.sentences[0]
    pair = of(lambda x: (x[:, 0] + 2 * x[:, 1]) * 1.0), lambda g, c: np.outer(g, [1, 1])
    assert (
        "or, which is the same here" in check.explain(pair, [normal(5, 2)]).sentences[0]
    )


def test_what_is_seen_in_one_draw_only_is_not_certain():
    """At other inputs the backward is right: no second draw confirms a verdict."""
    given = normal(3, 4)

    @op
    def odd(x):
        special = np.array_equal(x, given)
        return x * x, (lambda g: g * x * (3.0 if special else 2.0),)

    said = check.explain(odd, [given]).sentences[0]
    assert "looks like this" in said
