"""What this process asks of the system: threads, and memory that it keeps.

Both are for the whole process, and both are off unless somebody asks: by a call, or for
a program that cannot be changed by the environment.

    MINIDL_NUM_THREADS=2   set_num_threads(2)        MINIDL_MALLOC=keep   keep_memory()

**Threads.** OpenBLAS, which NumPy's wheels carry, shares every product among all cores
and lets its threads wait for each other by spinning. For small matrices that gains
nothing, and on a machine that is busy with something else it can take ten times as
long. NumPy has no switch for it once it is imported, but its BLAS has: threadpoolctl
knows that of every BLAS, and without it the OpenBLAS of NumPy's wheels is asked here.
With the extra `fast` who asks for threads gets minidl's own (kernels/parts.py), which
wait asleep, and one of BLAS: after a product its threads go on spinning on the cores
that ours need. Without `fast` BLAS's are quicker: Python's lock holds ours up.

**Memory.** A step of training frees large arrays and soon asks for the same again. The
allocator gives them back to the system meanwhile, which hands out zeroed pages: up to a
fifth of a step. The one of glibc can be told to keep them; then the process keeps what
its user frees, too, and never grows smaller.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

from minidl.errors import RangeError

VARIABLES = ("MINIDL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS",
             "MKL_NUM_THREADS")  # fmt: skip
# mallopt's parameters, from glibc's malloc.h: no array on pages of its own, and free
# memory at the end of the heap is given back only from 2 GB on
MMAP_MAX, TRIM_THRESHOLD, TWO_GB = -4, -1, 2**31 - 1


class Blas(NamedTuple):
    """How a library for matrix products is told its number of threads, and asked."""

    tell: Callable[[int], object]
    ask: Callable[[], int]


class _Kept:
    """What was asked for, for the whole process; threads is 0 if nobody asked."""

    memory = False
    threads = 0
    parts = 1  # how many of them are minidl's own


# Threads


def set_num_threads(n: int) -> bool:
    """Use n threads from now on; return whether BLAS was told.

    Without the extra `fast` they are BLAS's, and share products of matrices. With it
    they are minidl's own, and share what kernels/ cuts into parts: products of
    matrices, convolutions, LSTMs, attention, normalization, activations, pooling and
    optimizers; BLAS has one thread then, for products outside of minidl, too. The same
    number of threads gives the same results, bit by bit; another number may sum in
    another order. Raises RangeError unless n is 1 or more.
    """
    if not hasattr(n, "__index__") or n < 1:
        raise RangeError(f"set_num_threads takes a whole number from 1 on, not {n!r}")
    found, ours = _blas(), _compiles()
    for blas in found:
        blas.tell(1 if ours else int(n))
    _Kept.threads = int(n) if found or ours else 0
    _Kept.parts = int(n) if ours else 1
    return bool(found)


def _compiles() -> bool:
    """Whether there are loops for numba, which a student's edition lacks, and numba."""
    loops = os.path.join(os.path.dirname(__file__), "kernels", "numba")
    wanted = os.environ.get("MINIDL_FAST") != "0" and os.path.isdir(loops)
    return wanted and find_spec("numba") is not None


def threads_of_ours() -> int:
    """Return how many threads compute parts; 1 if nobody asked, or in a browser."""
    return 1 if sys.platform == "emscripten" else _Kept.parts


def get_num_threads() -> int:
    """Return the last n of `set_num_threads`; if nobody asked, how many BLAS uses.

    1 where BLAS cannot be asked; n of a call that changed nothing does not count.
    """
    return _Kept.threads or max((blas.ask() for blas in _blas()), default=1)


def _blas() -> list[Blas]:
    """Return the libraries for matrix products that are loaded and can be told."""
    try:
        controller = importlib.import_module("threadpoolctl").ThreadpoolController()
    except ImportError:
        return _openblas()
    libraries = controller.select(user_api="blas").lib_controllers
    return [Blas(each.set_num_threads, each.get_num_threads) for each in libraries]


def _openblas() -> list[Blas]:
    """Return the OpenBLAS that came with NumPy; it is loaded already."""
    import ctypes  # not all Pythons have it, and it takes a while
    import glob

    import numpy as np

    home = os.path.dirname(os.path.dirname(np.__file__))
    paths = glob.glob(os.path.join(home, "numpy.libs", "*openblas*"))
    paths += glob.glob(os.path.join(home, "numpy", ".dylibs", "*openblas*.dylib"))
    found = []
    for path in paths:
        try:
            library = ctypes.CDLL(path)
        except OSError:  # not for this machine
            continue
        for name in ("scipy_openblas_{}_num_threads64_", "openblas_{}_num_threads"):
            if hasattr(library, name.format("set")):
                tell, ask = (getattr(library, name.format(w)) for w in ("set", "get"))
                found.append(Blas(tell, ask))
                break
    return found


# Memory


def keep_memory() -> bool:
    """Keep freed memory for the next arrays; return whether the allocator can.

    It can where Python runs on glibc, the C library of most Linux systems; elsewhere
    nothing happens. It cannot be undone.
    """
    if not _glibc():
        return False
    import ctypes

    mallopt = ctypes.CDLL(None).mallopt
    done = [mallopt(MMAP_MAX, 0), mallopt(TRIM_THRESHOLD, TWO_GB)]
    _Kept.memory = all(done)
    return _Kept.memory


def _glibc() -> bool:
    """Whether the C library of this Python is glibc."""
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (AttributeError, ValueError, OSError):  # another library, another system
        return False


def keeps_memory() -> bool:
    """Whether `keep_memory` was asked for, and done."""
    return _Kept.memory


# Who asks


def from_environment() -> None:
    """Do what MINIDL_NUM_THREADS and MINIDL_MALLOC say; RangeError for other values."""
    threads = os.environ.get("MINIDL_NUM_THREADS")
    if threads:
        if not threads.isdecimal() or int(threads) < 1:
            raise RangeError(
                f"MINIDL_NUM_THREADS is {threads!r}; it is a whole number from 1 on"
            )
        set_num_threads(int(threads))
    kept = os.environ.get("MINIDL_MALLOC")
    if kept:
        if kept != "keep":
            raise RangeError(f"MINIDL_MALLOC is {kept!r}; it is keep, or not set")
        keep_memory()


def for_a_program() -> None:
    """Set what suits minidl's own programs: kept memory, and one thread.

    A number of threads that the user set by one of VARIABLES stays.
    """
    keep_memory()
    if not any(name in os.environ for name in VARIABLES):
        set_num_threads(1)
