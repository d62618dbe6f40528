"""What is right, stored with a student's edition: expected.npz.

An entry is called "digest of what is asked.name of the answer", so that nothing depends
on the order of rows, and rows that were changed find nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .answers import Arrays, inputs_of
from .assignment import Assignment
from .errors import CourseError
from .manifest import digest
from .rows import Row

FILE = "expected.npz"


def stored(
    found: Iterable[tuple[Row, Sequence[Arrays]]],
    inputs: Callable[[Row], Sequence[Arrays]],
) -> dict[str, Any]:
    """Return the entries of expected.npz for the draws that rows ask for."""
    return {
        f"{_key(row, asked)}.{name}": y
        for row, answers in found
        for asked, answer in list(zip(inputs(row), answers, strict=True))[: row.draws]
        for name, y in answer.items()
    }


def expected(assignment: Assignment, row: Row) -> list[Arrays]:
    """Return the right answers to a public row's draws, as stored in an edition."""
    path = assignment.folder / FILE
    if path not in _read:
        try:
            with np.load(path, allow_pickle=False) as file:
                _read[path] = {name: file[name] for name in file.files}
        except (OSError, ValueError) as error:
            raise CourseError(
                f"{path} cannot be read ({error}); take it again from the folder that "
                "your course handed out"
            ) from error
    answers = []
    for i in range(row.draws):
        key = _key(row, inputs_of(row, assignment.seed, "", i)) + "."
        names = [name for name in _read[path] if name.startswith(key)]
        if not names:
            raise CourseError(
                f"{row.task}, {row.name} asks what {path.name} has no answer for; was "
                "rows.py changed? Take it again from what your course handed out"
            )
        answers.append({name.removeprefix(key): _read[path][name] for name in names})
    return answers


_read: dict[Path, Arrays] = {}


def _key(row: Row, asked: Arrays) -> str:
    return f"{row.task}-{row.call}-{digest(asked)}"
