"""What each common operation sends back, as a formula for each of its inputs.

g = ∂L/∂y, y the output; inputs are named as in minidl.ops. An operation that is not
here, such as a student's own, is shown by its numbers alone.
"""

from __future__ import annotations

SAME = "g"
_FORMULAS = {
    "add": (SAME, SAME),
    "subtract": (SAME, "−g"),
    "multiply": ("g · b", "g · a"),
    "divide": ("g / b", "−g · a / b²"),
    "power": ("g · p · x^(p−1)", "g · y · log x"),
    "negative": ("−g",),
    "square": ("g · 2x",),
    "reciprocal": ("−g / x²",),
    "sqrt": ("g / (2y)",),
    "exp": ("g · y",),
    "log": ("g / x",),
    "log1p": ("g / (1 + x)",),
    "expm1": ("g · (y + 1)",),
    "sin": ("g · cos x",),
    "cos": ("−g · sin x",),
    "tanh": ("g · (1 − y²)",),
    "sigmoid": ("g · y (1 − y)",),
    "relu": ("g where x > 0, else 0",),
    "leaky_relu": ("g where x > 0, else slope · g",),
    "abs": ("g · sign x",),
    "maximum": ("g where a is the larger", "g where b is the larger"),
    "minimum": ("g where a is the smaller", "g where b is the smaller"),
    "clip": ("g inside of the limits, 0 outside",),
    "matmul": ("g bᵀ", "aᵀ g"),
    "affine": ("g wᵀ", "xᵀ g", "the sum of g over the batch"),
    "sum": ("g, repeated over what was summed",),
    "mean": ("g / n, repeated over the n that were averaged",),
    "max": ("g, to where the maximum was",),
    "min": ("g, to where the minimum was",),
    "reshape": ("g in the shape of x",),
    "transpose": ("g with the axes back in order",),
    "getitem": ("g at the places that were taken, 0 elsewhere",),
    "take": ("g at the places that were taken; what was taken twice adds up",),
    "embedding": ("the sum of g over each use of a row",),
    "softmax": ("y · (g − Σ g y)",),
    "log_softmax": ("g − softmax(x) Σ g",),
    "cross_entropy": ("g · (softmax(x) − onehot) / N",),
    "mse_loss": ("g · 2 (x − t) / n", "−g · 2 (x − t) / n"),
    "dropout": ("g where x was kept, scaled as x was",),
}


def formula(name: str, i: int) -> str:
    """Return what an operation sends to its input i, or "" where no one has said."""
    known = _FORMULAS.get(name, ())
    return known[i] if i < len(known) else ""
