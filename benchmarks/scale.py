"""How far several ranks carry: python -m benchmarks.scale [--record docs/scale.md]

Measures, by mpiexec on this machine: sums of 8 bytes to 16 MB over two ranks, and steps
of three nets with one rank and with two, each with half of the batch: processor time,
and by the clock, which a busy machine stretches. Then a model of
latency and bandwidth says what 8, 64 and 1,000 ranks would give, here and on two
networks of the literature.

    a ring of N ranks adds up b bytes in  2 (N − 1) (α + b / (N β))
    a tree in                            2 ⌈log₂ N⌉ (α + b / β);  the faster one counts

α is the latency of a message in seconds, β the bandwidth in bytes a second.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minidl import models, ops, optim, parallel

SIZES = (8, 1 << 12, 1 << 16, 1 << 20, 1 << 22, 1 << 24)
RANKS = (8, 64, 1000)
NETWORKS = {  # α, β
    "50 Gb/s Ethernet": (30e-6, 50e9 / 8),
    "200 Gb/s InfiniBand": (2e-6, 200e9 / 8),
}


def nets() -> dict[str, tuple[Any, Callable[[int], Any], int, Any]]:
    """Return {name: (net, a batch of n, n in all, loss)}."""
    rng = np.random.default_rng(0)

    def of(*shape: int) -> Callable[[int], Any]:
        return lambda n: rng.standard_normal((n, *shape), np.float32)

    def words(y: Any, x: Any) -> Any:
        return ops.cross_entropy(y.reshape(-1, y.shape[-1]), x.reshape(-1))

    def classes(y: Any, x: Any) -> Any:
        return ops.cross_entropy(y, np.zeros(len(x), np.int64))

    return {
        "MLP": (models.MLP([784, 256, 256, 10], rng=0), of(784), 256, classes),
        "CNN": (models.CNN(3, 10, rng=0), of(3, 32, 32), 64, classes),
        "GPT": (
            models.GPT(96, context=64, dim=128, layers=4, dropout=0.0, rng=0),
            lambda n: rng.integers(0, 96, (n, 64)), 16, words,
        ),
    }  # fmt: skip


def quickest(f: Callable[[], Any], times: int, clock: Callable[[], float]) -> float:
    """Return the least of several times, in seconds."""
    found = []
    for _ in range(times):
        start = clock()
        f()
        found.append(clock() - start)
    return min(found)


def worker() -> None:
    """Measure on this rank; rank 0 prints."""
    world = parallel.mpi()
    sums, steps = {}, {}
    for size in SIZES:
        x = np.ones(size // 8)
        sums[size] = quickest(lambda x=x: world.sum(x), 30, time.perf_counter)
    for name, (net, batch, n, loss) in nets().items():
        optimizer = optim.Adam(net.parameters(), lr=1e-3)
        x = batch(n // world.size)

        def step(net=net, x=x, loss=loss, optimizer=optimizer) -> None:
            (loss(net(x), x) * len(x)).backward()
            world.average(net.parameters(), len(x))
            optimizer.step()
            optimizer.zero_grad()

        number = sum(p.data.nbytes for p in net.parameters())
        step()
        spent = quickest(step, 20, time.process_time)
        steps[name] = (spent, quickest(step, 20, time.perf_counter), number)
    if world.rank == 0:
        print(json.dumps({"sums": sums, "steps": steps}))


def started(ranks: int) -> Any:
    """Run the worker on so many ranks, and return what rank 0 has found."""
    beside = Path(sys.executable).parent / "mpiexec"
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        raise SystemExit('needs mpiexec: pip install "minidl[mpi]"')
    command = [mpiexec, "-n", str(ranks), sys.executable, "-m", "benchmarks.scale"]
    one = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(
        [*command, "--worker"], env=one, check=True, capture_output=True, text=True
    )
    return json.loads(run.stdout)


def exchange(n: int, size: float, alpha: float, beta: float) -> float:
    """Return the seconds in which n ranks add up `size` bytes."""
    ring = 2 * (n - 1) * (alpha + size / n / beta)
    tree = 2 * math.ceil(math.log2(n)) * (alpha + size / beta)
    return min(ring, tree)


def shortest(step: float, size: float, alpha: float, beta: float) -> int:
    """Return the power of two N whose step / N + exchange(N) is the least.

    That is one batch, shared out among N ranks; 1 where two are no faster.
    """
    found = {1: step}
    for n in (1 << k for k in range(1, 21)):
        found[n] = step / n + exchange(n, size, alpha, beta)
    return min(found, key=lambda n: found[n])


def report() -> str:
    """Measure, and return the tables."""
    one, two = started(1), started(2)
    sums = {int(size): t for size, t in two["sums"].items()}
    alpha = sums[8] / 2  # two ranks: there and back
    beta = (1 << 24) / max(sums[1 << 24] - sums[8], 1e-9)
    lines = [
        f"α = {alpha * 1e6:.0f} µs, β = {beta / 1e9:.2f} GB/s between two ranks of "
        "this machine.",
        "",
        "| net | bytes | step of 1 rank | of 2, half of the batch each | speed-up "
        "| by the clock |",
        "|---|---|---|---|---|---|",
    ]
    for name, (t, clock, size) in one["steps"].items():
        t2, clock2, _ = two["steps"][name]
        lines.append(
            f"| {name} | {size / 1e6:.2f} MB | {t * 1e3:.1f} ms | {t2 * 1e3:.1f} ms "
            f"| {t / t2:.2f} | {clock / clock2:.2f} |"
        )
    head = " | ".join(f"{n:,}" for n in RANKS)
    lines += [
        "",
        f"| net, network | efficiency at {head} ranks | one batch: shortest step at |",
        f"|---|{'---|' * len(RANKS)}---|",
    ]
    lines[-2] = lines[-2].replace("efficiency at ", "")
    for name, (t, _, size) in one["steps"].items():
        for network, (a, b) in {"here": (alpha, beta), **NETWORKS}.items():
            share = [t / (t + exchange(n, size, a, b)) for n in RANKS]
            cells = " | ".join(f"{100 * s:.0f} %" for s in share)
            lines.append(
                f"| {name}, {network} | {cells} | {shortest(t, size, a, b):,} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Print the tables; write them into a document between its marks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("--record", type=Path)
    asked = parser.parse_args()
    if asked.worker:
        worker()
        return
    tables = report()
    print(tables)
    if asked.record is not None:
        text = asked.record.read_text()
        begin, end = "<!-- measured -->", "<!-- end -->"
        before, _, rest = text.partition(begin)
        after = rest.partition(end)[2]
        asked.record.write_text(f"{before}{begin}\n{tables}\n{end}{after}")


if __name__ == "__main__":
    main()
