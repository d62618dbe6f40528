"""erf and gelu on a CPU in float32: one tanh, and a few numbers at a time.

Throughout:  x input    y output    g = ∂L/∂y    t = x²    Φ the distribution of N(0, 1)
             φ its density    scratch  memory for one block

erf x = tanh(x P(x²)) with P(t) = artanh(erf √t) / √t, which is so smooth that eight
powers of t suffice: the shape of gelu's well-known approximation (Hendrycks & Gimpel
2016), with more terms. P is fitted so that the largest relative error is least;
tests/test_special_kernels.py fits it again, and measures: erf is off by at most 3 units
in the last place. From |x| = 4 on erf is ±1 in float32, and P need not hold there.

What is done in blocks stays in the cache. Kept for the way back are x and Φ.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels.cpu.blocks import BLOCK, aligned
from minidl.ops.activation import FAR, gelu
from minidl.ops.elementwise import erf

Fast = Any  # (y, backward[, aux]), or None to decline

# The highest power of t first.
ERF = (
    -1.64071375e-9, 5.39153030e-8, -5.15081617e-7, -1.86112538e-6, 7.64897382e-5,
    -6.03681139e-4, -2.02151799e-4, 1.02771315e-1, 1.12837920,
)  # fmt: skip
TANH = (math.sqrt(2 / math.pi) * 0.044715, math.sqrt(2 / math.pi))  # gelu's own
NORMAL = tuple(p * 0.5 ** (8.5 - i) for i, p in enumerate(ERF))  # of erf(x / √2)
FORMS = {
    "none": (NORMAL, 32.0),
    "tanh": (TANH, math.inf),
}  # P, and the largest t for which it holds: tanh's grows with t, as tanh needs


@erf.fast("cpu")
def quick_erf(x: Array) -> Fast:
    """Return erf of float32; else None."""
    if x.dtype != np.float32:
        return None
    xs, y = np.ascontiguousarray(x).reshape(-1), aligned(x.shape)
    ys, squash = y.reshape(-1), Squash(ERF, 16.0, xs.size)
    for some in blocks(xs.size):
        squash(xs[some], ys[some])

    def backward(g: Array) -> Array:
        slope = aligned(x.shape)
        gs, out = np.ascontiguousarray(g).reshape(-1), slope.reshape(-1)
        for some in blocks(xs.size):
            bell(xs[some], -1.0, 2 / math.sqrt(math.pi), out[some])
            out[some] *= gs[some]
        return slope

    return y, backward


@gelu.fast("cpu")
def quick_gelu(x: Array, *, approximate: str = "none") -> Fast:
    """Return gelu of float32; else None."""
    if x.dtype != np.float32 or approximate not in FORMS:
        return None
    xs, y, phi = (
        np.ascontiguousarray(x).reshape(-1),
        aligned(x.shape),
        aligned((x.size,)),
    )
    ys, squash = y.reshape(-1), Squash(*FORMS[approximate], xs.size)
    near = Near(xs.size)
    for some in blocks(xs.size):
        p = squash(xs[some], phi[some])
        p *= 0.5
        p += 0.5
        np.multiply(near(xs[some]), p, out=ys[some])
    slope = _slope if approximate == "none" else _tanh_slope

    def backward(g: Array) -> Array:
        dx, near = aligned(x.shape), Near(xs.size, FAR)
        gs, out = np.ascontiguousarray(g).reshape(-1), dx.reshape(-1)
        for some in blocks(xs.size):
            p, d, z = phi[some], out[some], near(xs[some])
            slope(z, p, d)
            d *= z
            d += p
            d *= gs[some]
        return dx

    return y, backward


def _slope(x: Array, phi: Array, out: Array) -> None:
    """Write φ(x), the slope of Φ."""
    bell(x, -0.5, 1 / math.sqrt(2 * math.pi), out)


def _tanh_slope(x: Array, phi: Array, out: Array) -> None:
    """Write the slope of Φ = ½ (1 + tanh u), which is 2 Φ (1 − Φ) u′."""
    cubic, straight = TANH
    np.multiply(x, x, out=out)
    out *= 6 * cubic
    out += 2 * straight
    out *= phi
    out *= 1 - phi


def bell(x: Array, width: float, height: float, out: Array) -> None:
    """Write height exp(width x²)."""
    with np.errstate(over="ignore"):  # of x², and exp(−∞) = 0 is right
        np.multiply(x, x, out=out)
    out *= width
    np.exp(out, out=out)
    out *= height


class Near:
    """x between −FAR and `high`, for a block at a time: ∞ · 0 is no number."""

    def __init__(self, n: int, high: float = math.inf) -> None:
        self.scratch = np.empty(min(n, BLOCK), np.float32)
        self.high = np.full_like(self.scratch, high)
        self.low = np.full_like(self.scratch, -FAR)

    def __call__(self, x: Array) -> Array:
        """Return x itself, or memory that the next call writes over."""
        with np.errstate(over="ignore", invalid="ignore"):
            if np.dot(x, x) < FAR**2:  # so is each of the squares
                return x
        z = np.maximum(x, self.low[: x.size], out=self.scratch[: x.size])
        return np.minimum(z, self.high[: x.size], out=z)


class Squash:
    """tanh(x P(x²)), for a block at a time; beyond `far`, x² counts as `far` in P."""

    def __init__(self, p: tuple[float, ...], far: float, n: int) -> None:
        self.p, self.scratch = p, np.empty(min(n, BLOCK), np.float32)
        self.far: Array | None = None  # an array, for NumPy is slow with one number
        if far < math.inf:
            self.far = np.full_like(self.scratch, far)

    def __call__(self, x: Array, out: Array) -> Array:
        """Write it into out, and return that."""
        t = self.scratch[: x.size]
        with np.errstate(over="ignore"):
            np.multiply(x, x, out=t)
        if self.far is not None:
            np.minimum(t, self.far[: x.size], out=t)
        np.multiply(t, self.p[0], out=out)
        for c in self.p[1:-1]:
            out += c
            out *= t
        out += self.p[-1]
        with np.errstate(over="ignore"):
            out *= x
        return np.tanh(out, out=out)


def blocks(n: int) -> list[slice]:
    """Return the blocks of n numbers."""
    return [slice(i, i + BLOCK) for i in range(0, n, BLOCK)]
