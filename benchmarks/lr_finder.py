"""How good is the suggested rate? `python -m benchmarks.lr_finder` runs them all.

Each net is trained in full at 11 rates with 2 seeds; the best rate is the one with the
smallest validation loss. Then 5 sweeps, with and without spikes in the loss, say where
the suggestion of `minidl.lab.lr_finder` lies: within a factor of √10 (the step between
two of the 11 rates) is a hit. It takes about 4 minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minidl as md
from minidl import data, ops, optim
from minidl.errors import NonFiniteError
from minidl.lab import lr_finder
from minidl.lab.lr_finder import read
from minidl.models import CNN, MLP
from minidl.train import Trainer

RATES = 10 ** np.linspace(-4, 1, 11)
RULES = {"SGD": optim.SGD, "Momentum": optim.Momentum, "Adam": optim.Adam}
Task = tuple[str, Callable[[], Any], Callable[[], Any], int]
TASKS: list[Task] = [
    ("MLP, digits", data.load_digits, lambda: MLP([64, 50, 10]), 4),
    ("deep MLP with batch norm, digits", data.load_digits,
     lambda: MLP([64, 50, 50, 50, 10], norm=True), 4),
    ("MLP, MNIST-5k", data.load_mnist5k, lambda: MLP([784, 100, 10]), 3),
    ("CNN, MNIST-5k", data.load_mnist5k, lambda: CNN(1, 10, (8, 16)), 1),
]  # fmt: skip
SPIKES, SIZE = 0.03, 20.0  # so many losses are so many times too large


def loss_at(rate: float, parts: Any, make: Any, rule: Any, epochs: int) -> float:
    """Return the mean validation loss of full runs at a rate."""
    ends = []
    for seed in range(2):
        md.seed(seed)
        net = make()
        optimizer = rule(net.parameters(), lr=rate)
        trainer = Trainer(net, optimizer, ops.cross_entropy, progress=False)
        loader = data.DataLoader(parts.train, 50, shuffle=True, seed=seed)
        try:
            history = trainer.fit(loader, parts.validation, epochs)
            ends.append(history["val_loss"][-1])
        except NonFiniteError:
            ends.append(float("inf"))
    return float(np.mean(ends))


def suggestions(parts: Any, make: Any, rule: Any, spikes: float) -> list[float]:
    """Return the suggestions of 5 sweeps."""
    found, rng = [], np.random.default_rng(0)
    for seed in range(5):
        md.seed(seed)
        loader = data.DataLoader(parts.train, 50, shuffle=True, seed=seed)
        sweep = lr_finder(make(), ops.cross_entropy, loader, optimizer=rule)
        hit = rng.random(len(sweep.losses)) < spikes
        found.append(
            read(sweep.rates, np.where(hit, SIZE, 1) * sweep.losses).suggestion
        )
    return found


def main() -> None:
    """Print a line for each net and rule, and how many suggestions hit."""
    hits, spiked_hits, n = 0, 0, 0
    for name, load, make, epochs in TASKS:
        parts = load()
        for rule_name, rule in RULES.items():
            losses = [loss_at(rate, parts, make, rule, epochs) for rate in RATES]
            best = float(RATES[int(np.argmin(losses))])
            calm = suggestions(parts, make, rule, 0.0)
            spiked = suggestions(parts, make, rule, SPIKES)
            hits += sum(near(lr, best) for lr in calm)
            spiked_hits += sum(near(lr, best) for lr in spiked)
            n += len(calm)
            print(
                f"{name}, {rule_name}: best {best:.2g}, suggested {min(calm):.2g} to "
                f"{max(calm):.2g}",
                flush=True,
            )
    print(f"within a factor of 3.2: {hits} of {n}; with spikes: {spiked_hits} of {n}")


def near(rate: float, best: float) -> bool:
    """Whether two rates are within a factor of √10; NaN is not."""
    return abs(np.log10(rate / best)) <= 0.5


if __name__ == "__main__":
    main()
