"""Fast bodies of convolution and pooling: equal to the plain ones, forward and back."""

from __future__ import annotations

import numpy as np
import pytest

from minidl import Tensor, grad, ops
from minidl.errors import ShapeError
from minidl.kernels.cpu import conv as cpu_conv
from minidl.kernels.cpu import pool as cpu_pool


def in_rows(x):
    return cpu_conv.images_of(cpu_conv.rows_of(x))


def drawn_conv(draw):
    """One convolution of random shape and settings."""
    groups = int(draw.integers(1, 4))
    c, f = groups * draw.integers(1, 4, 2)
    kh, kw = draw.integers(1, 5, 2)
    x = draw.standard_normal((draw.integers(1, 5), c, *draw.integers(4, 10, 2)))
    w = draw.standard_normal((f, c // groups, kh, kw))
    b = draw.standard_normal(f) if draw.random() < 0.5 else None
    stride = (1, 1) if draw.random() < 0.5 else tuple(draw.integers(1, 4, 2))
    padding = tuple(map(tuple, draw.integers(0, 5, (2, 2))))
    dilation = (1, int(draw.integers(1, 3)))
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    return [x, w, b], settings | {"groups": groups}


@pytest.mark.parametrize("band", [1, 2000, cpu_conv.BAND])
def test_conv2d_in_rows_equals_the_plain_body(band, monkeypatch):
    monkeypatch.setattr(cpu_conv, "BAND", band)
    monkeypatch.setattr(cpu_conv, "SMALL", 300 * band)
    draw, tried = np.random.default_rng(band), 0
    while tried < 60:
        inputs, settings = drawn_conv(draw)
        inputs = [x if x is None else x.astype("float32") for x in inputs]
        try:
            y, back = ops.conv2d.body(*inputs, **settings)
        except ShapeError:
            continue
        if draw.random() < 0.5:
            inputs[0] = in_rows(inputs[0])
        fast, fast_back = cpu_conv.conv2d_in_rows(*inputs, **settings)
        assert_close(fast, y)
        g = draw.standard_normal(y.shape).astype("float32")
        for wanted in ([True] * 3, [False, True, False], [True, False, True]):
            gradients = fast_back(g, wanted), back(g, wanted)
            for a, e in zip(*gradients, strict=True):
                assert (a is None) == (e is None)
                if a is not None:
                    assert_close(a, e)
        tried += 1


def test_the_pieces_of_a_product_make_the_whole(rng):
    w, columns = rng.standard_normal((1, 1, 6, 9)), rng.standard_normal((1, 2, 9, 384))
    out = np.empty((1, 2, 6, 384))
    cpu_conv.multiply(w, columns, out)
    np.testing.assert_allclose(out, w @ columns)


@pytest.mark.parametrize("seed", range(60))
def test_pooling_by_shifts_equals_the_plain_body(seed):
    draw = np.random.default_rng(seed)
    size = tuple(draw.integers(1, 4, 2))
    settings = {
        "kernel_size": size,
        "stride": None if seed % 3 == 0 else tuple(draw.integers(1, 4, 2)),
        "padding": tuple(int(draw.integers(0, k // 2 + 1)) for k in size),
    }
    shape = (*draw.integers(1, 4, 2), *draw.integers(5, 9, 2))
    x = draw.standard_normal(shape).round(1).astype("float32")  # rounded: with ties
    x = in_rows(x) if seed % 2 else x[:, :, ::-1] if seed % 5 == 0 else x
    for fast, plain, more in (
        (cpu_pool.max_pool2d_by_shifts, ops.max_pool2d, {"dilation": (1, 2)}),
        (cpu_pool.avg_pool2d_by_shifts, ops.avg_pool2d, {}),
    ):
        y, back = plain.body(x, **settings, **more)
        fast_y, fast_back = fast(x, **settings, **more)
        assert_close(fast_y, y)
        g = draw.standard_normal(y.shape).astype("float32")
        assert_close(fast_back(in_rows(g) if seed % 4 == 0 else g), back(g))


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_second_order_passes_through_pooling_by_shifts(name, rng):
    """In float32: the fast bodies do not take float64, where the table checks them."""
    pool = getattr(ops, name)
    x = rng.standard_normal((2, 3, 6, 6))
    settings = {"kernel_size": 3, "stride": 2, "padding": 1}
    found = []
    for dtype in ("float64", "float32"):
        leaf = Tensor(x.astype(dtype), requires_grad=True)
        y = pool(leaf * leaf, **settings)
        (dx,) = grad((y * y).sum(), leaf, create_graph=True)
        (second,) = grad((dx * dx * dx).sum(), leaf, create_graph=True)
        found.append(grad((second * second).sum(), leaf)[0])
    exact, fast = found
    assert fast.dtype == np.float32
    np.testing.assert_allclose(fast, exact, rtol=1e-4, atol=1e-3 * np.abs(exact).max())


def assert_close(fast, plain):
    assert fast.dtype == plain.dtype == np.float32
    np.testing.assert_allclose(fast, plain, rtol=2e-4, atol=2e-4)


def test_fast_bodies_are_taken_and_leave_the_rest(rng):
    x = rng.standard_normal((8, 2, 6, 6))
    w = rng.standard_normal((4, 2, 3, 3))
    assert cpu_conv.conv2d_in_rows(x, w) is None
    assert cpu_pool.max_pool2d_by_shifts(x, kernel_size=2) is None
    x, w = x.astype("float32"), w.astype("float32")
    assert cpu_conv.conv2d_in_rows(x, w, dilation=2) is None
    y = ops.max_pool2d(ops.conv2d(x, w), 2)  # laid out as H, C, W, N by the fast bodies
    assert y.shape == (8, 4, 2, 2)
    assert y.transpose(2, 1, 3, 0).flags.c_contiguous


def test_batch_norm_takes_and_keeps_images_in_rows(rng):
    x, g = (rng.standard_normal((64, 5, 16, 16)).astype("float32") for _ in range(2))
    gamma, beta = (rng.standard_normal(5).astype("float32") for _ in range(2))
    y, back, _ = ops.batch_norm.fasts["cpu"][0](in_rows(x), gamma, beta)
    plain, plain_back, _ = ops.batch_norm.body(x, gamma, beta)
    assert y.transpose(2, 1, 3, 0).flags.c_contiguous
    assert_close(y, plain)
    for a, e in zip(back(in_rows(g)), plain_back(g), strict=True):
        np.testing.assert_allclose(a, e, rtol=2e-4, atol=2e-2)


def test_a_small_net_in_float32_has_the_gradients_of_float64(rng):
    """Fast bodies forward and back, in a row, against the plain ones."""
    inputs = [
        rng.standard_normal(shape)
        for shape in [(8, 2, 8, 8), (4, 2, 3, 3), (6, 4, 3, 3), (6,)]
    ]

    def net(x, v, w, b):
        h = ops.max_pool2d(ops.conv2d(x, v, padding="same"), 2)
        h = ops.avg_pool2d(ops.conv2d(h, w, b, stride=2, padding=1), 2)
        return (h * h).sum()

    found = []
    for dtype in ("float64", "float32"):
        xs = [Tensor(x.astype(dtype), requires_grad=True) for x in inputs]
        found.append(grad(net(*xs), xs))
    for exact, fast in zip(*found, strict=True):
        assert fast.dtype == np.float32
        np.testing.assert_allclose(fast, exact, rtol=1e-3, atol=1e-3)
