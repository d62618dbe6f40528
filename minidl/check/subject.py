"""What is put to the test: a function of named float64 arrays, the same at every call.

A difference quotient compares two calls of f, and means something only if nothing but
the input changed between them. So a layer is not called itself: each call goes to a
fresh copy, with the buffers (running means) and the random state (dropout keys) of the
first one, and with the given parameters in the place of its own.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minidl.backend import Array, namespace
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.errors import DTypeError, GraphError, NonFiniteError

Function = Callable[..., Any]


class Subject:
    """f as a function of the float arrays that gradients are wanted for.

    names    what they are called: the inputs as in f's signature, then the parameters
    points   their values: where f is looked at
    title    what f is called

    >>> subject = Subject(lambda x, k: x * k, [np.ones(3, np.float32), np.arange(3)])
    >>> subject.names, subject.points[0].dtype, subject(np.ones(3))
    (['x'], dtype('float64'), [array([0., 1., 2.])])
    """

    def __init__(self, f: Function, inputs: Any) -> None:
        several = isinstance(inputs, (list, tuple))
        self.inputs = [_widened(x) for x in (inputs if several else [inputs])]
        self.layer = _float64_copy(f) if is_layer(f) else None
        self.f, self.title = f, title_of(f)
        names = _names(self.layer.forward if self.layer else f, len(self.inputs))
        self.slots = [i for i, x in enumerate(self.inputs) if _is_float(x)]
        self.names = [names[i] for i in self.slots]
        self.points = [self.inputs[i] for i in self.slots]
        self.parameters: list[Any] = []
        if self.layer:
            for name, p in self.layer.named_parameters():
                if p.requires_grad:
                    self.parameters.append(p)
                    self.names.append(name)
                    self.points.append(p.data)
        if not self.points:
            raise DTypeError(
                f"{self.title}: there is no float among the inputs, so there is no "
                "gradient to check; pass a list of inputs, such as [np.ones((2, 3))]"
            )

    def __call__(self, *xs: Any) -> list[Any]:
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

    def tensors(self, requires_grad: bool) -> list[Tensor]:
        """Return copies of the points as leaves; parameters where f has some."""
        n = len(self.slots)
        leaves = [Tensor(x, requires_grad) for x in self.points[:n]]
        for p, x in zip(self.parameters, self.points[n:], strict=True):
            leaves.append(copy.deepcopy(p))  # of its own class: some layers look for it
            leaves[-1].data, leaves[-1].requires_grad = x.copy(), requires_grad
        return leaves

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
        first = [values(y) for y in ys]
        if not all(bool(namespace(y).isfinite(y).all()) for y in first):
            raise NonFiniteError(
                f"{self.title} is not finite at this point; try other inputs"
            )
        for y, again in zip(first, self(*self.tensors(False)), strict=True):
            if not bool((y == values(again)).all()):
                raise GraphError(
                    f"{self.title} gives another value when it is called again, so "
                    "differences mean nothing; is there dropout inside? Pass the layer "
                    "itself (its random state is then frozen), or call .eval() before"
                )
        return first


def outputs(y: TensorLike) -> list[Any]:
    """Return the outputs that can have a gradient: floats that are no mere aux."""
    ys = list(_flat(y))
    tensors = [x for x in ys if isinstance(x, Tensor)]
    return [x for x in tensors or ys if _is_float(values(x))]


def _flat(y: TensorLike) -> Iterator[Any]:
    """Yield what is in a nest of tuples, such as (y, (h, c))."""
    if isinstance(y, (tuple, list)):
        for part in y:
            yield from _flat(part)
    else:
        yield y


def is_layer(f: Any) -> bool:
    """Whether f is a Module: something with parameters and a forward."""
    return hasattr(f, "named_parameters") and hasattr(f, "forward")


def title_of(f: Any) -> str:
    """Return what to call f."""
    return getattr(f, "__name__", type(f).__name__)


def _is_float(x: TensorLike) -> bool:
    return getattr(getattr(x, "dtype", None), "kind", "") == "f"


def _widened(x: TensorLike) -> Any:
    """Return a float64 copy of floats, numbers and lists; anything else as it is."""
    x = values(x)
    if isinstance(x, (float, list)):
        x = np.asarray(x)
    return x.astype("float64") if _is_float(x) else x


def _float64_copy(layer: Any) -> Any:
    """Return a copy of a layer, all its floats in float64."""
    twin = copy.deepcopy(layer)
    return twin.astype("float64") or twin


def _names(f: Function, n: int) -> list[str]:
    """Return what f calls its first n arguments."""
    try:
        known: Sequence[Any] = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        known = []
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in known if p.kind in named][:n]
    return names + [f"input {i}" for i in range(len(names), n)]
