"""A step: something with inputs, outputs and a backward, looked at alone.

A step is one operation of a function, a NumPy pair `forward`, `backward`, or a whole
function. Its backward is called directly, without the engine, so that even a gradient
of the wrong shape can be looked at.
"""

from __future__ import annotations

import copy
import functools
import inspect
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minidl.backend import Array, device_of, to_device, to_numpy
from minidl.check.pair import Pair, PairSubject
from minidl.check.program import changed, noting, seen
from minidl.check.subject import Subject, flat, is_float
from minidl.check.tape import traceable
from minidl.engine.inputs import Signature
from minidl.engine.modes import Watcher
from minidl.engine.op import Node, as_array
from minidl.engine.tensor import values
from minidl.ops import sum_to
from minidl.ops.indexing import Scatter

Changes = dict[int, Callable[[Any], Any]]
OFTEN = 20  # calls of one operation that are looked at


@dataclass
class Pass:
    """One forward pass: the float outputs, the backward, and what it remembers.

    back     from the cotangents ∂L/∂y to the gradients of the inputs, None if it has
             none; a new list at each call
    cached   the arrays that the backward remembers, by name
    noted    the backward, with all its arrays handed to it as `seen` makes them
             (program.py), some of those that it remembers changed, by their number
             among `cached`; None if its operations cannot be noted
    """

    ys: list[Array]
    back: Callable[[list[Array]], list[Any]]
    cached: dict[str, Array] = field(default_factory=dict)
    noted: Callable[..., list[Any]] | None = None


@dataclass
class Step:
    """A function of arrays with a backward.

    names, arrays   the inputs, in order      slots   those that want a gradient
    run             one forward pass          settings   numbers that it was called with
    forward         the outputs alone, from arrays of any kind; None if it has no such
    constants       the numbers that stand in its source
    """

    name: str
    names: list[str]
    arrays: list[Any]
    slots: list[int]
    run: Callable[[list[Any]], Pass]
    settings: dict[str, Any] = field(default_factory=dict)
    forward: Callable[[list[Any]], Any] | None = None
    constants: tuple[float, ...] = ()


