"""Kernels in CUDA C++: how they are compiled, launched, and which arrays they take.

The source of a chapter stands beside this file, in `chapter.cu`. NVRTC, which comes
with CuPy, compiles it at the first use of one of its kernels; CuPy keeps the result in
~/.cupy, so that the next process finds it there. Nothing here imports CuPy: whoever has
an array of a GPU has done so.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import numpy as np

from minidl.backend import Array, device_of

THREADS = 256  # of a block


@functools.cache
def chapter(name: str) -> Any:
    """Return the compiled chapter `name`.cu."""
    source = Path(__file__).with_name(f"{name}.cu").read_text(encoding="utf-8")
    return sys.modules["cupy"].RawModule(code=source, options=("--std=c++17",))


@functools.cache
def kernel(name: str, function: str) -> Any:
    """Return a kernel of a chapter: call it as kernel((blocks,), (threads,), args)."""
    return chapter(name).get_function(function)


def launch(name: str, function: str, n: int, *args: Any) -> None:
    """Run a kernel with one thread for each of n things; it gets n as last argument.

    Python numbers become 32-bit ones; the kernel's last parameter is a `long long`.
    """
    if n:
        args = tuple(_narrow(x) for x in args)
        blocks = -(-n // THREADS)
        kernel(name, function)((blocks,), (THREADS,), (*args, np.int64(n)))


def _narrow(x: Any) -> Any:
    """Return a Python number as C++ takes it: int and float, 32 bits each."""
    if isinstance(x, float):
        return np.float32(x)
    return np.int32(x) if isinstance(x, int) else x


def takes(*arrays: Array) -> bool:
    """Whether kernels can read these: float32 on a GPU, row after row without gaps."""
    return all(
        device_of(x) == "cuda" and x.dtype == np.float32 and x.flags.c_contiguous
        for x in arrays
    )


def empty_like(x: Array) -> Array:
    """Return new memory for a result like x."""
    return sys.modules["cupy"].empty(x.shape, x.dtype)
