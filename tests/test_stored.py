"""The core agrees with what PyTorch computed once, whether it is installed or not."""

from __future__ import annotations

import numpy as np
import pytest

from minidl import Tensor, ops, optim
from tests.stored import FILE, OPTIMIZERS, STEPS

STORED = np.load(FILE)
SETTINGS = {"conv2d": {"stride": 2, "padding": 1}}
FUNCTIONS = sorted({name.split("/")[0] for name in STORED if name.endswith("/y")})


def called(name, xs):
    if name == "cross_entropy":
        return ops.cross_entropy(xs[0], np.arange(4))
    if name == "max_pool2d":
        return ops.max_pool2d(xs[0], 2)
    y = getattr(ops, name)(*xs, **SETTINGS.get(name, {}))
    return y[0] if isinstance(y, tuple) else y


@pytest.mark.parametrize("name", FUNCTIONS)
def test_value_and_gradients(name):
    count = sum(key.startswith(f"{name}/x") for key in STORED)
    xs = [Tensor(STORED[f"{name}/x{i}"], requires_grad=True) for i in range(count)]
    y = called(name, xs)
    np.testing.assert_allclose(y.data, STORED[f"{name}/y"], rtol=1e-10, atol=1e-12)
    y.backward(STORED[f"{name}/u"])
    for i, x in enumerate(xs):
        np.testing.assert_allclose(
            x.grad, STORED[f"{name}/dx{i}"], rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_trajectory(name):
    settings = {k: v for k, v in OPTIMIZERS[name][1].items() if k != "nesterov"}
    p = Tensor(STORED["start"], requires_grad=True)
    optimizer = getattr(optim, name)([p], **settings)
    for t in range(STEPS):
        optimizer.zero_grad()
        (p * p * STORED["scale"]).sum().backward()
        optimizer.step()
        np.testing.assert_allclose(p.data, STORED[f"optim/{name}"][t], rtol=1e-10)
