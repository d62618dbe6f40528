"""Layers that shrink images, or enlarge them, without parameters.

Throughout:  x images (N, C, H, W)    y output (N, C, OH, OW)
Formulas stand in minidl/ops/pool.py; what such a short class stands for, in
minidl/nn/layer.py.
"""

from __future__ import annotations

from minidl import ops
from minidl.nn.layer import UnaryLayer
from minidl.ops.windows import Lengths

__all__ = ["AdaptiveAvgPool2d", "AvgPool2d", "GlobalAvgPool2d", "MaxPool2d", "Upsample"]


class MaxPool2d(UnaryLayer, op=ops.max_pool2d):
    """The largest pixel of each window; windows lie side by side without a stride."""

    kernel_size: Lengths
    stride: Lengths | None = None
    padding: Lengths = 0
    dilation: Lengths = 1


class AvgPool2d(UnaryLayer, op=ops.avg_pool2d):
    """The mean of each window; its zeros on the frame count unless told otherwise."""

    kernel_size: Lengths
    stride: Lengths | None = None
    padding: Lengths = 0
    count_include_pad: bool = True


class AdaptiveAvgPool2d(UnaryLayer, op=ops.adaptive_avg_pool2d):
    """Means over a grid of output_size windows, whatever the size of the images."""

    output_size: Lengths


class GlobalAvgPool2d(UnaryLayer, op=ops.global_avg_pool2d):
    """The mean of each channel, ready for Linear.    x (N, C, H, W) -> y (N, C)."""


class Upsample(UnaryLayer, op=ops.upsample):
    """Every pixel repeated, down and across (nearest neighbor)."""

    scale_factor: Lengths = 2
