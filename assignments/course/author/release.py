"""The student's edition of an assignment: a folder that stands for itself, and its zip.

    a1/ README.md        the handout        assignment.cfg rows.py calls.py   the tasks
        notebook.py      the story          expected.npz   what is right, public rows
        tests/           the same rows, for pytest
        minidl_course/   the machinery behind score, submit and the tests
        minidl/          the engine: this assignment's regions blank, all others solved,
                         faster bodies gone (they would answer for a region)

Released twice, it is the same twice, byte for byte.
"""

from __future__ import annotations

import ast
import configparser
import io
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .. import originals
from ..assignment import Assignment, read
from ..errors import CourseError
from ..expected import FILE as EXPECTED
from ..expected import stored
from ..graft import close
from ..regions import blank
from ..source_tree import reference_tree, stripped
from ..zips import zipped
from .trial import Trial

HANDED = ("README.md", "rows.py", "calls.py", "notebook.py", "picture.png")
LEFT_OUT = "left out of this edition"
SETUP = """[metadata]
name = minidl
version = attr: minidl.__version__

[options]
packages = find:
python_requires = >=3.11
install_requires =
    numpy>=2.0
    matplotlib>=3.8.4

[options.packages.find]
include = minidl*

[options.package_data]
minidl = py.typed, **/*.npz, **/*.txt, **/*.md

[options.entry_points]
console_scripts =
    minidl = minidl.cli:main

[tool:pytest]
testpaths = tests
pythonpath = .
"""
INIT = "minidl/__init__.py"
EARLY = """from minidl_course.early import run_if_asked

run_if_asked()  # `python -m minidl course …` runs whatever stands in a region

"""
RUFF = "[tool.ruff.lint.per-file-ignores]\n"
BUILD = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[tool.ruff]
line-length = 88
"""


def edition(assignment: Assignment, tree: Path | None = None) -> dict[str, bytes]:
    """Return the files of the student's edition, by their names.

    tree   a folder of `reference_tree`, if there is one already
    """
    if assignment.edition:
        raise CourseError(
            f"{assignment.root} is itself a student's edition; a release is made from "
            "a clone of the repository, which has the solutions"
        )
    files = stripped(assignment.root, unused=("data/rebuild",))
    changed = blanked(assignment)
    files |= {name: text.encode() for name, text in changed.items()}
    files = {n: unsaid(assignment, text) for n, text in files.items()}
    for name in HANDED:
        if (path := assignment.folder / name).is_file():
            files[name] = path.read_bytes()
    for path in sorted((assignment.folder / "tests").glob("*.py")):
        files[f"tests/{path.name}"] = path.read_bytes()
    if (path := assignment.root / "LICENSE").is_file():
        files["LICENSE"] = path.read_bytes()
    files["assignment.cfg"] = shown_config(assignment).encode()
    files["setup.cfg"] = SETUP.encode()
    files["pyproject.toml"] = _pyproject(assignment.root, changed).encode()
    files[originals.FILE] = originals.text(assignment, changed).encode()
    files |= _course()
    files[INIT] = _early(files[INIT].decode()).encode()
    files[EXPECTED] = _expected(assignment, tree)
    return dict(sorted(files.items()))


def release(assignment: Assignment, to: Path) -> tuple[Path, Path]:
    """Write the student's edition to the folder `to`; return its folder and its zip.

    Raises CourseError if the folder is there and not empty: it may be a student's.
    """
    folder, archive = to / assignment.name, to / f"{assignment.name}.zip"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CourseError(
            f"{folder} is there already, and somebody may have worked in it; move it "
            "away, or release into another folder"
        )
    files = edition(assignment)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    part = archive.with_name(f".{archive.name}.part")
    part.write_bytes(zipped(files, assignment.name))
    os.replace(part, archive)
    return folder, archive


def blanked(assignment: Assignment) -> dict[str, str]:
    """Return the files of the package that students get otherwise, by name."""
    made = {file: assignment.source(file) for file in assignment.files}
    made = {file: blank(text, assignment.tasks) for file, text in made.items()}
    for file, function in assignment.removed:
        text = made[file] if file in made else assignment.source(file)
        made[file] = close(text, function, LEFT_OUT)
    return {file: unsaid(assignment, t.encode()).decode() for file, t in made.items()}


def unsaid(assignment: Assignment, content: bytes) -> bytes:
    """Return a file with "…" for the words that would state an answer."""
    for task in assignment.tasks.values():
        for words in task.unsaid:
            content = content.replace(words.encode(), "…".encode())
    return content


def _course() -> dict[str, bytes]:
    """Return the part of the machinery that students run, by name."""
    here = Path(__file__).parents[1]
    return {f"minidl_course/{p.name}": p.read_bytes() for p in here.glob("*.py")}


def _early(source: str) -> str:
    """Return minidl/__init__.py with the course's command before everything else."""
    body = ast.parse(source).body
    first = body[1] if ast.get_docstring(ast.parse(source)) is not None else body[0]
    lines = source.splitlines(keepends=True)
    return "".join([*lines[: first.lineno - 1], EARLY, *lines[first.lineno - 1 :]])


def shown_config(assignment: Assignment) -> str:
    """Return assignment.cfg without what tells where else the answers are."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(read(assignment.folder / "assignment.cfg"))
    for section in parser.sections():
        for option in ("closed", "removed", "unsaid", "common"):
            parser.remove_option(section, option)
    out = io.StringIO()
    parser.write(out)
    return out.getvalue().rstrip() + "\n"


def _pyproject(root: Path, changed: Mapping[str, str]) -> str:
    """Return the repository's settings of ruff; a blank leaves some names unused."""
    path = root / "pyproject.toml"
    text = read(path) if path.is_file() else BUILD
    off = '["B007", "F401", "F841", "RET504", "RUF059"]'
    lines = [f'"{file}" = {off}  # names for a blank\n' for file in changed]
    head = "" if RUFF in text else f"\n{RUFF}"
    return text.rstrip() + "\n" + head + "".join(lines)


def _expected(assignment: Assignment, tree: Path | None) -> bytes:
    """Return expected.npz: the reference's answers to the public rows."""
    with tempfile.TemporaryDirectory() as folder:
        place = tree or reference_tree(Path(folder), assignment.root)
        trial = Trial(assignment, place)
        pairs = zip(assignment.rows, trial.expected, strict=True)
        found = [(row, answers) for row, answers in pairs if not row.hidden]
    out = io.BytesIO()
    np.savez_compressed(out, **stored(found, trial.inputs))
    return out.getvalue()
