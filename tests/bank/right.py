"""Right implementations, which no checker may call wrong.

Every pair of `pairs.py` and `algebra.py` is taken plain and in variants: float32,
views, Fortran order, in place on own copies, the other axis. EDGES are inputs near
kinks and at them, at the edge of a domain, very large and very small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tests.bank import pairs
from tests.bank.algebra import OTHER
from tests.bank.cases import (
    Array,
    Generator,
    Pair,
    as_tuple,
    draws,
    is_float,
    uniform,
)


@dataclass(frozen=True)
class Right:
    """A right pair; `h` is the step that a plain difference needs, rtol its noise."""

    name: str
    pair: Pair
    h: float = 1e-6
    rtol: float = 1e-5


# --- variants of one implementation
def with_inputs(pair: Pair, change: Callable[[Array], Array]) -> Pair:
    def make(rng: Generator) -> list[Array]:
        return [change(x) for x in pair.make(rng)]

    return Pair(pair.forward, pair.backward, make)


def strided(x: Array) -> Array:
    """The same numbers as every second element, backwards, of a larger array."""
    if not x.ndim:
        return x
    wide = np.zeros((2 * len(x), *x.shape[1:]), x.dtype)
    view = wide[::-2]
    view[...] = x
    return view


def on_own_copies(pair: Pair) -> Pair:
    """A backward that spoils its copy of dout, as in-place code may."""

    def backward(dout, cache):
        own = np.array(dout)
        grads = tuple(g if g is None else np.array(g) for g in
                      as_tuple(pair.backward(own, cache)))  # fmt: skip
        own[...] = np.nan
        for g in grads:
            if g is not None and g.ndim:
                g += 1
                g -= 1
        return list(grads)

    return Pair(pair.forward, backward, pair.make)


def turned(pair: Pair) -> Pair:
    """The same operation on xᵀ: over the other axis."""

    def forward(x):
        y, cache = pair.forward(x.T)
        return y.T, cache

    def make(rng: Generator) -> list[Array]:
        return [x.T.copy() for x in pair.make(rng)]

    return Pair(forward, lambda d, c: as_tuple(pair.backward(d.T, c))[0].T, make)


def of_one_matrix(pair: Pair) -> bool:
    inputs = pair.make(np.random.default_rng(0))
    return len(inputs) == 1 and inputs[0].ndim == 2


def variants(name: str, pair: Pair) -> Iterator[Right]:
    yield Right(name, pair)
    narrow = with_inputs(pair, lambda x: x.astype("float32") if is_float(x) else x)
    yield Right(f"{name}: float32", narrow, rtol=1e-3)
    yield Right(f"{name}: every second element", with_inputs(pair, strided))
    yield Right(f"{name}: Fortran order", with_inputs(pair, np.asfortranarray))
    yield Right(f"{name}: own copies in place", on_own_copies(pair))
    if of_one_matrix(pair):
        yield Right(f"{name}: the other axis", turned(pair))


# --- edges: a function, its derivative, the inputs, and the step of a plain difference
def edge(name: str, pair: Pair, x: Array, h: float = 1e-6, rtol: float = 1e-5) -> Right:
    return Right(
        name, Pair(pair.forward, pair.backward, lambda rng: [x.copy()]), h, rtol
    )


NEAR = np.array([[1e-4, -1e-4, 0.3], [-2e-4, 3e-4, -0.7]])
AT = np.array([[0.0, 0.5, -1.0], [2.0, 0.0, -0.25]])
TIED = np.array([[1.0, 1.0, 0.2], [0.5, 0.9, 0.1], [-1.0, -2.0, -1.0]])
CLOSE = np.array([[1.0, 1.0001, 0.2], [0.3, -0.2, 0.3001]])
TINY = np.array([1e-9, 3e-7, 1e-4, 0.5])
LARGE = np.array([[40.0, -40.0, 3.0], [25.0, -0.5, -700.0]])
OFFSET = np.array([[500.0, 501.0, 499.5], [-300.0, -301.0, -300.5]])
KINKED = ["relu", "leaky_relu", "elu", "softplus", "tanh", "clip"]
SCORES = np.array([[12.0, -3.0, 2.0], [-8.0, 1.0, 9.0]])

EDGES = [
    *(edge(f"{n} near 0", getattr(pairs, n), NEAR) for n in KINKED),
    *(edge(f"{n} at 0", getattr(pairs, n), AT) for n in KINKED),
    edge("clip at its limits", pairs.clip, np.array([-0.8, 0.6, 0.1, 0.9])),
    edge("absolute at 0", OTHER["absolute"], AT),
    edge("absolute near 0", OTHER["absolute"], NEAR),
    edge("log at 1e-9", pairs.log, TINY, 1e-12, 1e-3),
    edge("sqrt at 1e-9", pairs.sqrt, TINY, 1e-12, 1e-3),
    edge("log of 1e9", pairs.log, np.array([1e9, 2e8, 3.0]), 1e-4),
    edge("sigmoid at 40", OTHER["sigmoid by tanh"], LARGE),
    edge("tanh at 40", pairs.tanh, LARGE),
    edge("softplus at −700", OTHER["softplus by logaddexp"], LARGE),
    edge("softmax of 500", pairs.softmax, OFFSET, 1e-5),
    edge("softmax saturated", pairs.softmax, SCORES),
    edge("maximum tied", pairs.maximum, TIED),
    edge("maximum tied, argmax", OTHER["maximum by argmax"], TIED),
    edge("maximum close", pairs.maximum, CLOSE),
    edge("normalize a short row", pairs.normalize, NEAR, 1e-9, 1e-4),
    edge("variance of 1e4 + x", pairs.variance, 1e4 + TIED, 1e-3, 1e-4),
    edge("cubes of 1e3", pairs.power, 1e3 * CLOSE, 1e-3),
    edge("cubes of 1e-3", pairs.power, 1e-3 * CLOSE, 1e-7),
    edge("one number", pairs.tanh, np.array(0.4)),
    edge("one element", pairs.sigmoid, np.array([[-0.4]])),
    edge("one row", pairs.softmax, np.array([[0.4, 1.0, -2.0]])),
    edge("one column", pairs.softmax, np.array([[0.4], [-1.0]])),
]
SHAPES = [
    ("affine, one sample", pairs.affine, ((1, 3), (3, 2), (2,))),
    ("affine, one feature", pairs.affine, ((4, 1), (1, 2), (2,))),
    ("affine, square", pairs.affine, ((3, 3), (3, 3), (3,))),
    ("affine, one class", pairs.affine, ((4, 3), (3, 1), (1,))),
    ("batch norm, two samples", pairs.batch_norm, ((2, 5), (5,), (5,))),
    ("layer norm, two features", pairs.layer_norm, ((4, 2), (2,), (2,))),
    ("layer norm, square", pairs.layer_norm, ((4, 4), (4,), (4,))),
    ("attention, one key", pairs.attention, ((3, 2), (1, 2), (1, 4))),
    ("attention, square", pairs.attention, ((3, 3), (3, 3), (3, 3))),
    ("rnn, one step", pairs.rnn, ((3, 1, 2), (2, 4), (4, 4))),
    ("divide, wide", pairs.divide, ((2, 7), uniform(0.2, 4, 2, 7))),
    (
        "labels of one class",
        pairs.cross_entropy,
        ((4, 3), lambda rng: np.zeros(4, int)),
    ),
    ("embedding, all the same", pairs.embedding, ((4, 3), lambda rng: np.full(6, 2))),
    ("embedding, none", pairs.embedding, ((4, 3), lambda rng: np.zeros(0, int))),
    ("dropout of nothing", pairs.dropout, ((3, 4), lambda rng: np.ones((3, 4), bool))),
    ("dropout of all", pairs.dropout, ((3, 4), lambda rng: np.zeros((3, 4), bool))),
]

NAMED = {n: p for n, p in vars(pairs).items() if isinstance(p, Pair)} | OTHER
RIGHT = [
    *(right for name, pair in NAMED.items() for right in variants(name, pair)),
    *EDGES,
    *(Right(name, Pair(p.forward, p.backward, draws(*s))) for name, p, s in SHAPES),
]
