"""Modules, kernels, and their launches."""

from __future__ import annotations

import ctypes
import subprocess
import sysconfig
import tempfile
import threading
from pathlib import Path
from typing import Any

from tests.drycuda import execute
from tests.drycuda.capsules import alive, replace, replace_pointer
from tests.drycuda.ledger import ledger

HERE = Path(__file__).parent
THREADS, SHARED = 1024, 49152  # the most of a block
compiling = threading.local()  # the source whose module CuPy is about to load
modules: dict[int, dict[str, Any]] = {}
kernels: dict[int, execute.Kernel] = {}


def load_module(image: bytes) -> int:
    source = getattr(compiling, "source", None)
    modules[handle := ledger.new_handle()] = {
        "image": image,
        "source": source,
        "options": getattr(compiling, "options", ()),
    }
    return handle


def get_function(module: int, name: str) -> int:
    made = modules[module]
    if name.encode() not in made["image"]:
        raise RuntimeError(f"CUDA_ERROR_NOT_FOUND: {name} is not in the module")
    kernels[handle := ledger.new_handle()] = execute.Kernel(
        name, made["source"], made["options"]
    )
    return handle


def launch(  # the signature of cuLaunchKernel
    function: int,
    gx: int,
    gy: int,
    gz: int,
    bx: int,
    by: int,
    bz: int,
    shared: int,
    stream: int,
    params: int,
    extra: int = 0,
) -> None:
    """Count a launch, and run the kernel; wrong sizes are refused as CUDA does."""
    if bx * by * bz > THREADS or bz > 64 or max(gy, gz) > 65535 or shared > SHARED:
        raise RuntimeError(
            f"CUDA_ERROR_INVALID_VALUE: grid {gx, gy, gz}, block {bx, by, bz}, "
            f"{shared} bytes of shared memory"
        )
    kernel = kernels[function]
    ledger.counts["launch"] += 1
    ledger.kernels[kernel.name] += 1
    captured = stream in ledger.recordings
    ledger.do(
        stream, kernel.prepare((gx, gy, gz), (bx, by, bz), shared, params, captured)
    )


DRIVER = {
    "moduleLoadData": load_module,
    "moduleUnload": lambda module: None,
    "moduleGetFunction": get_function,
    "launchKernel": launch,
    "funcGetAttribute": lambda attribute, function: {0: 1024, 4: 32}.get(attribute, 0),
    "funcSetAttribute": lambda function, attribute, value: None,
    "occupancyMaxActiveBlocksPerMultiprocessor": lambda function, block, shared: 4,
    "occupancyMaxPotentialBlockSize": lambda function, shared, limit: (132, 256),
    "ctxGetCurrent": lambda: 1,
    "ctxGetDevice": lambda: 0,
    "streamGetCtx": lambda stream: 1,
}


def install() -> None:
    """Replace the CUDA driver; a launch goes by way of C, so that it can raise."""
    from cupy_backends.cuda.api import driver

    for name, function in DRIVER.items():
        replace(driver, name, function)
    library = Path(tempfile.mkdtemp(prefix="drycuda-")) / "thunk.so"
    include = "-I" + sysconfig.get_paths()["include"]
    command = ["gcc", "-O1", "-shared", "-fPIC", "-w", include, str(HERE / "thunk.c")]
    subprocess.run([*command, "-o", str(library)], check=True)
    thunk = ctypes.PyDLL(str(library))
    ctypes.py_object.in_dll(thunk, "on_launch").value = launch
    alive.append(thunk)
    pointer = ctypes.cast(thunk.launch_kernel, ctypes.c_void_p)
    replace_pointer(driver, "launchKernel", pointer)


def remember_sources() -> None:
    """Have CuPy's compiler leave the source where `load_module` finds it."""
    import cupy.cuda.compiler as compiler

    original = compiler._compile_module_with_cache

    def compile_and_tell(source: str, options: Any = (), **settings: Any) -> Any:
        compiling.source, compiling.options = source, options
        try:
            return original(source, options, **settings)
        finally:
            compiling.source = None

    compiler._compile_module_with_cache = compile_and_tell
