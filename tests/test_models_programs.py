"""The programs that train the models: what they leave behind, and take up again."""

import json
import re

import numpy as np
import pytest

from examples import captioner, char_rnn, gpt, seq2seq
from minidl import show
from minidl.data.files import NamedSplits
from minidl.data.text import Pronunciations, Texts
from tests.runs import press

FILES = {"weights.safetensors", "results.json", "curves.png"}
EVERY = {
    "char_rnn": {*FILES, "samples.png", "hidden.png", "flow.png"},
    "gpt": {*FILES, "samples.png", "attention.png"},
    "seq2seq": {*FILES, "samples.png", "attention.png"},
    "captioner": {*FILES, "attention.png"},
}


def little(name, monkeypatch):
    """Give a program so little to do that it is over in a moment."""
    for program in (char_rnn, seq2seq, captioner):
        monkeypatch.setattr(program, "DRAWN", 2)
    if name in ("char_rnn", "gpt"):
        module = {"char_rnn": char_rnn, "gpt": gpt}[name]
        text = module.load_shakespeare().train
        parts = text[:600], text[600:900], text[900:1200]
        monkeypatch.setattr(module, "load_shakespeare", lambda: Texts(*parts))
        monkeypatch.setattr(char_rnn, "HIDDEN", 16)
        monkeypatch.setattr(char_rnn, "READ", 240)
        monkeypatch.setattr(gpt, "CONTEXT", 16)
        monkeypatch.setattr(gpt, "SIZE", {"dim": 8, "heads": 2, "layers": 1})
        return module
    if name == "seq2seq":
        words = [part[:70] for part in seq2seq.load_cmudict()]
        monkeypatch.setattr(seq2seq, "load_cmudict", lambda: Pronunciations(*words))
        monkeypatch.setattr(seq2seq, "HIDDEN", 8)
        return seq2seq
    parts = captioner.load_emoji()
    few = [type(p)(p.x[:60], p.y[:60], names=p.names[:60], categories=p.categories)
           for p in parts]  # fmt: skip
    monkeypatch.setattr(captioner, "load_emoji", lambda: NamedSplits(*few))
    return captioner


@pytest.mark.parametrize("name", list(EVERY))
def test_programs_leave_results_and_take_them_up(name, monkeypatch, tmp_path, capsys):
    program = little(name, monkeypatch)
    first, again = tmp_path / "first", tmp_path / "again"
    reached = program.main(["--epochs", "1", "--seed", "3", "--out", str(first)])
    printed = capsys.readouterr()
    assert "weights" in printed.out
    assert "epoch 1/1  loss" in printed.err
    assert "test" in printed.out.splitlines()[-1]
    asked = ["--weights", str(first), "--out", str(again)]
    assert program.main(asked) == reached
    assert "epoch 1/1" not in capsys.readouterr().err  # nothing is trained
    written = {f.relative_to(first) for f in first.rglob("*") if f.is_file()}
    assert written == {f.relative_to(again) for f in again.rglob("*") if f.is_file()}
    for file in written:
        assert (first / file).read_bytes() == (again / file).read_bytes(), file
    out = first / "attention" if name == "captioner" else first
    assert {f.name for f in out.iterdir()} == EVERY[name]
    facts = json.loads((out / "results.json").read_text())
    assert facts["command"] == f"python -m examples.{name} --epochs 1 --seed 3"
    assert facts["epochs"]["epoch"] == [1]
    assert facts["minutes"] >= 0
    value = reached["attention"] if name == "captioner" else reached
    assert round(value, 4) in facts["figures"].values()


def test_weights_are_not_trained_and_must_be_there(monkeypatch, tmp_path, capsys):
    program = little("seq2seq", monkeypatch)
    out = ["--out", str(tmp_path)]
    with pytest.raises(FileNotFoundError, match="nowhere"):
        program.main(["--weights", str(tmp_path / "nowhere"), *out])
    for wrong, words in (
        (["--weights", str(tmp_path), "--minutes", "1"], "trains nothing"),
        (["--epochs", "0"], "one epoch or more"),
        (["--minutes", "-1"], "minutes above 0"),
    ):
        with pytest.raises(SystemExit):
            program.main([*wrong, *out])
        assert words in capsys.readouterr().err


def test_a_program_can_be_repeated(monkeypatch, tmp_path):
    program = little("seq2seq", monkeypatch)
    monkeypatch.setattr(program, "DRAWN", 0)
    asked = ["--epochs", "1", "--out", str(tmp_path)]
    kept = []
    for _ in range(2):
        program.main(asked)
        kept.append((tmp_path / "weights.safetensors").read_bytes())
    assert kept[0] == kept[1]


