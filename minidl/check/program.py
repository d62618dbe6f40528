"""Somebody's backward as a list of operations, one of which can be done otherwise.

The backward gets `Seen` arrays, whose every operation is noted: what was done, with
which operands, in which expression of the source, and which gradients it went into. A
second run with an edit in one place says what that backward would return then.

    ops      the operations of the first run       groups   those of one place together
    sources  of an array: the operations that it was computed by
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.backend import DType, to_numpy
from minidl.check.tape import names_in, source
from minidl.engine.tensor import TensorLike

Edit = Callable[["Call"], Any]
LONGEST = 2000  # operations that are noted
WRITES = ("at", "setitem")
ARRAYS = (np.ndarray, np.generic)


@dataclass
class Call:
    """One operation while it is done: what, on which arrays, how.

    into    the array that it writes to, for `x[i] = v` and np.add.at
    """

    name: str
    run: Callable[..., Any]
    args: list[Any]
    settings: dict[str, Any]
    into: object = None

    def do(self, args: Sequence[object] | None = None, **changed: object) -> Any:
        """Do it, with other operands or settings if they are given."""
        return self.run(*(self.args if args is None else args),
                        **{**self.settings, **changed})  # fmt: skip


@dataclass
class Op(Call):
    """An operation of the first run, with its result and its place in the source."""

    result: Any = None
    text: str = ""
    place: tuple[object, ...] = (None,)


class Program:
    """One run of a backward; with edits, of one that does something otherwise."""

    def __init__(self, edits: dict[int, Edit] | None = None) -> None:
        self.edits = edits or {}
        self.first = edits is None
        self.ops: list[Op] = []
        self.count = 0
        self.written: dict[int, tuple[Any, set[int]]] = {}  # by owner of memory

    def step(self, call: Call) -> Any:
        """Do an operation, note it or edit it; return its result."""
        k = self.count
        edit = self.edits.get(k)
        if not self.first or k >= LONGEST:
            result = call.do() if edit is None else edit(call)
            self.count += 1
            return result
        if call.name in WRITES:
            self.mark(call.into, call.args, [k])
        kept = [np.array(a) if isinstance(a, np.ndarray) else a for a in call.args]
        result = call.do()
        self.count += 1  # what fails does not count: the end of an iteration
        words, place = source(run.__code__)
        held = np.array(result) if isinstance(result, ARRAYS) else None
        made = (held, words, (place, call.name))
        self.ops.append(Op(call.name, call.run, kept, call.settings, call.into, *made))
        return result

    def mark(
        self, into: object, args: Sequence[object], ks: Sequence[int] = ()
    ) -> None:
        """Note that an array was written to, and what was written."""
        owner = _owner(into)
        kept = self.written.setdefault(id(owner), (owner, set()))
        kept[1].update(self.sources(args), ks)

    def sources(self, a: object) -> set[int]:
        """Return the operations that an array, or several, was computed by."""
        if isinstance(a, (tuple, list)):
            return {k for b in a for k in self.sources(b)}
        if not isinstance(a, np.ndarray):
            return set()
        written = self.written.get(id(_owner(a)), (None, set()))[1]
        return set(getattr(a, "made_by", ())) | written

    def groups(self, ks: set[int]) -> list[list[int]]:
        """Return these operations, those of one place of the source together."""
        found: dict[Any, list[int]] = {}
        if self.count > LONGEST:  # the rest of a loop was not noted
            return []
        for k in sorted(ks):
            op = self.ops[k]
            found.setdefault(op.place if op.place[0] else k, []).append(k)
        return list(found.values())


_running: list[Program] = []


def run(program: Program, backward: Callable[[], Any]) -> Any:
    """Call a backward, and note or edit what it does with Seen arrays."""
    _running.append(program)
    try:
        return backward()
    finally:
        _running.pop()


class Seen(np.ndarray):
    """An array that notes what is done with it."""

    made_by: frozenset[int] = frozenset()

    def __array_finalize__(self, like: object) -> None:
        self.made_by = getattr(like, "made_by", frozenset())

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: TensorLike, out: Any = None, **more: Any
    ) -> Any:
        do = getattr(ufunc, method)
        if not _running:
            return do(*map(bare, inputs), **more)
        if method == "at":
            into, args = inputs[0], list(inputs)
            return _done(Call("at", lambda *a, **s: do(*map(bare, a), **s),
                              args, more, into))  # fmt: skip
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        result = _done(Call(name, _plainly(do), list(inputs), more))
        if out is None:
            return result
        bare(out[0])[...] = bare(result)
        if _running[-1].first:
            _running[-1].mark(out[0], [result])
        return out[0]

    def __array_function__(
        self, func: Any, types: object, args: Any, kwargs: Mapping[str, Any]
    ) -> Any:
        if not _running or "out" in kwargs:
            return func(*bare(args), **{k: bare(v) for k, v in kwargs.items()})
        return _done(Call(func.__name__, _plainly(func), list(args), dict(kwargs)))

    def __getitem__(self, index: object) -> Any:
        if not _running:
            return super().__getitem__(bare(index))
        take = lambda a, i: np.asarray(a)[bare(i)]  # noqa: E731
        return _done(Call("getitem", take, [self, index], {}))

    def __setitem__(self, index: object, value: object) -> None:
        if not _running:
            super().__setitem__(bare(index), bare(value))
            return

        def put(a: object, i: object, v: object) -> None:
            bare(a)[bare(i)] = bare(v)

        _done(Call("setitem", put, [self, index, value], {}, self))

    @property
    def T(self) -> Any:  # noqa: D102
        return np.transpose(self)

    def reshape(self, *shape: Any, **more: Any) -> Any:  # noqa: D102
        shape = shape[0] if len(shape) == 1 else shape
        return np.reshape(self, shape, **more)

    def transpose(self, *axes: Any) -> Any:  # noqa: D102
        axes = axes[0] if len(axes) == 1 else axes
        return np.transpose(self, axes or None)


def _method(name: str) -> Callable[..., Any]:
    """Return a method that is the function of NumPy, so that it is one operation."""

    def method(self: Seen, *args: object, **kwargs: object) -> Any:
        return getattr(np, name)(self, *args, **kwargs)

    return method


def _astype(self: Seen, dtype: DType, **more: Any) -> Any:
    """Convert; as one operation."""
    cast: Callable[..., Any] = lambda a: bare(a).astype(dtype, **more)  # noqa: E731
    return _done(Call("astype", cast, [self], {})) if _running else cast(self)


setattr(Seen, "astype", _astype)  # noqa: B010  a method of another signature
for _name in (
    "sum", "mean", "var", "std", "max", "min", "argmax", "argmin", "cumsum", "prod",
    "swapaxes", "repeat", "dot", "clip",
):  # fmt: skip
    setattr(Seen, _name, _method(_name))


def _plainly(do: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *a, **s: do(*bare(a), **{k: bare(v) for k, v in s.items()})


def _done(call: Call) -> Any:
    """Let the program do it, and mark what came of it."""
    program = _running[-1]
    if not program.first or program.count >= LONGEST:
        return seen(program.step(call))
    k = program.count
    before = program.sources([*call.args, *call.settings.values()])
    return seen(program.step(call), frozenset(before | {k}))


def seen(a: Any, made_by: frozenset[int] = frozenset()) -> Any:
    """Return an array, or a nest of them, that notes what is done with it."""
    if isinstance(a, np.generic):
        a = np.asarray(a)
    if not isinstance(a, np.ndarray) and hasattr(a, "dtype"):
        a = to_numpy(a)  # the search for a change goes on on the host
    if isinstance(a, np.ndarray):
        noted = a.view(Seen)
        noted.made_by = made_by
        return noted
    if isinstance(a, dict):
        return {k: seen(v, made_by) for k, v in a.items()}
    if type(a) in (tuple, list):
        return type(a)(seen(b, made_by) for b in a)
    return a


class _Numpy:
    """NumPy, whose new arrays are Seen: what is written into them is noted, too."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(np, name)
        if name not in NEW:
            return value
        if not _running:
            return lambda *args, **more: seen(value(*bare(args), **more))
        return lambda *args, **more: _done(
            Call(name, _plainly(value), list(args), dict(more))
        )


