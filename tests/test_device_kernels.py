"""Kernels in CUDA C++: each equals the plain body that specifies it.

On the CPU no kernel runs, and the plain body is compared with itself in float64. On the
mock driver the threads take turns in three orders, so that a missing barrier shows.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import minidl.kernels
from minidl import Tensor, grad, nn, ops
from minidl.backend import to_device, to_numpy
from tests.twins import ran, threads, twins  # noqa: F401  a fixture

SOURCES = sorted(Path(minidl.kernels.__file__).parent.glob("cuda/*.cu"))
KERNEL = re.compile(r'extern "C" __global__ void (\w+)\(')
rng = np.random.default_rng(0)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("n", "k"), [(1, 1), (9, 10), (300, 3), (5, 70)])
def test_cross_entropy(n, k, reduction, device, meter):
    x = (3 * rng.normal(size=(n, k))).astype("float32")
    labels = rng.integers(0, k, n)
    labels[1::3] = -100  # ignored
    with meter() as spent:
        twins(ops.cross_entropy, [x, labels], {"reduction": reduction}, device)
    ran(spent, device, "rows", "back")


def test_cross_entropy_ignores_a_class(device):
    x = rng.normal(size=(9, 3)).astype("float32")
    labels = np.arange(9) % 3
    twins(ops.cross_entropy, [x, labels], {"ignore_index": 1}, device)


def test_cross_entropy_does_not_overflow(device):
    x = np.array([[1e4, 0, -1e4], [300, 300, 300]], "float32")
    twins(ops.cross_entropy, [x, np.array([1, 2])], {}, device)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("share", [(), (2, 3), (-1,), (1, 2, 3), (1,)])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_dropout(p, share, device, meter):
    x = rng.normal(size=(3, 5, 4, 3)).astype("float32")
    key = np.array([2**63 + 12345, 7], np.uint64)
    with meter() as spent:
        twins(ops.dropout, [x, key], {"p": p, "share": share}, device)
    if share != (1,):  # what is shared there does not lie side by side
        ran(spent, device, "dropout")


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 5000])
def test_dropout_draws_the_same_bits_everywhere(size, device):
    x, key = np.ones(size, "float32"), np.array([3, 9], np.uint64)
    y = ops.dropout(to_device(x, device), to_device(key, device), p=0.4)
    np.testing.assert_array_equal(to_numpy(y), ops.dropout(x, key, p=0.4))


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (300, 7)])
def test_relu(shape, device, meter):
    x = np.asarray(rng.normal(size=shape), "float32")
    with meter() as spent:
        twins(ops.relu, [x], {}, device)
    if x.size:
        ran(spent, device, "relu", "relu_back")


def test_relu_keeps_nan_and_can_be_differentiated_again(device):
    x = to_device(np.array([np.nan, -1, 2, 0], "float32"), device)
    np.testing.assert_array_equal(to_numpy(ops.relu(x)), [np.nan, 0, 2, 0])
    t = Tensor(x, requires_grad=True)
    (dx,) = grad(
        ops.relu(t), t, to_device(np.full(4, 3, "f4"), device), create_graph=True
    )
    np.testing.assert_array_equal(to_numpy(dx), [0, 0, 3, 0])
    h = Tensor(to_device(np.ones(4, "float32"), device), requires_grad=True)
    y = ops.relu(t)
    (dx,) = grad(y, t, h, create_graph=True)
    (dh,) = grad(dx.sum(), h)
    np.testing.assert_array_equal(to_numpy(dh), [0, 0, 1, 0])


WINDOWS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": (3, 2), "stride": (2, 1), "padding": ((1, 0), (0, 2))},
    {"kernel_size": 2, "dilation": (2, 3), "stride": 2, "padding": 2},
]


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("settings", WINDOWS)
def test_unfold_and_fold(settings, device, meter):
    x = rng.normal(size=(2, 3, 6, 7)).astype("float32")
    with meter() as spent:
        twins(ops.unfold, [x], settings, device)
    ran(spent, device, "unfold", "fold")
    columns = rng.normal(size=ops.unfold(x, **settings).shape).astype("float32")
    twins(ops.fold, [columns], {"output_size": (6, 7), **settings}, device)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("settings", [{}, *WINDOWS[1:]])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_conv2d(groups, bias, settings, device, meter):
    settings = {"groups": groups, **settings}
    size = settings.pop("kernel_size", 1)
    size = size if isinstance(size, tuple) else (size, size)
    arrays = [rng.normal(size=s) for s in ((3, 4, 6, 7), (6, 4 // groups, *size), (6,))]
    with meter() as spent:
        twins(ops.conv2d, arrays[: 2 + bias], settings, device)
    ran(spent, device, "unfold", "images", "fold")


def test_conv2d_is_three_products_however_many_images(device, meter):
    shapes = (5, 4, 6, 7), (6, 4, 3, 3), (6,)
    x, w, b = (
        Tensor(to_device(rng.normal(size=s).astype("f4"), device), requires_grad=True)
        for s in shapes
    )
    g = to_device(np.ones((5, 6, 4, 5), "f4"), device)
    with meter() as spent:
        grad(ops.conv2d(x, w, b), [x, w, b], g)
    # unfold, product, images; and back g in rows, product, fold, unfold, product, Σ g
    assert spent.launches in (0, 9), spent


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("shape", [(2, 1), (300, 3), (5, 4, 3, 3), (2, 3, 20, 20)])
def test_batch_norm(shape, device, meter):
    arrays = [5 + rng.normal(size=s) for s in (shape, shape[1:2], shape[1:2])]
    with meter() as spent:
        twins(ops.batch_norm, arrays, {}, device, 1e-3, 1e-3)
    ran(spent, device, "batch_norm", "batch_norm_back")


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(
    "shape", [(1, 1), (7, 5), (3, 300), (2, 3, 4, 33), (70, 32), (1100, 3)]
)
def test_layer_norm(shape, device, meter):
    features = shape[-2:] if len(shape) == 4 else shape[-1:]
    arrays = [5 + rng.normal(size=s) for s in (shape, features, features)]
    with meter() as spent:
        twins(ops.layer_norm, arrays, {}, device, 1e-3, 1e-3)
    ran(spent, device, "layer_norm", "layer_norm_back", "layer_norm_sums")
    if len(arrays[0]) > 1024:
        ran(spent, device, "layer_norm_totals")


@pytest.mark.parametrize("leaf", range(3))
def test_layer_norm_of_one_leaf(leaf, device):
    arrays = [rng.normal(size=s).astype("f4") for s in ((4, 6), (6,), (6,))]
    arrays = [to_device(a, device) for a in arrays]
    arrays[leaf] = Tensor(arrays[leaf], requires_grad=True)
    (dx,) = grad(ops.layer_norm(*arrays).sum(), arrays[leaf])
    assert dx.shape == arrays[leaf].shape


POOLS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 1, "padding": 1},
    {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)},
    {"kernel_size": (2, 4), "stride": 3, "padding": (1, 2)},
]


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("settings", [*POOLS, {"kernel_size": 2, "dilation": (3, 2)}])
def test_max_pool2d(settings, device, meter):
    x = rng.permutation(2 * 3 * 9 * 8).reshape(2, 3, 9, 8).astype("float32") / 8
    with meter() as spent:
        twins(ops.max_pool2d, [x], settings, device)
    ran(spent, device, "max_pool", "max_pool_back")
    again_and_linear(ops.max_pool2d, x, settings, device)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("frame", [True, False])
@pytest.mark.parametrize("settings", POOLS)
def test_avg_pool2d(settings, frame, device, meter):
    settings = {"count_include_pad": frame, **settings}
    x = rng.normal(size=(2, 3, 9, 8)).astype("float32")
    with meter() as spent:
        twins(ops.avg_pool2d, [x], settings, device)
    ran(spent, device, "avg_pool", "avg_pool_back")
    again_and_linear(ops.avg_pool2d, x, settings, device)


def again_and_linear(op, x, settings, device):
    """Compare dx with that of a graph, and the gradient of g·(dx·v) with op(v)."""
    x = Tensor(to_device(x, device), requires_grad=True)
    y = op(x, **settings)
    g, v = (rng.normal(size=s).astype("f4") for s in (y.shape, x.shape))
    (dx,) = grad(y, x, to_device(g, device), retain_graph=True)
    g = Tensor(to_device(g, device), requires_grad=True)
    (graph,) = grad(y, x, g, create_graph=True)
    np.testing.assert_allclose(to_numpy(graph), to_numpy(dx), rtol=1e-5, atol=1e-6)
    (dg,) = grad(graph, g, to_device(v, device))
    slope = (to_numpy(dg) * to_numpy(g)).sum()
    np.testing.assert_allclose(slope, (to_numpy(dx) * v).sum(), rtol=1e-3, atol=1e-4)


def test_the_first_of_equals_wins_and_nan_is_the_largest(device):
    x = np.array([[2, 2, np.nan, 5], [2, 1, 7, np.nan]], "float32")[None, None]
    x = Tensor(to_device(x, device), requires_grad=True)
    y = ops.max_pool2d(x, 2)
    np.testing.assert_array_equal(to_numpy(y)[0, 0], [[2, np.nan]])
    (dx,) = grad(y, x, to_device(np.ones((1, 1, 1, 2), "f4"), device))
    np.testing.assert_array_equal(to_numpy(dx)[0, 0], [[1, 0, 1, 0], [0] * 4])


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 5001])
def test_noise_is_the_same_everywhere(size, device, meter):
    x, key = np.ones(size, "float32"), np.array([3, 2**64 - 1], np.uint64)
    with meter() as spent:
        twins(ops.gaussian_noise, [x, key], {"std": 0.3}, device)
    if size:
        ran(spent, device, "noise")


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("shape", [(1, 1), (9, 40), (33, 7), (1100, 3), (2, 5, 8)])
def test_affine_relu(shape, device, meter):
    n = shape[-1]
    arrays = [rng.normal(size=s) for s in (shape, (n, n + 3))]
    arrays.append(np.where(rng.random(n + 3) < 0.5, 9.0, -9.0) * n)  # far from the kink
    with meter() as spent:
        twins(ops.affine_relu, arrays, {}, device, 1e-3, 1e-3)
    ran(spent, device, "bias_relu", "bias_relu_back")
    if len(arrays[0]) > 1024:
        ran(spent, device, "sum_rows")


def test_affine_relu_keeps_nan_and_bends_at_zero(device):
    x = to_device(np.array([[np.nan, 1], [-1, 0], [2, -2]], "float32"), device)
    eye, zero = (to_device(a.astype("f4"), device) for a in (np.eye(2), np.zeros(2)))
    zero = Tensor(zero, requires_grad=True)
    y = ops.affine_relu(x[1:], eye, zero)
    np.testing.assert_array_equal(to_numpy(y), [[0, 0], [2, 0]])
    (db,) = grad(y.sum(), zero)
    np.testing.assert_array_equal(to_numpy(db), [1, 0])
    assert np.isnan(to_numpy(ops.affine_relu(x, eye, zero))[0]).all()  # nan · 0


def trained(net, x, device):
    """Return y and the gradients of the weights of a copy of net on a device."""
    net = net.to(device)
    y = net(Tensor(to_device(x, device), copy=False))
    leaves = list(net.parameters())
    g = to_device(np.linspace(-1, 1, y.size, dtype="f4").reshape(y.shape), device)
    return [to_numpy(a) for a in (y, *grad(y, leaves, g))]


def test_a_sequential_in_pairs_is_the_sequential(device, meter):
    x = rng.normal(size=(6, 5)).astype("float32")
    net = nn.Sequential(
        nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3, bias=False), nn.ReLU(), ops.exp
    )
    with meter() as spent:
        fused = trained(net, x, device)
    ran(spent, device, "bias_relu", "bias_relu_back")
    for layer in net:  # with somebody to listen between them, each runs alone
        layer.register_forward_hook(lambda layer, xs, y: None)
    with meter() as spent:
        apart = trained(net, x, device)
    assert "bias_relu" not in spent.kernels
    for y, expected in zip(fused, apart, strict=True):
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_a_hook_still_hears_its_layer(device):
    net = nn.Sequential(nn.Linear(5, 4), nn.ReLU()).to(device)
    heard = []
    with net[0].register_forward_hook(lambda m, xs, y: heard.append(to_numpy(y))):
        net(Tensor(to_device(-np.ones((2, 5), "f4"), device)))
    assert len(heard) == 1
    assert (heard[0] < 0).any()  # not bent yet


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
@pytest.mark.parametrize("arch", [75, 90, 120])
def test_a_kernel_fits_into_registers(source, arch):
    nvrtc = pytest.importorskip(
        "cupy_backends.cuda.libs.nvrtc", reason="NVRTC comes with CuPy"
    )
    program = nvrtc.createProgram(source.read_text(), source.name, (), ())
    options = (f"-arch=sm_{arch}", "--std=c++17", "--ptxas-options=-v")
    nvrtc.compileProgram(program, options)
    log = nvrtc.getProgramLog(program)
    spills = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", log)
    assert len(spills) >= len(KERNEL.findall(source.read_text())) > 0, log
    assert set(spills) == {("0", "0")}, log
