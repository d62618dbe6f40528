"""Vectors of length one, and the angles between them.

Throughout:  x, a, b inputs    y output    g = ∂L/∂y    ‖x‖ = √(Σ x²) along one axis
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from typing import Any

from minidl.engine.op import op
from minidl.engine.tensor import values
from minidl.ops.elementwise import sqrt, where


@op
def normalize(x, *, axis=-1, eps=1e-12):
    """x / max(‖x‖, ε), with ‖x‖ = √(Σ x²) along `axis`: unit length.

    x (N, D) -> y like x. A vector shorter than ε is divided by ε: zero stays zero.
    """
    square = (x * x).sum(axis=axis, keepdims=True)
    long = values(square) > eps * eps
    length = sqrt(where(long, square, eps * eps))

    def backward(g):
        y = x / length
        along = where(long, (g * y).sum(axis=axis, keepdims=True), 0.0)
        dx = g - y * along
        dx /= length
        return dx

    return x / length, backward


def cosine_similarity(a: Any, b: Any, axis: int = -1, eps: float = 1e-8) -> Any:
    """The cosine of the angle between a and b: Σ a b / (‖a‖ ‖b‖), along `axis`.

    a, b (N, D) -> y (N,); lengths below ε count as ε.
    """
    unit = normalize(a, axis=axis, eps=eps) * normalize(b, axis=axis, eps=eps)
    return unit.sum(axis=axis)
