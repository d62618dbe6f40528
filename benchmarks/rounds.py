"""Several libraries in turn, each in a fresh process; ratios of their times."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
WORKER = Path(__file__).with_name("worker.py")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
           "NUMBA_NUM_THREADS", "MINIDL_NUM_THREADS")  # fmt: skip
CLOSE = 1e-3  # how far losses of the first steps may lie apart
ALIKE = 1e-2  # likewise, where the numbers that are drawn differ


class Side(NamedTuple):
    """A library in one way: its name in the table, where it is, what is set for it."""

    name: str
    library: str
    root: Path = ROOT
    settings: tuple[tuple[str, str], ...] = ()


def environment(side: Side, threads: int = 1) -> dict[str, str]:
    """Return the environment of a library's process."""
    env = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
    return env | {**dict(side.settings), "PYTHONPATH": str(side.root)}


def once(side: Side, *words: str) -> str:
    """Run a program for a library in a fresh process; return its last line."""
    made = subprocess.run(
        words, env=environment(side), cwd=side.root, text=True, check=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    return made.stdout.strip().splitlines()[-1]


class Worker:
    """A process with one library; it measures whenever it is asked."""

    def __init__(self, side: Side, *words: str, threads: int = 1) -> None:
        env = environment(side, threads)
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # imports are timed with bytecode
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed by __exit__
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), side.library, *words],
            env=env, cwd=side.root, text=True, stderr=self.errors,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.facts = self.answer()

    def answer(self) -> dict[str, Any]:
        """Return the next line that it prints; {"failed": why} if there is none."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                return dict(json.loads(line))
        self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        code = self.process.returncode
        return {"failed": lines[-1] if lines else f"exit status {code}"}

    def measure(self) -> dict[str, Any]:
        """Ask for one round."""
        if "failed" in self.facts:
            return self.facts
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.communicate()
        self.errors.close()


def ask(side: Side) -> dict[str, Any]:
    """Return a library's version, import time and workloads; or why it failed."""
    with Worker(side) as worker:
        return worker.facts


def in_turn(
    sides: list[Side], workload: str, path: Path, rounds: int, threads: int
) -> dict[str, list[dict[str, Any]]]:
    """Measure every side once a round, in an order that rotates."""
    found: dict[str, list[dict[str, Any]]] = {side.name: [] for side in sides}
    words = workload, str(path), str(threads)
    with ExitStack() as stack:
        workers = [
            (side.name, stack.enter_context(Worker(side, *words, threads=threads)))
            for side in sides
        ]
        for i in range(rounds):
            turn = i % len(sides)
            for name, worker in workers[turn:] + workers[:turn]:
                found[name].append(worker.measure())
    return found


def apart(
    ours: list[list[float]], theirs: list[list[float]], close: float = CLOSE
) -> bool:
    """Whether results of the first steps lie further apart than rounding explains."""
    pairs = [
        (a, b)
        for x, y in zip(ours, theirs, strict=True)
        for a, b in zip(x, y, strict=False)
    ]
    return not all(abs(a - b) <= close * max(1.0, abs(b)) for a, b in pairs)


def compared(
    found: dict[str, list[dict[str, Any]]], close: float = CLOSE
) -> dict[str, Any]:
    """Return minidl's time and memory, and the ratios of its time to each other's.

    Of the ratios of one round the median, the lowest and the highest; "quiet" is the
    ratio of the fastest tenths of steps, each in its best round.
    """
    first, *others = found
    ours = found[first]
    if failure := next((m["failed"] for m in ours if "failed" in m), None):
        return {"failed": failure}
    row: dict[str, Any] = {
        "ms": 1e3 * statistics.median(m["median"] for m in ours),
        "peak_mb": statistics.median(m["peak_mb"] for m in ours),
        "vs": {},
    }
    for name in others:
        theirs = found[name]
        if failure := next((m["failed"] for m in theirs if "failed" in m), None):
            row["vs"][name] = {"failed": failure}
        elif apart(ours[0]["first"], theirs[0]["first"], close):
            a, b = ours[0]["first"], theirs[0]["first"]
            row["vs"][name] = {"void": f"minidl computes {a}, {name} {b}"}
        else:
            pairs = zip(ours, theirs, strict=True)
            ratios = sorted(a["median"] / b["median"] for a, b in pairs)
            best = [min(m["quiet"] for m in side) for side in (ours, theirs)]
            row["vs"][name] = {
                "ms": 1e3 * statistics.median(m["median"] for m in theirs),
                "ratio": statistics.median(ratios),
                "low": ratios[0],
                "high": ratios[-1],
                "quiet": best[0] / best[1],
                "peak_mb": statistics.median(m["peak_mb"] for m in theirs),
            }
    return row
