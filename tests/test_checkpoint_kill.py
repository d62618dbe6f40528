"""Killed, interrupted or out of space at any moment: the old or the new, never half."""

import contextlib
import errno
import functools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minidl.train.checkpoint import CheckpointError, Checkpoints, save_checkpoint
from tests.kill_saver import Part, at_line, cleaned, no_loss, resumed, temporaries

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="forks and signals are those of POSIX"
)

ROOT = Path(__file__).parent.parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def python(*arguments):
    command = [sys.executable, "-W", "error", "-m", *map(str, arguments)]
    run = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ | ONE_THREAD
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize(
    "count", [20, pytest.param(200, marks=pytest.mark.slow)], ids=str
)
def test_kill_9_at_random_moments_loses_nothing(tmp_path, count):
    said = python("tests.kill_saver", tmp_path, "kill", count)
    assert said.startswith(f"{count} kills")
    assert said.endswith("0 lost\n")


@pytest.mark.parametrize(
    "count", [20, pytest.param(200, marks=pytest.mark.slow)], ids=str
)
def test_ctrl_c_at_random_moments_loses_nothing(tmp_path, count):
    said = python("tests.kill_saver", tmp_path, "interrupt", count)
    assert said.startswith(f"{count} interrupts")


@pytest.mark.slow
def test_dying_before_any_line_of_a_save_loses_nothing(tmp_path):
    assert "0 lost" in python("tests.kill_saver", tmp_path, "lines")


# between `open` and `with`, Ctrl-C leaves an open file to the reference count
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_before_any_line_of_a_save_loses_nothing(tmp_path):
    saves, at, through = Checkpoints(tmp_path), 0, False

    def interrupt():
        raise KeyboardInterrupt

    while not through:
        at += 1
        told = [cleaned(tmp_path, size=9)]
        part = Part(told[0] + 1, size=9)
        save = functools.partial(saves.save, {"part": part}, float(-at % 7))
        try:
            at_line(at, interrupt, save)
            through = True
        except KeyboardInterrupt:
            no_loss(tmp_path, told)
    assert at > 100
    cleaned(tmp_path, size=9)


# --------------------------------------------------------------------------- full disks


@pytest.fixture
def room():
    """Let files grow to so many bytes only, as a full disk or a quota does."""
    resource = pytest.importorskip("resource", reason="limits of POSIX")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda n: resource.setrlimit(resource.RLIMIT_FSIZE, (n, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_loses_nothing(tmp_path, room, rng):
    saves, n, said = Checkpoints(tmp_path), 0, []
    saves.save({"part": Part(0, size=50_000)})
    size = os.path.getsize(saves.paths[1])
    for _ in range(200):
        room(int(rng.integers(0, int(1.2 * size))))
        try:
            saves.save({"part": Part(n + 1, size=50_000)}, float(-n % 7))
            n += 1
        except CheckpointError as error:
            said.append(str(error))
        finally:
            room(-1)
        assert resumed(tmp_path) == n
        assert not temporaries(tmp_path)
        assert len(os.listdir(tmp_path)) <= 3
    assert len(said) > 100
    assert all(
        str(tmp_path) in s and "was not saved: File too large" in s for s in said
    )


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_disk_that_fails_says_so(tmp_path, monkeypatch, call, number):
    saves = Checkpoints(tmp_path)
    saves.save({"part": Part(1, size=9)})

    def fail(*arguments):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as m:
        m.setattr(os, call, fail)
        with pytest.raises(CheckpointError, match=os.strerror(number)):
            saves.save({"part": Part(2, size=9)})
    assert resumed(tmp_path) == 1
    assert os.listdir(tmp_path) == [os.path.basename(saves.paths[1])]
    saves.save({"part": Part(2, size=9)})
    assert resumed(tmp_path) == 2


def test_a_folder_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"file.*nothing was saved"):
        Checkpoints(tmp_path / "file").save({"part": Part(1, size=9)})
    with pytest.raises(CheckpointError, match=r"nowhere.*was not saved"):
        save_checkpoint(tmp_path / "nowhere" / "a", {"part": Part(1, size=9)})


# --------------------------------------------------------------- training that is killed


def digest(folder, workers, *deaths):
    """Train in another process, which dies at the given steps; return its last word."""
    for death in (*deaths, 0):
        command = [sys.executable, "-m", "tests.kill_training", folder, workers, death]
        run = subprocess.Popen(
            list(map(str, command)),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | ONE_THREAD,
            start_new_session=True,
        )
        assert run.wait() == (-9 if death else 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)  # workers may survive, and hold stdout
        said, _ = run.communicate()
    return said


@pytest.mark.parametrize(
    ("workers", "deaths"),
    [
        (0, [17]),
        pytest.param(0, [1, 5, 11, 16, 22, 29], marks=pytest.mark.slow),
        pytest.param(1, [8, 23], marks=pytest.mark.slow),
        pytest.param(4, [8, 23], marks=pytest.mark.slow),
    ],
)
def test_resumed_training_ends_with_the_same_bits(tmp_path, workers, deaths):
    uninterrupted = digest(tmp_path / "whole", 0)
    assert digest(tmp_path / "killed", workers, *deaths) == uninterrupted
