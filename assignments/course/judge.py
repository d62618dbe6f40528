"""The verdict on a row: is what came what should have come, and if not, in what way?

An answer is right if it is there, has the shape, the kind of numbers and the infinities
of the expected one, and  |given − expected| ≤ atol + rtol |expected|  everywhere.
A row that compares only the kind wants the very dtype: float32 must stay float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .answers import Answer, Arrays, Failure
from .rows import Row

KINDS = {"b": "truth values", "i": "whole numbers", "u": "whole numbers", "f": "floats"}
HIDDEN = "wrong in a hidden case; try other shapes, zeros, ties, large numbers"
CONSTANT = "the same number everywhere, whatever comes in"


@dataclass(frozen=True)
class Verdict:
    """What a row gets: its points or 0, and why, in a sentence.

    fault   the same for the author, who may know what a hidden row found
    """

    points: int
    right: bool
    what: str
    fault: str = ""


def judge(
    row: Row, given: Answer, expected: Arrays, second: Answer | None = None
) -> Verdict:
    """Return the verdict on one draw.

    second   what was given in another draw, for rows that compare only the kind: one
             number everywhere in both earns nothing
    """
    wrong = fault(row, given, expected)
    if not wrong and row.compare == "kind" and _constant(given, second):
        wrong = "" if _constant(expected, None) else CONSTANT
    return _verdict(row, wrong)


def judge_row(row: Row, given: Sequence[Answer], expected: Sequence[Arrays]) -> Verdict:
    """Return the verdict on all draws of a row: the first fault decides."""
    seconds = [*given[1:], given[0] if len(given) > 1 else None]
    verdicts = [
        judge(row, g, e, s) for g, e, s in zip(given, expected, seconds, strict=True)
    ]
    return next((v for v in verdicts if not v.right), _verdict(row, ""))


def _verdict(row: Row, wrong: str) -> Verdict:
    if not wrong:
        return Verdict(row.points, True, "right")
    return Verdict(0, False, HIDDEN if row.hidden else wrong, wrong)


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


def _constant(one: Answer, other: Answer | None) -> bool:
    """Whether all numbers of the answers are equal; one number alone says nothing."""
    numbers: list[Any] = []
    for answer in (one, other):
        if answer is not None and not isinstance(answer, Failure):
            numbers += [np.ravel(y) for y in answer.values()]
    flat = np.concatenate(numbers) if numbers else np.zeros(0)
    return flat.size > 1 and bool((flat == flat[0]).all())
