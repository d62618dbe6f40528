"""Kernels in CUDA C++: each equals the plain body that specifies it.

On the CPU no kernel runs, and the plain body is compared with itself in float64. On the
mock driver the threads take turns in three orders, so that a missing barrier shows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import minidl.kernels
from minidl import Tensor, grad, nn, ops, optim
from minidl.backend import to_device, to_numpy
from tests import drycuda
from tests.drycuda.execute import Order

SOURCES = sorted(Path(minidl.kernels.__file__).parent.glob("*.cu"))
ORDERS = (0, 1, 2) if drycuda.installed() else (0,)
rng = np.random.default_rng(0)


@pytest.fixture(params=ORDERS, ids=lambda order: f"order{order}")
def threads(request):
    """Let the threads of a block take turns in each of the orders."""
    Order.now = request.param
    yield
    Order.now = 0


def both_ways(op, x, args, settings, device, g):
    """Return y and dx of an op on a device, as NumPy arrays."""
    args = [to_device(a, device) for a in args]
    x = Tensor(to_device(x, device), requires_grad=True)
    y = op(x, *args, **settings)
    (dx,) = grad(y, x, to_device(g.astype(x.dtype), device))
    return to_numpy(y), to_numpy(dx)


def twins(op, x, args, settings, device):
    """Compare an op on the device, float32, with the CPU's in float64."""
    wide = x.astype("float64")
    g = rng.normal(size=np.shape(values_of(op(wide, *args, **settings))))
    want = both_ways(op, wide, args, settings, "cpu", g)
    got = both_ways(op, x, args, settings, device, g)
    for y, expected in zip(got, want, strict=True):
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def values_of(y):
    return y[0] if isinstance(y, tuple) else y


def ran(spent, device, *names):
    """Whether these kernels ran, as far as anybody counts."""
    if device == "cuda" and drycuda.installed():
        assert set(names) <= set(spent.kernels), spent


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("n", "k"), [(1, 1), (9, 10), (300, 3), (5, 70)])
def test_cross_entropy(n, k, reduction, device, meter):
    x = (3 * rng.normal(size=(n, k))).astype("float32")
    labels = rng.integers(0, k, n)
    labels[1::3] = -100  # ignored
    with meter() as spent:
        twins(ops.cross_entropy, x, [labels], {"reduction": reduction}, device)
    ran(spent, device, "rows", "back")


def test_cross_entropy_ignores_a_class(device):
    x = rng.normal(size=(9, 3)).astype("float32")
    labels = np.arange(9) % 3
    twins(ops.cross_entropy, x, [labels], {"ignore_index": 1}, device)


def test_cross_entropy_does_not_overflow(device):
    x = np.array([[1e4, 0, -1e4], [300, 300, 300]], "float32")
    twins(ops.cross_entropy, x, [np.array([1, 2])], {}, device)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("share", [(), (2, 3), (-1,), (1, 2, 3), (1,)])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_dropout(p, share, device, meter):
    x = rng.normal(size=(3, 5, 4, 3)).astype("float32")
    key = np.array([2**63 + 12345, 7], np.uint64)
    with meter() as spent:
        twins(ops.dropout, x, [key], {"p": p, "share": share}, device)
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
        twins(ops.relu, x, [], {}, device)
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
        twins(ops.unfold, x, [], settings, device)
    ran(spent, device, "unfold", "fold")
    columns = rng.normal(size=ops.unfold(x, **settings).shape).astype("float32")
    twins(ops.fold, columns, [], {"output_size": (6, 7), **settings}, device)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("groups", [1, 2])
def test_conv2d(groups, device):
    x = rng.normal(size=(2, 4, 6, 7)).astype("float32")
    w = rng.normal(size=(6, 4 // groups, 3, 3)).astype("float32")
    settings = {"groups": groups, "stride": 2, "padding": 1}
    kernels = Tensor(to_device(w, device), requires_grad=True)
    y = ops.conv2d(to_device(x, device), kernels, **settings)
    expected = ops.conv2d(x.astype("float64"), w.astype("float64"), **settings)
    np.testing.assert_allclose(to_numpy(y), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("shape", [(2, 1), (300, 3), (5, 4, 3, 3), (2, 3, 20, 20)])
def test_batch_norm(shape, device, meter):
    arrays = [5 + rng.normal(size=s) for s in (shape, shape[1:2], shape[1:2])]
    g = rng.normal(size=shape)

    def run(device, dtype):
        given = [to_device(a.astype(dtype), device) for a in (*arrays, g)]
        leaves = [Tensor(a, requires_grad=True) for a in given[:3]]
        y, mean, var = ops.batch_norm(*leaves)
        return y.data, mean, var, *grad(y, leaves, given[3])

    with meter() as spent:
        got = run(device, "float32")
    for y, expected in zip(got, run("cpu", "float64"), strict=True):
        np.testing.assert_allclose(to_numpy(y), expected, rtol=1e-3, atol=1e-3)
    ran(spent, device, "batch_norm", "batch_norm_back")


RULES = {
    "SGD": {},
    "Momentum": {"momentum": 0.8, "dampening": 0.3},
    "Nesterov": {},
    "Adam": {"betas": (0.8, 0.95), "eps": 1e-3},
    "AdamW": {},
}


def steps(rule, settings, params, n, skip=None):
    """Move parameters n times along the same gradients; `skip` sits out the second."""
    opt = getattr(optim, rule)(params, **settings)
    draw = np.random.default_rng(1)
    for step in range(n):
        for i, p in enumerate(params):
            g = to_device(draw.normal(size=p.shape).astype(p.dtype), p.device)
            p.grad = None if step == 1 and i == skip else g
        opt.step()


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("rule", RULES)
def test_an_optimizer_in_one_launch(rule, decay, device, meter):
    settings = {"lr": 0.02, "weight_decay": decay, **RULES[rule]}
    start = [rng.normal(size=s) for s in [(3, 4), (), (0,), (5000,), (7,)]]
    wide = [nn.Parameter(p) for p in start]
    steps(rule, settings, wide, 3, skip=4)
    params = [nn.Parameter(to_device(p.astype("float32"), device)) for p in start]
    with meter() as spent:
        steps(rule, settings, params, 3, skip=4)
    for p, expected in zip(params, wide, strict=True):
        np.testing.assert_allclose(to_numpy(p), expected.data, rtol=1e-4, atol=1e-6)
    if device == "cuda" and drycuda.installed():
        name = {"SGD": "sgd", "Adam": "adam", "AdamW": "adam"}.get(rule, "momentum")
        assert spent.kernels[name] == 4  # the third step has two counts of steps


@pytest.mark.parametrize("n", [79, 80, 81, 200])
def test_an_optimizer_of_many_parameters(n, device):
    params = [nn.Parameter(to_device(np.ones(3, "float32"), device)) for _ in range(n)]
    for i, p in enumerate(params):
        p.grad = p.data * i
    optim.SGD(params, lr=1.0).step()
    want = np.tile(1.0 - np.arange(n)[:, None], 3)
    np.testing.assert_array_equal([to_numpy(p) for p in params], want)


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
    assert log.count("0 bytes spill stores, 0 bytes spill loads") >= 1, log
    assert log.count("bytes spill stores") == log.count("0 bytes spill stores"), log
