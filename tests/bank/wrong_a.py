"""Wrong gradients, first half: as students write them in NumPy, op by op.

Written before the method of `minidl.check` was finished. `d` is dout, `c` the cache.
"""

from __future__ import annotations

import numpy as np

from minidl import ops
from tests.bank import pairs
from tests.bank.cases import Bank, draws
from tests.bank.pairs import (
    conv_backward,
    lstm_gates,
    lstm_step_backward,
    onehot,
    rnn_backward,
    sigma,
    softmax_backward,
    softmax_of,
    window,
)

# fmt: off
BANK = Bank()
row, slip, body, stateful = BANK.row, BANK.slip, BANK.body, BANK.stateful

# --- affine: x (N, D), w (D, K), b (K,)
P = pairs.affine
row("affine: dw = dᵀ x", P, 1, lambda d, c: d.T @ c[0], "transpose", "transpose")
row("affine: dx by w.reshape", P, 0,
    lambda d, c: d @ c[1].reshape(c[1].shape[::-1]), "reshape", "reshape")
row("affine: dw by reshape of dᵀ x", P, 1,
    lambda d, c: (d.T @ c[0]).reshape(c[1].shape), "reshape", "reshape")
row("affine: db over the features", P, 2, lambda d, c: d.sum(axis=1), "axis",
    "axis")
row("affine: db is a mean", P, 2, lambda d, c: d.mean(axis=0), "mean for sum", "scale")
row("affine: db is not summed", P, 2, lambda d, c: d, "broadcast", "broadcast")
row("affine: db keeps its dims", P, 2, lambda d, c: d.sum(axis=0, keepdims=True),
    "broadcast", "broadcast")
row("affine: dw from the last sample", P, 1, lambda d, c: np.outer(c[0][-1], d[-1]),
    "last write wins", "rows | repeat")
row("affine: dx ignores g", P, 0, lambda d, c: np.ones_like(d) @ c[1].T, "g ignored",
    "ignored")
row("affine: dw with weight decay in it", P, 1, lambda d, c: c[0].T @ d + 0.01 * c[1],
    "leaked term", "extra")
row("affine: the whole db in each place", P, 2,
    lambda d, c: np.full(d.shape[1], d.sum()), "axis", "axis | summed | sum")

# --- activations: the cache is (x, y)
P = pairs.relu
row("relu: masked by the sign of g", P, 0, lambda d, c: d * (d > 0), "wrong point",
    "mask | point | sign of g")
row("relu: g x", P, 0, lambda d, c: d * c[0], "wrong point",
    "x in place of | g ?[·*] ?x|factor x|factor too many|times x|proportional to x"
    "|instead of the (mask|derivative) | mask")
row("relu: mask inverted", P, 0, lambda d, c: d * (c[0] <= 0), "mask", "mask")
row("relu: no mask", P, 0, lambda d, c: d, "chain factor", "local | mask")
row("relu: g ignored", P, 0, lambda d, c: 1.0 * (c[0] > 0), "g ignored", "ignored")
row("relu: σ(x) as a soft mask", P, 0, lambda d, c: d * sigma(c[0]), "wrong local",
    "local | mask | sigmoid")


@slip(pairs.relu, "overwritten", "write")
def relu_masks_dout_itself(dout, cache):
    dout[cache[0] <= 0] = 0
    return dout


P = pairs.sigmoid
row("sigmoid: x(1−x)", P, 0, lambda d, c: d * c[0] * (1 - c[0]), "wrong point", "point")
row("sigmoid: σ for σ′", P, 0, lambda d, c: d * c[1], "σ for σ′", "point | local")
row("sigmoid: σ′ at y", P, 0, lambda d, c: d * sigma(c[1]) * (1 - sigma(c[1])),
    "wrong point", "point | twice")
row("sigmoid: y lacks", P, 0, lambda d, c: d * (1 - c[1]), "chain factor", "local")
P = pairs.tanh
row("tanh: 1 − y", P, 0, lambda d, c: d * (1 - c[1]),
    "wrong local", "squar|²|1 − y in the place")
