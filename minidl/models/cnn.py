"""Convolutional networks: small filters everywhere, while the image shrinks.

Throughout:  x images (N, C, H, W)    D channels of the last block    y scores (N, K)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minidl import backend, nn, ops
from minidl.backend import Seed
from minidl.engine.tensor import Tensor
from minidl.errors import ShapeError


class ConvFeatures(nn.Module):
    """What is where: x (N, C, H, W) -> (N, D, H / 2ᵇ, W / 2ᵇ) after b blocks.

    A block is convolution 3 × 3, batch norm, ReLU, and the largest of every 2 × 2:
    half as wide, and each place has seen twice as far (Simonyan & Zisserman 2015;
    batch norm: Ioffe & Szegedy 2015).
    """

    def __init__(
        self, n_in: int, channels: Sequence[int] = (16, 32, 64), *, rng: Seed = None
    ) -> None:
        if not channels:
            raise ShapeError("ConvFeatures: give one number of channels at least")
        rng = backend.generator(rng)
        self.channels = tuple(channels)
        layers: list[Any] = []
        for n_out in channels:
            layers += [
                nn.Conv2d(n_in, n_out, 3, padding=1, bias=False, rng=rng),
                nn.BatchNorm2d(n_out),
                nn.MaxPool2d(2),  # before ReLU: the same numbers for a quarter of it
                nn.ReLU(),
            ]
            n_in = n_out
        self.blocks = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of every place."""
        least = 2 ** len(self.channels)
        if x.ndim != 4 or min(x.shape[2:]) < least:
            raise ShapeError(
                f"ConvFeatures takes images (N, C, H, W), H and W ≥ {least} for "
                f"{len(self.channels)} blocks, and got {tuple(x.shape)}; x[None] makes "
                "one image a batch"
            )
        y: Tensor = self.blocks(x)
        return y

    def places(self, x: Tensor) -> Tensor:
        """Return the same as a sequence of places, row by row.    -> (N, S, D)."""
        y = self(x)
        # region a8.9: all places in a row, the features of a place last
        n, d, h, w = y.shape
        flat: Tensor = ops.reshape(y, shape=(n, d, h * w)).swapaxes(1, 2)
        # endregion
        return flat


class CNN(nn.Module):
    """Features, their mean over all places, a linear classifier.    x -> y (N, K).

    The mean takes images of any size, and leaves few weights to learn (Lin, Chen & Yan
    2014, section 3.2).

    >>> CNN(1, 10, rng=0)(Tensor([[[[0.0] * 28] * 28]])).shape
    (1, 10)
    """

    def __init__(
        self,
        n_in: int,
        classes: int,
        channels: Sequence[int] = (16, 32, 64),
        dropout: float = 0.0,
        *,
        rng: Seed = None,
    ) -> None:
        rng = backend.generator(rng)
        self.features = ConvFeatures(n_in, channels, rng=rng)
        self.dropout = nn.Dropout(dropout, rng=rng)
        self.head = nn.Linear(channels[-1], classes, init="head", rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of every class."""
        y: Tensor = self.head(self.dropout(self.features.places(x).mean(axis=1)))
        return y
