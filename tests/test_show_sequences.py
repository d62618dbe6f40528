"""Pictures of networks that read: attention, hidden units, gradients, samples."""

import numpy as np
import pytest

import minidl as md
from minidl import nn, show
from minidl.errors import RangeError, ShapeError
from minidl.show.hidden import inside, place_in_line
from tests.pictures import (
    fails,
    nothing_stays_open,  # noqa: F401  a fixture that every test here uses
    saved,
    titles,
)


def shares(rng, *shape):
    w = rng.random(shape)
    return w / w.sum(axis=-1, keepdims=True)


def ticks(ax):
    return [[t.get_text() for t in labels]
            for labels in (ax.get_yticklabels(), ax.get_xticklabels())]  # fmt: skip


def maps(fig):
    return [np.asarray(ax.images[0].get_array()) for ax in fig.axes if ax.images]


# --------------------------------------------------------------------------- attention


def test_a_map_has_the_weights_and_the_words(rng, tmp_path):
    a = shares(rng, 2, 3)
    fig = show.attention(md.Tensor(a), ["K", "AE"], ["c", " ", "t"],
                         title="cat", path=tmp_path / "a.png")  # fmt: skip
    saved(tmp_path / "a.png")
    np.testing.assert_array_equal(maps(fig)[0], a)  # row t is what token t looked at
    assert ticks(fig.axes[0]) == [["K", "AE"], ["c", "␣", "t"]]
    assert fig.get_suptitle() == "cat"


def test_heads_share_one_scale(rng):
    a = shares(rng, 5, 2, 3)
    a[4] = [[0, 0, 0], [0, 1, 0]]  # who may look at nothing has zeros
    fig = show.attention(a, "ab", "xyz")
    np.testing.assert_array_equal(maps(fig), a)
    assert titles(fig) == [f"head {k}" for k in range(1, 6)]
    assert {ax.images[0].get_clim() for ax in fig.axes if ax.images} == {(0, 1)}
    named = show.attention(a[:2], "ab", "xyz", titles=["first", "second"])
    assert titles(named) == ["first", "second"]


def test_sentences_bring_their_own_words(rng):
    a = [shares(rng, 2, 3), shares(rng, 1, 4)]
    fig = show.attention(a, [["K", "AE"], ["F"]], ["cat", "four"])
    for found, given in zip(maps(fig), a, strict=True):
        np.testing.assert_array_equal(found, given)
    assert ticks(fig.axes[1]) == [["F"], list("four")]
    assert titles(fig) == []


def test_attention_refuses_other_words_and_scores(rng):
    a = shares(rng, 2, 3)
    fails(ShapeError, r"\(2, 3\) for 3 tokens", show.attention, a, "abc", "xyz")
    fails(ShapeError, "weights\\[0\\]", show.attention, a[None, None], "ab", "xyz")
    fails(ShapeError, "each map", show.attention, [a], [["a"], ["b"]], [["x"]])
    fails(ShapeError, "no weights", show.attention, [], [], [])
    fails(ShapeError, "1 titles", show.attention, [a, a], "ab", "xyz", titles=["a"])
    fails(RangeError, "softmax", show.attention, a - 1, "ab", "xyz")
    fails(RangeError, "softmax", show.attention, 9 * a, "ab", "xyz")
    fails(RangeError, "softmax", show.attention, a * np.nan, "ab", "xyz")


def test_attention_on_images_is_bright_where_it_looked(rng, tmp_path):
    x = rng.random((2, 3, 8, 8))
    a = [shares(rng, 2, 4), shares(rng, 1, 4)]
    fig = show.attention_on_images(x, a, [["red", "heart"], ["cat"]],
                                   path=tmp_path / "i.png")  # fmt: skip
    saved(tmp_path / "i.png")
    assert titles(fig) == ["red", "heart", "cat"]
    first = fig.axes[0].images[0].get_array()
    np.testing.assert_allclose(first, x[0].transpose(1, 2, 0))
    picture, veil = fig.axes[1].images
    np.testing.assert_allclose(picture.get_array(), first)
    np.testing.assert_array_equal(veil.get_array(), a[0][0].reshape(2, 2))
    dark = veil.get_alpha()
    assert dark.flat[a[0][0].argmax()] == 0
    assert (np.argsort(dark.ravel()) == np.argsort(-a[0][0])).all()
    assert veil.get_extent() == picture.get_extent()  # row 0 of both is the top
    assert fig.axes[1].get_xlabel() == f"{a[0][0].max():.2f}"
    assert not fig.axes[5].images  # the second image has one word only


