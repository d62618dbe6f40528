"""Does the price of an operation grow with the graph?  python -m benchmarks.growth

The chain of the harness (workload g) at three lengths in one process, forward and
backward: microseconds per operation, with Python's garbage collector off and on. minidl
frees a graph by reference counts alone and never changes the collector; when it is on,
it walks the growing graph again and again, and that is the second row.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time

import numpy as np

from benchmarks.history import RECORD, remember
from benchmarks.peers.minidl import chain
from benchmarks.workloads import WORKLOADS

LENGTHS, ROUNDS = (1_000, 10_000, 100_000), 7


def per_op(length: int) -> float:
    """The median microseconds of one operation in a chain of `length`."""
    given = WORKLOADS["g"].draw(np.random.default_rng(0))
    step = chain(given, length)
    step()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) / length * 1e6)
    return statistics.median(times)


def main() -> None:
    """Print the table; add a line to the history if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help=RECORD)
    asked = parser.parse_args()
    rows: dict[str, dict[int, float]] = {}
    for collector in ("off", "on"):
        (gc.enable if collector == "on" else gc.disable)()
        rows[collector] = {n: per_op(n) for n in LENGTHS}
    print(
        "operations   " + "".join(f"{n:>10,}" for n in LENGTHS) + "   longest/shortest"
    )
    for collector, row in rows.items():
        ratio = row[LENGTHS[-1]] / row[LENGTHS[0]]
        cells = "".join(f"{us:10.2f}" for us in row.values())
        print(f"gc {collector:3}  µs/op{cells}   {ratio:.2f}")
    if asked.record:
        remember(growth_us_per_op=rows)


if __name__ == "__main__":
    main()
