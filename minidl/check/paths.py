"""Mistakes on one path: a step of the forward pass whose derivative is wrong.

Each prediction is a set of slopes, along a few directions v, of a forward pass that was
changed in one place: a step of it (tape.py), or the point at which it is looked at.

    ⟨got, v⟩ = ⟨want, v⟩ + (r − 1) ⟨P, v⟩      P the part that goes through the step

    r = 0 the path is missing, −1 it has the wrong sign, 2 it is counted twice, …
"""

from __future__ import annotations

import ast
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minidl.backend import Array, to_numpy
from minidl.check.constants import meaning
from minidl.check.draws import Draw, flat_of
from minidl.check.quantities import axis_sets, over
from minidl.check.relations import (
    Verdict,
    extra,
    times,
)
from minidl.check.slips import CHOOSE, Slip, averaged, held, slips, together
from minidl.check.subject import flat
from minidl.check.tape import Change, Event, Tape, replay

DIRECTIONS = 5
MASKS = ("maximum", "minimum", "where", "clip", *CHOOSE)
FIRST = 3  # of them tell nearly always that a prediction does not fit


class Slopes:
    """The slopes of one draw along random directions: got, want, and changed runs."""

    def __init__(self, d: Draw) -> None:
        self.d = d
        draw = np.random.default_rng(7)
        many = DIRECTIONS if d.x.size > 1 else 1
        self.vs = [draw.standard_normal(d.x.shape) * d.smooth for _ in range(many)]
        fits = np.shape(d.got) == d.x.shape
        self.got = self.along(d.got if fits else np.zeros(d.x.shape))
        self.want = self.along(d.want)
        self.host = [to_numpy(a) if hasattr(a, "dtype") else a for a in d.point.arrays]

    def along(self, a: Array) -> Array:
        """Return ⟨a, v⟩ for every v."""
        return np.array([float((a * v).sum()) for v in self.vs])

    @functools.cached_property
    def tape(self) -> Tape:
        """The forward pass as it is; without events if it cannot be traced."""
        tape, forward = Tape(), self.d.point.step.forward
        if forward is not None:
            try:
                replay(forward, self.host, self.d.slot, tape)
            except Exception:  # a forward pass that takes no such arrays
                tape = Tape()
        return tape

    @functools.cached_property
    def harmless(self) -> dict[int, Change]:
        """Operations whose paths cancel, and that may be held (a softmax's maximum)."""
        found: dict[int, Change] = {}
        for k, e in enumerate(self.tape.events):
            if e.sides and reduces(e):
                change = {k: held(e.sides[0])}
                slopes = self.run(change)
                if slopes is not None and np.allclose(slopes, self.want, rtol=1e-6):
                    found |= change
        return found

    def changed(self, changes: dict[int, Change]) -> Array | None:
        """Return the slopes of the forward pass with some of its operations changed."""
        return self.run(
            {**self.harmless, **changes}, lambda part: bool(_mix(self, part))
        )

    def run(self, changes: dict[int, Change], fits: Any = None) -> Array | None:
        """Return the slopes of a run with these changes."""
        forward = self.d.point.step.forward
        assert forward is not None  # or there would be no events to change

        def f(arrays: list[Any]) -> Array:
            tape = Tape(changes, self.tape)
            made = map(np.asarray, flat(replay(forward, arrays, self.d.slot, tape)))
            return flat_of([a for a in made if a.dtype.kind == "f"])

        return self.slopes(f, fits=fits)

    def slopes(
        self, run: Callable[[list[Any]], Array], at: Any = None, fits: Any = None
    ) -> Array | None:
        """Return the slopes of Σ g f, at the point or another; None if it fails.

        fits   is asked after the first few: if it says no, the others are spared
        """
        point, found = self.d.point, []
        where = self.host if at is None else at
        try:
            with np.errstate(all="ignore"):
                for v in self.vs:
                    slope = point.slope(where, self.d.slot, v, run)
                    found.append(float(slope @ point.g))
                    if fits and len(found) == FIRST and not fits(np.array(found)):
                        return None
        except Exception:  # shapes that do not fit: then it is another mistake
            return None
        return np.array(found) if np.isfinite(found).all() else None


def wrong_steps(draws: Sequence[Draw]) -> list[Verdict]:
    """Return the operations of the forward pass that a backward has got wrong."""
    looks = [Slopes(d) for d in draws]
    first = looks[0]
    found: list[tuple[Verdict, Array]] = []
    for slip in all_slips(first.tape):
        part = first.changed(slip.changes)
        mix = None if part is None else _mix(first, part)
        if part is None or mix is None:
            continue
        if any(np.allclose(part, p, rtol=1e-6) for _, p in found):
            continue  # the same path again, at a later operation
        verdict = _said(first, slip, mix)
        if verdict is not None and _in_others(looks[1:], slip, mix):
            found.append((verdict, part))
    verdicts = [v for v, _ in found]
    if min((v.cost for v in verdicts), default=9.0) > 3.5:
        groups = first.tape.groups()
        cut = [g for g in groups if reduces(first.tape.events[g[0]])]
        verdicts += _two_cut(looks, cut)
    return verdicts


