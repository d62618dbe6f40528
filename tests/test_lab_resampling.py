"""Bagging, boosting, snapshots, bias and variance, confidence intervals."""

import copy
import math

import numpy as np
import pytest

from minidl import backend, nn, ops, optim, show
from minidl.backend import device_of
from minidl.data import DataLoader, blobs, load_breast_cancer, moons
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.lab import (
    Ensemble,
    Stump,
    bagging,
    bias_variance,
    boosting,
    confidence_interval,
    snapshot_ensemble,
)
from minidl.lab.bagging import mean_of_known
from minidl.lab.boosting import halfway, reweighted
from minidl.optim import schedules
from minidl.train import (
    Callback,
    EarlyStopping,
    GradientAccumulation,
    Trainer,
    accuracy,
)
from tests.pictures import saved, titles
from tests.runs import VALIDATION, Script, assert_same, loader, net, trainer, weights

# -------------------------------------------------------------------------- snapshots


class Rates(Callback):
    """Notes the rate of every step."""

    def __init__(self):
        self.seen = []

    def on_update(self, trainer):
        group = trainer.optimizer.groups[0]
        self.seen.append(group.rate(trainer.optimizer.t - 1))


@pytest.mark.parametrize("k", [1, 4])
def test_the_rate_follows_the_schedule_in_every_cycle(k):
    rates = Rates()
    run = trainer(net(), [rates, GradientAccumulation(k)], optim.SGD, lr=0.3)
    run.fit(loader(), epochs=1)  # not its first training
    rates.seen.clear()
    snapshot_ensemble(run, loader(), cycles=3, epochs=2)
    each = math.ceil(6 / k)  # updates of an epoch
    expected = schedules.cosine_restarts(0.3, 2 * each)
    np.testing.assert_allclose(rates.seen, [expected(t) for t in range(6 * each)])
    assert run.optimizer.lr == 0.3


def test_members_are_the_models_at_the_ends_of_the_cycles():
    seen = []

    class Ends(Callback):
        def on_epoch(self, trainer, record):
            if record["epoch"] % 2 == 0:
                seen.append(copy.deepcopy(trainer.model))

    run = trainer(net(), [Ends()])
    ensemble = snapshot_ensemble(run, loader(), VALIDATION, cycles=3, epochs=2)
    assert len(ensemble.members) == 3
    for member, model in zip(ensemble.members, seen, strict=True):
        assert_same(weights(member), weights(model))
    assert run.history["val_accuracy"][-1] == accuracy(
        Ensemble([run.model]).probabilities(VALIDATION), VALIDATION.y
    )


def test_a_rate_for_each_group_and_a_schedule_are_given_back():
    model = net()
    groups = [{"params": model[0].parameters(), "lr": schedules.constant(0.2)},
              {"params": model[3].parameters(), "lr": 0.05}]  # fmt: skip
    run = Trainer(
        model, optim.SGD(groups, lr=0.1), ops.cross_entropy, [], progress=False
    )
    before = [group.lr for group in run.optimizer.groups]
    seen = []

    class Both(Callback):
        def on_update(self, trainer):
            seen.append(
                [g.rate(trainer.optimizer.t - 1) for g in trainer.optimizer.groups]
            )

    run.callbacks.append(Both())
    snapshot_ensemble(run, loader(), cycles=2, epochs=1)
    assert np.allclose(np.array(seen)[:, 0], 4 * np.array(seen)[:, 1])
    assert seen[0] == [0.2, 0.05]
    assert seen[0] == seen[6]
    assert seen[5][0] < 0.02
    assert [group.lr for group in run.optimizer.groups] == before


def test_a_cycle_that_is_cut_short_gives_no_snapshot():
    stop = [Script([1.0, 0.5, 0.4, 9, 9, 9, 9]), EarlyStopping(patience=2)]
    run = trainer(net(), stop)
    ensemble = snapshot_ensemble(run, loader(), VALIDATION, cycles=3, epochs=3)
    assert len(ensemble.members) == 1
    run = trainer(net(), [Script([1.0, 9, 9, 9]), EarlyStopping(patience=1)])
    with pytest.raises(RangeError, match="stopped before the first cycle of 4"):
        snapshot_ensemble(run, loader(), VALIDATION, cycles=3, epochs=4)
    assert run.optimizer.lr == 0.01


