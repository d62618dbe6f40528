"""New tensors, and the same numbers in another type or place.

Throughout:  x input    y output    g = ∂L/∂y

What is made of nothing is a Tensor; the `_like` functions give a Tensor for a Tensor
and an array for an array. `dtype` defaults to float32 (`md.default_dtype`).
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.backend import (
    Array,
    DType,
    array_module,
    default_device,
    default_dtype,
    device_of,
    namespace,
    to_device,
)
from minidl.engine.op import op
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.errors import DTypeError, RangeError
from minidl.foreign import answers

__all__ = [
    "arange", "astype", "copy", "detach", "from_dlpack", "full", "one_hot", "ones",
    "ones_like", "to", "zeros", "zeros_like",
]  # fmt: skip

Shape = int | Sequence[int]


@op(linear=True)
def copy(x):
    """Return the same numbers in memory of their own; gradients pass."""
    return x.copy(), lambda g: g


def full(
    shape: Shape, value: float, dtype: DType | None = None, device: str | None = None
) -> Tensor:
    """Return a Tensor of `shape` that holds `value` everywhere."""
    if dtype is not None and not isinstance(dtype, (str, type, np.dtype)):
        raise DTypeError(
            f"{dtype!r} is no dtype; a shape is one tuple: zeros((3, 4)) in place of "
            "zeros(3, 4)"
        )
    xp = array_module(device or default_device())
    return Tensor(xp.full(shape, value, dtype or default_dtype()), copy=False)


def zeros(
    shape: Shape, dtype: DType | None = None, device: str | None = None
) -> Tensor:
    """Return a Tensor of zeros."""
    return full(shape, 0, dtype, device)


def ones(shape: Shape, dtype: DType | None = None, device: str | None = None) -> Tensor:
    """Return a Tensor of ones."""
    return full(shape, 1, dtype, device)


def from_dlpack(x: Any) -> Tensor:
    """Return a Tensor that shares the memory of another library's array.

    x is whatever speaks DLPack: a tensor of PyTorch or JAX, an array of CuPy. It stays
    where it is, on the CPU or a GPU.

    Raises DTypeError for what does not, or holds what NumPy has no type for.
    """
    if not hasattr(x, "__dlpack_device__"):
        raise DTypeError(
            f"from_dlpack: {type(x).__name__} has no __dlpack__; try Tensor(x)"
        )
    device = "cuda" if x.__dlpack_device__()[0] == 2 else "cpu"
    try:
        return Tensor(array_module(device).from_dlpack(x), copy=False)
    except (BufferError, RuntimeError, TypeError) as error:
        raise DTypeError(
            f"from_dlpack cannot take this {type(x).__name__} ({error}); if it is "
            "tracked try x.detach(), if its type is unknown x.float()"
        ) from error


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1,
    dtype: DType | None = None,
    device: str | None = None,
) -> Tensor:
    """Return start, start + step, …, up to but not including `stop`; or 0 … start − 1.

    Whole numbers give integers (for indices), others the default dtype.

    >>> arange(4)
    Tensor([0, 1, 2, 3], dtype=int64)
    """
    if stop is None:
        start, stop = 0, start
    if dtype is None:
        whole = all(isinstance(n, (int, np.integer)) for n in (start, stop, step))
        dtype = np.int64 if whole else default_dtype()
    xp = array_module(device or default_device())
    return Tensor(xp.arange(start, stop, step, dtype=dtype), copy=False)


def zeros_like(x: TensorLike) -> Any:
    """Return zeros of the shape, dtype and device of x."""
    y = namespace(values(x)).zeros_like(values(x))
    return Tensor(y, copy=False) if isinstance(x, Tensor) else y


def ones_like(x: TensorLike) -> Any:
    """Return ones of the shape, dtype and device of x."""
    y = namespace(values(x)).ones_like(values(x))
    return Tensor(y, copy=False) if isinstance(x, Tensor) else y


@answers
def one_hot(
    labels: TensorLike, classes: int | None = None, dtype: DType | None = None
) -> Any:
    """Return rows of zeros with a 1 at the label.    labels (...) -> y (..., classes).

    classes   how many; one more than the largest label, by default
    Raises DTypeError for labels that are no integers, RangeError for one out of range.

    >>> one_hot(np.array([0, 2]))
    array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    x = values(labels)
    x = np.asarray(x) if isinstance(x, (list, tuple, int)) else x
    if x.dtype.kind not in "iu":
        raise DTypeError(
            f"one_hot: labels are whole numbers, and these are {x.dtype}; try "
            "labels.astype('int64')"
        )
    if classes is None:
        classes = int(x.max()) + 1 if x.size else 0
    if device_of(x) == "cpu" and x.size and not 0 <= x.min() <= x.max() < classes:
        raise RangeError(
            f"one_hot: labels go from {x.min()} to {x.max()}, and {classes} classes "
            f"are numbered 0 … {classes - 1}"
        )
    hot = x[..., None] == namespace(x).arange(classes)
    y = hot.astype(dtype or default_dtype())
    return Tensor(y, copy=False) if isinstance(labels, Tensor) else y


# The same numbers, elsewhere


def detach(x: TensorLike) -> Any:
    """Return the same values as a leaf that tracks nothing and shares their memory."""
    return x.detach() if isinstance(x, Tensor) else x


def astype(x: TensorLike, dtype: DType) -> Any:
    """Return x in another type; between floats it can be differentiated.

    x itself, where it has that type already. Integers and truth values have no
    gradient: what becomes one of them is detached.
    """
    dtype = np.dtype(dtype)
    if values(x).dtype == dtype:
        return x
    return _astype(x if dtype.kind == "f" else detach(x), dtype=dtype)


@op(linear=True)
def _astype(x, *, dtype):
    old = x.dtype
    return x.astype(dtype), lambda g: astype(g, old)


def to(x: TensorLike, device: str) -> Any:
    """Return x on `device`, "cpu" or "cuda": itself, where it is there already."""
    return x if device_of(values(x)) == device else _to(x, device=device)


@op(linear=True)
def _to(x: Array, *, device: str) -> Any:
    old = device_of(x)
    return to_device(x, device), lambda g: to(g, old)
