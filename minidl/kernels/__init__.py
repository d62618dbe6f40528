"""Faster bodies of some operations: deletable, one folder for each kind.

    cpu    NumPy calls in fewer passes over memory        cuda    CUDA C++ through CuPy

A file registers its bodies on the operations, `@conv2d.fast("cpu")`; they take the same
arguments, and return None for what they cannot do. The operation then runs its own
body, which is the specification. Every file found here is imported; the whole folder
may be deleted, and minidl works without it.
"""

from importlib import import_module
from pkgutil import iter_modules

for _kind in iter_modules(__path__, f"{__name__}."):
    _package = import_module(_kind.name)
    for _file in iter_modules(_package.__path__, f"{_kind.name}."):
        import_module(_file.name)
