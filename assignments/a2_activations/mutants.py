"""Typical wrong answers: each must lose points of its own task, and of no other."""

from minidl_course import Mutant

# fmt: off
MUTANTS = [
    Mutant("a2.1", "the sign of the exponent", """
        -     return 1 / (1 + namespace(x).exp(-x))
        +     return 1 / (1 + namespace(x).exp(x))
    """),
    Mutant("a2.1", "overflow far to the left", """
        + return 1 / (1 + namespace(x).exp(-x))
    """),
    Mutant("a2.1", "∞ / ∞ far to the right", """
        -     return 1 / (1 + namespace(x).exp(-x))
        +     return namespace(x).exp(x) / (1 + namespace(x).exp(x))
    """),
    Mutant("a2.1", "cut off where float64 overflows", """
        + return 1 / (1 + namespace(x).exp(-namespace(x).clip(x, -700, 700)))
    """),
    Mutant("a2.2", "the sign within", """
        - return y, lambda g: g * (y * (1 - y))
        + return y, lambda g: g * (y * (1 + y))
    """),
    Mutant("a2.2", "g forgotten", """
        - return y, lambda g: g * (y * (1 - y))
        + return y, lambda g: y * (1 - y)
    """),
    Mutant("a2.2", "half of the product", """
        - return y, lambda g: g * (y * (1 - y))
        + return y, lambda g: g * (1 - y)
    """),
    Mutant("a2.2", "x in place of y", """
        - return y, lambda g: g * (y * (1 - y))
        + return y, lambda g: g * (x * (1 - x))
    """),
    Mutant("a2.2", "y detached", """
        - return y, lambda g: g * (y * (1 - y))
        + return y, lambda g: g * (values(y * (1 - y)))
    """),
    Mutant("a2.3", "the slope of the sigmoid", """
        - return y, lambda g: g * (1 - y * y)
        + return y, lambda g: g * (y * (1 - y))
    """),
    Mutant("a2.3", "y in place of y²", """
        - return y, lambda g: g * (1 - y * y)
        + return y, lambda g: g * (1 - y)
    """),
    Mutant("a2.3", "∞ / ∞", """
        + e, f = namespace(x).exp(x), namespace(x).exp(-x)
        + y = (e - f) / (e + f)
        + return y, lambda g: g * (1 - y * y)
    """),
    Mutant("a2.4", "the absolute value", """
        - y = namespace(x).maximum(x, 0.0)
        + y = abs(x)
    """),
    Mutant("a2.4", "everybody gets g", """
        -     return where(y > 0, g, 0.0)
        +     return g
    """),
    Mutant("a2.4", "the kink counts as positive", """
        -     return where(y > 0, g, 0.0)
        +     return where(x >= 0, g, 0.0)
    """),
    Mutant("a2.4", "times the mask", """
        -     return where(y > 0, g, 0.0)
        +     return g * (y > 0)
    """),
    Mutant("a2.4", "times y", """
        -     return where(y > 0, g, 0.0)
        +     return g * y
    """),
    Mutant("a2.4", "writes into x", """
        - y = namespace(x).maximum(x, 0.0)
        + y = namespace(x).maximum(x, 0.0, out=x)
    """),
    Mutant("a2.5", "no slope backward", """
        -     return where(positive, g, negative_slope * g)
        +     return where(positive, g, 0.0)
    """),
    Mutant("a2.5", "the sign of the slope", """
        - y = where(positive, x, negative_slope * x)
        + y = where(positive, x, -negative_slope * x)
    """),
    Mutant("a2.5", "the sign of y for that of x", """
        -     return where(positive, g, negative_slope * g)
        +     return where(y > 0, g, negative_slope * g)
    """),
    Mutant("a2.5", "a maximum", """
        - y = where(positive, x, negative_slope * x)
        + y = namespace(x).maximum(x, negative_slope * x)
    """),
    Mutant("a2.5", "float64", """
        - y = where(positive, x, negative_slope * x)
        + y = x * where(positive, 1.0, negative_slope)
    """),
    Mutant("a2.5", "times the mask", """
        -     return where(positive, g, negative_slope * g)
        +     return g * positive + negative_slope * g * ~positive
    """),
    Mutant("a2.6", "α forgotten", """
        - y = clip(x, low=0.0) + alpha * expm1(clip(x, high=0.0))
        + y = clip(x, low=0.0) + expm1(clip(x, high=0.0))
    """),
    Mutant("a2.6", "α forgotten backward", """
        -     return where(values(x) > 0, g, g * (alpha * exp(clip(x, high=0.0))))
        +     return where(values(x) > 0, g, g * (exp(clip(x, high=0.0))))
    """),
    Mutant("a2.6", "the slope at 0", """
        -     return where(values(x) > 0, g, g * (alpha * exp(clip(x, high=0.0))))
        +     return where(values(x) >= 0, g, g * (alpha * exp(clip(x, high=0.0))))
    """),
    Mutant("a2.6", "eˣ − 1 of a tiny x", """
        - y = clip(x, low=0.0) + alpha * expm1(clip(x, high=0.0))
        + y = clip(x, low=0.0) + alpha * (exp(clip(x, high=0.0)) - 1)
    """),
    Mutant("a2.6", "eˣ on both sides", """
        -     return where(values(x) > 0, g, g * (alpha * exp(clip(x, high=0.0))))
        +     return where(values(x) > 0, g, g * (alpha * exp(x)))
    """),
    Mutant("a2.7", "the smallest", """
        - y = z.max(axis=at + 1)
        + y = z.min(axis=at + 1)
    """),
    Mutant("a2.7", "groups along the wrong axis", """
        - z = x.reshape(groups)
        + z = x.reshape((*groups[:at], pieces, shape[at] // pieces, *groups[at + 2 :])).swapaxes(at, at + 1)
    """),
    Mutant("a2.7", "all that tie get g", """
        -     return reshape(where(winner == place, g, 0.0), shape=shape)
        +     return reshape(where(z == z.max(axis=at + 1, keepdims=True), g, 0.0), shape=shape)
    """),
    Mutant("a2.7", "g shared among the pieces", """
        -     return reshape(where(winner == place, g, 0.0), shape=shape)
        +     return reshape(where(winner >= 0, g, 0.0) / pieces + 0 * place, shape=shape)
    """),
    Mutant("a2.7", "the last axis only", """
        - y = z.max(axis=at + 1)
        + y = z.max(axis=-1)
    """),
    Mutant("a2.8", "one mean of all", """
        - self.mean = x.mean(axis=self._axes(x), keepdims=True, dtype=np.float64)[0]
        + self.mean = x.mean(keepdims=True, dtype=np.float64)[0]
    """),
    Mutant("a2.8", "always the mean of a feature", """
        - self.mean = x.mean(axis=self._axes(x), keepdims=True, dtype=np.float64)[0]
        + self.mean = x.mean(axis=(0,), keepdims=True, dtype=np.float64)[0]
    """),
    Mutant("a2.8", "the sum", """
        - self.mean = x.mean(axis=self._axes(x), keepdims=True, dtype=np.float64)[0]
        + self.mean = x.sum(axis=self._axes(x), keepdims=True, dtype=np.float64)[0]
    """),
    Mutant("a2.9", "not centered", """
        - x -= self.mean
        + pass
    """),
    Mutant("a2.9", "divided by n", """
        -     variances, columns = np.linalg.eigh(_squares(x) / (n - 1))
        +     variances, columns = np.linalg.eigh(_squares(x) / n)
    """),
    Mutant("a2.9", "the smallest first", """
        -     variances, v = np.maximum(variances[::-1], 0), columns.T[::-1]
        +     variances, v = np.maximum(variances, 0), columns.T
    """),
    Mutant("a2.9", "columns for rows", """
        -     variances, v = np.maximum(variances[::-1], 0), columns.T[::-1]
        +     variances, v = np.maximum(variances[::-1], 0), columns[::-1]
    """),
    Mutant("a2.9", "singular values for variances", """
        -     variances = s**2 / (n - 1)
        +     variances = s / (n - 1)
    """),
    Mutant("a2.10", "not divided", """
        - z = super()._transform(x) / self._scale(x)
        + z = super()._transform(x)
    """),
    Mutant("a2.10", "divided by the variance", """
        - z = super()._transform(x) / self._scale(x)
        + z = super()._transform(x) / self.variances
    """),
    Mutant("a2.10", "ε forgotten", """
        - z = super()._transform(x) / self._scale(x)
        + z = super()._transform(x) / np.sqrt(self.variances)
    """),
    Mutant("a2.10", "not turned back", """
        - return (z @ self.components.astype(x.dtype)).reshape(x.shape) if self.zca else z
        + return (z @ self.components.astype(x.dtype)).reshape(x.shape) if 0 else z
    """),
    Mutant("a2.10", "turned back, but no images", """
        - return (z @ self.components.astype(x.dtype)).reshape(x.shape) if self.zca else z
        + return (z @ self.components.astype(x.dtype)) if self.zca else z
    """),
    Mutant("a2.11", "fan_in alone", """
        - return math.sqrt(2 / (fan_in + fan_out))
        + return math.sqrt(1 / fan_in)
    """),
    Mutant("a2.11", "a variance for a deviation", """
        - return math.sqrt(2 / (fan_in + fan_out))
        + return 2 / (fan_in + fan_out)
    """),
    Mutant("a2.11", "1 for 2", """
        - return math.sqrt(2 / (fan_in + fan_out))
        + return math.sqrt(1 / (fan_in + fan_out))
    """),
    Mutant("a2.11", "the first two axes", """
        - fan_in, fan_out = _fans(shape)
        + fan_in, fan_out = shape[:2]
    """),
    Mutant("a2.12", "always fan_in", """
        - return gain / math.sqrt(fan_in if mode == "fan_in" else fan_out)
        + return gain / math.sqrt(fan_in)
    """),
    Mutant("a2.12", "no gain", """
        - return gain / math.sqrt(fan_in if mode == "fan_in" else fan_out)
        + return 1 / math.sqrt(fan_in if mode == "fan_in" else fan_out)
    """),
    Mutant("a2.12", "always a ReLU's gain", """
        - gain = calculate_gain(nonlinearity, slope)
        + gain = math.sqrt(2)
    """),
    Mutant("a2.12", "the slope forgotten", """
        - gain = calculate_gain(nonlinearity, slope)
        + gain = calculate_gain(nonlinearity)
    """),
]
# fmt: on
