"""Predictions: what a student's gradient may be instead of the right one.

Each function takes a draw and yields (said, cost, array): a phrase that completes
"is …", how special the mistake is (cheap ones are said first), and the array that the
student would have. Constant factors are left out: relations.py finds them for every
prediction.

    want = J g    the right gradient, J (x.size, outputs) the numeric Jacobian

    of_the_right_one    want, moved, summed, of another input         τ(want)
    of_the_jacobian     parts of J, or J used otherwise               τ(J) g
    of_another_g        cotangents.py: what a changed g would give    J τ(g)
    products            products.py: g times quantities, summed       Σ g q
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from minidl.backend import Array
from minidl.check.draws import Draw
from minidl.check.quantities import axis_sets, length, over

Prediction = tuple[str, float, Array]
Pool = Callable[[Draw], Iterator[Prediction]]


def of_the_right_one(d: Draw) -> Iterator[Prediction]:
    """The right gradient itself; another input's; moved, summed, without its size."""
    w = d.want
    yield "the right one", 0, w
    yield from _of_other_inputs(d)
    yield from rearranged(w, w.shape)
    yield from _turned(w)
    yield from _blocks(w)
    yield from _shifted(w)
    yield from _summed(w)
    yield "the absolute value of the right one", 3, abs(w)
    yield "the sign of the right one alone, without its size", 3, np.sign(w)
    yield "the square of the right one", 3, w * w


def _of_other_inputs(d: Draw) -> Iterator[Prediction]:
    for place, slot in enumerate(d.point.step.slots):
        other = np.shape(d.point.arrays[slot])
        if slot != d.slot and other == d.x.shape:
            name = d.point.step.names[slot]
            there = Draw.of(d.point, place)
            near = 1e-3 * float(np.linalg.norm(d.want))
            both = np.shape(there.got) == d.want.shape and bool(
                np.linalg.norm(there.got - d.want) <= near
            )
            said = (
                f"the gradient of {name}, and ∂L/∂{name} is this one: they are not in "
                "the order of the inputs in the signature"
                if both
                else f"the gradient of {name}: it looks like a copy, or like a formula "
                "that they do not share"
            )
            yield said, 1.3 if both else 4.5, there.want


def rearranged(a: Array, shape: tuple[int, ...]) -> Iterator[Prediction]:
    """The same numbers in another order: transposed, reshaped, both."""
    if not 2 <= a.ndim <= 5:
        return
    for axes in list(itertools.permutations(range(a.ndim)))[1:]:
        turned = a.transpose(axes)
        if turned.shape == shape and a.ndim == 2:
            said = "the transpose of the right one: .T is missing, or too much"
            yield said, 1, turned
        elif turned.shape == shape:
            back = tuple(int(i) for i in np.argsort(axes))
            said = f"right after .transpose{back}: the axes are in the wrong order"
            yield said, 2, turned
        if turned.size == int(np.prod(shape)):
            said = (
                "the right numbers in the wrong places, as reshape puts them: a "
                f"reshape does not move axes, .transpose{axes} does"
            )
            yield said, 2.5, turned.reshape(shape)


def _turned(a: Array) -> Iterator[Prediction]:
    """Back to front along some axes."""
    for axis, n in enumerate(a.shape):
        if n == 2:
            said = f"the right one with the two entries of axis {axis} exchanged"
            yield said, 1.5, np.flip(a, axis)
    for axes in axis_sets(a.ndim):
        if length(a, axes) > 1:
            said = (
                f"the mirror image of the right one along {over(axes)}: a kernel or a "
                "sequence was turned round, or was not"
            )
            yield said, 2, np.flip(a, axes)


def _blocks(a: Array) -> Iterator[Prediction]:
    """Two of several equal blocks of an axis exchanged: the gates of an LSTM."""
    for axis, n in enumerate(a.shape):
        for k in (2, 3, 4):
            if n % k or n == k:
                continue
            parts = np.split(a, k, axis=axis)
            for i, j in itertools.combinations(range(k), 2):
                order = list(range(k))
                order[i], order[j] = j, i
                said = (
                    f"right with blocks {i} and {j} of {k} along axis {axis} exchanged"
                )
                yield said, 2.5, np.concatenate([parts[p] for p in order], axis=axis)


def _shifted(a: Array) -> Iterator[Prediction]:
    """Moved along an axis, end to end or with zeros; summed up along it."""
    for axis, n in enumerate(a.shape):
        for by in (-1, 1) if n > 1 else ():
            said = f"shifted along axis {axis} by {by}, with zeros at the end"
            yield f"{said}: an index is off by one", 2, shifted(a, by, axis)
        for by in range(1, n):
            signed = by if by <= n // 2 else by - n
            said = f"shifted along axis {axis} by {signed}: an index is off"
            yield said, 2 + (abs(signed) > 1), np.roll(a, signed, axis)
        if n > 1:
            said = f"the running sum of the right one along axis {axis}"
            yield said, 3.8, a.cumsum(axis)  # seldom meant where a path explains it
            back = np.flip(np.flip(a, axis).cumsum(axis), axis)
            yield f"{said}, from the end", 3.8, back


