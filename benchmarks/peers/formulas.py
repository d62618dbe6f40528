"""The nets as formulas, for libraries that speak NumPy's language: MyGrad, autograd.

    xp   the library's namespace        p   the weights by name, its own arrays

What none of them has, the rules of optimizers, is written by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from benchmarks.workloads import HEADS, HIDDEN, LAYERS, TIMES

Rule = Callable[[Iterable[Any]], None]


def adam(params: list[np.ndarray], decay: float = 0.0) -> Rule:
    """Return what moves params by their gradients: Adam, or AdamW with decay."""
    ms, vs = ([np.zeros_like(p) for p in params] for _ in range(2))
    t = 0

    def move(grads: Iterable[Any]) -> None:
        nonlocal t
        t += 1
        for p, g, m, v in zip(params, grads, ms, vs, strict=True):
            if decay:
                p *= 1 - 1e-3 * decay
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            root = np.sqrt(v / (1 - 0.999**t)) + 1e-8
            p -= 1e-3 / (1 - 0.9**t) * m / root

    return move


def momentum(params: list[np.ndarray], lr: float = 0.01) -> Rule:
    """v ← 0.9 v + g."""
    vs = [np.zeros_like(p) for p in params]

    def move(grads: Iterable[Any]) -> None:
        for p, g, v in zip(params, grads, vs, strict=True):
            v *= 0.9
            v += g
            p -= lr * v

    return move


def cross_entropy(xp: Any, scores: Any, labels: Any) -> Any:
    """Return the mean loss of scores (N, K)."""
    z = scores - xp.max(scores, axis=1, keepdims=True)
    picked = z[np.arange(len(labels)), labels]
    return xp.mean(xp.log(xp.sum(xp.exp(z), axis=1)) - picked)


def mlp(xp: Any, p: Any, x: Any) -> Any:
    """Return scores."""
    last = len(p) // 2 - 1
    for i in range(last):
        x = xp.maximum(xp.matmul(x, p[f"w{i}"]) + p[f"b{i}"], 0)
    return xp.matmul(x, p[f"w{last}"]) + p[f"b{last}"]


def sigmoid(xp: Any, x: Any) -> Any:
    """1 / (1 + exp(−x)), without overflow."""
    return 0.5 * xp.tanh(0.5 * x) + 0.5


def lstm(xp: Any, p: Any, x: Any) -> Any:
    """Return scores at every time, as rows."""
    zx = xp.matmul(x, p["wx"]) + p["bias"]
    h = c = np.zeros((len(x), HIDDEN), np.float32)
    hs = []
    for t in range(TIMES):
        z = zx[:, t] + xp.matmul(h, p["wh"])
        i, f, o, g = (z[:, k * HIDDEN : (k + 1) * HIDDEN] for k in range(4))
        c = sigmoid(xp, f) * c + sigmoid(xp, i) * xp.tanh(g)
        h = sigmoid(xp, o) * xp.tanh(c)
        hs.append(h)
    scores = xp.matmul(xp.stack(hs, axis=1), p["w"]) + p["b"]
    return xp.reshape(scores, (-1, scores.shape[-1]))


def layer_norm(xp: Any, x: Any, gamma: Any, beta: Any) -> Any:
    """Normalize every row."""
    d = x - xp.mean(x, axis=-1, keepdims=True)
    var = xp.mean(d * d, axis=-1, keepdims=True)
    return d / xp.sqrt(var + 1e-5) * gamma + beta


def gelu(xp: Any, x: Any) -> Any:
    """GPT-2's approximation."""
    inner = (2 / np.pi) ** 0.5 * (x + 0.044715 * (x * x * x))
    return 0.5 * x * (1 + xp.tanh(inner))


def gpt(xp: Any, p: Any, tokens: Any) -> Any:
    """Return scores at every time, as rows."""
    x = p["embedding"][tokens] + p["positions"]
    n, t, d = x.shape
    late = np.triu(np.full((t, t), -1e9, np.float32), 1)
    for i in range(LAYERS):
        h = layer_norm(xp, x, p[f"{i}.norm1.gamma"], p[f"{i}.norm1.beta"])
        parts = (xp.matmul(h, p[f"{i}.w{c}"]) + p[f"{i}.b{c}"] for c in "qkv")
        q, k, v = (
            xp.swapaxes(xp.reshape(part, (n, t, HEADS, d // HEADS)), 1, 2)
            for part in parts
        )
        a = xp.matmul(q, xp.swapaxes(k, 2, 3)) * (d // HEADS) ** -0.5 + late
        a = xp.exp(a - xp.max(a, axis=-1, keepdims=True))
        a = a / xp.sum(a, axis=-1, keepdims=True)
        y = xp.reshape(xp.swapaxes(xp.matmul(a, v), 1, 2), (n, t, d))
        x = x + xp.matmul(y, p[f"{i}.wo"]) + p[f"{i}.bo"]
        h = layer_norm(xp, x, p[f"{i}.norm2.gamma"], p[f"{i}.norm2.beta"])
        h = gelu(xp, xp.matmul(h, p[f"{i}.w1"]) + p[f"{i}.b1"])
        x = x + xp.matmul(h, p[f"{i}.w2"]) + p[f"{i}.b2"]
    x = layer_norm(xp, x, p["norm.gamma"], p["norm.beta"])
    scores = xp.matmul(x, xp.transpose(p["embedding"]))
    return xp.reshape(scores, (-1, scores.shape[-1]))
