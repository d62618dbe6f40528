"""What an operation takes: which inputs and settings, and of which width.

Integers, NumPy scalars, lists and arrays of a subclass are brought to what the floats
beside them are. Calls with floats of one width pay nothing for this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minidl import foreign
from minidl.backend import default_dtype, device_of, namespace
from minidl.engine import messages
from minidl.errors import DTypeError, MinidlError, WidthError

HALF, SINGLE = np.dtype(np.float16), np.dtype(np.float32)
BOOL, DOUBLE = np.dtype(bool), np.dtype(np.float64)
VARIADIC = 4  # the flag of a function that takes *args


class Signature:
    """The inputs (before `*`) and the settings (after it) of an operation's body."""

    def __init__(self, body: Any) -> None:
        code = body.__code__
        n, m = code.co_argcount, code.co_kwonlyargcount
        self.name: str = body.__name__
        self.n_inputs = None if code.co_flags & VARIADIC else n
        self.inputs: tuple[str, ...] = code.co_varnames[:n]
        self.settings: tuple[str, ...] = code.co_varnames[n : n + m]
        self.known = frozenset(self.settings)
        defaults = body.__defaults__ or ()
        self.optional = dict(zip(self.inputs[::-1], defaults[::-1], strict=False))

    def bind(
        self, args: Sequence[Any], given: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """Put inputs given by name, or left out, in their places; settings by name."""
        n = len(args) if self.n_inputs is None else self.n_inputs
        settings = {**dict(zip(self.settings, args[n:], strict=False)), **given}
        inputs = list(args[:n])
        for name in self.inputs[len(inputs) :]:
            if name not in settings and name not in self.optional:
                raise TypeError(
                    f"{self.name}: input {name!r} is missing; it takes {self}"
                )
            inputs.append(settings.pop(name, self.optional.get(name)))
        unknown = [key for key in settings if key not in self.known]
        if unknown or len(args) > n + len(self.settings):
            what = "fewer arguments"
            if unknown:
                what = f"nothing called {unknown[0]!r}{foreign.keyword(unknown[0])}"
            raise TypeError(f"{self.name} takes {what} (it takes {self})")
        return tuple(inputs), settings

    def __str__(self) -> str:
        return f"({', '.join((*self.inputs, '*', *self.settings))})"


def plain_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with plain numbers for NumPy's, which would widen float32."""
    scalars = np.generic, np.ndarray
    return {
        name: x.item() if isinstance(x, scalars) and not x.ndim else x
        for name, x in settings.items()
    }


def as_operand(x: Any, args: Sequence[Any], arithmetic: bool) -> Any:
    """Return x, which is neither Tensor nor array nor float, as an op can take it.

    A NumPy scalar becomes a Python number, for it would widen float32; a subclass of
    ndarray becomes a plain array; a list becomes an array, of the width of the float
    that it meets, or the default dtype. Integers in a list stay integers where they may
    be labels or indices.
    """
    if isinstance(x, np.generic):
        return x.item()
    if isinstance(x, np.ndarray):
        return plain_array(x)
    if not isinstance(x, (list, tuple)):
        return x
    arrays = [t.data if hasattr(t, "requires_grad") else t for t in args]
    arrays = [a for a in arrays if hasattr(a, "dtype")]
    floats = [a for a in arrays if a.dtype.kind == "f"]
    try:
        array = np.array(x)
    except ValueError:  # rows of several lengths: the op says what it takes
        return x
    if array.dtype.kind == "f" or (arithmetic and floats and array.dtype.kind in "iu"):
        array = array.astype(floats[0].dtype if floats else default_dtype())
    like = arrays[0] if arrays else array
    return namespace(like).asarray(array)


def operands(arrays: Sequence[Any], arithmetic: bool) -> list[Any]:
    """Return the inputs of an op that got no Tensor, as it can take them.

    A NumPy scalar stays what it is, a 0-d array, unless it would widen an array.
    """
    floats = [x.dtype for x in arrays if hasattr(x, "__len__") and hasattr(x, "dtype")]
    width = next((d for d in floats if d.kind == "f"), None)

    def fits(x: Any) -> bool:
        return isinstance(x, np.generic) and (
            x.dtype.kind != "f" or width is None or width == x.dtype
        )

    return [x if fits(x) else as_operand(x, arrays, arithmetic) for x in arrays]


def plain_array(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an array of a subclass, or of foreign byte order, as a plain ndarray.

    Raises DTypeError for a masked array that hides numbers: they have no value here.
    """
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        raise DTypeError(
            "a masked array hides some of its numbers, and here every number counts; "
            "say what stands in their places: x.filled(0)"
        )
    x = np.asarray(x)
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))


# Running a body


def computed(op: Any, arrays: Sequence[Any], settings: dict[str, Any]) -> Any:
    """Return what the first fast body that accepts these arrays makes, or the plain."""
    if op.fasts:
        for fast in op.fasts.get(device_of(arrays[0]), ()):
            if (made := fast(*arrays, **settings)) is not None:
                return made
    return op.body(*arrays, **settings)


def on_arrays(op: Any, arrays: Sequence[Any], settings: dict[str, Any]) -> Any:
    """Run an op on arrays alone."""
    dtype, alike, on_gpu = None, True, False
    for x in arrays:
        if type(x) is np.ndarray or isinstance(x, np.floating):
            if x.dtype is not dtype and x.dtype is not BOOL:
                alike, dtype = alike and dtype is None, x.dtype
        elif type(x) is not float and x is not None:
            on_gpu = device_of(x) == "cuda"
            alike = alike and on_gpu
    try:
        if alike and (on_gpu or (dtype is not None and dtype.kind == "f")):
            made = computed(op, arrays, settings)
        else:
            arrays = operands(arrays, op.broadcasts)
            made = in_one_width(op, arrays, settings)
    except Exception as error:
        raise messages.failure(op, arrays, error) from error
    if type(made) is not tuple or len(made) < 2:
        raise messages.no_pair(op, made)
    return made


def in_float32(op: Any, args: Sequence[Any], settings: dict[str, Any]) -> Any:
    """Run an op that adds up in float32, and round its outputs to float16."""
    wide = [x.astype(SINGLE) if getattr(x, "dtype", None) == HALF else x for x in args]
    made = op(*wide, **settings)
    if type(made) is tuple:
        return tuple(y.astype(HALF) if y.dtype == SINGLE else y for y in made)
    return made.astype(HALF) if made.dtype == SINGLE else made


def in_one_width(op: Any, arrays: Sequence[Any], settings: dict[str, Any]) -> Any:
    """Run an op on arrays of several dtypes, or of no float: integers widen nothing.

    What integers and truth values compute with a float has that float's width; with
    none among them, the default dtype. NumPy would make float64 of most. So where a
    result came out wider, integers are brought to that width, and it is computed again;
    and gradients are brought to it. (Which integers are labels only the body knows.)
    """
    messages.refuse_mixed_floats(op, arrays)
    dtypes = [x.dtype for x in arrays if hasattr(x, "dtype")]
    if any(d.kind == "c" for d in dtypes):
        raise DTypeError(
            f"{op.__name__.lstrip('_')} got complex numbers, which have no order and "
            "no gradient here; give it x.real and x.imag, or abs(x)"
        )
    width = next((d for d in dtypes if d.kind == "f"), default_dtype())
    kinds = "iu" if any(d.kind in "iu" for d in dtypes) else "b"
    refused = made = None
    try:
        made = computed(op, arrays, settings)
    except WidthError as error:  # integers may have made one of the two widths
        refused = error
    if refused or (type(made) is tuple and _wider(made, width)):
        floats = [
            x.astype(width) if getattr(x, "dtype", width).kind in kinds else x
            for x in arrays
        ]
        try:
            again = computed(op, floats, settings)
        except MinidlError as error:
            raise refused or error from error
        if refused or not _wider(again, width):  # not asked for, as by astype
            made = again
    if type(made) is not tuple or len(made) < 2:
        return made
    return made[0], Narrow(made[1], width), *made[2:]


def _wider(made: tuple[Any, ...], width: np.dtype[Any]) -> bool:
    """Whether a floating output has another width than this."""
    return any(y.dtype.kind == "f" and y.dtype != width for y in outputs(made))


class Narrow(NamedTuple):
    """The way back of an op that met integers: its gradients get the floats' width."""

    back: Any
    width: Any


def outputs(made: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the outputs of an op, whether it has one or several."""
    return made[0] if type(made[0]) is tuple else made[:1]
