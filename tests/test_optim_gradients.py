"""What one does to gradients before a step: clip, shake, accumulate."""

import math

import numpy as np
import pytest

from minidl import Tensor, ops, optim
from minidl.errors import RangeError


class Plain:
    def __init__(self, data, grad=None):
        self.data, self.grad = data, grad


def test_clip_by_value_and_in_place(rng):
    g = rng.normal(size=(5, 5))
    p = Plain(np.zeros((5, 5)), g.copy())
    array = p.grad
    optim.clip_grad_value([p, Plain(np.zeros(2))], 0.5)
    assert p.grad is array
    assert (p.grad == np.clip(g, -0.5, 0.5)).all()


def test_clip_by_norm(rng):
    p, q = Plain(np.zeros(2), np.array([3.0, 0])), Plain(np.zeros(1), np.array([4.0]))
    arrays = p.grad, q.grad
    assert float(optim.clip_grad_norm([p, q], 10.0)) == 5.0
    assert p.grad.tolist() == [3.0, 0.0], "short enough: as it was"
    assert float(optim.clip_grad_norm([p, q], 0.5)) == 5.0
    assert (p.grad is arrays[0], q.grad is arrays[1]) == (True, True)
    assert math.hypot(p.grad[0], q.grad[0]) == pytest.approx(0.5, rel=1e-6)
    assert optim.clip_grad_norm([Plain(np.zeros(1))], 1.0) == 0
    empty = Plain(np.zeros(0), np.zeros(0))
    assert optim.clip_grad_norm([empty, p, q], 9.0, math.inf) == q.grad[0]
    q.grad[0] = math.nan
    with pytest.raises(RangeError, match="gradient of q"):
        optim.clip_grad_norm([("p", p), ("q", q)], 1.0, check_finite=True)
    p.grad = p.grad.astype("float32")
    optim.clip_grad_norm([p], 0.1)
    assert p.grad.dtype == np.float32


def test_noise_has_the_variance_of_the_paper():
    for t in (0, 9, 999):
        p = Plain(np.zeros(40000, "float32"), np.ones(40000, "float32"))
        optim.add_grad_noise([p], t, eta=0.3, gamma=0.55, rng=3)
        assert p.grad.var() == pytest.approx(0.3 / (1 + t) ** 0.55, rel=0.03)
        assert p.grad.mean() == pytest.approx(1, abs=0.02)
        assert p.grad.dtype == np.float32


@pytest.mark.parametrize("batches", [8, 9, 11, 3])
def test_accumulation_is_one_large_batch(rng, batches):
    x, y = rng.normal(size=(batches, 5, 3)), rng.normal(size=(batches, 5))

    def loss(w, i):
        rows, targets = x[i].reshape(-1, 3), y[i].reshape(-1)
        error = (Tensor(rows) * w).sum(axis=1) - Tensor(targets)
        return (error * error).sum() * (1 / len(rows))

    w, whole = (Tensor(np.ones(3), requires_grad=True) for _ in range(2))
    clipped = []
    with optim.Accumulation(
        optim.Momentum([w], 0.05), 4, before_step=lambda: clipped.append(w.grad.copy())
    ) as accumulate:
        stepped = [accumulate.backward(loss(w, [i])) for i in range(batches)]
    opt = optim.Momentum([whole], 0.05)
    for start in range(0, batches, 4):
        loss(whole, list(range(start, min(start + 4, batches)))).backward()
        np.testing.assert_allclose(clipped.pop(0), whole.grad, rtol=1e-12)
        opt.step()
        opt.zero_grad()
    np.testing.assert_allclose(w.data, whole.data, rtol=1e-12)
    assert stepped == [i % 4 == 3 for i in range(batches)]
    assert w.grad is None


@pytest.mark.parametrize("sizes", [[4, 2], [1, 5, 3, 2], [2, 2, 2]])
def test_accumulation_of_unequal_parts_is_exact(rng, sizes):
    x, y = rng.standard_normal((sum(sizes), 3)), rng.integers(0, 2, sum(sizes))
    w = Tensor(rng.standard_normal((3, 2)), requires_grad=True)
    ops.cross_entropy(Tensor(x) @ w, y).backward()
    whole, seen, end = w.grad, [], np.cumsum(sizes)
    accumulate = optim.Accumulation(  # the last group is incomplete
        optim.SGD([w], 0.0), 5, before_step=lambda: seen.append(w.grad.copy())
    )
    with accumulate:
        for n, last in zip(sizes, end, strict=True):
            part = slice(last - n, last)
            accumulate.backward(ops.cross_entropy(Tensor(x[part]) @ w, y[part]), n)
    np.testing.assert_allclose(seen[0], whole, rtol=1e-12)
    with pytest.raises(RangeError, match="size"):
        accumulate.backward(w.sum(), 0)


def test_accumulation_leaves_an_error_alone():
    w = Tensor(np.ones(3), requires_grad=True)
    accumulate = optim.Accumulation(optim.SGD([w], 0.05), 2)
    accumulate.backward(w.sum())
    with pytest.raises(ZeroDivisionError), accumulate:
        raise ZeroDivisionError
    assert (w.data == 1).all()
