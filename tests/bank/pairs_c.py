"""Right pairs for the part of the bank that is held out, in the notation of `pairs.py`.

Models, losses and layers of courses: word2vec, a two-layer net, spatial transformers.
"""

from __future__ import annotations

import numpy as np

from tests.bank.cases import Pair, draws, integers, positive, uniform
from tests.bank.pairs import elementwise, onehot, sigma, softmax_backward, softmax_of

EPS = 0.1


# --- nets
def two_layer_forward(x, w1, w2):
    """y = relu(x w₁) w₂.    x (N, D), w₁ (D, H), w₂ (H, K) -> y (N, K)."""
    a = x @ w1
    h = np.maximum(a, 0)
    return h @ w2, (x, w1, w2, a, h)


def two_layer_backward(dout, cache):
    x, w1, w2, a, h = cache
    da = (dout @ w2.T) * (a > 0)
    return da @ w1.T, x.T @ da, h.T @ dout


two_layer = Pair(two_layer_forward, two_layer_backward, draws((5, 3), (3, 6), (6, 4)))


def tied_forward(x, w):
    """y = tanh(x w) wᵀ, an autoencoder whose decoder is its encoder.    w (D, H)."""
    h = np.tanh(x @ w)
    return h @ w.T, (x, w, h)


def tied_backward(dout, cache):
    x, w, h = cache
    da = (dout @ w) * (1 - h * h)
    return da @ w.T, x.T @ da + dout.T @ h


tied = Pair(tied_forward, tied_backward, draws((5, 4), (4, 3)))


def squeeze_forward(x, w):
    """y = x s with the gate s = σ(mean of x over H and W · w).    x (N, C, H, W)."""
    m = x.mean(axis=(2, 3))
    s = sigma(m * w)[:, :, None, None]
    return x * s, (x, w, m, s)


def squeeze_backward(dout, cache):
    x, w, m, s = cache
    da = (dout * x * s * (1 - s)).sum(axis=(2, 3))
    dx = dout * s + (da * w)[:, :, None, None] / (x.shape[2] * x.shape[3])
    return dx, (da * m).sum(axis=0)


squeeze = Pair(squeeze_forward, squeeze_backward, draws((2, 3, 4, 5), (3,)))


def machine_forward(x, v):
    """y = ½ Σ_f ((x v)² − x² v²), a factorization machine.    x (N, D), v (D, F)."""
    s = x @ v
    return 0.5 * (s * s - (x * x) @ (v * v)).sum(axis=1), (x, v, s)


def machine_backward(dout, cache):
    x, v, s = cache
    d = dout[:, None]
    dx = d * (s @ v.T - x * (v * v).sum(axis=1))
    return dx, x.T @ (d * s) - ((d * x * x).sum(axis=0))[:, None] * v


machine = Pair(machine_forward, machine_backward, draws((5, 4), (4, 3)))


# --- activations
silu = elementwise(
    lambda x: x * sigma(x), lambda x, y: sigma(x) + x * sigma(x) * (1 - sigma(x))
)
selu = elementwise(
    lambda x: 1.05 * np.where(x > 0, x, 1.67 * np.expm1(x)),
    lambda x, y: 1.05 * np.where(x > 0, 1, 1.67 * np.exp(x)),
)


def log_softmax_forward(x):
    y = np.log(softmax_of(x))
    return y, y


log_softmax = Pair(
    log_softmax_forward,
    lambda d, y: d - np.exp(y) * d.sum(axis=1, keepdims=True),
    draws((5, 3)),
)


def tempered_forward(x, t):
    """softmax(x / t) with one temperature t.    x (N, K), t () -> (N, K)."""
    p = softmax_of(x / t)
    return p, (x, t, p)


def tempered_backward(dout, cache):
    x, t, p = cache
    dz = softmax_backward(dout, p)
    return dz / t, np.asarray(-(dz * x).sum() / t**2)


tempered = Pair(tempered_forward, tempered_backward, draws((4, 3), uniform(1.5, 3)))


