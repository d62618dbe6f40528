"""Module: a tree of parameters that can be called.

A module is an ordinary object: whatever Parameter, Buffer or Module is assigned to it
(or stands in a list, tuple or dictionary of it) belongs to it, under the name it was
assigned to and in that order. Names below are joined by dots: "encoder.0.weight".

Throughout:  p a parameter or buffer    state  a dictionary of name → array
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from minidl import backend
from minidl.backend import Array
from minidl.engine.tensor import Tensor
from minidl.errors import DTypeError
from minidl.nn.state import Mismatch, read_state, write_state
from minidl.nn.summary import Summary, summarize
from minidl.nn.tree import Buffer, Parameter, Tree, drawn, walk

__all__ = ["Buffer", "Module", "Parameter"]

Hook = Callable[[Any, tuple[Any, ...], Any], Any]  # (module, inputs, output)


class Module(Tree):
    """Anything with parameters: assign them in `__init__`, use them in `forward`.

    A subclass need not call `super().__init__()`. Calling the module runs `forward`;
    arrays among the positional arguments arrive there as Tensors.

    >>> class Scale(Module):
    ...     def __init__(self, n: int) -> None:
    ...         self.gain = Parameter(np.ones(n, np.float32))
    ...
    ...     def forward(self, x: Tensor) -> Tensor:
    ...         return x * self.gain
    >>> [name for name, p in Scale(3).named_parameters()]
    ['gain']
    """

    training: bool = True  # the default of every instance, until train() or eval()
    _hooks: Hooks | None = None

    # Calling

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output from the inputs."""
        raise NotImplementedError(
            f"{type(self).__name__} has no forward(); write "
            "`def forward(self, x): …` and return the output from it"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `forward`, then the hooks."""
        for x in args:
            if not isinstance(x, Tensor):
                args = tuple(_tensor(x) for x in args)
                break
        y = self.forward(*args, **kwargs)
        return y if self._hooks is None else self._hooks.run(self, args, y)

    def register_forward_hook(self, hook: Hook) -> Handle:
        """Call `hook(module, inputs, output)` after every forward.

        What the hook returns takes the place of the output, unless it is None. The
        handle's `remove()` ends it, and so does the end of `with handle:`.
        """
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks.add(hook)

    # The state: what a file keeps

    def named_state(self) -> Iterator[tuple[str, Tensor]]:
        """Parameters and buffers; a shared one under each name, as in PyTorch."""
        for name, p in walk(self):
            if isinstance(p, (Parameter, Buffer)):
                yield name, p

    def state_dict(self, copy: bool = True) -> dict[str, Array]:
        """Return name → array for every parameter and buffer.

        The arrays are copies, so that a state taken now stays as it is while training
        goes on (`copy=False` shares the memory, as PyTorch does).
        """
        return read_state(self.named_state(), copy)

    def load_state_dict(
        self, state: Mapping[str, Any], strict: bool = True
    ) -> Mismatch:
        """Write the values of `state` into the parameters and buffers, in place.

        Every array keeps its identity, dtype and device. With `strict=False` names may
        be missing or unknown; they are returned. A shared parameter needs only one of
        its names. Where something does not fit, nothing at all is changed.

        Raises ShapeError for missing or unexpected names and for wrong shapes, and
        RangeError where two names of one parameter bring different values.
        """
        return write_state(self.named_state(), state, strict)

    # Changing all of it

    def train(self, mode: bool = True) -> Self:
        """Set the training mode here and below: dropout drops, batch norm counts."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set the mode in which a trained network is used."""
        return self.train(False)

    def requires_grad_(self, on: bool = True) -> Self:
        """Switch the gradients of all parameters on, or off to freeze them."""
        for p in self.parameters():
            p.requires_grad_(on)
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters():
            p.grad = None

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call `function` on every module below, each before the one above it."""
        done: set[int] = set()
        for _, module in walk(self, bottom_up=True):
            if isinstance(module, Module) and id(module) not in done:
                done.add(id(module))
                function(module)
        return self

    def to(self, device: str) -> Self:
        """Move all parameters and buffers, with their gradients, to "cpu" or "cuda".

        The module itself changes: parameters remain the same Tensors, so that an
        optimizer made before goes on with them, but their arrays are new.
        """
        return self._replace(lambda array: backend.to_device(array, device))

    def astype(self, dtype: Any) -> Self:
        """Bring all floats of the module, with their gradients, to another width.

        The module itself changes, as in `to`: take `copy.deepcopy(model)` first to keep
        the old one. Integer and boolean buffers stay what they are.
        """
        dtype = np.dtype(dtype)
        if dtype.kind != "f":
            raise DTypeError(
                f"parameters are floats and cannot become {dtype}; try "
                "model.astype('float32') or 'float64'"
            )
        return self._replace(
            lambda array: array.astype(dtype) if array.dtype.kind == "f" else array
        )

    def _replace(self, function: Callable[[Array], Array]) -> Self:
        for p in [*self.parameters(), *self.buffers()]:
            p.data = function(p.data)
            if p.grad is not None:
                p.grad = function(p.grad)
        return self

    # Looking at it

    def __repr__(self) -> str:
        return drawn(self)

    def summary(self, *input_shapes: tuple[int, ...], dtype: Any = None) -> Summary:
        """Return a table of every layer: output, parameters, multiply-adds, memory.

        input_shapes  the shapes that `forward` takes, the batch axis included
        dtype         of the inputs; by default that of the parameters

        The model runs once, on zeros, and is left as it was.
        """
        return summarize(self, input_shapes, dtype)


def _tensor(x: Any) -> Any:
    """Return an array as a Tensor that shares its memory, anything else as it is."""
    if isinstance(x, np.ndarray) or hasattr(x, "__cuda_array_interface__"):
        return x if isinstance(x, Tensor) else Tensor(x, copy=False)
    return x


# Forward hooks: functions that are told what went into a module and what came out


class Hooks:
    """The hooks of one module, in the order in which they were registered."""

    def __init__(self) -> None:
        self.hooks: list[Hook] = []

    def add(self, hook: Hook) -> Handle:
        """Register a hook; the handle removes it."""
        self.hooks = [*self.hooks, hook]  # a new list: a running loop keeps the old one
        return Handle(self, hook)

    def run(self, module: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Call every hook; what one returns, unless None, replaces the output."""
        for hook in self.hooks:
            new = hook(module, inputs, output)
            output = output if new is None else new
        return output


class Handle:
    """The way to remove a hook: `handle.remove()`, or the end of `with handle:`."""

    def __init__(self, hooks: Hooks, hook: Hook) -> None:
        self.hooks, self.hook = hooks, hook

    def remove(self) -> None:
        """Take the hook away; a second time is no error."""
        kept = list(self.hooks.hooks)
        for i, hook in enumerate(kept):
            if hook is self.hook:
                del kept[i]
                break
        self.hooks.hooks = kept
        self.hook = _gone

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def _gone(module: Any, inputs: tuple[Any, ...], output: Any) -> None:
    """Stand in the place of a hook that was removed."""
