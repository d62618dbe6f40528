"""Pooling: many pixels become one, their maximum or their mean. And back: upsampling.

Throughout:  x images (N, C, H, W)    y output (N, C, OH, OW)    g = ∂L/∂y
             KH KW the window    stride is the window's size unless given

A mean is a linear map. So is a maximum, once it is known which pixel won: y takes the
winners, and the transpose hands g to them.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import math
from typing import Any

from minidl.backend import Array, namespace
from minidl.engine.op import op
from minidl.engine.tensor import TensorLike
from minidl.errors import RangeError
from minidl.ops.elementwise import where
from minidl.ops.linalg import matmul
from minidl.ops.reduce import sum
from minidl.ops.shape import broadcast_to, reshape, transpose
from minidl.ops.windows import (
    Lengths,
    Windows,
    check_images,
    fold,
    frame,
    pair,
    slide,
    unfold,
)

__all__ = [
    "adaptive_avg_pool2d", "avg_pool2d", "global_avg_pool2d", "max_pool2d",
    "upsample",
]  # fmt: skip


@op(linear=True)
def max_pool2d(x, *, kernel_size, stride=None, padding=0, dilation=1):
    """The largest pixel of each window; of equal ones the first, row by row.

    x (N, C, H, W) -> y (N, C, OH, OW). The frame is −∞, so that it never wins; padding
    is at most half a window (RangeError), so that no window sees the frame alone.

    >>> import numpy as np
    >>> max_pool2d(np.array([[[[1.0, 4.0], [3.0, 2.0]]]]), 2)
    array([[[[4.]]]])
    """
    at = pool_windows("max_pool2d", x, kernel_size, stride, padding, dilation)
    (n, c), places, (oh, ow) = x.shape[:2], at.size[0] * at.size[1], at.out
    framed = frame(x, at.padding, -math.inf)
    columns = unfold(framed, **(at.settings | {"padding": 0}))
    columns = columns.reshape(n, c, places, oh * ow)
    winner = columns.argmax(axis=2)[:, :, None]
    wins = winner == namespace(x).arange(places)[:, None]  # (N, C, KH KW, OH OW)
    y = columns.max(axis=2).reshape(n, c, oh, ow)

    def backward(g):
        g = reshape(g, shape=(n, c, 1, oh * ow))
        columns = reshape(where(wins, g, 0.0), shape=(n, c * places, oh * ow))
        return fold(columns, output_size=at.image, **at.settings)

    return y, backward


@op(linear=True)
def avg_pool2d(x, *, kernel_size, stride=None, padding=0, count_include_pad=True):
    """The mean of each window.    x (N, C, H, W) -> y (N, C, OH, OW).

    The zeros of the frame count as pixels unless count_include_pad is False.
    """
    at = pool_windows("avg_pool2d", x, kernel_size, stride, padding, 1)
    (n, c), places, (oh, ow) = x.shape[:2], at.size[0] * at.size[1], at.out
    columns = unfold(x, **at.settings)
    share = 1 / places if count_include_pad else _share(x, at)
    y = columns.reshape(n, c, places, oh, ow).sum(axis=2) * share

    def backward(g):
        g = reshape(g * share, shape=(n, c, 1, oh * ow))
        columns = broadcast_to(g, shape=(n, c, places, oh * ow))
        columns = reshape(columns, shape=(n, c * places, oh * ow))
        return fold(columns, output_size=at.image, **at.settings)

    return y, backward


@op(linear=True)
def adaptive_avg_pool2d(x, *, output_size):
    """Y = A X Bᵀ: means over a grid of output_size windows, as even as pixels allow.

    x (N, C, H, W) -> y (N, C, *output_size). Row i of A averages the pixels from
    ⌊i H / OH⌋ to ⌈(i + 1) H / OH⌉; B does the same for columns.

    >>> import numpy as np
    >>> adaptive_avg_pool2d(np.array([[[[1.0, 2.0, 3.0, 6.0]]]]), (1, 2))
    array([[[[1.5, 4.5]]]])
    """
    check_images("adaptive_avg_pool2d", x)
    oh, ow = pair("adaptive_avg_pool2d", "output_size", output_size)
    a, b = _averages(x, x.shape[2], oh), _averages(x, x.shape[3], ow)
    return a @ x @ b.T, lambda g: matmul(matmul(transpose(a), g), b)


def global_avg_pool2d(x: TensorLike) -> Any:
    """The mean of each channel's image.    x (N, C, H, W) -> y (N, C).

    Lin et al. 2013, "Network in network": in the place of a large affine layer.
    """
    check_images("global_avg_pool2d", x)
    return sum(x, axis=(2, 3)) * (1 / (x.shape[2] * x.shape[3]))


@op(linear=True)
def upsample(x, *, scale_factor=2):
    """Repeat every pixel scale_factor times, down and across (nearest neighbor).

    x (N, C, H, W) -> y (N, C, H SH, W SW). The transpose sums over every block.

    >>> import numpy as np
    >>> upsample(np.array([[[[1.0, 2.0]]]]), 2)
    array([[[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]]])
    """
    check_images("upsample", x)
    sh, sw = pair("upsample", "scale_factor", scale_factor)
    n, c, h, w = x.shape
    blocks = namespace(x).broadcast_to(x[:, :, :, None, :, None], (n, c, h, sh, w, sw))

    def backward(g):
        return sum(reshape(g, shape=(n, c, h, sh, w, sw)), axis=(3, 5))

    return blocks.reshape(n, c, h * sh, w * sw), backward


def pool_windows(
    name: str,
    x: TensorLike,
    size: Lengths,
    stride: Lengths,
    padding: Lengths,
    dilation: Lengths,
) -> Windows:
    """Return where the windows lie: side by side unless a stride is given."""
    at = slide(name, x, size, size if stride is None else stride, padding, dilation)
    if any(2 * max(p) > k for p, k in zip(at.padding, at.size, strict=True)):
        raise RangeError(
            f"{name}: padding={padding!r} is more than half of kernel_size={size!r}; a "
            "window could lie on the frame alone; pad less"
        )
    return at


def _share(x: Array, at: Windows) -> Array:
    """Return 1 / how many pixels of the image each window sees.    (OH, OW)."""
    ones = namespace(x).ones((1, 1, *at.image), x.dtype)
    seen = unfold(ones, **at.settings).sum(axis=1)
    return 1 / seen.reshape(at.out)


def _averages(x: Array, n: int, k: int) -> Array:
    """Return the matrix (k, n) that averages n pixels into k windows."""
    xp = namespace(x)
    i, pixel = xp.arange(k)[:, None], xp.arange(n)
    first, end = i * n // k, -(-(i + 1) * n // k)
    inside = (first <= pixel) & (pixel < end)
    return (inside / inside.sum(axis=1, keepdims=True)).astype(x.dtype)
