"""minidl's own ops and layers, and functions of Tensors: right as well.

The engine's tests say that they are right; the bank asks only what the checker says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import minidl as md
from minidl import nn, ops
from tests.bank.cases import Maker, booleans, draws, integers, positive, uniform


class Own(NamedTuple):
    """A function or layer (made anew for each check), and a maker of its inputs."""

    name: str
    make_function: Callable[[], Any]
    make: Maker


def op(function: Any, *specs: Any, **settings: Any) -> Own:
    """A row for a function of Tensors, with its settings."""
    name = ", ".join([function.__name__, *(f"{k} {v}" for k, v in settings.items())])
    call = (lambda *x: function(*x, **settings)) if settings else function
    return Own(f"ops: {name}", lambda: call, draws(*specs))


def layer(make: Callable[[], Any], *specs: Any) -> Own:
    """A row for a layer."""
    name = repr(make()).split(")")[0]
    return Own(f"nn: {name})", make, draws(*specs))


# --- functions of Tensors, as a student composes them
def loop_over_time(x, w):
    h = x[:, 0] * 0
    for t in range(x.shape[1]):
        h = (x[:, t] + h @ w).tanh()
    return h


def shared_input(x):
    return x * x + ops.exp(x) * x.sum(axis=0)


def deep_chain(x):
    for _ in range(30):
        x = (x + 0.1 * x.tanh()) / 1.1
    return x


def own_batch_norm(x):
    centered = x - x.mean(axis=0)
    return centered / ops.sqrt((centered * centered).mean(axis=0) + 1e-5)


def own_softmax(x):
    e = ops.exp(x - ops.max(x, axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def detached_maximum(x):
    top = md.Tensor(x.data.max(axis=1, keepdims=True))
    return ops.log(ops.exp(x - top).sum(axis=1)) + top.data[:, 0]


def views_of_views(x):
    return x.reshape(3, 4).T[1:, ::2].reshape(-1) * 2


def gathered_twice(x):
    return x[[0, 2, 0]] * x[[1, 1, 2]]


FUNCTIONS = [
    (loop_over_time, ((2, 4, 3), (3, 3))),
    (shared_input, ((4, 3),)),
    (deep_chain, ((4, 3),)),
    (own_batch_norm, ((5, 3),)),
    (own_softmax, ((4, 3),)),
    (detached_maximum, ((4, 3),)),
    (views_of_views, ((12,),)),
    (gathered_twice, ((3, 2),)),
]
SCORES = ((5, 4), integers(4, 5))

OWN = [
    *(Own(f"function: {f.__name__}", lambda f=f: f, draws(*x)) for f, x in FUNCTIONS),
    op(ops.add, (4, 3), (3,)),
    op(ops.multiply, (4, 1), (3,)),
    op(ops.divide, (4, 3), positive(3)),
    op(ops.power, positive(4, 3), (3,)),
    op(ops.maximum, (4, 3), (4, 3)),
    op(ops.log, positive(4, 3)),
    op(ops.arcsin, uniform(-0.9, 0.9, 4, 3)),
    op(ops.where, booleans(4, 3), (4, 3), (4, 3)),
    op(ops.sum, (2, 3, 4), axis=1),
    op(ops.mean, (2, 3, 4), axis=(0, 2)),
    op(ops.var, (4, 3), axis=0),
    op(ops.max, (4, 3), axis=1),
    op(ops.prod, (4, 3), axis=1),
    op(ops.cumsum, (4, 3), axis=0),
    op(ops.logsumexp, (4, 3), axis=1),
    op(ops.matmul, (2, 3, 4), (4, 5)),
    op(ops.softmax, (4, 3), axis=1),
    op(ops.gelu, (4, 3)),
    op(ops.conv2d, (2, 3, 7, 5), (4, 3, 3, 3), (4,), stride=2, padding=1),
    op(ops.conv_transpose2d, (1, 3, 3, 2), (3, 2, 3, 3), stride=2),
    op(ops.max_pool2d, (1, 2, 4, 6), kernel_size=2),
    op(ops.avg_pool2d, (1, 2, 4, 6), kernel_size=2),
    op(ops.layer_norm, (5, 3), (3,), (3,)),
    op(ops.normalize, (5, 3)),
    op(ops.embedding, integers(5, 7), (5, 3)),
    op(ops.scaled_dot_product_attention, (2, 3, 4), (2, 5, 4), (2, 5, 6)),
    op(ops.cross_entropy, *SCORES),
    op(ops.cross_entropy, *SCORES, label_smoothing=0.1),
    op(ops.focal_loss, *SCORES),
    op(ops.mse_loss, (4, 3), (4, 3)),
    op(ops.huber_loss, (4, 3), (4, 3)),
    layer(lambda: nn.Linear(3, 4), (5, 3)),
    layer(lambda: nn.Conv2d(2, 3, 3, padding=1), (2, 2, 5, 4)),
    layer(lambda: nn.BatchNorm1d(3), (5, 3)),
    layer(lambda: nn.BatchNorm2d(2), (3, 2, 2, 4)),
    layer(lambda: nn.GroupNorm(2, 4), (2, 4, 3)),
    layer(lambda: nn.Dropout(0.5), (5, 3)),
    layer(lambda: nn.PReLU(), (5, 3)),
    layer(lambda: nn.Embedding(5, 3), integers(5, 2, 4)),
    layer(lambda: nn.RNN(3, 4), (2, 3, 3)),
    layer(lambda: nn.LSTM(3, 4), (2, 3, 3)),
    layer(lambda: nn.GRU(3, 4), (2, 3, 3)),
    layer(lambda: nn.MultiHeadAttention(4, 2), (2, 3, 4)),
    layer(lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.3)), (5, 3)),
]
