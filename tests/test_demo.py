"""minidl demo: a short run always; the whole of it, five times, in `.ci/full tests`."""

from __future__ import annotations

import re

import numpy as np
import pytest

from minidl import cli, demo
from minidl.data import TensorDataset, load_mnist5k
from minidl.data.files import Splits
from minidl.engine.op import op


@pytest.fixture
def few(monkeypatch):
    """The same program, on a few images."""
    parts = load_mnist5k()
    small = Splits(*(TensorDataset(p.x[::20].copy(), p.y[::20].copy()) for p in parts))
    monkeypatch.setattr(demo, "load_mnist5k", lambda: small)
    return small


def test_a_short_run_does_everything(few, tmp_path, capsys):
    out = tmp_path / "made" / "here"
    assert cli.main(["demo", "--epochs", "2", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "175 to learn from, 25 to watch, 50 to test" in printed
    assert re.search(r"gradient +agrees with differences to \de-(0[7-9]|1\d)", printed)
    assert re.findall(r"epoch +(\d+)/2 .*validation accuracy \d\.\d{3}", printed) == [
        "1",
        "2",
    ]
    assert re.search(r"^test accuracy [01]\.\d{3}$", printed.splitlines()[-1])
    for name in demo.PICTURES:
        assert f"{out / name}: " in printed
        assert (out / name).read_bytes().startswith(b"\x89PNG")
        assert (out / name).stat().st_size > 4000


def test_the_same_seed_gives_the_same_numbers(few, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "draw", lambda *args: None)
    monkeypatch.setattr(demo, "check", lambda *args: "not now")
    printed = []
    for seed in (3, 3, 4):
        demo.main("cpu", seed, 1, tmp_path)
        lines = capsys.readouterr().out.splitlines()
        printed.append([line for line in lines if line.startswith(("epoch", "test"))])
    assert printed[0] == printed[1]
    assert printed[0] != printed[2]


def test_a_wrong_gradient_stops_the_demo(few, tmp_path, monkeypatch, capsys):
    @op
    def relu(x):
        return x * (x > 0), (lambda g: g,)

    monkeypatch.setattr(demo.nn.ReLU, "forward", lambda self, x: relu(x))
    assert cli.main(["demo", "--epochs", "1", "--out", str(tmp_path)]) == 1
    assert "gradient fails" in capsys.readouterr().err


def test_an_accuracy_too_low_is_status_1(monkeypatch, tmp_path):
    monkeypatch.setattr(demo, "main", lambda *args: 0.95)
    assert cli.main(["demo", "--out", str(tmp_path)]) == 1
    assert cli.main(["demo", "--epochs", "1", "--out", str(tmp_path)]) == 0
    monkeypatch.setattr(demo, "main", lambda *args: 0.97)
    assert cli.main(["demo"]) == 0


@pytest.mark.parametrize("epochs", ["0", "-1", "00"])
def test_no_epochs_are_no_run(epochs, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["demo", "--epochs", epochs, "--out", str(tmp_path / "out")])
    assert stop.value.code == 2
    assert "1 or more" in capsys.readouterr().err or epochs == "-1"
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_found_at_once(tmp_path, capsys):
    (tmp_path / "file").write_text("here already")
    assert cli.main(["demo", "--out", str(tmp_path / "file")]) == 2
    assert "exists" in capsys.readouterr().err


def test_progress_is_one_line_on_a_terminal(monkeypatch, capsys):
    record = {"epoch": 1, "train_loss": 0.5, "val_accuracy": 0.9}
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    demo.progress(record, 2)
    demo.progress(record | {"epoch": 2}, 2)
    out = capsys.readouterr().out
    assert out.count("\r") == 2
    assert out.count("\n") == 1
    assert "━╌" in out
    demo.progress(record | {"epoch": 12}, 12)
    assert max(map(len, capsys.readouterr().out.strip().split("\r"))) <= 60


def test_prediction_leaves_no_graph_and_uses_running_statistics(few):
    net = demo.network()
    one = demo.predict(net, few.test.x[:1])
    np.testing.assert_allclose(
        one, demo.predict(net, few.test.x)[:1], rtol=1e-4, atol=1e-5
    )
    assert not net.training


@pytest.mark.full
def test_the_whole_demo_reaches_97_percent(tmp_path, monkeypatch, capsys):
    accuracies = [demo.main(out=tmp_path)]
    assert re.search(r"test accuracy 0\.9[789]", capsys.readouterr().out)
    monkeypatch.setattr(demo, "draw", lambda *args: None)
    accuracies += [demo.main(seed=seed, out=tmp_path) for seed in (1, 2, 3, 4)]
    assert min(accuracies) >= 0.97
    assert np.median(accuracies) >= 0.975
