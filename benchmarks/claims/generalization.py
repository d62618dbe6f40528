"""Claims about generalization, optimizers, regularization: area 1f of topics.cfg."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import minidl as md
from benchmarks.claims.claim import Figures, Says, claim
from benchmarks.claims.training import (
    digits,
    error,
    flat,
    images,
    judge,
    sgd,
    small,
    steps,
)
from minidl import data, nn, ops, optim
from minidl.models import MLP

mean = np.mean


@claim(
    topic="Under- and over-fitting",
    says=(
        "Too large a model over-fits: its gap is large, and its test error rises again."
    ),
    agrees={
        "gap of 512 − gap of 1": Says(low=0),
        "test error of 512 − least of the smaller": Says(low=0),
    },
)
def widths(seed: int) -> Figures:
    """200 images, 784-width-10, widths of 1 to 512, momentum at 0.03, 200 steps."""
    rows = []
    for hidden in (1, 4, 16, 64, 512):
        net, parts = images(200, hidden, seed=seed)
        steps(net, sgd(net.parameters(), 0.03), parts.train, 200, seed=seed)
        rows.append([error(net, part) for part in (parts.train, parts.test)])
    train, test = np.array(rows).T
    return {
        "gap of 1 unit, points": test[0] - train[0], "gap of 512": test[4] - train[4],
        "gap of 512 − gap of 1": test[4] - train[4] - test[0] + train[0],
        "test error of 512 − least of the smaller": test[4] - test[:4].min(),
    }  # fmt: skip


@claim(
    topic="One sample, a batch, all data",
    says="A batch of n has 1/√n of the noise.",
    agrees={
        "power of the batch": Says(-0.55, -0.45),
    },
)
def noise_of_batches(seed: int) -> Figures:
    """784-30-10 after an epoch.

    40 gradients for each of 5 batch sizes; the law's power is −0.5.
    """
    net, parts = images(3500, seed=seed)
    steps(net, sgd(net.parameters(), 0.02), parts.train, 70, seed=seed)
    x, y = parts.train.arrays
    rng, sizes, spreads = np.random.default_rng(seed), [1, 4, 16, 64, 256], []
    for size in sizes:
        draws = []
        for _ in range(40):
            rows = rng.integers(len(x), size=size)
            ops.cross_entropy(net(md.Tensor(x[rows])), y[rows]).backward()
            draws.append(np.concatenate([p.grad.ravel() for p in net.parameters()]))
            net.zero_grad()
        spreads.append(np.sqrt(np.var(draws, axis=0, ddof=1).sum()))
    slope = np.polyfit(np.log(sizes), np.log(spreads), 1)[0]
    return {"power of the batch": slope}


@claim(
    topic="One sample, a batch, all data",
    says="Small batches win at equal epochs, large ones at equal steps.",
    agrees={
        "2 epochs, loss of 64 / of 1": Says(low=1),
        "2 epochs, of all / of 64": Says(low=1),
        "200 steps, of 64 / of 1": Says(high=1),
    },
)
def batch_sizes(seed: int) -> Figures:
    """784-30-10, SGD at 0.02, batches of 1, 64 and 1000; training loss."""
    epochs, equal = [], []
    for batch in (1, 64, 1000):
        for n, ends in ((2000 // batch, epochs), (200, equal)):
            net, parts = images(seed=seed)
            rule = optim.SGD(net.parameters(), lr=0.02)
            steps(net, rule, parts.train, n, batch=batch, seed=seed)
            ends.append(judge(net, parts.train)["loss"])
    return {
        "2 epochs, loss of 64 / of 1": epochs[1] / epochs[0],
        "2 epochs, of all / of 64": epochs[2] / epochs[1],
        "200 steps, of 64 / of 1": equal[1] / equal[0],
    }


def steps_to(rule: Callable[..., Any], condition: float) -> int:
    """Return how many steps ½ Σ d x² takes to fall to 1e-6, d from 1 / κ to 1."""
    d = np.geomspace(1 / condition, 1, 10)
    x = md.Tensor(np.ones(10), requires_grad=True)
    optimizer = rule([x])
    for t in range(20_000):
        if 0.5 * (d * x.data**2).sum() < 1e-6 * 0.5 * d.sum():
            return t
        x.grad = d * x.data
        optimizer.step()
    raise RuntimeError(f"20,000 steps were not enough for κ = {condition}")


@claim(
    topic="Momentum and Nesterov",
    says="Momentum goes through ravines; Nesterov is faster still.",
    agrees={
        "power, SGD": Says(0.9, 1.1),
        "power, momentum": Says(0.4, 0.6),
        "steps at κ = 300, momentum / Nesterov": Says(low=1),
    },
    seeds=1,
)
def conditions(seed: int) -> Figures:
    """½ Σ d x², condition κ of 10 to 300, each rule at its best rate.

    The power of κ in the steps to 1e-6.
    """
    ks, found = np.array([10.0, 30, 100, 300]), {}

    def best(name: str, k: float) -> Callable[..., Any]:
        low, root = 1 / k, math.sqrt(k)
        if name == "SGD":
            return functools.partial(optim.SGD, lr=2 / (1 + low))
        β = ((root - 1) / (root + 1)) ** 2
        if name == "momentum":
            lr = 4 / (1 + math.sqrt(low)) ** 2
            return functools.partial(optim.Momentum, lr=lr, momentum=β)
        return functools.partial(optim.Nesterov, lr=1.0,
                                 momentum=(root - 1) / (root + 1))  # fmt: skip

    for name in ("SGD", "momentum", "Nesterov"):
        n = [steps_to(best(name, k), k) for k in ks]
        found[f"power, {name}"] = np.polyfit(np.log(ks), np.log(n), 1)[0]
    return found | {
        "steps at κ = 300, momentum / Nesterov": steps_to(best("momentum", 300), 300)
        / steps_to(best("Nesterov", 300), 300)
    }


def path(rule: Any, gradients: list[float]) -> np.ndarray[Any, Any]:
    """Return the steps that an optimizer takes under given gradients."""
    x = md.Tensor(np.zeros(1), requires_grad=True)
    optimizer, places = rule([x]), [0.0]
    for g in gradients:
        x.grad = np.array([g])
        optimizer.step()
        places.append(float(x.data[0]))
    return -np.diff(places)


@claim(
    topic="Adagrad and RMSProp",
    says="Adagrad's steps shrink for ever; RMSProp's do not.",
    agrees={
        "Adagrad × √100": Says(0.999, 1.001),
        "RMSProp": Says(0.99, 1.01),
    },
    seeds=1,
)
def adagrad(seed: int) -> Figures:
    """A constant gradient of 1, rate 1.

    Step 100 of Adagrad times √100, step 2000 of RMSProp.
    """
    ones = [1.0] * 100
    return {
        "Adagrad × √100": path(functools.partial(optim.Adagrad, lr=1.0), ones)[-1] * 10,
        "RMSProp": path(functools.partial(optim.RMSProp, lr=1.0), [1.0] * 2000)[-1],
    }


@claim(
    topic="Adadelta",
    says="It has no learning rate.",
    agrees={
        "loss at 1 / best": Says(high=1.1),
    },
    note=(
        "The paper has none, every implementation has one, and ε sets the first steps."
    ),
)
def adadelta(seed: int) -> Figures:
    """Digits, 64-50-10, 3 epochs at rates of 0.1, 1 and 10; training loss / best."""
    ends = []
    for lr in (0.1, 1.0, 10.0):
        net, parts = small(seed)
        rule = optim.Adadelta(net.parameters(), lr=lr)
        steps(net, rule, parts.train, 72, seed=seed)
        ends.append(judge(net, parts.train)["loss"])
    first = path(functools.partial(optim.Adadelta, lr=1.0, eps=1e-6), [1.0])[0]
    return {"loss at 1 / best": ends[1] / min(ends), "at 0.1": ends[0] / min(ends),
            "at 10": ends[2] / min(ends), "first step / √ε": first / 1e-3}  # fmt: skip


@claim(
    topic="Adam and AdamW",
    says="The first step is the rate, whatever the gradient.",
    agrees={
        "smallest": Says(low=0.98),
        "largest": Says(high=1.001),
    },
    seeds=1,
)
def adam_starts(seed: int) -> Figures:
    """Gradients of 1e-6, 1, −1000; first step / rate."""
    adam = functools.partial(optim.Adam, lr=1.0)
    first = [abs(path(adam, [g])[0]) for g in (1e-6, 1.0, -1000.0)]
    return {"smallest": min(first), "largest": max(first)}


@claim(
    topic="Adam and AdamW",
    says="To choose ε well matters.",
    agrees={
        "ε = 1e-5": Says(low=1.1),
        "ε = 1e-3": Says(low=1.1),
    },
)
def adam_eps(seed: int) -> Figures:
    """Digits, 64-50-10, Adam at 0.001, 240 steps; training loss / that of ε = 1e-8."""
    ends = []
    for eps in (1e-8, 1e-5, 1e-3, 1e-1):
        net, parts = small(seed)
        rule = optim.Adam(net.parameters(), lr=1e-3, eps=eps)
        steps(net, rule, parts.train, 240, seed=seed)
        ends.append(judge(net, parts.train)["loss"])
    return {f"ε = {eps}": x / ends[0] for eps, x in
            zip(("1e-5", "1e-3", "1e-1"), ends[1:], strict=True)}  # fmt: skip


@claim(
    topic="L2, the norm penalty",
    says="Small weights make smooth functions, which generalize better.",
    agrees={
        "length of the weights": Says(high=0.95),
        "slope in the input": Says(high=0.95),
        "test error": Says(high=1),
    },
)
def norm_penalty(seed: int) -> Figures:
    """200 images, 784-30-10, decay 0.01 / none."""
    rows = []
    for decay in (0.0, 0.01):
        net, parts = images(200, seed=seed)
        rule = sgd(net.parameters(), 0.03, weight_decay=decay)
        steps(net, rule, parts.train, 600, seed=seed)
        x = md.Tensor(parts.test.x, requires_grad=True)
        (dx,) = md.grad(ops.softmax(net(x)).max(axis=1).sum(), x)
        slope = np.sqrt((dx.reshape(len(dx), -1) ** 2).sum(axis=1)).mean()
        rows.append((np.linalg.norm(flat(net)), slope, error(net, parts.test)))
    (w, slope, wrong), (w1, slope1, wrong1) = rows
    return {"length of the weights": w1 / w, "slope in the input": slope1 / slope,
            "test error": wrong1 / wrong}  # fmt: skip


def gained(seed: int, n: int = 1000, **changes: Any) -> Figures:
    """Return by how many points of test error each change is better than none.

    changes  by name: a function that wraps or replaces the net, or None; and settings
             of the loader
    """
    ends = {}
    for name, (wrap, loader) in {"none": (None, {}), **changes}.items():
        net, parts = images(n, 50, seed=seed)
        net = wrap(net) if wrap else net
        rule = sgd(net.parameters(), 0.05)
        steps(net, rule, parts.train, 400, seed=seed, **loader)
        ends[name] = error(net, parts.test)
    plain = ends.pop("none")
    return {f"{name}, points": plain - x for name, x in ends.items()}


@claim(
    topic="Data augmentation",
    says="Change images as long as the label stays.",
    agrees={
        "shifts, points": Says(low=1),
        "flips, points": Says(high=0),
    },
)
def shifts_and_flips(seed: int) -> Figures:
    """1000 images, 784-50-10, 400 steps; points of test error gained."""
    shifts, flips = data.RandomShift(2), data.RandomFlip()
    return gained(
        seed, shifts=(None, {"transform": shifts}), flips=(None, {"transform": flips})
    )


@claim(
    topic="Noise in inputs and weights",
    says="Noise on inputs or weights helps.",
    agrees={
        "0.1 on inputs, points": Says(low=0),
        "0.2 on inputs, points": Says(low=0),
        "0.5 on inputs, points": Says(low=0),
        "0.01 on weights, points": Says(low=0),
    },
)
def noise(seed: int) -> Figures:
    """1000 images, 784-50-10, 400 steps; points of test error gained."""

    def on_inputs(std: float) -> Callable[[Any], Any]:
        return lambda net: nn.Sequential(nn.GaussianNoise(std, rng=seed), net)

    def on_weights(net: Any) -> Any:
        return nn.WeightNoise(net, 0.01, rng=seed)

    changes = {f"{std} on inputs": on_inputs(std) for std in (0.1, 0.2, 0.5)}
    changes["0.01 on weights"] = on_weights
    return gained(seed, **{name: (wrap, {}) for name, wrap in changes.items()})


@claim(
    topic="Noise in inputs and weights",
    says="For a linear model noise on the inputs is L2.",
    agrees={
        "noise − ridge, of its length": Says(high=0.02),
    },
)
def noise_is_ridge(seed: int) -> Figures:
    """200 points in 5 dimensions, σ = 0.5, mean of SGD's weights.

    Distance from the solution with λ = N σ², in units of its length.
    """
    rng = np.random.default_rng(seed)
    x, σ = rng.normal(size=(200, 5)), 0.5
    y = x @ rng.normal(size=5) + 0.1 * rng.normal(size=200)
    ridge = np.linalg.solve(x.T @ x + len(x) * σ**2 * np.eye(5), x.T @ y)
    w = md.Tensor(np.zeros(5), requires_grad=True)
    rule, total = optim.SGD([w], lr=0.01), np.zeros(5)
    for t in range(20_000):
        noisy = x + rng.normal(0, σ, x.shape)
        w.grad = 2 * noisy.T @ (noisy @ w.data - y) / len(x)
        rule.step()
        total += w.data * (t >= 2000)
    gap = np.linalg.norm(total / 18_000 - ridge) / np.linalg.norm(ridge)
    plain = np.linalg.lstsq(x, y, rcond=None)[0]
    return {
        "noise − ridge, of its length": gap,
        "no penalty − ridge": np.linalg.norm(plain - ridge) / np.linalg.norm(ridge),
    }


@claim(
    topic="mixup",
    says="Between two images it teaches to be unsure.",
    agrees={
        "mixup − plain": Says(high=0),
    },
)
def between_images(seed: int) -> Figures:
    """1000 images, 784-50-10; mean confidence half-way between two test images."""
    found = {}
    mix = functools.partial(data.mixup, classes=10, alpha=0.2)
    for name, loader in (("plain", {}), ("mixup", {"mix": mix})):
        net, parts = images(1000, 50, seed=seed)
        steps(net, sgd(net.parameters(), 0.05), parts.train, 400, seed=seed, **loader)
        x = parts.test.x
        half = (x + np.roll(x, 1, axis=0)) / 2
        with md.no_grad():
            p = ops.softmax(net(md.Tensor(half))).data
        found[f"confidence, {name}"] = p.max(axis=1).mean()
    found["mixup − plain"] = found["confidence, mixup"] - found["confidence, plain"]
    return found


@claim(
    topic="CutMix",
    says="The labels are mixed by the area.",
    agrees={
        "largest difference": Says(high=1e-06),
    },
)
def boxes(seed: int) -> Figures:
    """200 images of 0 and 1: mean of the image − share of the label."""
    x = np.zeros((200, 1, 28, 28), "float32")
    x[1::2] = 1.0
    y = np.arange(200) % 2
    mixed, labels = data.cutmix(x, y, classes=2, rng=seed)
    return {"largest difference": abs(mixed.mean(axis=(1, 2, 3)) - labels[:, 1]).max()}


@claim(
    topic="Dropout",
    says="It improves the result.",
    agrees={
        "500 images, points": Says(low=0),
        "200 images, points": Says(low=0),
    },
)
def dropout_on_few(seed: int) -> Figures:
    """784-50-10, 400 steps; points of test error gained by p = 0.5."""

    def dropped(net: Any) -> Any:
        return MLP([784, 50, 10], dropout=0.5)

    return {
        f"{n} images, points": gained(seed, n, p=(dropped, {}))["p, points"]
        for n in (500, 200)
    }


@claim(
    topic="Relatives of batch norm",
    says="Batch norm breaks down on batches of 2, layer norm does not.",
    agrees={
        "batch norm, points": Says(low=3),
        "layer norm, points": Says(high=1),
    },
)
def tiny_batches(seed: int) -> Figures:
    """Digits, 64-50-10, SGD, 4000 images in batches of 2 against 32.

    The rate in proportion to the batch, test error.
    """

    def net(norm: Callable[[int], Any]) -> Any:
        md.seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 50), norm(50), nn.ReLU(),
                             nn.Linear(50, 10, init="head"))  # fmt: skip

    found = {}
    for name, norm in (("batch norm", nn.BatchNorm1d), ("layer norm", nn.LayerNorm)):
        ends = []
        for batch in (2, 32):
            made, parts = net(norm), digits()
            rule = optim.SGD(made.parameters(), lr=0.1 * batch / 32)
            steps(made, rule, parts.train, 4000 // batch, batch=batch, seed=seed,
                  drop_last=True)  # fmt: skip
            ends.append(error(made, parts.test))
        found[f"{name}, points"] = ends[0] - ends[1]
    return found
