"""Wrong gradients, second half: other operations and other slips than in `wrong_a.py`.

Written after the method of `minidl.check`, and without a look at it. `d` is dout, `c`
the cache.
"""

from __future__ import annotations

import numpy as np

from minidl import ops
from tests.bank import pairs_b
from tests.bank.cases import Bank, draws
from tests.bank.pairs import onehot, sigma, softmax_of

# fmt: off
BANK = Bank()
row, slip, body, stateful = BANK.row, BANK.slip, BANK.body, BANK.stateful

# --- normalization


def whole_sample(dout, cache):
    r = cache[2].mean(axis=1, keepdims=True)
    return pairs_b.group_norm_backward(dout, (*cache[:2], r, 1))[0]


def centered_rms(dout, cache):
    dx = pairs_b.rms_norm_backward(dout, cache)[0]
    return dx - dx.mean(axis=1, keepdims=True)


P = pairs_b.group_norm
row("group norm: statistics of the whole sample", P, 0,
    whole_sample, "axis", "axis|group|channel | path")
row("group norm: σ over the batch is constant", P, 0, lambda d, c: (
    (d * c[1][:, None]).reshape(3, 2, -1) * c[2]).reshape(d.shape), "missing path",
    "path")
row("group norm: dγ over the batch and groups", P, 1,
    lambda d, c: (d * c[0]).sum(axis=0)[:, 0], "axis", "axis | rows | sum")
P = pairs_b.rms_norm
row("rms norm: with layer norm's mean", P, 0, centered_rms, "extra term",
    "extra|mean|center|subtract|same for all")
row("rms norm: r² for r³", P, 0, lambda d, c: c[2] * d * c[1] - c[2] ** 2 * c[0] * (
    d * c[1] * c[0]).mean(axis=1, keepdims=True), "wrong local",
    "power|cube|r³|a / b²|second term|path | scale")
row("rms norm: γ of the second term forgotten", P, 0,
    lambda d, c: c[2] * d * c[1] - c[2] ** 3 * c[0] * (d * c[0]).mean(1, keepdims=True),
    "chain factor", "γ|gamma | path | local")
row("rms norm: sum for mean", P, 0,
    lambda d, c: c[2] * d * c[1] - c[2] ** 3 * c[0] * (
        d * c[1] * c[0]).sum(axis=1, keepdims=True), "mean for sum",
    "scale | path|mean|term")
P = pairs_b.spatial_norm
row("spatial norm: statistics of a column", P, 0,
    lambda d, c: pairs_b.spatial_norm_backward(d, c, axes=(0,))[0], "axis",
    "axis|axes|pixel|position")
row("spatial norm: statistics of an image", P, 0,
    lambda d, c: pairs_b.spatial_norm_backward(d, c, axes=(2, 3))[0], "axis",
    "axis|axes|batch")
row("spatial norm: dβ of the first pixel", P, 2, lambda d, c: d[:, :, 0, 0].sum(axis=0),
    "reduction", "axis | rows | summed | sum|border")
row("spatial norm: dγ over N·H·W averaged", P, 1,
    lambda d, c: (d * c[0]).mean(axis=(0, 2, 3)), "average", "scale")
P = pairs_b.weight_norm
row("weight norm: norm constant", P, 0, lambda d, c: d * c[1] / c[2], "missing path",
    "path | norm")
row("weight norm: ds not divided by the norm", P, 1,
    lambda d, c: (d * c[0]).sum(axis=0), "chain factor",
    "local|norm | scale | factor too many")
P = pairs_b.cosine
row("cosine: da as of a dot product", P, 0,
    lambda d, c: d[:, None] * c[1] / (c[2] * c[3]), "missing path", "path | norm|proj")
row("cosine: b's norm in a's", P, 0,
    lambda d, c: d[:, None] * (c[1] / (c[2] * c[3]) - c[4] * c[0] / c[3] ** 2),
    "wrong point", "norm|point | path")
row("cosine: plus", P, 0,
    lambda d, c: d[:, None] * (c[1] / (c[2] * c[3]) + c[4] * c[0] / c[2] ** 2), "sign",
    "sign|term | twice")
row("clip norm: scale constant", pairs_b.clip_norm, 0, lambda d, c: d * 1.5 / c[1],
    "missing path", "path | norm|sum")
