"""Rows of ops/shape.py, ops/joining.py and ops/creation.py; sorting."""

import numpy as np

from minidl import ops
from minidl.ops import creation, joining, shape
from tests.rows import Row, distinct, normal

X = normal(2, 3, 4)


def listed(op):
    """`op` of a list, as a function of as many arrays."""

    def function(*xs, **settings):
        return op(xs, **settings)

    function.__name__ = op.__name__
    return function


concatenate, stack = listed(ops.concatenate), listed(ops.stack)


def in_order(x, axis=-1):
    return -np.sort(-x, axis)


def there_and_back(x):
    """To another width and back, so that the row can compare; long doubles lose nothing."""
    return ops.astype(ops.astype(x, np.longdouble), x.dtype)


# fmt: off
ROWS = [
    Row(ops.copy, (normal(3, 4),), np.copy),
    #   op                inputs                       what NumPy says                        settings
    Row(ops.reshape,      (X,),                        lambda x: x.reshape(4, -1),            {"shape": (4, -1)}),
    Row(ops.reshape,      (X[:, ::-1].T,),             lambda x: x.reshape(24),               {"shape": 24}),
    Row(ops.transpose,    (X,),                        np.transpose),
    Row(ops.transpose,    (X,),                        lambda x: x.transpose(1, 2, 0),        {"axes": (1, 2, 0)}),
    Row(ops.transpose,    (X,),                        lambda x: x.transpose(-1, 0, -2),      {"axes": (-1, 0, -2)}),
    Row(ops.swapaxes,     (X,),                        lambda x: x.swapaxes(0, -1),           {"axis1": 0, "axis2": -1}),
    Row(ops.squeeze,      (normal(1, 3, 1),),          np.squeeze),
    Row(ops.squeeze,      (normal(1, 3, 1),),          lambda x: x[0],                        {"axis": 0}),
    Row(ops.squeeze,      (normal(1, 3, 1),),          lambda x: x[0, :, 0],                  {"axis": (0, -1)}),
    Row(ops.expand_dims,  (normal(3),),                lambda x: x[:, None],                  {"axis": -1}),
    Row(ops.expand_dims,  (normal(3),),                lambda x: x[None, :, None],            {"axis": (0, 2)}),
    Row(ops.broadcast_to, (normal(3, 1),),             lambda x: np.stack([x[:, [0] * 4]] * 2), {"shape": (2, 3, 4)}),
    Row(ops.broadcast_to, (normal(),),                 lambda x: np.full((2, 3), x),          {"shape": (2, 3)}),
    Row(ops.sum_to,       (X,),                        lambda x: x.sum(0).sum(1)[:, None],    {"shape": (3, 1)}),
    Row(ops.sum_to,       (X,),                        np.sum,                                {"shape": ()}),
    Row(ops.flip,         (X,),                        lambda x: x[::-1, ::-1, ::-1]),
    Row(ops.flip,         (X,),                        lambda x: x[:, ::-1],                  {"axis": 1}),
    Row(ops.flip,         (X,),                        lambda x: x[::-1, :, ::-1],            {"axis": (0, -1)}),
    Row(ops.roll,         (X,),                        lambda x: np.concatenate([x[..., 3:], x[..., :3]], 2), {"shift": 1, "axis": -1}),
    Row(ops.roll,         (X,),                        lambda x: np.roll(x, -5),              {"shift": -5}),
    Row(ops.roll,         (X,),                        lambda x: np.roll(np.roll(x, 1, 0), -2, 2), {"shift": (1, -2), "axis": (0, 2)}),
    Row(ops.tril,         (X,),                        lambda x: x * (np.arange(3)[:, None] >= np.arange(4))),
    Row(ops.tril,         (X,),                        lambda x: x * (np.arange(3)[:, None] >= np.arange(4) - 1), {"k": 1}),
    Row(ops.triu,         (X,),                        lambda x: x * (np.arange(3)[:, None] <= np.arange(4))),
    Row(ops.triu,         (X,),                        lambda x: x * (np.arange(3)[:, None] <= np.arange(4) + 1), {"k": -1}),
    Row(ops.pad,          (X,),                        lambda x: np.pad(x, 2),                {"width": 2}),
    Row(ops.pad,          (X,),                        lambda x: np.pad(x, (1, 0)),           {"width": (1, 0)}),
    Row(ops.pad,          (X,),                        lambda x: np.pad(x, ((0, 0), (1, 2), (0, 3)), constant_values=-1.5), {"width": ((0, 0), (1, 2), (0, 3)), "value": -1.5}),
    Row(ops.pad,          (X,),                        lambda x: np.pad(x, ((0, 0), (1, 1), (2, 0)), mode="reflect"), {"width": ((0, 0), (1, 1), (2, 0)), "mode": "reflect"}),
    Row(ops.pad,          (X,),                        lambda x: np.pad(x, ((1, 0), (0, 3), (2, 1)), mode="edge"), {"width": ((1, 0), (0, 3), (2, 1)), "mode": "replicate"}),
    Row(ops.pad,          (X,),                        lambda x: np.pad(x, ((0, 0), (1, 2), (0, 3)), mode="wrap"), {"width": ((0, 0), (1, 2), (0, 3)), "mode": "circular"}),
    Row(concatenate,      (normal(2, 3), normal(1, 3), normal(0, 3)), lambda *xs: np.concatenate(xs)),
    Row(concatenate,      (normal(2, 3), normal(2, 1)), lambda *xs: np.hstack(xs),            {"axis": -1}),
    Row(stack,            (normal(2, 3), normal(2, 3)), lambda *xs: np.stack(xs)),
    Row(stack,            (normal(2, 3), normal(2, 3)), lambda *xs: np.stack(xs, -1),         {"axis": -1}),
    Row(ops.split,        (normal(6, 2),),             lambda x: (x[:2], x[2:4], x[4:]),      {"sections": 3}),
    Row(ops.split,        (normal(2, 6),),             lambda x: (x[:, :1], x[:, 1:1], x[:, 1:]), {"sections": [1, 1], "axis": -1}),
    Row(ops.unstack,      (normal(3, 2),),             tuple),
    Row(ops.unstack,      (normal(3, 2),),             lambda x: tuple(x.T),                  {"axis": 1}),
    Row(ops.unstack,      (normal(3),),                tuple),
    Row(ops.tile,         (normal(2, 3),),             lambda x: np.tile(x, 2),               {"reps": 2}),
    Row(ops.tile,         (normal(2, 3),),             lambda x: np.tile(x, (2, 1, 3)),       {"reps": (2, 1, 3)}),
    Row(ops.tile,         (X,),                        lambda x: np.tile(x, (2, 3)),          {"reps": (2, 3)}),
    Row(ops.repeat,       (normal(2, 3),),             lambda x: np.repeat(x, 2),             {"repeats": 2}),
    Row(ops.repeat,       (X,),                        lambda x: np.repeat(x, 3, 1),          {"repeats": 3, "axis": 1}),
    Row(ops.repeat,       (X,),                        lambda x: np.repeat(x, 2, -1),         {"repeats": 2, "axis": -1}),
    Row(ops.repeat,       (X,),                        lambda x: np.repeat(x, [2, 0, 1], 1),  {"repeats": [2, 0, 1], "axis": 1}),
    Row(creation._to,     (normal(3),),                lambda x: x,                           {"device": "cpu"}),
    Row(joining._concatenate, (normal(2, 3), normal(2, 1)), lambda *xs: np.hstack(xs),        {"axis": 1}),
    Row(joining._stack,   (normal(2, 3), normal(2, 3)), lambda *xs: np.stack(xs, 1),          {"axis": 1}),
    Row(shape._crop,      (X,),                        lambda x: x[:, 1:, 2:3],               {"width": ((0, 0), (1, 0), (2, 1))}),
    Row(there_and_back,   (normal(3),),                lambda x: x),
    Row(ops.detach,       (normal(3),),                lambda x: x,                           orders=0),
    Row(ops.zeros_like,   (normal(3),),                np.zeros_like),
    Row(ops.ones_like,    (normal(3),),                np.ones_like),
    Row(ops.to,           (normal(3),),                lambda x: x,                           {"device": "cpu"}),
    Row(ops.sort,         (distinct(3, 4),),           np.sort),
    Row(ops.sort,         (distinct(3, 4),),           lambda x: np.sort(x, 0)[::-1],         {"axis": 0, "descending": True}),
    Row(ops.argsort,      (distinct(3, 4),),           lambda x: np.argsort(x, 0),            {"axis": 0}),
    Row(ops.topk,         (distinct(3, 4),),           lambda x: (in_order(x)[:, :2], np.argsort(-x)[:, :2]), {"k": 2}),
    Row(ops.topk,         (distinct(3, 4),),           lambda x: (np.sort(x, 0)[:2], np.argsort(x, 0)[:2]), {"k": 2, "axis": 0, "largest": False}),
]
