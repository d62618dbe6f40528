"""minidl.check.explain: each typical mistake, in a real op, is called by its name."""

from __future__ import annotations

import re

import numpy as np
import pytest

import minidl as md
from minidl import check, ops
from minidl.engine.op import op
from minidl.nn import Module, Parameter
from tests.test_check import W, X, flipped, normal, spoiled

RNG = np.random.default_rng(6)


def wrong(body, **kind):
    """An op of a body with a mistake in it."""
    return op(**kind)(body) if kind else op(body)


def unit(x):
    """x̂ and 1/σ over the batch."""
    n = x.shape[0]
    centered = x - x.sum(axis=0) / n
    rstd = 1 / ops.sqrt((centered * centered).sum(axis=0) / n)
    return centered * rstd, rstd


def softmax(x):
    e = ops.exp(x)
    return e / e.sum(axis=1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + ops.exp(-x))


def overwrite(x, i, g):
    d = np.zeros_like(x)
    d[i] = g
    return d


def last_row_forgotten(g):
    d = g * 2
    d[-1] = 0
    return d


def norm1(x):
    return ops.sqrt((x * x).sum(axis=1, keepdims=True))


SQUARE = normal(3, 3)
T, COLUMNS = normal(5, 3), 0.5 + RNG.random(3)
#  what explain should say                the op with a mistake in it       inputs
MISTAKES = [
    ("wrong sign",
     lambda x, w: (x @ w, (lambda g: -(g @ w.T), lambda g: x.T @ g)), (X, W)),
    (r"15 times too large.*elements of x.*mean",
     lambda x: ((x * x).sum() / x.size, (lambda g: 2 * g * x,)), (X,)),
    (r"5 times too large.*the batch.*mean",
     lambda x: ((x * x).sum() / len(x), (lambda g: 2 * g * x,)), (X,)),
    (r"5 times too small.*the batch.*once too often",
     lambda x: ((x * x).sum(), (lambda g: 2 * g * x / len(x),)), (X,)),
    (r"2 times too small.*square",
     lambda x: (x * x, (lambda g: g * x,)), (X,)),
    (r"0\.7 times the right one.*constant factor",
     lambda x: (x * x, (lambda g: 1.4 * g * x,)), (X,)),
    (r"shape \(5, 3\).*\.sum\(axis=0\) is missing",
     lambda x, b: (x + b, (lambda g: g, lambda g: g)), (X, normal(3))),
    (r"\.sum\(axis=\(0, 2, 3\)\) is missing",
     lambda x, b: (x + b.reshape((3, 1, 1)), (lambda g: g, lambda g: g)),
     (normal(2, 3, 2, 2), normal(3))),
    (r"shape \(4, 3\).*transpose.*\.T is missing",
     lambda x, w: (x @ w, (lambda g: g @ w.T, lambda g: g.T @ x)), (X, W)),
    (r"transpose of the right one",
     lambda x, w: (x @ w, (lambda g: g @ w.T, lambda g: g.T @ x)), (X, SQUARE)),
    (r"numbers are right; \.reshape\(x\.shape\)",
     lambda x: (x.reshape(15), (lambda g: g,)), (X,)),
    ("too much was summed",
     lambda x: (x * 2, (lambda g: 2 * g.sum(axis=0),)), (X,)),
    ("zero everywhere",
     lambda x: (x * x, (lambda g: 0 * g,)), (X,)),
    ("should be zero",
     lambda x, b: (x - x.sum(axis=0) / 5 + 0 * b, (
         lambda g: g - g.sum(axis=0) / 5, lambda g: g.sum(axis=0))), (X, normal(3))),
    ("is None",
     lambda x, w: (x @ w, (lambda g: g @ w.T, None)), (X, W)),
    (r"backward fails: ValueError",
     lambda x, w: (x @ w, (lambda g: g @ w, lambda g: x.T @ g)), (X, W)),
    (r"gradient of b, and ∂L/∂b is this one",
     lambda a, b: (a * b, (lambda g: g * a, lambda g: g * b)), (X, T)),
    (r"is g itself.*dy/dx",
     lambda x: (ops.tanh(x), (lambda g: g,)), (X,)),
    (r"the first entry of axis 0",
     lambda x, b: (x + b, (lambda g: g, lambda g: g[0])), (X, normal(3))),
    (r"input in the place of the output",
     lambda x: (sigmoid(x), (lambda g: g * x * (1 - x),)), (X,)),
    (r"is g · t; the right one is g · t · \(1 − y²\)",
     lambda x, t: (ops.tanh(x * t), (lambda g: g * t,
         lambda g: g * x * (1 - ops.tanh(x * t) ** 2))), (X, T)),
    (r"lacks a factor: multiplied by t",
     lambda x, t: (ops.tanh(x) * t, (lambda g: g * (1 - ops.tanh(x) ** 2),
         lambda g: g * ops.tanh(x))), (X, T)),
    (r"lacks a factor: multiplied by gamma",
     lambda x, gamma: (x * x * gamma, (lambda g: 2 * g * x,
         lambda g: (g * x * x).sum(axis=0))), (X, COLUMNS)),
    (r"factor too many: w",
     lambda x, w: (x * w, (lambda g: g * w * w, lambda g: g * x)), (X, T)),
    (r"lacks a path: `x` in `x \+ ops",
     lambda x: (x + ops.tanh(x), (lambda g: g * (1 - ops.tanh(x) ** 2),)), (X,)),
    (r"lacks a path: `x \* x`",
     lambda x, t: (x * x + x * t, (lambda g: g * t, lambda g: g * x)), (X, T)),
    (r"lacks a path: `a` in `a \* b`",
     lambda a, b: (a * a + a * b, (lambda g: 2 * g * a, lambda g: g * a)), (X, T)),
    (r"lacks two paths: `\(centered \* centered\).*and the sum over axis 0",
     lambda x: (unit(x)[0], (lambda g: g * unit(x)[1],)), (X,)),
    (r"lacks a path: `\(centered \* centered\)",
     lambda x: (unit(x)[0], (lambda g: (g - g.sum(axis=0) / 5) * unit(x)[1],)), (X,)),
    (r"lacks a path: the sum over axis 0",
     lambda x: (x - x.sum(axis=0) / 5, (lambda g: g + 0,)), (X * 1.0,)),
    (r"lacks a path: the sum over the axes \(0, 1\)",
     lambda x: (x * x - x.sum() / 15, (lambda g: 2 * g * x,)), (X,)),
    (r"lacks a path: the sum of exponentials over axis 1",
     lambda x: (softmax(x), (lambda g: g * softmax(x),)), (X,)),
    (r"lacks a path: the (norm|sum of squares) over axis 1",
     lambda x: (x / norm1(x), (lambda g: g / norm1(x),)), (X,)),
    (r"the last share only.*np.add.at",
     lambda x, i: (x[i], (lambda g: overwrite(x, i, g), None)), (X, np.array([0, 2, 2]))),
    (r"lacks a path: `x` in `0.1 \* x`",
     lambda x: (ops.where(x > 0, x, 0.1 * x), (lambda g: g * (x > 0),)), (X,)),
    (r"wrong only where x > 0.*3 times",
     lambda x: (ops.where(x > 0, x * 2, x), (lambda g: g * ops.where(x > 0, 6.0, 1.0),)), (np.append(X.ravel(), 2),)),
    (r"right but for the last entry of axis 0 of g",
     lambda x: (x * 2, (last_row_forgotten,)), (X,)),
    (r"mirror image of the right one along axis 1",
     lambda x: (x[:, ::-1] * 2, (lambda g: g * 2,)), (X,)),
    (r"shifted along axis 0 by -1",
     lambda x: (np.roll(x, 1, 0) * 2, (lambda g: np.roll(g, -2, 0) * 2,)), (X,)),
    (r"right numbers in the wrong places",
     lambda x: (x.T * 2, (lambda g: g.reshape(x.shape) * 2,)), (X,)),
    (r"after \.transpose\(0, 2, 1\)",
     lambda x: (x.transpose(0, 2, 1) * 2, (lambda g: g * 2,)), (normal(2, 3, 3),)),
    (r"the sum of g over axis 0",
     lambda x: (x * 2, (lambda g: 2 * g.sum(axis=0) + 0 * g,)), (X,)),
    (r"nearly right.*eps",
     lambda x: (unit(x)[0], (lambda g: 1.00002 * (g - g.sum(axis=0) / 5
         - unit(x)[0] * (g * unit(x)[0]).sum(axis=0) / 5) * unit(x)[1] + 1e-5 * g,)), (X,)),
    (r"is nan at x\[0\], where x = 0",
     lambda x: (x * x, (lambda g: g * 2 * x * (x / x),)), (np.array([0.0, 1.0]),)),
    (r"does not depend on g: -1 x.*a way of its own.*°",
     lambda x: (ops.sin(x), (lambda g: g * ops.sin(3 * x) - x,)), (X,)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "body", "inputs"),
    MISTAKES,
    ids=lambda m: getattr(m, "__name__", str(m))[:30],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_explain_names_the_mistake(said, body, inputs):
    found = check.explain(wrong(body), list(inputs))
    assert not found
    assert re.search(said, str(found), re.DOTALL), str(found)


@pytest.mark.parametrize("body", [
    lambda x, w: (x @ w, (lambda g: g @ w.T, lambda g: x.T @ g)),
])  # fmt: skip
def test_explain_has_nothing_against_a_right_op(body):
    found = check.explain(wrong(body), [X, W])
    assert found
    assert str(found).endswith("the gradient is right")


def test_explain_names_the_culprit_among_many():
    class Net(Module):
        def __init__(self):
            self.w = Parameter(W)

        def forward(self, x):
            return ops.softmax(ops.tanh(flipped(x, self.w)) * 2)

    found = check.explain(Net(), [X])
    assert found.culprits == ["flipped"]
    assert found.right == ["tanh", "multiply", "softmax"]
    assert "flipped: ∂L/∂w has the wrong sign" in str(found)
    assert "right, each on its own: tanh, multiply, softmax" in str(found)


def test_explain_knows_an_operation_that_broadcasts():
    @op(broadcasts=True)
    def product(a, b):
        return a * b, (lambda g: g * b, lambda g: g)

    assert check.explain(ops.multiply, [X, normal(3)])
    found = check.explain(product, [X, normal(3)])
    assert len(found.sentences) == 1
    assert "∂L/∂b" in found.sentences[0]


def test_explain_understands_one_function_for_all_gradients():
    @op
    def pair(a, b):
        return (a * b, a + b), lambda g, h: (g * b + h, g * a - h)

    found = check.explain(pair, [X, T])
    assert [s[:11] for s in found.sentences] == ["pair: ∂L/∂b"]

    @op
    def choosy(a, b):
        def backward(g, wanted):
            return (g * b if wanted[0] else None), (-g * a if wanted[1] else None)

        return a * b, backward

    assert "∂L/∂b has the wrong sign" in str(check.explain(choosy, [X, T]))
    assert check.explain(lambda a: choosy(a, T), [X])


def test_explain_finds_a_cut_graph():
    found = check.explain(lambda x: x * 2 + md.Tensor(x.data**2), [X])
    assert found.culprits == []
    assert "lacks a term: + 2 (2 is a plain two) g · x" in str(found)
    found = check.explain(lambda x, y: x * y.detach(), [X, T])
    assert "∂L/∂y is zero everywhere" in str(found)


def test_explain_of_something_large_says_so():
    x = 1 + RNG.random((80, 50))
    found = check.explain(spoiled(3), [x])
    assert "x[0, 3]" in str(found)
    assert "smaller inputs" in str(found)
