"""Many submissions, a few at a time; killed in the middle, it goes on where it was.

    OUT/results/ada.json     what the grader knows, one file for each student
    OUT/feedback/ada.md      what the student gets; also ada.html
    OUT/grades.csv           a line for each student
    OUT/class.md, .html      points per task, the commonest mistakes
    OUT/secret.key           what the draws depend on; keep it to yourself

A result is written whole or not at all, and knows what it was made from: a rerun grades
only what is new, what has changed, and what the grader itself failed at.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minidl.files.whole import fcntl, replaced, sweep

from ..assignment import Assignment
from ..errors import CourseError
from ..sandbox import limits
from . import feedback, workers
from .intake import found, take
from .results import Result, from_json, to_json
from .trees import Trees
from .worker import grader, unfinished

SECRET = "MINIDL_COURSE_SECRET"


@dataclass
class Batch:
    """All submissions of a folder, for one assignment, graded into another folder.

    level   of the sandbox, proved by the probe
    told    is called with each result as it comes: (result, done, to do)
    """

    assignment: Assignment
    submissions: Path
    out: Path
    level: str
    secret: str
    jobs: int = 1
    told: Callable[[Result, int, int], None] = lambda *_: None
    graded: int = field(default=0, init=False)

    def run(self) -> list[Result]:
        """Grade what is not graded yet; return all results, by student."""
        every = found(self.submissions, self.assignment.name)
        for name in ("results", "feedback"):
            (self.out / name).mkdir(parents=True, exist_ok=True)
            sweep(self.out / name)
        with _scratch(self.out) as scratch:
            order = self._order(scratch)
            done, todo = self._known(every, order)
            if todo:
                (scratch / "trees").mkdir()
                Trees(self.assignment, scratch / "trees").make()
            jobs = [(student, every[student]) for student in todo]
            for student, came in workers.graded(order, self.jobs, jobs):
                result = came or unfinished(
                    self.assignment, student, self.level, "its process died, twice"
                )
                done[student] = result
                self._write(result)
                self.graded += 1
                self.told(result, self.graded, len(todo))
        return [done[student] for student in every]

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

    def _known(
        self, every: dict[str, Path], order: dict[str, Any]
    ) -> tuple[dict[str, Result], list[str]]:
        """Return the results that still hold, and who must be graded."""
        known: dict[str, Result] = {}
        one = grader(order)
        for student, path in every.items():
            with suppress(OSError, ValueError):
                text = self._place(student).read_text(encoding="utf-8")
                result = from_json(text)
                key = one.key(take(path, student, self.assignment))
                if result.key == key and result.student == student:
                    known[student] = result
        return known, [student for student in every if student not in known]

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


def slug(student: str) -> str:
    """Return a name for a student's files, never two students' the same.

    >>> slug("ada"), slug("../ada")
    ('ada', '.._ada-4d522c39')
    """
    plain = re.sub(r"[^A-Za-z0-9@._-]", "_", student)[:64]
    if plain == student and not plain.startswith("."):
        return plain
    return f"{plain}-{hashlib.blake2b(student.encode(), digest_size=4).hexdigest()}"


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
        folder = (out / ".scratch").resolve()
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
        (folder / "homes").mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
