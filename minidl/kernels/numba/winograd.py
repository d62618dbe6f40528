"""The ways of kernels/cpu/winograd.py to values and back, in one pass each.

Along an axis, six inputs d become six values, six products m four outputs, and four
gradients g six values. An axis of a tile is one such formula; the batch is innermost.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array, optional
from minidl.kernels.numba.loops import (
    TWO,
    Count,
    In1,
    In3,
    In4,
    Number,
    Out3,
    Out4,
    formula,
    loop,
    ready,
)
from minidl.ops.conv import conv2d
from minidl.ops.windows import Lengths, Padding

winograd = optional("minidl.kernels.cpu.winograd")
FOUR, FIVE, EIGHT = (np.float32(x) for x in (4, 5, 8))
Four = tuple[Any, Any, Any, Any]
Six = tuple[Any, Any, Any, Any, Any, Any]


@formula
def to_values(
    d0: Number, d1: Number, d2: Number, d3: Number, d4: Number, d5: Number
) -> Six:
    """Bᵀ d."""
    s, t, u, v = d4 - FOUR * d2, d3 - FOUR * d1, d4 - d2, TWO * (d3 - d1)
    first, last = FOUR * d0 - FIVE * d2 + d4, FOUR * d1 - FIVE * d3 + d5
    return first, s + t, s - t, u + v, u - v, last


@formula
def to_outputs(
    m0: Number, m1: Number, m2: Number, m3: Number, m4: Number, m5: Number
) -> Four:
    """Aᵀ m."""
    p, q, r, s = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + p + r, q + TWO * s, p + FOUR * r, q + EIGHT * s + m5


@formula
def of_gradients(g0: Number, g1: Number, g2: Number, g3: Number) -> Six:
    """A g."""
    p, q, r, s = g0 + g2, g1 + g3, g0 + FOUR * g2, TWO * g1 + EIGHT * g3
    return g0, p + q, p - q, r + s, r - s, g3


@loop
def inputs(x: In4, none: In1, first: Count, left: Count, r: Out3, v: Out3) -> None:
    """Write Bᵀ d B for lines first to first + 5 of x; beyond them `none`, zeros (N,).

    x (H, C, W, N), r (6, 4 tiles + 2, N) -> v (36, C, tiles N)
    r holds one channel after the first axis; its frame is 0, and stays so.
    """
    lines, channels, across, n = x.shape[0], x.shape[1], r.shape[1] // 4, x.shape[3]
    seen = min(x.shape[2], r.shape[1] - left)
    for c in range(channels):
        for j in range(seen):
            at = left + j
            x0 = x[first, c, j] if 0 <= first < lines else none
            x1 = x[first + 1, c, j] if 0 <= first + 1 < lines else none
            x2 = x[first + 2, c, j] if 0 <= first + 2 < lines else none
            x3 = x[first + 3, c, j] if 0 <= first + 3 < lines else none
            x4 = x[first + 4, c, j] if 0 <= first + 4 < lines else none
            x5 = x[first + 5, c, j] if 0 <= first + 5 < lines else none
            for k in range(n):
                (
                    r[0, at, k], r[1, at, k], r[2, at, k],
                    r[3, at, k], r[4, at, k], r[5, at, k],
                ) = to_values(x0[k], x1[k], x2[k], x3[k], x4[k], x5[k])  # fmt: skip
        for i in range(6):
            for tile in range(across):
                a, at, z = 4 * tile, tile * n, 6 * i
                for k in range(n):
                    (
                        v[z, c, at + k], v[z + 1, c, at + k], v[z + 2, c, at + k],
                        v[z + 3, c, at + k], v[z + 4, c, at + k], v[z + 5, c, at + k],
                    ) = to_values(
                        r[i, a, k], r[i, a + 1, k], r[i, a + 2, k],
                        r[i, a + 3, k], r[i, a + 4, k], r[i, a + 5, k],
                    )  # fmt: skip


@loop
def outputs(m: In3, b: In1, s: Out3, y: Out4) -> None:
    """Write Aᵀ m A + b.    m (36, F, tiles N), s (4, 6, tiles N) -> y (4, F, W, N)."""
    kernels, across, n = y.shape[1], y.shape[2] // 4, y.shape[3]
    for f in range(kernels):
        for j in range(6):
            for k in range(m.shape[2]):
                s[0, j, k], s[1, j, k], s[2, j, k], s[3, j, k] = to_outputs(
                    m[j, f, k], m[6 + j, f, k], m[12 + j, f, k],
                    m[18 + j, f, k], m[24 + j, f, k], m[30 + j, f, k],
                )  # fmt: skip
        for i in range(4):
            for tile in range(across):
                a, at = 4 * tile, tile * n
                for k in range(n):
                    y0, y1, y2, y3 = to_outputs(
                        s[i, 0, at + k], s[i, 1, at + k], s[i, 2, at + k],
                        s[i, 3, at + k], s[i, 4, at + k], s[i, 5, at + k],
                    )  # fmt: skip
                    y[i, f, a, k] = y0 + b[f]
                    y[i, f, a + 1, k] = y1 + b[f]
                    y[i, f, a + 2, k] = y2 + b[f]
                    y[i, f, a + 3, k] = y3 + b[f]


@loop
def gradients(g: In4, s: Out3, m: Out3) -> None:
    """Write A g Aᵀ.    g (4, F, W, N), s (6, W, N) -> m (36, F, tiles N)."""
    kernels, across, n = g.shape[1], g.shape[2] // 4, g.shape[3]
    for f in range(kernels):
        for j in range(g.shape[2]):
            for k in range(n):
                (
                    s[0, j, k], s[1, j, k], s[2, j, k],
                    s[3, j, k], s[4, j, k], s[5, j, k],
                ) = of_gradients(
                    g[0, f, j, k], g[1, f, j, k], g[2, f, j, k], g[3, f, j, k]
                )  # fmt: skip
        for i in range(6):
            for tile in range(across):
                a, at, z = 4 * tile, tile * n, 6 * i
                for k in range(n):
                    (
                        m[z, f, at + k], m[z + 1, f, at + k], m[z + 2, f, at + k],
                        m[z + 3, f, at + k], m[z + 4, f, at + k], m[z + 5, f, at + k],
                    ) = of_gradients(
                        s[i, a, k], s[i, a + 1, k], s[i, a + 2, k], s[i, a + 3, k]
                    )  # fmt: skip


class Transforms:
    """What kernels/cpu/winograd.py calls, with memory for a channel."""

    channels = 16  # fewer do not pay

    def inputs(self, rows: Array, first: int, left: int, v: Array) -> None:
        """Write Bᵀ d B.    lines first to first + 5 of rows -> v (36, C, tiles N)."""
        n = rows.shape[3]
        down = np.zeros((6, 4 * v.shape[2] // n + 2, n), np.float32)
        inputs(rows, np.zeros(n, np.float32), first, left, down, v)

    def outputs(self, m: Array, b: Array | None, y: Array) -> None:
        """Write Aᵀ m A + b.    m (36, F, tiles N) -> y (4, F, 4 tiles, N)."""
        b = np.zeros(y.shape[1], np.float32) if b is None else b
        outputs(m, b, np.empty((4, 6, m.shape[2]), np.float32), y)

    def gradients(self, g: Array, m: Array) -> None:
        """Write A g Aᵀ.    g (4, F, 4 tiles, N) -> m (36, F, tiles N)."""
        gradients(g, np.empty((6, *g.shape[2:]), np.float32), m)


def conv2d_in_tiles(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Lengths = 1,
    padding: Padding = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Any:
    """Return conv2d(x, w, b), or None where tiles do not fit."""
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    if w.shape[2:] != (3, 3) or not ready(inputs, outputs, gradients):
        return None
    return winograd.by_tiles(Transforms(), x, w, b, groups, settings)


if winograd:
    conv2d.fast("cpu", rank=3)(conv2d_in_tiles)
