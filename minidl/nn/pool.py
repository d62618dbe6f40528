"""Layers that shrink images, or enlarge them, without parameters.

Throughout:  x images (N, C, H, W)    y output (N, C, OH, OW)
Formulas stand in minidl/ops/pool.py.
"""

from __future__ import annotations

from minidl import ops
from minidl.engine.tensor import Tensor
from minidl.nn.module import Module

Lengths = int | tuple[int, int]  # height and width, or one number for both


class MaxPool2d(Module):
    """The largest pixel of each window; windows lie side by side without a stride."""

    def __init__(
        self,
        kernel_size: Lengths,
        stride: Lengths | None = None,
        padding: Lengths = 0,
        dilation: Lengths = 1,
    ) -> None:
        self.kernel_size, self.stride = kernel_size, stride
        self.padding, self.dilation = padding, dilation

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = ops.max_pool2d(
            x,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
        )
        return y


class AvgPool2d(Module):
    """The mean of each window; its zeros on the frame count unless told otherwise."""

    def __init__(
        self,
        kernel_size: Lengths,
        stride: Lengths | None = None,
        padding: Lengths = 0,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size, self.stride = kernel_size, stride
        self.padding, self.count_include_pad = padding, count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = ops.avg_pool2d(
            x,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            count_include_pad=self.count_include_pad,
        )
        return y


class AdaptiveAvgPool2d(Module):
    """Means over a grid of output_size windows, whatever the size of the images."""

    def __init__(self, output_size: Lengths) -> None:
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = ops.adaptive_avg_pool2d(x, output_size=self.output_size)
        return y


class GlobalAvgPool2d(Module):
    """The mean of each channel, ready for Linear.    x (N, C, H, W) -> y (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = ops.global_avg_pool2d(x)
        return y


class Upsample(Module):
    """Every pixel repeated, down and across (nearest neighbor)."""

    def __init__(self, scale_factor: Lengths = 2) -> None:
        self.scale_factor = scale_factor

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = ops.upsample(x, scale_factor=self.scale_factor)
        return y
