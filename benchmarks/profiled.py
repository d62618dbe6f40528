"""Where the time of a workload's step goes: python -m benchmarks.profiled c [STEPS]

MINIDL_FAST=0 before it leaves numba out. The table is that of minidl.profile.
"""

from __future__ import annotations

import sys

import numpy as np

import minidl
from benchmarks.peers.minidl import WORK
from benchmarks.workloads import WORKLOADS

WARM = 3  # steps before


def main(name: str, steps: int = 10) -> None:
    """Warm up, then print where the time of some steps went."""
    minidl.keep_memory()
    step = WORK[name](WORKLOADS[name].draw(np.random.default_rng(0)))
    for _ in range(WARM):
        step()
    with minidl.profile() as found:
        for _ in range(steps):
            step()
    print(found)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
