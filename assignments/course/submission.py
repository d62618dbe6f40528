"""What a student hands in: the files that hold the tasks, and who it is from.

    a1_ada.zip    minidl/ops/activation.py …    submission.json

Nothing else of the folder goes along: a grader takes each task's region from its file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from pathlib import Path

from . import originals
from .assignment import Assignment
from .errors import CourseError
from .regions import region_of
from .score import strays, work
from .zips import zipped

NAMED = re.compile(r"[^\W_][\w@.-]{0,63}")  # letters of any script
FILE = "submission.json"


def submit(assignment: Assignment, student: str, to: Path) -> tuple[Path, list[str]]:
    """Write aN_<student>.zip into a folder; return it, and what is doubtful in it.

    Raises CourseError for a name that would be no file's, or a file that is missing.
    """
    student = unicodedata.normalize("NFC", student)
    if NAMED.fullmatch(student) is None:
        raise CourseError(
            f"{student!r} is no name for a file; take what your course knows you by, "
            "in letters, digits and @ . _ -, such as --student ada.lovelace"
        )
    files = {f: assignment.source(f).encode() for f in assignment.files}
    said = {
        "assignment": assignment.name,
        "student": student,
        "files": {f: hashlib.sha256(text).hexdigest() for f, text in files.items()},
    }
    files[FILE] = (json.dumps(said, indent=1, ensure_ascii=False) + "\n").encode()
    to.mkdir(parents=True, exist_ok=True)
    path = to / f"{assignment.name}_{student}.zip"
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(zipped(files))
    os.replace(part, path)
    return path, doubts(assignment)


def doubts(assignment: Assignment) -> list[str]:
    """Return sentences about what would earn nothing, or is not what it seems."""
    mine, blanks = work(assignment), originals.read(assignment)
    untouched = [
        task.name
        for task in assignment.tasks.values()
        if task.name not in mine.lost
        and region_of(mine.texts[task.file], task.name).code.split()
        == region_of(blanks[task.file], task.name).code.split()
    ]
    said = list(mine.lost.values())
    if untouched:
        said.append(f"not written yet: {', '.join(untouched)}")
    outside = "was changed outside of the markers, where nothing is graded"
    return said + [f"{file} {outside}" for file in strays(assignment)]
