"""Recurrent layers: against PyTorch, truncated backpropagation, masks, edges, errors."""

import copy

import numpy as np
import pytest

from minidl import Tensor, check, grad, nn, no_grad, ops
from minidl.errors import DTypeError, RangeError, ShapeError

pytestmark = pytest.mark.quick

CLOSE = {"rtol": 1e-10, "atol": 1e-10}
KINDS = ["RNN", "LSTM", "GRU"]
SEEDS = range(20)


def leaf(x):
    return Tensor(x, requires_grad=True)


def same(ours, theirs):
    np.testing.assert_allclose(
        getattr(ours, "data", ours), theirs.detach().numpy(), **CLOSE
    )


def as_tuple(state):
    return state if isinstance(state, tuple) else (state,)


def twins(torch, kind, d, h, **settings):
    """Our layer and PyTorch's, in float64, with the same random weights."""
    theirs = getattr(torch.nn, kind)(d, h, batch_first=True, **settings).double()
    ours = getattr(nn, kind)(d, h, **settings).astype("float64")
    nn.load_torch_state_dict(ours, theirs.state_dict())
    return ours, theirs


def draw(seed):
    rng = np.random.default_rng(seed)
    n, t, d, h = (int(i) for i in rng.integers(1, 6, 4))
    settings = {
        "num_layers": 1 + seed % 3,
        "bidirectional": bool(seed // 2 % 2),
        "bias": seed % 5 > 0,
    }
    return rng, n, t, d, h, settings


def run_theirs(torch, layer, x, state, lengths):
    if lengths is None:
        return layer(x, state)
    rnn = torch.nn.utils.rnn
    packed = rnn.pack_padded_sequence(
        x, torch.tensor(lengths), batch_first=True, enforce_sorted=False
    )
    y, state = layer(packed, state)
    return rnn.pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])[
        0
    ], state


