"""The demo against the same net and loop in PyTorch: python -m benchmarks.demo

Each side trains in a fresh process on one core; they take turns. Both start from the
same weights and get the same batches from minidl's loader; of the demo are left out the
check of the gradient and the pictures, which PyTorch has no part in. Shown is the
processor's time of the whole, import included, and of the median epoch, as a share of
PyTorch's (the median of the rounds); and each side's accuracy on the test images.
`--profile` prints where the time of an epoch goes, on each side, instead.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.history import RECORD, facts, remember
from benchmarks.rounds import ROOT, Side, environment, once

FAST, KEEP = ("MINIDL_FAST", "0"), ("MINIDL_MALLOC", "keep")
SIDES = [
    Side("torch", "torch"),
    Side("minidl[fast]", "minidl", ROOT, (KEEP,)),
    Side("minidl, NumPy", "minidl", ROOT, (KEEP, FAST)),
    Side("NumPy, default memory", "minidl", ROOT, (FAST,)),
]


def with_minidl(epochs: int) -> Iterator[float]:
    """Train as the demo does: a pause after every epoch, then the accuracy."""
    from minidl import demo
    from minidl.data import load_mnist5k
    from minidl.train import accuracy

    training, validation, test = load_mnist5k()
    net = demo.network()
    for _ in demo.train(net, training, validation, epochs):
        yield 0.0
    yield accuracy(demo.predict(net, test.x), test.y)


def with_torch(epochs: int) -> Iterator[float]:
    """The same lines, in PyTorch."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    from minidl import demo
    from minidl.data import DataLoader, RandomShift, load_mnist5k
    from minidl.optim.schedules import cosine

    torch.set_num_threads(1)
    training, validation, test = load_mnist5k()
    net = nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(16),
        nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32),
        nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(32, 32, 3, bias=False),
        nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3),
        nn.Linear(32 * 5 * 5, 10),
    )  # fmt: skip
    pairs = zip(net.parameters(), demo.network().parameters(), strict=True)
    for theirs, ours in pairs:
        array = ours.data.T if theirs.shape != ours.shape else ours.data
        theirs.data = torch.tensor(np.ascontiguousarray(array))

    @torch.no_grad()
    def predict(x: Any) -> Any:
        net.eval()
        return torch.cat([net(part) for part in torch.tensor(x).split(250)])

    batch = demo.BATCH
    loader = DataLoader(
        training, batch, shuffle=True, drop_last=True, transform=RandomShift(2)
    )
    rate = cosine(demo.RATE, epochs * len(loader))
    optimizer = torch.optim.Adam(net.parameters())
    step = 0
    for _ in range(epochs):
        net.train()
        total, hits = torch.tensor(0.0), torch.tensor(0)
        for batch_x, batch_y in loader:
            x, y = torch.from_numpy(batch_x.data), torch.from_numpy(batch_y.data)
            optimizer.param_groups[0]["lr"] = float(rate(step))
            scores = net(x)
            loss = F.cross_entropy(scores, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
            hits += (scores.argmax(dim=1) == y).sum()
            step += 1
        scores, labels = predict(validation.x), torch.tensor(validation.y)
        (
            float(F.cross_entropy(scores, labels)),
            float((scores.argmax(1) == labels).sum()),
        )
        yield 0.0
    right = predict(test.x).argmax(dim=1) == torch.tensor(test.y)
    yield float(right.float().mean())


def run(library: str, epochs: int) -> dict[str, Any]:
    """Train once in this process; return seconds and the accuracy."""
    start = before = time.process_time()
    took: list[float] = []
    said: list[float] = []
    for number in (with_torch if library == "torch" else with_minidl)(epochs):
        now = time.process_time()
        took.append(now - before)
        said.append(number)
        before = now
    whole, epoch = before - start, statistics.median(took[:-1])
    return {"whole": whole, "epoch": epoch, "accuracy": said[-1]}


def profile(library: str) -> None:
    """Print where the time of the third epoch goes."""
    epochs = (with_torch if library == "torch" else with_minidl)(4)
    next(epochs), next(epochs)
    if library == "torch":
        import torch

        with torch.profiler.profile() as seen:
            next(epochs)
        print(seen.key_averages().table("self_cpu_time_total", row_limit=16))
        return
    import minidl

    with minidl.profile() as found:
        next(epochs)
    print(found)


def main() -> None:
    """Print the table; add a line to the history if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12, help="the demo has 12")
    parser.add_argument("--record", action="store_true", help=RECORD)
    parser.add_argument("--profile", action="store_true", help="of an epoch; no table")
    asked = parser.parse_args()
    if asked.profile:
        for side in SIDES[:-1]:
            print(f"\n{side.name}", flush=True)
            words = [sys.executable, "-m", "benchmarks.demo", "--", "profile"]
            words.append(side.library)
            subprocess.run(words, env=environment(side), cwd=side.root, check=True)
        return
    words = [sys.executable, "-m", "benchmarks.demo", "--", str(asked.epochs)]
    found: dict[str, list[dict[str, Any]]] = {side.name: [] for side in SIDES}
    for _ in range(asked.rounds):
        for side in SIDES:
            found[side.name].append(json.loads(once(side, *words, side.library)))
    print(", ".join(f"{key} {value}" for key, value in facts().items()))
    rows: dict[str, Any] = {"epochs": asked.epochs, "rounds": asked.rounds}
    print(f"{'':24}{'whole, s':>10}{'epoch, s':>10}{'of PyTorch':>16}{'accuracy':>10}")
    for name, runs in found.items():
        row = {key: statistics.median(r[key] for r in runs) for key in runs[0]}
        for key in ("whole", "epoch"):
            pairs = zip(runs, found["torch"], strict=True)
            row[f"{key}_ratio"] = statistics.median(a[key] / b[key] for a, b in pairs)
        rows[name] = row
        ratios = f"{row['whole_ratio']:8.2f}{row['epoch_ratio']:8.2f}"
        shown = (
            f"{row['whole']:10.2f}{row['epoch']:10.3f}{ratios}{row['accuracy']:10.3f}"
        )
        print(f"{name:24}{shown}")
    if asked.record:
        remember(demo=rows)


if __name__ == "__main__":
    if sys.argv[1:3] == ["--", "profile"]:  # fresh processes, for `main`
        profile(sys.argv[3])
    elif sys.argv[1:2] == ["--"]:
        print(json.dumps(run(sys.argv[3], int(sys.argv[2]))))
    else:
        main()
