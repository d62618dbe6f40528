"""The steps of a forward pass that is written in NumPy, and what if one were different.

The inputs are handed over as `Traced` arrays, whose every operation is noted. In a
second run some of them can be changed: an operand is held at its old value (the path
through it is cut), or its derivative is replaced. The slope of such a run is the
gradient of somebody whose backward has just this mistake.

    np.exp(z)         held:        no gradient goes through it
                      plain:       as if y = z: the factor exp(z) is forgotten
    a * b             held at a:   the term of a is forgotten, …

The steps of a loop stand in one line of the source: they are changed together.
"""

from __future__ import annotations

import linecache
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minidl.engine.tensor import TensorLike

MOST = 300  # operations that are noted
NUMPY = str(Path(np.__file__).parent)
CHECK = str(Path(__file__).parent)
MINIDL = str(Path(__file__).parent.parent)

Change = Callable[["Event", list[Any]], Any]


@dataclass
class Event:
    """One operation: its operands and result in the first run, and where it stands."""

    name: str
    run: Callable[[list[Any]], Any]
    operands: list[Any]
    result: Any
    sides: list[int]  # which operands depend on the input
    source: str
    place: tuple[Any, ...]
    settings: dict[str, Any] = field(default_factory=dict)


class Tape:
    """What a run of the forward pass does; some operations changed, if asked."""

    def __init__(
        self, changes: dict[int, Change] | None = None, first: Tape | None = None
    ) -> None:
        self.changes, self.first = changes or {}, first
        self.events: list[Event] = []
        self.count = 0

    def step(
        self,
        name: str,
        run: Callable[..., Any],
        operands: list[Any],
        settings: dict[str, Any],
        made: Any = None,
    ) -> Any:
        """Do an operation, unless it is `made`, and note it or change it."""
        arrays = [plain(a) for a in operands]
        change = self.changes.get(self.count) if self.first is not None else None
        if change is not None and self.first is not None:
            result = change(self.first.events[self.count], arrays)
        else:
            result = run(arrays) if made is None else made
        self.count += 1  # what fails does not count: the end of an iteration
        if self.first is not None:
            return result
        if len(self.events) < MOST:
            sides = [i for i, a in enumerate(operands) if depends(a)]
            kept = [np.array(a) if isinstance(a, np.ndarray) else a for a in arrays]
            if isinstance(result, np.ndarray | np.generic):
                held: Any = np.array(result)
            else:
                held = None
            text, place = source()
            self.events.append(
                Event(name, run, kept, held, sides, text, place, dict(settings))
            )
        return result

    def groups(self) -> list[list[int]]:
        """Return the operations that depend on x, those of one place together."""
        found: dict[Any, list[int]] = {}
        for k, e in enumerate(self.events):
            if e.sides:
                shapes = tuple(np.shape(a) for a in e.operands)
                key = (e.place or k, e.name, shapes, tuple(e.sides))
                found.setdefault(key, []).append(k)
        return list(found.values())


_tapes: list[Tape] = []  # the one that runs now


