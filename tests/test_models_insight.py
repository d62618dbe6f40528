"""What models show of themselves, and those that read a sequence to judge it."""

import numpy as np
import pytest

from examples import char_rnn, gpt, seq2seq
from minidl import models, ops, optim
from minidl.backend import generator
from minidl.data import (
    CharTokenizer,
    WordTokenizer,
    load_emoji,
    load_names,
    pad_sequences,
)
from minidl.errors import RangeError, ShapeError
from minidl.models import next_loss
from minidl.models.decoding import reading
from minidl.train import Trainer

V = 9


def array(x):
    return x.detach().numpy()


# ------------------------------------------------------------------------------- looks


def test_what_is_drawn_is_where_the_writer_looked(rng):
    """The maps of a text that the model wrote are those of each step of writing it."""
    model = models.Seq2Seq(V, V, 4, 6, rng=0).astype("float64").eval()
    source = np.array([[3, 4, 5, 6], [7, 8, 0, 0]])
    state, token, steps, written = model.start(source), [[1], [1]], [], [[1], [1]]
    for _ in range(3):
        steps.append(array(model.decoder.look(np.array(token), state))[:, 0])
        scores, state = model.read(np.array(token), state)
        token = array(scores).argmax(axis=1)[:, None].tolist()
        written = [a + b for a, b in zip(written, token, strict=True)]
    maps = array(model.look(source, np.array(written)[:, :-1]))
    np.testing.assert_allclose(maps, np.stack(steps, axis=1), atol=1e-12)
    assert not maps[1, :, 2:].any()
    said = [[*row[1:]] for row in written]
    cut = seq2seq.looks(model, source, said)
    np.testing.assert_allclose(cut[1], maps[1, :, :2], atol=1e-12)


def test_a_gpt_tells_where_it_looks(rng):
    model = models.GPT(V, 8, 8, heads=2, layers=3, rng=0).eval()
    tokens = rng.integers(V, size=(2, 5))
    maps = array(model.look(tokens))
    assert maps.shape == (2, 3, 2, 5, 5)
    np.testing.assert_allclose(maps.sum(axis=-1), 1, rtol=1e-5)
    assert not np.triu(maps, 1).any()  # nobody looks ahead
    assert np.abs(maps[:, 0] - maps[:, 1]).max() > 1e-6
    # What attention does with its weights is what it does without telling them.
    block, x = model.blocks[0], model.positions(model.embedding(tokens))
    z = block.norm1(x)
    v = array(block.self_attn.value(z)).reshape(2, 5, 2, 4).swapaxes(1, 2)
    mixed = (maps[:, 0] @ v).swapaxes(1, 2).reshape(2, 5, 8)
    y = array(block.self_attn.output(mixed))
    np.testing.assert_allclose(y, array(block.self_attn(z, causal=True)), atol=1e-5)


