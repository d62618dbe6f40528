"""Rows of ops/recurrent.py: the oracles loop over every sequence."""

import functools

import numpy as np

from minidl import ops
from tests.rows import Row, normal


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def rnn_step(x, h, wx, wh, b=None, nonlinearity="tanh"):
    z = x @ wx + h @ wh + (0 if b is None else b)
    return np.tanh(z) if nonlinearity == "tanh" else np.maximum(z, 0)


def lstm_step(x, h, c, wx, wh, b=None):
    z = x @ wx + h @ wh + (0 if b is None else b)
    i, f, o, g = np.split(z, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(x, h, wx, wh, b=None, bh=None):
    a = np.split(x @ wx + (0 if b is None else b), 3, axis=-1)
    u = np.split(h @ wh + (0 if bh is None else bh), 3, axis=-1)
    r, z = sigmoid(a[0] + u[0]), sigmoid(a[1] + u[1])
    return (1 - z) * np.tanh(a[2] + r * u[2]) + z * h


def over_time(step, n_states, inputs, reverse=False, **settings):
    """One sequence after the other, only where its mask is true."""
    x, *rest = inputs
    states, weights, mask = rest[:n_states], rest[n_states:-1], rest[-1]
    n, t = x.shape[:2]
    size = weights[1].shape[0]
    mask = np.ones((n, t), bool) if mask is None else mask
    y = np.zeros((n, t, size))
    last = [np.zeros((n, size)) if s is None else s.copy() for s in states]
    for j in range(n):
        for i in range(t)[::-1] if reverse else range(t):
            if mask[j, i]:
                new = step(x[j, i], *(s[j] for s in last), *weights, **settings)
                for s, value in zip(last, new if n_states > 1 else [new], strict=True):
                    s[j] = value
                y[j, i] = last[0][j]
    return y, *last


def sequence(op, step, n_states, inputs, **settings):
    def oracle(*inputs):
        return over_time(step, n_states, inputs, **settings)

    # three orders take a while; two are what a sequence is asked for
    return Row(op, inputs, oracle, settings, orders=2)


def cell(op, inputs, step, **settings):
    return Row(op, inputs, functools.partial(step, **settings), settings)


N, T, D, H = 3, 4, 2, 3
HOLES = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1]], bool)
NOBODY = np.array([[0, 0, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]], bool)
X, h, c = normal(N, T, D), normal(N, H), normal(N, H)
W = {k: (normal(D, k * H), normal(H, k * H) * 0.5) for k in (1, 3, 4)}
B = {k: normal(k * H) for k in (1, 3, 4)}
B2 = normal(3 * H)
RELU = {"nonlinearity": "relu"}

# fmt: off
ROWS = [
    cell(ops.rnn_cell,  (X[:, 0], h, *W[1], B[1]), rnn_step),
    cell(ops.rnn_cell,  (X[:, 0], h, *W[1], None), rnn_step),
    cell(ops.rnn_cell,  (X[:, 0], h, *W[1], B[1]), rnn_step, **RELU),
    cell(ops.lstm_cell, (X[:, 0], h, c, *W[4], B[4]), lstm_step),
    cell(ops.lstm_cell, (X[:, 0], h, c, *W[4], None), lstm_step),
    cell(ops.gru_cell,  (X[:, 0], h, *W[3], B[3], B2), gru_step),
    cell(ops.gru_cell,  (X[:, 0], h, *W[3], None, None), gru_step),
    sequence(ops.rnn,  rnn_step, 1, (X, h, *W[1], B[1], None)),
    sequence(ops.rnn,  rnn_step, 1, (X, None, *W[1], None, HOLES), reverse=True),
    sequence(ops.rnn,  rnn_step, 1, (X, h, *W[1], B[1], HOLES), **RELU),
    sequence(ops.lstm, lstm_step, 2, (X, h, c, *W[4], B[4], None)),
    sequence(ops.lstm, lstm_step, 2, (X, None, None, *W[4], None, None), reverse=True),
    sequence(ops.lstm, lstm_step, 2, (X, h, c, *W[4], B[4], HOLES)),
    sequence(ops.lstm, lstm_step, 2, (X, h, c, *W[4], B[4], NOBODY), reverse=True),
    sequence(ops.gru,  gru_step, 1, (X, h, *W[3], B[3], B2, None)),
    sequence(ops.gru,  gru_step, 1, (X, None, *W[3], None, None, HOLES)),
    sequence(ops.gru,  gru_step, 1, (X, h, *W[3], B[3], B2, NOBODY), reverse=True),
]
