"""The page of claims: every claim of the laboratory has a row, and a row what was seen."""

import json
import math

import pytest

from benchmarks.claims import generalization, schedules
from benchmarks.claims.__main__ import CLAIMS, measure
from benchmarks.claims.claim import Claim, Elsewhere, Says, summary
from benchmarks.claims.elsewhere import cell, elsewhere
from benchmarks.claims.page import DOCS, PATH, laboratory, page
from benchmarks.claims.store import Results

INF = math.inf


def test_every_claim_of_the_laboratory_has_a_row():
    told = {claim.topic for claim in CLAIMS} | {other.topic for other in elsewhere()}
    assert told == set(laboratory())


def test_the_page_is_what_was_measured():
    assert PATH.read_text(encoding="utf-8") == page(CLAIMS, elsewhere(), Results())
    assert "not measured yet" not in PATH.read_text(encoding="utf-8")


def test_every_figure_that_a_claim_speaks_of_was_measured():
    for claim in CLAIMS:
        for row in Results().of(claim):
            assert claim.agrees.keys() <= row.keys(), claim.name


def test_names_are_unique_and_no_result_is_of_a_claim_that_is_gone():
    names = [claim.name for claim in CLAIMS]
    assert len(set(names)) == len(names)
    assert {name for name, _ in Results().known} == set(names)


def test_every_other_page_has_its_command():
    for other in elsewhere():
        *_, name = other.command.split()
        path = name if name.endswith(".py") else f"{name.replace('.', '/')}.py"
        assert (DOCS.parent / path).is_file(), other.topic
        assert not other.page or (DOCS / other.page).is_file(), other.topic


# -------------------------------------------------------------------------- the verdicts


@pytest.mark.parametrize(
    ("says", "values", "holds"),
    [
        (Says(low=1), [1.5, 1.6], True),
        (Says(low=1), [0.5, 0.6], False),
        (Says(low=1), [0.5, 1.6], None),  # 1.05 ± 0.55
        (Says(high=1), [0.5, 0.6], True),
        (Says(high=1), [1.5, 1.6], False),
        (Says(0.9, 1.1), [1.0, 1.01], True),
        (Says(0.9, 1.1), [0.5, 1.5], None),
        (Says(0.9, 1.1), [0.5, 0.51], False),
        (Says(low=1), [1.0], True),  # nothing random: no error
        (Says(zero=True), [1.0, -1.0, 0.5], True),
        (Says(zero=True), [1.0, 1.1, 0.9], False),
        (Says(low=1), [math.nan, 2.0], False),
        (Says(low=1), [INF, INF], True),
    ],
)
def test_when_a_figure_agrees(says, values, holds):
    assert says.holds(values) is holds


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([{"a": 2.0, "b": 0.0}], "confirmed"),
        ([{"a": 0.0, "b": 2.0}], "refuted"),
        ([{"a": 2.0, "b": 2.0}], "depends"),
        ([{"a": 0.0, "b": 0.9}, {"a": 0.0, "b": 1.2}], "depends"),
    ],
)
def test_the_verdict(rows, verdict):
    agrees = {"a": Says(low=1), "b": Says(high=1)}
    assert Claim(fake, "T", "It is so.", agrees).verdict(rows) == verdict


def test_the_standard_error():
    assert summary([1.0, 3.0]) == (2.0, 1.0)
    assert summary([1.0]) == (1.0, 0.0)


# ----------------------------------------------------------------------------- the store


def fake(seed):
    """Nothing is trained."""
    CALLS.append(seed)
    return {"a": 2.0 + seed}


CALLS = []


def test_a_run_goes_on_where_it_was_ended(tmp_path, capsys):
    path, claim = (
        tmp_path / "results.jsonl",
        Claim(fake, "T", "So.", {"a": Says(low=1)}),
    )
    CALLS.clear()
    measure(claim, Results(path))
    assert CALLS == [0, 1, 2, 3, 4]
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]) + lines[3][:20])  # ended within the fourth line
    measure(claim, Results(path))
    assert CALLS == [0, 1, 2, 3, 4, 3, 4]
    assert [json.loads(line)["seed"] for line in path.read_text().splitlines()] == [
        *range(5)
    ]
    results = Results(path)
    results.forget(["fake"])
    assert Results(path).of(claim) == []
    assert "fake: confirmed" in capsys.readouterr().out


def test_a_row_of_the_page(tmp_path):
    results = Results(tmp_path / "none.jsonl")
    results.known = {
        ("fake", s): {"figures": {"a": 2.0 + s}, "seconds": 1} for s in range(5)
    }
    claim = Claim(
        fake, "Step decay", "It falls.", {"a": Says(low=1)}, note="So it does."
    )
    other = Elsewhere(
        "Dropout", "It helps.", "depends", "Not here.", "search.md", "python"
    )
    text = page([claim], [other], results)
    assert "| Step decay | It falls. | Nothing is trained: a **4** ± 0.707 (≥ 1). So it " \
           "does. | **confirmed** | `fake` |" in text  # fmt: skip
    assert "Not here. [search.md](search.md) | **depends** | `python` |" in text
    assert "1 confirmed, 1 depends" in text


def test_a_cell_of_another_page():
    assert cell("regularizers.md", "Emoji-32", "dropout", "epochs") == "30"
    assert cell("ensembles.md", "digits", "one net of width 5", "trainings") == "0.2"
    assert cell("minima.md", "Minima", "500 | 0.05 |", "epochs").startswith("97")
    with pytest.raises(StopIteration):
        cell("regularizers.md", "Emoji-32", "drpout", "epochs")


# -------------------------------------------------------- claims that take no time at all


@pytest.mark.parametrize(
    "claim",
    [schedules.cosine_by_hand, schedules.inverse_sqrt_is_short, generalization.adagrad,
     generalization.adam_starts, generalization.conditions, generalization.boxes],
    ids=lambda claim: claim.name,
)  # fmt: skip
def test_what_was_measured_is_measured_again(claim):
    known, now = Results().of(claim)[0], claim.run(0)
    for name in claim.agrees:
        assert math.isclose(now[name], known[name], rel_tol=1e-3, abs_tol=1e-7)