row("clip norm: not scaled", pairs_b.clip_norm, 0, lambda d, c: d, "missing path",
    "path | local|norm|scale|g itself")

# --- elementwise and gates
row("gelu: x term forgotten", pairs_b.gelu, 0,
    lambda d, c: d * (1 + pairs_b.gelu_inner(c[0])) / 2, "missing path",
    "path | lacks|term|product")
row("gelu: exact for tanh", pairs_b.gelu, 0, lambda d, c: d * (
    sigma(1.702 * c[0]) + c[0] * 1.702 * sigma(1.702 * c[0]) * sigma(-1.702 * c[0])),
    "approximation", "approx|nearly|close")
row("softsign: not squared", pairs_b.softsign, 0, lambda d, c: d / (1 + abs(c[0])),
    "wrong local", "squar|²|power|factor | local | path")
row("softsign: x without | |", pairs_b.softsign, 0, lambda d, c: d / (1 + c[0]) ** 2,
    "wrong local", "x < 0|negativ|where x|absolut|sign")
row("arctan: at y", pairs_b.arctan, 0, lambda d, c: d / (1 + c[1] ** 2), "wrong point",
    "point|output|\\by\\b")
row("huber: not clipped", pairs_b.huber, 0, lambda d, c: d * c[0], "mask",
    "mask|where|clip|beyond|large|x. [<>]|x [<>]")
row("huber: sign without δ", pairs_b.huber, 0,
    lambda d, c: d * np.where(abs(c[0]) < 0.7, c[0], np.sign(c[0])), "factor",
    "where|beyond|large|x. [<>]|x [<>]|scale | local")
row("prelu: da of all channels", pairs_b.prelu, 1,
    lambda d, c: (d * np.minimum(c[0], 0)).sum(axis=1)[:3], "axis", "axis")
row("prelu: da not masked", pairs_b.prelu, 1, lambda d, c: (d * c[0]).sum(axis=0),
    "mask", "mask | x [<>≤] 0|positive | np.where")
row("prelu: |x| for x", pairs_b.prelu, 1,
    lambda d, c: (d * np.abs(np.minimum(c[0], 0))).sum(axis=0), "sign", "sign")
row("prelu: dx takes a for all", pairs_b.prelu, 0, lambda d, c: d * c[1], "mask",
    "mask|where|x > 0|positive")
row("highway: carry gate is t", pairs_b.highway, 0, lambda d, c: d * c[2], "mask",
    "complement|1 ?− ?|mask|inverted|gate|sum|in (the )?place of|instead")
row("highway: da without −x", pairs_b.highway, 2,
    lambda d, c: d * c[1] * c[2] * (1 - c[2]), "missing path",
    "path | lacks|term|use alone")
row("highway: da without σ′", pairs_b.highway, 2, lambda d, c: d * (c[1] - c[0]),
    "chain factor", "local | σ|sigmoid")
row("maxout: split among the pieces", pairs_b.maxout, 0,
    lambda d, x: np.repeat(d[..., None], 2, axis=2) / 2, "mask",
    "mask|max|equal|shared|split|averag|half")
row("maxout: the smaller piece", pairs_b.maxout, 0,
    lambda d, x: d[..., None] * (x == x.min(axis=2, keepdims=True)), "mask",
    "mask|min|other|revers|flip|swap|exchang|order")
row("dueling: mean forgotten", pairs_b.dueling, 1, lambda d, _: d, "missing path",
    "path | mean")
row("dueling: mean over the batch", pairs_b.dueling, 1, lambda d, _: d - d.mean(axis=0),
    "axis", "axis")
row("dueling: dv is a mean", pairs_b.dueling, 0, lambda d, _: d.mean(axis=1),
    "mean for sum", "scale")
row("reparameterize: ½ forgotten", pairs_b.reparameterize, 1,
    lambda d, c: d * c[1] * np.exp(c[0] / 2), "factor", "scale")
row("reparameterize: as of σ", pairs_b.reparameterize, 1, lambda d, c: d * c[1],
    "chain factor", "local|exp|σ|factor")
row("reparameterize: no noise", pairs_b.reparameterize, 1,
    lambda d, c: d * np.exp(c[0] / 2) / 2, "chain factor", "local|noise")
