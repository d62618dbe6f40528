"""Asking the code under test: arrays in, arrays out, nothing else.

Inputs depend on a seed, the student, the row and the number of the draw, and on nothing
of this machine. A function of calls.py gets private copies of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from minidl.backend import to_numpy
from minidl.course.draws import Draw
from minidl.course.rows import Row
from minidl.errors import CourseError

Arrays = dict[str, np.ndarray[Any, Any]]


def inputs_of(row: Row, seed: str, student: str = "", i: int = 0) -> Arrays:
    """Return what a row asks a student in its i-th draw; numbers are 0-d arrays."""
    draw = Draw(seed, student, row.task, row.name, i)
    inputs = {name: np.asarray(x) for name, x in row.inputs(draw).items()}
    odd = [name for name, x in inputs.items() if x.dtype.kind not in "biuf"]
    if odd:
        raise CourseError(f"{row.task}, {row.name}: {odd[0]} is no array of numbers")
    return inputs


def ask(
    calls_module: ModuleType, row: Row, inputs: Mapping[str, np.ndarray[Any, Any]]
) -> Arrays:
    """Return what the row's function makes of copies of the inputs.

    Tensors become arrays. What the function raises goes through.
    """
    function = getattr(calls_module, row.call, None)
    if function is None:
        raise CourseError(
            f"{row.task}, {row.name} calls {row.call}, which is not in calls.py"
        )
    made = function(**{name: x.copy() for name, x in inputs.items()})
    if not isinstance(made, dict):
        raise CourseError(
            f"{row.call} of calls.py returned a {type(made).__name__}; it must return "
            "arrays by their names"
        )
    return {str(name): to_numpy(y).copy() for name, y in made.items()}
