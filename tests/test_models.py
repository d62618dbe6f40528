"""The models: shapes, truncated backpropagation, tiny tasks, how they are judged."""

from functools import partial

import numpy as np
import pytest

from examples import captioner, gpt
from examples.common import END, PAD, START
from minidl import models, nn, ops, optim
from minidl.data import pad_sequences
from minidl.engine.modes import no_grad
from minidl.errors import RangeError, ShapeError
from minidl.models import (
    AlignedChunks,
    CharRNN,
    RandomChunks,
    SlidingChunks,
    Stateful,
    generate,
    next_loss,
    transcribe,
)
from minidl.train import (
    Budget,
    Checkpoint,
    Trainer,
    bleu1,
    edit_distance,
    token_error_rate,
)
from tests.runs import At, press

V = 9


def test_every_name_has_its_home():
    assert sorted(models.__all__) == sorted(
        n for ns in models.HOMES.values() for n in ns
    )
    assert all(getattr(models, name).__doc__ for name in models.__all__)
    with pytest.raises(AttributeError, match="CharRNN"):
        models.CharRMM  # noqa: B018


# ---------------------------------------------------------------------- images


def test_an_mlp_has_the_sizes_it_was_given(rng):
    net = models.MLP([12, 7, 5, 3], dropout=0.5, norm=True, rng=0)
    shapes = [p.shape for p in net.parameters() if p.ndim == 2]
    assert shapes == [(12, 7), (7, 5), (5, 3)]
    assert net(rng.random((4, 1, 3, 4), dtype=np.float32)).shape == (4, 3)
    with pytest.raises(ShapeError, match="two at least"):
        models.MLP([3])


def test_a_cnn_halves_its_images(rng):
    net = models.CNN(2, 5, (4, 6), rng=0)
    x = rng.random((3, 2, 8, 12), dtype=np.float32)
    assert net.features(x).shape == (3, 6, 2, 3)
    assert net.features.places(x).shape == (3, 6, 6)
    assert net(x).shape == (3, 5)
    with pytest.raises(ShapeError, match="x\\[None\\]"):
        net(x[0])


def test_places_are_read_row_by_row(rng):
    eye = models.ConvFeatures(1, (4,), rng=0).eval()
    x = rng.random((1, 1, 4, 6), dtype=np.float32)
    grid, row = eye(x).detach().numpy(), eye.places(x).detach().numpy()
    assert (row[0, 3 * 1 + 2] == grid[0, :, 1, 2]).all()


# ---------------------------------------------- truncated backpropagation through time


@pytest.mark.parametrize(("rows", "length"), [(1, 4), (3, 5), (4, 100)])
def test_chunks_hold_the_text_in_order(rows, length):
    text = np.arange(50)
    chunks = AlignedChunks(text, rows, length)
    parts = list(chunks)
    assert len(parts) == len(chunks)
    x, y = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    times = (len(text) - 1) // rows
    assert x.ravel().tolist() == text[: rows * times].tolist()
    assert (y == x + 1).all()
    assert [a.tolist() for a, _ in chunks] == [a.tolist() for a, _ in parts]


def test_chunks_that_cannot_be_are_refused():
    with pytest.raises(ShapeError, match="one long text"):
        AlignedChunks(np.zeros((2, 9), int), 2, 3)
    with pytest.raises(ShapeError):
        AlignedChunks(np.arange(3), 3, 3)
    with pytest.raises(RangeError):
        AlignedChunks(np.arange(9), 0, 3)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_chunks_with_carried_state_are_one_long_pass(rng, kind):
    model = CharRNN(V, 4, 6, num_layers=2, kind=kind, rng=0).astype("float64").eval()
    text = rng.integers(V, size=61)
    ((x, _),) = AlignedChunks(text, 3, 1000)
    whole, last = model(x)
    state, parts = None, []
    for chunk, _ in AlignedChunks(text, 3, 7):
        state = None if state is None else nn.detach_state(state)
        scores, state = model(chunk, state)
        parts.append(scores.detach().numpy())
    np.testing.assert_allclose(
        np.concatenate(parts, axis=1), whole.detach().numpy(), atol=1e-12
    )
    for a, b in zip(state, last, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=1e-12)