row("rotary: turned the same way", pairs_b.rotary, 0, lambda d, c: np.stack([
    d[0] * np.cos(c[1]) - d[1] * np.sin(c[1]),
    d[0] * np.sin(c[1]) + d[1] * np.cos(c[1])]), "transpose",
    "transpose|inverse|direction|sign|turned|rotat")

# --- order and place
row("shuffle: reshaped only", pairs_b.shuffle, 0, lambda d, s: d.reshape(s), "reshape",
    "reshape|order|places")
row("shuffle: the two factors exchanged", pairs_b.shuffle, 0,
    lambda d, s: d.reshape(2, s[1], 2, s[2], 2).transpose(0, 4, 2, 1, 3).reshape(s),
    "transpose", "transpose|order|places|exchang|permut|axes")
row("heads: not transposed", pairs_b.heads, 0, lambda d, s: d.reshape(s), "reshape",
    "reshape|transpose|places|order")
row("heads: wrong axes exchanged", pairs_b.heads, 0,
    lambda d, s: d.transpose(0, 2, 3, 1).reshape(s), "transpose",
    "transpose|places|order|axes")
row("segment mean: count forgotten", pairs_b.segment_mean, 0, lambda d, c: d[c[1]],
    "average",
    "scale|count|number|repeat|more than once|size of dy/dx")
row("segment mean: the number of segments", pairs_b.segment_mean, 0,
    lambda d, c: d[c[1]] / 3, "average", "scale|count|number|repeat|more than once")
row("distances: db as da", pairs_b.distances, 1,
    lambda d, e: 2 * (d[..., None] * e).sum(axis=0), "sign", "sign")
row("distances: 2 forgotten", pairs_b.distances, 0,
    lambda d, e: (d[..., None] * e).sum(axis=1), "factor", "scale")
row("distances: only to the last", pairs_b.distances, 0,
    lambda d, e: 2 * d[:, -1:] * e[:, -1], "last write wins", "rows | repeat|sum|axis")
row("product: the product alone", pairs_b.product, 0,
    lambda d, x: d[:, None] * x.prod(axis=1, keepdims=True) + 0 * x, "wrong local",
    "local|divid|1/x|factor")
row("inverse: minus forgotten", pairs_b.inverse, 0, lambda d, y: y.T @ d @ y.T, "sign",
    "sign")
row("inverse: not transposed", pairs_b.inverse, 0, lambda d, y: -y @ d @ y, "transpose",
    "transpose")
row("inverse: elementwise −1/a²", pairs_b.inverse, 0, lambda d, y: -d * y * y,
    "jacobian", "jacobian | in the place of the derivative")

# --- losses
P = pairs_b.weighted
row("weighted ce: divided by N", P, 0,
    lambda d, c: d * c[2][:, None] * (c[0] - onehot(c[1], 4)) / 6, "average",
    "scale|weight")
row("weighted ce: weights forgotten", P, 0,
    lambda d, c: d * (c[2] > 0)[:, None] * (c[0] - onehot(c[1], 4)) / c[2].sum(),
    "chain factor", "weight|scale|row|local|label")
row("weighted ce: ignored rows count", P, 0,
    lambda d, c: d * pairs_b.CLASS_WEIGHT[c[1]][:, None] * (c[0] - onehot(c[1], 4))
    / c[2].sum(), "mask", "mask|ignore|\\brow|−1|-1|labels?|< 0")
row("weighted ce: weight of the column", P, 0,
    lambda d, c: d * (c[2] > 0)[:, None] * pairs_b.CLASS_WEIGHT
    * (c[0] - onehot(c[1], 4)) / c[2].sum(), "axis", "axis|weight|column")
row("smoothed ce: hard labels", pairs_b.smoothed, 0,
    lambda d, c: d * (c[0] - onehot(c[1], 4)) / 5, "missing term",
    "smooth|label|target|one-?hot|constant")
row("smoothed ce: ε not shared out", pairs_b.smoothed, 0,
    lambda d, c: d * (c[0] - 0.8 * onehot(c[1], 4)) / 5, "missing term",
    "smooth|label|target|constant|offset|extra|term")
row("focal: modulating factor constant", pairs_b.focal, 0,
    lambda d, c: -d * (2 * c[1] - 1) * (1 - pairs_b.truth(*c)) ** 3, "missing path",
    "path|term|lacks|use alone")
