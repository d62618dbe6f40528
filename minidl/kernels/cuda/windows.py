"""unfold, fold and conv2d on a GPU: one launch for all places in a window.

    Y = W X,  X = unfold x        dX = Wᵀ G        dW = G Xᵀ

A convolution is these, with the windows of all images side by side, X (C KH KW, N L):
so each product is one of two matrices, however many images there are. What it costs is
that y and g, which are images, must be put side by side and back: a copy of each.

Throughout:  N images    C channels    F kernels    G groups    L = OH OW windows
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels.cuda import compiler as cuda
from minidl.ops.conv import check_channels, conv2d
from minidl.ops.windows import (
    Lengths,
    Padding,
    Windows,
    fold,
    pair,
    place,
    slide,
    unfold,
)

NAMES = ("h", "w", "kh", "kw", "oh", "ow", "sh", "sw", "top", "left", "dh", "dw")
STRUCT = np.dtype([(name, np.int32) for name in NAMES])


@unfold.fast("cuda")
def quick_unfold(
    x: Array,
    *,
    kernel_size: Lengths,
    dilation: Lengths = 1,
    padding: Padding = 0,
    stride: Lengths = 1,
) -> Any:
    """Return unfold of contiguous float32; else None."""
    if not cuda.takes(x) or x.ndim != 4:
        return None
    at = slide("unfold", x, kernel_size, stride, padding, dilation)
    if _length(x.shape, at) > cuda.LARGEST:
        return None
    (n, c), (kh, kw), (oh, ow) = x.shape[:2], at.size, at.out
    y = _columns(x, at, 1).reshape(n, c * kh * kw, oh * ow)
    return y, lambda g: fold(g, output_size=at.image, **at.settings)


@fold.fast("cuda")
def quick_fold(
    x: Array,
    *,
    output_size: Lengths,
    kernel_size: Lengths,
    dilation: Lengths = 1,
    padding: Padding = 0,
    stride: Lengths = 1,
) -> Any:
    """Return fold of contiguous float32 that fits; else None."""
    image = pair("fold", "output_size", output_size)
    kh, kw = pair("fold", "kernel_size", kernel_size)
    if not cuda.takes(x) or x.ndim != 3 or x.shape[1] % (kh * kw):
        return None
    at = place("fold", image, (kh, kw), stride, padding, dilation)
    shape = (len(x), x.shape[1] // (kh * kw), *image)
    if x.shape[2] != at.out[0] * at.out[1] or _length(shape, at) > cuda.LARGEST:
        return None
    return _images(x, shape, at, 1), lambda g: unfold(g, **at.settings)


@conv2d.fast("cuda")
def quick_conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Lengths = 1,
    padding: Padding = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Any:
    """Return conv2d of contiguous float32; else None."""
    check_channels("conv2d", x, w, b, groups)
    if not cuda.takes(x, w, *(() if b is None else (b,))) or not x.size * w.size:
        return None
    at = slide("conv2d", x, w.shape[2:], stride, padding, dilation)
    n, f, length = len(x), len(w), at.out[0] * at.out[1]
    y = cuda.empty((n, f, *at.out))
    if max(_length(x.shape, at), y.size) > cuda.LARGEST:
        return None
    z = cuda.product(_matrix(w, groups), _matrix(_columns(x, at, n), groups))
    bias = np.uint64(0) if b is None else b
    cuda.launch("windows", "images", y.size, z, bias, y, n, f, length)

    def backward(g: Array, wanted: Sequence[bool]) -> tuple[Any, Any, Any]:
        rows = cuda.contiguous(g.swapaxes(0, 1))  # (F, N, OH, OW)
        dx = dw = db = None
        if wanted[0]:
            dX = cuda.product(
                _matrix(w, groups).swapaxes(-1, -2), _matrix(rows, groups)
            )
            dx = _images(dX, x.shape, at, n)
        if wanted[1]:
            X = _matrix(_columns(x, at, n), groups)
            dw = cuda.empty_like(w)  # not a view, which the engine would copy
            out = _matrix(dw, groups)
            cuda.product(_matrix(rows, groups), X.swapaxes(-1, -2), out)
        if wanted[2]:
            db = rows.reshape(f, -1).sum(axis=1)
        return dx, dw, db

    return y, backward


def _matrix(x: Array, groups: int) -> Array:
    """Return w, g side by side, or columns, as a matrix, or as G of them: no copy.

    (CuPy copies such matrices of a batch that are transposed, but not a single one.)
    """
    if groups == 1:
        return x.reshape(len(x), -1)
    return x.reshape(groups, len(x) // groups, -1)


def _length(shape: tuple[int, ...], at: Windows) -> int:
    """Return how many numbers the columns or the images have, whichever are more."""
    n, c, h, w = shape
    (kh, kw), (oh, ow) = at.size, at.out
    return n * c * max(h * w, kh * kw * oh * ow)


def _columns(x: Array, at: Windows, together: int) -> Array:
    """Return the windows, of so many images side by side: (N C KH KW / M, M L)."""
    (n, c), (kh, kw), (oh, ow) = x.shape[:2], at.size, at.out
    y = cuda.empty((n * c * kh * kw // together, together * oh * ow))
    cuda.launch("windows", "unfold", y.size, x, y, struct(at), c, together)
    return y


def _images(columns: Array, shape: Any, at: Windows, together: int) -> Array:
    """Return the sum of all windows where they came from: _columns, transposed."""
    y = cuda.empty(shape)
    args = columns, y, struct(at), shape[1], together
    cuda.launch("windows", "fold", y.size, *args)
    return y


def struct(at: Windows) -> Any:
    """Return where the windows lie, as the kernels' struct."""
    frame = (at.padding[0][0], at.padding[1][0])
    numbers = (*at.image, *at.size, *at.out, *at.stride, *frame, *at.dilation)
    return np.array(numbers, STRUCT)[()]
