"""Pictures: what they hold, not how they look; no window, nothing left open."""

import math
import subprocess
import sys

import numpy as np
import pytest

import minidl as md
from minidl import show
from minidl.errors import RangeError, ShapeError
from minidl.train import History
from tests.pictures import (
    fails,
    nothing_stays_open,  # noqa: F401  a fixture that every test here uses
    png_size,
    saved,
    titles,
    words,
)

# ------------------------------------------------------------------------- the package


def test_matplotlib_is_imported_with_the_first_picture_only():
    code = "import sys, minidl.show; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = (
        "import sys, minidl.show; minidl.show.schedule(lambda t: 1.0, 3);"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_notebook_shows_the_figure_and_a_folder_is_made(tmp_path):
    path = tmp_path / "new" / "folder" / "lr.png"
    fig = show.schedule(lambda t: 0.1, 5, path=path)
    saved(path)
    assert png_size(fig._repr_png_()) == png_size(path.read_bytes())


def test_other_formats_by_the_ending(tmp_path):
    show.schedule(lambda t: 0.1, 5, path=tmp_path / "lr.svg")
    assert "<svg" in (tmp_path / "lr.svg").read_text()


# ------------------------------------------------------------------------------ curves

HISTORY = {
    "train_loss": [2.0, 1.0, 0.5, 0.25],
    "validation_loss": [2.1, 1.3, 1.1, 1.2],
    "train_accuracy": [0.2, 0.6, 0.8, 0.9],
    "val_accuracy": [0.1, 0.5, None, 0.6],
}


def test_curves(tmp_path):
    fig = show.curves(HISTORY, path=tmp_path / "curves.png")
    saved(tmp_path / "curves.png")
    loss, accuracy = fig.axes
    assert titles(fig) == [
        "Loss: best 1.100 at epoch 3",
        "Accuracy: best 0.600 at epoch 4",
    ]
    training, validation, best = loss.lines
    np.testing.assert_array_equal(
        training.get_xydata(), np.c_[1:5, HISTORY["train_loss"]]
    )
    np.testing.assert_array_equal(validation.get_ydata(), HISTORY["validation_loss"])
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (3, 1.1)
    assert [t.get_text() for t in loss.get_legend().texts] == ["training", "validation"]
    assert np.isnan(accuracy.lines[1].get_ydata()[2])


def test_curves_of_records_and_of_steps():
    records = [{"epoch": 3, "loss": 2.0, "lr": 1}, {"epoch": 4, "loss": 1.0, "lr": 0.1}]
    fig = show.curves(records, log=True)
    assert titles(fig) == ["Loss", "Learning rate"]
    assert [ax.get_yscale() for ax in fig.axes] == ["log", "linear"]
    np.testing.assert_array_equal(fig.axes[0].lines[0].get_xdata(), [3, 4])
    steps = {"epoch": [1, 2], "train_loss": [4.0, 3, 2, 1], "val_loss": [3.0, 1.0]}
    training, validation, _ = show.curves(steps).axes[0].lines
    np.testing.assert_allclose(training.get_xdata(), [0.5, 1, 1.5, 2])
    np.testing.assert_allclose(validation.get_xdata(), [1, 2])


@pytest.mark.parametrize("rate", [0.1, [0.1, 0.01]])
def test_curves_of_a_history_show_what_a_person_wants(rate):
    history = History()
    for i, lr in enumerate(np.broadcast_to(rate, 2)):
        history.add_epoch({"epoch": i + 1, "step": 10 * i, "train_loss": 1.0,
                           "val_loss": 2.0, "val_accuracy": 0.5, "lr": lr,
                           "seconds": i})  # fmt: skip
    right = ["Loss: best 2.000 at epoch 1", "Accuracy: best 0.500 at epoch 1"]
    right += ["Learning rate"] * (rate != 0.1)
    assert [title.replace("\n", " ") for title in titles(show.curves(history))] == right
    assert titles(show.curves({"lr": [0.1, 0.1]})) == ["Learning rate"]  # nothing else


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7])
def test_titles_fit(n):
    names = ["loss", "accuracy", "balanced_accuracy_of_all_the_rare_classes", "x" * 70]
    fig = show.curves(
        {f"val_{names[i % 4]}{i // 4}": [1, 2.5, 30000] for i in range(n)}
    )
    assert len(fig.axes) == n
    fig.draw_without_rendering()
    boxes = [ax._left_title.get_window_extent() for ax in fig.axes]
    for i, box in enumerate(boxes):
        assert fig.bbox.x0 <= box.x0
        assert box.x1 <= fig.bbox.x1
        assert box.y1 <= fig.bbox.y1
        others = [ax.get_window_extent() for ax in fig.axes] + boxes[:i]
        assert not any(box.overlaps(other) for other in others)


def test_a_title_over_all_panels_fits_too():
    title = "What each of the layers of this network puts out " * 2
    fig = show.activations({"a": np.ones(4), "b": np.arange(4)}, title=title)
    fig.draw_without_rendering()
    assert fig._suptitle.get_window_extent().x1 <= fig.bbox.x1
    assert fig.get_suptitle().replace("\n", " ") == title.strip()


