"""Windows that slide over an image, and the two linear maps between image and windows.

Throughout:  x images (N, C, H, W)    y output    g = ∂L/∂y    KH KW the window
             OH OW how many windows fit below and beside each other
             u v a place in the window    i j which window

`unfold` copies every window into a column (im2col); `fold` adds every column back to
where it came from (col2im). Each is the transpose of the other, ⟨unfold x, y⟩ =
⟨x, fold y⟩, so that each is the gradient of the other.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from minidl.backend import Array, namespace
from minidl.engine.op import op
from minidl.engine.tensor import TensorLike
from minidl.errors import DTypeError, RangeError, ShapeError

__all__ = ["fold", "unfold"]

Pair = tuple[int, int]
Lengths = int | Pair  # height and width, or one number for both
Padding = str | int | tuple[Any, Any]  # "same", "valid", a number, a pair, two pairs


@op(linear=True)
def unfold(x, *, kernel_size, dilation=1, padding=0, stride=1):
    """Every window as a column: y[n, cuv, ij] = x[n, c, i s + u d − p, j s + v d − p].

    x (N, C, H, W) -> y (N, C KH KW, OH OW), with stride s, padding p and dilation d; x
    is 0 on its frame.

    >>> import numpy as np
    >>> unfold(np.arange(6.0).reshape(1, 1, 2, 3), kernel_size=2)[0]
    array([[0., 1.],
           [1., 2.],
           [3., 4.],
           [4., 5.]])
    """
    at = slide("unfold", x, kernel_size, stride, padding, dilation)
    (n, c), (kh, kw), (oh, ow) = x.shape[:2], at.size, at.out
    framed = frame(x, at.padding)
    # region a5.3: every window as a column; what stands at one place of all windows?
    y = namespace(x).empty((n, c, kh, kw, oh, ow), x.dtype)
    for u, v, rows, columns in at.shifts():
        y[:, :, u, v] = framed[:, :, rows, columns]
    y = y.reshape(n, c * kh * kw, oh * ow)
    # endregion
    return y, lambda g: fold(g, output_size=at.image, **at.settings)


@op(linear=True)
def fold(x, *, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Add every column to its window: y[n, c, i s + u d − p, …] += x[n, cuv, ij].

    x (N, C KH KW, OH OW) -> y (N, C, *output_size), the transpose of unfold. Where
    windows overlap the sum counts each of them; what falls on the frame is cut off.
    """
    image = pair("fold", "output_size", output_size)
    kh, kw = pair("fold", "kernel_size", kernel_size)
    if x.ndim != 3 or x.shape[1] % (kh * kw):
        raise ShapeError(
            f"fold takes columns (N, C·{kh}·{kw}, windows): three axes, the second a "
            f"multiple of the window's size {kh * kw}; x has shape {x.shape}; try "
            "x.reshape(…)"
        )
    n, c = x.shape[0], x.shape[1] // (kh * kw)
    at = place("fold", image, (kh, kw), stride, padding, dilation)
    (top, bottom), (left, right) = at.padding
    (h, w), (oh, ow) = image, at.out
    if x.shape[2] != oh * ow:
        raise ShapeError(
            f"fold: x has {x.shape[2]} columns, but {oh} x {ow} windows of {kh} x {kw} "
            f"fit into {h} x {w}; give the settings that unfold had"
        )
    # region a5.4: add every number to the pixel it was copied from; cut off the frame
    columns_of = x.reshape(n, c, kh, kw, oh, ow)
    framed = namespace(x).zeros((n, c, top + h + bottom, left + w + right), x.dtype)
    for u, v, rows, columns in at.shifts():
        framed[:, :, rows, columns] += columns_of[:, :, u, v]
    y = framed[:, :, top : top + h, left : left + w]
    # endregion
    return y, lambda g: unfold(g, **at.settings)


def frame(x: Array, padding: tuple[Pair, Pair], fill: float = 0.0) -> Array:
    """Return x with a frame of `fill` around each image."""
    (top, bottom), (left, right) = padding
    if not (top or bottom or left or right):
        return x
    n, c, h, w = x.shape
    y = namespace(x).full((n, c, top + h + bottom, left + w + right), fill, x.dtype)
    y[:, :, top : top + h, left : left + w] = x
    return y


@dataclass(frozen=True, slots=True)
class Windows:
    """Where the windows lie: every setting as pairs, for height and width.

    image, size, out   lengths of the image, of a window, and how many windows there are
    padding            the frame: (top, bottom), (left, right)
    """

    image: Pair
    size: Pair
    out: Pair
    stride: Pair
    padding: tuple[Pair, Pair]
    dilation: Pair

    @property
    def settings(self) -> dict[str, Any]:
        """What unfold and fold want to know."""
        return {
            "kernel_size": self.size,
            "dilation": self.dilation,
            "padding": self.padding,
            "stride": self.stride,
        }

    def shifts(self) -> Iterator[tuple[int, int, slice, slice]]:
        """Yield, for each place (u, v) in the window, the rows and columns it visits.

        They are slices of the framed image, of lengths OH and OW.
        """
        (kh, kw), (oh, ow) = self.size, self.out
        (sh, sw), (dh, dw) = self.stride, self.dilation
        for u, v in product(range(kh), range(kw)):
            rows = slice(u * dh, u * dh + (oh - 1) * sh + 1, sh)
            yield u, v, rows, slice(v * dw, v * dw + (ow - 1) * sw + 1, sw)


