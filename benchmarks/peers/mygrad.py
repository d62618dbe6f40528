"""MyGrad: its layers and its functions of NumPy; it has no optimizers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import mygrad as mg
import numpy as np
from mygrad.nnet.activations import relu
from mygrad.nnet.layers import batchnorm, conv_nd, max_pool
from mygrad.nnet.losses import softmax_crossentropy

from benchmarks.peers import formulas
from benchmarks.workloads import LENGTH, Given

Step = Callable[[], Any]


def training(given: Given, scores: Any, rule: Callable[..., Any]) -> Step:
    """Return a step: scores, cross entropy, backward, the rule."""
    params = {name: mg.tensor(p.copy()) for name, p in given.params.items()}
    x, labels = given.data["x"], given.data["labels"].reshape(-1)
    move = rule([p.data for p in params.values()])

    def step() -> float:
        loss = softmax_crossentropy(scores(mg, params, x), labels)
        loss.backward()
        move(p.grad for p in params.values())
        return float(loss)

    return step


def cnn(xp: Any, p: Any, x: Any) -> Any:
    """Return scores."""
    for i in range(4):
        x = conv_nd(x, p[f"w{i}"], stride=1, padding=1)
        x = relu(batchnorm(x, gamma=p[f"gamma{i}"], beta=p[f"beta{i}"], eps=1e-5))
        x = max_pool(x, pool=(2, 2), stride=2) if i % 2 else x
    return xp.matmul(x.reshape(len(x), -1), p["w"]) + p["b"]


def chain(given: Given) -> Step:
    """y ← y · c and y ← y + c in turn, and back."""
    c, one = mg.tensor(given.data["c"], constant=True), np.ones(4, np.float32)

    def step() -> tuple[Any, ...]:
        x = mg.tensor(given.params["x"])
        y = x
        for _ in range(LENGTH // 2):
            y = y * c
            y = y + c
        y.backward(one)
        return y.data, x.grad

    return step


OPS: dict[str, Callable[..., Any]] = {
    "conv3x3-3": partial(conv_nd, stride=1, padding=1),
    "conv3x3-32": partial(conv_nd, stride=1, padding=1),
    "conv3x3-64": partial(conv_nd, stride=1, padding=1),
    "conv5x5-s2": partial(conv_nd, stride=2, padding=2),
    "conv1x1": partial(conv_nd, stride=1),
    "batch_norm2d": lambda x, w, b: batchnorm(x, gamma=w, beta=b, eps=1e-5),
    "max_pool": partial(max_pool, pool=(2, 2), stride=2),
    "cross_entropy-1000": softmax_crossentropy,
    "cross_entropy-10": softmax_crossentropy,
}


def single(given: Given, name: str) -> Step:
    """One op, forward and backward."""
    xs = [mg.tensor(x) for x in given.params.values()]
    extra, op = list(given.data.values()), OPS[name]

    def step() -> tuple[Any, ...]:
        y = op(*xs, *extra)
        y.backward(np.ones(y.shape, np.float32))
        return (y.data, *(x.grad for x in xs))

    return step


adam = formulas.adam
WORK: dict[str, Callable[[Given], Step]] = {
    "a": partial(training, scores=formulas.mlp, rule=adam),
    "b": partial(training, scores=formulas.mlp, rule=adam),
    "c": partial(training, scores=cnn, rule=formulas.momentum),
    "d": partial(training, scores=formulas.lstm, rule=adam),
    "e": partial(training, scores=formulas.gpt, rule=partial(adam, decay=0.01)),
    "g": chain,
    **{f"h.{name}": partial(single, name=name) for name in OPS},
}
