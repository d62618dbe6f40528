"""Curves read in words: every illness on purpose, and what only looks like one."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from benchmarks import gallery_parts as gallery
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.lab import diagnose_curves, trend
from minidl.lab.findings import WORDS
from minidl.lab.reading import read
from minidl.train import History

T = np.arange(400)
E = np.arange(20)
RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=400)


def names(history):
    return [finding.name for finding in diagnose_curves(history)]


def fall(tau, start=2.3, end=0.1, noise=0.02):
    """An exponential fall, and the noise of its batches."""
    level = end + (start - end) * np.exp(-T / tau)
    return level * (1 + noise * NOISE)


def epochs(train, val, **more):
    return {"train_loss": train, "val_loss": val, **more}


SLOW, FAST = fall(1500), fall(40)
GOOD = 0.1 + 2.0 * np.exp(-E / 2)
DROP = np.where(T < 40, 0.1, 0.01)  # a rate that drops at a tenth of the run

# what it is, the columns
DRAWN = [
    ("nan", {"loss": [*FAST[:50], math.nan]}),
    ("nan", {"loss": [2.3, 2.2, math.inf]}),
    ("nan", epochs([2.0, 1.0, math.nan], [2.0, 1.1, None])),
    ("diverging", {"loss": 2.3 * np.exp(T / 80)}),
    ("diverging", {"loss": np.r_[2.3, np.full(9, 4566), 40 + NOISE]}),
    ("lr_too_high", {"loss": np.where(T < 3, 2.3, np.where(T < 12, 20, 1 + 0.1 * NOISE))}),
    ("lr_too_high", {"loss": 1.2 + 1.1 * np.exp(-T / 8) + 0.15 * NOISE}),
    ("lr_too_low", {"loss": SLOW}),
    ("lr_too_low", {"step": T, "loss": SLOW, "lr": np.full(400, 1e-5)}),
    ("bad_init", {"loss": 2.3 - 2 / (1 + np.exp((200 - T) / 12)) + 0.01 * NOISE}),
    ("bad_init", {"loss": 2.3 + 0.005 * NOISE}),
    ("decayed_too_early", {"loss": np.where(T < 40, 2.3 - 0.02 * T, 1.5 - 0.0008 * T)
                           + 0.02 * NOISE, "lr": DROP}),
    ("overfitting", epochs(GOOD, 0.4 + GOOD + 0.03 * E)),
    ("overfitting", epochs(GOOD, GOOD + 0.5, train_accuracy=1 - 0.3 * GOOD**2 / 4,
                           val_accuracy=0.7 - 0.3 * GOOD / 2)),
    ("underfitting", epochs(GOOD + 1, GOOD + 1.02, train_accuracy=0.6 - 0.2 * GOOD,
                            val_accuracy=0.59 - 0.2 * GOOD)),
    ("train_longer", epochs([2.2, 1.8, 1.4, 1.05, 0.8], [2.0, 1.7, 1.35, 1.1, 0.9])),
    ("unshuffled", {"loss": FAST * (1 + 0.8 * (T % 20 == 0)), "epoch": T // 20 + 1}),
    ("unshuffled", {"loss": FAST + 0.3 * np.sin(T * math.pi / 10)}),
    ("leaky_validation", epochs(2 * np.exp(-E / 3), 2 * np.exp(-(E + 0.5) / 3))),
    ("noisy_validation", epochs(GOOD, GOOD, val_accuracy=np.where(E % 3 == 1, 0.75, 0.9),
                                train_accuracy=1 - GOOD / 3)),
    ("healthy", {"loss": FAST}),
    ("healthy", epochs(GOOD, GOOD * 1.1 + 0.1)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "columns"), DRAWN)
def test_a_drawn_curve_is_named(name, columns):
    assert name in names(columns)[:2]
    if name == "healthy":
        assert names(columns) == ["healthy"]


def test_every_name_was_drawn_and_has_words():
    assert {name for name, _ in DRAWN} == set(WORDS)
    for finding in diagnose_curves(DRAWN[5][1]):
        assert all([finding.text, finding.advice, finding.evidence])
        assert finding.name in str(finding)


# Of the gallery, what is quick; `python -m benchmarks.gallery` has all of it.
@pytest.mark.parametrize("name", sorted(WORDS))
def test_a_run_of_the_gallery_is_named(name):
    cases = [case for case in gallery.RULES if case.name == name]
    quick = [case for case in cases if case.base is gallery.digits]
    for case in quick[:1]:
        found = names(case.run(0))
        assert name in found[:2], (case, found)


def restart(t):
    return 0.05 * (1 + np.cos(math.pi * (t % 100) / 100))


# what only looks ill
HONEST = {
    "restarts": {"loss": np.exp(-T / 150) * (0.6 + 8 * restart(T)) + 0.02 + 0.01 * NOISE,
                 "lr": restart(T)},
    "warm-up": {"loss": np.where(T < 80, 2.3 - 0.05 * (T / 80) ** 2,
                                 0.1 + 2.15 * np.exp(-(T - 80) / 30)) + 0.01 * NOISE,
                "lr": np.minimum(T / 80, 1) ** 2},
    "decay of a flat loss": {"loss": 0.3 + 2 * np.exp(-T / 15) - 0.1 * (T > 150)
                             + 0.03 * NOISE, "lr": np.where(T < 150, 0.1, 0.01)},
    "training above validation": epochs(GOOD + 0.15, GOOD, train_accuracy=0.9 - GOOD / 3,
                                        val_accuracy=0.96 - GOOD / 3),
    "a few judges": epochs(GOOD, GOOD * 1.2 + 0.02 * RNG.normal(size=20),
                           val_accuracy=np.round(50 * (0.95 - GOOD / 3)) / 50),
    "small batches": {"loss": fall(40, noise=0.3)},
    "validation every third epoch": epochs(
        GOOD, [v if i % 3 == 2 else None for i, v in enumerate(GOOD * 1.1)]),
}  # fmt: skip


@pytest.mark.parametrize("shape", HONEST)
def test_it_does_not_cry_wolf(shape):
    assert names(HONEST[shape]) == ["healthy"]


def test_a_rise_is_judged_with_the_rate_beside_it():
    rises = {"loss": np.where(T < 300, FAST, 1.2 + 0.02 * NOISE)}
    assert set(names(rises)) & {"diverging", "lr_too_high"}
    raised = rises | {"lr": np.where(T < 300, 0.01, 0.1)}  # it was restarted
    assert not set(names(raised)) & {"diverging"}


# ------------------------------------------------------------------ what may be given


def test_a_history_its_tables_and_columns_say_the_same():
    history = History()
    for t, loss in enumerate(SLOW[:100]):
        history.add_step(np.array(loss), step=t + 1, epoch=1 + t // 20, lr=0.1)
    for epoch in range(1, 5):
        history.add_epoch({"epoch": epoch, "train_loss": 2.3 - 0.01 * epoch, "lr": 0.1})
    expected = diagnose_curves(history)
    assert diagnose_curves(history.to_dict()) == expected
    state = history.state_dict()  # arrays, as a checkpoint has them
    assert [f.name for f in diagnose_curves(state)] == [f.name for f in expected]


def test_a_history_that_ends_in_nan_without_its_last_row():
    history = History()
    for t, loss in enumerate([2.0, 1.0, math.nan]):
        history.add_step(np.array(loss), step=t + 1, epoch=1)
    finding = diagnose_curves(history)[0]
    assert finding.name == "nan"
    assert finding.evidence == {"step": 3.0, "last finite loss": 1.0}


def test_one_table_of_epochs_whose_training_loss_is_called_loss():
    columns = {"epoch": [1, 2, 3], "loss": [2.0, 1.0, 0.5], "val_loss": [2.0, 1.1, 0.7]}
    run = read(columns)
    assert not len(run["loss"])
    np.testing.assert_array_equal(run["train_loss"], [2.0, 1.0, 0.5])


def test_percent_are_shares():
    np.testing.assert_allclose(
        read({"val_accuracy": [50, 92.5]})["val_accuracy"], [0.5, 0.925]
    )


def test_the_number_of_judges():
    assert read({"val_accuracy": [0.75, 0.9, 0.85]}).judges == 20
    assert read({"val_accuracy": [0.12341234, 0.7654321, 1.0]}).judges is None
    assert read({"val_accuracy": [0.5]}).judges is None


@pytest.mark.parametrize(
    ("history", "error", "match"),
    [
        ([1, 2], DTypeError, "mapping of columns"),
        ({"lr": [0.1]}, RangeError, "no loss and no accuracy"),
        ({"loss": ["a", "b"]}, DTypeError, "'loss' must hold numbers"),
        ({"loss": [2.0, 1.0], "steps": {}}, RangeError, "no loss"),
        ({"val_accuracy": [0.5, -1.0]}, RangeError, "'val_accuracy' goes from -1"),
        ({"steps": {"loss": [2.0, 1.0], "lr": [0.1]}}, ShapeError, "1 values of 'lr'"),
    ],
)
def test_what_cannot_be_read(history, error, match):
    with pytest.raises(error, match=match):
        diagnose_curves(history)


WILD = st.one_of(st.none(), st.floats(), st.floats(0, 3))
COLUMNS = {
    **dict.fromkeys(["loss", "train_loss", "val_loss", "lr"], WILD),
    **dict.fromkeys(["train_accuracy", "val_accuracy"], st.floats(0, 1)),
}


def table(n):
    """Columns of n rows: an accuracy, and some of the others."""
    columns = {k: st.lists(v, min_size=n, max_size=n) for k, v in COLUMNS.items()}
    always = {"val_accuracy": columns.pop("val_accuracy")}
    return st.fixed_dictionaries(always, optional=columns)


@settings(max_examples=60)
@given(st.integers(1, 60).flatmap(table))
def test_whatever_comes_there_is_an_answer(columns):
    found = diagnose_curves(columns)
    assert found
    assert {f.name for f in found} <= set(WORDS)


# ------------------------------------------------------------------------- statistics


def test_noise_is_that_of_the_curve_and_not_of_its_trend():
    y = 5 * np.exp(-T / 50) + 0.1 * NOISE
    assert trend.noise(y) == pytest.approx(0.1, rel=0.15)
    spiked = y.copy()
    spiked[::50] += 100
    assert trend.noise(spiked) == pytest.approx(0.1, rel=0.3)


def test_a_line_has_its_error():
    rises = [
        trend.line(0.5 * np.linspace(0, 1, 50) + RNG.normal(size=50))
        for _ in range(300)
    ]
    errors = [(line.rise - 0.5) / line.error for line in rises]
    assert np.std(errors) == pytest.approx(1, abs=0.12)
