"""Augmentation: the same digit, seen a little differently each time.

A transform takes a whole batch of images x (N, C, H, W) and returns a new one; x itself
is never written. Each image is changed by random numbers of its own, which depend on
the seed, the epoch and the image alone (draws.py).

By hand: `RandomFlip()(x)`, `RandomFlip()(x, rng=0)`; in a loader:
`DataLoader(train, 64, transform=Compose([RandomFlip(), RandomShift(2)]))`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minidl.backend import Array, Seed, generator, to_numpy
from minidl.data.dataset import like
from minidl.data.draws import Draws, draws_for
from minidl.engine.tensor import TensorLike
from minidl.errors import DTypeError, RangeError, ShapeError


class Transform:
    """A random change of images; a new one defines `apply(x, draws)`.

    `draws.uniform()`, `draws.integers(k)` and `draws.normal()` give N numbers, one for
    each image. Draw equally many for every image, whatever the others need.

    >>> class RandomNegative(Transform):
    ...     def apply(self, x, draws):
    ...         return np.where(draws.uniform(1, 1, 1) < 0.5, 1 - x, x)
    >>> RandomNegative()(np.zeros((2, 1, 8, 8), np.float32)).shape
    (2, 1, 8, 8)
    """

    wants_floats: ClassVar[bool] = True

    def __call__(self, x: TensorLike, rng: Seed | Draws = None) -> Any:
        """Return changed images, as x came: a Tensor or an array."""
        images = to_numpy(x)
        name = type(self).__name__
        if images.ndim != 4:
            raise ShapeError(
                f"{name} changes images (N, C, H, W), not {images.shape}; "
                "a single image is x[None]"
            )
        if self.wants_floats and images.dtype.kind != "f":
            raise DTypeError(
                f"{name} wants floats, not {images.dtype}; "
                "try x.astype('float32') / 255"
            )
        changed = self.apply(images, draws_for(rng, len(images)))
        return like(x, changed.astype(images.dtype, copy=False))

    def apply(self, x: Array, draws: Draws) -> Array:
        """Return changed images.    x (N, C, H, W), N streams -> (N, C, H', W')"""
        raise NotImplementedError(f"{type(self).__name__} must define apply(x, draws)")

    def __repr__(self) -> str:
        settings = ", ".join(f"{k}={v!r}" for k, v in vars(self).items())
        return f"{type(self).__name__}({settings})"


def transformed(transform: Callable[..., Any], x: Array, draws: Draws) -> Array:
    """Return transform(x); a Transform gets the samples' random numbers as well."""
    return transform(x, draws) if isinstance(transform, Transform) else transform(x)


class Compose(Transform):
    """One transform after the other; plain functions of x are welcome too.

    >>> Compose([RandomFlip(), RandomShift(2), lambda x: x - 0.5])(
    ...     np.zeros((4, 1, 8, 8), np.float32)
    ... ).mean().item()
    -0.5
    """

    wants_floats = False

    def __init__(self, parts: Sequence[Callable[..., Any]]) -> None:
        self.parts = list(parts)

    def __call__(self, x: TensorLike, rng: Seed | Draws = None) -> Any:
        """Return changed images; the parts check what comes to them."""
        images = to_numpy(x)
        return like(x, self.apply(images, draws_for(rng, len(images))))

    def apply(self, x: Array, draws: Draws) -> Array:
        """Apply every part in turn, each to what the one before it returned."""
        for part in self.parts:
            x = transformed(part, x, draws)
        return x


class RandomFlip(Transform):
    """Mirror an image with probability p, left to right or (`vertical`) upside down.

    >>> x = np.arange(3.0).reshape(1, 1, 1, 3)
    >>> RandomFlip(p=1)(x).ravel().tolist()
    [2.0, 1.0, 0.0]
    """

    wants_floats = False

    def __init__(self, p: float = 0.5, *, vertical: bool = False) -> None:
        self.p, self.vertical = in_range("p", p, 0, 1), vertical

    def apply(self, x: Array, draws: Draws) -> Array:
        """Replace the chosen images by their mirror images."""
        mirrored = x[:, :, ::-1] if self.vertical else x[..., ::-1]
        return np.where(draws.uniform(1, 1, 1) < self.p, mirrored, x)


