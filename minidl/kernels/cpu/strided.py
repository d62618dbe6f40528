"""conv2d with a stride on a CPU: blocks of pixels become channels, a step is a block.

Throughout:  x (N, C, H, W)    w (F, C/G, KH, KW)    y (N, F, OH, OW)    g = ∂L/∂y
             along an axis: s stride, d dilation, p padding, u a place in the kernel

Window i sees the pixel i s + u d − p at its place u. With u d − p = q s + a, 0 ≤ a < s,
that is pixel a of block i + q, where a block has s pixels. So if each pixel of a block
is a channel of its own, windows move by one block, and a kernel has a place for each q:

    5 × 5, stride 2, padding 2   ->   3 × 3, stride 1, padding 1, 4 times the channels

Some places stay 0 (here 11 of 36). In return both gradients need the same columns, no
column is added back to pixels, and 3 × 3 kernels may use tiles (winograd.py). Pixels of
a block that no place sees are left out. 0 · ∞ is NaN, so where a result is not finite,
the plain body computes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minidl.backend import Array
from minidl.kernels.cpu.blocks import is_finite
from minidl.kernels.cpu.conv import images_of, rows_of
from minidl.ops.conv import check_channels, conv2d
from minidl.ops.windows import Lengths, Padding, Windows, slide


class Axis(NamedTuple):
    """One axis in blocks: places of the kernel as (q, a), and each a that is seen."""

    stride: int
    places: list[tuple[int, int]]
    seen: list[int]
    blocks: int
    padding: tuple[int, int]

    @property
    def size(self) -> int:
        """The length of the kernel, in blocks."""
        return self.places[-1][0] - self.places[0][0] + 1

    @property
    def target(self) -> tuple[list[int], list[int]]:
        """Where each place went: which of the pixels seen, and which block."""
        first = self.places[0][0]
        return [self.seen.index(a) for _, a in self.places], [
            q - first for q, _ in self.places
        ]


def in_blocks(at: Windows, axis: int) -> Axis:
    """Cut an axis into blocks, as far as windows see it."""
    length, size, out = at.image[axis], at.size[axis], at.out[axis]
    stride, dilation = at.stride[axis], at.dilation[axis]
    padding = at.padding[axis][0]
    places = [divmod(u * dilation - padding, stride) for u in range(size)]
    first, last = places[0][0], places[-1][0]
    reached = out + last  # one beyond the last block that a window sees
    blocks = min(-(-length // stride), reached)
    seen = sorted({a for _, a in places})
    return Axis(stride, places, seen, blocks, (-first, reached - blocks))


@conv2d.fast("cpu", rank=4)
def conv2d_in_blocks(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Lengths = 1,
    padding: Padding = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Any:
    """Return conv2d(x, w, b) with x in blocks, and the way back.

    None, so that another body computes: for a stride of 1, other widths than float32,
    windows that see the frame alone, and results that are not finite.
    """
    check_channels("conv2d", x, w, b, groups)
    at = slide("conv2d", x, w.shape[2:], stride, padding, dilation)
    if at.stride == (1, 1) or x.size * w.size == 0 or x.dtype != np.float32:
        return None
    down, across = in_blocks(at, 0), in_blocks(at, 1)
    if min(down.blocks, across.blocks) < 1:
        return None  # all windows see the frame alone
    (i, q), (j, r) = down.target, across.target
    at_places = (..., np.array(i)[:, None], j, np.array(q)[:, None], r)
    apart = (*w.shape[:2], len(down.seen), len(across.seen), down.size, across.size)
    kernels = np.zeros(apart, w.dtype)
    kernels[at_places] = w
    kernels = kernels.reshape(len(w), -1, *apart[4:])
    pads = down.padding, across.padding
    with np.errstate(invalid="ignore"):  # is_finite will tell
        made = step_by_one(to_blocks(x, down, across), kernels, b, pads, groups)
        if made is None or not is_finite(rows_of(made[0])):
            return None
    y, back = made

    def backward(g: Array, wanted: list[bool]) -> Any:
        with np.errstate(invalid="ignore"):
            dx, dw, db = back(g, wanted)
            far = dx is not None and not is_finite(rows_of(dx))
        if far:
            settings = {"stride": stride, "padding": padding, "dilation": dilation}
            return conv2d.body(x, w, b, groups=groups, **settings)[1](g, wanted)
        dx = dx if dx is None else from_blocks(dx, x.shape, down, across)
        return dx, dw if dw is None else dw.reshape(apart)[at_places], db

    return y, backward


def step_by_one(x: Array, w: Array, b: Array | None, padding: Any, groups: int) -> Any:
    """Return what another fast body makes of conv2d with stride 1."""
    for body in conv2d.fasts["cpu"]:
        made = body(x, w, b, padding=padding, groups=groups)
        if made is not None:
            return made
    return None


def to_blocks(x: Array, down: Axis, across: Axis) -> Array:
    """Make channels of pixels: x -> images in rows, with zeros where x has ended."""
    n, c = x.shape[:2]
    beside = (c, len(down.seen), len(across.seen), across.blocks, n)
    y = np.zeros((down.blocks, *beside), x.dtype)
    for pixels, part in pairs(rows_of(x), y, down, across):
        part[...] = pixels
    return images_of(y.reshape(down.blocks, -1, across.blocks, n))


def from_blocks(d: Array, shape: tuple[int, ...], down: Axis, across: Axis) -> Array:
    """Make pixels of channels again: to_blocks, transposed."""
    n, c, h, w = shape
    dx = np.zeros((h, c, w, n), d.dtype)
    d = d.transpose(2, 1, 3, 0).reshape(
        down.blocks, c, len(down.seen), len(across.seen), across.blocks, n
    )
    for pixels, part in pairs(dx, d, down, across):
        pixels[...] = part
    return images_of(dx)


def pairs(rows: Array, blocks: Array, down: Axis, across: Axis) -> Any:
    """Yield what each pixel of all blocks is in rows (H, C, W, N), and in blocks."""
    for i, a in enumerate(down.seen):
        for j, e in enumerate(across.seen):
            pixels = rows[a :: down.stride, :, e :: across.stride]
            pixels = pixels[: down.blocks, :, : across.blocks]
            h, _, w, _ = pixels.shape
            yield pixels, blocks[:h, :, i, j, :w]
