"""Augmentation, continued: turning, coloring and covering images.

x (N, C, H, W), floats; see transforms.py for what a transform is.
"""

from __future__ import annotations

import math

import numpy as np

from minidl.backend import Array
from minidl.data.draws import Draws
from minidl.data.transforms import Transform, framed, in_range
from minidl.errors import RangeError, ShapeError

LUMA = (0.299, 0.587, 0.114)  # how bright red, green and blue look (ITU-R BT.601)


class RandomRotation(Transform):
    """Turn the image about its center, counterclockwise, by an angle from a range.

    degrees   a turns by −a … a; (a, b) by a … b. Pixels are interpolated bilinearly;
              what lies outside the image is `fill`.

    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 1, 2, 2)
    >>> RandomRotation((90, 90))(x).round(6).reshape(2, 2).tolist()
    [[2.0, 4.0], [1.0, 3.0]]
    """

    def __init__(
        self, degrees: float | tuple[float, float], *, fill: float = 0.0
    ) -> None:
        span = degrees if isinstance(degrees, tuple) else (-degrees, degrees)
        self.degrees, self.fill = span, fill
        in_range("degrees[0]", span[0], -math.inf, span[1])

    def apply(self, x: Array, draws: Draws) -> Array:
        """Ask, for every new pixel, where in the old image it comes from."""
        h, w = x.shape[2:]
        low, high = self.degrees
        angle = np.radians(draws.uniform(1, 1, low=low, high=high))  # (N, 1, 1)
        sin, cos = np.sin(angle).astype(x.dtype), np.cos(angle).astype(x.dtype)
        down = np.arange(h, dtype=x.dtype)[:, None] - (h - 1) / 2  # from the center
        right = np.arange(w, dtype=x.dtype) - (w - 1) / 2
        rows = sin * right + cos * down + (h - 1) / 2  # (N, H, W)
        cols = cos * right - sin * down + (w - 1) / 2
        return bilinear(x, rows, cols, self.fill)


def bilinear(x: Array, rows: Array, cols: Array, fill: float) -> Array:
    """Read images between their pixels.

    x (N, C, H, W), rows and cols (N, H', W') -> (N, C, H', W'): with r = ⌊row⌋,
    a = row − r and c, b likewise for col,
    (1−a)(1−b) x[r, c] + (1−a) b x[r, c+1] + a (1−b) x[r+1, c] + a b x[r+1, c+1].
    """
    n, channels, h, w = x.shape
    flat = framed(x, 1, 2, fill).ravel()  # one more after, so that r + 1 exists
    rows, cols = np.clip(rows, -1, h), np.clip(cols, -1, w)
    top, left = np.floor(rows), np.floor(cols)
    a, b = (rows - top)[:, None], (cols - left)[:, None]
    at = ((top + 1) * (w + 3) + left + 1).astype(np.intp)[:, None]
    plane = np.arange(n * channels).reshape(n, channels, 1, 1)
    at = at + plane * ((h + 3) * (w + 3))  # (N, C, H', W'): where x[r, c] lies in flat

    above = (1 - b) * flat[at] + b * flat[at + 1]
    at += w + 3
    below = (1 - b) * flat[at] + b * flat[at + 1]
    return (1 - a) * above + a * below


class ColorJitter(Transform):
    """Change brightness, contrast and saturation by factors from 1 − s … 1 + s.

    Brightness moves a picture away from black, contrast from its mean gray, saturation
    every pixel from its own gray: z + f (x − z). Values stay within [0, 1].
    Images have 1 or 3 channels (red, green, blue) with values in [0, 1].

    >>> ColorJitter(brightness=0.5)(np.full((1, 1, 1, 1), 0.5), rng=0).item() == 0.5
    False
    """

    def __init__(
        self, brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0
    ) -> None:
        self.brightness = in_range("brightness", brightness, 0, 1)
        self.contrast = in_range("contrast", contrast, 0, 1)
        self.saturation = in_range("saturation", saturation, 0, 1)

    def apply(self, x: Array, draws: Draws) -> Array:
        """Brightness, then contrast, then saturation."""
        if x.size and not (x.min() >= 0 and x.max() <= 1):
            raise RangeError(
                f"ColorJitter wants values in [0, 1], not {x.min():.3g} … "
                f"{x.max():.3g}; put it before what centers or standardizes"
            )
        f = draws.uniform(3, 1, 1, 1, low=-1, high=1).astype(x.dtype)  # (N, 3, 1, 1, 1)
        x = np.clip(x * (1 + self.brightness * f[:, 0]), 0, 1)
        mean = gray(x).mean(axis=(2, 3), keepdims=True)
        x = np.clip(mean + (1 + self.contrast * f[:, 1]) * (x - mean), 0, 1)
        own = gray(x)
        return np.clip(own + (1 + self.saturation * f[:, 2]) * (x - own), 0, 1)


def gray(x: Array) -> Array:
    """Return how bright each pixel looks.    x (N, 1 or 3, H, W) -> (N, 1, H, W)"""
    if x.shape[1] == 1:
        return x
    if x.shape[1] != 3:
        raise ShapeError(f"colors have 1 or 3 channels, and these images {x.shape[1]}")
    return np.einsum("nchw,c->nhw", x, np.array(LUMA, x.dtype))[:, None]


class Cutout(Transform):
    """Cover a square of `size` pixels, its center anywhere in the image, with `fill`.

    Near the border less than the whole square is covered. DeVries & Taylor 2017.

    >>> Cutout(2)(np.ones((1, 1, 8, 8)), rng=0).sum().item()
    60.0
    """

    wants_floats = False

    def __init__(self, size: int, *, fill: float = 0.0) -> None:
        self.size, self.fill = in_range("size", size, 1), fill

    def apply(self, x: Array, draws: Draws) -> Array:
        """Fill where both the row and the column lie within the square."""
        rows = self._covered(draws, x.shape[2])
        cols = self._covered(draws, x.shape[3])
        covered = rows[:, None, :, None] & cols[:, None, None, :]  # (N, 1, H, W)
        return np.where(covered, np.asarray(self.fill, x.dtype), x)

    def _covered(self, draws: Draws, length: int) -> Array:
        """Return which of `length` lines a random square covers.    -> (N, length)"""
        start = draws.integers(length)[:, None] - self.size // 2
        line = np.arange(length)
        return (line >= start) & (line < start + self.size)
