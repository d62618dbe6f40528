"""The path "from nothing": a student's own engine, checked stage by stage.

    my_engine.py -> a process with a time limit (answers.py) -> a sentence for a stage

The checks are assignments/path/stages.py, which compare it with minidl.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .answers import Failure, Group, answered
from .assignment import home
from .errors import CourseError

STAGES = (
    "values",
    "graph order",
    "broadcasting",
    "operations",
    "modules",
    "the optimizer",
    "the training loop",
    "the checkpoint",
)
HANDOUT = "assignments/path/README.md"


def walk(
    file: Path, root: Path | None = None, only: int = 0, seconds: float = 60.0
) -> Iterator[tuple[int, str]]:
    """Yield each stage, or `only` one, and what is wrong with it, "" if nothing is.

    It ends after the first stage with something wrong.
    """
    tree = home(root)
    checks = tree / "assignments" / "path" / "stages.py"
    if not checks.is_file():
        raise CourseError(f"{tree} has no {HANDOUT}: work in a clone of the repository")
    if not file.is_file():
        raise CourseError(f"{file} is no file; begin one as {HANDOUT} says")
    if only not in range(len(STAGES) + 1):
        raise CourseError(f"there is no stage {only}; stages are 1 to {len(STAGES)}")
    stages = [only] if only else list(range(1, len(STAGES) + 1))
    groups = [Group([_question(file, stage)], seconds) for stage in stages]
    answers = answered(tree, checks, groups)
    for stage, (given,) in zip(stages, answers, strict=True):
        if isinstance(answer := given.answer, Failure):
            hint = "look for a loop that never ends, or for a call that ends Python"
            yield stage, f"{file.name} {answer.what}; {hint}"
            return
        yield stage, str(answer["wrong"])
        if str(answer["wrong"]):
            return


def _question(file: Path, stage: int) -> tuple[str, dict[str, np.ndarray]]:
    return "ask", {"file": np.array(str(file.resolve())), "stage": np.array(stage)}
