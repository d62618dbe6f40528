"""Claims about choosing hyper-parameters: area 1b of docs/topics.cfg."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import minidl as md
from benchmarks.claims.claim import Figures, Says, claim
from benchmarks.claims.training import digits, error, images, judge, sgd, small, steps
from minidl import data, lab, nn, ops, optim
from minidl.data import KFold, TensorDataset, train_test_split
from minidl.models import CNN, GPT, MLP, CharRNN

mean = np.mean


@claim(
    topic="Random search",
    says="Draw the settings log-uniformly.",
    agrees={
        "mean of log₁₀": Says(-2.05, -1.95),
        "log-uniform above 0.1, %": Says(23, 27),
        "uniform above 0.1, %": Says(low=89),
    },
)
def log_uniform(seed: int) -> Figures:
    """10,000 draws of `lab.log_uniform(1e-4, 1)` and `lab.uniform`."""
    rng, n = np.random.default_rng(seed), 10_000

    def draws(domain: Any) -> Any:
        return np.array([domain.at(rng.uniform()) for _ in range(n)])

    spread, even = draws(lab.log_uniform(1e-4, 1)), draws(lab.uniform(1e-4, 1))
    return {
        "mean of log₁₀": mean(np.log10(spread)),
        "log-uniform above 0.1, %": 100 * mean(spread > 0.1),
        "uniform above 0.1, %": 100 * mean(even > 0.1),
    }


@claim(
    topic="Cross-validation",
    says="k folds judge better than one split.",
    agrees={
        "k = 2": Says(high=1),
        "k = 5": Says(high=1),
        "k = 10": Says(high=1),
    },
    note=(
        "It costs k trainings, so it is for small data; lecture notes that call a "
        "held-out set cross-validation mean another thing."
    ),
)
def folds(seed: int) -> Figures:
    """Wine, a linear model.

    Standard deviation over 20 shuffles of the mean of k folds / of one split of the
    same size.
    """
    parts = data.load_wine()
    x = np.concatenate([part.x for part in parts])
    y = np.concatenate([part.y for part in parts])

    def accuracy(train: TensorDataset, held_out: TensorDataset) -> float:
        scale = data.standardize(train.x)
        md.seed(seed)
        net = MLP([13, 3])
        rule = optim.Adam(net.parameters(), lr=0.1)
        known, asked = (TensorDataset(scale(p.x), p.y) for p in (train, held_out))
        steps(net, rule, known, 20, batch=200)
        return judge(net, asked)["accuracy"]

    found = {}
    for k in (2, 5, 10):
        folded, single = [], []
        for shuffle in range(20):
            rng = 100 * seed + shuffle
            parts_of = list(KFold(k, rng=rng).split(x, y))
            folded.append(mean([accuracy(*pair) for pair in parts_of]))
            one = train_test_split(x, y, test_size=1 / k, rng=rng)
            single.append(accuracy(*one))
        found[f"k = {k}"] = np.std(folded) / np.std(single)
    return found


@claim(
    topic="Step 1: the first loss",
    says="Without weight decay the first loss is log K.",
    agrees={
        "MLP": Says(0.9, 1.1),
        "CNN": Says(0.9, 1.1),
        "character LSTM": Says(0.9, 1.1),
        "GPT": Says(0.9, 1.1),
    },
    note=(
        "It is a property of the last layer: with weights of He's size there the loss "
        "is larger, and nothing is broken."
    ),
)
def first_losses(seed: int) -> Figures:
    """New models of the package, first loss / log K."""
    x, y = (part[:200] for part in digits().train.arrays)
    image, label = (part[:100] for part in images(seed=seed)[1].train.arrays)
    rng = np.random.default_rng(seed)
    text = rng.integers(0, 78, (8, 33))

    def ratio(net: Any, x: Any, y: Any, classes: int) -> float:
        scores = net(x)
        scores = scores[0] if isinstance(scores, tuple) else scores
        loss = ops.cross_entropy(scores.reshape(-1, classes), y.reshape(-1))
        return loss.item() / math.log(classes)

    he = nn.Sequential(nn.Flatten(), nn.Linear(64, 50, rng=seed), nn.ReLU(),
                       nn.Linear(50, 10, rng=seed + 1))  # fmt: skip
    return {
        "MLP": ratio(MLP([64, 50, 10], rng=seed), x, y, 10),
        "CNN": ratio(CNN(1, 10, rng=seed), image.reshape(-1, 1, 28, 28), label, 10),
        "character LSTM": ratio(CharRNN(78, 16, 32, rng=seed), text[:, :-1],
                                text[:, 1:], 78),
        "GPT": ratio(GPT(78, 32, 16, 2, 1, rng=seed), text[:, :-1], text[:, 1:], 78),
        "last layer of He's size": ratio(he, data.standardize(x)(x), y, 10),
    }  # fmt: skip


def twice(scores: Any, y: Any) -> Any:
    """Cross entropy of what is a softmax already."""
    return ops.cross_entropy(ops.softmax(scores), y)


def zeros() -> Any:
    """A net that begins with zeros: all hidden units stay equal."""
    net = MLP([64, 50, 10])
    with md.no_grad():
        for p in net.parameters():
            p[...] = 0.0
    return net


class Saturated(nn.Module):
    """A net whose hidden sigmoids are flat wherever they are asked."""

    def __init__(self) -> None:
        self.hidden, self.out = nn.Linear(64, 50), nn.Linear(50, 10)

    def forward(self, x: Any) -> Any:
        """Return the scores."""
        return self.out(ops.sigmoid(1000 * self.hidden(x.reshape(len(x), -1))))


@claim(
    topic="Step 2: overfit a small sample",
    says="5 batches must be memorized; what cannot do that has a bug.",
    agrees={
        "healthy nets": Says(low=1),
        "zeros at the start": Says(high=0),
        "softmax twice": Says(high=0),
        "rate of 1e-6": Says(high=0),
        "rate of 1e3": Says(high=0),
        "wrong sign": Says(high=0),
        "saturated": Says(high=0),
    },
    note="One of five nets with a second softmax memorized the batches all the same.",
)
def five_batches(seed: int) -> Figures:
    """Digits, 64-50-10, 5 batches of 50, `lab.overfit` with 200 steps.

    Share of runs that it passes.
    """
    plain: Callable[[], Any] = functools.partial(MLP, [64, 50, 10])
    bugs: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
        "healthy nets": (plain, {}),
        "zeros at the start": (zeros, {}),
        "softmax twice": (plain, {"loss": twice}),
        "rate of 1e-6": (plain, {"lr": 1e-6}),
        "rate of 1e3": (plain, {"lr": 1e3}),
        "wrong sign": (plain, {"optimizer": functools.partial(optim.SGD,
                                                              maximize=True)}),
        "saturated": (Saturated, {}),
    }  # fmt: skip
    found = {}
    for name, (make, how) in bugs.items():
        step = lab.overfit(make, digits(), steps=200, seed=seed, **how)
        found[name] = float(step.ok)
    return found


@claim(
    topic="Steps 4, 5 and 7: coarse grid, refine, again",
    says="1 to 5 epochs are enough to choose among settings.",
    agrees={
        "after 1 and 10": Says(low=0.5),
        "after 3 and 10": Says(low=0.5),
    },
)
def one_epoch_tells(seed: int) -> Figures:
    """Digits, 64-50-10, 12 settings of rate (0.001 to 1) and weight decay, momentum.

    Rank correlation of their validation losses after.
    """
    rng = np.random.default_rng(seed)
    ends = []
    for _ in range(12):
        lr, decay = 10 ** rng.uniform(-3, 0), 10 ** rng.uniform(-5, -3)
        net, parts = small(seed)
        rule = sgd(net.parameters(), lr, weight_decay=decay)
        row = []
        for epoch in range(10):
            steps(net, rule, parts.train, 24, seed=100 * seed + epoch)
            row.append(judge(net, parts.validation)["loss"])
        ends.append(row)
    ranks = np.argsort(np.argsort(np.array(ends), axis=0), axis=0)
    return {
        f"after {epochs} and 10": float(np.corrcoef(ranks[:, [epochs - 1, 9]].T)[0, 1])
        for epochs in (1, 3)
    }


@claim(
    topic="Update-to-weight ratio",
    says="An update is about 1/1000 of the weights.",
    agrees={
        "at the best rate of momentum": Says(0.0001, 0.01),
        "at the best rate of Adam": Says(0.0001, 0.01),
    },
    note="In so short a training the best rates move the weights 20 times as fast.",
)
def update_ratio(seed: int) -> Figures:
    """784-30-10, 3 epochs; median ratio of the first layer at the best of 8 rates."""
    found = {}
    for name, make, top in (("momentum", sgd, 1.0), ("Adam", optim.Adam, 0.1)):
        tried = []
        for lr in top * 10 ** np.linspace(-3.5, 0, 8):
            net, parts = images(seed=seed)
            rule, w = make(net.parameters(), lr=float(lr)), net.layers[1].weight
            ratios = []
            for t in range(60):
                before = w.data.copy()
                steps(net, rule, parts.train, 1, seed=100 * seed + t)
                ratios.append(np.linalg.norm(w.data - before) / np.linalg.norm(before))
            tried.append((error(net, parts.validation), np.median(ratios)))
        found[f"at the best rate of {name}"] = min(tried)[1]
    return found


@claim(
    topic="Accuracy as the number to watch",
    says="Accuracy is what one monitors.",
    agrees={
        "accuracy, late − early, points": Says(-1, 1),
        "loss, late / early": Says(0.9, 1.1),
    },
    note=(
        "It would be enough if nets of equal accuracy had equal losses: accuracy does "
        "not see that a net becomes sure of its mistakes."
    ),
)
def accuracy_is_not_all(seed: int) -> Figures:
    """784-30-10, momentum, after 200 and after 2000 steps."""
    net, parts = images(seed=seed)
    rule, rows = sgd(net.parameters(), 0.05), []
    for n in (200, 1800):
        steps(net, rule, parts.train, n, seed=seed)
        seen = judge(net, parts.test)
        with md.no_grad():
            p = ops.softmax(net(md.Tensor(parts.test.x))).data
        sure = np.argsort(-p.max(axis=1))[: len(p) // 2]
        wrong = 100 * mean(p[sure].argmax(axis=1) != parts.test.y[sure])
        rows.append((100 * seen["accuracy"], seen["loss"], wrong))
    (early, loss, wrong), (late, later_loss, later_wrong) = rows
    return {
        "accuracy, late − early, points": late - early,
        "loss, late / early": later_loss / loss,
        "errors in the surer half, early, %": wrong,
        "errors in the surer half, late, %": later_wrong,
    }