# --- normalization
def instance_norm_forward(x, gamma):
    """γ x̂ with statistics of each image's channel.    x (N, C, H, W), gamma (C,)."""
    r = 1 / np.sqrt(x.var(axis=(2, 3), keepdims=True) + EPS)
    xhat = (x - x.mean(axis=(2, 3), keepdims=True)) * r
    return gamma[:, None, None] * xhat, (xhat, gamma, r)


def instance_norm_backward(dout, cache):
    xhat, gamma, r = cache
    d = dout * gamma[:, None, None]
    dx = d - d.mean(axis=(2, 3), keepdims=True)
    dx -= xhat * (d * xhat).mean(axis=(2, 3), keepdims=True)
    return dx * r, (dout * xhat).sum(axis=(0, 2, 3))


instance_norm = Pair(
    instance_norm_forward, instance_norm_backward, draws((2, 3, 4, 5), (3,))
)


def l1_forward(x):
    n = np.abs(x).sum(axis=1, keepdims=True)
    return x / n, (x, n)


l1_normalize = Pair(
    l1_forward,
    lambda d, c: (
        d / c[1] - np.sign(c[0]) * (d * c[0]).sum(1, keepdims=True) / c[1] ** 2
    ),
    draws((4, 3)),
)


# --- losses
def regression_forward(w, x, labels):
    """Mean cross entropy of x w, plus 0.1 Σ w².    w (D, K), x (N, D), labels (N,)."""
    p = softmax_of(x @ w)
    loss = -np.log(p[np.arange(len(x)), labels]).mean() + 0.1 * (w * w).sum()
    return loss, (w, x, labels, p)


def regression_backward(dout, cache):
    w, x, labels, p = cache
    ds = (p - onehot(labels, p.shape[1])) / len(x)
    return dout * (x.T @ ds + 0.2 * w), dout * ds @ w.T, None


regression = Pair(
    regression_forward, regression_backward, draws((3, 4), (5, 3), integers(4, 5))
)


def skipgram_forward(v, u, target, negatives):
    """−log σ(u_o · v) − Σ_k log σ(−u_k · v).    v (D,), u (V, D): Mikolov et al. 2013."""
    good, bad = sigma(u[target] @ v), sigma(-u[negatives] @ v)
    return -np.log(good) - np.log(bad).sum(), (v, u, target, negatives, good, bad)


def skipgram_backward(dout, cache):
    v, u, o, k, good, bad = cache
    dv = (good - 1) * u[o] + (1 - bad) @ u[k]
    du = np.zeros_like(u)
    du[o] += (good - 1) * v
    np.add.at(du, k, np.outer(1 - bad, v))
    return dout * dv, dout * du, None, None


skipgram = Pair(
    skipgram_forward,
    skipgram_backward,
    draws((3,), (7, 3), lambda r: np.array(5), lambda r: np.array([2, 4, 2, 0, 2])),
)


def contrast_forward(z, c):
    """Mean of −log softmax(z cᵀ / 0.5) on the diagonal: InfoNCE.    z, c (N, D)."""
    p = softmax_of(z @ c.T / 0.5)
    return -np.log(np.diag(p)).mean(), (z, c, p)


def contrast_backward(dout, cache):
    z, c, p = cache
    ds = dout * (p - np.eye(len(z))) / len(z) / 0.5
    return ds @ c, ds.T @ z


contrast = Pair(contrast_forward, contrast_backward, draws((5, 3), (5, 3)))
poisson = Pair(
    lambda x, t: ((np.exp(x) - t * x).mean(), (x, t)),
    lambda d, c: (d * (np.exp(c[0]) - c[1]) / c[0].size, -d * c[0] / c[0].size),
    draws((4, 3), positive(4, 3)),
)
log_cosh = Pair(
    lambda x, t: (np.log(np.cosh(x - t)).mean(), x - t),
    lambda d, e: (d * np.tanh(e) / e.size, -d * np.tanh(e) / e.size),
    draws((4, 3), (4, 3)),
)
ranking = Pair(  # mean of max(0, 0.7 − (a − b)), as of a that should be above b
    lambda a, b: (np.maximum(0, 0.7 - a + b).mean(), (a, b)),
    lambda d, c: tuple(s * d * (0.7 - c[0] + c[1] > 0) / len(c[0]) for s in (-1, 1)),
    draws((7,), (7,)),
)


