"""Gradescope: its results.json, and an autograder that works without a network.

An autograder is a zip with setup.sh and run_autograder at its root; Gradescope unpacks
it to /autograder/source, puts a submission into /autograder/submission, runs
run_autograder, and reads /autograder/results/results.json, where scores stand per test.

https://gradescope-autograders.readthedocs.io/en/latest/specs/
https://gradescope-autograders.readthedocs.io/en/latest/submission_metadata/
"""

from __future__ import annotations

from typing import Any

from ..grade.feedback import apology
from ..grade.results import Result, RowResult

SETUP = """#!/usr/bin/env bash
# Runs once, when the image is built; there is a network then, and none is needed later.
set -euo pipefail
apt-get update
apt-get install -y python3 python3-venv bubblewrap
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "minidl needs Python 3.11 or later: choose a newer base image" >&2
    exit 1
}
python3 -m venv /autograder/python
/autograder/python/bin/pip install "numpy>=2"
chmod -R go-rwx /autograder/source
"""
RUN = """#!/usr/bin/env bash
# Grades /autograder/submission into /autograder/results/results.json, offline.
set -euo pipefail
home="${AUTOGRADER:-/autograder}"
python="$home/python/bin/python"
[ -x "$python" ] || python=python3
cd "$home/source"
exec "$python" -B -m minidl_course.export.hosted gradescope "$home"
"""


def results(result: Result) -> dict[str, Any]:
    """Return results.json for one submission: a test for each row.

    What hidden rows say is only that they are wrong, so all may be visible; what the
    process printed, and the level of the sandbox, are for the instructor.
    """
    notes = [f"{result.assignment} {result.title}", *result.notes]
    if result.trouble:
        notes.append(apology(result))
    return {
        "output": "\n".join(notes),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "execution_time": round(sum(task.seconds for task in result.tasks)),
        "extra_data": {"sandbox": result.sandbox, "schema": result.schema},
        "tests": [
            _test(f"{i}.{j}", f"{task.task} {task.title}", row)
            for i, task in enumerate(result.tasks, 1)
            for j, row in enumerate(task.rows, 1)
        ],
    }


def _test(number: str, task: str, row: RowResult) -> dict[str, Any]:
    said = [row.what] + [f"hint: {row.hint}"] * bool(row.hint)
    return {
        "name": f"{task}: {row.name}" + (" (hidden)" if row.hidden else ""),
        "name_format": "text",
        "number": number,
        "score": float(row.points),
        "max_score": float(row.worth),
        "status": "passed" if row.points == row.worth else "failed",
        "output": "\n".join(said),
        "output_format": "text",
        "tags": ["hidden" if row.hidden else "public"],
        "visibility": "visible",
    }


def student(metadata: dict[str, Any]) -> str:
    """Return who handed in, from submission_metadata.json; variants depend on it.

    A group is named by its first member in the order of their addresses.
    """
    users = metadata.get("users") or []
    names = sorted(str(user.get("email") or user.get("id") or "") for user in users)
    return names[0] if names else "unknown"
