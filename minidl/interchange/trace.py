"""A call of a model, written down: which operations made its outputs of its inputs.

The model is called twice, with batches of N and of N + 1 other examples. What is the
same both times belongs to the model. A number that grew with the batch is so many times
the batch (`Batch`); an array whose *values* changed was computed from the inputs where
nobody looked, by NumPy instead of `md.ops`, and is an error.

The engine tells a watcher of every operation. Which array an operation was given is
told by its place in memory: as long as a trace lives, no array of it is freed.
Whole numbers and truth values that come in (tokens, lengths, masks) are watched in
NumPy's own arithmetic, too, for layers compare and count them there (`Watched`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minidl.engine.modes import Watcher, no_grad
from minidl.engine.tensor import Tensor, values
from minidl.errors import GraphError

Place = tuple[int, tuple[int, ...], tuple[int, ...], str]


@dataclass(frozen=True)
class Batch:
    """`times` × the number of examples: a length that is not known yet."""

    times: int


class Ref(NamedTuple):
    """The number of a value: an input of the model, or what an operation made."""

    number: int


class Stretched(NamedTuple):
    """A constant that is the same for every example: one of it, along `axis`."""

    array: np.ndarray[Any, Any]
    axis: int
    times: int


class Step(NamedTuple):
    """One operation: its name, what it was given, how, and the values that it made."""

    name: str
    inputs: list[Any]  # Ref, array, number or None
    settings: dict[str, Any]
    made: list[Ref]


class Traced(NamedTuple):
    """A model as steps. shapes and dtypes are those of all values, by number."""

    inputs: list[Ref]
    steps: list[Step]
    outputs: list[Any]
    shapes: list[Any]
    dtypes: list[Any]


class Tracer(Watcher):
    """A watcher (modes.py) that writes down the operations inside its `with`."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.arrays: list[Any] = []  # the values, in the order of their numbers
        self.kept: list[Any] = []  # constants, which may not be freed either
        self.places: dict[Place, Ref] = {}

    def value(self, array: Any) -> Ref:
        """Give an array a number."""
        ref = Ref(len(self.arrays))
        self.arrays.append(array)
        self.places[place(array)] = ref
        return ref

    def note(
        self, name: str, inputs: Sequence[Any], settings: Any, made: Sequence[Any]
    ) -> None:
        """Write one operation down."""
        given = [self.seen(x) for x in inputs]
        known = {key: self.seen(x) for key, x in settings.items()}
        self.steps.append(Step(name, given, known, [self.value(y) for y in made]))

    def seen(self, x: Any) -> Any:
        """Return x with the numbers of values in the places of their arrays."""
        if isinstance(x, (tuple, list)):
            return type(x)(self.seen(part) for part in x)
        x = values(x)
        if not isinstance(x, np.ndarray):
            return x
        self.kept.append(x)
        return self.places.get(place(x), x.view(np.ndarray))

    def computed(
        self, op: Any, arrays: Sequence[Any], made: tuple[Any, ...], settings: Any
    ) -> None:
        """After an operation: write it down."""
        ys = made[0] if type(made[0]) is tuple else made[:1]
        self.note(op.__name__, arrays, settings, ys)


def place(array: Any) -> Place:
    """Return where in memory an array lies, and how."""
    at = array.__array_interface__["data"][0]
    return at, array.shape, array.strides, array.dtype.str


