"""Search: what is drawn, what survives a kill, and the same trials in any process."""

import json
import math
import os
import signal
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import minidl as md
from minidl import lab, nn, ops, optim, show
from minidl.data import DataLoader, blobs, train_test_split
from minidl.errors import DataError, DTypeError, MinidlError, RangeError
from minidl.lab import choice, integers, log_uniform, space, uniform
from minidl.lab.running import Line, Runner
from minidl.lab.store import Store
from minidl.lab.trials import Result, Trial
from minidl.train import Trainer, accuracy

ROOT = Path(__file__).parent.parent
RATE = {"lr": log_uniform(1e-4, 1)}
ADVICE = 'needs joblib and dask: pip install "minidl[search]"'


def valley(lr):
    return math.log10(lr / 0.01) ** 2


def settings(result):
    return [trial.setting for trial in result.trials]


def values(result):
    return [trial.value for trial in result.trials]


# ---------------------------------------------------------------------------- the space


def drawn(domain, n=10_000):
    return np.array([lab.space.draw({"a": domain}, seed=0, i=i)["a"] for i in range(n)])


def test_log_uniform_has_a_quarter_of_its_draws_in_each_of_four_decades():
    logs = np.log10(drawn(log_uniform(1e-4, 1)))
    assert abs(logs.mean() - -2) < 0.03
    share = np.histogram(logs, bins=[-4, -3, -2, -1, 0])[0] / len(logs)
    assert (abs(share - 0.25) < 0.02).all()


def test_uniform_is_above_a_tenth_in_nine_of_ten_draws():
    assert abs((drawn(uniform(1e-4, 1)) > 0.1).mean() - 0.9) < 0.01


def test_integers_reach_both_ends_alike():
    numbers, counts = np.unique(drawn(integers(2, 6)), return_counts=True)
    assert numbers.tolist() == [2, 3, 4, 5, 6]
    assert (abs(counts / 10_000 - 0.2) < 0.015).all()


def test_choices_are_alike():
    _, counts = np.unique(drawn(choice("a", "b", "c")), return_counts=True)
    assert (abs(counts / 10_000 - 1 / 3) < 0.02).all()


@pytest.mark.parametrize(
    "domain",
    [uniform(-2, 3), log_uniform(1e-5, 1e3), integers(-3, 9), choice("a", 1, None)],
    ids=str,
)
def test_position_is_the_inverse_of_at(domain):
    for u in (0.0, 0.2, 0.5, 0.9, 1 - 1e-12):
        value = domain.at(u)
        at = domain.position(value)
        assert domain.at(min(max(at, 0.0), 1 - 1e-9)) == pytest.approx(value)
        assert -1e-9 <= at <= 1


def test_a_condition_leaves_names_out_and_draws_nothing_else_differently():
    free = {
        "rule": choice("sgd", "adam"),
        "momentum": uniform(0, 1),
        "lr": uniform(0, 1),
    }
    bound = free | {"momentum": uniform(0, 1).when(rule="sgd")}
    for i in range(30):
        a, b = (lab.space.draw(s, seed=3, i=i) for s in (free, bound))
        assert ("momentum" in b) == (b["rule"] == "sgd")
        assert {**a, **b} == a


