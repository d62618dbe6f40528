"""One thread for BLAS: quicker for small networks, and the same on every machine.

OpenBLAS, which NumPy's wheels carry, shares every product among all cores and lets its
threads wait for each other by spinning. For matrices as small as the demo's that gains
nothing, and on a machine that is busy with something else it can take ten times as
long. NumPy has no switch for it once it is imported, but its OpenBLAS has.
"""

from __future__ import annotations

import ctypes
import glob
import os

import numpy as np

VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


def one_blas_thread() -> bool:
    """Let BLAS use one thread, unless the user asked for another number by VARIABLES.

    Return whether it was done; another BLAS than a wheel's OpenBLAS is left alone.
    """
    if any(name in os.environ for name in VARIABLES):
        return False
    for library in _openblas():
        for name in ("scipy_openblas_set_num_threads64_", "openblas_set_num_threads"):
            if hasattr(library, name):
                getattr(library, name)(1)
                return True
    return False


def _openblas() -> list[ctypes.CDLL]:
    """Return the OpenBLAS that came with NumPy; it is loaded already."""
    home = os.path.dirname(os.path.dirname(np.__file__))
    found = glob.glob(os.path.join(home, "numpy.libs", "*openblas*"))
    found += glob.glob(os.path.join(home, "numpy", ".dylibs", "*openblas*.dylib"))
    libraries = []
    for path in found:
        try:
            libraries.append(ctypes.CDLL(path))
        except OSError:  # not for this machine
            continue
    return libraries
