"""What an assignment is worth, written down once and never counted again.

manifest.json says which tasks and rows there are and their points. `minidl course
check` writes it, when the reference has just answered every row of it rightly. A grader
starts from it, so that what is absent, has crashed or was never imported costs its
points, and every sum is out of the assignment's total.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from .answers import inputs_of
from .assignment import Assignment, Task, read
from .errors import CourseError
from .regions import region_of
from .rows import Row

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
                "proved": _proved(assignment, task),
                "rows": [_row(assignment, r) for r in assignment.rows
                         if r.task == task.name],
            }
            for task in assignment.tasks.values()
        ],
    }  # fmt: skip


def _proved(assignment: Assignment, task: Task) -> str:
    """Return a digest of the solution and of the other answers that were tried."""
    source = assignment.source(task.file)
    words = [region_of(source, task.name, task.file).code]
    tried = [*assignment.mutants, *assignment.variants]
    words += [patch.patch for patch in tried if patch.task == task.name]
    return hashlib.blake2b("\0".join(words).encode(), digest_size=6).hexdigest()


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


def written(assignment: Assignment) -> dict[str, Any]:
    """Return what manifest.json says; CourseError if it says nothing."""
    path = assignment.folder / FILE
    if not path.is_file():
        raise CourseError(f"{path} is missing; `minidl course check` makes it")
    try:
        said: dict[str, Any] = json.loads(read(path))
        said["tasks"][0]["task"]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise CourseError(
            f"{path} cannot be used ({error}); `minidl course check` makes it again"
        ) from error
    return said


def changed(assignment: Assignment) -> list[str]:
    """Return the tasks whose lines or patches have changed since the last check."""
    tasks = written(assignment)["tasks"]
    before = {task["task"]: task.get("proved") for task in tasks}
    return [
        task.name
        for task in assignment.tasks.values()
        if before.get(task.name) != _proved(assignment, task)
    ]


def _graded(said: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest without what only its proof depends on."""
    tasks = [{k: v for k, v in t.items() if k != "proved"} for t in said["tasks"]]
    return {**said, "tasks": tasks}


def manifest(assignment: Assignment) -> dict[str, Any]:
    """Return the manifest; raise CourseError where the assignment has changed since."""
    path = assignment.folder / FILE
    if _graded(written(assignment)) != _graded(describe(assignment)):
        raise CourseError(
            f"{path} is not about these rows any more; prove the assignment again: "
            f"minidl course check {assignment.name}"
        )
    return describe(assignment)
