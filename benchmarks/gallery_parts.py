"""The gallery: which illness is made with which data and net, in two parts.

`RULES` are the runs that the rules of minidl.lab were written with: six data sets that
began it, and three more (moons, glyphs, a sine) that found where the rules were wrong.
`HELD_OUT` judges them on other data (rings, signals), other nets, optimizers and rates,
and other seeds. The settings there were chosen by looking at the losses, so that the
illness is in the run, and not at what the rules say of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks import gallery_runs as make
from benchmarks.gallery_runs import Array, Change, Plan
from minidl import data, nn, ops, optim
from minidl.train import History


@lru_cache
def table(name: str) -> tuple[Array, Array]:
    """Return the training part of a data set as standardized rows, and its labels."""
    parts = getattr(data, f"load_{name}")()
    x = np.asarray(parts.train.x, np.float32).reshape(len(parts.train), -1)
    return (x - x.mean(axis=0)) / (x.std(axis=0) + 0.1), np.asarray(parts.train.y)


def split(x: Array, y: Array, n: int, judges: int, seed: int) -> dict[str, Any]:
    """Return n samples to train on and others to judge."""
    order = np.random.default_rng(seed).permutation(len(y))
    a, b = order[:n], order[n : n + judges]
    return {"train": (x[a], y[a]), "validation": (x[b], y[b]), "seed": seed}


def digits(seed: int) -> Plan:
    """8 × 8 digits, one hidden layer, momentum."""
    parts = split(*table("digits"), 900, 300, seed)
    return Plan(**parts, sizes=(48,), lr=0.02, batch=30, epochs=20)


def few_digits(seed: int) -> Plan:
    """A third of them, a wide net, Adam."""
    parts = split(*table("digits"), 300, 300, seed)
    return Plan(**parts, sizes=(100,), lr=0.002, batch=20, epochs=20, rule=optim.Adam)


def spirals(seed: int) -> Plan:
    """Three arms that touch, two hidden layers, Adam."""
    toy = data.spirals(1200, noise=0.2, rng=seed)
    parts = split(toy.x, toy.y, 800, 400, seed)
    return Plan(**parts, sizes=(32, 32), lr=0.01, batch=40, epochs=25, rule=optim.Adam)


def patients(seed: int) -> Plan:
    """A table of 30 columns, plain SGD."""
    x, y = table("breast_cancer")
    parts = split(x, y, 250, 90, seed)
    return Plan(**parts, sizes=(16,), lr=0.1, batch=10, epochs=25, rule=optim.SGD)


def mnist(seed: int) -> Plan:
    """28 × 28 digits, one hidden layer, Nesterov's momentum."""
    parts = split(*table("mnist5k"), 1500, 500, seed + 100)
    return Plan(
        **parts, sizes=(100,), lr=0.01, batch=50, epochs=15, rule=optim.Nesterov
    )


def clouds(seed: int) -> Plan:
    """Six overlapping clouds in eight dimensions, tanh, RMSProp."""
    rng = np.random.default_rng(seed + 200)
    centers = 3 * np.linalg.qr(rng.normal(size=(8, 6)))[0].T  # all equally far apart
    toy = data.blobs(1500, centers=centers, rng=rng)
    parts = split(toy.x, toy.y, 900, 400, seed + 200)
    return Plan(
        **parts, sizes=(40, 20), lr=0.002, batch=25, epochs=20, rule=optim.RMSProp,
        activation=nn.Tanh,
    )  # fmt: skip


def moons(seed: int) -> Plan:
    """Two half circles, two layers of GELU, momentum."""
    toy = data.moons(1100, noise=0.2, rng=seed + 300)
    parts = split(toy.x, toy.y, 700, 300, seed + 300)
    return Plan(
        **parts, sizes=(24, 24), lr=0.03, batch=25, epochs=30, activation=nn.GELU
    )


def glyphs(seed: int) -> Plan:
    """Eight drawings of 10 × 10 points, moved and in noise; a convolution, AdamW."""
    rng = np.random.default_rng(seed + 400)
    drawings = rng.random((8, 6, 6)) < 0.5
    y = rng.integers(0, 8, 1200)
    x = 0.35 * rng.normal(size=(1200, 1, 10, 10)).astype(np.float32)
    for picture, label in zip(x, y, strict=True):
        i, j = rng.integers(1, 4, 2)
        picture[0, i : i + 6, j : j + 6] += drawings[label]
    parts = split(x, y, 800, 300, seed + 400)
    return Plan(
        **parts, sizes=(32,), lr=0.003, batch=40, epochs=30, rule=optim.AdamW,
        channels=8,
    )  # fmt: skip


def flat_glyphs(seed: int) -> Plan:
    """The same as rows, for linear layers and SGD."""
    plan = glyphs(seed + 50)
    flat = [(x.reshape(len(x), -1), y) for x, y in (plan.train, plan.validation)]
    return replace(
        plan, train=flat[0], validation=flat[1], channels=0, sizes=(64,), lr=0.1,
        rule=optim.SGD, batch=20,
    )  # fmt: skip