def test_a_grid_has_all_combinations_of_what_exists():
    grid = lab.space.grid(
        {
            "rule": ["sgd", "adam"],
            "momentum": uniform(0, 1).when(rule="sgd"),
            "lr": log_uniform(0.01, 1),
            "epochs": 3,
        },
        points={"lr": 3, "momentum": 2},
    )
    assert len(grid) == 2 * 3 + 3
    assert {round(s["lr"], 9) for s in grid} == {0.01, 0.1, 1.0}
    assert {s["epochs"] for s in grid} == {3}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: log_uniform(0, 1), "0 has no logarithm"),
        (lambda: uniform(1, 1), "below"),
        (lambda: uniform("a", 1), "not a number"),
        (lambda: uniform(0, math.nan), "finite"),
        (lambda: integers(0.5, 2), "whole number"),
        (lambda: integers(3, 2), "swap"),
        (choice, "one option"),
        (lambda: space.as_domains({}), "a name at least"),
        (lambda: space.as_domains([1]), "dictionary"),
        (lambda: space.as_domains({"a": []}), "empty"),
        (
            lambda: space.as_domains({"a": uniform(0, 1).when(b=1), "b": [1, 2]}),
            "must stand before",
        ),
        (lambda: lab.grid_search(valley, RATE, points=0), "at least 1"),
        (lambda: lab.random_search(valley, RATE, n=0), "1 or more"),
        (lambda: lab.random_search(valley, RATE, n=2, jobs=0), "jobs"),
        (lambda: lab.random_search(valley, RATE, n=2, backend="mpi"), "backend"),
        (lambda: lab.random_search(valley, RATE, n=2, mode="best"), "mode"),
        (lambda: lab.random_search(3, RATE, n=2), "function of the setting"),
        (lambda: lab.random_search(valley, {"rate": [1]}, n=2), None),
        (lambda: lab.random_search(valley, RATE | {"a": [1]}, n=2), "same names"),
        (lambda: lab.hyperband(valley, RATE), "budget"),
        (lambda: lab.coarse_to_fine(valley, RATE, 4, budgets=(1,)), "one for each"),
        (
            lambda: lab.successive_halving(lambda lr, budget: lr, RATE, eta=1),
            "from 2 on",
        ),
        (
            lambda: lab.successive_halving(lambda lr, budget: lr, RATE, budget=(5, 2)),
            "first",
        ),
        (lambda: lab.random_search(valley, RATE, n=2, data=np.ones(3)), "pair"),
    ],
)
def test_errors_say_what_to_write(make, says):
    if says is None:  # one dictionary, whatever it is called: that is no mistake here
        with pytest.raises(RangeError, match="none of 2 trials gave a number"):
            _ = make().best
        return
    with pytest.raises((RangeError, DTypeError), match=says):
        make()


# ------------------------------------------------------------------------- the searches


def test_the_same_seed_gives_the_same_trials_and_another_one_others():
    first, again, other = (
        lab.random_search(valley, RATE, 9, seed=s) for s in (1, 1, 2)
    )
    assert settings(first) == settings(again)
    assert settings(first) != settings(other)


def test_a_larger_n_adds_trials():
    few, many = (lab.random_search(valley, RATE, n, seed=1) for n in (5, 9))
    assert settings(many)[:5] == settings(few)


def test_a_setting_may_come_as_keywords_or_as_one_dictionary():
    one = lab.random_search(lambda setting: valley(**setting), RATE, 5)
    two = lab.random_search(lambda **setting: valley(**setting), RATE, 5)
    assert values(one) == values(two) == values(lab.random_search(valley, RATE, 5))


def test_max_is_the_opposite_of_min():
    low = lab.random_search(valley, RATE, 9)
    high = lab.random_search(lambda lr: -valley(lr), RATE, 9, mode="max")
    assert low.best.setting == high.best.setting


def test_coarse_to_fine_comes_closer_with_the_same_number_of_trials():
    plain, fine = [], []
    for seed in range(10):
        plain.append(lab.random_search(valley, RATE, 24, seed=seed).best.value)
        fine.append(lab.coarse_to_fine(valley, RATE, 8, rounds=3, seed=seed).best.value)
    assert np.median(fine) < np.median(plain) / 3


def test_halving_keeps_the_best_and_trains_them_longer():
    def objective(x, budget):
        return (x - 0.3) ** 2 + 1 / budget

    result = lab.successive_halving(objective, {"x": uniform(0, 1)}, 9, budget=(1, 9))
    by = {b: [t for t in result.trials if t.budget == b] for b in (1, 3, 9)}
    assert [len(trials) for trials in by.values()] == [9, 3, 1]
    best = sorted(by[1], key=lambda t: t.value)[:3]
    assert {t.setting["x"] for t in by[3]} == {t.setting["x"] for t in best}
    assert result.best is by[9][0]
    assert sum(t.budget for t in result.trials) == 27  # and 81 for all to the end


