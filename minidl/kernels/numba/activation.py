"""relu and gelu in one pass.

Throughout:  x input    y output    g = ∂L/∂y    th tanh of gelu's polynomial
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels.numba.loops import (
    HALF,
    ONE,
    ZERO,
    In1,
    Out1,
    flat,
    loop,
    ready,
    tanh,
)
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
    relu_forward(xs, flat(y))

    def backward(g: Any) -> Any:
        if type(g) is not np.ndarray or g.strides != y.strides:
            return where(y > 0, g, 0.0)
        dx = np.empty_like(y)
        relu_backward(flat(y), flat(g), flat(dx))
        return dx

    return y, backward


LINEAR = np.float32(math.sqrt(2 / math.pi))
CUBIC = np.float32(math.sqrt(2 / math.pi) * 0.044715)
SLOPE = np.float32(3) * CUBIC
FAR = np.float32(1000)  # beyond it gelu is x or 0, and so are its slopes 1 or 0


@loop
def gelu_forward(x: In1, y: Out1, th: Out1) -> None:
    """y = ½ x (1 + th),  th = tanh(√(2/π) (x + 0.044715 x³))."""
    for i in range(x.size):
        a = -FAR if x[i] < -FAR else x[i]
        th[i] = tanh(a * (LINEAR + CUBIC * a * a))
        y[i] = HALF * a * (ONE + th[i])


@loop
def gelu_backward(x: In1, th: In1, g: In1, dx: Out1) -> None:
    """dx = ½ g (1 + th + x (1 − th²) √(2/π) (1 + 3 · 0.044715 x²))."""
    for i in range(x.size):
        a = -FAR if x[i] < -FAR else x[i]
        a = FAR if a > FAR else a
        bend = a * (ONE - th[i] * th[i]) * (LINEAR + SLOPE * a * a)
        dx[i] = HALF * g[i] * (ONE + th[i] + bend)


@gelu.fast("cpu", rank=2)
def gelu_in_one_pass(x: Array, *, approximate: str = "none") -> Fast:
    """Return gelu of float32 in the form with tanh."""
    if x.dtype != np.float32 or approximate != "tanh" or x.size < SMALL:
        return None
    if not x.flags.c_contiguous or not ready(gelu_forward, gelu_backward):
        return None
    xs, y, th = x.reshape(-1), np.empty_like(x), np.empty_like(x)
    gelu_forward(xs, y.reshape(-1), th.reshape(-1))

    def backward(g: Array) -> Array:
        gs, dx = np.ascontiguousarray(g).reshape(-1), np.empty_like(x)
        gelu_backward(xs, th.reshape(-1), gs, dx.reshape(-1))
        return dx

    return y, backward
