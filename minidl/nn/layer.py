"""Layers that are an op and its settings, with nothing to learn.

A class names its op and lists the settings with their defaults, in their order:

    class ELU(UnaryLayer, op=ops.elu):
        alpha: float = 1.0

Written out by hand the same layer is

    class ELU(Module):
        def __init__(self, alpha: float = 1.0) -> None:
            self.alpha = alpha

        def forward(self, x: Tensor) -> Tensor:
            return ops.elu(x, alpha=self.alpha)

A setting that holds numbers (such as the weights of classes) becomes a buffer: it moves
with the module and is saved with it. Strings and whole numbers stay what they are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import Field, dataclass, fields
from functools import wraps
from typing import Any, ClassVar, ParamSpec, TypeVar, cast, dataclass_transform

from minidl.engine.tensor import Tensor, TensorLike
from minidl.nn.module import Buffer, Module

P = ParamSpec("P")
R = TypeVar("R")


@dataclass_transform(eq_default=False)
class OpLayer(Module):
    """An op as a layer: `__init__` takes the settings, as a dataclass takes fields."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    _op: ClassVar[Callable[..., Any]]
    _names: ClassVar[tuple[str, ...]] = ()  # of the settings

    def __init_subclass__(cls, op: Callable[..., Any] | None = None) -> None:
        doc = cls.__doc__
        dataclass(eq=False, repr=False)(cls)
        cls.__doc__ = doc  # a dataclass without one would be given its signature
        super().__init_subclass__()
        cls._names = tuple(field.name for field in fields(cls))
        if op is not None:
            cls._op = staticmethod(op)

    def __post_init__(self) -> None:
        for name in self._names:
            value = getattr(self, name)
            whole = isinstance(value, tuple) and all(type(n) is int for n in value)
            if hasattr(value, "__len__") and not isinstance(value, str) and not whole:
                setattr(self, name, Buffer(value))

    def compute(self, *inputs: TensorLike) -> Tensor:
        """Return what the op makes of the inputs, with the settings of this layer."""
        y: Tensor = self._op(*inputs, **{n: getattr(self, n) for n in self._names})
        return y


class UnaryLayer(OpLayer):
    """A layer of one input: an activation, or a pooling.

    single  how many axes one example has, where the op wants a batch of them
    """

    single: ClassVar[int | None] = None

    def forward(self, x: Tensor) -> Tensor:
        """Return the op of x, with the settings of this layer."""
        if x.ndim == self.single:
            return self.compute(x[None])[0]  # type: ignore[no-any-return]
        return self.compute(x)


def takes_one(single: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a `forward` that wants a batch take one example of `single` axes, too.

    All that stands beside the example (states, keys, a mask of its own) has no batch
    then either, and neither has what comes back. A mask of two axes serves any batch.
    """

    def decorate(forward: Callable[P, R]) -> Callable[P, R]:
        names = list(inspect.signature(forward).parameters)

        @wraps(forward)
        def either(*args: P.args, **settings: P.kwargs) -> R:
            given = {**dict(zip(names, args, strict=False)), **settings}
            if getattr(given.get(names[1]), "ndim", None) != single or any(
                getattr(x, "ndim", 0) > single and "mask" not in name
                for name, x in given.items()
            ):
                return forward(*args, **settings)
            batch = {
                name: x if "mask" in name and getattr(x, "ndim", 2) == 2 else _led(x)
                for name, x in given.items()
            }
            y: R = _first(cast(Any, forward)(**batch))
            return y

        return either

    return decorate


def _first(y: Any) -> Any:
    """Return the only example of a batch, or of each part of an output."""
    return tuple(_first(each) for each in y) if isinstance(y, tuple) else y[0]


def _led(x: Any) -> Any:
    """Return an array, or several, as a batch of one; anything else as it is."""
    if isinstance(x, tuple):
        return tuple(_led(each) for each in x)
    return x[None] if hasattr(x, "ndim") else x
