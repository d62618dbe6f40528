"""How sharp a minimum is: the largest curvature of the loss there, and the sum of all.

    H Hessian of the loss (P, P)    λ eigenvalue    v its unit vector (P,)    t step

    λ₁    the largest eigenvalue: along v₁ the loss is L + ½ λ₁ s² at a distance s
    tr H  the sum of all eigenvalues: how much the loss rises in all directions

Neither is a property of the function alone: if one layer's weights are multiplied by 10
and the next one's divided by it, a ReLU net computes the same, and λ₁ is another (Dinh
et al. 2017). So nets are compared by it only where their weights are of a like size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.errors import RangeError
from minidl.lab.hessian import Hessian, checked, stream
from minidl.nn.module import Module
from minidl.train.batches import Data


@dataclass(frozen=True)
class Sharpness:
    """What was measured at the weights of a model.

    eigenvalue   λ₁, the largest one     vector     its direction v (P,)
    residual     ‖H v − λ v‖ / |λ|       converged  whether it is within the tolerance
    trace        Σ λ, estimated; NaN if not asked for
    trace_error  its standard error; NaN for fewer than two draws
    steps        products H v that λ₁ took
    loss, slope  L and ‖∂L/∂θ‖ there: at a minimum the slope is near 0
    """

    eigenvalue: float
    vector: Array = field(repr=False)
    residual: float
    converged: bool
    trace: float
    trace_error: float
    steps: int
    loss: float
    slope: float

    @property
    def text(self) -> str:
        """All that in words."""
        said = f"λ₁ = {self.eigenvalue:.4g}"
        if not self.converged:
            said += (
                f" is not settled after {self.steps} steps: H v differs from λ v by "
                f"{100 * self.residual:.2g} %; give more steps, or a larger tolerance"
            )
        if math.isfinite(self.trace):
            said += f"; trace {self.trace:.4g} ± {self.trace_error:.2g}"
        return f"{said}; loss {self.loss:.4g}, slope {self.slope:.2g}"

    def __repr__(self) -> str:
        return f"Sharpness({self.text})"


def sharpness(
    model: Module,
    loss: Callable[..., Any],
    data: Data,
    *,
    steps: int = 200,
    tolerance: float = 1e-3,
    draws: int = 10,
    seed: int = 0,
) -> Sharpness:
    """Measure the largest eigenvalue of the Hessian, and its trace.

    loss       (scores, y) -> scalar Tensor, a mean over the labels
    data       batches (x, y), or samples: a dataset, a tuple (x, y)
    steps      at most so many products H v for the eigenvalue
    tolerance  it has converged when ‖H v − λ v‖ ≤ tolerance · |λ|. Some eigenvalue is
               then as near to λ as that; the error of λ itself is about the square.
    draws      vectors for the trace; 0: no trace
    seed       of the vectors

    The model is measured in eval mode and not changed. For agreement with the full
    matrix to many digits give weights in float64: `model.astype("float64")`.

    >>> from minidl import nn, ops
    >>> net = nn.Linear(2, 1, bias=False, rng=0).astype("float64")
    >>> x, y = np.diag([1.0, 3.0]), np.zeros((2, 1))
    >>> found = sharpness(net, ops.mse_loss, (x, y))  # H = 2 xᵀ x / 2 = diag(1, 9)
    >>> round(found.eigenvalue, 4), round(found.trace, 4), found.converged
    (9.0, 10.0, True)
    """
    for name, n, least in (("steps", steps, 1), ("draws", draws, 0)):
        if isinstance(n, bool) or not isinstance(n, int) or n < least:
            raise RangeError(f"sharpness: {name} = {n!r}; give {least} or more")
    if not 0 < tolerance < 1:
        raise RangeError(f"sharpness: tolerance = {tolerance!r}; try 1e-3")
    h, rng = Hessian(model, loss, data, seed=seed), stream(seed)
    at, slope = checked(h.value(), "the loss"), length(h.gradient())
    eigenvalue, vector, residual, taken = largest(h, rng, steps, tolerance)
    trace, trace_error = hutchinson(h, rng, draws)
    return Sharpness(
        eigenvalue, vector, residual, residual <= tolerance, trace, trace_error,
        taken, at, slope,
    )  # fmt: skip


def largest(
    h: Hessian, rng: np.random.Generator, steps: int, tolerance: float
) -> tuple[float, Array, float, int]:
    """Return the largest eigenvalue, its vector, the residual, and the steps taken.

    Power iteration finds the eigenvalue of largest size. If that is negative, which
    happens far from a minimum, H − λ has no negative eigenvalue, and the same vectors:
    the iteration is begun again with it.
    """
    λ, v, residual, taken = power_iteration(h, h.normal(rng), steps, tolerance)
    if λ >= 0 or taken >= steps:
        # a negative λ that is left here is not the largest eigenvalue
        return λ, v, residual if λ >= 0 else math.inf, taken
    λ, v, residual, more = power_iteration(
        h, h.normal(rng), steps - taken, tolerance, shift=λ
    )
    return λ, v, residual, taken + more


def power_iteration(
    h: Hessian, v: Array, steps: int, tolerance: float, *, shift: float = 0.0
) -> tuple[float, Array, float, int]:
    """v ← (H − shift) v / ‖…‖,  λ = vᵀ H v, until ‖H v − λ v‖ ≤ tolerance · |λ|.

    What v has of other eigenvectors shrinks in each step by |λ₂ / λ₁|, so that two
    eigenvalues of nearly the same size take long, and λ and −λ for ever.
    Return λ, v, the residual in units of |λ|, and the steps taken.
    """
    λ, residual, u = 0.0, math.inf, v
    for t in range(steps):
        size = length(u)
        if size == 0:  # a straight line: every eigenvalue is 0
            return shift, v, 0.0, t
        v = u / size
        hv = h @ v
        λ = checked(float(v @ hv), "the curvature")
        residual = length(hv - λ * v)
        residual /= abs(λ) or 1.0
        if residual <= tolerance:
            return λ, v, residual, t + 1
        u = hv - shift * v
    return λ, v, residual, steps


def hutchinson(h: Hessian, rng: np.random.Generator, draws: int) -> tuple[float, float]:
    """tr H = E zᵀ H z for z of ±1 (Hutchinson 1990): the mean, and its error.

    E zᵢ zⱼ is 1 for i = j, else 0; so only the diagonal of H stays in the mean.
    """
    values = []
    for _ in range(draws):
        z = h.signs(rng)
        values.append(checked(float(z @ (h @ z)), "the curvature"))
    trace = float(np.mean(values)) if values else math.nan
    if draws < 2:
        return trace, math.nan
    return trace, float(np.std(values, ddof=1)) / math.sqrt(draws)


def length(x: Array) -> float:
    """‖x‖ in float64: the squares of 80,000 small numbers add up."""
    return float(np.sqrt(float((x.astype("float64") ** 2).sum())))
