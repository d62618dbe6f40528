"""float16 inside, float32 to learn; the loss scaled; and products in TF32."""

from __future__ import annotations

import contextlib
import copy
import sys

import numpy as np
import pytest

import minidl as md
from minidl import nn, ops, optim
from minidl.backend import to_device, to_numpy
from minidl.data import moons
from minidl.errors import DeviceError, DTypeError, RangeError, ShapeError


def tensor(x, device, dtype="float32"):
    return md.Tensor(to_device(np.asarray(x, dtype), device), copy=False)


def mlp(norm=False):
    middle = [nn.BatchNorm1d(16)] if norm else []
    return nn.Sequential(
        nn.Linear(2, 16, rng=0), *middle, nn.ReLU(), nn.Linear(16, 2, rng=1)
    )


def trained(device, half, steps=150, compiled=False, norm=False):
    """Return the losses of a small network on two moons."""
    data = moons(64, rng=0)
    net = mlp(norm).to(device)
    model = nn.MixedPrecision(net) if half else net
    opt, scaler = optim.Adam(net.parameters(), lr=0.02), optim.GradScaler()

    def step(x, y):
        loss = ops.cross_entropy(model(x), y)
        opt.zero_grad()
        if half:
            scaler.scale(loss).backward()
            scaler.step(opt)
            scaler.update()
        else:
            loss.backward()
            opt.step()
        return loss

    step = md.compile(step) if compiled else step
    x, y = tensor(data.x, device), tensor(data.y, device, "int64")
    losses = [step(x, y) for _ in range(steps)]
    assert {p.dtype for p in net.parameters()} == {np.dtype("float32")}
    return [float(loss.data) for loss in losses], scaler


# ------------------------------------------------------------------------ MixedPrecision


@pytest.mark.parametrize("norm", [False, True])
def test_float16_learns_as_well_as_float32(norm, device):
    steps = 150 if device == "cpu" else 25
    wide, _ = trained(device, False, steps, norm=norm)
    half, _ = trained(device, True, steps, norm=norm)
    assert half[0] == pytest.approx(wide[0], rel=1e-2)
    assert half[-1] == pytest.approx(wide[-1], rel=0.1, abs=0.02)
    assert half[-1] < (0.15 if device == "cpu" else 0.6 * half[0])
    assert half != wide  # it did compute in float16


def test_what_is_inside_is_float16_and_norms_are_float32(device):
    seen = {}

    class Spy(nn.BatchNorm1d):
        def forward(self, x):
            seen["norm in"] = x.dtype.name
            return super().forward(x)

    net = nn.Sequential(nn.Linear(3, 4, rng=0), Spy(4), nn.Linear(4, 2, rng=1))
    for name, layer in [("first", net[0]), ("norm", net[1]), ("last", net[2])]:
        layer.register_forward_hook(
            lambda m, xs, y, name=name: seen.update({name: y.dtype.name})
        )
    half = nn.MixedPrecision(net.to(device))
    y = half(tensor(np.random.default_rng(0).normal(size=(5, 3)), device))
    assert seen == {
        "first": "float16", "norm in": "float32", "norm": "float16", "last": "float16",
    }  # fmt: skip
    assert y.dtype == np.float32
    y.sum().backward()
    assert {p.grad.dtype.name for p in half.parameters()} == {"float32"}
    assert float(net[1].num_batches_tracked.data) == 1
    assert type(net[1]) is Spy
    assert half.state_dict().keys() == {f"model.{k}" for k in net.state_dict()}


def test_gradients_are_those_of_rounded_weights(rng, device):
    """∂L/∂W of y = x₁₆ W₁₆ is x₁₆ᵀ g, to the rounding of float16."""
    layer = nn.Linear(5, 3, rng=0)
    w = layer.weight.data.copy()
    x, g = rng.normal(size=(4, 5)).astype("f4"), rng.normal(size=(4, 3)).astype("f4")
    half = nn.MixedPrecision(layer.to(device))
    y = half(tensor(x, device))
    np.testing.assert_allclose(to_numpy(y), x @ w, atol=2e-2)
    y.backward(to_device(g, device))
    np.testing.assert_allclose(to_numpy(layer.weight.grad), x.T @ g, atol=2e-2)
    np.testing.assert_array_equal(to_numpy(layer.weight.data), w)


def test_an_error_inside_puts_everything_back(device):
    half = nn.MixedPrecision(mlp(norm=True).to(device))
    with pytest.raises(ShapeError):
        half(tensor(np.ones((4, 7)), device))
    assert {p.dtype.name for p in half.parameters()} == {"float32"}
    assert all(isinstance(p, nn.Parameter) for p in half.parameters())


def test_models_of_another_kind_are_refused():
    with pytest.raises(DTypeError, match="float32"):
        nn.MixedPrecision(mlp().astype("float64"))
    with pytest.raises(DTypeError, match=r"bfloat16.*ml_dtypes"):
        nn.MixedPrecision(mlp(), "bfloat16")
    with pytest.raises(DTypeError, match="float16"):
        nn.MixedPrecision(mlp(), "int8")


