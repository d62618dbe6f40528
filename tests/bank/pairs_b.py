"""Right pairs for the second half of the bank, in the notation of `pairs.py`."""

from __future__ import annotations

import numpy as np

from tests.bank.cases import Pair, booleans, draws, integers, positive, uniform
from tests.bank.pairs import elementwise, onehot, sigma, softmax_backward, softmax_of

EPS = 0.1


# --- normalization
def group_norm_forward(x, gamma, groups=2):
    """x (N, C, L), gamma (C,): statistics of each sample's groups of channels."""
    g = x.reshape(len(x), groups, -1)
    r = 1 / np.sqrt(g.var(axis=2, keepdims=True) + EPS)
    xhat = ((g - g.mean(axis=2, keepdims=True)) * r).reshape(x.shape)
    return gamma[:, None] * xhat, (xhat, gamma, r, groups)


def group_norm_backward(dout, cache):
    xhat, gamma, r, groups = cache
    d = (dout * gamma[:, None]).reshape(len(dout), groups, -1)
    h = xhat.reshape(d.shape)
    dx = d - d.mean(axis=2, keepdims=True) - h * (d * h).mean(axis=2, keepdims=True)
    return (dx * r).reshape(dout.shape), (dout * xhat).sum(axis=(0, 2))


group_norm = Pair(group_norm_forward, group_norm_backward, draws((3, 4, 5), (4,)))


def rms_norm_forward(x, gamma):
    r = 1 / np.sqrt((x * x).mean(axis=1, keepdims=True) + EPS)
    return x * r * gamma, (x, gamma, r)


def rms_norm_backward(dout, cache):
    x, gamma, r = cache
    d = dout * gamma
    dx = r * d - r**3 * x * (d * x).mean(axis=1, keepdims=True)
    return dx, (dout * x * r).sum(axis=0)


rms_norm = Pair(rms_norm_forward, rms_norm_backward, draws((5, 3), (3,)))


def spatial_norm_forward(x, gamma, beta):
    """Batch norm of images (N, C, H, W), over all axes but the channels'."""
    mu = x.mean(axis=(0, 2, 3), keepdims=True)
    r = 1 / np.sqrt(x.var(axis=(0, 2, 3), keepdims=True) + EPS)
    xhat = (x - mu) * r
    return gamma[:, None, None] * xhat + beta[:, None, None], (xhat, gamma, r)


def spatial_norm_backward(dout, cache, axes=(0, 2, 3)):
    xhat, gamma, r = cache
    d = dout * gamma[:, None, None]
    dx = d - d.mean(axis=axes, keepdims=True)
    dx = r * (dx - xhat * (d * xhat).mean(axis=axes, keepdims=True))
    return dx, (dout * xhat).sum(axis=(0, 2, 3)), dout.sum(axis=(0, 2, 3))


spatial_norm = Pair(
    spatial_norm_forward, spatial_norm_backward, draws((4, 2, 3, 5), (2,), (2,))
)


def weight_norm_backward(dout, cache):
    v, s, r = cache
    along = (dout * v).sum(axis=0) / r
    return s / r * (dout - v * along / r), along


weight_norm = Pair(
    lambda v, s: (
        s * v / np.sqrt((v * v).sum(axis=0)),
        (v, s, np.sqrt((v * v).sum(0))),
    ),
    weight_norm_backward,
    draws((5, 3), (3,)),
)


def cosine_backward(dout, cache):
    a, b, na, nb, y = cache
    d = dout[:, None]
    return d * (b / (na * nb) - y * a / na**2), d * (a / (na * nb) - y * b / nb**2)


def cosine_forward(a, b):
    na, nb = (np.sqrt((x * x).sum(axis=1, keepdims=True)) for x in (a, b))
    y = (a * b).sum(axis=1, keepdims=True) / (na * nb)
    return y[:, 0], (a, b, na, nb, y)


cosine = Pair(cosine_forward, cosine_backward, draws((4, 3), (4, 3)))


def clip_norm_forward(x):
    """x, at most 1.5 long."""
    r = np.sqrt((x * x).sum())
    return x * 1.5 / r, (x, r)


