"""minidl.check: right gradients pass, wrong ones are named, kinks are no mistakes."""

from __future__ import annotations

import numpy as np
import pytest

import minidl as md
from minidl import check, ops
from minidl.engine.op import op
from minidl.errors import DTypeError, GraphError, NonFiniteError, RangeError
from minidl.nn import Buffer, Module, Parameter

RNG = np.random.default_rng(5)


def normal(*shape):
    return RNG.standard_normal(shape)


X, W = normal(5, 3), normal(3, 4)


@op
def flipped(x, w):
    """x w, with a sign wrong in ∂w."""
    return x @ w, (lambda g: g @ w.T, lambda g: -(x.T @ g))


@op
def curved(x):
    """x², right at the first order; its closure is not differentiable as it should."""
    y = x * x
    slope = 2 * ops.detach(x) if isinstance(x, md.Tensor) else 2 * x
    return y, (lambda g: g * slope,)


def spoiled(i):
    """x², wrong in one element only."""

    @op
    def square(x):
        def back(g):
            d = 2 * x * g
            d.flat[i] *= 1.001
            return d

        return x * x, (back,)

    return square


# ------------------------------------------------------------------------- what is right


@pytest.mark.parametrize("mode", ["fast", "full"])
@pytest.mark.parametrize("check_it", [check.gradcheck, check.gradgradcheck])
def test_right_gradients_pass(check_it, mode):
    for f, inputs in (
        (ops.tanh, [X]),
        (lambda x, w: (x @ w).tanh(), [X, W]),
        (ops.batch_norm, [X, np.ones(3), np.zeros(3)]),
        (ops.cross_entropy, [X, np.array([0, 2, 1, 1, 0])]),
        (lambda x: ops.reshape(x, shape=(15,)), [X]),
    ):
        report = check_it(f, inputs, mode=mode)
        assert report
        assert report.error < 1e-6
        assert "right" in str(report)


def test_inputs_may_be_float32_tensors_lists_and_one_alone():
    x = md.Tensor(X.astype(np.float32), requires_grad=True)
    assert check.gradcheck(ops.exp, x).findings[0].shape == (5, 3)
    assert x.grad is None
    assert x.dtype == np.float32
    assert check.gradcheck(ops.exp, [[1.0, 2.0]]).findings[0].shape == (2,)
    assert check.gradcheck(ops.exp, [0.5], mode="full")
    report = check.gradcheck(ops.affine, [X, W, None])
    assert [f.name for f in report.findings] == ["x", "w"]


def test_several_outputs_and_aux():
    def both(x):
        return x.sum(axis=0), ops.exp(x), 3

    assert check.gradcheck(both, [X])
    assert check.gradgradcheck(both, [X])
    assert check.gradcheck(ops.topk, [X, 2])


def test_a_gradient_that_is_zero_is_right_where_nothing_changes():
    def centered(x, b):
        y = x + b
        return y - y.mean(axis=0)

    report = check.gradcheck(centered, [X, np.ones(3)], mode="full")
    assert report.findings[1].analytic == pytest.approx(0, abs=1e-12)
    assert check.gradcheck(lambda x, unused: x * 2, [X, W])


# ------------------------------------------------------------------------- what is wrong


def test_a_wrong_gradient_is_named_with_input_and_element():
    with pytest.raises(check.GradientError, match=r"∂L/∂w\[\d, \d\].*relative error"):
        check.gradcheck(flipped, [X, W])
    report = check.gradcheck(flipped, [X, W], raise_exception=False)
    assert not report
    x, w = report.findings
    assert (x.verdict, w.verdict, w.name) == ("ok", "wrong", "w")
    assert w.analytic == pytest.approx(-w.numeric)
    assert isinstance(check.GradientError("…"), AssertionError)


@pytest.mark.parametrize("mode", ["fast", "full"])
def test_one_wrong_element_of_many_is_found(mode):
    report = check.gradcheck(spoiled(7), [X], mode=mode, raise_exception=False)
    assert report.wrong[0].at == (2, 1)


def test_one_wrong_element_of_very_many_is_found_by_halving():
    x = 1 + RNG.random((40, 30))
    report = check.gradcheck(spoiled(1000), [x], raise_exception=False)
    assert report.wrong[0].at == (33, 10)
    assert report.wrong[0].error == pytest.approx(1e-3, rel=0.5)


def test_second_order_catches_what_the_first_cannot_see():
    assert check.gradcheck(curved, [X])
    with pytest.raises(check.GradientError, match="second derivative fails"):
        check.gradgradcheck(curved, [X])


def test_a_cotangent_of_ones_would_not_do():
    @op
    def softmax(x):
        e = ops.exp(x)
        return e / e.sum(axis=1, keepdims=True), (lambda g: g * 0,)

    with pytest.raises(check.GradientError):
        check.gradcheck(softmax, [X])


def test_the_numbers_of_the_check_are_not_those_of_the_student():
    for seed in range(4):  # with u = x the gradient of batch norm would vanish
        x = np.random.default_rng(seed).standard_normal((5, 3))
        finding = check.gradcheck(ops.batch_norm, [x, None, None]).findings[0]
        assert abs(finding.analytic) > 1e-2


