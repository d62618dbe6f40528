"""What this machine computes with, and what of it slows a run down."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec

import numpy as np

from minidl.backend import optional
from minidl.process import VARIABLES


def processor() -> str:
    """Return the name of the processor, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            named = [line for line in file if line.startswith("model name")]
        return named[0].partition(":")[2].strip()
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def available() -> int:
    """Return how many cores this process may use."""
    free = getattr(os, "sched_getaffinity", None)
    return len(free(0)) if free else os.cpu_count() or 1


def cores() -> str:
    """Return how many cores this process may use, and what limits the threads."""
    limits = [f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ]
    return ", ".join([f"{available()} of {os.cpu_count()}", *limits])


def numpy() -> str:
    """Return NumPy's version and the BLAS that multiplies its matrices."""
    built = np.show_config(mode="dicts").get("Build Dependencies", {})
    blas = built.get("blas", {})
    said = " ".join(str(blas.get(key, "")) for key in ("name", "version")).strip()
    return f"{np.__version__}, BLAS {said or 'unknown'}"


def environment() -> dict[str, str]:
    """Return what a run should be reported with: versions, processor, command."""
    minidl = sys.modules["minidl"]
    return {
        "minidl": str(getattr(minidl, "__version__", "unknown")),
        "Python": platform.python_version(),
        "NumPy": numpy(),
        "system": platform.platform(),
        "processor": processor(),
        "cores": cores(),
        "command": " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]]),
        "written": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }


def kernels() -> str:
    """Return which folders of faster bodies are loaded, and how many files of each."""
    names = [
        name.split(".") for name in sys.modules if name.startswith("minidl.kernels.")
    ]
    counts: dict[str, int] = {}
    for parts in names:
        if len(parts) == 4:
            counts[parts[2]] = counts.get(parts[2], 0) + 1
    said = [f"{kind} ({n} files)" for kind, n in sorted(counts.items())]
    return ", ".join(said) or "none: the plain bodies compute everything"


def compiled() -> str:
    """Return whether the loops of kernels/numba run, and if not, why."""
    loops = optional("minidl.kernels.numba.loops")
    if loops is None or not find_spec("numba"):
        return 'not installed: pip install "minidl[fast]"'
    if os.environ.get("MINIDL_FAST") == "0":
        return "off: MINIDL_FAST=0"
    named = f"numba {version('numba')}"
    works = loops.ready(loops.probe)
    return f"{named}: active" if works else f"{named} cannot compile here: not used"


def product_rate(n: int, seconds: float = 0.05) -> float:
    """Return the speed of a product (n, n) @ (n, n), in 10⁹ operations a second."""
    a = np.ones((n, n), np.float32)
    a @ a
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        a @ a
        done += 1
    return done * 2 * n**3 / (time.perf_counter() - start) / 1e9


def advice() -> list[str]:
    """Return what to set, and why."""
    said = []
    if available() > 1 and not any(name in os.environ for name in VARIABLES):
        said.append(
            f"BLAS shares every product among {available()} threads; for small nets, "
            "and while other programs run, one is quicker: "
            "export OPENBLAS_NUM_THREADS=1"
        )
    threads = max((int(os.environ.get(n, "0") or 0) for n in VARIABLES), default=0)
    if threads > available():
        said.append(
            f"{threads} threads are asked for and {available()} cores are free: they "
            f"wait for each other; export OPENBLAS_NUM_THREADS={available()}"
        )
    if "none" in kernels():
        said.append(
            "minidl/kernels is missing or not loaded, so that convolutions and "
            "recurrent layers are several times slower: install minidl again"
        )
    if os.cpu_count() and available() < (os.cpu_count() or 1):
        said.append(
            f"this process may use {available()} of {os.cpu_count()} cores; a batch "
            "system or a container sets that"
        )
    return said or ["nothing to set"]
