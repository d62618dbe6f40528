"""Bad input of every sequence layer and model: unknown tokens, nothing to read, states."""

from __future__ import annotations

import numpy as np
import pytest

from minidl import models, nn, ops
from minidl.errors import RangeError, ShapeError


def f(*shape):
    return np.ones(shape, "f4")


READERS = {
    "rnn": lambda: models.CharRNN(7, 4, 6, kind="rnn"),
    "lstm": lambda: models.CharRNN(7, 4, 6),
    "gru": lambda: models.CharRNN(7, 4, 6, kind="gru"),
    "gpt": lambda: models.GPT(7, context=4, dim=4, heads=2, layers=1),
}


@pytest.mark.parametrize("name", READERS)
def test_tokens_that_a_model_cannot_read(name):
    model = READERS[name]()
    for tokens in ([[0, 7]], [[-1, 2]], np.array([[3, 99]])):
        with pytest.raises(RangeError, match=r"rows 0 … 6; was it made for a smaller"):
            model(tokens)
    with pytest.raises(ShapeError, match=r"T ≥ 1|of length 0"):
        model(np.zeros((2, 0), int))
    one = model([1, 2])  # one sequence needs no batch
    assert (one if name == "gpt" else one[0]).shape == (2, 7)


LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}


def state_of(kind, *shape):
    return (f(*shape), f(*shape)) if kind == "lstm" else f(*shape)


@pytest.mark.parametrize("kind", LAYERS)
def test_states_and_lengths_that_do_not_fit(kind):
    layer, x = LAYERS[kind](4, 6, num_layers=2), f(3, 5, 4)
    for shape in ((1, 3, 6), (4, 3, 6), (3, 6)):  # layers, layers, no axis for them
        with pytest.raises(ShapeError, match=r"\(2, N, 6\)"):
            layer(x, state_of(kind, *shape))
    for shape in ((2, 2, 6), (2, 3, 5)):  # sequences, units
        with pytest.raises(ShapeError, match=r"should be \(3, 6\)"):
            layer(x, state_of(kind, *shape))
    for lengths in ([1, 0, 5], [1, 6, 5], [-1, 2, 3]):
        with pytest.raises(RangeError, match=r"have 1 … 5 tokens"):
            layer(x, None, lengths)
    with pytest.raises(ShapeError, match="length 0"):
        layer(x[:, :0])
    cell = CELLS[kind](4, 6)
    with pytest.raises(ShapeError, match=r"should be \(3, 6\)"):
        cell(x[:, 0], state_of(kind, 2, 6))


ATTENTION = {
    "MultiHeadAttention": lambda: nn.MultiHeadAttention(4, 2),
    "DotAttention": nn.DotAttention,
    "AdditiveAttention": lambda: nn.AdditiveAttention(4, 4, 3),
    "TransformerDecoderLayer": lambda: nn.TransformerDecoderLayer(4, 2),
}


@pytest.mark.parametrize("name", ATTENTION)
def test_nothing_to_look_at(name):
    layer = ATTENTION[name]()
    with pytest.raises(ShapeError, match=r"T ≥ 1|S ≥ 1"):
        layer(f(2, 3, 4), f(2, 0, 4))


@pytest.mark.parametrize("name", ["MultiHeadAttention", "DotAttention"])
def test_of_keys_that_are_all_hidden_nothing_arrives(name):
    layer, hidden = ATTENTION[name](), np.array([[True] * 5, [False] * 5])
    y = layer(f(2, 3, 4), f(2, 5, 4), key_mask=hidden)
    y = y[0] if isinstance(y, tuple) else y
    assert y.data[0].any()
    assert not y.data[1].any()  # no bias has learned anything yet


@pytest.mark.parametrize(
    "layer", [nn.TransformerEncoderLayer, nn.TransformerDecoderLayer]
)
def test_transformers_survive_hidden_sequences(layer, rng):
    x = rng.standard_normal((2, 3, 4)).astype("f4")
    hidden = np.array([[True] * 3, [False] * 3])
    given = (x,) if layer is nn.TransformerEncoderLayer else (x, x)
    net = layer(4, 2)
    y = net(*given, key_mask=hidden)
    (y * y).sum().backward()
    assert all(
        np.isfinite(a).all() for a in (y.data, *(p.grad for p in net.parameters()))
    )


def test_a_mask_without_tokens_leaves_the_state_as_it_was(rng):
    h = rng.standard_normal((2, 3))
    wx, wh = rng.standard_normal((4, 9)), rng.standard_normal((3, 9))
    nobody = np.zeros((2, 5), bool)
    y, last = ops.gru(rng.standard_normal((2, 5, 4)), h, wx, wh, None, None, nobody)
    assert not y.any()
    np.testing.assert_array_equal(last, h)
