"""Ensembles: the mean of probabilities, disagreement, and what must be refused."""

import numpy as np
import pytest

import minidl as md
from minidl import backend, nn, ops, optim
from minidl.backend import device_of, to_numpy
from minidl.data import DataLoader
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.lab import Ensemble
from minidl.lab.ensemble import averaged
from minidl.train import Trainer, accuracy
from tests.runs import TRAIN, VALIDATION

X = VALIDATION.x


class Says(nn.Module):
    """A model that puts out these scores, whatever comes in."""

    def __init__(self, scores):
        self.scores = nn.Buffer(np.asarray(scores, np.float32))

    def forward(self, x):
        return self.scores + 0.0 * x.sum()


def members(n=3):
    return [nn.Sequential(nn.Linear(2, 8, rng=i), nn.ReLU(), nn.Linear(8, 3, rng=9 + i))
            for i in range(n)]  # fmt: skip


def softmax(s):
    e = np.exp(np.asarray(s, float) - np.max(s, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def entropy(p):
    return -sum(q * np.log(q) for q in p if q > 0)


# ------------------------------------------------------------------------ mathematics


@pytest.mark.parametrize("weights", [[1, 1, 1, 1], [1, 0, 2, 5], [0.2, 0.2, 0.1, 0]])
def test_averaged_by_hand(rng, weights):
    scores = 3 * rng.normal(size=(5, 4, 3))
    p, disagreement = averaged(scores, np.array(weights, float))
    w = np.array(weights) / sum(weights)
    for n in range(5):
        ps = softmax(scores[n])
        mean = sum(w[m] * ps[m] for m in range(4))
        np.testing.assert_allclose(p[n], mean, rtol=1e-12)
        inside = sum(w[m] * entropy(ps[m]) for m in range(4))
        assert disagreement[n] == pytest.approx(entropy(mean) - inside, abs=1e-12)


def test_disagreement_tells_unlike_members_from_unsure_ones():
    sure, unsure = [[100.0, 0]], [[0.0, 0.0]]
    zeros = np.zeros((1, 2), np.float32)
    for scores, p, disagreement in [
        ([sure, sure], [1, 0], 0),
        ([unsure, unsure], [0.5, 0.5], 0),
        ([sure, [[0.0, 100.0]]], [0.5, 0.5], np.log(2)),
    ]:
        ensemble = Ensemble([Says(s) for s in scores])
        np.testing.assert_allclose(ensemble.probabilities(zeros)[0], p, atol=1e-6)
        assert ensemble.disagreement(zeros)[0] == pytest.approx(disagreement, abs=1e-6)


def test_it_is_a_mean_of_probabilities_and_not_of_scores_or_votes():
    # One loud member; two that are nearly undecided, for class 1. The mean of scores
    # and the mean of probabilities say 0, votes say 1; then the loud one is moderate.
    x = np.zeros((1, 2), np.float32)
    loud = Ensemble([Says([[9.0, 0]]), Says([[0, 0.1]]), Says([[0, 0.1]])])
    assert loud.predict(x).tolist() == [0]  # votes: 1
    mild = Ensemble([Says([[9.0, 0]]), Says([[0, 2.0]]), Says([[0, 2.0]])])
    assert mild.predict(x).tolist() == [1]  # mean of scores: 0


def test_weights_decide():
    x = np.zeros((1, 2), np.float32)
    two = [Says([[2.0, 0]]), Says([[0, 2.0]])]
    assert Ensemble(two, [3, 1]).predict(x).tolist() == [0]
    assert Ensemble(two, [1, 3]).predict(x).tolist() == [1]
    alone = Ensemble(two, [0, 1])
    np.testing.assert_allclose(alone.probabilities(x), softmax([[0, 2.0]]), rtol=1e-6)
    assert alone.disagreement(x)[0] == pytest.approx(0, abs=1e-6)


def test_called_it_gives_scores_with_the_same_probabilities():
    ensemble = Ensemble(members())
    scores = ensemble(md.Tensor(X))
    np.testing.assert_allclose(
        softmax(scores.data), ensemble.probabilities(X), rtol=1e-5
    )
    far = Ensemble([Says([[-300.0, 0]])])(md.Tensor(X))
    assert np.isfinite(far.data).all()  # p̄ is 0 in float32, and its log is not −∞


def test_a_trainer_judges_it_and_it_can_be_trained_on():
    ensemble = Ensemble(members())
    trainer = Trainer(
        ensemble, optim.Adam(ensemble.parameters(), 0.02), ops.cross_entropy,
        [accuracy], progress=False,
    )  # fmt: skip
    loss = trainer.evaluate(VALIDATION)["loss"]
    p = ensemble.probabilities(VALIDATION)
    own = p[np.arange(len(p)), VALIDATION.y]
    assert loss == pytest.approx(-np.log(own).mean(), rel=1e-5)
    trainer.fit(DataLoader(TRAIN, 10), epochs=5)
    assert trainer.evaluate(VALIDATION)["loss"] < loss


def test_regression_averages_numbers():
    x = np.zeros((1, 2), np.float32)
    ensemble = Ensemble([Says([[1.0]]), Says([[4.0]])], [2, 1], regression=True)
    np.testing.assert_allclose(ensemble.predict(x), [[2.0]], rtol=1e-6)
    np.testing.assert_allclose(ensemble(md.Tensor(x)).data, [[2.0]], rtol=1e-6)
    np.testing.assert_allclose(ensemble.disagreement(x), [[2**0.5]], rtol=1e-6)
    flat = Ensemble([Says([1.0]), Says([4.0])], regression=True)
    np.testing.assert_allclose(flat.predict(x), [2.5])


# ------------------------------------------------------------------------------ models


def test_members_are_in_eval_mode_and_are_left_as_they_were():
    net = nn.Sequential(nn.Dropout(0.9, rng=0), nn.Linear(2, 3, rng=0))
    ensemble = Ensemble([net, *members()])
    one, two = ensemble.probabilities(X), ensemble.probabilities(X)
    np.testing.assert_array_equal(one, two)
    assert net[0].training


def test_arrays_data_sets_loaders_and_iterators_give_the_same():
    ensemble = Ensemble(members())
    expected = ensemble.probabilities(X)
    batches = list(DataLoader(VALIDATION, 7))
    for data in (VALIDATION, (X, VALIDATION.y), batches, iter(batches)):
        np.testing.assert_allclose(ensemble.probabilities(data), expected, rtol=1e-5)


def test_it_is_saved_with_its_weights(tmp_path):
    ensemble = Ensemble(members(), [1, 2, 3])
    md.save(ensemble.state_dict(), tmp_path / "ensemble.safetensors")
    again = Ensemble(members(), [3, 2, 1])
    again.load_state_dict(md.load(tmp_path / "ensemble.safetensors"))
    np.testing.assert_array_equal(again.probabilities(X), ensemble.probabilities(X))


def test_float64_stays():
    ensemble = Ensemble([m.astype("float64") for m in members()])
    x = X.astype(np.float64)
    assert ensemble.probabilities([x]).dtype == np.float64
    assert ensemble(md.Tensor(x)).dtype == np.float64


# ----------------------------------------------------------------------------- devices


def test_the_same_on_every_device_and_nothing_is_read_on_the_way(device, meter):
    here = Ensemble(members())
    there = Ensemble([m.to(device) for m in members()])
    assert device_of(there.weights.data) == device
    np.testing.assert_allclose(
        there.probabilities(X), here.probabilities(X), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(there.disagreement(X), here.disagreement(X), atol=1e-5)
    np.testing.assert_array_equal(there.predict(X), here.predict(X))
    x = md.Tensor(X, device=device)
    there(x)
    with meter() as spent:
        scores = there(x)
    assert (spent.h2d, spent.d2h, spent.syncs) == (0, 0, 0), spent
    np.testing.assert_allclose(
        softmax(to_numpy(scores.data)), here.probabilities(X), rtol=1e-4, atol=1e-6
    )


def test_a_default_device_is_enough(device):
    here = Ensemble(members()).probabilities(X)
    backend.use(device)
    there = Ensemble(members())
    assert device_of(there(md.Tensor(X, device=device)).data) == device
    np.testing.assert_allclose(there.probabilities(X), here, rtol=1e-4, atol=1e-6)


# ------------------------------------------------------------------------------ errors

ZEROS = np.zeros((2, 2), np.float32)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: Ensemble([]), RangeError, "no models"),
        (lambda: Ensemble(nn.Linear(2, 3)), DTypeError, r"Ensemble\(\[net1, net2\]\)"),
        (lambda: Ensemble([lambda x: x]), DTypeError, "member 0 is a function"),
        (
            lambda: Ensemble([Trainer(nn.Linear(2, 3), None, None)]),
            DTypeError,
            r"pass its \.model",
        ),
        (lambda: Ensemble(members(), [1, 2]), ShapeError, "3 models want 3 weights"),
        (lambda: Ensemble(members(2), [1, -1]), RangeError, "numbers from 0 on"),
        (lambda: Ensemble(members(2), [0, 0]), RangeError, "not all of them 0"),
        (lambda: Ensemble(members(2), [1, np.nan]), RangeError, "numbers from 0 on"),
    ],
)
def test_refused_when_it_is_made(make, error, match):
    with pytest.raises(error, match=match):
        make()


@pytest.mark.parametrize(
    ("models", "error", "match"),
    [
        ([Says(np.zeros((2, 3))), Says(np.zeros((2, 4)))], ShapeError, "member 1"),
        ([Says(np.zeros((2, 3))), Says(np.full((2, 3), np.nan))], RangeError, "member 1"),
        ([Says(np.zeros((2, 3))), Says([[0.2, 0.3, 0.5], [1, 0, 0]])], RangeError,
         "member 1 sums to 1.*leave the Softmax"),
        ([Says(np.zeros(2))], ShapeError, "regression=True"),
        ([Says(np.zeros((2, 1)))], ShapeError, "2 classes or more"),
    ],
)  # fmt: skip
def test_refused_when_it_answers(models, error, match):
    with pytest.raises(error, match=match):
        Ensemble(models).probabilities(ZEROS)


def test_a_regression_has_no_probabilities():
    with pytest.raises(DTypeError, match=r"use \.predict"):
        Ensemble([Says([[1.0]])], regression=True).probabilities(ZEROS)
