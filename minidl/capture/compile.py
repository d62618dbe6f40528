"""compile: a training step as one CUDA graph, in place of hundreds of launches.

Every launch costs Python and the driver some microseconds, and a small network leaves
the GPU waiting for them. A step that does the same launches every time can be captured
once and replayed as a whole:

    @minidl.compile
    def step(x, y):
        loss = ops.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

On a CPU this is `step` itself. On a GPU the first call with inputs of a shape runs as
it is written, the second is captured, and from then on it is replayed.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from types import FunctionType, MethodType, ModuleType
from typing import Any, TypeVar

from minidl.backend import Array, default_device, device_of, optional
from minidl.capture.replay import Number
from minidl.capture.tree import Fixed, Nest, detached, filled, taken
from minidl.engine.modes import mode, watchers
from minidl.errors import GraphError

F = TypeVar("F", bound=Callable[..., Any])
MOST = 16  # graphs of one function: each keeps memory of its own


def compile(function: F) -> F:
    """Return `function`, captured on a GPU for each shape of its inputs, then replayed.

    What it returns is the function's: Tensors, arrays, or tuples, lists and
    dictionaries of them. On a GPU they are copies, safe from later replays, and no
    longer part of a graph: call `backward` inside.

    A replay makes the same launches on new inputs. The learning rate, schedules and
    counts of steps are followed, running statistics and dropout too. Everything else
    that is Python is as it was at the capture: other numbers, branches, `print`.
    New shapes, other parameter arrays, `model.train()` and `.eval()` are noticed, and
    captured anew, for models that the function names, is given, or finds in its `self`.

    Where a step cannot be captured (it reads a number with `float(loss)`, say, or
    indexes by a boolean mask), it runs as it is written, and one warning says why.

    >>> from minidl import Tensor
    >>> step = compile(lambda x: x * 2)
    >>> step(Tensor([1.0, 2.0]))
    Tensor([2., 4.])
    """
    captured = Compiled(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return captured(*args, **kwargs)

    call.captured = captured  # type: ignore[attr-defined]
    return call  # type: ignore[return-value]


class Compiled:
    """A function, and the graphs of it.

    models   modules whose mode and arrays it depends on, beyond those that it names
    """

    def __init__(
        self, function: Callable[..., Any], models: Sequence[Any] = ()
    ) -> None:
        self.function, self.models = function, models
        self.name = getattr(function, "__name__", type(function).__name__)
        self.graphs: dict[Any, list[Any]] = {}
        self.leaves: dict[Any, Any] = {}  # whose gradients earlier calls have made
        self.products: Any = None
        self.reason = ""  # why it is not captured

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function, as a graph if it can be one."""
        arrays: list[Array] = []
        form = taken((args, kwargs), arrays)
        devices = {device_of(x) for x in arrays} or {default_device()}
        busy = mode.stateful is not None or watchers or self.reason
        if "cuda" not in devices or busy:
            return self.function(*args, **kwargs)
        try:
            return self._captured(form, arrays, devices)
        except _AsWritten as reason:
            why = str(reason)
        y = self.function(*args, **kwargs)  # an error is the step's own: no warning
        self.reason = why
        self.graphs.clear()
        warnings.warn(
            f"minidl.compile: {self.name} runs as it is written, without a CUDA graph: "
            f"{why}",
            RuntimeWarning,
            stacklevel=3,
        )
        return detached(y)

    def _captured(self, form: Any, arrays: list[Array], devices: set[str]) -> Any:
        """Replay the graph that fits; else warm up, or capture."""
        if len(devices) > 1:
            raise _AsWritten("one of its inputs is on the host; move it first")
        try:
            graphs = self.graphs.get(key := (form, mode.recording))
        except TypeError as error:
            raise _AsWritten(f"an argument is no key: {error}") from error
        if graphs is None:
            y = self._warm_up(form, arrays)
            self.graphs[key] = []
            return y
        for graph, output in graphs:
            if graph.fits():
                return filled(output, graph.replay(arrays))
        if sum(map(len, self.graphs.values())) >= MOST:
            raise _AsWritten(f"it was captured {MOST} times, and still nothing fits")
        graph, output = self._capture(form, arrays)
        graphs.append((graph, output))
        return filled(output, graph.replay(arrays))

    def _warm_up(self, form: Any, arrays: list[Array]) -> Any:
        """Run as written: kernels get compiled, slots made, and gradients noticed."""
        if optional("minidl.kernels.cuda.blas") is None:
            raise _AsWritten(
                "it needs minidl/kernels/cuda, and that folder is not here; put it "
                "back, or leave out minidl.compile"
            )
        from minidl.capture.graph import noting
        from minidl.kernels.cuda.blas import Products

        if self.products is None:
            self.products = Products()
        args, kwargs = filled(form, arrays)
        with self.products, noting(self.leaves):
            return detached(self.function(*args, **kwargs))

    def _capture(self, form: Any, arrays: list[Array]) -> tuple[Any, Any]:
        """Return a graph, and the form of what the function returns."""
        from minidl.capture.graph import Graph

        output: Any = None

        def step(places: Sequence[Array]) -> list[Array]:
            nonlocal output
            args, kwargs = filled(form, places)
            made: list[Array] = []
            output = taken(self.function(*args, **kwargs), made)
            refuse_numbers(output)
            return made

        models = models_of((self.models, self.function, form))
        try:
            graph = Graph(step, arrays, list(self.leaves), self.products)
        except Exception as error:
            raise _AsWritten(f"{type(error).__name__}: {error}") from error
        graph.script.checks.append(unchanged(models))
        self.leaves.update(graph.script.grads)
        return graph, output


