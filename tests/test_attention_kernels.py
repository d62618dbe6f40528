"""Fast attention: equal to the plain body, forward and back, on drawn shapes."""

import numpy as np
import pytest

from minidl import ops
from minidl.kernels.cpu.attention import attention_by_sequence

CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def drawn(draw, seed):
    """Queries, keys, values, and a mask of some shape that stretches."""
    n, heads, size, keys, d, e = (int(i) for i in draw.integers(1, 7, 6))
    batch = (n, heads) if seed % 2 else (n,)
    shapes = [(size, d), (keys, d), (keys, e)]
    inputs = [draw.standard_normal((*batch, *s)).astype("f4") for s in shapes]
    if seed % 5 == 0:  # as multi-head attention cuts them: rows lie apart
        inputs = [np.asfortranarray(x) for x in inputs]
    small = [(size, keys), (1, keys), (*batch, size, keys), (n, *batch[1:], 1, keys)]
    mask = draw.random(small[seed % 4]) < 0.7 if seed % 3 else None
    if mask is not None:
        mask[..., 0, :] = seed % 7 > 0  # sometimes somebody may look at nothing
    return [*inputs, mask]


@pytest.mark.parametrize("seed", range(80))
def test_it_equals_the_plain_body(seed):
    draw = np.random.default_rng(seed)
    inputs = drawn(draw, seed)
    if seed % 4 == 3:
        inputs[0] *= 100  # beyond what exp can do without the maximum
    settings = {"causal": seed % 6 > 3, "scale": [None, 0.7][seed // 2 % 2]}
    for x in inputs:
        if x is not None:
            x.flags.writeable = False
    y, back = ops.scaled_dot_product_attention.body(*inputs, **settings)
    fast, fast_back = attention_by_sequence(*inputs, **settings)
    np.testing.assert_allclose(fast, y, **CLOSE)
    assert fast.dtype == np.float32
    g = draw.standard_normal(y.shape).astype("f4")
    g.flags.writeable = False
    for _ in range(2):  # it may be called twice
        got, expected = fast_back(g), back(g, [True] * 3 + [False])
        for a, e in zip(got[:3], expected[:3], strict=True):
            np.testing.assert_allclose(a, e, **CLOSE)
            assert a.dtype == np.float32


def test_far_scores_and_hidden_larger_ones(rng):
    q = np.array([[[1e4, 0.0]]], "f4")
    k = np.array([[[1e4, 0.0], [-1e4, 0.0], [1.0, 1.0]]], "f4")
    v = np.array([[[1.0], [2.0], [3.0]]], "f4")
    assert attention_by_sequence(q, k, v)[0].item() == 1
    mask = np.array([False, True, True])
    assert attention_by_sequence(q, k, v, mask)[0].item() == 3


def test_what_it_declines(rng):
    x = rng.standard_normal((2, 3, 4)).astype("f4")
    assert attention_by_sequence(*[x.astype("f8")] * 3) is None
    assert attention_by_sequence(x, x[0], x[0]) is None
    assert attention_by_sequence(x, x, x, x[0, :, :3]) is None
    assert attention_by_sequence(x, x, x[:, :2]) is None
    assert attention_by_sequence(x, x[:, :0], x[:, :0]) is None
    assert attention_by_sequence(x[0], x[0], x[0]) is None