def test_parameters_in_lists_are_rounded_too():
    class Listed(nn.Module):
        def __init__(self):
            self.weights = [nn.Parameter([1 / 3])]

        def forward(self, x):
            return x * self.weights[0]

    listed = Listed()
    y = nn.MixedPrecision(listed)(np.ones(1, np.float32))
    assert y.data == np.float16(1 / 3)
    assert listed.weights[0].dtype == np.float32


# ---------------------------------------------------------------------------- GradScaler

RULES = ["SGD", "Momentum", "Adam", "NAdam"]


@pytest.mark.parametrize("rule", RULES)
def test_an_overflow_changes_nothing_but_the_scale(rule, device):
    ps = [nn.Parameter(tensor(np.ones(3), device)) for _ in range(2)]
    opt, scaler = getattr(optim, rule)(ps, lr=0.1), optim.GradScaler()
    for bad in (None, float("inf"), float("nan")):
        before = [to_numpy(p).copy() for p in ps]
        slots = copy.deepcopy(
            {k: v for k, v in opt.state_dict().items() if "slots" in k}
        )
        scale = scaler.get_scale()
        loss = scaler.scale(sum((p * 2).sum() for p in ps))
        opt.zero_grad()
        loss.backward()
        if bad is not None:
            ps[1].grad[1] = bad
        scaler.step(opt)
        scaler.update()
        same = [
            np.array_equal(to_numpy(p), old) for p, old in zip(ps, before, strict=True)
        ]
        if bad is None:
            assert same == [False, False]
            assert scaler.get_scale() == scale == 2**16
        else:
            assert same == [True, True]
            assert scaler.get_scale() == scale / 2
            for name, x in slots.items():
                np.testing.assert_array_equal(opt.state_dict()[name], x)


@pytest.mark.parametrize("rule", RULES)
def test_without_overflow_it_is_the_plain_step(rule, device):
    """The scale is a power of two: multiplying and dividing loses nothing."""
    runs = []
    for scaled in (False, True):
        p = nn.Parameter(tensor([1.0, -2.0], device))
        opt, scaler = getattr(optim, rule)([p], lr=0.1), optim.GradScaler()
        for _ in range(4):
            loss = (p * p).sum()
            opt.zero_grad()
            (scaler.scale(loss) if scaled else loss).backward()
            if scaled:
                scaler.step(opt)
                scaler.update()
            else:
                opt.step()
        runs.append(to_numpy(p))
    np.testing.assert_array_equal(*runs)


def test_the_scale_grows_after_good_steps_in_a_row(device):
    p = nn.Parameter(tensor([1.0], device))
    opt = optim.SGD([p], lr=0.1)
    scaler = optim.GradScaler(init_scale=4.0, growth_interval=3)
    scales = []
    for bad in (0, 0, 0, 0, 1, 0, 0, 0):
        p.grad = tensor([np.inf if bad else 1.0], device).data
        scaler.step(opt)
        scaler.update()
        scales.append(scaler.get_scale())
    assert scales == [4, 4, 8, 8, 4, 4, 4, 8]


def test_the_scale_itself_stays_finite(device):
    p = nn.Parameter(tensor([1.0], device))
    scaler = optim.GradScaler(init_scale=2.0**127, growth_interval=1)
    p.grad = tensor([1.0], device).data
    with np.errstate(over="ignore"):
        scaler.step(optim.SGD([p], lr=0.1))
        scaler.update()
    assert scaler.get_scale() == 2.0**127


def test_clipping_comes_between(device):
    p = nn.Parameter(tensor([0.0], device))
    opt, scaler = optim.SGD([p], lr=1.0), optim.GradScaler()
    scaler.scale((p * 8).sum()).backward()
    scaler.unscale_(opt)
    assert to_numpy(p.grad).tolist() == [8]
    with pytest.raises(RangeError, match="already"):
        scaler.unscale_(opt)
    optim.clip_grad_value([p], 0.5)
    scaler.step(opt)
    scaler.update()
    assert to_numpy(p).tolist() == [-0.5]


def test_its_state_comes_back(device):
    one, two = optim.GradScaler(growth_interval=2), optim.GradScaler(growth_interval=2)
    p = nn.Parameter(tensor([1.0], device))
    opt = optim.SGD([p], lr=0.1)
    for scaler in (one, two):
        if scaler is two:
            two.load_state_dict(one.state_dict())
        p.grad = tensor([1.0], device).data
        scaler.step(opt)
        scaler.update()
    assert (one.get_scale(), two.get_scale()) == (2**16, 2**17)


def test_what_cannot_be_scaled_is_told():
    with pytest.raises(DTypeError, match="float32"):
        optim.GradScaler().scale(md.Tensor(np.float16(1)))
    with pytest.raises(RangeError, match="above 1"):
        optim.GradScaler(growth_factor=0.5)