row("tanh: 1 − x²", P, 0, lambda d, c: d * (1 - c[0] ** 2), "wrong point", "point")
row("tanh: tanh′ at y", P, 0, lambda d, c: d * (1 - np.tanh(c[1]) ** 2), "wrong point",
    "point | twice")
row("tanh: g twice", P, 0, lambda d, c: d * d * (1 - c[1] ** 2), "g twice",
    "g² | squared | twice | g used | factor g")
row("leaky relu: slope forgotten", pairs.leaky_relu, 0, lambda d, c: d * (c[0] > 0),
    "mask", "mask | local | zero | path | x ?(<|≤) ?0|negative")
row("elu: α(y + 1) below zero", pairs.elu, 0,
    lambda d, c: d * np.where(c[0] > 0, 1, 0.7 * (c[1] + 1)), "wrong local",
    "local | x ?(<|≤) ?0|negative")
row("softplus: eˣ", pairs.softplus, 0, lambda d, c: d * np.exp(c[0]), "chain factor",
    "local | 1 ?\\+ ?e|σ|sigmoid")
row("power: 3 forgotten", pairs.power, 0, lambda d, c: d * c[0] ** 2, "factor", "scale")
row("power: exponent stays", pairs.power, 0, lambda d, c: d * 3 * c[0] ** 3,
    "wrong local", "factor too many|times x|x too|power|exponent|extra | local")
row("sqrt: ½ forgotten", pairs.sqrt, 0, lambda d, c: d / c[1], "factor", "scale")
row("log: g x", pairs.log, 0, lambda d, c: d * c[0], "wrong local",
    "1/x|divid|reciprocal|x² | inver | local | 1 / .dy/dx")
row("clip: lower limit not masked", pairs.clip, 0, lambda d, c: d * (c[0] < 0.6),
    "mask", "mask | clip|limit|saturat|x ?(<|≤)|below")
row("clip: everything passes", pairs.clip, 0, lambda d, c: d, "mask",
    "mask | clip | local")

# --- linear maps and reductions
row("scale: ds lacks x", pairs.scale, 1, lambda d, c: d.sum(axis=0), "chain factor",
    "local")
row("scale: dx by x", pairs.scale, 0, lambda d, c: d * c[0], "wrong point",
    "point | other | order")
row("divide: db has no minus", pairs.divide, 1, lambda d, c: d * c[0] / c[1] ** 2,
    "sign", "sign")
row("divide: b not squared", pairs.divide, 1, lambda d, c: -d * c[0] / c[1],
    "wrong local", "squar|factor too|power|divid | local")
row("matmul: db in a's order", pairs.matmul, 1,
    lambda d, c: d.swapaxes(1, 2) @ c[0], "transpose", "transpose")
row("matmul: db of the first matrix", pairs.matmul, 1,
    lambda d, c: np.stack([c[0][0].T @ d[0]] * 2), "rows",
    "rows | repeat | batch | axis")
row("cumsum: forward again", pairs.cumsum, 0, lambda d, c: d.cumsum(axis=1),
    "direction", "revers|direction|backward|flip|transpos|other (way|end)")
row("pad: cropped one too early", pairs.pad, 0, lambda d, c: d[:, 1:-3], "shift",
    "shift")
row("upsample: one of four", pairs.upsample, 0, lambda d, c: d[:, :, ::2, ::2],
    "sum over copies", "repeat | copies | once | scale")
row("upsample: mean", pairs.upsample, 0,
    lambda d, s: d.reshape(*s[:3], 2, s[3], 2).mean(axis=(3, 5)), "mean for sum",
    "scale")
row("mean: N forgotten", pairs.mean, 0, lambda d, s: np.broadcast_to(d, s), "average",
    "scale")
row("mean: divided by D", pairs.mean, 0, lambda d, s: np.broadcast_to(d / s[1], s),
    "average", "scale")
row("variance: 2 / (N − 1)", pairs.variance, 0,
    lambda d, x: d * 2 * (x - x.mean(axis=0)) / (len(x) - 1), "average",
    "scale")
row("variance: x not centered", pairs.variance, 0, lambda d, x: d * 2 * x / len(x),
    "missing path", "path | cent(er|re) | mean")
