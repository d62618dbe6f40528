"""Several ranks do what one process does with the whole batch; and they end together."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from minidl.errors import MinidlError, RangeError
from minidl.parallel import RankError, World, mpi
from minidl.parallel.world import _lives
from minidl.train import Budget, GradientAccumulation
from tests import train_ranks
from tests.runs import loader, trainer

ROOT = Path(__file__).parent.parent
ADVICE = 'needs the package mpi4py, and mpiexec: "minidl[mpi]"'


def start(ranks, mode, folder, *options, limit=180, **environment):
    """Run the program on so many ranks; return its exit status, words and seconds."""
    pytest.importorskip("mpi4py", reason=ADVICE)
    beside = Path(sys.executable).parent / "mpiexec"
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        pytest.skip(ADVICE)
    command = [mpiexec, *options, "-n", str(ranks), sys.executable, "-W", "error"]
    command += ["-m", "tests.train_ranks", mode, str(folder)]
    settings = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    began = time.monotonic()
    run = subprocess.run(
        command, cwd=ROOT, env=settings | environment, timeout=limit,
        capture_output=True, text=True,
    )  # fmt: skip
    words = run.stdout + run.stderr
    words += "".join(path.read_text() for path in Path(folder).glob("words*"))
    return run.returncode, words, time.monotonic() - began


def result(ranks, mode, folder, **environment):
    folder.mkdir(exist_ok=True)
    status, words, _ = start(ranks, mode, folder, **environment)
    assert status == 0, words
    with np.load(folder / "result.npz") as found:
        return dict(found)


def close(a, b, tolerance=1e-6):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], 0, tolerance, err_msg=name)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return train_ranks.with_trainer(tmp_path_factory.mktemp("alone"), None)


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_are_one_process_with_the_whole_batch(ranks, alone, tmp_path):
    found = result(ranks, "trainer", tmp_path)
    assert len(found["losses"]) == 50
    close(found, alone)
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert len(rows) == 1 + 8  # of rank 0 alone


def test_the_open_loop(tmp_path):
    close(result(4, "loop", tmp_path), train_ranks.by_hand(None))


def test_a_resumed_run_is_the_undisturbed_one(tmp_path):
    whole = result(2, "resume", tmp_path / "a")
    stopped = result(2, "resume", tmp_path / "b", STOP="1")
    assert len(stopped["losses"]) == 20  # all heard of it, and ended after a step
    close(result(2, "resume", tmp_path / "b"), whole, 0)


# Ends: no rank waits for ever


def test_a_rank_that_is_killed_ends_all(tmp_path):
    """The launcher ends the others, and says so; what they would say is below."""
    status, words, seconds = start(3, "die", tmp_path, LIMIT="20")
    assert status != 0
    assert "TERMINAT" in words
    assert seconds < 60
    assert not (tmp_path / "result.npz").exists()


def test_an_error_on_one_rank_ends_all_with_its_words(tmp_path):
    status, words, seconds = start(2, "fail", tmp_path, LIMIT="20")
    assert status != 0
    assert "rank 1 ends all ranks: ValueError: out of luck" in words
    assert seconds < 60


def test_a_rank_that_hangs_is_not_waited_for(tmp_path):
    status, words, seconds = start(2, "hang", tmp_path, LIMIT="2")
    assert status != 0
    assert "rank 0 of 2 waited" in words
    assert "left the loop early" in words
    assert seconds < 60


# What one process can say


class Alone:
    """A communicator of one rank."""

    def Get_rank(self):
        return 0

    def Get_size(self):
        return 1


def test_rows_are_shared_without_overlap():
    for n in (1, 2, 3, 7, 16):
        rows, lent = [], 0
        for rank in range(4):
            world = World.__new__(World)
            world.rank, world.size, world.lent = rank, 4, False
            part = list(range(n))[world.rows(n)]
            assert len(part) >= 1  # every rank computes something
            rows += [] if world.lent else part
            lent += world.lent
        assert rows == list(range(n))
        assert lent == max(0, 4 - n)


class Never:
    """A message that does not come."""

    def Test(self):
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_rank_that_died_is_named_within_a_second():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    world = World.__new__(World)
    world.rank, world.size, world.limit = 0, 2, 60.0
    here = socket.gethostname()
    world.peers = [(here, os.getpid()), (here, ended.pid)]
    ended.wait()
    began = time.monotonic()
    with pytest.raises(
        RankError, match=rf"rank 1 \(process {ended.pid}\) has died.*resume"
    ):
        world.wait(Never())
    world.peers[1], world.limit = world.peers[0], 0.2
    with pytest.raises(RankError, match="rank 0 of 2 waited"):
        world.wait(Never())
    assert time.monotonic() - began < 30
    zombie = subprocess.Popen([sys.executable, "-c", ""])
    while _lives(zombie.pid):  # until somebody waits for it
        assert time.monotonic() - began < 60
        time.sleep(0.01)
    zombie.wait()


def test_what_cannot_work_on_several_ranks_is_refused():
    with pytest.raises(RangeError, match='"mpi" or a World'):
        trainer(parallel="nccl")
    with pytest.raises(RangeError, match="compile"):
        trainer(parallel="mpi", compile=True)
    assert "more ranks" in GradientAccumulation(2).alone()
    assert "clock" in Budget(1.0).alone()
    assert Budget().alone() == ""
    with pytest.raises(RangeError, match="limit is 0"):
        World(Alone(), 0)


def test_without_mpi_it_says_which_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", None)
    mpi.cache_clear()
    with pytest.raises(MinidlError, match=r"minidl\[mpi\].*mpiexec -n 4"):
        mpi()
    assert len(loader()) == 6
