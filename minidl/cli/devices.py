"""Say what this machine computes with: processor cores, BLAS, GPU, driver, CuPy.

Where something is missing, say what to install.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import subprocess

from minidl import backend
from minidl.lab.machine import cores, numpy, processor


def arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing stands behind `minidl devices`."""


def run(options: argparse.Namespace) -> int:
    """Print a paragraph for each device."""
    print("cpu")
    _print({"processor": processor(), "cores": cores(), "NumPy": numpy()})
    print("cuda")
    _print(cuda())
    print(
        f"default: {backend.default_device()} (MINIDL_DEVICE or minidl.use change it)"
    )
    return 0


def _print(lines: dict[str, str]) -> None:
    for name, text in lines.items():
        print(f"  {name:<10} {text}")


def cuda() -> dict[str, str]:
    """Return what is known of the GPU: what is here, or the first thing missing."""
    cards, driver = cards_and_driver()
    lines = {"GPU": cards, "driver": driver}
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        return lines | {"CuPy": f"not installed: {_advice(driver)}", **_why(error)}
    lines["CuPy"] = cupy.__version__
    try:
        n = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return lines | {
            "missing": f"CuPy finds no device ({error}); look at `nvidia-smi`, at the "
            "driver's version and at CUDA_VISIBLE_DEVICES"
        }
    version = cupy.cuda.runtime.runtimeGetVersion()
    lines["CUDA"] = f"{version // 1000}.{version % 1000 // 10}"
    for i in range(n):
        card = cupy.cuda.runtime.getDeviceProperties(i)
        lines[f"GPU {i}"] = (
            f"{card['name'].decode()}, {card['totalGlobalMem'] / 2**30:.0f} GiB, "
            f"compute capability {card['major']}.{card['minor']}"
        )
    return lines


def cards_and_driver() -> tuple[str, str]:
    """Return the GPUs and the driver that nvidia-smi tells of."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "none seen (there is no nvidia-smi)", "not installed"
    asked = "--query-gpu=name,memory.total,driver_version"
    try:
        told = subprocess.run(
            [tool, asked, "--format=csv,noheader"],
            capture_output=True, text=True, timeout=20, check=True,
        ).stdout.strip()  # fmt: skip
        rows = [line.split(", ") for line in told.splitlines()]
        cards = "; ".join(f"{name}, {memory}" for name, memory, _ in rows)
        return cards or "none", rows[0][2] if rows else "unknown"
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return f"nvidia-smi fails ({error})", "not working"


def _advice(driver: str) -> str:
    """Return the extra that fits a driver: CUDA 13 needs driver 580 or newer."""
    number = driver.partition(".")[0]
    if not number.isdigit():
        return 'with an NVIDIA GPU: pip install "minidl[cuda13]", or "minidl[cuda12]"'
    extra = "cuda13" if int(number) >= 580 else "cuda12"
    return f'pip install "minidl[{extra}]"'


def _why(error: ImportError) -> dict[str, str]:
    """Say why CuPy does not import, unless it is simply not there."""
    absent = isinstance(error, ModuleNotFoundError) and error.name == "cupy"
    return {} if absent else {"because": str(error)}
