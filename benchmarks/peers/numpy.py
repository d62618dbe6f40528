"""The same NumPy calls, written by hand: what the engine itself costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.peers.formulas import adam
from benchmarks.workloads import LENGTH, Given

Step = Callable[[], Any]


def mlp(given: Given) -> Step:
    """Forward, backward and Adam of an MLP, line by line."""
    x, labels = given.data["x"], given.data["labels"]
    params = [p.copy() for p in given.params.values()]
    ws, bs = params[::2], params[1::2]
    n, last = len(x), len(ws) - 1
    rows, move = np.arange(n), adam(params)

    def step() -> float:
        h, kept = x, [x]
        for i, (w, b) in enumerate(zip(ws, bs, strict=True)):
            h = h @ w + b
            if i < last:
                h = np.maximum(h, 0)
                kept.append(h)
        z = h - h.max(axis=1, keepdims=True)
        p = np.exp(z)
        total = p.sum(axis=1, keepdims=True)
        loss = float((np.log(total)[:, 0] - z[rows, labels]).mean())
        g = p / total
        g[rows, labels] -= 1
        g /= n
        grads = []
        for i in range(last, -1, -1):
            grads += [g.sum(axis=0), kept[i].T @ g]
            if i:
                g = (g @ ws[i].T) * (kept[i] > 0)
        move(grads[::-1])
        return loss

    return step


def chain(given: Given) -> Step:
    """y ← y · c and y ← y + c in turn; the way back of an addition is nothing."""
    x, c, one = given.params["x"], given.data["c"], np.ones(4, np.float32)

    def step() -> tuple[Any, ...]:
        y, g = x, one
        for _ in range(LENGTH // 2):
            y = y * c
            y = y + c
        for _ in range(LENGTH // 2):
            g = g * c
        return y, g

    return step


WORK = {"a": mlp, "b": mlp, "g": chain}