def test_halving_never_promotes_a_trial_that_failed():
    def objective(x, budget):
        return math.nan if x < 0.5 else x

    result = lab.successive_halving(objective, {"x": uniform(0, 1)}, 9, budget=(1, 9))
    assert all(t.setting["x"] >= 0.5 for t in result.trials if t.budget > 1)


def test_a_budget_is_the_same_start_continued():
    """A setting meets the same random numbers in every round."""
    seen = {}

    def objective(x, budget):
        seen.setdefault(x, set()).add(float(md.backend.generator().random()))
        return x

    lab.successive_halving(objective, {"x": uniform(0, 1)}, 9, budget=(1, 9))
    assert len(seen) == 9
    assert all(len(numbers) == 1 for numbers in seen.values())


@pytest.mark.parametrize("seeds", [20])
def test_random_beats_grid_where_one_of_two_names_matters(seeds):
    """A narrow valley in `lr`, which moves with the seed, and next to nothing in `wd`."""
    box = {"lr": log_uniform(1e-4, 1), "wd": log_uniform(1e-6, 1e-2)}
    wins = 0
    for seed in range(seeds):
        at = np.random.default_rng(seed).uniform(-3.5, -0.5)

        def objective(lr, wd, at=at):
            return (math.log10(lr) - at) ** 2 + 1e-3 * math.log10(wd) ** 2

        random = lab.random_search(objective, box, 9, seed=seed)
        grid = lab.grid_search(objective, box, 3)
        assert len(random) == len(grid) == 9
        assert len({round(s["lr"], 9) for s in settings(grid)}) == 3
        assert len({s["lr"] for s in settings(random)}) == 9
        wins += random.best.value < grid.best.value
    assert wins >= 14


# ---------------------------------------------------------------- failures, and the store


def shaky(x):
    if x < 0.2:
        raise ValueError("the net fell over\nand more")
    return math.nan if x < 0.4 else x


def test_a_failing_trial_is_a_row_and_not_an_end(tmp_path):
    store = tmp_path / "trials.jsonl"
    result = lab.random_search(shaky, {"x": uniform(0, 1)}, 30, store=store)
    assert len(result) == 30
    kinds = {t.error.split(" (")[0] for t in result.failed}
    assert kinds == {"ValueError: the net fell over", "the value is nan"}
    assert "test_lab_search.py, line" in "".join(t.error for t in result.failed)
    assert result.best.value == min(t.value for t in result.trials if not t.error) > 0.4
    rows = [json.loads(line) for line in store.read_text().splitlines()]
    assert [row["trial"] for row in rows] == list(range(30))
    assert [row["value"] is None for row in rows] == [
        bool(t.error) for t in result.trials
    ]


def test_where_all_fail_the_best_says_why():
    result = lab.random_search(lambda x: 1 / 0, {"x": [1, 2]}, 3)
    with pytest.raises(RangeError, match=r"none of 3 trials.*ZeroDivisionError"):
        _ = result.best


@pytest.mark.parametrize("outcome", [None, "a", [1, 2]])
def test_what_is_no_number_is_said(outcome):
    result = lab.random_search(lambda x: outcome, {"x": [1]}, 1)
    assert "must return one number" in result.trials[0].error


def test_a_finished_trial_is_not_run_again(tmp_path):
    store, runs = tmp_path / "a" / "trials.jsonl", []

    def objective(lr):
        runs.append(lr)
        if len(runs) == 5:
            raise KeyboardInterrupt
        return valley(lr)

    with pytest.raises(KeyboardInterrupt):
        lab.random_search(objective, RATE, 9, store=store)
    assert len(store.read_text().splitlines()) == 4
    result = lab.random_search(objective, RATE, 9, store=store)
    assert len(runs) == 10
    assert values(result) == values(lab.random_search(valley, RATE, 9))
    assert len(lab.random_search(objective, RATE, 9, store=store)) == 9
    assert len(runs) == 10


