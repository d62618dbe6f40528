"""What the loader adds to an epoch of a CNN: python -m benchmarks.loader [--rounds N]

The demo's network and data, 25 steps of 50 images, forward and backward with Adam. In
each round, one after the other in an order that rotates: batches that lie ready in a
list; a shuffling DataLoader; one that augments (shifts, adds noise, cuts holes); the
same, prepared by a thread. The table shows each time over the list's, the median of
the rounds and their range. `--record` adds a line to history.jsonl.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.history import RECORD, remember
from minidl import backend, data, demo, ops, optim

STEPS, BATCH = 25, 50


def loaders() -> dict[str, Iterable[Any]]:
    """Return the four ways to the same number of batches."""
    train = data.load_mnist5k().train
    some = train.x[: STEPS * BATCH], train.y[: STEPS * BATCH]
    changes = data.Compose(
        [data.RandomShift(2), data.GaussianNoise(0.05), data.Cutout(6)]
    )
    plain = data.DataLoader(some, BATCH, shuffle=True, seed=0)
    return {
        "list": list(plain),
        "loader": plain,
        "augmented": data.DataLoader(
            some, BATCH, shuffle=True, seed=0, transform=changes
        ),
        "prefetched": data.DataLoader(
            some, BATCH, shuffle=True, seed=0, transform=changes, prefetch=2
        ),
    }


def epoch() -> Callable[[Iterable[Any]], float]:
    """Return a function that trains through some batches and returns its seconds."""
    backend.seed(0)
    net = demo.network()
    optimizer = optim.Adam(net.parameters(), lr=1e-3)

    def run(batches: Iterable[Any]) -> float:
        start = time.perf_counter()
        for x, y in batches:
            optimizer.zero_grad()
            ops.cross_entropy(net(x), y).backward()
            optimizer.step()
        return time.perf_counter() - start

    return run


def main() -> None:
    """Measure, print the table, and add a line to the history if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--record", action="store_true", help=RECORD)
    asked = parser.parse_args()
    ways, run = loaders(), epoch()
    names = list(ways)
    times: dict[str, list[float]] = {name: [] for name in names}
    for name in names:  # once to warm up
        run(ways[name])
    for i in range(asked.rounds):
        for name in names[i % 4 :] + names[: i % 4]:
            times[name].append(run(ways[name]))
    found: dict[str, list[float]] = {}
    print(f"{STEPS} steps from a list: {statistics.median(times['list']) * 1e3:.0f} ms")
    for name in names[1:]:
        ratios = sorted(a / b for a, b in zip(times[name], times["list"], strict=True))
        row = [statistics.median(ratios), ratios[0], ratios[-1]]
        found[name] = row
        print(f"{name:12} {row[0]:.3f} ({row[1]:.3f} to {row[2]:.3f}) of that")
    if asked.record:
        remember(loader=found)


if __name__ == "__main__":
    main()
