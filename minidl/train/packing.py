"""A state as a tree, and the tree as named arrays and one line of JSON.

tree   dictionaries (their keys are strings), lists and tuples of leaves
leaf   an array, a Tensor, a number, a string, a truth value or None

Numbers come back bit by bit: arrays as they are, Python's floats by their shortest
decimal form, which is exact, and lists of many numbers as an array of 64 bits each.
What JSON has no word for is a dictionary of one marker:

    {"$array": name}   {"$scalar": name}   {"$list": name}   {"$tuple": [leaf, …]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from minidl.backend import Array, to_numpy
from minidl.engine.tensor import TensorLike
from minidl.errors import DTypeError

DEEPEST = 50  # levels of a tree; a tree in itself has no end
MANY = 16  # so many numbers in a list are stored as an array

Arrays = dict[str, Array]


def pack(tree: Any) -> tuple[Arrays, str]:
    """Return the arrays of a tree by name, and its JSON, which refers to them.

    >>> arrays, text = pack({"epoch": 3, "model": {"bias": np.zeros(2)}})
    >>> text
    '{"epoch": 3, "model": {"bias": {"$array": "model/bias"}}}'
    >>> list(arrays)
    ['model/bias']

    Raises DTypeError, which says where, for what is not of a tree.
    """
    arrays: Arrays = {}
    return arrays, json.dumps(_down(tree, (), arrays))


def unpack(arrays: Arrays, text: str) -> Any:
    """Return the tree; ValueError or RecursionError if there is something wrong.

    >>> unpack(*pack({"betas": (0.9, 0.999)}))
    {'betas': (0.9, 0.999)}
    """
    left = dict(arrays)
    tree = _up(json.loads(text), left, DEEPEST)
    if left:
        raise ValueError(f"{len(left)} of its arrays belong nowhere")
    return tree


def same(a: TensorLike, b: TensorLike) -> bool:
    """Whether two trees agree in every bit.

    >>> same({"x": [1.0, float("nan")]}, {"x": [1.0, float("nan")]}), same([1], [1.0])
    (True, False)
    """
    (mine, text), (yours, other) = pack(a), pack(b)
    return text == other and all(
        _bits(mine[name]) == _bits(yours[name]) for name in mine
    )


def _bits(x: Array) -> tuple[Any, ...]:
    x = to_numpy(x)
    return x.dtype, x.shape, x.tobytes()


# Down: from the tree to JSON


def _down(x: TensorLike, path: tuple[str, ...], arrays: Arrays) -> Any:
    """Return x in words of JSON; its arrays go to `arrays`."""
    if x is None or type(x) in (bool, int, float, str):
        return x
    if len(path) > DEEPEST:
        raise DTypeError(
            f"a state of more than {DEEPEST} levels, at {'/'.join(path)[:80]}…; "
            "does it contain itself?"
        )
    if isinstance(x, Mapping):
        _check_keys(x, path)
        return {key: _down(value, (*path, key), arrays) for key, value in x.items()}
    if type(x) is list:
        return _list(x, path, arrays)
    if isinstance(x, tuple):
        return {"$tuple": _list(list(x), path, arrays)}
    if isinstance(x, np.generic):
        return {"$scalar": _kept(np.asarray(x), path, arrays)}
    if hasattr(x, "dtype"):
        return {"$array": _kept(x, path, arrays)}
    raise DTypeError(
        f"{'/'.join(path)} is a {type(x).__name__}, and a checkpoint holds arrays, "
        "numbers, strings, truth values, None, and lists, tuples and dictionaries of "
        "them; leave it out of state_dict(), or say it in these"
    )


def _check_keys(x: Mapping[Any, Any], path: tuple[str, ...]) -> None:
    for key in x:
        if type(key) is not str or key.startswith("$"):
            raise DTypeError(
                f"{'/'.join(path) or 'a state'} has the key {key!r}; keys are strings "
                "that do not begin with $: try str(key)"
            )


def _list(items: list[Any], path: tuple[str, ...], arrays: Arrays) -> Any:
    kinds = {type(item) for item in items}
    if len(items) >= MANY and kinds in ({int}, {float}):
        dtype = np.float64 if kinds == {float} else np.int64
        if dtype is np.float64 or max(map(abs, items)) < 2**63:
            return {"$list": _kept(np.array(items, dtype), path, arrays)}
    return [_down(item, (*path, str(i)), arrays) for i, item in enumerate(items)]


def _kept(x: Array, path: tuple[str, ...], arrays: Arrays) -> str:
    name = "/".join(path)
    while name in arrays:  # {"a/b": x, "a": {"b": y}}
        name += "'"
    arrays[name] = x
    return name


# Up: from JSON to the tree, which may be anybody's


def _up(x: TensorLike, left: Arrays, depth: int) -> Any:
    """Return the tree of x; every array is used once, and leaves `left`."""
    if depth < 0:
        raise ValueError(f"its state has more than {DEEPEST} levels")
    if type(x) is list:
        return [_up(item, left, depth - 1) for item in x]
    if type(x) is not dict:
        return x
    if not any(key.startswith("$") for key in x):
        return {key: _up(value, left, depth - 1) for key, value in x.items()}
    if len(x) == 1 and "$tuple" in x:
        return tuple(_sequence(_up(x["$tuple"], left, depth)))
    for marker, meaning in MEANINGS.items():
        if len(x) == 1 and marker in x:
            return meaning(_taken(x[marker], left))
    raise ValueError(f"it has an unknown marker, {', '.join(x)[:80]!r}")


def _taken(name: object, left: Arrays) -> Array:
    if not isinstance(name, str) or name not in left:
        raise ValueError(f"it lacks an array, {str(name)[:80]!r}")
    return left.pop(name)


def _sequence(x: TensorLike) -> list[Any]:
    if type(x) is not list:
        raise ValueError("one of its tuples is none")
    return x


def _scalar(x: Array) -> Any:
    if x.ndim:
        raise ValueError("one of its numbers is an array")
    return x[()]


def _numbers(x: Array) -> list[Any]:
    if x.ndim != 1:
        raise ValueError("one of its lists is none")
    return x.tolist()  # type: ignore[no-any-return]


MEANINGS = {"$array": lambda x: x, "$scalar": _scalar, "$list": _numbers}
