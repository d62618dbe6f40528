"""How a function of a compiled module is replaced.

A Cython module lists its C functions in `__pyx_capi__`, name by name, each a capsule
that holds a pointer and, as its name, the signature in C. Another module that is
imported later takes the pointer from there and calls it directly. So a capsule with a
pointer of ours, made by ctypes from a Python function, replaces the function for all
who come later.
"""

from __future__ import annotations

import ctypes
import functools
import re
import sys
from collections.abc import Callable
from typing import Any

from tests.drycuda.ledger import ledger

TYPES: dict[str, Any] = {
    "PyObject *": ctypes.py_object,
    "int": ctypes.c_int,
    "intptr_t": ctypes.c_ssize_t,
    "size_t": ctypes.c_size_t,
    "unsigned int": ctypes.c_uint,
    "uintmax_t": ctypes.c_uint64,
    "float": ctypes.c_float,
    "void": None,
}
alive: list[Any] = []  # C holds pointers to these, and calls them to the very end:
ctypes.pythonapi.Py_IncRef(ctypes.py_object(alive))  # so the list is never freed

new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype = ctypes.py_object
new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
name_of = ctypes.pythonapi.PyCapsule_GetName
name_of.restype = ctypes.c_char_p
name_of.argtypes = [ctypes.py_object]


def replace(module: Any, name: str, function: Callable[..., Any]) -> None:
    """Put a Python function in the place of one of a Cython module."""
    signature = name_of(module.__pyx_capi__[name]).decode()
    found, arguments = split(signature)
    given = sum("__pyx_" not in a for a in arguments)  # less Cython's own extras
    result = ctype(found)
    nothing = None if result in (None, ctypes.py_object) else 0

    @functools.wraps(function)
    def guarded(*args: Any, ending: Any = sys.is_finalizing) -> Any:
        if ending():
            return nothing
        try:
            y = function(*args[:given])
        except BaseException as error:  # a callback cannot raise through C: keep it
            ledger.errors.append(f"{name}: {type(error).__name__}: {error}")
            return nothing
        return nothing if y is None else y

    prototype = ctypes.PYFUNCTYPE(result, *map(ctype, arguments))
    callback = prototype(guarded)
    alive.append(callback)
    replace_pointer(module, name, ctypes.cast(callback, ctypes.c_void_p))
    setattr(module, name, function)  # some are called by name instead


def replace_pointer(module: Any, name: str, pointer: Any) -> None:
    """Put a pointer into the capsule of a function."""
    signature = ctypes.create_string_buffer(name_of(module.__pyx_capi__[name]))
    alive.append(signature)
    address = ctypes.cast(signature, ctypes.c_char_p)
    module.__pyx_capi__[name] = new_capsule(pointer, address, None)


def split(signature: str) -> tuple[str, list[str]]:
    """Return the type of the result and those of the arguments.

    >>> split("int (intptr_t, size_t)")
    ('int ', ['intptr_t', ' size_t'])
    """
    match = re.fullmatch(r"(.*?)\((.*)\)", signature, re.DOTALL)
    assert match, signature
    found, arguments = match.groups()
    return found, [] if arguments.strip() == "void" else arguments.split(",")


def ctype(name: str) -> Any:
    """Return the ctypes type for a C type by name; enumerations are int."""
    name = re.sub(r"\b__pyx_\w+$", "", name.strip()).strip() or name.strip()
    if name in TYPES:
        return TYPES[name]
    pointer = name.endswith(("*", "__pyx_optional_args"))
    return ctypes.c_void_p if pointer else ctypes.c_int
