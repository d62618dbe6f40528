"""One training step of an MLP 784-512-512-10: batch 128, cross entropy, Adam.

All three start from the same weights and see the same batch, so that their losses must
agree, step by step; a row whose losses differ is void.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

SIZES, BATCH, LR = (784, 512, 512, 10), 128, 1e-3
Step = Callable[[], float]


def data() -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """The batch, its labels and the initial weights, the same for everybody."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCH, SIZES[0]), np.float32)
    labels = rng.integers(0, SIZES[-1], BATCH)
    weights = [
        (rng.standard_normal((n, m)) * (2 / n) ** 0.5).astype(np.float32)
        for n, m in pairwise(SIZES)
    ]
    return x, labels, weights


def numpy() -> Step:
    """The same NumPy calls, written by hand."""
    x, labels, ws = data()
    bs = [np.zeros(w.shape[1], np.float32) for w in ws]
    params = [p for pair in zip(ws, bs, strict=True) for p in pair]
    ms, vs = ([np.zeros_like(p) for p in params] for _ in range(2))
    rows, t = np.arange(BATCH), 0

    def step() -> float:
        nonlocal t
        t += 1
        h, kept = x, [x]
        for i, (w, b) in enumerate(zip(ws, bs, strict=True)):
            h = h @ w + b
            if i < 2:
                h = np.maximum(h, 0)
                kept.append(h)
        z = h - h.max(axis=1, keepdims=True)
        p = np.exp(z)
        total = p.sum(axis=1, keepdims=True)
        loss = float((np.log(total)[:, 0] - z[rows, labels]).mean())
        g = p / total
        g[rows, labels] -= 1
        g /= BATCH
        grads = []
        for i in (2, 1, 0):
            grads += [g.sum(axis=0), kept[i].T @ g]
            if i:
                g = (g @ ws[i].T) * (kept[i] > 0)
        for p, g, m, v in zip(params, grads[::-1], ms, vs, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            root = np.sqrt(v / (1 - 0.999**t)) + 1e-8
            p -= LR / (1 - 0.9**t) * m / root
        return loss

    return step


def minidl() -> Step:
    """The engine, its layers and its Adam."""
    import minidl as md

    x, labels, ws = data()
    layers = [md.nn.Linear(*w.shape) for w in ws]
    for layer, w in zip(layers, ws, strict=True):
        layer.weight.data[...] = w
        layer.bias.data[...] = 0.0
    relu = md.nn.ReLU()
    model = md.nn.Sequential(layers[0], relu, layers[1], relu, layers[2])
    optimizer = md.optim.Adam(model.parameters(), lr=LR)
    batch = md.Tensor(x)

    def step() -> float:
        optimizer.zero_grad()
        loss = md.ops.cross_entropy(model(batch), labels)
        loss.backward()
        optimizer.step()
        return float(loss)

    return step


def torch() -> Step:
    """PyTorch, eager."""
    import torch

    x, labels, ws = data()
    layers = [torch.nn.Linear(*w.shape) for w in ws]
    for layer, w in zip(layers, ws, strict=True):
        layer.weight.data = torch.tensor(w.T.copy())
        layer.bias.data.zero_()
    relu = torch.nn.ReLU()
    model = torch.nn.Sequential(layers[0], relu, layers[1], relu, layers[2])
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    batch, target = torch.tensor(x), torch.tensor(labels)

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(batch), target)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step
