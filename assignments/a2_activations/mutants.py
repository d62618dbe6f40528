"""Typical wrong answers: each must lose points of its own task, and of no other."""

from minidl.course import Mutant

RATIO = """
e, f = namespace(x).exp(x), namespace(x).exp(-x)
y = (e - f) / (e + f)
return y, lambda g: g * (1 - y * y)
"""

# fmt: off
MUTANTS = [
    Mutant("a2.1", "the sign of the exponent", "exp(-x)", "exp(x)"),
    Mutant("a2.1", "overflow far to the left", "", """
return 1 / (1 + namespace(x).exp(-x))
"""),
    Mutant("a2.1", "∞ / ∞ far to the right", "1 / (1 + namespace(x).exp(-x))",
           "namespace(x).exp(x) / (1 + namespace(x).exp(x))"),
    Mutant("a2.1", "1 less a number near 1", "1 / (1 + namespace(x).exp(-x))",
           "1 - 1 / (1 + namespace(x).exp(x))"),
    Mutant("a2.2", "the sign within", "(1 - y)", "(1 + y)"),
    Mutant("a2.2", "g forgotten", "g * (y * (1 - y))", "y * (1 - y)"),
    Mutant("a2.2", "half of the product", "y * (1 - y)", "1 - y"),
    Mutant("a2.2", "x in place of y", "y * (1 - y)", "x * (1 - x)"),
    Mutant("a2.2", "y detached", "y * (1 - y)", "values(y * (1 - y))"),
    Mutant("a2.3", "the slope of the sigmoid", "1 - y * y", "y * (1 - y)"),
    Mutant("a2.3", "y in place of y²", "1 - y * y", "1 - y"),
    Mutant("a2.3", "∞ / ∞", "", RATIO),
    Mutant("a2.4", "the absolute value", "namespace(x).maximum(x, 0.0)", "abs(x)"),
    Mutant("a2.4", "everybody gets g", "where(y > 0, g, 0.0)", "g"),
    Mutant("a2.4", "the kink counts as positive", "y > 0", "x >= 0"),
    Mutant("a2.4", "times the mask", "where(y > 0, g, 0.0)", "g * (y > 0)"),
    Mutant("a2.4", "times y", "where(y > 0, g, 0.0)", "g * y"),
    Mutant("a2.4", "writes into x", "namespace(x).maximum(x, 0.0)",
           "namespace(x).maximum(x, 0.0, out=x)"),
    Mutant("a2.5", "no slope backward", "negative_slope * g", "0.0"),
    Mutant("a2.5", "the sign of the slope", "negative_slope * x",
           "-negative_slope * x"),
    Mutant("a2.5", "a maximum", "where(positive, x, negative_slope * x)",
           "namespace(x).maximum(x, negative_slope * x)"),
    Mutant("a2.5", "float64", "where(positive, x, negative_slope * x)",
           "x * where(positive, 1.0, negative_slope)"),
    Mutant("a2.5", "times the mask", "where(positive, g, negative_slope * g)",
           "g * positive + negative_slope * g * ~positive"),
    Mutant("a2.6", "α forgotten", "alpha * expm1(clip(x, high=0.0))",
           "expm1(clip(x, high=0.0))"),
    Mutant("a2.6", "α forgotten backward", "alpha * exp(", "exp("),
    Mutant("a2.6", "the slope at 0", "values(x) > 0", "values(x) >= 0"),
    Mutant("a2.6", "eˣ − 1 of a tiny x", "expm1(clip(x, high=0.0))",
           "(exp(clip(x, high=0.0)) - 1)"),
    Mutant("a2.6", "eˣ on both sides", "alpha * exp(clip(x, high=0.0))",
           "alpha * exp(x)"),
    Mutant("a2.7", "the smallest", "z.max(", "z.min("),
    Mutant("a2.7", "groups along the wrong axis",
           "groups)", "(*groups[:at], pieces, shape[at] // pieces, *groups[at + 2 :]))"
           ".swapaxes(at, at + 1)"),
    Mutant("a2.7", "all that tie get g",
           "winner == place", "z == z.max(axis=at + 1, keepdims=True)"),
    Mutant("a2.7", "g shared among the pieces", "where(winner == place, g, 0.0)",
           "where(winner >= 0, g, 0.0) / pieces + 0 * place"),
    Mutant("a2.7", "the last axis only", "z.max(axis=at + 1)", "z.max(axis=-1)"),
    Mutant("a2.8", "one mean of all", "axis=self._axes(x), keepdims=True",
           "keepdims=True"),
    Mutant("a2.8", "always the mean of a feature", "axis=self._axes(x)", "axis=(0,)"),
    Mutant("a2.8", "the sum", "x.mean(", "x.sum("),
    Mutant("a2.9", "not centered", "x -= self.mean", "pass"),
    Mutant("a2.9", "divided by n", "x.T @ x / (n - 1)", "x.T @ x / n"),
    Mutant("a2.9", "the smallest first", "variances[::-1], 0), columns.T[::-1]",
           "variances, 0), columns.T"),
    Mutant("a2.9", "columns for rows", "columns.T[::-1]", "columns[::-1]"),
    Mutant("a2.9", "singular values for variances", "s**2 / (n - 1)", "s / (n - 1)"),
    Mutant("a2.10", "not divided", " / self._scale(x)", ""),
    Mutant("a2.10", "divided by the variance", "self._scale(x)", "self.variances"),
    Mutant("a2.10", "ε forgotten", "self._scale(x)", "np.sqrt(self.variances)"),
    Mutant("a2.10", "not turned back", " if self.zca else z", " if 0 else z"),
    Mutant("a2.10", "turned back, but no images", ".reshape(x.shape)", ""),
    Mutant("a2.11", "fan_in alone", "2 / (fan_in + fan_out)", "1 / fan_in"),
    Mutant("a2.11", "a variance for a deviation", "math.sqrt(2 / (fan_in + fan_out))",
           "2 / (fan_in + fan_out)"),
    Mutant("a2.11", "1 for 2", "2 / (fan_in", "1 / (fan_in"),
    Mutant("a2.11", "the first two axes", "_fans(shape)", "shape[:2]"),
    Mutant("a2.12", "always fan_in", 'fan_in if mode == "fan_in" else fan_out',
           "fan_in"),
    Mutant("a2.12", "no gain", "gain / math", "1 / math"),
    Mutant("a2.12", "always a ReLU's gain", "calculate_gain(nonlinearity, slope)",
           "math.sqrt(2)"),
    Mutant("a2.12", "the slope forgotten", "(nonlinearity, slope)", "(nonlinearity)"),
]
# fmt: on