row("maximum: g to all", pairs.maximum, 0,
    lambda d, x: np.repeat(d[:, None], 3, axis=1), "mask", "mask | max | local")
row("maximum: of the columns", pairs.maximum, 0,
    lambda d, x: d[:, None] * (x == x.max(axis=0)), "axis",
    "axis | mask | max")
row("logsumexp: not normalized", pairs.logsumexp, 0,
    lambda d, x: d[:, None] * np.exp(x), "chain factor",
    "local | normali[sz] | softmax | sum")
row("residual: the skip is forgotten", pairs.residual, 0,
    lambda d, c: (d * (1 - c[2] ** 2)) @ c[1].T, "missing branch",
    "path | g itself | lacks | identity | skip")
row("residual: only the skip", pairs.residual, 0, lambda d, c: d, "missing branch",
    "path | lacks | only g | g itself | branch")

# --- norms and softmax: a full Jacobian
row("normalize: the norm is constant", pairs.normalize, 0, lambda d, c: d / c[1],
    "missing path", "path | norm")
row("normalize: over the columns", pairs.normalize, 0,
    lambda d, c: (d - c[0] * (d * c[0]).sum(axis=0)) / c[1], "axis", "axis")
P = pairs.softmax
row("softmax: elementwise", P, 0, lambda d, y: d * y * (1 - y), "jacobian", "jacobian")
row("softmax: sum over the columns", P, 0,
    lambda d, y: y * (d - (d * y).sum(axis=0)), "axis", "axis")
row("softmax: mean for sum", P, 0,
    lambda d, y: y * (d - (d * y).mean(axis=1, keepdims=True)), "mean for sum",
    "scale | path | term")
row("softmax: d·y only", P, 0, lambda d, y: d * y, "missing path", "path | jacobian")

# --- losses
P = pairs.cross_entropy
row("cross entropy: 1/N forgotten", P, 0,
    lambda d, c: d * (c[0] - onehot(c[1], 4)), "average", "scale")
row("cross entropy: −1 in whole columns", P, 0,
    lambda d, c: d * (c[0] - onehot(c[1], 4).any(axis=0)) / 5, "index",
    "rows | columns | index | label | one-?hot")
row("cross entropy: labels forgotten", P, 0, lambda d, c: d * c[0] / 5, "missing term",
    "label | one-?hot | path | lacks | missing")
row("cross entropy: sign", P, 0, lambda d, c: d * (onehot(c[1], 4) - c[0]) / 5, "sign",
    "sign")
row("cross entropy: dout ignored", P, 0, lambda d, c: (c[0] - onehot(c[1], 4)) / 5,
    "g ignored", "ignored")
row("cross entropy: labels from one", P, 0,
    lambda d, c: d * (c[0] - onehot((c[1] - 1) % 4, 4)) / 5, "shift",
    "shift | label | column")
row("cross entropy: scores for p", P, 0,
    lambda d, c: d * (c[2] - onehot(c[1], 4)) / 5, "wrong point",
    "point | softmax | probab")
row("cross entropy: softmax of columns", P, 0,
    lambda d, c: d * (softmax_of(c[2], 0) - onehot(c[1], 4)) / 5, "axis",
    "axis")


@slip(pairs.svm, "missing term", "label|correct|count|class|number of")
def svm_subtracts_one_from_the_correct_class(dout, cache):
    margins, labels, _ = cache
    dx = 1.0 * (margins > 0)
    dx[np.arange(5), labels] = -1
    return dout * dx / 5, None


row("svm: correct class forgotten", pairs.svm, 0,
    lambda d, c: d * (c[0] > 0) / 5, "missing term",
    "label | correct | zero | path | lacks")
row("mse: 2 forgotten", pairs.mse, 0, lambda d, e: d * e / e.size, "factor", "scale")
row("mse: divided by N alone", pairs.mse, 0, lambda d, e: d * 2 * e / 4, "average",
    "scale")