class Watched(np.ndarray[Any, Any]):
    """Tokens, lengths or masks, whose arithmetic in NumPy is written down as well.

    What is not written down comes back as an array whose origin nobody knows; it counts
    as a constant, and the second call of the model shows that it is none.
    """

    tracer: Tracer | None = None

    def __array_finalize__(self, parent: Any) -> None:
        self.tracer = getattr(parent, "tracer", None)

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Any, **settings: Any
    ) -> Any:
        plain = [_plain(x) for x in inputs]
        y = getattr(ufunc, method)(
            *plain, **{k: _plain(v) for k, v in settings.items()}
        )
        name = {"__call__": ufunc.__name__, "reduce": f"{ufunc.__name__}.reduce"}
        if method not in name or "out" in settings or type(y) is tuple:
            return y
        tracer = next(x.tracer for x in inputs if isinstance(x, Watched))
        return _watched(tracer, f"numpy.{name[method]}", inputs, settings, y)

    def __getitem__(self, index: Any) -> Any:
        y = _plain(self)[_plain(index)]
        return _watched(self.tracer, "getitem", [self], {"index": index}, y)

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """Return another dtype, and write it down."""
        y = np.array(_plain(self), dtype=dtype)
        return _watched(self.tracer, "_astype", [self], {"dtype": y.dtype}, y)

    def reshape(self, *shape: Any, **settings: Any) -> Any:
        """Return another shape, and write it down."""
        y = _plain(self).reshape(*shape, **settings)
        return _watched(self.tracer, "reshape", [self], {"shape": y.shape}, y)


def _plain(x: Any) -> Any:
    if isinstance(x, (tuple, list)):
        return type(x)(_plain(part) for part in x)
    return x.view(np.ndarray) if isinstance(x, Watched) else x


def _watched(
    tracer: Tracer | None, name: str, inputs: Sequence[Any], settings: Any, y: Any
) -> Any:
    """Write down what NumPy did, and return the result, watched."""
    if tracer is None:
        return y
    y = np.asarray(y).view(Watched)
    y.tracer = tracer
    tracer.note(name, inputs, settings, [y])
    return y


# Two calls, and what they have in common


def trace(
    model: Callable[..., Any], example: Sequence[Any], axes: Sequence[int | None]
) -> Traced:
    """Return the steps of `model(*example)`, for a batch of any size.

    axes    of each input, which of its axes is the batch; None: it has none

    Raises GraphError where the model computes with NumPy what it should with md.ops, or
    does other operations for other numbers.
    """
    n = next(
        (x.shape[a] for x, a in zip(example, axes, strict=True) if a is not None), 1
    )
    first, ins, outs = _call(model, example)
    more = [_other(x, axis) for x, axis in zip(example, axes, strict=True)]
    second, _, outs2 = _call(model, more)
    both = _Common(n, n + 1)
    if [s.name for s in first.steps] != [s.name for s in second.steps]:
        raise GraphError(
            "to_onnx: the model does other operations for other numbers or another "
            "batch size; a graph is one list of operations: let it branch on nothing "
            "that comes in"
        )
    wanted = needed(first.steps, outs)
    steps = [
        _same_step(both, first.steps[i], second.steps[i])
        for i in range(len(first.steps))
        if i in wanted
    ]
    if len(first.arrays) != len(second.arrays):
        raise taken_apart()
    pairs = list(zip(first.arrays, second.arrays, strict=True))
    return Traced(
        ins,
        steps,
        [both.same(a, b, "the output") for a, b in zip(outs, outs2, strict=True)],
        [both.same(a.shape, b.shape, "a shape") for a, b in pairs],
        [a.dtype for a, _ in pairs],
    )


def _call(
    model: Callable[..., Any], example: Sequence[Any]
) -> tuple[Tracer, list[Ref], list[Any]]:
    """Call the model, and return the trace, its inputs and its outputs."""
    given: list[Any] = []
    with Tracer() as tracer, no_grad():
        refs = []
        for array in example:
            x = Tensor(array)
            refs.append(tracer.value(x.data))
            if x.data.dtype.kind != "f":
                x.data = x.data.view(Watched)
                x.data.tracer = tracer
            given.append(x)
        outputs = list(flat(model(*given)))
    return tracer, refs, [tracer.seen(y) for y in outputs]


def needed(steps: Sequence[Step], outputs: Any) -> set[int]:
    """Return which steps the outputs depend on."""
    wanted, kept = set(refs(outputs)), set()
    for i in range(len(steps))[::-1]:
        if wanted & set(steps[i].made):
            kept.add(i)
            wanted |= set(refs(steps[i].inputs)) | set(refs(steps[i].settings))
    return kept


