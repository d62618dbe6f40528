"""The student's edition of an assignment: a folder that stands for itself, and its zip.

    a1/ README.md        the handout        assignment.cfg rows.py calls.py   the tasks
        notebook.py      the story          expected.npz   what is right, public rows
        tests/           the same rows, for pytest
        minidl/          the engine: this assignment's regions blank, all others solved,
                         faster bodies gone (they would answer for a region)

Released twice, it is the same twice, byte for byte.
"""

from __future__ import annotations

import configparser
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minidl.course.assignment import Assignment, read
from minidl.course.cut.grafting import close
from minidl.course.cut.packing import zipped
from minidl.course.cut.regions import blank, regions
from minidl.course.cut.tree import reference_tree, stripped
from minidl.course.edition.stored import FILE as EXPECTED
from minidl.course.edition.stored import stored
from minidl.course.trial import Trial
from minidl.errors import CourseError

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
    files["released.json"] = _released(assignment, changed).encode()
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
    return made


def outside(source: str) -> str:
    """Return a digest of what stands outside of a file's regions, spaces aside."""
    lines, inside = source.splitlines(), set[int]()
    for region in regions(source).values():
        inside |= set(range(region.start + 1, region.end))
    kept = [x.rstrip() for n, x in enumerate(lines, 1) if n not in inside and x.strip()]
    return hashlib.blake2b("\n".join(kept).encode(), digest_size=8).hexdigest()


def _released(assignment: Assignment, changed: Mapping[str, str]) -> str:
    """Return what the edition remembers of how its files were."""
    said: dict[str, Any] = {
        "assignment": assignment.name,
        "outside": {file: outside(changed[file]) for file in assignment.files},
    }
    return json.dumps(said, indent=1) + "\n"


def shown_config(assignment: Assignment) -> str:
    """Return assignment.cfg without what tells where else the answers are."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(read(assignment.folder / "assignment.cfg"))
    for section in parser.sections():
        for option in ("closed", "removed"):
            parser.remove_option(section, option)
    out = io.StringIO()
    parser.write(out)
    return out.getvalue().rstrip() + "\n"


def _pyproject(root: Path, changed: Mapping[str, str]) -> str:
    """Return the repository's settings of ruff; a blank leaves some names unused."""
    path = root / "pyproject.toml"
    text = read(path) if path.is_file() else BUILD
    off = '["F401", "F841", "RET504", "RUF059"]'
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
