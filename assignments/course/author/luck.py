"""Luck decides no point: an answer gets the same points from every student.

Rows are drawn for each student, and a draw that does not ask the question lets a wrong
answer pass. So every mutant is asked as many students would be (trial.py: in the
process that judges it), and must lose the same points for all of them. A variant, which
is right, must lose none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ..answers import Answer, Arrays, Question, inputs_of
from ..assignment import Assignment, Task
from ..judge import Verdict, judge_row, settled
from ..rows import Patch, Row, Variant

Asked = tuple[Row, int, list[Question]]  # a row, which student, the draws


class Students:
    """So many students of an assignment: what each is asked, and what each gets."""

    def __init__(self, assignment: Assignment, number: int) -> None:
        self.assignment, self.number = assignment, number
        self._asked: dict[str, list[Asked]] = {}

    def questions(self, task: str) -> list[Question]:
        """Return what all students are asked in a task."""
        return [question for _, _, draws in self._rows(task) for question in draws]

    def points(
        self, task: str, given: Sequence[Answer], right: Sequence[Arrays]
    ) -> list[int]:
        """Return the points of a task, student by student, for answers to questions."""
        pairs = iter(zip(given, right, strict=True))
        found: list[list[tuple[Row, Verdict]]] = [[] for _ in range(self.number)]
        for row, student, draws in self._rows(task):
            some = [next(pairs) for _ in draws]
            verdict = judge_row(row, [g for g, _ in some], [e for _, e in some])
            found[student].append((row, verdict))
        return [sum(verdict.points for verdict in settled(rows)) for rows in found]

    def _rows(self, task: str) -> list[Asked]:
        if task not in self._asked:
            seed = f"{self.assignment.seed}, luck"
            self._asked[task] = [
                (row, s, [(row.call, inputs_of(row, seed, f"s{s}", i))
                          for i in range(row.draws)])
                for row in self.assignment.rows if row.task == task
                for s in range(self.number)
            ]  # fmt: skip
        return self._asked[task]


def luck_faults(task: Task, patch: Patch, points: Sequence[int]) -> Iterator[str]:
    """Yield a sentence if the points of a patch, by student, depend on the student."""
    if isinstance(patch, Variant):
        if lost := sum(p < task.points for p in points):
            least = f"{min(points)} of {task.points}"
            name = f"{task.name}: the variant {patch.name!r}"
            yield f"{name} loses points from {lost} students: {least}"
        return
    name = f"{task.name}: the mutant {patch.name!r}"
    if points and max(points) >= task.points:
        yield f"{name} gets all points from {list(points).count(max(points))} students"
    if len(set(points)) > 1:
        counts = sorted(Counter(points).items())
        some = ", ".join(f"{n} students {p}" for p, n in counts)
        yield f"{name} gets points by luck: {some}"
