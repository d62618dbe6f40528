"""Losses: what they refuse, and what they say then."""

from __future__ import annotations

import inspect
import itertools

import numpy as np
import pytest

from minidl import Tensor, ops
from minidl.errors import DTypeError, RangeError, ShapeError

pytestmark = pytest.mark.quick

X, Y = np.zeros((3, 4)), np.array([0, 1, 2])


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: ops.cross_entropy(X, [0, 1, 4]), RangeError, r"0 … 3, but the labels run from 0 to 4"),
        (lambda: ops.cross_entropy(X, [0, -1, 2]), RangeError, "run from -1 to 2"),
        (lambda: ops.cross_entropy(X, [0, 1]), ShapeError, r"should be \(3,\), and they are \(2,\)"),
        (lambda: ops.cross_entropy(X, Y[:, None]), ShapeError, r"\.reshape"),
        (lambda: ops.cross_entropy(X, np.eye(4, dtype=int)[Y]), ShapeError, "argmax"),
        (lambda: ops.cross_entropy(X, np.array([0.0, 1.0, 2.0])), DTypeError, "float64.*astype"),
        (lambda: ops.cross_entropy(X, [0.0, 1.0, 2.0]), DTypeError, "astype"),
        (lambda: ops.cross_entropy(X, np.array([True, False, True])), DTypeError, "bool"),
        (lambda: ops.cross_entropy(X, ["a", "b", "c"]), DTypeError, "U1"),
        (lambda: ops.cross_entropy(X, X + 0.2), RangeError, "sum to one.*0.8.*softmax"),
        (lambda: ops.cross_entropy(X, np.array([[2.0, -1.0, 0, 0]] * 3)), RangeError, "least is -1"),
        (lambda: ops.cross_entropy(X[:0], Y[:0]), ShapeError, "empty"),
        (lambda: ops.cross_entropy(X[0], 1), ShapeError, r"x\[None\]"),
        (lambda: ops.cross_entropy(X, [[0, 1], [2]]), ShapeError, "differ in length"),
        (lambda: ops.cross_entropy(X, Y, reduction="avg"), RangeError, "mean, sum, none"),
        (lambda: ops.cross_entropy(X, Y, weight=[1.0, 2.0]), ShapeError, r"should be \(4,\)"),
        (lambda: ops.cross_entropy(X, Y, label_smoothing=1.5), RangeError, "label_smoothing"),
        (lambda: ops.cross_entropy(X, [-100] * 3), RangeError, "ignore_index"),
        (lambda: ops.cross_entropy(X, Y, weight=[0.0] * 4), RangeError, "weight 0"),
        (lambda: ops.nll_loss(X + 1, Y), RangeError, "log_softmax"),
        (lambda: ops.nll_loss(X, X), DTypeError, "integers"),
        (lambda: ops.nll_loss(X, [0, 1, 9]), RangeError, "run from 0 to 9"),
        (lambda: ops.hinge_loss(X, [0, 1, 9]), RangeError, "hinge_loss"),
        (lambda: ops.hinge_loss(X, X), DTypeError, "integers"),
        (lambda: ops.focal_loss(X, [0, 1, 9]), RangeError, "focal_loss"),
        (lambda: ops.focal_loss(X[:, :1], [0, 0, 0]), ShapeError, "one class"),
        (lambda: ops.focal_loss(X, X + 0.5), RangeError, "0 or 1"),
        (lambda: ops.focal_loss(X, Y, gamma=-1), RangeError, "gamma"),
        (lambda: ops.focal_loss(X, X, alpha=1.5), RangeError, "alpha"),
        (lambda: ops.focal_loss(X, X, alpha=[0.5, 0.5]), RangeError, "a number from 0 to 1"),
        (lambda: ops.focal_loss(X[:0], X[:0]), ShapeError, "empty"),
        (lambda: ops.binary_cross_entropy_with_logits(X, X + 2), RangeError, "0 to 1"),
        (lambda: ops.binary_cross_entropy_with_logits(X, Y), ShapeError, "equal"),
        (lambda: ops.binary_cross_entropy(X + 0.5, X + 1.5), RangeError, "^binary_cross_entropy: targets are 0 to 1"),
        (lambda: ops.binary_cross_entropy_with_logits(X, X + 1.5), RangeError, "^binary_cross_entropy_with_logits: targets are 0 to 1"),
        (lambda: ops.mse_loss(np.zeros((3, 1)), Y), ShapeError, r"\(3, 1\) and \(3,\).*stretch.*reshape"),
        (lambda: ops.l1_loss(X[:0], X[:0]), ShapeError, "empty"),
        (lambda: ops.huber_loss(X, X, delta=0.0), RangeError, "delta"),
        (lambda: ops.kl_div(X + 0.1, X), RangeError, "log-probabilities"),
        (lambda: ops.kl_div(X, X, reduction="avg"), RangeError, "batchmean"),
        (lambda: ops.hinge_embedding_loss(X, X), RangeError, "^hinge_embedding_loss: .*-1 or 1"),
        (lambda: ops.cosine_embedding_loss(X, X, [0, 1, 1]), RangeError, "^cosine_embedding_loss: .*-1 or 1"),
        (lambda: ops.cosine_embedding_loss(X, X, [1, 1]), ShapeError, r"should be \(3,\)"),
        (lambda: ops.mse_loss(Tensor(X), X.astype("float32")), DTypeError, "astype"),
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_what_does_not_fit_is_explained(call, error, says):
    with pytest.raises(error, match=says):
        call()


TWO = {"binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss", "l1_loss", "huber_loss", "kl_div", "hinge_embedding_loss"}  # fmt: skip
OF_LABELS = {"cross_entropy", "nll_loss", "hinge_loss", "focal_loss"}


@pytest.mark.parametrize("name", sorted(TWO | OF_LABELS))
def test_every_loss_names_itself(name):
    loss = getattr(ops, name)
    with pytest.raises(RangeError, match=rf"^{name}: reduction"):
        loss(X, X, reduction="average")
    wrong = Y[:2] if name in OF_LABELS else X[:2]
    with pytest.raises(ShapeError, match=rf"^{name}: "):
        loss(X, wrong)
    if name in OF_LABELS:
        with pytest.raises(ShapeError, match=rf"^{name}: x has shape \(4,\)"):
            loss(X[0], np.array(1))
        with pytest.raises(RangeError, match=rf"^{name}: .* 0 to 9"):
            loss(X, [0, 1, 9])


CLASSES = {"weight": None, "ignore_index": -100}
DEFAULTS = {  # PyTorch's, where it has the loss
    "cross_entropy": CLASSES | {"label_smoothing": 0.0},
    "nll_loss": CLASSES,
    "hinge_loss": {"margin": 1.0},
    "binary_cross_entropy_with_logits": {"weight": None, "pos_weight": None},
    "binary_cross_entropy": {"weight": None},
    "hinge_embedding_loss": {"margin": 1.0},
    "focal_loss": {"gamma": 2.0, "alpha": None},
    "mse_loss": {},
    "l1_loss": {},
    "huber_loss": {"delta": 1.0},
    "kl_div": {"log_target": False},
    "cosine_embedding_loss": {"margin": 0.0},
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_loss_that_is_given_nothing_has_the_usual_settings(name):
    known = inspect.signature(getattr(ops, name)).parameters.values()
    found = {p.name: p.default for p in known if p.default is not p.empty}
    assert found == DEFAULTS[name] | {"reduction": "mean"}
