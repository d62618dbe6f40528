"""Trials of the reference, its blanks and the mutants, each task in a fresh process.

The expected answers come from the stripped tree as it is; a task is then judged with
one region grafted, exactly as a submission is. Only the instructor's code runs here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from ..answers import Answer, Arrays, Failure, Group, answered, inputs_of
from ..assignment import Assignment
from ..errors import CourseError, RegionError
from ..judge import Verdict, judge_row, settled
from ..rows import Row
from ..source_tree import module_name, overrides

LOOK = 4  # draws of every row, to see whether the right answer depends on them

Asked = list[tuple[str, Arrays]]


class Trial:
    """One assignment on one tree; `tree` is the folder of `reference_tree`."""

    def __init__(self, assignment: Assignment, tree: Path) -> None:
        self.assignment, self.tree = assignment, Path(tree).resolve()
        self._verdicts: dict[tuple[str, str], list[tuple[Row, Verdict]]] = {}

    def inputs(self, row: Row) -> list[Arrays]:
        """Return what the row asks: draws of the public seed, other ones if hidden."""
        seed, student = self.assignment.seed, ""
        if row.hidden:
            seed, student = f"{seed}, hidden", "check"
        return [inputs_of(row, seed, student, i) for i in range(max(LOOK, row.draws))]

    @cached_property
    def expected(self) -> list[list[Arrays]]:
        """The reference's answers to every draw of every row of the assignment."""
        rows = self.assignment.rows
        drawn = [self.inputs(row) for row in rows]
        asked = [(r.call, x) for r, xs in zip(rows, drawn, strict=True) for x in xs]
        given = iter(self.run({}, asked, 10 * self.assignment.seconds))
        return [
            [_answered(row, next(given)) for _ in xs]
            for row, xs in zip(rows, drawn, strict=True)
        ]

    def judged(
        self, task: str, student: str | None = None
    ) -> list[tuple[Row, Verdict]]:
        """Return the verdicts on a task's rows, with the student's text of its file."""
        rows = self.assignment.rows
        mine = [(r, e) for r, e in zip(rows, self.expected, strict=True)
                if r.task == task]  # fmt: skip
        try:
            files = overrides(self.assignment, task, student)
        except RegionError as error:
            wrong = Failure(str(error))
            return [(r, judge_row(r, [wrong], e[:1])) for r, e in mine]
        key = (task, repr(sorted(files.items())))
        if key not in self._verdicts:
            asked = [(r.call, x) for r, _ in mine for x in self.inputs(r)[: r.draws]]
            seconds = self.assignment.tasks[task].seconds
            given = iter(self.run(files, asked, seconds))
            found = [
                (r, judge_row(r, [next(given) for _ in range(r.draws)], e[: r.draws]))
                for r, e in mine
            ]
            self._verdicts[key] = [
                (r, verdict)
                for (r, _), verdict in zip(mine, settled(found), strict=True)
            ]
        return self._verdicts[key]

    def points(self, task: str, student: str | None = None) -> int:
        """Return the points of a task."""
        return sum(verdict.points for _, verdict in self.judged(task, student))

    def submission(self, files: Mapping[str, str]) -> dict[str, int]:
        """Return the points of each task of a submission: texts by file names."""
        tasks = self.assignment.tasks.values()
        return {t.name: self.points(t.name, files.get(t.file)) for t in tasks}

    def run(
        self, files: Mapping[str, str], asked: Asked, seconds: float
    ) -> list[Answer]:
        """Return a fresh process's answers, with some files of the tree changed."""
        modules = {module_name(file): text for file, text in files.items()}
        calls = self.assignment.folder / "calls.py"
        (given,) = answered(self.tree, calls, modules, [Group(asked, seconds)])
        return [g.answer for g in given]


def _answered(row: Row, answer: Answer) -> Arrays:
    if isinstance(answer, Failure):
        why = f"{row.task}, {row.name}: the reference itself {answer.what}"
        raise CourseError(why)
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
