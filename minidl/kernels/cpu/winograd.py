"""conv2d with kernels of 3 × 3 in 36 multiplications for 16 outputs, in place of 144.

Throughout:  x (N, C, H, W)    w (F, C, 3, 3)    y (N, F, OH, OW)    g = ∂L/∂y
             a tile: 4 × 4 outputs, and the 6 × 6 inputs d that they depend on
             everything is in rows (H, C, W, N): see conv.py

A product of polynomials is a product of values. Where values of d and of the kernel k
are taken at 0, ±1, ±2 and ∞, with matrices Bᵀ and G, one multiplication for each
of the 6 × 6 places is left, and Aᵀ brings the products back to outputs:

    y = Aᵀ ((G k Gᵀ) ⊙ (Bᵀ d B)) A            summed over the channels: F(4 × 4, 3 × 3)

The sum over channels is a product of matrices for each place, (F, C) @ (C, tiles).
Both gradients have the same form: that of x is a convolution of g with flipped kernels,
and dk = Gᵀ ((A g Aᵀ) ⊙ (Bᵀ d B)) G, summed over the tiles.
Lavin & Gray 2016, "Fast algorithms for convolutional neural networks", section 4.

Values at ±2 cost digits: results are off by about 1e-5 of the largest (direct sums by
1e-6). Infinities and NaN would fill a tile, so where a result is not finite this body
declines, and conv.py computes. MINIDL_WINOGRAD=0 turns it off.
"""

from __future__ import annotations

import math
import os
import threading
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minidl.backend import Array
from minidl.kernels.cpu import conv
from minidl.kernels.cpu.blocks import aligned, is_finite
from minidl.kernels.parts import parts_of, together
from minidl.ops.conv import check_channels, conv2d
from minidl.ops.windows import Lengths, Padding, Windows, slide

ON = os.environ.get("MINIDL_WINOGRAD") != "0"
BATCH = 8
WASTE = 1.35  # how many times the outputs the tiles may hold

TO_VALUES = np.array([  # Bᵀ
    [4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1],
], np.float32)  # fmt: skip
OF_KERNELS = np.array([  # G
    [1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1],
], np.float32)  # fmt: skip
TO_OUTPUTS = np.array([  # Aᵀ
    [1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1],
], np.float32)  # fmt: skip
KERNELS, OUTPUTS = (np.kron(m, m) for m in (OF_KERNELS, TO_OUTPUTS))  # for both axes
BACK = np.ascontiguousarray(OUTPUTS.T)


class Transforms:
    """The ways there and back, for one line of tiles; numba has others.

    A few channels at a time, so that every step finds in the cache what the last wrote.
    """

    channels = 32  # fewer do not pay for them

    def __init__(self) -> None:
        self.kept = threading.local()

    def scratch(self, name: str, *shape: int) -> Array:
        """Return memory of this thread that the next channels write over."""
        found: Array | None = getattr(self.kept, name, None)
        if found is None or found.shape != shape:
            found = aligned(shape)
            setattr(self.kept, name, found)
        return found

    def inputs(self, rows: Array, first: int, left: int, v: Array) -> None:
        """Write Bᵀ d B.    lines first to first + 5 of rows -> v (36, C, tiles N).

        rows (H, C, W, N) has a frame of zeros, on the left `left` columns of it.
        """
        h, c, w, n = rows.shape
        across, v = v.shape[2] // n, v.reshape(6, 6, c, -1)
        top, end, wide = max(-first, 0), min(h - first, 6), 4 * across + 2
        seen = slice(left, left + min(w, wide - left))
        for some in few(c, 4):
            lines = rows[first + top : first + end, some, : seen.stop - left]
            framed = self.scratch("framed", 6, lines.shape[1], wide, n)
            framed[:top] = framed[end:] = 0
            framed[:, :, : seen.start] = framed[:, :, seen.stop :] = 0
            framed[top:end, :, seen] = lines
            down = self.scratch("down", *framed.shape)
            np.matmul(TO_VALUES, framed.reshape(6, -1), out=down.reshape(6, -1))
            s = down.strides
            windows = as_strided(
                down,
                (6, 6, lines.shape[1], across, n),
                (s[0], s[2], s[1], 4 * s[2], 4),
            )
            columns = self.scratch("columns", *windows.shape)
            columns[...] = windows
            columns = columns.reshape(6, 6, -1, across * n).swapaxes(1, 2)
            np.matmul(TO_VALUES, columns, out=v[:, :, some].swapaxes(1, 2))

    def outputs(self, m: Array, b: Array | None, y: Array) -> None:
        """Write Aᵀ m A + b.    m (36, F, tiles N) -> y (4, F, 4 tiles, N)."""
        f, n = y.shape[1], y.shape[3]
        y = y.reshape(4, f, -1, 4, n)
        for some in few(f, 8):
            part = m[:, some].swapaxes(0, 1)
            tiles = self.scratch("tiles", 16, *part.shape[::2])
            np.matmul(OUTPUTS, part, out=tiles.swapaxes(0, 1))
            if b is not None:
                tiles += b[some, None]
            tiles = tiles.reshape(4, 4, len(part), -1, n)
            y[:, some] = tiles.transpose(0, 2, 3, 1, 4)

    def gradients(self, g: Array, m: Array) -> None:
        """Write A g Aᵀ.    g (4, F, 4 tiles, N) -> m (36, F, tiles N)."""
        f, n = g.shape[1], g.shape[3]
        g = g.reshape(4, f, -1, 4, n)
        for some in few(f, 8):
            part = m[:, some].swapaxes(0, 1)
            tiles = self.scratch("tiles", 16, *part.shape[::2])
            apart = tiles.reshape(4, 4, len(part), -1, n)
            apart[...] = g[:, some].transpose(0, 3, 1, 2, 4)
            np.matmul(BACK, tiles.swapaxes(0, 1), out=part)