row("mse: target's sign", pairs.mse, 1, lambda d, e: d * 2 * e / e.size, "sign", "sign")
row("bce: of a logit", pairs.bce, 0, lambda d, c: d * (c[0] - c[1]) / 7, "chain factor",
    "local | p ?\\(1|logit | sigmoid | [(]1 ?− ?")
row("ridge: penalty forgotten", pairs.ridge, 0,
    lambda d, c: d * 2 * c[1].T @ (c[1] @ c[0] - c[2]) / 5, "missing term",
    "path | lacks | missing|penalty|decay|regulari")
row("ridge: penalty doubled", pairs.ridge, 0,
    lambda d, c: d * (2 * c[1].T @ (c[1] @ c[0] - c[2]) / 5 + 0.6 * c[0]),
    "leaked term", "extra | twice|penalty|decay|regulari")

# --- normalization: the cache is (x, γ, x̂, μ, var)
P = pairs.batch_norm


def rstd(c):
    return 1 / np.sqrt(c[4] + pairs.EPS)


row("batch norm: μ and σ constant", P, 0, lambda d, c: d * c[1] * rstd(c),
    "missing path", "path")
row("batch norm: μ constant", P, 0,
    lambda d, c: c[1] * rstd(c) * (d - c[2] * (d * c[2]).mean(axis=0)), "missing path",
    "path")
row("batch norm: σ constant", P, 0,
    lambda d, c: c[1] * rstd(c) * (d - d.mean(axis=0)), "missing path",
    "path")
row("batch norm: dγ with x", P, 1, lambda d, c: (d * c[0]).sum(axis=0), "wrong point",
    "point | normali | x̂ | g · x")
row("batch norm: dγ is a mean", P, 1, lambda d, c: (d * c[2]).mean(axis=0),
    "mean for sum", "scale")
row("batch norm: γ forgotten in dx", P, 0,
    lambda d, c: pairs.batch_norm_backward(d, (c[0], np.ones(3), *c[2:]))[0],
    "chain factor", "γ|gamma|local")
row("batch norm: 1/var for 1/σ", P, 0,
    lambda d, c: pairs.batch_norm_backward(d, c)[0] * rstd(c), "factor",
    "√|sqrt|root|σ|std|factor|var")
row("batch norm: γ in dβ", P, 2, lambda d, c: (d * c[1]).sum(axis=0),
    "extra factor", "factor too many|γ|gamma | extra")
row("layer norm: batch statistics in dx", pairs.layer_norm, 0,
    lambda d, c: pairs.batch_norm_backward(d, c, axis=0)[0], "axis", "axis")
row("dropout: 1/p forgotten", pairs.dropout, 0, lambda d, keep: d * keep, "mask scaled",
    "scale | mask")
row("dropout: mask inverted", pairs.dropout, 0, lambda d, keep: d * ~keep / 0.6, "mask",
    "mask")


@stateful(pairs.dropout, "mask drawn anew", "random | state")
def dropout_draws_another_mask():
    rng = np.random.default_rng(0)

    def backward(dout, keep):
        return dout * (rng.random(keep.shape) < 0.6) / 0.6, None

    return pairs.dropout.forward, backward


# --- images
def conv_slip(shift=0, flip=False, add=True, p=1, first=False):
    """The backward of a convolution, with a slip in its loop over the kernel."""

    def backward(dout, cache):
        xp, w, stride, _ = cache
        dxp, dw = np.zeros_like(xp), conv_backward(dout, cache)[1]
        taps = w[:, :, ::-1, ::-1] if flip else w
        for i, j in np.ndindex(w.shape[2:]):
            part = np.einsum("nfhw,fc->nchw", dout, taps[:, :, i, j])
            seen = window(dxp, i, j, stride, *dout.shape[2:])
            seen[...] = part + seen * add
        dx = dxp[:, :, p + shift : dxp.shape[2] - p + shift, p:-p]
        return dx, dw, dout.sum(axis=(0, 2, 3))

    return backward


slip_of_conv = [
    ("conv: kernel flipped", "flip", {"flip": True}, "flip|rotat|revers|turned|mirror"),
    ("conv: last write wins", "last write wins", {"add": False}, "repeat"),
    ("conv: padding cropped one off", "shift", {"shift": 1}, "shift | border"),
]
for name, family, how, expect in slip_of_conv:
    row(name, pairs.conv, 0, lambda d, c, how=how: conv_slip(**how)(d, c)[0], family,
        expect)
