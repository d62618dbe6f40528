"""Workers, several at once: processes of the grader's own, each with one submission.

A worker that dies takes nothing with it but the submission it had, which another one
tries again; whoever kills two of them is left to the instructor's eyes.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from minidl import errors

from .results import Result, from_json

TRIES = 2
START = "from minidl.cli.course import machinery; machinery('grade.worker').main()"


class Worker:
    """A process that was told what is the same for all, and has one submission."""

    def __init__(self, order: dict[str, Any]) -> None:
        home = str(Path(errors.__file__).resolve().parents[1])
        paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
        one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-B", "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # nobody's signal to a group is meant for others
            env=os.environ | one | {"PYTHONPATH": os.pathsep.join(paths)},
        )
        self.student = ""
        self._tell(order)

    def ask(self, student: str, path: Path) -> None:
        """Give it a submission."""
        self.student = student
        self._tell({"student": student, "path": str(path)})

    def result(self) -> Result | None:
        """Return what it made of the submission; None if it died."""
        assert self.process.stdout is not None
        try:
            return from_json(json.loads(self.process.stdout.readline())["result"])
        except (ValueError, KeyError):
            return None

    def end(self) -> None:
        """Stop it at once; the students' processes die with it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def _tell(self, words: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it died; its silence will say so
            self.process.stdin.write(json.dumps(words).encode() + b"\n")
            self.process.stdin.flush()


def graded(
    order: dict[str, Any], jobs: int, todo: Iterable[tuple[str, Path]]
) -> Iterator[tuple[str, Result | None]]:
    """Yield each student's result as it comes; None where the workers died."""
    waiting, tries = deque(todo), dict[str, int]()
    idle: list[Worker] = []
    busy: dict[Worker, tuple[str, Path]] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < jobs:
                worker = idle.pop() if idle else Worker(order)
                busy[worker] = waiting.popleft()
                worker.ask(*busy[worker])
            for worker in _ready(busy):
                job, result = busy.pop(worker), worker.result()
                student = job[0]
                if result is not None:
                    idle.append(worker)
                    yield student, result
                    continue
                worker.end()
                tries[student] = tries.get(student, 0) + 1
                if tries[student] < TRIES:
                    waiting.append(job)
                else:
                    yield student, None
    finally:
        for worker in [*idle, *busy]:
            worker.end()


def _ready(workers: Iterable[Worker]) -> list[Worker]:
    """Wait until some worker has something to say, or has died; return those."""
    pipes: dict[Any, Worker] = {worker.process.stdout: worker for worker in workers}
    return [pipes[pipe] for pipe in select.select(list(pipes), [], [])[0]]