def all_slips(tape: Tape) -> Iterator[Slip]:
    """Yield the slips of all operations, those of sums and maxima first."""
    groups = tape.groups()
    groups.sort(key=lambda group: not reduces(tape.events[group[0]]))
    for group in groups:
        yield from slips(tape, group)
    yield from together(tape, groups)
    sums = [g for g in groups if reduces(tape.events[g[0]])]
    yield from averaged(tape, sums)


def _mix(look: Slopes, part: Array) -> tuple[float, float] | None:
    """Return (a, b) with got = a want + b part, if there are such numbers."""
    got, want = look.got[: part.size], look.want[: part.size]
    size = float(np.linalg.norm(got))
    if not 0 < size < np.inf or part.size < 3:
        return None
    if np.linalg.norm(part - want) <= 1e-7 * float(np.linalg.norm(want)):
        return None
    near = 10 * look.d.tolerance * size
    for a, b in _simple(got, want, part):
        if np.linalg.norm(a * want + b * part - got) <= near:
            return a, b
    return None


def _simple(got: Array, want: Array, part: Array) -> Iterator[tuple[float, float]]:
    """Yield weights: the changed run alone, and the best mix with the right one."""
    yield 0.0, float(part @ got) / (float(part @ part) or 1.0)
    table = np.stack([want, part], axis=1)
    if np.linalg.cond(table) < 1e6:
        a, b = np.linalg.lstsq(table, got, rcond=None)[0]
        yield float(a), float(b)


def _in_others(looks: list[Slopes], slip: Slip, mix: tuple[float, float]) -> bool:
    """Whether the same mistake explains the other draws."""
    for look in looks:
        same = next((s for s in all_slips(look.tape) if s.key == slip.key), None)
        part = None if same is None else look.changed(same.changes)
        other = None if part is None else _mix(look, part)
        if other is None or not np.allclose(other, mix, rtol=1e-4, atol=1e-4):
            return False
    return True


def _said(look: Slopes, slip: Slip, mix: tuple[float, float]) -> Verdict | None:
    """Say what is wrong with an operation; None if it says nothing."""
    (a, b), e = mix, look.tape.events[next(iter(slip.changes))]
    step = named(e, look.d)
    where = f"{operand(e, slip.side)} in {step}" if len(e.operands) > 1 else step
    c = a + b
    if slip.kind == "held":
        return _path(look, where, c, a)
    if abs(a) < 1e-4 and b:
        more = extra(b, look.d)
        if slip.kind == "plain" and more and e.name in ("matmul", "dot"):
            return None  # a product that is only nearly this one: another mistake
        lead = (
            "" if abs(b - 1) < 1e-4 else f" (and it is {times(b, look.d).strip()} that)"
        )
        said, odd = slip.said.format(step=where) + lead, more > 1
        if odd:  # two things that would have to come together
            said = f"looks like this: it {said}"
        return Verdict(said, 3 + slip.cost + more, likely=odd)
    if (
        slip.kind == "plain"
        and abs(c) < 1e-4
        and abs(abs(a) - 1) < 1e-4
        and e.name in MASKS
    ):
        said = (
            "passes where it should not, and not where it should, in "
            f"{step}: a mask is inverted"
        )
        return Verdict(said, 3)
    return None


def _path(look: Slopes, where: str, c: float, a: float) -> Verdict | None:
    """Say how much of the gradient that goes through an operand arrives: r of it."""
    if abs(c) < 1e-4:
        return Verdict(
            f"is {times(a, look.d)}the share of one path alone, of the one through "
            f"{where}: the others are missing",
            3.6,
        )
    r, more = a / c, extra(c, look.d)
    lead = "" if abs(c - 1) < 1e-4 else f" (and all is {times(c, look.d).strip()} that)"
    if abs(r) < 1e-4:
        said = (
            f"lacks a path: {where} was treated as a constant; the chain rule goes "
            "through it as well"
        )
        return Verdict(said + lead, 3 + more)
    if abs(r + 1) < 1e-4:
        return Verdict(
            f"has the wrong sign on one path, the one through {where}{lead}", 3.5 + more
        )
    if abs(r - 2) < 1e-4:
        return Verdict(f"has one path twice, the one through {where}{lead}", 3.7 + more)
    if abs(r - 1) < 1e-4:
        return None
    what = meaning(r, look.d)
    known = what is not None or abs(2 * r - round(2 * r)) < 1e-4
    why = f" ({what[0]:.6g} is {what[1]})" if what else ""
    said = (
        f"is right but for one path, the one through {where}, which is {r:.6g} times "
        f"what it should be{why}{lead}"
    )
    return Verdict(said, (4.5 if known else 6) + more)


