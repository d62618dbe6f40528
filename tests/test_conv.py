"""Convolution and pooling: agreement with PyTorch, edges, errors, layers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from minidl import Tensor, check, grad, nn, ops
from minidl.check import loops
from minidl.engine.versions import owners
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.nn import conv, pool
from tests.against_torch import assert_agree
from tests.rows import distinct

# ---------------------------------------------------------- PyTorch, layer by layer


def numbers(seed, *shapes):
    draw = np.random.default_rng(seed)
    return [draw.standard_normal(shape) for shape in shapes]


def with_weights(ours, theirs, functional_call):
    """Both layers as functions of x, weight and bias."""

    def run_ours(x, w, b):
        vars(ours).update(weight=w, bias=b)
        return ours(x)

    def run_theirs(x, w, b):
        return functional_call(theirs, {"weight": w, "bias": b}, (x,))

    return run_ours, run_theirs


def assert_layers_agree(torch, ours, theirs, args, kw, x_shape, seed):
    ours, theirs = ours(*args, **kw), theirs(*args, **kw)
    x, w, b = numbers(seed, x_shape, ours.weight.shape, ours.bias.shape)
    assert ours.weight.shape == tuple(theirs.weight.shape)
    both = with_weights(ours, theirs, torch.func.functional_call)
    assert_agree(torch, *both, [x, w, b])


CONV = [
    {"stride": s, "padding": p, "dilation": d, "groups": g}
    for s, p, d, g in itertools.product(
        [1, (2, 1), 3], [0, (1, 2)], [1, (1, 2)], [1, 2]
    )
] + [
    {"padding": "same"},
    {"padding": "valid", "stride": 2},
    {"padding": "same", "dilation": (2, 1), "groups": 4},
    {"padding": 1, "groups": 4},
    {"dilation": 2},
]


@pytest.mark.parametrize("seed", range(len(CONV)))
def test_conv2d_agrees_with_torch(torch, seed):
    same = CONV[seed].get("padding") == "same"  # PyTorch warns of even kernels
    args = (4, 8, 3 if same else [(3, 2), 3, (2, 4)][seed % 3])
    x = (2, 4, 7, 8)
    assert_layers_agree(torch, conv.Conv2d, torch.nn.Conv2d, args, CONV[seed], x, seed)


def test_conv1d_agrees_with_torch(torch):
    settings = itertools.product([1, 2], [0, 2, "same"], [1, 2], [1, 2])
    cases = [case for case in settings if case[:2] != (2, "same")]
    for seed, (s, p, d, g) in enumerate(cases):
        kw = {"stride": s, "padding": p, "dilation": d, "groups": g}
        # PyTorch warns of even kernels with "same"
        args, x = (4, 6, 3 if p == "same" else 2 + seed % 3), (2, 4, 9)
        assert_layers_agree(torch, conv.Conv1d, torch.nn.Conv1d, args, kw, x, seed)
    assert len(cases) >= 20


def test_conv_transpose2d_agrees_with_torch(torch):
    settings = itertools.product(
        [1, 2, (3, 2)], [0, (1, 0)], [0, 1], [1, 2], [1, (2, 1)]
    )
    cases = [c for c in settings if c[2] < np.min([c[0]]) or c[2] == 0]
    for seed, (s, p, extra, g, d) in enumerate(cases):
        kw = {"stride": s, "padding": p, "output_padding": extra}
        kw |= {"groups": g, "dilation": d}
        args, x = (4, 6, [(3, 2), 2][seed % 2]), (2, 4, 3, 4)
        ours, theirs = conv.ConvTranspose2d, torch.nn.ConvTranspose2d
        assert_layers_agree(torch, ours, theirs, args, kw, x, seed)
    assert len(cases) >= 20


def test_max_pool2d_agrees_with_torch(torch):
    cases = list(
        itertools.product([2, 3, (3, 2)], [None, 1, (2, 3)], [0, 1], [1, (1, 2)])
    )
    for kw in settings_of(cases, "kernel_size", "stride", "padding", "dilation"):
        x = distinct(2, 3, 7, 8)
        assert_agree(torch, pool.MaxPool2d(**kw), torch.nn.MaxPool2d(**kw), [x])
    assert len(cases) >= 20


def test_avg_pool2d_agrees_with_torch(torch):
    cases = list(
        itertools.product([2, 3, (3, 2)], [None, 1, (2, 3)], [0, 1], [True, False])
    )
    names = ("kernel_size", "stride", "padding", "count_include_pad")
    for seed, kw in enumerate(settings_of(cases, *names)):
        x = numbers(seed, (2, 3, 7, 8))
        assert_agree(torch, pool.AvgPool2d(**kw), torch.nn.AvgPool2d(**kw), x)
    assert len(cases) >= 20


def test_ceil_mode_agrees_with_torch(torch):
    cases = list(
        itertools.product([2, 3, (3, 2)], [1, 2, 3, (3, 2)], [0, 1], [5, 6, 7])
    )
    for seed, (size, stride, padding, n) in enumerate(cases):
        kw = {"kernel_size": size, "stride": stride, "padding": padding}
        kw["ceil_mode"] = True
        x, images = distinct(1, 2, n, 8), numbers(seed, (1, 2, n, 8))
        theirs = torch.nn.MaxPool2d(**kw, dilation=1 + seed % 2)
        assert_agree(torch, pool.MaxPool2d(**kw, dilation=1 + seed % 2), theirs, [x])
        kw["count_include_pad"] = bool(seed % 3)
        assert_agree(torch, pool.AvgPool2d(**kw), torch.nn.AvgPool2d(**kw), images)
    narrow = distinct(1, 2, 7, 8).astype("f4")  # the fast bodies
    for kw in ({"kernel_size": 3, "padding": 1}, {"kernel_size": 2, "stride": 3}):
        for name in ("max_pool2d", "avg_pool2d"):
            f = getattr(ops, name)
            wide = f(narrow.astype("f8"), ceil_mode=True, **kw)
            np.testing.assert_allclose(f(narrow, ceil_mode=True, **kw), wide, atol=1e-5)


def test_pooling_of_sequences_agrees_with_torch(torch):
    cases = itertools.product([2, 3], [None, 1, 2], [0, 1], [False, True])
    for kw in settings_of(cases, "kernel_size", "stride", "padding", "ceil_mode"):
        x = distinct(2, 3, 8)
        for name in ("MaxPool1d", "AvgPool1d"):
            ours, theirs = getattr(nn, name), getattr(torch.nn, name)
            assert_agree(torch, ours(**kw), theirs(**kw), [x])


def test_bilinear_upsampling_agrees_with_torch(torch):
    for seed, (scale, n) in enumerate(itertools.product([1, 2, 3, (3, 2)], [1, 2, 4])):
        x = numbers(seed, (2, 3, n, 3))
        for corners in (False, True):
            kw = {"mode": "bilinear", "align_corners": corners}
            ours = pool.Upsample(scale, **kw)
            theirs = torch.nn.Upsample(scale_factor=scale, **kw)
            assert_agree(torch, ours, theirs, x)


def test_adaptive_avg_pool2d_agrees_with_torch(torch):
    cases = list(itertools.product([1, 2, 3, 5, 9], [1, 4, 7, 8]))
    for seed, size in enumerate(cases):
        x = numbers(seed, (2, 3, 7, 5))
        ours, theirs = pool.AdaptiveAvgPool2d(size), torch.nn.AdaptiveAvgPool2d(size)
        assert_agree(torch, ours, theirs, x)
    assert len(cases) >= 20


def test_unfold_and_fold_agree_with_torch(torch):
    cases = list(
        itertools.product([2, (3, 2)], [1, (1, 2)], [0, (1, 2)], [1, 2, (2, 1)])
    )
    for seed, kw in enumerate(
        settings_of(cases, "kernel_size", "dilation", "padding", "stride")
    ):
        (x,) = numbers(seed, (2, 3, 6, 5))
        ours, theirs = conv.Unfold(**kw), torch.nn.Unfold(**kw)
        assert_agree(torch, ours, theirs, [x])
        columns = numbers(seed, theirs(torch.tensor(x)).shape)
        ours, theirs = conv.Fold((6, 5), **kw), torch.nn.Fold((6, 5), **kw)
        assert_agree(torch, ours, theirs, columns)
    assert len(cases) >= 20


def test_upsample_and_global_mean_agree_with_torch(torch):
    for seed, scale in enumerate(itertools.product([1, 2, 3, 4], [1, 2, 3, 4, 5])):
        x = numbers(seed, (2, 3, 1 + seed % 3, 3))
        assert_agree(
            torch, pool.Upsample(scale), torch.nn.Upsample(scale_factor=scale), x
        )
        assert_agree(torch, pool.GlobalAvgPool2d(), lambda x: x.mean(dim=(2, 3)), x)


def settings_of(cases, *names):
    return [dict(zip(names, case, strict=True)) for case in cases]


# -------------------------------------------------------------------- what they are


def test_unfold_and_fold_are_transposes_of_each_other(rng):
    settings = {
        "kernel_size": (3, 2),
        "stride": 2,
        "padding": (1, 2),
        "dilation": (1, 2),
    }
    x = rng.standard_normal((2, 3, 7, 6))
    columns = ops.unfold(x, **settings)
    y = rng.standard_normal(columns.shape)
    image = ops.fold(y, output_size=(7, 6), **settings)
    np.testing.assert_allclose((columns * y).sum(), (x * image).sum())


def test_fold_counts_overlaps():
    ones = np.ones((1, 4, 4))
    counts = ops.fold(ones, output_size=3, kernel_size=2)
    np.testing.assert_array_equal(counts[0, 0], [[1, 2, 1], [2, 4, 2], [1, 2, 1]])


def test_conv_transpose2d_is_the_gradient_of_conv2d(rng):
    x, w = rng.standard_normal((2, 3, 5, 6)), rng.standard_normal((4, 3, 3, 2))
    x = Tensor(x, requires_grad=True)
    y = ops.conv2d(x, w, stride=2, padding=1)
    g = rng.standard_normal(y.shape)
    (dx,) = grad(y, x, g)
    painted = ops.conv_transpose2d(g, w, stride=2, padding=1, output_padding=(0, 0))
    np.testing.assert_allclose(painted, dx[:, :, : painted.shape[2]])


def test_of_equal_pixels_the_first_wins():
    for dtype in ("float64", "float32"):
        x = Tensor(np.ones((1, 1, 4, 4), dtype), requires_grad=True)
        (dx,) = grad(ops.max_pool2d(x, 2).sum(), x)
        np.testing.assert_array_equal(dx[0, 0], np.tile([[1, 0], [0, 0]], (2, 2)))
        (dx,) = grad(ops.max_pool2d(x, 3, 1, 1).sum(), x)
        expected = [[4, 2, 2, 0], [2, 1, 1, 0], [2, 1, 1, 0], [0, 0, 0, 0]]
        np.testing.assert_array_equal(dx[0, 0], expected)


def test_the_frame_never_wins_and_nan_does():
    for dtype in ("float64", "float32"):
        x = np.full((1, 1, 2, 2), -5.0, dtype)
        assert (ops.max_pool2d(x, 2, 1, 1) == -5).all()
        x[0, 0, 1, 1] = np.nan
        assert np.isnan(ops.max_pool2d(x, 2)).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_an_empty_batch_stays_empty(dtype):
    x = Tensor(np.ones((0, 2, 4, 4), dtype), requires_grad=True)
    w = Tensor(np.ones((3, 2, 3, 3), dtype), requires_grad=True)
    v = Tensor(np.ones((2, 3, 3, 3), dtype), requires_grad=True)
    for y in (
        ops.conv2d(x, w, padding=1),
        ops.conv_transpose2d(x, v),
        ops.max_pool2d(x, 2),
        ops.avg_pool2d(x, 2),
        ops.adaptive_avg_pool2d(x, 2),
        ops.upsample(x),
        ops.unfold(x, kernel_size=2),
    ):
        assert y.shape[0] == 0
        gs = grad(y.sum(), [x, w, v], allow_unused=True)
        assert gs[0].shape == x.shape
        assert all(g is None or not g.any() for g in gs)


def test_the_columns_are_not_kept(rng):
    """Between forward and backward conv2d holds its inputs, not columns of KH KW x."""
    x = Tensor(rng.standard_normal((2, 3, 8, 8)), requires_grad=True)
    w = Tensor(rng.standard_normal((4, 3, 3, 3)), requires_grad=True)
    y = ops.conv2d(x, w)
    assert {*owners(y.node.back)} <= {id(x.data), id(w.data)}


# -------------------------------------------------------------------------- errors

X, W = np.ones((2, 3, 5, 6)), np.ones((4, 3, 3, 3))


def with_shape(*shape):
    return np.ones(shape)


@pytest.mark.parametrize(
    ("error", "said", "call"),
    [
        (ShapeError, "x has 3 channels, but w expects 2", lambda: ops.conv2d(X, W[:, :2])),
        (ShapeError, r"try x.transpose\(0, 3, 1, 2\)",
         lambda: ops.conv2d(X.transpose(0, 2, 3, 1), W)),
        (ShapeError, "images .N, C, H, W.", lambda: ops.conv2d(X[0], W)),
        (ShapeError, r"kernels \(F, C/groups, KH, KW\)", lambda: ops.conv2d(X, W[0])),
        (ShapeError, "groups=2 must divide", lambda: ops.conv2d(X, W, groups=2)),
        (ShapeError, r"b has shape \(3,\), but 4 kernels need \(4,\)",
         lambda: ops.conv2d(X, W, np.ones(3))),
        (ShapeError, "reaches over 5 x 5, but the image is 4 x 6, 4 x 6 with",
         lambda: ops.conv2d(X[:, :, :4], W, dilation=2)),
        (RangeError, "stride must be at least 1", lambda: ops.conv2d(X, W, stride=0)),
        (RangeError, "padding must be at least 0", lambda: ops.conv2d(X, W, padding=-1)),
        (RangeError, '"same", "valid"', lambda: ops.conv2d(X, W, padding="full")),
        (RangeError, "keeps the size of the image",
         lambda: ops.conv2d(X, W, padding="same", stride=2)),
        (ShapeError, "stride is an int or a pair", lambda: ops.conv2d(X, W, stride=1.5)),
        (ShapeError, "stride is an int or a pair",
         lambda: ops.conv2d(X, W, stride=(1, 2, 3))),
        (DTypeError, "takes floats, and x is uint8",
         lambda: ops.conv2d(X.astype("uint8"), W)),
        (ShapeError, "sequences stored as", lambda: ops.conv1d(X, W)),
        (ShapeError, "x has 3 channels, but w expects 4",
         lambda: ops.conv_transpose2d(X, W)),
        (RangeError, "output_padding=1 must be smaller than the stride",
         lambda: ops.conv_transpose2d(X, W[:3], output_padding=1)),
        (ShapeError, "cuts the whole image away",
         lambda: ops.conv_transpose2d(X, W[:3], padding=4)),
        (ShapeError, "reaches over 7 x 7", lambda: ops.max_pool2d(X, 7)),
        (RangeError, "more than half of kernel_size=2",
         lambda: ops.max_pool2d(X, 2, padding=2)),
        (RangeError, "more than half", lambda: ops.avg_pool2d(X, 3, padding=2)),
        (DTypeError, "takes floats", lambda: ops.max_pool2d(X.astype(int), 2)),
        (RangeError, "output_size must be at least 1",
         lambda: ops.adaptive_avg_pool2d(X, 0)),
        (ShapeError, "multiple of the window's size",
         lambda: ops.fold(with_shape(1, 5, 4), output_size=3, kernel_size=2)),
        (ShapeError, "x has 5 columns, but 2 x 2 windows",
         lambda: ops.fold(with_shape(1, 4, 5), output_size=3, kernel_size=2)),
        (ShapeError, "images", lambda: ops.upsample(X[0])),
        (ShapeError, "groups=2 must divide n_in=3", lambda: conv.Conv2d(3, 4, 3, groups=2)),
        (RangeError, "kernel_size must be at least 1", lambda: conv.Conv2d(3, 4, 0)),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(error, said, call):
    with pytest.raises(error, match=said):
        call()


def test_errors_are_the_same_in_float32():
    x = X.astype("float32")
    with pytest.raises(ShapeError, match="x has 3 channels, but w expects 2"):
        ops.conv2d(x, W[:, :2].astype("float32"))
    with pytest.raises(RangeError, match="more than half"):
        ops.max_pool2d(x, 2, padding=2)


# -------------------------------------------------------------------------- layers


def test_kernels_start_with_the_variance_that_relu_keeps():
    w = conv.Conv2d(16, 400, 3, rng=0).weight.data
    assert w.dtype == np.float32
    assert abs(w.var() * 16 * 9 / 2 - 1) < 0.02
    w = conv.Conv2d(16, 400, 3, groups=4, rng=0).weight.data
    assert abs(w.var() * 4 * 9 / 2 - 1) < 0.05
    w = conv.ConvTranspose2d(16, 400, 3, rng=0).weight.data
    assert w.shape == (16, 400, 3, 3)
    assert abs(w.var() * 16 * 9 / 2 - 1) < 0.02


def test_init_takes_a_function():
    def ones(shape, rng=None):
        return np.ones(shape, "float32")

    for layer in (
        conv.Conv2d(2, 4, 3, bias=False, init=ones),
        conv.Conv1d(2, 4, 3, bias=False, init=ones),
        conv.ConvTranspose2d(2, 4, 3, bias=False, init=ones),
    ):
        assert (layer.weight.data == 1).all()
        assert [name for name, _ in layer.named_parameters()] == ["weight"]


def test_init_sees_kernels_as_rows_whatever_the_layer_keeps():
    """(F, C/G, KH, KW), so that fan_in is right; kernel f is all f here."""

    def numbered(shape, rng=None):
        return np.zeros(shape, "float32") + np.arange(shape[0])[:, None, None, None]

    w = conv.ConvTranspose2d(4, 6, 2, groups=2, init=numbered).weight.data
    assert w.shape == (4, 3, 2, 2)
    np.testing.assert_array_equal(w[:, :, 0, 0], [[0, 1, 2]] * 2 + [[3, 4, 5]] * 2)


def test_the_same_seed_gives_the_same_kernels():
    a, b, c = (conv.Conv2d(2, 3, 3, rng=seed).weight.data for seed in (1, 1, 2))
    assert (a == b).all()
    assert (a != c).any()


def test_a_layer_is_its_op(rng):
    x = rng.standard_normal((2, 4, 6, 6)).astype("float32")
    layer = conv.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)
    y = loops.conv2d(x, layer.weight.data, layer.bias.data, 2, 1, 1, 2)
    np.testing.assert_allclose(layer(x).data, y, rtol=1e-4, atol=1e-5)
    assert check.gradcheck(layer, [x])
