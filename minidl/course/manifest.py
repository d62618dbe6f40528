"""What an assignment is worth, written down once and never counted again.

manifest.json says which tasks and rows there are and their points. `minidl course
check` writes it, when the reference has just answered every row of it rightly. A grader
starts from it, so that what is absent, has crashed or was never imported costs its
points, and every sum is out of the assignment's total.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from minidl.course.asking import inputs_of
from minidl.course.assignment import Assignment, read
from minidl.course.rows import Row
from minidl.errors import CourseError

FILE = "manifest.json"


def describe(assignment: Assignment) -> dict[str, Any]:
    """Return tasks, rows and points, and a digest of what each row first asks."""
    return {
        "assignment": assignment.name,
        "title": assignment.title,
        "total": sum(task.points for task in assignment.tasks.values()),
        "tasks": [
            {
                "task": task.name,
                "title": task.title,
                "file": task.file,
                "points": task.points,
                "rows": [_row(assignment, r) for r in assignment.rows
                         if r.task == task.name],
            }
            for task in assignment.tasks.values()
        ],
    }  # fmt: skip


def _row(assignment: Assignment, row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "points": row.points,
        "hidden": row.hidden,
        "compare": row.compare,
        "draws": row.draws,
        "inputs": digest(inputs_of(row, assignment.seed)),
    }


def digest(inputs: dict[str, Any]) -> str:
    """Return twelve letters that stand for some arrays, the same on every machine."""
    state = hashlib.blake2b(digest_size=6)
    for name, x in sorted(inputs.items()):
        little = x.astype(x.dtype.newbyteorder("<"))
        state.update(f"{name} {little.dtype.str} {x.shape}".encode())
        state.update(little.tobytes())
    return state.hexdigest()


def text(assignment: Assignment) -> str:
    """Return what manifest.json should say now."""
    return json.dumps(describe(assignment), indent=1, ensure_ascii=False) + "\n"


def manifest(assignment: Assignment) -> dict[str, Any]:
    """Return the manifest; raise CourseError where the assignment has changed since."""
    path: Path = assignment.folder / FILE
    if not path.is_file():
        raise CourseError(f"{path} is missing; `minidl course check` makes it")
    if read(path) != text(assignment):
        raise CourseError(
            f"{path} is not about these rows any more; prove the assignment again: "
            f"minidl course check {assignment.name}"
        )
    return describe(assignment)
