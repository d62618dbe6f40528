"""A folder of checkpoints: what stays, what is taken, what is swept."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minidl as md
from minidl import files
from minidl.errors import RangeError
from minidl.train.checkpoint import CheckpointError, Checkpoints, CheckpointWarning
from minidl.train.packing import same
from tests.test_checkpoint import Part


def numbers(folder):
    return sorted(Checkpoints(folder).paths)


def test_the_last_two_and_the_best_stay(tmp_path):
    saves, part = Checkpoints(tmp_path / "new" / "run"), Part()
    for step, loss in enumerate([5, 3, 4, float("nan"), 4.5, 3.0], 1):
        part.state = {"step": step}
        saves.save({"part": part}, loss, notes={"step": step})
    assert numbers(saves.folder) == [2, 5, 6]  # of equals the first
    assert saves.load_best({"part": part}).notes == {"step": 2}
    assert part.state == {"step": 2}
    assert saves.resume({"part": part}).notes == {"step": 6}
    assert part.state == {"step": 6}


def test_another_process_knows_what_was_best(tmp_path):
    part = Part(x=1)
    for i, metric in enumerate([0.2, 0.9, 0.8, 0.7, 0.6, 0.95, 0.1, 0.1], 1):
        saves = Checkpoints(tmp_path, mode="max")  # made anew each time
        assert saves.save({"p": part}, metric).endswith(f"{i:08d}.safetensors")
    assert numbers(tmp_path) == [6, 7, 8]
    assert Checkpoints(tmp_path, mode="max").best == saves.paths[6]
    assert Checkpoints(tmp_path, mode="min").best == saves.paths[7]


def test_without_a_metric_there_is_no_best(tmp_path):
    saves = Checkpoints(tmp_path, keep=1)
    assert saves.resume({"p": Part()}) is None
    for _ in range(3):
        saves.save({"p": Part()})
    assert numbers(tmp_path) == [3]
    assert saves.best is None
    with pytest.raises(CheckpointError, match="no sound checkpoint with a metric"):
        saves.load_best({"p": Part()})


def spoil(path):
    raw = bytearray(Path(path).read_bytes())
    raw[len(raw) // 2] ^= 1
    Path(path).write_bytes(raw)


def test_resume_walks_back_and_says_so(tmp_path):
    saves, part = Checkpoints(tmp_path, keep=4), Part()
    for step in range(1, 5):
        part.state = {"step": step, "x": np.full(100, step)}
        saves.save({"p": part}, float(step))
    spoil(saves.paths[4])
    os.truncate(saves.paths[3], 100)
    says = r"0002\.safetensors; passed over:\n.*0004.*checksum.*\n.*0003.*100 bytes"
    with pytest.warns(CheckpointWarning, match=says):
        saved = saves.resume({"p": part})
    assert saved.path == saves.paths[2]
    assert part.state["step"] == 2
    assert saves.save({"p": part}, 0.0).endswith("0005.safetensors")  # none is reused
    assert saves.resume({"p": part}).metric == 0  # no warning: the newest is sound
    spoil(saves.paths[1])
    assert saves.best == saves.paths[5]


def test_when_all_are_damaged_nothing_is_changed(tmp_path):
    saves, part = Checkpoints(tmp_path), Part(step=1)
    for _ in range(2):
        saves.save({"p": part})
    for path in saves.paths.values():
        spoil(path)
    part.state = {"step": 2}
    with pytest.raises(CheckpointError, match=r"nothing was changed\n.*0002.*\n.*0001"):
        saves.resume({"p": part})
    assert part.state == {"step": 2}


def test_a_newest_one_of_another_model_is_not_passed_over(tmp_path):
    saves = Checkpoints(tmp_path)
    small, large = md.nn.Linear(2, 2), md.nn.Linear(3, 2)
    saves.save({"model": large})
    saves.save({"model": small})
    before = large.state_dict()
    with pytest.raises(CheckpointError, match=r"0002.*\n.*weight"):
        saves.resume({"model": large})
    assert same(large.state_dict(), before)


def test_temporaries_of_the_dead_are_swept_and_those_of_the_living_are_not(tmp_path):
    saves = Checkpoints(tmp_path)
    stray = tmp_path / ".checkpoint-00000001.safetensors.0123456789ab.tmp"
    stray.write_bytes(b"half")
    (tmp_path / "notes.tmp").write_bytes(b"mine")
    with files.replaced(tmp_path / "busy") as file:
        file.write(b"half")
        saves.save({"p": Part()})
        assert not stray.exists()
        assert len(os.listdir(tmp_path)) == 3  # the notes, the busy one, the new one
    assert sorted(os.listdir(tmp_path)) == [
        "busy", "checkpoint-00000001.safetensors", "notes.tmp",
    ]  # fmt: skip
    stray.write_bytes(b"half")
    saves.resume({"p": Part()})
    assert not stray.exists()


def test_a_sweeper_that_comes_before_the_lock_does_no_harm(tmp_path, monkeypatch):
    lock, swept = files.whole._lock, []

    def slow_lock(file):
        if not swept:
            monkeypatch.setattr(files.whole, "_lock", lock)
            swept.extend(files.sweep(tmp_path))
        return lock(file)

    monkeypatch.setattr(files.whole, "_lock", slow_lock)
    files.write(tmp_path / "a", {"x": np.ones(2)})
    assert len(swept) == 1
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize(("keep", "mode"), [(0, "min"), (2, "best")])
def test_settings_out_of_range(tmp_path, keep, mode):
    with pytest.raises(RangeError):
        Checkpoints(tmp_path, keep, mode=mode)


HOLDS = """
import sys, time
from minidl.train.checkpoint import Checkpoints
from tests.test_checkpoint import Part

Checkpoints(sys.argv[1]).save({"p": Part(x=1)})
print("saved", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs the locks of POSIX")
def test_two_processes_in_one_folder_are_told_apart(tmp_path):
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"saved\n"
        saves = Checkpoints(tmp_path)
        with pytest.raises(CheckpointError, match="another process is writing"):
            saves.save({"p": Part()})
        assert numbers(tmp_path) == [1]
        assert saves.resume({"p": Part()}) is not None  # reading is free
        other.kill()
    saves.save({"p": Part()})  # locks die with their process
    Checkpoints(tmp_path).save({"p": Part()})  # and one process may hold it twice
    assert numbers(tmp_path) == [2, 3]
