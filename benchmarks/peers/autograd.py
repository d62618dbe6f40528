"""autograd (HIPS): functions of NumPy, traced; rules of optimizers are written by hand.

Its convolution takes seconds a step, so the CNN is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import autograd.numpy as xp
import numpy as np
from autograd import make_vjp, value_and_grad

from benchmarks.peers import formulas
from benchmarks.workloads import LENGTH, Given

Step = Callable[[], Any]


def training(given: Given, scores: Any, decay: float = 0.0) -> Step:
    """Return a step: scores, cross entropy, backward, Adam or AdamW."""
    params = {name: p.copy() for name, p in given.params.items()}
    x, labels = given.data["x"], given.data["labels"].reshape(-1)
    move = formulas.adam(list(params.values()), decay)

    def loss(p: Any) -> Any:
        return formulas.cross_entropy(xp, scores(xp, p, x), labels)

    both = value_and_grad(loss)

    def step() -> float:
        value, grads = both(params)
        move(grads[name] for name in params)
        return float(value)

    return step


def chain(given: Given) -> Step:
    """y ← y · c and y ← y + c in turn, and back."""
    x, c, one = given.params["x"], given.data["c"], np.ones(4, np.float32)

    def f(y: Any) -> Any:
        for _ in range(LENGTH // 2):
            y = y * c
            y = y + c
        return y

    def step() -> tuple[Any, ...]:
        back, y = make_vjp(f)(x)
        return y, back(one)

    return step


WORK: dict[str, Callable[[Given], Step]] = {
    "a": partial(training, scores=formulas.mlp),
    "b": partial(training, scores=formulas.mlp),
    "d": partial(training, scores=formulas.lstm),
    "e": partial(training, scores=formulas.gpt, decay=0.01),
    "g": chain,
}
