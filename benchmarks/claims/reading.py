"""Claims about reading learning curves: area 1b of docs/topics.cfg, its second half."""

from __future__ import annotations

from typing import Any

import numpy as np

import minidl as md
from benchmarks.claims.claim import Figures, Says, claim
from benchmarks.claims.training import (
    digits,
    error,
    images,
    judge,
    mnist,
    sgd,
    steps,
)
from minidl import data, ops, optim
from minidl.models import MLP
from minidl.optim import schedules

mean = np.mean


@claim(
    topic="Step 6: learning curves",
    says="Losses are noisy: draw a moving average.",
    agrees={
        "noise × √4": Says(0.85, 1.15),
        "noise × √16": Says(0.85, 1.15),
        "steps late / 4": Says(0.35, 0.5),
        "steps late / 16": Says(0.35, 0.5),
    },
    note="The mean has 1/√w of the noise, and comes (w − 1) / 2 steps late.",
)
def moving_mean(seed: int) -> Figures:
    """Losses of 1000 batches of one net, means over w = 4 and 16."""
    net, parts = images(3500, seed=seed)
    steps(net, sgd(net.parameters(), 0.02), parts.train, 300, seed=seed)
    with md.no_grad():
        x, y = parts.train.arrays
        each = ops.cross_entropy(net(md.Tensor(x)), y, reduction="none").data
    batches = np.random.default_rng(seed).integers(len(each), size=(1000, 50))
    noise, found = each[batches].mean(axis=1), {}
    for w in (4, 16):
        window = np.ones(w) / w
        calm = np.convolve(noise, window, mode="valid")
        ramp = np.convolve(np.arange(100.0), window, mode="valid")
        found[f"noise × √{w}"] = calm.std() / noise.std() * w**0.5
        found[f"steps late / {w}"] = (np.arange(w - 1, 100) - ramp).mean() / w
    return found


@claim(
    topic="Reading: flat, then a drop",
    says="A loss that is flat at first was badly initialized.",
    agrees={
        "loss after 40 steps / log 10, 0.01": Says(low=0.95),
        "loss after 40 steps / log 10, He": Says(high=0.9),
        "after 500, 0.01": Says(high=0.8),
    },
)
def flat_then_drop(seed: int) -> Figures:
    """Digits, 6 layers, Adam at 0.001, weights of deviation 0.01 and He's."""
    found = {}
    for name in ("0.01", "He"):
        md.seed(seed)
        net = MLP([64, *[50] * 5, 10], rng=seed)
        if name == "0.01":
            rng = np.random.default_rng(seed)
            with md.no_grad():
                for p in net.parameters():
                    if p.ndim == 2:
                        p[...] = 0.01 * rng.normal(size=p.shape).astype("float32")
        rule = optim.Adam(net.parameters(), lr=1e-3)
        losses = steps(net, rule, digits().train, 500, seed=seed)
        found[f"loss after 40 steps / log 10, {name}"] = losses[40] / np.log(10)
        found[f"after 500, {name}"] = losses[-1] / np.log(10)
    return found


@claim(
    topic="Reading: a plateau",
    says="The rate is too high; try decay.",
    agrees={
        "high / good": Says(low=2),
        "after the drop / good": Says(high=1.5),
    },
    note="It is read rightly, and 50 steps at the good rate do not repair it.",
)
def rate_too_high(seed: int) -> Figures:
    """784-30-10, momentum at 0.5 against 0.05, 150 steps, then 50 at 0.05.

    Training loss.
    """
    net, parts = images(seed=seed)
    steps(net, sgd(net.parameters(), 0.05), parts.train, 150, seed=seed)
    good = judge(net, parts.train)["loss"]
    net, parts = images(seed=seed)
    rule = sgd(net.parameters(), 0.5)
    steps(net, rule, parts.train, 150, seed=seed)
    high = judge(net, parts.train)["loss"]
    rule.lr = 0.05
    steps(net, rule, parts.train, 50, seed=seed + 1)
    return {"high / good": high / good, "after the drop / good":
            judge(net, parts.train)["loss"] / good}  # fmt: skip


@claim(
    topic="Reading: decayed too early",
    says="Wait with the drop until the loss is flat.",
    agrees={
        "early / half-way": Says(low=1.1),
    },
)
def too_early(seed: int) -> Figures:
    """784-30-10, momentum, 300 steps, rate 0.02 divided by 10 at step 30 or 150.

    Training loss.
    """
    ends = []
    for part in (0.1, 0.5):
        net, parts = images(seed=seed)
        rate = schedules.multistep(0.02, [int(300 * part)])
        steps(net, sgd(net.parameters(), rate), parts.train, 300, seed=seed)
        ends.append(judge(net, parts.train)["loss"])
    return {"early / half-way": ends[0] / ends[1]}


