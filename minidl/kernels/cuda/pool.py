"""Pooling on a GPU: one launch each way, and no columns.

Throughout:  x (N, C, H, W)    y (N, C, OH, OW)    g = ∂L/∂y

Kept of a maximum is one byte for each output: which place of its window won.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array, namespace
from minidl.engine.tensor import Tensor
from minidl.kernels.cuda import compiler as cuda
from minidl.kernels.cuda.windows import struct
from minidl.ops.elementwise import where
from minidl.ops.pool import avg_pool2d, max_pool2d, pool_windows
from minidl.ops.shape import reshape
from minidl.ops.windows import fold


@max_pool2d.fast("cuda")
def quick_max_pool2d(
    x: Array,
    *,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:
    """Return max_pool2d of contiguous float32; else None."""
    at = pool_windows(
        "max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode
    )
    places, shape = at.size[0] * at.size[1], x.shape
    if not _fits(x) or places > 256:
        return None
    y = cuda.empty((*shape[:2], *at.out))
    winner = cuda.empty(y.shape, np.uint8)
    cuda.launch("pool", "max_pool", y.size, x, y, winner, struct(at))

    def backward(g: Array) -> Any:
        if not isinstance(g, Tensor):
            g, dx = cuda.contiguous(g), cuda.empty(shape)
            cuda.launch("pool", "max_pool_back", dx.size, g, winner, dx, struct(at))
            return dx
        n, c, oh, ow = winner.shape  # for gradients of gradients, as in ops/pool.py
        order = namespace(winner).arange(places)[:, None]
        wins = winner.reshape(n, c, 1, oh * ow) == order
        columns = where(wins, reshape(g, shape=(n, c, 1, oh * ow)), 0.0)
        columns = reshape(columns, shape=(n, c * places, oh * ow))
        return fold(columns, output_size=at.image, **at.settings)

    return y, backward


@avg_pool2d.fast("cuda")
def quick_avg_pool2d(
    x: Array,
    *,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    count_include_pad: bool = True,
    ceil_mode: bool = False,
) -> Any:
    """Return avg_pool2d of contiguous float32; else None."""
    at = pool_windows("avg_pool2d", x, kernel_size, stride, padding, 1, ceil_mode)
    if not _fits(x) or ceil_mode:
        return None
    y, shape, frame = cuda.empty((*x.shape[:2], *at.out)), x.shape, count_include_pad
    cuda.launch("pool", "avg_pool", y.size, x, y, struct(at), int(frame))

    def backward(g: Array) -> Any:
        if isinstance(g, Tensor):  # for gradients of gradients: the plain way back
            made = avg_pool2d.body(
                cuda.empty(shape),
                kernel_size=at.size,
                stride=at.stride,
                padding=at.padding,
                count_include_pad=frame,
            )
            return made[1](g)
        g, dx = cuda.contiguous(g), cuda.empty(shape)
        cuda.launch("pool", "avg_pool_back", dx.size, g, dx, struct(at), int(frame))
        return dx

    return y, backward


def _fits(x: Array) -> bool:
    """Whether these are images of float32 that kernels can count in 32 bits."""
    return cuda.takes(x) and x.ndim == 4 and x.size <= cuda.LARGEST