def test_curves_refuse_what_has_no_axis():
    fails(ShapeError, "empty", show.curves, {})
    fails(
        ShapeError, "epoch", show.curves, {"train_loss": [1.0, 2, 3], "val_loss": [1.0]}
    )


def test_schedule(tmp_path):
    cosine = lambda t: 0.05 * (1 + math.cos(math.pi * t / 50))  # noqa: E731
    fig = show.schedule([cosine, lambda t: 0.1], 50, names=["cosine", "flat"],
                        path=tmp_path / "lr.png")  # fmt: skip
    saved(tmp_path / "lr.png")
    lines = fig.axes[0].lines
    np.testing.assert_allclose(lines[0].get_ydata(), [cosine(t) for t in range(50)])
    assert [text.get_text() for text in fig.legends[0].texts] == ["cosine", "flat"]
    assert lines[0].get_linestyle() != lines[1].get_linestyle()  # not by color alone
    assert len(show.schedule({"a": cosine}, 9, log=True).axes[0].lines) == 1
    fails(RangeError, "steps", show.schedule, cosine, 0)
    fails(ShapeError, "1 names for 2", show.schedule, [cosine] * 2, 5, names=["one"])


# ------------------------------------------------------------------------------ images


def test_images(rng, tmp_path):
    x = rng.random((7, 1, 5, 5)).astype("float32")
    fig = show.images(
        x, np.arange(7) % 2, names=["cat", "dog"], path=tmp_path / "x.png"
    )
    saved(tmp_path / "x.png")
    assert titles(fig) == ["cat", "dog", "cat", "dog", "cat", "dog", "cat"]
    np.testing.assert_allclose(fig.axes[3].images[0].get_array(), x[3, 0])
    assert sum(len(ax.images) for ax in show.images(x, limit=3).axes) == 3


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [
        ((2, 3, 4, 6), (4, 6, 3)),
        ((2, 4, 6), (4, 6)),
        ((2, 49), (7, 7)),
        ((2, 48), (4, 4, 3)),
    ],
)
def test_images_of_every_shape(shape, drawn, rng):
    fig = show.images(md.Tensor(rng.normal(size=shape)), titles=["a", "b"])
    shown = np.stack([ax.images[0].get_array() for ax in fig.axes])
    assert shown.shape[1:] == drawn
    assert (shown.min(), shown.max()) == (0, 1)  # stretched together


def test_bytes_are_images(rng):
    x = rng.integers(0, 100, (2, 4, 4), dtype=np.uint8)
    np.testing.assert_allclose(show.images(x).axes[1].images[0].get_array(), x[1] / 255)


def test_images_refuse_what_is_none():
    fails(ShapeError, r"\(5, 2, 3, 3\)", show.images, np.zeros((5, 2, 3, 3)))
    fails(ShapeError, "no square", show.images, np.zeros((2, 50)))
    fails(ShapeError, "N ≥ 1", show.images, np.zeros((0, 3, 3)))


def test_mistakes(rng, tmp_path):
    x, y = rng.random((4, 1, 5, 5)), [0, 1, 2, 1]
    p = [[0.9, 0.1, 0], [0.7, 0.3, 0], [0.0005, 0.9995, 0], [0, 1, 0]]  # 1 and 2 wrong
    fig = show.mistakes(x, y, p, path=tmp_path / "m.png")
    saved(tmp_path / "m.png")
    assert titles(fig) == ["is 2", "is 1"]
    assert words(fig) == {"1, >99.9 %", "0, 70 %"}
    np.testing.assert_allclose(fig.axes[0].images[0].get_array(), x[2, 0])
    assert fig.get_suptitle() == "2 of 4 wrong (50.0 %)"
    assert "the 1 most" in show.mistakes(x, y, p, limit=1).get_suptitle()
    assert "no mistakes" in words(show.mistakes(x, [0, 0, 1, 1], p))
    fails(RangeError, "softmax", show.mistakes, x, y, 3 * np.array(p))
    fails(ShapeError, "belong together", show.mistakes, x, y[:3], p)


# ----------------------------------------------------------------- filters and counts


@pytest.mark.parametrize(
    ("shape", "count"),
    [((8, 1, 5, 5), 8), ((8, 3, 5, 5), 8), ((2, 4, 3, 3), 8), ((64, 8), 8)],
)
def test_filters(shape, count, rng, tmp_path):
    w = rng.normal(size=shape)
    fig = show.filters(md.Tensor(w, requires_grad=True), path=tmp_path / "f.png")
    saved(tmp_path / "f.png")
    drawn = fig.axes[0].images
    assert len(drawn) == count
    first = w[:, 0].reshape(8, 8) if w.ndim == 2 else w[0, 0]
    if shape[1] != 3:  # one signed scale for all, white at zero
        np.testing.assert_allclose(drawn[0].get_array(), first)
        assert {image.get_clim() for image in drawn} == {(-abs(w).max(), abs(w).max())}


