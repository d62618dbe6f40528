"""Cross-validation: each sample held out once, nothing learned from it, one test."""

import math

import numpy as np
import pytest

from minidl import nn, ops, optim
from minidl.data import KFold, TensorDataset, load_wine, standardize
from minidl.errors import DTypeError, RangeError
from minidl.lab import cross_validate, log_uniform
from minidl.train import Trainer, accuracy

WINE = load_wine()


def make_trainer(lr=0.1):
    net = nn.Linear(13, 3)
    optimizer = optim.Momentum(net.parameters(), lr=lr)
    return Trainer(net, optimizer, ops.cross_entropy, [accuracy], progress=False)


def judge(**how):
    settings = {"k": 3, "prepare": standardize, "epochs": 3} | how
    return cross_validate(make_trainer, WINE.train, **settings)


def test_the_folds_are_those_of_kfold():
    """By hand: the same parts, prepared by the training part alone."""
    seen = []

    class Spy(Trainer):
        def fit(self, training, validation, epochs):
            seen.append(validation.x)
            return super().fit(training, validation, epochs)

    def make():
        net = nn.Linear(13, 3)
        return Spy(net, optim.SGD(net.parameters(), lr=0.1), ops.cross_entropy)

    cross_validate(make, WINE.train, k=3, prepare=standardize, epochs=1, seed=5)
    for got, (training, held_out) in zip(
        seen, KFold(3, rng=5).split(WINE.train), strict=True
    ):
        assert np.array_equal(got, standardize(training.x)(held_out.x))


def test_the_best_setting_is_that_of_the_best_mean():
    result = judge(space=[{"lr": 1e-6}, {"lr": 0.1}])
    assert result.best.setting == {"lr": 0.1}
    assert result.best.mean == pytest.approx(np.mean(result.best.values))
    assert len(result.best.values) == 3
    assert "<- best" in repr(result).splitlines()[2]
    rising = judge(space=[{"lr": 1e-6}, {"lr": 0.1}], monitor="val_accuracy")
    assert rising.mode == "max"
    assert rising.best.setting == {"lr": 0.1}


def test_a_space_gives_a_grid():
    result = judge(space={"lr": log_uniform(1e-3, 1e-1)}, points=3, epochs=1)
    assert [round(row.setting["lr"], 6) for row in result.rows] == [0.001, 0.01, 0.1]


def test_refit_trains_on_all_data_and_test_works_once():
    result = judge(epochs=10)
    trainer = result.refit()
    assert trainer is result.refit()
    assert sum(trainer.history.steps["samples"]) == 10 * len(WINE.train)
    assert result.test(WINE.test)["accuracy"] > 0.9
    with pytest.raises(RangeError, match="test set was used already"):
        result.test(WINE.test)


def test_the_final_model_is_prepared_by_all_data():
    result = judge()
    expected = standardize(WINE.train.x)(WINE.test.x)
    assert np.array_equal(result.prepare(WINE.test.x), expected)


def test_a_test_set_out_of_the_training_data_is_refused():
    result = judge()
    half = WINE.train.subset(range(0, len(WINE.train), 2))
    with pytest.raises(RangeError, match="are in the training data"):
        result.test(half)
    assert result.test(WINE.test)["loss"] < 2  # it is not used up by that


def test_one_failing_fold_fails_its_setting():
    calls = []

    def make(lr):
        calls.append(lr)
        if len(calls) == 2:
            raise ValueError("no memory")
        return make_trainer(lr)

    result = cross_validate(
        make, WINE.train, [{"lr": 0.1}, {"lr": 0.2}], k=3, prepare=standardize, epochs=1
    )
    assert math.isnan(result.rows[0].mean)
    assert result.best.setting == {"lr": 0.2}

    def broken():
        raise ValueError("no memory")

    with pytest.raises(RangeError, match="ValueError: no memory"):
        _ = cross_validate(broken, WINE.train, k=2).best


def test_a_killed_one_goes_on(tmp_path):
    store = tmp_path / "folds.jsonl"
    whole = judge(store=store)
    lines = store.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    store.write_bytes(b"".join(lines[:2]))
    assert judge(store=store).best.values == whole.best.values


def test_the_same_on_two_processes():
    pytest.importorskip("joblib", reason='pip install "minidl[search]"')
    assert judge(jobs=2, epochs=1).best.values == judge(epochs=1).best.values


def test_what_cannot_be_parted_is_refused():
    with pytest.raises(DTypeError, match="come one by one"):
        cross_validate(make_trainer, WINE)
    with pytest.raises(RangeError, match="empty"):
        cross_validate(make_trainer, WINE.train, [])
    tiny = TensorDataset(np.zeros((3, 13), np.float32), np.array([0, 1, 2]))
    with pytest.raises(RangeError, match="parted into"):
        _ = cross_validate(make_trainer, tiny, k=5).best
