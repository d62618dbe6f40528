"""Training runs with a known illness, and healthy ones: how each is made.

A `Plan` is an honest run: data, a net, an optimizer, a rate that suits them. A change
takes a plan and returns another, in which one thing is wrong, or looks so.
gallery_parts.py has the data, and says which change was made to which plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from minidl import data, nn, ops, optim
from minidl.errors import NonFiniteError
from minidl.optim import schedules
from minidl.train import History, Trainer, accuracy

Array = np.ndarray[Any, Any]
Pair = tuple[Array, Array]
Change = Callable[["Plan", np.random.Generator], "Plan"]


@dataclass(frozen=True)
class Plan:
    """All that one run needs; `schedule(lr, steps)` is the learning rate."""

    train: Pair
    validation: Any  # a pair too, or batches
    sizes: tuple[int, ...]  # of the hidden layers
    lr: float
    batch: int
    epochs: int
    rule: Any = optim.Momentum
    activation: Any = nn.ReLU
    schedule: Callable[[float, int], Any] = lambda lr, steps: lr
    dropout: float = 0.0
    norm: bool = False
    decay: float = 0.0
    shuffle: bool = True
    noise: float = 0.0  # augmentation: N(0, noise²) on the input
    std: float | None = None  # of all first weights; None: He's
    channels: int = 0  # of a convolution before the linear layers; 0: none
    loss: Any = ops.cross_entropy
    seed: int = 0


def fit(plan: Plan) -> History:
    """Train as planned; what a NaN leaves behind is a history too."""
    net = model(plan, np.random.default_rng([plan.seed, 7]))
    loader = data.DataLoader(
        plan.train,
        plan.batch,
        shuffle=plan.shuffle,
        seed=plan.seed,
        drop_last=plan.norm,
    )
    rate = plan.schedule(plan.lr, len(loader) * plan.epochs)
    rule = plan.rule(net.parameters(), lr=rate, weight_decay=plan.decay)
    metrics = [accuracy] if labels(plan) else []
    trainer = Trainer(net, rule, plan.loss, metrics, progress=False)
    with suppress(NonFiniteError):
        trainer.fit(loader, plan.validation, plan.epochs)
    return trainer.history


def labels(plan: Plan) -> bool:
    """Whether it is classification."""
    return plan.train[1].dtype.kind == "i"


def model(plan: Plan, rng: np.random.Generator) -> nn.Module:
    """Perhaps a convolution; linear, norm, activation, dropout, and so on; scores."""
    x, y = plan.train
    layers: list[Any] = [nn.GaussianNoise(plan.noise, rng=rng)] if plan.noise else []
    n_in = x.shape[1]
    if plan.channels:
        layers += [nn.Conv2d(1, plan.channels, 3, padding=1, rng=rng), nn.MaxPool2d(2),
                   plan.activation(), nn.Flatten()]  # fmt: skip
        n_in = plan.channels * (x.shape[2] // 2) * (x.shape[3] // 2)
    widths = [n_in, *plan.sizes, int(y.max()) + 1 if labels(plan) else 1]
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        linear = nn.Linear(n_in, n_out, rng=rng)
        last = i == len(widths) - 2
        if plan.std is not None:
            linear.weight.data[...] = plan.std * rng.normal(size=(n_in, n_out))
        elif last:
            linear.weight.data *= 0.1  # small scores: the first loss is log K
        layers.append(linear)
        if not last:
            layers += [nn.BatchNorm1d(n_out)] if plan.norm else []
            layers.append(plan.activation())
            layers += [nn.Dropout(plan.dropout, rng=rng)] if plan.dropout else []
    return nn.Sequential(*layers)


def naive_loss(scores: Any, y: Any) -> Any:
    """The mean of −log softmax(scores)[y], as one writes it at first: inf at 0."""
    onehot = ops.one_hot(y, scores.shape[1])
    p = ops.exp(scores) / ops.exp(scores).sum(axis=1, keepdims=True)
    return -(ops.log(p) * onehot).sum() / len(scores)


# ----------------------------------------------------------------------- the illnesses


def faster(factor: float) -> Change:
    """The rate, times a factor."""
    return lambda plan, rng: replace(plan, lr=plan.lr * factor)


def nan(factor: float = 200) -> Change:
    """A loss without log-sum-exp, and a rate that drives a probability to 0."""

    def change(plan: Plan, rng: np.random.Generator) -> Plan:
        loss = naive_loss if labels(plan) else plan.loss
        return replace(plan, loss=loss, lr=plan.lr * factor)

    return change


def small_weights(
    layers: int, std: float, epochs: int, lr: float, rule: Any = None
) -> Change:
    """Weights so small that neither values nor gradients pass through the layers."""
    return lambda plan, rng: replace(
        plan, sizes=(plan.sizes[0],) * layers, std=std, epochs=epochs, lr=lr,
        rule=rule or plan.rule,
    )  # fmt: skip


def early_decay(at: float) -> Change:
    """A tenth of the rate after a small part of the run."""
    return lambda plan, rng: replace(
        plan, schedule=lambda lr, n: schedules.multistep(lr, [round(at * n)], 0.1)
    )


def few_samples(n: int, flipped: float, epochs: int) -> Change:
    """Few samples, some labels wrong, a wide net, and all the time to learn them."""

    def change(plan: Plan, rng: np.random.Generator) -> Plan:
        x, y = plan.train[0][:n], plan.train[1][:n].copy()
        wrong = rng.random(len(y)) < flipped
        y[wrong] = rng.choice(plan.train[1], wrong.sum())
        wide = tuple(4 * size for size in plan.sizes)
        return replace(plan, train=(x, y), sizes=wide, epochs=epochs)

    return change


def small_net(units: int, epochs: int) -> Change:
    """Too few units to tell the classes apart."""
    return lambda plan, rng: replace(plan, sizes=(units,), epochs=epochs)


def cut(epochs: int, factor: float = 1.0) -> Change:
    """Stopped long before it is done."""
    return lambda plan, rng: replace(plan, epochs=epochs, lr=plan.lr * factor)


def sorted_by_class(plan: Plan, rng: np.random.Generator) -> Plan:
    """The data as they lie in their folders, one class after the other."""
    order = np.argsort(plan.train[1].ravel(), kind="stable")
    x, y = plan.train
    return replace(plan, train=(x[order], y[order]), shuffle=False)


def leaky(n: int, epochs: int) -> Change:
    """Validation on samples that are trained on too."""

    def change(plan: Plan, rng: np.random.Generator) -> Plan:
        x, y = plan.train
        picked = rng.choice(len(y), n, replace=False)
        return replace(plan, validation=(x[picked], y[picked]), epochs=epochs)

    return change


def few_judges(n: int) -> Change:
    """A handful of samples for validation, the same ones all the time."""

    def change(plan: Plan, rng: np.random.Generator) -> Plan:
        x, y = plan.validation
        picked = rng.choice(len(y), n, replace=False)
        return replace(plan, validation=(x[picked], y[picked]))

    return change


class Handful:
    """Validation on n samples, others in each epoch."""

    def __init__(self, pair: Pair, n: int, rng: np.random.Generator) -> None:
        self.pair, self.n, self.rng = pair, n, rng

    def __iter__(self) -> Iterator[Pair]:
        x, y = self.pair
        picked = self.rng.choice(len(y), self.n, replace=False)
        yield x[picked], y[picked]


def other_judges(n: int) -> Change:
    """A handful of samples for validation, others in each epoch."""
    return lambda plan, rng: replace(plan, validation=Handful(plan.validation, n, rng))


def adam(lr: float) -> Change:
    """Adam with this rate."""
    return lambda plan, rng: replace(plan, rule=optim.Adam, lr=lr)


# ------------------------------------------------------------------------ healthy ones


def warmed_up(plan: Plan, rng: np.random.Generator) -> Plan:
    """A tenth of the run to reach the rate, then a cosine."""
    return replace(plan, schedule=lambda lr, n: schedules.warmup(
        n // 10, schedules.cosine(lr, n - n // 10)))  # fmt: skip


def restarted(plan: Plan, rng: np.random.Generator) -> Plan:
    """Four cosines, one after the other."""
    return replace(
        plan, schedule=lambda lr, n: schedules.cosine_restarts(2 * lr, -(-n // 4))
    )


def stepped(plan: Plan, rng: np.random.Generator) -> Plan:
    """A tenth of the rate at three fifths, and again at four fifths."""
    return replace(plan, schedule=lambda lr, n: schedules.multistep(
        lr, [3 * n // 5, 4 * n // 5]))  # fmt: skip


def dropped(p: float) -> Change:
    """Dropout, and the time that it takes."""
    return lambda plan, rng: replace(
        plan, dropout=p, epochs=3 * plan.epochs // 2,
        sizes=tuple(2 * size for size in plan.sizes),
    )  # fmt: skip


def augmented(noise: float) -> Change:
    """Noise on the inputs: training sees harder samples than validation."""
    return lambda plan, rng: replace(plan, noise=noise)


def small_batches(batch: int) -> Change:
    """Small batches, and the rate that fits them."""
    return lambda plan, rng: replace(
        plan, batch=batch, lr=plan.lr * batch / plan.batch,
        schedule=lambda lr, n: schedules.cosine(lr, n),
    )  # fmt: skip


def normed(plan: Plan, rng: np.random.Generator) -> Plan:
    """Batch norm."""
    return replace(plan, norm=True)


def plain(plan: Plan, rng: np.random.Generator) -> Plan:
    """Nothing is changed."""
    return plan
