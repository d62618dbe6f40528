"""Tensor: an array that remembers how it was made.

The first file on the way from an array to a trained network (README, "Read the
source"). It holds the values, the gradient, and the node of the operation that made it.
How an operation leaves that node behind is in op.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from minidl import backend
from minidl.backend import Array
from minidl.engine.inputs import plain_array
from minidl.engine.modes import mode
from minidl.engine.protocols import Protocols
from minidl.engine.versions import versions
from minidl.errors import DTypeError, GraphError, ShapeError

if TYPE_CHECKING:
    from minidl.engine.op import Node
    from minidl.ops.methods import Methods
else:
    Methods = object  # x + y, x.sum(): attached by ops/methods.py, once there are ops

TensorLike: TypeAlias = "Tensor | Array"  # what an operation takes
Edge = tuple[Any, int]  # where a gradient goes: a node or leaf, which output


class Tensor(Protocols, Methods):
    """An array, its gradient, and the operation that computed it.

    data           the values: a plain array, the one that was computed, not a copy
    grad           ∂L/∂data after `L.backward()`: a plain array that owns its memory
    requires_grad  whether gradients shall reach it
    node           the recorded operation that made it, None for a leaf
    output         which of the operation's outputs it is, counted from 0

    `Tensor(data)` copies an array (`copy=False` shares it) and keeps its dtype; Python
    numbers and lists become the default dtype, float32, unless `dtype` says otherwise.

    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4., 6.], dtype=float32)
    """

    __slots__ = ("__weakref__", "data", "grad", "node", "output", "requires_grad")

    namespace: ClassVar[Any]  # minidl.ops: what numpy is to an array

    def __init__(
        self,
        data: Any,
        requires_grad: bool = False,
        device: str | None = None,
        *,
        dtype: Any = None,
        copy: bool = True,
    ) -> None:
        self.data: Array = _array(data, device, dtype, copy)
        self.grad: Array | None = None
        self.node: Node | None = None
        self.output = 0
        self.requires_grad: bool = requires_grad
        if requires_grad and self.data.dtype.kind != "f":
            raise DTypeError(
                f"only floats have gradients, and this is {self.data.dtype}; try "
                "Tensor(data, dtype='float32', requires_grad=True), or leave "
                "requires_grad off for labels and indices"
            )

    # What it is

    @property
    def device(self) -> str:
        """Where it is: "cpu" or "cuda"."""
        return backend.device_of(self.data)

    @property
    def is_leaf(self) -> bool:
        """Whether it was given rather than computed: where gradients end."""
        return self.node is None

    @property
    def edge(self) -> Edge | None:
        """Where its gradient goes: its node, and which output; None for a leaf."""
        return None if self.node is None else (self.node, self.output)

    def __repr__(self) -> str:
        shown = np.array2string(
            backend.to_numpy(self.data), separator=", ", prefix=" " * 7
        )
        notes = "" if self.dtype == backend.default_dtype() else f", dtype={self.dtype}"
        notes += "" if self.device == "cpu" else f", device={self.device!r}"
        if self.node is not None:
            notes += f", made by {self.node.name}"
        elif self.requires_grad:
            notes += ", requires_grad=True"
        return f"Tensor({shown}{notes})"

    # Gradients

    def detach(self) -> Tensor:
        """Return the same values, in the same memory, as a leaf that tracks nothing."""
        return Tensor(self.data, copy=False)

    def backward(
        self,
        gradient: TensorLike | None = None,
        *,
        retain_graph: bool = False,
        create_graph: bool = False,
    ) -> None:
        """Add ∂self/∂leaf into the `grad` of every leaf that requires one.

        gradient      ∂L/∂self, where self is not the loss L itself
        retain_graph  keep the graph, so that backward may pass through it again
        """
        if create_graph:
            raise GraphError(
                "x.grad is a plain array and cannot be differentiated again; "
                "minidl.grad(y, [x], create_graph=True) returns gradients that can"
            )
        from minidl.engine.backward import backward  # it needs to know Tensors

        backward(self, gradient, retain_graph)

    def requires_grad_(self, on: bool = True) -> Tensor:
        """Switch gradients of a leaf on or off, and return it."""
        if self.node is not None:
            raise GraphError("requires_grad belongs to leaves; detach() this one first")
        if on and self.dtype.kind != "f":
            raise DTypeError(f"only floats have gradients, and this is {self.dtype}")
        self.requires_grad = on
        return self

    def touch(self) -> None:
        """Say that the array was written in place: no stale gradient shall be made."""
        versions.note(self.data)

    def __setitem__(self, index: Any, value: object) -> None:
        tracked = isinstance(value, Tensor) and value.requires_grad
        if mode.recording and (self.requires_grad or tracked):
            raise GraphError(
                "x[i] = v would change what the graph has recorded; make a new Tensor "
                "with md.ops.where(mask, v, x), or write inside `with md.no_grad():`"
            )
        self.data[values(index)] = values(value)
        self.touch()

    # Leaves may be copied and pickled; a graph may not

    def _state(self) -> tuple[Array, Array | None, bool]:
        if self.node is not None:
            raise GraphError(
                "this Tensor was computed, and its graph cannot be copied or pickled; "
                "copy x.detach() instead"
            )
        return self.data, self.grad, self.requires_grad

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        data, grad, requires_grad = self._state()
        twin: Any = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__setstate__(
            (data.copy(), None if grad is None else grad.copy(), requires_grad)
        )
        return twin  # type: ignore[no-any-return]

    def __reduce_ex__(self, protocol: Any) -> Any:
        data, grad, requires_grad = self._state()
        state = (
            backend.to_numpy(data),
            None if grad is None else backend.to_numpy(grad),
            requires_grad,
        )
        return type(self).__new__, (type(self),), state

    def __setstate__(self, state: tuple[Array, Array | None, bool]) -> None:
        self.data, self.grad, self.requires_grad = state
        self.node, self.output = None, 0

    __hash__ = object.__hash__  # a Tensor is itself, whatever its values


def edge_of(x: Tensor) -> Edge:
    """Return where the gradient of x goes: to what made it, or to x, a leaf."""
    return x.edge or (x, 0)


def values(x: TensorLike) -> Array:
    """Return the plain array in x: nothing is differentiated through it."""
    return x.data if isinstance(x, Tensor) else x


def _array(data: Any, device: str | None, dtype: Any, copy: bool) -> Array:
    """Return `data` as an array of floats, integers or truth values, on its device."""
    data = values(data)
    if isinstance(data, (np.ndarray, np.generic)) or hasattr(
        data, "__cuda_array_interface__"
    ):
        if isinstance(data, np.ndarray) and (
            type(data) is not np.ndarray or not data.dtype.isnative
        ):
            data = plain_array(data)
        array = data.copy() if copy else data
        array = np.asarray(array) if isinstance(array, np.generic) else array
    else:
        array = _from_python(data)
        dtype = (
            backend.default_dtype() if dtype is None and array.dtype != bool else dtype
        )
        device = device or backend.default_device()
    if array.dtype.kind not in "fiub":
        raise DTypeError(
            f"a Tensor holds floats, integers or truth values, not {array.dtype}"
        )
    array = array if dtype is None else array.astype(dtype, copy=False)
    return array if device is None else backend.to_device(array, device)


def _from_python(data: Any) -> Array:
    try:
        return np.array(data)
    except ValueError as error:
        raise ShapeError(
            f"these lists are no rectangle; give every row the same length ({error})"
        ) from error