row("conv: db over the batch alone", pairs.conv, 2, lambda d, c: d.sum(axis=0), "axis",
    "axis | shape | broadcast")
row("conv: dw of the first image", pairs.conv, 1,
    lambda d, c: conv_backward(d[:1], (c[0][:1], *c[1:]))[1], "rows", "rows")


@slip(pairs.conv, "boundary", "border | zero")
def conv_leaves_out_the_border_of_the_image(dout, cache):
    dx, dw, db = conv_backward(dout, cache)
    inner = np.zeros_like(dx)
    inner[:, :, 1:-1, 1:-1] = dx[:, :, 1:-1, 1:-1]
    return inner, dw, db


@slip(pairs.max_pool, "last write wins", "repeat")
def max_pool_writes_where_windows_overlap(dout, cache):
    x, _, size, stride = cache
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(dout.shape):
        top, left = i * stride, j * stride
        part = x[n, c, top : top + size, left : left + size]
        a, b = np.unravel_index(part.argmax(), part.shape)
        dx[n, c, top + a, left + b] = dout[n, c, i, j]
    return dx


@slip(
    pairs.max_pool, "transpose", "transpose | shift | place | order | axis | position"
)
def max_pool_unravels_the_wrong_way(dout, cache):
    x, _, size, stride = cache
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(dout.shape):
        top, left = i * stride, j * stride
        part = x[n, c, top : top + size, left : left + size]
        b, a = np.unravel_index(part.argmax(), part.shape)
        dx[n, c, top + a, left + b] += dout[n, c, i, j]
    return dx


row("avg pool: 1/6 forgotten", pairs.avg_pool, 0,
    lambda d, s: d.repeat(2, axis=2).repeat(3, axis=3), "average", "scale")
row("avg pool: tiled, not repeated", pairs.avg_pool, 0,
    lambda d, s: np.tile(d, (1, 1, 2, 3)) / 6, "order",
    "reshape | order | tile | repeat | place | permut")

# --- sequences
P = pairs.embedding


@slip(P, "last write wins", "repeat")
def embedding_assigns_rows(dout, cache):
    dw = np.zeros(cache[0])
    dw[cache[1]] = dout
    return dw, None


@slip(P, "last write wins", "repeat")
def embedding_adds_with_a_fancy_index(dout, cache):
    dw = np.zeros(cache[0])
    dw[cache[1]] += dout
    return dw, None


@stateful(P, "grows between calls", "grow|adds up|accumul|total")
def embedding_keeps_adding():
    dw = np.zeros((4, 3))

    def backward(dout, cache):
        np.add.at(dw, cache[1], dout)
        return dw, None

    return pairs.embedding.forward, backward


P = pairs.rnn_step
row("rnn step: dw_h with h′", P, 3,
    lambda d, c: c[4].T @ (d * (1 - c[4] ** 2)), "shift", "time | point")
row("rnn step: w_h not transposed", P, 1,
    lambda d, c: (d * (1 - c[4] ** 2)) @ c[3], "transpose", "transpose")


@slip(P, "chain factor", "local | tanh|1 ?− ?y")
def rnn_step_forgets_tanh(dout, cache):
    x, h, wx, wh, _ = cache
    return dout @ wx.T, dout @ wh.T, x.T @ dout, h.T @ dout, dout.sum(axis=0)


P = pairs.rnn


@slip(P, "missing path", "path | time")
def rnn_cuts_the_way_through_time(dout, cache):
    x, h, wx, _ = cache
    da = dout * (1 - h[:, 1:] ** 2)
    return (
        da @ wx.T,
        np.einsum("ntd,ntk->dk", x, da),
        np.einsum("ntd,ntk->dk", h[:, :-1], da),
    )


