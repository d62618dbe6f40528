"""The commonest mistakes of a class: what many wrote, whatever their numbers.

Of gradients, `minidl.check.explain` is asked for a name: it looks at one student's
answers for each mistake, in a process behind the same walls (batch.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..judge import ALONE
from .results import Result

COMMON = 12  # mistakes that are listed

Mistake = tuple[
    str, str, str
]  # the task, the row, and the sentence without its numbers


def mistakes(results: Sequence[Result]) -> list[tuple[Mistake, list[Result]]]:
    """Return the commonest mistakes, and who made them.

    Of a task only the first row that is wrong counts: what fails behind it often
    follows from it.
    """
    seen: dict[Mistake, list[Result]] = {}
    for result in results:
        for task in result.tasks:
            wrong = (row for row in task.rows if row.points < row.worth)
            row = next((row for row in wrong if row.what != ALONE), None)
            if row is not None:
                seen.setdefault((task.task, row.name, kind(row.what)), []).append(
                    result
                )
    return sorted(seen.items(), key=lambda item: -len(item[1]))[:COMMON]


def kind(what: str) -> str:
    """Return a sentence without its numbers.

    >>> kind("y: 3 of 12 values are wrong: 0.5 came at [0, 1], 0.25 is right")
    'y: … of … values are wrong: … came at […], … is right'
    """
    short = re.sub(r"[-+]?(\d[\d.]*(e[-+]?\d+)?|\binf\b|\bnan\b)", "…", what)
    return re.sub(r"([(\[])…?(, ?…?)*([)\]])", r"\1…\3", short)
