"""What an entry of the bank is, and how the bank itself is verified.

A `Pair` is forward(*inputs) -> out, cache and backward(dout, cache) -> one gradient per
input (None for integers), as CS231n writes them, with a maker of example inputs. A
`Case` is a wrong pair, and what a right verdict about it may say. Nothing here knows
how `minidl.check` works: `numeric` is a plain central difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Generator = np.random.Generator
Forward = Callable[..., tuple[Array, Any]]
Backward = Callable[[Array, Any], Any]
Maker = Callable[[Generator], list[Array]]

#  an idea a verdict may express, and the words for it (generous, case ignored)
IDEAS = {
    "scale": r"times (too|the right|as|what)|(constant|plain|common|same) factor|"
    r"averag|twice|factor (of )?[\d½√(]|doubl|\bhal[fv]|1/[NKD]|divided|"
    r"mean (is |was )?(taken|for|ins)",
    "sign": r"\bsign\b|negat|minus|−1",
    "transpose": r"transpos|\.T\b|swapp|exchang",
    "reshape": r"reshape|order of (the )?(elements|axes)|row by row|flatten",
    "axis": r"(?<!length of )\baxis|\baxes|over the (rows|columns|batch)|rows|columns",
    "shape": r"shape|\(\d+, ?\d*\)",
    "broadcast": r"broadcast|keepdims|shape|summed",
    "repeat": r"repeat|more than once|same (index|place|cell)|last (write|one)|"
    r"overwr|add\.at|\+=|overlap",
    "path": r"constant|path|branch|through|treat|held fixed|second way|also depends",
    "point": r"instead of|in (the )?place of|at the (output|input)|point|evaluated|"
    r"belongs|before|after",
    "local": r"derivative|local|lacks a factor|missing factor|factor .*missing",
    "ignored": r"ignor|incoming|upstream|does not (use|depend)|cotangent|from above|"
    r"\bg\b (is )?(not|never|missing)|without g|multiplied by g|use of g",
    "jacobian": r"Jacobian|diagonal|elementwise|element by element|softmax",
    "mask": r"mask|gate|let through|zero|inverted|opposite|complement",
    "shift": r"shift|moved|off by one|one (step|place|element|row|column)|padding|crop|"
    r"stride|neighbou?r",
    "border": r"border|boundary|\bedge|outermost|padding|corner",
    "rows": r"\brow|sample|batch|only|last|first|index",
    "stale": r"stale|earlier|previous|older|first call|cache|another call|other call",
    "state": r"second (call|time)|twice|again|grow|state|accumul|between calls|differs",
    "write": r"overwr|in place|in-place|modif|wrote|writes|written|read-only|changes",
    "extra": r"\bextra|added|adds|leak|decay|λ|plus|proportional|offset|"
    r"independent of|does not belong",
    "tie": r"\bties?\b|tied|equal|both|several|shared|split",
    "dtype": r"dtype|float16|float32|integer|\bint\b|round|precision|truncat",
    "random": r"random|drawn|anew|nondetermin|differs|between calls|new mask",
    "sampling": r"bilinear|interpol|weights?|neighbou?r|corner|coordinate|fraction",
    "zero": r"\bzero\b|never|no gradient|forgot|nothing",
    "time": r"\btime\b|\bstep|earlier|previous|shift|recurren",
    "order": r"order|swapp|exchang|permut|another input|mixed up|interchang",
}


@dataclass(frozen=True)
class Pair:
    """A function and the way back, as students write them, and inputs for it."""

    forward: Forward
    backward: Backward
    make: Maker
    body: Any = None  # of an @op of minidl, where it was written as one

    def with_gradient(self, i: int, slip: Backward) -> Pair:
        """Return the pair whose gradient of input i is another one."""

        def backward(dout: Array, cache: Any) -> tuple[Any, ...]:
            grads = list(as_tuple(self.backward(dout, cache)))
            grads[i] = slip(dout, cache)
            return tuple(grads)

        return Pair(self.forward, backward, self.make)


def from_body(body: Any, make: Maker) -> Pair:
    """Return the pair of an op's body, whose way back is a map or one map per input."""

    def backward(dout: Array, back: Any) -> Any:
        if callable(back):
            return back(dout)
        return tuple(None if one is None else one(dout) for one in back)

    return Pair(body, backward, make, body)


@dataclass(frozen=True)
class Case:
    """A wrong pair, made by `wrong()` with fresh state; `expect`: ideas or regexes."""

    name: str
    family: str
    right: Pair
    wrong: Callable[[], Pair]
    expect: str

    def accepts(self, text: str) -> bool:
        """Whether `text` expresses one of the expected ideas.

        What is said of a place ("wrong only at … along axis 1, and right elsewhere:
        look at …") counts by the place alone, and a variance only where there is one.
        Two formulas, of what is there and of what is right, say all.
        """
        if "; the right one is " in text or "stand for one another" in text:
            return True
        if "right elsewhere" in text:
            text = text.split("right elsewhere")[0].split(" along ")[0]
        if "variance" in text and not re.search("norm|variance|std", self.name):
            return False
        ideas = re.split(r"\s*\|\s*(?![^(]*\))", self.expect)
        words = [IDEAS.get(idea, idea) for idea in ideas]
        return any(re.search(word, text, re.IGNORECASE) for word in words)


