"""What is graded: a row asks for one property of one task, and says what it is worth.

A row never holds an answer. It draws inputs, names the function of the assignment's
`calls.py` that hands them to the code under test, and says which of the arrays that
come back count. What is right is computed by the same function with the reference
solution, in the grader's own process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from .draws import Array, Draw

Inputs = Mapping[str, Array | float | int | bool]
Drawn = Callable[[Draw], Inputs]


@dataclass(frozen=True)
class Row:
    """One property of a task, such as "the gradient of x".

    task      "a1.1": the region that is graded
    name      the property, in words a student reads: "forward", "gradient of x"
    points    whole points; those of a task's rows add up to the task's
    call      a function of calls.py: arrays by name -> arrays by name
    inputs    inputs(draw) -> what the function gets, drawn anew for each student
    answers   the names that count; () means all that come back
    compare   "kind": only shape and dtype must agree, and another row of the task must
              be right; "values": shape, kind, finiteness and values
    hint      what a student is told who fails here first
    hidden    the row is no part of the student's edition
    draws     so many times it is asked, with other inputs, and all must be right
    """

    task: str
    name: str
    points: int
    call: str
    inputs: Drawn
    hint: str
    answers: tuple[str, ...] = ()
    compare: Literal["kind", "values"] = "values"
    rtol: float = 1e-6
    atol: float = 1e-9
    hidden: bool = False
    draws: int = 2


def without(inputs: Drawn, *names: str) -> Drawn:
    """The same inputs, without some."""

    def drawn(draw: Draw) -> Inputs:
        return {k: x for k, x in inputs(draw).items() if k not in names}

    return drawn


def narrow(inputs: Drawn) -> Drawn:
    """The same inputs, arrays of float64 in float32."""

    def drawn(draw: Draw) -> Inputs:
        return {k: _narrowed(x) for k, x in inputs(draw).items()}

    return drawn


def _narrowed(x: Array | float) -> Array | float:
    if isinstance(x, np.ndarray) and x.ndim and x.dtype == np.float64:
        return x.astype(np.float32)
    return x


@dataclass(frozen=True)
class Patch:
    """Other lines for one task's region.

    patch   "- " and an old line, "+ " and a new one (author/mutation.py); new lines
            alone replace the whole region
    """

    task: str
    name: str
    patch: str
    file: ClassVar[str]  # where such patches are listed


@dataclass(frozen=True)
class Mutant(Patch):
    """A typical wrong answer, which must lose points."""

    file: ClassVar[str] = "mutants.py"


@dataclass(frozen=True)
class Variant(Patch):
    """A right answer written in another way, which must keep every point."""

    file: ClassVar[str] = "variants.py"
