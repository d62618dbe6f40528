"""Run `minidl.check` over the bank: python -m tests.bank [a | b | c | right | speed] [--verdicts].

caught     the wrong gradient is not called right
right      the first verdict expresses an idea that its entry expects
useful     any of its sentences does
certain    a sentence is said without a reserve ("it looks like …") and expresses none:
           a wrong verdict, unless a reader finds otherwise (--verdicts prints it)

"Wrong in a way of its own" is no verdict; "wrong only at …" is a place,
"has shape …" and "is g · y" are facts; none is a cause.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

import minidl as md
from minidl import check
from tests.bank import wrong_a, wrong_b, wrong_c
from tests.bank.cases import Array, Case, Pair
from tests.bank.own import OWN, Own
from tests.bank.right import RIGHT, Right

HALVES = {"a": wrong_a.BANK, "b": wrong_b.BANK, "c": wrong_c.BANK}
NOTHING = r"in a way of its own|no (typical|known) "
FACT = (
    r"wrong (only |everywhere but )?(where|at)\b|has shape|"
    r"is ([−\d.]+ times (\(.*\) )?)?(the sum over .* of )?g · "
)
RESERVED = r"looks? like|perhaps|may be|maybe|likely|might|nearly right"


@dataclass(frozen=True)
class Verdict:
    """What the checker said of one case, judged by the ideas that the case expects."""

    case: Case
    said: list[str] | None

    @property
    def caught(self) -> bool:
        return self.said is not None

    @property
    def meant(self) -> list[str]:
        return [s for s in self.said or [] if not re.search(NOTHING, s)]

    @property
    def right(self) -> bool:
        return bool(self.meant) and self.case.accepts(self.meant[0])

    @property
    def useful(self) -> bool:
        return any(map(self.case.accepts, self.meant))

    @property
    def certain(self) -> bool:
        open_to_doubt = re.compile(f"{RESERVED}|{FACT}")
        firm = [s for s in self.meant if not open_to_doubt.search(s)]
        return not all(map(self.case.accepts, firm))


def subject(pair: Pair) -> Any:
    """Return what the checker is given: the pair of functions, or an op of minidl."""
    if pair.body is None:
        return pair.forward, pair.backward
    student = FunctionType(pair.body.__code__, pair.body.__globals__, "student")
    return md.op(student)


def explained(function: Any, inputs: Sequence[Array]) -> list[str] | None:
    """Return what is said of it, without its name; None if it is called right."""
    if isinstance(function, Pair):
        function = subject(function)
    try:
        with np.errstate(all="ignore"):
            diagnosis = check.explain(function, inputs)
    except Exception as error:  # what a student would see
        return [f"{type(error).__name__}: {error}"]
    if diagnosis:
        return None
    return [s.removeprefix(f"{s.split(': ')[0]}: ") for s in diagnosis.sentences]


def judge(case: Case, seed: int = 1) -> Verdict:
    wrong = case.wrong()
    return Verdict(case, explained(wrong, wrong.make(np.random.default_rng(seed))))


def false_alarm(row: Right | Own, seed: int = 1) -> list[str] | None:
    rng = np.random.default_rng(seed)
    if isinstance(row, Own):
        return explained(row.make_function(), row.make(rng))
    return explained(row.pair, row.pair.make(rng))


def show_half(name: str, cases: Sequence[Case], verdicts: bool) -> None:
    start = time.perf_counter()
    judged = [judge(case) for case in cases]
    seconds = time.perf_counter() - start
    columns = ("caught", "right", "useful", "certain")
    for v in judged:
        marks = "".join(c[0] if getattr(v, c) else "." for c in columns)
        print(f"{marks}  {v.case.name:44} {v.case.family}")
        for sentence in (v.said or []) if verdicts else []:
            print(f"        {sentence}")
    counts = ", ".join(f"{c} {sum(getattr(v, c) for v in judged)}" for c in columns)
    print(f"half {name}: {len(judged)} wrong gradients: {counts}; {seconds:.1f} s\n")


def show_right(rows: Sequence[Right | Own]) -> None:
    said = [(row.name, false_alarm(row)) for row in rows]
    alarms = [(name, s) for name, s in said if s is not None]
    for name, sentences in alarms:
        print(f"false alarm: {name}: {sentences[0]}")
    print(f"right: {len(rows)} implementations, {len(alarms)} false alarms")


def show_speed() -> None:
    """Print the processor's seconds: for 200 inputs explained, for 10,000 parameters."""
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s) for s in ((15, 10), (10, 4), 4))
    scores = rng.standard_normal((20, 10))

    def affine(x: Array, w: Array, b: Array) -> Any:
        return x @ w + b, (x, w)

    def mean_for_sum(g: Array, c: Any) -> Any:
        return g @ c[1].T, c[0].T @ g / len(g), g.sum(axis=0)

    def softmax(x: Array) -> Any:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        return p, p

    def wrong_axis(g: Array, p: Array) -> Array:
        return p * (g - (g * p).sum(axis=0))

    def odd(g: Array, p: Array) -> Array:
        return p * (g - (g * p).sum(axis=1, keepdims=True)) + np.sin(7 * g)

    layer, batch = md.nn.Linear(99, 100, rng=0), [rng.standard_normal((4, 99))]
    for what, call in {
        "194 inputs, a factor": lambda: check.explain(
            (affine, mean_for_sum), [x, w, b]
        ),
        "200 inputs, an axis": lambda: check.explain((softmax, wrong_axis), [scores]),
        "200 inputs, no name": lambda: check.explain((softmax, odd), [scores]),
        "10,000 parameters": lambda: check.gradcheck(layer, batch),
        "10,000, both modes": lambda: check.check_layer(layer, batch),
    }.items():
        seconds = []
        for _ in range(3):
            start = time.process_time()
            call()
            seconds.append(time.process_time() - start)
        print(f"{what:22} {min(seconds):.3f} s")


def main(arguments: Sequence[str]) -> None:
    wanted = [a for a in arguments if a != "--verdicts"] or [*HALVES, "right"]
    for name in wanted:
        if name == "right":
            show_right([*RIGHT, *OWN])
        elif name == "speed":
            show_speed()
        else:
            show_half(name, HALVES[name].cases, "--verdicts" in arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