def test_it_follows_torch(torch):
    ours, theirs = optim.GradScaler(), torch.amp.GradScaler("cpu")
    p, q = nn.Parameter(np.ones(2, "f4")), torch.nn.Parameter(torch.ones(2))
    mine, other = (
        optim.SGD(
            [p],
            lr=0.1,
        ),
        torch.optim.SGD([q], lr=0.1),
    )
    for factor in (1.0, 1e35, 3.0, 1e36, 2.0):
        mine.zero_grad()
        other.zero_grad()
        with np.errstate(over="ignore"):
            ours.scale((p * np.float32(factor)).sum()).backward()
            theirs.scale((q * factor).sum()).backward()
        for scaler, opt in ((ours, mine), (theirs, other)):
            scaler.step(opt)
            scaler.update()
        assert ours.get_scale() == theirs.get_scale()
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-6)


# ------------------------------------------------------------------ captured, and TF32


def test_a_scaled_step_can_be_captured_on_cuda(device, meter):
    plain, one = trained(device, True, 8)
    same, two = trained(device, True, 8, compiled=True)
    np.testing.assert_allclose(same, plain, rtol=1e-3)
    assert one.get_scale() == two.get_scale()


def test_slots_made_first_in_a_captured_scaled_step_are_refused_on_cuda(device):
    """Every replay would make them anew, as zeros; the scaler makes them, not `step`."""

    def run(compiled):
        p = nn.Parameter(tensor(np.ones(4), device))
        opt, scaler = optim.Momentum([p], lr=0.1), optim.GradScaler()
        calls = []

        def step(x):
            calls.append(x)
            loss = scaler.scale((p * x).sum())
            opt.zero_grad()
            loss.backward()
            if len(calls) > 1:  # the first call only warms up
                scaler.step(opt)
                scaler.update()

        step = md.compile(step) if compiled else step
        xs = [tensor(np.full(4, i), device) for i in range(1, 6)]
        step(xs[0])
        with contextlib.ExitStack() as told:
            if compiled and device == "cuda":
                told.enter_context(pytest.warns(RuntimeWarning, match="first step"))
            step(xs[1])
        for x in xs[2:]:
            step(x)
        assert opt.t == opt.members[0].t == 4
        return to_numpy(p)

    np.testing.assert_array_equal(run(True), run(False))


def test_gradients_that_are_unscaled_before_the_step_are_not_divided_again(device):
    """Whether they are is a list in Python: a step captured with it asks each time."""
    p = nn.Parameter(tensor(np.ones(4), device))
    opt, scaler = optim.SGD([p], lr=1.0), optim.GradScaler(8.0)

    @md.compile
    def step(x):
        scaler.step(opt)
        scaler.update()

    p.grad = tensor(np.ones(4), device).data
    for i, before in enumerate([True, True, True, False, False, True]):
        if i == 2:  # another array: what was captured read from the first
            p.grad = tensor(np.ones(4), device).data
        p.grad[...] = 8 * i
        if before:
            scaler.unscale_(opt)
        step(p)
        np.testing.assert_array_equal(to_numpy(p), 1 - sum(range(i + 1)))
        assert scaler.unscaled == []


def test_a_scaled_step_makes_no_copy_and_no_wait_on_cuda(device, meter):
    p = nn.Parameter(tensor(np.ones(4), device))
    opt, scaler = optim.Adam([p], lr=0.1), optim.GradScaler()
    for _ in range(2):
        with meter() as spent:
            loss = scaler.scale((p * p).sum())
            opt.zero_grad()
            loss.backward()
            scaler.step(opt)
            scaler.update()
    assert (spent.h2d, spent.d2h, spent.syncs) == (0, 0, 0), spent


def test_tf32_is_asked_for_and_set_back_on_cuda(device):
    if device == "cpu":
        with pytest.raises(DeviceError, match="tf32"):
            md.use("cpu", tf32=True)
        return
    from minidl.kernels.cuda.blas import FLOAT32, TF32, Products

    how = sys.modules["cupy._core._routines_linalg"]
    plain, asked = how.get_compute_type(np.dtype("f4")), []
    products = Products()
    real = products._do
    products._do = lambda entry, *args: (asked.append(args[-2]), real(entry, *args))
    x = tensor(np.ones((2, 2)), device).data
    md.use("cuda", tf32=True)
    assert how.get_compute_type(np.dtype("f4")) == how.COMPUTE_TYPE_TF32
    with products:
        _ = x @ x, x.astype("float64") @ x.astype("float64")
    md.use("cuda")
    assert how.get_compute_type(np.dtype("f4")) == plain
    with products:
        _ = x @ x
    sums = [kind for kind in asked if kind in (FLOAT32, TF32)]
    assert sums == [TF32, FLOAT32]