def sine(seed: int) -> Plan:
    """A curve in noise, tanh, Adam; squared error, and no accuracy."""
    toy = data.regression(
        900, function=lambda x: np.sin(5 * x[:, 0]) + 0.5 * x[:, 1], features=2,
        noise=0.15, rng=seed + 500,
    )  # fmt: skip
    parts = split(toy.x, toy.y, 600, 300, seed + 500)
    return Plan(
        **parts, sizes=(32, 32), lr=0.005, batch=30, epochs=40, rule=optim.Adam,
        activation=nn.Tanh, loss=ops.mse_loss,
    )  # fmt: skip


def rings(seed: int) -> Plan:
    """Three shells in three dimensions, leaky ReLU, RMSProp, batches of 20."""
    rng = np.random.default_rng(seed + 600)
    y = rng.integers(0, 3, 1000)
    x = rng.normal(size=(1000, 3))
    x *= ((1 + y) / np.linalg.norm(x, axis=1))[:, None]
    x = (x + 0.22 * rng.normal(size=x.shape)).astype(np.float32)
    parts = split(x, y, 700, 300, seed + 600)
    return Plan(
        **parts, sizes=(40,), lr=0.005, batch=20, epochs=25, rule=optim.RMSProp,
        activation=nn.LeakyReLU,
    )  # fmt: skip