def test_captioners_tell_where_they_look(rng):
    x, tokens = rng.random((2, 3, 16, 16), dtype=np.float32), np.array([[1, 2, 3]] * 2)
    model = models.TransformerCaptioner(V, 8, 2, layers=3, channels=(4, 6), rng=0)
    maps = array(model.eval().look(x, tokens))
    assert maps.shape == (2, 3, 2, 3, 16)
    np.testing.assert_allclose(maps.sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(maps[:, :, :, :2], array(model.look(x, tokens[:, :2])),
                               rtol=1e-5)  # fmt: skip
    model.layers[0].linear2.weight.data *= 5  # what the first layer hands on
    later = array(model.look(x, tokens))
    np.testing.assert_array_equal(later[:, 0], maps[:, 0])
    assert np.abs(later[:, 1] - maps[:, 1]).max() > 1e-4
    blind = models.Captioner(V, attention=False, channels=(4,), rng=0)
    with pytest.raises(RangeError, match="attention=False"):
        blind.look(x, tokens)


def test_attention_that_goes_forward_is_monotone():
    forward = np.eye(4)
    assert seq2seq.monotone([forward, forward[:2]]) == 1
    assert seq2seq.monotone([forward[::-1]]) == 0
    assert seq2seq.monotone([forward[[0, 1, 1, 2]]]) == pytest.approx(2 / 3)
    assert seq2seq.monotone([[[0.5, 0.5, 0], [0.4, 0.3, 0.3]]]) == 1  # the center moves
    assert seq2seq.monotone([forward[:0], forward[:1]]) == 0  # no step at all


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_units_are_those_of_the_last_layer(kind, rng):
    model = models.CharRNN(V, 4, 6, num_layers=2, kind=kind, rng=0).astype("float64")
    model.eval()
    tokens = rng.integers(V, size=(2, 5))
    units = model.units(tokens)
    assert units.shape == (2, 5, 6)
    y, state = model.layers(model.embedding(tokens))
    if kind == "lstm":
        np.testing.assert_allclose(units[:, -1], np.tanh(array(state[1])[-1]))
        _, early = model.layers(model.embedding(tokens[:, :2]))
        np.testing.assert_allclose(units[:, 1], np.tanh(array(early[1])[-1]))
    else:
        np.testing.assert_allclose(units, array(y), atol=1e-12)


def test_names_of_who_speaks():
    text = "[Exit]\nLE BEAU.\nI. Yes.\n"
    found = char_rnn.PROPERTIES["who speaks"](text)
    assert "".join(c for c, p in zip(text, found, strict=True) if p) == "LE BEAU."


# --------------------------------------------------------- many to one, many to many


@pytest.mark.parametrize("kind", [models.Tagger, models.SequenceClassifier])
def test_padding_is_not_read(kind):
    model = kind(V, 3, 4, 6, rng=0).astype("float64")
    short = array(model(np.array([[3, 4, 5]])))
    long = array(model([[3, 4, 5, 0, 0], [6, 7, 8, 3, 4]]))
    np.testing.assert_allclose(long[:1, :3], short, atol=1e-12)
    assert short.shape == ((1, 3, 3) if kind is models.Tagger else (1, 3))
    with pytest.raises(ShapeError, match="length 0"):
        model(np.zeros((2, 0), int))


@pytest.mark.parametrize("place", [0, 1])
def test_a_tagger_sees_both_sides_and_a_classifier_both_ends(place):
    """Scores of one end depend on the token at the other."""
    a, b = np.array([[3, 4, 5, 6]]), np.array([[3, 4, 5, 6]])
    b[0, -place] = 7
    for kind in (models.Tagger, models.SequenceClassifier):
        model = kind(V, 3, 4, 6, rng=0)
        ya, yb = array(model(a)), array(model(b))
        if kind is models.Tagger:
            ya, yb = ya[:, place - 1], yb[:, place - 1]
        assert np.abs(ya - yb).max() > 1e-6


def test_a_classifier_answers_from_both_ends():
    model = models.SequenceClassifier(V, 3, 4, 6, rng=0).astype("float64")
    tokens = np.array([[3, 4, 5], [6, 7, 8]])
    y, _ = model.reader(model.embedding(tokens))
    ends = ops.concatenate([y[:, -1, :6], y[:, 0, 6:]], axis=1)
    np.testing.assert_allclose(array(model(tokens)), array(model.output(ends)))


def batches(*arrays, size=50):
    return [tuple(a[i : i + size] for a in arrays) for i in range(0, 1300, size)]


def flat_loss(scores, y):
    if scores.ndim == 2:
        return ops.cross_entropy(scores, y)
    return next_loss(scores, y, ignore_index=-1)


def trained(model, data, epochs, rate):
    rule = optim.AdamW(model.parameters(), lr=optim.schedules.cosine(rate, epochs * 26))
    Trainer(model, rule, flat_loss, progress=False).fit(data, epochs=epochs)
    return model.eval()


def test_a_classifier_learns_what_an_emoji_is_from_its_name():
    """Many to one: a name, word by word -> one of its categories."""
    train, validation, _ = load_emoji()
    words = WordTokenizer(train.names, ["<pad>", "<unknown>"])
    x, x_val = (pad_sequences(words.encode(name).tolist() for name in part.names)
                for part in (train, validation))  # fmt: skip
    order = generator(0).permutation(len(x))
    model = models.SequenceClassifier(len(words), len(train.categories), 16, 24, rng=0)
    trained(model, batches(x[order], train.y[order]), 6, 0.02)
    with reading(model):
        right = (array(model(x_val)).argmax(axis=1) == validation.y).mean()
    commonest = (validation.y == np.bincount(train.y).argmax()).mean()
    assert right > commonest + 0.2


def test_a_tagger_learns_which_letters_are_doubled():
    """Many to many: is this letter the same as the next one, or the one before?"""
    names = load_names().train[:1500]
    letters = CharTokenizer("".join(names), special=["<pad>"])
    x = pad_sequences(letters.encode(name).tolist() for name in names)
    same = (x[:, 1:] == x[:, :-1]) & (x[:, 1:] > 0)
    y = np.pad(same, ((0, 0), (1, 0))) | np.pad(same, ((0, 0), (0, 1)))
    tags = np.where(x > 0, y, -1)
    model = models.Tagger(len(letters), 2, 12, 24, rng=0)
    trained(model, batches(x, tags), 8, 0.02)
    with reading(model):
        said = array(model(x[1300:])).argmax(axis=2)
    tokens, doubled = x[1300:] > 0, y[1300:] & (x[1300:] > 0)
    assert doubled.sum() > 30
    assert (said[doubled] == 1).mean() > 0.7
    assert (said == y[1300:])[tokens].mean() > 0.97


def test_every_line_of_verse_can_be_drawn(tmp_path):
    """With one layer, the first is the last."""
    text = "to be or not"
    letters = CharTokenizer(text)
    model = models.GPT(len(letters), 16, 8, heads=2, layers=1, rng=0)
    gpt.draw_attention(model.eval(), letters, text, tmp_path)
    assert (tmp_path / "attention.png").is_file()
