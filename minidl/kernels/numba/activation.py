"""relu and gelu in one pass.

Throughout:  x input    y output    g = ∂L/∂y    th tanh of gelu's polynomial
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.backend import Array, optional
from minidl.kernels.numba.loops import (
    HALF,
    ONE,
    ZERO,
    In1,
    Number,
    Out1,
    expm1,
    flat,
    formula,
    loop,
    ready,
    tanh,
)
from minidl.kernels.parts import each
from minidl.ops.activation import gelu, relu
from minidl.ops.elementwise import where

SMALL = 4096  # numbers: up to here a call costs more than a pass

Fast = Any  # (y, backward), or None to decline


@loop
def relu_forward(x: In1, y: Out1) -> None:
    """y = max(x, 0); NaN stays NaN."""
    for i in range(x.size):
        y[i] = ZERO if x[i] <= ZERO else x[i]


@loop
def relu_backward(y: In1, g: In1, dx: Out1) -> None:
    """dx = g where y > 0."""
    for i in range(y.size):
        dx[i] = g[i] if y[i] > ZERO else ZERO


@relu.fast("cpu", rank=2)
def relu_in_one_pass(x: Array) -> Fast:
    """Return relu of float32 without gaps, in whatever order it lies in memory."""
    if (
        x.dtype != np.float32
        or x.size < SMALL
        or not ready(relu_forward, relu_backward)
    ):
        return None
    xs = flat(x)
    if xs is None:
        return None
    y = np.empty_like(x)
    each(relu_forward, xs, flat(y))

    def backward(g: Any) -> Any:
        if type(g) is not np.ndarray or g.strides != y.strides:
            return where(y > 0, g, 0.0)
        dx = np.empty_like(y)
        each(relu_backward, flat(y), flat(g), flat(dx))
        return dx

    return y, backward


FAR = np.float32(1000)  # beyond it gelu is x or 0, and so are its slopes 1 or 0
LINEAR = np.float32(math.sqrt(2 / math.pi))
CUBIC = np.float32(math.sqrt(2 / math.pi) * 0.044715)
SLOPE = np.float32(3) * CUBIC
special = optional("minidl.kernels.cpu.special")
FIRST, *others = (np.float32(c) for c in (special.NORMAL if special else (0, 0)))
REST = tuple(others)
ROOM, LOW = np.float32(32), np.float32(-80)  # x² beyond which P holds no more; e⁻⁸⁰ ≈ 0
PEAK = np.float32(1 / math.sqrt(2 * math.pi))


@formula
def squashed(x: Number) -> Number:
    """2 Φ(x) − 1 = tanh(x P(x²)), as in kernels/cpu/special.py."""
    t = x * x
    t = ROOM if t > ROOM else t
    p = FIRST
    for c in REST:
        p = p * t + c
    return tanh(x * p)


@loop
def gelu_forward(x: In1, y: Out1, th: Out1) -> None:
    """y = ½ x (1 + th),  th = 2 Φ(x) − 1."""
    for i in range(x.size):
        a = -FAR if x[i] < -FAR else x[i]
        th[i] = squashed(a)
        y[i] = HALF * a * (ONE + th[i])


@loop
def gelu_backward(x: In1, th: In1, g: In1, dx: Out1) -> None:
    """dx = g (½ (1 + th) + x φ),  φ = exp(−½ x²) / √(2π)."""
    for i in range(x.size):
        a = -FAR if x[i] < -FAR else x[i]
        a = FAR if a > FAR else a
        low = -HALF * a * a
        low = LOW if low < LOW else low
        dx[i] = g[i] * (HALF * (ONE + th[i]) + a * PEAK * (expm1(low) + ONE))


@loop
def tanh_gelu_forward(x: In1, y: Out1, th: Out1) -> None:
    """y = ½ x (1 + th),  th = tanh(√(2/π) (x + 0.044715 x³))."""
    for i in range(x.size):
        a = -FAR if x[i] < -FAR else x[i]
        th[i] = tanh(a * (LINEAR + CUBIC * a * a))
        y[i] = HALF * a * (ONE + th[i])


@loop
def tanh_gelu_backward(x: In1, th: In1, g: In1, dx: Out1) -> None:
    """dx = ½ g (1 + th + x (1 − th²) √(2/π) (1 + 3 · 0.044715 x²))."""
    for i in range(x.size):
        a = -FAR if x[i] < -FAR else x[i]
        a = FAR if a > FAR else a
        bend = a * (ONE - th[i] * th[i]) * (LINEAR + SLOPE * a * a)
        dx[i] = HALF * g[i] * (ONE + th[i] + bend)


FORMS = {"tanh": (tanh_gelu_forward, tanh_gelu_backward)}
if special:
    FORMS["none"] = gelu_forward, gelu_backward


@gelu.fast("cpu", rank=2)
def gelu_in_one_pass(x: Array, *, approximate: str = "none") -> Fast:
    """Return gelu of float32 without gaps."""
    if x.dtype != np.float32 or x.size < SMALL or approximate not in FORMS:
        return None
    forward, backward = FORMS[approximate]
    if not x.flags.c_contiguous or not ready(forward, backward):
        return None
    xs, y, th = x.reshape(-1), np.empty_like(x), np.empty_like(x)
    each(forward, xs, y.reshape(-1), th.reshape(-1))

    def back(g: Array) -> Array:
        gs, dx = np.ascontiguousarray(g).reshape(-1), np.empty_like(x)
        each(backward, xs, th.reshape(-1), gs, dx.reshape(-1))
        return dx

    return y, back