row("focal: of the positives only", pairs_b.focal, 0,
    lambda d, c: c[1] * pairs_b.focal.backward(d, c)[0], "mask",
    "zero|mask|where|only|label")
row("bce: pos_weight forgotten", pairs_b.bce_logits, 0,
    lambda d, c: d * (sigma(c[0]) - c[1]) / 7, "factor",
    "weight|scale|where|label|only")
row("bce: pos_weight on all", pairs_b.bce_logits, 0,
    lambda d, c: d * 3 * (sigma(c[0]) - c[1]) / 7, "factor",
    "weight|scale|where|label|only")
row("bce: of probabilities", pairs_b.bce_logits, 0,
    lambda d, c: d * (c[0] - c[1]) / 7, "wrong point", "point|σ|sigmoid|logit")
row("kl: directions exchanged", pairs_b.kl, 0,
    lambda d, c: d * (c[1] - c[0]) / 4, "sign", "sign|exchang|order|normali")
row("kl: q − p though Σp ≠ 1", pairs_b.kl, 0,
    lambda d, c: d * (c[0] - c[1]) / 4, "chain factor", "sum|normali|factor|local")
row("kl: dp without 1", pairs_b.kl, 1,
    lambda d, c: d * (np.log(c[1]) - np.log(c[0])) / 4, "missing term",
    "constant|offset|term|lacks|\\+ ?1|plus")
row("kl: dp batchmean forgotten", pairs_b.kl, 1,
    lambda d, c: d * (np.log(c[1]) + 1 - np.log(c[0])), "average", "scale")
row("hinge: not of the square", pairs_b.hinge, 0,
    lambda d, c: -d * c[1] * (1 - c[1] * c[0] > 0) / 7, "wrong local",
    "squar|²|power|margin|local")
row("hinge: label forgotten", pairs_b.hinge, 0,
    lambda d, c: -d * 2 * np.maximum(0, 1 - c[1] * c[0]) / 7, "chain factor",
    "label|local|sign|where")
row("hinge: margin 0", pairs_b.hinge, 0,
    lambda d, c: -d * 2 * np.where(c[1] * c[0] < 0, 1 - c[1] * c[0], 0) * c[1] / 7,
    "mask", "mask|margin|where|zero|only")
row("gaussian: ds without the 1", pairs_b.gaussian, 1,
    lambda d, c: -d * c[0] ** 2 * np.exp(-2 * c[1]), "missing path",
    "lacks|constant|term|path|\\+ ?g|offset")
row("gaussian: dμ by σ", pairs_b.gaussian, 0,
    lambda d, c: -d * c[0] * np.exp(-c[1]), "wrong local",
    "squar|²|power|σ|exp|local|factor")
row("triplet: anchor sees the positive only", pairs_b.triplet, 0,
    lambda d, c: d * c[3] * 2 * (c[0] - c[1]), "missing path",
    "path|lacks|term|\\bn\\b|negative")
row("triplet: inactive triplets too", pairs_b.triplet, 1,
    lambda d, c: -d * 2 * (c[0] - c[1]), "mask", "mask|row|active|maximum|cache.3.")
row("dice: denominator constant", pairs_b.dice, 0,
    lambda d, c: -2 * d * c[1] / (c[0].sum() + c[1].sum()), "missing path",
    "path|denominator|lacks|same for all|constant|offset")

# --- convolution, pooling and sampling
def conv1d_dx(dout, c, dilation=2, stride=2, offset=0):
    x, w, *_ = c
    n, dx = dout.shape[2], np.zeros((*c[0].shape[:2], 30))
    for k in range(w.shape[2]):
        at = (k * dilation + offset, stride, n)
        pairs_b.tap(dx, *at)[...] += np.einsum("nfl,fc->ncl", dout, w[:, :, k])
    return dx[:, :, : x.shape[2]]


P = pairs_b.conv1d
row("conv1d: dilation forgotten", P, 0, lambda d, c: conv1d_dx(d, c, dilation=1),
    "shift", "shift|dilat|place|position")
row("conv1d: stride forgotten", P, 0, lambda d, c: conv1d_dx(d, c, stride=1), "shift",
    "shift|stride|place|position")
