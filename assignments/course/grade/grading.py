"""Grading one submission: each task alone, inside of the reference, behind walls.

For a task the student's region is grafted into the reference's file, a process is
started that has this file as its module (child.py), and every row is asked: inputs go
in, arrays come out. What is right is computed here, by the reference and from the same
inputs, while the process computes too; the verdict is made here.

What a student did costs points. What happened to the grader (a process that somebody
else killed, a start that took minutes) is a NotGradedError, after a second try.
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..answers import Answer, Arrays, Failure, ask, inputs_of
from ..assignment import Assignment, Task
from ..errors import RegionError
from ..judge import Verdict, judge_row, settled
from ..leaks import telling
from ..regions import blank, region_of, regions
from ..rows import Row
from ..sandbox import folders, frames, sweep
from ..sandbox.box import Box, Job, statement
from ..sandbox.process import EndedError, Process
from ..sentences import say
from ..source_tree import grafted, machinery, module_name, stripped
from .imports import refused
from .intake import Submission
from .results import Result, RowResult, TaskResult, clean
from .trees import Trees

UNWRITTEN = say("unwritten")
OURS = ("start", "killed")  # ends of a process that are not the student's doing
SAID = 160  # letters of an exception's text that are shown
EXPLAINED = Path(__file__).with_name("explained.py")
GRADED = ("assignment.cfg", "rows.py", "hidden.py", "calls.py")


class NotGradedError(Exception):
    """The grader failed, not the student."""


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
            status=_status(submission, tasks),
        )  # fmt: skip

    def key(self, submission: Submission) -> str:
        """Return what decides whether a result is still true."""
        state = hashlib.blake2b(digest_size=16, key=self.secret.encode()[:64])
        said = "\n".join(submission.notes)
        for part in (submission.digest, said, self.state, self.box.level):
            state.update(f"{len(part)} {part}".encode("utf-8", "replace"))
        return state.hexdigest()

    @cached_property
    def state(self) -> str:
        """A digest of all code and settings that a grade depends on."""
        folder = self.assignment.folder
        files = stripped(self.assignment.root) | machinery()
        files |= {n: (folder / n).read_bytes() for n in GRADED if (folder / n).exists()}
        files["versions"] = f"{sys.version_info[:2]} {np.__version__}".encode()
        state = hashlib.blake2b(digest_size=16)
        for name, content in sorted(files.items()):
            state.update(f"{name} {len(content)} ".encode() + content)
        return state.hexdigest()

    def task(self, task: Task, submission: Submission) -> TaskResult:
        """Grade one task; once more if something else came in between."""
        rows = [row for row in self.assignment.rows if row.task == task.name]
        text, start = submission.texts.get(task.file), time.monotonic()
        printed, graft = "", _graft(self.assignment, task, text)
        if isinstance(graft, Failure):
            verdicts = _all(rows, graft.what)
        else:
            place = _place(self.assignment, task, str(text))
            try:
                run = self._asked(task, graft, rows, submission.student, place)
            except EndedError:
                run = self._again(task, graft, rows, submission.student, place)
            verdicts, printed = run
        return TaskResult(
            task.name, task.title, task.file, _results(rows, verdicts),
            round(time.monotonic() - start, 3), printed,
        )  # fmt: skip

    def _again(
        self, task: Task, graft: str, rows: Sequence[Row], student: str,
        place: tuple[str, int],
    ) -> tuple[list[Verdict], str]:  # fmt: skip
        """Ask a second time; whoever does not even start is compared with the blank."""
        try:
            return self._asked(task, graft, rows, student, place)
        except EndedError as error:
            if error.why == "start" and self._starts(task):
                return _all(rows, say("the code", said=error)), ""
            raise NotGradedError(f"{task.name}: the process {error}, twice") from None

    def _asked(
        self, task: Task, graft: str, rows: Sequence[Row], student: str,
        place: tuple[str, int],
    ) -> tuple[list[Verdict], str]:  # fmt: skip
        """Return the verdicts on a task's rows, and what the process printed.

        Raises EndedError for an end that is not the student's doing.
        """
        with self._process(task, graft) as process:
            found = [(r, self._judged(process, r, student, place)) for r in rows]
            printed = process.output.decode("utf-8", "replace")
            return settled(found), clean(self._anywhere(printed, process))

    def _starts(self, task: Task) -> bool:
        """Whether a blank starts, where a student's file does not."""
        empty = blank(self.assignment.source(task.file), [task.name])
        row = next(row for row in self.assignment.rows if row.task == task.name)
        try:
            self._asked(task, empty, [row], "", (task.file, 0))
        except EndedError:
            return False
        return True

    def explained(self, task: Task, row: Row, submission: Submission) -> str:
        """Return what `check.explain` says of a row of gradients; "" if nothing."""
        graft = _graft(self.assignment, task, submission.texts.get(task.file))
        if isinstance(graft, Failure) or row.hidden or row.compare == "kind":
            return ""
        seed = f"{self.assignment.seed}, {self.secret}"
        inputs = inputs_of(row, seed, submission.student)
        if "u" not in inputs:
            return ""
        asked = {frames.CALL: frames.text("explained_"), "call_": frames.text(row.call)}
        try:
            with self._process(task, graft, EXPLAINED.read_text("utf-8")) as process:
                process.send(asked | inputs)
                answer = process.receive()
            return clean(frames.words(answer["said"]))
        except (EndedError, KeyError, frames.FrameError):
            return ""

    @contextmanager
    def _process(self, task: Task, graft: str, more: str = "") -> Iterator[Process]:
        """Give a fresh process that has the student's file as its module.

        more   lines to put behind those of calls.py
        """
        with folders.temporary(self.scratch) as folder:
            code, home = folder / "code", folder / "home"
            code.mkdir()
            home.mkdir()
            source = code / Path(task.file).name
            source.write_text(graft, encoding="utf-8")
            calls = code / "calls.py"
            text = (self.assignment.folder / "calls.py").read_text(encoding="utf-8")
            calls.write_text(f"{text}\n{more}", encoding="utf-8")
            region = region_of(graft, task.name)
            job = Job(
                str(calls), str(self.trees.tree(task)), module_name(task.file),
                str(source), (region.start, region.end), task.seconds,
                self.assignment.memory,
            )  # fmt: skip
            with self.box.start(job, str(home)) as process:
                yield process

    def _judged(
        self, process: Process, row: Row, student: str, place: tuple[str, int]
    ) -> Verdict:
        """Ask a row's draws and judge the answers."""
        given: list[Answer] = []
        expected: list[Arrays] = []
        for i in range(row.draws):
            inputs = inputs_of(
                row, f"{self.assignment.seed}, {self.secret}", student, i
            )
            try:
                process.send({frames.CALL: frames.text(row.call), **inputs})
                expected.append(self._right(row, inputs))
                answer = process.receive()
                given.append(self._answer(answer, place, process))
            except EndedError as error:
                if error.why in OURS:
                    raise
                expected = expected or [self._right(row, inputs)]
                given = [Failure(say("the code", said=error))]
                return judge_row(row, given, expected[:1])
        return judge_row(row, given, expected)

    def _right(self, row: Row, inputs: Arrays) -> Arrays:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ask(self.assignment.calls, row, inputs)

    def _answer(
        self, answer: dict[str, Any], place: tuple[str, int], process: Process
    ) -> Answer:
        """Return the arrays that came back, or what came instead of them."""
        told = frames.told(answer)
        if told is None:
            return answer
        words, line = self._anywhere(told[0], process), told[1]
        if words.startswith(("TodoError:", "NameError: name 'todo'")):
            return Failure(UNWRITTEN)
        said = clean(words, SAID)
        if quotes(words, self.solutions):
            said = say("quotes", said=said.partition(":")[0])
        where = f" ({place[0]}, line {line + place[1]})" if line else ""
        return Failure(say("raised", said=f"{said}{where}"))

    def _anywhere(self, words: str, process: Process) -> str:
        """Return a text without our folders, which have other names each time."""
        words = re.sub(rf"{re.escape(str(self.trees.folder))}/[^/\s]+/", "", words)
        return words.replace(str(Path(process.home).parent), "")

    @cached_property
    def solutions(self) -> tuple[str, ...]:
        """The telling lines of all assignments' solutions, without their spaces."""
        texts = (
            content.decode("utf-8", "replace")
            for name, content in stripped(self.assignment.root).items()
            if name.endswith(".py") and b"# region " in content
        )
        codes = (r.code for text in texts for r in regions(text).values())
        return tuple(line for code in codes for line in telling(code))