@slip(P, "last write wins", "repeat | time | rows")
def rnn_keeps_dw_of_one_step(dout, cache):
    x, h, _, wh = cache
    dx, _, dwh = rnn_backward(dout, cache)
    dh = 0
    for t in reversed(range(x.shape[1])):
        da = (dout[:, t] + dh) * (1 - h[:, t + 1] ** 2)
        dwx, dh = x[:, t].T @ da, da @ wh.T
    return dx, dwx, dwh


@slip(P, "missing path", "path | time | lacks|ignored|of axis 1 of g alone")
def rnn_forgets_the_loss_at_earlier_steps(dout, cache):
    alone = np.zeros_like(dout)
    alone[:, -1] = dout[:, -1]
    return rnn_backward(alone, cache)


@stateful(pairs.affine, "stale cache", "stale | state")
def affine_remembers_the_first_batch():
    kept = []

    def forward(x, w, b):
        kept.append((x.copy(), w.copy()))
        return x @ w + b, None

    def backward(dout, _):
        x, w = kept[0]
        return dout @ w.T, x.T @ dout, dout.sum(axis=0)

    return forward, backward


P = pairs.lstm_step


def lstm_slip(name, expect, change):
    """Add the step's backward with other gradients of the gates."""

    def gates(dout, cache):
        return change(dout, *lstm_gates(dout, cache), cache)

    def backward(dout, cache):
        return lstm_step_backward(dout, cache, gates)

    backward.__name__ = name
    slip(pairs.lstm_step, "cell", expect)(backward)


lstm_slip("lstm step: c′ only from below", "path | local | of axis 0 of g",
    lambda d, di, df, do, dg, dc, c: (d[1] * c[6], d[1] * c[1], do, d[1] * c[3], d[1])
)
lstm_slip("lstm step: o from c′, not tanh c′", "point | tanh | local",
    lambda d, di, df, do, dg, dc, c: (di, df, d[0] * c[7], dg, dc)
)
lstm_slip("lstm step: f from the new c", "point | time | new|c′",
    lambda d, di, df, do, dg, dc, c: (di, dc * c[7], do, dg, dc)
)
row("lstm step: dc lacks f", P, 2, lambda d, c: lstm_gates(d, c)[4], "chain factor",
    "local | gate|forget")
P = pairs.attention


def scores(d, c):
    return softmax_backward(d @ c[2].T, c[3])


row("attention: 1/√d forgotten", P, 0, lambda d, c: scores(d, c) @ c[1], "factor",
    "scale | √|sqrt")
row("attention: dk past the softmax", P, 1, lambda d, c: (d @ c[2].T).T @ c[0] / 5**0.5,
    "chain factor", "local | softmax")
row("attention: softmax elementwise", P, 0,
    lambda d, c: (d @ c[2].T * c[3] * (1 - c[3])) @ c[1] / 5**0.5, "jacobian",
    "jacobian")
row("attention: dv from the scores", P, 2,
    lambda d, c: (c[0] @ c[1].T / 5**0.5).T @ d, "wrong point",
    "point | softmax | before")

# --- bilinear sampling: the cache is (image, i, j, a, b)
P = pairs.bilinear


def bilinear_slip(write, a, b):
    """∂L/∂image: written, or added, with weights a (down) and b (right)."""

    def slipped(dout, cache):
        image, i, j, *_ = cache
        down, right, out = a(cache), b(cache), np.zeros_like(image)
        for n in range(len(dout)):
            for k, wk in ((0, 1 - down[n]), (1, down[n])):
                for m, wm in ((0, 1 - right[n]), (1, right[n])):
                    old = out[i[n] + k, j[n] + m] if write == "add" else 0
                    out[i[n] + k, j[n] + m] = old + dout[n] * wk * wm
        return out

    return slipped


row("bilinear: last write wins", P, 0,
    bilinear_slip("write", lambda c: c[3], lambda c: c[4]), "last write wins",
    "repeat")
row("bilinear: fractions exchanged", P, 0,
    bilinear_slip("add", lambda c: c[4], lambda c: c[3]), "sampling",
    "sampling | order")
row("bilinear: nearest neighbor", P, 0,
    bilinear_slip("add", lambda c: 0 * c[3], lambda c: 0 * c[4]), "sampling",
    "sampling | only | nearest")
