"""Luck decides no point: each wrong answer gets the same points from every student.

Rows are drawn for each student, and a draw that does not ask the question lets a wrong
answer pass. So every mutant is asked as many students would be, in one process, and
must lose the same points for all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from ..answers import Answer, Arrays, Failure, inputs_of
from ..assignment import Assignment, Task
from ..errors import CourseError
from ..judge import judge_row
from ..regions import region_of, replace
from ..rows import Mutant, Row
from ..source_tree import overrides
from .mutation import mutated
from .trial import Trial

JOBS = 2
SECONDS = 300.0  # for all students of a mutant


def luck_faults(trial: Trial, students: int) -> list[str]:
    """Return a sentence for each mutant that some students get more points for."""
    a = trial.assignment
    found = []
    with ThreadPoolExecutor(JOBS) as pool:
        for task in a.tasks.values():
            rows = [row for row in a.rows if row.task == task.name]
            asked = _asked(a, rows, students)
            questions = [(row.call, x) for row, _, xs in asked for x in xs]
            right = trial.run({}, questions, SECONDS)
            wrong = [m for m in a.mutants if m.task == task.name]

            def points(
                mutant: Mutant, task: Task = task, asked: list[Asked] = asked,
                right: list[Answer] = right,
            ) -> list[int]:  # fmt: skip
                return _points(trial, task, mutant, asked, right, students)

            for mutant, got in zip(wrong, pool.map(points, wrong), strict=True):
                found += list(_fault(task, mutant, got))
    return found


Asked = tuple[Row, int, list[Arrays]]  # a row, which student, the draws


def _asked(a: Assignment, rows: list[Row], students: int) -> list[Asked]:
    def drawn(row: Row, s: int) -> list[Arrays]:
        seed = f"{a.seed}, luck"
        return [inputs_of(row, seed, f"s{s}", i) for i in range(row.draws)]

    return [(row, s, drawn(row, s)) for row in rows for s in range(students)]


def _points(
    trial: Trial, task: Task, mutant: Mutant, asked: list[Asked], right: list[Answer],
    students: int,
) -> list[int]:  # fmt: skip
    """Return the points of a mutant, student by student."""
    a = trial.assignment
    source = a.source(task.file)
    region = region_of(source, task.name, task.file)
    text = replace(source, region, mutated(a, mutant))
    try:
        files = overrides(a, task, text)
    except CourseError:  # no Python: nobody gets a point
        return [0] * students
    questions = [(row.call, x) for row, _, xs in asked for x in xs]
    given, expected = iter(trial.run(files, questions, SECONDS)), iter(right)
    points = [0] * students
    for row, student, xs in asked:
        pairs = [(next(given), next(expected)) for _ in xs]
        known = [dict(e) for _, e in pairs if not isinstance(e, Failure)]
        if len(known) == len(pairs):
            verdict = judge_row(row, [g for g, _ in pairs], known)
            points[student] += verdict.points
    return points


def _fault(task: Task, mutant: Mutant, points: list[int]) -> Iterator[str]:
    name = f"{task.name}: the mutant {mutant.name!r}"
    if max(points) >= task.points:
        yield f"{name} gets all points from {points.count(max(points))} students"
    if len(set(points)) > 1:
        counts = sorted(Counter(points).items())
        some = ", ".join(f"{n} students {p}" for p, n in counts)
        yield f"{name} gets points by luck: {some}"
