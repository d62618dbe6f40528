"""Predictions of a form: g times quantities, summed over axes; and terms without g.

products       g q, g q p, Σ g q, q Σ g p        what an elementwise rule makes
contractions   g Wᵀ, xᵀ g, …                     what a matrix product makes
leaks          q                                 what is there without any g
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from minidl.backend import Array, to_numpy
from minidl.check.draws import Draw
from minidl.check.pools import Prediction
from minidl.check.quantities import (
    FEW,
    PLAIN,
    axis_sets,
    basics,
    over,
    quantities,
    stretchings,
)

Named = dict[str, Array]
PAIRS = 40  # quantities of which products of two are made


def products(d: Draw) -> Iterator[Prediction]:
    """g times a quantity, stretched or summed to the shape of x."""
    named = basics(d)
    for k, g in enumerate(d.point.gs):
        host = to_numpy(g).astype(np.float64)
        label = "g" if len(d.point.gs) == 1 else f"g[{k}]"
        yield from _stretched(d, named, host, label)
        if host.shape == d.x.shape:
            yield from _own_mask(d, named, host, label)
            yield from _folded(d, named, host, label)
        if host.ndim > d.x.ndim or host.size > d.x.size:
            yield from _summed(d, named, host, label)
            yield from _regrouped(d.x.shape, host, label)


def _stretched(d: Draw, named: Named, g: Array, label: str) -> Iterator[Prediction]:
    """g · q and g · q · p."""
    shape, jac = d.x.shape, d.jac
    own = jac.shape[0] == jac.shape[1] and not (jac - np.diag(jac.diagonal())).any()
    for axes, full in stretchings(g, shape):
        name = f"{label} along axis {axes}" if axes else label
        said = (
            f"{name} itself, the gradient from above: the derivative of the operation "
            "is missing (g must be multiplied by dy/dx)"
        )
        yield said, 2.9 if own else 3.05, full
        for q, values in quantities(named, shape):
            yield f"{name} · {q}", 4 + q.cost, full * values
        few = list(quantities(named, shape, FEW))
        few = sorted(few, key=lambda pair: pair[0].cost)[:PAIRS]
        for (q, a), (p, b) in itertools.combinations(few, 2):
            if q.base != p.base:
                yield f"{name} · {q} · {p}", 6 + q.cost + p.cost, full * a * b


def _own_mask(d: Draw, named: Named, g: Array, label: str) -> Iterator[Prediction]:
    """The sign of g decides where it passes."""
    for said, bent in ((f"max({label}, 0)", np.maximum(g, 0)), (f"|{label}|", abs(g))):
        yield f"{said}: {label} itself decides where it passes", 3, bent
        for q, values in quantities(named, d.x.shape, FEW):
            yield f"{said} · {q}", 5 + q.cost, bent * values


def _folded(d: Draw, named: Named, g: Array, label: str) -> Iterator[Prediction]:
    """q Σ g p: the sums over an axis that softmax and the norms have."""
    shape = d.x.shape
    rows = [("1", np.ones(shape))]
    rows += [(str(q), v) for q, v in quantities(named, shape, PLAIN)][:7]
    powers = [
        (f"exp({n})", np.exp(a))
        for n, a in ((d.name, d.x), ("y", d.y))
        if a.shape == shape
    ]
    for axes in axis_sets(g.ndim):
        for p, inner in rows:
            total = (g * inner).sum(axis=axes, keepdims=True)
            sum_of = label if p == "1" else f"{label} · {p}"
            for q, outer in (*rows, *powers):
                lead = "" if q == "1" else f"{q} · "
                yield f"{lead}Σ {sum_of} (over {over(axes)})", 5, outer * total


def _summed(d: Draw, named: Named, g: Array, label: str) -> Iterator[Prediction]:
    """Σ g q over some axes, or one entry of them in the place of the sum."""
    shape = d.x.shape
    thin = tuple(n for n in shape if n != 1)
    for axes in axis_sets(g.ndim):
        rest = tuple(n for i, n in enumerate(g.shape) if i not in axes)
        if rest not in (thin, shape):
            continue
        total = g.sum(axis=axes).reshape(shape)
        yield f"the sum over {over(axes)} of {label}", 2, total
        top = g.max(axis=axes).reshape(shape)
        yield f"the maximum over {over(axes)} of {label}", 2.5, top
        for q, values in quantities(named, g.shape, FEW):
            total = (g * values).sum(axis=axes).reshape(shape)
            yield f"the sum over {over(axes)} of {label} · {q}", 4 + q.cost, total
        yield from _one_of(g, axes, shape, label)


def _regrouped(shape: tuple[int, ...], g: Array, label: str) -> Iterator[Prediction]:
    """g as rows of another shape, summed: np.repeat and np.tile are told apart here."""
    size = int(np.prod(shape))
    if size == 0 or g.size % size or g.size == size:
        return
    for at in range(len(shape) + 1):
        form = (*shape[:at], g.size // size, *shape[at:])
        said = f"{label}, reshaped to {form} and summed over axis {at}"
        yield said, 3, g.reshape(form).sum(axis=at)


def _one_of(
    g: Array, axes: tuple[int, ...], shape: tuple[int, ...], label: str
) -> Iterator[Prediction]:
    for axis in axes:
        others = tuple(i - (i > axis) for i in axes if i != axis)
        for k, which in ((0, "first"), (-1, "last")):
            left = np.take(g, k, axis=axis).sum(axis=others).reshape(shape)
            said = (
                f"that of the {which} entry of axis {axis} of {label} alone: "
                f".sum(axis={axis}) belongs there"
            )
            yield said, 2, left


def contractions(d: Draw) -> Iterator[Prediction]:
    """g times a matrix, in every order and with every transpose."""
    g = d.g.astype(np.float64)
    for name, held in basics(d).items():
        a = np.asarray(held, np.float64)
        if g.ndim == a.ndim == 1 and d.x.ndim == 2:
            yield from _outer(name, a, g, d.x.shape)
        if min(g.ndim, a.ndim) < 1 or max(g.ndim, a.ndim) < 2:
            continue
        for left, right in itertools.product(_ways("g", g), _ways(name, a)):
            for (n1, b), (n2, c) in ((left, right), (right, left)):
                if b.shape[-1] == c.shape[max(c.ndim - 2, 0)]:
                    yield from _shaped(f"{n1} @ {n2}", b, c, d.x.shape)


def _ways(name: str, a: Array) -> list[tuple[str, Array]]:
    turned = [(f"{name}.T", np.swapaxes(a, -1, -2))] if a.ndim > 1 else []
    return [(name, a), *turned]


def _outer(
    name: str, a: Array, g: Array, shape: tuple[int, ...]
) -> Iterator[Prediction]:
    for n1, b, n2, c in (("g", g, name, a), (name, a, "g", g)):
        if (b.size, c.size) == shape:
            yield f"outer({n1}, {n2})", 4, np.outer(b, c)


def _shaped(
    said: str, b: Array, c: Array, shape: tuple[int, ...]
) -> Iterator[Prediction]:
    try:
        a = b @ c
    except ValueError:  # batches that do not fit
        return
    if a.shape == shape:
        yield said, 4, a
    if a.ndim == 2 and a.T.shape == shape:
        yield f"({said}).T", 4, a.T
    if a.ndim > len(shape) and a.shape[a.ndim - len(shape) :] == shape:
        yield f"the sum of {said}", 4, a.sum(axis=tuple(range(a.ndim - len(shape))))


def leaks(d: Draw) -> Iterator[Prediction]:
    """Terms without g: weight decay, a constant, what was there before."""
    yield "1", 1, np.ones(d.x.shape)
    for q, values in quantities(basics(d), d.x.shape, FEW):
        yield str(q), 1 + q.cost, values
