"""An example for every operation and layer: what `minidl check` tries it on.

Most need none of their own: an operation that takes n arrays is tried on n arrays
(3, 4) of numbers from 0.5 to 2, where hardly anything has a kink; a layer that is made
without arguments is tried on one. The others stand in tables.py.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from minidl import nn, ops
from minidl.cli.tables import LAYERS, OPS, apart, positive
from minidl.engine.tensor import TensorLike


@dataclass
class Example:
    """One thing to check: `name` on `inputs`; `chapter` is where it stands."""

    name: str
    chapter: str
    make: Callable[[], Any]
    inputs: tuple[Any, ...]


def examples() -> list[Example]:
    """Return an example for every operation, then for every layer, by chapters."""
    found = [_operation(*row) for row in OPS] + [_layer(*row) for row in LAYERS]
    known = {example.name for example in found}
    for op in _differentiable():
        if f"ops.{op.__name__}" not in known and (n := _arrays_only(op)):
            guess = _operation(op, tuple(positive(3, 4) for _ in range(n)), {})
            found += [guess] if _runs(guess) else []
    for layer in _layers():
        if f"nn.{layer.__name__}" not in known and not _required(layer):
            guess = _layer(layer, (), (apart(3, 4),))
            found += [guess] if _runs(guess) else []
    return sorted(found, key=lambda e: (e.chapter.startswith("nn"), e.chapter, e.name))


def without_example() -> list[str]:
    """Return the names of operations and layers that nothing is known to try on."""
    known = {example.name for example in examples()}
    public = [f"ops.{op.__name__}" for op in _differentiable()]
    public += [f"nn.{layer.__name__}" for layer in _layers()]
    return [name for name in public if name not in known]


def _operation(
    op: Callable[..., Any], inputs: tuple[Any, ...], settings: dict[str, Any]
) -> Example:
    @functools.wraps(op)
    def call(*xs: TensorLike) -> Any:
        return op(*xs, **settings)

    return Example(f"ops.{op.__name__}", _chapter(op), lambda: call, inputs)


def _layer(
    kind: Callable[..., Any], made_with: tuple[Any, ...], inputs: tuple[Any, ...]
) -> Example:
    return Example(
        f"nn.{kind.__name__}", _chapter(kind), lambda: kind(*made_with), inputs
    )


def _runs(guess: Example) -> bool:
    """Whether arrays (3, 4) are inputs of the right kind."""
    try:
        guess.make()(*[x.astype("float32") for x in guess.inputs])
    except Exception:  # whatever it says, this guess was wrong; tables.py has a line
        return False
    return True


def _chapter(thing: object) -> str:
    return str(thing.__module__).removeprefix("minidl.")


def _differentiable() -> list[Any]:
    """Return the public operations that record a node."""
    return [op for n in ops.__all__ if hasattr(op := getattr(ops, n), "body")]


def _layers() -> list[Any]:
    """Return the public layers.

    Module and ModuleList cannot be called; what rounds to float16 is a staircase, with
    no slope to compare with.
    """
    kinds = [getattr(nn, name) for name in nn.__all__]
    return [
        kind
        for kind in kinds
        if isinstance(kind, type)
        and issubclass(kind, nn.Module)
        and kind.forward is not nn.Module.forward
        and kind is not nn.MixedPrecision
    ]


def _required(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the arguments that have no default."""
    found = inspect.signature(function).parameters.values()
    return [p for p in found if p.default is p.empty]


def _arrays_only(op: Callable[..., Any]) -> int:
    """Return how many arrays an operation needs; 0 if it needs settings as well."""
    needed = _required(op)
    if any(p.kind is not p.POSITIONAL_OR_KEYWORD for p in needed):
        return 0
    return len(needed)
