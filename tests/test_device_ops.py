"""Every row of the table, on every device: float32 there against float64 on the CPU.

The CPU in float64 is measured against independent oracles in test_ops.py; here the same
lines run on the device's own arrays, forward, backward, and backward of the backward.
"""

from __future__ import annotations

import numpy as np
import pytest

from minidl import Tensor, backend, grad, ops
from minidl.backend import device_of, to_device, to_numpy
from minidl.engine.tensor import values
from minidl.errors import WidthError
from tests.rows import all_rows, is_float

# not those that are about the CPU: a move to it, and a float that only CPUs have
ROWS = [r for r in all_rows() if "device" not in r.settings]
ROWS = [r for r in ROWS if r.op.__name__ != "there_and_back"]
CLOSE = 5e-4  # float32, relative to the largest number of an array


def placed(x, device, dtype):
    """Return an input of a row where the row is to run: floats as leaves."""
    if is_float(x):
        return Tensor(x.astype(dtype), requires_grad=True, device=device)
    if isinstance(x, np.ndarray):
        return to_device(x, device)
    if isinstance(x, (tuple, list)):
        return type(x)(placed(item, device, dtype) for item in x)
    return x


def settled(row, device, dtype):
    """Return the settings of a row; their arrays move too, and take the dtype."""
    return {
        name: to_device(x.astype(dtype) if is_float(x) else x, device)
        if isinstance(x, np.ndarray)
        else x
        for name, x in row.settings.items()
    }


def run(row, device, dtype):
    """Return outputs, gradients, and gradients of Σ ½ gradient², as NumPy arrays."""
    xs = [placed(x, device, dtype) for x in row.inputs]
    ys = row.op(*xs, **settled(row, device, dtype))
    ys = list(ys) if isinstance(ys, (tuple, list)) else [ys]
    leaves = [x for x in xs if isinstance(x, Tensor)]
    found = list(ys)
    tracked = [y for y in ys if isinstance(y, Tensor) and y.requires_grad]
    if tracked and leaves:
        rng = np.random.default_rng(1)
        gs = [
            to_device(rng.normal(size=y.shape).astype(dtype), device) for y in tracked
        ]
        options = {"allow_unused": True}
        found += grad(tracked, leaves, gs, retain_graph=True, **options)
        again = grad(tracked, leaves, gs, create_graph=True, **options)
        again = [g for g in again if g is not None and g.requires_grad]
        if again and row.orders > 1:
            found += grad(again, leaves, [g.data for g in again], **options)
    return found


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row, device):
    # the noise of a float64 is drawn from other bits than that of a float32
    own = row.op is ops.gaussian_noise
    want = run(row, "cpu", "float32" if own else "float64")
    got = run(row, device, "float32")
    for y, expected in zip(got, want, strict=True):
        if expected is None:
            assert y is None
            continue
        assert device_of(values(y)) == device
        e = to_numpy(expected)
        assert values(y).dtype == ("float32" if e.dtype.kind == "f" else e.dtype)
        scale = np.abs(e[np.isfinite(e)]).max(initial=1.0)
        np.testing.assert_allclose(to_numpy(y), e, rtol=CLOSE, atol=CLOSE * scale)


def test_devices_are_there():
    assert backend.available()[0] == "cpu"


@pytest.mark.parametrize("shape", [(), (3,)])
def test_two_widths_are_refused_on_every_device(device, shape):
    x = Tensor(np.ones(3, np.float32), requires_grad=True).to(device)
    with pytest.raises(WidthError, match="two widths"):
        x * to_device(np.full(shape, 2.5), device)
    assert (x * to_device(np.ones(shape, np.int64), device)).dtype == np.float32
