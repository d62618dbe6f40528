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
import itertools
from collections.abc import Callable, Iterable
from typing import (
    TYPE_CHECKING,
    Any,
    NamedTuple,
    ParamSpec,
    Protocol,
    TypeVar,
    overload,
)

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
from minidl.engine.modes import mode, pauses, watchers, watching
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

    def rule(self, value: Callable[..., Any] | None, *ways: Callable[..., Any]) -> None:
        """Say y and its derivatives without closures, for every device; see `op`."""


class Node(list[Any]):
    """One operation that happened: where its gradients go, and the way back through it.

    It is the list of where they go: for each input a node, a leaf, or None. Python's
    collector looks at every such object again and again, so there is one and not two.

    op        the function that was called, and the settings that it was given
    which     for each input which output of that node it was: of nearly all the first
    inputs    the inputs' arrays, kept only by ops that may have to run again on Tensors
    back      what the body returned: from ∂L/∂y to the gradients of the inputs
    shapes    the shape of each output
    tick      its age: what is younger is larger
    """

    __slots__ = (
        "back", "inputs", "note", "op", "settings", "shapes", "tick", "which",
    )  # fmt: skip
    op: Any
    settings: dict[str, Any]
    which: Iterable[int]
    inputs: Any
    back: Any
    shapes: tuple[tuple[int, ...], ...]
    tick: int
    note: Any  # what `minidl.debug()` remembers

    if not TYPE_CHECKING:  # a node is itself, whatever it leads to
        __eq__, __ne__, __hash__ = object.__eq__, object.__ne__, object.__hash__
        __repr__ = object.__repr__

    @property
    def name(self) -> str:
        """The name of the operation."""
        return str(self.op.__name__).lstrip("_")

    @property
    def edges(self) -> list[Edge | None]:
        """For each input where its gradient goes, (node or leaf, which output)."""
        pairs = zip(self, self.which, strict=False)
        return [None if to is None else (to, i) for to, i in pairs]


FIRST = itertools.repeat(0)  # `which` of a node whose inputs are all first outputs


class Rule(NamedTuple):
    """What takes the place of a body that is one call of NumPy: see `op.rule`.

    value   (arrays…) -> y        ways   for each input (g, inputs' arrays) -> ∂L/∂x
    """

    value: Callable[..., Any]
    ways: tuple[Callable[..., Any], ...]


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
    direct: Rule | None = None
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
        seen: list[Any] = []
        node, tracked, further = Node(), False, False
        dtypes, dtype = 0, None
        maker: Node | None = None  # of an input
        for x in args:
            to: Node | Tensor | None = None
            if isinstance(x, Tensor):
                if x.requires_grad:
                    tracked = True
                    if x.node is None:
                        to = x
                    else:
                        to = maker = x.node
                    if x.output:
                        further = True
                x = x.data
                if x.dtype is not dtype:
                    dtypes, dtype = dtypes + 1, x.dtype
            elif type(x) is ndarray:
                if x.dtype is not dtype and x.dtype is not BOOL:  # which widens nothing
                    dtypes, dtype = dtypes + 1, x.dtype
            elif type(x) is not float and x is not None:
                x = as_operand(x, args, broadcasts)
                if getattr(x, "dtype", dtype) is not dtype:
                    dtypes, dtype = dtypes + 1, x.dtype
            seen.append(x)
            node.append(to)
        arrays = tuple(seen)
        watcher = watching(call) if watchers else None
        try:
            if dtypes > 1 or (dtype is not SINGLE and dtype is not DOUBLE):
                made = in_one_width(call, arrays, settings)
            elif direct is not None:
                made = direct.value(*arrays), direct
            elif fasts:
                made = computed(call, arrays, settings)
            else:
                made = body(*arrays, **settings)
        except Exception as error:
            raise messages.failure(call, arrays, error) from error
        if type(made) is not tuple or len(made) < 2:
            raise messages.no_pair(call, made)
        if several := len(made) > 2:
            y, back = made[:2]
        else:
            y, back = made
        if type(y) is tuple:
            several = True
        elif type(y) is not ndarray:
            y = as_array(y)  # the very array that the Tensor will hold
        if watcher is not None:
            made = (y, *made[1:])
            watcher.computed(call, arrays, made, settings)
        if recorded := tracked and (not pauses or mode.recording):
            node.op, node.settings, node.back = call, settings or NONE, back
            node.inputs, node.tick = None if linear else arrays, next(clock)
            node.which = FIRST
            if further:
                node.which = tuple([getattr(x, "output", 0) for x in args])
            if not counted:
                if type(back) is tuple and len(back) != len(node):
                    raise messages.wrong_count(call, len(back), len(node))
                counted = n_inputs is not None
            if watcher is not None:
                watcher.recorded(node, arrays)
        if several:
            return _several(call, made, node if recorded else None)
        tensor = new(Tensor)  # as `wrap` does, without a call
        tensor.data, tensor.grad, tensor.output = y, None, 0
        tensor.requires_grad, tensor.node = recorded, None
        if recorded:
            shapes = (y.shape,)
            if maker is not None and maker.shapes == shapes:  # one object for both
                shapes = maker.shapes
            tensor.node, node.shapes = node, shapes
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

    def rule(value: Any, *ways: Any) -> None:
        """Take `value` for the body, and functions (g, inputs) for its ways back.

        They are the same at every call, where a body makes closures anew. None: not so.
        """
        nonlocal direct
        direct = Rule(value, ways) if value else None

    vars(call).update(body=body, fasts=fasts, fast=register, rule=rule)
    vars(call).update(linear=linear, broadcasts=broadcasts)
    return call


def _several(op: Any, made: tuple[Any, ...], node: Node | None) -> tuple[Any, ...]:
    """Return the outputs of a node, or of nothing that was recorded, then aux."""
    tensors = tuple(wrap(y) for y in outputs(made))
    if node is not None:
        node.shapes = tuple(y.data.shape for y in tensors)
        for i, y in enumerate(tensors):
            if y.data.dtype.kind == "f":
                y.node, y.output, y.requires_grad = node, i, True
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
    tensor.data, tensor.grad, tensor.node = y, None, None
    tensor.requires_grad, tensor.output = False, 0
    return tensor


new: Any = object.__new__
ndarray, NONE = np.ndarray, dict[str, Any]()  # no settings


def as_array(y: TensorLike) -> Array:
    """Return y, or the 0-d array of a NumPy scalar: a scalar cannot be written to."""
    return np.asarray(y) if isinstance(y, (np.generic, float, int)) else y