def test_snapshots_on_every_device_the_same(device):
    found = []
    for where in ("cpu", device):
        backend.use(where)
        run = trainer(net(), [], optim.Momentum, lr=0.05)
        found.append(snapshot_ensemble(run, loader(), cycles=2, epochs=2))
        assert device_of(run.model[0].weight.data) == where
    here, there = (e.probabilities(VALIDATION.x) for e in found)
    np.testing.assert_allclose(there, here, rtol=1e-3, atol=1e-5)


# ---------------------------------------------------------------------------- bagging

NOISY = moons(120, noise=0.25, rng=0)


def tree_like(width=16):
    model = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 2))
    return Trainer(
        model, optim.Adam(model.parameters(), 0.02), ops.cross_entropy, progress=False
    )


class Knows(nn.Module):
    """Says the labels it was told for the inputs it was told, and class 0 otherwise."""

    def __init__(self):
        self.scale = nn.Parameter([1.0])
        self.known = {}

    def forward(self, x):
        said = [self.known.get(row.tobytes(), 0) for row in np.asarray(x.data)]
        return self.scale * (50.0 * np.eye(2, dtype=np.float32)[said])


class Memory:
    """A Trainer whose model learns its data by heart."""

    callbacks = ()

    def __init__(self):
        self.model = Knows()

    def fit(self, batches, validation, epochs):
        for x, y in batches:
            for row, label in zip(x.data, y.data, strict=True):
                self.model.known[row.tobytes()] = int(label)


def test_the_score_out_of_bag_comes_from_members_that_did_not_see_the_sample():
    """Members that know their data by heart and else say 0: all ones are missed."""
    bags = bagging(Memory, NOISY, n=6, seed=1)
    seen = ~np.isnan(bags.oob_predictions[:, 0])
    y = NOISY.y
    np.testing.assert_allclose(bags.oob_predictions[seen, 0], 1, atol=1e-6)
    assert bags.oob_score == pytest.approx((y[seen] == 0).mean())
    assert bags.oob_score < accuracy(bags.probabilities(NOISY.x), y)  # who has seen it
    assert 0.8 < seen.mean() <= 1  # 1 − 0.632⁶ = 94 %


def test_each_member_has_another_bootstrap_sample():
    bags = bagging(Memory, NOISY, n=4)
    known = [frozenset(m.known) for m in bags.members]
    assert len(set(known)) == 4
    for rows in known:
        assert 0.5 < len(rows) / len(NOISY) < 0.76  # 63 %


def test_the_score_out_of_bag_is_that_of_new_data():
    bags = bagging(tree_like, NOISY, n=8, epochs=12)
    new = moons(1000, noise=0.25, rng=5)
    assert bags.oob_score == pytest.approx(
        accuracy(bags.probabilities(new.x), new.y), abs=0.07
    )


def test_the_same_seed_gives_the_same_bags():
    one, two, other = (
        bagging(tree_like, NOISY, n=2, epochs=1, seed=s) for s in (3, 3, 4)
    )
    np.testing.assert_array_equal(one.oob_predictions, two.oob_predictions)
    assert not np.array_equal(one.oob_predictions, other.oob_predictions)


@pytest.mark.slow
def test_members_trained_in_two_processes_are_the_same():
    backend.default_dtype("float64")
    here, there = (
        bagging(tree_like, NOISY, n=3, epochs=1, jobs=jobs) for jobs in (1, 2)
    )
    for one, other in zip(here.members, there.members, strict=True):
        assert_same(weights(one), weights(other))
    np.testing.assert_array_equal(here.oob_predictions, there.oob_predictions)
    assert there.members[0][0].weight.dtype == np.float64  # as in this process


def test_targets_are_averaged_as_they_are():
    x = np.linspace(-1, 1, 60, dtype=np.float32)[:, None]

    def make():
        model = nn.Linear(1, 1)
        return Trainer(model, optim.SGD(model.parameters(), 0.2), ops.mse_loss)

    bags = bagging(make, (x, 3 * x), n=3, epochs=30)
    np.testing.assert_allclose(bags.predict(x), 3 * x, atol=0.1)
    assert bags.oob_score < 0.01  # mean squared error
    assert bags.oob_predictions.shape == (60, 1)


