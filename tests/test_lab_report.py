"""The page of a run, the page of several, and the doctor's words in a terminal."""

import json
import re

import numpy as np
import pytest

from minidl import cli, nn
from minidl.data import DataLoader
from minidl.errors import DTypeError, NonFiniteError, RangeError, ShapeError
from minidl.lab import Monitor, RunReport, compare, machine, report
from minidl.show import verdict
from minidl.train import CSVLog, History
from tests.pictures import nothing_stays_open, saved, titles  # noqa: F401
from tests.runs import TRAIN, VALIDATION, loader, net, trainer

SECTIONS = ["What the curves say", "Inside the net", "What is taken for what",
            "Settings", "The model", "Environment"]  # fmt: skip


def page_of(
    tmp_path, model=None, data=None, validation=VALIDATION, callbacks=(), **how
):
    path = tmp_path / "new" / "run.html"
    run = trainer(model, callbacks, report=path, **how)
    run.fit(loader() if data is None else data, validation, epochs=2)
    return path.read_text(encoding="utf-8"), run


def headings(text):
    return re.findall(r"<h2>(.*?)</h2>", text)


def test_all_of_a_run_in_one_page(tmp_path):
    text, _ = page_of(tmp_path, callbacks=[Monitor(2, warn=False)])
    assert headings(text) == SECTIONS
    assert "http" not in text and "src=" in text and "<script" not in text  # noqa: PT018
    assert text.count("data:image/png;base64,") == 3
    assert "prefers-color-scheme: dark" in text
    for fact in (
        "Adam(lr=0.01",
        "cross_entropy",
        "2 of 2, 12 steps",
        "Linear",
        "NumPy",
    ):
        assert fact in text


def test_mistakes_are_drawn_where_there_are_images(tmp_path):
    x = np.random.default_rng(0).random((30, 1, 6, 6)).astype(np.float32)
    y = np.arange(30) % 3
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 3, rng=0))
    text, _ = page_of(tmp_path, model, DataLoader((x, y), 10), (x, y))
    assert "The surest mistakes" in headings(text)


def test_a_run_that_failed_has_a_page_too(tmp_path):
    path = tmp_path / "run.html"
    data = list(DataLoader(TRAIN, 10))
    data[2][0].data[3, 1] = float("nan")
    run = trainer(report=path)
    with pytest.raises(NonFiniteError):
        run.fit(data, VALIDATION)
    text = path.read_text(encoding="utf-8")
    assert "nan: the loss is NaN" in text
    assert "failed" in text


def test_words_of_others_are_escaped(tmp_path):
    run = trainer()
    run.fit(loader())
    text = report(run, notes={"<b>": "<script>alert(1)</script>"})
    assert "<script>" not in text and "&lt;script&gt;" in text  # noqa: PT018


def test_a_history_alone_and_several_runs(tmp_path):
    a, b = History(), History()
    for epoch in range(1, 9):
        a.add_epoch(
            {"epoch": epoch, "train_loss": 2.0 / epoch, "val_loss": 1.0 / epoch}
        )
        b.add_epoch(
            {"epoch": epoch, "train_loss": 0.5**epoch, "val_loss": 1 + epoch / 4}
        )
    assert headings(report(a)) == ["What the curves say", "Environment"]
    a.to_json(tmp_path / "a.json")
    text = compare({"one": tmp_path / "a.json", "two": b}, tmp_path / "both.html")
    assert (tmp_path / "both.html").read_text(encoding="utf-8") == text
    assert headings(text) == ["Side by side", "one", "two"]
    assert "0.125 (epoch 8)" in text
    assert "overfitting" in text
    assert "<i>" not in compare({"<i>": b})
    with pytest.raises(RangeError, match="no run"):
        compare({})
    with pytest.raises(DTypeError, match="not list"):
        compare({"one": [1]})


def test_the_folder_is_made_before_training(tmp_path):
    run = trainer(None, [RunReport(tmp_path / "a" / "b" / "run.html")])
    run.fit(loader(), epochs=0)
    assert (tmp_path / "a" / "b").is_dir()  # and no page: nothing was trained
    assert not list((tmp_path / "a" / "b").iterdir())


# ----------------------------------------------------------------------- minidl doctor


def doctor(*words):
    return cli.main(["doctor", *map(str, words)])


def test_the_doctor_reads_json(tmp_path, capsys):
    history = History()
    for t in range(200):
        history.add_step(np.array(2.3 * np.exp(t / 40)), step=t + 1, epoch=1)
    history.to_json(tmp_path / "run.json")
    assert doctor(tmp_path / "run.json") == 1
    said = capsys.readouterr().out
    assert "diverging: the loss grows" in said
    assert "-> Divide the rate by 10" in said
    saved(tmp_path / "run.png")


def test_the_doctor_reads_what_csvlog_wrote(tmp_path, capsys):
    run = trainer(net(16), [CSVLog(tmp_path / "run.csv")], lr=0.03)
    run.fit(loader(), VALIDATION, epochs=12)
    status = doctor(tmp_path / "run.csv", "--out", tmp_path / "why.png")
    assert status == int("healthy" not in capsys.readouterr().out)
    saved(tmp_path / "why.png")
    CSVLog(tmp_path / "steps.csv", "steps").on_epoch(run, {})
    assert doctor(tmp_path / "steps.csv") in (0, 1)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("run.json", "{", "to_json"),
        ("run.json", json.dumps([1]), "to_json"),
        ("run.csv", "loss\n", "no rows"),
        ("run.csv", "loss\nx\n", "must hold numbers"),
        ("run.csv", "a,b\n1,2\n", "no loss and no accuracy"),
    ],
)
def test_files_that_are_no_runs(tmp_path, capsys, name, text, says):
    (tmp_path / name).write_text(text)
    assert doctor(tmp_path / name) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.glob("*.png"))


def test_no_file_and_no_such_file(tmp_path, capsys):
    assert doctor() == 2
    assert "--machine" in capsys.readouterr().err
    assert doctor(tmp_path / "none.json") == 2


def test_the_doctor_looks_at_the_machine(capsys, monkeypatch):
    for name in machine.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(machine, "available", lambda: 8)
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 8)
    assert doctor("--machine") == 0
    said = capsys.readouterr().out
    for word in ("BLAS", "kernels", "GFLOP/s", "export OPENBLAS_NUM_THREADS=1"):
        assert word in said
    monkeypatch.setenv("OMP_NUM_THREADS", "16")
    assert any("OPENBLAS_NUM_THREADS=8" in line for line in machine.advice())
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert machine.advice() == ["nothing to set"]


def test_a_picture_of_the_verdict(tmp_path):
    steps = {"loss": [2.0, 1.5, None, 1.0], "lr": [0.1, 0.1, 0.1, 0.01]}
    epochs = {
        "train_loss": [1.75, 1.0],
        "val_loss": [1.9, None],
        "val_accuracy": [0.5, 0.6],
    }
    fig = verdict(
        steps, epochs, ["healthy: fine."], title="run", path=tmp_path / "v.png"
    )
    saved(tmp_path / "v.png")
    assert titles(fig) == [
        "Loss of steps",
        "Loss of epochs",
        "Accuracy",
        "Learning rate",
    ]
    with pytest.raises(ShapeError, match="no loss"):
        verdict({}, {})
