"""Trees to grade in, one for each task, made once and shared by all submissions.

A task's tree is the stripped package without the file that is graded (the student's
process finds that module in the student's file, and the reference's text is nowhere to
be read), with closed functions closed, and compiled, so that a fresh process starts
quickly. Equal files are hard links to one copy.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import shutil
from pathlib import Path

from ..assignment import Assignment, Task
from ..source_tree import overrides, reference_tree

UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH


class Trees:
    """The trees of an assignment, in a folder of ours."""

    def __init__(self, assignment: Assignment, folder: Path) -> None:
        self.assignment, self.folder = assignment, folder

    def make(self) -> None:
        """Make the trees of all tasks, unless they are there."""
        if self.folder.exists():
            return
        self.folder.mkdir()
        base = reference_tree(self.folder / "base", self.assignment.root)
        _compile(base)
        for task in self.assignment.tasks.values():
            self._make(base, task)

    def tree(self, task: Task) -> Path:
        """Return the folder of a task's tree."""
        return self.folder / task.name

    def _make(self, base: Path, task: Task) -> None:
        new, changed = self.tree(task), overrides(self.assignment, task)
        without = {_key(file) for file in changed}
        for place, _, names in os.walk(base):
            target = new / Path(place).relative_to(base)
            target.mkdir()
            for name in names:
                path = Path(place, name)
                if _key(path.relative_to(base).as_posix()) not in without:
                    _link(path, target / name)
        for file, text in changed.items():
            if file != task.file:
                (new / file).write_text(text, encoding="utf-8")
                py_compile.compile(
                    str(new / file), doraise=True, invalidation_mode=UNCHECKED
                )


def _compile(folder: Path) -> None:
    compileall.compile_dir(folder, quiet=2, invalidation_mode=UNCHECKED)


def _key(file: str) -> str:
    """Return "minidl/ops/softmax" for that .py file, and for its bytecode."""
    folder, _, name = file.rpartition("/")
    return f"{folder.removesuffix('/__pycache__')}/{name.partition('.')[0]}"


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(path, target)
