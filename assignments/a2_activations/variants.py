"""Right answers that are written in another way: each must keep all its points."""

from minidl_course import Variant

# fmt: off
VARIANTS = [
    Variant("a2.1", "by tanh", """
        + return 0.5 * (1 + namespace(x).tanh(0.5 * x))
    """),
    Variant("a2.1", "two fractions, each for its side", """
        + small = namespace(x).exp(-abs(x))
        + return namespace(x).where(x >= 0, 1 / (1 + small), small / (1 + small))
    """),
    Variant("a2.1", "in float64, and back", """
        + wide = x.astype("float64")
        + with np.errstate(over="ignore"):
        +     return (1 / (1 + namespace(x).exp(-wide))).astype(x.dtype)
    """),
    Variant("a2.1", "by the logarithm of a sum", """
        + return namespace(x).exp(-namespace(x).logaddexp(0, -x)).astype(x.dtype)
    """),
    Variant("a2.2", "a difference", """
        - return y, lambda g: g * (y * (1 - y))
        + return y, lambda g: g * y - g * y * y
    """),
    Variant("a2.2", "a function with a name", """
        + def backward(g):
        +     return (1 - y) * g * y
        +
        + return y, backward
    """),
    Variant("a2.3", "from the sigmoid's exponentials", """
        + small = namespace(x).exp(-2 * abs(x))
        + y = (1 - small) / (1 + small)
        + y = where(values(x) < 0, -y, y)
        + return y, lambda g: g * (1 - y * y)
    """),
    Variant("a2.3", "the product of two sums", """
        + y = namespace(x).tanh(x)
        + return y, lambda g: g * ((1 - y) * (1 + y))
    """),
    Variant("a2.4", "where, and the mask kept", """
        + on = x > 0
        + y = where(on, x, 0.0)
        +
        + def backward(g):
        +     return where(on, g, 0.0)
    """),
    Variant("a2.4", "in place, on a copy", """
        + y = x.copy()
        + y[y < 0] = 0
        +
        + def backward(g):
        +     return where(y > 0, g, 0.0)
    """),
    Variant("a2.5", "in place, on a copy", """
        - y = where(positive, x, negative_slope * x)
        + y = x.copy()
        + y[~positive] *= negative_slope
    """),
    Variant("a2.5", "the negative part first", """
        - y = where(positive, x, negative_slope * x)
        + y = where(x <= 0, negative_slope * x, x)
        -     return where(positive, g, negative_slope * g)
        +     return where(x <= 0, g * negative_slope, g)
    """),
    Variant("a2.6", "where of both sides", """
        + y = where(values(x) > 0, x, alpha * expm1(clip(x, high=0.0)))
        +
        + def backward(g):
        +     slope = alpha * exp(clip(x, high=0.0))
        +     return where(values(x) > 0, g, g * slope)
    """),
    Variant("a2.6", "the slope by the value", """
        + low = alpha * expm1(clip(x, high=0.0))
        + y = clip(x, low=0.0) + low
        +
        + def backward(g):
        +     return where(values(x) > 0, g, g * (low + alpha))
    """),
    Variant("a2.7", "the winner by a one-hot array", """
        + z = x.reshape(groups)
        + y = z.max(axis=at + 1)
        + best = np.expand_dims(z.argmax(axis=at + 1), at + 1)
        + won = np.zeros(groups, dtype=bool)
        + np.put_along_axis(won, best, True, axis=at + 1)
        +
        + def backward(g):
        +     wide = (*shape[:at], shape[at] // pieces, 1, *shape[at + 1 :])
        +     return reshape(where(won, reshape(g, shape=wide), 0.0), shape=shape)
    """),
    Variant("a2.7", "a loop over the pieces", """
        + parts = np.moveaxis(x.reshape(groups), at + 1, 0)
        + y, best = parts[0].copy(), np.zeros(parts[0].shape, dtype=int)
        + for i in range(1, pieces):
        +     larger = parts[i] > y
        +     y[larger], best[larger] = parts[i][larger], i
        +
        + def backward(g):
        +     wide = (*y.shape[: at + 1], 1, *y.shape[at + 1 :])
        +     index = np.arange(pieces).reshape(-1, *(1 for _ in y.shape[at + 1 :]))
        +     won = best.reshape(wide) == index
        +     return reshape(where(won, reshape(g, shape=wide), 0.0), shape=shape)
    """),
    Variant("a2.8", "a sum, divided", """
        + axes = self._axes(x)
        + n = x.size / x.sum(axis=axes, keepdims=True).size
        + self.mean = (x.astype(np.float64).sum(axis=axes, keepdims=True) / n)[0]
    """),
    Variant("a2.9", "always the singular values", """
        + self.mean = np.einsum("nd->d", x) / n
        + x = x - self.mean
        + _, s, v = np.linalg.svd(x, full_matrices=False)
        + variances = s * s / (n - 1)
    """),
    Variant("a2.9", "the covariance by np.cov", """
        + self.mean = np.mean(x, axis=0)
        + variances, columns = np.linalg.eigh(np.atleast_2d(np.cov(x, rowvar=False)))
        + order = np.argsort(variances)[::-1]
        + variances, v = np.maximum(variances[order], 0), columns[:, order].T
    """),
    Variant("a2.10", "einsum", """
        + z = super()._transform(x) / self._scale(x)
        + if not self.zca:
        +     return z
        + back = np.einsum("nk,kd->nd", z, self.components.astype(x.dtype))
        + return back.reshape(x.shape)
    """),
    Variant("a2.11", "the mean of the fans", """
        + mean = sum(_fans(shape)) / 2
        + return mean ** -0.5
    """),
    Variant("a2.12", "the variance first", """
        + fans = dict(zip(("fan_in", "fan_out"), _fans(shape), strict=True))
        + variance = calculate_gain(nonlinearity, slope) ** 2 / fans[mode]
        + return math.sqrt(variance)
    """),
]
# fmt: on