NEW = (
    "zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like", "eye",
    "full_like", "array", "asarray",
)  # fmt: skip


def noting(f: object, twins: dict[int, Any] | None = None) -> Any:
    """Return a function whose new arrays are Seen, and so those of its helpers."""
    twins = {} if twins is None else twins
    if isinstance(f, types.MethodType):
        return types.MethodType(noting(f.__func__, twins), f.__self__)
    if not isinstance(f, types.FunctionType) or f.__module__.startswith("numpy"):
        return f
    if id(f) not in twins:
        scope = dict(f.__globals__)
        cells = tuple(types.CellType() for _ in f.__closure__ or ())
        twin = types.FunctionType(f.__code__, scope, f.__name__, f.__defaults__, cells)
        twin.__kwdefaults__ = f.__kwdefaults__
        twins[id(f)] = twin
        for name in names_in(f.__code__) & scope.keys():
            scope[name] = _noted(scope[name], twins)
        for cell, old in zip(cells, f.__closure__ or (), strict=True):
            if old != types.CellType():
                cell.cell_contents = _noted(old.cell_contents, twins)
    return twins[id(f)]


def _noted(value: object, twins: dict[int, Any]) -> Any:
    return _Numpy() if value is np else noting(value, twins)


def changed(a: object, changes: dict[int, Callable[[Any], Any]]) -> Any:
    """Return a nest of arrays of which some, by their number, are changed."""
    count = iter(range(LONGEST))

    def walk(b: Any) -> Any:
        if hasattr(b, "dtype"):
            change = changes.get(next(count))
            return b if change is None else change(b)
        if isinstance(b, dict):
            return {k: walk(v) for k, v in b.items()}
        if type(b) in (tuple, list):
            return type(b)(walk(c) for c in b)
        return b

    return walk(a)


def bare(a: Any) -> Any:
    """Return ordinary arrays in their place, with the same memory."""
    if isinstance(a, Seen):
        return a.view(np.ndarray)
    if type(a) in (tuple, list):
        return type(a)(bare(b) for b in a)
    return a


def _owner(a: object) -> object:
    while isinstance(a, np.ndarray) and a.base is not None:
        a = a.base
    return a
