"""Predictions from another g: the right gradient for a cotangent that was changed.

J τ(g)    with τ(g) ones, |g|, g without an entry, shifted, transposed, summed, …
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from minidl.backend import Array, to_numpy
from minidl.check.draws import Draw
from minidl.check.pools import Prediction, rearranged, shifted
from minidl.check.quantities import FEW, axis_sets, basics, length, over, quantities

FEWEST = 12  # entries of an axis that are left out one by one


def of_another_g(d: Draw) -> Iterator[Prediction]:
    """The right gradient for another cotangent than the g that came."""
    rows = list(_cotangents(d))
    found = d.pull(np.stack([np.ravel(g) for _, _, g in rows], axis=1))
    for i, (said, cost, _) in enumerate(rows):
        yield said, cost, found[:, i].reshape(d.x.shape)


def _cotangents(d: Draw) -> Iterator[Prediction]:
    """Yield what stands in the place of g, of all outputs one after the other."""
    parts = [to_numpy(g).astype(np.float64) for g in d.point.gs]
    said = "the gradient for a g of ones: g, the gradient from above, is ignored"
    yield said, 1, np.ones(d.point.g.size)
    if len(parts) > 1:
        yield from _of_outputs(parts)
    for k, g in enumerate(parts):
        name = f"g of output {k}" if len(parts) > 1 else "g"
        for said, cost, changed in _changed(g, d):
            full = [changed if i == k else p for i, p in enumerate(parts)]
            yield said.replace("{g}", name), cost, _joined(full)


def _joined(parts: list[Array]) -> Array:
    return np.concatenate([np.ravel(p) for p in parts])


def _of_outputs(parts: list[Array]) -> Iterator[Prediction]:
    """Some outputs are forgotten, or exchanged."""
    for k, p in enumerate(parts):
        only = [p if i == k else np.zeros_like(q) for i, q in enumerate(parts)]
        said = (
            f"the share of output {k} alone: those of the other outputs must be added"
        )
        yield said, 2, _joined(only)
        rest = [np.zeros_like(q) if i == k else q for i, q in enumerate(parts)]
        said = f"right but for the share of output {k}, which is missing: all add up"
        yield said, 2.1, _joined(rest)
    for k, j in itertools.combinations(range(len(parts)), 2):
        if parts[k].shape == parts[j].shape:
            turned = list(parts)
            turned[k], turned[j] = parts[j], parts[k]
            said = f"right with the cotangents of outputs {k} and {j} exchanged"
            yield said, 2, _joined(turned)


def _changed(g: Array, d: Draw) -> Iterator[Prediction]:
    """Other cotangents that were made of g."""
    yield "right but for {g}²: {g} is used twice", 2, g * g
    if g.size == 1:
        yield "right with 1 in the place of {g}: {g} is ignored", 1.5, np.ones_like(g)
        return
    yield "right with |{g}| in the place of {g}", 3, abs(g)
    yield "right with the sign of {g} in its place", 3, np.sign(g)
    said = "right with max({g}, 0) in the place of {g}: its negative entries are lost"
    yield said, 3, np.maximum(g, 0)
    for said, cost, turned in rearranged(g, g.shape):
        how = (
            "reshape in the place of a transpose"
            if "reshape" in said
            else "a transpose"
        )
        yield (
            f"right with the entries of {{g}} in other places: {how}",
            cost + 1,
            turned,
        )
    for axes in axis_sets(g.ndim):
        yield from _summed(g, axes)
    for axis in range(g.ndim):
        yield from _along(g, axis)
    if g.ndim > 1:
        inner = np.zeros_like(g)
        at = tuple(slice(1, -1) if n > 2 else slice(None) for n in g.shape[-2:])
        inner[(..., *at)] = g[(..., *at)]
        yield "right but for the border of {g}, which is left out", 3, inner
    if g.shape == d.y.shape:
        for q, values in quantities(basics(d), g.shape, FEW):
            said = f"right for {{g}} · {q}: g has the factor {q} too many"
            yield said, 4 + q.cost, g * values


def _summed(g: Array, axes: tuple[int, ...]) -> Iterator[Prediction]:
    n = length(g, axes)
    if n < 2:
        return
    full = np.broadcast_to(g.sum(axis=axes, keepdims=True), g.shape)
    said = (
        f"what the sum of {{g}} over {over(axes)} would give, for all entries alike: "
        f"{{g}} was summed (or averaged) over {over(axes)} before it was used"
    )
    yield said, 2.5, full
    said = (
        f"right for {{g}} minus its mean over {over(axes)}: subtracted once too often"
    )
    yield said, 3, g - full / n


def _along(g: Array, axis: int) -> Iterator[Prediction]:
    """Entries of one axis alone, left out, for all, or shifted."""
    n, before = g.shape[axis], (slice(None),) * axis
    if n < 2:
        return
    yield f"right with {{g}} turned round along axis {axis}", 3, np.flip(g, axis)
    for k in range(n) if n <= FEWEST else (0, n - 1):
        named = {0: "first", n - 1: "last"}.get(k, f"{k}th")
        only = np.zeros_like(g)
        only[(*before, k)] = g[(*before, k)]
        said = (
            f"the share of the {named} entry of axis {axis} of {{g}} alone: the other "
            f"{n - 1} must be added (sum over axis {axis})"
        )
        yield said, 2.5, only
        said = (
            f"right but for the {named} entry of axis {axis} of {{g}}, which is left "
            "out: a loop or a slice is one too short"
        )
        yield said, 2.5, g - only
        if k in (0, n - 1):
            same = np.broadcast_to(np.take(g, [k], axis=axis), g.shape)
            said = (
                f"right with the {named} entry of axis {axis} of {{g}} for all others"
            )
            yield said, 3, same
    for by in (-1, 1):
        said = f"right with {{g}} shifted along axis {axis} by {by}"
        why = "an index (a time step, a stride, a padding) is off by one"
        yield f"{said}: {why}", 3, shifted(g, by, axis)
        yield f"{said}, end to end: {why}", 3.1, np.roll(g, by, axis)
