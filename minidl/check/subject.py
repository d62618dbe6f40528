"""What is put to the test: a function of named float arrays, the same at every call.

A difference quotient compares two calls of f, and means something only if nothing but
the input changed between them. So a layer is not called itself: each call goes to a
fresh copy, with the buffers (running means) and the random state (dropout keys) of the
first one, and with the given parameters in the place of its own.

    Subject         a function of Tensors, or a layer      pair.py    NumPy functions
    foreign.py      functions and modules of PyTorch
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minidl.backend import Array, DType, namespace
from minidl.engine.backward import grad
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.errors import DTypeError, GraphError, NonFiniteError

Function = Callable[..., Any]
Pull = Callable[[Sequence[Array]], list[Any]]


class Subject:
    """f as a function of the float arrays that gradients are wanted for.

    names    what they are called: the inputs as in f's signature, then the parameters
    points   their values: where f is looked at, in float64; in the width that f insists
             on, if it computes in another one
    title    what f is called

    >>> subject = Subject(lambda x, k: x * k, [np.ones(3, np.float32), np.arange(3)])
    >>> subject.names, subject.points[0].dtype, subject(np.ones(3))
    (['x'], dtype('float64'), [array([0., 1., 2.])])
    """

    def __init__(self, f: Function, inputs: Sequence[Any]) -> None:
        several = isinstance(inputs, (list, tuple))
        self.given = [values(x) for x in (inputs if several else [inputs])]
        self.f, self.title = f, title_of(f)
        self.width = np.dtype("float64")
        self._settle()
        if not self.points:
            raise DTypeError(
                f"{self.title}: there is no float among the inputs, so there is no "
                "gradient to check; pass a list of inputs, such as [np.ones((2, 3))]"
            )
        if self._narrower():
            self._settle()

    def _settle(self) -> None:
        """Bring inputs and parameters to one width, and name them."""
        self.inputs = [widened(x, self.width) for x in self.given]
        self.layer = _copy(self.f, self.width) if is_layer(self.f) else None
        names = names_of(self.layer.forward if self.layer else self.f, len(self.inputs))
        self.slots = [i for i, x in enumerate(self.inputs) if is_float(x)]
        self.names = [names[i] for i in self.slots]
        self.points = [self.inputs[i] for i in self.slots]
        self.parameters: list[Any] = []
        if self.layer:
            for name, p in self.layer.named_parameters():
                if p.requires_grad:
                    self.parameters.append(p)
                    self.names.append(name)
                    self.points.append(p.data)

    def _narrower(self) -> bool:
        """Whether f computes in another width than float64; self.width is then that."""
        try:
            with np.errstate(all="ignore"):
                found = {values(y).dtype for y in self(*self.tensors(False))}
        except DTypeError as error:  # float32 inside meets the float64 that came
            found = {np.dtype("float32")} if "float32" in str(error) else set()
        except Exception:  # said when it is asked for, with the error itself
            found = set()
        narrow = [d for d in found if d.itemsize < 8]
        if narrow:
            self.width = min(narrow, key=lambda d: d.itemsize)
        return bool(narrow)

    def __call__(self, *xs: TensorLike) -> list[Any]:
        """Return the outputs that may have a gradient, for xs in place of points."""
        inputs = list(self.inputs)
        for i, x in zip(self.slots, xs, strict=False):
            inputs[i] = x
        f = self.f
        if self.layer:
            own = xs[len(self.slots) :]
            memo = {id(p): x for p, x in zip(self.parameters, own, strict=True)}
            f = copy.deepcopy(self.layer, memo)
        return outputs(f(*inputs))

    def tensors(
        self, requires_grad: bool, points: Sequence[Array] | None = None
    ) -> list[Tensor]:
        """Return copies of the points as leaves; parameters where f has some."""
        n, at = len(self.slots), self.points if points is None else points
        leaves = [Tensor(x, requires_grad) for x in at[:n]]
        for p, x in zip(self.parameters, at[n:], strict=True):
            leaves.append(copy.deepcopy(p))  # of its own class: some layers look for it
            leaves[-1].data, leaves[-1].requires_grad = x.copy(), requires_grad
        return leaves

    def values(self, points: Sequence[Array]) -> list[Array]:
        """Return the outputs at other points, as arrays."""
        return [values(y) for y in self(*self.tensors(False, points))]

    def recorded(self, points: Sequence[Array]) -> tuple[list[Array], Pull]:
        """Return the outputs, and the way from ∂L/∂y to ∂L/∂x; it may go twice."""
        xs = self.tensors(True, points)
        ys = self(*xs)

        def pull(gs: Sequence[Array]) -> list[Any]:
            return pulled(list(zip(ys, gs, strict=True)), xs, create_graph=False)

        return [values(y) for y in ys], pull

    def examine(self) -> list[Array]:
        """Return f at the points, once it is sure that it can be differentiated.

        Raises GraphError if f leaves the graph or gives another value the second time,
        NonFiniteError if there is a NaN or an infinity in it.
        """
        with np.errstate(all="ignore"):  # what is not finite has an error of its own
            ys = self(*self.tensors(requires_grad=True))
        if not any(isinstance(y, Tensor) for y in ys):
            raise GraphError(
                f"{self.title} got Tensors and returned none, so there is no graph; "
                "was .data, .numpy() or np.… used where minidl.ops has an operation?"
            )
        return self.steady([values(y) for y in ys])

    def steady(self, first: list[Array]) -> list[Array]:
        """Return the outputs if they are finite, and the same at a second call."""
        if not all(bool(namespace(y).isfinite(y).all()) for y in first):
            raise NonFiniteError(
                f"{self.title} is not finite at this point; try other inputs"
            )
        for y, again in zip(first, self.values(self.points), strict=True):
            if not bool((y == again).all()):
                raise GraphError(
                    f"{self.title} gives another value when it is called again, so "
                    "differences mean nothing; is there dropout inside? Pass the layer "
                    "itself (its random state is then frozen), or call .eval() before"
                )
        return first


def pulled(pairs: list[Any], xs: list[Tensor], create_graph: bool) -> list[Any]:
    """Return ∂Σ g y / ∂x for pairs (y, g); zeros where no path leads."""
    kept = [(y, g) for y, g in pairs if isinstance(y, Tensor) and y.requires_grad]
    found: Any = [None] * len(xs)
    if kept:
        ys, gs = [y for y, _ in kept], [g for _, g in kept]
        found = grad(ys, xs, gs, create_graph, retain_graph=True, allow_unused=True)
    zeros = [Tensor(z) if create_graph else z for z in (blank(x.data) for x in xs)]
    return [z if g is None else g for z, g in zip(zeros, found, strict=True)]


def blank(x: Array) -> Array:
    """Return zeros like x, to be written to."""
    return namespace(x).zeros_like(x)


def outputs(y: TensorLike) -> list[Any]:
    """Return the outputs that can have a gradient: floats that are no mere aux."""
    ys = list(flat(y))
    tensors = [x for x in ys if isinstance(x, Tensor)]
    return [x for x in tensors or ys if is_float(values(x))]


def flat(y: TensorLike) -> Iterator[Any]:
    """Yield what is in a nest of tuples, such as (y, (h, c))."""
    if isinstance(y, (tuple, list)):
        for part in y:
            yield from flat(part)
    else:
        yield y


def is_layer(f: Callable[..., Any]) -> bool:
    """Whether f is a Module: something with parameters and a forward."""
    return hasattr(f, "named_parameters") and hasattr(f, "forward")


def title_of(f: Callable[..., Any]) -> str:
    """Return what to call f."""
    return getattr(f, "__name__", type(f).__name__)


def is_float(x: TensorLike) -> bool:
    """Whether x is an array of floats."""
    return getattr(getattr(x, "dtype", None), "kind", "") == "f"


def widened(x: TensorLike, width: DType = "float64") -> Any:
    """Return a copy of floats, numbers and lists in one width; the rest as it is."""
    if isinstance(x, (float, list)):
        x = np.asarray(x)
    return x.astype(width) if is_float(x) else x


def _copy(layer: Any, width: DType) -> Any:
    """Return a copy of a layer; all its floats in float64, if that is the width."""
    twin = copy.deepcopy(layer)
    return twin if width != np.float64 else twin.astype("float64") or twin


def names_of(f: Function, n: int) -> list[str]:
    """Return what f calls its first n arguments."""
    try:
        known: Sequence[Any] = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        known = []
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in known if p.kind in named][:n]
    return names + [f"input {i}" for i in range(len(names), n)]
