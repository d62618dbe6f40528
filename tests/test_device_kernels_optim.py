"""Optimizers in CUDA C++: each launch moves all parameters as the printed lines do.

On the CPU no kernel runs, and the fast twins there are compared with themselves in
float64, which they leave to the printed lines.
"""

from __future__ import annotations

import numpy as np
import pytest

from minidl import nn, optim
from minidl.backend import to_device, to_numpy
from tests import drycuda
from tests.twins import threads  # noqa: F401  a fixture

rng = np.random.default_rng(0)
# name: rule, settings, kernel
RULES = {
    "SGD": ("SGD", {}, "sgd"),
    "Momentum": ("Momentum", {"momentum": 0.8, "dampening": 0.3}, "momentum"),
    "Nesterov": ("Nesterov", {}, "momentum"),
    "Adagrad": ("Adagrad", {"lr_decay": 0.1, "initial": 0.2}, "adagrad"),
    "RMSProp": ("RMSProp", {"alpha": 0.8}, "rmsprop"),
    "RMSProp centered": ("RMSProp", {"centered": True, "eps": 1e-3}, "rmsprop"),
    "RMSProp momentum": ("RMSProp", {"momentum": 0.7}, "rmsprop"),
    "RMSProp both": (
        "RMSProp", {"centered": True, "momentum": 0.7, "eps": 1e-3}, "rmsprop",
    ),
    "Adadelta": ("Adadelta", {"rho": 0.8, "eps": 1e-3}, "adadelta"),
    "Adam": ("Adam", {"betas": (0.8, 0.95), "eps": 1e-3}, "adam"),
    "Adam amsgrad": ("Adam", {"betas": (0.8, 0.3), "amsgrad": True}, "adam"),
    "AdamW": ("AdamW", {}, "adam"),
    "AdamW amsgrad": ("AdamW", {"betas": (0.8, 0.3), "amsgrad": True}, "adam"),
    "NAdam": ("NAdam", {"momentum_decay": 0.1}, "nadam"),
    "Adamax": ("Adamax", {"betas": (0.8, 0.5)}, "adamax"),
}  # fmt: skip


def steps(rule, settings, params, n, skip=None):
    """Move parameters n times along the same gradients; `skip` sits out the second."""
    opt = getattr(optim, rule)(params, **settings)
    draw = np.random.default_rng(1)
    for step in range(n):
        for i, p in enumerate(params):
            g = to_device(draw.normal(size=p.shape).astype(p.dtype), p.device)
            p.grad = None if step == 1 and i == skip else g
        opt.step()
    return opt


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", RULES)
def test_an_optimizer_in_one_launch(name, decay, device, meter):
    rule, settings, kernel = RULES[name]
    settings = {"lr": 0.02, "weight_decay": decay, **settings}
    start = [rng.normal(size=s) for s in [(3, 4), (), (0,), (5000,), (7,)]]
    wide = [nn.Parameter(p) for p in start]
    opt = steps(rule, settings, wide, 3, skip=4)
    params = [nn.Parameter(to_device(p.astype("float32"), device)) for p in start]
    with meter() as spent:
        twin = steps(rule, settings, params, 3, skip=4)
    for p, expected in zip(params, wide, strict=True):
        np.testing.assert_allclose(to_numpy(p), expected.data, rtol=1e-4, atol=2e-6)
    for member, expected in zip(twin.members, opt.members, strict=True):
        for slot, value in expected.slots.items():
            kept = to_numpy(member.slots[slot])
            np.testing.assert_allclose(kept, value, rtol=1e-4, atol=2e-6)
    if device == "cuda" and drycuda.installed():
        assert spent.kernels[kernel] == 4  # the third step has two counts of steps
        extra = {"nadam": ["nadam_product"]}.get(kernel, [])
        moves = {k for k in spent.kernels if not k.startswith("cupy_")}
        assert moves == {kernel, *extra}


@pytest.mark.parametrize("rule", ["SGD", "NAdam"])
@pytest.mark.parametrize("n", [79, 80, 81, 200])
def test_an_optimizer_of_many_parameters(n, rule, device):
    def moved(device, dtype):
        ones = np.ones(3, dtype)
        params = [nn.Parameter(to_device(ones, device)) for _ in range(n)]
        for i, p in enumerate(params):
            p.grad = p.data * i
        getattr(optim, rule)(params, lr=0.5).step()
        return [to_numpy(p) for p in params]

    want = moved("cpu", "float64")
    np.testing.assert_allclose(moved(device, "float32"), want, rtol=1e-5)


@pytest.mark.parametrize("rule", ["Adam", "Adamax"])
def test_what_is_no_number_stays_none(rule, device):
    """fmaxf forgets a nan; the largest of numpy.maximum does not."""
    settings = {"amsgrad": True} if rule == "Adam" else {}
    p = nn.Parameter(to_device(np.ones(2, "float32"), device))
    opt = getattr(optim, rule)([p], **settings)
    for g in ([np.nan, 1], [1, 1]):
        p.grad = to_device(np.array(g, "float32"), device)
        opt.step()
    slot = to_numpy(opt.members[0].slots["top" if settings else "v"])
    assert np.isnan(slot).tolist() == [True, False]


def test_whole_numbers_as_settings(device):
    p = nn.Parameter(to_device(np.ones(2, "float32"), device))
    p.grad = p.data * 2
    optim.SGD([p], lr=1, weight_decay=1).step()
    np.testing.assert_array_equal(to_numpy(p), [-2, -2])


def test_float64_is_left_to_the_printed_lines(device):
    p = nn.Parameter(to_device(np.ones(2), device))
    steps("Adam", {"lr": 0.1}, [p], 2)
    q = nn.Parameter(np.ones(2))
    steps("Adam", {"lr": 0.1}, [q], 2)
    np.testing.assert_allclose(to_numpy(p), q.data, rtol=1e-12)