# --- kernels, forms and matrices
def rbf_forward(x, z, gamma):
    """k = exp(−γ |x_i − z_j|²).    x (N, D), z (M, D), gamma () -> k (N, M)."""
    e = x[:, None] - z
    k = np.exp(-gamma * (e * e).sum(axis=2))
    return k, (e, gamma, k)


def rbf_backward(dout, cache):
    e, gamma, k = cache
    de = -2 * gamma * (dout * k)[:, :, None] * e
    dgamma = -(dout * k * (e * e).sum(axis=2)).sum()
    return de.sum(axis=1), -de.sum(axis=0), np.asarray(dgamma)


rbf = Pair(rbf_forward, rbf_backward, draws((4, 3), (5, 3), uniform(0.2, 0.6)))
form = Pair(  # y_n = x_nᵀ A x_n
    lambda x, a: (np.einsum("nd,de,ne->n", x, a, x), (x, a)),
    lambda d, c: (d[:, None] * (c[0] @ (c[1] + c[1].T)), (d[:, None] * c[0]).T @ c[0]),
    draws((5, 3), (3, 3)),
)
log_det = Pair(
    lambda a: (np.linalg.slogdet(a)[1], a),
    lambda d, a: d * np.linalg.inv(a).T,
    draws(lambda rng: rng.standard_normal((4, 4)) + 3 * np.eye(4)),
)


# --- pieces of arrays
def gather_backward(dout, cache):
    shape, i = cache
    dx = np.zeros(shape)
    np.add.at(dx, (np.arange(len(i))[:, None], i), dout)
    return dx, None


gather = Pair(  # y[n, m] = x[n, i[n, m]]
    lambda x, i: (np.take_along_axis(x, i, axis=1), (x.shape, i)),
    gather_backward,
    draws((3, 4), lambda rng: np.array([[1, 1, 0, 3, 1], [2, 0, 2, 2, 1], [3] * 5])),
)
roll = Pair(
    lambda x: (np.roll(x, 2, axis=1), None),
    lambda d, _: np.roll(d, -2, axis=1),
    draws((3, 7)),
)
difference = Pair(
    lambda x: (x[:, 1:] - x[:, :-1], x.shape),
    lambda d, _: np.pad(d, ((0, 0), (1, 0))) - np.pad(d, ((0, 0), (0, 1))),
    draws((3, 6)),
)


def average_forward(x, size=3):
    """Means of three neighbors, one apart.    x (N, T) -> (N, T − 2)."""
    n = x.shape[1] - size + 1
    return sum(x[:, k : k + n] for k in range(size)) / size, x.shape


def average_backward(dout, shape):
    dx, n = np.zeros(shape), dout.shape[1]
    for k in range(3):
        dx[:, k : k + n] += dout / 3
    return dx


average = Pair(average_forward, average_backward, draws((2, 7)))


def transposed_forward(x, w):
    """Transposed convolution, stride 2.    x (N, C, T), w (C, F, K) -> (N, F, 2T + K − 2)."""
    n, t, k = len(x), x.shape[2], w.shape[2]
    y = np.zeros((n, w.shape[1], 2 * t + k - 2))
    for i in range(k):
        y[:, :, i : i + 2 * t : 2] += np.einsum("nct,cf->nft", x, w[:, :, i])
    return y, (x, w)


def transposed_backward(dout, cache):
    x, w = cache
    dx, dw, t = np.zeros_like(x), np.zeros_like(w), x.shape[2]
    for i in range(w.shape[2]):
        seen = dout[:, :, i : i + 2 * t : 2]
        dx += np.einsum("nft,cf->nct", seen, w[:, :, i])
        dw[:, :, i] = np.einsum("nft,nct->cf", seen, x)
    return dx, dw


transposed = Pair(transposed_forward, transposed_backward, draws((2, 3, 5), (3, 4, 3)))


