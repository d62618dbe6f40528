"""What each regularizer does: `python -m benchmarks.regularizers` writes a table.

One network, one budget, one change at a time; the same five seeds for every row, so
that a row is compared with the plain network seed by seed. Hyperparameters are those
that one would try first, and were not tuned: the table shows directions, not records.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import minidl as md
from minidl import data, nn, ops, optim
from minidl.train import EarlyStopping, Trainer, accuracy

OUT = Path(__file__).parents[1] / "docs" / "regularizers.md"
BATCH = 50
HEAD = """# What each regularizer does

Written by `python -m benchmarks.regularizers`. Mean ± standard deviation over the
seeds; "less than plain" is taken seed by seed, and so is its deviation. Nothing was
tuned."""


@dataclass
class Recipe:
    """What is changed in a row: layers, loss, loader, decay or callbacks."""

    says: str
    dropout: float = 0.0
    noise: float = 0.0
    decay: float = 0.0
    smoothing: float = 0.0
    loader: dict[str, Any] = field(default_factory=dict)
    callbacks: Callable[[], list[Any]] = list


@dataclass
class Task:
    """Data, a network for them, a learning rate, and how to augment."""

    name: str
    load: Callable[[], Any]
    net: Callable[[Recipe, int], Any]
    rate: float
    epochs: int
    augment: Callable[[], Any]
    augmentation: str


def mlp(recipe: Recipe, classes: int) -> Any:
    """784-256-256-10; noise at the input, dropout before each linear layer but one."""
    return nn.Sequential(
        nn.Flatten(), nn.GaussianNoise(recipe.noise),
        nn.Linear(784, 256), nn.ReLU(), nn.Dropout(recipe.dropout),
        nn.Linear(256, 256), nn.ReLU(), nn.Dropout(recipe.dropout),
        nn.Linear(256, classes),
    )  # fmt: skip


def cnn(recipe: Recipe, classes: int) -> Any:
    """Two convolutions, the first with stride 2, two poolings, a linear classifier."""
    return nn.Sequential(
        nn.GaussianNoise(recipe.noise),
        nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(recipe.dropout), nn.Linear(512, classes),
    )  # fmt: skip


def flipped_and_shifted() -> Any:
    """For objects: mirror images are as good, and so are moved ones."""
    return data.Compose([data.RandomFlip(), data.RandomShift(3, fill=1.0)])


def tasks() -> list[Task]:
    """Handwritten digits for a network of linear layers, small pictures for a CNN."""
    return [
        Task("MNIST-5k", data.load_mnist5k, mlp, 0.05, 30,
             lambda: data.RandomShift(2), "shifts by up to 2 pixels"),
        Task("Emoji-32", data.load_emoji, cnn, 0.02, 30,
             flipped_and_shifted, "flips, shifts by up to 3 pixels"),
    ]  # fmt: skip


def recipes(task: Task, classes: int) -> dict[str, Recipe]:
    """The rows of the table."""
    mixup = {"mix": partial(data.mixup, classes=classes, alpha=0.2)}
    cutmix = {"mix": partial(data.cutmix, classes=classes, alpha=1.0)}
    stop = partial(EarlyStopping, "val_loss", patience=5)
    return {
        "none": Recipe("the plain network"),
        "L2": Recipe("weight decay 10⁻³", decay=1e-3),
        "dropout": Recipe("p = 0.5", dropout=0.5),
        "augmentation": Recipe(
            task.augmentation, loader={"transform": task.augment()}
        ),
        "noise": Recipe("N(0, 0.2²) on the input", noise=0.2),
        "label smoothing": Recipe("ε = 0.1", smoothing=0.1),
        "mixup": Recipe("α = 0.2", loader=mixup),
        "CutMix": Recipe("α = 1", loader=cutmix),
        "early stopping": Recipe("patience 5 epochs", callbacks=lambda: [stop()]),
    }  # fmt: skip


def run(task: Task, recipe: Recipe, parts: Any, seed: int, epochs: int) -> list[float]:
    """Train once; return error on test (%), loss on test, error on training, epochs."""
    md.seed(seed)
    net = task.net(recipe, parts.train.classes)
    optimizer = optim.Momentum(
        net.parameters(), lr=task.rate, weight_decay=recipe.decay
    )
    loss = partial(ops.cross_entropy, label_smoothing=recipe.smoothing)
    trainer = Trainer(
        net, optimizer, loss, [accuracy], recipe.callbacks(), progress=False
    )
    loader = data.DataLoader(
        parts.train, BATCH, shuffle=True, seed=seed, **recipe.loader
    )
    history = trainer.fit(loader, parts.validation, epochs)
    trainer.loss = ops.cross_entropy  # one measure for all
    test, train = trainer.evaluate(parts.test), trainer.evaluate(parts.train)
    errors = [100 * (1 - result["accuracy"]) for result in (test, train)]
    return [errors[0], test["loss"], errors[1], float(len(history))]


def table(task: Task, seeds: int, epochs: int | None) -> list[str]:
    """Run every row with every seed; return the table's lines."""
    parts, epochs = task.load(), epochs or task.epochs
    lines = [
        f"## {task.name}",
        "",
        f"{len(parts.train)} images to train on, {len(parts.validation)} for "
        f"validation, {len(parts.test)} for test; `{task.net.__name__}`, momentum 0.9, "
        f"rate {task.rate}, batches of {BATCH}, {epochs} epochs, {seeds} seeds.",
        "",
        "| regularizer | | test error, % | less than plain, % | test loss | "
        "training error, % | epochs |",
        "|---|---|---|---|---|---|---|",
    ]
    plain: list[float] = []
    for name, recipe in recipes(task, parts.train.classes).items():
        start = time.perf_counter()
        results = [run(task, recipe, parts, seed, epochs) for seed in range(seeds)]
        errors, losses, known, used = map(list, zip(*results, strict=True))
        plain = plain or errors
        gains = [a - b for a, b in zip(plain, errors, strict=True)]
        lines.append(
            f"| {name} | {recipe.says} | {spread(errors)} | {spread(gains, '+')} | "
            f"{spread(losses)} | {statistics.mean(known):.2f} | "
            f"{statistics.mean(used):.0f} |"
        )
        print(f"{lines[-1]}  {time.perf_counter() - start:.0f} s", flush=True)
    return [*lines, ""]


def spread(values: list[float], sign: str = "") -> str:
    """Return mean ± standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):{sign}.2f} ± {deviation:.2f}"


def write(path: Path, name: str, section: str) -> None:
    """Put a section into the page, in the order of the tasks; the others stay."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    sections = {part.split("\n")[0]: f"## {part}" for part in old.split("\n## ")[1:]}
    sections[name] = section
    known = [sections[task.name].rstrip() for task in tasks() if task.name in sections]
    path.write_text("\n\n".join([HEAD, *known]) + "\n", encoding="utf-8")


def main() -> None:
    """Make the tables, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", default=[t.name for t in tasks()])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="default: 30")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for task in tasks():
        if task.name in options.tasks:
            lines = table(task, options.seeds, options.epochs)
            write(options.out, task.name, "\n".join(lines))
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
