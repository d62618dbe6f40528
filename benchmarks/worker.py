"""One library and one workload in a fresh process; it prints lines of JSON.

    python benchmarks/worker.py LIBRARY                           its version, workloads
    python benchmarks/worker.py LIBRARY WORKLOAD FILE THREADS     the time of a step

The second measures once for every line that it reads, so that libraries take turns
without starting again. The workload is the one beside this file, and the library that
of PYTHONPATH. With one thread the processor's time is counted, so that the turns of
other processes are not; with more the clock's, for threads that wait lose time, too.
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

WARM, SECONDS, CAP = 3, 0.5, 60  # steps before, and seconds and steps of a round


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
    """Stay on as many cores as there are threads: the last, where others seldom are."""
    if hasattr(os, "sched_setaffinity"):
        free = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, free[-threads:])


def checksum(peer: Any, result: Any) -> list[float]:
    """Return what must agree between libraries: a loss, or each array's mean size."""
    if not isinstance(result, tuple):
        return [float(result)]
    import numpy as np

    number = getattr(peer, "numbers", np.asarray)
    return [float(np.abs(number(x)).mean(dtype=np.float64)) for x in result]


def prepare(peer: Any, workload: str, path: str, threads: int) -> dict[str, Any]:
    """Build a workload and warm it up; return its step, and what it gave first."""
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
    return {"step": step, "first": first, "before": before}


def measure(step: Any, first: Any, before: float, threads: int) -> dict[str, Any]:
    """Time single steps for a while: one round."""
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
    """Print a line of facts, then one for each line that is read: a round."""
    pin(int(threads))
    peer, facts = library(name)
    ready = prepare(peer, workload, path, int(threads)) if workload else {}
    print(json.dumps(facts), flush=True)
    for _ in sys.stdin if workload else ():
        print(json.dumps(measure(**ready, threads=int(threads))), flush=True)


if __name__ == "__main__":
    del sys.path[0]  # this folder: nothing in it shall be taken for a library
    main(*sys.argv[1:])
