"""Mistakes that are named by the change of the backward that mends it.

A row: what is said, a forward, and a backward with one mistake. No prediction of the
whole gradient reproduces it; one operation done otherwise makes it right.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from minidl import check
from minidl.check.program import Program, bare, noting, run, seen
from minidl.engine.op import op

RNG = np.random.default_rng(4)
X, W = RNG.standard_normal((5, 3)), RNG.standard_normal((3, 4))
GAMMA = RNG.standard_normal(3)
WIDE = RNG.standard_normal((2, 11))
PLACES = np.array([1, 3, 1, 0, 3])


def norm(x, gamma):
    """γ x / the root mean square of each row."""
    r = 1 / np.sqrt((x * x).mean(axis=1, keepdims=True) + 0.1)
    return x * r * gamma, (x, r, gamma)


def norm_back(inner=lambda g, gamma: g * gamma, axis=1, power=3, root=None):
    def backward(g, cache):
        x, r, gamma = cache
        total = (inner(g, gamma) * x).mean(axis=axis, keepdims=True)
        r = 1 / ((x * x).mean(axis=1, keepdims=True) + 0.1) if root else r
        return g * gamma * r - x * r**power * total, (g * x * cache[1]).sum(axis=0)

    return backward


def smooth(x, w):
    """tanh of x, averaged over each row, times the first column of w."""
    return np.tanh(x).mean(axis=1)[:, None] * w[:, 0].sum(), (np.tanh(x), w)


def windows(x):
    """Sums of three entries, two apart, every second one."""
    taps = [x[:, 2 * k : 2 * k + 7 : 2] for k in range(3)]
    return taps[0] + 2 * taps[1] + 3 * taps[2], x.shape


def windows_back(far=2, step=2):
    def backward(g, shape):
        dx = np.zeros((shape[0], 30))
        for k in range(3):
            dx[:, far * k : far * k + step * 4 : step] += (k + 1) * g
        return dx[:, : shape[1]]

    return backward


def picked(table):
    """Rows of a table, some twice, plus those that follow."""
    return np.sin(table[PLACES]) + table[PLACES + 1], table


def picked_back(g, table):
    d = np.zeros_like(table)
    d[PLACES] += g * np.cos(table[PLACES])
    d[PLACES + 1] += g
    return d


def limit(x):
    return np.maximum(0, 0.7 - x * x).sum(axis=1), x


def between(a, b, t):
    return t * a + (1 - t) * b * a, (a, b, t)


HALF = RNG.uniform(0.2, 0.8, (5, 3))
MISTAKES = [
    ("goes over axis 0, goes over axis 1|goes over axis 1: the axis is wrong", norm, norm_back(axis=0), (X, GAMMA)),
    ("`inner.g, gamma. \\* x` is multiplied by gamma", norm, norm_back(inner=lambda g, gamma: g), (X, GAMMA)),
    ("the cube of `r\\*\\*power`", norm, norm_back(power=1), (X, GAMMA)),
    ("a root is missing", norm, norm_back(root=True), (X, GAMMA)),
    ("has shape .5,., and b has .4,.: .* goes over axis 1, goes over axis 0", lambda x, w, b: (np.tanh(x) @ w + b, (np.tanh(x), w)), lambda g, c: (g @ c[1].T * (1 - c[0] ** 2), c[0].T @ g, g.sum(axis=1)), (X, W, W[0])),
    ("2 times as far from its start: a dilation", windows, windows_back(far=1), (WIDE,)),
    ("stride of 2", windows, windows_back(step=1), (WIDE,)),
    ("all `x.i. = v`, or `x.i. \\+= v`, .*add up", picked, picked_back, (RNG.standard_normal((5, 3)),)),
    ("0.7 for the limit in", limit, lambda g, x: g[:, None] * -2 * x * (x * x < 0.3), (RNG.uniform(0, 1.2, (5, 3)),)),
    ("the complement, in the place of cache\\[2\\]|1 − cache\\[2\\]|exchanged", between, lambda g, c: (g * ((1 - c[2]) + c[2] * c[1]), g * (1 - c[2]) * c[0], g * (c[0] - c[1] * c[0])), (X, RNG.standard_normal((5, 3)), HALF)),
    ("[.]transpose.1, 0. before `w.reshape", lambda x, w: (np.tanh(x @ w), (x, w)), lambda g, c: (lambda x, w, h: (h @ w.reshape(w.shape[::-1]), x.T @ h))(*c, g * (1 - np.tanh(c[0] @ c[1]) ** 2)), (X, W)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("says", "forward", "backward", "inputs"),
    MISTAKES,
    ids=[m[0][:30] for m in MISTAKES],
)
def test_what_mends_it_is_said(says, forward, backward, inputs):
    found = check.explain((forward, backward), inputs)
    assert re.search(says, found.sentences[0]), found.sentences


@pytest.mark.parametrize(
    ("forward", "backward", "inputs"),
    [(norm, norm_back(), (X, GAMMA)), (windows, windows_back(), (WIDE,))],
)
def test_right_ones_need_no_change(forward, backward, inputs):
    assert check.explain((forward, backward), inputs)


def test_an_op_is_mended_as_well(device):
    import minidl as md

    @op
    def product(x, w):
        return x @ w, (lambda g: g @ w.reshape(w.shape[::-1]), lambda g: x.T @ g)

    there = [md.Tensor(a).to(device) for a in (X, W)]
    said = check.explain(product, there).sentences
    assert ".transpose(1, 0) before `w.reshape(w.shape[::-1])`" in said[0]


def test_a_program_knows_what_a_gradient_went_through():
    def backward(g, x):
        unused = np.exp(x)
        d = np.zeros_like(x)
        d[1:] += g[:-1] * 2
        return d, unused

    program = Program()
    g, x = np.arange(4.0), np.ones(4)
    d, unused = run(program, lambda: noting(backward)(seen(g), seen(x)))
    np.testing.assert_array_equal(bare(d), [0, 0, 2, 4])
    names = {program.ops[k].name for k in program.sources(d)}
    assert "multiply" in names
    assert "exp" not in names
    assert {program.ops[k].name for k in program.sources(unused)} == {"exp"}
    times = next(k for k, o in enumerate(program.ops) if o.name == "multiply")
    other = run(
        Program({times: lambda call: call.do() * 5}),
        lambda: noting(backward)(seen(g), seen(x)),
    )
    np.testing.assert_array_equal(bare(other[0]), [0, 0, 10, 20])
    assert program.ops[times].text == "g[:-1] * 2"


def test_integers_on_the_way_are_named():
    table, rows = RNG.standard_normal((4, 3)), np.array([1, 3, 1])

    def forward(w, i):
        return w[i], (w.shape, i)

    def zeros(g, cache, whole=False):
        d = np.zeros(cache[0], dtype=int)
        for n, i in enumerate(cache[1]):
            d[i] += g[n].astype(int) if whole else 0
        return (d.astype(float) if whole else d), None

    def cut(g, cache):
        d = np.zeros(cache[0])
        np.add.at(d, cache[1], g.astype(int))
        return d, None

    def of_integers(g, cache):
        d = np.zeros(cache[0], dtype=int)
        d[0] = 100 * g[0]
        return d, None

    said = lambda back: check.explain((forward, back), [table, rows]).sentences[0]  # noqa: E731
    assert "whole numbers alone" in said(lambda g, c: zeros(g, c, True))
    assert "is right without `g.astype(int)`" in said(cut)
    assert "is an array of int64" in said(of_integers)
