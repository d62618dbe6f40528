"""Circles and hyperbolas, element by element.

Throughout:  x input    y output    g = ∂L/∂y    angles in radians
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from minidl.backend import namespace
from minidl.engine.op import op
from minidl.ops.elementwise import sqrt


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