class Bank:
    """The cases of one half, in order; its two methods add to them."""

    def __init__(self) -> None:
        self.cases: list[Case] = []

    def row(
        self, name: str, right: Pair, at: int, slip: Backward, family: str, expect: str
    ) -> None:
        """Add the right pair with a wrong gradient of input `at`."""
        wrong = right.with_gradient(at, slip)
        self.cases.append(Case(name, family, right, lambda: wrong, expect))

    def slip(
        self, right: Pair, family: str, expect: str, forward: Forward | None = None
    ) -> Callable[[Backward], Backward]:
        """Add the decorated backward: a wrong one of `right`, or of its own forward."""

        def add(backward: Backward) -> Backward:
            name = backward.__name__.replace("_", " ")
            wrong = Pair(forward or right.forward, backward, right.make)
            self.cases.append(Case(name, family, right, lambda: wrong, expect))
            return backward

        return add

    def body(self, right: Any, make: Maker, family: str, expect: str) -> Any:
        """Add the decorated body of an op of minidl; `right` is as it should be."""

        def add(body: Any) -> Any:
            name = "@op " + body.__name__.replace("_", " ")
            pair, wrong = from_body(right, make), from_body(body, make)
            self.cases.append(Case(name, family, pair, lambda: wrong, expect))
            return body

        return add

    def stateful(
        self, right: Pair, family: str, expect: str
    ) -> Callable[[Callable[[], tuple[Forward, Backward]]], None]:
        """Add what the decorated function makes: a pair that keeps something."""

        def add(fresh: Callable[[], tuple[Forward, Backward]]) -> None:
            name = fresh.__name__.replace("_", " ")
            wrong = lambda: Pair(*fresh(), right.make)  # noqa: E731
            self.cases.append(Case(name, family, right, wrong, expect))

        return add


def as_tuple(grads: Any) -> tuple[Any, ...]:
    return tuple(grads) if isinstance(grads, tuple | list) else (grads,)


# --- makers of inputs


def draws(*specs: Any) -> Maker:
    """Shapes are normal numbers; callables are given the generator."""

    def make(rng: Generator) -> list[Array]:
        return [s(rng) if callable(s) else rng.standard_normal(s) for s in specs]

    return make


def positive(*shape: int) -> Callable[[Generator], Array]:
    return lambda rng: rng.uniform(0.5, 2.0, shape)


def uniform(low: float, high: float, *shape: int) -> Callable[[Generator], Array]:
    return lambda rng: rng.uniform(low, high, shape)


def integers(high: int, *shape: int) -> Callable[[Generator], Array]:
    return lambda rng: rng.integers(0, high, shape)


def booleans(*shape: int) -> Callable[[Generator], Array]:
    return lambda rng: rng.random(shape) < 0.6


# --- the bank's own verification


def is_float(x: Array) -> bool:
    return bool(np.issubdtype(x.dtype, np.floating))


def elements(x: Array) -> Iterator[tuple[int, ...]]:
    return iter(np.ndindex(x.shape))


def numeric(pair: Pair, inputs: list[Array], dout: Array, h: float = 1e-6) -> list[Any]:
    """Return ∂Σ dout · forward / ∂x for each float input; nan where it has a kink."""

    def value(k: int, i: tuple[int, ...], step: float) -> float:
        moved = [x.copy() for x in inputs]
        moved[k][i] += step
        return float((pair.forward(*moved)[0] * dout).sum())

    centre = float((pair.forward(*[x.copy() for x in inputs])[0] * dout).sum())
    grads: list[Any] = []
    for k, x in enumerate(inputs):
        if not is_float(x):
            grads.append(None)
            continue
        grad = np.zeros(x.shape)
        for i in elements(x):
            ahead, back = value(k, i, h), value(k, i, -h)
            right, left = (ahead - centre) / h, (centre - back) / h
            kink = abs(right - left) > 1e-3 * (1 + abs(right) + abs(left))
            grad[i] = np.nan if kink else (ahead - back) / (2 * h)
        grads.append(grad)
    return grads


def agrees(analytic: Any, expected: list[Any], rtol: float) -> bool:
    """Whether the shapes fit and every element without a kink is right."""
    analytic = as_tuple(analytic)
    if len(analytic) != len(expected):
        return False
    for got, want in zip(analytic, expected, strict=True):
        if want is None:
            continue
        if np.shape(got) != want.shape:
            return False
        known = ~np.isnan(want)
        size = np.abs(want[known]).max(initial=1.0)
        off = np.abs(np.asarray(got, float)[known] - want[known]).max(initial=0.0)
        if not off <= rtol * size:
            return False
    return True


def is_right(
    pair: Pair,
    inputs: list[Array],
    rng: Generator,
    rtol: float = 1e-5,
    h: float = 1e-6,
) -> bool:
    """Whether the gradients are right, twice, and nothing that came in is changed."""
    wide = [x.astype(float) if is_float(x) else x for x in inputs]
    before = [x.copy() for x in inputs]
    out, cache = pair.forward(*inputs)
    dout = rng.standard_normal(np.shape(out))
    expected = numeric(pair, wide, dout, h)
    dout = dout.astype(np.asarray(out).dtype)
    sent = dout.copy()
    try:
        first = [np.copy(g) for g in as_tuple(pair.backward(sent, cache))]
        again = pair.backward(dout.copy(), cache)
    except (ValueError, IndexError, TypeError):
        return False
    kept = np.array_equal(sent, dout) and all(map(np.array_equal, inputs, before))
    return kept and agrees(first, expected, rtol) and agrees(again, expected, rtol)
