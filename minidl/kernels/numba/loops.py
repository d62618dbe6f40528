"""How a loop of plain Python becomes machine code.

    @loop
    def double(x: In1, y: Out1) -> None:
        for i in range(x.size):
            y[i] = TWO * x[i]

The annotations are the types that numba compiles for, once: In2 is a matrix of float32
that is read, Out2 one that is written, Bytes4 has four axes of small integers, Number
is a float32, Count an integer. All arrays are contiguous. Constants are float32 too,
for with a Python number numba computes in float64. A `formula` takes numbers and
returns one, for use in loops.

Loops are compiled when a body first asks whether they are `ready`, and kept on disk
beside the source. Whoever edits a formula deletes __pycache__, for numba looks only at
the file of the loop.

Of what compilers call fast mathematics two things are allowed: a sum may be added in
any order, as NumPy does, and a product may be added without being rounded first. NaN,
infinities and the signs of zeros stay what they are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from types import FunctionType
from typing import Any, TypeAlias

import numpy as np

from minidl.backend import Array

In1: TypeAlias = Array
In2: TypeAlias = Array
In3: TypeAlias = Array
In4: TypeAlias = Array
Out1: TypeAlias = Array
Out2: TypeAlias = Array
Out3: TypeAlias = Array
Out4: TypeAlias = Array
Bytes4: TypeAlias = Array
Number: TypeAlias = Any
Count: TypeAlias = int

ALLOWED = {"reassoc", "contract"}  # see above; in LLVM's words
ZERO, HALF, ONE, TWO = (np.float32(x) for x in (0, 0.5, 1, 2))


class State:
    """Whether compiled loops may run; False once numba could not be used."""

    active = True


class Formula:
    """A function of numbers, compiled as a part of the loops that call it."""

    def __init__(self, python: Callable[..., Any]) -> None:
        self.python, self.compiled = python, None

    def __call__(self, *numbers: Number) -> Any:
        """Compute it in Python: only tests do."""
        return self.python(*numbers)

    def compile(self) -> Any:
        """Return what numba makes of it."""
        if self.compiled is None:
            self.compiled = jit()(with_formulas(self.python))
        return self.compiled


class Loop:
    """A function that writes arrays, and `run`, what numba made of it."""

    def __init__(self, python: Callable[..., None]) -> None:
        self.python = python
        self.run: Callable[..., None] | None = None

    def __call__(self, *arguments: Any) -> None:
        """Run it; a body has asked whether it is ready."""
        assert self.run is not None
        self.run(*arguments)

    def compile(self) -> None:
        """Compile it, or find on disk what was compiled before."""
        types = [numba_type(t) for t in parameters(self.python)]
        signature = import_module("numba").void(*types)
        python = with_formulas(self.python)
        try:
            self.run = jit([signature], cache=True)(python)
        except Exception:  # there is no place on disk, or what is there is broken
            self.run = jit([signature])(python)


loop, formula = Loop, Formula


@loop
def probe(x: Out1) -> None:
    """Write nothing but zeros: whoever can compile this can compile the others."""
    for i in range(x.size):
        x[i] = ZERO


def ready(*loops: Loop) -> bool:
    """Whether these loops can run. If not, a body declines and another one computes."""
    if not State.active:
        return False
    for one in loops:
        if one.run is None:
            try:
                one.compile()
            except Exception:  # whatever it is, everything works without numba
                State.active = False
                return False
    return True


def jit(*signature: Any, **options: Any) -> Any:
    """Return numba's decorator, with what all loops have in common."""
    numba = import_module("numba")
    options |= {"fastmath": ALLOWED, "error_model": "numpy", "nogil": True}
    return numba.njit(*signature, **options)


def with_formulas(python: Callable[..., Any]) -> Any:
    """Return the function with compiled formulas in place of those that it names."""
    assert isinstance(python, FunctionType)
    known = {
        name: value.compile() if isinstance(value, Formula) else value
        for name, value in python.__globals__.items()
        if name in python.__code__.co_names
    }
    known["__name__"] = python.__module__  # numba finds what it kept by this name
    return FunctionType(python.__code__, known, python.__name__)


def parameters(python: Callable[..., Any]) -> list[str]:
    """Return the annotations of the parameters, as they are written."""
    return [str(p.annotation) for p in inspect.signature(python).parameters.values()]


def numba_type(annotation: str) -> Any:
    """Return numba's type for Number, Count, In1 to In4, Out1 to Out4, Bytes4."""
    types = import_module("numba").types
    if annotation in ("Number", "Count"):
        return types.float32 if annotation == "Number" else types.int64
    kind, ndim = annotation[:-1], int(annotation[-1])
    number = types.uint8 if kind == "Bytes" else types.float32
    return types.Array(number, ndim, "C", readonly=kind == "In")


def flat(x: Array) -> Array | None:
    """See x as a row of numbers in the order of memory; None if there are gaps."""
    if x.flags.c_contiguous:
        return x.reshape(-1)
    axes = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    ordered = x.transpose(axes)
    return ordered.reshape(-1) if ordered.flags.c_contiguous else None


@formula
def expm1(x: Number) -> Number:
    """eˣ − 1 for −87 ≤ x ≤ 88:  x = k ln 2 + r,  eˣ − 1 = 2ᵏ (eʳ − 1) + (2ᵏ − 1).

    |r| ≤ ½ ln 2, where seven powers of Taylor's series are exact in float32. 2ᵏ is
    written as the bits of a float; ln 2 is taken off in two parts, the first of few
    digits, so that its product with k is exact.
    """
    k = np.floor(x * INVERSE_LN2 + HALF)
    r = (x - k * LN2_FIRST) - k * LN2_REST
    p = R7
    p = p * r + R6
    p = p * r + R5
    p = p * r + R4
    p = p * r + R3
    p = p * r + HALF
    p = p * r + ONE
    power = np.int32((np.int32(k) + BIAS) * LAST_BIT).view(np.float32)
    return power * (p * r) + (power - ONE)


INVERSE_LN2 = np.float32(1 / np.log(2))
LN2_FIRST = np.float32(355 / 512)
LN2_REST = np.float32(np.log(2) - 355 / 512)
R3, R4, R5, R6, R7 = (np.float32(1 / n) for n in (6, 24, 120, 720, 5040))
BIAS, LAST_BIT = np.int32(127), np.int32(1 << 23)  # of the exponent of a float32


@formula
def tanh(x: Number) -> Number:
    """(e²ˣ − 1) / (e²ˣ + 1), which is exact near 0 too; beyond ±10 it is ±1."""
    x = -TEN if x < -TEN else x  # in this order NaN stays
    x = TEN if x > TEN else x
    e = expm1(TWO * x)
    return e / (e + TWO)


TEN = np.float32(10)
