"""Parts of an input by name: edges, signs, ends of axes, repeated entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.check.draws import Draw
from minidl.check.quantities import basics, stretchings

Region = tuple[str, Array]
LONG = 40  # entries of an axis that are named one by one
SIGNS: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("where {a} < 0", lambda a: a < 0),
    ("where {a} > 0", lambda a: a > 0),
    ("where |{a}| > 1", lambda a: abs(a) > 1),
    ("where |{a}| < 1", lambda a: abs(a) < 1),
    ("where {a} > 1", lambda a: a > 1),
    ("where {a} < 1", lambda a: a < 1),
    ("where {a} = 0", lambda a: a == 0),
    ("where {a} ≠ 0", lambda a: a != 0),
)


def regions(d: Draw) -> Iterator[Region]:
    """Yield the parts of x that a mistake may be confined to."""
    shape = d.x.shape
    for name, index in d.whole.items():
        yield from _indexed(shape, name, index)
    yield from _borders(shape)
    for axis, n in enumerate(shape):
        if n > 1:
            yield from _along(shape, axis)
            top = d.x == d.x.max(axis=axis, keepdims=True)
            yield f"at the largest entry along axis {axis}", top
            yield f"everywhere but at the largest entry along axis {axis}", ~top
    if d.x.ndim > 1 and shape[-1] > 1:
        yield from _triangles(shape)
    yield from _beyond(d)
    for name, a in basics(d).items():
        if "its mean" in name or "onehot" in name:
            continue
        for _, full in list(stretchings(np.asarray(a, np.float64), shape))[:1]:
            yield from ((said.format(a=name), f(full)) for said, f in SIGNS)


def _beyond(d: Draw) -> Iterator[Region]:
    """Beyond the numbers that stand in the forward pass: limits, margins."""
    for c in sorted({s * c for c in d.point.step.constants for s in (1, -1)}):
        said = f"{c:.6g}, a number in the forward pass"
        if 0.1 < (d.x < c).mean() < 0.9:
            yield f"where {d.name} < {said}", d.x < c
            yield f"where {d.name} > {said}", d.x > c


def _borders(shape: tuple[int, ...]) -> Iterator[Region]:
    n = len(shape)
    for axes in {(n - 2, n - 1), tuple(range(n))} if n > 1 else ():
        if all(shape[i] > 2 for i in axes):
            border = np.zeros(shape, bool)
            for i in axes:
                border |= _ends(shape, i)
            yield "at the border (the first and last rows and columns)", border


def _ends(shape: tuple[int, ...], axis: int) -> Array:
    at = np.zeros(shape, bool)
    before: list[Any] = [slice(None)] * axis
    at[(*before, 0)] = at[(*before, -1)] = True
    return at


def _along(shape: tuple[int, ...], axis: int) -> Iterator[Region]:
    """Entries, ends, halves, and every second entry of one axis."""
    n = shape[axis]
    before: list[Any] = [slice(None)] * axis
    if n > 2:
        yield f"at the ends of axis {axis} (entries 0 and {n - 1})", _ends(shape, axis)
    for k in range(n) if n <= LONG else (0, n - 1):
        edge = " (an edge: is a slice one too short?)" if k in (0, n - 1) else ""
        at = np.zeros(shape, bool)
        at[(*before, k)] = True
        yield f"at {k} of {n} along axis {axis}{edge}", at
        if n > 2:
            yield f"everywhere but at {k} of {n} along axis {axis}{edge}", ~at
    parts: dict[str, slice] = {}
    if n > 3:
        parts |= {"in the second half": slice(n // 2, None)}
        parts |= {"in the first half": slice(0, n // 2)}
    for step in (2, 3):
        for start in range(step) if n >= 2 * step else ():
            parts[f"at every {step}. entry, from {start},"] = slice(start, None, step)
    for said, part in parts.items():
        at = np.zeros(shape, bool)
        at[(*before, part)] = True
        yield f"{said} of axis {axis}", at


def _triangles(shape: tuple[int, ...]) -> Iterator[Region]:
    rows, columns = shape[-2:]
    below = np.broadcast_to(np.tri(rows, columns, dtype=bool), shape)
    strictly = np.broadcast_to(np.tri(rows, columns, -1, dtype=bool), shape)
    yield "on and below the diagonal", below
    yield "above the diagonal", ~below
    yield "below the diagonal", strictly
    yield "on the diagonal", below & ~strictly
    yield "everywhere but on the diagonal", ~(below & ~strictly)


def _indexed(shape: tuple[int, ...], name: str, index: Array) -> Iterator[Region]:
    """Entries that an array of indices names: once, twice, as labels."""
    if index.dtype.kind not in "iu" or not index.size:
        return
    for axis, n in enumerate(shape):
        if index.min() < 0 or index.max() >= n:
            continue
        counts = np.bincount(index.ravel().astype(np.intp), minlength=n)
        form = (1,) * axis + (n,) + (1,) * (len(shape) - axis - 1)
        if counts.max() > 1:
            yield (
                f"where {name} names an entry more than once (such as "
                f"{int(counts.argmax())}): the shares must be added (np.add.at), and "
                "an assignment keeps the last",
                np.broadcast_to((counts > 1).reshape(form), shape),
            )
        if index.shape == shape[:-1] and axis == len(shape) - 1:
            hot = index[..., None] == np.arange(n)
            yield f"at the entry that {name} names in each row", hot
            yield f"at the entries that {name} does not name", ~hot
