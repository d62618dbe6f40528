"""Fast bodies of convolution and pooling: equal to the plain ones, forward and back."""

from __future__ import annotations

import numpy as np
import pytest

from minidl import Tensor, grad, ops
from minidl.errors import ShapeError
from minidl.kernels.cpu import conv as cpu_conv
from minidl.kernels.cpu import norm as cpu_norm
from minidl.kernels.cpu import pool as cpu_pool
from minidl.kernels.cpu import strided as cpu_strided
from minidl.kernels.cpu import winograd as cpu_winograd


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


def in_rows_or_blocks(*inputs, stride, **settings):
    if stride == (1, 1):
        return cpu_conv.conv2d_in_rows(*inputs, **settings)
    assert cpu_conv.conv2d_in_rows(*inputs, stride=stride, **settings) is None
    return cpu_strided.conv2d_in_blocks(*inputs, stride=stride, **settings)


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
        fast, fast_back = in_rows_or_blocks(*inputs, **settings)
        assert_close(fast, y)
        g = draw.standard_normal(y.shape).astype("float32")
        for wanted in ([True] * 3, [False, True, False], [True, False, True]):
            gradients = fast_back(g, wanted), back(g, wanted)
            for a, e in zip(*gradients, strict=True):
                assert (a is None) == (e is None)
                if a is not None:
                    assert_close(a, e)
        tried += 1


@pytest.mark.parametrize(
    ("n", "size", "padding"),
    [(8, (4, 4), 1), (9, (15, 13), ((0, 2), (2, 1))), (8, (18, 18), 0), (8, (7, 8), 1)],
)
def test_conv2d_in_tiles_equals_the_plain_body(n, size, padding, rng):
    """To 1e-5 of the largest number, as its file says."""
    shapes = (n, 32, *size), (33, 32, 3, 3), (33,)
    inputs = [rng.standard_normal(shape).astype("float32") for shape in shapes]
    y, back = ops.conv2d.body(*[x.astype("float64") for x in inputs], padding=padding)
    g = rng.standard_normal(y.shape).astype("float32")
    fast, fast_back = cpu_winograd.conv2d_in_tiles(*inputs, padding=padding)
    gradients = zip(fast_back(g, [True] * 3), back(g, [True] * 3), strict=True)
    for a, e in [(fast, y), *gradients]:
        assert (a.dtype, a.shape) == (np.float32, e.shape)
        np.testing.assert_allclose(a, e, rtol=0, atol=1.5e-5 * np.abs(e).max())
    assert [d is None for d in fast_back(g, [False, True, False])] == [
        True,
        False,
        True,
    ]


def test_what_does_not_fit_into_tiles(rng):
    x, w = np.ones((8, 32, 8, 8), "f4"), np.ones((32, 32, 3, 3), "f4")
    declined = cpu_winograd.conv2d_in_tiles
    assert declined(x, w) is None, "6 x 6 outputs would fill a third of 8 x 8"
    assert declined(x, w, padding=1, stride=2) is None
    assert declined(x, w, padding=2, dilation=2) is None
    assert declined(x, w[:, :16], padding=1, groups=2) is None
    assert declined(x[:7], w, padding=1) is None
    assert declined(x[:, :31], w[:, :31], padding=1) is None
    assert declined(np.full_like(x, 1e38), w, padding=1) is None, "it overflows"
    assert declined(x, w, padding=1) is not None


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_what_is_not_finite_stays_near_with_a_stride(bad, rng):
    """A kernel in blocks has places of 0, which would make NaN of more pixels."""
    x, g = rng.standard_normal((2, 4, 3, 9, 9)).astype("f4")
    w, settings = np.ones((3, 3, 3, 3), "f4"), {"stride": 2, "padding": 1}
    g = g[..., :5, :5]
    _, back = cpu_strided.conv2d_in_blocks(x, w, **settings)
    _, plain_back = ops.conv2d.body(x, w, **settings)
    g[1, 2, 3, 4] = bad
    wanted = [True, True, False]
    with np.errstate(invalid="ignore"):
        for a, e in zip(back(g, wanted)[:2], plain_back(g, wanted)[:2], strict=True):
            np.testing.assert_array_equal(np.isfinite(a), np.isfinite(e))
        x[1, 2, 6, 6] = bad
        y, plain = ops.conv2d(x, w, **settings), ops.conv2d.body(x, w, **settings)[0]
    assert (np.isfinite(y) == np.isfinite(plain)).all()
    assert (~np.isfinite(y)).sum() == 3


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
    y, back, _ = cpu_norm.fast_batch_norm(in_rows(x), gamma, beta)
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
