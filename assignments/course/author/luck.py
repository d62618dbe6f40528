"""Luck decides no point: an answer gets the same points from every student.

Rows are drawn for each student, and a draw that does not ask the question lets a wrong
answer pass. So every mutant is asked as many students would be, in one process, and
must lose the same points for all of them. A variant, which is right, must lose none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from ..answers import Answer, Arrays, Failure, inputs_of
from ..assignment import Assignment, Task
from ..errors import CourseError
from ..judge import Verdict, judge_row, settled
from ..regions import region_of, replace
from ..rows import Patch, Row, Variant
from ..source_tree import overrides
from .mutation import mutated
from .trial import Trial

JOBS = 2
SECONDS = 300.0  # for all students of a patch


def luck_faults(trial: Trial, students: int) -> list[str]:
    """Return a sentence for each patch whose points depend on the student."""
    a = trial.assignment
    found = []
    with ThreadPoolExecutor(JOBS) as pool:
        for task in a.tasks.values():
            rows = [row for row in a.rows if row.task == task.name]
            asked = _asked(a, rows, students)
            questions = [(row.call, x) for row, _, xs in asked for x in xs]
            right = trial.run({}, questions, SECONDS)
            every = [*a.mutants, *a.variants]
            patches = [patch for patch in every if patch.task == task.name]

            def points(
                patch: Patch, task: Task = task, asked: list[Asked] = asked,
                right: list[Answer] = right,
            ) -> list[int]:  # fmt: skip
                return _points(trial, task, patch, asked, right, students)

            for patch, got in zip(patches, pool.map(points, patches), strict=True):
                found += list(_fault(task, patch, got))
    return found


Asked = tuple[Row, int, list[Arrays]]  # a row, which student, the draws


def _asked(a: Assignment, rows: list[Row], students: int) -> list[Asked]:
    def drawn(row: Row, s: int) -> list[Arrays]:
        seed = f"{a.seed}, luck"
        return [inputs_of(row, seed, f"s{s}", i) for i in range(row.draws)]

    return [(row, s, drawn(row, s)) for row in rows for s in range(students)]


def _points(
    trial: Trial, task: Task, patch: Patch, asked: list[Asked], right: list[Answer],
    students: int,
) -> list[int]:  # fmt: skip
    """Return the points of a patched region, student by student."""
    a = trial.assignment
    source = a.source(task.file)
    region = region_of(source, task.name, task.file)
    text = replace(source, region, mutated(a, patch))
    try:
        files = overrides(a, task, text)
    except CourseError:  # no Python: nobody gets a point
        return [0] * students
    questions = [(row.call, x) for row, _, xs in asked for x in xs]
    given, expected = iter(trial.run(files, questions, SECONDS)), iter(right)
    found: list[list[tuple[Row, Verdict]]] = [[] for _ in range(students)]
    for row, student, xs in asked:
        pairs = [(next(given), next(expected)) for _ in xs]
        known = [dict(e) for _, e in pairs if not isinstance(e, Failure)]
        if len(known) == len(pairs):
            verdict = judge_row(row, [g for g, _ in pairs], known)
            found[student].append((row, verdict))
    return [sum(verdict.points for verdict in settled(rows)) for rows in found]


def _fault(task: Task, patch: Patch, points: list[int]) -> Iterator[str]:
    if isinstance(patch, Variant):
        if lost := sum(p < task.points for p in points):
            least = f"{min(points)} of {task.points}"
            name = f"{task.name}: the variant {patch.name!r}"
            yield f"{name} loses points from {lost} students: {least}"
        return
    name = f"{task.name}: the mutant {patch.name!r}"
    if max(points) >= task.points:
        yield f"{name} gets all points from {points.count(max(points))} students"
    if len(set(points)) > 1:
        counts = sorted(Counter(points).items())
        some = ", ".join(f"{n} students {p}" for p, n in counts)
        yield f"{name} gets points by luck: {some}"
