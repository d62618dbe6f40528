"""Classroom 50, which took GitHub Classroom's place: its result.json, an autograder.

An assignment's folder CLASSROOM/autograders/ASSIGNMENT/ holds autograder.py and what it
needs beside it; the runner starts it in the student's checkout, with the names of the
submission in the environment, and reads ./result.json: `schema`, who and what, `score`,
`max-score` and a list of tests, in whole points.

That folder is published, hidden rows and all: hidden there means little, and the secret
should be another one than of your own grading.

https://github.com/foundation50/classroom50/wiki/Advanced-Autograding
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..grade.results import Result

SCHEMA = "classroom50/result/v1"
ENVIRONMENT = {  # field: the variable that the runner sets
    "classroom": "CLASSROOM",
    "assignment": "ASSIGNMENT",
    "assignment_type": "ASSIGNMENT_TYPE",
    "owner": "OWNER",
    "submission": "SUBMISSION_TAG",
    "commit": "COMMIT_URL",
    "release": "RELEASE_URL",
    "review": "REVIEW_URL",
}
RUN = '''"""Grade the checkout that this runs in; the runner reads ./result.json."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
work = os.getcwd()
try:
    import numpy  # noqa: F401
except ImportError:
    install = [sys.executable, "-m", "pip", "install", "--quiet", "numpy>=2"]
    subprocess.run(install, check=True)
hosted = ["-m", "minidl_course.export.hosted", "classroom50", work]
command = [sys.executable, "-B", *hosted]
sys.exit(subprocess.run(command, cwd=HERE, check=False).returncode)
'''


def result(graded: Result, names: Mapping[str, str]) -> dict[str, Any]:
    """Return result.json for one submission: a test for each row.

    names   the variables of the runner's environment, as far as they are there
    """
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = {field: names.get(name, "") for field, name in ENVIRONMENT.items()}
    said["owner"] = said["owner"] or names.get("USERNAME", "") or graded.student
    said["assignment"] = said["assignment"] or graded.assignment
    said["assignment_type"] = said["assignment_type"] or "individual"
    said["review"] = said["review"] or said["commit"]
    tests = [
        {
            "test-name": f"{task.task} {task.title}: {row.name}",
            "passed": row.points == row.worth,
            "score": row.points,
            "max-score": row.worth,
            "output": "" if row.points == row.worth else row.what,
        }
        for task in graded.tasks
        for row in task.rows
    ]
    return {
        "schema": SCHEMA,
        **said,
        "datetime": names.get("SUBMITTED_AT") or now,
        "graded_at": now,
        "score": graded.points,
        "max-score": graded.worth,
        "tests": tests,
    }