def slide(
    name: str, x: Any, size: Any, stride: Any, padding: Any, dilation: Any
) -> Windows:
    """Return where windows of `size` lie on the images x, or say why none fits."""
    check_images(name, x)
    return place(name, x.shape[2:], size, stride, padding, dilation)


def place(
    name: str,
    image: Pair,
    size: Lengths,
    stride: Lengths,
    padding: Padding,
    dilation: Lengths,
) -> Windows:
    """Return where windows lie, of which as many as fit stand on each axis."""
    size = pair(name, "kernel_size", size)
    stride = pair(name, "stride", stride)
    dilation = pair(name, "dilation", dilation)
    padding = frame_of(name, padding, size, stride, dilation)
    axes = zip(image, padding, size, stride, dilation, strict=True)
    framed, reach, out = zip(*(fitting(*axis) for axis in axes), strict=True)
    if min(out) < 1:
        raise ShapeError(
            f"{name}: the window reaches over {reach[0]} x {reach[1]}, but the image "
            f"is {image[0]} x {image[1]}, {framed[0]} x {framed[1]} with its frame; "
            "try a smaller kernel_size, more padding, or fewer layers that shrink it"
        )
    return Windows((image[0], image[1]), size, out, stride, padding, dilation)


def fitting(
    length: int, padding: Pair, size: int, stride: int, dilation: int
) -> tuple[int, int, int]:
    """Return, of one axis: its pixels with the frame, a window's reach, how many fit.

    A window looks at `size` pixels, `dilation` apart, and so reaches over more than
    these; windows begin at 0, stride, 2 stride, …, and none may end beyond the frame.
    If none fits, the last number is below 1.
    """
    # region a5.1: how far a window reaches, and how many fit
    framed = length + padding[0] + padding[1]
    reach = dilation * (size - 1) + 1
    count = (framed - reach) // stride + 1
    # endregion
    return framed, reach, count


def check_images(name: str, x: TensorLike) -> None:
    """Raise unless x is a batch of images, (N, C, H, W), of floats."""
    if x.ndim != 4:
        raise ShapeError(
            f"{name} takes images (N, C, H, W), and x has shape {x.shape}; try "
            "x.reshape((N, C, H, W)), or x[None] for a single image"
        )
    if x.dtype.kind != "f":
        raise DTypeError(
            f"{name} takes floats, and x is {x.dtype}; for pixels try "
            "x.astype('float32') / 255"
        )


def pair(name: str, what: str, value: object, least: int = 1) -> Pair:
    """Return (a, b) for a pair, (a, a) for a number; both at least `least`."""
    try:
        a, b = value if isinstance(value, (tuple, list)) else (value, value)
        a, b = operator.index(a), operator.index(b)
    except (TypeError, ValueError) as error:
        raise ShapeError(
            f"{name}: {what} is an int or a pair (height, width) of ints, not {value!r}"
        ) from error
    if a < least or b < least:
        raise RangeError(f"{name}: {what} must be at least {least}, not {value!r}")
    return a, b


def frame_of(
    name: str, padding: Padding, size: Pair, stride: Pair, dilation: Pair
) -> tuple[Pair, Pair]:
    """Return ((top, bottom), (left, right)) for every way to say it."""
    if isinstance(padding, str):
        return _named_frame(name, padding, size, stride, dilation)
    if isinstance(padding, (tuple, list)) and any(
        isinstance(side, (tuple, list)) for side in padding
    ):
        sides = [pair(name, "padding", side, 0) for side in padding]
        if len(sides) != 2:
            raise ShapeError(
                f"{name}: padding is ((top, bottom), (left, right)), not {padding!r}"
            )
        return sides[0], sides[1]
    height, width = pair(name, "padding", padding, 0)
    return (height, height), (width, width)


def _named_frame(
    name: str, padding: str, size: Pair, stride: Pair, dilation: Pair
) -> tuple[Pair, Pair]:
    """Return the frame called "valid" (none) or "same" (as many windows as pixels)."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding != "same":
        raise RangeError(
            f'{name}: padding is "same", "valid", an int or a pair, not {padding!r}'
        )
    if stride != (1, 1):
        raise RangeError(
            f'{name}: padding="same" keeps the size of the image, stride={stride} does '
            "not; give the padding in pixels, such as kernel_size // 2"
        )
    need = [d * (k - 1) for k, d in zip(size, dilation, strict=True)]
    (h, w) = need
    return (h // 2, h - h // 2), (w // 2, w - w // 2)  # the odd one below and right
