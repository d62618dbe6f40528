"""What lies in a folder of submissions, entry by entry: nothing is skipped in silence.

    a1_ada.zip  A1-bob.ZIP  a1_cy.tar.gz  a1_dan/  a1_eve.py  a1_flo.ipynb
    Zoe M_123_assignsubmission_file_/a1_zoe.zip      Moodle: a folder for each student
    zoem_LATE_12_345_a1_zoe-1.zip                    Canvas: one folder for all
    submission_4711/…                                Gradescope

The student is who stands behind the assignment's name; where that is nowhere, the name
of the entry. Who handed in several times is graded by the newest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..assignment import Assignment
from ..errors import CourseError
from .intake import holds, name_of
from .packages import ARCHIVES, CODE, LITTER

GRADED, DUPLICATE, UNKNOWN, SYSTEM = "graded", "duplicate", "not recognized", "system"


@dataclass(frozen=True)
class Entry:
    """One entry of the folder: what it is taken for, whose it is, and why."""

    name: str
    path: Path
    status: str
    student: str = ""
    why: str = ""

    def __str__(self) -> str:
        return f"{self.status}: {self.name}" + (f" ({self.why})" if self.why else "")


def look(folder: Path, assignment: Assignment) -> list[Entry]:
    """Return all entries of a folder, in the order of their names.

    Raises CourseError if there is no folder, or nothing in it can be graded.
    """
    if not folder.is_dir():
        raise CourseError(f"there is no folder {folder} with submissions")
    entries = [_entry(path, assignment) for path in sorted(folder.iterdir())]
    entries = list(_without_duplicates(entries))
    if not any(entry.status == GRADED for entry in entries):
        listed = "".join(f"\n  {entry}" for entry in entries[:20])
        raise CourseError(
            f"{folder} holds no submissions of {assignment.name}; they are folders or "
            f"archives named {assignment.name}_<student>, such as "
            f"{assignment.name}_ada.zip{listed}"
        )
    return entries


def found(folder: Path, assignment: Assignment) -> dict[str, Path]:
    """Return the submissions that are graded, by student, in order."""
    chosen = [e for e in look(folder, assignment) if e.status == GRADED]
    return {entry.student: entry.path for entry in chosen}


def student_of(name: str, assignment: str) -> str:
    """Return whose an entry is by its name alone, "" if the name does not say.

    >>> student_of("A1-bob.ZIP", "a1"), student_of("zoe_1_22_a1_zoe-1.zip", "a1")
    ('bob', 'zoe')
    """
    stem = _stem(name)
    if match := re.fullmatch(rf"{re.escape(assignment)}[ _-]+(.+)", stem, re.I):
        return name_of(match[1])
    canvas = rf".+?_(?:LATE_)?\d+_\d+_{re.escape(assignment)}[ _-]+(.+?)(?:-\d+)?"
    match = re.fullmatch(canvas, stem, re.I)
    return name_of(match[1]) if match else ""


def _stem(name: str) -> str:
    ends = next((e for e in (*ARCHIVES, *CODE) if name.lower().endswith(e)), "")
    return name[: len(name) - len(ends)] if ends else name


def _entry(path: Path, assignment: Assignment) -> Entry:
    name = name_of(path.name)
    if path.name.startswith(".") or path.name in LITTER:
        return Entry(name, path, SYSTEM, why="a file of the operating system")
    if path.is_symlink():
        return Entry(name, path, UNKNOWN, why="a link; links are not followed")
    is_package = path.is_dir() or path.name.lower().endswith((*ARCHIVES, *CODE))
    if not is_package:
        return Entry(name, path, UNKNOWN, why=_expected(assignment))
    if student := student_of(path.name, assignment.name):
        return Entry(name, path, GRADED, student)
    if path.is_dir() and (inner := _inside(path, assignment)) is not None:
        return Entry(name, inner, GRADED, student_of(inner.name, assignment.name))
    if holds(path, assignment):
        return Entry(name, path, GRADED, name_of(_stem(path.name)) or "unnamed")
    return Entry(name, path, UNKNOWN, why=_expected(assignment))


def _inside(folder: Path, assignment: Assignment) -> Path | None:
    """Return the newest submission that lies in a platform's folder of a student."""
    try:
        inner = [p for p in folder.iterdir() if not p.is_symlink()]
        named = [p for p in inner if student_of(p.name, assignment.name)]
        return max(named, key=_changed, default=None)
    except OSError:
        return None


def _expected(assignment: Assignment) -> str:
    return f"expected: {assignment.name}_<student>, a folder, .zip or .tar.gz"


def _changed(path: Path) -> float:
    return os.lstat(path).st_mtime


def _without_duplicates(entries: list[Entry]) -> Iterator[Entry]:
    """Yield the entries; of each student's only the newest is graded."""
    newest: dict[str, Entry] = {}
    for entry in entries:
        if entry.status == GRADED:
            known = newest.get(entry.student)
            if known is None or _changed(entry.path) >= _changed(known.path):
                newest[entry.student] = entry
    for entry in entries:
        if entry.status != GRADED or newest[entry.student] is entry:
            yield entry
        else:
            why = f"{newest[entry.student].name} of the same student is newer"
            yield Entry(entry.name, entry.path, DUPLICATE, entry.student, why)