def gradients_in_their_layout(ours):
    """Our gradients, named and laid out as PyTorch's."""
    twin = copy.deepcopy(ours)
    for p, q in zip(twin.parameters(), ours.parameters(), strict=True):
        p.data = q.grad
    return nn.to_torch_state_dict(twin)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_layers_agree_with_torch(torch, kind, seed):
    """Outputs, states, and the gradients of all: by layers, directions, lengths."""
    rng, n, t, d, h, settings = draw(seed)
    if kind == "RNN":
        settings["nonlinearity"] = ["tanh", "relu"][seed % 2]
    ours, theirs = twins(torch, kind, d, h, **settings)
    lengths = rng.integers(1, t + 1, n) if seed % 2 else None
    shape = (settings["num_layers"] * (1 + settings["bidirectional"]), n, h)
    arrays = [rng.standard_normal((n, t, d))]
    if seed % 3:
        arrays += [rng.standard_normal(shape) for _ in range(1 + (kind == "LSTM"))]
    xs, ts = (
        [leaf(a) for a in arrays],
        [torch.tensor(a, requires_grad=True) for a in arrays],
    )
    states = [
        tuple(s[1:]) if len(s) > 2 else s[1] if len(s) > 1 else None for s in (xs, ts)
    ]
    y, state = ours(xs[0], states[0], lengths)
    ty, tstate = run_theirs(torch, theirs, ts[0], states[1], lengths)
    outputs, touts = (y, *as_tuple(state)), (ty, *as_tuple(tstate))
    for a, b in zip(outputs, touts, strict=True):
        same(a, b)
    us = [rng.standard_normal(a.shape) for a in outputs]
    sum((a * u).sum() for a, u in zip(outputs, us, strict=True)).backward()
    sum((b * torch.tensor(u)).sum() for b, u in zip(touts, us, strict=True)).backward()
    for a, b in zip(xs, ts, strict=True):
        same(a.grad, b.grad)
    written = gradients_in_their_layout(ours)
    for name, p in theirs.named_parameters():
        if "bias_hh" in name and kind != "GRU":
            continue  # we keep one bias, and its gradient is that of either
        np.testing.assert_allclose(written[name], p.grad.numpy(), **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives_agree_with_torch(torch, kind, rng):
    ours, theirs = twins(torch, kind, 2, 3, num_layers=2, bidirectional=True)
    x, u, v = (rng.standard_normal(s) for s in ((2, 4, 2), (2, 4, 6), (2, 4, 2)))
    a, b = leaf(x), torch.tensor(x, requires_grad=True)
    (ga,) = grad((ours(a)[0] * u).sum(), [a], create_graph=True)
    y = (theirs(b)[0] * torch.tensor(u)).sum()
    (gb,) = torch.autograd.grad(y, b, create_graph=True)
    same(ga, gb)
    (g2,) = grad((ga * v).sum(), [a])
    same(g2, torch.autograd.grad((gb * torch.tensor(v)).sum(), b)[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [True, False])
def test_cells_agree_with_torch(torch, kind, bias, rng):
    theirs = getattr(torch.nn, kind + "Cell")(3, 4, bias=bias).double()
    ours = getattr(nn, kind + "Cell")(3, 4, bias=bias).astype("float64")
    nn.load_torch_state_dict(ours, theirs.state_dict())
    x, *states = (rng.standard_normal(s) for s in ((2, 3), (2, 4), (2, 4)))
    states = states if kind == "LSTM" else states[0]
    tstates = (
        tuple(map(torch.tensor, states)) if kind == "LSTM" else torch.tensor(states)
    )
    for given, tgiven in (
        ([], []),
        ([tuple(states) if kind == "LSTM" else states], [tstates]),
    ):
        mine, other = ours(leaf(x), *given), theirs(torch.tensor(x), *tgiven)
        for a, b in zip(as_tuple(mine), as_tuple(other), strict=True):
            same(a, b)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [True, False])
def test_state_goes_to_torch_and_back(torch, kind, bias, rng):
    settings = {"num_layers": 2, "bidirectional": True, "bias": bias}
    ours = getattr(nn, kind)(3, 4, **settings, dropout=0.5).astype("float64")
    for p in ours.parameters():
        p.data[...] = rng.standard_normal(p.shape)
    theirs = getattr(torch.nn, kind)(3, 4, batch_first=True, **settings).double()
    state = {k: torch.from_numpy(v) for k, v in nn.to_torch_state_dict(ours).items()}
    theirs.load_state_dict(state)
    x = rng.standard_normal((2, 5, 3))
    same(ours.eval()(x)[0], theirs(torch.tensor(x))[0])
    again = getattr(nn, kind)(3, 4, **settings, dropout=0.5).astype("float64")
    nn.load_torch_state_dict(again, theirs.state_dict())
    for a, b in zip(ours.parameters(), again.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_check_to_the_second_order(kind, rng):
    layer = getattr(nn, kind)(2, 2, num_layers=2, bidirectional=True).astype("float64")
    mask = np.array([3, 1])
    f = lambda x: layer(x, None, mask)[0]  # noqa: E731
    x = rng.standard_normal((2, 3, 2))
    assert check.gradgradcheck(f, [x])


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_with_carried_state_are_one_long_pass(kind, rng):
    layer = getattr(nn, kind)(3, 4, num_layers=2).astype("float64")
    x = rng.standard_normal((2, 12, 3))
    whole, last = layer(x)
    state, ys = None, []
    for i in range(0, 12, 4):
        y, state = layer(x[:, i : i + 4], nn.detach_state(state))
        ys.append(y.data)
    np.testing.assert_allclose(np.concatenate(ys, 1), whole.data, **CLOSE)
    for a, b in zip(as_tuple(state), as_tuple(last), strict=True):
        np.testing.assert_allclose(a.data, b.data, **CLOSE)


def test_no_gradient_goes_back_beyond_a_detached_state(rng):
    layer = nn.LSTM(3, 4).astype("float64")
    first, second = (
        leaf(rng.standard_normal((2, 5, 3))),
        leaf(rng.standard_normal((2, 5, 3))),
    )
    _, state = layer(first)
    layer(second, nn.detach_state(state))[0].sum().backward()
    assert first.grad is None
    assert second.grad.any()
    layer(second, state)[0].sum().backward()
    assert first.grad.any()


@pytest.mark.parametrize("kind", KINDS)
def test_sequence_is_its_cell_step_by_step(kind, rng):
    """One to many: the state is handed on, one time at a time."""
    layer = getattr(nn, kind)(3, 4).astype("float64")
    x = rng.standard_normal((2, 5, 3))
    whole, _ = layer(x)
    state = None
    for t in range(5):
        y, state = layer(x[:, t : t + 1], state)
        np.testing.assert_allclose(y.data[:, 0], whole.data[:, t], **CLOSE)
    cell, state = layer.cells[0], ()
    for t in range(5):
        state = cell(x[:, t], *state)
        state = (state,)
    h = state[0][0] if kind == "LSTM" else state[0]
    np.testing.assert_allclose(h.data, whole.data[:, -1], **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bidirectional", [True, False])
def test_padding_changes_nothing(kind, bidirectional, rng):
    layer = getattr(nn, kind)(3, 4, 2, bidirectional).astype("float64")
    x = rng.standard_normal((2, 6, 3))
    other = x.copy()
    other[0, 4:] = 1e6
    lengths = np.array([4, 6])
    (y, state), (y2, state2) = layer(x, None, lengths), layer(other, None, lengths)
    np.testing.assert_array_equal(y.data, y2.data)
    assert not y.data[0, 4:].any()
    short, last = layer(x[:1, :4])
    np.testing.assert_allclose(y.data[:1, :4], short.data, **CLOSE)
    for a, b, c in zip(*map(as_tuple, (state, state2, last)), strict=True):
        np.testing.assert_array_equal(a.data, b.data)
        np.testing.assert_allclose(a.data[:, :1], c.data, **CLOSE)


def test_padding_of_inf_gives_no_nan(rng):
    layer = nn.LSTM(3, 4).astype("float64")
    x = rng.standard_normal((2, 3, 3))
    x[0, 2] = np.nan
    x = leaf(x)
    y, (h, c) = layer(x, None, np.array([2, 3]))
    assert np.isfinite(y.data).all()
    assert np.isfinite(h.data).all()
    assert np.isfinite(c.data).all()
    y.sum().backward()
    assert all(
        np.isfinite(g).all() for g in [x.grad, *(p.grad for p in layer.parameters())]
    )
    assert not x.grad[0, 2].any()


def test_full_lengths_need_no_mask(rng):
    layer = nn.GRU(3, 4).astype("float64")
    x = rng.standard_normal((2, 5, 3))
    np.testing.assert_array_equal(layer(x, None, [5, 5])[0].data, layer(x)[0].data)


def test_dropout_is_between_layers_only():
    x = np.ones((2, 3, 4), np.float32)
    one = nn.GRU(4, 4, dropout=0.5, rng=0)
    np.testing.assert_array_equal(one(x)[0].data, one(x)[0].data)
    two = nn.GRU(4, 4, num_layers=2, dropout=0.5, rng=0)
    assert (two(x)[0].data != two(x)[0].data).any()
    two.eval()
    np.testing.assert_array_equal(two(x)[0].data, two(x)[0].data)
    gone = nn.GRU(4, 4, num_layers=2, dropout=1.0, rng=0)
    y, h = gone(x)
    assert h.data[0].any()
    assert not y.data.any()  # biases are 0: the second layer saw nothing


def test_forget_bias_and_names():
    layer = nn.LSTM(3, 2, forget_bias=3.0)
    np.testing.assert_array_equal(layer.cells[0].bias.data, [0, 0, 3, 3, 0, 0, 0, 0])
    assert nn.LSTMCell(3, 2).bias.data[2:4].tolist() == [1, 1]
    names = [name for name, _ in nn.GRU(3, 2, bidirectional=True).named_parameters()]
    assert names[:4] == [
        f"cells.0.{n}" for n in ("weight_x", "weight_h", "bias", "bias_h")
    ]
    assert names[4] == "cells.1.weight_x"


def test_one_seed_one_network():
    a, b = nn.LSTM(3, 4, 2, rng=1), nn.LSTM(3, 4, 2, rng=1)
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)
        assert p.dtype == np.float32
    w = a.cells[0].weight_h.data[:, :4]
    np.testing.assert_allclose(w @ w.T, np.eye(4), atol=1e-6)


def test_no_grad_keeps_nothing(rng):
    layer = nn.LSTM(3, 4)
    with no_grad():
        y, (h, _) = layer(np.zeros((1, 2, 3), np.float32))
    assert not y.requires_grad
    assert not h.requires_grad


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: nn.RNN(3, 4)(np.zeros((1, 1, 2, 3))), ShapeError, r"\(N, T, 3\).*2, 3\)"),
        (lambda: nn.RNN(3, 4)(np.zeros((2, 5, 4))), ShapeError, r"\(N, T, 3\)"),
        (lambda: nn.GRU(3, 4)(np.zeros((2, 0, 3), "f4")), ShapeError, "length 0"),
        (lambda: nn.LSTM(3, 4)(np.zeros((2, 5, 3), "f4"), np.zeros((1, 2, 4), "f4")), ShapeError, r"tuple \(h, c\)"),
        (lambda: nn.GRU(3, 4)(np.zeros((2, 5, 3), "f4"), np.zeros((2, 2, 4), "f4")), ShapeError, r"\(1, N, 4\)"),
        (lambda: nn.GRU(3, 4)(np.zeros((2, 5, 3), "f4"), np.zeros((1, 3, 4), "f4")), ShapeError, r"\(2, 4\)"),
        (lambda: nn.GRU(3, 4)(np.zeros((2, 5, 3), "f4"), None, [5, 0]), RangeError, "from 0 to 5"),
        (lambda: nn.GRU(3, 4)(np.zeros((2, 5, 3), "f4"), None, [5, 6]), RangeError, "5 to 6"),
        (lambda: nn.GRU(3, 4)(np.zeros((2, 5, 3), "f4"), None, [5]), ShapeError, "1 lengths"),
        (lambda: nn.GRU(3, 4)(np.zeros((2, 5, 3), "f4"), None, [5.0, 4.0]), ShapeError, "whole"),
        (lambda: nn.RNN(3, 4, num_layers=0), RangeError, "num_layers"),
        (lambda: nn.RNN(3, 0), RangeError, "hidden_size"),
        (lambda: nn.RNN(3, 4, nonlinearity="gelu"), RangeError, "relu"),
        (lambda: nn.LSTM(3, 4, dropout=2.0, num_layers=2), RangeError, "in \\[0, 1\\]"),
    ],
)  # fmt: skip
def test_layer_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()


