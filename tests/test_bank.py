"""The bank of gradients: each is wrong or right as it says, and what the checker says.

`python -m tests.bank --verdicts` prints all of it.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.bank.__main__ import HALVES, false_alarm, judge
from tests.bank.cases import is_right
from tests.bank.own import OWN
from tests.bank.right import RIGHT
from tests.bank.rules import RIGHT_RULES, RULES_A, RULES_B, agrees_with_paper

SOUND = [*RIGHT, *OWN]
CASES = [case for half in HALVES.values() for case in half.cases]
#  half  at least: caught, right, useful; at most: certain. Better code raises them;
#  the words of verdicts change, so that they stand two below what was reached
REACHED = {
    "a": (134, 127, 127, 2),
    "b": (128, 113, 113, 2),
    "c": (86, 72, 72, 6),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_one_is_wrong_and_its_right_one_right(case):
    rng = np.random.default_rng(0)
    assert is_right(case.right, case.right.make(rng), rng)
    wrong, found = case.wrong(), []
    for _ in range(2):  # a stale cache is wrong from the second batch on
        found.append(is_right(wrong, wrong.make(rng), rng))
    assert not all(found)


def test_right_ones_are_right():
    rng = np.random.default_rng(0)
    wrong = [
        row.name
        for row in RIGHT
        if not is_right(row.pair, row.pair.make(rng), rng, row.rtol, row.h)
    ]
    assert not wrong


def test_rules_are_wrong_or_right():
    rng = np.random.default_rng(0)
    wrong = [*RULES_A, *RULES_B]
    assert len(wrong) >= 20
    assert not [rule.name for rule in wrong if agrees_with_paper(rule, rng)]
    assert all(agrees_with_paper(rule, rng) for rule in RIGHT_RULES)


def test_every_sixth_is_caught_or_raises_no_alarm():
    silent = {case.name for case in CASES[::6] if not judge(case).caught}
    assert not silent
    alarms = {row.name for row in SOUND[::6] if false_alarm(row) is not None}
    assert not alarms


@pytest.mark.slow
@pytest.mark.parametrize("half", REACHED)
def test_wrong_ones_are_caught_and_named(half):
    judged = [judge(case) for case in HALVES[half].cases]
    caught, right, useful, certain = REACHED[half]
    assert sum(v.caught for v in judged) >= caught
    assert sum(v.right for v in judged) >= right
    assert sum(v.useful for v in judged) >= useful
    assert sum(v.certain for v in judged) <= certain


@pytest.mark.slow
def test_right_ones_raise_no_alarm():
    alarms = {row.name for row in SOUND if false_alarm(row) is not None}
    assert not alarms


def test_the_bank_is_as_large_as_it_says():
    assert all(len(half.cases) >= 65 for half in HALVES.values())
    assert len({case.name for case in CASES}) == len(CASES)
    assert len({row.name for row in SOUND}) == len(SOUND) >= 400