def test_what_cannot_be_checked_says_why():
    with pytest.raises(GraphError, match=r"returned none.*\.data"):
        check.gradcheck(lambda x: x.data * 2, [X])
    with pytest.raises(GraphError, match="another value"):
        check.gradcheck(lambda x: x * np.random.rand(), [X])  # noqa: NPY002
    with pytest.raises(NonFiniteError, match="not finite"):
        check.gradcheck(ops.log, [-abs(X)])
    with pytest.raises(DTypeError, match="no float"):
        check.gradcheck(ops.exp, [np.arange(3)])
    with pytest.raises(RangeError, match="full"):
        check.gradcheck(ops.exp, [X], mode="slow")


# --------------------------------------------------------------------------------- kinks


@pytest.mark.parametrize("mode", ["fast", "full"])
def test_a_kink_is_no_mistake_of_the_gradient(mode):
    x = np.array([1.0, 0.0, -2.0])
    report = check.gradcheck(ops.relu, [x], mode=mode, raise_exception=False)
    finding = report.kinks[0]
    assert report.ok
    assert report.wrong == []
    assert (finding.verdict, finding.at, finding.value) == ("kink", (1,), 0.0)
    assert "left out: 1 of x" in report.text
    assert check.explain(ops.relu, [x])


def test_a_kink_nearby_is_stepped_past():
    x = np.array([1.0, 3e-7, -2.0])
    assert check.gradcheck(ops.relu, [x])
    assert check.gradcheck(ops.relu, [x], mode="full")


def test_a_mistake_beside_a_kink_is_still_a_mistake():
    @op
    def relu(x):
        return x * (x > 0), (lambda g: g * (x >= 0) * 1.5,)

    x = np.array([1.0, 0.0])
    for mode in ("fast", "full"):
        report = check.gradcheck(relu, [x], mode=mode, raise_exception=False)
        assert report.wrong[0].verdict == "wrong"
    said = str(check.explain(relu, [np.array([0.5, 0.0, 2.0])]))
    assert "1.5 times too large, everywhere" in said


def test_a_minimum_is_no_kink():
    @op
    def square(x):
        return x * x, (lambda g: 2 * g * x + 0.1,)

    report = check.gradcheck(square, [np.zeros(3)], raise_exception=False)
    assert {f.verdict for f in report.wrong} == {"wrong"}


# -------------------------------------------------------------------------------- layers


class Noisy(Module):
    """A layer with all that makes a check hard: state, randomness, a shared parameter."""

    def __init__(self):
        self.weight = Parameter(normal(3, 3).astype(np.float32))
        self.again = self.weight
        self.frozen = Parameter(np.ones(3, np.float32), requires_grad=False)
        self.seen = Buffer(np.zeros(3, np.float32))
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        mask = self.rng.random(x.shape) < 0.5
        y = (x @ self.weight) @ self.again * self.frozen
        self.seen.data += y.data.mean(axis=0)
        return ops.where(mask, y, 0.0) if self.training else y


def test_a_layer_is_checked_as_a_frozen_float64_copy():
    layer = Noisy()
    before = layer.weight.data.copy()
    report = check.gradcheck(layer, [X.astype(np.float32)], mode="full")
    assert [f.name for f in report.findings] == ["x", "weight"]
    assert report.error < 1e-7
    assert layer.weight.dtype == np.float32
    assert layer.weight.grad is None
    np.testing.assert_array_equal(layer.weight.data, before)
    np.testing.assert_array_equal(layer.seen.data, 0)
    assert layer.rng.random() == np.random.default_rng(0).random()


def test_check_layer_looks_at_both_modes_and_orders():
    report = check.check_layer(Noisy(), (5, 3))
    assert report.ok
    parts = {f.part for f in report.findings}
    assert parts == {
        "in training", "in training, second derivative",
        "in evaluation", "in evaluation, second derivative",
    }  # fmt: skip


def test_check_layer_finds_what_is_wrong_in_training_only():
    class Wrong(Module):
        def __init__(self):
            self.w = Parameter(W)

        def forward(self, x):
            return flipped(x, self.w) if self.training else x @ self.w

    with pytest.raises(check.GradientError, match=r"(?s)Wrong.*in training: ∂L/∂w"):
        check.check_layer(Wrong(), (2, 3))


def test_a_report_tells_the_gravest_first():
    def f(w, x, more):
        return flipped(ops.relu(x), w) + ops.relu(more)

    zero = np.array([[1.0, 0.0, 2.0]])
    report = check.gradcheck(f, [W, zero, np.zeros(4)], raise_exception=False)
    assert [f.name for f in report.wrong] == ["w"]
    assert report.worst.name == "w"
    assert [f.verdict for f in report.kinks] == ["kink", "kink"]


def test_outputs_may_be_nested():
    def cell(x, w):
        return x * 2, (flipped(x, w), 1)

    report = check.gradcheck(cell, [X, W], raise_exception=False)
    assert [f.name for f in report.wrong] == ["w"]


def test_parameters_stay_parameters():
    class Looks(Module):
        def __init__(self):
            self.w = Parameter(W)

        def forward(self, x):
            return flipped(x, self.w) if isinstance(self.w, Parameter) else x @ self.w

    assert not check.gradcheck(Looks(), [X], raise_exception=False)


def test_a_check_runs_where_the_arrays_are(device):
    x, w = (md.Tensor(a).to(device) for a in (X, W))
    assert check.gradcheck(lambda x, w: ops.tanh(x @ w), [x, w], mode="full")
    assert check.gradgradcheck(lambda x, w: ops.tanh(x @ w), [x, w])
    assert check.explain(flipped, [x, w]).culprits == ["flipped"]
