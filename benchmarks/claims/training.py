"""What the claims train: small nets, small data, a plain loop.

Everything depends on the seed that a claim is measured with, and on nothing else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

import numpy as np

import minidl as md
from minidl import data, ops, optim
from minidl.data import DataLoader, TensorDataset
from minidl.models import MLP
from minidl.train import Trainer, accuracy

Vector = np.ndarray[Any, Any]
Rule = Callable[..., Any]  # an optimizer: (params, lr=…)


@functools.cache
def digits() -> Any:
    """Return digits of 8 × 8 pixels: train, validation and test."""
    return data.load_digits()


@functools.cache
def mnist(n: int = 1000) -> Any:
    """Return MNIST-5k with the first n images to train on."""
    parts = data.load_mnist5k()
    return parts._replace(train=parts.train.subset(np.arange(n)))


def images(n: int = 1000, hidden: int = 30, seed: int = 0) -> tuple[Any, Any]:
    """Return (net, parts): 784-hidden-10 and MNIST; all randomness starts anew."""
    md.seed(seed)
    return MLP([784, hidden, 10]), mnist(n)


def small(seed: int = 0, *hidden: int, **how: Any) -> tuple[Any, Any]:
    """Return (net, parts): 64-50-10, or with other hidden layers, and digits."""
    md.seed(seed)
    return MLP([64, *(hidden or (50,)), 10], **how), digits()


def sgd(params: Any, lr: Any, **how: Any) -> Any:
    """SGD with momentum 0.9."""
    return optim.Momentum(params, lr=lr, momentum=0.9, **how)


def steps(
    net: Any,
    rule: Any,
    part: TensorDataset,
    n: int,
    *,
    batch: int = 50,
    seed: int = 0,
    loss: Callable[..., Any] = ops.cross_entropy,
    **loader: Any,
) -> list[float]:
    """Take n steps, epoch after epoch; return the loss of each batch."""
    net.train()
    losses = []
    for x, y in islice(forever(part, batch, seed, **loader), n):
        error = loss(net(x), y)
        error.backward()
        rule.step()
        rule.zero_grad()
        losses.append(error.item())
    return losses


def forever(part: Any, batch: int, seed: int, **loader: Any) -> Iterable[Any]:
    """Yield batches without an end; each epoch in another order."""
    batches = DataLoader(part, batch, shuffle=True, seed=seed, **loader)
    while True:
        yield from batches


def judge(net: Any, part: TensorDataset) -> Mapping[str, float]:
    """Return loss and accuracy, in eval mode."""
    ask = Trainer(net, None, ops.cross_entropy, [accuracy], progress=False)
    return ask.evaluate(part)


def error(net: Any, part: TensorDataset) -> float:
    """Return the share of mistakes, in percent."""
    return 100 * (1 - judge(net, part)["accuracy"])


def history(
    net: Any, rule: Any, parts: Any, epochs: int, *, seed: int = 0, **loader: Any
) -> Any:
    """Train by epochs with a Trainer; return its History."""
    run = Trainer(net, rule, ops.cross_entropy, [accuracy], progress=False)
    batches = DataLoader(parts.train, 50, shuffle=True, seed=seed, **loader)
    return run.fit(batches, parts.validation, epochs)


def flat(net: Any) -> Vector:
    """Return a copy of all weights, as one vector."""
    return np.concatenate([p.data.reshape(-1) for p in net.parameters()])


def put(net: Any, weights: Vector) -> None:
    """Write a vector into the weights."""
    at = 0
    with md.no_grad():
        for p in net.parameters():
            p[...] = weights[at : at + p.size].reshape(p.shape)
            at += p.size
