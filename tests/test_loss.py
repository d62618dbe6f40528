"""Losses: agreement with PyTorch, edge cases, and what they refuse."""

from __future__ import annotations

import itertools
import math
import weakref

import numpy as np
import pytest

from minidl import Tensor, grad, nn, ops
from minidl.errors import RangeError
from minidl.kernels.cpu.loss import quick_cross_entropy
from tests.against_torch import assert_agree

pytestmark = pytest.mark.quick

REDUCTIONS = ("mean", "sum", "none")
SHAPES = [(5, 3), (4, 10), (3, 4, 2), (2, 3, 2, 2)]


def draw(shape, seed):
    """Scores, labels and probabilities for a shape (N, K, …)."""
    rng = np.random.default_rng(seed)
    x = 2 * rng.standard_normal(shape)
    labels = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    p = np.exp(rng.standard_normal(shape))
    return x, labels, p / p.sum(axis=1, keepdims=True), rng.uniform(0.2, 2, shape[1])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "probabilities"])
def test_cross_entropy_agrees_with_torch(torch, shape, soft):
    settings = itertools.product(REDUCTIONS, (0.0, 0.1), (False, True), (False, True))
    for seed, (reduction, smoothing, weighted, ignoring) in enumerate(settings):
        if ignoring and soft:
            continue  # probabilities cannot be ignored
        x, labels, p, w = draw(shape, seed)
        if ignoring:
            labels[labels == labels.flat[0]] = -100 if seed % 3 else labels.max()
        kw = {"reduction": reduction, "label_smoothing": smoothing}
        if ignoring and not seed % 3:
            kw["ignore_index"] = int(labels.max())
        weight = {"weight": w} if weighted else {}
        ours = nn.CrossEntropyLoss(**kw, **weight)
        theirs = torch.nn.CrossEntropyLoss(
            **kw, **{k: torch.tensor(v) for k, v in weight.items()}
        )
        assert_agree(torch, ours, theirs, [x, p if soft else labels])


def test_soft_targets_may_come_from_another_network(torch):
    """Distillation: the gradient reaches the teacher too, to the second order."""
    for seed in range(20):
        (x, _, _, _), (t, _, _, _) = draw((4, 5), seed), draw((4, 5), seed + 100)
        kw = {"reduction": REDUCTIONS[seed % 3], "label_smoothing": 0.1 * (seed % 2)}

        def ours(x, t, kw=kw):
            return ops.cross_entropy(x, ops.softmax(t, axis=1), **kw)

        def theirs(x, t, kw=kw):
            return torch.nn.functional.cross_entropy(x, torch.softmax(t, dim=1), **kw)

        assert_agree(torch, ours, theirs, [x, t])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_nll_loss_agrees_with_torch(torch, shape):
    for seed, (reduction, weighted) in enumerate(
        itertools.product(REDUCTIONS, (False, True))
    ):
        x, labels, _, w = draw(shape, seed)
        labels.flat[0] = -100
        weight = {"weight": w} if weighted else {}
        theirs = torch.nn.NLLLoss(
            reduction=reduction, **{k: torch.tensor(v) for k, v in weight.items()}
        )
        ours = nn.NLLLoss(reduction=reduction, **weight)
        assert_agree(torch, ours, theirs, [-np.abs(x), labels])


