"""Sums down the rows of tall arrays: python -m benchmarks.tall [--rounds N]

Added row after row, a million float32 numbers lose digits; `minidl.ops.sum` adds them
in pieces (minidl/ops/total.py), which should cost no more than NumPy's own sum. Shown
is, for each shape, the median over rounds of the ratio of minidl's time to NumPy's, and
its range: the two take turns, as both wait for memory more than for the processor. The
last shape is too short to be cut: its ratio is what the machine's noise makes of 1.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SHAPES = ((3_000_000, 2), (1_000_000, 10), (100_000, 64), (20_000, 512), (4_096, 512))


def drawn(shape: tuple[int, ...]) -> Any:
    """Return numbers between 0 and 1."""
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def seconds(call: Callable[[], Any]) -> float:
    """Return the processor's time of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    """Measure every shape, and print a line for each."""
    from minidl import ops

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=31)
    rounds = parser.parse_args().rounds
    for shape in SHAPES:
        x = drawn(shape)
        sums = [lambda x=x: ops.sum(x, 0), lambda x=x: x.sum(axis=0)]
        ratios = []
        for i in range(rounds + 1):  # the first warms up
            turn = i % 2
            took = {j: seconds(sums[j]) for j in (turn, 1 - turn)}
            ratios.append(took[0] / took[1])
        low, *_, high = sorted(ratios[1:])
        print(
            f"{shape!s:16} {statistics.median(ratios[1:]):5.2f} of NumPy's time", end=""
        )
        print(f"   ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