class RandomCrop(Transform):
    """Surround the image with `padding` pixels of `fill`, then cut out `size` of it.

    size   H or (H, W); the image's own size if not given

    >>> RandomCrop(4)(np.zeros((2, 3, 8, 8))).shape
    (2, 3, 4, 4)
    """

    wants_floats = False

    def __init__(
        self,
        size: int | tuple[int, int] | None = None,
        *,
        padding: int = 0,
        fill: float = 0.0,
    ) -> None:
        self.size = (size, size) if isinstance(size, int) else size
        self.padding, self.fill = padding, fill
        in_range("padding", padding, 0)

    def apply(self, x: Array, draws: Draws) -> Array:
        """Look at all windows (a view), and copy one of them per image."""
        h, w = self.size or x.shape[2:]
        p = self.padding
        x = framed(x, p, p, self.fill)
        if h > x.shape[2] or w > x.shape[3]:
            raise ShapeError(
                f"RandomCrop: no room for ({h}, {w}) in images of {x.shape[2:]}, "
                f"padding {p} included; try a smaller size or more padding"
            )
        # region a5.11: a corner for each image, and the window that begins there
        top = draws.integers(x.shape[2] - h + 1)
        left = draws.integers(x.shape[3] - w + 1)
        windows = sliding_window_view(x, (h, w), axis=(2, 3))  # (N, C, top, left, h, w)
        return windows[np.arange(len(x)), :, top, left]
        # endregion


def framed(x: Array, before: int, after: int, fill: float) -> Array:
    """Return x in a frame of `fill`: H + before + after rows, and so the columns."""
    if before == after == 0:
        return x
    n, c, h, w = x.shape
    wide = np.full((n, c, h + before + after, w + before + after), fill, x.dtype)
    wide[:, :, before : before + h, before : before + w] = x
    return wide


class RandomShift(RandomCrop):
    """Move the image by up to `pixels` up, down, left and right; `fill` the gap.

    >>> x = np.eye(5).reshape(1, 1, 5, 5)
    >>> RandomShift(1)(x, rng=0).shape
    (1, 1, 5, 5)
    """

    def __init__(self, pixels: int, *, fill: float = 0.0) -> None:
        super().__init__(padding=pixels, fill=fill)


class GaussianNoise(Transform):
    """x + N(0, std²), for every pixel on its own.

    >>> noise = GaussianNoise(0.1)(np.zeros((8, 1, 32, 32)), rng=0)
    >>> round(noise.std().item(), 2)
    0.1
    """

    def __init__(self, std: float) -> None:
        self.std = in_range("std", std, 0)

    def apply(self, x: Array, draws: Draws) -> Array:
        """Add the noise."""
        return x + draws.normal(*x.shape[1:]) * self.std


def augmented_predict(
    predict: Callable[[Any], Any],
    x: TensorLike,
    transform: Callable[..., Any],
    *,
    times: int = 8,
    rng: Seed = None,
) -> Any:
    """Test-time augmentation: the mean of predict over x and `times` changes of it.

    predict   images -> one row per image; let it return probabilities, since scores of
              different views need not be of the same size

    >>> brightness = lambda x: x.mean(axis=(1, 2, 3))
    >>> augmented_predict(brightness, np.ones((2, 1, 4, 4)), RandomFlip(), times=3)
    array([1., 1.])
    """
    g = generator(rng)
    total = predict(x)
    for _ in range(times):
        view = transform(x, g) if isinstance(transform, Transform) else transform(x)
        total = total + predict(view)
    return total / (times + 1)


def in_range(name: str, value: Any, low: float, high: float = float("inf")) -> Any:
    """Return value, or raise RangeError unless low ≤ value ≤ high."""
    if not low <= value <= high:
        raise RangeError(f"{name} must lie between {low} and {high}, not {value}")
    return value
