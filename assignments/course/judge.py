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

KINDS = {"b": "truth values", "i": "whole numbers", "u": "whole numbers", "f": "floats"}
HIDDEN = "this property does not hold; of a hidden row no numbers are shown"
WIDE = "float64 came, float32 fits"
WIDER = (
    "float32 must stay float32: an array or a NumPy number in float64 widens what it "
    "meets; bring it back with .astype(x.dtype)"
)
ALONE = "right, and counts as soon as another property of the task is right"


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
        return Verdict(row.points, True, "right")
    if row.hidden:
        return Verdict(0, False, HIDDEN, "", wrong)
    return Verdict(0, False, wrong, WIDER if wrong.endswith(WIDE) else row.hint, wrong)


def fault(row: Row, given: Answer, expected: Arrays) -> str:
    """Return what is wrong with an answer, as a sentence, or ""."""
    if isinstance(given, Failure):
        return given.what
    for name in row.answers or tuple(expected):
        if name not in given:
            return f"{name}: absent"
        if wrong := _compare(row, given[name], expected[name]):
            return f"{name}: {wrong}"
    return ""


def _compare(row: Row, y: Any, right: np.ndarray[Any, Any]) -> str:
    if type(y) is not np.ndarray:
        return f"a {type(y).__name__} came, not an array"
    if y.shape != right.shape:
        return f"shape {y.shape} came, {right.shape} fits"
    kind, wanted = (KINDS.get(d.kind, str(d)) for d in (y.dtype, right.dtype))
    if kind != wanted:
        return f"{kind} came ({y.dtype}), {wanted} fit ({right.dtype})"
    if row.compare == "kind":
        widens = y.dtype.kind == "f" and y.dtype != right.dtype
        return f"{y.dtype} came, {right.dtype} fits" if widens else ""
    if y.dtype.kind != "f":
        return _differs(y, right, y != right)
    finite = np.isfinite(right)
    lost = finite & ~np.isfinite(y)
    if lost.any():
        at = _first(lost)
        return f"{y[at]} came{_place(at)}, where a finite number should be"
    y64, right64 = y.astype(np.float64), right.astype(np.float64)
    same = (y64 == right64) | (np.isnan(y64) & np.isnan(right64))
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(y64 - right64) <= row.atol + row.rtol * np.abs(right64)
    return _differs(y, right, ~np.where(finite, near, same))


def _differs(y: Any, right: Any, wrong: np.ndarray[Any, Any]) -> str:
    if not wrong.any():
        return ""
    count, at = int(wrong.sum()), _first(wrong)
    some = "the value is" if y.ndim == 0 else f"{count} of {y.size} values are"
    return f"{some} wrong: {y[at]:.7g} came{_place(at)}, {right[at]:.7g} is right"


def _first(mask: np.ndarray[Any, Any]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(mask)[0])


def _place(at: tuple[int, ...]) -> str:
    return f" at {list(at)}" if at else ""
