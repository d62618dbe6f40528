"""How a student's gradient may lie to a prediction P, and whether it does in all draws.

    got = c P              it is P, up to a constant factor
    want − got = c P       the term c P is missing (c > 0 for + c P), or too much
    got · q = c want       a factor q is missing;  got = c want · q: it is too much

A relation counts only if the same one, with the same constant, holds in every draw.
Of those that count, the cheapest are said; several of the same cost are all said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from minidl.backend import Array
from minidl.check.constants import meaning, scalars
from minidl.check.draws import Draw
from minidl.check.pools import Pool, Prediction
from minidl.check.quantities import basics, quantities

TIE = 0.26  # verdicts whose costs differ by less are told side by side


@dataclass
class Verdict:
    """What completes "∂L/∂x …", and how special it is; likely where it is a guess."""

    said: str
    cost: float
    likely: bool = False
    rest: list[Draw] | None = None  # what is left without the term that was found

    def __str__(self) -> str:
        return self.said


@dataclass
class Fit:
    """c · P is the array, for the prediction with these words."""

    said: str
    cost: float
    c: float


class Table:
    """Predictions, one below the other."""

    def __init__(self, predictions: Iterable[Prediction]) -> None:
        rows = list(predictions)
        self.said = [said for said, _, _ in rows]
        self.cost = [cost for _, cost, _ in rows]
        flat = [np.asarray(p, np.float64).ravel() for _, _, p in rows]
        self.rows = np.stack(flat) if flat else np.zeros((0, 0))
        self.squares = np.einsum("ij,ij->i", self.rows, self.rows)


def table(d: Draw, pool: Pool) -> Table:
    """Return what a pool predicts for a draw; it is computed once."""
    if pool not in d.tables:
        d.tables[pool] = Table(pool(d))
    found: Table = d.tables[pool]
    return found


def fits(got: Array, t: Table, near: float) -> list[Fit]:
    """Return all predictions that are proportional to an array.

    c P is nearest to a where c = a · P / P · P, and then |a − c P|² = |a|² − c a · P.
    """
    size = float(np.linalg.norm(got))
    if not 0 < size < np.inf or not len(t.rows):
        return []
    a = got.ravel()
    with np.errstate(all="ignore"):
        along = t.rows @ a
        c = along / t.squares
        rough = np.flatnonzero((1 - c * along / size**2 < 1e-6 + near**2) & (c != 0))
    found = []
    for i in rough[t.squares[rough] > 1e-24 * size**2]:
        if np.linalg.norm(c[i] * t.rows[i] - a) <= near * size:
            found.append(Fit(t.said[i], t.cost[i], float(c[i])))
    return found


def in_all(draws: Sequence[Draw], find: Callable[[Draw], list[Fit]]) -> list[list[Fit]]:
    """Return the fits with the same words in every draw, cheapest first."""
    first = find(draws[0])
    found = {f.said: [f] for f in sorted(first, key=lambda f: -f.cost)}
    for d in draws[1:]:
        if not found:
            break
        here = {f.said: f for f in sorted(find(d), key=lambda f: -f.cost)}
        found = {said: [*fs, here[said]] for said, fs in found.items() if said in here}
    return sorted(found.values(), key=lambda fs: fs[0].cost)


def constant(fits: list[Fit]) -> float | None:
    """Return the factor that is the same in all draws; None if it is not."""
    c = fits[0].c
    same = all(abs(f.c - c) <= 2e-5 * abs(c) for f in fits)
    return c if same else None


def equal(draws: Sequence[Draw], pool: Pool) -> list[Verdict]:
    """Return what got is, as a multiple of a prediction of the pool."""
    found = []
    near = draws[0].tolerance
    for group in in_all(draws, lambda d: fits(d.got, table(d, pool), near)):
        said, cost, c = group[0].said, group[0].cost, constant(group)
        if c is None:
            if name := changing(draws, [f.c for f in group]):
                found.append(Verdict(f"is {name} times {said}", cost + 2.5))
            continue
        if said == "the right one":
            found.append(
                Verdict(factor(c, draws[0]), 0.9 if abs(c + 1) < 2e-5 else 1.5)
            )
        else:
            more = extra(c, draws[0])
            alone = said.startswith(("the gradient of", "g wherever", "g itself"))
            more += 3 if alone and more > 1 else 0
            found.append(Verdict(f"is {times(c, draws[0])}{said}", cost + more))
    return found


def described(draws: Sequence[Draw], pool: Pool) -> list[Verdict]:
    """Return what got is, as `equal`, and beside it what the right one is."""
    found = equal(draws, pool)
    if not found:
        return []
    right = in_all(draws, lambda d: fits(d.want, table(d, pool), d.tolerance))
    kept = [r for r in right if constant(r) is not None]
    if not kept:
        return [Verdict(v.said, v.cost + 1) for v in found]
    c, d = kept[0][0].c, draws[0]
    words = [r[0].said.partition(":")[0] for r in kept]
    names = (
        "the input in the place of the output",
        "the output in the place of the input",
    )
    told = []
    for v in found:
        is_right = (
            f"; the right one is {times(c, d)}{words[0].partition(', the gradient')[0]}"
        )
        for said, (old, new) in zip(names, ((d.name, "y"), ("y", d.name)), strict=True):
            if any(
                _renamed(v.said.partition(":")[0], old, new).endswith(w) for w in words
            ):
                is_right += f": it has {said}"
        gain = 2.0 if "in the place of" in is_right else 0.5
        told.append(Verdict(v.said + is_right, v.cost - gain))
    return told


def _renamed(said: str, old: str, new: str) -> str:
    changed = re.sub(rf"(?<![A-Za-z0-9_.]){re.escape(old)}(?![A-Za-z0-9_.])", new, said)
    return changed if changed != said else ""


def changing(draws: Sequence[Draw], cs: list[float]) -> str | None:
    """Name a factor that differs from draw to draw: a number made of the data."""
    if len(draws) < 2 or max(cs) - min(cs) < 1e-3 * abs(cs[0]):
        return None
    tables = [dict(scalars(d)) for d in draws]
    for name in tables[0]:
        values = [t.get(name) for t in tables]
        if None in values:
            continue
        for way in ("{}", "1 / ({})", "−{}", "−1 / ({})"):
            sign = -1.0 if "−" in way else 1.0
            made = [sign * (1 / v if "/" in way else v) for v in values if v]
            if len(made) == len(cs) and np.allclose(made, cs, rtol=2e-5, atol=0):
                return way.format(name)
    return None


def extra(c: float, d: Draw) -> float:
    """The cost of a factor beside another mistake."""
    if abs(c - 1) < 1e-5:
        return 0.0
    if abs(c + 1) < 1e-5:
        return 1.0
    return 1.5 if meaning(c, d) else 3.0


def factor(c: float, d: Draw) -> str:
    """Say that a gradient is c times the right one."""
    if abs(c + 1) < 2e-5:
        return "has the wrong sign: it is −1 times the right one, everywhere"
    minus = " and of the wrong sign" if c < 0 else ""
    named = meaning(c, d)
    if named is None:
        return (
            f"is {c:.6g} times the right one, everywhere: a constant factor (a "
            "setting, a scale, a rate) is missing, or is there twice"
        )
    value, what, way = named
    if abs(value - 2) < 1e-5:
        cure = "does a square or a symmetric term bring a 2?"
    elif way == "large":
        cure = "was a mean taken for a sum (divide by it)?"
    else:
        cure = "was it divided by once too often, or a sum taken for a mean?"
    return (
        f"is {value:.6g} times too {way}{minus}, everywhere. {value:.6g} is {what}: "
        f"{cure}"
    )


def times(c: float, d: Draw) -> str:
    """Return "−2 times " for a factor in front of something, "" for 1."""
    if abs(c - 1) < 2e-5:
        return ""
    if abs(c + 1) < 2e-5:
        return "−1 times "
    named = meaning(c, d)
    plain = named is None or named.what.startswith("a plain")
    more = "" if plain or named is None else f" ({named.value:.6g} is {named.what})"
    return f"{c:.6g} times{more} "


def missing_factors(draws: Sequence[Draw]) -> list[Verdict]:
    """Return the quantities that were forgotten, or multiplied by once too often."""
    found = []
    near = draws[0].tolerance

    def lacking(d: Draw) -> list[Fit]:
        rows = quantities(basics(d), d.x.shape)
        return fits(d.want, Table((str(q), q.cost, d.got * a) for q, a in rows), near)

    def having(d: Draw) -> list[Fit]:
        rows = quantities(basics(d), d.x.shape)
        return fits(d.got, Table((str(q), q.cost, d.want * a) for q, a in rows), near)

    for find, words, base in (
        (lacking, "lacks a factor: multiplied by {}{}, it is right", 3.1),
        (having, "has a factor too many: {}{}", 3.2),
    ):
        for group in in_all(draws, find):
            c = constant(group)
            if c is not None:
                lead = times(c, draws[0])
                cost = base + group[0].cost + extra(c, draws[0])
                found.append(Verdict(words.format(lead, group[0].said), cost))
    return found


def missing_terms(
    draws: Sequence[Draw], pool: Pool, words: str = "{}"
) -> list[Verdict]:
    """Return the terms of the pool that are missing, or too much."""
    found = []
    near = 10 * draws[0].tolerance
    for group in in_all(draws, lambda d: fits(d.want - d.got, table(d, pool), near)):
        c = constant(group)
        if c is None:
            continue
        said = words.format(group[0].said.partition(" itself")[0])
        many = "" if abs(abs(c) - 1) < 2e-5 else f"{abs(c):.6g} "
        if abs(abs(c) - 1) > 2e-5 and (named := meaning(c, draws[0])):
            many += f"({named[0]:.6g} is {named[1]}) "
        sign = "+" if c > 0 else "−"
        cost = (
            0.5
            + max(group[0].cost, 3.5)
            + (0 if not many else 1 if abs(c - round(c)) < 1e-4 else 1.5)
        )
        more = "" if c > 0 else f" (or + {many}{said} is too much)"
        found.append(Verdict(f"lacks a term: {sign} {many}{said}{more}", cost))
    return found


def exchanged_terms(draws: Sequence[Draw], pool: Pool) -> list[Verdict]:
    """Return the term that stands in the place of another, in a sum of terms.

    Then want − got = c P − c Q, whatever the other terms are.
    """
    for group in in_all(draws, lambda d: _exchanged(d, table(d, pool))):
        if constant(group) is not None:
            return [Verdict(group[0].said, group[0].cost)]
    return []


def _exchanged(d: Draw, t: Table) -> list[Fit]:
    found = []
    for (i, x), (j, y) in two_terms(d.want - d.got, t, 10 * d.tolerance):
        if abs(x + y) <= 1e-4 * abs(x):
            one, two = t.said[i], t.said[j]
            said = f"is right but for one term: {one} and {two} stand for one another"
            found.append(Fit(said, 4 + 0.2 * (t.cost[i] + t.cost[j]), x))
    return found


Term = tuple[int, float]  # its place in a table, and its factor


def two_terms(want: Array, t: Table, near: float) -> list[tuple[Term, Term]]:
    """Return pairs of predictions, with their factors, that add up to an array.

    With unit vectors u and correlations a = u · w, G = u · u, two terms explain
    (a_i² + a_j² − 2 a_i a_j G_ij) / (1 − G_ij²) of |w|².
    """
    size = float(np.linalg.norm(want))
    if not 0 < size < np.inf or want.size < 4 or not len(t.rows):
        return []
    cheap = [
        i for i in np.argsort(t.cost, kind="stable") if t.squares[i] and t.cost[i] < 6.5
    ]
    cheap = cheap[:500]
    unit = t.rows[cheap] / np.sqrt(t.squares[cheap])[:, None]
    a, g = unit @ want.ravel() / size, unit @ unit.T
    with np.errstate(all="ignore"):
        share = (a[:, None] ** 2 + a**2 - 2 * np.outer(a, a) * g) / (1 - g * g)
    alone = a**2 > 0.999
    good = (1 - g * g > 1e-6) & (share > 1 - near**2) & ~alone & ~alone[:, None]
    pairs = [(cheap[i], cheap[j]) for i, j in np.argwhere(np.triu(good, 1))]
    pairs.sort(key=lambda ij: t.cost[ij[0]] + t.cost[ij[1]])
    found = []
    for i, j in pairs[:4]:
        x, y = np.linalg.lstsq(t.rows[[i, j]].T, want.ravel(), rcond=None)[0]
        found.append(((int(i), float(x)), (int(j), float(y))))
    return found


def within(draws: Sequence[Draw], parts: Sequence[Array], pools: Sequence[Pool]) -> str:
    """Return what got is in one part of x, as a multiple of a prediction."""
    for pool in pools:
        table = {id(d): part for d, part in zip(draws, parts, strict=True)}

        def find(
            d: Draw, pool: Pool = pool, table: dict[int, Array] = table
        ) -> list[Fit]:
            part = table[id(d)]
            rows = (
                (said, cost, p * part)
                for said, cost, p in pool(d)
                if np.shape(p) == part.shape
            )
            return fits(d.got * part, Table(rows), d.tolerance)

        for group in in_all(draws, find):
            c = constant(group)
            if c is not None:
                return f"{times(c, draws[0])}{group[0].said}"
    return ""
