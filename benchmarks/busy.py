"""Two threads beside other programs: python -m benchmarks.busy [--only a] [--others 2]

Shown is the time of a step with two threads as a share of that with one, while other
programs compute all the time: with `fast` (parts of a batch) and on NumPy alone (BLAS's
threads). Medians of the rounds, lowest and highest. `--others 0` is an idle machine.
All have the same two cores.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.__main__ import MINIDL, chosen
from benchmarks.rounds import Worker
from benchmarks.workloads import save

WAYS = {"fast": MINIDL["minidl"], "NumPy alone": MINIDL["no-numba"]}


@contextmanager
def beside(others: int) -> Iterator[None]:
    """Let so many other programs compute."""
    endless = [sys.executable, "-c", "while True: sum(range(1000))"]
    running = [subprocess.Popen(endless) for _ in range(others)]
    try:
        yield
    finally:
        for program in running:
            program.kill()
            program.wait()


def ratios(name: str, path: Path, rounds: int) -> dict[str, list[float]]:
    """Return, for each way, the time with two threads over that with one."""
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    with ExitStack() as stack:
        pairs = {
            way: [
                stack.enter_context(Worker(side, name, str(path), "2", threads=n))
                for n in (1, 2)
            ]
            for way, side in WAYS.items()
        }
        for _ in range(rounds):
            for way, (one, two) in pairs.items():
                times = [worker.measure() for worker in (one, two)]
                if failed := [t["failed"] for t in times if "failed" in t]:
                    raise SystemExit(f"{name}, {way}: {failed[0]}")
                found[way].append(times[1]["median"] / times[0]["median"])
    return found


def main() -> None:
    """Measure and print a line for each workload and way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="a,c,d", help="letters of workloads")
    parser.add_argument("--others", type=int, default=2, help="programs beside it")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    print(f"two threads over one, beside {asked.others} other programs")
    with tempfile.TemporaryDirectory() as folder, beside(asked.others):
        for name in chosen(asked.only):
            path = Path(folder) / "given.npz"
            save(name, path)
            for way, some in ratios(name, path, asked.rounds).items():
                middle = statistics.median(some)
                low, high = min(some), max(some)
                print(f"{name:20}{way:14}{middle:6.2f} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
