"""PyTorch's state, read and written without PyTorch.

Every layer says in one line how PyTorch keeps its parameters: `torch_layout`, a Layout.
Names of modules are joined by dots in both, so that a model of the same structure and
the same attribute names needs nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import backend
from minidl.errors import DTypeError
from minidl.nn.tree import Tree

__all__ = ["load_torch_state_dict", "to_torch_state_dict"]

if TYPE_CHECKING:
    from minidl.nn.module import Module
    from minidl.nn.state import Mismatch

State = dict[str, np.ndarray[Any, Any]]


class Layout:
    """How PyTorch keeps the parameters of one layer.

    names       our name → PyTorch's, where they differ
    transposed  those of ours that PyTorch keeps transposed
    extra       what only PyTorch keeps: name → the value to write; ignored when read
    own         what only we keep (the key of a dropout): it stays as it is

    A layer whose parameters are cut otherwise (recurrent gates, attention) has a
    subclass with a `read` and a `write` of its own. Both see the state of the layer and
    of all that is below it, with names relative to the layer.

    >>> linear = Layout(transposed=("weight",))
    >>> linear.read({"weight": np.ones((2, 3))}, None)["weight"].shape
    (3, 2)
    """

    def __init__(
        self,
        names: Mapping[str, str] | None = None,
        transposed: tuple[str, ...] = (),
        extra: Mapping[str, Any] | None = None,
        own: tuple[str, ...] = (),
    ) -> None:
        self.names = dict(names or {})
        self.transposed = transposed
        self.extra = dict(extra or {})
        self.own = own

    def read(self, state: State, module: Module) -> State:
        """Return our arrays, under our names, from PyTorch's."""
        ours = {theirs: own for own, theirs in self.names.items()}
        state = {
            ours.get(name, name): array
            for name, array in state.items()
            if name not in self.extra
        }
        kept = {n: m.data for n, m in _members(module) if n in self.own}
        return self._transpose(state) | kept

    def write(self, state: State, module: Module) -> State:
        """Return PyTorch's arrays, under its names, from ours."""
        state = {
            self.names.get(name, name): array
            for name, array in self._transpose(state).items()
            if name not in self.own
        }
        extra = self.extra if state else {}  # a layer without parameters has none there
        return state | {name: np.asarray(value) for name, value in extra.items()}

    def _transpose(self, state: State) -> State:
        return {
            name: array.T if name in self.transposed else array
            for name, array in state.items()
        }


SAME = Layout()


def load_torch_state_dict(
    model: Module, state: Mapping[str, Any], strict: bool = True
) -> Mismatch:
    """Load `torch_model.state_dict()` into a model of the same structure.

    The values may be PyTorch's tensors or arrays. Values are cast to the dtype of the
    model's parameters. Raises, like `load_state_dict`, before anything is changed.
    """
    arrays = {str(name): _array(name, value) for name, value in state.items()}
    return model.load_state_dict(_read(model, arrays), strict)


def to_torch_state_dict(model: Module) -> State:
    """Return the state as PyTorch would keep it: NumPy arrays that own their memory.

    There: `torch_model.load_state_dict({k: torch.from_numpy(v) for k, v in …})`.
    """
    list(model.named_state())  # refuses two of one name, of which one would be lost
    written = _write(model)
    return {name: np.array(array, order="C") for name, array in written.items()}


def _read(module: Module, state: State, above: tuple[Any, ...] = ()) -> State:
    """Translate this module's layout, then each child's: from the top down."""
    above = (*above, module)
    state = getattr(module, "torch_layout", SAME).read(state, module)
    for name, child in _children(module, above):
        below, state = _split(state, name + ".")
        state |= {f"{name}.{key}": v for key, v in _read(child, below, above).items()}
    return state


def _write(module: Module, above: tuple[Any, ...] = ()) -> State:
    """Collect the children in PyTorch's layout, then this module's: from below."""
    above = (*above, module)
    children = dict(_children(module, above))
    state: State = {}
    for name, member in module.named_members():
        if name in children:
            below = _write(member, above)
            state |= {f"{name}.{key}": v for key, v in below.items()}
        elif not isinstance(member, Tree):
            state[name] = backend.to_numpy(member)
    layout: Layout = getattr(module, "torch_layout", SAME)
    return layout.write(state, module)


def _children(module: Module, above: tuple[Any, ...]) -> list[tuple[str, Any]]:
    """The modules right below, but for those that are above too (a child's parent)."""
    members = [(name, m) for name, m in _members(module) if isinstance(m, Tree)]
    return [(name, m) for name, m in members if not any(m is a for a in above)]


def _members(module: Module) -> list[tuple[str, Any]]:
    return [] if module is None else list(module.named_members())


def _split(state: State, prefix: str) -> tuple[State, State]:
    """Return what lies under a prefix, without it, and all the rest."""
    below = {
        key.removeprefix(prefix): v
        for key, v in state.items()
        if key.startswith(prefix)
    }
    rest = {key: v for key, v in state.items() if not key.startswith(prefix)}
    return below, rest


def _array(name: str, value: object) -> np.ndarray[Any, Any]:
    """Return a PyTorch tensor, a Tensor or an array as a NumPy array."""
    for method in ("detach", "cpu"):
        if hasattr(value, method):
            value = getattr(value, method)()
    try:
        array = value.numpy() if hasattr(value, "numpy") else backend.to_numpy(value)
    except TypeError as error:  # bfloat16 and the like, which NumPy does not have
        raise DTypeError(
            f"load_torch_state_dict: NumPy cannot hold {name!r} ({error}); call "
            ".float() on the PyTorch model first"
        ) from error
    if array.dtype.kind not in "fiub":
        raise DTypeError(
            f"load_torch_state_dict: {name!r} is {array.dtype}, not numbers; pass the "
            "result of torch_model.state_dict()"
        )
    return np.asarray(array)
