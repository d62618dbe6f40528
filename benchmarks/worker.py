"""One measurement in a fresh process, printed as one line of JSON.

    python benchmarks/worker.py LIBRARY                           its version, workloads
    python benchmarks/worker.py LIBRARY WORKLOAD FILE THREADS     the time of a step

The workload is the one beside this file, and the library that of PYTHONPATH. With one
thread the processor's time is counted, so that the turns of other processes are not;
with more the clock's, for threads that wait for each other lose time, too.
"""

from __future__ import annotations

import gc
import json
import os
import re
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

WARM, SECONDS, CAP = 3, 0.5, 300  # later, b fits its batch and computes in denormals


def library(name: str) -> tuple[Any, dict[str, Any]]:
    """Import a library, then what it makes of the workloads; say what that took."""
    start = time.process_time()
    if name == "dezero":  # it still asks for what NumPy took away
        import_module("numpy").int = int  # type: ignore[attr-defined]
    module = import_module(name.partition("_")[0])  # minidl_plain is minidl
    took = time.process_time() - start
    sys.path.insert(0, str(Path(__file__).parents[1]))
    peer = import_module(f"benchmarks.peers.{name}")
    del sys.path[0]
    version = str(getattr(module, "__version__", ""))
    return peer, {"import_s": took, "version": version, "workloads": list(peer.WORK)}


def resident(kind: str) -> float:
    """Return VmRSS (now) or VmHWM (the peak) in MB; 0 where the system has no /proc."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    found = re.search(rf"{kind}:\s*(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def pin(threads: int) -> None:
    """Stay on as many cores as there are threads."""
    if hasattr(os, "sched_setaffinity"):
        free = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, free[:threads])


def checksum(peer: Any, result: Any) -> list[float]:
    """Return what must agree between libraries: a loss, or each array's mean size."""
    if not isinstance(result, tuple):
        return [float(result)]
    import numpy as np

    number = getattr(peer, "numbers", np.asarray)
    return [float(np.abs(number(x)).mean(dtype=np.float64)) for x in result]


def measure(peer: Any, workload: str, path: str, threads: int) -> dict[str, Any]:
    """Warm up, then time single steps for a while."""
    from benchmarks.workloads import load

    if hasattr(peer, "threads"):
        peer.threads(threads)
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")  # the peak starts anew
    before = resident("VmRSS")
    step = peer.WORK[workload](load(Path(path)))
    first = [checksum(peer, step()) for _ in range(WARM)]
    gc.disable()  # in the benchmark only: minidl itself never changes the collector
    clock = time.process_time if threads == 1 else time.perf_counter
    times: list[float] = []
    end = clock() + SECONDS
    while len(times) < 3 or (clock() < end and len(times) < CAP):
        start = clock()
        step()
        times.append(clock() - start)
    times.sort()
    return {
        "median": times[len(times) // 2],
        "quiet": times[len(times) // 10],
        "first": first,
        "peak_mb": resident("VmHWM") - before,
    }


def main(name: str, workload: str = "", path: str = "", threads: str = "1") -> None:
    """Print one line."""
    pin(int(threads))
    peer, facts = library(name)
    if workload:
        facts = measure(peer, workload, path, int(threads))
    print(json.dumps(facts))


if __name__ == "__main__":
    del sys.path[0]  # this folder: nothing in it shall be taken for a library
    main(*sys.argv[1:])