@pytest.mark.parametrize("search", ["halving", "coarse"])
def test_searches_in_rounds_go_on_too(tmp_path, search):
    store, runs = tmp_path / "trials.jsonl", []

    def objective(lr, budget=1):
        runs.append(lr)
        if len(runs) == 15:
            raise KeyboardInterrupt
        return valley(lr) / budget

    def run(store):
        if search == "coarse":
            return lab.coarse_to_fine(objective, RATE, 9, rounds=2, store=store)
        return lab.hyperband(objective, RATE, 9, store=store)

    with pytest.raises(KeyboardInterrupt):
        run(store)
    killed = run(store)
    assert len(runs) == len(killed) + 1
    assert values(run(None)) == values(killed)


def test_a_line_without_an_end_is_cut_off(tmp_path):
    store = tmp_path / "trials.jsonl"
    lab.random_search(valley, RATE, 4, store=store)
    whole = store.read_bytes()
    store.write_bytes(whole[:-9])
    lab.random_search(valley, RATE, 4, store=store)
    rows = [json.loads(line) for line in store.read_bytes().splitlines()]
    assert [row["trial"] for row in rows] == [0, 1, 2, 3]


def test_the_store_of_another_search_is_refused(tmp_path):
    store = tmp_path / "trials.jsonl"
    lab.random_search(valley, RATE, 4, store=store)
    with pytest.raises(
        RangeError, match=r"belongs to another search: its trial 0 has lr="
    ):
        lab.random_search(valley, RATE, 4, seed=1, store=store)


def test_a_file_of_something_else_is_refused(tmp_path):
    store = tmp_path / "notes.txt"
    store.write_text("buy milk\n")
    with pytest.raises(DataError, match=r"line 1 of .*notes.txt is not a trial"):
        lab.random_search(valley, RATE, 4, store=store)
    assert store.read_text() == "buy milk\n"


@pytest.mark.skipif(os.name != "posix", reason="locks are those of POSIX")
def test_two_searches_cannot_write_one_store(tmp_path):
    with (
        Store(tmp_path / "trials.jsonl"),
        pytest.raises(RangeError, match="another search writes"),
    ):
        lab.random_search(valley, RATE, 4, store=tmp_path / "trials.jsonl")


def test_settings_of_any_kind_are_kept_by_name(tmp_path):
    store = tmp_path / "trials.jsonl"
    kinds = {"layer": choice(nn.ReLU, nn.Tanh, valley), "shape": choice((1, 2), None)}
    for _ in range(2):
        result = lab.grid_search(lambda layer, shape: 1.0, kinds, store=store)
    assert {t.setting["layer"] for t in result.trials} == {nn.ReLU, nn.Tanh, valley}
    assert len(store.read_text().splitlines()) == 6


@pytest.mark.skipif(os.name != "posix", reason="forks and signals are those of POSIX")
def test_twenty_kills_lose_no_finished_trial_and_repeat_none(tmp_path):
    command = [sys.executable, "-W", "error", "-m", "tests.kill_search", tmp_path, "20"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    kills, lost, more = run.stdout.split(", ")
    assert (kills, lost) == ("20 kills", "0 lost")
    assert 0 <= int(more.split()[0]) <= 20  # each kill may waste the trial it hit


# ------------------------------------------------------------------ the same everywhere


def noisy(lr):
    """Draws from everything that can be drawn from."""
    import random

    own = float(md.backend.generator().random())
    return own + random.random() + np.random.random() + valley(lr)  # noqa: NPY002


def test_a_trial_does_not_depend_on_what_was_tried_before():
    alone = lab.random_search(noisy, RATE, 1).trials[0]
    md.seed(5)
    np.random.seed(7)  # noqa: NPY002
    assert lab.random_search(noisy, RATE, 3).trials[0].value == alone.value


def test_a_search_leaves_all_generators_as_they_were():
    md.seed(3)
    expected = [float(md.backend.generator().random()) for _ in range(2)]
    md.seed(3)
    first = float(md.backend.generator().random())
    lab.random_search(noisy, RATE, 3)
    assert [first, float(md.backend.generator().random())] == expected


@pytest.fixture(scope="module")
def here():
    return lab.random_search(noisy, RATE, 8, seed=4)


def test_the_same_trials_on_two_processes(here, tmp_path):
    pytest.importorskip("joblib", reason=ADVICE)
    store = tmp_path / "trials.jsonl"
    there = lab.random_search(noisy, RATE, 8, seed=4, jobs=2, store=store)
    assert settings(there) == settings(here)
    assert values(there) == values(here)
    assert len(store.read_text().splitlines()) == 8


def test_the_same_trials_on_a_dask_cluster(here):
    pytest.importorskip("joblib", reason=ADVICE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own affair
        distributed = pytest.importorskip("distributed", reason=ADVICE)
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster),
        ):
            there = lab.random_search(noisy, RATE, 8, seed=4, jobs=-1, backend="dask")
    assert settings(there) == settings(here)
    assert values(there) == values(here)


