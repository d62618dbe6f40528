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

from collections.abc import Callable
from dataclasses import Field, dataclass, fields
from functools import wraps
from typing import Any, ClassVar, TypeVar, dataclass_transform

from minidl.engine.tensor import Tensor, TensorLike
from minidl.nn.module import Buffer, Module

M = TypeVar("M", bound=Module)


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


def takes_one(
    single: int,
) -> Callable[[Callable[[M, Tensor], Tensor]], Callable[[M, Tensor], Tensor]]:
    """Let a `forward` that wants a batch take one example of `single` axes, too."""

    def decorate(
        forward: Callable[[M, Tensor], Tensor],
    ) -> Callable[[M, Tensor], Tensor]:
        @wraps(forward)
        def either(self: M, x: Tensor) -> Tensor:
            if x.ndim == single:
                y: Tensor = forward(self, x[None])[0]
                return y
            return forward(self, x)

        return either

    return decorate
