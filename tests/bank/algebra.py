"""Other algebra for the operations of `pairs.py`: loops, einsum, Jacobians, in place.

Each is right, as a student might have written it instead.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.bank import pairs
from tests.bank.cases import Pair, booleans, draws, integers, positive
from tests.bank.pairs import conv_backward, conv_forward, elementwise, sigma, softmax_of


def affine_loops(dout, cache):
    x, w = cache
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(w[0])
    for n, k in np.ndindex(dout.shape):
        db[k] += dout[n, k]
        for d in range(len(w)):
            dx[n, d] += dout[n, k] * w[d, k]
            dw[d, k] += dout[n, k] * x[n, d]
    return dx, dw, db


def affine_outer(dout, cache):
    x, w = cache
    dw = sum(np.outer(xn, dn) for xn, dn in zip(x, dout, strict=True))
    return np.stack([w @ dn for dn in dout]), dw, np.ones(len(x), x.dtype) @ dout


def affine_einsum(dout, cache):
    x, w = cache
    dx = np.einsum("nk,dk->nd", dout, w)
    return dx, np.einsum("nd,nk->dk", x, dout), np.einsum("nk->k", dout)


def variance_pairs(d, x):
    dx = np.zeros_like(x)
    for i, j in np.ndindex(len(x), len(x)):
        dx[i] += d * 2 * (x[i] - x[j]) / len(x) ** 2
    return dx


def softmax_jacobian(dout, y):
    rows = [(np.diag(p) - np.outer(p, p)) @ d for p, d in zip(y, dout, strict=True)]
    return np.stack(rows)


def normalize_jacobian(dout, cache):
    y, r = cache
    eye = np.eye(y.shape[1], dtype=y.dtype)
    return np.stack(
        [(eye - np.outer(y[n], y[n])) @ dout[n] / r[n] for n in range(len(y))]
    )


def max_by_argmax(d, x):
    dx = np.zeros_like(x)
    dx[np.arange(len(x)), x.argmax(axis=1)] = d
    return dx


def cross_entropy_by_rows(x, labels):
    loss = 0
    for row, k in zip(x, labels, strict=True):
        top = row.max()
        loss += np.log(np.exp(row - top).sum()) + top - row[k]
    return loss / len(x), (x, labels)


def cross_entropy_in_place(dout, cache):
    x, labels = cache
    dx = softmax_of(x)
    dx[np.arange(len(x)), labels] -= 1
    dx /= len(x)
    dx *= dout
    return dx, None


def svm_loops(dout, cache):
    _, labels, x = cache
    dx = np.zeros_like(x)
    for n, k in np.ndindex(x.shape):
        if k != labels[n] and x[n, k] - x[n, labels[n]] + 1 > 0:
            dx[n, k] += 1
            dx[n, labels[n]] -= 1
    return dx * (dout / len(x)), None


def batch_norm_steps(dout, cache):
    """Back through every line of the graph, as in CS231n's notes."""
    x, gamma, xhat, mu, var = cache
    n = len(x)
    istd = (var + pairs.EPS) ** -0.5
    dxhat = dout * gamma
    dvar = -0.5 * (dxhat * (x - mu)).sum(axis=0) * istd[0] ** 3
    dmu = -dxhat.sum(axis=0) * istd[0] - 2 * dvar * (x - mu).mean(axis=0)
    dx = dxhat * istd + dvar * 2 * (x - mu) / n + dmu / n
    return dx, (dout * xhat).sum(axis=0), dout.sum(axis=0)


def batch_norm_matrix(dout, cache):
    _, gamma, xhat, _, var = cache
    n, dx = len(xhat), np.empty_like(xhat)
    for d in range(xhat.shape[1]):
        column = xhat[:, d]
        m = np.eye(n) - (1 + np.outer(column, column)) / n
        dx[:, d] = gamma[d] / np.sqrt(var[0, d] + pairs.EPS) * (m @ dout[:, d])
    return dx, np.einsum("nd,nd->d", dout, xhat), dout.sum(axis=0)


def im2col_backward(dout, cache):
    xp, w, stride, p = cache
    n, f, ho, wo = dout.shape
    taps = list(np.ndindex(w.shape[2:]))
    seen = [pairs.window(xp, i, j, stride, ho, wo) for i, j in taps]
    cols = np.stack(seen, axis=2).reshape(n, -1, ho * wo)
    flat = dout.reshape(n, f, -1)
    dw = sum(flat[m] @ cols[m].T for m in range(n)).reshape(w.shape)
    dcols = (w.reshape(f, -1).T @ flat).reshape(n, w.shape[1], len(taps), ho, wo)
    dxp = np.zeros_like(xp)
    for k, (i, j) in enumerate(taps):
        pairs.window(dxp, i, j, stride, ho, wo)[...] += dcols[:, :, k]
    return (
        dxp[:, :, p : xp.shape[2] - p, p : xp.shape[3] - p],
        dw,
        flat.sum(axis=(0, 2)),
    )