class Traced(np.ndarray):
    """An array that notes what is done with it, and whether it depends on the input."""

    depends = False

    def __array_finalize__(self, like: Any) -> None:
        self.depends = getattr(like, "depends", False)

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: TensorLike, out: Any = None, **more: Any
    ) -> Any:
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        settings = {k: v for k, v in more.items() if not isinstance(v, np.ndarray)}
        more = {k: plain(v) for k, v in more.items()}
        if method == "at" or not _tapes:
            return getattr(ufunc, method)(*[plain(a) for a in inputs], **more)

        def run(arrays: list[Any]) -> Any:
            return getattr(ufunc, method)(*arrays, **more)

        result = _tapes[-1].step(name, run, list(inputs), settings)
        if out is not None:
            plain(out[0])[...] = result
            return out[0]
        return traced(result, depends(inputs))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        spots = [i for i, a in enumerate(args) if isinstance(a, np.ndarray)]
        rest = [_unwrapped(a) for a in args]
        named = {k: _unwrapped(v) for k, v in kwargs.items()}
        if not _tapes or not spots or "out" in kwargs:
            made = func(*rest, **named)
            return made if "out" in kwargs else traced(made, depends(args))

        def run(arrays: list[Any]) -> Any:
            given = list(rest)
            for i, a in zip(spots, arrays, strict=True):
                given[i] = a
            return func(*given, **named)

        settings = {k: v for k, v in kwargs.items() if not isinstance(v, np.ndarray)}
        axes = [a for a in args[1:] if isinstance(a, (int, tuple))]
        if axes and "axis" not in settings:
            settings["axis"] = axes[0]
        operands = [args[i] for i in spots]
        made = _tapes[-1].step(func.__name__, run, operands, settings)
        return traced(made, depends(args))

    def __getitem__(self, index: Any) -> Any:
        index = _unwrapped(index)
        if not _tapes or not _picks(index):
            return super().__getitem__(index)
        result = _tapes[-1].step(
            "getitem", lambda a: a[0][index], [self], {"index": index}
        )
        return traced(np.array(result), depends(self))

    # methods that NumPy makes of several steps count as one
    def mean(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        return np.mean(self, *args, **kwargs)

    def var(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        return np.var(self, *args, **kwargs)

    def std(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        return np.std(self, *args, **kwargs)

    def sum(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        return np.sum(self, *args, **kwargs)

    def max(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        return np.max(self, *args, **kwargs)

    def min(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        return np.min(self, *args, **kwargs)

    def dot(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        return np.dot(self, *args, **kwargs)


def plain(a: object) -> Any:
    """Return a Traced array as an ordinary one, with the same memory."""
    return a.view(np.ndarray) if isinstance(a, Traced) else a


def traced(a: Any, depending: bool) -> Any:
    """Return an array that notes what is done with it."""
    if isinstance(a, np.generic) and a.dtype.kind == "f":
        a = np.asarray(a)
    if isinstance(a, np.ndarray):
        noted = a.view(Traced)
        noted.depends = depending
        return noted
    if isinstance(a, (tuple, list)):
        return type(a)(traced(b, depending) for b in a)
    return a


def depends(a: object) -> bool:
    """Whether an array, or one in a tuple of them, depends on the input."""
    if isinstance(a, (tuple, list)):
        return any(map(depends, a))
    return isinstance(a, Traced) and a.depends


def _unwrapped(a: object) -> Any:
    if isinstance(a, (tuple, list)) and any(isinstance(b, Traced) for b in a):
        return type(a)(plain(b) for b in a)
    return plain(a)


def _picks(index: object) -> bool:
    """Whether an index picks entries, and is no mere slice of all, or None."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(
        isinstance(i, (np.ndarray, list, int, np.integer)) for i in parts
    ) or any(isinstance(i, slice) and (i.start or i.stop) is not None for i in parts)


def traceable(f: Callable[..., Any], seen: dict[int, Any] | None = None) -> Any:
    """Return a function whose calls of minidl's operations are noted as well.

    Operations make plain arrays of their inputs, so the names that f looks up get other
    values: an operation becomes a function that notes it, and so do helper functions.
    """
    seen = {} if seen is None else seen
    if not isinstance(f, types.FunctionType):
        return f
    if id(f) not in seen:
        scope = dict(f.__globals__)
        parts = f.__name__, f.__defaults__, tuple(map(_opened, f.__closure__ or ()))
        twin = types.FunctionType(f.__code__, scope, *parts)
        twin.__kwdefaults__ = f.__kwdefaults__
        seen[id(f)] = twin
        for name in names_in(f.__code__) & scope.keys():
            scope[name] = _noting(scope[name], f, seen)
        for cell in twin.__closure__ or ():
            if cell != types.CellType():
                cell.cell_contents = _noting(cell.cell_contents, f, seen)
    return seen[id(f)]


def _opened(cell: Any) -> Any:
    """Return a new cell with the same contents."""
    try:
        return types.CellType(cell.cell_contents)
    except ValueError:  # a variable that was never set
        return cell


def names_in(code: types.CodeType) -> set[str]:
    """Return the global names that a function looks up, and those inside of it."""
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*map(names_in, inner))


def _noting(value: object, f: types.FunctionType, seen: dict[int, Any]) -> Any:
    """Return what stands for a value that f looks up."""
    if hasattr(value, "body") and hasattr(value, "broadcasts"):
        return _noted(value)
    if getattr(value, "__name__", "") in ("minidl", "minidl.ops"):
        return _Noting(value)
    if isinstance(value, types.FunctionType):
        module = str(value.__module__)
        if module == f.__module__ or not module.startswith(("numpy", "minidl")):
            return _whole(traceable(value, seen))
    return value


def _whole(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a helper function that is one operation, after its parts."""

    def call(*args: Any, **settings: Any) -> Any:
        made = f(*args, **settings)  # notes the parts
        one = len(args) == 1 and isinstance(args[0], Traced)
        if not _tapes or not one or not isinstance(made, Traced):
            return made

        def run(arrays: list[Any]) -> Any:
            _tapes.append(Tape())
            try:
                return plain(f(*arrays, **settings))
            finally:
                _tapes.pop()

        step = _tapes[-1].step(f.__name__, run, [args[0]], settings, plain(made))
        return traced(step, depends(made))

    return call


def _noted(op: Any) -> Callable[..., Any]:
    """Return an operation that notes itself on the tape when it gets Traced arrays."""

    def call(*args: Any, **settings: Any) -> Any:
        spots = [i for i, a in enumerate(args) if isinstance(a, np.ndarray)]
        if not _tapes or not any(isinstance(a, Traced) for a in args):
            return op(*args, **settings)

        def run(arrays: list[Any]) -> Any:
            given = list(args)
            for i, a in zip(spots, arrays, strict=True):
                given[i] = a
            return op(*given, **settings)

        operands = [args[i] for i in spots]
        made = _tapes[-1].step(op.__name__, run, operands, settings)
        return traced(made, depends(args))

    return call


class _Noting:
    """A module whose operations note themselves."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        if getattr(value, "__name__", "") == "minidl.ops":
            return _Noting(value)
        return _noted(value) if hasattr(value, "broadcasts") else value


def replay(
    f: Callable[[list[Any]], Any], arrays: list[Any], slot: int, tape: Tape
) -> Any:
    """Run f with traced inputs on a tape; return what it returns."""
    given = [
        traced(np.array(a), i == slot)
        if isinstance(a, np.ndarray) and a.dtype.kind == "f"
        else a
        for i, a in enumerate(arrays)
    ]
    _tapes.append(tape)
    try:
        return f(given)
    finally:
        _tapes.pop()


def source(top: Any = None) -> tuple[str, tuple[Any, ...]]:
    """Return the expression that is being computed, and the calls that led there.

    The innermost line of somebody's own code; one of minidl's if there is no other.
    top   the code of the function that called somebody's; `replay`'s if not given
    """
    frames, frame = [], sys._getframe(2)
    top = top or replay.__code__
    while frame is not None and frame.f_code is not top:
        if not frame.f_code.co_filename.startswith((NUMPY, CHECK)):
            frames.append(frame)
        frame = frame.f_back  # type: ignore[assignment]
    if not frames:
        return "", ()
    place = tuple((f.f_code.co_filename, f.f_lasti) for f in frames)
    outside = (f for f in frames if not f.f_code.co_filename.startswith(MINIDL))
    own = next(outside, frames[0])
    line, end, col, stop = list(own.f_code.co_positions())[own.f_lasti // 2]
    text = linecache.getline(own.f_code.co_filename, line or 0)
    if not text or line != end or col is None or stop is None:
        return "", place
    return text.encode()[col:stop].decode(errors="replace").strip(), place