row("bilinear: weights mirrored", P, 0,
    bilinear_slip("add", lambda c: 1 - c[3], lambda c: c[4]), "sampling",
    "sampling")
row("bilinear: no gradient of x", P, 2, lambda d, c: 0 * d, "missing path", "zero")
row(
    "bilinear: dx is dy",
    P,
    2,
    lambda d, c: pairs.bilinear_backward(d, c)[1],
    "order",
    "order | gradient of",
)

# --- steps of optimizers, differentiated
P = pairs.adam
row("adam: bias correction of v", P, 3, 
    lambda d, c: pairs.adam_backward(d, c)[3] * (1 - 0.8**3), "factor", "scale | bias")
row("adam: g only through m", P, 1,
    lambda d, c: 0.1 * pairs.adam_backward(d, c)[2] / 0.9, "missing path", "path")
row("nesterov: dg of plain momentum", pairs.nesterov, 1, lambda d, _: -0.1 * d,
    "missing path", "path | scale")

# --- kinds of number
row("affine: float16 on the way", pairs.affine, 1,
    lambda d, c: (c[0].T @ d).astype(np.float16).astype(float), "dtype",
    "dtype")


@slip(pairs.embedding, "dtype", "dtype")
def embedding_collects_in_integers(dout, cache):
    dw = np.zeros(cache[0], dtype=int)
    for n, i in enumerate(cache[1]):
        dw[i] += dout[n].astype(int)
    return dw.astype(float), None


@slip(pairs.affine, "overwritten", "write")
def affine_scales_the_cached_input(dout, cache):
    x, w = cache
    dw, db = x.T @ dout, dout.sum(axis=0)
    x *= 0.5
    return dout @ w.T, dw, db


# --- bodies of ops of minidl
def silu(x):
    s = 1 / (1 + ops.exp(-x))
    return x * s, (lambda g: g * (s + x * s * (1 - s)),)


def outer(a, b):
    return a[:, None] * b, (lambda g: g @ b, lambda g: a @ g)


def log_softmax(x):
    top = ops.exp(x)
    y = x - ops.log(top.sum(axis=1, keepdims=True))
    return y, (lambda g: g - ops.exp(y) * g.sum(axis=1, keepdims=True),)


def std(x):
    centered = x - x.sum(axis=0) / len(x)
    y = ops.sqrt((centered * centered).sum(axis=0) / len(x))
    return y, (lambda g: g * centered / (y * len(x)),)


@body(silu, draws((4, 3)), "missing path", "path | lacks a term|product|\\bsum\\b")
def silu_with_a_constant_gate(x):
    s = 1 / (1 + ops.exp(-x))
    return x * s, (lambda g: g * s,)


@body(silu, draws((4, 3)), "missing path", "path | lacks a term|product|\\bsum\\b")
def silu_without_its_first_term(x):
    s = 1 / (1 + ops.exp(-x))
    return x * s, (lambda g: g * x * s * (1 - s),)


@body(outer, draws((4,), (3,)), "order", "order | transpose | shape")
def outer_with_its_maps_exchanged(a, b):
    return a[:, None] * b, (lambda g: a @ g, lambda g: g @ b)


@body(log_softmax, draws((4, 3)), "missing term", "path | softmax|ignored|lacks")
def log_softmax_subtracts_p_alone(x):
    y = x - ops.log(ops.exp(x).sum(axis=1, keepdims=True))
    return y, (lambda g: g - ops.exp(y),)


@body(log_softmax, draws((4, 3)), "axis", "axis")
def log_softmax_sums_over_the_batch(x):
    y = x - ops.log(ops.exp(x).sum(axis=1, keepdims=True))
    return y, (lambda g: g - ops.exp(y) * g.sum(axis=0),)


@body(std, draws((4, 3)), "chain factor", "local | √|sqrt|root")
def std_as_the_variance(x):
    centered = x - x.sum(axis=0) / len(x)
    y = ops.sqrt((centered * centered).sum(axis=0) / len(x))
    return y, (lambda g: g * 2 * centered / len(x),)