def signals(seed: int) -> Plan:
    """Waves of five lengths, 24 points of each in noise, ELU, Nesterov."""
    rng = np.random.default_rng(seed + 700)
    y = rng.integers(0, 5, 1500)
    t = np.arange(24) + rng.uniform(0, 24, (1500, 1))
    x = np.sin(t * (0.3 + 0.15 * y[:, None])) + 0.7 * rng.normal(size=(1500, 24))
    parts = split(x.astype(np.float32), y, 1100, 350, seed + 700)
    return Plan(
        **parts, sizes=(64, 32), lr=0.01, batch=50, epochs=25, rule=optim.Nesterov,
        activation=nn.ELU,
    )  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A row of the gallery: what is wrong, with what, and how it is made."""

    name: str
    base: Callable[[int], Plan]
    change: Change

    @property
    def shape(self) -> str:
        """Return the name of the change: "warmed_up", "dropped"."""
        return self.change.__qualname__.split(".")[0]

    def run(self, seed: int) -> History:
        """Train it."""
        rng = np.random.default_rng([seed, 11])
        return make.fit(self.change(self.base(seed), rng))


Rows = dict[Callable[[int], Plan], list[Change]]


def cases(name: str, rows: Rows) -> list[Case]:
    """Return the cases of a name."""
    return [Case(name, base, c) for base, changes in rows.items() for c in changes]


def same(name: str, change: Change, *bases: Callable[[int], Plan]) -> list[Case]:
    """Return the cases of one change to several plans."""
    return [Case(name, base, change) for base in bases]


def shapes(batch: int, dropout: float, noise: float, judges: int) -> list[Change]:
    """Return what honest runs look like; 0 leaves out a shape that does not suit."""
    found = [make.plain, make.warmed_up, make.restarted, make.stepped, make.normed]
    found += [make.small_batches(batch), make.few_judges(judges)]
    found += [make.dropped(dropout)] if dropout else []
    found += [make.augmented(noise)] if noise else []
    return found


MOMENTUM = optim.Momentum
RULES = [
    *same("nan", make.nan(),
          digits, spirals, patients, mnist, clouds, moons, glyphs),
    *cases("diverging", {
        digits: [make.faster(100), make.faster(20)], spirals: [make.faster(1000)],
        patients: [make.faster(100)], mnist: [make.faster(200)],
        clouds: [make.faster(3000)], moons: [make.faster(60)],
        glyphs: [make.faster(3000)],
    }),
    *cases("lr_too_high", {
        digits: [make.adam(0.3), make.adam(1.0)],
        spirals: [make.faster(50), make.faster(150)], patients: [make.faster(30)],
        mnist: [make.faster(20)], clouds: [make.faster(100)],
        glyphs: [make.faster(30)], sine: [make.faster(50)],
    }),
    *cases("lr_too_low", {
        digits: [make.faster(0.01)], spirals: [make.faster(0.01)],
        patients: [make.faster(0.003)], mnist: [make.faster(0.01)],
        clouds: [make.faster(0.01)], moons: [make.faster(0.005)],
        glyphs: [make.faster(0.01)],
    }),
    *cases("bad_init", {
        digits: [make.small_weights(6, 0.02, 25, 0.003),
                 make.small_weights(5, 0.05, 40, 0.02)],
        spirals: [make.small_weights(6, 0.02, 40, 0.003)],
        patients: [make.small_weights(5, 0.05, 40, 0.2)],
        mnist: [make.small_weights(6, 0.01, 25, 0.05)],
        clouds: [make.small_weights(5, 0.03, 40, 0.02, MOMENTUM)],
        moons: [make.small_weights(4, 0.12, 40, 0.05)],
        glyphs: [make.small_weights(5, 0.05, 30, 0.05, MOMENTUM)],
    }),
    *cases("decayed_too_early", {
        digits: [make.early_decay(0.05)], spirals: [make.early_decay(0.06)],
        patients: [make.early_decay(0.03)], mnist: [make.early_decay(0.05)],
        clouds: [make.early_decay(0.03)], glyphs: [make.early_decay(0.03)],
        sine: [make.early_decay(0.05)],
    }),
    *cases("overfitting", {
        digits: [make.few_samples(200, 0.3, 60)],
        spirals: [make.few_samples(100, 0.3, 200)],
        patients: [make.few_samples(80, 0.3, 200)],
        mnist: [make.few_samples(300, 0.3, 30)],
        clouds: [make.few_samples(150, 0.25, 60)],
        moons: [make.few_samples(60, 0.3, 300)],
        glyphs: [make.few_samples(150, 0.25, 60)],
    }),
    *cases("underfitting", {
        digits: [make.small_net(2, 60)], spirals: [make.small_net(2, 40)],
        mnist: [make.small_net(2, 30)], clouds: [make.small_net(1, 40)],
        moons: [make.small_net(1, 30)], glyphs: [make.small_net(2, 60)],
    }),
    *cases("train_longer", {
        digits: [make.cut(4, 0.2), make.cut(3)],
        spirals: [make.cut(6, 0.6), make.cut(4)], patients: [make.cut(4, 0.2)],
        mnist: [make.cut(4, 0.2)], clouds: [make.cut(4, 0.2)], glyphs: [make.cut(6)],
        sine: [make.cut(6, 0.5)],
    }),
    *same("unshuffled", make.sorted_by_class,
          digits, spirals, patients, mnist, clouds, moons, glyphs),
    *cases("leaky_validation", {
        digits: [make.leaky(300, 25), make.leaky(100, 15)],
        few_digits: [make.leaky(150, 40)], mnist: [make.leaky(400, 30)],
        clouds: [make.leaky(300, 150)], glyphs: [make.leaky(200, 60)],
        flat_glyphs: [make.leaky(200, 60)],
    }),
    *cases("noisy_validation", {
        digits: [make.other_judges(20)], spirals: [make.other_judges(20)],
        patients: [make.other_judges(10)], mnist: [make.other_judges(20)],
        clouds: [make.other_judges(12)], moons: [make.other_judges(15)],
        glyphs: [make.other_judges(15)],
    }),
    *cases("healthy", {
        digits: shapes(5, 0.3, 0.3, 50), spirals: shapes(8, 0, 0, 50),
        patients: shapes(5, 0.3, 0.3, 40), mnist: shapes(5, 0.4, 0.4, 60),
        clouds: shapes(5, 0.2, 0.2, 60), moons: shapes(5, 0.2, 0.1, 50),
        glyphs: shapes(8, 0.2, 0.2, 50), sine: shapes(6, 0, 0, 50),
    }),
]  # fmt: skip

HELD_OUT = [
    *same("nan", make.nan(), rings, signals),
    *cases("diverging", {rings: [make.faster(3000)], signals: [make.faster(40)]}),
    *cases("lr_too_high", {rings: [make.faster(60)], signals: [make.adam(0.1)]}),
    *cases("lr_too_low", {rings: [make.faster(0.01)], signals: [make.faster(0.01)]}),
    *cases("bad_init", {
        rings: [make.small_weights(5, 0.08, 40, 0.05, MOMENTUM)],
        signals: [make.small_weights(5, 0.06, 40, 0.05, MOMENTUM)],
    }),
    *same("decayed_too_early", make.early_decay(0.03), rings, signals),
    *cases("overfitting", {
        rings: [make.few_samples(60, 0.3, 200)],
        signals: [make.few_samples(150, 0.25, 60)],
    }),
    *cases("underfitting", {
        rings: [make.small_net(2, 40)], signals: [make.small_net(2, 80)],
    }),
    *cases("train_longer", {rings: [make.cut(5, 0.6)], signals: [make.cut(8)]}),
    *same("unshuffled", make.sorted_by_class, rings, signals),
    *cases("leaky_validation", {
        rings: [make.leaky(200, 150)], signals: [make.leaky(200, 60)],
    }),
    *cases("noisy_validation", {
        rings: [make.other_judges(12)], signals: [make.other_judges(15)],
    }),
    *cases("healthy", {
        rings: shapes(5, 0.2, 0.1, 50), signals: shapes(5, 0.3, 0.2, 50),
    }),
]  # fmt: skip