class Recorder(Watcher):
    """A watcher (modes.py) that writes down the operations inside its `with`."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.seen: dict[Any, int] = {}

    def recorded(self, node: Node, arrays: Sequence[Any]) -> None:
        """After a node: write down what was called, if it was not called too often."""
        self.seen[node.op] = self.seen.get(node.op, 0) + 1
        if self.seen[node.op] <= OFTEN:
            slots = [i for i, to in enumerate(node.edges) if to is not None]
            copies = [x.copy() if is_array(x) else x for x in arrays]
            self.steps.append(step_of_op(node.op, copies, slots, dict(node.settings)))


def step_of_op(
    op: Any, arrays: list[Any], slots: list[int], settings: dict[str, Any]
) -> Step:
    """Return an operation as a step."""
    known = Signature(op.body).inputs
    names = known if len(known) == len(arrays) else ()
    body = functools.cache(lambda: traceable(op.body))  # made when it is asked for

    def run(xs: list[Any]) -> Pass:
        made = op.body(*xs, **settings)
        y, back = made[0], made[1]
        several = type(y) is tuple
        ys = [as_array(a) for a in (y if several else (y,))]
        wanted = [i in slots for i in range(len(xs))]

        def pull(gs: list[Array]) -> list[Any]:
            given = iter(gs)
            full = [next(given) if a.dtype.kind == "f" else a * 0 for a in ys]
            found = _asked(back, full, wanted)
            pairs = list(zip(found, xs, strict=True))
            return [_fitted(op, *pairs[i]) for i in slots]

        def noted(gs: list[Array], changes: Changes | None = None) -> list[Any]:
            full = [seen(g.copy()) for g in gs]
            found = _asked(_with_seen(back, list(kept), changes or {}), full, wanted)
            return [found[i] for i in slots]

        floats = [a for a in ys if a.dtype.kind == "f"]
        alone = len(floats) == len(ys)
        kept = _remembered(back)
        return Pass(floats, pull, kept, noted if alone else None)

    return Step(
        name=op.__name__.lstrip("_"),
        names=list(names) or [f"xs[{i}]" for i in range(len(arrays))],
        arrays=arrays,
        slots=slots,
        run=run,
        settings={**_defaults(op.body), **settings},
        forward=lambda xs: body()(*xs, **settings)[0],
        constants=numbers_in(op.body),
    )


def step_of_pair(pair: Pair, arrays: list[Any]) -> Step:
    """Return a pair of NumPy functions as a step."""

    def run(xs: list[Any]) -> Pass:
        y, cache = pair.run(xs)
        ys = [as_array(a) for a in flat(y)]

        def pull(gs: list[Array]) -> list[Any]:
            found = pair.pull(gs, cache, xs, slots)
            return [None if g is None else as_array(g) for g in found]

        def noted(gs: list[Array], changes: Changes | None = None) -> list[Any]:
            kept = seen(changed(copy.deepcopy(cache), changes or {}))
            return twin().pull([seen(g.copy()) for g in gs], kept, xs, slots)

        floats = [a for a in ys if a.dtype.kind == "f"]
        return Pass(floats, pull, _cached(cache), noted)

    slots = pair.slots(arrays)
    twin = functools.cache(lambda: Pair(pair.forward, noting(pair.backward)))
    noted = functools.cache(lambda: Pair(traceable(pair.forward), pair.backward))
    return Step(
        pair.title,
        pair.names(len(arrays)),
        arrays,
        slots,
        run,
        forward=lambda xs: noted().run(xs)[0],
        constants=numbers_in(pair.forward),
    )


def step_of_subject(subject: Subject) -> Step:
    """Return a whole function of Tensors as a step."""

    def run(xs: list[Any]) -> Pass:
        ys, pull = subject.recorded(xs)
        return Pass([values(y) for y in ys], pull)

    n = len(subject.points)
    return Step(
        subject.title, list(subject.names), list(subject.points), list(range(n)), run
    )


def numbers_in(f: Callable[..., Any]) -> tuple[float, ...]:
    """Return the numbers that stand in the source of a function."""
    code = getattr(inspect.unwrap(f), "__code__", None)
    found = getattr(code, "co_consts", ())
    return tuple(float(c) for c in found if isinstance(c, (int, float)) and c)


def inner_steps(subject: Subject) -> list[Step]:
    """Return the operations inside a function; a NumPy pair itself."""
    if isinstance(subject, PairSubject):
        return [step_of_pair(subject.pair, subject.inputs)]
    if type(subject) is not Subject:
        return []
    subject.examine()
    with Recorder() as recorder:
        subject.recorded(subject.points)
    return recorder.steps


def moved(arrays: Sequence[Any], rng: np.random.Generator, k: int) -> list[Any]:
    """Return other inputs of the same kind: their values exchanged and changed a bit.

    Values keep their range (a logarithm stays one of positive numbers), and integers
    stay as they are. Less is changed at the k-th try.
    """
    share = (0.1, 0.01, 1e-3)[k]
    found = []
    for x in arrays:
        if not is_float(x):
            found.append(x)
            continue
        host = to_numpy(x).copy()
        if k < 2:
            host = rng.permutation(host.ravel()).reshape(host.shape)
        host = host * (1 + share * rng.uniform(-1, 1, host.shape))
        found.append(to_device(host.astype(x.dtype), device_of(x)))
    return found


def _asked(back: Any, gs: list[Array], wanted: Sequence[bool]) -> list[Any]:
    """Ask the backward of an op for its gradients."""
    if type(back) is tuple:
        maps = zip(back, wanted, strict=True)
        return [way(*gs) if wanted and way else None for way, wanted in maps]
    choosy = back.__code__.co_argcount > len(gs)
    made = back(*gs, wanted) if choosy else back(*gs)
    return list(made) if type(made) is tuple else [made]


def _with_seen(back: Any, names: list[str], changes: Changes) -> Any:
    """Return a backward whose closures hold `Seen` copies of their arrays."""
    if type(back) is tuple:
        return tuple(way and _with_seen(way, names, changes) for way in back)
    if not isinstance(back, types.FunctionType):
        return back
    back, cells = noting(back), []
    for name, cell in zip(
        back.__code__.co_freevars, back.__closure__ or (), strict=True
    ):
        held = cell.cell_contents
        if is_array(held):
            change = changes.get(names.index(name)) if name in names else None
            held = seen(change(held) if change else held.copy())
        cells.append(types.CellType(held))
    twin = types.FunctionType(
        back.__code__, back.__globals__, back.__name__, back.__defaults__, tuple(cells)
    )
    twin.__kwdefaults__ = back.__kwdefaults__
    return twin


def _fitted(op: Any, g: Array, x: Array) -> Any:
    """Sum g down to the shape of x, where the engine would do so."""
    if g is None:
        return None
    if type(g) is Scatter:  # indexing leaves the zeros to the engine
        g = g.dense()
    if op.broadcasts and np.shape(g) != np.shape(x):
        g = sum_to(g, shape=np.shape(x))
    return as_array(g)


def _remembered(back: Any) -> dict[str, Array]:
    """Return the arrays that closures hold, by the names of the variables."""
    found: dict[str, Array] = {}
    for way in back if type(back) is tuple else (back,):
        code, cells = getattr(way, "__code__", None), getattr(way, "__closure__", None)
        for name, cell in zip(
            code.co_freevars if code else (), cells or (), strict=False
        ):
            try:
                held = cell.cell_contents
            except ValueError:  # a variable that was never set
                continue
            if is_array(held):
                found[name] = held
            elif callable(held) and getattr(held, "__closure__", None):
                found |= {k: v for k, v in _remembered(held).items() if k not in found}
    return found


def _cached(cache: Any) -> dict[str, Array]:
    """Return the arrays of a cache: a tuple, a list, a dictionary, or one array."""
    if isinstance(cache, dict):
        return {str(k): v for k, v in cache.items() if is_array(v)}
    if isinstance(cache, (tuple, list)):
        return {f"cache[{i}]": v for i, v in enumerate(flat(cache)) if is_array(v)}
    return {"cache": cache} if is_array(cache) else {}


def _defaults(body: Callable[..., Any]) -> dict[str, Any]:
    """Return the settings that a body has by default."""
    return dict(getattr(body, "__kwdefaults__", None) or {})


def is_array(x: object) -> bool:
    """Whether x is an array of numbers, and no setting or None."""
    return hasattr(x, "dtype") and hasattr(x, "shape")


def drawn(like: Array, rng: np.random.Generator) -> Array:
    """Return random normal numbers of an array's shape and dtype, where it is."""
    numbers = np.asarray(rng.standard_normal(like.shape), dtype=like.dtype)
    return to_device(numbers, device_of(like))