class _AsWritten(Exception):
    """Why a step runs without a graph."""


def refuse_numbers(form: Any) -> None:
    """Raise GraphError for a number of Python: at a replay it would stand still."""
    for part in getattr(form, "parts", ()):
        refuse_numbers(part)
    if isinstance(form, Fixed) and form.kind in (int, float, complex, Number):
        raise GraphError(
            "it returns a number of Python, which no replay would change; return a "
            "Tensor or an array, or nothing"
        )


# The models that a function depends on


DEPTH = 6  # how far models are looked for: a function in a function's `self` is 3 deep


def models_of(x: Any, depth: int = 0, seen: set[int] | None = None) -> list[Any]:
    """Return the models that x is, holds, or, as a function, reads.

    x a model, a nest or an object around some, or a function: then what it closes over,
    its `self`, what it names among the globals, and functions among these likewise.
    """
    seen = set() if seen is None else seen
    if id(x) in seen or depth > DEPTH or isinstance(x, (type, ModuleType)):
        return []
    seen.add(id(x))
    if hasattr(x, "modules") and hasattr(x, "named_parameters"):
        return [x]
    return [model for part in parts_of(x) for model in models_of(part, depth + 1, seen)]


def parts_of(x: Any) -> Iterable[Any]:
    """Return what to look through for models."""
    if isinstance(x, FunctionType):
        named = [x.__globals__.get(name) for name in x.__code__.co_names]
        for cell in x.__closure__ or ():
            with suppress(ValueError):  # a name that nothing was assigned to yet
                named.append(cell.cell_contents)
        return named
    if isinstance(x, MethodType):
        return x.__self__, x.__func__
    if isinstance(x, functools.partial):
        return x.func, *x.args, *x.keywords.values()
    if isinstance(x, Fixed):
        return (x.value,)
    if isinstance(x, Nest):
        return x.parts
    if isinstance(x, (tuple, list)):
        return x
    return x.values() if isinstance(x, dict) else getattr(x, "__dict__", {}).values()


def unchanged(models: Sequence[Any]) -> Callable[[], bool]:
    """Return whether models are still in the mode, and in the memory, of now."""
    modes = [(m, m.training) for model in models for m in model.modules()]
    tensors = [
        (p, p.data, p.requires_grad)
        for model in models
        for p in (*model.parameters(), *model.buffers())
    ]
    return lambda: (
        all(m.training is training for m, training in modes)
        and all(
            p.data is data and p.requires_grad is tracked
            for p, data, tracked in tensors
        )
    )
