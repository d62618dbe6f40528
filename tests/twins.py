"""A kernel and the plain body that specifies it: the same op, run twice and compared."""

from __future__ import annotations

import numpy as np
import pytest

from minidl import Tensor, grad
from minidl.backend import to_device, to_numpy
from tests import drycuda
from tests.drycuda.execute import Order

ORDERS = (0, 1, 2) if drycuda.installed() else (0,)


@pytest.fixture(params=ORDERS, ids=lambda order: f"order{order}")
def threads(request):
    """Let the threads of a block take turns in each of the orders."""
    Order.now = request.param
    yield
    Order.now = 0


def both_ways(op, inputs, settings, device, dtype, gs=None):
    """Return y and the gradients of all floats, as NumPy arrays, and the g of each y."""
    given, leaves = [], []
    for x in inputs:
        if x is not None and x.dtype.kind == "f":
            x = Tensor(to_device(x.astype(dtype), device), requires_grad=True)
            leaves.append(x)
        elif x is not None:
            x = to_device(x, device)
        given.append(x)
    ys = op(*given, **settings)
    ys = [y for y in (ys if isinstance(ys, tuple) else (ys,)) if isinstance(y, Tensor)]
    if gs is None:
        draw = np.random.default_rng(7)
        gs = [draw.normal(size=y.shape) for y in ys]
    dxs = grad(ys, leaves, [to_device(g.astype(dtype), device) for g in gs])
    return [to_numpy(y) for y in (*ys, *dxs)], gs


def twins(op, inputs, settings, device, rtol=1e-4, atol=1e-5):
    """Compare an op on the device, float32, with the CPU's in float64."""
    want, gs = both_ways(op, inputs, settings, "cpu", "float64")
    got, _ = both_ways(op, inputs, settings, device, "float32", gs)
    for y, expected in zip(got, want, strict=True):
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, expected, rtol=rtol, atol=atol)


def ran(spent, device, *names):
    """Assert that these kernels ran, as far as anybody counts."""
    if device == "cuda" and drycuda.installed():
        assert set(names) <= set(spent.kernels), spent
