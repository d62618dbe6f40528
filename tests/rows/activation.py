"""Rows of ops/activation.py."""

import math

import numpy as np

from minidl import nn, ops
from tests.rows import LayerRow, Row, distinct, normal, off_zero, positive

# No numbers near 0, where some have a kink; 4 pieces that never tie.
PIECES = distinct(2, 8)


def each(f):
    """A function of one float, applied to every number: as plain as an oracle can be."""
    return np.vectorize(f, otypes=[float])


def elu(x, alpha=1.0):
    return x if x > 0 else alpha * math.expm1(x)


def gelu_tanh(x):
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def prelu(x, slope):
    a = np.broadcast_to(slope[:, None] if x.ndim == 3 else slope, x.shape)
    return each(lambda v, s: v if v > 0 else s * v)(x, a)


def softmax(x, axis=-1):
    return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)


def maxout(x, pieces, axis=-1):
    groups = np.split(x, x.shape[axis] // pieces, axis)
    return np.stack([group.max(axis=axis) for group in groups], axis)


ROWS = [
    #   op              inputs                           what NumPy says
    Row(ops.relu,       (off_zero(3, 4),),               each(lambda x: x if x > 0 else 0.0)),
    Row(ops.relu,       (off_zero(2, 3, 2, 2),),         each(lambda x: max(x, 0.0))),
    Row(ops.leaky_relu, (off_zero(3, 4),),               each(lambda x: x if x > 0 else 0.01 * x)),
    Row(ops.leaky_relu, (off_zero(3, 4),),               each(lambda x: x if x > 0 else -0.3 * x), {"negative_slope": -0.3}),
    Row(ops.prelu,      (off_zero(3, 4), positive(1)),   prelu),
    Row(ops.prelu,      (off_zero(3, 4), normal(4)),     prelu),
    Row(ops.prelu,      (off_zero(2, 3, 4), normal(3)),  prelu),
    Row(ops.prelu,      (off_zero(4), normal(1)),        prelu),
    Row(ops.elu,        (off_zero(3, 4),),               each(elu)),
    Row(ops.elu,        (off_zero(3, 4),),               each(lambda x: elu(x, 0.4)), {"alpha": 0.4}),
    Row(ops.selu,       (off_zero(3, 4),),               each(lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772))),
    Row(ops.gelu,       (normal(3, 4),),                 each(lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2))))),
    Row(ops.gelu,       (normal(3, 4),),                 each(gelu_tanh), {"approximate": "tanh"}),
    Row(ops.silu,       (normal(3, 4),),                 each(lambda x: x / (1 + math.exp(-x)))),
    Row(ops.logsigmoid, (normal(3, 4),),                 each(lambda x: -math.log(1 + math.exp(-x)))),
    Row(ops.softsign,   (off_zero(3, 4),),               each(lambda x: x / (1 + abs(x)))),
    Row(ops.mish,       (normal(3, 4),),                 each(lambda x: x * math.tanh(math.log(1 + math.exp(x))))),
    Row(ops.hardtanh,   (distinct(3, 4) + 0.03,),        each(lambda x: min(max(x, -0.4), 0.3)), {"min_val": -0.4, "max_val": 0.3}),
    Row(ops.glu,        (normal(3, 4),),                 lambda x: x[:, :2] / (1 + np.exp(-x[:, 2:]))),
    Row(ops.glu,        (normal(2, 4, 3),),              lambda x: x[:, :2] / (1 + np.exp(-x[:, 2:])), {"axis": 1}),
    Row(ops.maxout,     (PIECES,),                       lambda x: maxout(x, 4), {"pieces": 4}),
    Row(ops.maxout,     (distinct(2, 6, 2, 2),),         lambda x: maxout(x, 3, 1), {"pieces": 3, "axis": 1}),
    Row(ops.softmax,    (normal(3, 4),),                 softmax),
    Row(ops.softmax,    (normal(2, 3, 4),),              lambda x: softmax(x, 1), {"axis": 1}),
    Row(ops.log_softmax, (normal(3, 4),),                lambda x: np.log(softmax(x))),
    Row(ops.log_softmax, (normal(2, 3, 4),),             lambda x: np.log(softmax(x, 0)), {"axis": 0}),
]  # fmt: skip

X = normal(3, 4)
LAYERS = [
    #        layer          op               inputs  settings
    LayerRow(nn.ReLU,       ops.relu,        (X,)),
    LayerRow(nn.LeakyReLU,  ops.leaky_relu,  (X,),   {"negative_slope": 0.3}),
    LayerRow(nn.ELU,        ops.elu,         (X,),   {"alpha": 0.4}),
    LayerRow(nn.SELU,       ops.selu,        (X,)),
    LayerRow(nn.GELU,       ops.gelu,        (X,),   {"approximate": "tanh"}),
    LayerRow(nn.SiLU,       ops.silu,        (X,)),
    LayerRow(nn.Sigmoid,    ops.sigmoid,     (X,)),
    LayerRow(nn.Tanh,       ops.tanh,        (X,)),
    LayerRow(nn.Softplus,   ops.softplus,    (X,),   {"beta": 2.0}),
    LayerRow(nn.LogSigmoid, ops.logsigmoid,  (X,)),
    LayerRow(nn.Softsign,   ops.softsign,    (X,)),
    LayerRow(nn.Mish,       ops.mish,        (X,)),
    LayerRow(nn.Hardtanh,   ops.hardtanh,    (X,),   {"min_val": -0.5, "max_val": 0.25}),
    LayerRow(nn.GLU,        ops.glu,         (normal(4, 6),), {"axis": 0}),
    LayerRow(nn.Softmax,    ops.softmax,     (X,),   {"axis": 0}),
    LayerRow(nn.LogSoftmax, ops.log_softmax, (X,),   {"axis": 0}),
]  # fmt: skip
