"""The tape: every operation leaves a Node behind, and `backward` walks them home.

An operation is written once, as a function of plain arrays:

    @op(broadcasts=True)
    def multiply(a, b):
        return a * b, (lambda g: g * b, lambda g: g * a)

It returns its value y and, for each input x, the map from g = ∂L/∂y to ∂L/∂x; where the
maps share work, one function that returns all the gradients stands in their place.
Called with a Tensor it returns a Tensor and records a Node; called with arrays it
returns an array. So operations are built from operations, and for the gradient of a
gradient the engine need only call the same function again, on Tensors.

`op` in full:   body(arrays…, *, settings…) -> (y | (y1, y2, …)), backward[, aux]
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar, overload

import numpy as np

from minidl.backend import Array, device_of
from minidl.diagnosis import Signature, as_operand, explain, refuse_mixed_floats
from minidl.modes import mode, watchers
from minidl.tensor import Tensor
from minidl.writes import clock

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])
Body = Callable[P, Any]


class Node:
    """One operation that happened: where its gradients go, and the way back through it.

    op        the function that was called
    edges     for each input where its gradient goes: a Node, an Output, a leaf, or None
    inputs    the inputs, kept only by ops that may have to run again on Tensors
    back      what the body returned: from ∂L/∂y to the gradients of the inputs
    outputs   shape and dtype of each output of an op that has several
    """

    __slots__ = (
        "back", "edges", "inputs", "note", "op", "outputs", "settings", "shape", "tick",
    )  # fmt: skip
    op: Any
    edges: Sequence[Any]
    inputs: Any
    settings: dict[str, Any]
    back: Any
    outputs: list[Any] | None
    shape: Any
    tick: int
    note: Any

    @property
    def name(self) -> str:
        """The name of the operation."""
        return self.op.__name__.lstrip("_")  # type: ignore[no-any-return]


class Output:
    """One of several outputs of a node."""

    __slots__ = ("index", "node", "shape")

    def __init__(self, node: Node, index: int, shape: tuple[int, ...]) -> None:
        self.node, self.index, self.shape = node, index, shape


@overload
def op(body: Body[P]) -> Callable[P, Any]: ...
@overload
def op(
    *, linear: bool = False, broadcasts: bool = False
) -> Callable[[Body[P]], Callable[P, Any]]: ...


def op(  # noqa: C901  it holds the hot path, which calls as little as it can
    body: Any = None, *, linear: bool = False, broadcasts: bool = False
) -> Any:
    """Make a differentiable function of a body that computes y and the way back.

    linear      its backward holds no differentiable value (reshape, sum, where, …): it
                keeps no input, and is not run again for higher orders
    broadcasts  inputs stretch to a common shape, as in NumPy; their gradients are
                summed back to the inputs' shapes by the engine
    """
    if body is None:
        return functools.partial(op, linear=linear, broadcasts=broadcasts)
    signature = Signature(body)
    n_inputs, known = signature.n_inputs, signature.known
    fasts: dict[str, list[Any]] = {}

    @functools.wraps(body)
    def call(*args: Any, **settings: Any) -> Any:  # noqa: C901  the hot path
        if (len(args) != n_inputs and n_inputs is not None) or (
            settings and not known.issuperset(settings)
        ):
            args, settings = signature.bind(args, settings)
        for x in args:
            if isinstance(x, Tensor):
                break
        else:  # only arrays: nothing to record
            made = _run(call, args, settings)
            return made[0] if len(made) == 2 else _plain(made)
        arrays: list[Any] = []
        edges: list[Any] = []
        tracked, dtype = False, None
        for x in args:
            edge = None
            if isinstance(x, Tensor):
                if x.requires_grad:
                    tracked = True
                    edge = x.source or x
                x = x.data
                if x.dtype is not dtype:
                    if dtype is not None:
                        refuse_mixed_floats(call, args)
                    dtype = x.dtype
            elif type(x) is np.ndarray:
                if x.dtype is not dtype and x.dtype.kind == "f":
                    refuse_mixed_floats(call, args)
            elif type(x) is not float and x is not None:
                x = as_operand(x, args, broadcasts)
            arrays.append(x)
            edges.append(edge)
        try:
            made = (fasts and _fast(fasts, arrays, settings)) or body(
                *arrays, **settings
            )
        except Exception as error:
            raise explain(call, arrays, error) from error
        if watchers:
            watchers[-1].computed(call, arrays, made)
        if not (tracked and mode.recording):
            return _untracked(made)

        y = made[0]
        node = Node()
        node.op, node.settings, node.edges, node.back = call, settings, edges, made[1]
        node.inputs = None if linear else args
        node.tick = next(clock)
        if watchers:
            watchers[-1].recorded(node, arrays)
        if type(y) is tuple:
            return _several(node, y, made)
        if not isinstance(y, np.ndarray):
            y = as_array(y)
        node.outputs, node.shape = None, y.shape
        tensor = wrap(y)
        tensor.source, tensor.requires_grad = node, True
        return tensor if len(made) == 2 else (tensor, *made[2])

    def register(device: str) -> Callable[[F], F]:
        """Register a faster body for the arrays of one device; None declines."""

        def add(fast: F) -> F:
            fasts.setdefault(device, []).insert(0, fast)
            return fast

        return add

    call.body, call.fasts, call.fast = body, fasts, register  # type: ignore[attr-defined]
    call.linear, call.broadcasts = linear, broadcasts  # type: ignore[attr-defined]
    return call


def wrap(y: Array) -> Tensor:
    """Return a Tensor around an array, without asking what it is."""
    tensor: Tensor = new(Tensor)
    tensor.data, tensor.grad, tensor.source = y, None, None
    tensor.requires_grad = False
    return tensor


new: Any = object.__new__


def _fast(fasts: dict[str, list[Any]], arrays: Any, settings: dict[str, Any]) -> Any:
    """Return what the first fast body that accepts these arrays makes of them."""
    for fast in fasts.get(device_of(arrays[0]), ()):
        if (made := fast(*arrays, **settings)) is not None:
            return made
    return None


def _run(op: Any, arrays: Any, settings: dict[str, Any]) -> Any:
    """Run an op on arrays alone."""
    try:
        return _fast(op.fasts, arrays, settings) or op.body(*arrays, **settings)
    except Exception as error:
        raise explain(op, arrays, error) from error


def _plain(made: Any) -> Any:
    """Return what an op made of arrays: y, or its outputs and aux in one tuple."""
    if len(made) == 2:
        return made[0]
    return (*made[0], *made[2]) if type(made[0]) is tuple else (made[0], *made[2])


def _untracked(made: Any) -> Any:
    """Return the outputs as Tensors that require no gradient, and aux as it is."""
    y = made[0] if type(made[0]) is tuple else made[:1]
    tensors = tuple(wrap(as_array(a)) for a in y)
    tensors += made[2] if len(made) == 3 else ()
    return tensors if len(tensors) > 1 or type(made[0]) is tuple else tensors[0]


def _several(node: Node, ys: tuple[Array, ...], made: Any) -> tuple[Any, ...]:
    """Return the several outputs of a node as Tensors, then aux."""
    node.outputs, node.shape = [(y.shape, y.dtype) for y in ys], None
    tensors = []
    for i, y in enumerate(ys):
        tensor = wrap(as_array(y))
        if y.dtype.kind == "f":
            tensor.source, tensor.requires_grad = Output(node, i, y.shape), True
        tensors.append(tensor)
    return (*tensors, *(made[2] if len(made) == 3 else ()))


def as_array(y: Any) -> Array:
    """Return y, or the 0-d array of a NumPy scalar: a scalar cannot be written to."""
    return np.asarray(y) if isinstance(y, (np.generic, float, int)) else y


# The knot: the engine adds up gradients, and adding is an operation.
from minidl import ops  # noqa: E402, F401
