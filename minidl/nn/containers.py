"""Modules made of modules, and a few that only pass something on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self, overload

from minidl import ops
from minidl.engine.tensor import Tensor, TensorLike
from minidl.errors import DTypeError, IndexRangeError, RangeError, ShapeError
from minidl.nn import fuse
from minidl.nn.module import Module

__all__ = ["Flatten", "Identity", "ModuleDict", "ModuleList", "Sequential", "Unflatten"]

Layer = Callable[..., Any]


class ModuleList(Module):
    """A list of modules whose parameters are found, named "0", "1", … as in PyTorch.

    It has no forward: the module that owns it decides what to do with them.

    >>> len(ModuleList(Identity() for _ in range(3)))
    3
    """

    def __init__(self, layers: Iterable[Layer] = ()) -> None:
        for layer in layers:
            self.append(layer)

    def append(self, layer: Layer) -> Self:
        """Put one more at the end."""
        setattr(self, str(len(self)), _as_module(layer))
        return self

    def __len__(self) -> int:
        return len(self._names())

    def __iter__(self) -> Iterator[Any]:
        return iter([vars(self)[name] for name in self._names()])

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Any:
        """Return one layer, or a container of the same layers (not of copies)."""
        if isinstance(index, slice):
            return type(self)(*self._arguments(list(self)[index]))
        return vars(self)[self._name(index)]

    def __setitem__(self, index: int, layer: Layer) -> None:
        setattr(self, self._name(index), _as_module(layer))

    @staticmethod
    def _arguments(layers: list[Layer]) -> tuple[Any, ...]:
        """How `__init__` takes these layers."""
        return (layers,)

    def _names(self) -> list[str]:
        return [name for name in vars(self) if name.isdecimal()]

    def _name(self, index: int) -> str:
        n = len(self)
        if not -n <= index < n:
            raise IndexRangeError(
                f"{type(self).__name__} has {n} layers, from 0 to {n - 1}; there is no "
                f"[{index}]"
            )
        return str(index % n)


class ModuleDict(Module):
    """A dictionary of modules whose parameters are found, under the names of the keys.

    It has no forward: the module that owns it decides what to do with them.

    >>> heads = ModuleDict({"digit": Identity(), "color": Identity()})
    >>> list(heads), "digit" in heads
    (['digit', 'color'], True)

    Raises RangeError for a key that is no name, or the name of a method.
    """

    def __init__(self, layers: Mapping[str, Layer] | None = None) -> None:
        for key, layer in (layers or {}).items():
            self[key] = layer

    def __setitem__(self, key: str, layer: Layer) -> None:
        named = isinstance(key, str) and key and "." not in key
        if not named or key.startswith("_") or hasattr(type(self), key):
            raise RangeError(
                f"ModuleDict: the key {key!r} cannot be the name of a module; take a "
                "word without a dot that is no method of modules"
            )
        setattr(self, key, _as_module(layer))

    def __getitem__(self, key: str) -> Any:
        if key not in self:
            raise IndexRangeError(
                f"ModuleDict has no {key!r}; there are {', '.join(self) or 'none'}"
            )
        return vars(self)[key]

    def __delitem__(self, key: str) -> None:
        self[key]  # or it is said what there is
        delattr(self, key)

    def __contains__(self, key: object) -> bool:
        return isinstance(vars(self).get(str(key)), Module)

    def __iter__(self) -> Iterator[str]:
        return iter([k for k, m in vars(self).items() if isinstance(m, Module)])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def keys(self) -> list[str]:
        """Return the names."""
        return list(self)

    def values(self) -> list[Any]:
        """Return the modules."""
        return [self[key] for key in self]

    def items(self) -> list[tuple[str, Any]]:
        """Return the names with their modules."""
        return [(key, self[key]) for key in self]


class Sequential(ModuleList):
    """y = fₙ(… f₂(f₁(x))): each layer is given what the one before it returned.

    Functions of `ops` may stand between the modules.

    >>> net = Sequential(Flatten(), ops.exp)
    >>> net(Tensor([[[1.0, 2.0], [3.0, 4.0]]])).shape, net[1:]
    ((1, 4), Sequential()
      0: Function(name='exp'))
    """

    def __init__(self, *layers: Layer) -> None:
        if len(layers) == 1 and isinstance(layers[0], (list, tuple)):
            layers = tuple(layers[0])
        super().__init__(layers)

    def forward(self, x: TensorLike) -> Any:
        """Run x through all layers; `fuse` says which of them a GPU takes in pairs."""
        layers = list(self)[::-1]
        while layers:
            layer = layers.pop()
            if layers and fuse.fits(layer, layers[-1], x):
                x = fuse.affine_relu(layer, layers.pop(), x)
            else:
                x = layer(x)
        return x

    @staticmethod
    def _arguments(layers: list[Layer]) -> tuple[Any, ...]:
        return tuple(layers)


class Identity(Module):
    """y = x: a place for something else, as where a head was taken off."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return x


class Flatten(Module):
    """Join all axes from `start` on.    x (N, C, H, W) -> y (N, C · H · W)."""

    def __init__(self, start: int = 1) -> None:
        self.start = start

    def forward(self, x: Tensor) -> Tensor:
        """Return x with one axis in place of the last ones."""
        if not 0 <= self.start <= x.ndim:
            raise ShapeError(
                f"Flatten: x {x.shape} has no axis {self.start} to start from; the "
                "first axis is the batch. Is it missing? x[None] adds one"
            )
        kept = x.shape[: self.start]
        shape = (*kept, math.prod(x.shape[self.start :]))  # no −1: a batch may be empty
        y: Tensor = ops.reshape(x, shape=shape)
        return y


class Unflatten(Module):
    """Cut one axis into several: the way back from Flatten.

    x (N, C · H · W) -> y (N, C, H, W) for axis 1 and shape (C, H, W); one of them may
    be −1.
    """

    def __init__(self, axis: int, shape: tuple[int, ...]) -> None:
        self.axis, self.shape = axis, tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        """Return x with several axes in place of one."""
        here = -x.ndim <= self.axis < x.ndim
        at = self.axis % x.ndim if here else 0
        length, free = x.shape[at] if here else -1, self.shape.count(-1)
        cut = math.prod(n for n in self.shape if n != -1)
        fits = length == cut or (free == 1 and cut and length % cut == 0)
        if not here or not fits or free > 1:
            raise ShapeError(
                f"Unflatten: axis {self.axis} of x {tuple(x.shape)} cannot be cut into "
                f"{self.shape}; the product must be its length"
            )
        shape = (*x.shape[:at], *self.shape, *x.shape[at + 1 :])
        y: Tensor = ops.reshape(x, shape=shape)
        return y


class Function(Module):
    """y = f(x): a function of `ops`, or one of yours, in the place of a layer."""

    def __init__(self, f: Layer) -> None:
        self.f, self.name = f, getattr(f, "__name__", type(f).__name__)

    def forward(self, *args: Any) -> Any:
        """Return f(x)."""
        return self.f(*args)


def _as_module(layer: Any) -> Module:
    if isinstance(layer, Module):
        return layer
    if isinstance(layer, type) or not callable(layer):
        what = f"the class {layer.__name__}" if isinstance(layer, type) else repr(layer)
        hint = "; write it with parentheses" if isinstance(layer, type) else ""
        raise DTypeError(f"{what} is no layer{hint}; layers are modules or functions")
    return Function(layer)
