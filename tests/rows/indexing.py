"""Rows of ops/indexing.py."""

import numpy as np

from minidl import ops
from tests.rows import Row, normal

X = normal(3, 4, 5)
MASK = np.array([[True, False, True, True], [False] * 4, [False, True, False, False]])
I = np.array([2, 0, 2])  # noqa: E741
EACH = np.array([[1, 1, 0], [3, 0, -1], [2, 2, 2]])

INDICES = [
    0,
    -1,
    slice(None, None, -2),
    (slice(1, None), 2),
    (..., 3),
    (None, 1, ..., None),
    (slice(None), None, slice(None, None, 2), -1),
    I,
    [0, 0, 1],
    (I, np.array([1, 1, 1])),
    (slice(None), I),
    (I, slice(None), np.array([[1], [0]])),
    (1, 2, 3),
    np.array(1),
    MASK,
    (MASK, slice(1, 3)),
    MASK[:, 0],
    np.zeros(0, int),
    (),
    ...,
]


def picked(index):
    return Row(ops.getitem, (X,), lambda x: x[index], {"index": index})


def placed(x, index, shape):
    """Zeros with x added at [index], one element at a time."""
    where = np.arange(np.prod(shape, dtype=int)).reshape(shape)[index]
    y = np.zeros(np.prod(shape, dtype=int))
    for i, value in zip(
        where.ravel(), np.broadcast_to(x, where.shape).ravel(), strict=True
    ):
        y[i] += value
    return y.reshape(shape)


def added(x, index, shape):
    settings = {"index": index, "shape": shape}
    return Row(ops.scatter, (x,), lambda x: placed(x, index, shape), settings)


# fmt: off
ROWS = [
    *map(picked, INDICES),
    added(normal(3), I, (4,)),
    added(normal(3, 2), (slice(None), [0, 0]), (3, 4)),
    added(normal(4), MASK, (3, 4)),
    Row(ops.take, (X, I), lambda x, i: np.take(x, i)),
    Row(ops.take, (X, I), lambda x, i: np.take(x, i, 1), {"axis": 1}),
    Row(ops.take, (X, EACH), lambda x, i: np.take(x, i, -1), {"axis": -1}),
    Row(ops.take_along_axis, (X[0, :3], EACH[:, :2]), lambda x, i: np.array([r[j] for r, j in zip(x, i, strict=True)])),
    Row(ops.take_along_axis, (X[0], EACH[:1, [0, 0, 1, 2, 2]]), lambda x, i: np.take_along_axis(x, i, 0), {"axis": 0}),
    Row(ops.take_along_axis, (X, EACH[:, :, None]), lambda x, i: np.take_along_axis(x, i, 1), {"axis": 1}),
    Row(ops.diagonal, (X,), np.diagonal),
    Row(ops.diagonal, (X,), lambda x: np.diagonal(x, -1), {"offset": -1}),
    Row(ops.diagonal, (X,), lambda x: np.diagonal(x, 2, 2, 0), {"offset": 2, "axis1": -1, "axis2": 0}),
    Row(ops.diagonal, (X,), lambda x: np.diagonal(x, 9), {"offset": 9}),
]