def quotes(words: str, lines: Sequence[str]) -> bool:
    """Whether a text holds one of some lines; spaces and their escapes do not count.

    >>> quotes(r"'a = 1\\n    y = exp(z) / 2'", ["y=exp(z)/2"])
    True
    """
    bare = "".join(words.replace("\\n", "").replace("\\t", "").split())
    return any(line in bare for line in lines)


def _graft(assignment: Assignment, task: Task, text: str | None) -> str | Failure:
    """Return the file that is graded, or why nothing needs to run."""
    if text is None:
        return Failure(say("missing", file=task.file))
    try:
        code = region_of(text, task.name, task.file).code
        if code.split() == _empty(assignment.source(task.file), task.name):
            return Failure(UNWRITTEN)
        if why := refused(code):
            return Failure(why)
        return grafted(assignment, task, text)
    except RegionError as error:
        return Failure(str(error))
    except (RecursionError, MemoryError, ValueError, SyntaxError) as error:
        return Failure(f"{task.file} cannot be read as Python ({type(error).__name__})")


@cache
def _empty(source: str, task: str) -> list[str]:
    """Return the words of a blank."""
    return region_of(blank(source, [task]), task).code.split()


def _place(assignment: Assignment, task: Task, text: str) -> tuple[str, int]:
    """Return the student's file, and how far its lines are from the graded file's."""
    ours = region_of(assignment.source(task.file), task.name)
    return task.file, region_of(text, task.name).start - ours.start


def _status(submission: Submission, tasks: Sequence[TaskResult]) -> str:
    """Return "untouched" of what is as it was handed out."""
    whats = {row.what for task in tasks for row in task.rows}
    return "untouched" if whats == {UNWRITTEN} else submission.status


def _all(rows: Sequence[Row], why: str) -> list[Verdict]:
    """Return the verdicts on rows that nobody needs to ask."""
    return [Verdict(0, False, why, "" if row.hidden else row.hint) for row in rows]


def _results(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> tuple[RowResult, ...]:
    """Return what is kept of the verdicts: of the hints the first."""
    first = next((i for i, v in enumerate(verdicts) if v.hint), None)
    return tuple(
        RowResult(
            row.name, v.points, row.points, row.hidden, clean(v.what),
            v.hint if i == first else "",
        )
        for i, (row, v) in enumerate(zip(rows, verdicts, strict=True))
    )  # fmt: skip
