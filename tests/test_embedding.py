"""Embedding and positions: against PyTorch, padding, tied weights, errors."""

import numpy as np
import pytest

from minidl import Tensor, nn, ops
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.kernels.cpu import scatter as cpu_scatter


@pytest.mark.parametrize("seed", range(20))
def test_embedding_agrees_with_torch(torch, seed):
    rng = np.random.default_rng(seed)
    v, d = (int(n) for n in rng.integers(2, 8, 2))
    ids = rng.integers(0, v, rng.integers(1, 5, 1 + seed % 3))
    padding = [None, 0, v - 1, -1][seed % 4]
    w, u = rng.standard_normal((v, d)), rng.standard_normal((*ids.shape, d))
    a, b = Tensor(w, requires_grad=True), torch.tensor(w, requires_grad=True)
    y = ops.embedding(ids, a, padding_idx=padding)
    t = torch.nn.functional.embedding(torch.tensor(ids), b, padding_idx=padding)
    np.testing.assert_array_equal(y.data, t.detach().numpy())
    (y * u).sum().backward()
    (t * torch.tensor(u)).sum().backward()
    np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_the_row_of_padding_starts_at_zero_and_stays_there():
    layer = nn.Embedding(5, 3, padding_idx=2, rng=0)
    assert not layer.weight.data[2].any()
    layer([[1, 2, 2], [3, 2, 1]]).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad[:, 0], [0, 2, 0, 1, 0])


def test_gradient_is_the_same_bit_for_bit(rng):
    ids = rng.integers(0, 7, (50, 20))
    u = rng.standard_normal((50, 20, 4)).astype("f4")
    layer, grads = nn.Embedding(7, 4, rng=0), []
    for _ in range(2):
        layer.zero_grad()
        (layer(ids) * u).sum().backward()
        grads.append(layer.weight.grad)
    np.testing.assert_array_equal(*grads)
    assert grads[0].dtype == np.float32


@pytest.mark.parametrize("seed", range(20))
def test_fast_gradient_is_the_plain_one_bit_for_bit(seed):
    rng = np.random.default_rng(seed)
    v, d = (int(n) for n in rng.integers(2, 8, 2))
    ids = rng.integers(-v, v, rng.integers(0, 5, 1 + seed % 3))
    g = rng.standard_normal((*ids.shape, d)).astype(["f4", "f8"][seed % 2])
    fast, back = cpu_scatter.scatter_rows(g, index=ids, shape=(v, d))
    plain, _ = ops.scatter.body(g, index=ids, shape=(v, d))
    np.testing.assert_array_equal(fast, plain)
    assert fast.dtype == g.dtype
    np.testing.assert_array_equal(back(fast), plain[ids])


def test_tied_weights_get_both_gradients(rng):
    layer = nn.Embedding(6, 4, rng=0).astype("float64")
    ids = np.array([[1, 2], [5, 1]])
    y = layer.scores(layer(ids))
    w = layer.weight.data
    np.testing.assert_allclose(y.data, w[ids] @ w.T)
    y.sum().backward()
    expected = np.zeros_like(w)
    np.add.at(expected, ids, w.sum(axis=0))
    np.testing.assert_allclose(layer.weight.grad, expected + w[ids].sum(axis=(0, 1)))


def test_ids_may_be_a_list_a_tensor_or_an_array():
    layer = nn.Embedding(6, 4, rng=0)
    for ids in ([1, 2], np.array([1, 2], "u1"), Tensor(np.array([1, 2]))):
        np.testing.assert_array_equal(layer(ids).data, layer.weight.data[1:3])


def test_torch_state(torch):
    theirs = torch.nn.Embedding(5, 3)
    ours = nn.Embedding(5, 3)
    nn.load_torch_state_dict(ours, theirs.state_dict())
    np.testing.assert_array_equal(ours.weight.data, theirs.weight.detach().numpy())


def test_sinusoids_are_those_of_the_paper(rng):
    y = nn.PositionalEncoding(6)(Tensor(np.zeros((1, 9, 6))))
    for t in range(9):
        for k in range(3):
            angle = t / 10000 ** (2 * k / 6)
            assert y.data[0, t, 2 * k] == pytest.approx(np.sin(angle), abs=1e-14)
            assert y.data[0, t, 2 * k + 1] == pytest.approx(np.cos(angle), abs=1e-14)


@pytest.mark.parametrize(
    "layer",
    [nn.PositionalEncoding(5), nn.LearnedPositions(20, 5)],
    ids=["sin", "learned"],
)
def test_positions_may_start_later(layer):
    x = np.zeros((2, 20, 5), np.float32)
    whole = layer(x).data
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(layer(x[:, :3], start=7).data, whole[:, 7:10])
    np.testing.assert_array_equal(layer(x[:, :3]).data, whole[:, :3])


def test_learned_positions_learn():
    layer = nn.LearnedPositions(6, 3)
    layer(np.zeros((2, 4, 3), np.float32), start=1).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad[:, 0], [0, 2, 2, 2, 2, 0])
    assert "_tables" not in nn.PositionalEncoding(4).state_dict()


EMB = nn.Embedding(5, 3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: EMB([1, 5]), RangeError, "from 1 to 5.*rows 0 … 4"),
        (lambda: EMB([-1]), RangeError, "from -1"),
        (lambda: EMB(np.array([1.0])), DTypeError, "float64.*astype"),
        (lambda: ops.embedding(np.array([1]), np.ones(3)), ShapeError, r"\(V, D\)"),
        (lambda: ops.embedding(np.array([1]), np.ones((3, 2)), padding_idx=3), RangeError, "padding_idx"),
        (lambda: nn.Embedding(5, 3, padding_idx=7), RangeError, "padding_idx"),
        (lambda: EMB.scores(Tensor(np.ones((2, 4)))), ShapeError, "end with 3"),
        (lambda: nn.PositionalEncoding(4)(np.ones((2, 3, 5))), ShapeError, r"\(N, T, 4\)"),
        (lambda: nn.PositionalEncoding(5)(np.ones((2, 3, 5)), start=-1), RangeError, "start"),
        (lambda: nn.LearnedPositions(4, 5)(np.ones((2, 3, 5), "f4"), start=2), RangeError, "4 positions"),
    ],
)  # fmt: skip
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()