clip_norm = Pair(
    clip_norm_forward,
    lambda d, c: 1.5 / c[1] * (d - c[0] * (d * c[0]).sum() / c[1] ** 2),
    draws((5, 4)),
)


# --- elementwise, and gates
def gelu_inner(x):
    return np.tanh(0.8 * (x + 0.045 * x**3))


def gelu_slope(x):
    t = gelu_inner(x)
    return (1 + t) / 2 + x / 2 * (1 - t * t) * 0.8 * (1 + 0.135 * x * x)


gelu = elementwise(lambda x: x / 2 * (1 + gelu_inner(x)), lambda x, y: gelu_slope(x))
softsign = elementwise(lambda x: x / (1 + abs(x)), lambda x, y: (1 + abs(x)) ** -2.0)
arctan = elementwise(np.arctan, lambda x, y: 1 / (1 + x * x))
huber = elementwise(
    lambda x: np.where(abs(x) < 0.7, x * x / 2, 0.7 * (abs(x) - 0.35)),
    lambda x, y: np.clip(x, -0.7, 0.7),
)
prelu = Pair(
    lambda x, a: (np.where(x > 0, x, a * x), (x, a)),
    lambda d, c: (
        d * np.where(c[0] > 0, 1, c[1]),
        (d * np.minimum(c[0], 0)).sum(axis=0),
    ),
    draws((5, 3), uniform(0.1, 0.4, 3)),
)
highway = Pair(
    lambda x, h, a: (sigma(a) * h + (1 - sigma(a)) * x, (x, h, sigma(a))),
    lambda d, c: (d * (1 - c[2]), d * c[2], d * (c[1] - c[0]) * c[2] * (1 - c[2])),
    draws((4, 3), (4, 3), (4, 3)),
)
maxout = Pair(
    lambda x: (x.max(axis=2), x),
    lambda d, x: d[..., None] * (x == x.max(axis=2, keepdims=True)),
    draws((4, 3, 2)),
)
dueling = Pair(
    lambda v, a: (v[:, None] + a - a.mean(axis=1, keepdims=True), a.shape),
    lambda d, _: (d.sum(axis=1), d - d.mean(axis=1, keepdims=True)),
    draws((5,), (5, 3)),
)
reparameterize = Pair(
    lambda mu, logvar, noise: (mu + np.exp(logvar / 2) * noise, (logvar, noise)),
    lambda d, c: (d, d * c[1] * np.exp(c[0] / 2) / 2, d * np.exp(c[0] / 2)),
    draws((4, 3), (4, 3), (4, 3)),
)
rotary = Pair(
    lambda x, a: (np.stack([x[0] * np.cos(a) - x[1] * np.sin(a),
                            x[0] * np.sin(a) + x[1] * np.cos(a)]), (x, a)),
    lambda d, c: (np.stack([d[0] * np.cos(c[1]) + d[1] * np.sin(c[1]),
                            d[1] * np.cos(c[1]) - d[0] * np.sin(c[1])]),
                  d[0] * (-c[0][0] * np.sin(c[1]) - c[0][1] * np.cos(c[1]))
                  + d[1] * (c[0][0] * np.cos(c[1]) - c[0][1] * np.sin(c[1]))),
    draws((2, 4, 3), (4, 3)),
)  # fmt: skip