def test_attention_on_one_image_and_on_oblong_ones(rng):
    x, a = rng.random((1, 4, 6)), shares(rng, 1, 6)
    fig = show.attention_on_images(x, a, ["a"], grid=(2, 3))
    np.testing.assert_array_equal(fig.axes[1].images[1].get_array(), a.reshape(2, 3))
    fails(ShapeError, "grid=", show.attention_on_images, x, a, ["a"])
    fails(ShapeError, "captions", show.attention_on_images, x[None], [a, a], [["a"]])
    fails(ShapeError, "2 tokens", show.attention_on_images, x, a, ["a", "b"])
    silent = show.attention_on_images(x, a[:0], [])
    assert len(silent.axes[0].images) == 1


# ------------------------------------------------------------------------ hidden units


def test_every_character_stands_on_its_color(rng, tmp_path):
    text, h = "ab c\nde", rng.normal(size=(7, 2))
    fig = show.hidden_units(text, h, titles=["one", "two"], path=tmp_path / "h.png")
    saved(tmp_path / "h.png")
    assert titles(fig) == ["one", "two"]
    for ax, unit in zip(fig.axes, h.T, strict=False):
        cells = ax.images[0].get_array()
        np.testing.assert_array_equal(cells.compressed(), unit)
        assert cells.shape == (2, 5)
        assert ax.images[0].get_clim() == (-abs(h).max(), abs(h).max())
        drawn = {t.get_position(): t.get_text() for t in ax.texts}
        assert drawn == {(0, 0): "a", (1, 0): "b", (3, 0): "c", (4, 0): "↵",
                         (0, 1): "d", (1, 1): "e"}  # fmt: skip


def test_long_lines_are_broken():
    cells = show.hidden_units("abcde", np.arange(5.0), width=2).axes[0].images[0]
    assert cells.get_array().tolist() == [[0, 1], [2, 3], [4, None]]


def test_units_are_found_by_what_they_know(rng):
    text = 'he said "no" and\nleft: "well"\n' * 3
    h = rng.normal(size=(len(text), 6))
    h[:, 4] = 0.3 - 0.5 * inside(text, '"') + 0.05 * h[:, 4]
    h[:, 1] = 0.1 * place_in_line(text) + 0.05 * h[:, 1]
    h[:, 5] = 7
    (unit, r), (_, second) = show.find_units(h, inside(text, '"'), limit=2)
    assert unit == 4
    assert -1 < r < -0.95
    assert r == pytest.approx(np.corrcoef(h[:, 4], inside(text, '"'))[0, 1], abs=1e-6)
    assert abs(second) < 0.5
    assert show.find_units(h, place_in_line(text))[0][0] == 1
    assert show.find_units(h, place_in_line(text), limit=9)[-1] == (5, 0.0)


def test_properties_of_characters():
    said = [int(p) for p in inside("a [b [c] d] e", "[", "]")]
    assert said == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]  # no nesting in a play
    assert inside('""a"', '"').tolist() == [True, True, False, True]
    assert place_in_line("\n\na").tolist() == [0, 0, 0]


def test_hidden_units_refuse_what_does_not_fit():
    fails(ShapeError, "7 characters", show.hidden_units, "ab c\nde", np.zeros(6))
    fails(ShapeError, r"h\[0\]", show.hidden_units, "ab", np.zeros((1, 2, 3)))
    fails(ShapeError, "2 titles", show.hidden_units, "a", [0.0], titles=["a", "b"])
    fails(RangeError, "NaN", show.hidden_units, "a", [np.nan])
    fails(RangeError, "take a part", show.hidden_units, "a" * 3000, np.zeros(3000))
    fails(RangeError, "width", show.hidden_units, "a", [0.0], width=0)
    fails(ShapeError, "T ≥ 2", show.find_units, np.zeros((3, 2)), [1, 0])
    fails(RangeError, "longer text", show.find_units, np.zeros((2, 2)), [1, 1])


# ----------------------------------------------------------------------- gradient flow


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_flow_is_the_gradient_of_every_state(kind, rng):
    layer = kind(3, 5, num_layers=2, rng=1).astype("float64")
    x = rng.normal(size=(2, 6, 3))
    found = show.flow(layer, x, rng=4)
    towards = np.random.default_rng(4).normal(size=(2, 2, 5))
    towards /= np.sqrt((towards**2).sum(axis=(0, 2), keepdims=True))
    states, state = [], None
    for t in range(6):  # once forwards, and all gradients at once
        _, state = layer(x[:, t : t + 1], state)
        states.append(state if isinstance(state, tuple) else (state,))
    for i, name in enumerate(found):
        earlier = [s[i] for s in states[:-1]]
        loss = (states[-1][0] * towards).sum()
        gs = md.grad(loss, earlier, retain_graph=True)
        norms = [np.sqrt((g**2).sum(axis=(0, 2))).mean() for g in gs]
        np.testing.assert_allclose(found[name][:-1], norms, rtol=1e-9)
    assert list(found) == (["h", "c"] if kind is nn.LSTM else ["h"])
    assert found["h"][-1] == pytest.approx(1)


