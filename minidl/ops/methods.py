"""What can be written x + y, x.sum() or x[2]: operators and methods of Tensor.

An op is a plain function, so it becomes a method by assignment; only what needs another
order of arguments, or works in place, is spelled out.
"""
# mypy: disable-error-code="has-type"
# (the knot: mypy reads this file before it knows what the ops are)

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from typing import Any

from minidl.backend import Array
from minidl.diagnosis import explain
from minidl.errors import GraphError
from minidl.modes import mode
from minidl.ops import (
    activation,
    creation,
    elementwise,
    indexing,
    joining,
    linalg,
    reduce,
    shape,
    special,
    trigonometry,
)
from minidl.ops.softmax import log_softmax, softmax
from minidl.tensor import Tensor, values


def _reflected(op: Callable[..., Any]) -> Callable[[Tensor, Any], Any]:
    """3 - x is subtract(3, x)."""
    return lambda self, other: op(other, self)


def _compared(name: str) -> Callable[[Tensor, Any], Array]:
    """A comparison gives a plain array of truth values, which have no gradient."""
    compare = getattr(operator, name)

    def method(self: Tensor, other: Any) -> Array:
        try:
            return compare(self.data, values(other))
        except ValueError as error:
            raise explain(elementwise.add, [self.data, values(other)], error) from error

    return method


def _in_place(op: Callable[..., Any], name: str) -> Callable[[Tensor, Any], Tensor]:
    """x += o makes a new value, as for a number, unless nothing is recorded here."""

    def method(self: Tensor, other: Any) -> Tensor:
        if mode.recording:
            tracked = isinstance(other, Tensor) and other.requires_grad
            if self.source is not None or (tracked and not self.requires_grad):
                return op(self, other)  # type: ignore[no-any-return]
            if self.requires_grad:
                raise GraphError(
                    "x += v on a leaf that requires a gradient would overwrite it; "
                    "write x = x + v for a new Tensor, or `with md.no_grad():` to "
                    "update a parameter"
                )
        try:
            getattr(self.data, name)(values(other))
        except (TypeError, ValueError) as error:
            raise explain(op, [self.data, values(other)], error) from error
        self.touch()
        return self

    return method


def _power(self: Tensor, exponent: Any) -> Any:
    """x ** 2 is a square: a product costs less than a power."""
    if type(exponent) in (int, float) and exponent == 2:
        return elementwise.square(self)
    return elementwise.power(self, exponent)


def _getitem(self: Tensor, index: Any) -> Any:
    """x[index]."""
    return indexing.getitem(self, index=indexing.plain_index(index))


def _iterate(self: Tensor) -> Iterator[Any]:
    """`for row in x`: one node for all rows."""
    if not self.ndim:
        raise TypeError("a 0-d Tensor is one number and cannot be iterated over")
    return iter(joining.unstack(self))


def _lengths(lengths: tuple[Any, ...]) -> Any:
    """Take f(2, 3) for f((2, 3))."""
    one = len(lengths) == 1 and isinstance(lengths[0], (tuple, list))
    return tuple(lengths[0]) if one else lengths


def _reshape(self: Tensor, *lengths: Any) -> Any:
    """x.reshape(2, 3) or x.reshape((2, 3)): the same numbers in another shape."""
    return shape.reshape(self, shape=_lengths(lengths))


def _transpose(self: Tensor, *axes: Any) -> Any:
    """x.transpose(), x.transpose(1, 0) or x.transpose((1, 0)): permute the axes."""
    return shape.transpose(self, axes=None if axes in ((), (None,)) else _lengths(axes))


def _flatten(self: Tensor, start: int = 0) -> Any:
    """x.flatten(): one row; x.flatten(1) keeps the batch, (N, C, H, W) -> (N, CHW)."""
    n = math.prod(self.shape[start:])  # −1 could not tell what an empty x shall be
    return shape.reshape(self, shape=(*self.shape[:start], n))


METHODS: dict[str, Any] = {
    "__add__": elementwise.add,
    "__radd__": _reflected(elementwise.add),
    "__sub__": elementwise.subtract,
    "__rsub__": _reflected(elementwise.subtract),
    "__mul__": elementwise.multiply,
    "__rmul__": _reflected(elementwise.multiply),
    "__truediv__": elementwise.divide,
    "__rtruediv__": _reflected(elementwise.divide),
    "__pow__": _power,
    "__rpow__": _reflected(elementwise.power),
    "__matmul__": linalg.matmul,
    "__rmatmul__": _reflected(linalg.matmul),
    "__neg__": elementwise.negative,
    "__pos__": lambda self: self,
    "__abs__": elementwise.abs,
    "__iadd__": _in_place(elementwise.add, "__iadd__"),
    "__isub__": _in_place(elementwise.subtract, "__isub__"),
    "__imul__": _in_place(elementwise.multiply, "__imul__"),
    "__itruediv__": _in_place(elementwise.divide, "__itruediv__"),
    "__getitem__": _getitem,
    "__iter__": _iterate,
    "T": property(shape.transpose),
    "reshape": _reshape,
    "transpose": _transpose,
    "flatten": _flatten,
    "relu": activation.relu,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "astype": creation.astype,
    "to": creation.to,
    **{f"__{name}__": _compared(name) for name in ("gt", "ge", "lt", "le", "eq", "ne")},
}
NAMES = {
    elementwise: "abs clip exp log masked_fill sqrt square",
    indexing: "take",
    reduce: "all any argmax cumsum logsumexp max mean min norm prod std sum var",
    shape: "broadcast_to expand_dims squeeze swapaxes",
    special: "sigmoid",
    trigonometry: "cos sin tanh",
}
for _module, _names in NAMES.items():
    METHODS |= {name: getattr(_module, name) for name in _names.split()}
for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)
