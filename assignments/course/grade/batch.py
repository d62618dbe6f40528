"""Many submissions, a few at a time; killed in the middle, it goes on where it was.

    OUT/results/ada.json     what the grader knows, one file for each student
    OUT/feedback/ada.md      what the student gets; also ada.html
    OUT/grades.csv           a line for each student
    OUT/class.md, .html      the class: everybody's points, the commonest mistakes
    OUT/mistakes.json        what `check.explain` said of one student's, for each
    OUT/last.json            who was in the last run: only they are exported
    OUT/secret.key           what the draws depend on; keep it to yourself

A result is written whole or not at all, and knows what it was made from: a rerun grades
only what is new, what has changed, and what the grader itself failed at.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minidl.files.locks import fcntl
from minidl.files.whole import replaced, sweep

from ..assignment import Assignment
from ..errors import CourseError
from ..sandbox import folders, limits
from . import feedback, workers
from .inbox import GRADED, Entry, look
from .intake import take
from .mistakes import Mistake, mistakes
from .results import Result, from_json, slug, to_json
from .trees import Trees
from .worker import grader, unfinished

SECRET = "MINIDL_COURSE_SECRET"
LAST, MISTAKES = "last.json", "mistakes.json"


@dataclass
class Batch:
    """All submissions of a folder, for one assignment, graded into another folder.

    level   of the sandbox, proved by the probe
    told    is called with each result as it comes: (result, done, to do)
    only    the one student to grade, again even if nothing changed; "" is all
    explain whether the commonest mistakes are looked at by `check.explain`
    """

    assignment: Assignment
    submissions: Path
    out: Path
    level: str
    secret: str
    jobs: int = 1
    told: Callable[[Result, int, int], None] = lambda *_: None
    only: str = ""
    explain: bool = False
    named: dict[Mistake, str] = field(default_factory=dict, init=False)
    graded: int = field(default=0, init=False)
    entries: list[Entry] = field(default_factory=list, init=False)
    gone: list[str] = field(default_factory=list, init=False)

    def run(self) -> list[Result]:
        """Grade what is not graded yet; return all results, by student."""
        self.entries = look(self.submissions, self.assignment)
        every = {e.student: e.path for e in self.entries if e.status == GRADED}
        if self.only and self.only not in every:
            raise CourseError(f"{self.submissions} holds nothing of {self.only}")
        for name in ("results", "feedback"):
            (self.out / name).mkdir(parents=True, exist_ok=True)
            sweep(self.out / name)
        with _scratch(self.out) as scratch:
            order = self._order(scratch)
            done, todo = self._known(every, order)
            trees = Trees(self.assignment, scratch / "trees")
            if todo:
                trees.make()
            jobs = [(student, every[student]) for student in todo]
            for student, came in workers.graded(order, self.jobs, jobs):
                result = came or unfinished(
                    self.assignment, student, self.level, "its process died, twice"
                )
                done[student] = result
                self._write(result)
                self.graded += 1
                self.told(result, self.graded, len(todo))
            self._remember([s for s in every if s in done])
            if self.explain:
                self._explain([done[s] for s in every if s in done], order, every)
        return [done[student] for student in every if student in done]

    def _order(self, scratch: Path) -> dict[str, Any]:
        """Return what every worker is told first."""
        return {
            "assignment": self.assignment.folder.name,
            "root": str(self.assignment.root),
            "trees": str(scratch / "trees"),
            "scratch": str(scratch / "homes"),
            "level": self.level,
            "processes": limits.processes_now(),
            "secret": self.secret,
        }

    def _explain(
        self, results: list[Result], order: dict[str, Any], every: dict[str, Path]
    ) -> None:
        """Ask `check.explain` about one student's answer for each common mistake."""
        path, one = self.out / MISTAKES, grader(order)
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            before = {}
        now: dict[str, str] = {}
        rows = {(row.task, row.name): row for row in self.assignment.rows}
        for mistake, made in mistakes(results):
            key = f"{made[0].key} {mistake[0]} {mistake[1]}"
            if key not in before:
                student = made[0].student
                one.trees.make()
                taken = take(every[student], student, self.assignment)
                row = rows[mistake[:2]]
                before[key] = one.explained(self.assignment.tasks[row.task], row, taken)
            now[key] = self.named[mistake] = before[key]
        with replaced(path) as file:
            file.write((json.dumps(now, indent=1, ensure_ascii=False) + "\n").encode())

    def _known(
        self, every: dict[str, Path], order: dict[str, Any]
    ) -> tuple[dict[str, Result], list[str]]:
        """Return the results that still hold, and who must be graded."""
        known: dict[str, Result] = {}
        one, todo = grader(order), []
        for student, path in every.items():
            result = self._read(student)
            if self.only not in ("", student):
                if result is not None:
                    known[student] = result
                continue
            key = one.key(take(path, student, self.assignment))
            if result is not None and result.key == key and not self.only:
                known[student] = result
            else:
                todo.append(student)
        return known, todo

    def _read(self, student: str) -> Result | None:
        """Return what is known of a student; None if nothing can be read."""
        try:
            text = self._place(student).read_text(encoding="utf-8")
            result = from_json(text)
        except (OSError, ValueError):
            return None
        return result if result.student == student else None

    def _place(self, student: str) -> Path:
        return self.out / "results" / f"{slug(student)}.json"

    def _write(self, result: Result) -> None:
        """Write what belongs to one student, the result last: then it is done."""
        name = slug(result.student)
        pages = {
            f"feedback/{name}.md": feedback.markdown(result),
            f"feedback/{name}.html": feedback.html(result),
            f"results/{name}.json": to_json(result),
        }
        for file, text in pages.items():
            with replaced(self.out / file) as page:
                page.write(text.encode("utf-8", "replace"))

    def _remember(self, students: list[str]) -> None:
        """Write who is in this run; notice whose results are there and who is not."""
        now = {f"{slug(student)}.json" for student in students}
        for path in sorted((self.out / "results").glob("*.json")):
            if path.name not in now:
                try:
                    self.gone.append(from_json(path.read_text("utf-8")).student)
                except (OSError, ValueError):
                    self.gone.append(path.stem)
        with replaced(self.out / LAST) as file:
            said = {"assignment": self.assignment.name, "students": students}
            file.write((json.dumps(said, indent=1) + "\n").encode())


