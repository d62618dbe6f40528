"""Losses that compare two arrays: agreement with PyTorch, zeros, kinks."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest

from minidl import Tensor, grad, nn, ops
from tests.against_torch import assert_agree
from tests.test_loss import REDUCTIONS, SHAPES, draw

PAIRS = {
    "MSELoss": [{}],
    "L1Loss": [{}],
    "HuberLoss": [{"delta": d} for d in (1.0, 0.3, 2.5)],
}


@pytest.mark.parametrize("name", PAIRS)
def test_regression_losses_agree_with_torch(torch, name):
    cases = itertools.product(
        PAIRS[name], [(7,), (3, 5), (2, 3, 4)], REDUCTIONS, range(3)
    )
    for kw, shape, reduction, seed in cases:
        rng = np.random.default_rng(seed)
        x, t = 2 * rng.standard_normal((2, *shape))
        settings = {**kw, "reduction": reduction}
        ours, theirs = (
            getattr(nn, name)(**settings),
            getattr(torch.nn, name)(**settings),
        )
        assert_agree(torch, ours, theirs, [x, t], orders=1 if name == "L1Loss" else 2)


def test_kl_div_agrees_with_torch(torch):
    cases = itertools.product(SHAPES[:3], (*REDUCTIONS, "batchmean"), (False, True))
    for seed, (shape, reduction, log_target) in enumerate(cases):
        x, _, p, _ = draw(shape, seed)
        x = np.asarray(ops.log_softmax(x, axis=1))
        t = np.log(p) if log_target else p
        kw = {"log_target": log_target, "reduction": reduction}
        with warnings.catch_warnings():  # that "mean" is not what the books mean
            warnings.simplefilter("ignore", UserWarning)
            assert_agree(torch, nn.KLDivLoss(**kw), torch.nn.KLDivLoss(**kw), [x, t])


def test_kl_div_where_a_probability_is_zero(torch):
    """0 log 0 = 0."""
    x, t = np.log([[0.2, 0.5, 0.3]]), np.array([[0.0, 0.25, 0.75]])
    kw = {"reduction": "none"}
    assert_agree(torch, nn.KLDivLoss(**kw), torch.nn.KLDivLoss(**kw), [x, t], fixed=[1])
    x = np.array([[-math.inf, math.log(0.5), math.log(0.5)]])
    assert ops.kl_div(x, t).sum() == pytest.approx(
        (0.25 * math.log(0.5) + 0.75 * math.log(1.5)) / 3
    )


def test_kl_div_takes_the_logarithm_of_zero_for_zero_in_its_slope():
    """dt = (log t − x + 1) g / n, with log 0 as 0: 2 + 1 at t = 0, 1 + 2 at 1."""
    x, t = np.array([-2.0, -2.0]), Tensor(np.array([0.0, 1.0]), requires_grad=True)
    (dt,) = grad(ops.kl_div(x, t, reduction="sum"), t)
    np.testing.assert_allclose(dt, [3.0, 3.0], rtol=1e-12)


def test_hinge_embedding_loss_agrees_with_torch(torch):
    for seed in range(21):
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((3, 5)), rng.choice([-1, 1], (3, 5))
        kw = {"margin": (1.0, 0.5, 2.0)[seed % 3], "reduction": REDUCTIONS[seed // 7]}
        ours, theirs = nn.HingeEmbeddingLoss(**kw), torch.nn.HingeEmbeddingLoss(**kw)
        assert_agree(torch, ours, theirs, [x, y], orders=1)


def test_cosine_embedding_loss_agrees_with_torch(torch):
    for seed in range(21):
        rng = np.random.default_rng(seed)
        a, b = rng.standard_normal((2, 5, 1 + seed % 5 + 1))
        y = rng.choice([-1, 1], 5)
        kw = {"margin": (0.0, 0.5, -0.3)[seed % 3], "reduction": REDUCTIONS[seed // 7]}
        ours, theirs = nn.CosineEmbeddingLoss(**kw), torch.nn.CosineEmbeddingLoss(**kw)
        assert_agree(torch, ours, theirs, [a, b, y], atol=1e-9)


@pytest.mark.parametrize(
    "f", [ops.mse_loss, ops.l1_loss, ops.huber_loss], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("target", [[0, 2], np.array([0, 2]), [0.0, 2.0]], ids=repr)
def test_numbers_may_be_lists_and_integers(f, target):
    """And a float32 stays one."""
    x = Tensor(np.array([1.0, 2.0], "float32"), requires_grad=True)
    y = f(x, target)
    assert y.dtype == np.float32
    assert y.item() == pytest.approx(0.25 if f is ops.huber_loss else 0.5)


def test_l1_at_zero_has_no_slope_and_huber_none_either():
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    for f in (ops.l1_loss, ops.huber_loss):
        (g,) = grad(f(x, [1.0, 2.0]), x)
        np.testing.assert_array_equal(g, [0, 0])
