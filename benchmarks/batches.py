"""Batch size, rate and sharpness: `python -m benchmarks.batches` writes docs/minima.md.

MNIST-5k, 784-30-10, plain SGD. Three questions: are the minima of small batches
flatter, and better, at the same training loss? Does a batch K times as large with K
times the rate follow the curve of the small one? And is sharpness a property of the
function? It takes about 3 minutes of one core.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import minidl as md
from minidl import data, lab, nn, ops, optim, show
from minidl.data import DataLoader, TensorDataset
from minidl.models import MLP
from minidl.optim.schedules import Schedule, constant, warmup
from minidl.train import Trainer, accuracy

DOCS = Path(__file__).parents[1] / "docs"
SIZES = [784, 30, 10]
TARGET, WITHIN = 0.05, 0.02  # the training loss at which minima are compared
MOST = 3000  # epochs
FIRST = 1000  # images on which these runs train
SETTINGS = [(10, 0.05), (50, 0.05), (500, 0.05), (50, 0.5), (500, 0.5)]
EPOCHS, WARM, SMALL = 15, 2, (32, 0.05)  # of the second question
LARGE = [(256, 0.05, 0), *[(b, lr, warm) for b, lr in ((256, 0.4), (512, 0.8),
         (1024, 1.6), (2048, 3.2)) for warm in (0, WARM)]]  # fmt: skip


def first(train: Any) -> TensorDataset:
    """Return the first images: the fewer, the sooner a large batch arrives."""
    return TensorDataset(train.x[:FIRST], train.y[:FIRST])


def judge(net: nn.Module) -> Trainer:
    """Return what measures loss and accuracy."""
    return Trainer(net, None, ops.cross_entropy, [accuracy], progress=False)


def to_target(batch: int, lr: float, train: Any, seed: int) -> tuple[Any, float, float]:
    """Train until the training loss is TARGET ± 2 %; return net, loss, epochs.

    Noisy steps may jump over that: then the net that came nearest is taken.
    """
    md.seed(seed)
    net = MLP(SIZES)
    rule, ask = optim.SGD(net.parameters(), lr=lr), judge(net)
    loader = DataLoader(train, batch, shuffle=True, drop_last=True, seed=seed)
    often = max(1, len(loader) // 20)  # looks at the training loss, near the target
    near, loss, nearest = False, math.inf, (math.inf, {}, 0.0, 0.0)
    for epoch in range(MOST):
        for i, (x, y) in enumerate(loader, start=1):
            ops.cross_entropy(net(x), y).backward()
            rule.step()
            rule.zero_grad()
            if i == len(loader) or (near and i % often == 0):
                loss = ask.evaluate(train)["loss"]
                near, away = loss < 3 * TARGET, abs(loss / TARGET - 1)
                if away < nearest[0]:
                    nearest = away, net.state_dict(), loss, epoch + i / len(loader)
                if away <= WITHIN or loss < TARGET / 2:
                    net.load_state_dict(nearest[1])
                    return net, *nearest[2:]
    raise RuntimeError(f"batches of {batch} at {lr}: the loss is still {loss:.3f}")


def rise(net: nn.Module, train: Any) -> float:
    """Return by how much the loss rises half a filter's length away, in the mean."""
    slices = [
        lab.landscape(net, ops.cross_entropy, train, points=3, span=0.5, seed=seed)
        for seed in range(5)
    ]
    ends = [x for found in slices for x in found.losses[[0, -1]]]
    return float(statistics.mean(ends)) - slices[0].center


