"""The package as a task is graded in it: the reference, stripped, and one file grafted.

    reference_tree   a copy of the package in a folder, without what would answer for a
                     region, `kernels/`; and without the data, which no task needs
    overrides        the files that differ for one task: the grafted one, and those
                     whose functions are closed

All of `kernels/` is deletable by design; without it an op runs its own lines.
"""

from __future__ import annotations

import compileall
import py_compile
from collections.abc import Iterable
from pathlib import Path

from .assignment import Assignment, Task
from .errors import CourseError
from .graft import close, graft

CLOSED = "it is closed while {} is graded"
UNUSED = ("data/vendored", "data/rebuild")


def reference_tree(folder: Path, root: Path) -> Path:
    """Write the stripped package of `root` to folder/minidl; return `folder`.

    It is compiled, for every task of every submission will import it afresh.
    """
    for file, text in stripped(root).items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH  # no look at dates
    compileall.compile_dir(folder, quiet=2, invalidation_mode=mode)
    return folder


def stripped(root: Path, unused: Iterable[str] = UNUSED) -> dict[str, bytes]:
    """Return the files of the package, less fast bodies and what is in `unused`."""
    package = root / "minidl"
    if not (package / "__init__.py").is_file():
        raise CourseError(f"{root} has no package minidl")
    kept: dict[str, bytes] = {}
    for path in sorted(package.rglob("*")):
        name = path.relative_to(package).as_posix()
        if path.is_dir() or "__pycache__" in path.parts or path.suffix == ".pyc":
            continue
        if any(name == u or name.startswith(f"{u}/") for u in ("kernels", *unused)):
            continue
        kept[f"minidl/{name}"] = path.read_bytes()
    return dict(sorted(kept.items()))


def machinery() -> dict[str, bytes]:
    """Return the files of the package minidl_course, by their names."""
    here = Path(__file__).parent
    names = (path.relative_to(here).as_posix() for path in here.rglob("*.py"))
    return {f"minidl_course/{name}": (here / name).read_bytes() for name in names}


def overrides(
    assignment: Assignment, task: Task | str, student: str | None = None
) -> dict[str, str]:
    """Return the files, by their names, that the tree has otherwise for one task.

    student   the text of the student's file; None is the reference
    Raises RegionError where the student's region cannot be grafted.
    """
    task = assignment.tasks[task] if isinstance(task, str) else task
    made = {task.file: grafted(assignment, task, student)}
    for file, function in task.closed:
        if file != task.file:
            text = made[file] if file in made else assignment.source(file)
            made[file] = close(text, function, CLOSED.format(task.name))
    return made


def grafted(assignment: Assignment, task: Task, student: str | None) -> str:
    """Return the file of a task with the student's region, neighbors closed."""
    source = assignment.source(task.file)
    if student is not None:
        source = graft(source, student, task.name, task.file)
    for file, function in task.closed:
        if file == task.file:
            source = close(source, function, CLOSED.format(task.name))
    return source


def module_name(file: str) -> str:
    """Return "minidl.ops.activation" for "minidl/ops/activation.py"."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
