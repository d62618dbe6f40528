"""Typical mistakes of a whole gradient: shape, sign, factor.

Each function looks at one case, an op's gradient beside the right one, and returns a
sentence if it knows the mistake, else None. They are asked in the order of `WHOLE`, the
most definite first. Those of place are in places.py, those of terms in patterns.py.

    got, want   the gradient by the way back, and by differences
    x, y        an input and the output    g   what came from above, ∂L/∂y
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from minidl.backend import Array

CLOSE = 1e-5  # differences are better than that, and mistakes are larger


@dataclass
class Case:
    """One input of an op: its gradient as the op has it, and as it should be."""

    name: str
    got: Array
    want: Array
    x: Array
    y: Array
    g: Array
    others: dict[str, Array] = field(default_factory=dict)  # the other float inputs
    wants: dict[str, Array] = field(default_factory=dict)  # and their right gradients
    indices: dict[str, Array] = field(default_factory=dict)  # the integer inputs


Recognizer = Callable[[Case], str | None]


def close(a: Array, b: Array) -> bool:
    """Whether two arrays are equal as far as differences can tell, and not both zero.

    >>> close(np.ones(2), np.ones(2) + 1e-8), close(np.ones(2), np.ones((2, 1)))
    (True, False)
    """
    if np.shape(a) != np.shape(b):
        return False
    size = max(np.linalg.norm(a), np.linalg.norm(b))
    return bool(0 < size < np.inf and np.linalg.norm(a - b) <= CLOSE * size)


def stretched(a: Array, shape: tuple[int, ...]) -> Array | None:
    """Return a stretched to `shape`, as in NumPy or along channels; None if it cannot.

    >>> stretched(np.arange(2), (3, 2, 1)).shape
    (3, 2, 1)
    """
    forms = [a.shape]
    if a.ndim == 1 and len(shape) > 1:
        forms += [
            (1, len(a), *(1,) * (len(shape) - 2)),
            (len(a), *(1,) * (len(shape) - 1)),
        ]
    for form in forms:
        try:
            return np.broadcast_to(a.reshape(form), shape)
        except ValueError:
            continue
    return None


def not_finite(c: Case) -> str | None:
    """A NaN or an infinity."""
    bad = np.argwhere(~np.isfinite(c.got))
    if not len(bad):
        return None
    at = tuple(int(i) for i in bad[0])
    where = f"[{', '.join(map(str, at))}]" if at else ""
    at_x = f", where {c.name} = {c.x[at]:.4g}" if c.got.shape == c.x.shape else ""
    return (
        f"is {c.got[at]} at {c.name}{where}{at_x}. Look for 0 / 0, 0 · inf or a log "
        "of 0 in the way back; choose with where(), do not multiply by a mask"
    )


def wrong_shape(c: Case) -> str | None:
    """The right numbers in another shape, or numbers not yet summed."""
    if c.got.shape == c.want.shape:
        return None
    said = f"has shape {c.got.shape}, and {c.name} has {c.want.shape}"
    for axes in _sums(c.got.shape, c.want.shape):
        if close(c.got.sum(axis=axes).reshape(c.want.shape), c.want):
            which = f"axis={axes[0]}" if len(axes) == 1 else f"axis={axes}"
            return (
                f"{said}: it is right once it is summed. {c.name} serves all entries "
                f"along these axes, and gradients add up: .sum({which}) is missing"
            )
    if c.got.ndim > 1 and close(c.got.T, c.want):
        return f"{said}: it is the transpose of the right one; .T is missing"
    if c.got.size == c.want.size and close(c.got.reshape(c.want.shape), c.want):
        return f"{said}: the numbers are right; .reshape({c.name}.shape) is missing"
    if c.got.ndim <= c.want.ndim and c.got.size < c.want.size:
        return f"{said}: too much was summed, or the gradient was not stretched back"
    return f"{said}: a gradient has the shape of its input"


def _sums(shape: tuple[int, ...], to: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the sets of axes whose sum leaves as many numbers as `to` has."""
    size, axes = int(np.prod(to)), range(len(shape))
    for k in range(1, len(shape) + 1):
        for chosen in itertools.combinations(axes, k):
            rest = [n for i, n in enumerate(shape) if i not in chosen]
            if int(np.prod(rest)) == size and size < int(np.prod(shape)):
                yield chosen