def fatal_once(lr, marker):
    """Return what noisy does; the process that comes first to this lr is killed."""
    if lr > 0.01 and not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return noisy(lr)


@pytest.mark.slow
def test_a_worker_of_the_cluster_killed_in_the_middle(here, tmp_path):
    pytest.importorskip("joblib", reason=ADVICE)
    marker, store = tmp_path / "killed", tmp_path / "trials.jsonl"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own affair
        distributed = pytest.importorskip("distributed", reason=ADVICE)
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster),
        ):
            there = lab.random_search(
                partial(fatal_once, marker=str(marker)), RATE, 8, seed=4, jobs=-1,
                backend="dask", store=store,
            )  # fmt: skip
    assert marker.exists()
    assert settings(there) == settings(here)
    assert values(there) == values(here)
    assert len(store.read_text().splitlines()) == 8


@pytest.mark.slow
def test_the_scheduler_of_the_cluster_killed_in_the_middle(tmp_path):
    pytest.importorskip("distributed", reason=ADVICE)
    command = [sys.executable, "-m", "tests.kill_scheduler", tmp_path]
    run = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False
    )
    assert run.returncode == 0, run.stderr
    error, says = run.stdout.splitlines()
    assert "the cluster's scheduler" in error
    assert "the same call goes on" in error
    assert says == "True True"  # some were finished, and all are the same trials


def test_without_a_cluster_dask_says_how_to_get_one():
    pytest.importorskip("distributed", reason=ADVICE)
    with pytest.raises(MinidlError, match="Client"):
        lab.random_search(valley, RATE, 2, backend="dask")


def test_without_joblib_it_says_which_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(MinidlError, match=r"minidl\[search\]"):
        lab.random_search(valley, RATE, 2, jobs=2)


# --------------------------------------------------------------------- Trainer factories


def make_trainer(lr):
    net = nn.Linear(2, 3)
    return Trainer(
        net, optim.SGD(net.parameters(), lr=lr), ops.cross_entropy, [accuracy]
    )


@pytest.fixture(scope="module")
def clouds():
    return train_test_split(blobs(300, classes=3, rng=0), rng=0)


def test_a_trainer_factory_is_trained_and_judged(clouds):
    result = lab.random_search(make_trainer, RATE, 6, data=clouds, epochs=2)
    assert result.mode == "min"
    assert all(math.isfinite(v) for v in values(result))
    best = lab.random_search(
        make_trainer, RATE, 6, data=clouds, epochs=2, monitor="val_accuracy"
    )
    assert best.mode == "max"
    assert best.best.value > 0.8


def test_a_trial_of_a_trainer_keeps_the_whole_record(clouds, tmp_path):
    store = tmp_path / "trials.jsonl"
    for _ in range(2):  # the second time out of the store
        result = lab.random_search(make_trainer, RATE, 2, data=clouds, store=store)
        for trial in result.trials:
            assert trial.record["val_loss"] == trial.value
            assert {"val_accuracy", "train_loss", "lr"} <= trial.record.keys()


