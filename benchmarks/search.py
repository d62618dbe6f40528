"""Grid against random search: `python -m benchmarks.search` writes docs/search.md.

Digits, 64-50-10, one epoch of plain SGD; 9 trials of each search. The rate matters, the
weight decay does not: a grid of 3 × 3 sees 3 rates, a random search 9. Best accuracy on
the validation set, over 20 seeds (of weights, order and draws).
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from minidl import lab, ops, optim, show
from minidl.data import DataLoader, load_digits
from minidl.models import MLP
from minidl.train import Trainer, accuracy

DOCS = Path(__file__).parents[1] / "docs"
SPACE = {"lr": lab.log_uniform(3e-4, 30), "weight_decay": lab.log_uniform(1e-6, 1e-3)}
TRIALS, SIDE = 9, 3


def objective(lr: float, weight_decay: float) -> float:
    """Return the validation accuracy after one epoch."""
    net = MLP([64, 50, 10])
    optimizer = optim.SGD(net.parameters(), lr=lr, weight_decay=weight_decay)
    trainer = Trainer(net, optimizer, ops.cross_entropy, [accuracy], progress=False)
    train, validation, _ = load_digits()
    history = trainer.fit(DataLoader(train, 50, shuffle=True), validation)
    return float(history["val_accuracy"][0])


def pair(seed: int) -> tuple[lab.Result, lab.Result]:
    """Return a grid and a random search with as many trials."""
    how = {"mode": "max", "seed": seed, "progress": False}
    return (
        lab.grid_search(objective, SPACE, SIDE, **how),
        lab.random_search(objective, SPACE, TRIALS, **how),
    )


def main() -> None:
    """Run all seeds, and write the page and its picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=DOCS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    pairs = [pair(seed) for seed in range(options.seeds)]
    best = [[result.best.value for result in both] for both in pairs]
    wins = sum(random > grid for grid, random in best)
    grids, randoms = zip(*best, strict=True)
    lines = [
        "# Grid against random search",
        "",
        "Written by `python -m benchmarks.search`. "
        + " ".join(__doc__.split("\n\n")[1].split()),
        "",
        "| search | rates seen | best accuracy, mean ± deviation | worst seed |",
        "|---|---|---|---|",
        f"| grid, 3 × 3 | 3 | {spread(grids)} | {min(grids):.3f} |",
        f"| random, 9 draws | 9 | {spread(randoms)} | {min(randoms):.3f} |",
        "",
        f"Random is better in {wins} of {options.seeds} seeds. The picture is seed 0.",
        "",
        "![nine points on a grid, nine at random, their shadows](pictures/search.png)",
    ]
    (options.out / "search.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    show.search(
        *pairs[0], names=["Grid", "Random"], x="lr", y="weight_decay",
        path=options.out / "pictures" / "search.png",
    )  # fmt: skip
    print("\n".join(lines[4:9]))


def spread(values: tuple[float, ...]) -> str:
    """Return mean ± standard deviation."""
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


if __name__ == "__main__":
    main()
