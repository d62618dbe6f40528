import csv
import io
import sys
import types

import numpy as np
import pytest

from minidl import ops, optim
from minidl.errors import (
    RangeError,
)
from minidl.train import (
    History,
    LivePlot,
    ProgressBar,
    Trainer,
)
from tests.runs import (
    VALIDATION,
    At,
    loader,
    net,
    press,
    trainer,
)

# ----------------------------------------------------------------------------- history


def test_history_into_files_and_back(tmp_path):
    history = trainer().fit(loader(), VALIDATION, epochs=2)
    history.add_epoch({"epoch": 3, "train_loss": float("nan")})  # and no val_loss
    path = tmp_path / "history"
    history.to_json(path)
    again = History.from_json(path)
    assert str(again.to_dict()) == str(history.to_dict())  # by text: nan ≠ nan
    assert again["val_loss"][2] is None
    assert np.isnan(again["train_loss"][2])

    for part in ("epochs", "steps"):
        history.to_csv(path, part)
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        for name, column in history.to_dict()[part].items():
            assert [row[name] for row in rows] == [
                "" if v is None else str(v) for v in column
            ]

    twin = History()
    twin.load_state_dict(history.state_dict())
    assert twin.steps == history.steps
    assert len(twin) == 3


def test_history_refuses_what_is_none(tmp_path):
    with pytest.raises(RangeError, match="there are"):
        History()["val_loss"]
    with pytest.raises(RangeError, match="tables"):
        History.from_dict({"epochs": {}})
    with pytest.raises(RangeError, match="differ in length"):
        History.from_dict({"steps": {}, "epochs": {"a": [1], "b": []}})
    with pytest.raises(RangeError, match="tables"):
        History().to_csv(tmp_path / "x", "batches")


def test_the_picture_has_loss_and_metric(tmp_path):
    figure = trainer().fit(loader(), VALIDATION, epochs=2).plot(path=tmp_path / "a.png")
    titles = [ax.get_title("left") for ax in figure.axes]
    assert [t.split(":")[0] for t in titles] == ["Loss", "Accuracy", "Lr"]
    assert (tmp_path / "a.png").stat().st_size > 1000


# ---------------------------------------------------------------------------- progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def watched(stream, epochs=2):
    run = trainer(callbacks=[ProgressBar(stream)])
    run.fit(loader(), VALIDATION, epochs=epochs)
    return stream.getvalue()


def test_the_line_is_one_line_and_live(monkeypatch):
    monkeypatch.setattr("minidl.train.progress.EVERY", 0.0)
    text = watched(Terminal())
    assert text.count("\n") == 1
    assert text.endswith("\n")
    drawings = text.rstrip("\n").split("\r\x1b[K")[1:]
    assert len(drawings) == 2 * 6 + 2 + 1  # steps, epochs, the end
    assert drawings[0].startswith("epoch 1/2  ━───────   loss")
    assert "steps/s" in drawings[5]
    assert "left" in drawings[5]
    assert "val_accuracy" in drawings[-1]
    assert drawings[-1].startswith("epoch 2/2  ━━━━━━━━ ")


def test_the_line_is_not_drawn_at_every_step(monkeypatch):
    monkeypatch.setattr("minidl.train.progress.EVERY", 1000.0)
    assert watched(Terminal()).count("\r") <= 1 + 2 + 1


def test_a_pipe_gets_nothing(capfd, monkeypatch):
    assert watched(io.StringIO()) == ""
    run = Trainer(net(), optim.SGD(net().parameters(), lr=0.1), ops.cross_entropy)
    run.fit(loader())
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr(sys, "stderr", Terminal())
    run = Trainer(net(), optim.SGD(net().parameters(), lr=0.1), ops.cross_entropy)
    run.fit(loader())
    assert "epoch 1/1" in sys.stderr.getvalue()


def test_a_notebook_gets_one_figure_that_is_replaced(monkeypatch):
    events = []

    class Handle:
        def update(self, picture):
            events.append(("update", picture))

    def display(picture, display_id):
        events.append(("display", picture))
        return Handle()

    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=None)
    inner = types.ModuleType("IPython.display")
    inner.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", inner)
    run = Trainer(net(), optim.SGD(net().parameters(), lr=0.1), ops.cross_entropy)
    assert [type(c) for c in run.callbacks] == [LivePlot]
    run.callbacks[0].seconds = 0
    run.fit(loader(), VALIDATION, epochs=3)
    assert [name for name, _ in events] == ["display", "update", "update", "update"]
    assert all(hasattr(picture, "_repr_png_") for _, picture in events)


def test_the_line_says_how_to_go_on():
    stream = Terminal()
    trainer(callbacks=[At(3, press), ProgressBar(stream)]).fit(loader())
    assert stream.getvalue().endswith("Ctrl-C after step 3: fit() goes on from here\n")