def test_a_loader_begins_anew_for_every_trial(clouds):
    loader = DataLoader(clouds[0], 20, shuffle=True, seed=0)
    same = {"lr": [0.1], "again": [1, 2, 3]}

    def make(lr, again):
        net = nn.Linear(2, 3, rng=0)
        return Trainer(net, optim.SGD(net.parameters(), lr=lr), ops.cross_entropy)

    result = lab.grid_search(make, same, data=(loader, clouds[1]))
    assert len(set(values(result))) == 1
    assert loader.epoch == 0


def test_halving_trains_a_trainer_for_its_budget(clouds):
    long = []

    def make(lr):
        long.append(make_trainer(lr))
        return long[-1]

    lab.successive_halving(make, RATE, 4, budget=(1, 4), eta=2, data=clouds)
    assert [t.epoch for t in long] == [1, 1, 1, 1, 2, 2, 4]


def test_a_trainer_that_diverges_is_a_row(clouds):
    result = lab.grid_search(make_trainer, {"lr": [0.1, 3e38]}, data=clouds, epochs=3)
    assert [bool(t.error) for t in result.trials] == [False, True]


@pytest.mark.parametrize(
    ("how", "says"),
    [({}, "give the search its data"), ({"monitor": "val_f1_score"}, "no column")],
)
def test_a_trainer_without_what_it_needs_says_so(clouds, how, says):
    data = {"data": clouds} if how else {}
    result = lab.random_search(make_trainer, RATE, 1, **data, **how)
    assert says in result.trials[0].error


# -------------------------------------------------------------------- reading the result


def test_importance_finds_the_name_that_matters():
    box = {"lr": log_uniform(1e-4, 1), "wd": uniform(0, 1), "act": ["relu", "tanh"]}

    def objective(lr, wd, act):
        return valley(lr) + 0.01 * wd

    shares = lab.random_search(objective, box, 60).importance()
    assert shares["lr"] > 0.4
    assert max(shares["wd"], shares["act"]) < 0.15


def test_a_best_value_at_the_edge_is_said():
    result = lab.grid_search(lambda lr: -lr, RATE, 5)
    assert result.at_edge == ["lr"]
    assert "edge of its range" in repr(result)
    assert lab.grid_search(valley, RATE, 5).at_edge == []


def test_the_result_shows_the_best_first():
    trials = [Trial(i, {"x": i}, float(v)) for i, v in enumerate([3, 1, 2])]
    lines = repr(Result(trials)).splitlines()
    assert lines[0] == "3 trials, 0 failed"
    assert lines[1].split() == ["1", "x=1"]
    assert repr(trials[0]) == "Trial(0: x=0 -> 3)"


def test_a_live_line_is_drawn_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    lab.random_search(valley, RATE, 3)
    said = capsys.readouterr().err
    assert said.count("\r") == 3
    assert "trial 3/3  best" in said
    lab.random_search(valley, RATE, 3, progress=False)
    assert not capsys.readouterr().err


def test_pictures(tmp_path):
    box = {
        "lr": log_uniform(1e-4, 1),
        "rule": ["sgd", "adam"],
        "momentum": uniform(0, 0.9).when(rule="sgd"),
    }
    result = lab.random_search(lambda lr, rule, momentum=0: valley(lr), box, 20)
    grid = lab.grid_search(lambda lr, rule, momentum=0: valley(lr), box, 3)
    result.plot(path=tmp_path / "one.png")
    show.search(grid, result, names=["grid", "random"], path=tmp_path / "two.png")
    assert all((tmp_path / f"{n}.png").stat().st_size > 10_000 for n in ("one", "two"))
    with pytest.raises(RangeError, match="none of lr"):
        show.search(grid, result, x="rate")
    with pytest.raises(RangeError, match="no trial gave a number"):
        show.search(lab.grid_search(lambda a: math.nan, {"a": [1]}))


def test_the_runner_and_its_line_are_plain():
    line = Line(3, "max", on=False)
    line.show(Trial(0, {"x": 1}, 2.0))
    assert line.text(4) == "trial 1/3  best 2 (x=1)  4 s left"
    with pytest.raises(RangeError, match="backend"):
        Runner(None, "min", total=1, backend="threads")
