"""Operations: what `@op` does to a function, and the Node that each call leaves behind.

tensor.py left open where a Tensor's edge comes from: from here.

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
from typing import Any, ParamSpec, Protocol, TypeVar, overload

import numpy as np

from minidl.backend import Array
from minidl.engine import messages
from minidl.engine.inputs import (
    BOOL,
    DOUBLE,
    HALF,
    SINGLE,
    Signature,
    as_operand,
    computed,
    in_float32,
    in_one_width,
    on_arrays,
    outputs,
    plain_settings,
)
from minidl.engine.modes import mode, watchers, watching
from minidl.engine.tensor import Edge, Tensor, TensorLike
from minidl.engine.versions import clock

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])
Body = Callable[P, Any]


class Op(Protocol[P]):
    """What `@op` makes of a body: a function that also takes Tensors.

    body    the plain function of arrays    fasts  faster ones by device, best first
    linear, broadcasts                      what `@op` was told
    """

    __name__: str
    body: Callable[P, Any]
    fasts: dict[str, list[Callable[..., Any]]]
    linear: bool
    broadcasts: bool

    def __call__(self, *args: P.args, **settings: P.kwargs) -> Any:
        """Compute y, and record how if an input is a tracked Tensor."""

    def __get__(self, x: TensorLike, owner: Any = None) -> Callable[..., Any]:
        """Make `x.exp()` of `exp(x)`, as for any function that is a method."""

    def fast(self, device: str, rank: int = 1) -> Callable[[F], F]:
        """Register a faster body for one device; see `op`."""


class Node:
    """One operation that happened: where its gradients go, and the way back through it.

    op        the function that was called, and the settings that it was given
    edges     for each input where its gradient goes: (node or leaf, which output), None
    inputs    the inputs, kept only by ops that may have to run again on Tensors
    back      what the body returned: from ∂L/∂y to the gradients of the inputs
    shapes    the shape of each output
    tick      its age: what is younger is larger
    """

    __slots__ = (
        "back", "edges", "inputs", "note", "op", "settings", "shapes", "tick",
    )  # fmt: skip
    op: Any
    edges: Sequence[Edge | None]
    inputs: Any
    settings: dict[str, Any]
    back: Any
    shapes: tuple[tuple[int, ...], ...]
    tick: int
    note: Any  # what `minidl.debug()` remembers

    @property
    def name(self) -> str:
        """The name of the operation."""
        return str(self.op.__name__).lstrip("_")


@overload
def op(body: Body[P]) -> Op[P]: ...
@overload
def op(
    *, linear: bool = False, broadcasts: bool = False, adds_up: bool = False
) -> Callable[[Body[P]], Op[P]]: ...


def op(  # noqa: C901  it holds the hot path, which calls as little as it can
    body: Any = None,
    *,
    linear: bool = False,
    broadcasts: bool = False,
    adds_up: bool = False,
) -> Any:
    """Make a differentiable function of a body that computes y and the way back.

    linear      its backward holds no differentiable value (reshape, sum, where, …): it
                keeps no input, and is not run again for higher orders
    broadcasts  inputs stretch to a common shape, as in NumPy; their gradients are
                summed back to the inputs' shapes by the engine
    adds_up     it adds up many numbers: float16 is computed in float32, and rounded
    """
    if body is None:
        return functools.partial(
            op, linear=linear, broadcasts=broadcasts, adds_up=adds_up
        )
    signature = Signature(body)
    n_inputs, known = signature.n_inputs, signature.known
    fasts: dict[str, list[Any]] = {}  # the highest rank first
    ranks: dict[str, dict[int, Any]] = {}
    counted = False  # whether a call has shown that there is a map for each input

    @functools.wraps(body)
    def call(*args: Any, **settings: Any) -> Any:  # noqa: C901  the hot path
        nonlocal counted
        if (len(args) != n_inputs and n_inputs is not None) or (
            settings and not known.issuperset(settings)
        ):
            args, settings = signature.bind(args, settings)
        if settings:
            settings = plain_settings(settings)
        if adds_up and HALF in [getattr(x, "dtype", None) for x in args]:
            return in_float32(call, args, settings)
        for x in args:
            if isinstance(x, Tensor):
                break
        else:  # only arrays: nothing to record
            made = on_arrays(call, args, settings)
            return made[0] if len(made) == 2 else (*outputs(made), *_aux(call, made))
        arrays: list[Any] = []
        edges: list[Edge | None] = []
        tracked, dtypes, dtype = False, 0, None
        for x in args:
            edge = None
            if isinstance(x, Tensor):
                if x.requires_grad:
                    edge, tracked = x.edge or (x, 0), True
                x = x.data
                if x.dtype is not dtype:
                    dtypes, dtype = dtypes + 1, x.dtype
            elif type(x) is np.ndarray:
                if x.dtype is not dtype and x.dtype is not BOOL:  # which widens nothing
                    dtypes, dtype = dtypes + 1, x.dtype
            elif type(x) is not float and x is not None:
                x = as_operand(x, args, broadcasts)
                if getattr(x, "dtype", dtype) is not dtype:
                    dtypes, dtype = dtypes + 1, x.dtype
            arrays.append(x)
            edges.append(edge)
        watcher = watching(call) if watchers else None
        try:
            if dtypes > 1 or (dtype is not SINGLE and dtype is not DOUBLE):
                made = in_one_width(call, arrays, settings)
            elif fasts:
                made = computed(call, arrays, settings)
            else:
                made = body(*arrays, **settings)
        except Exception as error:
            raise messages.failure(call, arrays, error) from error
        if type(made) is not tuple or len(made) < 2:
            raise messages.no_pair(call, made)
        if watcher is not None:
            if type(made[0]) is not tuple:  # the very array that the Tensor will hold
                made = (as_array(made[0]), *made[1:])
            watcher.computed(call, arrays, made, settings)
        node = None
        if tracked and mode.recording:
            node = Node()
            node.op, node.settings, node.edges = call, settings, edges
            node.back = back = made[1]
            node.inputs, node.tick = None if linear else args, next(clock)
            if not counted:
                if type(back) is tuple and len(back) != len(edges):
                    raise messages.wrong_count(call, len(back), len(edges))
                counted = n_inputs is not None
            if watcher is not None:
                watcher.recorded(node, arrays)
        if len(made) > 2 or type(made[0]) is tuple:
            return _several(call, made, node)
        if node is None:
            return wrap(made[0])
        y = made[0] if isinstance(made[0], np.ndarray) else as_array(made[0])
        tensor = new(Tensor)  # as `wrap` does, without a call
        tensor.data, tensor.grad, tensor.requires_grad = y, None, True
        tensor.edge, node.shapes = (node, 0), (y.shape,)
        return tensor

    def register(device: str, rank: int = 1) -> Callable[[F], F]:
        """Register a faster body for the arrays of one device; None declines.

        The highest rank that accepts is taken; the plain body has rank 0.
        """

        def add(fast: F) -> F:
            ranked = ranks.setdefault(device, {})
            if rank in ranked:
                raise ValueError(f"{signature.name} has a body of rank {rank} there")
            ranked[rank] = fast
            fasts[device] = [ranked[i] for i in sorted(ranked, reverse=True)]
            return fast

        return add

    vars(call).update(body=body, fasts=fasts, fast=register)
    vars(call).update(linear=linear, broadcasts=broadcasts)
    return call


def _several(op: Any, made: tuple[Any, ...], node: Node | None) -> tuple[Any, ...]:
    """Return the outputs of a node, or of nothing that was recorded, then aux."""
    tensors = tuple(wrap(y) for y in outputs(made))
    if node:
        node.shapes = tuple(y.data.shape for y in tensors)
        for i, y in enumerate(tensors):
            if y.data.dtype.kind == "f":
                y.edge, y.requires_grad = (node, i), True
    return tensors + _aux(op, made)


def _aux(op: Any, made: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what a body returned beside its outputs and the way back."""
    aux = made[2] if len(made) > 2 else ()
    if type(aux) is not tuple or len(made) > 3:
        raise messages.no_aux(op, made[2:])
    return aux


def wrap(y: TensorLike) -> Tensor:
    """Return a Tensor around an array, without asking what it is."""
    if not isinstance(y, np.ndarray):
        y = as_array(y)
    tensor: Tensor = new(Tensor)
    tensor.data, tensor.grad, tensor.edge = y, None, None
    tensor.requires_grad = False
    return tensor


new: Any = object.__new__


def as_array(y: TensorLike) -> Array:
    """Return y, or the 0-d array of a NumPy scalar: a scalar cannot be written to."""
    return np.asarray(y) if isinstance(y, (np.generic, float, int)) else y
