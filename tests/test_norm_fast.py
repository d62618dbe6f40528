"""The fast bodies of normalization on a CPU: each is equal to the plain one."""

import numpy as np
import pytest

from minidl import Tensor, ops
from minidl.kernels.cpu import blocks
from minidl.kernels.cpu import layer_norm as cpu_layer_norm
from minidl.kernels.cpu import norm as cpu_norm


def leaf(x):
    return Tensor(x, requires_grad=True)


@pytest.fixture(params=[64, 32768])
def small_blocks(request, monkeypatch):
    """Blocks so small that there are many, and no size below which bodies decline."""
    for module in (blocks, cpu_norm, cpu_layer_norm):
        monkeypatch.setattr(module, "BLOCK", request.param)
    monkeypatch.setattr(cpu_norm, "SMALL", 0)
    monkeypatch.setattr(cpu_norm, "LONG", 9)
    monkeypatch.setattr(cpu_layer_norm, "SMALL", 0)


def channels_last(x):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def strided(x):
    return np.repeat(x, 2, axis=0)[::2]


SHAPES = [
    (7, 5), (50, 3), (2, 100), (33, 1), (6, 4, 3, 3), (3, 20, 5, 4), (2, 3, 9, 9),
    (5, 2, 1, 1), (1, 70, 2, 1), (4, 3, 30), (3, 1, 4, 4),
]  # fmt: skip


def agree(fast, plain, g):
    """The two bodies: value, gradients, aux; small beside the largest number."""
    assert fast is not None
    pairs = [(fast[0], plain[0]), *zip(fast[1](g), plain[1](g), strict=True)]
    pairs += zip(
        *[made[2] if len(made) == 3 else () for made in (fast, plain)], strict=True
    )
    for a, b in pairs:
        assert a.dtype == np.float32
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * np.abs(b).max() + 1e-6)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("form", [np.array, channels_last])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.usefixtures("small_blocks")
def test_fast_batch_norm_is_the_plain_one(shape, form, affine, rng):
    x = form((rng.standard_normal(shape) * 2 + 3).astype(np.float32))
    g = strided(rng.standard_normal(shape).astype(np.float32))
    gamma, beta = rng.uniform(0.5, 2, (2, shape[1])).astype(np.float32)
    inputs = (x, gamma, beta) if affine else (x,)
    x64 = [a.astype(np.float64) for a in inputs]
    fast = cpu_norm.fast_batch_norm(*inputs, eps=1e-3)
    agree(fast, ops.batch_norm.body(*x64, eps=1e-3), g)
    if form is channels_last:
        assert fast[0].strides == x.strides


@pytest.mark.parametrize(
    "shape", [(7, 5), (50, 3), (2, 100), (4, 3, 6), (1, 9)], ids=str
)
@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.usefixtures("small_blocks")
def test_fast_layer_norm_is_the_plain_one(shape, k, rng):
    x = (rng.standard_normal(shape) * 2 + 3).astype(np.float32)
    g = strided(rng.standard_normal(shape).astype(np.float32))
    gamma, beta = rng.uniform(0.5, 2, (2, *shape[-k:])).astype(np.float32)
    x64 = [a.astype(np.float64) for a in (x, gamma, beta)]
    fast = cpu_layer_norm.fast_layer_norm(x, gamma, beta, eps=1e-3)
    agree(fast, ops.layer_norm.body(*x64, eps=1e-3), g)


@pytest.mark.usefixtures("small_blocks")
def test_fast_bodies_decline_what_they_cannot_do(rng):
    x = rng.standard_normal((8, 6, 4)).astype(np.float32)
    ones = np.ones(4, np.float32)
    assert cpu_norm.fast_batch_norm(x.astype(np.float64)) is None
    assert cpu_norm.fast_batch_norm(strided(x)) is None
    assert cpu_norm.fast_batch_norm(x, ones) is None
    assert cpu_norm.fast_batch_norm(x[:1, :, :1]) is None
    assert cpu_layer_norm.fast_layer_norm(x) is None
    assert cpu_layer_norm.fast_layer_norm(x.swapaxes(0, 1), ones, ones) is None
    assert cpu_layer_norm.fast_layer_norm(x, ones[:3], ones[:3]) is None
    assert cpu_layer_norm.fast_layer_norm(x, ones, ones, n_axes=2) is None


def test_a_large_batch_takes_the_fast_body(rng):
    x = leaf(rng.standard_normal((256, 512)).astype(np.float32))
    gamma, beta = (leaf(np.full(512, v, np.float32)) for v in (1.0, 0.0))
    assert "minidl.kernels." in ops.batch_norm(x, gamma, beta)[0].node.back.__module__
    assert "minidl.kernels." in ops.layer_norm(x, gamma, beta).node.back.__module__
