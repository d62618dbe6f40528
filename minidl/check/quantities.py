"""What derivatives are made of: arrays by name, functions of them, and sums of them.

A quantity q does not depend on g. The arrays are the inputs, the outputs, and what the
backward remembers; the functions are those that occur in local derivatives.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from minidl.backend import Array, to_numpy
from minidl.check.draws import Draw


@dataclass(frozen=True)
class Quantity:
    """A function of a named array: `form` with the name in the place of {a}."""

    form: str
    base: str
    cost: float

    def __str__(self) -> str:
        return self.form.format(a=self.base)


def _safe(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
    def call(a: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(f(a), np.float64)

    return call


def _sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


# form, function, cost: simple ones first
FORMS: list[tuple[str, Callable[[Array], Array], float]] = [
    ("{a}", lambda a: a, 0),
    ("{a}²", lambda a: a * a, 1),
    ("1 / {a}", lambda a: 1 / a, 1),
    ("(1 − {a})", lambda a: 1 - a, 1),
    ("{a} (1 − {a})", lambda a: a * (1 - a), 1.5),
    ("(1 − {a}²)", lambda a: 1 - a * a, 1.5),
    ("[{a} > 0]", lambda a: a > 0, 1),
    ("[{a} < 0]", lambda a: a < 0, 1.2),
    ("[{a} = 0]", lambda a: a == 0, 1.5),
    ("[{a} ≠ 0]", lambda a: a != 0, 1.5),
    ("sign({a})", np.sign, 1),
    ("|{a}|", abs, 1.5),
    ("√{a}", np.sqrt, 1.5),
    ("1 / √{a}", lambda a: a**-0.5, 1.5),
    ("1 / {a}²", lambda a: 1 / (a * a), 1.5),
    ("{a}³", lambda a: a**3, 2),
    ("exp({a})", np.exp, 1.5),
    ("exp(−{a})", lambda a: np.exp(-a), 2),
    ("exp(−{a}²)", lambda a: np.exp(-a * a), 3),
    ("log({a})", np.log, 2),
    ("sin({a})", np.sin, 2),
    ("cos({a})", np.cos, 2),
    ("(1 + {a})", lambda a: 1 + a, 2.6),
    ("(1 + {a}²)", lambda a: 1 + a * a, 2.5),
    ("√(1 − {a}²)", lambda a: np.sqrt(1 - a * a), 2.5),
    ("max({a}, 0)", lambda a: np.maximum(a, 0), 2),
    ("σ({a})", _sigmoid, 2),
    ("tanh({a})", np.tanh, 2),
    ("σ′({a})", lambda a: _sigmoid(a) * (1 - _sigmoid(a)), 2.5),
    ("tanh′({a})", lambda a: 1 - np.tanh(a) ** 2, 2.5),
]
FORMS = [(form, _safe(f), cost) for form, f, cost in FORMS]
PLAIN = tuple(form for form, _, _ in FORMS[:1])
FEW = tuple(form for form, _, _ in FORMS[:14])


def basics(d: Draw) -> dict[str, Array]:
    """Return the named arrays of a draw, each value once."""
    found: dict[str, Array] = {d.name: d.x}
    rest = {**d.inputs}
    many = len(d.point.ys) > 1
    rest |= {f"y[{i}]" if many else "y": y for i, y in enumerate(d.point.ys)}
    rest |= {n: to_numpy(a) for n, a in d.point.made.cached.items()}
    rest |= d.whole
    for name, a in rest.items():
        if a.dtype.kind not in "fiub" or not a.size or name in found:
            continue
        if not any(a.shape == b.shape and np.array_equal(a, b) for b in found.values()):
            found[name] = a
    for axes in axis_sets(d.x.ndim) if d.x.ndim < 4 else []:
        if length(d.x, axes) > 2:
            centered = d.x - d.x.mean(axis=axes, keepdims=True)
            found[f"({d.name} − its mean over {over(axes)})"] = centered
    for name, a in d.whole.items():
        if a.dtype.kind in "iu" and a.shape == d.x.shape[:-1] and a.size:
            found[f"onehot({name})"] = (a[..., None] == np.arange(d.x.shape[-1])) * 1.0
    return found


def quantities(
    named: dict[str, Array], shape: tuple[int, ...], forms: tuple[str, ...] = ()
) -> Iterator[tuple[Quantity, Array]]:
    """Yield functions of the named arrays, stretched to `shape`, that are finite."""
    for name, a in named.items():
        few = forms if "its mean" not in name else PLAIN
        for axes, full in stretchings(np.asarray(a, np.float64), shape):
            for form, f, cost in FORMS:
                if few and form not in few:
                    continue
                q = f(full)
                if np.isfinite(q).all() and q.any():
                    base = name + (f" along axis {axes}" if axes else "")
                    yield Quantity(form, base, cost + (1 if axes else 0)), q


def stretchings(a: Array, shape: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    """Yield a, stretched to `shape` as NumPy does, or laid along other axes.

    >>> [s for s, _ in stretchings(np.arange(3), (3, 3))]
    ['', '0']
    """
    if a.ndim > len(shape):
        if a.size == int(np.prod(shape)) and a.squeeze().shape == tuple(
            n for n in shape if n != 1
        ):
            yield "", a.reshape(shape)
        return
    usual = (1,) * (len(shape) - a.ndim) + a.shape
    seen = False
    if _fits(usual, shape):
        seen = True
        yield "", np.broadcast_to(a.reshape(usual), shape)
    if a.ndim == len(shape) or a.ndim == 0:
        return
    for axes in itertools.combinations(range(len(shape)), a.ndim):
        form = tuple(
            a.shape[axes.index(i)] if i in axes else 1 for i in range(len(shape))
        )
        if form != usual and _fits(form, shape):
            which = ", ".join(map(str, axes)) if seen else ""
            yield which, np.broadcast_to(a.reshape(form), shape)
            seen = True


def _fits(form: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return all(n in (1, m) for n, m in zip(form, shape, strict=True))


def axis_sets(ndim: int) -> list[tuple[int, ...]]:
    """Return all sets of axes, one first; of more than four axes the usual ones.

    >>> axis_sets(2)
    [(0,), (1,), (0, 1)]
    """
    if ndim > 4:
        single: list[tuple[int, ...]] = [(i,) for i in range(ndim)]
        return [*single, tuple(range(ndim))]
    sizes = range(1, ndim + 1)
    return [axes for k in sizes for axes in itertools.combinations(range(ndim), k)]


def over(axes: tuple[int, ...]) -> str:
    """Return "axis 0", or "the axes (0, 2)"."""
    return f"axis {axes[0]}" if len(axes) == 1 else f"the axes {axes}"


def length(a: Array, axes: tuple[int, ...]) -> int:
    """Return how many entries some axes have together."""
    return int(np.prod([a.shape[i] for i in axes]))
