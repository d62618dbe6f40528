"""Rows of ops/embedding.py: the oracle multiplies by one-hot rows."""

import functools

import numpy as np

from minidl import ops
from tests.rows import Row, normal


def looked_up(i, weight, padding_idx=None):
    return np.eye(len(weight))[i] @ weight


def r(ids, weight, **settings):
    oracle = functools.partial(looked_up, **settings)
    orders = (
        0 if "padding_idx" in settings else 3
    )  # a difference quotient sees that row
    return Row(ops.embedding, (np.array(ids), weight), oracle, settings, orders=orders)


ROWS = [
    r([2, 0, 2, 2, 1], normal(4, 3)),
    r([[1, 1], [3, 0]], normal(4, 2)),
    r(3, normal(4, 2)),
    r(np.zeros((2, 0), int), normal(4, 2)),
    r([[1, 2], [2, 0]], normal(3, 2), padding_idx=2),
]