def refs(x: Any) -> list[Ref]:
    """Return the values that stand in inputs or settings."""
    if isinstance(x, Ref):
        return [x]
    if isinstance(x, dict):
        x = list(x.values())
    if isinstance(x, (tuple, list)):
        return [ref for part in x for ref in refs(part)]
    return []


def flat(outputs: Any) -> Iterator[Any]:
    """Yield the arrays of a model's output, one after the other."""
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    if isinstance(outputs, (tuple, list)):
        for part in outputs:
            yield from flat(part)
    elif hasattr(outputs, "dtype"):
        yield outputs


def _other(x: Any, axis: int | None) -> Any:
    """Return an input of one more example, and with other values."""
    if axis is not None:
        order = [*range(1, x.shape[axis]), 0, 0]
        x = x.take(order, axis)
    if x.dtype.kind == "f" and x.size and x.min() == x.max():  # zeros, say
        draw = np.random.default_rng(0).standard_normal(x.shape)
        return (x + draw).astype(x.dtype)
    return np.flip(x, -1).copy() if x.ndim else x


def _same_step(both: _Common, a: Step, b: Step) -> Step:
    """Return what two steps of one name have in common."""
    inputs = both.same(a.inputs, b.inputs, a.name)
    return Step(a.name, inputs, both.same(a.settings, b.settings, a.name), a.made)


def taken_apart() -> GraphError:
    """Say that a graph for any batch cannot go through it example by example."""
    return GraphError(
        "to_onnx: an operation takes the batch apart, example by example, and the "
        "graph is for batches of any size; to_onnx(…, batch=None) writes it for the "
        "batch of the example alone"
    )


class _Common:
    """What two calls, with n and m examples, have in common."""

    def __init__(self, n: int, m: int) -> None:
        self.n, self.m = n, m

    def same(self, a: Any, b: Any, where: str) -> Any:
        """Return what a and b are for any batch; `where` is named in an error."""
        if isinstance(a, dict):
            return {key: self.same(a[key], b[key], where) for key in a}
        if isinstance(a, (tuple, list)) and not isinstance(a, Ref):
            if len(a) != len(b):
                raise taken_apart()
            parts = [self.same(p, q, where) for p, q in zip(a, b, strict=True)]
            return tuple(parts) if isinstance(a, tuple) else parts
        if isinstance(a, slice):
            ends = [(a.start, b.start), (a.stop, b.stop), (a.step, b.step)]
            return slice(*(self.same(p, q, where) for p, q in ends))
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            return self.constant(a, b, where)
        if type(a) is not type(b):
            raise self.differs(where)
        return self.number(a, b, where)

    def number(self, a: Any, b: Any, where: str) -> Any:
        """Return a number that is the same, or a multiple of the batch size."""
        if a is b or a == b or (a != a and b != b):
            return a
        whole = isinstance(a, int) and not a % self.n and not b % self.m
        if not whole or a // self.n != b // self.m:
            raise self.differs(where)
        return Batch(a // self.n)

    def constant(self, a: Any, b: Any, where: str) -> Any:
        """Return an array that is the same, or the same for every example."""
        if a.shape == b.shape:
            if not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
                raise self.differs(where)
            return a
        axes = [
            i for i, (p, q) in enumerate(zip(a.shape, b.shape, strict=False)) if p != q
        ]
        if a.ndim != b.ndim or len(axes) != 1:
            raise self.differs(where)
        axis = axes[0]
        one = a.take([0], axis)
        times = self.number(a.shape[axis], b.shape[axis], where)
        if not ((a == one).all() and (b == one).all()):
            raise self.differs(where)
        return Stretched(one, axis, times.times)

    def differs(self, where: str) -> GraphError:
        """Say that something is not the same for all inputs."""
        return GraphError(
            f"to_onnx: {where.lstrip('_')} was given something that depends on the "
            "inputs, and that the graph does not know: it was computed by NumPy, from "
            "x.data, x.numpy() or a comparison; compute it with md.ops, or make it an "
            "input of the model of its own"
        )
