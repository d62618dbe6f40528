"""The fast LSTM: equal to the plain body, forward and back, on drawn shapes."""

import numpy as np
import pytest

from minidl import Tensor, grad, nn, ops
from minidl.errors import ShapeError
from minidl.kernels.cpu import recurrent as cpu_recurrent

CLOSE = {"rtol": 2e-5, "atol": 2e-5}


def drawn(draw):
    """Inputs of random shape, any of them but x and the weights maybe absent."""
    n, t, d, h = (int(i) for i in draw.integers(1, 7, 4))
    shapes = [(n, t, d), (n, h), (n, h), (d, 4 * h), (h, 4 * h), (4 * h,)]
    inputs = [draw.standard_normal(s).astype("f4") for s in shapes]
    for i in (1, 2, 5):
        if draw.random() < 0.3:
            inputs[i] = None
    mask = None if draw.random() < 0.4 else draw.random((n, t)) < 0.7
    return [*inputs, mask], (n, t, h)


def freeze(arrays):
    """Whoever writes into one of these will fail."""
    for x in arrays:
        x.flags.writeable = False


@pytest.mark.parametrize("seed", range(60))
def test_lstm_equals_the_plain_body(seed):
    draw = np.random.default_rng(seed)
    inputs, (n, t, h) = drawn(draw)
    freeze([x for x in inputs if x is not None])
    settings = {"reverse": bool(seed % 2)}
    ys, back = ops.lstm.body(*inputs, **settings)
    fast, fast_back = cpu_recurrent.fast_lstm(*inputs, **settings)
    for a, b in zip(fast, ys, strict=True):
        assert a.dtype == np.float32
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, **CLOSE)
    gs = [draw.standard_normal(s).astype("f4") for s in ((n, t, h), (n, h), (n, h))]
    if seed % 3 == 0:  # an output that nobody used
        gs[0] = np.broadcast_to(np.zeros((), "f4"), (n, t, h))
    freeze(gs)
    plain = back(*gs)
    for _ in range(2):  # it may be called twice
        for x, a, b in zip(inputs[:6], fast_back(*gs), plain, strict=False):
            if x is not None:
                assert a.shape == b.shape
                assert a.dtype == np.float32
                np.testing.assert_allclose(a, b, **CLOSE)


def test_what_it_declines(rng):
    inputs, _ = drawn(rng)
    doubles = [x if x is None or x.dtype == bool else x.astype("f8") for x in inputs]
    assert cpu_recurrent.fast_lstm(*doubles) is None
    inputs[4] = inputs[4][:, :-1]
    assert cpu_recurrent.fast_lstm(*inputs) is None
    with pytest.raises(ShapeError, match="four gates"):
        ops.lstm(*inputs)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_a_batch_without_sequences_gives_none(name):
    x = Tensor(np.zeros((0, 3, 5), np.float32), requires_grad=True)
    layer = getattr(nn, name)(5, 4, rng=0)
    y, *_ = layer(x)
    y.sum().backward()
    assert (y.shape, x.grad.shape) == ((0, 3, 4), (0, 3, 5))
    assert all(not p.grad.any() for p in layer.parameters())


def test_second_order_runs_the_plain_body(rng):
    x, wx, wh = (
        Tensor(rng.standard_normal(s).astype("f4"), requires_grad=True)
        for s in ((2, 3, 2), (2, 12), (3, 12))
    )
    y, _, _ = ops.lstm(x, None, None, wx, wh)
    (fast,) = grad(y.sum(), [wh], retain_graph=True)
    (slow,) = grad(y.sum(), [wh], create_graph=True)
    np.testing.assert_allclose(fast, slow.data, **CLOSE)
    (second,) = grad((slow * slow).sum(), [wx])
    assert second.any()


def test_padding_of_nan_goes_nowhere(rng):
    x = rng.standard_normal((2, 3, 2)).astype("f4")
    x[0, 2] = np.nan
    leaves = [
        Tensor(a, requires_grad=True)
        for a in (x, *(rng.standard_normal(s).astype("f4") for s in ((2, 12), (3, 12))))
    ]
    mask = ops.length_mask([2, 3], 3)
    y, h, c = ops.lstm(leaves[0], None, None, *leaves[1:], None, mask)
    gs = grad((y * y).sum() + (h * c).sum(), leaves)
    assert all(np.isfinite(a).all() for a in (y.data, h.data, c.data, *gs))
