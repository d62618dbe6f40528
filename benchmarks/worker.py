"""One measurement in a fresh process: python benchmarks/worker.py WORKLOAD LIBRARY

Prints one line of JSON: the median seconds of a step, warm, and its first results.
Counted is the processor's time, so that the turns of other processes are not. The
workload is the file beside this one, and minidl is that of PYTHONPATH.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import statistics
import sys
import time

WARM, SECONDS = 5, 1.5


def main(workload: str, library: str) -> None:
    """Warm up, then time single steps for a while."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with contextlib.suppress(ImportError):
        if library == "torch":
            import torch

            torch.set_num_threads(1)
    step = getattr(importlib.import_module(workload), library)()
    first = [step() for _ in range(WARM)]
    gc.disable()  # in the benchmark only: minidl itself never changes the collector
    times, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    print(json.dumps({"seconds": statistics.median(times), "first": first[:3]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