def minima(parts: Any, seeds: int) -> tuple[list[str], dict[Any, nn.Module]]:
    """Compare minima at one training loss; return the table, and nets of seed 0."""
    lines = [
        "| batch | rate | epochs | training loss | λ₁ | trace | rise of the slice | "
        "test loss | test error, % |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    train, nets = first(parts.train), {}
    for batch, lr in SETTINGS:
        rows = []
        for seed in range(seeds):
            net, loss, epochs = to_target(batch, lr, train, seed)
            nets.setdefault((batch, lr), net)
            found = lab.sharpness(net, ops.cross_entropy, train, tolerance=0.01)
            if not found.converged:
                raise RuntimeError(f"batches of {batch}, seed {seed}: {found.text}")
            test = judge(net).evaluate(parts.test)
            rows.append([epochs, loss, found.eigenvalue, found.trace,
                         rise(net, train), test["loss"],
                         100 * (1 - test["accuracy"])])  # fmt: skip
        cells = [spread(column) for column in zip(*rows, strict=True)]
        lines.append(f"| {batch} | {lr} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return lines, nets


def curve(batch: int, lr: Schedule, parts: Any, seed: int) -> tuple[list[float], float]:
    """Return the training loss after each epoch, and the test error at the end."""
    md.seed(seed)
    net = MLP(SIZES)
    rule, ask = optim.SGD(net.parameters(), lr=lr), judge(net)
    loader = DataLoader(parts.train, batch, shuffle=True, seed=seed)
    losses = []
    for _ in range(EPOCHS):
        for x, y in loader:
            ops.cross_entropy(net(x), y).backward()
            rule.step()
            rule.zero_grad()
        losses.append(ask.evaluate(parts.train)["loss"])
    return losses, 100 * (1 - ask.evaluate(parts.test)["accuracy"])


def scaling(parts: Any, seeds: int) -> list[str]:
    """Compare large batches with the curve of the small one, seed by seed."""
    lines = [
        "| batch | rate | warm-up, epochs | away from the small batch, % | "
        "training loss | test error, % |",
        "|---|---|---|---|---|---|",
    ]
    small: list[list[float]] = []
    for batch, lr, warm in [(*SMALL, 0), *LARGE]:
        steps = warm * -(-len(parts.train) // batch)
        schedule = warmup(steps, constant(lr)) if steps else constant(lr)
        runs = [curve(batch, schedule, parts, seed) for seed in range(seeds)]
        small = small or [losses for losses, _ in runs]
        away = [
            apart(losses, own) for (losses, _), own in zip(runs, small, strict=True)
        ]
        lines.append(
            f"| {batch} | {lr} | {warm} | {spread(away)} | "
            f"{spread([losses[-1] for losses, _ in runs])} | "
            f"{spread([error for _, error in runs])} |"
        )
        print(lines[-1], flush=True)
    return lines


def apart(losses: list[float], small: list[float]) -> float:
    """Mean of |L / L_small − 1| over the epochs after the warm-up, in percent."""
    ratios = [abs(a / b - 1) for a, b in zip(losses[WARM:], small[WARM:], strict=True)]
    return 100 * statistics.mean(ratios)


def rescaled(net: Any, train: Any) -> str:
    """Multiply one layer by 10 and divide the next by it; say what changes."""
    how = {"tolerance": 0.01, "draws": 0}
    before, low = lab.sharpness(net, ops.cross_entropy, train, **how), rise(net, train)
    hidden, last = net.layers[1], net.layers[3]
    with md.no_grad():
        hidden.weight *= 10
        hidden.bias *= 10
        last.weight /= 10
    after, high = lab.sharpness(net, ops.cross_entropy, train, **how), rise(net, train)
    return f"""\
The net of batches of 50 at 0.05, seed 0, its first layer multiplied by 10 and its
second divided by it: training loss {before.loss:.4f} and {after.loss:.4f}, λ₁
{before.eigenvalue:.2f} and {after.eigenvalue:.0f}, rise of the slice {low:.3f} and
{high:.3f}. The function is the same, and λ₁ is another; the slice is the same, because
its directions are as long as the filters."""


def pictures(nets: dict[Any, Any], train: Any, folder: Path) -> None:
    """Draw slices of the nets of seed 0."""
    names = [f"batch {batch}, rate {lr}" for batch, lr in nets]
    lines = [
        lab.landscape(net, ops.cross_entropy, train, span=1.5, points=31)
        for net in nets.values()
    ]
    show.landscape(lines, names=names, path=folder / "minima.png",
                   title="Minima of equal training loss")  # fmt: skip
    maps = [
        lab.landscape(nets[key], ops.cross_entropy, train, directions=2)
        for key in ((10, 0.05), (500, 0.05))
    ]
    show.landscape(maps, names=["Batches of 10", "Batches of 500"],
                   path=folder / "minima_maps.png")  # fmt: skip


def spread(values: Sequence[float]) -> str:
    """Return mean ± standard error, to three digits of the mean."""
    mean = statistics.mean(values)
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    if mean == error == 0:
        return "0"
    digits = 0
    while abs(mean) * 10**digits < 100 and digits < 4:
        digits += 1
    return f"{mean:.{digits}f} ± {error:.{digits}f}"


PAGE = """\
# Batch size, rate and sharpness

Written by `python -m benchmarks.batches --seeds {seeds}`: MNIST-5k, 784-30-10, plain
SGD. Mean ± standard error over {seeds} seeds.

## Minima at the same training loss

{first} images; each run ends the first time its training loss is within 2 % of
{target}, or nearest to it where a step jumps over that. λ₁ and trace are those of the
Hessian of that loss (`lab.sharpness`). The rise of the slice is by how much the loss
grows half a filter's length away, in the mean of 5 random directions (`lab.landscape`).

{minima}

![slices](pictures/minima.png)

![maps](pictures/minima_maps.png)

At one rate small batches are flatter, and a tenfold rate does as much. Test errors
stand in the order of λ₁. At one rate all batches take about as many steps to the same
loss, so that the small ones see the data fewer times.

## Sharpness is no property of the function

{rescaled}

## A batch K times as large with K times the rate

{all} images, {epochs} epochs, whatever the batch. "Away" is the mean of |L / L₃₂ − 1|
over the epochs after the first {warm}, with L the training loss after an epoch and L₃₂
that of batches of 32 with the same seed.

{scaling}

A warm-up makes the distance larger, for its epochs are lost. Up to 8 times the batch
the curve is followed, up to 16 times its end; beyond that the rate is too high, with a
warm-up of {warm} epochs or without.
"""


def main() -> None:
    """Measure, draw, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=DOCS)
    options = parser.parse_args()
    parts = data.load_mnist5k()
    train = first(parts.train)
    table, nets = minima(parts, options.seeds)
    pictures(nets, train, options.out / "pictures")
    text = PAGE.format(
        seeds=options.seeds, first=FIRST, target=TARGET, minima="\n".join(table),
        rescaled=rescaled(nets[50, 0.05], train), all=len(parts.train), epochs=EPOCHS,
        warm=WARM, scaling="\n".join(scaling(parts, options.seeds)),
    )  # fmt: skip
    (options.out / "minima.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