def shifted(a: Array, by: int, axis: int) -> Array:
    """Return a moved along an axis, with zeros where nothing comes from.

    >>> shifted(np.array([1, 2, 3]), 1, 0)
    array([0, 1, 2])
    """
    b, n, before = np.zeros_like(a), a.shape[axis], (slice(None),) * axis
    to = slice(by, n) if by > 0 else slice(0, n + by)
    of = slice(0, n - by) if by > 0 else slice(-by, n)
    b[(*before, to)] = a[(*before, of)]
    return b


def _summed(a: Array) -> Iterator[Prediction]:
    """Each entry got the sum over an axis, or lost the mean."""
    for axes in axis_sets(a.ndim):
        n = length(a, axes)
        if n > 1:
            total = np.broadcast_to(a.sum(axis=axes, keepdims=True), a.shape)
            said = f"the sum over {over(axes)} of the right one, for all entries alike"
            yield f"{said}: was a sum taken that does not belong there?", 3.2, total
            said = f"the right one minus its mean over {over(axes)}"
            yield f"{said}: was it subtracted once too often?", 3, a - total / n


def of_the_jacobian(d: Draw) -> Iterator[Prediction]:
    """Parts of J, and J used in another way."""
    jac, g, shape = d.jac, d.point.g, d.x.shape
    if jac.shape[0] == jac.shape[1] > 1:
        yield from _square(d)
    if (jac != 0).sum(axis=1).max(initial=0) > 1:
        said = "what the absolute values of all local derivatives give"
        yield said, 3.5, (abs(jac) @ g).reshape(shape)
        said = "what the positive local derivatives alone give"
        yield said, 3.5, (np.maximum(jac, 0) @ g).reshape(shape)
        yield from _overwritten(d)
    said = "right but for each local derivative squared: dy/dx is used twice"
    yield said, 3.2, ((jac * jac) @ g).reshape(shape)
    inverse = np.where(jac != 0, 1 / np.where(jac == 0, 1, jac), 0)
    said = "what 1 / (dy/dx) in the place of dy/dx gives"
    yield said, 3, (inverse @ g).reshape(shape)
    said = "g wherever y depends on x, whatever the size of dy/dx"
    yield said, 3.3, ((jac != 0) @ g).reshape(shape)


def _square(d: Draw) -> Iterator[Prediction]:
    """As many outputs as inputs: the diagonal, the rest, the transpose."""
    jac, g, shape = d.jac, d.point.g, d.x.shape
    diagonal = (jac.diagonal() * g).reshape(shape)
    said = (
        "what the diagonal of the Jacobian gives: y_i depends on x_j too, for j ≠ i, "
        "and these paths are missing (an elementwise rule where a full Jacobian is "
        "needed)"
    )
    yield said, 2, diagonal
    said = "right but for the direct path, from x_i to y_i, which is missing"
    yield said, 2.5, d.want - diagonal
    said = "right but for the paths from x_j to y_i, j ≠ i, which have the wrong sign"
    yield said, 3, 2 * diagonal - d.want
    said = "J g where Jᵀ g is needed: the Jacobian is not transposed"
    yield said, 2.5, (jac.T @ g).reshape(shape)


def _overwritten(d: Draw) -> Iterator[Prediction]:
    """Of several shares in one entry, the last one, or the first, is kept."""
    start, base = 0, 2.0 if d.whole else 3.3
    for y in d.point.ys:
        part = d.jac[:, start : start + y.size]
        shares = (part * d.point.g[start : start + y.size]).reshape(-1, *y.shape)
        rest = d.want.ravel() - shares.reshape(len(shares), -1).sum(axis=1)
        start += y.size
        used = (part != 0).reshape(shares.shape)
        for summed in [(), *axis_sets(y.ndim)] if 0 < y.ndim <= 5 else []:
            if len(summed) < y.ndim:
                yield from _kept(d, shares, used, rest, summed, base)


def _kept(
    d: Draw,
    shares: Array,
    used: Array,
    rest: Array,
    summed: tuple[int, ...],
    base: float,
) -> Iterator[Prediction]:
    """Sum the shares over some axes of y, and keep one of what is left."""
    inner = tuple(i + 1 for i in summed)
    total = shares.sum(axis=inner).reshape(len(shares), -1)
    seen = used.any(axis=inner).reshape(len(shares), -1)
    count = seen.sum(axis=1)
    if count.max(initial=0) < 2:
        return
    rows = np.arange(len(shares))
    first = total[rows, seen.argmax(axis=1)]
    last = total[rows, seen.shape[1] - 1 - seen[:, ::-1].argmax(axis=1)]
    where = (
        f"where an entry of {d.name} is used more than once: the shares must be added"
    )
    for which, kept in (("last", last), ("first", first)):
        said = f"the {which} share only, {where} (+=, np.add.at), and not assigned"
        if not d.whole:  # no indices: the ways to y lead through what comes after
            said = (
                f"the share of the {which} output that {d.name} reaches: the paths "
                "through the others, as through later steps in time, are missing, or "
                "were assigned where they must be added (+=)"
            )
        yield said, base + 0.1 * len(summed), (kept + rest).reshape(d.x.shape)
    if count.min() != count.max():
        mean = total.sum(axis=1) / np.maximum(count, 1)
        said = f"the mean of the shares, {where}, not averaged"
        yield said, 3, (mean + rest).reshape(d.x.shape)
