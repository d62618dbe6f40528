"""What a student hands in: the files that hold the tasks, and who it is from.

    a1_ada.zip    minidl/ops/activation.py …    submission.json

Nothing else of the folder goes along: a grader takes each task's region from its file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

from minidl.course.assignment import Assignment
from minidl.course.cut.packing import zipped
from minidl.course.cut.regions import region_of
from minidl.errors import CourseError, RegionError

NAMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]{0,63}")
FILE = "submission.json"


def submit(assignment: Assignment, student: str, to: Path) -> tuple[Path, list[str]]:
    """Write aN_<student>.zip into a folder; return it, and what is doubtful in it.

    Raises CourseError for a name that would be no file's, or a file that is missing.
    """
    if NAMED.fullmatch(student) is None:
        raise CourseError(
            f"{student!r} is no name for a file; take what your course knows you by, "
            "in letters, digits and @ . _ -, such as --student ada.lovelace"
        )
    files = {f: assignment.source(f).encode() for f in assignment.files}
    doubts = []
    for task in assignment.tasks.values():
        try:
            region_of(assignment.source(task.file), task.name, task.file)
        except RegionError as error:
            doubts.append(str(error))
    said = {
        "assignment": assignment.name,
        "student": student,
        "files": {f: hashlib.sha256(text).hexdigest() for f, text in files.items()},
    }
    files[FILE] = (json.dumps(said, indent=1) + "\n").encode()
    to.mkdir(parents=True, exist_ok=True)
    path = to / f"{assignment.name}_{student}.zip"
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(zipped(files))
    os.replace(part, path)
    return path, doubts
