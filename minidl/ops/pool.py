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
from minidl.errors import RangeError, ShapeError
from minidl.ops.elementwise import where
from minidl.ops.linalg import matmul
from minidl.ops.reduce import sum
from minidl.ops.shape import broadcast_to, reshape, transpose
from minidl.ops.windows import (
    Lengths,
    Padding,
    Windows,
    check_images,
    fold,
    frame,
    frame_of,
    pair,
    place,
    slide,
    unfold,
)

__all__ = [
    "adaptive_avg_pool2d", "avg_pool1d", "avg_pool2d", "global_avg_pool2d",
    "max_pool1d", "max_pool2d", "upsample",
]  # fmt: skip


@op(linear=True)
def max_pool2d(x, *, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """The largest pixel of each window; of equal ones the first, row by row.

    x (N, C, H, W) -> y (N, C, OH, OW). The frame is −∞, so that it never wins; padding
    is at most half a window (RangeError), so that no window sees the frame alone. With
    ceil_mode a last window may hang over the edge, if it begins on the image.

    >>> import numpy as np
    >>> max_pool2d(np.array([[[[1.0, 4.0], [3.0, 2.0]]]]), 2)
    array([[[[4.]]]])
    """
    at = pool_windows(
        "max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode
    )
    (n, c), places, (oh, ow) = x.shape[:2], at.size[0] * at.size[1], at.out
    # region a5.7: the largest of each window, and the way back to the pixel that won
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

    # endregion
    return y, backward


@op(linear=True)
def avg_pool2d(
    x,
    *,
    kernel_size,
    stride=None,
    padding=0,
    count_include_pad=True,
    ceil_mode=False,
):
    """The mean of each window.    x (N, C, H, W) -> y (N, C, OH, OW).

    The zeros of the frame count as pixels unless count_include_pad is False. With
    ceil_mode a last window may hang over the edge; what is beyond never counts.
    """
    at = pool_windows("avg_pool2d", x, kernel_size, stride, padding, 1, ceil_mode)
    (n, c), places, (oh, ow) = x.shape[:2], at.size[0] * at.size[1], at.out
    share = 1 / places
    if ceil_mode or not count_include_pad:
        share = _share(x, at, padding if count_include_pad else 0)
    # region a5.8: the mean of each window, and the way back to all its pixels
    columns = unfold(x, **at.settings)
    y = columns.reshape(n, c, places, oh, ow).sum(axis=2) * share

    def backward(g):
        g = reshape(g * share, shape=(n, c, 1, oh * ow))
        columns = broadcast_to(g, shape=(n, c, places, oh * ow))
        columns = reshape(columns, shape=(n, c * places, oh * ow))
        return fold(columns, output_size=at.image, **at.settings)

    # endregion
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
def upsample(x, *, scale_factor=2, mode="nearest", align_corners=False):
    """Repeat every pixel scale_factor times, down and across, or mix its neighbors.

    x (N, C, H, W) -> y (N, C, H SH, W SW).
    mode           "nearest": copies; "bilinear": Y = A X Bᵀ, with the hat functions
                   A[i, j] = max(0, 1 − |sᵢ − j|) of the place sᵢ of row i among the old
                   rows, and B likewise of columns
    align_corners  of bilinear: sᵢ = i (H − 1) / (OH − 1), so that the corners stay;
                   else sᵢ = (i + ½) / SH − ½ within the image: pixels are areas

    >>> import numpy as np
    >>> upsample(np.array([[[[1.0, 2.0]]]]), 2)
    array([[[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]]])
    """
    check_images("upsample", x)
    sh, sw = pair("upsample", "scale_factor", scale_factor)
    n, c, h, w = x.shape
    if mode == "bilinear":
        a, b = _hats(x, h, sh, align_corners), _hats(x, w, sw, align_corners)
        return a @ x @ b.T, lambda g: matmul(matmul(transpose(a), g), b)
    if mode != "nearest" or align_corners:
        raise RangeError(
            f'upsample: mode is "nearest" or "bilinear", not {mode!r}; align_corners '
            "belongs to bilinear"
        )
    blocks = namespace(x).broadcast_to(x[:, :, :, None, :, None], (n, c, h, sh, w, sw))

    def backward(g):
        return sum(reshape(g, shape=(n, c, h, sh, w, sw)), axis=(3, 5))

    return blocks.reshape(n, c, h * sh, w * sw), backward


def max_pool1d(
    x: TensorLike,
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
    dilation: int = 1,
    ceil_mode: bool = False,
) -> Any:
    """The largest number of each window.    x (N, C, T) -> y (N, C, OT).

    It is max_pool2d on images of one row, whose settings it has.
    """
    y = max_pool2d(
        as_rows("max_pool1d", x),
        kernel_size=(1, kernel_size),
        stride=None if stride is None else (1, stride),
        padding=(0, padding),
        dilation=(1, dilation),
        ceil_mode=ceil_mode,
    )
    return reshape(y, shape=(*x.shape[:2], y.shape[3]))


def avg_pool1d(
    x: TensorLike,
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
    count_include_pad: bool = True,
    ceil_mode: bool = False,
) -> Any:
    """The mean of each window.    x (N, C, T) -> y (N, C, OT).

    It is avg_pool2d on images of one row, whose settings it has.
    """
    y = avg_pool2d(
        as_rows("avg_pool1d", x),
        kernel_size=(1, kernel_size),
        stride=None if stride is None else (1, stride),
        padding=(0, padding),
        count_include_pad=count_include_pad,
        ceil_mode=ceil_mode,
    )
    return reshape(y, shape=(*x.shape[:2], y.shape[3]))


def as_rows(name: str, x: TensorLike) -> Any:
    """Return sequences (N, C, T) as images of one row, (N, C, 1, T)."""
    if x.ndim != 3:
        raise ShapeError(
            f"{name} takes sequences (N, C, T), and x has shape {tuple(x.shape)}; "
            "sequences stored as (N, T, D) need x.transpose(0, 2, 1)"
        )
    n, c, t = x.shape
    return reshape(x, shape=(n, c, 1, t))


def pool_windows(
    name: str,
    x: TensorLike,
    size: Lengths,
    stride: Lengths,
    padding: Lengths,
    dilation: Lengths,
    ceil_mode: bool = False,
) -> Windows:
    """Return where the windows lie: side by side unless a stride is given."""
    at = slide(name, x, size, size if stride is None else stride, padding, dilation)
    if ceil_mode:
        at = _hanging(name, at)
    if any(2 * before > k for (before, _), k in zip(at.padding, at.size, strict=True)):
        raise RangeError(
            f"{name}: padding={padding!r} is more than half of kernel_size={size!r}; a "
            "window could lie on the frame alone; pad less"
        )
    return at


def _hanging(name: str, at: Windows) -> Windows:
    """Return the same with one window more where it begins on the image or before it.

    The frame grows below and right until the last window fits.
    """
    frames = []
    for n, k, out, s, (before, after), d in zip(
        at.image, at.size, at.out, at.stride, at.padding, at.dilation, strict=True
    ):
        beyond = out * s + d * (k - 1) + 1 - (n + before + after)
        if (
            out * s < n + before and beyond < s
        ):  # pixels are left, and it begins on them
            after += beyond
        frames.append((before, after))
    return place(
        name, at.image, at.size, at.stride, (frames[0], frames[1]), at.dilation
    )


def _share(x: Array, at: Windows, padding: Padding) -> Array:
    """Return 1 / how many pixels count in each window.    (OH, OW).

    Those of the image and of the frame `padding` around it, not what lies further out.
    """
    counted = frame_of("avg_pool2d", padding, at.size, at.stride, at.dilation)
    ones = namespace(x).ones((1, 1, *at.image), x.dtype)
    rest = tuple(
        (a - c, b - d) for (a, b), (c, d) in zip(at.padding, counted, strict=True)
    )
    ones = frame(frame(ones, counted, 1.0), (rest[0], rest[1]))
    seen = unfold(ones, **(at.settings | {"padding": 0})).sum(axis=1)
    return 1 / seen.reshape(at.out)


def _hats(x: Array, n: int, scale: int, align_corners: bool) -> Array:
    """Return the matrix (n scale, n) that interpolates between n pixels."""
    xp, m = namespace(x), n * scale
    i = xp.arange(m, dtype="f8")[:, None]
    s = i * ((n - 1) / max(m - 1, 1)) if align_corners else (i + 0.5) / scale - 0.5
    near = xp.clip(s, 0, n - 1) - xp.arange(n)
    return xp.maximum(0.0, 1 - xp.abs(near)).astype(x.dtype)


def _averages(x: Array, n: int, k: int) -> Array:
    """Return the matrix (k, n) that averages n pixels into k windows."""
    xp = namespace(x)
    i, pixel = xp.arange(k)[:, None], xp.arange(n)
    first, end = i * n // k, -(-(i + 1) * n // k)
    inside = (first <= pixel) & (pixel < end)
    return (inside / inside.sum(axis=1, keepdims=True)).astype(x.dtype)