def zero(c: Case) -> str | None:
    """Nothing arrives."""
    if c.got.any() or not c.want.any():
        return None
    return (
        "is zero everywhere, but y depends on it. Was the value detached on the way "
        "(.data, .numpy(), detach, values, no_grad), or the gradient never filled in?"
    )


def not_zero(c: Case) -> str | None:
    """Something arrives where nothing should."""
    if close(c.want + 1, np.ones_like(c.want)) and not close(c.got + 1, c.want + 1):
        return (
            "should be zero, for y does not change with it (the effects cancel out); a "
            "term that cancels the others is missing"
        )
    return None


def sign(c: Case) -> str | None:
    """−1 times the right one."""
    if close(c.got, -c.want):
        return "has the wrong sign: it is −1 times the right one, everywhere"
    return None


def unchanged(c: Case) -> str | None:
    """g itself."""
    if close(c.got, c.g):
        return (
            "is g itself, the gradient from above: the derivative of the operation is "
            "missing (g must be multiplied by dy/dx)"
        )
    for axis in range(c.g.ndim):
        for k, which in ((0, "first"), (-1, "last")):
            if c.g.shape[axis] > 1 and close(c.got, c.g.take(k, axis=axis)):
                return (
                    f"is that of the {which} entry of axis {axis} of g alone: "
                    f".sum(axis={axis}) belongs there"
                )
    return None


def nearly(c: Case) -> str | None:
    """A small error everywhere."""
    size = np.linalg.norm(c.want)
    off = float(np.linalg.norm(c.got - c.want) / size) if size else 0.0
    if 0 < off < 1e-3:
        return (
            f"is nearly right (off by {off:.1e} of its length): is an eps left out of "
            "it, or is something computed in float32, or by an approximation?"
        )
    return None


def factor(c: Case) -> str | None:
    """A constant times the right one."""
    top = np.unravel_index(np.abs(c.want).argmax(), c.want.shape)
    ratio = float(c.got[top] / c.want[top]) if c.want[top] else 0.0
    if not ratio or not close(c.got, ratio * c.want):
        return None
    minus = " and of the wrong sign" if ratio < 0 else ""
    for form, value in ((1, abs(ratio)), (-1, 1 / abs(ratio))):
        if meaning := _meaning(c, value):
            word = f"{value:.6g} times too {'large' if form > 0 else 'small'}{minus}"
            cure = (
                "was a mean taken for a sum (divide by it)?"
                if form > 0
                else "was it divided by once too often, or a sum taken for a mean?"
            )
            two = value == 2 or abs(value - 2) < CLOSE
            cure = "does a square or a symmetric term bring a 2?" if two else cure
            return f"is {word}, everywhere. {value:.6g} is {meaning}: {cure}"
    return (
        f"is {ratio:.6g} times the right one, everywhere: a constant factor (a "
        "setting, a scale, a rate) is missing, or is there twice"
    )


def _meaning(c: Case, value: float) -> str | None:
    """Say what a number may be: the length of an axis, a size, or 2."""
    known: dict[float, str] = {}
    for array, name in ((c.y, "y"), (c.x, c.name)):
        for axis, n in enumerate(array.shape):
            batch = ", the batch" if axis == 0 and array.ndim > 1 else ""
            known.setdefault(n, f"the length of axis {axis} of {name}{batch}")
        known.setdefault(array.size, f"the number of elements of {name}")
        if array.ndim > 2:
            per = array.size // array.shape[1] if array.shape[1] else 0
            known.setdefault(per, f"how many elements of {name} share a channel")
    known.setdefault(2, "a plain two")
    for n, meaning in known.items():
        if n > 1 and abs(value - n) <= CLOSE * n:
            return meaning
    return None


WHOLE: tuple[Recognizer, ...] = (
    not_finite, wrong_shape, zero, not_zero, sign, nearly, factor,
)  # fmt: skip
