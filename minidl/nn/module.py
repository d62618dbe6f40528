"""Module: a tree of parameters that can be called; its leaves are layers.

A module is an ordinary object: whatever Parameter, Buffer or Module is assigned to it
(or stands in a list, tuple or dictionary of it) belongs to it, under the name it was
assigned to and in that order. Names below are joined by dots: "encoder.0.weight".

Throughout:  p a parameter or buffer    state  a dictionary of name → array
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from minidl import backend, foreign
from minidl.backend import Array, DType
from minidl.engine.tensor import Tensor, TensorLike
from minidl.errors import DTypeError, GraphError, MinidlError, RangeError
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
    _mode: bool | None = None  # of a frozen module: the mode that it would be in
    _hooks: Hooks | None = None

    @foreign.checked
    def __init__(self) -> None:
        pass

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let `__init__` say what arguments from elsewhere are called here."""
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = foreign.checked(cls.__init__)  # type: ignore[method-assign]

    if not TYPE_CHECKING:  # type checkers know what a module has

        def __getattr__(self, name: str) -> Any:
            owner, names = f"a {type(self).__name__}", partial(dir, self)
            raise foreign.missing(owner, name, names, foreign.OBJECTS)

    def __setattr__(self, name: str, value: object) -> None:
        old = vars(self).get(name)
        if isinstance(old, (Parameter, Buffer)) and not (
            value is None or isinstance(value, (Parameter, Buffer, Tree))
        ):
            raise GraphError(_lost(self, name, old, value))
        object.__setattr__(self, name, value)

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
        try:
            y = self.forward(*args, **kwargs)
        except MinidlError as error:
            _locate(error, self)
            raise
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
        """Set the training mode here and below: dropout drops, batch norm counts.

        What is frozen stays in eval mode.
        """
        for module in self.modules():
            if module._mode is None:
                module.training = mode
            else:
                module._mode = mode
        return self

    def eval(self) -> Self:
        """Set the mode in which a trained network is used."""
        return self.train(False)

    def freeze(self, pattern: str = "*") -> Self:
        """Stop learning here: no gradients, and eval mode, whatever train() says.

        pattern  of names, as in a shell: "*" is everything, "0" a layer and all that is
                 below it, "encoder.*", "*.bias"; a module of which all parameters and
                 buffers match is in eval mode too

        In eval mode a batch norm keeps its statistics and dropout drops nothing, so
        that a frozen part is the same function for the rest of the training.
        `requires_grad_(False)` switches off the gradients alone.

        >>> from minidl import nn
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))
        >>> net = net.freeze("[01]").train()
        >>> [layer.training for layer in net], net.num_parameters(trainable_only=True)
        ([False, False, True], 6)

        Raises RangeError if nothing has such a name.
        """
        # region a5.13: no gradients, and a mode that train() cannot change
        for m in _matching(self, pattern):
            if isinstance(m, Parameter):
                m.requires_grad_(False)
                m.grad = None  # an old one would move it at the next step
            elif isinstance(m, Module) and m._mode is None:
                m._mode, m.training = m.training, False
        # endregion
        return self

    def unfreeze(self, pattern: str = "*") -> Self:
        """Undo `freeze`: gradients, and the mode of the last train() or eval()."""
        for m in _matching(self, pattern):
            if isinstance(m, Parameter):
                m.requires_grad_(True)
            elif isinstance(m, Module) and m._mode is not None:
                m.training, m._mode = m._mode, None
        return self

    def requires_grad_(self, on: bool = True) -> Self:
        """Switch the gradients of all parameters on or off; see also `freeze`."""
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

    def astype(self, dtype: DType) -> Self:
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

    def summary(self, *inputs: Any, dtype: Any = None) -> Summary:
        """Return a table of every layer: output, parameters, multiply-adds, memory.

        inputs  what `forward` takes: of each input the shape, (1, 784), or an example
        dtype   of the inputs given by shape; by default that of the parameters

        The model runs once, shapes standing for zeros, and is left as it was.
        """
        return summarize(self, inputs, dtype)


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Put every layer of a model into eval mode; at the end, each back as it was.

    What is frozen takes no note of it. A model that is no Module may have no mode.
    """
    alone = [model] if hasattr(model, "training") else []
    modules = list(model.modules()) if hasattr(model, "modules") else alone
    before = [module.training for module in modules]
    try:
        for module in modules:
            module.training = False
        yield
    finally:
        for module, mode in zip(modules, before, strict=True):
            module.training = mode


def _lost(module: Module, name: str, old: Tensor, value: object) -> str:
    """Say what to write in place of an assignment that would lose a parameter."""
    kind, owner = type(old).__name__, type(module).__name__
    return (
        f"{owner}.{name} is a {kind} {old.shape}, and assigning a "
        f"{type(value).__name__} would take it out of parameters() and state_dict(). "
        f"To change its values: `with minidl.no_grad(): self.{name}[...] = value`; to "
        f"put another in its place: self.{name} = nn.{kind}(value); to keep a computed "
        f"value beside it, use another name; to remove it: self.{name} = None"
    )


def _matching(module: Module, pattern: str) -> list[Any]:
    """Return parameters, buffers and modules whose name, or one above it, matches."""
    found: list[Any] = []
    for name, member in walk(module):
        parts = name.split(".")
        names = (".".join(parts[:i]) for i in range(1, len(parts) + 1))
        whole = isinstance(member, Module) and _all_match(member, name, pattern)
        if whole or any(fnmatchcase(above, pattern) for above in names):
            found.append(member)
    if not found:
        names_ = ", ".join(name for name, _ in module.named_state()) or "none"
        raise RangeError(
            f"{type(module).__name__} has nothing called {pattern!r}; its parameters "
            f'are {names_}; try the number or name of a layer, such as "0"'
        )
    return found


def _all_match(module: Module, name: str, pattern: str) -> bool:
    """Whether the module holds something, and all of it has a name that matches."""
    prefix = f"{name}." if name else ""
    own = [prefix + below for below, _ in module.named_state()]
    return bool(own) and all(fnmatchcase(each, pattern) for each in own)


def _tensor(x: TensorLike) -> Any:
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

    def run(self, module: Module, inputs: tuple[Any, ...], output: Any) -> Any:
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


def _gone(module: Module, inputs: tuple[Any, ...], output: Any) -> None:
    """Stand in the place of a hook that was removed."""


def _locate(error: MinidlError, module: Module) -> None:
    """Say in which layer an error happened: called by the innermost module first."""
    seen: list[Module] = vars(error).setdefault("modules", [])
    seen.append(module)
    names = []
    for child, parent in pairwise(seen):
        found = [name for name, member in parent.named_members() if member is child]
        names.append(found[0] if found else "?")
    kind = type(seen[0]).__name__
    error.layer = f"{'.'.join(names[::-1])} ({kind})" if names else kind