def test_mean_of_known_counts_each_answer():
    outs = [
        (np.array([[1.0, 3]]), np.array([2])),
        (np.array([[2.0, 5], [4, 4]]), [0, 2]),
    ]
    np.testing.assert_array_equal(
        mean_of_known(outs, 3), [[2, 5], [np.nan, np.nan], [2.5, 3.5]]
    )


def test_bags_on_every_device_the_same(device):
    found = []
    for where in ("cpu", device):
        backend.use(where)
        found.append(bagging(tree_like, NOISY, n=2, epochs=2))
        assert device_of(found[-1].members[0][0].weight.data) == where
    here, there = found
    np.testing.assert_allclose(
        there.oob_predictions, here.oob_predictions, rtol=1e-3, atol=1e-5
    )
    assert there.oob_score == pytest.approx(here.oob_score, abs=0.02)


# --------------------------------------------------------------------------- boosting


def test_alphas_and_weights_are_those_of_the_paper(rng):
    """Zhu et al. 2009, algorithm 2, line by line."""
    for classes in (2, 3, 7):
        w = rng.random(20)
        wrong = rng.random(20) < 0.4
        error = sum(w[i] for i in range(20) if wrong[i]) / sum(w)
        expected = math.log((1 - error) / error) + math.log(classes - 1)
        alpha, new = reweighted(w, wrong, classes)
        assert alpha == pytest.approx(expected)
        hand = [w[i] * math.exp(expected if wrong[i] else 0) for i in range(20)]
        np.testing.assert_allclose(new, np.array(hand) / sum(hand))
        # after it the learner is exactly as good as chance
        assert new[wrong].sum() == pytest.approx(1 - 1 / classes)


def test_it_weighs_as_scikit_learn_does():
    sklearn = pytest.importorskip("sklearn.ensemble", reason='pip install ".[test]"')
    data = blobs(200, classes=4, std=1.5, rng=0)
    theirs = sklearn.AdaBoostClassifier(n_estimators=12, random_state=0)
    theirs.fit(data.x, data.y)
    w = np.full(200, 1 / 200)
    for m, tree in enumerate(theirs.estimators_):
        wrong = tree.predict(data.x) != data.y
        assert w[wrong].sum() == pytest.approx(theirs.estimator_errors_[m])
        alpha, w = reweighted(w, wrong, 4)
        assert alpha == pytest.approx(theirs.estimator_weights_[m])


@pytest.mark.parametrize("classes", [2, 3])
def test_a_stump_is_the_best_of_all(rng, classes):
    for _ in range(20):
        x = rng.integers(0, 4, size=(12, 3)).astype(np.float32)  # with equal values
        y, w = rng.integers(classes, size=12), rng.random(12)
        stump = Stump.fit(x, y, w, classes)
        best = min(
            w[np.where(x[:, d] <= t, a, b) != y].sum()
            for d in range(3) for t in (0, 1, 2, 3)
            for a in range(classes) for b in range(classes)
        )  # fmt: skip
        assert w[stump(x) != y].sum() == pytest.approx(best)


def test_a_threshold_parts_neighboring_numbers():
    a = np.float32(1)
    b = np.nextafter(a, np.float32(2))
    for low, high in ((a, b), (b, np.nextafter(b, np.float32(2)))):
        assert low <= np.float32(halfway(low, high)) < high


def test_the_votes_are_those_of_the_formula():
    data = load_breast_cancer().train
    boosted = boosting(Stump, data, n=8)
    votes = np.zeros((len(data), 2))
    for alpha, learner in zip(boosted.alphas, boosted.learners, strict=True):
        votes[np.arange(len(data)), learner(data.x)] += alpha
    np.testing.assert_allclose(
        boosted.scores(data), votes / votes.sum(1, keepdims=True)
    )
    np.testing.assert_array_equal(boosted.predict(data), votes.argmax(1))
    staged = boosted.staged_accuracy(data.x, data.y)
    assert staged[-1] == accuracy(votes, data.y)
    assert staged[0] == pytest.approx(1 - boosted.errors[0])


def test_fifty_stumps_beat_one():
    train, _, test = load_breast_cancer()
    staged = boosting(Stump, train, n=50).staged_accuracy(test.x, test.y)
    assert staged[-1] >= staged[0] + 0.03