def named(e: Event, d: Draw) -> str:
    """Return what to call a step: a known statistic, its source, or its name."""
    if known := statistic(e.result, d):
        return f"{known} (`{e.source}`)" if 0 < len(e.source) < 60 else known
    if 0 < len(e.source) < 60:
        return f"`{e.source}`"
    axis = e.settings.get("axis")
    along = (
        f" over {over((axis,) if isinstance(axis, int) else tuple(axis))}"
        if axis is not None
        else ""
    )
    return f"{e.name.removesuffix('.reduce')}{along}"


def operand(e: Event, side: int) -> str:
    """Return the source of an operand: `x` of `x * w`."""
    words = ("the first operand", "the second operand", "the third operand")
    try:
        tree = ast.parse(e.source.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return words[side]
    parts: list[ast.expr] = []
    if isinstance(tree, ast.BinOp):
        parts = [tree.left, tree.right]
    elif isinstance(tree, ast.Call):
        parts = list(tree.args)
    if side < len(parts) and len(parts) == len(e.operands):
        return f"`{ast.unparse(parts[side])}`"
    return words[side]


def statistic(a: Array, d: Draw) -> str | None:
    """Return "the mean over axis 0" if an array holds the means of x, and so on."""
    x = d.x
    if a is None or x.ndim == 0 or a.size >= x.size:
        return None
    for axes in axis_sets(x.ndim):
        for what, value in STATISTICS:
            with np.errstate(all="ignore"):
                known = np.asarray(value(x, axes))
            if known.size == a.size and np.allclose(
                known.ravel(), a.ravel(), rtol=1e-9, atol=1e-14
            ):
                return f"the {what} over {over(axes)}"
    return None


STATISTICS: list[tuple[str, Any]] = [
    ("mean", lambda x, ax: x.mean(axis=ax)),
    ("variance", lambda x, ax: x.var(axis=ax)),
    ("standard deviation", lambda x, ax: x.std(axis=ax)),
    ("sum", lambda x, ax: x.sum(axis=ax)),
    ("norm", lambda x, ax: np.sqrt((x * x).sum(axis=ax))),
    ("sum of squares", lambda x, ax: (x * x).sum(axis=ax)),
    ("mean square", lambda x, ax: (x * x).mean(axis=ax)),
    ("root mean square", lambda x, ax: np.sqrt((x * x).mean(axis=ax))),
    ("maximum", lambda x, ax: x.max(axis=ax)),
    ("minimum", lambda x, ax: x.min(axis=ax)),
    ("sum of exponentials", lambda x, ax: np.exp(x).sum(axis=ax)),
    (
        "sum of exponentials",
        lambda x, ax: np.exp(x - x.max(axis=ax, keepdims=True)).sum(axis=ax),
    ),
    ("sum of absolute values", lambda x, ax: abs(x).sum(axis=ax)),
]


def reduces(e: Event) -> bool:
    """Whether an operation makes less of its operand: a sum, a maximum."""
    sizes = [np.size(a) for i, a in enumerate(e.operands) if i in e.sides]
    return (
        e.name != "getitem"
        and e.result is not None
        and bool(sizes)
        and e.result.size < max(sizes)
    )


def _two_cut(looks: list[Slopes], cut: list[list[int]]) -> list[Verdict]:
    """Return two sums, means, … that were both treated as constants."""
    first, found = looks[0], []
    for one, two in itertools.combinations(cut[:12], 2):
        for look in looks:
            events = look.tape.events
            ks = [k for k in (*one, *two) if k < len(events) and events[k].sides]
            slopes = look.changed({k: held(events[k].sides[0]) for k in ks})
            near = 10 * look.d.tolerance * np.linalg.norm(look.got)
            if slopes is None or np.linalg.norm(slopes - look.got) > near:
                break
        else:
            names = [
                statistic(first.tape.events[g[0]].result, first.d)
                or named(first.tape.events[g[0]], first.d)
                for g in (one, two)
            ]
            found.append(
                Verdict(
                    f"lacks two paths: {_both(*sorted(names))} were treated as "
                    "constants; each entry has a share in them, and the chain rule "
                    "goes through them as well",
                    3.5,
                )
            )
    return found[:1]


def _both(a: str, b: str) -> str:
    one, _, where = a.partition(" over ")
    two, _, there = b.partition(" over ")
    return (
        f"{one} and {two} over {where}" if where and where == there else f"{a} and {b}"
    )
