"""An epoch over more data than memory: python -m benchmarks.shards [--gigabytes 8]

Writes .npy files that are sparse (they say 8 GB and take no room on the disk), walks a
shuffled epoch of a DataLoader over them in a process of its own, and prints its time
and the most memory that it held, files that were mapped included.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WIDTH, FILES = 1024, 16  # 4 KB a sample

WALK = """
import resource, sys
from minidl.data import DataLoader, Shards
loader = DataLoader(Shards(sys.argv[1]), 256, shuffle=True, seed=0)
n = sum(len(x) for x, y in loader)
print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def write(folder: str, gigabytes: float) -> int:
    """Write x-*.npy and y-*.npy, all of holes; return the number of samples."""
    rows = int(gigabytes * 1e9 / WIDTH / 4 / FILES)
    for k in range(FILES):
        for name, kind, shape in (("x", "f4", (rows, WIDTH)), ("y", "i8", (rows,))):
            path = Path(folder) / f"{name}-{k:02}.npy"
            np.lib.format.open_memmap(path, "w+", kind, shape).flush()
    return rows * FILES


def main() -> None:
    """Measure, and print a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=8.0)
    asked = parser.parse_args().gigabytes
    with tempfile.TemporaryDirectory() as folder:
        samples = write(folder, asked)
        start = time.perf_counter()
        command = [sys.executable, "-c", WALK, folder]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - start
    seen, kilobytes = map(int, result.stdout.split())
    assert seen == samples, (seen, samples)
    rate, most = asked * 1000 / seconds, kilobytes / 1000
    print(
        f"{asked:g} GB, {samples:,} samples: {seconds:.0f} s, {rate:.0f} MB/s, at most "
        f"{most:.0f} MB of memory"
    )


if __name__ == "__main__":
    main()
