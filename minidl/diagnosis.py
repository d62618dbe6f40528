"""What an operation expects, and what to say when it gets something else.

Calls that are right pay nothing for this: signatures are bound only when inputs are
given by name or left out, and shapes and devices are looked at after NumPy refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import device_of
from minidl.errors import (
    DeviceError,
    DTypeError,
    IndexRangeError,
    MinidlError,
    ShapeError,
)

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

    def bind(self, args: Any, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
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
            what = f"nothing called {unknown[0]!r}" if unknown else "fewer arguments"
            raise TypeError(f"{self.name} takes {what}; it takes {self}")
        return tuple(inputs), settings

    def __str__(self) -> str:
        return f"({', '.join((*self.inputs, '*', *self.settings))})"


def as_operand(x: Any, args: Any, arithmetic: bool) -> Any:
    """Return x, which is neither Tensor nor array nor float, as an op can take it.

    A NumPy scalar becomes a Python number, for it would widen float32; in arithmetic, a
    list becomes an array of the dtype of the Tensor that it meets.
    """
    if isinstance(x, np.generic):
        return x.item()
    if arithmetic and isinstance(x, (list, tuple)):
        like = next(t.data for t in args if hasattr(t, "requires_grad"))
        array = np.array(x)
        return array if array.dtype == bool else array.astype(like.dtype)
    return x


def refuse_mixed_floats(op: Any, args: Any) -> None:
    """Raise a DTypeError if float32 meets float64: the result would silently widen."""
    arrays = [getattr(x, "data", x) if hasattr(x, "requires_grad") else x for x in args]
    floats = {
        x.dtype for x in arrays if isinstance(x, np.ndarray) and x.dtype.kind == "f"
    }
    if len(floats) > 1:
        names = " and ".join(sorted(str(d) for d in floats))
        raise DTypeError(
            f"{op.__name__.lstrip('_')} got {names} at once; bring them to one width "
            "with .astype('float32'), or float64 for gradient checks"
        )


def explain(op: Any, arrays: Any, error: Exception) -> Exception:
    """Return the error that a student should see in place of `error`."""
    if isinstance(error, (MinidlError, NotImplementedError, MemoryError)):
        return error
    name, seen = op.__name__.lstrip("_"), [x for x in arrays if hasattr(x, "shape")]
    devices = {device_of(x) for x in seen}
    if len(devices) > 1:
        return DeviceError(
            f"{name} got arrays on {' and '.join(sorted(devices))}; bring them to one "
            "device with x.to('cuda') or x.to('cpu')"
        )
    shapes = ", ".join(str(tuple(x.shape)) for x in seen)
    if op.broadcasts and "broadcast" in str(error):
        return ShapeError(
            f"{name}: shapes {shapes} do not stretch to a common one; compared from "
            "the last axis backwards, lengths must be equal or 1. Try x.reshape(…) or "
            "x[:, None] to insert an axis of length 1"
        )
    if isinstance(error, TypeError):
        return DTypeError(
            f"{name} cannot take {', '.join(_kind(x) for x in arrays)}: {error}"
        )
    if isinstance(error, ValueError):
        return ShapeError(f"{name}: inputs of shape {shapes} do not fit ({error})")
    if isinstance(error, IndexError):
        return _explain_index(name, shapes, error)
    return error


def _explain_index(name: str, shapes: str, error: IndexError) -> MinidlError:
    """Say which of the things that NumPy calls an IndexError happened."""
    if "integer" in str(error):
        return DTypeError(
            f"{name}: an index is made of whole numbers, slices, ..., None or truth "
            f"values ({error}); try .astype('int64')"
        )
    return IndexRangeError(f"{name}: x has shape {shapes}: {error}")


def _kind(x: Any) -> str:
    return f"{x.dtype} array" if hasattr(x, "dtype") else type(x).__name__
