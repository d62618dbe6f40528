"""The files as they were handed out: released.json in a student's edition.

A student's regions are put into these texts, in a score as in a grade, so that only
what stands between the markers counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from . import assignment as assignments
from .errors import CourseError
from .regions import regions

FILE = "released.json"


def text(assignment: assignments.Assignment, files: Mapping[str, str]) -> str:
    """Return released.json for the blank files of an assignment."""
    kept = {file: files[file] for file in assignment.files}
    return json.dumps({"assignment": assignment.name, "files": kept}, indent=1) + "\n"


def read(assignment: assignments.Assignment) -> dict[str, str]:
    """Return the blank files of an edition, by their names."""
    path = assignment.folder / FILE
    try:
        files: dict[str, str] = json.loads(assignments.read(path))["files"]
        return {file: files[file] for file in assignment.files}
    except (ValueError, KeyError, TypeError) as error:
        raise CourseError(
            f"{path} cannot be used ({error}); take it again from the folder that your "
            "course handed out"
        ) from error


def outside(source: str) -> str:
    """Return what stands outside of a file's regions, spaces and empty lines aside."""
    lines, inside = source.splitlines(), set[int]()
    for region in regions(source).values():
        inside |= set(range(region.start + 1, region.end))
    kept = [x.rstrip() for n, x in enumerate(lines, 1) if n not in inside and x.strip()]
    return "\n".join(kept)