def test_a_kill_loses_no_epoch(monkeypatch, tmp_path):
    """What is on the disk after the first epoch can be judged and drawn."""
    program = little("seq2seq", monkeypatch)
    monkeypatch.setattr(program, "DRAWN", 0)
    run, killed = program.Run.on_epoch, []

    class Killed(BaseException):
        pass

    def on_epoch(self, trainer, record):
        run(self, trainer, record)
        killed.append({f.name: f.read_bytes() for f in tmp_path.iterdir()})
        raise Killed

    monkeypatch.setattr(program.Run, "on_epoch", on_epoch)
    with pytest.raises(Killed):
        program.main(["--epochs", "5", "--out", str(tmp_path)])
    assert set(killed[0]) == {"weights.safetensors", "results.json"}
    program.main(["--weights", str(tmp_path), "--out", str(tmp_path / "again")])
    facts = json.loads((tmp_path / "again" / "results.json").read_text())
    assert len(facts["epochs"]["val_error"]) == len(facts["samples"]) == 1
    assert facts["figures"]["val_error"] == round(facts["epochs"]["val_error"][0], 4)


def test_the_best_weights_are_kept(monkeypatch, tmp_path):
    program = little("seq2seq", monkeypatch)
    monkeypatch.setattr(program, "DRAWN", 0)
    errors, kept = iter([3.0, 1.0, 2.0, 0.0]), []
    monkeypatch.setattr(program, "token_error_rate", lambda *_: next(errors, 9.0))
    file = tmp_path / "weights.safetensors"

    write_down = program.Run.on_epoch

    def on_epoch(self, trainer, record):
        write_down(self, trainer, record)
        kept.append(file.read_bytes())

    monkeypatch.setattr(program.Run, "on_epoch", on_epoch)
    program.main(["--epochs", "3", "--out", str(tmp_path)])
    assert kept[0] != kept[1] == kept[2] == file.read_bytes()


def test_ctrl_c_ends_the_training_and_not_the_program(monkeypatch, tmp_path):
    program = little("seq2seq", monkeypatch)
    monkeypatch.setattr(program, "DRAWN", 0)
    real, calls = program.transcribe, []

    def transcribe(*args, **options):
        calls.append(1)
        if len(calls) == 3:  # the second epoch is judged
            press(None)
        return real(*args, **options)

    monkeypatch.setattr(program, "transcribe", transcribe)
    program.main(["--epochs", "50", "--out", str(tmp_path)])
    facts = json.loads((tmp_path / "results.json").read_text())
    assert len(facts["epochs"]["epoch"]) == 2


# ------------------------------------------------------------- the page of the results


def results(runs, folder, figures, minutes=9.0):
    (runs / folder).mkdir(parents=True)
    facts = {"command": f"python -m {folder}", "parameters": 1234,
             "epochs": {"epoch": [1, 2, 3]}, "minutes": minutes, "figures": figures,
             "says": "to be\nor not\n"}  # fmt: skip
    (runs / folder / "results.json").write_text(json.dumps(facts))


@pytest.fixture
def page(monkeypatch, tmp_path):
    sequences = pytest.importorskip("docs.sequences", reason="docs are in a clone only")
    monkeypatch.setattr(sequences, "PICTURES", tmp_path / "pictures")
    return sequences.page


def test_the_page_tells_what_was_reached_and_what_was_not(page, tmp_path):
    results(tmp_path, "char_rnn", {"val_loss": 1.35, "r in brackets": -0.5})
    results(tmp_path, "gpt", {"val_loss": 1.76})
    results(tmp_path, "seq2seq", {"test_error": 0.1}, minutes=21.0)
    results(tmp_path, "captioner/lstm", {"test_bleu1": 0.2, "always_the_same": 0.1})
    results(
        tmp_path, "captioner/attention", {"test_bleu1": 0.1, "always_the_same": 0.1}
    )
    show.curves({"train_loss": [1, 2]}, path=tmp_path / "char_rnn" / "curves.png")
    text = page(tmp_path)
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][
        1:
    ]
    assert [cells[-2] for cells in rows[:5]] == ["yes", "**no**", "**no**", "yes",
                                                 "**no**"]  # fmt: skip
    assert "not trained" in rows[5]
    assert rows[0][3:5] == ["1.350", "≤ 1.65 in ≤ 15 minutes"]
    assert "python -m char_rnn" in text
    assert "Epochs: 3; val loss 1.350" in text
    assert "r in brackets −0.500" in text
    assert "```text\nto be\nor not\n```" in text
    for picture in re.findall(r"\]\((pictures/[^)]+)\)", text):
        assert 0 < (tmp_path / picture).stat().st_size <= 120_000
    assert text.count("![") == 1


def test_large_pictures_are_made_small_enough(page, tmp_path, rng):
    results(tmp_path, "char_rnn", {"val_loss": 1.35})
    Image = pytest.importorskip("PIL.Image")
    noise = rng.integers(0, 256, (500, 500, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "char_rnn" / "hidden.png")
    assert (tmp_path / "char_rnn" / "hidden.png").stat().st_size > 120_000
    assert "hidden.png" in page(tmp_path)
    assert (tmp_path / "pictures" / "char_rnn-hidden.png").stat().st_size <= 120_000


def test_no_results_are_no_page(page, tmp_path):
    with pytest.raises(SystemExit, match="no results"):
        page(tmp_path)