def test_nets_learn_from_what_the_ones_before_got_wrong():
    """A learner that says 0 misses the ones: then they are half of what is drawn."""
    x, y = np.zeros((400, 2), np.float32), (np.arange(400) < 80).astype(np.int64)
    shares = []

    class SaysZero:
        callbacks = ()

        def __init__(self):
            self.model = nn.Linear(2, 2, init="zeros")

        def fit(self, batches, validation, epochs):
            self.model.bias.data[0] = 1
            shares.append(np.mean([y.data.mean() for _, y in batches]))

    boosted = boosting(SaysZero, (x, y), n=3, seed=1)
    assert len(boosted.learners) == 1  # the second one is no better than chance
    assert shares == [pytest.approx(0.2, abs=0.06), pytest.approx(0.5, abs=0.08)]


def test_boosted_nets_are_repeatable(device):
    backend.use(device)
    data = blobs(150, classes=3, std=2.5, rng=3)

    def weak():
        model = nn.Linear(2, 3)
        return Trainer(model, optim.SGD(model.parameters(), 0.1), ops.cross_entropy)

    boosted = boosting(weak, data, n=6, epochs=1, seed=2)
    assert len(boosted.learners) > 1
    again = boosting(weak, data, n=6, epochs=1, seed=2)
    np.testing.assert_array_equal(boosted.scores(data.x), again.scores(data.x))


def test_a_perfect_learner_ends_it():
    x = np.arange(10.0)[:, None]
    boosted = boosting(Stump, (x, (x[:, 0] > 4).astype(int)), n=5)
    assert len(boosted.learners) == 1
    assert boosted.alphas[0] == pytest.approx(math.log(9))  # of an error of 1 in 10
    assert accuracy(boosted.predict(x), (x[:, 0] > 4).astype(int)) == 1


def test_chance_ends_it():
    x = np.zeros((4, 1))
    with pytest.raises(RangeError, match=r"wrong on 50% .* must beat that"):
        boosting(Stump, (x, np.array([0, 1, 0, 1])), n=5)


# ------------------------------------------------------------------ bias and variance

GRID = np.linspace(-1, 1, 20)


def sine(x):
    return np.sin(np.pi * x)


def polynomial(degree):
    return lambda x, y: np.polynomial.Polynomial.fit(x, y, degree)


@pytest.mark.parametrize("degree", [1, 3, 9])
def test_three_terms_sum_to_the_error(degree):
    found = bias_variance(
        polynomial(degree), sine, lambda rng: GRID, GRID, noise=0.2, n=200, seed=1
    )
    assert found.total == pytest.approx(found.error, rel=0.05)
    # a linear fit has (degree + 1) σ² / N of variance
    assert found.variance == pytest.approx(0.04 * (degree + 1) / 20, rel=0.15)
    assert found.noise == pytest.approx(0.04)


def test_bias_is_that_of_the_best_line():
    found = bias_variance(polynomial(1), sine, lambda rng: GRID, GRID, noise=0.2, n=200)
    line = np.polynomial.Polynomial.fit(GRID, sine(GRID), 1)
    assert found.bias2 == pytest.approx(
        ((line(GRID) - sine(GRID)) ** 2).mean(), rel=0.02
    )


def test_bias_and_variance_of_a_net():
    def fit(x, y):
        model = nn.Linear(1, 1)
        run = Trainer(
            model, optim.SGD(model.parameters(), 0.3), ops.mse_loss, progress=False
        )
        run.fit(DataLoader((x, y), 20), epochs=30)
        return run.predict

    x = GRID[:, None].astype(np.float32)
    found = bias_variance(fit, sine, lambda rng: x, x, noise=0.2, n=20)
    assert found.predictions.shape == (20, 20, 1)
    assert found.total == pytest.approx(found.error, rel=0.05)


@pytest.mark.parametrize(
    ("how", "error", "match"),
    [
        ({"n": 1}, RangeError, "2 fits at least"),
        ({"noise": -1.0}, RangeError, "0 or more"),
        (
            {"fit": lambda x, y: lambda at: at[:, None]},
            ShapeError,
            r"\(20, 1\).*reshape",
        ),
        (
            {"fit": lambda x, y: lambda at: at * np.nan},
            RangeError,
            "fit 0 predicts NaN",
        ),
    ],
)
def test_bias_variance_refuses(how, error, match):
    settings = {"fit": polynomial(1), "noise": 0.2, "n": 3} | how
    with pytest.raises(error, match=match):
        bias_variance(settings.pop("fit"), sine, lambda rng: GRID, GRID, **settings)


