"""A student's own score: the public rows, points per task, the next hint.

Only public rows are asked, with the answers that came with the edition. It is feedback
and no grade: a grade takes hidden rows, other inputs, and a task at a time.

The engine runs in another process (answers.py), made of the files as they were handed
out with the student's regions in them. A region that is no Python stays blank there, so
that a slip costs its own task, and what stands outside of the markers does not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from . import originals
from .answers import Answer, Failure, Given, Group, answered, inputs_of
from .assignment import CONFIG, Assignment, Task, find
from .causes import causes, watched
from .errors import CourseError, RegionError
from .expected import expected
from .graft import graft
from .judge import ALONE, Verdict, judge_row, settled
from .regions import region_of, regions
from .rows import Row
from .sentences import say
from .source_tree import module_name

UNWRITTEN = say("unwritten")


@dataclass(frozen=True)
class TaskScore:
    """What a task has so far: its rows with their verdicts, and what to say of it.

    ran      the regions that ran, by the names of the rows
    foreign  whether it fails because of another task only
    """

    task: Task
    verdicts: Sequence[tuple[Row, Verdict]]
    note: str
    ran: Mapping[str, set[str]] = field(default_factory=dict)
    foreign: bool = False

    @property
    def points(self) -> int:
        """The points of its rows that are right."""
        return sum(verdict.points for _, verdict in self.verdicts)

    @property
    def of(self) -> int:
        """The points of its public rows."""
        return sum(row.points for row, _ in self.verdicts)


@dataclass(frozen=True)
class Work:
    """The files of a student's folder as they are asked.

    texts   the files with all regions that can be grafted, by their names
    lost    why a region cannot be, by its task
    """

    assignment: Assignment
    texts: Mapping[str, str] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)

    @property
    def modules(self) -> dict[str, str]:
        """The texts by their modules, all regions watched."""
        return {module_name(file): watched(text) for file, text in self.texts.items()}

    def where(self, place: tuple[str, int]) -> str:
        """Return a place of the code in the student's own files, "" if in none."""
        path, line = Path(place[0]), place[1]
        if not line:
            return ""
        root = self.assignment.root
        if path.is_relative_to(root):
            return f"{path.relative_to(root).as_posix()}, line {line}"
        for file, text in self.texts.items():
            if path.name == f"graft.{module_name(file)}.py":
                return f"{file}, line {self._line(file, text, line)}"
        return ""

    def _line(self, file: str, text: str, line: int) -> int:
        for name, region in regions(text).items():
            if region.start < line < region.end and name in self.assignment.tasks:
                own = region_of(self.assignment.source(file), name, file)
                return line - region.start + own.start
        return line


def work(assignment: Assignment) -> Work:
    """Return the regions of a folder in the files as they were handed out."""
    if not assignment.edition:
        return Work(assignment)
    texts, lost = dict(originals.read(assignment)), {}
    for task in assignment.tasks.values():
        try:
            source = assignment.source(task.file)
            texts[task.file] = graft(texts[task.file], source, task.name, task.file)
        except CourseError as error:
            lost[task.name] = str(error)
    return Work(assignment, texts, lost)


def score(assignment: Assignment, only: str = "") -> Iterator[TaskScore]:
    """Yield the score of each task, or of `only` one, as soon as it is known."""
    if only and only not in assignment.tasks:
        raise CourseError(f"there is no {only}; tasks: {', '.join(assignment.tasks)}")
    mine = work(assignment)
    modules = mine.modules
    tasks = [t for t in assignment.tasks.values() if only in ("", t.name)]
    rows = {
        name: [row for row in assignment.public if row.task == name]
        for name in assignment.tasks
    }
    groups = [
        Group(
            [
                (row.call, inputs_of(row, assignment.seed, "", i))
                for row in rows[task.name]
                for i in range(row.draws)
            ],
            task.seconds,
            modules,
        )
        for task in tasks
        if task.name not in mine.lost
    ]
    calls = assignment.folder / "calls.py"
    given = answered(assignment.root, calls, groups)
    for task in tasks:
        if (why := mine.lost.get(task.name)) is not None:
            verdicts = [(row, Verdict(0, False, why, row.hint))
                        for row in rows[task.name]]  # fmt: skip
            yield TaskScore(task, verdicts, why)
        else:
            came = iter(next(given))
            yield _scored(mine, task, rows[task.name], came)


