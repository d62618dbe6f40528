"""The metrics against scikit-learn, on random labels and on degenerate ones."""

import inspect
import warnings

import numpy as np
import pytest

import minidl as md
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.train import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    f1_score,
    precision,
    recall,
    top_k,
)

sk = pytest.importorskip("sklearn.metrics", reason='pip install "minidl[test]"')

SHARES = [
    (precision, sk.precision_score),
    (recall, sk.recall_score),
    (f1_score, sk.f1_score),
]
# name: (predicted, true)
DEGENERATE = {
    "a class never predicted": ([0, 0, 1, 1, 0], [0, 1, 2, 2, 1]),
    "a class never true": ([0, 2, 1, 1], [0, 1, 1, 0]),
    "one class only": ([0, 0, 0], [0, 0, 0]),
    "one class only, not the first": ([2, 2], [2, 2]),
    "only the positive class": ([1, 1, 1], [1, 1, 1]),
    "nothing right": ([1, 2, 0], [0, 1, 2]),
    "always the same answer": ([1, 1, 1, 1], [0, 1, 2, 1]),
    "one sample, wrong": ([1], [0]),
    "gaps between the labels": ([7, 3, 3, 9], [7, 7, 3, 3]),
    "signs as labels": ([-1, 1, 1, -1], [1, 1, -1, -1]),
}


def cases():
    rng = np.random.default_rng(0)
    for k in (2, 3, 10):
        for n in (1, 5, 200):
            yield f"{n} of {k}", rng.integers(0, k, n), rng.integers(0, k, n)
    for name, (said, truth) in DEGENERATE.items():
        yield name, said, truth


CASES = [pytest.param(said, truth, id=name) for name, said, truth in cases()]


