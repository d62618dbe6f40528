"""One change in somebody's backward that makes it right: what it has wrong.

Each operation that a gradient went through is done otherwise, one at a time, and the
backward is run again (program.py). The change that gives the right gradient, in every
draw, is the mistake the other way round: `d.sum(axis=1)` is right over axis 0.

    scaled     got = A + s B, where B goes through the operation: the s that is right
    otherwise  edits.py: over other axes, transposed, an index moved, added up, …
    kept       what forward left is changed: 1 − f for f, two of them exchanged
    factors    a factor that is missing there; a root, a square, an inverse
    instead    another array in the place of an operand
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minidl.backend import Array, to_numpy
from minidl.check.constants import meaning
from minidl.check.draws import Draw
from minidl.check.edits import REDUCE, changes_of, over_all
from minidl.check.paths import Slopes
from minidl.check.program import WRITES, Edit, Op, Program, bare, run
from minidl.check.relations import TIE, Verdict

RUNS, WORK = 400, 60_000  # with a change, and operations in them, for each kind
GROUPS = 40  # operations that are edited
NAMED = 14  # arrays that may stand in the place of others


@dataclass
class Repair:
    """A change of a program, what it is in words, and how special the mistake is."""

    said: str
    cost: float
    edits: dict[int, Edit] = field(default_factory=dict)
    kept: dict[int, Callable[[Any], Any]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[Any, ...]:
        """What is the same for this repair in another draw."""
        return self.said, tuple(self.edits), tuple(self.kept)


class Bench:
    """The backward of one draw: run as it is, and with changes."""

    def __init__(self, d: Draw) -> None:
        self.d, self.runs = d, 0
        self.place = d.point.step.slots.index(d.slot)
        self.program = Program()
        got = self._ask(self.program, {})
        self.slice = set() if got is None else self.program.sources(got)
        self.groups = self.program.groups(self.slice)[-GROUPS:]
        self.size = float(np.linalg.norm(d.want))

    def _ask(self, program: Program, kept: dict[int, Any]) -> Any:
        noted = self.d.point.made.noted
        if noted is None:
            return None
        gs = list(self.d.point.gs)
        try:
            with np.errstate(all="ignore"):
                return run(program, lambda: noted(gs, kept))[self.place]
        except Exception:  # a backward that takes no such arrays, or no such edit
            return None

    def gradient(self, repair: Repair) -> Array | None:
        """Return the gradient of the backward with a change; None if it fails."""
        self.runs += 1
        got = self._ask(Program(repair.edits), repair.kept)
        if got is None or np.shape(got) != self.d.x.shape:
            return None
        found = np.where(self.d.smooth, np.asarray(bare(got), np.float64), 0.0)
        return found if np.isfinite(found).all() else None

    def right(self, repair: Repair) -> bool:
        """Whether this change makes the gradient right."""
        got, near = self.gradient(repair), 10 * self.d.tolerance
        return got is not None and bool(
            np.linalg.norm(got - self.d.want) <= near * self.size
        )

    def named(self) -> list[tuple[str, Array]]:
        """Return the arrays that may stand in the place of others, by their names.

        The right gradient itself is none of them, nor what it is a multiple of.
        """
        d = self.d
        rows = [("g", d.g), (d.name, d.x), *d.inputs.items(), ("y", d.y)]
        rows += list(self.remembered)
        ops = [self.program.ops[k] for k in sorted(self.slice)]
        rows += [(f"`{op.text}`", op.result) for op in ops if op.text]
        found: list[tuple[str, Array]] = []
        for name, held in rows:
            a = None if held is None else to_numpy(held)
            if a is None or not a.ndim or self._is_answer(a):
                continue
            if not any(np.array_equal(a, b) for _, b in found):
                found.append((name, a))
        return found[:NAMED]

    @functools.cached_property
    def remembered(self) -> list[tuple[str, Array]]:
        """What forward left, named by the expression that computed it, if known."""
        found = []
        events = Slopes(self.d).tape.events
        for name, held in self.d.point.made.cached.items():
            a = to_numpy(held)
            same = (e for e in events if e.result is not None)
            made = [e.source for e in same if np.array_equal(e.result, a)]
            made = [text for text in made if 0 < len(text) < 50]
            found.append((f"{name} (`{made[0]}`)" if made else name, a))
        return found

    def _is_answer(self, a: Array) -> bool:
        if a.size != self.d.want.size:
            return False
        b, c = a.astype(np.float64).ravel(), self.d.want.ravel()
        near = float(abs(b @ c)) / (float(np.linalg.norm(b) * np.linalg.norm(c)) or 1.0)
        return near > 1 - 1e-9


def repairs(draws: Sequence[Draw]) -> list[Verdict]:
    """Return the changes that make a backward right in all draws, cheapest first."""
    first = Bench(draws[0])
    if not first.program.count or not first.size or draws[0].x.size < 2:
        return []
    others = [Bench(d) for d in draws[1:]]
    found: list[Verdict] = []
    for kinds in ((_scaled, _otherwise), (_instead, _kept, _factors)):
        for kind in kinds:
            found += _of_kind(kind, first, others)
        if found:
            break
    return sorted(found, key=lambda v: v.cost)


Kind = Callable[[Bench], Iterator[Repair]]


def _of_kind(kind: Kind, first: Bench, others: list[Bench]) -> list[Verdict]:
    found: list[Verdict] = []
    best, first.runs = np.inf, 0
    most = min(RUNS, WORK // first.program.count)
    for repair in kind(first):
        if first.runs > most:
            break
        if repair.cost <= best + TIE and first.right(repair):
            same = (_same(b, kind, repair) for b in others)
            if all(s is not None and b.right(s)
                   for b, s in zip(others, same, strict=True)):  # fmt: skip
                found.append(Verdict(repair.said, repair.cost))
                best = min(best, repair.cost)
    return found


def _same(bench: Bench, kind: Kind, repair: Repair) -> Repair | None:
    """Return the same repair for another draw."""
    return next((r for r in kind(bench) if r.key == repair.key), None)


def _in(op: Op) -> str:
    return f"`{op.text}`" if 0 < len(op.text) < 70 else f"the {op.name} of its backward"


# --- one operation counts s times


def _scaled(bench: Bench) -> Iterator[Repair]:
    """A part of the gradient is s times too small: −1, 0, ½, N, …"""
    d, size = bench.d, bench.size
    plain = bench.gradient(Repair("", 0))
    if plain is None:
        return
    for ks in bench.groups:
        op = bench.program.ops[ks[-1]]
        if op.result is None or op.result.dtype.kind != "f" or op.name in WRITES:
            continue
        double = bench.gradient(Repair("", 0, dict.fromkeys(ks, _times(2.0))))
        if double is None:
            continue
        part = double - plain
        if not (square := float((part * part).sum())) > 1e-20 * size**2:
            continue
        s = 1 + float(((d.want - plain) * part).sum()) / square
        if np.linalg.norm(plain + (s - 1) * part - d.want) <= 10 * d.tolerance * size:
            s = float(f"{s:.5g}")
            said, cost = _scale_said(s, op, d)
            yield Repair(said, cost, dict.fromkeys(ks, _times(s)))


def _scale_said(s: float, op: Op, d: Draw) -> tuple[str, float]:
    if abs(s) < 1e-4:
        return f"is right without {_in(op)}: a term too many", 3.4
    if abs(s + 1) < 1e-4:
        return f"is right with −{_in(op)} in its place: the sign is wrong there", 3.4
    known = meaning(s, d)
    why = f" ({known.value:.6g} is {known.what})" if known else ""
    said = f"is right with {s:.6g} times {_in(op)}{why}: a constant factor is wrong"
    return f"{said} there", 3.6 if known else 5.5


def _times(s: float) -> Edit:
    return lambda call: call.do() * s


# --- one operation is done otherwise


def _otherwise(bench: Bench) -> Iterator[Repair]:
    """The operation itself with other settings."""
    ops = bench.program.ops
    for said, cost, edits in over_all(ops, bench.groups):
        yield Repair(said, cost, edits)
    for ks in bench.groups:
        op = ops[ks[-1]]
        for said, cost, edit in changes_of(op, bench.d.point.step.constants):
            edits = dict.fromkeys(ks, edit)
            if op.name == "setitem":  # x[i] += v is a getitem before it
                edits |= dict.fromkeys(_partners(ops, ks), edit)
            yield Repair(said.format(op=_in(op)), cost, edits)


def _partners(ops: Sequence[Op], ks: Sequence[int]) -> Iterator[int]:
    """Yield the getitem of `x[i] += v` that belongs to each setitem."""
    for k in ks:
        for j in range(k - 1, -1, -1):
            if ops[j].name == "getitem" and ops[j].text == ops[k].text:
                yield j
                break


# --- what forward left for the backward is another thing

FUNCTIONS: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("1 − {a}, the complement,", lambda a: 1 - a),
    ("−{a}", lambda a: -a),
    ("σ({a})", lambda a: 1 / (1 + np.exp(-a))),
    ("tanh({a})", np.tanh),
    ("exp({a})", np.exp),
    ("log({a})", np.log),
    ("{a}²", lambda a: a * a),
    ("√{a}", np.sqrt),
    ("1 / {a}", lambda a: 1 / a),
    ("the softmax of {a} over its last axis", lambda a: _softmax(a)),
    ("[{a} > 0]", lambda a: 1.0 * (a > 0)),
)


def _softmax(a: Array) -> Array:
    e = np.exp(a - a.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def _kept(bench: Bench) -> Iterator[Repair]:
    """A function of what was kept in its place; two of the same shape exchanged."""
    named = bench.remembered
    host = [a for _, a in named]
    for i, j in itertools.combinations(range(len(named)), 2):
        if (host[i].shape, host[i].dtype) == (host[j].shape, host[j].dtype):
            said = f"is right with {named[i][0]} and {named[j][0]} exchanged"
            yield Repair(said, 3.65, kept={i: _always(host[j]), j: _always(host[i])})
    for i, (name, _) in enumerate(named):
        if host[i].dtype.kind == "f":
            for words, f in FUNCTIONS:
                said = f"is right with {words.format(a=name)} in the place of {name}"
                yield Repair(said, 3.5, kept={i: f})
        for axis, n in enumerate(host[i].shape):
            for by in (-1, 1) if n > 1 else ():
                said = f"is right with {name} moved by {by} along axis {axis}: an "
                said += "index is off by one"
                yield Repair(said, 3.6, kept={i: _rolled(by, axis)})


def _rolled(by: int, axis: int) -> Callable[[Any], Any]:
    return lambda a: np.roll(a, by, axis)


def _always(a: Array) -> Callable[[Any], Any]:
    return lambda _: a.copy()


# --- a factor, a root, a square

POWERS: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("the square root of {op} in its place: a root is missing", np.sqrt),
    ("the square of {op} in its place: it is not squared", lambda a: a * a),
    ("the cube of {op} in its place: the power is wrong", lambda a: a**3),
    ("1 / {op} in its place: it divides, or multiplies", lambda a: 1 / a),
    ("|{op}| in its place", abs),
    ("1 − {op} in its place: the complement is needed", lambda a: 1 - a),
    ("the exponential of {op} in its place", np.exp),
    ("its logarithm in the place of {op}", np.log),
)


def _factors(bench: Bench) -> Iterator[Repair]:
    """A power of a result, or a result times or over a named array."""
    ops = bench.program.ops
    groups = [ks for ks in bench.groups if _is_number(ops[ks[-1]])]
    for ks in groups:
        for said, f in POWERS:
            edits = dict.fromkeys(ks, _through(f))
            words = said.format(op=_in(ops[ks[-1]]))
            yield Repair(f"is right with {words}", 3.5, edits)
    named = list(_with_sums(bench.named()))
    for ks in groups:
        op = ops[ks[-1]]
        for name, a in named if len(ks) == 1 else ():
            if np.ndim(op.result) and _stretches(a.shape, np.shape(op.result)):
                for word, by in (("multiplied", np.multiply), ("divided", np.divide)):
                    said = f"is right once {_in(op)} is {word} by {name}: a factor is "
                    said += "missing, or a mask" if _is_mask(a) else "missing"
                    yield Repair(said, 3.6, {ks[0]: _through(_by(by, a))})
    yield from _factors_of_kept(bench, named)


def _is_number(op: Op) -> bool:
    r = op.result
    return r is not None and r.dtype.kind in "fb" and op.name not in WRITES


def _factors_of_kept(bench: Bench, named: list[tuple[str, Array]]) -> Iterator[Repair]:
    """What forward left is times a named array, or over it."""
    for i, (name, held) in enumerate(bench.remembered):
        for other, a in named if held.dtype.kind == "f" else ():
            if other != name and _stretches(a.shape, held.shape):
                for word, by in (("multiplied", np.multiply), ("divided", np.divide)):
                    said = f"is right once {name} is {word} by {other}: a factor is "
                    yield Repair(said + "missing", 3.7, kept={i: _by(by, a)})


def _with_sums(named: list[tuple[str, Array]]) -> Iterator[tuple[str, Array]]:
    """Yield the arrays, and their sums over the last axis."""
    for name, a in named:
        yield name, a
    for name, a in named:
        if a.ndim == 2 and a.dtype.kind == "f" and a.shape[-1] > 1:
            yield f"the sum of {name} over axis 1", a.sum(axis=-1, keepdims=True)


def _is_mask(a: Array) -> bool:
    return a.dtype.kind == "b" or bool(np.isin(a, (0, 1)).all())


def _by(by: Any, a: Array) -> Callable[[Array], Array]:
    return lambda v: np.asarray(by(v, a))


def _through(f: Callable[[Array], Array]) -> Edit:
    return lambda call: f(np.asarray(bare(call.do()), np.float64))


def _stretches(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return len(a) <= len(b) and all(
        n in (1, m) for n, m in zip(a[::-1], b[::-1], strict=False)
    )


# --- another array in the place of an operand


def _instead(bench: Bench) -> Iterator[Repair]:
    """An operand is another array of the same shape."""
    named = bench.named()
    for ks in bench.groups:
        op = bench.program.ops[ks[-1]]
        if len(ks) > 1 or op.name in REDUCE:
            continue
        for i, held in enumerate(op.args):
            for name, a in named if isinstance(held, np.ndarray) and held.ndim else ():
                if a.shape == held.shape and not np.array_equal(a, held):
                    said = f"is right with {name} in the place of {_operand(op, i)}"
                    yield Repair(said, 3.6, dict.fromkeys(ks, _replaced(i, a)))


def _operand(op: Op, i: int) -> str:
    word = {0: "first", 1: "second"}.get(i, "third")
    return f"the {word} operand of {_in(op)}" if len(op.args) > 1 else _in(op)


def _replaced(i: int, a: Array) -> Edit:
    return lambda call: call.do([a if k == i else b for k, b in enumerate(call.args)])
