"""Arithmetic, element by element. Each line is a rule from a table of derivatives.

engine/op.py left open what the functions under `@op` look like: these are the simplest.

Throughout:  a, b, x inputs    y output    g = ∂L/∂y, the gradient that comes in
Inputs stretch to a common shape as in NumPy; the engine sums their gradients back.

Where a function has a kink it has no derivative, and one is chosen: the docstring says
which. `where` picks rather than multiplies by a mask, for ∞ · 0 is not a number.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

import math

import numpy as np

from minidl.backend import namespace
from minidl.engine.op import op
from minidl.engine.tensor import values
from minidl.errors import RangeError
from minidl.ops.creation import zeros_like

__all__ = [
    "abs", "add", "arccos", "arcsin", "arctan", "clip", "cos", "cosh", "divide",
    "erf", "exp", "expm1", "log", "log1p", "masked_fill", "maximum", "minimum",
    "multiply", "negative", "power", "reciprocal", "rsqrt", "sign", "sin", "sinh",
    "sqrt", "square", "subtract", "tan", "tanh", "where",
]  # fmt: skip


@op(linear=True, broadcasts=True)
def add(a, b):
    """a + b."""
    return a + b, (lambda g: g, lambda g: g)


@op(linear=True, broadcasts=True)
def subtract(a, b):
    """a − b."""
    return a - b, (lambda g: g, lambda g: -g)


@op(broadcasts=True)
def multiply(a, b):
    """a · b."""
    return a * b, (lambda g: g * b, lambda g: g * a)


@op(broadcasts=True)
def divide(a, b):
    """a / b."""
    # region a1.1: the quotient, and how each of the two moves it
    return a / b, (lambda g: g / b, lambda g: -g * a / (b * b))
    # endregion


@op(linear=True)
def negative(x):
    """−x."""
    return -x, lambda g: -g


# Powers


@op
def square(x):
    """x²."""
    return x * x, lambda g: g * (2 * x)


@op
def reciprocal(x):
    """1 / x."""
    y = 1 / x
    return y, lambda g: -g * y * y


@op
def sqrt(x):
    """√x; its slope at 0 is infinite."""
    y = namespace(x).sqrt(x)
    return y, lambda g: g / (2 * y)


@op
def rsqrt(x):
    """1 / √x, whose derivative is −½ x^(−3/2)."""
    y = 1 / sqrt(x)
    return y, lambda g: g * y * (-0.5 / x)


@op(broadcasts=True)
def power(a, b):
    """aᵇ;  ∂/∂a = b aᵇ⁻¹,  ∂/∂b = aᵇ ln a.

    At a = 0 the first is 0 where b = 0, and the second is 0 where b ≥ 0, as in PyTorch.
    """
    return a**b, (
        lambda g: g * (b * power(a, _lowered(a, b))),
        lambda g: g * (power(a, b) * _ln(a, b)),
    )


def _lowered(a, b):
    """b − 1, but 1 where a = b = 0, so that b aᵇ⁻¹ is 0 there and not 0 · ∞."""
    if not hasattr(b, "dtype"):
        return b - 1 if b else 1
    return where((values(a) == 0) & (values(b) == 0), 1.0, b - 1)


def _ln(a, b):
    """ln a in the dtype of b, but 0 where a = 0."""
    if not hasattr(a, "dtype"):
        a = namespace(values(b)).asarray(a, dtype=values(b).dtype)
    return log(where(values(a) == 0, 1.0, a))


# Exponentials and logarithms


@op
def exp(x):
    """eˣ, its own derivative."""
    y = namespace(x).exp(x)
    return y, lambda g: g * y


@op
def expm1(x):
    """eˣ − 1, exact also where x is tiny."""
    return namespace(x).expm1(x), lambda g: g * exp(x)


@op
def log(x):
    """ln x."""
    return namespace(x).log(x), lambda g: g / x


@op
def log1p(x):
    """ln(1 + x), exact also where x is tiny."""
    return namespace(x).log1p(x), lambda g: g / (1 + x)


# Circles and hyperbolas; angles in radians


@op
def sin(x):
    """Sine."""
    return namespace(x).sin(x), lambda g: g * cos(x)


@op
def cos(x):
    """Cosine."""
    return namespace(x).cos(x), lambda g: -g * sin(x)


@op
def tan(x):
    """Tangent; its derivative is 1 + tan² x."""
    y = namespace(x).tan(x)
    return y, lambda g: g * (1 + y * y)


@op
def arcsin(x):
    """The angle whose sine is x, in [−π/2, π/2]; its derivative is 1 / √(1 − x²)."""
    return namespace(x).arcsin(x), lambda g: g / sqrt((1 - x) * (1 + x))


@op
def arccos(x):
    """The angle whose cosine is x, in [0, π]; its derivative is −1 / √(1 − x²)."""
    return namespace(x).arccos(x), lambda g: -g / sqrt((1 - x) * (1 + x))


@op
def arctan(x):
    """The angle whose tangent is x, in (−π/2, π/2); its derivative is 1 / (1 + x²)."""
    return namespace(x).arctan(x), lambda g: g / (1 + x * x)


@op
def sinh(x):
    """Hyperbolic sine, (eˣ − e⁻ˣ) / 2."""
    return namespace(x).sinh(x), lambda g: g * cosh(x)


@op
def cosh(x):
    """Hyperbolic cosine, (eˣ + e⁻ˣ) / 2."""
    return namespace(x).cosh(x), lambda g: g * sinh(x)


@op
def tanh(x):
    """Hyperbolic tangent; its derivative is 1 − tanh² x."""
    # region a2.3: another curve that saturates, with 0 in its middle
    y = namespace(x).tanh(x)
    return y, lambda g: g * (1 - y * y)
    # endregion


# The error function


@op
def erf(x):
    """erf x = 2/√π ∫₀ˣ exp(−t²) dt, exact to 3e-16 in float64."""
    return _erf(values(x)), lambda g: g * (2 / math.sqrt(math.pi) * exp(-x * x))


# W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of
# Computation 23 (1969): numerator and denominator, the highest power first.
# fmt: off
ERF_NEAR = (  # erf z / z in z², for |z| < 0.47
    (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2,
     3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
     2.84423683343917062e3),
)
ERF_FAR = (  # (1 − erf z) exp(z²) in z, for z beyond; from z = 6 on, 1 − erf z < 3e-17
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
    near, far = z * _ratio(ERF_NEAR, z * z), 1 - xp.exp(-z * z) * _ratio(ERF_FAR, z)
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


# Choices: linear maps, once it is known which input was chosen where


@op(linear=True, broadcasts=True)
def where(on, a, b):
    """a where `on` is true, b elsewhere; unlike a · on, it meets no ∞ · 0."""
    return namespace(on).where(on, a, b), (
        None,
        lambda g: where(on, g, 0.0),
        lambda g: where(on, 0.0, g),
    )


@op(linear=True, broadcasts=True)
def masked_fill(x, mask, *, value):
    """A number where `mask` is true, x elsewhere."""
    return namespace(mask).where(mask, value, x), (
        lambda g: where(mask, 0.0, g),
        None,
    )


@op(linear=True, broadcasts=True)
def maximum(a, b):
    """The larger of a and b; where they tie, each gets half of the gradient."""
    return namespace(a).maximum(a, b), (
        lambda g: where(a < b, 0.0, where(a == b, 0.5 * g, g)),
        lambda g: where(a > b, 0.0, where(a == b, 0.5 * g, g)),
    )


@op(linear=True, broadcasts=True)
def minimum(a, b):
    """The smaller of a and b; where they tie, each gets half of the gradient."""
    return namespace(a).minimum(a, b), (
        lambda g: where(a > b, 0.0, where(a == b, 0.5 * g, g)),
        lambda g: where(a < b, 0.0, where(a == b, 0.5 * g, g)),
    )


@op(linear=True)
def clip(x, *, low=None, high=None):
    """x, but no less than `low` and no more than `high` (numbers; None: no limit).

    The limits themselves count as inside: the derivative there is 1.
    """
    if low is not None and high is not None and low > high:
        raise RangeError(f"clip: low={low} lies above high={high}; swap the two")
    y = namespace(x).clip(x, low, high)
    return y, lambda g: where(x == y, g, 0.0)


@op(linear=True)
def abs(x):
    """|x|, whose derivative is the sign of x; at the kink, 0."""
    return namespace(x).abs(x), lambda g: g * namespace(x).sign(x)


@op(linear=True)
def sign(x):
    """−1, 0 or 1; the derivative is 0 everywhere, also at the jump."""
    return namespace(x).sign(x), zeros_like
