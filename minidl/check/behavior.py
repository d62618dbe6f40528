"""How a backward behaves: it returns the same each time, writes nowhere, is linear.

A backward is a pure function, linear in g = ∂L/∂y. Each function asks it again, in
another way, and says what it sees; a gradient is compared with nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minidl.backend import Array, to_numpy
from minidl.check.draws import Draw, Point, copies
from minidl.check.products import leaks
from minidl.check.relations import Verdict, constant, fits, in_all, table
from minidl.check.steps import Pass, Step, drawn, is_array

SMALL = 1e-4  # times g: a g that nobody clips


def faults(step: Step) -> list[str]:
    """Return what is wrong with a step apart from its numbers; [] if all is well."""
    arrays, draw = copies(step.arrays), np.random.default_rng(5)
    made = step.run(arrays)
    if said := _written(step.names, step.arrays, arrays, "its forward"):
        return [said]
    gs = [drawn(y, draw) for y in made.ys]
    given, kept = copies(gs), {k: a.copy() for k, a in made.cached.items()}
    try:
        first = _copied(made.back(given))
    except Exception as error:  # a backward may fail in any way; all are findings
        return [_failed(step, error)]
    if not all(map(_same, gs, given)):
        return [
            "its backward writes into g, the gradient from above, which others need as "
            "well; make a new array (g * mask, not g *= mask)"
        ]
    said = _written(step.names, step.arrays, arrays, "its backward")
    said = said or _used_up(kept, made.cached)
    return [said] if said else _repeated(step, made, gs, first)


def _used_up(before: dict[str, Array], after: dict[str, Array]) -> str:
    for name, a in before.items():
        if not _same(a, after[name]):
            return (
                f"its backward writes into {name}, which forward left for it; at the "
                "second call it is no longer what it was. Make a new array"
            )
    return ""


def _repeated(step: Step, made: Pass, gs: list[Array], first: list[Any]) -> list[str]:
    """Ask again, once this pass and once a new one, and compare."""
    try:
        again = _copied(made.back(copies(gs)))
        later = _copied(step.run(copies(step.arrays)).back(copies(gs)))
    except Exception as error:
        return [
            f"its backward fails at the second call: {type(error).__name__}: {error}; "
            "it must not use up what forward left"
        ]
    names = [step.names[i] for i in step.slots]
    for name, a, b, c in zip(names, first, again, later, strict=False):
        if not (_same(a, b) and _same(a, c)):
            return [f"∂L/∂{name} {_unsteady(a, b, c)}"]
    return []


def _failed(step: Step, error: Exception) -> str:
    n, said = len(step.slots), f"{type(error).__name__}: {error}"
    more = ""
    if isinstance(error, ValueError) and "zip()" in str(error):
        more = f" (it has {n} inputs: return one gradient for each)"
    if "read-only" in str(error):
        more = " (was g, or an input, written into? Make a new array)"
    return f"its backward fails: {said}{more}"


def _unsteady(a: Any, b: Any, c: Any) -> str:
    """Say how a gradient changes from call to call."""
    said = "is another one at the second call"
    for later in (b, c):
        if _near(later, 2 * np.asarray(a)):
            return (
                f"{said}: twice the first. It adds up across calls: something that is "
                "kept grows (total += …); start from zeros at each call"
            )
    shapes = {np.shape(a), np.shape(b), np.shape(c)}
    if len(shapes) == 1 and _near(np.asarray(c) - b, np.asarray(b) - a):
        return (
            f"{said}, and grows by the same amount each time: a state is kept "
            "between calls; start from zeros at each call"
        )
    zeros = [np.asarray(x) == 0 for x in (a, b)]
    if len(shapes) == 1 and min(map(np.mean, zeros)) > 0.1 and (
        zeros[0] != zeros[1]
    ).any():  # fmt: skip
        return (
            f"{said}, and zero in other places: is a random mask drawn anew in the "
            "backward? It must be the mask of the forward, kept for it"
        )
    return (
        f"{said}, with the same inputs and the same g: is something random in it, or "
        "kept between calls? A backward depends on g and on what forward left alone"
    )


def stale(step: Step, one: Point, two: Point) -> str | None:
    """Say if a backward uses what another call of forward left."""
    if len(step.slots) == 0:
        return None
    a = step.run(copies(one.arrays))
    step.run(copies(two.arrays))
    late = [
        None if g is None else to_numpy(g) for g in a.back([g.copy() for g in one.gs])
    ]
    for place, g in enumerate(late):
        if g is None or one.gots[place] is None or _same(g, one.gots[place]):
            continue
        slot = step.slots[place]
        there = two.jacobian(slot)[0] @ one.g
        if np.size(g) == there.size and _near(np.ravel(g), there):
            return (
                f"∂L/∂{step.names[slot]} uses the values of the latest forward, not of "
                "its own: what forward keeps is shared by all calls (a global, an "
                "attribute); return it as the cache, or keep it in the closure"
            )
        return (
            f"∂L/∂{step.names[slot]} changes when forward is called with other inputs "
            "before: what forward keeps is shared by all calls (a global, an attribute)"
        )
    return None


def from_before(draws: Sequence[Draw]) -> list[Verdict]:
    """Say if a gradient is that of the inputs of an earlier call."""
    first = draws[0]
    for d in draws[1:]:
        old = first.point.jacobian(first.slot)[0]
        if old.shape != d.jac.shape:
            return []
        if not (_near(d.got.ravel(), old @ d.point.g) and not _near(d.got, d.want)):
            return []
    return [
        Verdict(
            "is that of an earlier call: the backward uses the values of the inputs "
            "that came first, kept since then (a stale cache)",
            1.0,
        )
    ]


def not_linear(draws: Sequence[Draw]) -> list[Verdict]:
    """Say what a backward does to g apart from a linear map: it adds, it clips."""
    looks = [_Answers(d) for d in draws]
    if any(look.failed for look in looks):
        return []
    near = draws[0].tolerance
    if all(
        _close(look.more, look.once, near) and not look.nothing.any() for look in looks
    ):
        return []  # g is normalized or ignored: predictions say so
    if all(look.nothing.any() and _finite(look.nothing) for look in looks):
        return _added(draws, looks)
    if all(
        _close(look.little, d.want * SMALL, near) and not _close(d.got, d.want, 1e-3)
        for look, d in zip(looks, draws, strict=True)
    ):
        return _clipped(draws)
    return []


class _Answers:
    """What a backward returns for 0, for a small g, and for 2 g."""

    def __init__(self, d: Draw) -> None:
        self.failed, p = False, d.point
        place = p.step.slots.index(d.slot)
        try:
            with np.errstate(all="ignore"):
                nothing, little, more = (
                    p.ask([g * s for g in p.gs])[place] for s in (0.0, SMALL, 2.0)
                )
        except Exception:  # the student's code: a raise is an answer too, see failed
            nothing = little = more = None
        if any(np.shape(a) != d.x.shape for a in (nothing, little, more)):
            self.failed = True
            return
        self.once = d.got
        self.nothing, self.little, self.more = (
            np.where(d.smooth, a, 0.0) for a in (nothing, little, more)
        )


def _added(draws: Sequence[Draw], looks: list[_Answers]) -> list[Verdict]:
    """A term that is there without any g."""
    near = draws[0].tolerance
    right = all(
        _close(d.got - k.nothing, d.want, 10 * near)
        for d, k in zip(draws, looks, strict=True)
    )
    alone = {id(d): k.nothing for d, k in zip(draws, looks, strict=True)}
    what = ""
    for group in in_all(draws, lambda d: fits(alone[id(d)], table(d, leaks), near)):
        c = constant(group)
        if c is not None:
            what = f"{c:.6g}" if group[0].said == "1" else f"{c:.6g} {group[0].said}"
            if group[0].said == draws[0].name:
                what += " (weight decay, or the gradient of a penalty on it)"
            break
    if right and what:
        return [
            Verdict(
                f"has a term too many that does not depend on g: {what}; without it, "
                "it is right",
                1.0,
            )
        ]
    if right:
        return [
            Verdict(
                "is right but for a term that does not depend on g, the gradient from "
                "above: it is there even for g = 0",
                1.2,
            )
        ]
    rest = [
        replace(d, got=d.got - k.nothing) for d, k in zip(draws, looks, strict=True)
    ]
    if all(e.got.any() for e in rest):
        term = f": {what}" if what else ""
        said = f"has a term too many that does not depend on g{term}"
        return [Verdict(said, 1.0, rest=rest)]
    return []


def _clipped(draws: Sequence[Draw]) -> list[Verdict]:
    """Right for a small g, cut off for a large one."""
    d = draws[0]
    top = float(abs(d.got).max(initial=0))
    entries = all(
        _close(e.got, np.clip(e.want, -top, top), 1e-4)
        or top >= abs(e.want).max(initial=0)
        for e in draws
    )
    c = float(np.linalg.norm(d.got) / (np.linalg.norm(d.want) or 1))
    if entries and top < abs(d.want).max(initial=0):
        said = f"its entries are clipped to ±{top:.6g}"
    elif _close(d.got, c * d.want, 1e-4):
        said = f"its length is cut to {float(np.linalg.norm(d.got)):.6g}"
    else:
        said = "it is clipped, or g is"
    return [
        Verdict(
            f"is right for a small g and not for a large one: {said}. A backward does "
            "not clip; that is done once, after all gradients are there",
            1.0,
        )
    ]


def _written(names: list[str], before: list[Any], after: list[Any], who: str) -> str:
    for name, a, b in zip(names, before, after, strict=True):
        if is_array(a) and not _same(a, b):
            return (
                f"{who} writes into its input {name}, which others need as well; make "
                f"a new array ({name} = {name} * 2, not {name} *= 2)"
            )
    return ""


def _copied(gs: list[Any]) -> list[Any]:
    return [None if g is None else np.array(to_numpy(g)) for g in gs]


def _same(a: object, b: object) -> bool:
    if a is None or b is None:
        return a is b
    a, b = to_numpy(a), to_numpy(b)
    return np.shape(a) == np.shape(b) and bool(
        np.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)
    )


def _near(a: Array, b: Array) -> bool:
    return np.shape(a) == np.shape(b) and _close(np.asarray(a), np.asarray(b), 1e-5)


def _close(a: Array, b: Array, near: float) -> bool:
    size = float(max(np.linalg.norm(a), np.linalg.norm(b)))
    return bool(0 < size < np.inf and np.linalg.norm(a - b) <= near * size)


def _finite(a: Array) -> bool:
    return bool(np.isfinite(a).all())