def test_gradients_vanish_explode_and_are_clipped(rng):
    x = rng.normal(size=(4, 30, 3))
    layer = nn.RNN(3, 8, rng=0).astype("float64")
    assert show.flow(layer, x)["h"][0] < 1e-3
    layer.cells[0].weight_h.data *= 4
    assert show.flow(layer, x)["h"][0] > 1e2
    clipped = show.flow(layer, x, clip=0.5)["h"]
    assert (clipped[:-1] <= 0.5 + 1e-12).all()
    assert clipped[0] > 0.1  # shorter, not gone
    keeping = nn.LSTM(3, 8, forget_bias=6.0, rng=0).astype("float64")
    assert show.flow(keeping, x)["c"][0] > 0.05


def test_flow_refuses_what_is_no_sequence():
    layer = nn.RNN(3, 8, rng=0)
    fails(ShapeError, "N, T, D", show.flow, layer, np.zeros((4, 3), "f"))
    fails(RangeError, "clip", show.flow, layer, np.zeros((1, 4, 3), "f"), clip=0)


def test_gradient_flow(tmp_path):
    norms = {"RNN": [0.0, 1e-6, 1], "LSTM": [0.1, 0.3, 1]}
    fig = show.gradient_flow(norms, path=tmp_path / "g.png")
    saved(tmp_path / "g.png")
    ax = fig.axes[0]
    assert ax.get_yscale() == "log"
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), np.c_[1:4, norms["LSTM"]])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [np.nan, 1e-6, 1])  # a gap
    assert [t.get_text() for t in fig.legends[0].texts] == ["RNN", "LSTM"]
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
    fails(ShapeError, "show.flow", show.gradient_flow, {})
    fails(ShapeError, "show.flow", show.gradient_flow, {"RNN": [[1.0]]})
    fails(RangeError, "below 0", show.gradient_flow, {"RNN": [-1.0, 1]})


# ----------------------------------------------------------------------------- samples


def test_samples_stand_beside_their_epochs(tmp_path):
    texts = [f"text {i}" for i in range(20)]
    labels = [f"after {i}" for i in range(20)]
    fig = show.samples(texts, labels, limit=3, path=tmp_path / "s.png")
    saved(tmp_path / "s.png")
    drawn = [t.get_text() for t in fig.axes[0].texts]
    assert drawn == ["after 0", "text 0", "after 10", "text 10", "after 19", "text 19"]
    heights = [t.get_position()[1] for t in fig.axes[0].texts]
    assert heights[0] == heights[1] < heights[2] == heights[3] < heights[4]
    long = show.samples(["ab cd\n\nefghij\n"], width=4).axes[0].texts[1].get_text()
    assert long == "ab \ncd\n\nefgh\nij"
    fails(ShapeError, "one epoch", show.samples, [])
    fails(ShapeError, "2 labels", show.samples, ["a"], ["b", "c"])
    fails(RangeError, "limit", show.samples, ["a"], limit=1)


def test_a_trainer_lets_its_model_write(capsys, tmp_path):
    net = nn.Linear(1, 2, rng=0)
    modes, many = [], md.train.Samples(lambda: f"{len(modes)}\nlines", every=2)
    one = md.train.Samples(lambda: str(modes.append(net.training)), show=False)

    def trainer():
        opt = md.optim.SGD(net.parameters(), lr=0.1)
        return md.train.Trainer(
            net, opt, md.ops.cross_entropy, callbacks=[one, many], progress=False
        )

    first = trainer()
    batch = np.ones((1, 1), np.float32), np.array([0])
    first.fit([batch], [batch], epochs=5)
    assert many.texts == ["2\nlines", "4\nlines"]
    assert many.epochs == [2, 4]
    assert capsys.readouterr().out == "epoch 2:\n2\nlines\nepoch 4:\n4\nlines\n"
    drawn = many.plot(path=tmp_path / "s.png").axes[0].texts
    saved(tmp_path / "s.png")
    assert [t.get_text() for t in drawn[2:]] == ["epoch 4", "4\nlines"]
    state = first.state_dict()
    many.texts, many.epochs = [], []
    trainer().load_state_dict(state)
    assert many.epochs == [2, 4]
    fails(RangeError, "every", md.train.Samples, str, every=0)