# --------------------------------------------------------------- confidence intervals


def test_the_interval_covers_as_often_as_it_says(rng):
    """Accuracy 0.8 on 80 samples, 60 test sets: 80 % of the intervals hold it."""
    covered = 0
    for seed in range(60):
        said = (rng.random(80) < 0.8).astype(int)
        found = confidence_interval(
            accuracy, said, np.ones(80, int), level=0.8, n=100, seed=seed
        )
        covered += 0.8 in found
    assert 0.65 < covered / 60 < 0.95


def test_its_width_is_that_of_the_formula():
    said = (np.arange(400) < 300).astype(int)
    found = confidence_interval(accuracy, said, np.ones(400, int))
    deviation = math.sqrt(0.75 * 0.25 / 400)
    assert found.value == 0.75
    assert found.std == pytest.approx(deviation, rel=0.1)
    assert found.high - found.low == pytest.approx(2 * 1.96 * deviation, rel=0.1)
    assert repr(found).startswith("0.75 (95 %: 0.7")


def test_rows_stay_together(rng):
    x = rng.normal(size=(50, 3))
    found = confidence_interval(lambda a, b: float(abs(a - b).max()), x, x, n=100)
    assert (found.low, found.high) == (0, 0)


@pytest.mark.parametrize(
    ("args", "how", "error", "match"),
    [
        ((accuracy, [1, 0], [1]), {}, ShapeError, r"one row for.*\(2,\), \(1,\)"),
        ((accuracy,), {}, ShapeError, "scores, labels"),
        ((accuracy, [1], [1]), {}, RangeError, "one sample"),
        ((accuracy, [1, 0], [1, 0]), {"level": 95}, RangeError, "as 0.95"),
        ((accuracy, [1, 0], [1, 0]), {"n": 10}, RangeError, "100 samples"),
        ((lambda x: x, [1.0, 2]), {}, ShapeError, "one number"),
        ((lambda x: 1 / x.sum() if x.all() else math.nan, [1.0, 0]), {}, RangeError,
         "NaN or infinite on"),
    ],
)  # fmt: skip
def test_confidence_interval_refuses(args, how, error, match):
    with pytest.raises(error, match=match):
        confidence_interval(*args, **how)


# ---------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: bagging(tree_like, NOISY, n=0), RangeError, "one model"),
        (lambda: bagging(tree_like, [1, 2]), DTypeError, "bagging wants arrays"),
        (
            lambda: bagging(tree_like, (NOISY.x, np.eye(2)[NOISY.y])),
            DTypeError,
            "argmax",
        ),
        (lambda: bagging(lambda: None, NOISY), DTypeError, "forget `return`"),
        (lambda: boosting(Stump, NOISY, n=0), RangeError, "one learner"),
        (lambda: boosting(lambda: None, NOISY), DTypeError, "forget `return`"),
        (lambda: boosting(Stump, (NOISY.x, NOISY.x)), DTypeError, "labels.*bagging"),
        (lambda: boosting(Stump, (NOISY.x, NOISY.y * 0)), DTypeError, "two classes"),
        (lambda: boosting(Stump, (NOISY.x, 2 * NOISY.y - 1)), RangeError, "0 … K"),
        (lambda: boosting(Stump, (NOISY.x * np.nan, NOISY.y)), RangeError, "NaN"),
        (
            lambda: boosting(Stump, (np.zeros((2, 1, 3)), np.array([0, 1]))),
            ShapeError,
            "reshape",
        ),
        (
            lambda: snapshot_ensemble(trainer(), loader(), cycles=0),
            RangeError,
            "cycles",
        ),
        (lambda: snapshot_ensemble(trainer(), iter([])), DTypeError, "no length"),
    ],
)
def test_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()


# ---------------------------------------------------------------------------- pictures


def test_bias_variance_is_drawn(tmp_path):
    found = {
        d: bias_variance(polynomial(d), sine, lambda rng: GRID, GRID, noise=0.2, n=10)
        for d in (1, 3)
    }
    fig = show.bias_variance(found, name="degree", path=tmp_path / "terms.png")
    saved(tmp_path / "terms.png")
    assert titles(fig) == ["degree 1", "degree 3", "The error is smallest for degree 3"]
    lines = {line.get_label(): line.get_ydata() for line in fig.axes[-1].lines}
    np.testing.assert_allclose(lines["bias²"], [r.bias2 for r in found.values()])
    np.testing.assert_allclose(lines["their sum"], [r.total for r in found.values()])
    np.testing.assert_allclose(
        lines["error, measured"], [r.error for r in found.values()]
    )
    with pytest.raises(RangeError, match="no results"):
        show.bias_variance({})


