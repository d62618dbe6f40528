"""The verdict on a row: is what came what should have come, and if not, in what way?

An answer is right if it is there, has the shape, the kind of numbers and the infinities
of the expected one, and  |given − expected| ≤ atol + rtol |expected|  everywhere.
A row that compares only the kind wants the very dtype: float32 must stay float32. It
counts only beside another row of its task that is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .answers import Answer, Arrays, Failure
from .rows import Row
from .sentences import say

KINDS = {
    "b": say("truth values"), "i": say("whole numbers"), "u": say("whole numbers"),
    "f": say("floats"),
}  # fmt: skip
HIDDEN, ALONE, WIDER = say("hidden"), say("alone"), say("wider")
WIDE = say("width", given="float64", right="float32")


@dataclass(frozen=True)
class Verdict:
    """What a row gets: its points or 0, and why, in a sentence.

    hint    where to look next; "" of a hidden row
    fault   as `what`, for the author, who may know what a hidden row found
    """

    points: int
    right: bool
    what: str
    hint: str = ""
    fault: str = ""


def judge(row: Row, given: Answer, expected: Arrays) -> Verdict:
    """Return the verdict on one draw."""
    return _verdict(row, fault(row, given, expected))


def judge_row(row: Row, given: Sequence[Answer], expected: Sequence[Arrays]) -> Verdict:
    """Return the verdict on all draws of a row: the first fault decides."""
    verdicts = [judge(row, g, e) for g, e in zip(given, expected, strict=True)]
    return next((v for v in verdicts if not v.right), _verdict(row, ""))


def settled(pairs: Iterable[tuple[Row, Verdict]]) -> list[Verdict]:
    """Return the verdicts on the rows of a task, with what one means for another.

    The right kind alone earns nothing: NaN, zeros, or what came in have it, too.
    """
    every = list(pairs)
    if any(verdict.right and row.compare != "kind" for row, verdict in every):
        return [verdict for _, verdict in every]
    return [replace(v, points=0, right=False, what=ALONE, fault=ALONE) if v.right else v
            for _, v in every]  # fmt: skip


def _verdict(row: Row, wrong: str) -> Verdict:
    if not wrong:
        return Verdict(row.points, True, say("right"))
    if row.hidden:
        return Verdict(0, False, HIDDEN, "", wrong)
    return Verdict(0, False, wrong, WIDER if wrong.endswith(WIDE) else row.hint, wrong)


def fault(row: Row, given: Answer, expected: Arrays) -> str:
    """Return what is wrong with an answer, as a sentence, or ""."""
    if isinstance(given, Failure):
        return given.what
    for name in row.answers or tuple(expected):
        if name not in given:
            return f"{name}: {say('absent')}"
        if wrong := _compare(row, given[name], expected[name]):
            return f"{name}: {wrong}"
    return ""


def _compare(row: Row, y: Any, right: np.ndarray[Any, Any]) -> str:
    if type(y) is not np.ndarray:
        return say("no array", kind=type(y).__name__)
    if y.shape != right.shape:
        return say("shape", given=y.shape, right=right.shape)
    kind, wanted = (KINDS.get(d.kind, str(d)) for d in (y.dtype, right.dtype))
    if kind != wanted:
        return say("kind", given=kind, dtype=y.dtype, right=wanted, wanted=right.dtype)
    if row.compare == "kind":
        widens = y.dtype.kind == "f" and y.dtype != right.dtype
        return say("width", given=y.dtype, right=right.dtype) if widens else ""
    if y.dtype.kind != "f":
        return _differs(y, right, y != right)
    finite = np.isfinite(right)
    lost = finite & ~np.isfinite(y)
    if lost.any():
        at = _first(lost)
        return say("lost", given=y[at], place=_place(at))
    y64, right64 = y.astype(np.float64), right.astype(np.float64)
    same = (y64 == right64) | (np.isnan(y64) & np.isnan(right64))
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(y64 - right64) <= row.atol + row.rtol * np.abs(right64)
    return _differs(y, right, ~np.where(finite, near, same))


def _differs(y: Any, right: Any, wrong: np.ndarray[Any, Any]) -> str:
    if not wrong.any():
        return ""
    count, at = int(wrong.sum()), _first(wrong)
    told = {"given": f"{y[at]:.7g}", "place": _place(at), "right": f"{right[at]:.7g}"}
    if y.ndim == 0:
        return say("value", **told)
    return say("values", count=count, of=y.size, **told)


def _first(mask: np.ndarray[Any, Any]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(mask)[0])


def _place(at: tuple[int, ...]) -> str:
    return say("at", place=list(at)) if at else ""
