"""The recipe, unattended, against a default: `python -m benchmarks.recipe`.

The default is what one would type first: the same net, Adam at a rate of 0.001, as many
epochs as the recipe's last training, nothing searched, on the training part. The recipe
trains its last net on training and validation part together; the one before it, on the
training part alone, stands beside it. The recipe passes where its mean accuracy over
the seeds is not below the default's by more than one standard error of the difference,
taken seed by seed.

A seed takes about 25 seconds of a core for MNIST-5k, a minute for Emoji-32, 8 seconds
for the table.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import minidl as md
from benchmarks.regularizers import Recipe, cnn
from minidl import data, ops, optim
from minidl.data import TensorDataset
from minidl.lab import recipe
from minidl.models import MLP
from minidl.train import Trainer, accuracy

OUT = Path(__file__).parents[1] / "docs" / "recipe.md"
BATCH = 50


def table() -> list[TensorDataset]:
    """Return the breast-cancer data, standardized as the training part tells."""
    parts = data.load_breast_cancer()
    scale = data.standardize(parts.train.x)
    return [TensorDataset(scale(part.x), part.y) for part in parts]


Task = tuple[str, Callable[[], Any], Callable[[], Any], int]
TASKS: list[Task] = [
    ("MNIST-5k", data.load_mnist5k, lambda: MLP([784, 100, 10]), 20),
    ("Emoji-32", data.load_emoji, lambda: cnn(Recipe("", dropout=0.5), 9), 20),
    ("breast cancer", table, lambda: MLP([30, 32, 2]), 30),
]


def by_default(make: Any, parts: Any, epochs: int, seed: int) -> float:
    """Return the test accuracy of the default."""
    md.seed(seed)
    net = make()
    optimizer = optim.Adam(net.parameters(), lr=1e-3)
    trainer = Trainer(net, optimizer, ops.cross_entropy, [accuracy], progress=False)
    trainer.fit(
        data.DataLoader(parts[0], BATCH, shuffle=True, seed=seed), epochs=epochs
    )
    return trainer.evaluate(parts[2])["accuracy"]


class Run(NamedTuple):
    """What one seed gave: accuracies on the test set, and seconds of a core."""

    recipe: float
    before: float
    default: float
    seconds: float

    @property
    def gain(self) -> float:
        """How much better the recipe is than the default."""
        return self.recipe - self.default


def run(task: Task, parts: Any, seed: int) -> Run | None:
    """Run the recipe and the default; None where the recipe stopped."""
    name, _, make, epochs = task
    start = time.process_time()
    report = recipe(
        make, parts, epochs=epochs, batch_size=BATCH, seed=seed, progress=False
    )
    seconds = time.process_time() - start
    print(f"{name}, seed {seed}\n{report}", flush=True)
    if report.chosen is None:
        return None
    found = Run(
        report.test["accuracy"],
        report.chosen.evaluate(parts[2])["accuracy"],
        by_default(make, parts, len(report.history), seed),
        seconds,
    )
    print(found, flush=True)
    return found


def line(name: str, runs: list[Run | None]) -> str:
    """Return a line of the table."""
    whole = [run for run in runs if run is not None]
    if not whole:
        return f"| {name} | stopped in all {len(runs)} | | | | | |"
    gains = [run.gain for run in whole]
    error = statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
    passes = statistics.mean(gains) >= -error and len(whole) == len(runs)
    mine, before, theirs, seconds = zip(*whole, strict=True)
    return (
        f"| {name} | {percent(mine)} | {percent(before)} | {percent(theirs)} | "
        f"{100 * statistics.mean(gains):+.2f} ± {100 * error:.2f} | "
        f"{'yes' if passes else 'no'} | {statistics.mean(seconds):.0f} |"
    )


def percent(values: Sequence[float]) -> str:
    """Return the mean, in percent."""
    return f"{100 * statistics.mean(values):.2f}"


def write(path: Path, found: dict[str, str], seeds: int) -> None:
    """Put the lines of these tasks into the page; those of the others stay."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    known = {line.split(" | ")[0][2:]: line for line in old.splitlines()} | found
    lines = [
        "# The recipe, unattended, against a default",
        "",
        f"Written by `python -m benchmarks.recipe --seeds {seeds}`. "
        + " ".join(__doc__.split("\n\n")[1].split()),
        "",
        "| data | recipe, test % | on the training part | default | recipe − "
        "default, ± its standard error | passes | seconds of a core, a seed |",
        "|---|---|---|---|---|---|---|",
        *(known[name] for name, *_ in TASKS if name in known),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Run the tasks, and write the page after each of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [name for name, *_ in TASKS]
    parser.add_argument("tasks", nargs="*", default=names, metavar="TASK")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    for task in TASKS:
        if task[0] in options.tasks:
            parts = task[1]()
            runs = [run(task, parts, seed) for seed in range(options.seeds)]
            found = {task[0]: line(task[0], runs)}
            print(found[task[0]], flush=True)
            write(options.out, found, options.seeds)


if __name__ == "__main__":
    main()