def last_results(out: Path) -> list[Result]:
    """Return the results of those who were in the last run of a grading, by student."""
    try:
        students = json.loads((out / LAST).read_text(encoding="utf-8"))["students"]
    except (OSError, ValueError, KeyError, TypeError):
        raise CourseError(
            f"{out} holds no results yet; run `minidl course grade`"
        ) from None
    results = []
    for student in students:
        path = out / "results" / f"{slug(student)}.json"
        try:
            results.append(from_json(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise CourseError(
                f"{path} cannot be used: {error}; run `minidl course grade` again"
            ) from error
    return sorted(results, key=lambda result: result.student)


def secret_of(out: Path, given: str = "") -> str:
    """Return the secret that was given, that of the environment, or this batch's own.

    given   a file; without one the variable MINIDL_COURSE_SECRET counts, and without
            that a secret is made, and kept in OUT/secret.key for the next run
    """
    if given:
        try:
            return Path(given).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise CourseError(f"the secret {given} cannot be read: {error}") from error
    if words := os.environ.get(SECRET):
        return words
    path = out / "secret.key"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(secrets.token_hex(16) + "\n")
    return path.read_text(encoding="utf-8").strip()


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """Give a folder for trees and homes; one run at a time may have it."""
    with open(out / ".lock", "w") as lock:
        try:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CourseError(f"somebody else is grading into {out} now") from None
        for left in out.glob(".scratch*"):  # of runs that were killed
            folders.remove(left)
        folder = (out / f".scratch-{os.urandom(4).hex()}").resolve()
        (folder / "homes").mkdir(parents=True)
        try:
            yield folder
        finally:
            folders.remove(folder)