def test_filters_of_a_linear_layer_take_a_shape(rng):
    fig = show.filters(rng.normal(size=(12, 3)), shape=(3, 4), title="First layer")
    assert fig.axes[0].images[2].get_array().shape == (3, 4)
    assert titles(fig) == ["First layer"]
    assert len(show.filters(rng.normal(size=(9, 70))).axes[0].images) == 64
    fails(ShapeError, "shape=", show.filters, np.zeros((12, 3)), shape=(5, 5))
    fails(ShapeError, "no square", show.filters, np.zeros((11, 2)))


def test_confusion(tmp_path):
    fig = show.confusion([[8, 2, 0], [1, 9, 0], [0, 0, 0]], ["ant", "bee", "cat"],
                         path=tmp_path / "c.png")  # fmt: skip
    saved(tmp_path / "c.png")
    ax = fig.axes[0]
    assert titles(fig) == ["17 of 20 right (85.0 %)"]
    cells = {tuple(t.get_position()): t.get_text() for t in ax.texts}
    assert cells == {(0, 0): "8", (1, 0): "2", (0, 1): "1", (1, 1): "9"}  # (j, i)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["ant", "bee", "cat"]
    recall, precision = ax.child_axes
    assert [t.get_text() for t in recall.get_yticklabels()] == ["80 %", "90 %", "–"]
    assert [t.get_text() for t in precision.get_xticklabels()] == ["89 %", "82 %", "–"]
    colors = ax.images[0].get_array()
    assert colors[1, 1, 2] > colors[1, 1, 0]  # hits are blue
    assert colors[0, 1, 0] > colors[0, 1, 2]  # mistakes are orange


def test_confusion_of_many_classes_and_of_none(rng):
    fig = show.confusion(rng.integers(0, 9, (40, 40)))
    assert not words(fig)
    fails(ShapeError, "confusion_matrix", show.confusion, np.zeros((2, 3)))
    fails(ShapeError, "1 names for 2", show.confusion, np.eye(2), ["one"])


# ------------------------------------------------------------------ models and layers


class Slope:
    """Scores 0 and x₁: class 1 on the right. It is in training until asked."""

    training = True

    def eval(self):
        self.training = False

    def train(self):
        self.training = True

    def __call__(self, x):
        assert not self.training
        assert x.dtype == np.float64
        return x[:, :1]


def test_boundary(rng, tmp_path):
    model, x = Slope(), rng.normal(size=(40, 2))
    y = (x[:, 0] > 0).astype(int)
    y[0] = 1 - y[0]
    fig = show.boundary(model, x, y, names=["left", "right"], path=tmp_path / "b.png")
    saved(tmp_path / "b.png")
    assert model.training
    ax = fig.axes[0]
    assert titles(fig) == ["97.5 % of 40 points right"]
    assert [t.get_text() for t in ax.get_legend().texts] == ["left", "right"]
    lines = [c for c in ax.collections if hasattr(c, "levels")]
    border = np.concatenate([p.vertices for c in lines for p in c.get_paths()])
    np.testing.assert_allclose(border[:, 0], 0, atol=0.05)
    shade = ax.images[0].get_array()
    assert shade[0, 0, 2] > shade[0, 0, 0]  # blue on the left
    assert shade[0, -1, 0] > shade[0, -1, 2]
    fails(ShapeError, "pca", show.boundary, model, np.zeros((5, 3)), np.zeros(5))


def test_boundary_of_three_classes(rng):
    centers = np.array([[0, 1], [1, -1], [-1, -1.0]])
    y = np.arange(30) % 3
    x = centers[y] + rng.normal(0, 0.1, (30, 2))
    fig = show.boundary(lambda x: x @ md.Tensor(4 * centers.T), x, y, resolution=50)
    assert titles(fig) == ["100.0 % of 30 points right"]
    assert len(fig.axes[0].get_legend().texts) == 3


def test_activations(rng, tmp_path):
    layers = {
        "small": rng.normal(0, 0.01, (20, 9)),
        "dead": np.maximum(rng.normal(size=99), 0),
    }
    fig = show.activations(layers, path=tmp_path / "a.png")
    saved(tmp_path / "a.png")
    small, dead = fig.axes
    assert titles(fig) == ["small", "dead"]
    assert f"std {layers['small'].std():.2g}" in small.get_xlabel()
    assert f"{100 * (layers['dead'] == 0).mean():.0f} % are 0" in dead.get_xlabel()
    assert small.get_xlim() == dead.get_xlim()
    assert sum(bar.get_height() for bar in small.patches) == pytest.approx(1, abs=0.01)
    assert "1 not finite" in show.activations({"h": [1.0, np.inf]}).axes[0].get_xlabel()
    fails(RangeError, "late", show.activations, {"late": [np.nan, np.inf]})
    fails(ShapeError, "no layer", show.activations, [], None)


def test_activations_of_a_net():
    net = md.nn.Sequential(
        md.nn.Linear(6, 5), md.nn.ReLU(), md.nn.Linear(5, 4), md.nn.Tanh()
    )
    fig = show.activations(net, md.Tensor(np.ones((3, 6), "float32")))
    assert titles(fig) == ["1: ReLU", "3: Tanh"]
    assert titles(
        show.activations([net[0]], md.Tensor(np.ones((3, 6), "float32")))
    ) == ["0: Linear"]