# --- order and place
shuffle = Pair(  # depth to space: (4C, H, W) -> (C, 2H, 2W)
    lambda x: (pixel_shuffle(x), x.shape),
    lambda d, s: (
        d.reshape(s[0] // 4, s[1], 2, s[2], 2).transpose(0, 2, 4, 1, 3).reshape(s)
    ),
    draws((8, 3, 5)),
)


def pixel_shuffle(x):
    c, h, w = x.shape
    y = x.reshape(c // 4, 2, 2, h, w).transpose(0, 3, 1, 4, 2)
    return y.reshape(c // 4, 2 * h, 2 * w)


def segment_backward(dout, cache):
    _, i, n = cache
    return dout[i] / n[i][:, None], None


def segment_forward(x, i):
    n = np.maximum(np.bincount(i, minlength=3), 1)
    return onehot(i, len(n)).T @ x / n[:, None], (x, i, n)


segment_mean = Pair(
    segment_forward,
    segment_backward,
    draws((7, 4), lambda rng: np.array([0, 2, 1, 0, 0, 2, 0])),
)
heads = Pair(  # split of (N, T, H·K) into heads (N, H, T, K)
    lambda x: (x.reshape(*x.shape[:2], 3, -1).transpose(0, 2, 1, 3), x.shape),
    lambda d, s: d.transpose(0, 2, 1, 3).reshape(s),
    draws((2, 4, 15)),
)
distances = Pair(
    lambda a, b: (((a[:, None] - b) ** 2).sum(axis=2), a[:, None] - b),
    lambda d, e: (
        2 * (d[..., None] * e).sum(axis=1),
        -2 * (d[..., None] * e).sum(axis=0),
    ),
    draws((4, 3), (5, 3)),
)
product = Pair(
    lambda x: (x.prod(axis=1), x),
    lambda d, x: d[:, None] * x.prod(axis=1, keepdims=True) / x,
    draws(positive(4, 3)),
)
inverse = Pair(
    lambda a: (np.linalg.inv(a), np.linalg.inv(a)),
    lambda d, y: -y.T @ d @ y.T,
    draws(lambda rng: np.eye(4) * 3 + rng.standard_normal((4, 4))),
)


# --- losses
CLASS_WEIGHT = np.array([0.5, 2.0, 1.0, 0.2])


def weighted_forward(x, labels):
    """Σ wₖ (−log p) / Σ wₖ, and labels of −1 do not count."""
    kept = labels >= 0
    w = CLASS_WEIGHT[labels] * kept
    p = softmax_of(x)
    return -(w * np.log(p[np.arange(len(x)), labels])).sum() / w.sum(), (p, labels, w)


weighted = Pair(
    weighted_forward,
    lambda d, c: (d * c[2][:, None] * (c[0] - onehot(c[1], 4)) / c[2].sum(), None),
    draws((6, 4), lambda rng: np.array([1, -1, 0, 3, 2, 1])),
)
smoothed = Pair(
    lambda x, labels: (
        -(smooth(labels) * np.log(softmax_of(x))).sum() / len(x),
        (softmax_of(x), labels),
    ),
    lambda d, c: (d * (c[0] - smooth(c[1])) / len(c[0]), None),
    draws((5, 4), integers(4, 5)),
)


def smooth(labels):
    return 0.8 * onehot(labels, 4) + 0.05


focal = Pair(
    lambda x, t: (-((1 - truth(x, t)) ** 2 * np.log(truth(x, t))).sum(), (x, t)),
    lambda d, c: (
        d * sign(c[1]) * (1 - truth(*c)) ** 2
        * (2 * truth(*c) * np.log(truth(*c)) - (1 - truth(*c))),
        None,
    ),
    draws((7,), integers(2, 7)),
)  # fmt: skip


def sign(t):
    return 2 * t - 1


def truth(x, t):
    """The probability of what is true."""
    return sigma(sign(t) * x)


bce_logits = Pair(  # the positives weigh 3
    lambda x, t: (
        (3 * t * np.log1p(np.exp(-x)) + (1 - t) * np.log1p(np.exp(x))).mean(),
        (x, t),
    ),
    lambda d, c: (
        d * ((1 - c[1]) * sigma(c[0]) - 3 * c[1] * sigma(-c[0])) / len(c[0]),
        None,
    ),
    draws((7,), integers(2, 7)),
)
kl = Pair(  # Σ p (log p − log q) of q = softmax(x), over N
    lambda x, p: (
        (p * (np.log(p) - np.log(softmax_of(x)))).sum() / len(x),
        (softmax_of(x), p),
    ),
    lambda d, c: (
        d * (c[0] * c[1].sum(axis=1, keepdims=True) - c[1]) / len(c[0]),
        d * (np.log(c[1]) + 1 - np.log(c[0])) / len(c[0]),
    ),
    draws((4, 3), uniform(0.1, 0.6, 4, 3)),
)
hinge = Pair(  # squared, of labels ±1
    lambda x, t: ((np.maximum(0, 1 - sign(t) * x) ** 2).mean(), (x, sign(t))),
    lambda d, c: (-d * 2 * np.maximum(0, 1 - c[1] * c[0]) * c[1] / len(c[0]), None),
    draws((7,), integers(2, 7)),
)
gaussian = Pair(
    lambda mu, s, x: (((x - mu) ** 2 * np.exp(-2 * s) / 2 + s).sum(), (x - mu, s)),
    lambda d, c: (
        -d * c[0] * np.exp(-2 * c[1]),
        d * (1 - c[0] ** 2 * np.exp(-2 * c[1])),
        d * c[0] * np.exp(-2 * c[1]),
    ),
    draws((4, 3), (4, 3), (4, 3)),
)


def triplet_forward(a, p, n):
    gap = ((a - p) ** 2).sum(axis=1) - ((a - n) ** 2).sum(axis=1) + 0.5
    return np.maximum(0, gap).sum(), (a, p, n, (gap > 0)[:, None])


triplet = Pair(
    triplet_forward,
    lambda d, c: (
        d * c[3] * 2 * (c[2] - c[1]),
        -d * c[3] * 2 * (c[0] - c[1]),
        d * c[3] * 2 * (c[0] - c[2]),
    ),
    draws((5, 3), (5, 3), (5, 3)),
)
dice = Pair(
    lambda p, t: (1 - 2 * (p * t).sum() / (p.sum() + t.sum()), (p, t)),
    lambda d, c: (
        -2 * d * (c[1] / (c[0].sum() + c[1].sum())
                  - (c[0] * c[1]).sum() / (c[0].sum() + c[1].sum()) ** 2),
        None,
    ),
    draws(uniform(0.1, 0.9, 4, 3), booleans(4, 3)),
)  # fmt: skip


# --- convolution and sampling of signals (N, C, L)
def conv1d_forward(x, w, stride=2, dilation=2):
    reach = (w.shape[2] - 1) * dilation + 1
    n = (x.shape[2] - reach) // stride + 1
    y = np.zeros((len(x), len(w), n))
    for k in range(w.shape[2]):
        y += np.einsum("ncl,fc->nfl", tap(x, k * dilation, stride, n), w[:, :, k])
    return y, (x, w, stride, dilation)


def tap(x, start, stride, n):
    return x[:, :, start : start + stride * n : stride]


def conv1d_backward(dout, cache):
    x, w, stride, dilation = cache
    dx, dw, n = np.zeros_like(x), np.zeros_like(w), dout.shape[2]
    for k in range(w.shape[2]):
        at = (k * dilation, stride, n)
        dw[:, :, k] = np.einsum("nfl,ncl->fc", dout, tap(x, *at))
        tap(dx, *at)[...] += np.einsum("nfl,fc->ncl", dout, w[:, :, k])
    return dx, dw


conv1d = Pair(conv1d_forward, conv1d_backward, draws((2, 3, 11), (4, 3, 3)))
depthwise = Pair(  # each channel has its own kernel
    lambda x, w: (
        sum(x[:, :, k : k + 5] * w[:, k : k + 1] for k in range(3)),
        (x, w),
    ),
    lambda d, c: (
        sum(np.pad(d * c[1][:, k : k + 1], ((0, 0), (0, 0), (k, 2 - k)))
            for k in range(3)),
        np.stack([(d * c[0][:, :, k : k + 5]).sum(axis=(0, 2)) for k in range(3)], 1),
    ),
    draws((2, 4, 7), (4, 3)),
)  # fmt: skip


def pool1d_backward(dout, cache):
    x, starts = cache
    dx = np.zeros_like(x)
    for o, s in enumerate(starts):
        best = x[:, s : s + 3].argmax(axis=1)
        dx[np.arange(len(x)), s + best] += dout[:, o]
    return dx


pool1d = Pair(  # maxima of three, one apart
    lambda x: (
        np.stack([x[:, s : s + 3].max(axis=1) for s in range(6)], axis=1),
        (x, range(6)),
    ),
    pool1d_backward,
    draws((3, 8)),
)
global_pool = Pair(
    lambda x: (x.mean(axis=(2, 3)), x.shape),
    lambda d, s: np.broadcast_to(d[:, :, None, None] / (s[2] * s[3]), s),
    draws((2, 3, 4, 5)),
)


def resize_forward(x):
    """A signal (C, 4) read at 9 places, between its neighbors, the ends included."""
    u = np.linspace(0, 3, 9)
    i = np.minimum(u.astype(int), 2)
    return x[:, i] * (1 - (u - i)) + x[:, i + 1] * (u - i), (x.shape, i, u - i)


def resize_backward(dout, cache):
    shape, i, f = cache
    dx = np.zeros(shape)
    for n in range(len(i)):
        dx[:, i[n]] += dout[:, n] * (1 - f[n])
        dx[:, i[n] + 1] += dout[:, n] * f[n]
    return dx


resize = Pair(resize_forward, resize_backward, draws((3, 4)))


def sampler_forward(image, theta):
    """A spatial transformer: image (H, W), theta (2, 3): grid in −1 … 1, to pixels."""
    h, w = image.shape
    grid = np.array([[-0.5, -0.2, 1], [0.3, -0.6, 1], [0.1, 0.4, 1], [0.15, 0.45, 1]])
    u, v = theta @ grid.T
    x, y = (u + 1) * (w - 1) / 2, (v + 1) * (h - 1) / 2
    i = np.clip(np.floor(y).astype(int), 0, h - 2)
    j = np.clip(np.floor(x).astype(int), 0, w - 2)
    a, b = y - i, x - j
    top = image[i, j] * (1 - b) + image[i, j + 1] * b
    low = image[i + 1, j] * (1 - b) + image[i + 1, j + 1] * b
    return top * (1 - a) + low * a, (image, grid, i, j, a, b)


def sampler_slopes(dout, cache):
    """∂L/∂x and ∂L/∂y in pixels."""
    image, _, i, j, a, b = cache
    dx = (1 - a) * (image[i, j + 1] - image[i, j])
    dx = dx + a * (image[i + 1, j + 1] - image[i + 1, j])
    dy = (1 - b) * (image[i + 1, j] - image[i, j])
    dy = dy + b * (image[i + 1, j + 1] - image[i, j + 1])
    return dout * dx, dout * dy


def sampler_image(dout, cache):
    image, _, i, j, a, b = cache
    out = np.zeros_like(image)
    np.add.at(out, (i, j), dout * (1 - a) * (1 - b))
    np.add.at(out, (i, j + 1), dout * (1 - a) * b)
    np.add.at(out, (i + 1, j), dout * a * (1 - b))
    np.add.at(out, (i + 1, j + 1), dout * a * b)
    return out


def sampler_backward(dout, cache):
    (h, w), (dx, dy) = cache[0].shape, sampler_slopes(dout, cache)
    dtheta = np.stack([dx * (w - 1) / 2, dy * (h - 1) / 2]) @ cache[1]
    return sampler_image(dout, cache), dtheta


def near_identity(rng):
    return np.eye(2, 3) + 0.1 * rng.standard_normal((2, 3))


sampler = Pair(sampler_forward, sampler_backward, draws((5, 6), near_identity))


# --- sequences
def gru_forward(x, h, wx, wh):
    """x (N, D), h (N, K), wx (D, 3K), wh (K, 3K): r, z and n; n = tanh(· + r h U)."""
    k = h.shape[1]
    a, b = x @ wx, h @ wh
    r, z = sigma(a[:, :k] + b[:, :k]), sigma(a[:, k : 2 * k] + b[:, k : 2 * k])
    u = b[:, 2 * k :]
    n = np.tanh(a[:, 2 * k :] + r * u)
    return (1 - z) * n + z * h, (x, h, wx, wh, r, z, n, u)


def gru_backward(dout, cache, reset=True, carry=True, update=1.0, through_n=True):
    """The right way back; the flags leave out a part of it, or mistake one."""
    x, h, wx, wh, r, z, n, u = cache
    dn = dout * (1 - z) * (1 - n * n)
    dz = dout * (h - n) * update * z * (1 - z)
    dr = dn * u * r * (1 - r) * through_n
    da = np.concatenate([dr, dz, dn], axis=1)
    db = np.concatenate([dr, dz, dn * r if reset else dn], axis=1)
    dh = db @ wh.T + dout * z * carry
    return da @ wx.T, dh, x.T @ da, h.T @ db


gru = Pair(gru_forward, gru_backward, draws((2, 3), (2, 4), (3, 12), (4, 12)))


def causal_forward(q, k, v):
    """Attention in which step t sees steps up to t.    q, k (T, D), v (T, K)."""
    seen = np.tri(len(q), dtype=bool)
    p = softmax_of(np.where(seen, q @ k.T / np.sqrt(q.shape[1]), -1e9))
    return p @ v, (q, k, v, p, seen)


def causal_backward(dout, cache):
    q, k, v, p, _ = cache
    ds = softmax_backward(dout @ v.T, p) / np.sqrt(q.shape[1])
    return ds @ k, ds.T @ q, p.T @ dout


causal = Pair(causal_forward, causal_backward, draws((5, 3), (5, 3), (5, 4)))


def cell_forward(x, f):
    """c(t) = f(t) c(t − 1) + x(t), a cell's memory; x, f (N, T)."""
    c = np.zeros((len(x), x.shape[1] + 1))
    for t in range(x.shape[1]):
        c[:, t + 1] = f[:, t] * c[:, t] + x[:, t]
    return c[:, 1:].copy(), (c, f)


def cell_backward(dout, cache, shift=0, stop=False, carry=True):
    c, f = cache
    dx, df, dc = np.zeros_like(f), np.zeros_like(f), 0
    for t in reversed(range(f.shape[1])):
        dc = dout[:, t] + dc
        dx[:, t], df[:, t] = dc, dc * c[:, t + shift]
        dc = 0 if stop else dc * f[:, t] if carry else dc
    return dx, df


cell = Pair(cell_forward, cell_backward, draws((3, 5), uniform(0.2, 0.9, 3, 5)))
padded_embedding = Pair(  # token 0 stands for nothing
    lambda w, i: (w[i] * (i != 0)[..., None], (w, i)),
    lambda d, c: (
        np.einsum("ntv,ntd->vd", onehot(c[1], 5) * (c[1] != 0)[..., None], d),
        None,
    ),
    draws((5, 3), lambda rng: np.array([[1, 3, 0, 1], [4, 1, 0, 0]])),
)  # fmt: skip
masked_mean = Pair(
    lambda x, m: ((x * m[..., None]).sum(1) / m.sum(1, keepdims=True), m),
    lambda d, m: ((d / m.sum(1, keepdims=True))[:, None] * m[..., None], None),
    draws((2, 4, 3), lambda rng: np.array([[1, 1, 1, 0], [1, 0, 1, 0]])),
)

# --- steps of optimizers, differentiated: η = 0.1
rmsprop = Pair(
    lambda g, v: (-0.1 * g / (np.sqrt(0.8 * v + 0.2 * g * g) + EPS), (g, v)),
    lambda d, c: rmsprop_backward(d, *c),
    draws((6,), positive(6)),
)


def rmsprop_backward(dout, g, v):
    root = np.sqrt(0.8 * v + 0.2 * g * g)
    dv = 0.1 * dout * g / (root + EPS) ** 2 / (2 * root)
    return -0.1 * dout / (root + EPS) + 0.4 * g * dv, 0.8 * dv


adagrad = Pair(
    lambda g, s: (-0.1 * g / np.sqrt(s + g * g), (g, s + g * g)),
    lambda d, c: (
        -0.1 * d * (c[1] - c[0] ** 2) / c[1] ** 1.5,
        0.05 * d * c[0] / c[1] ** 1.5,
    ),
    draws((6,), positive(6)),
)
