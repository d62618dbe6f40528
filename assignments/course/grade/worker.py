"""A process of the grader that grades one submission after another.

It reads a line of JSON for each, and writes one (workers.py starts it). The first line
says what is the same for all. Several workers share a batch; each is the parent of the
student's processes that it starts, and inherits their orphans. If one dies, the batch
starts another and goes on.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any, TextIO

from ..assignment import Assignment, find
from ..sandbox import limits, sweep
from ..sandbox.box import Box, statement
from .grading import Grader, NotGradedError
from .intake import take
from .results import Result, TaskResult, to_json
from .trees import Trees


def grader(order: dict[str, Any]) -> Grader:
    """Return the grader that an order describes."""
    assignment = find(order["assignment"], Path(order["root"]))
    trees = Trees(assignment, Path(order["trees"]))
    box = Box(order["level"], order["processes"])
    return Grader(assignment, trees, box, order["secret"], Path(order["scratch"]))


def graded(grader: Grader, path: Path, student: str) -> Result:
    """Return the result of a submission; a failure of ours is told, not hidden."""
    try:
        return grader.grade(take(path, student, grader.assignment))
    except NotGradedError as error:
        what = str(error)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}, line {last.lineno}"
        what = f"{type(error).__name__}: {error} ({place})"
    return unfinished(grader.assignment, student, grader.box.level, what)


def unfinished(assignment: Assignment, student: str, level: str, why: str) -> Result:
    """Return a result that says that the grader failed; no key: it is never final."""
    tasks = (
        TaskResult(task.name, task.title, task.file, ())
        for task in assignment.tasks.values()
    )
    return Result(
        assignment.name, assignment.title, student, "", statement(level),
        tuple(tasks), (), why,
    )  # fmt: skip


def serve(lines: TextIO, out: TextIO) -> None:
    """Grade until there are no more lines."""
    limits.keep_private()
    sweep.adopt_orphans()
    one = grader(json.loads(lines.readline()))
    for line in lines:
        job = json.loads(line)
        result = graded(one, Path(job["path"]), job["student"])
        out.write(json.dumps({"result": to_json(result)}) + "\n")
        out.flush()


def main() -> None:
    """Serve on the standard streams."""
    serve(sys.stdin, sys.stdout)
