"""One submission, graded: each task in a process of its own that answers arrays.

For each draw of each row the inputs go out first; what is right is computed afterwards,
here, where no student's code has ever run; then the answer is read and judged. The
result is put together when the process and all that it started are dead.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..answers import Answer, Arrays, Failure, ask, inputs_of
from ..assignment import Assignment, Task
from ..errors import RegionError
from ..judge import judge_row
from ..regions import blank, region_of
from ..rows import Row
from ..sandbox import sweep
from ..sandbox.box import Box, Job, statement
from ..sandbox.process import EndedError, Process
from ..source_tree import module_name, overrides
from . import frames
from .imports import refused
from .intake import Submission
from .results import Result, RowResult, TaskResult, clean
from .trees import Trees

UNWRITTEN = "not written yet"


@dataclass(frozen=True)
class Grader:
    """What all submissions of an assignment have in common.

    secret   what the draws depend on beside the assignment's public seed
    scratch  a folder for throw-away homes
    """

    assignment: Assignment
    trees: Trees
    box: Box
    secret: str
    scratch: Path

    def grade(self, submission: Submission) -> Result:
        """Return the result of a submission; every row of every task is in it."""
        sweep.adopt_orphans()
        a = self.assignment
        tasks = tuple(self.task(task, submission) for task in a.tasks.values())
        return Result(
            a.name, a.title, submission.student, self.key(submission),
            statement(self.box.level), tasks, tuple(map(clean, submission.notes)),
        )  # fmt: skip

    def key(self, submission: Submission) -> str:
        """Return what decides whether a result is still true."""
        state = hashlib.blake2b(digest_size=16, key=self.secret.encode()[:64])
        for part in (submission.digest, state_of(self.assignment), self.box.level):
            state.update(part.encode())
        return state.hexdigest()

    def task(self, task: Task, submission: Submission) -> TaskResult:
        """Grade one task."""
        rows = [row for row in self.assignment.rows if row.task == task.name]
        text, start = submission.texts.get(task.file), time.monotonic()
        printed, graft = "", _graft(self.assignment, task, text)
        if isinstance(graft, Failure):
            results = [self._failed(row, graft) for row in rows]
        else:
            with self._process(task, graft) as process:
                source = _lines(self.assignment, task, str(text))
                answers = [
                    self._judged(process, row, submission.student, source)
                    for row in rows
                ]
            results = answers
            printed = clean(process.output.decode("utf-8", "replace"))
        return TaskResult(
            task.name, task.title, task.file, _hinted(rows, results),
            round(time.monotonic() - start, 3), printed,
        )  # fmt: skip

    @contextmanager
    def _process(self, task: Task, graft: str) -> Iterator[Process]:
        """Give a fresh process that has the student's file as its module."""
        with _folder(self.scratch) as folder:
            code, home = folder / "code", folder / "home"
            code.mkdir()
            home.mkdir()
            source = code / Path(task.file).name
            source.write_text(graft, encoding="utf-8")
            calls = shutil.copy(self.assignment.folder / "calls.py", code)
            region = region_of(graft, task.name)
            job = Job(
                str(calls), str(self.trees.tree(task)), module_name(task.file),
                str(source), (region.start, region.end), task.seconds,
                self.assignment.memory,
            )  # fmt: skip
            with self.box.start(job, str(home)) as process:
                yield process

    def _judged(
        self, process: Process, row: Row, student: str, source: tuple[str, int]
    ) -> RowResult:
        """Ask a row's draws and judge the answers."""
        given: list[Answer] = []
        expected: list[Arrays] = []
        for i in range(row.draws):
            inputs = inputs_of(row, self._seed(), student, i)
            sent = _send(process, row, inputs)
            expected.append(self._right(row, inputs))
            given.append(sent or _receive(process, source))
        verdict = judge_row(row, given, expected)
        return _row(row, verdict.points, verdict.what)

    def _failed(self, row: Row, failure: Failure) -> RowResult:
        return _row(row, 0, failure.what)

    def _right(self, row: Row, inputs: Arrays) -> Arrays:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ask(self.assignment.calls, row, inputs)

    def _seed(self) -> str:
        return f"{self.assignment.seed}, {self.secret}"


