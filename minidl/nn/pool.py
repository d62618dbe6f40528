"""Layers that shrink images, or enlarge them, without parameters.

Throughout:  x images (N, C, H, W)    y output (N, C, OH, OW)
One example, without the axis of the batch, is taken, too. Formulas stand in
minidl/ops/pool.py; what such a short class stands for, in minidl/nn/layer.py.
"""

from __future__ import annotations

from typing import ClassVar

from minidl import ops
from minidl.nn.layer import UnaryLayer
from minidl.ops.windows import Lengths

__all__ = [
    "AdaptiveAvgPool2d", "AvgPool1d", "AvgPool2d", "GlobalAvgPool2d", "MaxPool1d",
    "MaxPool2d", "Upsample",
]  # fmt: skip


class MaxPool2d(UnaryLayer, op=ops.max_pool2d):
    """The largest pixel of each window; windows lie side by side without a stride."""

    single: ClassVar[int] = 3
    kernel_size: Lengths
    stride: Lengths | None = None
    padding: Lengths = 0
    dilation: Lengths = 1
    ceil_mode: bool = False


class MaxPool1d(UnaryLayer, op=ops.max_pool1d):
    """The largest number of each window.    x (N, C, T) -> y (N, C, OT)."""

    single: ClassVar[int] = 2
    kernel_size: int
    stride: int | None = None
    padding: int = 0
    dilation: int = 1
    ceil_mode: bool = False


class AvgPool2d(UnaryLayer, op=ops.avg_pool2d):
    """The mean of each window; its zeros on the frame count unless told otherwise."""

    single: ClassVar[int] = 3
    kernel_size: Lengths
    stride: Lengths | None = None
    padding: Lengths = 0
    count_include_pad: bool = True
    ceil_mode: bool = False


class AvgPool1d(UnaryLayer, op=ops.avg_pool1d):
    """The mean of each window.    x (N, C, T) -> y (N, C, OT)."""

    single: ClassVar[int] = 2
    kernel_size: int
    stride: int | None = None
    padding: int = 0
    count_include_pad: bool = True
    ceil_mode: bool = False


class AdaptiveAvgPool2d(UnaryLayer, op=ops.adaptive_avg_pool2d):
    """Means over a grid of output_size windows, whatever the size of the images."""

    single: ClassVar[int] = 3
    output_size: Lengths


class GlobalAvgPool2d(UnaryLayer, op=ops.global_avg_pool2d):
    """The mean of each channel, ready for Linear.    x (N, C, H, W) -> y (N, C)."""

    single: ClassVar[int] = 3


class Upsample(UnaryLayer, op=ops.upsample):
    """Every pixel repeated, down and across; or "bilinear", a mixture of neighbors."""

    single: ClassVar[int] = 3
    scale_factor: Lengths = 2
    mode: str = "nearest"
    align_corners: bool = False