row("conv1d: one to the right", P, 0, lambda d, c: conv1d_dx(d, c, offset=1), "shift",
    "shift")
row("conv1d: dw flipped", P, 1,
    lambda d, c: pairs_b.conv1d_backward(d, c)[1][:, :, ::-1], "flip",
    "flip|revers|rotat|order|places|mirror|turned")
row("conv1d: dw without the dilation", P, 1, lambda d, c: np.stack([
    np.einsum("nfl,ncl->fc", d, pairs_b.tap(c[0], k, 2, d.shape[2])) for k in range(3)],
    axis=2), "shift", "shift|dilat")
P = pairs_b.depthwise
row("depthwise: dw summed over channels", P, 1,
    lambda d, c: np.repeat(pairs_b.depthwise.backward(d, c)[1].sum(0)[None], 4, axis=0),
    "axis", "axis|summed|sum|channel")
row("depthwise: kernel not flipped", P, 0, lambda d, c: sum(
    np.pad(d * c[1][:, k : k + 1], ((0, 0), (0, 0), (2 - k, k))) for k in range(3)),
    "flip", "flip|revers|rotat|order|mirror|turned")
row("depthwise: channel 0's kernel for all", P, 0, lambda d, c: sum(
    np.pad(d * c[1][0, k], ((0, 0), (0, 0), (k, 2 - k))) for k in range(3)), "index",
    "channel|axis|index|first|only at")


@slip(pairs_b.pool1d, "last write wins", "repeat")
def pool1d_overwrites_shared_maxima(dout, cache):
    x, starts = cache
    dx = np.zeros_like(x)
    for o, s in enumerate(starts):
        dx[np.arange(len(x)), s + x[:, s : s + 3].argmax(axis=1)] = dout[:, o]
    return dx


@slip(pairs_b.pool1d, "shift", "shift|place|position|offset|index")
def pool1d_forgets_where_the_window_starts(dout, cache):
    x, starts = cache
    dx = np.zeros_like(x)
    for o, s in enumerate(starts):
        dx[np.arange(len(x)), x[:, s : s + 3].argmax(axis=1)] += dout[:, o]
    return dx


row("global pool: H alone", pairs_b.global_pool, 0,
    lambda d, s: np.broadcast_to(d[:, :, None, None] / s[2], s), "average", "scale")
row("global pool: to the first pixel", pairs_b.global_pool, 0,
    lambda d, s: np.pad(d[:, :, None, None], ((0, 0), (0, 0), (0, 3), (0, 4))),
    "broadcast", "broadcast|only|zero|pixel|first|sum|spread|axis|axes")
row("resize: nearest", pairs_b.resize, 0,
    lambda d, c: d @ onehot(c[1] + (c[2] > 0.5), 4), "sampling", "sampling|nearest")
row("resize: weights exchanged", pairs_b.resize, 0,
    lambda d, c: d @ (onehot(c[1], 4).T * c[2] + onehot(c[1] + 1, 4).T * (1 - c[2])).T,
    "sampling", "sampling|exchang|complement")
row("resize: right neighbor forgotten", pairs_b.resize, 0,
    lambda d, c: d @ (onehot(c[1], 4).T * (1 - c[2])).T, "sampling",
    "sampling|path|lacks")


@slip(pairs_b.resize, "last write wins", "repeat")
def resize_adds_with_fancy_indices(dout, cache):
    shape, i, f = cache
    dx = np.zeros(shape)
    dx[:, i] += dout * (1 - f)
    dx[:, i + 1] += dout * f
    return dx


def sampler_theta(dout, c, sx=2.5, sy=2.0):
    dx, dy = pairs_b.sampler_slopes(dout, c)
    return np.stack([dx * sx, dy * sy]) @ c[1]


P = pairs_b.sampler
row("sampler: pixels not unscaled", P, 1, lambda d, c: sampler_theta(d, c, 1, 1),
    "chain factor", "scale|local|factor|row|chain")
row("sampler: W for W − 1", P, 1, lambda d, c: sampler_theta(d, c, 3, 2.5), "shift",
    "scale|factor|times|row")
row("sampler: H and W exchanged", P, 1, lambda d, c: sampler_theta(d, c, 2.0, 2.5),
    "order", "exchang|scale|factor|row|order")