def quietly(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is undefined: we take the value
        return function(*args, **kwargs)


@pytest.mark.parametrize(("said", "truth"), CASES)
@pytest.mark.parametrize("zero_division", [0, 1, np.nan])
@pytest.mark.parametrize("average", ["macro", "micro", "weighted", "none", None])
@pytest.mark.parametrize(("ours", "theirs"), SHARES)
def test_shares(ours, theirs, average, zero_division, said, truth):
    sk_average = None if average == "none" else average
    expected = quietly(
        theirs, truth, said, average=sk_average, zero_division=zero_division
    )
    got = ours(said, truth, average, zero_division=zero_division)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert isinstance(got, np.ndarray if sk_average is None else float)


@pytest.mark.parametrize(("ours", "theirs"), SHARES)
@pytest.mark.parametrize("zero_division", [0, 1, np.nan])
@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize(
    "truth", [[0, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 1]]
)
@pytest.mark.parametrize(
    "said", [[0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]
)
def test_binary(ours, theirs, positive, zero_division, said, truth):
    settings = {"average": "binary", "zero_division": zero_division}
    expected = quietly(theirs, truth, said, pos_label=positive, **settings)
    np.testing.assert_allclose(
        ours(said, truth, positive=positive, **settings), expected
    )


@pytest.mark.parametrize(("ours", "theirs"), SHARES)
@pytest.mark.parametrize("average", ["macro", "micro", "weighted", "none"])
@pytest.mark.parametrize("classes", [[0, 1, 2, 3, 4], [2, 0], [1], [1, 6]])
def test_chosen_classes(ours, theirs, average, classes, rng):
    said, truth = rng.integers(0, 5, (2, 40))
    expected = quietly(
        theirs,
        truth,
        said,
        labels=classes,
        average=None if average == "none" else average,
    )
    np.testing.assert_allclose(ours(said, truth, average, classes=classes), expected)


def test_the_default_is_zero_without_a_warning():
    assert precision([0, 0], [0, 1]) == 0.25
    assert recall([0, 1], [0, 0]) == 0.25
    assert f1_score([0, 0], [0, 0], classes=2) == 0.5


@pytest.mark.parametrize("metric", [precision, recall, f1_score, top_k])
def test_a_metric_that_is_given_nothing_has_the_usual_settings(metric):
    known = inspect.signature(metric).parameters.values()
    found = {p.name: p.default for p in known if p.default is not p.empty}
    usual = {"average": "macro", "classes": None, "positive": 1, "zero_division": 0.0}
    assert found == ({"k": 5} if metric is top_k else usual)


@pytest.mark.parametrize(("said", "truth"), CASES)
def test_counts(said, truth):
    expected = quietly(sk.confusion_matrix, truth, said)
    got = confusion_matrix(said, truth)
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == np.int64
    assert accuracy(said, truth) == sk.accuracy_score(truth, said)
    expected = quietly(sk.balanced_accuracy_score, truth, said)
    np.testing.assert_allclose(balanced_accuracy(said, truth), expected, rtol=1e-12)


@pytest.mark.parametrize("classes", [[0, 1, 2, 3], [3, 1], [0], [2, 9]])
def test_counts_of_chosen_classes(classes, rng):
    said, truth = rng.integers(0, 4, (2, 60))
    expected = quietly(sk.confusion_matrix, truth, said, labels=classes)
    np.testing.assert_array_equal(
        confusion_matrix(said, truth, classes=classes), expected
    )


def test_a_number_of_classes_gives_a_square_of_that_size():
    c = confusion_matrix([0, 1], [0, 0], classes=4)
    assert c.shape == (4, 4)
    assert c[0, 0] == c[0, 1] == 1
    assert c.sum() == 2


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("ties", [False, True])
def test_top_k(k, ties, rng):
    scores, labels = rng.normal(size=(60, 5)), rng.integers(0, 5, 60)
    if ties:
        scores = scores.round()
    expected = sk.top_k_accuracy_score(labels, scores, k=k)
    assert top_k(scores, labels, k) == pytest.approx(expected, rel=1e-12)
    if not ties:
        assert top_k(scores, labels, 1) == accuracy(scores, labels)
    assert top_k(scores, labels, 5) == 1.0


def test_scores_and_labels_of_every_kind(rng):
    scores, labels = rng.normal(size=(30, 4)), rng.integers(0, 3, 30)
    said = scores.argmax(axis=1)
    for metric in (accuracy, balanced_accuracy, precision, recall, f1_score):
        expected = metric(said, labels)
        assert metric(scores, labels) == expected
        assert metric(scores.tolist(), labels.tolist()) == expected
        assert (
            metric(md.Tensor(scores, requires_grad=True), md.Tensor(labels)) == expected
        )
        assert metric(md.Tensor(said), labels.astype(np.int8)) == expected
    assert top_k(md.Tensor(scores), labels.tolist(), 2) == top_k(scores, labels, 2)


def test_scores_tell_the_number_of_classes():
    scores = np.eye(4)[[0, 1, 1]]  # classes 2 and 3 neither occur nor are predicted
    assert confusion_matrix(scores, [0, 1, 0]).shape == (4, 4)
    np.testing.assert_allclose(recall(scores, [0, 1, 0], "none"), [0.5, 1, 0, 0])
    assert recall(scores, [0, 1, 0]) == 0.75  # of the two that occur


def test_inputs_are_only_read(rng):
    scores, labels = rng.normal(size=(9, 3)), rng.integers(0, 3, 9)
    scores.flags.writeable = labels.flags.writeable = False
    for metric in (accuracy, top_k, confusion_matrix, balanced_accuracy, f1_score):
        metric(scores, labels, **({"k": 2} if metric is top_k else {}))


def test_truth_values_are_labels():
    assert accuracy(np.array([True, False]), np.array([True, True])) == 0.5


THREE = np.zeros((3, 4))
REFUSED = {
    "other length": (lambda: accuracy(THREE, [0, 1]), ShapeError, r"\(3, 4\).*\(2,\)"),
    "empty": (lambda: accuracy([], []), ShapeError, "N ≥ 1"),
    "one-hot labels": (lambda: accuracy(THREE, np.eye(3)), ShapeError, "argmax"),
    "one column": (lambda: accuracy(np.ones((2, 1)), [0, 1]), ShapeError, "K ≥ 2"),
    "ragged": (lambda: accuracy([[1, 2], [3]], [0, 1]), ShapeError, "differ in length"),
    "probabilities": (lambda: accuracy([0.2, 0.9], [0, 1]), DTypeError, "p > 0.5"),
    "float labels": (lambda: accuracy(THREE, [0.0, 1.0, 2.0]), DTypeError, "astype"),
    "words": (lambda: accuracy([["a", "b"]], [0]), DTypeError, "numbers"),
    "too large": (lambda: accuracy(THREE, [0, 1, 4]), RangeError, "0 … 3.* to 4"),
    "negative": (lambda: top_k(THREE, [0, 1, -100], 2), RangeError, "-100"),
    "nan": (lambda: top_k(THREE * np.nan, [0, 1, 2], 2), RangeError, "diverged"),
    "k": (lambda: top_k(THREE, [0, 1, 2], 5), RangeError, "4 classes"),
    "top labels": (lambda: top_k([0, 1], [0, 1]), ShapeError, "scores"),
    "k of 0": (lambda: top_k(THREE, [0, 1, 2], 0), RangeError, "k = 0"),
    "a cube": (
        lambda: accuracy(np.ones((2, 3, 4)), [0, 1]),
        ShapeError,
        r"\(2, 3, 4\)",
    ),
    "no classes": (lambda: accuracy(np.ones((2, 0)), [0, 1]), ShapeError, "K ≥ 2"),
    "one number": (lambda: accuracy(1, [1]), ShapeError, r"predictions \(\)"),
    "one label": (lambda: accuracy([1], 1), ShapeError, r"labels must be .* not \(\)"),
    "average": (lambda: recall([0], [0], "mean"), RangeError, "macro"),
    "zero": (lambda: recall([0], [0], zero_division=2), RangeError, "nan"),
    "three": (
        lambda: recall([0, 1, 2], [0, 1, 1], "binary"),
        RangeError,
        "two classes",
    ),
    "no one": (lambda: recall([0, 2], [0, 2], "binary"), RangeError, "positive"),
    "sign": (lambda: precision([-1, 1], [1, 1], classes=3), RangeError, "from -1"),
    "classes": (
        lambda: confusion_matrix([0, 3, 1], [0, 1, 2], classes=3),
        RangeError,
        "0 … 2, but they run from 0 to 3",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    call, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        call()
