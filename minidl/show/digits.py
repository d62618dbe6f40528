"""A real small net for the race: 64-32-10 on 8 × 8 digits."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl import data, nn, ops
from minidl.backend import generator, to_numpy
from minidl.engine.modes import no_grad
from minidl.engine.tensor import Tensor
from minidl.nn.module import Module
from minidl.show.surfaces import Factory

Vector = np.ndarray[Any, Any]


def learn_digits(
    optimizer: Factory, steps: int, seed: int = 0, batch: int = 32, every: int = 10
) -> tuple[Vector, Vector]:
    """Train a net from the same start on the same batches, whatever the optimizer.

    Returns pairs (step, accuracy on the test split), one `every` few steps, and the
    loss of each step.
    """
    digits = data.load_digits()
    rng = generator(seed)
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32, rng=rng), nn.ReLU(), nn.Linear(32, 10, rng=rng)
    )
    rule = optimizer(list(net.parameters()))
    accuracies, losses = [(0, _accuracy(net, digits.test))], []
    x, y = digits.train.x, digits.train.y
    for step in range(1, steps + 1):
        chosen = rng.integers(0, len(x), batch)
        loss = ops.cross_entropy(net(Tensor(x[chosen])), y[chosen])
        rule.zero_grad()
        loss.backward()
        rule.step()
        losses.append(loss.item())
        if step % every == 0 or step == steps:
            accuracies.append((step, _accuracy(net, digits.test)))
    return np.array(accuracies), np.array(losses)


def _accuracy(net: Module, split: Any) -> float:
    x, y = split.x, split.y
    with no_grad():
        said = to_numpy(net(Tensor(x))).argmax(axis=1)
    return float((said == y).mean())