def test_hinge_loss_agrees_with_torch(torch):
    """PyTorch's divides by the number of classes, too."""
    for seed in range(21):
        k, margin = 3 + seed % 4, (1.0, 0.3, 2.0)[seed % 3]
        x, labels, _, _ = draw((6, k), seed)
        reduction = REDUCTIONS[seed // 7]
        theirs = torch.nn.MultiMarginLoss(margin=margin, reduction=reduction)
        ours = nn.HingeLoss(margin, reduction)
        assert_agree(
            torch, ours, lambda x, y, f=theirs, k=k: k * f(x, y), [x, labels], orders=1
        )


def test_hinge_loss_of_sequences_is_that_of_their_tokens(rng):
    x, y, _, _ = draw((2, 3, 4), 0)
    g = rng.standard_normal((2, 4))
    t = Tensor(x, requires_grad=True)
    flat = Tensor(np.moveaxis(x, 1, 2).reshape(-1, 3), requires_grad=True)
    (dt,) = grad(ops.hinge_loss(t, y, reduction="none"), t, g)
    (df,) = grad(ops.hinge_loss(flat, y.ravel(), reduction="none"), flat, g.ravel())
    np.testing.assert_allclose(np.moveaxis(dt, 1, 2).reshape(-1, 3), df, rtol=1e-12)


def test_binary_cross_entropy_agrees_with_torch(torch):
    cases = itertools.product(SHAPES, REDUCTIONS, (False, True), (False, True))
    for seed, (shape, reduction, weighted, posed) in enumerate(cases):
        rng = np.random.default_rng(seed)
        x, t = 2 * rng.standard_normal(shape), rng.random(shape)
        t = np.round(t) if seed % 2 else t
        kw = {}
        if weighted:
            kw["weight"] = rng.random(shape[-1])
        if posed:
            kw["pos_weight"] = rng.uniform(0.5, 3, shape[-1])
        theirs = torch.nn.BCEWithLogitsLoss(
            reduction=reduction, **{k: torch.tensor(v) for k, v in kw.items()}
        )
        ours = nn.BCEWithLogitsLoss(reduction=reduction, **kw)
        assert_agree(torch, ours, theirs, [x, t])


def test_binary_cross_entropy_of_probabilities_agrees_with_torch(torch):
    for seed, (shape, reduction) in enumerate(itertools.product(SHAPES, REDUCTIONS)):
        rng = np.random.default_rng(seed)
        x, t = rng.uniform(0.02, 0.98, shape), rng.random(shape)
        w = rng.random(shape[-1])
        theirs = torch.nn.BCELoss(torch.tensor(w), reduction=reduction)
        ours = nn.BCELoss(w, reduction=reduction)
        assert_agree(torch, ours, theirs, [x, t])
    edge = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])
    assert_agree(
        torch, nn.BCELoss(), torch.nn.BCELoss(), edge, orders=1, fixed=[1], atol=1e-8
    )
    with pytest.raises(RangeError, match="with_logits"):
        ops.binary_cross_entropy(np.array([0.5, 1.5]), np.array([0.0, 1.0]))


def focal_in_torch(torch, gamma, alpha, reduction, two):
    """The formula of the paper, in PyTorch's words; PyTorch itself has no focal loss."""

    def softmax_form(x, y):
        log_p = torch.log_softmax(x, 1).gather(1, y[:, None])[:, 0]
        a = 1.0 if alpha is None else torch.tensor(alpha)[y]
        return -a * (1 - log_p.exp()) ** gamma * log_p

    def sigmoid_form(x, y):
        log_p = torch.nn.functional.logsigmoid(torch.where(y > 0, x, -x))
        a = 1.0 if alpha is None else torch.where(y > 0, alpha, 1 - alpha)
        return -a * (1 - log_p.exp()) ** gamma * log_p

    def loss(x, y):
        losses = (sigmoid_form if two else softmax_form)(x, y)
        return losses if reduction == "none" else getattr(losses, reduction)()

    return loss


@pytest.mark.parametrize("two", [False, True], ids=["softmax", "sigmoid"])
def test_focal_loss_agrees_with_its_formula_in_torch(torch, two):
    cases = itertools.product(SHAPES, REDUCTIONS, (0.0, 0.5, 2.0), (False, True))
    for seed, (shape, reduction, gamma, weighted) in enumerate(cases):
        x, labels, _, w = draw(shape, seed)
        labels = np.random.default_rng(seed).integers(0, 2, shape) if two else labels
        alpha = (0.25 if two else w) if weighted else None
        ours = nn.FocalLoss(gamma, alpha, reduction)
        theirs = focal_in_torch(torch, gamma, alpha, reduction, two)
        assert_agree(torch, ours, theirs, [x, labels], atol=1e-9)


# What they should say before any training


@pytest.mark.parametrize("k", [2, 10, 1000])
def test_an_untrained_softmax_has_a_loss_of_log_k(k, rng):
    x = rng.standard_normal((256, 20)).astype("float32")
    net = nn.Sequential(nn.Linear(20, 50), nn.ReLU(), nn.Linear(50, k))
    for p in net.parameters()[-2:]:
        p.data *= 0.01  # a last layer that knows nothing yet
    loss = nn.CrossEntropyLoss()(net(x), rng.integers(0, k, 256))
    assert loss.item() == pytest.approx(math.log(k), rel=0.01)


