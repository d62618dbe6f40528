"""Activations: agreement with PyTorch, kinks, infinities, and what they refuse."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from minidl import Tensor, grad, nn, ops
from minidl.errors import MinidlError, RangeError, ShapeError
from minidl.kernels.cpu.where import quick_where
from tests.against_torch import assert_agree

pytestmark = pytest.mark.quick

INF = math.inf
SHAPES = [(7,), (3, 5), (2, 4, 3), (2, 4, 2, 3)]

# One layer of ours, the layer of PyTorch, over all of their settings.
PLAIN = {
    "ReLU": [{}],
    "LeakyReLU": [{"negative_slope": s} for s in (0.01, 0.2, -0.5, 0.0, 1.0)],
    "ELU": [{"alpha": a} for a in (1.0, 0.3, 2.0, 1.7, 0.9)],
    "SELU": [{}],
    "GELU": [{"approximate": "none"}, {"approximate": "tanh"}],
    "SiLU": [{}],
    "Sigmoid": [{}],
    "Tanh": [{}],
    "LogSigmoid": [{}],
    "Softsign": [{}],
    "Mish": [{}],
    "Hardtanh": [{}, {"min_val": -0.3, "max_val": 2.0}],
    "Softplus": [{"beta": b} for b in (1.0, 0.5, 2.0)],
}


def draws(settings, least=20):
    """(settings, shape, seed): every pair, and again with other numbers, up to `least`."""
    pairs = list(itertools.product(settings, SHAPES))
    rounds = -(-least // len(pairs))
    return [(kw, shape, seed) for seed in range(rounds) for kw, shape in pairs]


@pytest.mark.parametrize("name", PLAIN)
def test_agrees_with_torch(torch, name):
    for kw, shape, seed in draws(PLAIN[name]):
        x = 2 * np.random.default_rng(seed).standard_normal(shape)
        assert_agree(torch, getattr(nn, name)(**kw), getattr(torch.nn, name)(**kw), [x])


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax"])
def test_softmax_agrees_with_torch(torch, name):
    cases = [
        (shape, axis) for shape in SHAPES for axis in range(-len(shape), len(shape))
    ]
    for seed, (shape, axis) in enumerate(cases):
        x = 3 * np.random.default_rng(seed).standard_normal(shape)
        assert_agree(torch, getattr(nn, name)(axis), getattr(torch.nn, name)(axis), [x])
    assert len(cases) >= 20


def test_glu_agrees_with_torch(torch):
    for seed, (shape, axis) in enumerate([((6,), -1), ((3, 4), 1), ((2, 4, 3), 1)]):
        x = np.random.default_rng(seed).standard_normal(shape)
        assert_agree(torch, nn.GLU(axis), torch.nn.GLU(axis), [x])


def test_the_newer_curves_are_right_far_out():
    far = np.array([-INF, -1e4, 1e4, INF])
    np.testing.assert_array_equal(ops.logsigmoid(far), [-INF, -1e4, 0, 0])
    np.testing.assert_array_equal(ops.mish(far), [0, 0, 1e4, INF])
    np.testing.assert_array_equal(ops.hardtanh(far), [-1, -1, 1, 1])
    for f, slopes in ((ops.logsigmoid, [1, 0]), (ops.mish, [0, 1])):
        x = Tensor(far[1:3], requires_grad=True)
        np.testing.assert_array_equal(grad(f(x).sum(), x)[0], slopes)
    edge = Tensor([-1.0, 1.0], requires_grad=True)
    np.testing.assert_array_equal(grad(ops.hardtanh(edge).sum(), edge)[0], [0, 0])
    with pytest.raises(ShapeError, match="half"):
        ops.glu(np.ones((2, 3)))
    with pytest.raises(RangeError, match="less than"):
        ops.hardtanh(np.ones(2), 1.0, 1.0)


def test_prelu_agrees_with_torch(torch):
    for seed in range(20):
        draw = np.random.default_rng(seed)
        shape = SHAPES[seed % 4]
        slope = draw.standard_normal(shape[1] if seed % 8 > 3 and len(shape) > 1 else 1)
        x = draw.standard_normal(shape)
        assert_agree(torch, ops.prelu, torch.nn.functional.prelu, [x, slope])


def test_prelu_layer_learns_its_slope():
    layer = nn.PReLU(3, init=0.1).astype("float64")
    x = np.array([[-1.0, 2.0, -3.0]])
    y = layer(x)
    np.testing.assert_allclose(y.data, [[-0.1, 2.0, -0.3]], rtol=1e-7)
    y.sum().backward()
    np.testing.assert_array_equal(layer.weight.grad, [-1, 0, -3])


def test_maxout_agrees_with_torch(torch):
    """PyTorch has no maxout; it has max over an axis of its own."""
    for seed in range(20):
        draw = np.random.default_rng(seed)
        k, axis = 1 + seed % 4, (-1, 1, 0, 2)[seed // 5]
        shape = [2, 3, 4]
        shape[axis] *= k
        at = axis % 3

        def theirs(x, at=at, k=k):
            return x.unflatten(at, (-1, k)).amax(at + 1)

        def ours(x, axis=axis, k=k):
            return ops.maxout(x, pieces=k, axis=axis)

        assert_agree(torch, ours, theirs, [draw.standard_normal(shape)])


def test_maxout_layer_is_the_maximum_of_linear_layers(rng):
    layer = nn.Maxout(5, 3, pieces=4, rng=0).astype("float64")
    x = rng.standard_normal((2, 5))
    w = layer.weight.data.reshape(5, 3, 4)
    layer.bias.data[...] = rng.standard_normal(12)
    expected = (np.einsum("nd,dik->nik", x, w) + layer.bias.data.reshape(3, 4)).max(2)
    np.testing.assert_allclose(layer(x).data, expected, rtol=1e-12)


def test_maxout_of_two_pieces_is_relu_of_a_difference(rng):
    """max(a, b) = b + relu(a − b)."""
    a, b = rng.standard_normal((2, 6))
    both = np.stack([a, b], axis=1).reshape(12)
    np.testing.assert_allclose(ops.maxout(both, pieces=2), b + ops.relu(a - b))


# At the kinks


def slope_at(f, at):
    x = Tensor(np.array([at]), requires_grad=True)
    return grad(f(x), x, np.ones(1))[0][0]


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (ops.relu, 0.0),
        (ops.leaky_relu, 0.01),
        (lambda x: ops.leaky_relu(x, negative_slope=0.3), 0.3),
        (lambda x: ops.prelu(x, np.array([0.4])), 0.4),
        (ops.elu, 1.0),
        (lambda x: ops.elu(x, alpha=0.5), 0.5),
        (ops.selu, 1.0507009873554805 * 1.6732632423543772),
    ],
    ids=["relu", "leaky", "leaky 0.3", "prelu", "elu", "elu 0.5", "selu"],
)
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_at_its_kink_it_has_the_slope_of_the_left_side(f, expected, zero):
    assert slope_at(f, zero) == pytest.approx(expected)


def test_of_equal_pieces_the_first_gets_the_gradient():
    x = Tensor(np.array([1.0, 3.0, 3.0, 2.0, 2.0, 2.0]), requires_grad=True)
    (g,) = grad(ops.maxout(x, pieces=3), x, np.array([1.0, 10.0]))
    np.testing.assert_array_equal(g, [0, 1, 0, 10, 0, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [3, 4096])
def test_relu_hides_even_an_infinite_gradient(dtype, size):
    """Where x ≤ 0 nothing comes back, not even inf · 0 = nan."""
    x = Tensor(np.tile(np.array([-1.0, 0.0, 1.0], dtype), size), requires_grad=True)
    g = np.full(x.shape, INF, dtype)
    (dx,) = grad(ops.relu(x), x, g)
    np.testing.assert_array_equal(dx, np.tile(np.array([0, 0, INF], dtype), size))


# At infinity, and far away

LIMITS = {
    #               f                                      at −∞     at ∞   slope −∞  slope ∞
    "relu":        (ops.relu,                              0.0,      INF,   0.0,      1.0),
    "leaky_relu":  (ops.leaky_relu,                        -INF,     INF,   0.01,     1.0),
    "prelu":       (lambda x: ops.prelu(x, np.ones(1, x.dtype)), -INF, INF, 1.0,      1.0),
    "elu":         (lambda x: ops.elu(x, alpha=0.5),       -0.5,     INF,   0.0,      1.0),
    "selu":        (ops.selu,                 -1.7580993408473766,   INF,   0.0,      1.0507009873554805),
    "gelu":        (ops.gelu,                              0.0,      INF,   0.0,      1.0),
    "gelu tanh":   (lambda x: ops.gelu(x, approximate="tanh"), 0.0,  INF,   0.0,      1.0),
    "silu":        (ops.silu,                              0.0,      INF,   0.0,      1.0),
    "sigmoid":     (ops.sigmoid,                           0.0,      1.0,   0.0,      0.0),
    "tanh":        (ops.tanh,                              -1.0,     1.0,   0.0,      0.0),
    "softplus":    (ops.softplus,                          0.0,      INF,   0.0,      1.0),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LIMITS)
def test_limits(name, dtype):
    f, low, high, slope_low, slope_high = LIMITS[name]
    x = Tensor(np.array([-INF, INF], dtype), requires_grad=True)
    y = f(x)
    (g,) = grad(y, x, np.ones(2, dtype))
    np.testing.assert_allclose(y.data, [low, high], rtol=1e-6)
    np.testing.assert_allclose(g, [slope_low, slope_high], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LIMITS)
def test_far_away_it_is_as_good_as_at_infinity(name, dtype):
    """At ±10⁴ nothing overflows, to the second order."""
    f, low, high, slope_low, slope_high = LIMITS[name]
    x = Tensor(np.array([-1e4, 1e4], dtype), requires_grad=True)
    y = f(x)
    (g,) = grad(y, x, np.ones(2, dtype), create_graph=True)
    for value, limit in zip(y.data, (low, high), strict=True):
        assert np.isfinite(value)
        assert value == pytest.approx(limit, rel=1e-6) if np.isfinite(limit) else True
    np.testing.assert_allclose(g.data, [slope_low, slope_high], rtol=1e-6)
    if g.requires_grad:
        (second,) = grad(g, x, np.ones(2, dtype), allow_unused=True)
        np.testing.assert_array_equal(0 if second is None else second, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([1e4, 0.0, -1e4], [1, 0, 0]),
        ([1e4, 1e4, 0.0], [0.5, 0.5, 0]),
        ([-1e4, -1e4, -1e4], [1 / 3, 1 / 3, 1 / 3]),
        ([INF, 0.0, -INF], [1, 0, 0]),
        ([INF, 3.0, INF], [0.5, 0, 0.5]),
        ([-INF, 0.0, 0.0], [0, 0.5, 0.5]),
        ([-INF, -INF, -INF], [1 / 3, 1 / 3, 1 / 3]),
        ([-INF, 7.0, -INF], [0, 1, 0]),
        ([np.finfo("float32").max, -np.finfo("float32").max, 0.0], [1, 0, 0]),
    ],
    ids=str,
)
def test_softmax_far_away_and_at_infinity(scores, expected, dtype):
    x = Tensor(np.array([[1.0, 2.0, 3.0], scores], dtype), requires_grad=True)
    ordinary = np.exp([1.0, 2.0, 3.0]) / np.exp([1.0, 2.0, 3.0]).sum()
    y = ops.softmax(x)
    np.testing.assert_allclose(y.data, [ordinary, expected], rtol=1e-5)
    (g,) = grad(y, x, np.array([[1, 0, 0], [1, 2, 3]], dtype), create_graph=True)
    assert np.isfinite(g.data).all()
    p = np.array(expected)
    np.testing.assert_allclose(g.data[1], p * ([1, 2, 3] - p @ [1, 2, 3]), atol=1e-6)
    np.testing.assert_allclose(
        g.data[0], ordinary * ([1, 0, 0] - ordinary[0]), atol=1e-6
    )
    log_y = ops.log_softmax(x)
    with np.errstate(divide="ignore"):
        expected = np.log(np.array(expected))
    got = log_y.data[1]
    finite = np.isfinite(expected)
    np.testing.assert_allclose(got[finite], expected[finite], atol=1e-6)
    assert (got[~finite] <= -9e3).all()
    (g,) = grad(log_y, x, np.array([[1, 0, 0], [1, 2, 3]], dtype))
    np.testing.assert_allclose(g[1], [1, 2, 3] - 6 * p, atol=1e-5)


def test_rows_of_softmax_do_not_touch_each_other(rng):
    """An infinite score changes nothing in other rows, to the second order."""
    x = rng.standard_normal((2, 4))
    bad = x.copy()
    bad[1, 2] = INF
    v = rng.standard_normal((2, 4))

    def twice(x):
        t = Tensor(x, requires_grad=True)
        (g,) = grad(ops.softmax(t), t, v, create_graph=True)
        return g.data, grad(g, t, v)[0]

    for good, other in zip(twice(x), twice(bad), strict=True):
        np.testing.assert_allclose(other[0], good[0], rtol=1e-12)


# What else could go wrong


def test_softmax_is_a_distribution_whatever_the_layout(rng):
    x = rng.standard_normal((4, 5, 6)).transpose(2, 0, 1)[::-1]
    y = ops.softmax(x, axis=1)
    np.testing.assert_allclose(y.sum(axis=1), 1)
    np.testing.assert_allclose(y, ops.softmax(np.ascontiguousarray(x), axis=1))


@pytest.mark.parametrize("name", [n for n in LIMITS if n != "prelu"])
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (2, 0)])
def test_scalars_and_empty_arrays(name, shape):
    x = Tensor(np.full(shape, 0.5), requires_grad=True)
    y = LIMITS[name][0](x)
    assert y.shape == shape
    assert grad(y, x, np.ones(shape))[0].shape == shape


@pytest.mark.parametrize("size", [5, 5000])
def test_relu_of_views_and_other_layouts(rng, size):
    x = rng.standard_normal((size, 6)).astype("float32")
    for view in (x, x.T, x[::-1], x[:, ::2], x[1:, 1:]):
        t = Tensor(view, requires_grad=True, copy=False)
        y = ops.relu(t)
        g = rng.standard_normal(view.shape).astype("float32")
        (dx,) = grad(y, t, g)
        np.testing.assert_array_equal(y.data, np.where(view > 0, view, 0))
        np.testing.assert_array_equal(dx, np.where(view > 0, g, 0))


@pytest.mark.parametrize("size", [5, 100_000])
def test_relu_is_linear_given_its_mask(rng, size):
    """So its second derivative with respect to g is the mask itself."""
    x = Tensor(rng.standard_normal(size), requires_grad=True)
    g = Tensor(rng.standard_normal(size), requires_grad=True)
    (dx,) = grad(ops.relu(x), x, g, create_graph=True)
    (dg,) = grad(dx, g, np.ones(size))
    np.testing.assert_array_equal(dg, x.data > 0)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: ops.maxout(np.ones((2, 7)), pieces=3), ShapeError, "7 numbers.*pieces=3"),
        (lambda: ops.maxout(np.ones((2, 6)), pieces=0), ShapeError, "pieces=0"),
        (lambda: ops.prelu(np.ones((2, 3)), np.ones(2)), ShapeError, r"\(2,\).*\(2, 3\)"),
        (lambda: ops.prelu(np.ones(3), np.ones(3)), ShapeError, r"should be \(1,\)"),
        (lambda: ops.gelu(np.ones(2), approximate="fast"), RangeError, '"none" or "tanh"'),
        (lambda: ops.softmax(np.ones((2, 3)), axis=2), MinidlError, "axis 2"),
    ],
    ids=["pieces", "no pieces", "slopes", "no channels", "approximate", "axis"],
)  # fmt: skip
def test_what_does_not_fit_is_explained(call, error, says):
    with pytest.raises(error, match=says):
        call()


# The quick way to choose (minidl/kernels/cpu/where.py)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", ["C", "F", "steps"])
def test_quick_where_is_where(rng, dtype, layout):
    a, b = rng.standard_normal((2, 80, 40)).astype(dtype)
    for special in (INF, -INF, np.nan, -0.0, 1e-42):
        a[rng.integers(0, 80, 50), rng.integers(0, 40, 50)] = special
        b[rng.integers(0, 80, 50), rng.integers(0, 40, 50)] = special
    on = rng.random((80, 40)) < 0.5
    if layout != "C":
        on, a, b = (x.T if layout == "F" else x[::-1, ::2] for x in (on, a, b))
    for choice in ((a, b), (a, 0.0), (0.0, b)):
        y, back = quick_where(on, *choice)
        np.testing.assert_array_equal(y, np.where(on, *choice))
        assert y.dtype == dtype
        assert y.base is None  # memory of its own, which the engine need not copy
        np.testing.assert_array_equal(back[1](a), np.where(on, a, 0))
        np.testing.assert_array_equal(back[2](a), np.where(on, 0, a))


def test_quick_where_declines_what_is_rare(rng):
    a = rng.standard_normal((64, 64))
    on = a > 0
    for args in [
        (on[:2], a[:2], 0.0), (on, 1.0, 0.0), (on, a, 1.0), (on, a[0], 0.0),
        (on, a, a.astype("float32")), (on.astype(int), a, 0.0), (on, a.astype(int), 0.0),
    ]:  # fmt: skip
        assert quick_where(*args) is None