def max_pool_loops(dout, cache):
    x, _, size, s = cache
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(dout.shape):
        part = x[n, c, i * s : i * s + size, j * s : j * s + size]
        a, b = np.unravel_index(part.argmax(), part.shape)
        dx[n, c, i * s + a, j * s + b] += dout[n, c, i, j]
    return dx


def embedding_one_hot(dout, cache):
    shape, i = cache
    return np.eye(shape[0], dtype=dout.dtype)[i].T @ dout, None


def rnn_by_lists(dout, cache):
    x, h, wx, wh = cache
    das, dh = [], np.zeros_like(h[:, 0])
    for t in range(x.shape[1] - 1, -1, -1):
        das.insert(0, (dout[:, t] + dh) / np.cosh(np.arctanh(h[:, t + 1])) ** 2)
        dh = das[0] @ wh.T
    da = np.stack(das, axis=1)
    dwx = np.tensordot(x, da, axes=((0, 1), (0, 1)))
    return da @ wx.T, dwx, np.tensordot(h[:, :-1], da, axes=((0, 1), (0, 1)))


def attention_by_queries(dout, cache):
    q, k, v, p = cache
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for n, row in enumerate(p):
        dv += np.outer(row, dout[n])
        ds = (np.diag(row) - np.outer(row, row)) @ (v @ dout[n]) / q.shape[1] ** 0.5
        dq[n] += ds @ k
        dk += np.outer(ds, q[n])
    return dq, dk, dv


def hats(y, n):
    """The bilinear weights as hat functions: (points, n)."""
    return np.maximum(0, 1 - np.abs(y[:, None] - np.arange(n)))


def slopes(y, n):
    off = y[:, None] - np.arange(n)
    return np.where(np.abs(off) < 1, -np.sign(off), 0)


def bilinear_by_hats(image, y, x):
    a, b = hats(y, image.shape[0]), hats(x, image.shape[1])
    return np.einsum("nh,hw,nw->n", a, image, b), (image, y, x, a, b)


def bilinear_by_hats_backward(dout, cache):
    image, y, x, a, b = cache
    dy = np.einsum("nh,hw,nw->n", slopes(y, image.shape[0]), image, b)
    dx = np.einsum("nh,hw,nw->n", a, image, slopes(x, image.shape[1]))
    return np.einsum("n,nh,nw->hw", dout, a, b), dout * dy, dout * dx


def back(pair: Pair, backward: Callable[..., object]) -> Pair:
    return Pair(pair.forward, backward, pair.make)


