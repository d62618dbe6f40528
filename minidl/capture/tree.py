"""The form of what a function takes and returns: a nest around arrays.

A nest is made of tuples, lists and dictionaries. Its form says where the arrays stand,
of which shape and dtype, and holds everything else; forms can be compared, and serve as
keys of a dictionary. With other arrays in the places it becomes a nest again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from minidl.backend import Array
from minidl.engine.tensor import Tensor, values


class Place(NamedTuple):
    """Where an array stands in a nest."""

    kind: type
    shape: tuple[int, ...]
    dtype: str
    requires_grad: bool


class Fixed(NamedTuple):
    """What is no array: the same at every replay."""

    kind: type
    value: Any


class Nest(NamedTuple):
    """A tuple, a list, or the values of a dictionary."""

    kind: type
    names: tuple[Any, ...]
    parts: tuple[Any, ...]


def taken(x: Any, arrays: list[Array]) -> Any:
    """Return the form of a nest, and append its arrays to a list.

    >>> taken((Tensor([1.0]), 2), []).parts[1].value
    2
    """
    kind = type(x)
    if kind in (tuple, list):
        return Nest(kind, (), tuple(taken(part, arrays) for part in x))
    if kind is dict:
        return Nest(kind, (*x,), tuple(taken(part, arrays) for part in x.values()))
    if not (hasattr(x, "dtype") and hasattr(x, "ndim")):
        return Fixed(kind, x)
    array = values(x)
    arrays.append(array)
    tracked = getattr(x, "requires_grad", False)
    return Place(
        Tensor if isinstance(x, Tensor) else kind, x.shape, str(x.dtype), tracked
    )


def filled(form: Any, arrays: Sequence[Array]) -> Any:
    """Return the nest of this form with these arrays in their places."""
    return _filled(form, iter(arrays))


def _filled(form: Any, arrays: Iterator[Array]) -> Any:
    if isinstance(form, Place):
        array = next(arrays)
        return Tensor(array, copy=False) if form.kind is Tensor else array
    if isinstance(form, Fixed):
        return form.value
    parts = [_filled(part, arrays) for part in form.parts]
    if form.kind is dict:
        return dict(zip(form.names, parts, strict=True))
    return form.kind(parts)


def detached(y: Any) -> Any:
    """Return a nest whose Tensors are no longer part of a graph."""
    arrays: list[Array] = []
    form = taken(y, arrays)
    return filled(form, arrays)
