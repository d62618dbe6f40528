"""Ways in which a backward may treat one operation of the forward pass wrongly.

A slip replaces an operation in a second run of the forward pass (tape.py), so that its
result changes with the input as the wrong derivative says:

    held         not at all: no gradient goes through this operand
    plain        by the change of the operand itself: the local derivative is forgotten
    again        the local derivative is taken at the output, in the place of the input
    turned       the other matrix is transposed
    other axes   a sum goes over other axes
    swapped      another array stands in the place of the other operand
    last, first  of several uses in a loop, one counts
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.check.quantities import axis_sets, over
from minidl.check.tape import Change, Event, Tape

CHOOSE = ("max", "amax", "maximum.reduce", "min", "amin", "minimum.reduce")
SUM = ("sum", "mean", "add.reduce")


@dataclass
class Slip:
    """A kind of mistake in some operations, and what to say of {step}."""

    kind: str
    side: int
    said: str
    cost: float
    changes: dict[int, Change]

    @property
    def key(self) -> tuple[Any, ...]:
        """What is the same for this mistake in another draw."""
        return self.kind, self.side, self.said, tuple(self.changes)


def slips(tape: Tape, group: list[int]) -> Iterator[Slip]:
    """Yield the mistakes that can be made in the operations of one place."""
    e = tape.events[group[0]]
    if e.name == "getitem":
        yield from overwritten(tape)
    for side in e.sides:
        yield Slip("held", side, "", 0, {k: held(side) for k in group})
        if len(group) > 1:
            for which, kept in (("last", group[-1]), ("first", group[0])):
                rest = {k: held(side) for k in group if k != kept}
                said = (
                    f"is that of the {which} use alone, in {{step}}, which is run "
                    f"{len(group)} times: the gradients of all uses add up (+=), and "
                    "an assignment keeps one of them"
                )
                yield Slip("one", side, said, -0.3, rest)
        if e.name in CHOOSE and len(e.operands) == 1:
            yield from _choices(group, side)
        elif e.name != "getitem":
            said = (
                "lacks a factor: the derivative of {step} is missing, g is passed on "
                "unchanged there"
            )
            yield Slip("plain", side, said, 0.5, {k: plainly(side) for k in group})
        yield from _special(e, group, side)
        yield from _swaps(tape, group, side)


def together(tape: Tape, groups: list[list[int]]) -> Iterator[Slip]:
    """All sums and means over one axis are taken over another."""
    sums: dict[Any, list[int]] = {}
    for group in groups:
        e = tape.events[group[0]]
        if e.name in SUM and np.ndim(e.operands[0]) > 1:
            sums.setdefault(str(e.settings.get("axis")), []).extend(group)
    for axis, ks in sums.items():
        for axes in axis_sets(np.ndim(tape.events[ks[0]].operands[0])):
            said = (
                f"is right but for the axes: it has {over(axes)} where {axis} belongs"
            )
            if len(ks) > 1:
                yield Slip("plain", 0, said, 0.5, {k: other_axes(axes) for k in ks})


def averaged(tape: Tape, groups: list[list[int]]) -> Iterator[Slip]:
    """All sums, means and variances are averaged over a further axis."""
    whole = [g for g in groups if np.size(tape.events[g[0]].result) > 1]
    whole = [g for g in whole if "axis" in tape.events[g[0]].settings]
    if not whole:
        return
    for axes in axis_sets(np.ndim(tape.events[whole[0][0]].result)):
        said = f"is right but for the axes of its sums: averaged over {over(axes)}, too"
        yield Slip("plain", 0, said, 0.5, {k: further(axes) for g in whole for k in g})


def further(axes: tuple[int, ...]) -> Change:
    """What changes in a result is averaged over some of its axes."""

    def change(e: Event, now: list[Any]) -> Any:
        step = e.run(now) - e.result
        return e.result + step.mean(axis=axes, keepdims=True)

    return change


def overwritten(tape: Tape) -> Iterator[Slip]:
    """Entries that are picked several times: one pick alone gets its gradient."""
    picks: dict[bytes, list[int]] = {}
    for k, e in enumerate(tape.events):
        if e.name == "getitem" and e.sides:
            picks.setdefault(np.asarray(e.operands[0]).tobytes(), []).append(k)
    for ks in picks.values():
        a = np.asarray(tape.events[ks[0]].operands[0])
        places = [
            np.arange(a.size).reshape(a.shape)[tape.events[k].settings["index"]]
            for k in ks
        ]
        flat = np.concatenate([np.ravel(p) for p in places])
        if len(np.unique(flat)) == flat.size:
            continue
        ends = np.cumsum([np.size(p) for p in places])
        for which, order in (("last", flat[::-1]), ("first", flat)):
            _, kept = np.unique(order, return_index=True)
            mask = np.zeros(flat.size, bool)
            mask[kept if which == "first" else flat.size - 1 - kept] = True
            changes = {
                k: masked(m.reshape(np.shape(p)))
                for k, p, m in zip(ks, places, np.split(mask, ends[:-1]), strict=True)
            }
            said = (
                f"is that of the {which} use alone where an entry is picked more than "
                "once, in {step}: the shares must be added (+=, np.add.at); an "
                "assignment keeps one of them"
            )
            yield Slip("one", 0, said, -0.8, changes)


def masked(mask: Array) -> Change:
    """Some of the entries that are picked pass their change on, the others do not."""

    def change(e: Event, now: list[Any]) -> Any:
        return np.where(mask, e.run(now), e.result)

    return change


def _choices(group: list[int], side: int) -> Iterator[Slip]:
    """A maximum gives its gradient to the entry that was chosen."""
    for mean, words in ((False, "gives g to all entries of"), (True, "spreads g over")):
        said = f"{words} {{step}}: only the entry that was chosen gets it"
        yield Slip("plain", side, said, -0.7, {k: plainly(side, mean) for k in group})


def _special(e: Event, group: list[int], side: int) -> Iterator[Slip]:
    if len(e.operands) == 1 and e.result is not None:
        said = (
            "has the derivative of {step} at its output, where its input belongs "
            "(after in the place of before)"
        )
        if np.shape(e.result) == np.shape(e.operands[0]):
            yield Slip("plain", side, said, 1, {k: again() for k in group})
            yield from _derivatives(group, side)
    if e.name in ("divide", "true_divide") and side == 1:
        yield from _of_a_quotient(group)
    if e.name in ("matmul", "dot"):
        said = (
            "has a matrix untransposed, in {step}: g @ w.T is needed where g @ w stands"
        )
        yield Slip("plain", side, said, 0.5, {k: turned(side) for k in group})
    if e.name in SUM and np.ndim(e.operands[0]) > 1:
        for axes in axis_sets(np.ndim(e.operands[0])):
            said = (
                f"is wrong on the path through {{step}}: it is taken over {over(axes)}"
            )
            yield Slip("plain", side, said, 0.3, {k: other_axes(axes) for k in group})


# what stands in the place of the derivative of y = f(x), by mistake
OTHERS: list[tuple[str, Callable[[Any, Any], Any]]] = [
    ("y (1 − y)", lambda x, y: y * (1 - y)),
    ("1 − y²", lambda x, y: 1 - y * y),
    ("y", lambda x, y: y),
    ("1 − y", lambda x, y: 1 - y),
    ("y²", lambda x, y: y * y),
    ("x (1 − x)", lambda x, y: x * (1 - x)),
    ("1 − x²", lambda x, y: 1 - x * x),
    ("x", lambda x, y: x),
    ("[x > 0]", lambda x, y: x > 0),
    ("1 / x", lambda x, y: 1 / x),
    ("1 / y", lambda x, y: 1 / y),
]


def _derivatives(group: list[int], side: int) -> Iterator[Slip]:
    """The derivative of another function, in the place of the right one."""
    for words, f in OTHERS:
        said = (
            f"has {words} in the place of the derivative of y = f(x) = {{step}}, where "
            "x is what goes in"
        )
        yield Slip("plain", side, said, 1, {k: instead(f) for k in group})
    said = (
        "has only the diagonal of the Jacobian of {step}: each output depends on other "
        "inputs too"
    )
    yield Slip("plain", side, said, 0.5, {k: diagonal for k in group})


def _of_a_quotient(group: list[int]) -> Iterator[Slip]:
    """a / b has the derivative −a / b² with respect to b."""
    for words, f in (
        ("−a / b", lambda a, b: -a / b),
        ("−1 / b²", lambda a, b: -1 / (b * b)),
        ("−1 / b", lambda a, b: -1 / b),
    ):
        said = f"has {words} in the place of −a / b², with respect to b = {{step}}"
        yield Slip("plain", 1, said, 0.5, {k: quotient(f) for k in group})


def _swaps(tape: Tape, group: list[int], side: int) -> Iterator[Slip]:
    """Another array of the same shape in the place of the other operand."""
    e = tape.events[group[0]]
    if e.name not in ("multiply", "matmul", "dot") or len(e.operands) != 2:
        return
    there = e.operands[1 - side]
    seen = [there]
    for step in sorted(range(-8, 9), key=abs):
        ks = [k + step for k in group]
        if ks[0] < 0 or ks[-1] >= len(tape.events):
            continue
        for place, array in _arrays(tape.events[ks[0]]):
            if np.shape(array) != np.shape(there) or any(
                np.array_equal(array, s) for s in seen
            ):
                continue
            seen.append(array)
            name = tape.events[ks[0]].source or tape.events[ks[0]].name
            what = f"`{name}`" if place < 0 else f"an operand of `{name}`"
            said = f"has {what} in the place of the other operand of {{step}}"
            others = [dict(_arrays(tape.events[k])).get(place) for k in ks]
            changes = {k: swapped(side, a) for k, a in zip(group, others, strict=True)}
            yield Slip("plain", side, said, 1, changes)
            if len(seen) > 12:
                return


def _arrays(e: Event) -> list[tuple[int, Any]]:
    """The result of an operation as −1, and its operands."""
    found = [(i, a) for i, a in enumerate(e.operands) if np.ndim(a)]
    return [(-1, e.result), *found] if np.ndim(e.result) else found


def held(side: int) -> Change:
    """The operand does not change: the path through it is cut."""

    def change(e: Event, now: list[Any]) -> Any:
        given = list(now)
        given[side] = e.operands[side]
        return e.run(given)

    return change


def plainly(side: int, mean: bool = False) -> Change:
    """The derivative with respect to the operand is 1: its change is passed on."""

    def change(e: Event, now: list[Any]) -> Any:
        rest = np.asarray(held(side)(e, now))
        step = np.asarray(now[side] - e.operands[side])
        if rest.size < step.size:  # a sum, a maximum: every entry passes its change on
            axis = e.settings.get("axis")
            total = step.mean(axis=axis) if mean else step.sum(axis=axis)
            step = total.reshape(rest.shape)
        return rest + step

    return change


def again() -> Change:
    """The derivative is taken at the output, in the place of the input."""

    def change(e: Event, now: list[Any]) -> Any:
        step = now[0] - e.operands[0]
        return e.result + e.run([e.result + step]) - e.run([e.result])

    return change


def instead(f: Callable[[Any, Any], Any]) -> Change:
    """The derivative of an elementwise function is another one."""

    def change(e: Event, now: list[Any]) -> Any:
        x = e.operands[0]
        return e.result + f(x, e.result) * (now[0] - x)

    return change


def quotient(f: Callable[[Any, Any], Any]) -> Change:
    """The derivative of a / b with respect to b is another one."""

    def change(e: Event, now: list[Any]) -> Any:
        a, b = e.operands
        return held(1)(e, now) + f(a, b) * (now[1] - b)

    return change


def diagonal(e: Event, now: list[Any]) -> Any:
    """Each entry of the result changes with its own entry of the operand alone."""
    x, h = np.asarray(e.operands[0]), 6e-6
    if "diagonal" not in e.settings:
        d = np.zeros_like(x)
        for at in np.ndindex(x.shape) if x.size <= 100 else ():
            step = np.zeros_like(x)
            step[at] = h
            d[at] = ((e.run([x + step]) - e.run([x - step])) / (2 * h))[at]
        e.settings["diagonal"] = d
    return e.result + e.settings["diagonal"] * (now[0] - x)


def turned(side: int) -> Change:
    """The other matrix is transposed."""

    def change(e: Event, now: list[Any]) -> Any:
        rest = held(side)(e, now)
        given = [np.swapaxes(a, -1, -2) for a in e.operands]
        given[side] = now[side] - e.operands[side]
        return rest + e.run(given)

    return change


def swapped(side: int, other: object) -> Change:
    """The other operand is replaced by another array."""

    def change(e: Event, now: list[Any]) -> Any:
        given = [other, other]
        given[side] = now[side] - e.operands[side]
        return held(side)(e, now) + e.run(given)

    return change


def other_axes(axes: tuple[int, ...]) -> Change:
    """The sum, or the mean, of the changes goes over other axes."""

    def change(e: Event, now: list[Any]) -> Any:
        step = now[0] - e.operands[0]
        f = np.mean if e.name == "mean" else np.sum
        total = f(step, axis=axes, keepdims=True)
        shape = np.shape(e.result)
        if np.ndim(e.result) == np.ndim(total):
            return e.result + total
        axis = e.settings.get("axis")
        full = np.expand_dims(e.result, axis) if axis is not None else e.result
        full = full + total
        return full if np.shape(full) != shape else e.result + total

    return change
