"""What a Monitor costs: `python -m benchmarks.monitor` writes docs/monitor.md.

A run in which every step is watched, against one without a Monitor, in turns; the
difference, divided by the default interval of 100 steps, is its cost a step. The passes
that count dead units are measured apart: they are bounded by the work of training.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minidl import data, nn, ops, optim
from minidl.lab import Monitor
from minidl.models import CNN, MLP
from minidl.train import Trainer

DOCS = Path(__file__).parents[1] / "docs"
INTERVAL = 100  # the default of Monitor
NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "784-32-32-10, batches of 50": (lambda: MLP([784, 32, 32, 10], rng=0), (50, 784)),
    "784-200-10, batches of 50": (lambda: MLP([784, 200, 10], rng=0), (50, 784)),
    "CNN 8-16, batches of 32": (lambda: CNN(1, 10, (8, 16), rng=0), (32, 1, 28, 28)),
}

HEAD = f"""# What a Monitor costs, and shows

Written by `python -m benchmarks.monitor`: processor time on one core, the median of
nine turns. The cost is that of the default interval, one watched step in {INTERVAL}.
Passes for dead units cost 1 % of the work of training at most, and one pass over a
thousand samples at the end.
"""
BELOW = """784-100-50-10 on MNIST-5k, momentum 0.9, rate 0.02, and 0.2 from step 280 on:
the updates grow tenfold, and units die. The Monitor said:
"""


def seconds(make: Callable[[], nn.Module], shape: tuple[int, ...], every: int) -> float:
    """Return the processor time of a step; every = 0: without a Monitor."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype(np.float32)
    batches = [(x, rng.integers(0, 10, shape[0]))] * 60
    net = make()
    watch = [Monitor(every, passes=1000, warn=False)] if every else []
    run = Trainer(net, optim.Momentum(net.parameters(), lr=1e-3), ops.cross_entropy,
                  callbacks=watch, progress=False)  # fmt: skip
    run.goal = 1
    start = time.process_time()
    run.fit(batches, epochs=1)
    spent = time.process_time() - start
    if watch:  # the pass after the last epoch is not a step
        start = time.process_time()
        watch[0].count_dead(run)
        spent -= time.process_time() - start
    return spent / len(batches)


def picture(path: Path) -> list[str]:
    """Draw a net whose rate is raised too far in the middle; return the warnings."""
    train = data.load_mnist5k().train
    net = MLP([784, 100, 50, 10], rng=0)
    watch = Monitor(10, passes=1, warn=False)
    rule = optim.Momentum(net.parameters(), lr=lambda t: 0.02 if t < 280 else 0.2)
    run = Trainer(net, rule, ops.cross_entropy, callbacks=[watch], progress=False)
    run.fit(data.DataLoader(train, 50, shuffle=True, seed=0), epochs=8)
    watch.plot(path=path)
    return watch.warnings


def main() -> None:
    """Measure, draw, write."""
    lines = ["| net | a step, µs | watched, µs | cost a step |", "|---|---|---|---|"]
    for name, (make, shape) in NETS.items():
        turns = [[seconds(make, shape, every) for every in (0, 1)] for _ in range(9)]
        plain, watched = np.median(turns, axis=0)
        cost = 100 * (watched - plain) / plain / INTERVAL
        lines.append(
            f"| {name} | {1e6 * plain:.0f} | {1e6 * watched:.0f} | {cost:.2f} % |"
        )
        print(lines[-1], flush=True)
    said_of_it = picture(DOCS / "pictures" / "monitor.png")
    page = [HEAD, *lines, "", BELOW, *[f"- {said}" for said in said_of_it], "",
            "![inside](pictures/monitor.png)", ""]  # fmt: skip
    (DOCS / "monitor.md").write_text("\n".join(page), encoding="utf-8")


if __name__ == "__main__":
    main()
