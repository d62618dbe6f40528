"""What other platforms take: an autograder to upload, or results of a grading.

an assignment's name    gradescope, classroom50: a zip; github: classroom.yml
the OUT of a grading    gradescope, classroom50: a folder with <student>.json;
                        csv (for Excel), canvas, moodle: a table
"""

from __future__ import annotations

import io
import json
import secrets
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from minidl.files.whole import replaced

from ..assignment import Assignment, find
from ..errors import CourseError
from ..grade import class_report
from ..grade.batch import last_results, secret_of
from ..grade.results import Result, slug
from ..manifest import manifest
from ..source_tree import machinery, stripped
from ..zips import DATE
from . import SECRET, classroom50, github_classroom, gradebooks, gradescope

TABLES: dict[str, Callable[[list[Result]], bytes]] = {
    "csv": class_report.grades_file,
    "canvas": lambda results: gradebooks.canvas(results).encode("utf-8", "replace"),
    "moodle": lambda results: gradebooks.moodle(results).encode("utf-8", "replace"),
}
NEEDED = ("assignment.cfg", "calls.py", "rows.py", "hidden.py", "manifest.json")


def write(
    what: str,
    platform: str,
    to: Path,
    root: Path | None,
    secret: str,
    classroom: str,
) -> Iterator[str]:
    """Write an export; yield sentences about it."""
    if (Path(what) / "results").is_dir():
        yield from _results(last_results(Path(what)), platform, to, classroom)
    elif platform in TABLES:
        raise CourseError(
            f"{what} holds no results; {platform} is of a grading's OUT folder"
        )
    elif platform == "github":
        assignment = find(what, root)
        with replaced(to) as file:
            file.write(github_classroom.workflow(assignment).encode())
        yield f"{to}: the public rows of {assignment}, .github/workflows/classroom.yml"
    else:
        yield from _autograder(find(what, root), platform, to, secret)


def _results(
    results: list[Result], platform: str, to: Path, classroom: str
) -> Iterator[str]:
    if platform in TABLES:
        with replaced(to) as file:
            file.write(TABLES[platform](results))
        yield f"{to}: {len(results)} students"
        return
    if platform == "github":
        raise CourseError("github is of an assignment: its workflow, not its results")
    graded = [result for result in results if not result.trouble]
    to.mkdir(parents=True, exist_ok=True)
    for result in graded:
        said = (
            gradescope.results(result)
            if platform == "gradescope"
            else classroom50.result(result, {"CLASSROOM": classroom})
        )
        with replaced(to / f"{slug(result.student)}.json") as file:
            file.write((json.dumps(said, indent=1) + "\n").encode())
    yield f"{to}: {len(graded)} files in the form of {platform}"
    if len(graded) < len(results):
        yield f"{len(results) - len(graded)} are not graded yet and were left out"


def _autograder(
    assignment: Assignment, platform: str, to: Path, secret: str
) -> Iterator[str]:
    """Write the zip that a platform runs: the grader, one assignment, a secret."""
    manifest(assignment)  # proven, and not changed since
    words = secret_of(to.parent, secret) if secret else secrets.token_hex(16)
    files = {name: (text, 0o644) for name, text in bundle(assignment).items()}
    files[SECRET] = (words.encode() + b"\n", 0o600)
    if platform == "gradescope":
        files["setup.sh"] = (gradescope.SETUP.encode(), 0o755)
        files["run_autograder"] = (gradescope.RUN.encode(), 0o755)
    else:
        files["autograder.py"] = (classroom50.RUN.encode(), 0o644)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (text, mode) in sorted(files.items()):
            info = zipfile.ZipInfo(name, DATE)
            info.create_system, info.external_attr = 3, (0o100000 | mode) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, text)
    with replaced(to) as file:
        file.write(content.getvalue())
    yield f"{to}: the autograder of {assignment} for {platform}, {len(files)} files"
    yield "it holds the hidden rows, the reference and a secret: give it to no student"
    if platform == "classroom50":
        yield "unpack it into CLASSROOM/autograders/ASSIGNMENT/, which is published"


def bundle(assignment: Assignment) -> dict[str, bytes]:
    """Return what the grader needs: the package, and the assignment's graded part."""
    files = stripped(assignment.root) | machinery()
    place = f"assignments/{assignment.folder.name}"
    for name in NEEDED:
        path = assignment.folder / name
        if path.exists():
            files[f"{place}/{name}"] = path.read_bytes()
    return files
