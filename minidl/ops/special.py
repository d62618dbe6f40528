"""Functions with a name of their own: the logistic curve, its integral, and erf.

Throughout:  x input    y output    g = ∂L/∂y
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

import math

import numpy as np

from minidl.backend import namespace
from minidl.engine.op import op
from minidl.engine.tensor import Tensor, values
from minidl.ops.elementwise import exp


@op
def sigmoid(x):
    """σ(x) = 1 / (1 + e⁻ˣ);  σ′ = σ (1 − σ)."""
    y = sigmoid(x) if isinstance(x, Tensor) else _sigmoid(x)
    # region a2.2: the way back needs y alone
    return y, lambda g: g * (y * (1 - y))
    # endregion


def _sigmoid(x):
    # region a2.1: the logistic curve, for scores of any size
    with np.errstate(over="ignore"):  # where e⁻ˣ overflows, y = 1/∞ = 0 is right
        return 1 / (1 + namespace(x).exp(-x))
    # endregion


@op
def softplus(x, *, beta=1.0):
    """ln(1 + exp(βx)) / β, a smooth max(x, 0);  its derivative is σ(βx).

    Computed as max(βx, 0) + ln(1 + exp(−|βx|)), which cannot overflow.
    """
    xp, z = namespace(values(x)), beta * values(x)  # the way back needs no y
    y = (xp.maximum(z, 0) + xp.log1p(xp.exp(-xp.abs(z)))) / beta
    return y, lambda g: g * sigmoid(beta * x)


@op
def erf(x):
    """erf x = 2/√π ∫₀ˣ exp(−t²) dt, exact to 3e-16 in float64."""
    return _erf(values(x)), lambda g: g * (2 / math.sqrt(math.pi) * exp(-x * x))


# W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of
# Computation 23 (1969): numerator and denominator, the highest power first.
# fmt: off
NEAR = (  # erf z / z in z², for |z| < 0.47
    (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2,
     3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
     2.84423683343917062e3),
)
FAR = (  # (1 − erf z) exp(z²) in z, for z beyond; from z = 6 on, 1 − erf z < 3e-17
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0,
     6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2,
     1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
     1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3,
     3.43936767414372164e3, 1.23033935480374942e3),
)
# fmt: on


def _erf(x):
    if x.dtype == np.float16:  # the polynomials go far beyond its largest, 65504
        return _erf(x.astype(np.float32)).astype(x.dtype)
    xp = namespace(x)
    z = xp.minimum(xp.abs(x), 6.0)
    near, far = z * _ratio(NEAR, z * z), 1 - xp.exp(-z * z) * _ratio(FAR, z)
    return xp.copysign(xp.where(z < 0.46875, near, far), x)


def _ratio(polynomials, t):
    """One polynomial of t over another."""
    over, under = (_polynomial(p, t) for p in polynomials)
    return over / under


def _polynomial(p, t):
    """(… (p₀ t + p₁) t + …) t + pₙ: Horner's rule."""
    y = p[0] * t
    for c in p[1:-1]:
        y += c
        y *= t
    return y + p[-1]
