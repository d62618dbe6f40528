"""Layers that slide a window over images: kernels, a bias, and the op that uses them.

Throughout:  x images (N, C, H, W)    y output (N, F, OH, OW)    KH KW the window
             C channels in, F channels out, G groups
Formulas and papers stand in minidl/ops/conv.py and minidl/ops/windows.py.

Kernels start as N(0, 2 / fan_in), with fan_in = C/G · KH · KW numbers in each sum; this
keeps the variance through a ReLU (He et al. 2015, eq. 10). Biases start at 0. `init=`
takes a function of nn.init or its name ("torch": as PyTorch's layers start, the bias
too), and `rng=` a generator or a seed.
"""

from __future__ import annotations

from typing import Any

from minidl import backend, ops
from minidl.backend import Seed
from minidl.engine.tensor import Tensor
from minidl.errors import RangeError, ShapeError
from minidl.nn import init as initializers
from minidl.nn.init import Initializer
from minidl.nn.layer import UnaryLayer, takes_one
from minidl.nn.module import Module, Parameter
from minidl.ops.windows import Lengths, Padding, frame_of, pair

__all__ = ["Conv1d", "Conv2d", "ConvTranspose2d", "Fold", "Unfold"]


class Conv2d(Module):
    """y = w ⋆ x + b.    x (N, C, H, W) -> y (N, F, OH, OW).

    n_in, n_out   C and F
    kernel_size   KH and KW; stride and dilation likewise a number or a pair
    padding       a number, a pair, "same", "valid", or ((top, bottom), (left, right))
    groups        G parts of the channels that do not see each other
    padding_mode  what stands on the frame: "zeros", or pixels of the image, "reflect",
                  "replicate" or "circular", as ops.pad has them

    Where batch norm follows, bias=False: it would be subtracted again.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel_size: Lengths,
        stride: Lengths = 1,
        padding: Padding = 0,
        dilation: Lengths = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        init: str | Initializer = "kaiming_normal",
        rng: Seed = None,
    ) -> None:
        self.stride, self.padding = stride, padding
        self.dilation, self.groups = dilation, groups
        self.padding_mode = _known_mode(padding_mode)
        size = pair("Conv2d", "kernel_size", kernel_size)
        shape = _shape("Conv2d", n_in, n_out, size, groups)
        rng = backend.generator(rng)
        self.weight = Parameter(initializers.named(init)(shape, rng=rng))
        b = initializers.bias_for(init, n_out, shape, rng) if bias else None
        self.bias = None if b is None else Parameter(b)

    @takes_one(3)
    def forward(self, x: Tensor) -> Tensor:
        """Return the cross-correlation of x with every filter, and the bias."""
        x, padding = _framed(self, x)
        y: Tensor = ops.conv2d(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=padding,
            dilation=self.dilation,
            groups=self.groups,
        )
        return y


class Conv1d(Module):
    """y = w ⋆ x + b along a sequence.    x (N, C, T) -> y (N, F, OT).

    The settings are those of Conv2d, each a number (padding may be "same", "valid").
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel_size: int,
        stride: int = 1,
        padding: int | str = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        init: str | Initializer = "kaiming_normal",
        rng: Seed = None,
    ) -> None:
        self.stride, self.padding = stride, padding
        self.dilation, self.groups = dilation, groups
        self.padding_mode = _known_mode(padding_mode)
        size = pair("Conv1d", "kernel_size", kernel_size)[:1]
        shape = _shape("Conv1d", n_in, n_out, size, groups)
        rng = backend.generator(rng)
        self.weight = Parameter(initializers.named(init)(shape, rng=rng))
        b = initializers.bias_for(init, n_out, shape, rng) if bias else None
        self.bias = None if b is None else Parameter(b)

    @takes_one(2)
    def forward(self, x: Tensor) -> Tensor:
        """Return the cross-correlation of x with every filter, and the bias."""
        x, padding = _framed(self, x)
        y: Tensor = ops.conv1d(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=padding,
            dilation=self.dilation,
            groups=self.groups,
        )
        return y


