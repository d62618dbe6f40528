"""What is here, how time is taken, and what the device does at best: the floors.

DRY=1 stands for a rehearsal on the mock driver: tiny sizes, and no figure is a timing.
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

DRY = os.environ.get("DRY") == "1"
ROUNDS, SECONDS = (1, 0.0) if DRY else (7, 0.03)  # of a sample, about
MOST = 300  # steps of a sample
Step = Callable[[], Any]


# What is here


def ready() -> str:
    """Return "", or what is missing for a benchmark on a GPU."""
    from minidl import backend
    from minidl.errors import DeviceError

    if DRY:
        from tests import drycuda

        try:
            drycuda.install()
        except (ImportError, RuntimeError) as error:
            return f"the rehearsal needs what tests/drycuda names: {error}"
    try:
        backend.array_module("cuda")
    except DeviceError as error:
        return str(error)
    return ""


def pytorch(tf32: bool) -> tuple[Any, str]:
    """Return PyTorch, set up, or None and why there is none."""
    try:
        import torch
    except Exception as error:  # a library may be missing, of another version, …
        return None, f"no PyTorch: {type(error).__name__}: {error}"
    if DRY or not torch.cuda.is_available():
        why = "knows no mock driver" if DRY else "sees no GPU"
        return None, f"PyTorch {torch.__version__} {why}"
    torch.backends.cudnn.benchmark = True  # it may choose its fastest convolutions
    torch.backends.cudnn.allow_tf32 = tf32  # on by default, unlike for matrices
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    return torch, ""


def mock_errors() -> list[str]:
    """Return what the mock driver met and could not raise."""
    if not DRY:
        return []
    from tests.drycuda.ledger import ledger

    return ledger.errors


def facts() -> dict[str, Any]:
    """Return what the figures are measured on."""
    import cupy

    from minidl.cli.devices import cards_and_driver

    card = cupy.cuda.runtime.getDeviceProperties(0)
    torch, why = pytorch(False)
    return {
        "gpu": "mock driver" if DRY else card["name"].decode(),
        "capability": f"{card['major']}.{card['minor']}",
        "memory_gib": round(card["totalGlobalMem"] / 2**30, 1),
        "driver": cards_and_driver()[1],
        "cuda": cupy.cuda.runtime.runtimeGetVersion(),
        "cupy": cupy.__version__,
        "numpy": np.__version__,
        "python": sys.version.split()[0],
        "torch": f"{torch.__version__}, CUDA {torch.version.cuda}" if torch else why,
    }


# Time


def on_device(step: Step, n: int) -> float:
    """Return the seconds of a step, of n in a row, by two events of the device."""
    import cupy

    start, stop = cupy.cuda.Event(), cupy.cuda.Event()
    start.record()
    for _ in range(n):
        step()
    stop.record()
    stop.synchronize()
    elapsed: float = cupy.cuda.get_elapsed_time(start, stop)
    return elapsed / n / 1e3


def on_host(step: Step, n: int) -> float:
    """Return the seconds of a step, of n in a row, by the clock on the wall."""
    start = time.perf_counter()
    for _ in range(n):
        step()
    return (time.perf_counter() - start) / n


def sampled(steps: dict[str, Step], sample: Any, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each, sampled in turns; the order rotates."""
    counts = {}
    for name, step in steps.items():
        sample(step, 3 if rounds > 1 else 1)  # warm
        counts[name] = max(1, min(MOST, int(SECONDS / sample(step, 3))))
        sample(step, counts[name])
    times: dict[str, list[float]] = {name: [] for name in steps}
    gc.collect()
    gc.disable()  # in the benchmark only: minidl itself never changes the collector
    for i in range(rounds):
        turn = i % len(steps)
        for name in [*steps][turn:] + [*steps][:turn]:
            times[name].append(sample(steps[name], counts[name]))
    gc.enable()
    return times


# The floors


def floors() -> dict[str, float]:
    """Return what the device does at best: bytes a second, and FLOP a second.

    bytes    a copy reads and writes: twice its size; the better of two ways to copy
    float32, tf32, float16   a product of large matrices, 2 n³
    """
    from minidl import backend

    many, n = (1 << 10, 16) if DRY else (1 << 28, 8192)
    found = {"bytes": 8 * many / copying(many)}
    for kind in ("float32", "tf32", "float16"):
        backend.use("cuda", tf32=kind == "tf32")
        found[kind] = 2 * n**3 / multiplying(n, "f2" if kind == "float16" else "f4")
    backend.use("cuda")
    return found


def copying(n: int) -> float:
    """Return the seconds in which n float32 are copied."""
    import cupy

    a, b = cupy.ones(n, "f4"), cupy.empty(n, "f4")
    ways = {
        "memcpy": lambda: cupy.copyto(b, a),
        "kernel": lambda: cupy.positive(a, out=b),
    }
    times = sampled(ways, on_device, ROUNDS).values()
    return min(statistics.median(several) for several in times)


def multiplying(n: int, dtype: str) -> float:
    """Return the seconds of a product of matrices (n, n)."""
    import cupy

    x = np.random.default_rng(0).standard_normal((n, n), np.float32)
    a = cupy.asarray(x.astype(dtype))
    b = cupy.empty_like(a)
    steps = {"product": lambda: cupy.matmul(a, a, out=b)}
    return statistics.median(sampled(steps, on_device, ROUNDS)["product"])
