"""A model on other values: its modules are copied for one call, its arrays are not.

WeightNoise computes with disturbed weights and MixedPrecision with rounded ones. Their
gradients belong to the parameters, which stay where they are: nobody who looks at the
model meanwhile, a hook or another thread, finds anything else in it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from minidl.nn.module import Hooks, Module
from minidl.nn.tree import Buffer, Parameter, Tree

Instead = Callable[[Tree, Any], Any]  # (module, its parameter or buffer) -> a Tensor


@contextmanager
def substituted(model: Module, instead: Instead) -> Iterator[Module]:
    """Give a copy of the model to call, with Tensors of `instead` in it.

    Everything else is shared: containers without modules, buffers that `instead`
    returns, and hooks, which are told of the model's own modules. What `forward`
    assigns to `self` is assigned to the model's own module in the end.
    """
    copies: dict[int, tuple[Any, Any]] = {}  # by id: a module and its copy
    twin = _copied(model, instead, copies)
    before = [dict(vars(made)) for _, made in copies.values()]
    yield twin
    for (module, made), old in zip(copies.values(), before, strict=True):
        for name, value in vars(made).items():
            if name not in old or old[name] is not value:
                setattr(module, name, value)


def _copied(module: Any, instead: Instead, copies: dict[int, tuple[Any, Any]]) -> Any:
    """Return the copy of a module; of one that stands in several places, the same."""
    if id(module) in copies:
        return copies[id(module)][1]
    made = object.__new__(type(module))
    copies[id(module)] = module, made

    def changed(value: Any) -> Any:
        """Return what stands in the place of an attribute, or of what is in one."""
        if isinstance(value, Tree):
            return _copied(value, instead, copies)
        if isinstance(value, (Parameter, Buffer)):
            return instead(module, value)
        if isinstance(value, Hooks):
            return _HooksOf(module, value)
        if isinstance(value, (list, tuple, dict)):
            return _container(value, changed)
        return value

    for name, value in vars(module).items():
        vars(made)[name] = changed(value)
    return made


def _container(value: Any, changed: Callable[[Any], Any]) -> Any:
    """Return a list, tuple or dictionary of what is changed; itself if nothing is."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    new = [changed(value[key]) for key in keys]
    if all(x is value[key] for x, key in zip(new, keys, strict=True)):
        return value
    if isinstance(value, tuple):
        return type(value)(*new) if hasattr(value, "_fields") else tuple(new)
    made = copy.copy(value)
    for key, x in zip(keys, new, strict=True):
        made[key] = x
    return made


class _HooksOf(Hooks):
    """The hooks of a module, for its copy: they are told of the module itself."""

    def __init__(self, module: Module, own: Hooks) -> None:
        self.module, self.hooks = module, own.hooks

    def run(self, module: Module, inputs: tuple[Any, ...], output: Any) -> Any:
        """Call every hook."""
        return super().run(self.module, inputs, output)
