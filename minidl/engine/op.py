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
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar, overload

import numpy as np

from minidl.backend import Array, default_dtype, device_of
from minidl.engine import messages
from minidl.engine.messages import Signature, as_operand, failure
from minidl.engine.modes import mode, watchers
from minidl.engine.tensor import Edge, Tensor, TensorLike
from minidl.engine.versions import clock
from minidl.errors import MinidlError, WidthError

HALF, SINGLE = np.dtype(np.float16), np.dtype(np.float32)
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


class Narrow(NamedTuple):
    """The way back of an op that met integers: its gradients get the floats' width."""

    back: Any
    width: Any


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

    @functools.wraps(body)
    def call(*args: Any, **settings: Any) -> Any:  # noqa: C901  the hot path
        if (len(args) != n_inputs and n_inputs is not None) or (
            settings and not known.issuperset(settings)
        ):
            args, settings = signature.bind(args, settings)
        if settings:
            settings = _plain(settings)
        if adds_up and HALF in [getattr(x, "dtype", None) for x in args]:
            return _in_float32(call, args, settings)
        for x in args:
            if isinstance(x, Tensor):
                break
        else:  # only arrays: nothing to record
            made = _run(call, args, settings)
            return made[0] if len(made) == 2 else (*_outputs(made), *made[2])
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
                if x.dtype is not dtype:
                    dtypes, dtype = dtypes + 1, x.dtype
            elif type(x) is not float and x is not None:
                x = as_operand(x, args, broadcasts)
            arrays.append(x)
            edges.append(edge)
        try:
            if dtypes > 1 or dtype.kind != "f":  # type: ignore[union-attr]
                made = _in_one_width(call, arrays, settings)
            else:
                made = (fasts and _fast(fasts, arrays, settings)) or body(
                    *arrays, **settings
                )
        except Exception as error:
            raise failure(call, arrays, error) from error
        if type(made) is not tuple:
            raise messages.no_pair(call, made)
        if watchers:
            watchers[-1].computed(call, arrays, made)
        node = None
        if tracked and mode.recording:
            node = Node()
            node.op, node.settings, node.edges = call, settings, edges
            node.back = back = made[1]
            node.inputs, node.tick = None if linear else args, next(clock)
            if type(back) is tuple and len(back) != len(edges):
                raise messages.wrong_count(call, len(back), len(edges))
            if watchers:
                watchers[-1].recorded(node, arrays)
        if len(made) == 3 or type(made[0]) is tuple:
            return _several(made, node)
        tensor = wrap(made[0], node)
        if node:
            node.shapes = (tensor.data.shape,)
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


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with plain numbers for NumPy's, which would widen float32."""
    scalars = np.generic, np.ndarray
    return {
        name: x.item() if isinstance(x, scalars) and not x.ndim else x
        for name, x in settings.items()
    }


def _fast(
    fasts: dict[str, list[Any]], arrays: Sequence[Any], settings: dict[str, Any]
) -> Any:
    """Return what the first fast body that accepts these arrays makes of them."""
    for fast in fasts.get(device_of(arrays[0]), ()):
        if (made := fast(*arrays, **settings)) is not None:
            return made
    return None


def _run(op: Any, arrays: Sequence[Any], settings: dict[str, Any]) -> Any:
    """Run an op on arrays alone."""
    dtype, alike = None, True
    for x in arrays:
        if type(x) is np.ndarray or isinstance(x, np.floating):
            alike = alike and (dtype is None or x.dtype is dtype)
            dtype = x.dtype
        else:
            alike = alike and (x is None or type(x) is float or device_of(x) == "cuda")
    try:
        if alike and (dtype is None or dtype.kind == "f"):
            made = _fast(op.fasts, arrays, settings) or op.body(*arrays, **settings)
        else:
            arrays = messages.operands(arrays, op.broadcasts)
            made = _in_one_width(op, arrays, settings)
    except Exception as error:
        raise failure(op, arrays, error) from error
    if type(made) is not tuple:
        raise messages.no_pair(op, made)
    return made


def _in_float32(op: Any, args: Any, settings: dict[str, Any]) -> Any:
    """Run an op that adds up in float32, and round its outputs to float16."""
    wide = [x.astype(SINGLE) if getattr(x, "dtype", None) == HALF else x for x in args]
    made = op(*wide, **settings)
    if type(made) is tuple:
        return tuple(y.astype(HALF) if y.dtype == SINGLE else y for y in made)
    return made.astype(HALF) if made.dtype == SINGLE else made


def _in_one_width(op: Any, arrays: Sequence[Any], settings: dict[str, Any]) -> Any:
    """Run an op on arrays of several dtypes, or of no float: integers widen nothing.

    What integers and truth values compute with a float has that float's width; with
    none among them, the default dtype. NumPy would make float64 of most. So where a
    result came out wider, integers are brought to that width, and it is computed again;
    and gradients are brought to it. (Which integers are labels only the body knows.)
    """
    messages.refuse_mixed_floats(op, arrays)
    dtypes = [x.dtype for x in arrays if hasattr(x, "dtype")]
    width = next((d for d in dtypes if d.kind == "f"), default_dtype())
    kinds = "iu" if any(d.kind in "iu" for d in dtypes) else "b"
    refused = made = None
    try:
        made = _fast(op.fasts, arrays, settings) or op.body(*arrays, **settings)
    except WidthError as error:  # integers may have made one of the two widths
        refused = error
    if refused or (type(made) is tuple and _wider(made, width)):
        floats = [
            x.astype(width) if getattr(x, "dtype", width).kind in kinds else x
            for x in arrays
        ]
        try:
            again = _fast(op.fasts, floats, settings) or op.body(*floats, **settings)
        except MinidlError as error:
            raise refused or error from error
        if refused or not _wider(again, width):  # not asked for, as by astype
            made = again
    if type(made) is not tuple:
        return made
    return made[0], Narrow(made[1], width), *made[2:]


def _wider(made: tuple[Any, ...], width: Any) -> bool:
    """Whether a floating output has another width than this."""
    return any(y.dtype.kind == "f" and y.dtype != width for y in _outputs(made))


def _outputs(made: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the outputs of an op, whether it has one or several."""
    return made[0] if type(made[0]) is tuple else made[:1]


def _several(made: tuple[Any, ...], node: Node | None) -> tuple[Any, ...]:
    """Return the outputs of a node, or of nothing that was recorded, then aux."""
    tensors = tuple(wrap(y) for y in _outputs(made))
    if node:
        node.shapes = tuple(y.data.shape for y in tensors)
        for i, y in enumerate(tensors):
            if y.data.dtype.kind == "f":
                y.edge, y.requires_grad = (node, i), True
    return tensors + (made[2] if len(made) == 3 else ())


def wrap(y: TensorLike, node: Node | None = None) -> Tensor:
    """Return a Tensor around the output of a node, without asking what it is."""
    if not isinstance(y, np.ndarray):
        y = as_array(y)
    tensor: Tensor = new(Tensor)
    tensor.data, tensor.grad, tensor.edge = y, None, (node, 0) if node else None
    tensor.requires_grad = node is not None
    return tensor


new: Any = object.__new__


def as_array(y: TensorLike) -> Array:
    """Return y, or the 0-d array of a NumPy scalar: a scalar cannot be written to."""
    return np.asarray(y) if isinstance(y, (np.generic, float, int)) else y
