import contextlib
import csv
import io
import re
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
    assert [t.split(":")[0] for t in titles] == ["Loss", "Accuracy"]
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
    assert drawings[0].startswith("epoch 1/2  ━───────  loss")
    assert max(map(len, drawings)) <= 60
    assert "steps/s" in drawings[5]
    assert "left" in drawings[5]
    assert "val_accuracy" in drawings[-1]
    assert drawings[-1].startswith("epoch 2/2  ━━━━━━━━ ")


def test_the_line_is_not_drawn_at_every_step(monkeypatch):
    monkeypatch.setattr("minidl.train.progress.EVERY", 1000.0)
    assert watched(Terminal()).count("\r") <= 1 + 2 + 1


def test_a_pipe_gets_a_line_an_epoch(capfd, monkeypatch):
    lines = watched(io.StringIO()).splitlines()
    assert [line[:9] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    number = r"\d[\d.e-]*"
    form = rf"  loss {number}  val_loss {number}  val_accuracy {number}  \d+\.\d s"
    assert all(re.fullmatch(form, line[9:]) for line in lines)
    run = Trainer(net(), optim.SGD(net().parameters(), lr=0.1), ops.cross_entropy)
    run.fit(loader())
    said = capfd.readouterr()
    assert said.out == ""
    assert re.fullmatch(rf"epoch 1/1  loss {number}  \d\.\d s\n", said.err)
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
    assert [name for name, _ in events] == ["display", "update", "update"]
    assert all(hasattr(picture, "_repr_png_") for _, picture in events)


def test_what_was_given_is_not_given_twice(monkeypatch):
    given = [ProgressBar(io.StringIO())]
    run = Trainer(
        net(), optim.SGD(net().parameters(), 0.1), ops.cross_entropy, (), given
    )
    assert run.callbacks == given
    monkeypatch.setattr("minidl.train.progress.in_notebook", lambda: True)
    live = LivePlot("run.png")
    for more, kinds in (([live], [LivePlot]), (given, [ProgressBar, LivePlot])):
        run = Trainer(net(), optim.SGD(net().parameters(), 0.1), None, (), more)
        assert [type(c) for c in run.callbacks] == kinds


RECORD = {"epoch": 100, "step": 10, "train_loss": 0.123456, "val_loss": 1.23456e-5,
          "val_accuracy": 0.987654, "val_f1_score": 0.5, "seconds": 12.345}  # fmt: skip


def test_lines_fit_60_columns():
    line = ProgressBar.report("100/100", RECORD)
    assert line == "epoch 100/100  loss 0.123  val_loss 1.23e-05"
    few = {name: RECORD[name] for name in ("train_loss", "seconds")}
    assert ProgressBar.report("1/9", few) == "epoch 1/9  loss 0.123  12.3 s"
    shown = {"loss": 0.123456, "val_accuracy": 0.987654}
    for rate, left in ((1234.5, 3723), (0.012, float("nan"))):
        text = ProgressBar.line("100/100", 0.5, shown, rate, left)
        assert text.startswith("epoch 100/100  ")
        assert "loss 0.123  val_accuracy 0.988" in text
        assert len(text) <= 60
    shown = {"val_" + "x" * 80: 1.0}
    assert len(ProgressBar.line("1/1", 0.5, shown, 1.0, 1.0)) == 60


@pytest.mark.parametrize("end", ["done", "stopped", "failed"])
def test_a_log_says_how_it_ended(end):
    out = io.StringIO()
    action = {"done": lambda t: None, "stopped": lambda t: t.stop()}.get(end, _fail)
    run = trainer(callbacks=[At(3, action), ProgressBar(out)])
    with contextlib.suppress(ZeroDivisionError):
        run.fit(loader(), epochs=2)
    lines = out.getvalue().splitlines()
    assert len(lines) == {"done": 2, "stopped": 2, "failed": 1}[end]
    assert lines[-1] == end or end == "done"


def _fail(_):
    raise ZeroDivisionError


def test_the_line_says_how_to_go_on():
    stream = Terminal()
    trainer(callbacks=[At(3, press), ProgressBar(stream)]).fit(loader())
    assert stream.getvalue().endswith("Ctrl-C after step 3: fit() goes on from here\n")
