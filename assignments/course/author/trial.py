"""Trials of the reference, its blanks and the mutants, each with a fresh engine.

The expected answers come from the stripped tree as it is; a task is then judged with
one region grafted, exactly as a submission is. The same process answers what a class of
students would be asked (luck.py), and then imports the engine with the next text. Only
the instructor's code runs here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..answers import Arrays, Failure, Given, Group, answered, inputs_of
from ..assignment import Assignment
from ..errors import CourseError, RegionError
from ..judge import Verdict, judge_row, settled
from ..regions import region_of
from ..rows import Row
from ..source_tree import module_name, overrides
from .luck import Students

LOOK = 4  # draws of every row, to see whether the right answer depends on them
SECONDS = 300.0  # for all students together


@dataclass(frozen=True)
class Judged:
    """What a region gets: a verdict on each row, and the points of each student."""

    rows: list[tuple[Row, Verdict]]
    students: list[int]


class Trial:
    """One assignment on one tree, and so many students who are asked about it.

    tree   the folder of `reference_tree`
    """

    def __init__(self, assignment: Assignment, tree: Path, students: int = 0) -> None:
        self.assignment, self.tree = assignment, Path(tree).resolve()
        self.students = Students(assignment, students)
        self._judged: dict[tuple[str, str], Judged] = {}
        self._drawn: dict[tuple[str, str], list[Arrays]] = {}
        self._files: dict[tuple[str, str], dict[str, str]] = {}

    def inputs(self, row: Row) -> list[Arrays]:
        """Return what the row asks: draws of the public seed, other ones if hidden."""
        key = row.task, row.name
        if key not in self._drawn:
            seed, student = self.assignment.seed, ""
            if row.hidden:
                seed, student = f"{seed}, hidden", "check"
            draws = range(max(LOOK, row.draws))
            self._drawn[key] = [inputs_of(row, seed, student, i) for i in draws]
        return self._drawn[key]

    @cached_property
    def expected(self) -> list[list[Arrays]]:
        """The reference's answers to every draw of every row of the assignment."""
        rows = self.assignment.rows
        drawn = [self.inputs(row) for row in rows]
        asked = [(r.call, x) for r, xs in zip(rows, drawn, strict=True) for x in xs]
        tasks = self.assignment.tasks
        groups = [Group(self.students.questions(task), SECONDS) for task in tasks]
        own, *more = self.run([Group(asked, 10 * self.assignment.seconds), *groups])
        self._right = {
            task: [_answered(task, g) for g in group]
            for task, group in zip(tasks, more, strict=True)
        }
        given = iter(own)
        return [
            [_answered(f"{row.task}, {row.name}", next(given)) for _ in xs]
            for row, xs in zip(rows, drawn, strict=True)
        ]

    def judged(self, task: str, student: str | None = None) -> Judged:
        """Judge a task with the student's text of its file; None is the reference."""
        (found,) = self.several(task, [student])
        return found

    def several(self, task: str, students: Sequence[str | None]) -> list[Judged]:
        """Judge a task with one text after the other, in one process."""
        mine = [(r, e) for r, e in zip(self.assignment.rows, self.expected, strict=True)
                if r.task == task]  # fmt: skip
        asked = [(r.call, x) for r, _ in mine for x in self.inputs(r)[: r.draws]]
        seconds = self.assignment.tasks[task].seconds
        many = self.students.questions(task)
        keys, new, groups = list[tuple[str, str]](), list[tuple[str, str]](), []
        for student in students:
            try:
                files = self._overrides(task, student)
            except RegionError as error:
                keys.append((task, str(error)))
                wrong = Failure(str(error))
                verdicts = [(r, judge_row(r, [wrong], e[:1])) for r, e in mine]
                self._judged[keys[-1]] = Judged(verdicts, [0] * self.students.number)
                continue
            keys.append((task, repr(sorted(files.items()))))
            if keys[-1] not in self._judged and keys[-1] not in new:
                new.append(keys[-1])
                modules = {module_name(file): text for file, text in files.items()}
                groups += [
                    Group(asked, seconds, modules),
                    Group(many, SECONDS, modules),
                ]
        given = iter(self.run(groups))
        for key in new:
            self._judged[key] = self._verdicts(task, mine, next(given), next(given))
        return [self._judged[key] for key in keys]

    def _overrides(self, task: str, student: str | None) -> dict[str, str]:
        """Return the files of a graft, made once for every text of the region."""
        text = ""
        if student is not None:
            region = region_of(student, task, self.assignment.tasks[task].file)
            text = f"{region.indent}|{region.code}"
        if (task, text) not in self._files:
            self._files[task, text] = overrides(self.assignment, task, student)
        return self._files[task, text]

    def _verdicts(
        self, task: str, rows: list[tuple[Row, list[Arrays]]],
        own: list[Given], many: list[Given],
    ) -> Judged:  # fmt: skip
        """Judge what came for the check's own draws, and for those of the students."""
        given = iter(g.answer for g in own)
        found = [
            (r, judge_row(r, [next(given) for _ in range(r.draws)], e[: r.draws]))
            for r, e in rows
        ]
        verdicts = [
            (r, verdict) for (r, _), verdict in zip(found, settled(found), strict=True)
        ]
        answers = [g.answer for g in many]
        return Judged(verdicts, self.students.points(task, answers, self._right[task]))

    def points(self, task: str, student: str | None = None) -> int:
        """Return the points of a task."""
        return sum(v.points for _, v in self.judged(task, student).rows)

    def submission(self, files: Mapping[str, str]) -> dict[str, int]:
        """Return the points of each task of a submission: texts by file names."""
        tasks = self.assignment.tasks.values()
        return {t.name: self.points(t.name, files.get(t.file)) for t in tasks}

    def run(self, groups: Sequence[Group]) -> Iterator[list[Given]]:
        """Yield a fresh process's answers to groups of questions."""
        return answered(self.tree, self.assignment.folder / "calls.py", groups)


def _answered(where: str, given: Given) -> Arrays:
    answer = given.answer
    if isinstance(answer, Failure):
        raise CourseError(f"{where}: the reference itself {answer.what}")
    return dict(answer)


def depends(row: Row, expected: Sequence[Arrays]) -> bool:
    """Whether the right answer changes from draw to draw."""
    first = expected[0]
    names = row.answers or tuple(first)
    return any(
        other[name].shape != first[name].shape
        or other[name].tobytes() != first[name].tobytes()
        for other in expected[1:]
        for name in names
        if name in other and name in first
    )
