"""Right pairs of forward and backward, to which the wrong ones of the bank belong.

N batch, D and K features, C H W image, T time. All example dimensions are different.
"""

from __future__ import annotations

import numpy as np

from tests.bank.cases import Pair, booleans, draws, integers, positive, uniform


def sigma(x):
    return 1 / (1 + np.exp(-x))


def softmax_of(x, axis=1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def onehot(labels, k):
    return np.eye(k)[labels]


def elementwise(f, df, *specs):
    """y = f(x) with dy/dx = df(x, y); the cache is (x, y)."""

    def forward(x):
        y = f(x)
        return y, (x, y)

    return Pair(forward, lambda dout, c: dout * df(*c), draws(*(specs or [(4, 3)])))


relu = elementwise(lambda x: np.maximum(x, 0), lambda x, y: 1.0 * (x > 0))
sigmoid = elementwise(sigma, lambda x, y: y * (1 - y))
tanh = elementwise(np.tanh, lambda x, y: 1 - y * y)
leaky_relu = elementwise(
    lambda x: np.where(x > 0, x, 0.1 * x), lambda x, y: np.where(x > 0, 1, 0.1)
)
elu = elementwise(
    lambda x: np.where(x > 0, x, 0.7 * np.expm1(x)),
    lambda x, y: np.where(x > 0, 1, y + 0.7),
)
softplus = elementwise(lambda x: np.log1p(np.exp(x)), lambda x, y: sigma(x))
power = elementwise(lambda x: x**3, lambda x, y: 3 * x**2, (2, 5))
sqrt = elementwise(np.sqrt, lambda x, y: 0.5 / y, positive(4, 3))
log = elementwise(np.log, lambda x, y: 1 / x, positive(4, 3))
clip = elementwise(lambda x: np.clip(x, -0.8, 0.6), lambda x, y: (x > -0.8) & (x < 0.6))

# --- linear maps
affine = Pair(
    lambda x, w, b: (x @ w + b, (x, w)),
    lambda dout, c: (dout @ c[1].T, c[0].T @ dout, dout.sum(axis=0)),
    draws((5, 3), (3, 4), (4,)),
)
matmul = Pair(
    lambda a, b: (a @ b, (a, b)),
    lambda d, c: (d @ c[1].swapaxes(1, 2), c[0].swapaxes(1, 2) @ d),
    draws((2, 3, 4), (2, 4, 5)),
)
scale = Pair(
    lambda x, s: (x * s, (x, s)),
    lambda dout, c: (dout * c[1], (dout * c[0]).sum(axis=0)),
    draws((4, 3), (3,)),
)
divide = Pair(
    lambda a, b: (a / b, (a, b)),
    lambda d, c: (d / c[1], -d * c[0] / c[1] ** 2),
    draws((4, 3), positive(4, 3)),
)
cumsum = Pair(
    lambda x: (x.cumsum(axis=1), None),
    lambda d, _: d[:, ::-1].cumsum(axis=1)[:, ::-1],
    draws((3, 5)),
)
pad = Pair(
    lambda x: (np.pad(x, ((0, 0), (2, 2))), x.shape),
    lambda d, _: d[:, 2:-2],
    draws((3, 5)),
)
upsample = Pair(
    lambda x: (x.repeat(2, axis=2).repeat(2, axis=3), x.shape),
    lambda d, s: d.reshape(s[0], s[1], s[2], 2, s[3], 2).sum(axis=(3, 5)),
    draws((1, 2, 3, 4)),
)
residual = Pair(
    lambda x, w: (x + np.tanh(x @ w), (x, w, np.tanh(x @ w))),
    lambda d, c: (d + (d * (1 - c[2] ** 2)) @ c[1].T, c[0].T @ (d * (1 - c[2] ** 2))),
    draws((5, 3), (3, 3)),
)

# --- reductions
mean = Pair(
    lambda x: (x.mean(axis=0), x.shape),
    lambda d, s: np.broadcast_to(d / s[0], s),
    draws((5, 3)),
)
variance = Pair(
    lambda x: (x.var(axis=0), x),
    lambda d, x: d * 2 * (x - x.mean(axis=0)) / x.shape[0],
    draws((4, 3)),
)
maximum = Pair(
    lambda x: (x.max(axis=1), x),
    lambda d, x: d[:, None] * (x == x.max(axis=1, keepdims=True)),
    draws((4, 3)),
)
logsumexp = Pair(
    lambda x: (np.log(np.exp(x).sum(axis=1)), x),
    lambda d, x: d[:, None] * softmax_of(x),
    draws((4, 3)),
)


def normalize_forward(x):
    r = np.sqrt((x * x).sum(axis=1, keepdims=True))
    return x / r, (x / r, r)


def normalize_backward(dout, cache):
    y, r = cache
    return (dout - y * (dout * y).sum(axis=1, keepdims=True)) / r


normalize = Pair(normalize_forward, normalize_backward, draws((4, 3)))


def softmax_backward(dout, y):
    return y * (dout - (dout * y).sum(axis=1, keepdims=True))


def softmax_forward(x):
    y = softmax_of(x)
    return y, y


softmax = Pair(softmax_forward, softmax_backward, draws((4, 3)))


# --- losses: (N, K) scores and labels (N,) -> a number
def cross_entropy_forward(x, labels):
    p = softmax_of(x)
    return -np.log(p[np.arange(len(x)), labels]).mean(), (p, labels, x)


def cross_entropy_backward(dout, cache):
    p, labels, _ = cache
    return dout * (p - onehot(labels, p.shape[1])) / len(p), None


cross_entropy = Pair(
    cross_entropy_forward, cross_entropy_backward, draws((5, 4), integers(4, 5))
)


def svm_forward(x, labels):
    rows = np.arange(len(x))
    margins = np.maximum(0, x - x[rows, labels][:, None] + 1)
    margins[rows, labels] = 0
    return margins.sum() / len(x), (margins, labels, x)


def svm_backward(dout, cache):
    margins, labels, _ = cache
    dx = 1.0 * (margins > 0)
    dx[np.arange(len(dx)), labels] -= dx.sum(axis=1)
    return dout * dx / len(dx), None


svm = Pair(svm_forward, svm_backward, draws((5, 4), integers(4, 5)))
mse = Pair(
    lambda x, t: (((x - t) ** 2).mean(), x - t),
    lambda dout, e: (dout * 2 * e / e.size, -dout * 2 * e / e.size),
    draws((4, 3), (4, 3)),
)
bce = Pair(
    lambda p, t: (-(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(), (p, t)),
    lambda d, c: (d * (c[0] - c[1]) / (c[0] * (1 - c[0])) / c[0].size, None),
    draws(uniform(0.1, 0.9, 7), integers(2, 7)),
)
ridge = Pair(
    lambda w, x, t: (((x @ w - t) ** 2).mean() + 0.15 * (w * w).sum(), (w, x, t)),
    lambda d, c: (
        d * (2 * c[1].T @ (c[1] @ c[0] - c[2]) / len(c[2]) + 0.3 * c[0]),
        d * 2 * np.outer(c[1] @ c[0] - c[2], c[0]) / len(c[2]),
        -d * 2 * (c[1] @ c[0] - c[2]) / len(c[2]),
    ),
    draws((3,), (5, 3), (5,)),
)


# --- normalization: γ x̂ + β, with an ε that can be seen
EPS = 0.1


def batch_norm_forward(x, gamma, beta, axis=0):
    mu, var = x.mean(axis=axis, keepdims=True), x.var(axis=axis, keepdims=True)
    xhat = (x - mu) / np.sqrt(var + EPS)
    return gamma * xhat + beta, (x, gamma, xhat, mu, var)


def batch_norm_backward(dout, cache, axis=0):
    _, gamma, xhat, _, var = cache
    dxhat = dout * gamma
    dx = dxhat - dxhat.mean(axis=axis, keepdims=True)
    dx = dx - xhat * (dxhat * xhat).mean(axis=axis, keepdims=True)
    return dx / np.sqrt(var + EPS), (dout * xhat).sum(axis=0), dout.sum(axis=0)


batch_norm = Pair(batch_norm_forward, batch_norm_backward, draws((5, 3), (3,), (3,)))
layer_norm = Pair(
    lambda x, gamma, beta: batch_norm_forward(x, gamma, beta, axis=1),
    lambda dout, cache: batch_norm_backward(dout, cache, axis=1),
    draws((5, 3), (3,), (3,)),
)
dropout = Pair(
    lambda x, keep: (x * keep / 0.6, keep),
    lambda d, keep: (d * keep / 0.6, None),
    draws((6, 5), booleans(6, 5)),
)


# --- images (N, C, H, W)
def window(x, i, j, stride, ho, wo):
    """What tap (i, j) of a kernel sees: a view (…, Ho, Wo)."""
    return x[..., i : i + stride * ho : stride, j : j + stride * wo : stride]


def conv_forward(x, w, b, stride=2, p=1):
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    ho = (xp.shape[2] - w.shape[2]) // stride + 1
    wo = (xp.shape[3] - w.shape[3]) // stride + 1
    y = np.zeros((len(x), len(w), ho, wo)) + b[:, None, None]
    for i, j in np.ndindex(w.shape[2:]):
        seen = window(xp, i, j, stride, ho, wo)
        y += np.einsum("nchw,fc->nfhw", seen, w[:, :, i, j])
    return y, (xp, w, stride, p)


def conv_backward(dout, cache):
    xp, w, stride, p = cache
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    at = (stride, *dout.shape[2:])
    for i, j in np.ndindex(w.shape[2:]):
        dw[:, :, i, j] = np.einsum("nfhw,nchw->fc", dout, window(xp, i, j, *at))
        window(dxp, i, j, *at)[...] += np.einsum("nfhw,fc->nchw", dout, w[:, :, i, j])
    return dxp[:, :, p:-p, p:-p], dw, dout.sum(axis=(0, 2, 3))


conv = Pair(conv_forward, conv_backward, draws((2, 3, 7, 5), (4, 3, 3, 3), (4,)))


def max_pool_forward(x, size=3, stride=2):
    ho, wo = ((n - size) // stride + 1 for n in x.shape[2:])
    taps = [window(x, i, j, stride, ho, wo) for i, j in np.ndindex(size, size)]
    y = np.max(taps, axis=0)
    return y, (x, y, size, stride)


def max_pool_backward(dout, cache):
    x, y, size, stride = cache
    dx = np.zeros_like(x)
    at = (stride, *dout.shape[2:])
    for i, j in np.ndindex(size, size):
        window(dx, i, j, *at)[...] += dout * (window(x, i, j, *at) == y)
    return dx


max_pool = Pair(max_pool_forward, max_pool_backward, draws((1, 2, 7, 5)))
avg_pool = Pair(
    lambda x: (
        x.reshape(*x.shape[:2], -1, 2, x.shape[3] // 3, 3).mean((3, 5)),
        x.shape,
    ),
    lambda d, s: d.repeat(2, axis=2).repeat(3, axis=3) / 6,
    draws((1, 2, 4, 9)),
)


# --- sequences
def embedding_backward(dout, cache):
    shape, i = cache
    dw = np.zeros(shape)
    np.add.at(dw, i, dout)
    return dw, None


embedding = Pair(
    lambda w, i: (w[i], (w.shape, i)),
    embedding_backward,
    draws((4, 3), lambda rng: np.array([1, 3, 1, 0, 3])),
)


def rnn_step_forward(x, h, wx, wh, b):
    new = np.tanh(x @ wx + h @ wh + b)
    return new, (x, h, wx, wh, new)


def rnn_step_backward(dout, cache):
    x, h, wx, wh, new = cache
    da = dout * (1 - new**2)
    return da @ wx.T, da @ wh.T, x.T @ da, h.T @ da, da.sum(axis=0)


rnn_step = Pair(
    rnn_step_forward, rnn_step_backward, draws((2, 3), (2, 4), (3, 4), (4, 4), (4,))
)


def rnn_forward(x, wx, wh):
    """x (N, T, D) -> h (N, T, K), from h₀ = 0."""
    h = np.zeros((len(x), x.shape[1] + 1, len(wh)))
    for t in range(x.shape[1]):
        h[:, t + 1] = np.tanh(x[:, t] @ wx + h[:, t] @ wh)
    return h[:, 1:].copy(), (x, h, wx, wh)


def rnn_backward(dout, cache):
    x, h, wx, wh = cache
    dx, dwx, dwh = np.zeros_like(x), np.zeros_like(wx), np.zeros_like(wh)
    dh = 0
    for t in reversed(range(x.shape[1])):
        da = (dout[:, t] + dh) * (1 - h[:, t + 1] ** 2)
        dx[:, t], dh = da @ wx.T, da @ wh.T
        dwx += x[:, t].T @ da
        dwh += h[:, t].T @ da
    return dx, dwx, dwh


rnn = Pair(rnn_forward, rnn_backward, draws((2, 4, 3), (3, 5), (5, 5)))


def lstm_step_forward(x, h, c, w):
    """[h′, c′] (2, N, K) from x (N, D), h, c (N, K); w (D + K, 4K): i, f, o, g."""
    xh = np.concatenate([x, h], axis=1)
    a = np.split(xh @ w, 4, axis=1)
    i, f, o, g = sigma(a[0]), sigma(a[1]), sigma(a[2]), np.tanh(a[3])
    new = f * c + i * g
    return np.stack([o * np.tanh(new), new]), (xh, c, w, i, f, o, g, new)


def lstm_gates(dout, cache):
    """The gradients of the four gates after their activations, and of c′."""
    _, c, _, i, _, o, g, new = cache
    dc = dout[1] + dout[0] * o * (1 - np.tanh(new) ** 2)
    return dc * g, dc * c, dout[0] * np.tanh(new), dc * i, dc


def lstm_step_backward(dout, cache, gates=lstm_gates):
    xh, c, w, i, f, o, g, _ = cache
    di, df, do, dg, dc = gates(dout, cache)
    parts = [di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g * g)]
    da = np.concatenate(parts, axis=1)
    dxh = da @ w.T
    d = xh.shape[1] - c.shape[1]
    return dxh[:, :d], dxh[:, d:], dc * f, xh.T @ da


lstm_step = Pair(
    lstm_step_forward, lstm_step_backward, draws((2, 3), (2, 4), (2, 4), (7, 16))
)


def attention_forward(q, k, v):
    """softmax(q kᵀ / √d) v.    q (N, D), k (M, D), v (M, K) -> y (N, K)."""
    p = softmax_of(q @ k.T / np.sqrt(q.shape[1]))
    return p @ v, (q, k, v, p)


def attention_backward(dout, cache):
    q, k, v, p = cache
    ds = softmax_backward(dout @ v.T, p) / np.sqrt(q.shape[1])
    return ds @ k, ds.T @ q, p.T @ dout


attention = Pair(attention_forward, attention_backward, draws((3, 5), (4, 5), (4, 2)))


# --- sampling an image (H, W) at points with fractions
def bilinear_forward(image, y, x):
    """out[n] = the image at (y[n], x[n]), between its four neighbors."""
    i, j = np.floor(y).astype(int), np.floor(x).astype(int)
    return bilinear_value(image, i, j, y - i, x - j), (image, i, j, y - i, x - j)


def bilinear_value(image, i, j, a, b):
    top = (1 - b) * image[i, j] + b * image[i, j + 1]
    return (1 - a) * top + a * ((1 - b) * image[i + 1, j] + b * image[i + 1, j + 1])


def bilinear_backward(dout, cache):
    image, i, j, a, b = cache
    dimage = np.zeros_like(image)
    np.add.at(dimage, (i, j), dout * (1 - a) * (1 - b))
    np.add.at(dimage, (i, j + 1), dout * (1 - a) * b)
    np.add.at(dimage, (i + 1, j), dout * a * (1 - b))
    np.add.at(dimage, (i + 1, j + 1), dout * a * b)
    top, bottom = image[i, j + 1] - image[i, j], image[i + 1, j + 1] - image[i + 1, j]
    down = (1 - b) * (image[i + 1, j] - image[i, j])
    down = down + b * (image[i + 1, j + 1] - image[i, j + 1])
    return dimage, dout * down, dout * ((1 - a) * top + a * bottom)


def crowded(low, high):
    """Seven points of which several fall into the same cell."""
    return lambda rng: np.r_[rng.uniform(1.1, 1.9, 3), rng.uniform(low, high, 4)]


bilinear = Pair(
    bilinear_forward,
    bilinear_backward,
    draws((4, 5), crowded(0.1, 2.9), crowded(0.1, 3.9)),
)


# --- a step of an optimizer, differentiated (for learning to learn): η = 0.1, ε seen
def adam_forward(p, g, m, v, t=3):
    m2, v2 = 0.9 * m + 0.1 * g, 0.8 * v + 0.2 * g * g
    mh, vh = m2 / (1 - 0.9**t), v2 / (1 - 0.8**t)
    return p - 0.1 * mh / (np.sqrt(vh) + EPS), (g, mh, vh, t)


def adam_backward(dout, cache):
    g, mh, vh, t = cache
    dmh = -0.1 * dout / (np.sqrt(vh) + EPS)
    dvh = 0.1 * dout * mh / (np.sqrt(vh) + EPS) ** 2 / (2 * np.sqrt(vh))
    dm, dv = dmh / (1 - 0.9**t), dvh / (1 - 0.8**t)
    return dout, 0.1 * dm + 0.4 * dv * g, 0.9 * dm, 0.8 * dv


adam = Pair(adam_forward, adam_backward, draws((6,), (6,), (6,), positive(6)))
nesterov = Pair(
    lambda p, g, v: (p - 0.1 * (g + 0.9 * (0.9 * v + g)), None),
    lambda d, _: (d, -0.19 * d, -0.081 * d),
    draws((6,), (6,), (6,)),
)
