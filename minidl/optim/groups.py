"""What is optimized: parameters, their names, and groups with a rate of their own.

An optimizer asks of a parameter only `data` (its array, changed in place), `grad` (an
array or None) and `touch()` (to say that the array was written).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.errors import DTypeError, GraphError, RangeError
from minidl.optim.settings import Params, Scalar, at_least

Parameter = Any  # data, grad, touch(): a minidl.nn.Parameter, or what looks like one
Named = tuple[str, Parameter]
OPTIONS = ("params", "lr", "weight_decay")


@dataclass(eq=False, slots=True)
class Member:
    """One parameter, how many steps it has made, and what is kept for it."""

    name: str
    parameter: Parameter
    t: int = 0
    slots: dict[str, Array] = field(default_factory=dict)


@dataclass(eq=False, slots=True, weakref_slot=True)
class Group:
    """Parameters that share a learning rate (a number or a schedule) and a decay.

    lr_scale   a factor on lr, which `ReduceOnPlateau` makes smaller
    """

    members: list[Member]
    lr: Any
    weight_decay: float
    lr_scale: float = 1.0

    def rate(self, t: int) -> Any:
        """Return the learning rate of step t, counted from 0."""
        lr = (self.lr(t) if callable(self.lr) else self.lr) * self.lr_scale
        # np.float64, a scalar on the host, would widen float32 arrays
        return lr.item() if isinstance(lr, np.generic) else lr


def checked_lr(owner: str, lr: Scalar) -> Any:
    """Return a schedule, a device's 0-d array, or a number that is not negative."""
    if callable(lr) or getattr(lr, "shape", None) == ():
        return lr
    return at_least(owner, "lr", lr)


def named(params: Params, owner: str, first: int = 0) -> list[Named]:
    """Return (name, parameter) pairs; without a name: 'parameter 3 of shape (4, 5)'."""
    if hasattr(params, "named_parameters"):
        raise DTypeError(
            f"{owner} wants parameters and got a whole {type(params).__name__}; "
            "try model.parameters(), or model.named_parameters() for better messages"
        )
    if callable(params):
        raise DTypeError(
            f"{owner} wants parameters and got a function; "
            "did you forget the parentheses of model.parameters()?"
        )
    if hasattr(params, "data") and hasattr(params, "grad"):
        raise DTypeError(f"{owner} wants a list of parameters; try [parameter]")
    _check_order(params, owner)
    if not isinstance(params, Iterable) or isinstance(params, Mapping):
        raise DTypeError(
            f"{owner} wants a list of parameters, not a {type(params).__name__}; "
            "try model.parameters()"
        )
    return [_name(owner, i, item) for i, item in enumerate(params, first)]


def _check_order(params: Params, owner: str) -> None:
    """Raise DTypeError for a set: its order may differ when a state comes back."""
    if isinstance(params, Set):
        raise DTypeError(
            f"{owner} got a set of parameters, whose order changes from run to run, so "
            "that a saved state would go to others; try a list, or model.parameters()"
        )


def _name(owner: str, i: int, item: Any) -> Named:
    pair = isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)
    name, p = item if pair else ("", item)
    if not (hasattr(p, "data") and hasattr(p, "grad") and hasattr(p.data, "dtype")):
        raise DTypeError(
            f"{owner}: item {i} is {type(p).__name__}, not a parameter; "
            "try minidl.nn.Parameter(data), or model.parameters()"
        )
    name = name or f"parameter {i} of shape {p.data.shape}"
    if p.data.dtype.kind != "f":
        raise DTypeError(
            f"{owner}: {name} holds {p.data.dtype}; only floats can be optimized: "
            "try .astype('float32')"
        )
    if getattr(p, "edge", None) is not None:
        raise GraphError(
            f"{owner}: {name} was computed by an operation, so it is not a leaf and "
            "never gets a .grad; pass what it was computed from, or p.detach() with "
            "requires_grad=True"
        )
    return name, p


def as_groups(params: Params, owner: str) -> list[dict[str, Any]]:
    """Return the list of group dictionaries that `params` means."""
    if isinstance(params, Mapping) and "params" in params:
        return [dict(params)]
    if isinstance(params, Iterable) and not callable(params):
        if isinstance(params, Mapping) or hasattr(params, "named_parameters"):
            return [{"params": params}]
        _check_order(params, owner)
        params = list(params)
        kinds = {isinstance(item, Mapping) for item in params}
        if kinds == {True, False}:
            raise DTypeError(f"{owner}: give parameters or groups, not a mixture")
        if kinds == {True}:
            return [dict(group) for group in params]
    return [{"params": params}]


def check_options(group: Mapping[str, Any], owner: str) -> None:
    """Raise RangeError for a word that no group knows, or one that is missing."""
    unknown = [key for key in group if key not in OPTIONS]
    if unknown or "params" not in group:
        what = f"does not know {unknown[0]!r}" if unknown else "has no 'params'"
        raise RangeError(
            f"{owner}: a group {what}; it is a dictionary of 'params' and, if they "
            "differ from the rest, 'lr' and 'weight_decay'"
        )


def no_decay(model: Any, weight_decay: float) -> list[dict[str, Any]]:
    """Decay the weights, but not biases and norms: what has at most one axis.

    model: anything with `named_parameters()`, or (name, parameter) pairs. A bias does
    not make a function wilder by being large, and a norm's γ would only be pulled to 0.

    >>> from minidl import Tensor
    >>> w, b = Tensor([[1.0, 2.0]]), Tensor([0.0])
    >>> for group in no_decay([("weight", w), ("bias", b)], 0.01):
    ...     print(group["weight_decay"], [name for name, p in group["params"]])
    0.01 ['weight']
    0.0 ['bias']
    """
    at_least("no_decay", "weight_decay", weight_decay)
    method = getattr(model, "named_parameters", None)
    pairs = named(method() if method else model, "no_decay")
    weights = [(name, p) for name, p in pairs if p.data.ndim > 1]
    others = [(name, p) for name, p in pairs if p.data.ndim <= 1]
    groups = ((weights, float(weight_decay)), (others, 0.0))
    return [{"params": ps, "weight_decay": decay} for ps, decay in groups if ps]


def check_names(pairs: Iterable[Named], owner: str) -> None:
    """Raise RangeError for a parameter given twice: it would be moved twice a step."""
    seen: dict[int, str] = {}
    for name, p in pairs:
        if id(p) in seen:
            raise RangeError(
                f"{owner}: {name} is the same parameter as {seen[id(p)]} and would be "
                "moved twice at every step; give shared weights once"
            )
        seen[id(p)] = name
