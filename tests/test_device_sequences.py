"""Sequences on every device: kernels equal their plain bodies, and models stay there.

On the CPU no CUDA kernel runs, and the fast bodies are compared with the plain ones in
float64. On the mock driver the threads take turns in three orders, and a training step
is counted.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest

from minidl import Tensor, grad, models, nn, ops, optim
from minidl.backend import to_device, to_numpy
from tests import drycuda
from tests.twins import both_ways, threads, twins  # noqa: F401  a fixture

CLOSE = {"rtol": 1e-4, "atol": 2e-5}


def counted(spent, device, **kernels):
    """Assert that these kernels ran as often, as far as anybody counts."""
    if device == "cuda" and drycuda.installed():
        for name, times in kernels.items():
            assert spent.kernels[name] == times, spent


# ------------------------------------------------------------------------- recurrent

KINDS = {  # op, cell, gates, states, biases
    "lstm": (ops.lstm, ops.lstm_cell, 4, 2, 1),
    "gru": (ops.gru, ops.gru_cell, 3, 1, 2),
    "rnn": (ops.rnn, ops.rnn_cell, 1, 1, 1),
}


def recurrent_inputs(kind, seed, cell=False):
    """Inputs of a random shape; states, biases and the mask may be absent."""
    draw = np.random.default_rng(seed)
    n, t, d, h = (int(i) for i in draw.integers(1, 6, 4))
    if seed == 0:
        n, h = 20, 30  # more than one block
    _, _, k, states, biases = KINDS[kind]
    shapes = [(n, d) if cell else (n, t, d), *[(n, h)] * states, (d, k * h)]
    shapes += [(h, k * h), *[(k * h,)] * biases]
    xs = [draw.normal(size=s) / s[-1] ** 0.5 for s in shapes]
    absent = [*range(1, 1 + states), *range(3 + states, len(xs))]
    xs = [None if i in absent and draw.random() < 0.3 else x for i, x in enumerate(xs)]
    if not cell:
        mask = None if draw.random() < 0.3 else draw.random((n, t)) < 0.6
        xs.append(mask)
    return xs


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence(kind, seed, device, meter):
    inputs, settings = recurrent_inputs(kind, seed), {"reverse": bool(seed % 2)}
    if kind == "rnn" and seed > 2:
        settings["nonlinearity"] = "relu"
    with meter() as spent:
        twins(KINDS[kind][0], inputs, settings, device)
    times = inputs[0].shape[1]
    counted(spent, device, **{kind: times, f"{kind}_back": times})


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_cell(kind, seed, device, meter):
    inputs = recurrent_inputs(kind, seed, cell=True)
    with meter() as spent:
        twins(KINDS[kind][1], inputs, {}, device)
    counted(spent, device, **{kind: 1, f"{kind}_back": 1})


@pytest.mark.parametrize("kind", KINDS)
def test_padding_of_nan_goes_nowhere(kind, device):
    inputs = recurrent_inputs(kind, 0)
    n, t = inputs[0].shape[:2]
    inputs[-1] = np.arange(t) < 1 + np.arange(n)[:, None] % t
    inputs[0][~inputs[-1]] = np.nan
    ys, _ = both_ways(KINDS[kind][0], inputs, {}, device, "float32")
    assert all(np.isfinite(y).all() for y in ys)


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives_of_a_sequence(kind, device):
    inputs = recurrent_inputs(kind, 1)[:-1]

    def slopes(device, dtype):
        leaves = [
            x if x is None else Tensor(to_device(x.astype(dtype), device), True)
            for x in inputs
        ]
        y = KINDS[kind][0](*leaves)[0]
        tracked = [x for x in leaves if x is not None]
        (dx,) = grad((y * y).sum(), tracked[:1], create_graph=True)
        return [to_numpy(g) for g in grad((dx * dx).sum(), tracked)]

    for a, b in zip(slopes(device, "f4"), slopes("cpu", "f8"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


# ------------------------------------------------------------------------- attention

MASKS = {
    "none": None,
    "keys": (2, 1, 1, 40),
    "square": (9, 40),
    "all": (2, 3, 9, 40),
    "one for all heads": (2, 1, 9, 40),
    "one for all keys": (3, 9, 1),
}


def attention_inputs(batch, mask, kind):
    """q, k, v and a mask of truth values, or of numbers that are added."""
    draw = np.random.default_rng(3)
    q, k, v = (draw.normal(size=(*batch, *s)) for s in ((9, 5), (40, 5), (40, 4)))
    if mask is None:
        return [q, k, v]
    seen = draw.random(mask) < 0.6
    seen[..., :1, :] &= len(mask) == 4 and mask[-2] == 1  # somebody sees nothing
    if kind == "added":
        return [q, k, v, np.where(seen, draw.normal(size=mask), -np.inf)]
    return [q, k, v, seen]


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", ["truth", "added"])
@pytest.mark.parametrize("mask", MASKS)
def test_attention(mask, kind, causal, device, meter):
    inputs = attention_inputs((2, 3), MASKS[mask], kind)
    with meter() as spent:
        twins(ops.scaled_dot_product_attention, inputs, {"causal": causal}, device)
    added = kind == "added" and mask != "none"
    counted(spent, device, masked_softmax=1, softmax_back=1 + added)


@pytest.mark.parametrize("batch", [(), (2,), (2, 1, 2)])
def test_attention_of_other_batches(batch, device):
    inputs = attention_inputs(batch, (9, 40) if len(batch) < 3 else None, "truth")
    twins(ops.scaled_dot_product_attention, inputs, {"scale": 0.3}, device)


def test_attention_of_one_new_query_to_all_keys(device):
    q, k, v = attention_inputs((2, 3), None, "truth")
    settings = {"causal": True}
    twins(ops.scaled_dot_product_attention, [q[..., :1, :], k, v], settings, device)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("shape", [(1, 1), (3, 33), (2, 3, 4, 5), (300, 2)])
@pytest.mark.parametrize("kind", [None, "truth", "added"])
def test_masked_softmax(shape, kind, device, meter):
    draw = np.random.default_rng(5)
    s, seen = 3 * draw.normal(size=shape), draw.random(shape[-2:]) < 0.6
    seen[0] = False
    masks = {"truth": seen, "added": np.where(seen, 0.5, -np.inf)}
    with meter() as spent:
        inputs = [s] if kind is None else [s, masks[kind]]
        twins(ops.masked_softmax, inputs, {}, device)
    counted(spent, device, masked_softmax=1)


def test_who_may_look_at_nothing_gets_zeros(device):
    q, k, v, seen = attention_inputs((2, 3), (9, 40), "truth")
    inputs, settings = [q, k, v, np.zeros_like(seen)], {}
    ys, _ = both_ways(
        ops.scaled_dot_product_attention, inputs, settings, device, "float32"
    )
    assert all((y == 0).all() for y in ys)


def test_far_scores_do_not_overflow(device):
    q = np.array([[[300.0, 0.0]]], "f4")
    k = np.array([[[300.0, 0.0], [-300.0, 0.0], [1.0, 1.0]]], "f4")
    twins(ops.scaled_dot_product_attention, [q, k, k], {}, device)


# ------------------------------------------------------------------------- embedding


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(
    ("ids", "rows", "d"),
    [((3, 5), 4, 3), ((700,), 3, 2), ((2,), 300, 5), ((6, 50), 7, 300), ((0,), 2, 3)],
)
def test_the_gradient_of_an_embedding(ids, rows, d, device, meter):
    draw = np.random.default_rng(4)
    inputs = [draw.integers(0, rows, ids), draw.normal(size=(rows, d))]
    with meter() as spent:
        twins(ops.embedding, inputs, {"padding_idx": 1}, device)
    counted(spent, device, gather=1)


@pytest.mark.usefixtures("threads")
def test_it_is_the_same_bit_for_bit(device):
    draw = np.random.default_rng(6)
    ids = to_device(draw.integers(0, 5, 999), device)
    g = to_device(draw.normal(size=(999, 3)).astype("f4"), device)
    y = ops.scatter(g, index=ids, shape=(5, 3))
    expected = np.zeros((5, 3), "f4")
    for i, row in zip(to_numpy(ids), to_numpy(g), strict=True):
        expected[i] += row
    np.testing.assert_array_equal(to_numpy(y), expected)


@pytest.mark.usefixtures("threads")
def test_a_tied_table_adds_both_gradients_in_order(device, meter):
    draw = np.random.default_rng(8)
    ids, w = draw.integers(0, 6, (4, 5)), draw.normal(size=(6, 3))

    def tied(i, w):
        h = ops.embedding(i, w)
        return ops.matmul(ops.tanh(h), ops.transpose(w))

    with meter() as spent:
        twins(tied, [ids, w], {}, device)
    counted(spent, device, gather=1, cupyx_scatter_add=0)


def test_negative_rows_count_from_the_end(device):
    w, i = np.arange(12.0).reshape(4, 3), np.array([-1, 0, -1, 3])
    twins(lambda i, w: ops.getitem(w, index=i), [i, w], {}, device)


# ---------------------------------------------------------------------- gelu and erf

CURVES = {
    "gelu": (ops.gelu, {}, {"gelu": 1, "gelu_back": 1}),
    "tanh": (ops.gelu, {"approximate": "tanh"}, {"gelu": 1, "gelu_back": 1}),
    "erf": (ops.erf, {}, {"erf_of": 1, "erf_back": 1}),
}


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("shape", [(), (1,), (300, 3)])
@pytest.mark.parametrize("name", CURVES)
def test_curves(name, shape, device, meter):
    op, settings, kernels = CURVES[name]
    x = np.asarray(3 * np.random.default_rng(9).normal(size=shape))
    with meter() as spent:
        twins(op, [x], settings, device)
    counted(spent, device, **kernels)


@pytest.mark.parametrize("name", CURVES)
def test_curves_at_the_edges(name, device):
    op, settings, _ = CURVES[name]
    x = np.array([0, -0.0, 1e-30, 200, -200, np.inf, -np.inf, np.nan])
    twins(op, [x], settings, device)


# --------------------------------------------------------------------------- joining


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("join", [ops.stack, ops.concatenate])
def test_joining_many_arrays_sends_nothing(join, axis, device, meter):
    draw = np.random.default_rng(2)
    xs = [draw.normal(size=(2, 3)) for _ in range(9)]
    twins(lambda *xs: join(xs, axis=axis), xs, {}, device)
    arrays = [to_device(x.astype("f4"), device) for x in xs]
    with meter() as spent:
        join(arrays, axis=axis)
    assert spent.h2d == 0, spent


# -------------------------------------------------------------------- training steps

V, N, T = 11, 3, 6
MODELS = {
    "lstm": lambda p: models.CharRNN(V, 8, 12, num_layers=2, dropout=p, rng=0),
    "gru": lambda p: models.CharRNN(V, 8, 12, kind="gru", dropout=p, rng=0),
    "gpt": lambda p: models.GPT(V, T, 8, heads=2, layers=2, dropout=p, rng=0),
}
LAUNCHES = {  # of a step without and with dropout, products and all
    "lstm": (122, 134),
    "gru": (76, 82),
    "gpt": (260, 336),
}


def losses(model, device, meter, steps=3):
    """Train for some steps; return the losses, and what the last one spent."""
    model = copy.deepcopy(model).to(device)
    opt = optim.AdamW(model.parameters(), lr=1e-2)
    tokens = np.random.default_rng(1).integers(0, V, (N, T + 1))
    x, y = (to_device(a, device) for a in (tokens[:, :-1], tokens[:, 1:].reshape(-1)))
    found, state = [], None
    for _ in range(steps):
        with meter() as spent:
            if isinstance(model, models.CharRNN):
                before = None if state is None else nn.detach_state(state)
                scores, state = model(x, before)
            else:
                scores = model(x)
            loss = ops.cross_entropy(ops.reshape(scores, shape=(-1, V)), y)
            opt.zero_grad()
            loss.backward()
            optim.clip_grad_norm(model.parameters(), 1.0)
            opt.step()
        found.append(loss.data)
    return [float(y) for y in found], spent


@pytest.mark.parametrize("p", [0.0, 0.3])
@pytest.mark.parametrize("name", MODELS)
def test_a_training_step_stays_on_the_device(name, p, device, meter):
    model = MODELS[name](p)
    got, spent = losses(model, device, meter)
    want, _ = losses(model, "cpu", meter)
    np.testing.assert_allclose(got, want, rtol=1e-3)
    assert (spent.h2d, spent.d2h, spent.syncs) == (0, 0, 0), spent
    assert spent.launches <= LAUNCHES[name][p > 0], spent
