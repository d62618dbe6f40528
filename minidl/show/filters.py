"""Filters: the weights of a first layer, drawn as the images they respond to."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.engine.tensor import TensorLike
from minidl.errors import ShapeError
from minidl.show import style
from minidl.show.images import square_images
from minidl.show.style import numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Vector = np.ndarray[Any, Any]
GAP = 0.12  # between tiles, in tiles


def filters(
    weights: TensorLike,
    *,
    shape: tuple[int, ...] | None = None,
    columns: int | None = None,
    title: str | None = None,
    limit: int = 64,
    path: str | Path | None = None,
) -> Figure:
    """Draw the weights of a convolution (F, C, KH, KW) or of a Linear (D, K).

    Three channels are drawn in color, each filter stretched to its own range, gray
    where it is 0. One channel is drawn blue below zero, white at it and red above, on
    one scale for all, so that strong filters look strong. Other numbers of channels get
    one row for each filter. The columns of a Linear become images of `shape` (C, H, W)
    or (H, W), by default squares. No more than `limit` filters are drawn.
    """
    w = _as_filters(numbers(weights), shape)
    count = len(w)
    w = w[:limit]
    in_color = w.shape[1] == 3
    if not in_color and w.shape[1] > 1:
        columns = w.shape[1]
        w = w.reshape(-1, 1, *w.shape[2:])
    columns = columns or _columns(len(w))
    rows = math.ceil(len(w) / columns)
    with style.sheet():
        width = min(style.WIDTH, 0.95 * columns + 0.8)
        height = (width - 0.8) * rows / columns * w.shape[2] / w.shape[3] + 0.45
        fig, axes = style.figure(width=max(width, 3.5), height=height)
        ax = axes[0, 0]
        style.bare(ax)
        ax.set_title(title or f"{count} filters, {w.shape[2]} × {w.shape[3]}")
        scale = float(np.abs(w).max()) or 1.0
        for i, tile in enumerate(w):
            last = _tile(ax, tile, i % columns, i // columns, scale)
        ax.set(xlim=(0, columns - GAP), ylim=(rows - GAP, 0), aspect=_aspect(w))
        if not in_color:
            bar = fig.colorbar(last, ax=ax, shrink=0.9, aspect=14, pad=0.02)
            bar.outline.set_visible(False)
        return fig.finish(path)


def _columns(n: int) -> int:
    """Return the number of columns: few gaps, and about three times that of rows.

    >>> [_columns(n) for n in (3, 16, 32, 64)]
    [3, 8, 8, 16]
    """
    if n <= 8:
        return n
    return min(range(6, 17), key=lambda c: (-n % c, abs(c - math.sqrt(3 * n))))


def _aspect(w: Vector) -> float:
    return float(w.shape[2] / w.shape[3])


def _tile(ax: Axes, tile: Vector, column: int, row: int, scale: float) -> Any:
    """Draw one filter (C, KH, KW) at its place; the unit is one tile."""
    place = (column, column + 1 - GAP, row + 1 - GAP, row)
    if len(tile) == 3:
        own = float(np.abs(tile).max()) or 1.0
        return ax.imshow(0.5 + tile.transpose(1, 2, 0) / (2 * own), extent=place)
    return ax.imshow(tile[0], extent=place, cmap=style.SIGNED, vmin=-scale, vmax=scale)


def _as_filters(w: Vector, shape: tuple[int, ...] | None) -> Vector:
    """Return weights as (F, C, KH, KW)."""
    if w.ndim == 2 and shape is None:
        return square_images("filters", w.T)
    if w.ndim == 2 and shape is not None and math.prod(shape) == len(w):
        return np.reshape(w.T, (-1, *(1,) * (3 - len(shape)), *shape))
    if w.ndim == 4 and w.size:
        return w
    raise ShapeError(
        f"filters: weights {w.shape}"
        + (f" with shape={shape}" if shape is not None else "")
        + "; they may be a convolution's (F, C, KH, KW), or a Linear's (D, K), "
        "with shape=(C, H, W), C·H·W = D, where D is no square"
    )