def test_the_boundary_of_an_ensemble_has_that_of_each_member(tmp_path):
    """Members that part the plane at x₁ = −1 and x₁ = 1: undecided at 0, and there."""
    sides = [nn.Linear(2, 2, init="zeros") for _ in range(2)]
    for member, at in zip(sides, (-1.0, 1.0), strict=True):
        member.weight.data[0, 1], member.bias.data[1] = 1, -at
    x = np.array([[-3.0, -1], [3, 1]], np.float32)
    path = tmp_path / "members.png"
    fig = show.boundary(Ensemble(sides), x, [0, 1], resolution=50, path=path)
    saved(path)
    lines = [c for c in fig.axes[0].collections if hasattr(c, "levels")]
    found = [c.get_paths()[0].vertices[:, 0].mean() for c in lines]
    np.testing.assert_allclose(found, [0, -1, 1], atol=0.1)
    widths = [float(c.get_linewidths()[0]) for c in lines]
    assert widths[0] > 2 * widths[1] == 2 * widths[2]


def test_snapshots_are_drawn(tmp_path):
    run = trainer(lr=0.1)
    snapshot_ensemble(run, loader(), VALIDATION, cycles=2, epochs=3)
    run.fit(loader(), VALIDATION, epochs=1)  # no complete cycle
    fig = show.snapshots(run.history, 3, path=tmp_path / "snapshots.png")
    saved(tmp_path / "snapshots.png")
    assert titles(fig)[0] == "2 snapshots of one training of 7 epochs"
    loss, rate = fig.axes
    marks = [line for line in loss.lines if line.get_marker() == "o"]
    for mark, name in zip(marks, ("train_loss", "val_loss"), strict=True):
        curve = run.history[name]
        np.testing.assert_allclose(
            mark.get_xydata(), [[3, curve[2]], [6, curve[5]]], rtol=1e-6
        )
    at, rates = rate.lines[0].get_xydata().T
    assert at[-1] == 7
    assert np.argmax(np.diff(rates)) == 17  # 6 steps an epoch: it starts anew at 18
    for epochs in (0, 8):
        with pytest.raises(RangeError, match="of a cycle, and the history has 7"):
            show.snapshots(run.history, epochs)


def test_intervals_are_drawn(tmp_path):
    said = (np.arange(400) < 300).astype(int)
    found = confidence_interval(accuracy, said, np.ones(400, int))
    gain = confidence_interval(lambda x: x.mean(), np.linspace(-1, 1.1, 50))
    assert found.samples.shape == (1000,)
    assert found.low == np.quantile(found.samples, 0.025)
    fig = show.intervals({"net": found, "gain": gain}, path=tmp_path / "intervals.png")
    saved(tmp_path / "intervals.png")
    ax = fig.axes[0]
    ends = [line.get_xdata() for line in ax.lines if line.get_marker() == "|"]
    np.testing.assert_allclose(ends, [[found.low, found.high], [gain.low, gain.high]])
    assert ax.get_yticklabels()[0].get_text() == f"net\n{found!r}"
    assert ax.lines[-1].get_linestyle() == ":"  # 0 is in sight
    assert len(show.intervals({"net": found}).axes[0].lines) == 2  # and here it is not
    with pytest.raises(RangeError, match="there are none"):
        show.intervals({})


def test_members_are_drawn(tmp_path):
    runs = np.array([[0.9, 0.92, 0.93], [0.92, 0.94, 0.93]])
    fig = show.members({"nets": runs, "one": runs[0]}, path=tmp_path / "members.png")
    saved(tmp_path / "members.png")
    nets, one = fig.axes[0].lines
    np.testing.assert_allclose(nets.get_xydata(), np.c_[1:4, runs.mean(axis=0)])
    np.testing.assert_allclose(one.get_ydata(), runs[0])
    for wrong, error in (({}, RangeError), ({"a": np.ones((1, 1, 1))}, ShapeError)):
        with pytest.raises(error):
            show.members(wrong)
