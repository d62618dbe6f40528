"""AdamP, which PyTorch has not, beside the paper written down once more in plain loops."""

import math

import numpy as np
import pytest

from minidl import Tensor, optim


def adamp_by_the_paper(w, gradient, steps, lr, beta1, beta2, eps, delta, decay, ratio):
    """Heo et al. 2021, algorithm 2, weight vector by weight vector, in plain loops.

    With Adam's bias corrections and the choice of vectors of the authors' code.
    """
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t in range(1, steps + 1):
        g = gradient(t, w)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        step = (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
        shrink = decay
        for vectors in vectors_of(w):
            cosines = []
            for index in vectors:
                a, b = w[index].ravel(), g[index].ravel()
                lengths = [max(np.linalg.norm(x), eps) for x in (a, b)]
                cosines.append(abs(a @ b) / (lengths[0] * lengths[1]))
            if max(cosines) < delta / math.sqrt(w[vectors[0]].size):
                for index in vectors:
                    unit = w[index] / (np.linalg.norm(w[index]) + eps)
                    step[index] -= np.sum(unit * step[index]) * unit
                shrink = decay * ratio
                break
        w = (1 - lr * shrink) * w - lr * step
    return w


def vectors_of(w):
    if w.ndim < 2:
        return []
    if w.ndim == 2:
        channels = [(slice(None), k) for k in range(w.shape[1])]
    else:
        channels = [(k,) for k in range(w.shape[0])]
    return [channels, [(...,)]]


def invariant_gradient(view, share):
    """A gradient orthogonal to what `view` calls a vector, but for a share along it."""

    def gradient(t, w):
        g = np.random.default_rng(t).normal(size=w.shape)
        for index in vectors_of(w)[view] if w.ndim > 1 else []:
            unit = w[index] / np.linalg.norm(w[index])
            g[index] -= (1 - share(t)) * np.sum(unit * g[index]) * unit
        return g

    return gradient


@pytest.mark.parametrize("shape", [(6, 4), (4, 3, 2, 2), (7,)])
@pytest.mark.parametrize(
    ("view", "share"),
    [
        (0, lambda t: 0.0),  # every channel is scale-invariant
        (1, lambda t: 0.0),  # only the layer as a whole is
        (0, lambda t: 1.0),  # nothing is
        (0, lambda t: float(t % 3 == 0)),  # now this, now that
    ],
)
@pytest.mark.parametrize(
    ("decay", "delta", "ratio", "eps"),
    [
        (0.0, 0.1, 0.1, 0.0),
        (0.3, 0.1, 0.1, 0.0),
        (0.3, 0.5, 0.4, 0.0),
        (0.0, 0.5, 0.4, 1.5),  # more than some lengths
    ],
)
def test_adamp_is_algorithm_2(rng, shape, view, share, decay, delta, ratio, eps):
    start, gradient = rng.normal(size=shape), invariant_gradient(view, share)
    p = Tensor(start, requires_grad=True)
    opt = optim.AdamP(
        [p], 0.01, eps=eps, delta=delta, wd_ratio=ratio, weight_decay=decay
    )
    for t in range(1, 101):
        p.grad = gradient(t, p.data)
        opt.step()
    paper = adamp_by_the_paper(
        start, gradient, 100, 0.01, 0.9, 0.999, eps, delta, decay, ratio
    )
    np.testing.assert_allclose(p.data, paper, rtol=1e-9, atol=1e-11)


def test_a_channel_without_a_gradient_is_orthogonal_to_it():
    """cos = 0 / (‖w‖ ε) = 0; the other channel's g is along w: the whole makes it."""
    p = Tensor(np.array([[3.0, 1.0], [4.0, 0.0]]), requires_grad=True)
    p.grad = np.array([[0.0, 0.0], [0.0, 1.0]])
    optim.AdamP([p], lr=0.1).step()
    np.testing.assert_allclose(p.data, [[3.0, 1.0], [4.0, -0.1]], atol=1e-8)


def test_with_a_delta_of_zero_nothing_counts_as_orthogonal():
    p = Tensor(np.array([[3.0], [4.0]]), requires_grad=True)
    p.grad = np.array([[4.0], [-3.0]])
    optim.AdamP([p], lr=0.1, delta=0.0).step()
    np.testing.assert_allclose(p.data, [[2.9], [4.1]], rtol=1e-8)


def test_adamp_does_not_lengthen_and_adam_does():
    lengths = {}
    for rule in (optim.AdamP, optim.AdamW):
        p, draw = Tensor(np.ones((8, 2)), requires_grad=True), np.random.default_rng(0)
        opt = rule([p], lr=0.05, weight_decay=0.0)
        for _ in range(300):  # a noisy loss −Σ pull·w/‖w‖: the length of w is nothing
            pull = 1 + draw.normal(size=(8, 2))
            n = np.linalg.norm(p.data, axis=0)
            along = (pull * p.data).sum(axis=0)
            p.grad = -(pull - p.data * along / n**2) / n
            opt.step()
        lengths[rule.__name__] = np.linalg.norm(p.data, axis=0).mean() / math.sqrt(8)
    assert 1 < lengths["AdamP"] < 1.05 < 1.25 < lengths["AdamW"], lengths
