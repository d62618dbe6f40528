"""Joining many arrays on a GPU: one launch for each, and nothing sent there.

CuPy joins up to 8 arrays one by one. For more it makes a table of their addresses and
copies that to the device, which a step that stays on the device must not do.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from minidl.backend import Array, device_of
from minidl.ops.joining import _concatenate, _stack, split, unstack

FEW = 8


@_stack.fast("cuda")
def stack_many(*xs: Array, axis: int) -> Any:
    """Return stack of many arrays of one shape; else None."""
    if not _are_many(xs) or len({x.shape for x in xs}) > 1:
        return None
    shape = xs[0].shape
    if not -len(shape) - 1 <= axis <= len(shape):
        return None
    at = axis % (len(shape) + 1)
    y = _new(xs, (*shape[:at], len(xs), *shape[at:]))
    for i, x in enumerate(xs):
        y[(*(slice(None),) * at, i)] = x
    return y, lambda g: unstack(g, axis=axis)


@_concatenate.fast("cuda")
def concatenate_many(*xs: Array, axis: int) -> Any:
    """Return concatenate of many arrays that fit; else None."""
    n = xs[0].ndim
    if not _are_many(xs) or not -n <= axis < n:
        return None
    at = axis % n
    rest = {(*x.shape[:at], *x.shape[at + 1 :]) for x in xs}
    if len(rest) > 1 or any(x.ndim != n for x in xs):
        return None
    ends = np.cumsum([x.shape[at] for x in xs]).tolist()
    y = _new(xs, (*xs[0].shape[:at], ends[-1], *xs[0].shape[at + 1 :]))
    for x, end in zip(xs, ends, strict=True):
        y[(*(slice(None),) * at, slice(end - x.shape[at], end))] = x
    return y, lambda g: split(g, sections=ends[:-1], axis=axis)


def _are_many(xs: tuple[Any, ...]) -> bool:
    """Whether these are more arrays of the device than CuPy joins one by one."""
    return len(xs) > FEW and all(device_of(x) == "cuda" for x in xs)


def _new(xs: tuple[Array, ...], shape: tuple[int, ...]) -> Array:
    """Return memory for all of them."""
    return sys.modules["cupy"].empty(shape, np.result_type(*(x.dtype for x in xs)))