def test_initial_values_of_the_others():
    x, y = np.zeros((4, 10)), np.array([1, 2, 3, 4])
    assert ops.hinge_loss(x, y) == pytest.approx(9)  # K − 1 times the margin
    assert ops.focal_loss(x, y) == pytest.approx(0.9**2 * math.log(10))
    assert ops.binary_cross_entropy_with_logits(x, x) == pytest.approx(math.log(2))


@pytest.mark.parametrize("alpha", [0, 0.0, 0.25, 1, 1.0])
def test_alpha_is_the_weight_of_the_label_1(alpha):
    losses = ops.focal_loss(
        np.zeros(2), np.array([1, 0]), alpha=alpha, reduction="none"
    )
    expected = np.array([alpha, 1 - alpha]) * 0.25 * math.log(2)
    np.testing.assert_allclose(losses, expected, rtol=1e-12)


def test_equalities(rng):
    """Losses that are one another in special cases."""
    x, y, p, w = draw((6, 4), 0)
    ce = ops.cross_entropy(x, y, weight=w)
    assert ops.nll_loss(ops.log_softmax(x, axis=1), y, weight=w) == pytest.approx(ce)
    assert ops.focal_loss(x, y, gamma=0) == pytest.approx(ops.cross_entropy(x, y))
    assert nn.LabelSmoothingLoss(0.2)(x, y).item() == pytest.approx(
        ops.cross_entropy(x, y, label_smoothing=0.2)
    )
    onehot = np.eye(4)[y]
    assert ops.cross_entropy(x, onehot) == pytest.approx(ops.cross_entropy(x, y))
    kl = ops.kl_div(ops.log_softmax(x, axis=1), p, reduction="batchmean")
    entropy = -(p * np.log(p)).sum() / 6
    assert ops.cross_entropy(x, p) == pytest.approx(kl + entropy)
    two = np.stack([np.zeros(6), x[:, 0]], axis=1)
    yes = y % 2
    assert ops.binary_cross_entropy_with_logits(x[:, 0], yes) == pytest.approx(
        ops.cross_entropy(two, yes)
    )
    assert ops.focal_loss(x[:, 0], yes) == pytest.approx(ops.focal_loss(two, yes))
    assert ops.huber_loss(x, p, delta=100.0) == pytest.approx(ops.mse_loss(x, p) / 2)


# Labels of every kind


@pytest.mark.parametrize(
    "kind",
    [list, tuple, np.array, Tensor, lambda y: np.array(y, "int32"), lambda y: np.array(y, "uint8")],
    ids=["list", "tuple", "array", "Tensor", "int32", "uint8"],
)  # fmt: skip
def test_labels_may_be_lists_arrays_or_tensors(kind):
    x, y, _, _ = draw((5, 3), 0)
    y = y.tolist()
    t = Tensor(x, requires_grad=True)
    given = kind(y) if kind is not Tensor else Tensor(np.array(y))
    for f in (ops.cross_entropy, ops.hinge_loss, ops.focal_loss):
        loss, expected = f(t, given), f(x, np.array(y))
        assert loss.item() == pytest.approx(float(expected))
        (g,) = grad(loss, t, create_graph=True)
        assert g.shape == x.shape
        g.sum()
    assert loss.data.dtype == np.float64


def test_probabilities_may_be_a_list():
    x = np.zeros((2, 2), "float32")
    y = ops.cross_entropy(Tensor(x), [[0.5, 0.5], [1.0, 0.0]])
    assert y.dtype == np.float32
    assert y.item() == pytest.approx(math.log(2))


# Far away


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scores_of_ten_thousand_do_no_harm(dtype):
    x = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype)
    t = Tensor(x, requires_grad=True)
    for y, expected in (([0, 1], math.log(2) / 2), ([1, 0], 2e4)):
        loss = ops.cross_entropy(t, y)
        assert loss.item() == pytest.approx(expected, rel=1e-4)
        (g,) = grad(loss, t)
        assert np.isfinite(g).all()
        np.testing.assert_allclose(g.sum(axis=1), 0, atol=1e-6)
        for f in (ops.focal_loss, ops.hinge_loss):
            assert np.isfinite(f(x, np.array(y)))
    target = np.array([[1, 1, 0], [0, 1, 0]])
    loss = ops.binary_cross_entropy_with_logits(t, target, reduction="none")
    expected = [[0, 1e4, math.log(2)], [0, 0, 1e4]]
    np.testing.assert_allclose(loss.data, expected, rtol=1e-6)
    (g,) = grad(loss, t, np.ones_like(x))
    np.testing.assert_allclose(g, [[0, -1, 0.5], [0, 0, 1]], atol=1e-7)
    for f in (ops.mse_loss, ops.l1_loss, ops.huber_loss):
        assert np.isfinite(f(x, -x))