def state_of(assignment: Assignment) -> str:
    """Return a digest of all that a grade depends on beside the submission."""
    state = hashlib.blake2b(digest_size=16)
    names = ("assignment.cfg", "rows.py", "hidden.py", "calls.py")
    paths = [assignment.folder / name for name in names]
    for path in [*paths, *(assignment.root / file for file in assignment.files)]:
        state.update(path.read_bytes() if path.exists() else b"")
    return state.hexdigest()


def _graft(assignment: Assignment, task: Task, text: str | None) -> str | Failure:
    """Return the file that is graded, or why nothing needs to run."""
    if text is None:
        return Failure(f"{task.file} is not in the submission")
    try:
        code = region_of(text, task.name, task.file).code
        if code.split() == _empty(assignment.source(task.file), task.name):
            return Failure(UNWRITTEN)
        if why := refused(code):
            return Failure(why)
        return overrides(assignment, task, text)[task.file]
    except RegionError as error:
        return Failure(str(error))
    except (RecursionError, MemoryError, ValueError) as error:
        return Failure(f"{task.file} cannot be read as Python ({type(error).__name__})")


@cache
def _empty(source: str, task: str) -> list[str]:
    """Return the words of a blank."""
    return region_of(blank(source, [task]), task).code.split()


def _lines(assignment: Assignment, task: Task, text: str) -> tuple[str, int]:
    """Return the student's file, and how far its lines are from the graded file's."""
    ours = region_of(assignment.source(task.file), task.name)
    return task.file, region_of(text, task.name).start - ours.start


def _send(process: Process, row: Row, inputs: Arrays) -> Failure | None:
    try:
        process.send({frames.CALL: frames.text(row.call), **inputs})
    except EndedError as error:
        return Failure(f"the code {error}")
    return None


def _receive(process: Process, source: tuple[str, int]) -> Answer:
    """Return the arrays that came back, or what came instead of them."""
    try:
        answer: dict[str, Any] = process.receive()
    except EndedError as error:
        return Failure(f"the code {error}")
    if frames.ERROR not in answer:
        return answer
    said = clean(frames.words(answer[frames.ERROR].ravel().view("u1")))
    if said.startswith(("TodoError:", "NameError: name 'todo'")):
        return Failure(UNWRITTEN)
    line = answer.get(frames.LINE)
    if line is not None and line.shape == () and 0 < int(line.real) < 10**6:
        said += f" ({source[0]}, line {int(line.real) + source[1]})"
    return Failure(f"raised {said}")


def _row(row: Row, points: int, what: str) -> RowResult:
    return RowResult(row.name, points, row.points, row.hidden, clean(what))


def _hinted(rows: Sequence[Row], results: Sequence[RowResult]) -> tuple[RowResult, ...]:
    """Return the results, the first that failed with its hint: the next step."""
    first = next((i for i, r in enumerate(results) if r.points < r.worth), None)
    return tuple(
        RowResult(r.name, r.points, r.worth, r.hidden, r.what, row.hint)
        if i == first
        else r
        for i, (row, r) in enumerate(zip(rows, results, strict=True))
    )


@contextmanager
def _folder(where: Path) -> Iterator[Path]:
    """Give a folder that is gone afterwards, whatever was done to what is in it."""
    folder = Path(os.path.realpath(tempfile.mkdtemp(dir=where)))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        for place, folders, _ in os.walk(folder):
            for name in folders:  # a folder made without rights cannot be removed
                path = os.path.join(place, name)
                if not os.path.islink(path):
                    os.chmod(path, stat.S_IRWXU)
        shutil.rmtree(folder, ignore_errors=True)