def few(n: int, step: int) -> list[slice]:
    """Cut n channels into parts of `step`."""
    return [slice(i, min(i + step, n)) for i in range(0, n, step)]


class Case(NamedTuple):
    """Where the tiles of a convolution lie."""

    top: int
    left: int
    out: tuple[int, int]

    @property
    def tiles(self) -> tuple[int, int]:
        """How many tiles there are, below and beside each other."""
        return -(-self.out[0] // 4), -(-self.out[1] // 4)


@conv2d.fast("cpu", rank=2)
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
    """Return conv2d(x, w, b), or None for what this file has no trick for."""
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    return by_tiles(Transforms(), x, w, b, groups, settings)


def by_tiles(
    ways: Transforms,
    x: Array,
    w: Array,
    b: Array | None,
    groups: int,
    settings: dict[str, Any],
) -> Any:
    """Return y and the way back, or None."""
    check_channels("conv2d", x, w, b, groups)
    at = slide("conv2d", x, w.shape[2:], **settings)
    if not (ON and groups == 1 and suits(x, w, at, ways.channels)):
        return None
    top, left = at.padding[0][0], at.padding[1][0]
    with np.errstate(invalid="ignore", over="ignore"):  # is_finite will tell
        y = convolved(ways, conv.rows_of(x), w, b, Case(top, left, at.out))
    if y is None:
        return None

    def backward(g: Array, wanted: list[bool]) -> tuple[Any, Any, Any]:
        rows, g, dx, dw = conv.rows_of(x), conv.rows_of(g), None, None
        with np.errstate(invalid="ignore", over="ignore"):
            if wanted[0]:
                flipped = w[:, :, ::-1, ::-1].swapaxes(0, 1)
                case = Case(2 - top, 2 - left, at.image)
                dx = convolved(ways, g, flipped, None, case)
            if wanted[1]:
                dw = kernels_gradient(ways, rows, g, Case(top, left, at.out))
        if (wanted[0] and dx is None) or (wanted[1] and dw is None):
            return conv.directly(x, w, g, at, groups, wanted)
        dx = None if dx is None else conv.images_of(dx)
        return dx, dw, conv.sums(g, len(w)) if wanted[2] else None

    return conv.images_of(y), backward


def suits(x: Array, w: Array, at: Windows, channels: int) -> bool:
    """Whether this is float32, 3 × 3, one by one, wide, and fills its tiles."""
    if not conv.suits(x, w, at) or at.size != (3, 3) or len(x) < BATCH:
        return False
    if at.stride != (1, 1) or at.dilation != (1, 1) or min(w.shape[:2]) < channels:
        return False
    if not all(0 <= p <= 2 for pair in at.padding for p in pair):
        return False
    return all(tiled(n) <= WASTE * math.prod(n) for n in (at.out, at.image))


def tiled(lengths: tuple[int, int]) -> int:
    """Return how many places the tiles of an image have."""
    return math.prod(4 * -(-n // 4) for n in lengths)


def convolved(
    ways: Transforms, rows: Array, w: Array, b: Array | None, at: Case
) -> Array | None:
    """Return y in rows, or None if it is not finite.

    rows (H, C, W, N), w (F, C, 3, 3), b (F,) -> y (OH, F, OW, N)
    """
    (f, c), n, (below, beside) = w.shape[:2], rows.shape[3], at.tiles
    u = (KERNELS @ w.reshape(f * c, 9).T).reshape(36, 1, f, c)
    y = aligned((4 * below, f, 4 * beside, n))

    def lines_of_tiles(some: slice) -> bool:
        v, m = aligned((36, c, beside * n)), aligned((36, f, beside * n))
        for i in range(some.start, some.stop):
            lines = y[4 * i : 4 * i + 4]
            ways.inputs(rows, 4 * i - at.top, at.left, v)
            conv.multiply(u, v[:, None], m[:, None])
            ways.outputs(m, b, lines)
            if not is_finite(lines):
                return False
        return True

    some = parts_of(below, 36 * f * c * beside * n)
    finite = all(together(lines_of_tiles, some))
    oh, ow = at.out
    return np.ascontiguousarray(y[:oh, :, :ow]) if finite else None


def kernels_gradient(ways: Transforms, rows: Array, g: Array, at: Case) -> Array | None:
    """Return dw (F, C, 3, 3), or None.    rows (H, C, W, N), g (OH, F, OW, N)."""
    c, (oh, f, ow, n), (below, beside) = rows.shape[1], g.shape, at.tiles
    if (oh, ow) != (4 * below, 4 * beside):
        whole = np.zeros((4 * below, f, 4 * beside, n), g.dtype)
        whole[:oh, :, :ow] = g
        g = whole
    size = conv.longest(f, conv.SMALL_DOT // c, least=1)

    def sum_of(some: slice) -> Array:
        v, m = aligned((36, c, beside * n)), aligned((36, f, beside * n))
        total, part = (np.zeros((36, f // size, size, c), g.dtype) for _ in range(2))
        for i in range(some.start, some.stop):
            ways.inputs(rows, 4 * i - at.top, at.left, v)
            ways.gradients(g[4 * i : 4 * i + 4], m)
            products = m.reshape(36, f // size, size, -1), v.swapaxes(1, 2)[:, None]
            total += np.matmul(*products, out=part)
        return total

    some = parts_of(below, 36 * f * c * beside * n)
    total = reduce(np.add, together(sum_of, some))
    places = (KERNELS.T @ total.reshape(36, -1)).reshape(9, f, c)
    dw = np.ascontiguousarray(places.transpose(1, 2, 0)).reshape(f, c, 3, 3)
    return dw if is_finite(dw) else None
