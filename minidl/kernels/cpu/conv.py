"""conv2d on a CPU, in float32: few copies, and products with long rows.

Throughout:  x (N, C, H, W)    w (F, C/G, KH, KW)    y (N, F, OH, OW)    g = ∂L/∂y
             rows: images that lie in memory as H, C, W, N

In rows, one line of one channel is W·N numbers side by side. A shift to the right is a
long copy, and a shift downwards none at all: KH lines that follow each other already
are a block of the matrix of windows. So the columns take KW copies of the image rather
than KH·KW, and an output line is one product (F, KH KW C) @ (KH KW C, OW N). This is
the memory-efficient convolution of Cho & Brand (2017), with the batch innermost.

The gradient of x is again such a convolution, of g with flipped kernels. That of w
multiplies the same columns of g, built once; but where there are more than twice as
many kernels as channels, those of x, which are much shorter (3 channels and 32 kernels:
0.7 of the time of both gradients). Elementwise operations, batch norm and pooling keep
the order in memory, so that images are brought into rows once, by the first layer. A
stride other than 1 is left to strided.py, which makes it 1.

Deleting this file changes nothing but the time a step takes.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from functools import cache, reduce
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minidl.backend import Array
from minidl.kernels.cpu.blocks import aligned, ones
from minidl.kernels.parts import parts_of, together
from minidl.ops.conv import check_channels, conv2d
from minidl.ops.windows import Lengths, Padding, Windows, slide

BAND = 1 << 20  # floats of columns at a time: 4 MB
KEPT = 1 << 22  # the largest buffer that is kept for the next call, in floats
SMALL = 1_000_000  # multiplications: up to here OpenBLAS calls a product small
SMALL_DOT = 1200  # likewise the numbers of the result, where sums run along both rows


@conv2d.fast("cpu")
def conv2d_in_rows(
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
    check_channels("conv2d", x, w, b, groups)
    at = slide("conv2d", x, w.shape[2:], stride, padding, dilation)
    if not suits(x, w, at):
        return None
    n, f, (oh, ow) = x.shape[0], w.shape[0], at.out
    kernels = matrix(w, groups)
    y = aligned((oh, groups, f // groups, ow * n))
    rows = rows_of(x)

    def some_lines(lines: slice) -> None:
        for here, columns in bands(rows, at, groups, lines):
            part = y[here]
            multiply(kernels, columns, part.transpose(1, 0, 2, 3))
            if b is not None:
                part += b.reshape(groups, f // groups, 1)

    together(some_lines, parts_of(oh, w.size * ow * n))

    def backward(g: Array, wanted: list[bool]) -> tuple[Any, Any, Any]:
        return directly(x, w, rows_of(g), at, groups, wanted)

    return images_of(y.reshape(oh, f, ow, n)), backward


def directly(
    x: Array, w: Array, g: Array, at: Windows, groups: int, wanted: list[bool]
) -> tuple[Any, Any, Any]:
    """Return dx, dw and db; g is in rows."""
    rows, dx, dw = rows_of(x), None, None
    shared = len(w) <= 2 * x.shape[1]  # beyond, columns of g are much longer
    if wanted[0]:
        dx, dw = both(rows, w, g, transposed(at), groups, wanted[1] and shared)
    if wanted[1] and dw is None:
        dw = kernels_gradient(rows, g, at, w.shape, groups)
    return dx, dw, sums(g, len(w)) if wanted[2] else None


def suits(x: Array, w: Array, at: Windows) -> bool:
    """Whether there is something to do, in float32, on lines that follow each other."""
    if x.dtype != np.float32 or w.dtype != np.float32 or at.stride != (1, 1):
        return False
    return x.size * w.size > 0 and (at.dilation[0] == 1 or at.size[0] == 1)


def rows_of(x: Array) -> Array:
    """Bring images into rows: x (N, C, H, W) -> (H, C, W, N)."""
    return np.ascontiguousarray(x.transpose(2, 1, 3, 0))


def images_of(rows: Array) -> Array:
    """See rows as images: (H, C, W, N) -> (N, C, H, W), the same memory."""
    return rows.transpose(3, 1, 0, 2)


def matrix(w: Array, groups: int) -> Array:
    """w (F, C/G, KH, KW) -> (G, 1, F/G, KH KW C/G), in the order of the columns."""
    f, c, kh, kw = w.shape
    apart = w.reshape(groups, f // groups, c, kh, kw).transpose(0, 3, 4, 2, 1)
    return apart.reshape(groups, 1, kh * kw * c, f // groups).swapaxes(2, 3)


def multiply(kernels: Array, columns: Array, out: Array) -> None:
    """Write kernels @ columns, in pieces that OpenBLAS does not pack.

    Packing copies a matrix before it is multiplied, which few kernels do not pay back:
    the pieces take 0.8 of the time with AVX-512, where there are kernels for small
    products, and 1.0 to 1.1 of it elsewhere.
    """
    (_, _, f, k), m = kernels.shape, columns.shape[3]
    piece = longest(m, SMALL // (f * k))
    pieces = (*columns.shape[:2], -1, m // piece, piece)
    np.matmul(
        kernels[:, :, None],
        columns.reshape(pieces).swapaxes(2, 3),
        out=out.reshape(pieces).swapaxes(2, 3),
    )


@cache
def longest(m: int, most: int, least: int = 64) -> int:
    """Return the longest of `least` to `most` that divides m; m if there is none."""
    return next((p for p in range(min(most, m), least - 1, -1) if m % p == 0), m)


def bands(
    rows: Array, at: Windows, groups: int, lines: slice
) -> Iterator[tuple[slice, Array]]:
    """Yield some of the output lines and their columns (G, lines, KH KW C/G, OW N).

    The columns are views, which overlap, of a buffer that the next band writes again.
    """
    (h, c, w, n), (kh, kw), (_, ow) = rows.shape, at.size, at.out
    per_group = c // groups
    if at.size == (1, 1) and at.padding == ((0, 0), (0, 0)):
        pixels = rows.reshape(h, groups, per_group, w * n)  # they are the columns
        yield lines, pixels[lines].transpose(1, 0, 2, 3)
        return
    line = kw * per_group * ow * n  # floats for one line of the image
    most = max(1, BAND // (groups * line) - kh + 1)
    for i in range(lines.start, lines.stop, most):
        some = min(most, lines.stop - i)
        count = some - 1 + kh
        scratch = buffer(groups * count * line)
        copies = scratch.reshape(groups, count, kw, per_group, ow, n)
        spread(rows, copies, i - at.padding[0][0], at)
        yield (
            slice(i, i + some),
            as_strided(
                scratch,
                (groups, some, kh * kw * per_group, ow * n),
                (4 * count * line, 4 * line, 4 * ow * n, 4),
            ),
        )


class Kept(threading.local):
    """A buffer for columns, one for each thread: fresh memory costs time."""

    scratch = np.empty(0, np.float32)


kept = Kept()


def buffer(size: int) -> Array:
    """Return memory for `size` floats, the same as last time if they fit."""
    if size > KEPT:
        return aligned((size,))
    if kept.scratch.size < size:
        kept.scratch = aligned((size,))
    return kept.scratch[:size]


def spread(rows: Array, copies: Array, first: int, at: Windows) -> None:
    """Write copies[:, i, v] = line first + i, shifted by v places; 0 on the frame."""
    (h, _, w, n), (groups, count, kw, per_group, ow, _) = rows.shape, copies.shape
    begin = min(max(0, -first), count)
    end = max(begin, min(count, h - first))
    copies[:, :begin] = 0
    copies[:, end:] = 0
    lines = rows[first + begin : first + end]
    lines = lines.reshape(end - begin, groups, per_group, w, n).swapaxes(0, 1)
    for v in range(kw):
        copy, shift = copies[:, begin:end, v], v * at.dilation[1] - at.padding[1][0]
        a = min(ow, max(0, -shift))  # the columns a to z see the image
        z = max(a, min(ow, w - shift))
        copy[..., :a, :] = 0
        copy[..., z:, :] = 0
        if a < z:
            copy[..., a:z, :] = lines[..., a + shift : z + shift, :]


def sums(g: Array, f: int) -> Array:
    """Return db: g (OH, F, OW, N) summed for each kernel, by a product with ones."""
    lines = g.reshape(g.shape[0], f, -1)
    return (lines @ ones(lines.shape[2])).sum(axis=0)


def transposed(at: Windows) -> Windows:
    """Return the windows on g whose convolution gives dx.

    Where x had a wide frame that of g is negative: its outer lines are left out.
    """
    reach = [d * (k - 1) for k, d in zip(at.size, at.dilation, strict=True)]
    top, left = ((r - a, r - z) for r, (a, z) in zip(reach, at.padding, strict=True))
    return Windows(at.out, at.size, at.image, at.stride, (top, left), at.dilation)


def both(
    rows: Array, w: Array, g: Array, back: Windows, groups: int, want_dw: bool
) -> tuple[Array, Array | None]:
    """Return dx and dw from the same columns, those of g."""
    (h, c, wd, n), (f, _, kh, kw) = rows.shape, w.shape
    per_group = c // groups
    turned = w[:, :, ::-1, ::-1].reshape(groups, f // groups, per_group, kh, kw)
    turned = turned.transpose(0, 3, 4, 1, 2).reshape(groups, 1, -1, per_group)
    flipped = turned.swapaxes(2, 3)
    pixels = rows.reshape(h, groups, per_group, wd * n)
    dx = aligned(pixels.shape)

    def some_lines(lines: slice) -> Array:
        total = np.zeros((groups, kh * kw * f // groups, per_group), np.float32)
        for here, columns in bands(g, back, groups, lines):
            multiply(flipped, columns, dx[here].transpose(1, 0, 2, 3))
            if want_dw:
                total += (columns @ pixels[here].transpose(1, 0, 3, 2)).sum(axis=1)
        return total

    total = reduce(np.add, together(some_lines, parts_of(h, w.size * wd * n)))
    total = total.reshape(groups, kh, kw, f // groups, per_group)[:, ::-1, ::-1]
    dw = total.transpose(0, 3, 4, 1, 2).reshape(w.shape) if want_dw else None
    return images_of(dx.reshape(rows.shape)), dw


def kernels_gradient(
    rows: Array, g: Array, at: Windows, shape: tuple[int, ...], groups: int
) -> Array:
    """Return dw, for each line the columns of x times g."""
    f, per_group, kh, kw = shape
    pixels = g.reshape(g.shape[0], groups, f // groups, -1)

    def some_lines(lines: slice) -> Array:
        total = np.zeros((groups, kh * kw * per_group, f // groups), np.float32)
        for here, columns in bands(rows, at, groups, lines):
            total += (columns @ pixels[here].transpose(1, 0, 3, 2)).sum(axis=1)
        return total

    work = math.prod(shape) * pixels.shape[3]
    total = reduce(np.add, together(some_lines, parts_of(len(g), work)))
    total = total.reshape(groups, kh, kw, per_group, f // groups)
    return total.transpose(0, 4, 3, 1, 2).reshape(shape)