def test_no_gradient_crosses_a_chunk(rng):
    model = CharRNN(V, 4, 6, rng=0).astype("float64")
    x = rng.integers(V, size=(2, 8))

    def gradient(state):
        model.zero_grad()
        model(x[:, 4:], state)[0].sum().backward()
        return model.embedding.weight.grad.copy()

    _, state = model(x[:, :4])
    constants = tuple(ops.detach(s) for s in state)
    cut = gradient(nn.detach_state(state))
    np.testing.assert_array_equal(cut, gradient(constants))
    assert not np.allclose(cut, gradient(model(x[:, :4])[1]))


def test_unknown_kinds_are_refused():
    with pytest.raises(RangeError, match="lstm"):
        CharRNN(V, kind="lstn")
    with pytest.raises(RangeError, match="context"):
        models.GPT(V, context=1)


# ------------------------------------------------------------------- what they see


def test_a_gpt_does_not_look_ahead(rng):
    model = models.GPT(V, 16, 8, heads=2, layers=2, rng=0).eval()
    a = rng.integers(V, size=(1, 10))
    b = a.copy()
    b[:, 6:] = (b[:, 6:] + 1) % V
    ya, yb = model(a).detach().numpy(), model(b).detach().numpy()
    np.testing.assert_array_equal(ya[:, :6], yb[:, :6])
    assert not np.allclose(ya[:, 6:], yb[:, 6:])


def test_a_gpt_of_the_program_is_small_enough():
    model = models.GPT(78, gpt.CONTEXT, **gpt.SIZE, rng=0)
    assert model.num_parameters() <= 1e6
    assert "embedding.weight" in dict(model.named_parameters())  # tied: no other table
    assert not any("output" in name and "78" in str(p.shape)
                   for name, p in model.named_parameters())  # fmt: skip


@pytest.mark.parametrize("attention", [True, False])
def test_padding_changes_nothing(attention):
    model = models.Seq2Seq(V, V, 4, 6, attention=attention, rng=0).astype("float64")
    short, target = np.array([[3, 4, 5]]), np.array([[1, 2, 6]])
    long = np.array([[3, 4, 5, 0, 0]])
    y = model(short, target).detach().numpy()
    np.testing.assert_allclose(model(long, target).detach().numpy(), y, atol=1e-12)
    if attention:
        weights = model.look(long, target).detach().numpy()
        assert not weights[..., 3:].any()
        np.testing.assert_allclose(weights.sum(axis=2), 1)


@pytest.mark.parametrize("kind", list(captioner.KINDS))
def test_captioners_use_the_image(rng, kind):
    model = captioner.KINDS[kind](V).eval()
    x = rng.random((2, 3, 32, 32), dtype=np.float32)
    tokens = np.array([[1, 2, 3]] * 2)
    y = model(x, tokens).detach().numpy()
    assert y.shape == (2, 3, V)
    assert np.abs(y[0] - y[1]).max() > 1e-4
    model.train()(x, tokens).sum().backward()
    frozen = [name for name, p in model.named_parameters() if p.grad is None]
    assert not frozen


def test_maps_of_attention_are_shares(rng):
    model = models.Captioner(V, rng=0)
    x = rng.random((2, 3, 32, 32), dtype=np.float32)
    weights = model.look(x, np.array([[1, 2, 3]] * 2)).detach().numpy()
    assert weights.shape == (2, 3, 16)
    np.testing.assert_allclose(weights.sum(axis=2), 1, rtol=1e-5)


# ---------------------------------------------------------------------- they learn


def fitted(model, loss, batches, epochs, rate):
    budget = Budget()
    rule = optim.AdamW(model.parameters(), budget.rate(rate), (0.9, 0.99))
    trainer = Trainer(model, rule, loss, callbacks=[budget], progress=False)
    return trainer.fit(batches, epochs=epochs)["train_loss"]


def loss_of(model, batches):
    return Trainer(model, None, next_loss, progress=False).evaluate(batches)["loss"]