# --- sequences
def smooth_forward(x, a):
    """y_t = (1 − a) y_{t−1} + a x_t from y₋₁ = 0.    x (N, T), a () -> y (N, T)."""
    y = np.zeros((len(x), x.shape[1] + 1))
    for t in range(x.shape[1]):
        y[:, t + 1] = (1 - a) * y[:, t] + a * x[:, t]
    return y[:, 1:].copy(), (x, a, y)


def smooth_backward(dout, cache):
    x, a, y = cache
    dx, da, dy = np.zeros_like(x), 0.0, 0
    for t in reversed(range(x.shape[1])):
        dy = dout[:, t] + dy
        dx[:, t] = a * dy
        da += (dy * (x[:, t] - y[:, t])).sum()
        dy = (1 - a) * dy
    return dx, np.asarray(da)


smooth = Pair(smooth_forward, smooth_backward, draws((3, 5), uniform(0.2, 0.6)))


def last_state_forward(x, w):
    """h_T of h_t = tanh(x_t + h_{t−1} w), h₀ = 0.    x (N, T, K), w (K, K)."""
    h = [np.zeros_like(x[:, 0])]
    for t in range(x.shape[1]):
        h.append(np.tanh(x[:, t] + h[-1] @ w))
    return h[-1], (x, w, h)


def last_state_backward(dout, cache):
    x, w, h = cache
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for t in reversed(range(x.shape[1])):
        da = dout * (1 - h[t + 1] ** 2)
        dx[:, t] = da
        dw += h[t].T @ da
        dout = da @ w.T
    return dx, dw


last_state = Pair(last_state_forward, last_state_backward, draws((2, 4, 3), (3, 3)))


def pooling_forward(h, v):
    """Σ_t a_t h_t with a = softmax(h v).    h (N, T, K), v (K,) -> (N, K)."""
    a = softmax_of(h @ v)
    return (a[:, :, None] * h).sum(axis=1), (h, v, a)


def pooling_backward(dout, cache):
    h, v, a = cache
    de = softmax_backward((dout[:, None] * h).sum(axis=2), a)
    dh = a[:, :, None] * dout[:, None] + de[:, :, None] * v
    return dh, (de[:, :, None] * h).sum(axis=(0, 1))


pooling = Pair(pooling_forward, pooling_backward, draws((2, 5, 3), (3,)))


# --- interpolation and coordinates
def lookup_forward(table, at):
    """A table of numbers read between its places.    table (T,), at (N,) -> (N,)."""
    i = np.floor(at).astype(int)
    f = at - i
    return (1 - f) * table[i] + f * table[i + 1], (table, i, f)


def lookup_backward(dout, cache):
    table, i, f = cache
    dtable = np.zeros_like(table)
    np.add.at(dtable, i, dout * (1 - f))
    np.add.at(dtable, i + 1, dout * f)
    return dtable, dout * (table[i + 1] - table[i])


def near(rng):
    return np.r_[rng.uniform(2.1, 2.9, 3), rng.uniform(0.1, 4.9, 5)]


lookup = Pair(lookup_forward, lookup_backward, draws((6,), near))


def grid_forward(theta, points):
    """(x, y, 1) θᵀ, the grid of a spatial transformer.    θ (2, 3), points (P, 2)."""
    ones = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    return ones @ theta.T, (theta, ones)


grid = Pair(
    grid_forward,
    lambda d, c: (d.T @ c[1], d @ c[0][:, :2]),
    draws((2, 3), (7, 2)),
)


def range_forward(x):
    """(x − min) / (max − min) of each row.    x (N, D)."""
    low, high = x.min(axis=1, keepdims=True), x.max(axis=1, keepdims=True)
    return (x - low) / (high - low), (x, low, high)


def range_backward(dout, cache):
    x, low, high = cache
    s, y = high - low, (x - low) / (high - low)
    dhigh, dlow = (
        -(dout * y).sum(1, keepdims=True),
        -(dout * (1 - y)).sum(1, keepdims=True),
    )
    return (dout + (x == high) * dhigh + (x == low) * dlow) / s


min_max = Pair(range_forward, range_backward, draws((4, 5)))
