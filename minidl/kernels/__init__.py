"""Faster bodies of some operations and rules: deletable, one folder for each kind.

    cpu    NumPy calls in fewer passes over memory        cuda    CUDA C++ through CuPy
    numba  loops, compiled by numba if it is installed; MINIDL_FAST=0 leaves them out

A file registers its bodies on the operations, `@conv2d.fast("cpu")`; they take the same
arguments, and return None for what they cannot do. The operation then runs its own
body, which is the specification. `multiply.rule(value, *ways)` is the same for what is
one call of NumPy, and is not asked whether it can. `optim.py` of a kind does the same
for the rules of optimizers: `FAST[Adam, "cpu"]`.

Every file found here is imported, if the library that its kind needs is installed.
A file, a folder or all of `kernels/` may be deleted, and minidl works without it.
"""

import os
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

NEEDS = {"cpu": "numpy", "cuda": "cupy"}  # other kinds are called as their library
OFF = {"numba"} if os.environ.get("MINIDL_FAST") == "0" else set()


def load(wanted: Callable[[str], bool]) -> None:
    """Import the files with a wanted name, of every kind that can run here."""
    for kind in iter_modules(__path__, f"{__name__}."):
        name = kind.name.rpartition(".")[2]
        if kind.ispkg and name not in OFF and find_spec(NEEDS.get(name, name)):
            folder = import_module(kind.name).__path__
            for file in iter_modules(folder, f"{kind.name}."):
                if wanted(file.name.rpartition(".")[2]):
                    import_module(file.name)


load(lambda name: not name.startswith("optim"))  # `optim` loads those
