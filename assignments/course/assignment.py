"""An assignment: a folder with a handout, tasks, graded rows, typical mistakes.

assignments/a1_backpropagation/     in a clone of the repository, or
a1/                                 a student's edition, with the package beside it
    assignment.cfg   title, hours, seed, limits; a section for each task
    rows.py          ROWS, public          hidden.py    ROWS, not released
    calls.py         what rows call        mutants.py   MUTANTS, wrong answers
                                           variants.py  VARIANTS, other right answers
"""

from __future__ import annotations

import configparser
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import CourseError
from .rows import Mutant, Row, Variant

CONFIG = "assignment.cfg"


@dataclass(frozen=True)
class Task:
    """One region to fill in.

    closed   (file, function) pairs: their bodies raise while this task is graded, so
             that the answer cannot be had from a neighbor
    unsaid   words of docstrings that state the answer: a student's edition has "…"
    common   expressions of the solution that anybody would write, and which may stand
             elsewhere in an edition
    """

    name: str
    title: str
    file: str
    points: int
    seconds: float
    closed: tuple[tuple[str, str], ...] = ()
    unsaid: tuple[str, ...] = ()
    common: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assignment:
    """What stands in assignment.cfg, and the ways to what stands beside it.

    root      where the package `minidl` is, whose regions are the tasks
    removed   (file, function) pairs that a student's edition has without their bodies,
              for they hold lines of the solution
    edition   a student's: no hidden rows, no mutants, the regions are blank
    """

    name: str
    title: str
    hours: float
    seed: str
    seconds: float
    memory: int
    tasks: dict[str, Task]
    removed: tuple[tuple[str, str], ...]
    folder: Path
    root: Path
    edition: bool

    @cached_property
    def public(self) -> list[Row]:
        """The rows that students have."""
        return _listed(self.folder / "rows.py", "ROWS", Row)

    @cached_property
    def hidden(self) -> list[Row]:
        """The rows that only the grader has."""
        path = self.folder / "hidden.py"
        return _listed(path, "ROWS", Row) if path.exists() else []

    @property
    def rows(self) -> list[Row]:
        """All rows, task after task, the public ones of a task first."""
        every = [*self.public, *self.hidden]
        return [row for name in self.tasks for row in every if row.task == name]

    @cached_property
    def mutants(self) -> list[Mutant]:
        """Typical wrong answers."""
        path = self.folder / "mutants.py"
        return _listed(path, "MUTANTS", Mutant) if path.exists() else []

    @cached_property
    def variants(self) -> list[Variant]:
        """Right answers that are written in another way than the reference."""
        path = self.folder / "variants.py"
        return _listed(path, "VARIANTS", Variant) if path.exists() else []

    @cached_property
    def calls(self) -> ModuleType:
        """The functions that rows name, in this process."""
        return load(self.folder / "calls.py")

    @property
    def files(self) -> list[str]:
        """The files that a student writes in, such as "minidl/ops/activation.py"."""
        return list(dict.fromkeys(task.file for task in self.tasks.values()))

    def source(self, file: str) -> str:
        """Return the text of a file of the package."""
        return read(self.root / file)

    def __str__(self) -> str:
        return f"{self.name} {self.title}"


def read(path: Path) -> str:
    """Return the text of a file; raise CourseError if it cannot be had."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CourseError(
            f"{path} is no text in UTF-8 (byte {error.start}); save it as UTF-8"
        ) from error


def load(path: Path) -> ModuleType:
    """Run a Python file of an assignment and return it as a module."""
    name = f"minidl_{path.parent.name}_{path.stem}".replace(".", "_")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise CourseError(f"{path} is missing; is the assignment's folder complete?")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise CourseError(f"{path} does not run: {why}") from error
    return module


def _listed(path: Path, name: str, kind: type[Any]) -> list[Any]:
    found = getattr(load(path), name, None)
    if not isinstance(found, list) or not all(isinstance(x, kind) for x in found):
        raise CourseError(f"{path} must end with {name}, a list of {kind.__name__}")
    return found


# Where they are


def find(name: str = "", root: Path | None = None) -> Assignment:
    """Return the assignment called `name`; "" is the only one there is.

    root   a clone or an edition; by default the first found from here upwards
    """
    every = all_assignments(root)
    fits = [a for a in every if not name or name in (a.name, a.folder.name)]
    if len(fits) != 1:
        there = ", ".join(str(a) for a in every)
        asked = f"no assignment is called {name!r}" if name else "which assignment?"
        raise CourseError(f"{asked}; there are: {there}")
    return fits[0]


def all_assignments(root: Path | None = None) -> list[Assignment]:
    """Return every assignment of a clone, or the one of an edition, in order."""
    root = home(root)
    if (root / CONFIG).is_file():
        return [read_config(root, root, edition=True)]
    paths = sorted(root.glob(f"assignments/*/{CONFIG}"))
    return [read_config(path.parent, root, edition=False) for path in paths]


def home(root: Path | None = None) -> Path:
    """Return the clone or edition at `root`, or around the working directory."""
    here = Path.cwd() if root is None else Path(root).resolve()
    for folder in [here, *here.parents] if root is None else [here]:
        if (folder / "minidl").is_dir() and (
            (folder / CONFIG).is_file() or any(folder.glob(f"assignments/*/{CONFIG}"))
        ):
            return folder
    raise CourseError(
        f"there are no assignments in {here}"
        + (", nor in a folder above it" if root is None else "")
        + ". An installed minidl has only the engine: work in a clone of the "
        "repository or in the folder your course handed out, or name it: --root DIR"
    )


def read_config(folder: Path, root: Path, *, edition: bool) -> Assignment:
    """Read assignment.cfg; raise CourseError where something in it does not fit."""
    path = folder / CONFIG
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read(path))
        head = parser["assignment"]
        seconds = head.getfloat("seconds", 20.0)
        name = head["name"]
        tasks = dict(_tasks(parser, name, seconds))
        return Assignment(
            name, head["title"], head.getfloat("hours", 0.0), head["seed"], seconds,
            head.getint("memory", 1024), tasks, _pairs(head.get("removed", "")),
            folder, root, edition,
        )  # fmt: skip
    except (configparser.Error, KeyError, ValueError) as error:
        if isinstance(error, CourseError):
            raise
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise CourseError(f"{path} cannot be understood: {why}") from error


def _tasks(
    parser: configparser.ConfigParser, name: str, seconds: float
) -> Iterator[tuple[str, Task]]:
    for section in parser.sections():
        if section == "assignment":
            continue
        if not section.startswith(f"{name}."):
            raise CourseError(f"[{section}]: tasks of {name} are called {name}.1, …")
        task = parser[section]
        yield (
            section,
            Task(
                section,
                task["title"],
                task["file"],
                int(task["points"]),
                task.getfloat("seconds", seconds),
                _pairs(task.get("closed", "")),
                tuple(task.get("unsaid", "").strip().splitlines()),
                tuple(task.get("common", "").strip().splitlines()),
            ),
        )


def _pairs(words: str) -> tuple[tuple[str, str], ...]:
    """Return ("a.py", "f") for "a.py:f"."""
    pairs = [word.partition(":") for word in words.split()]
    if any(not (colon and file and function) for file, colon, function in pairs):
        raise CourseError(f"{words!r}: a function is named as minidl/ops/a.py:function")
    return tuple((file, function) for file, _, function in pairs)