OTHER = {
    "affine, loops": back(pairs.affine, affine_loops),
    "affine, outer products": back(pairs.affine, affine_outer),
    "affine, einsum": back(pairs.affine, affine_einsum),
    "relu by where": elementwise(
        lambda x: np.where(x > 0, x, 0), lambda x, y: np.where(y > 0, 1, 0)
    ),
    "relu, half of x + |x|": elementwise(
        lambda x: (x + np.abs(x)) / 2, lambda x, y: (1 + np.sign(x)) / 2
    ),
    "relu by heaviside": elementwise(
        lambda x: x * (x > 0), lambda x, y: np.heaviside(x, 0)
    ),
    "sigmoid by tanh": elementwise(
        lambda x: (1 + np.tanh(x / 2)) / 2, lambda x, y: (1 - np.tanh(x / 2) ** 2) / 4
    ),
    "sigmoid by exp": elementwise(
        lambda x: np.exp(x) / (1 + np.exp(x)),
        lambda x, y: np.exp(-x) / (1 + np.exp(-x)) ** 2,
    ),
    "tanh by cosh": elementwise(np.tanh, lambda x, y: np.cosh(x) ** -2),
    "tanh by σ": elementwise(
        lambda x: 2 * sigma(2 * x) - 1, lambda x, y: 4 * sigma(2 * x) * sigma(-2 * x)
    ),
    "tanh factored": elementwise(np.tanh, lambda x, y: (1 - y) * (1 + y)),
    "leaky relu by maximum": elementwise(
        lambda x: np.maximum(x, 0.1 * x), lambda x, y: 0.1 + 0.9 * (x > 0)
    ),
    "elu by exp": elementwise(
        lambda x: np.where(x > 0, x, np.expm1(x)), lambda x, y: np.exp(np.minimum(x, 0))
    ),
    "softplus by logaddexp": elementwise(
        lambda x: np.logaddexp(0, x), lambda x, y: 1 - np.exp(-y)
    ),
    "silu": elementwise(lambda x: x * sigma(x), lambda x, y: y + sigma(x) * (1 - y)),
    "gelu": elementwise(
        lambda x: x / 2 * (1 + np.tanh(0.8 * (x + 0.04 * x**3))),
        lambda x, y: (
            (1 + np.tanh(0.8 * (x + 0.04 * x**3))) / 2
            + x / 2 / np.cosh(0.8 * (x + 0.04 * x**3)) ** 2 * 0.8 * (1 + 0.12 * x**2)
        ),
    ),
    "power by products": elementwise(
        lambda x: x * x * x, lambda x, y: x * x + 2 * x * x
    ),
    "sqrt as a power": elementwise(
        lambda x: x**0.5, lambda x, y: y / (2 * x), positive(4, 3)
    ),
    "log by log2": elementwise(
        lambda x: np.log2(x) * np.log(2), lambda x, y: np.exp(-y), positive(4, 3)
    ),
    "absolute": elementwise(np.abs, lambda x, y: np.sign(x)),
    "sine": elementwise(np.sin, lambda x, y: np.sin(x + np.pi / 2)),
    "matmul, einsum": back(
        pairs.matmul,
        lambda d, c: (
            np.einsum("nik,njk->nij", d, c[1]),
            np.einsum("nij,nik->njk", c[0], d),
        ),
    ),
    "scale, einsum": back(
        pairs.scale, lambda d, c: (d * c[1], np.einsum("nd,nd->d", d, c[0]))
    ),
    "divide by y": back(
        pairs.divide, lambda d, c: (d / c[1], -(d / c[1]) * (c[0] / c[1]))
    ),
    "cumsum by a triangle": back(
        pairs.cumsum, lambda d, _: d @ np.tri(d.shape[1], dtype=d.dtype)
    ),
    "cumsum from the total": back(
        pairs.cumsum, lambda d, _: d.sum(axis=1, keepdims=True) - d.cumsum(axis=1) + d
    ),
    "mean, outer product": back(
        pairs.mean, lambda d, s: np.outer(np.full(s[0], 1 / s[0]), d)
    ),
    "variance by pairs": back(pairs.variance, variance_pairs),
    "maximum by argmax": back(pairs.maximum, max_by_argmax),
    "softmax, Jacobians": back(pairs.softmax, softmax_jacobian),
    "softmax, two terms": back(
        pairs.softmax, lambda d, y: y * d - y * np.einsum("nk,nk->n", y, d)[:, None]
    ),
    "normalize, Jacobians": back(pairs.normalize, normalize_jacobian),
    "cross entropy by rows": Pair(
        cross_entropy_by_rows, cross_entropy_in_place, pairs.cross_entropy.make
    ),
    "svm, loops": back(pairs.svm, svm_loops),
    "batch norm, step by step": back(pairs.batch_norm, batch_norm_steps),
    "batch norm, matrices": back(pairs.batch_norm, batch_norm_matrix),
    "conv, im2col": back(pairs.conv, im2col_backward),
    "conv, stride 1, padding 2": Pair(
        lambda x, w, b: conv_forward(x, w, b, 1, 2),
        conv_backward,
        draws((2, 3, 5, 4), (2, 3, 4, 3), (2,)),
    ),
    "conv, stride 3, uneven": Pair(
        lambda x, w, b: conv_forward(x, w, b, 3, 1),
        im2col_backward,
        draws((3, 1, 6, 8), (2, 1, 2, 3), (2,)),
    ),
    "max pool, loops": back(pairs.max_pool, max_pool_loops),
    "max pool, apart": Pair(
        lambda x: pairs.max_pool_forward(x, 2, 2), max_pool_loops, draws((2, 3, 4, 6))
    ),
    "max pool, gaps": Pair(
        lambda x: pairs.max_pool_forward(x, 2, 3),
        pairs.max_pool_backward,
        draws((2, 1, 5, 8)),
    ),
    "avg pool, Kronecker": back(
        pairs.avg_pool, lambda d, s: np.kron(d, np.ones((2, 3), d.dtype) / 6)
    ),
    "embedding, one-hot": back(pairs.embedding, embedding_one_hot),
    "rnn by lists": back(pairs.rnn, rnn_by_lists),
    "attention by queries": back(pairs.attention, attention_by_queries),
    "bilinear by hats": Pair(
        bilinear_by_hats, bilinear_by_hats_backward, pairs.bilinear.make
    ),
    "dropout by where": back(
        pairs.dropout, lambda d, keep: (np.where(keep, d / 0.6, 0), None)
    ),
    "masked mean": Pair(
        lambda x, keep: ((x * keep).sum() / keep.sum(), keep),
        lambda d, keep: (np.where(keep, d / keep.sum(), 0), None),
        draws((4, 5), booleans(4, 5)),
    ),
    "take along": Pair(
        lambda x, i: (x[np.arange(5), i], (x, i)),
        lambda d, c: (d[:, None] * (np.arange(4) == c[1][:, None]), None),
        draws((5, 4), integers(4, 5)),
    ),
}
