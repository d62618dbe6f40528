"""Train the small networks in the package: `python -m benchmarks.pretrain [NAME …]`.

Each is trained from one seed on a data set in the package, and written to
minidl/models/weights/, where `md.models.pretrained(name)` finds it. Another BLAS or
kernel gives other last digits, and so other weights; tests ask what the files know, not
which bits they hold. The command says how many test images the new file and the one in
the package answer alike: "emoji-cnn" 98.9 % of 272, with the same accuracy, 59.2 %.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minidl as md
from minidl import data, models, ops, optim
from minidl.models.trained import SMALL
from minidl.train import Trainer, accuracy

OUT = Path(models.__file__).parent / "weights"
SEED = 0


class Task(NamedTuple):
    """Data to learn from and to be judged on, how to change images, how long."""

    load: Callable[[], tuple[Any, Any]]
    transform: data.transforms.Transform
    epochs: int


def some_digits(part: Any, digits: range) -> data.TensorDataset:
    """Return the images of some digits, as classes from 0."""
    chosen = np.flatnonzero(np.isin(part.y, digits))
    return data.TensorDataset(part.x[chosen], part.y[chosen] - digits[0])


def digits_0_4() -> tuple[Any, Any]:
    """Return the digits 0 to 4 of MNIST-5k: 1750 to learn from, 500 for test."""
    train, _, test = data.load_mnist5k()
    return some_digits(train, range(5)), some_digits(test, range(5))


def emoji() -> tuple[Any, Any]:
    """Return Emoji-32 in its 9 groups: 1395 to learn from, 272 for test."""
    train, _, test = data.load_emoji()
    return train, test


TASKS = {
    "digits-cnn": Task(digits_0_4, data.RandomShift(2), 8),
    "emoji-cnn": Task(
        emoji, data.Compose([data.RandomFlip(), data.RandomShift(3, fill=1.0)]), 20
    ),
}


class Pretrained(NamedTuple):
    """A trained network, and what it says of the test data.

    accuracy  how many answers are right
    alike     how many are those of the network in the package
    """

    net: Any
    accuracy: float
    alike: float


def pretrain(name: str) -> Pretrained:
    """Train a network, and compare it with the one in the package."""
    task = TASKS[name]
    train, test = task.load()
    net = SMALL[name]()
    md.seed(SEED)
    loader = data.DataLoader(
        train, 50, shuffle=True, seed=SEED, transform=task.transform
    )
    schedule = optim.schedules.cosine(3e-3, len(loader) * task.epochs)
    optimizer = optim.AdamW(net.parameters(), lr=schedule, weight_decay=0.05)
    trainer = Trainer(net, optimizer, ops.cross_entropy, [accuracy], progress=False)
    trainer.fit(loader, epochs=task.epochs)
    said = trainer.predict(test.x).argmax(axis=1)
    before = Trainer(models.pretrained(name), None, ops.cross_entropy, progress=False)
    alike = float((said == before.predict(test.x).argmax(axis=1)).mean())
    return Pretrained(net, accuracy(said, test.y), alike)


def main() -> None:
    """Train the networks that are named, or all, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", default=[*TASKS])
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    for name in options.names:
        start = time.perf_counter()
        found = pretrain(name)
        path = options.out / f"{name}.safetensors"
        md.save(found.net, path)
        print(f"{name}: {found.accuracy:.1%} right on the test images, "
              f"{found.alike:.1%} answered as by the one in the package; {path}, "
              f"{path.stat().st_size:,} bytes, {time.perf_counter() - start:.0f} s",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