def z(*shape):
    return np.zeros(shape)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.rnn_cell(z(2, 3), z(2, 4), z(5, 4), z(4, 4)), ShapeError, "3 features"),
        (lambda: ops.rnn_cell(z(2, 5, 3), z(2, 4), z(3, 4), z(4, 4)), ShapeError, r"\(N, D\)"),
        (lambda: ops.rnn_cell(z(2, 3), z(3, 4), z(3, 4), z(4, 4)), ShapeError, r"\(2, 4\)"),
        (lambda: ops.rnn_cell(z(2, 3), z(2, 4), z(3, 4), z(4, 4), z(3)), ShapeError, "bias"),
        (lambda: ops.rnn(z(2, 0, 3), None, z(3, 4), z(4, 4)), ShapeError, "empty"),
        (lambda: ops.rnn(z(2, 3, 3), None, z(3, 4), z(4, 4), nonlinearity="x"), RangeError, "tanh"),
        (lambda: ops.lstm(z(2, 3, 3), None, None, z(3, 4), z(4, 4)), ShapeError, "four gates"),
        (lambda: ops.gru(z(2, 3, 3), None, z(3, 4), z(4, 4)), ShapeError, "three gates"),
        (lambda: ops.rnn(z(2, 3, 3), None, z(3, 4), z(4, 4), None, z(2, 2) > 0), ShapeError, r"\(2, 3\)"),
        (lambda: ops.rnn(z(2, 3, 3), None, z(3, 4), z(4, 4), None, z(2, 3)), DTypeError, "bool"),
    ],
)  # fmt: skip
def test_op_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()
