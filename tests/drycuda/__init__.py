"""The real CuPy on a machine without a GPU: a mock CUDA driver beneath it.

CuPy reaches CUDA only through functions of three compiled modules, which its other
modules fetch as C pointers, "capsules", when they are imported. `install` imports
those three first, puts functions of our own into their capsules, and imports CuPy last:

    capsules.py   how a function of a compiled module is replaced
    ledger.py     what the device did: launches, copies, syncs; what went wrong
    memory.py     device memory is memory of the host; streams record while they capture
    launches.py   modules, kernels and their launches
    execute.py    a kernel's own CUDA C++, compiled by g++ with cudasim.h, and run
    libraries.py  stand-ins for cuBLAS, cuRAND and thrust, in NumPy
    bounds.py     every kernel under the address sanitizer, in a process of its own

NVRTC really compiles every kernel for sm_90, so what is no CUDA C++ fails here too.
Everything runs at once and in order: what this cannot show is asynchrony, the rounding
of a device's own functions, what is compiled into CuPy beforehand (CUB, cuFFT,
cuSOLVER), TF32, and time.

It needs cupy-cuda13x 14.2, the wheels nvidia-cuda-nvrtc, nvidia-cuda-runtime and
nvidia-cuda-crt, gcc and g++. The first use of a kernel takes about half a second; it is
then kept in DRYCUDA_CACHE (by default ~/.cache/minidl-drycuda).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.drycuda.ledger import ledger

__all__ = ["cache", "install", "installed", "ledger"]

VERSION = "14.2."


def cache() -> Path:
    """Return the folder where compiled kernels are kept."""
    default = Path.home() / ".cache" / "minidl-drycuda"
    return Path(os.environ.get("DRYCUDA_CACHE", default))


def installed() -> bool:
    """Whether the mock driver is in place."""
    return ledger.installed


def install() -> None:
    """Put the mock driver beneath CuPy, which must not have been imported yet."""
    if installed():
        return
    if "cupy" in sys.modules:
        raise RuntimeError("the mock driver must come before the first `import cupy`")
    os.environ["CUPY_ACCELERATORS"] = ""  # CUB and cuTENSOR are compiled beforehand
    os.environ.setdefault("CUPY_CACHE_DIR", str(cache() / "nvrtc"))
    from tests.drycuda import launches, libraries, memory

    memory.install()
    launches.install()
    libraries.install_cublas()
    import cupy

    if not cupy.__version__.startswith(VERSION):
        raise RuntimeError(
            f"the mock driver was written for CuPy {VERSION}*, and this is "
            f"{cupy.__version__}: pip install 'cupy-cuda13x=={VERSION}*'"
        )
    launches.remember_sources()
    libraries.install_others()
    ledger.installed = True
