"""EfficientNet-Lite0: a network for ImageNet, of convolutions that are cheap.

Throughout:  x images (N, 3, H, W) in [0, 1]    y scores (N, K)    C F channels

A convolution K × K over C channels costs K² C F multiply-adds a pixel. Cut in two, one
filter for each channel (depthwise, groups=C) and then 1 × 1 across channels, it costs
K² C + C F (Howard et al. 2017, MobileNets). A block widens the channels e times, looks
around there, and narrows them again; where the shapes agree, x is added (Sandler et al.
2018, MobileNetV2). EfficientNet scales such a network to a budget (Tan & Le 2019); the
Lite ones leave out squeeze-and-excitation, and clip activations at 6, so that they may
be stored in 8 bits.
"""

from __future__ import annotations

import math
from typing import Any

from minidl import backend, nn, ops
from minidl.backend import Seed
from minidl.engine.tensor import Tensor
from minidl.errors import ShapeError
from minidl.ops.windows import pair

# blocks, kernel size, stride of the first, widening e, channels that come out
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
LEAST = 32  # pixels: five strides of 2 leave one place


class SameConv2d(nn.Conv2d):
    """A convolution to ⌈H / s⌉ × ⌈W / s⌉ windows, as TensorFlow's padding "SAME".

    The frame has as many zeros as the last window needs; if they are odd, the one more
    is below and right. PyTorch's padding K // 2 starts the windows one pixel earlier.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the cross-correlation of x with every filter."""
        strides = pair("SameConv2d", "stride", self.stride)
        sizes = zip(x.shape[2:], self.weight.shape[2:], strides, strict=True)
        frame = tuple(_zeros(n, k, s) for n, k, s in sizes)
        y: Tensor = ops.conv2d(
            x, self.weight, stride=strides, padding=frame, groups=self.groups
        )
        return y


def _zeros(n: int, k: int, s: int) -> tuple[int, int]:
    """Return how many zeros stand before and behind n pixels.

    >>> _zeros(224, 3, 2), _zeros(7, 3, 2), _zeros(28, 5, 1)
    ((0, 1), (1, 1), (2, 2))
    """
    need = max((math.ceil(n / s) - 1) * s + k - n, 0)
    return need // 2, need - need // 2


class ReLU6(nn.Module):
    """min(max(x, 0), 6).    Krizhevsky 2010, Convolutional deep belief networks."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x between 0 and 6."""
        y: Tensor = ops.hardtanh(x, min_val=0.0, max_val=6.0)
        return y


def _unit(
    n_in: int,
    n_out: int,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    *,
    clipped: bool = True,
    rng: Seed = None,
) -> nn.Sequential:
    """Return a convolution, batch norm and, unless it ends a block, ReLU6."""
    conv = SameConv2d(n_in, n_out, kernel, stride, groups=groups, bias=False, rng=rng)
    norm = nn.BatchNorm2d(n_out, eps=1e-3, momentum=0.01)
    return nn.Sequential(conv, norm, *([ReLU6()] if clipped else []))


class Block(nn.Module):
    """Widen, look around, narrow; and add x.    x (N, C, H, W) -> y (N, F, H/s, W/s)"""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int,
        stride: int,
        widening: int,
        *,
        rng: Seed = None,
    ) -> None:
        wide = n_in * widening
        self.expand = _unit(n_in, wide, rng=rng) if widening > 1 else nn.Identity()
        self.depthwise = _unit(wide, wide, kernel, stride, wide, rng=rng)
        self.project = _unit(wide, n_out, clipped=False, rng=rng)
        self.adds = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        """Return what the block makes of x, and x itself where the shapes agree."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return y + x if self.adds else y


class EfficientNetLite0(nn.Module):
    """y = W mean(features(2 x − 1)) + b.    x (N, 3, H, W) in [0, 1] -> y (N, K).

    Images of 224 × 224 pixels are what its weights of ImageNet were trained on; other
    sizes fit, 32 × 32 at least. `md.models.pretrained("efficientnet-lite0")` brings
    those weights.

    >>> net = EfficientNetLite0(rng=0)
    >>> f"{net.num_parameters():,}"
    '4,652,008'
    """

    def __init__(
        self, classes: int = 1000, dropout: float = 0.2, *, rng: Seed = None
    ) -> None:
        rng = backend.generator(rng)
        self.stem = _unit(3, 32, 3, 2, rng=rng)
        blocks: list[Any] = []
        n_in = 32
        for number, kernel, stride, widening, n_out in STAGES:
            for i in range(number):
                s = stride if i == 0 else 1
                blocks.append(Block(n_in, n_out, kernel, s, widening, rng=rng))
                n_in = n_out
        self.blocks = nn.Sequential(*blocks)
        self.last = _unit(n_in, 1280, rng=rng)
        self.dropout = nn.Dropout(dropout, rng=rng)
        self.head = nn.Linear(1280, classes, init="head", rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of every class."""
        if x.ndim != 4 or x.shape[1] != 3 or min(x.shape[2:]) < LEAST:
            raise ShapeError(
                f"EfficientNetLite0 takes images (N, 3, H, W) in [0, 1], H and W ≥ "
                f"{LEAST}, and got {tuple(x.shape)}; x[None] makes one image a batch, "
                "x.transpose(0, 3, 1, 2) puts channels first, np.repeat(x, 3, axis=1) "
                "makes gray ones colored"
            )
        # levels 0 … 255 less 127, over 128, as when it was trained
        y = self.blocks(self.stem(x * (255 / 128) - 127 / 128))
        y = self.last(y).mean(axis=(2, 3))
        scores: Tensor = self.head(self.dropout(y))
        return scores
