"""Typical mistakes of single terms and elements: a factor, a summand, a row, a branch.

As in mistakes.py, each function looks at one case and returns a sentence or None.

    got, want   the gradient by the way back, and by differences
    x, y        an input and the output    g   what came from above    q   a suspect
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minidl.backend import Array
from minidl.check.mistakes import (
    CLOSE,
    WHOLE,
    Case,
    Recognizer,
    close,
    stretched,
    unchanged,
)
from minidl.check.places import PLACES


def suspects(c: Case) -> Iterator[tuple[str, Array]]:
    """Yield the quantities that a derivative is most often made of, shaped like x."""
    named = {f"{name}": other for name, other in c.others.items()}
    if c.y.shape == c.x.shape:
        yield "y (1 − y), a sigmoid's derivative", c.y * (1 - c.y)
        yield "1 − y², the derivative of tanh", 1 - c.y * c.y
        named |= {"y": c.y}
    named |= {c.name: c.x}
    for name, a in named.items():
        full = stretched(a, c.x.shape)
        if full is None:
            continue
        yield name, full
        yield f"1 − {name}", 1 - full
        yield f"the sign of {name}", np.sign(full)
        yield f"{name} > 0, whether it was let through", (full > 0) * 1.0
        yield f"{name}²", full * full
        if full.all():
            yield f"1 / {name}", 1 / full
            yield f"1 / {name}²", 1 / (full * full)
        if (full > 0).all():
            yield f"1 / √{name}", full**-0.5


def of_the_input(c: Case) -> str | None:
    """A derivative that is known in terms of y, written with x."""
    if c.g.shape != c.x.shape:
        return None
    for word, in_x, in_y in (
        ("y (1 − y)", c.x * (1 - c.x), c.y * (1 - c.y)),
        ("1 − y²", 1 - c.x * c.x, 1 - c.y * c.y),
        ("y", c.x, c.y),
    ):
        if close(c.got, c.g * in_x) and close(c.want, c.g * in_y):
            return f"has {word} with the input in the place of the output y"
    return None


def missing_factor(c: Case) -> str | None:
    """Some q was forgotten, or multiplied by once too often."""
    if c.got.shape != c.x.shape:
        return None
    for word, q in suspects(c):
        if close(c.got * q, c.want):
            return f"lacks a factor: multiplied by {word}, it is right"
        if close(c.got, c.want * q):
            return f"has a factor too many: {word}"
    return None


def missing_term(c: Case) -> str | None:
    """Some g q was not added, or has the wrong sign, or was added twice."""
    if c.got.shape != c.x.shape:
        return None
    d = c.want - c.got
    if c.g.shape == c.x.shape:
        if close(d, c.g):
            return (
                "lacks a term: + g. A path that passes g unchanged (a skip connection, "
                "the 1 in 1 + …) is missing"
            )
        for word, q in suspects(c):
            times = float((d * c.g * q).sum() / ((c.g * q) ** 2).sum() or 1)
            if times and close(d, times * c.g * q):
                many = "" if abs(abs(times) - 1) < CLOSE else f"{abs(times):.6g} "
                return f"lacks a term: {'+' if times > 0 else '−'} {many}g · {word}"
    return None


def constant(c: Case) -> str | None:
    """A sum over an axis (a mean, a variance, a norm) was treated as a constant."""
    if c.got.shape != c.x.shape:
        return None
    d = c.want - c.got
    cause = "; each entry has a share in it, and the chain rule goes through it as well"
    for axes in _axis_sets(c.x.ndim):
        if np.prod([c.x.shape[a] for a in axes]) < 2:
            continue
        which = f"axis {axes[0]}" if len(axes) == 1 else f"the axes {axes}"
        if close(d, np.broadcast_to(d.mean(axis=axes, keepdims=True), d.shape)):
            return (
                f"lacks a term that is the same for all entries of {which}: a mean or "
                f"a sum over {which} was treated as a constant{cause}"
            )
        centered = c.x - c.x.mean(axis=axes, keepdims=True)
        if _follows(d, centered, axes):
            return (
                f"lacks a term that goes with x − mean along {which}: the variance "
                f"over {which} was treated as a constant{cause}"
            )
        if c.y.shape == c.x.shape and _follows(d, c.y, axes):
            return (
                f"lacks a term that goes with y along {which}, such as − y Σ g y: the "
                f"sum below a fraction (softmax, norm) was taken for a constant{cause}"
            )
        rest = d - d.mean(axis=axes, keepdims=True)
        if _follows(rest, centered, axes):
            return (
                f"lacks two terms: the mean and the variance over {which} were treated "
                f"as constants{cause}"
            )
    return None


def _axis_sets(ndim: int) -> list[tuple[int, ...]]:
    """Sets of axes over which means are taken: all, batch and image, features, one."""
    sets: list[tuple[int, ...]] = [(axis,) for axis in range(ndim)]
    if ndim > 2:
        several = [(0, *range(2, ndim)), tuple(range(1, ndim)), tuple(range(2, ndim))]
        sets = [*several, *sets]
    return [tuple(range(ndim)), *sets] if ndim > 1 else sets


def _follows(d: Array, q: Array, axes: tuple[int, ...]) -> bool:
    """Whether d is q times a number, another one for each place off the axes."""
    size = int(np.prod([d.shape[a] for a in axes]))
    if size < 3:  # two numbers lie on a line through q far too easily
        return False
    scale = (d * q).sum(axis=axes, keepdims=True)
    length = (q * q).sum(axis=axes, keepdims=True)
    return close(d, q * (scale / np.where(length == 0, 1, length)))


def repeated_index(c: Case) -> str | None:
    """Only where an index occurs more than once."""
    wrong = _wrong(c)
    for name, index in c.indices.items():
        for axis, n in enumerate(c.x.shape):
            rows = wrong.any(axis=tuple(i for i in range(wrong.ndim) if i != axis))
            if index.size and index.min() >= 0 and index.max() < n:
                counts = np.bincount(index.ravel(), minlength=n)
                if rows.any() and not (rows & (counts < 2)).any():
                    twice = int(counts.argmax())
                    return (
                        f"is wrong only where {name} names an entry more than once "
                        f"(such as {twice}): the shares must be added (add_at), "
                        "and dx[i] = g keeps only the last"
                    )
    return None


def one_branch(c: Case) -> str | None:
    """Right on one side of a threshold, wrong on the other."""
    wrong = _wrong(c)
    if wrong.mean() > 0.9:
        return None
    for word, side in _sides(c):
        if (wrong <= side).all() and wrong.sum() > 0.6 * side.sum() > 0:
            got, want = c.got[side], c.want[side]
            times = float((got * want).sum() / ((want * want).sum() or 1))
            there = f", and {times:.6g} times the right one" if times else ", and zero"
            there = there if close(got, times * want) or not got.any() else ""
            return (
                f"is wrong where {word}{there}, but right elsewhere. Look at the "
                "branch of the definition that holds there"
            )
    return None


def _sides(c: Case) -> Iterator[tuple[str, Array]]:
    names = {c.name: c.x, **c.others}
    names |= {"y": c.y} if c.y.shape == c.x.shape else {}
    for name, a in names.items():
        full = stretched(a, c.x.shape)
        if full is not None:
            yield f"{name} < 0", full < 0
            yield f"{name} > 0", full > 0
            yield f"|{name}| > 1", abs(full) > 1
            yield f"|{name}| < 1", abs(full) < 1
            yield f"{name} = 0", full == 0


def some_rows(c: Case) -> str | None:
    """Whole rows are wrong, columns, channels, and the others right."""
    wrong = _wrong(c)
    for axis, n in enumerate(wrong.shape):
        rows = wrong.any(axis=tuple(i for i in range(wrong.ndim) if i != axis))
        if 0 < rows.sum() <= n / 2 or (0 < rows.sum() < n and wrong.ndim == 1):
            found = [int(i) for i in np.flatnonzero(rows)]
            shown = ", ".join(map(str, found[:6])) + (", …" if len(found) > 6 else "")
            edge = " (an edge: is a slice one too short?)" if _edge(found, n) else ""
            return (
                f"is wrong only at {shown} of {n} along axis {axis}{edge}, and right "
                "elsewhere: look at slices, masks and index arithmetic"
            )
    return None


def _edge(found: list[int], n: int) -> bool:
    return found in ([0], [n - 1], [0, n - 1])


def unknown(c: Case) -> str:
    """Where nothing typical is seen: how it lies to the right one."""
    a, b = np.linalg.norm(c.got), np.linalg.norm(c.want)
    cosine = float((c.got * c.want).sum() / (a * b)) if a * b else 0.0
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    at = tuple(int(i) for i in np.unravel_index(_off(c).argmax(), c.want.shape))
    where = f"[{', '.join(map(str, at))}]" if at else ""
    share = float(_wrong(c).mean())
    return (
        f"is wrong in a way of its own: {100 * share:.0f} % of its elements, at "
        f"{angle:.0f}° to the right one and {a / b if b else np.inf:.3g} times as "
        f"long; worst at {c.name}{where}, {c.got[at]:.6g} for {c.want[at]:.6g}"
    )


def _off(c: Case) -> Array:
    return np.abs(c.got - c.want)


def _wrong(c: Case) -> Array:
    """Which elements are wrong."""
    return _off(c) > 1e-5 * (np.abs(c.want) + np.sqrt((c.want**2).mean()) + 1e-12)


TERMS: tuple[Recognizer, ...] = (
    of_the_input, repeated_index, one_branch, missing_factor, missing_term,
    some_rows,
)  # fmt: skip


def recognize(c: Case) -> str:
    """Return what the first mistake that fits says: "∂L/∂x has the wrong sign"."""
    for mistake in (*WHOLE, constant, unchanged, *PLACES, *TERMS):
        if said := mistake(c):
            return f"∂L/∂{c.name} {said}"
    return f"∂L/∂{c.name} {unknown(c)}"
