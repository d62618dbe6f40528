"""cuBLAS as a C program calls it: what minidl/kernels/cuda/blas.py finds by ctypes.

A call may come while a stream captures: it is recorded on the handle's own stream. Each
entry of the empty library jumps to a pointer, and behind that pointer stands Python.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from tests.drycuda.capsules import alive
from tests.drycuda.ledger import ledger

TYPES = {
    "void *": ctypes.c_void_p,
    "int": ctypes.c_int,
    "long long": ctypes.c_longlong,
    "size_t": ctypes.c_size_t,
}
SIGNATURES = {
    "cublasCreate_v2": ["void *"],
    "cublasDestroy_v2": ["void *"],
    "cublasSetStream_v2": ["void *", "void *"],
    "cublasSetWorkspace_v2": ["void *", "void *", "size_t"],
    "cublasGemmStridedBatchedEx": [
        "void *", *["int"] * 5,
        "void *", "void *", "int", "int", "long long",
        "void *", "int", "int", "long long",
        "void *", "void *", "int", "int", "long long", "int", "int", "int",
    ],
}  # fmt: skip
streams: dict[int, int] = {}  # of the handles
workspaces: dict[int, int] = {}


def source() -> str:
    """Return the C of the entries."""
    return "".join(
        "int (*to_{0})({1}); int {0}({2}) {{ return to_{0}({3}); }}\n".format(
            name,
            ", ".join(types),
            ", ".join(f"{t} x{i}" for i, t in enumerate(types)),
            ", ".join(f"x{i}" for i in range(len(types))),
        )
        for name, types in SIGNATURES.items()
    ).replace("size_t", "unsigned long")


def connect(library: Any, gemm: Callable[..., None]) -> None:
    """Put Python behind the entries of a library made from `source`."""

    def create(place: int) -> None:
        handle = ledger.new_handle()
        ctypes.c_size_t.from_address(place).value = handle
        streams[handle] = 0

    def set_stream(handle: int, stream: int | None) -> None:
        streams[handle] = stream or 0
        workspaces.pop(handle, None)  # as the real one forgets it

    def set_workspace(handle: int, pointer: int, size: int) -> None:
        workspaces[handle] = pointer

    def multiply(handle: int, *args: Any) -> None:
        capturing = streams[handle] in ledger.recordings
        if capturing and handle not in workspaces:
            raise RuntimeError("a product in a graph needs a workspace of its own")
        gemm(handle, *args, now=streams[handle])

    functions = create, streams.pop, set_stream, set_workspace, multiply
    for (name, types), function in zip(SIGNATURES.items(), functions, strict=True):
        prototype = ctypes.CFUNCTYPE(ctypes.c_int, *(TYPES[t] for t in types))
        callback = prototype(guarded(name, function))
        alive.append(callback)
        pointer = ctypes.cast(callback, ctypes.c_void_p).value
        ctypes.c_void_p.in_dll(library, f"to_{name}").value = pointer


def guarded(name: str, function: Callable[..., Any]) -> Callable[..., int]:
    """Keep what a callback cannot raise; C gets a status."""

    def call(*args: Any) -> int:
        try:
            function(*args)
        except BaseException as error:
            ledger.errors.append(f"{name}: {type(error).__name__}: {error}")
            return 1
        return 0

    return call