def test_a_char_rnn_learns_a_line_by_heart():
    text = np.array([1, 2, 3, 1, 4, 5, 1, 2, 3, 1, 6, 7] * 8)
    model = CharRNN(8, 8, 24, rng=0)
    reader, chunks = Stateful(model), AlignedChunks(text, 4, 8)
    losses = fitted(reader, next_loss, chunks, 40, 0.02)
    assert losses[-1] < 0.1 < losses[0]
    written = generate(model, text[None, :12], 12)
    assert written[0].tolist() == text[:12].tolist()
    assert loss_of(reader, AlignedChunks(text, 2, 16)) < 0.3


def test_a_state_is_handed_on_within_a_text_only(rng):
    model = CharRNN(V, 4, 6, rng=0)
    reader, text = Stateful(model), rng.integers(V, size=(2, 12))
    whole = model(text)[0].data
    parts = [reader(text[:, i : i + 4]) for i in (0, 4, 8)]
    np.testing.assert_allclose(ops.concatenate(parts, axis=1).data, whole, atol=1e-6)
    assert parts[2].requires_grad
    reader.eval()  # another text
    np.testing.assert_allclose(reader(text[:, :4]).data, whole[:, :4], atol=1e-6)
    reader(text[:1])  # in other rows
    again = reader(text)
    np.testing.assert_allclose(again.data, whole, atol=1e-6)


def test_a_gpt_learns_to_copy():
    rng = np.random.default_rng(0)
    x = rng.integers(1, V, size=(40, 5))
    rows = np.concatenate([x, np.zeros((40, 1), int), x], axis=1)
    model = models.GPT(V, 12, 32, heads=2, layers=2, dropout=0.0, rng=0)

    def loss(scores, y):
        return next_loss(scores[:, 5:], y)

    batches = [(part[:, :-1], part[:, 6:]) for part in (rows[:20], rows[20:])]
    fitted(model, loss, batches, 120, 5e-3)
    written = generate(model, rows[:, :6], 5)
    assert (written == x).mean() > 0.95


def test_a_seq2seq_learns_to_reverse():
    rng = np.random.default_rng(0)
    words = [rng.integers(1, V, size=rng.integers(2, 6)) for _ in range(600)]
    source, true = pad_sequences(words), [(w[::-1] + 2).tolist() for w in words]
    target = pad_sequences([START, *row, END] for row in true)
    model = models.Seq2Seq(V, V + 2, 16, 32, rng=0)
    loss = partial(next_loss, ignore_index=PAD)
    batches = [
        (source[i : i + 50], target[i : i + 50, :-1], target[i : i + 50, 1:])
        for i in range(0, 500, 50)
    ]
    fitted(model, loss, batches, 25, 0.02)
    said = transcribe(model, source[500:], 20, beams=2)  # words it never saw
    assert token_error_rate(said, true[500:]) < 0.1


# ---------------------------------------------------------------------- programs


def test_padding_is_no_part_of_the_loss(rng):
    scores = rng.normal(size=(2, 3, V))
    y = np.array([[5, 2, 0], [6, 7, 2]])
    log_p = np.log(ops.softmax(scores, axis=2))
    said = [(0, 0, 5), (0, 1, 2), (1, 0, 6), (1, 1, 7), (1, 2, 2)]
    expected = -np.mean([log_p[i] for i in said])
    assert float(next_loss(scores, y, ignore_index=0)) == pytest.approx(expected)


def test_rates_climb_and_fall_with_the_budget():
    ten = Budget()
    rate, seen, ten.steps = ten.rate(1.0), [], 1000
    for ten.done in (0, 20, 500, 1000):
        seen.append(rate(0))
    assert seen[0] < 0.2
    assert seen[1] > 0.99
    assert seen[2] == pytest.approx(0.525)
    assert seen[3] == pytest.approx(0.05)
    with pytest.raises(RangeError, match="minutes is 0"):
        Budget(0)


