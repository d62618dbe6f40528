"""Fast activations, GRU and RNN on a CPU: equal to their plain bodies, on drawn shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minidl import Tensor, grad, ops
from minidl.errors import ShapeError
from minidl.kernels.cpu import activation as cpu_activation
from minidl.kernels.cpu import gru as cpu_gru
from minidl.kernels.cpu import special as cpu_special
from minidl.kernels.cpu.blocks import BLOCK

CLOSE = {"rtol": 1e-4, "atol": 5e-5}
erf = np.vectorize(math.erf)

# ------------------------------------------------------------------------ activations

FAST = {  # op, fast body, settings, how far both may be apart
    "erf": (ops.erf, cpu_special.quick_erf, {}, 3e-7),
    "gelu": (ops.gelu, cpu_special.quick_gelu, {}, 1e-6),
    "gelu tanh": (ops.gelu, cpu_special.quick_gelu, {"approximate": "tanh"}, 2e-6),
    "elu": (ops.elu, cpu_activation.quick_elu, {}, 3e-7),
    "elu 1.7": (ops.elu, cpu_activation.quick_elu, {"alpha": 1.7}, 6e-7),
    "elu 0": (ops.elu, cpu_activation.quick_elu, {"alpha": 0.0}, 1e-7),
}
SHAPES = [(1, 1, 1), (3, 5, 7), (2, 3, BLOCK // 2 + 1), (BLOCK, 1, 2), (1, 2, BLOCK)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FAST)
def test_it_equals_the_plain_body(name, shape, rng):
    op, fast, settings, close = FAST[name]
    x = (3 * rng.standard_normal(shape)).astype("f4")
    g = rng.standard_normal(shape).astype("f4")
    if shape[0] == 3:  # as attention hands it on: rows lie apart
        x, g = np.asfortranarray(x), np.broadcast_to(g[:1], shape)
    x.flags.writeable = g.flags.writeable = False
    want, want_back = op.body(x.astype("f8"), **settings)
    y, back = fast(x, **settings)
    want_back = want_back if callable(want_back) else want_back[0]
    assert (y.dtype, y.shape) == (x.dtype, shape)
    np.testing.assert_allclose(y, want, atol=close, rtol=1e-6)
    for _ in range(2):  # it may be called twice
        dx = back(g)
        assert (dx.dtype, dx.shape) == (x.dtype, shape)
        np.testing.assert_allclose(
            dx, want_back(g.astype("f8")), atol=3 * close, rtol=3e-6
        )


EDGES = np.array([0.0, -0.0, 1e-30, -1e-30, 1e30, -1e30, 200, -200, np.inf, -np.inf])


@pytest.mark.parametrize("name", FAST)
def test_at_the_edges(name):
    op, fast, settings, close = FAST[name]
    x = np.append(EDGES, np.nan).astype("f4")
    want, want_back = op.body(x.astype("f8"), **settings)
    y, back = fast(x, **settings)
    np.testing.assert_allclose(y, want, atol=close)
    g = np.full_like(x, 2)
    np.testing.assert_allclose(back(g), want_back(g.astype("f8")), atol=close)


@pytest.mark.parametrize("name", FAST)
def test_what_it_declines(name):
    _, fast, settings, _ = FAST[name]
    x = np.ones((2, 3, 4))
    assert fast(x, **settings) is None
    assert fast(x.astype("f2"), **settings) is None


def test_what_their_settings_decline():
    x = np.ones((2, 3), "f4")
    assert cpu_activation.quick_elu(x, alpha=-1.0) is None
    assert cpu_special.quick_gelu(x, approximate="sigmoid") is None


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("shape", [(0, 2, 3), (2, 3, 4)])
def test_the_engine_takes_them(name, shape, rng):
    op, fast, settings, _ = FAST[name]
    assert fast in op.fasts["cpu"]
    x = Tensor(rng.standard_normal(shape).astype("f4"), requires_grad=True)
    (dx,) = grad(op(x, **settings).sum(), x, create_graph=True)
    if x.size:
        grad((dx * dx).sum(), x, allow_unused=True)


def artanh_of_erf(x):
    """artanh(erf x) / x, whose limit at 0 is 2 / √π."""
    return 0.5 * math.log((1 + math.erf(x)) / math.erfc(x)) / x


def test_the_polynomial_of_erf_can_be_fitted_again():
    """Least squares, weighted anew until the largest error cannot sink (Lawson 1961).

    An error δ of P is one of (1 − erf²) x δ in erf x.
    """
    angle = np.cos(np.pi * (np.arange(2000) + 0.5) / 2000)
    x = 4 * np.sqrt((angle + 1) / 2)
    p, y = np.vectorize(artanh_of_erf)(x), erf(x)
    slope = (1 - y * y) * x / y
    powers = np.polynomial.chebyshev.chebvander(angle, 8)
    weight = np.ones_like(x)
    for _ in range(100):
        w = slope * np.sqrt(weight)
        found = np.linalg.lstsq(powers * w[:, None], p * w, rcond=None)[0]
        error = np.abs(powers @ found - p) * slope
        weight *= error / error.max() + 1e-9
        weight /= weight.sum()
    best = error.max()
    ours = np.abs(np.polyval(cpu_special.ERF, x * x) - p) * slope
    assert best < 3.3e-8
    assert ours.max() < 1.1 * best  # nine digits are kept


def test_erf_is_right_to_three_units_in_the_last_place():
    x = np.concatenate([np.linspace(-6, 6, 100_001), np.geomspace(1e-30, 6, 10_001)])
    x = x.astype("f4")
    want = erf(x.astype("f8"))
    off = np.abs(ops.erf(x) - want) / np.spacing(np.abs(want).astype("f4") + 1e-45)
    assert off.max() <= 3
    assert ops.erf(x).max() == 1


# -------------------------------------------------------------------------- GRU, RNN

KINDS = {"gru": (ops.gru, cpu_gru.fast_gru, 3), "rnn": (ops.rnn, cpu_gru.fast_rnn, 1)}


def drawn(draw, kind):
    """Inputs of random shape; the state, the biases and the mask may be absent."""
    n, t, d, h = (int(i) for i in draw.integers(1, 7, 4))
    k = KINDS[kind][2] * h
    shapes = [(n, t, d), (n, h), (d, k), (h, k), (k,), (k,)]
    inputs = [draw.standard_normal(s).astype("f4") for s in shapes]
    if kind == "rnn":
        inputs.pop()
    for i in (1, 4, 5):
        if i < len(inputs) and draw.random() < 0.3:
            inputs[i] = None
    mask = None if draw.random() < 0.4 else draw.random((n, t)) < 0.7
    return [*inputs, mask], (n, t, h)


@pytest.mark.parametrize("seed", range(50))
@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_equals_the_plain_body(kind, seed):
    op, fast, _ = KINDS[kind]
    draw = np.random.default_rng(seed)
    inputs, (n, t, h) = drawn(draw, kind)
    settings = {"reverse": bool(seed % 2)}
    if kind == "rnn":
        settings["nonlinearity"] = ["tanh", "relu"][seed // 2 % 2]
    gs = [draw.standard_normal(s).astype("f4") for s in ((n, t, h), (n, h))]
    if seed % 3 == 0:  # an output that nobody used
        gs[0] = np.broadcast_to(np.zeros((), "f4"), (n, t, h))
    freeze([*inputs, *gs])
    ys, back = op.body(*map(wide, inputs), **settings)
    found, fast_back = fast(*inputs, **settings)
    are_close(found, ys)
    given = [i for i, x in enumerate(inputs[:-1]) if x is not None]
    plain = [back(*map(wide, gs))[i] for i in given]
    for _ in range(2):  # it may be called twice
        are_close([fast_back(*gs)[i] for i in given], plain)


def are_close(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        assert (a.dtype, a.shape) == (np.float32, b.shape)
        np.testing.assert_allclose(a, b, **CLOSE)


def freeze(arrays):
    """Whoever writes into one of these will fail."""
    for x in arrays:
        if x is not None:
            x.flags.writeable = False


def wide(x):
    return x if x is None or x.dtype == bool else x.astype("f8")


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_sequence_declines(kind, rng):
    op, fast, _ = KINDS[kind]
    inputs, _ = drawn(rng, kind)
    assert fast(*map(wide, inputs)) is None
    inputs[3] = inputs[3][:, :-1]
    assert fast(*inputs) is None
    with pytest.raises(ShapeError):
        op(*inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_of_nan_goes_nowhere(kind, rng):
    op, _, gates = KINDS[kind]
    shapes = [(2, 3, 2), (2, 3 * gates), (3, 3 * gates)]
    arrays = [rng.standard_normal(s).astype("f4") for s in shapes]
    arrays[0][0, 2] = np.nan
    x, wx, wh = leaves = [Tensor(a, requires_grad=True) for a in arrays]
    y, h = op(x, None, wx, wh, mask=ops.length_mask([2, 3], 3))
    gs = grad((y * y).sum() + h.sum(), leaves)
    assert all(np.isfinite(a).all() for a in (y.data, h.data, *gs))
