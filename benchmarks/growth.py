"""Does the price of an operation grow with the graph?  python -m benchmarks.growth

Microseconds per operation, forward and backward, in one process: of a chain, each
operation of the one before (workload g of the harness), and of a wide graph, the sum of
as many products of one leaf. minidl frees a graph by reference counts alone and never
changes Python's garbage collector. While that is on, it walks the live graph again and
again, and a graph of 100,000 operations does not fit into the caches; off and on are
therefore measured apart. The second line says how many objects an operation leaves for
it to look at: the node, where the way back needs no closures (kernels/cpu/arithmetic);
for other operations also functions, with the tuples and cells around what they keep.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.history import RECORD, remember
from benchmarks.peers.minidl import chain
from benchmarks.workloads import WORKLOADS
from minidl import Tensor

ROUNDS = 7
Step = Callable[[], Any]


def of_a_chain(length: int) -> Step:
    """Return a step through `length` operations in a row."""
    return chain(WORKLOADS["g"].draw(np.random.default_rng(0)), length)


def of_a_wide_graph(length: int) -> Step:
    """Return a step through half as many products of one leaf, and their sum."""
    start, c = np.ones(4, np.float32), Tensor(np.full(4, 1.0001, np.float32))

    def step() -> Any:
        x = Tensor(start, requires_grad=True)
        branches = [x * c for _ in range(length // 2)]
        y = branches[0]
        for branch in branches[1:]:
            y = y + branch
        y.backward(start)
        return x.grad

    return step


GRAPHS = {
    "chain": (of_a_chain, (1_000, 10_000, 100_000)),
    "wide": (of_a_wide_graph, (512, 8_192, 32_768)),
}


def per_op(step: Step, length: int) -> float:
    """Return the median microseconds of one operation."""
    step()
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        step()
        times.append((time.process_time() - start) / length * 1e6)
    return statistics.median(times)


def tracked() -> float:
    """Return how many objects the collector tracks for each operation of a chain."""
    x = Tensor(np.ones(4, np.float32), requires_grad=True)
    gc.collect()
    before, y = len(gc.get_objects()), x
    for _ in range(500):
        y = y * 0.5 + 1.0
    gc.collect()
    return (len(gc.get_objects()) - before) / 1000


def main() -> None:
    """Print the table; add a line to the history if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help=RECORD)
    asked = parser.parse_args()
    rows: dict[str, Any] = {"tracked_per_op": tracked()}
    print("µs per operation, and the largest graph's to the smallest's")
    print(f"objects that the collector tracks: {rows['tracked_per_op']:.1f} each")
    for name, (make, lengths) in GRAPHS.items():
        print(f"{name:14}" + "".join(f"{n:>10,}" for n in lengths))
        for collector in ("off", "on"):
            (gc.enable if collector == "on" else gc.disable)()
            times = [per_op(make(n), n) for n in lengths]
            rows[f"{name}_gc_{collector}"] = dict(zip(lengths, times, strict=True))
            cells = "".join(f"{us:10.2f}" for us in times)
            print(f"  collector {collector:3}{cells}   {times[-1] / times[0]:.2f}")
    if asked.record:
        remember(growth_us_per_op=rows)


if __name__ == "__main__":
    main()
