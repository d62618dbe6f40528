"""Rows of ops/elementwise.py; sigmoid and softplus."""

import math

import numpy as np

from minidl import ops
from tests.rows import Row, distinct, normal, off_zero, positive

MASK = np.array([[True, False], [False, True], [True, True]])
WITH_ZERO = np.array([-2.0, 0.0, 0.5, 0.0])


def apart(*shape):
    """Two arrays that differ by at least 0.1 everywhere: neither ties with the other."""
    a = normal(*shape)
    return a, a + off_zero(*shape)


def inside(*shape):
    """Between −1 and 1, not close to either."""
    return np.tanh(normal(*shape))


def each(function):
    """A function of one number, applied to every number: slow, and hard to get wrong."""
    return np.vectorize(function, otypes=[float])


ROWS = [
    #   op               inputs                                      what NumPy says
    Row(ops.add,         (normal(3, 4), normal(4)),                  np.add),
    Row(ops.add,         (normal(), normal(2, 1, 3)),                np.add),
    Row(ops.subtract,    (normal(3, 1), normal(3, 4)),               np.subtract),
    Row(ops.subtract,    (normal(2, 3, 4), normal(1, 4)),            np.subtract),
    Row(ops.multiply,    (normal(3, 1), normal(1, 4)),               np.multiply),
    Row(ops.multiply,    (normal(3), normal()),                      np.multiply),
    Row(ops.divide,      (normal(3, 4), positive(4)),                np.divide),
    Row(ops.divide,      (normal(2), -positive(3, 2)),               np.divide),
    Row(ops.negative,    (normal(3, 2),),                            np.negative),
    Row(ops.square,      (normal(3, 2),),                            np.square),
    Row(ops.reciprocal,  (-positive(3, 2),),                         np.reciprocal),
    Row(ops.sqrt,        (positive(3, 2),),                          np.sqrt),
    Row(ops.rsqrt,       (positive(3, 2),),                          lambda x: x ** -0.5),
    Row(ops.power,       (positive(3, 2), normal(2)),                np.power),
    Row(ops.power,       (normal(3, 2), 3),                          np.power, name="3"),
    Row(ops.power,       (WITH_ZERO, 2),                             np.power, name="2"),
    Row(ops.power,       (WITH_ZERO, 1),                             np.power, name="1"),
    Row(ops.power,       (WITH_ZERO, 0),                             np.power, name="0"),
    Row(ops.power,       (positive(4), -1.5),                        np.power, name="-1.5"),
    Row(ops.power,       (2.0, normal(4)),                           np.power, name="of 2"),
    Row(ops.exp,         (normal(3, 2),),                            np.exp),
    Row(ops.expm1,       (normal(3, 2),),                            np.expm1),
    Row(ops.log,         (positive(3, 2),),                          np.log),
    Row(ops.log1p,       (positive(3, 2),),                          np.log1p),
    Row(ops.where,       (MASK, normal(3, 2), normal(2)),            np.where),
    Row(ops.where,       (MASK, normal(), normal(2, 3, 2)),          np.where),
    Row(ops.masked_fill, (normal(3, 2), MASK),                       lambda x, m: np.where(m, 0.5, x), {"value": 0.5}),
    Row(ops.masked_fill, (normal(2, 3, 2), MASK),                    lambda x, m: np.where(m, 7.0, x), {"value": 7.0}),
    Row(ops.masked_fill, (normal(2), MASK),                          lambda x, m: np.where(m, 7.0, x), {"value": 7.0}),
    Row(ops.maximum,     apart(3, 4),                                np.maximum),
    Row(ops.maximum,     (off_zero(3, 4), 0.0),                      np.maximum, name="0"),
    Row(ops.maximum,     (distinct(3, 1), distinct(4)),              np.maximum),
    Row(ops.minimum,     apart(3, 4),                                np.minimum),
    Row(ops.minimum,     (distinct(3, 1), distinct(4)),       np.minimum),
    Row(ops.clip,        (distinct(5, 4),),                            lambda x: np.minimum(np.maximum(x, -0.55), 0.65), {"low": -0.55, "high": 0.65}),
    Row(ops.clip,        (off_zero(3, 4),),                          lambda x: np.maximum(x, 0), {"low": 0.0}),
    Row(ops.abs,         (off_zero(3, 4),),                          np.abs),
    Row(ops.sign,        (off_zero(3, 4),),                          np.sign),
    Row(ops.sin,         (normal(3, 2),),                            np.sin),
    Row(ops.cos,         (normal(3, 2),),                            np.cos),
    Row(ops.tan,         (inside(3, 2),),                            np.tan),
    Row(ops.arcsin,      (0.9 * inside(3, 2),),                      np.arcsin),
    Row(ops.arccos,      (0.9 * inside(3, 2),),                      np.arccos),
    Row(ops.arctan,      (normal(3, 2),),                            np.arctan),
    Row(ops.sinh,        (normal(3, 2),),                            np.sinh),
    Row(ops.cosh,        (normal(3, 2),),                            np.cosh),
    Row(ops.tanh,        (normal(3, 2),),                            np.tanh),
    Row(ops.sigmoid,     (normal(3, 2),),                            lambda x: 0.5 * np.tanh(0.5 * x) + 0.5),
    Row(ops.sigmoid,     (np.zeros(3),),                             lambda x: x + 0.5, name="at 0"),
    Row(ops.softplus,    (normal(3, 2),),                            lambda x: np.log(1 + np.exp(x))),
    Row(ops.softplus,    (normal(3, 2),),                            lambda x: np.log(1 + np.exp(3 * x)) / 3, {"beta": 3.0}),
    Row(ops.erf,         (2 * normal(3, 4),),                        each(math.erf)),
]  # fmt: skip
