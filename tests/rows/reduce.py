"""Rows of ops/reduce.py."""

import math

import numpy as np

from minidl import ops
from tests.rows import Row, distinct, normal, off_zero

ZEROS = np.array([[1.5, 0.0, -2.0, 0.5], [0.0, 3.0, 0.0, 1.0], [0.0, 0.0, 0.0, 2.0]])
X = normal(2, 3, 4)
D = distinct(2, 3, 4)

AXES = [
    {}, {"axis": 0}, {"axis": -1}, {"axis": (0, 2)}, {"axis": (-1, 1), "keepdims": True},
    {"axis": 1, "keepdims": True}, {"keepdims": True}, {"axis": ()},
]  # fmt: skip


def over(op, oracle, x, settings):
    """One row for each way to name the axes."""
    return [Row(op, (x,), lambda x, kw=kw: oracle(x, **kw), kw) for kw in settings]


def logsumexp(x, **settings):
    return np.log(np.exp(x).sum(**settings))


def norm(x, **settings):
    return np.sqrt((x**2).sum(**settings))


ROWS = [
    *over(ops.sum, np.sum, X, AXES),
    *over(ops.mean, np.mean, X, AXES),
    *over(ops.var, np.var, X, [*AXES[:7], {"ddof": 1}, {"axis": 1, "ddof": 2}]),
    *over(ops.std, np.std, X, [*AXES[:7], {"ddof": 1}, {"axis": (0, 1), "ddof": 2}]),
    *over(ops.prod, np.prod, X, AXES),
    *over(ops.prod, np.prod, ZEROS, [{}, {"axis": 0}, {"axis": 1}]),
    *over(ops.max, np.max, D, AXES),
    *over(ops.min, np.min, D, AXES),
    *over(ops.logsumexp, logsumexp, X, AXES[:7]),
    *over(ops.cumsum, np.cumsum, X, [{}, {"axis": 0}, {"axis": -1}]),
    *over(ops.norm, norm, X, AXES[:7]),
    Row(ops.norm,   (off_zero(3, 4),),   lambda x: np.abs(x).sum(1), {"ord": 1, "axis": 1}),
    Row(ops.norm,   (distinct(3, 4) + 2,), lambda x: np.abs(x).max(1), {"ord": math.inf, "axis": 1}),
    Row(ops.sum,    (normal(),),         lambda x: x, name="0-d"),
    Row(ops.sum,    (normal(3, 0),),     lambda x: np.zeros(3), {"axis": 1}, name="empty"),
    Row(ops.mean,   (normal(),),         lambda x: x, name="0-d"),
    Row(ops.max,    (normal(),),         lambda x: x, name="0-d"),
    Row(ops.prod,   (normal(),),         lambda x: x, name="0-d"),
    Row(ops.prod,   (normal(0, 3),),     lambda x: np.ones(3), {"axis": 0}, name="empty"),
    Row(ops.argmax, (D,),                lambda x: np.argmax(x, 1), {"axis": 1}),
    Row(ops.any,    (ZEROS,),            lambda x: np.any(x, axis=0), {"axis": 0}),
    Row(ops.all,    (ZEROS,),            lambda x: np.all(x, axis=0, keepdims=True), {"axis": 0, "keepdims": True}),
]  # fmt: skip
