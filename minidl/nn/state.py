"""The state of a module: name → array, out of its parameters and back; or in a file.

Throughout:  p a parameter or buffer    own  the module's (name, p)    state  a mapping
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minidl import backend
from minidl.backend import Array
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.errors import DTypeError, RangeError, ShapeError

if TYPE_CHECKING:
    from minidl import files
    from minidl.nn.module import Module

Own = Iterable[tuple[str, Tensor]]


class Mismatch(NamedTuple):
    """The names that a state lacked, and those that the module does not know."""

    missing: list[str]
    unexpected: list[str]


def save(model: Module | Mapping[str, Any], path: files.Path) -> None:
    """Write the state of a module, or any mapping of name → array, to a file.

    The layout is that of safetensors, which other programs read too, with a checksum
    that `load` checks. The old file stays until the new one is complete on the disk.

    >>> import minidl as md, tempfile
    >>> net = md.nn.Linear(3, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     md.save(net, f"{folder}/net.safetensors")
    ...     twin = md.load(f"{folder}/net.safetensors", md.nn.Linear(3, 2))
    >>> bool((twin.weight == net.weight).all())
    True

    Raises FileError for a name such as "net.npz", which promises another layout, and
    SaveError, an OSError, if the disk is full or fails.
    """
    state = model if isinstance(model, Mapping) else model.state_dict(copy=False)
    from minidl import files  # when it is needed: it brings json, hashlib and more

    files.write(path, state, sealed=True)


def load(path: files.Path, model: Module | None = None, strict: bool = True) -> Any:
    """Read what `save` wrote: into `model`, which is returned, or as a dictionary.

    The dictionary maps names to NumPy arrays. `strict` is that of `load_state_dict`.
    Raises FileError for a file of another kind, or a damaged one; what does not fit the
    model raises as `load_state_dict` does, and leaves the model as it was.
    """
    from minidl import files

    state = files.read(path)[0]
    if model is None:
        return state
    model.load_state_dict(state, strict)
    return model


def read_state(own: Own, copy: bool) -> dict[str, Array]:
    """Return name → array, in order."""
    return {name: p.data.copy() if copy else p.data for name, p in own}


def write_state(own: Own, state: Mapping[str, Any], strict: bool) -> Mismatch:
    """Write `state` into the parameters, or raise and change nothing."""
    names: dict[int, list[str]] = {}  # of each parameter: a shared one has several
    owners: dict[str, Tensor] = {}
    for name, p in own:
        names.setdefault(id(p), []).append(name)
        owners[name] = p
    missing = [n[0] for n in names.values() if not any(name in state for name in n)]
    unexpected = [name for name in state if name not in owners]
    ready = {
        name: _fit(name, p, state[name]) for name, p in owners.items() if name in state
    }
    _refuse(ready, owners, state, Mismatch(missing, unexpected), strict)
    for same in names.values():
        _refuse_contradiction([name for name in same if name in ready], ready)
    for name, array in ready.items():
        owners[name].data[...] = array
        owners[name].touch()
    return Mismatch(missing, unexpected)


def _fit(name: str, p: Tensor, value: TensorLike) -> Array | None:
    """Return `value` in the dtype and on the device of p; None if shapes differ."""
    value = values(value)
    array = value if hasattr(value, "__cuda_array_interface__") else np.asarray(value)
    if not np.can_cast(array.dtype, p.dtype, casting="same_kind"):
        raise DTypeError(
            f"load_state_dict: {name!r} holds {p.dtype} and cannot take {array.dtype} "
            "without losing its meaning; convert the array first if that is meant"
        )
    if array.shape != p.shape:
        return None
    # A copy, in case the state shares memory with the module's own parameters.
    return backend.to_device(array, p.device).astype(p.dtype)


def _refuse(
    ready: Mapping[str, Array | None],
    owners: Mapping[str, Tensor],
    state: Mapping[str, Any],
    names: Mismatch,
    strict: bool,
) -> None:
    """Raise one ShapeError that lists everything that does not fit."""
    faults = []
    if strict and names.missing:
        faults.append(f"missing: {', '.join(names.missing)}")
    if strict and names.unexpected:
        faults.append(f"unexpected: {', '.join(map(str, names.unexpected))}")
    faults += [
        f"{name}: the state has shape {np.shape(values(state[name]))}, the model "
        f"{owners[name].shape}"
        for name, array in ready.items()
        if array is None
    ]
    if faults:
        hint = _hint(ready, owners, state)
        raise ShapeError(
            "load_state_dict: the state does not fit this model, and nothing was "
            "changed\n  " + "\n  ".join(faults) + hint
        )


def _hint(
    ready: Mapping[str, Array | None],
    owners: Mapping[str, Tensor],
    state: Mapping[str, Any],
) -> str:
    """Say what the faults look like, if they look like something."""
    shapes = [
        (np.shape(values(state[name])), owners[name].shape)
        for name, array in ready.items()
        if array is None
    ]
    if shapes and all(len(a) == 2 and a == b[::-1] for a, b in shapes):
        return (
            "\nIt looks like PyTorch's, which keeps the weight of a Linear transposed; "
            "try nn.load_torch_state_dict(model, state)"
        )
    if shapes:
        return "\nWas the model built with the same sizes as the one that was saved?"
    return "\nstrict=False loads what fits, and returns the other names"


def _refuse_contradiction(names: list[str], ready: Mapping[str, Any]) -> None:
    """Raise a RangeError if two names of one parameter bring different values."""
    for name in names[1:]:
        a, b = backend.to_numpy(ready[names[0]]), backend.to_numpy(ready[name])
        if not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
            raise RangeError(
                f"load_state_dict: {names[0]!r} and {name!r} are one shared parameter "
                "of this model, but the state has different values for them; nothing "
                "was changed. Drop one of the two from the state, or build the model "
                "without sharing"
            )
