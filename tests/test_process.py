"""Threads of BLAS and memory that a process keeps: minidl/process.py."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from multiprocessing import get_context

import numpy as np
import pytest

import minidl as md
from minidl import process
from minidl.errors import RangeError

LINUX = sys.platform.startswith("linux")
RESIDENT = """
import gc, numpy as np, minidl as md
def mb():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
"""
FREED = """
before = mb()
xs = [np.ones(5_000_000, np.float32) for _ in range(5)]
full = mb()
del xs
print(full - before, mb() - before)
"""
GROWTH = """
x, labels = np.ones((64, 784), np.float32), np.zeros(64, int)
model = md.nn.Sequential(md.nn.Linear(784, 256), md.nn.ReLU(), md.nn.Linear(256, 10))
optimizer = md.optim.Adam(model.parameters())
def steps(n):
    for _ in range(n):
        optimizer.zero_grad()
        md.ops.cross_entropy(model(x), labels).backward()
        optimizer.step()
    return mb()
first = steps(200)
print(steps(1000) - first, 0)
"""


def run(program: str, **variables: str) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", RESIDENT + program],
        env={**os.environ, **variables}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [float(word) for word in done.stdout.split()]


@pytest.mark.skipif(not LINUX, reason="reads /proc")
def test_memory_returns_to_the_system_unless_it_is_kept():
    full, left = run(FREED)
    assert full > 90
    assert left < 20
    if process._glibc():
        full, left = run(FREED, MINIDL_MALLOC="keep")
        assert left > 90


@pytest.mark.skipif(not LINUX, reason="reads /proc")
@pytest.mark.parametrize("kept", ["", "keep"])
def test_a_thousand_steps_need_no_more_memory_than_the_first(kept):
    growth, _ = run(GROWTH, MINIDL_MALLOC=kept)
    assert growth < 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MINIDL_MALLOC", "all"),
        ("MINIDL_NUM_THREADS", "two"),
        ("MINIDL_NUM_THREADS", "0"),
    ],
)
def test_a_variable_with_another_value_is_named(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(RangeError, match=f"{name} is '{value}'"):
        process.from_environment()


@pytest.mark.parametrize("n", [0, -1, 1.0, "2"])
def test_threads_are_a_whole_number(n):
    with pytest.raises(RangeError, match="whole number from 1 on"):
        md.set_num_threads(n)


@pytest.fixture(params=["threadpoolctl", "OpenBLAS's own"])
def blas(request, monkeypatch):
    """Both ways to the number of threads, and the number as it was afterwards."""
    if request.param != "threadpoolctl":
        monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    elif find_spec("threadpoolctl") is None:
        pytest.skip("threadpoolctl is not installed")
    monkeypatch.setattr(process._Kept, "threads", 0)
    monkeypatch.setattr(process._Kept, "parts", 1)
    before = [(blas.tell, blas.ask()) for blas in process._blas()]
    yield
    for tell, count in before:
        tell(count)


def test_the_number_of_threads_is_the_one_that_was_set(blas):
    told = [md.set_num_threads(n) and md.get_num_threads() for n in (2, 1)]
    assert told == [2, 1] or told == [False, False]  # a BLAS that cannot be told


def test_equal_numbers_of_threads_give_equal_results(blas):
    x = np.random.default_rng(0).standard_normal((300, 300), np.float32)
    for n in (1, 2):
        md.set_num_threads(n)
        ys = [md.ops.matmul(x, x.T) for _ in range(3)]
        assert all((y == ys[0]).all() for y in ys)


def test_threads_that_nobody_uses_are_not_counted(monkeypatch):
    monkeypatch.setattr(process._Kept, "threads", 0)
    monkeypatch.setattr(process._Kept, "parts", 1)
    monkeypatch.setattr(process, "_compiles", lambda: False)
    monkeypatch.setattr(process, "_blas", list)
    assert md.set_num_threads(4) is False
    assert md.get_num_threads() == 1


def test_without_loops_threads_are_those_of_blas(monkeypatch, tmp_path):
    # a student's edition has no kernels/, and the machine may have numba
    monkeypatch.setattr(process, "find_spec", lambda name: "here")
    monkeypatch.delenv("MINIDL_FAST", raising=False)
    assert process._compiles()
    monkeypatch.setattr(process, "__file__", str(tmp_path / "process.py"))
    assert not process._compiles()


def _child(queue):
    queue.put((md.get_num_threads(), float((np.ones((200, 200)) @ np.ones(200)).sum())))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork")  # of Python, and of JAX where it is
def test_a_forked_process_computes_with_as_many(blas):
    np.ones((300, 300)) @ np.ones((300, 300))  # the threads are there
    md.set_num_threads(1)
    context = get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_child, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == (1, 200.0 * 200)
    child.join(timeout=60)


def test_the_environment_sets_the_number(blas, monkeypatch):
    monkeypatch.setenv("MINIDL_NUM_THREADS", "2")
    process.from_environment()
    assert md.get_num_threads() in (1, 2)


def test_programs_leave_a_number_that_the_user_chose(blas, monkeypatch):
    asked = []
    monkeypatch.setattr(process, "set_num_threads", asked.append)
    monkeypatch.setattr(process, "keep_memory", lambda: True)
    for name in process.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    process.for_a_program()
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    process.for_a_program()
    assert asked == [1]


def test_elsewhere_memory_is_left_alone(monkeypatch):
    monkeypatch.setattr(process, "_glibc", lambda: False)
    assert md.keep_memory() is False
