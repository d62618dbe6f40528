"""The demo: a network trained on real images, end to end, in the open.

`minidl demo` runs `main`. Read it as the first program to write with minidl: data, a
network, a check of its gradient, the training loop, the test, the pictures.

x (N, 1, 28, 28) images    y (N,) labels    scores (N, 10)
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minidl import backend, nn, ops, optim, show
from minidl.backend import Array, to_numpy
from minidl.check import gradcheck
from minidl.data import DataLoader, RandomShift, TensorDataset, load_mnist5k
from minidl.engine.modes import no_grad
from minidl.engine.tensor import Tensor
from minidl.optim.schedules import cosine
from minidl.train import accuracy, confusion_matrix

EPOCHS, BATCH, RATE = 12, 50, 4e-3
PICTURES = {
    "curves.png": "how training went",
    "filters.png": "what the first layer looks for",
    "confusion.png": "which digits were taken for which",
    "mistakes.png": "the mistakes it was surest of",
}
Record = dict[str, float]


def network() -> nn.Sequential:
    """Three convolutions, 28 → 14 → 7 → 5 pixels wide, and a linear classifier.

    No bias before batch norm, which has its own. The first filters start small: batch
    norm undoes the scale, and what they learn is easier to see in the picture.
    """
    small = nn.init.small_random
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2, padding=2, bias=False, init=small),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.MaxPool2d(2),  # before ReLU: the same numbers for a quarter of the work
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(32 * 5 * 5, 10, init="head"),
    )


class Objective(nn.Module):
    """What training makes small: the loss of a network, a function of its weights."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the cross entropy of a batch."""
        loss: Tensor = ops.cross_entropy(self.net(x), y)
        return loss


def check(net: nn.Module, data: TensorDataset) -> str:
    """Compare the gradients of weights and pixels with differences; say how it went.

    Raises GradientError if one is wrong. A little noise keeps equal pixels apart: where
    two are the largest of a pooling window there is no derivative to compare with. The
    steps are small, so that they pass few of the places where a ReLU bends.
    """
    x, y = data.x[:4], data.y[:4]
    x = x + np.random.default_rng(0).normal(0, 0.05, x.shape)
    x, y = (backend.to_device(a, backend.default_device()) for a in (x, y))
    report = gradcheck(Objective(net), [x, y], eps=2e-8)
    numbers = sum(int(np.prod(f.shape)) for f in report.findings)
    return f"agrees with differences to {report.error:.0e}, for all {numbers} numbers"


def train(
    net: nn.Module, data: TensorDataset, validation: TensorDataset, epochs: int
) -> Iterator[Record]:
    """Follow Adam down a cosine, and report after every epoch.

    This is the loop that `minidl.train.Trainer` holds, written out once to be read; the
    programs in examples/ use the Trainer.

    Each epoch shows every image once, moved by up to two pixels; no image is the same
    twice, and 3500 of them last longer.
    """
    loader = DataLoader(
        data, BATCH, shuffle=True, drop_last=True, transform=RandomShift(2)
    )
    steps = max(1, epochs * len(loader))
    optimizer = optim.Adam(net.parameters(), lr=cosine(RATE, steps))
    for epoch in range(1, epochs + 1):
        net.train()
        total: Array | float = 0.0
        hits: Array | int = 0
        for x, y in loader:
            scores = net(x)
            loss = ops.cross_entropy(scores, y)
            net.zero_grad()
            loss.backward()
            optimizer.step()
            total = total + loss.data  # stays on its device: nobody waits for a number
            hits = hits + (scores.data.argmax(axis=1) == y.data).sum()
        scores = predict(net, validation.x)
        yield {
            "epoch": epoch,
            "train_loss": float(total) / len(loader),
            "val_loss": float(ops.cross_entropy(scores, validation.y)),
            "train_accuracy": float(hits) / (len(loader) * BATCH),
            "val_accuracy": accuracy(scores, validation.y),
        }


@no_grad()
def predict(net: nn.Module, x: Array) -> Array:
    """Return the scores of images as a NumPy array.    x (N, 1, 28, 28) -> (N, 10)"""
    net.eval()
    return np.concatenate([to_numpy(net(part)) for (part,) in DataLoader((x,), 250)])


def draw(
    net: nn.Sequential, history: list[Record], test: Any, scores: Array, out: Path
) -> None:
    """Draw how training went, and what came of it, into the folder `out`."""
    show.curves(history, path=out / "curves.png")
    title = "What the first layer looks for: 16 filters, 5 × 5"
    show.filters(net[0].weight, title=title, path=out / "filters.png")
    show.confusion(confusion_matrix(scores, test.y), path=out / "confusion.png")
    show.mistakes(test.x, test.y, ops.softmax(scores), path=out / "mistakes.png")


def main(
    device: str = "cpu", seed: int = 0, epochs: int = EPOCHS, out: str | Path = "demo"
) -> float:
    """Run all of it, print what happens, and return the accuracy on the test images."""
    start, out = time.perf_counter(), Path(out)
    out.mkdir(parents=True, exist_ok=True)  # better to fail now than after training
    backend.use(device)
    backend.seed(seed)
    training, validation, test = load_mnist5k()
    sizes = [len(part) for part in (training, validation, test)]
    say("data", "digits: {} to learn from, {} to watch, {} to test".format(*sizes))
    net = network()
    say("network", f"{net.num_parameters()} weights in {len(net)} layers, on {device}")
    say("gradient", check(net, training))
    history = []
    for record in train(net, training, validation, epochs):
        history.append(record)
        progress(record, epochs)
    scores = predict(net, test.x)
    draw(net, history, test, scores, out)
    for name, what in PICTURES.items():
        say("picture", f"{out / name}: {what}")
    say("time", f"{time.perf_counter() - start:.0f} s")
    result = accuracy(scores, test.y)
    print(f"test accuracy {result:.3f}")
    return result


def say(what: str, text: str) -> None:
    """Print a line of the report."""
    print(f"{what:<10} {text}", flush=True)


def progress(record: Record, epochs: int) -> None:
    """Print how far training is: one line that changes on a terminal, else one more."""
    epoch, live = int(record["epoch"]), sys.stdout.isatty()
    done = round(8 * epoch / epochs)
    bar = f"{'━' * done}{'╌' * (8 - done)}  " if live else ""
    line = (
        f"epoch {epoch:>2}/{epochs}  {bar}loss {record['train_loss']:.3f}  "
        f"validation accuracy {record['val_accuracy']:.3f}"
    )
    end = "" if live and epoch < epochs else "\n"
    print(f"\r{line}" if live else line, end=end, flush=True)
