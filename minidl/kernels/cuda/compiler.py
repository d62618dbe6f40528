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

from minidl.backend import Array, DType, device_of

THREADS = 256  # of a block
LARGEST = 2**31 - THREADS  # numbers of an array, where a kernel counts in 32 bits
LANES, ROWS, MOST = 32, 1024, 256  # of kernels that add up columns: see grid_of


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


def run(name: str, function: str, grid: tuple[int, ...], *args: Any) -> None:
    """Run a kernel with this grid of blocks; Python numbers become 32-bit ones."""
    kernel(name, function)(grid, (THREADS,), tuple(_narrow(x) for x in args))


def _narrow(x: Array) -> Any:
    """Return a Python number as C++ takes it: int and float, 32 bits each."""
    if isinstance(x, float):
        return np.float32(x)
    return np.int32(x) if isinstance(x, int) else x


def grid_of(n: int, k: int, rows: int = ROWS) -> tuple[int, int]:
    """Return the grid over a matrix (n, k) whose blocks are 32 columns wide.

    A block goes down the rows, 8 at a time. Where these are more than `rows`, several
    share them, 32 or more for each: the grid's height, 1 otherwise.
    """
    return -(-k // LANES), 1 if n <= rows else min(-(-n // LANES), MOST)


def memory_for(parts: int, k: int) -> Array:
    """Return new memory for parts of a sum of k columns: (k,) for a single part."""
    return empty((k,) if parts == 1 else (parts, k))


def total(parts: Array) -> Array:
    """Return the sum of what the blocks left, always added in the same order."""
    if parts.ndim == 1:
        return parts
    n, k = parts.shape
    y = empty((k,))
    run("activation", "sum_rows", (-(-k // LANES), 1), parts, y, n, k)
    return y


def product(a: Array, b: Array, out: Array = None) -> Array:
    """Return a @ b, in `out` if given: the one place where these files multiply."""
    return a @ b if out is None else sys.modules["cupy"].matmul(a, b, out=out)


def takes(*arrays: Array) -> bool:
    """Whether kernels can read these: float32 on a GPU, row after row without gaps."""
    return all(
        device_of(x) == "cuda" and x.dtype == np.float32 and x.flags.c_contiguous
        for x in arrays
    )


def contiguous(x: Array) -> Array:
    """Return x, or a copy that lies row after row without gaps."""
    return sys.modules["cupy"].ascontiguousarray(x)


def empty(shape: tuple[int, ...], dtype: DType = np.float32) -> Array:
    """Return new memory on the device."""
    return sys.modules["cupy"].empty(shape, dtype)


def empty_like(x: Array) -> Array:
    """Return new memory for a result like x."""
    return empty(x.shape, x.dtype)
