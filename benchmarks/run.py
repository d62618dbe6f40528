"""The benchmarks: python -m benchmarks.run [WORKLOAD …] [--rounds N] [--before FOLDER]

Every figure is a ratio of two medians from the same round: each library runs in a fresh
process on one pinned core, one after the other, in an order that rotates; the table
shows the median ratio over the rounds and its range. `--before` names a folder with
another state of this repository (`git worktree add FOLDER COMMIT`), which takes its
turns as one more library. `--record` adds a line to history.jsonl: a claim of speed in
a document needs one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
WORKLOADS = ("chain", "mlp", "tall", "importing")
RECORD = "add a line to benchmarks/history.jsonl"
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)
HISTORY = Path(__file__).with_name("history.jsonl")


def measure(workload: str, library: str, before: Path | None) -> dict[str, Any]:
    """Run one worker and read its line; "before" is minidl as it is in that folder."""
    root, name = (before, "minidl") if library == "before" else (ROOT, library)
    worker = str(Path(__file__).with_name("worker.py"))
    command = [sys.executable, worker, workload, name]
    env = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(root)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # imports are timed with their bytecode
    done = subprocess.run(
        command, env=env, cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(
    workload: str, libraries: list[str], rounds: int, before: Path | None = None
) -> dict[str, Any]:
    """Measure every library once a round; void the row if their results differ."""
    module = import_module(f"benchmarks.{workload}")
    libraries = [x for x in libraries if x == "before" or hasattr(module, x)]
    times: dict[str, list[float]] = {library: [] for library in libraries}
    first: dict[str, list[float]] = {}
    for i in range(rounds):
        turn = i % len(libraries)
        for library in libraries[turn:] + libraries[:turn]:
            result = measure(workload, library, before)
            times[library].append(result["seconds"])
            first[library] = result["first"]
    for library, results in first.items():
        for a, b in zip(results, first["minidl"], strict=True):
            if abs(a - b) > 1e-3 * max(1.0, abs(a)):
                raise SystemExit(
                    f"{workload}: {library} computes {a}, minidl {b}: void"
                )
    row: dict[str, Any] = {"minidl_us": statistics.median(times["minidl"]) * 1e6}
    for library in libraries:
        if library != "minidl":
            pairs = zip(times["minidl"], times[library], strict=True)
            ratios = sorted(ours / theirs for ours, theirs in pairs)
            row[f"vs_{library}"] = [statistics.median(ratios), ratios[0], ratios[-1]]
    return row


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import numpy as np

    facts = {"python": platform.python_version(), "numpy": np.__version__}
    cpu = Path("/proc/cpuinfo")
    if cpu.exists():
        names = [s for s in cpu.read_text().splitlines() if s.startswith("model name")]
        facts["cpu"] = names[0].split(":")[1].strip() if names else "unknown"
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    facts["blas"] = f"{blas['name']} {blas['version']}"
    if importlib.util.find_spec("torch"):
        import torch

        facts["torch"] = torch.__version__
        facts["torch_cpu"] = torch.backends.cpu.get_cpu_capability()
    return facts


def remember(**figures: Any) -> None:
    """Add a line to the history: the day, the machine, and what was measured."""
    record = {"date": time.strftime("%Y-%m-%d"), **machine(), **figures}
    with HISTORY.open("a") as file:
        file.write(json.dumps(record) + "\n")


def main() -> None:
    """Measure, print a table, and add a line to the history if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", default=WORKLOADS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=Path, metavar="FOLDER")
    parser.add_argument("--record", action="store_true", help=RECORD)
    arguments = parser.parse_args()
    before = arguments.before and arguments.before.resolve()
    libraries = ["minidl", *(["before"] if before else []), "numpy"]
    if importlib.util.find_spec("torch"):
        libraries.append("torch")
    else:
        print("PyTorch is not installed: no ratios to it (pip install torch)")
    record: dict[str, Any] = {}
    for workload in arguments.workloads:
        row = record[workload] = compare(workload, libraries, arguments.rounds, before)
        print(f"{workload:9} minidl {row['minidl_us']:8.0f} µs a step", end="")
        for name in [key for key in row if key.startswith("vs_")]:
            median, low, high = row[name]
            print(f"   {name} {median:5.2f} ({low:.2f} to {high:.2f})", end="")
        print()
    if arguments.record:
        remember(**record)


if __name__ == "__main__":
    main()