row("sampler: x and y exchanged", P, 1, lambda d, c: sampler_theta(d, c)[::-1], "order",
    "exchang|order|swap|revers|flip|places|row")
row("sampler: weights constant", P, 1, lambda d, c: 0 * c[1][:2, :3], "missing path",
    "zero")


@slip(P, "last write wins", "repeat")
def sampler_assigns_to_the_image(dout, cache):
    image, _, i, j, a, b = cache
    out = np.zeros_like(image)
    for k, m, w in ((0, 0, (1 - a) * (1 - b)), (0, 1, (1 - a) * b),
                    (1, 0, a * (1 - b)), (1, 1, a * b)):
        out[i + k, j + m] = dout * w
    return out, pairs_b.sampler_backward(dout, cache)[1]


# --- sequences
P = pairs_b.gru


def gru_slip(name, family, expect, **flags):
    def backward(dout, cache):
        return pairs_b.gru_backward(dout, cache, **flags)

    backward.__name__ = name
    slip(pairs_b.gru, family, expect)(backward)


gru_slip("gru: reset gate not in U's way", "chain factor",
         "local|reset|multiplied by|path", reset=False)
gru_slip("gru: z h has no way of its own", "missing path", "path|lacks|term|carry",
         carry=False)
gru_slip("gru: update gate's sign", "sign", "sign|−1", update=-1.0)
gru_slip("gru: nothing through r", "missing path", "path|zero|lacks", through_n=False)
P = pairs_b.causal
row("causal: future not masked", P, 1, lambda d, c: unmasked(d, c), "mask",
    "mask|future|later|causal|zero")
row("causal: √d divided twice", P, 0,
    lambda d, c: pairs_b.causal_backward(d, c)[0] / 3**0.5, "factor", "scale")
row("causal: dq and dk exchanged", P, 0, lambda d, c: pairs_b.causal_backward(d, c)[1],
    "order", "order|exchang|gradient of|transpose")
row("causal: dv not transposed", P, 2, lambda d, c: c[3] @ d, "transpose", "transpose")


def unmasked(d, c):
    q, k, v, _, _ = c
    p = softmax_of(q @ k.T / 3**0.5)
    return pairs_b.causal_backward(d, (q, k, v, p, None))[1]


def cell_slip(name, family, expect, **flags):
    def backward(dout, cache):
        return pairs_b.cell_backward(dout, cache, **flags)

    backward.__name__ = name
    slip(pairs_b.cell, family, expect)(backward)


cell_slip("cell: df with the new c", "shift", "time|shift|point|step", shift=1)
cell_slip("cell: truncated after a step", "missing path", "path|time|step", stop=True)
cell_slip("cell: dc lacks f", "chain factor", "local|gate|time|decay|size of dy/dx",
          carry=False)
row("padded embedding: padding learns", pairs_b.padded_embedding, 0,
    lambda d, c: np.einsum("ntv,ntd->vd", onehot(c[1], 5), d), "mask",
    "mask|only at|row|padding|index|zero|i != 0")
row("padded embedding: one too far", pairs_b.padded_embedding, 0,
    lambda d, c: np.roll(pairs_b.padded_embedding.backward(d, c)[0], 1, axis=0),
    "shift", "shift|roll|places|order")
row("masked mean: T for the length", pairs_b.masked_mean, 0,
    lambda d, m: (d / 4)[:, None] * m[..., None], "average", "scale|length|count|row")
row("masked mean: padding not masked", pairs_b.masked_mean, 0,
    lambda d, m: np.repeat((d / m.sum(1, keepdims=True))[:, None], 4, axis=1), "mask",
    "mask|where|zero")

# --- steps of optimizers, differentiated
row("rmsprop: root constant", pairs_b.rmsprop, 0,
    lambda d, c: -0.1 * d / (np.sqrt(0.8 * c[1] + 0.2 * c[0] ** 2) + 0.1),
    "missing path", "path|lacks|term")
row("rmsprop: ε forgotten", pairs_b.rmsprop, 0,
    lambda d, c: pairs_b.rmsprop_backward(d, *c)[0]
    * (1 + 0.1 / np.sqrt(0.8 * c[1] + 0.2 * c[0] ** 2)), "epsilon",
    "ε|eps|factor|offset")