class ConvTranspose2d(Module):
    """Every pixel paints its kernel, s pixels apart.

    x (N, C, H, W) -> y (N, F, OH, OW), with OH = (H − 1) s − 2 p + d (KH − 1) + 1 + o
    and o the output_padding. The weight is (C, F/G, KH, KW).

    Stride 2 with a kernel of 4 and padding 1 doubles an image.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel_size: Lengths,
        stride: Lengths = 1,
        padding: Lengths = 0,
        output_padding: Lengths = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Lengths = 1,
        *,
        init: str | Initializer = "kaiming_normal",
        rng: Seed = None,
    ) -> None:
        self.stride, self.padding, self.output_padding = stride, padding, output_padding
        self.dilation, self.groups = dilation, groups
        size = pair("ConvTranspose2d", "kernel_size", kernel_size)
        shape = _shape("ConvTranspose2d", n_in, n_out, size, groups)
        kept = (n_in, n_out // groups, *size)
        draw, rng = initializers.named(init), backend.generator(rng)
        if draw is initializers.torch:  # PyTorch counts F/G KH KW inputs here
            w = draw(kept, rng=rng)
        else:  # drawn as (F, C/G, KH, KW), so that its fan_in is ours
            parts = draw(shape, rng=rng).reshape(groups, kept[1], shape[1], *size)
            w = parts.swapaxes(1, 2).reshape(kept)
        self.weight = Parameter(w)
        b = initializers.bias_for(init, n_out, kept, rng) if bias else None
        self.bias = None if b is None else Parameter(b)

    @takes_one(3)
    def forward(self, x: Tensor) -> Tensor:
        """Return the transpose of a convolution, applied to x, and the bias."""
        y: Tensor = ops.conv_transpose2d(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            groups=self.groups,
            dilation=self.dilation,
        )
        return y

    def multiply_adds(self, inputs: tuple[Any, ...], output: Tensor) -> int:
        """Every weight is used once at each pixel of the input, not of the output."""
        x = inputs[0]
        return int(x.size // x.shape[-3] * self.weight.size)


class Unfold(UnaryLayer, op=ops.unfold):
    """Every window as a column.    x (N, C, H, W) -> y (N, C KH KW, windows)."""

    kernel_size: Lengths
    dilation: Lengths = 1
    padding: Padding = 0
    stride: Lengths = 1


class Fold(UnaryLayer, op=ops.fold):
    """Columns added up to images: x (N, C KH KW, windows) -> y (N, C, *output_size)."""

    output_size: Lengths
    kernel_size: Lengths
    dilation: Lengths = 1
    padding: Padding = 0
    stride: Lengths = 1


def _known_mode(mode: str) -> str:
    modes = ("zeros", "reflect", "replicate", "circular")
    if mode not in modes:
        raise RangeError(f"padding_mode is one of {', '.join(modes)}, not {mode!r}")
    return mode


def _framed(layer: Conv1d | Conv2d, x: Tensor) -> tuple[Tensor, Any]:
    """Return x, and the padding left to do: 0 where pixels of x are the frame."""
    if layer.padding_mode == "zeros":
        return x, layer.padding
    name, axes = type(layer).__name__, layer.weight.ndim - 2
    size = layer.weight.shape[-1] if axes == 1 else layer.weight.shape[2:]
    stride, dilation, size = (
        pair(name, "window", n) for n in (layer.stride, layer.dilation, size)
    )
    frame = frame_of(name, layer.padding, size, stride, dilation)[-axes:]
    width = ((0, 0), (0, 0), *frame)
    return ops.pad(x, width=width, mode=layer.padding_mode), 0


def _shape(
    name: str, n_in: int, n_out: int, size: tuple[int, ...], groups: int
) -> tuple[int, ...]:
    """Return (F, C/G, KH, KW), or say what does not fit."""
    if min(n_in, n_out, groups) < 1 or n_in % groups or n_out % groups:
        raise ShapeError(
            f"{name}: groups={groups} must divide n_in={n_in} and n_out={n_out}, all "
            "at least 1; groups=n_in is a depthwise convolution"
        )
    return n_out, n_in // groups, *size
