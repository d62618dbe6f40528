"""A student's own score, in the student's own process: points per task, the next hint.

Only public rows are asked, with the answers that came with the edition. It is feedback
and no grade: a grade takes hidden rows, other inputs, and a task at a time.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minidl import errors
from minidl.course.asking import Arrays, ask, inputs_of
from minidl.course.assignment import Assignment, Task, find
from minidl.course.cut.regions import region_of
from minidl.course.edition import stored
from minidl.course.edition.release import outside
from minidl.course.judging import Answer, Failure, Verdict, judge_row
from minidl.course.rows import Row
from minidl.errors import CourseError, RegionError


@dataclass(frozen=True)
class Check:
    """One public row, asked of the package that is imported here."""

    assignment: Assignment
    row: Row

    def verdict(self) -> Verdict:
        """Ask every draw of the row, and compare with what came with the edition."""
        row, a = self.row, self.assignment
        asked = [inputs_of(row, a.seed, "", i) for i in range(row.draws)]
        given = [self._answer(x) for x in asked]
        if a.edition:
            return judge_row(row, given, stored.expected(a, row))
        # in a clone the engine is the reference: all there is to see is that it answers
        bad = next((g for g in given if isinstance(g, Failure)), None)
        if bad is not None:
            return Verdict(0, False, bad.what)
        return Verdict(row.points, True, "right")

    def wrong(self) -> str:
        """Return what is wrong and the hint, or "" if nothing is."""
        found = self.verdict()
        return "" if found.right else f"{self}: {found.what}\nHint: {self.row.hint}"

    def _answer(self, inputs: Arrays) -> Answer:
        try:
            return ask(self.assignment.calls, self.row, inputs)
        except CourseError:
            raise
        except Exception as error:
            return explained(error, self.row.task, self.assignment.root)

    def __str__(self) -> str:
        return f"{self.row.task}: {self.row.name}"


@dataclass(frozen=True)
class TaskScore:
    """What a task has so far: its rows with their verdicts, and what to say of it."""

    task: Task
    verdicts: Sequence[tuple[Row, Verdict]]
    note: str

    @property
    def points(self) -> int:
        """The points of its rows that are right."""
        return sum(verdict.points for _, verdict in self.verdicts)

    @property
    def of(self) -> int:
        """The points of its public rows."""
        return sum(row.points for row, _ in self.verdicts)


def checks(place: Path | str) -> list[Check]:
    """Return a check for each public row of the assignment that a file belongs to.

    For tests/test_aN.py, which hands over its `__file__`.
    """
    for folder in Path(place).resolve().parents:
        if (folder / "assignment.cfg").is_file():
            clone = folder.parent.name == "assignments"
            root = folder.parents[1] if clone else folder
            found = find(folder.name if clone else "", root)
            return [Check(found, row) for row in found.public]
    raise CourseError(f"{place} stands in no assignment's folder")


def score(assignment: Assignment) -> list[TaskScore]:
    """Return the score of each task, by the package that is imported here."""
    home = Path(errors.__file__).resolve().parents[1]
    if home != assignment.root.resolve():
        raise CourseError(
            f"the minidl that runs now is the one in {home}, not yours in "
            f"{assignment.root}; go to that folder and say `python -m minidl course "
            "score`"
        )
    tasks = assignment.tasks.values()
    return [_scored(assignment, task) for task in tasks]


def _scored(assignment: Assignment, task: Task) -> TaskScore:
    rows = [row for row in assignment.public if row.task == task.name]
    try:
        region_of(assignment.source(task.file), task.name, task.file)
        lost = ""
    except RegionError as error:
        lost = str(error)
    verdicts = [(row, Check(assignment, row).verdict()) for row in rows]
    first = [_said(row, verdict) for row, verdict in verdicts if not verdict.right]
    return TaskScore(task, verdicts, lost or "".join(first[:1]))


def _said(row: Row, verdict: Verdict) -> str:
    """Return what a student is told who fails at a row."""
    if verdict.what == UNWRITTEN or verdict.what.startswith("needs "):
        return verdict.what
    return f"{row.name}: {verdict.what}\nhint: {row.hint}"


UNWRITTEN = "not written yet"


def explained(error: BaseException, task: str, root: Path) -> Failure:
    """Return what an exception of the code under test means for a task.

    >>> explained(errors.TodoError("a1.1"), "a1.2", Path()).what
    'needs a1.1 first'
    """
    cause: BaseException | None = error
    seen: list[BaseException] = []  # the engine raises some errors from themselves
    while cause is not None and cause not in seen:
        seen.append(cause)
        if isinstance(cause, errors.TodoError):
            if cause.task == task:
                return Failure(UNWRITTEN)
            return Failure(f"needs {cause.task} first", cause.task)
        cause = cause.__cause__ or cause.__context__
    what = f"raised {type(error).__name__}: {error}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(root) and "course" not in path.parts:
            return Failure(f"{what} ({path.relative_to(root)}, line {frame.lineno})")
    return Failure(what)


def strays(assignment: Assignment) -> list[str]:
    """Return the files that were changed outside of the markers."""
    path = assignment.folder / "released.json"
    if not path.is_file():
        return []
    found = []
    for file, digest in json.loads(path.read_text(encoding="utf-8"))["outside"].items():
        try:
            if outside(assignment.source(file)) != digest:
                found.append(file)
        except (RegionError, CourseError):
            found.append(file)
    return found