def _scored(
    mine: Work, task: Task, rows: Sequence[Row], came: Iterator[Given]
) -> TaskScore:
    verdicts, ran = [], {}
    for row in rows:
        draws = [next(came) for _ in range(row.draws)]
        given = [_explained(draw.answer, task, mine) for draw in draws]
        verdicts.append((row, _verdict(mine.assignment, row, given)))
        ran[row.name] = set[str]().union(*(draw.ran for draw in draws))
    verdicts = list(zip(rows, settled(verdicts), strict=True))
    wrong = [(r, v) for r, v in verdicts if not v.right and v.what != ALONE]
    first = [_said(row, verdict) for row, verdict in wrong]
    return TaskScore(task, verdicts, "".join(first[:1]), ran)


def explained(scores: Sequence[TaskScore]) -> list[TaskScore]:
    """Return the scores; of a task that fails because of another one, that is said."""
    failed = {
        s.task.name: [
            s.ran.get(row.name, set()) for row, v in s.verdicts if not v.right
        ]
        for s in scores
        if s.points < s.of
    }
    found = causes(failed)
    return [_explained_by(s, *found.get(s.task.name, ([], False))) for s in scores]


def _explained_by(score: TaskScore, names: list[str], surely: bool) -> TaskScore:
    if not names or _unwritten(score.note):
        return score
    tasks = " and ".join(names)
    note = say("foreign", tasks=tasks)
    if not surely:
        note = f"{score.note}\n{say('perhaps', tasks=tasks)}"
    return replace(score, note=note, foreign=surely)


def _verdict(assignment: Assignment, row: Row, given: Sequence[Answer]) -> Verdict:
    if assignment.edition:
        return judge_row(row, given, expected(assignment, row))
    # in a clone the engine is the reference: all there is to see is that it answers
    bad = next((g for g in given if isinstance(g, Failure)), None)
    return Verdict(row.points, True, "right") if bad is None else Verdict(
        0, False, bad.what, row.hint
    )  # fmt: skip


def _explained(answer: Answer, task: Task, mine: Work) -> Answer:
    """Return an answer; of a failure, what it means for a task."""
    if not isinstance(answer, Failure):
        return answer
    if answer.needs == task.name:
        return Failure(UNWRITTEN)
    if answer.needs:
        return Failure(say("needs", task=answer.needs), answer.needs)
    where = mine.where(answer.place)
    return Failure(answer.what + (f" ({where})" if where else ""))


def _unwritten(what: str) -> bool:
    needs = say("needs", task="\0").partition("\0")[0]
    return what == UNWRITTEN or what.startswith(needs)


def _said(row: Row, verdict: Verdict) -> str:
    """Return what a student is told who fails at a row."""
    if _unwritten(verdict.what):
        return verdict.what
    return f"{row.name}: {verdict.what}\n{say('hint', hint=verdict.hint)}"


# The same rows for pytest


class Scores:
    """The scores of an assignment, computed when the first is asked for."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment

    @cached_property
    def tasks(self) -> dict[str, TaskScore]:
        """The scores by task."""
        return {s.task.name: s for s in explained(list(score(self.assignment)))}

    @cached_property
    def verdicts(self) -> dict[tuple[str, str], Verdict]:
        """The verdicts by task and name of the row."""
        return {
            (row.task, row.name): verdict
            for task in self.tasks.values()
            for row, verdict in task.verdicts
        }


@dataclass(frozen=True)
class Check:
    """One public row; what was asked once serves all rows of the assignment."""

    scores: Scores
    row: Row

    def wrong(self) -> str:
        """Return what is wrong and the hint, or "" if nothing is."""
        found = self.scores.verdicts[self.row.task, self.row.name]
        hint, task = found.hint, self.scores.tasks[self.row.task]
        if task.foreign:
            hint = f"it {task.note}"
        if found.right:
            return ""
        return f"{self}: {found.what}" + (f"\nHint: {hint}" if hint else "")

    def __str__(self) -> str:
        return f"{self.row.task}: {self.row.name}"


def checks(place: Path | str) -> list[Check]:
    """Return a check for each public row of the assignment that a file belongs to.

    For tests/test_aN.py, which hands over its `__file__`.
    """
    for folder in Path(place).resolve().parents:
        if (folder / CONFIG).is_file():
            clone = folder.parent.name == "assignments"
            root = folder.parents[1] if clone else folder
            scores = Scores(find(folder.name if clone else "", root))
            return [Check(scores, row) for row in scores.assignment.public]
    raise CourseError(f"{place} stands in no assignment's folder")


def strays(assignment: Assignment) -> list[str]:
    """Return the files that were changed outside of the markers."""
    if not assignment.edition:
        return []
    found = []
    for file, text in originals.read(assignment).items():
        try:
            if originals.outside(assignment.source(file)) != originals.outside(text):
                found.append(file)
        except (RegionError, CourseError):
            found.append(file)
    return found