def test_masked_classes_cost_nothing():
    """A score of −∞ is a class that cannot be."""
    x = Tensor(np.array([[-math.inf, 0.0, 0.0]]), requires_grad=True)
    for target in ([1], [[0.0, 0.5, 0.5]]):
        loss = ops.cross_entropy(x, target)
        assert loss.item() == pytest.approx(math.log(2))
        (g,) = grad(loss, x)
        assert g[0, 0] == 0
        assert np.isfinite(g).all()
    assert ops.cross_entropy(x, [0]).item() == math.inf


def test_what_is_ignored_gets_no_gradient(rng):
    x = Tensor(rng.standard_normal((4, 3)), requires_grad=True)
    y = np.array([0, -100, 2, -100])
    for kw in ({}, {"label_smoothing": 0.3}, {"weight": [1.0, 2.0, 3.0]}):
        (g,) = grad(ops.cross_entropy(x, y, **kw), x)
        assert (g[[1, 3]] == 0).all()
        assert (g[[0, 2]] != 0).all()
    assert ops.cross_entropy(x, [-100] * 4, reduction="sum").item() == 0
    np.testing.assert_array_equal(
        ops.cross_entropy(x, [-100] * 4, reduction="none").data, np.zeros(4)
    )


@pytest.mark.parametrize("f", [ops.nll_loss, ops.hinge_loss, ops.l1_loss])
def test_a_linear_loss_keeps_none_of_its_inputs(f):
    x = Tensor(-np.ones((2, 3)), requires_grad=True) * 1
    y = f(x, np.zeros((2, 3)) if f is ops.l1_loss else np.array([0, 2]))
    seen = weakref.ref(x)
    del x
    assert seen() is None
    assert y.requires_grad


def test_hinge_at_the_margin_does_not_push():
    x = Tensor(np.array([[1.0, 0.0]]), requires_grad=True)
    (g,) = grad(ops.hinge_loss(x, [0]), x)
    np.testing.assert_array_equal(g, [[0, 0]])


@pytest.mark.parametrize("shape", [(1, 2), (128, 10), (3, 7), (700, 300)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_quick_body_computes_what_the_plain_one_does(shape, dtype, reduction):
    x, y, _, _ = draw(shape, 0)
    x = (x + 5000).astype(dtype)  # only differences count
    fast = quick_cross_entropy(x, y, reduction=reduction)
    assert fast is not None
    plain = ops.cross_entropy.body(x, y, reduction=reduction)
    atol = 2e-6 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(fast[0], plain[0], rtol=2e-6, atol=atol)
    g = np.random.default_rng(1).standard_normal(np.shape(plain[0])).astype(dtype)
    for _ in range(2):  # closures may be called twice
        dx, dy = fast[1](g, [True, False])
        assert dx.dtype == dtype
        assert dy is None
        np.testing.assert_allclose(dx, plain[1](g, [True, False])[0], atol=atol)


def test_the_quick_body_declines_what_is_rare():
    x, y, p, w = draw((5, 3), 0)
    inf = x.copy()
    inf[2, 1] = math.inf
    for args, kw in [
        ((x, y.tolist()), {}), ((x, p), {}), ((x[:, ::-1], y), {}), ((inf, y), {}),
        ((x, y), {"weight": w}), ((x, y), {"label_smoothing": 0.1}),
        ((x, y), {"ignore_index": 1}), ((x, y - 1), {}), ((x, y + 2), {}),
        ((x[:, :, None], y[:, None]), {}), ((x.astype("float16"), y), {}),
    ]:  # fmt: skip
        assert quick_cross_entropy(*args, **kw) is None


def test_the_weight_of_a_loss_moves_and_is_saved_with_it():
    loss = nn.CrossEntropyLoss(weight=[1.0, 2.0])
    assert list(loss.state_dict()) == ["weight"]
    assert loss.astype("float64").weight.dtype == np.float64
    assert not loss.parameters()