def test_minutes_end_the_training_within_an_epoch():
    model, few = Stateful(CharRNN(V, 4, 6, rng=0)), Budget(minutes=0.002)
    batches = [(np.ones((1, 2), int), np.ones((1, 2), int))] * 5000
    rule = optim.SGD(model.parameters(), lr=few.rate(0.01))
    run = Trainer(model, rule, next_loss, callbacks=[few], progress=False)
    history = run.fit(batches, batches[:1], epochs=999)
    assert len(history["val_loss"]) == 1  # what there was is validated
    assert few.progress == 1
    assert 1 < few.done == run.t < 5000
    assert rule.lr == pytest.approx(0.01 * 0.05)
    few.minutes = None  # a later fit is no shorter for it
    assert len(run.fit(batches[:2], epochs=1)) == 2
    assert run.t == few.done


def test_a_resumed_run_has_the_rates_of_one_that_was_not_stopped(tmp_path):
    batches = [(np.ones((4, 3), np.float32), np.zeros(4, int))] * 5

    def rates(folder, stop=None):
        net, budget = nn.Linear(3, 2, rng=0), Budget(minutes=60)
        rule = optim.SGD(net.parameters(), lr=budget.rate(0.1))
        save = Checkpoint(tmp_path / folder, steps=1, resume=True)
        ends = [At(stop, press)] if stop else []
        run = Trainer(net, rule, ops.cross_entropy, callbacks=[budget, save, *ends],
                      progress=False)  # fmt: skip
        run.fit(batches, epochs=2)
        return [*run.history.steps["lr"]], budget

    whole, _ = rates("a")
    _, stopped = rates("b", stop=7)
    parts, again = rates("b")
    np.testing.assert_allclose(parts, whole, rtol=1e-6)
    assert len(parts) == 10
    assert again.seconds > stopped.seconds > 0


def test_batches_without_a_length_need_minutes():
    class Endless:
        def __iter__(self):
            return iter([(np.ones((4, 3), np.float32), np.zeros(4, int))])

    def fit(minutes):
        net, budget = nn.Linear(3, 2, rng=0), Budget(minutes)
        rule = optim.SGD(net.parameters(), lr=budget.rate(0.1))
        run = Trainer(net, rule, ops.cross_entropy, callbacks=[budget], progress=False)
        return run.fit(Endless(), epochs=1)

    assert len(fit(1)) == 1
    with pytest.raises(RangeError, match="Endless has no len"):
        fit(None)


def test_bleu_counts_words_once_and_minds_the_length():
    assert bleu1([["a", "b"]], [["b", "a"]]) == 1
    assert bleu1([["a", "a", "a"]], [["a"]]) == pytest.approx(1 / 3)
    assert bleu1([["a"]], [["a", "b"]]) == pytest.approx(np.exp(-1))
    assert bleu1([[]], [["a"]]) == 0
    assert captioner.always_the_same(["a b", "a"], ["a", "a"]) == 1
    assert edit_distance("abcd", "bxd") == 2
    assert token_error_rate(["a", []], ["b", "ab"]) == 1
    for wrong in ([["a"]], [[], []]):
        with pytest.raises(ShapeError, match="one true one for each"):
            bleu1([["a"], []], wrong)


def test_a_gpt_is_judged_on_every_window(rng):
    model = models.GPT(V, 8, 8, heads=2, layers=1, rng=0).eval()
    tokens = rng.integers(V, size=22)
    with no_grad():
        losses = []
        for start in range(0, 14, 4):
            scores = model(tokens[None, start : start + 8])[:, 4:]
            y = tokens[None, start + 5 : start + 9]
            losses.append(float(next_loss(scores, y).data))
    judged = loss_of(model, SlidingChunks(tokens, 3, 8))
    assert judged == pytest.approx(np.mean(losses), rel=1e-5)


def test_random_chunks_are_of_the_text_and_differ(rng):
    chunks = RandomChunks(np.arange(100), 4, 10, rng=0)
    parts = [x for x, _ in chunks]
    assert len(parts) == len(chunks) == 2
    starts = [x[:, 0].tolist() for x in parts + [x for x, _ in chunks]]
    assert len({tuple(s) for s in starts}) == 4
    assert all((np.diff(x, axis=1) == 1).all() for x in parts)
    for length in (0, 100):
        with pytest.raises(ShapeError, match="one long text"):
            RandomChunks(np.arange(100), 4, length)