@claim(
    topic="Reading: both rise with a gap",
    says="Training and validation rise together: train longer.",
    agrees={
        "gain of going on, points": Says(low=0),
    },
)
def train_longer(seed: int) -> Figures:
    """784-30-10, momentum at 0.01, 80 steps and 160 more; validation accuracy."""
    net, parts = images(seed=seed)
    rule, ends = sgd(net.parameters(), 0.01), []
    for n in (80, 160):
        steps(net, rule, parts.train, n, seed=seed)
        ends.append(100 * judge(net, parts.validation)["accuracy"])
    return {"gain of going on, points": ends[1] - ends[0]}


def gap(net: Any, parts: Any) -> float:
    """Return validation loss less training loss."""
    return judge(net, parts.validation)["loss"] - judge(net, parts.train)["loss"]


@claim(
    topic="Reading: the gap grows",
    says="Over-fitting: regularize, augment, or get more data.",
    agrees={
        "growth, 500 images": Says(low=0.05),
        "L2 of 0.01 / plain": Says(high=0.9),
        "shifts by 2 / plain": Says(high=0.9),
        "3500 images / plain": Says(high=0.9),
    },
)
def growing_gap(seed: int) -> Figures:
    """784-30-10, momentum at 0.05.

    Validation less training loss, growth from epoch 5 to 30.
    """
    rows: dict[str, Any] = {
        "500 images": (500, {}, {}),
        "L2 of 0.01": (500, {"weight_decay": 0.01}, {}),
        "shifts by 2": (500, {}, {"transform": data.RandomShift(2)}),
        "3500 images": (3500, {}, {}),
    }
    growth = {}
    for name, (n, decay, loader) in rows.items():
        net, parts = images(n, seed=seed)
        rule, gaps = sgd(net.parameters(), 0.05, **decay), []
        for epochs in (5, 25):
            steps(net, rule, parts.train, epochs * n // 50, seed=seed, **loader)
            gaps.append(gap(net, parts))
        growth[name] = gaps[1] - gaps[0]
    plain = growth.pop("500 images")
    return {"growth, 500 images": plain} | {
        f"{name} / plain": x / plain for name, x in growth.items()
    }


@claim(
    topic="Reading: no gap",
    says="Under-fitting: train longer, or take a larger model.",
    agrees={
        "gap of 4 units, points": Says(high=5),
        "training accuracy of 4 units": Says(high=90),
        "100 units, training, points": Says(low=5),
        "100 units, validation, points": Says(low=5),
    },
)
def no_gap(seed: int) -> Figures:
    """784-4-10 and 784-100-10, momentum at 0.03, 200 steps; accuracies."""
    rows = []
    for hidden in (4, 100):
        net, parts = images(hidden=hidden, seed=seed)
        steps(net, sgd(net.parameters(), 0.03), parts.train, 200, seed=seed)
        rows.append([100 - error(net, p) for p in (parts.train, parts.validation)])
    (few, few_val), (many, many_val) = rows
    return {
        "gap of 4 units, points": few - few_val, "training accuracy of 4 units": few,
        "100 units, training, points": many - few,
        "100 units, validation, points": many_val - few_val,
    }  # fmt: skip


@claim(
    topic="Dead ReLU",
    says="About 10 % of the units die, by a rate that is too high.",
    agrees={
        "rate 0.5, %": Says(5, 20),
        "rate 1, %": Says(5, 20),
        "rate 1, bias 0.01 − bias 0": Says(high=0),
        "rate 1, centered − raw": Says(high=0),
    },
    note="There is no fixed share: it grows with the rate.",
)
def dead_units(seed: int) -> Figures:
    """784-200-10 on raw pixels, 100 steps of SGD.

    Share of ReLUs that are 0 for all images.
    """

    def dead(lr: float, *, center: bool = False, bias: float = 0.0) -> float:
        md.seed(seed)
        parts = mnist()
        x = parts.train.x.reshape(len(parts.train), -1)
        x = x - x.mean(axis=0) if center else x
        net = MLP([784, 200, 10], rng=seed)
        with md.no_grad():
            net.layers[1].bias += bias
        train = data.TensorDataset(x, parts.train.y)
        steps(net, optim.SGD(net.parameters(), lr=lr), train, 100, seed=seed)
        with md.no_grad():
            h = ops.relu(net.layers[1](md.Tensor(x))).data
        return 100 * float((h.max(axis=0) <= 0).mean())

    found = {f"rate {lr:g}, %": dead(lr) for lr in (0.1, 0.5, 1.0, 2.0)}
    return found | {
        "rate 1, bias 0.01 − bias 0": dead(1.0, bias=0.01) - found["rate 1, %"],
        "rate 1, centered − raw": dead(1.0, center=True) - found["rate 1, %"],
    }