row("adagrad: ½ of the root forgotten", pairs_b.adagrad, 1,
    lambda d, c: 0.1 * d * c[0] / c[1] ** 1.5, "factor", "scale")

# --- state, and what is shared


@stateful(pairs_b.prelu, "grows between calls", "grow|adds up|accumul|total")
def prelu_keeps_the_gradient_of_a():
    kept = np.zeros(3)

    def backward(dout, cache):
        dx, da = pairs_b.prelu.backward(dout, cache)
        kept[:] += da
        return dx, kept.copy()

    return pairs_b.prelu.forward, backward


@stateful(pairs_b.rms_norm, "stale cache", "stale | state")
def rms_norm_keeps_the_first_batch_statistic():
    kept = []

    def forward(x, gamma):
        y, cache = pairs_b.rms_norm_forward(x, gamma)
        kept.append(cache[2])
        return y, cache

    def backward(dout, cache):
        return pairs_b.rms_norm_backward(dout, (*cache[:2], kept[0]))

    return forward, backward


@slip(pairs_b.highway, "overwritten", "write")
def highway_reuses_dout(dout, cache):
    x, h, t = cache
    da = dout * (h - x) * t * (1 - t)
    dh = dout * t
    dout *= 1 - t
    return dout, dh, da


@slip(pairs_b.smoothed, "overwritten", "write | state")
def smoothed_subtracts_in_the_cache(dout, cache):
    p, labels = cache
    p -= pairs_b.smooth(labels)
    return dout * p / len(p), None


@slip(pairs_b.distances, "dtype", "dtype")
def distances_in_float16(dout, cache):
    da, db = pairs_b.distances.backward(dout, cache.astype(np.float16))
    return da.astype(float), db


# --- bodies of ops of minidl
def swish(x, beta):
    s = 1 / (1 + ops.exp(-x * beta))
    ds = x * s * (1 - s)
    return x * s, (lambda g: g * (s + beta * ds), lambda g: (g * x * ds).sum(axis=0))


def bilinear_form(x, a, y):
    z = ((x @ a) * y).sum(axis=1)
    return z, (
        lambda g: g[:, None] * (y @ a.T),
        lambda g: x.T @ (g[:, None] * y),
        lambda g: g[:, None] * (x @ a),
    )


def log1p_square(x):
    return ops.log(1 + x * x), (lambda g: g * 2 * x / (1 + x * x),)


SWISH = draws((4, 3), (3,))
FORM = draws((5, 3), (3, 4), (5, 4))


@body(swish, SWISH, "chain factor", "local|β|beta")
def swish_without_beta(x, beta):
    s = 1 / (1 + ops.exp(-x * beta))
    ds = x * s * (1 - s)
    return x * s, (lambda g: g * (s + ds), lambda g: (g * x * ds).sum(axis=0))


@body(swish, SWISH, "broadcast", "broadcast")
def swish_beta_for_each_sample(x, beta):
    s = 1 / (1 + ops.exp(-x * beta))
    ds = x * s * (1 - s)
    return x * s, (lambda g: g * (s + beta * ds), lambda g: g * x * ds)


@body(bilinear_form, FORM, "transpose", "transpose|shape")
def form_with_a_reshaped(x, a, y):
    z = ((x @ a) * y).sum(axis=1)
    return z, (
        lambda g: g[:, None] * (y @ a.reshape(4, 3)),
        lambda g: x.T @ (g[:, None] * y),
        lambda g: g[:, None] * (x @ a),
    )


@body(bilinear_form, FORM, "g ignored", "ignored | local")
def form_without_g(x, a, y):
    z = ((x @ a) * y).sum(axis=1)
    return z, (
        lambda g: g[:, None] * (y @ a.T),
        lambda g: x.T @ y,
        lambda g: g[:, None] * (x @ a),
    )


@body(log1p_square, draws((4, 3)), "chain factor", "local|x\\b|factor|2 ?x")
def log1p_square_without_the_inner_derivative(x):
    return ops.log(1 + x * x), (lambda g: g / (1 + x * x),)


@body(log1p_square, draws((4, 3)), "factor", "scale")
def log1p_square_half(x):
    return ops.log(1 + x * x), (lambda g: g * x / (1 + x * x),)
