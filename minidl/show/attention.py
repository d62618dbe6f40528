"""Attention: which words, letters or places of an image were looked at, and when.

Throughout:  a weights (T, S): when token t was written, so much of place s was seen
             several heads (K, T, S)
All weights share one scale from 0 to the largest, so that panels can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.engine.tensor import TensorLike
from minidl.errors import RangeError, ShapeError
from minidl.show import style
from minidl.show.images import pictures
from minidl.show.style import numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Vector = np.ndarray[Any, Any]
Labels = tuple[list[str], list[str]]  # of rows, of columns
VISIBLE = {" ": "␣", "\n": "↵", "\t": "⇥", "": "∅"}
VEIL = 0.8  # how dark it is where nobody looked


def attention(
    weights: TensorLike,
    rows: Sequence[Any],
    columns: Sequence[Any],
    *,
    titles: Sequence[str] | None = None,
    title: str | None = None,
    path: str | Path | None = None,
) -> Figure:
    """Draw who looked at whom: a map for each head.

    weights (T, S), or (K, T, S) for K heads; the model's own, after the softmax
    rows     T labels: the tokens that looked, for a decoder those that it wrote
    columns  S labels: the tokens that were looked at
    titles   K of them; by default the heads are counted
    Maps of several sentences go into one picture as lists: of weights, rows, columns.

    >>> fig = attention([[0.9, 0.1], [0.2, 0.8]], ["K", "AE"], ["c", "a"])
    >>> fig.axes[0].images[0].get_array().shape
    (2, 2)
    """
    maps, labels = _maps(weights, rows, columns)
    if titles is None and len(maps) > 1 and labels[0] is labels[-1]:
        titles = [f"head {k + 1}" for k in range(len(maps))]
    if titles is not None and len(titles) != len(maps):
        raise ShapeError(f"attention: {len(titles)} titles for {len(maps)} maps")
    most = max(float(a.max()) for a in maps)
    high, wide = np.max([a.shape for a in maps], axis=0)
    across = min(len(maps), 2 if wide > 30 else 4)
    down = math.ceil(len(maps) / across)
    cell = min(0.26, (10.0 / across - 0.5) / wide)
    height = down * (cell * high + 0.6) + 0.3
    with style.sheet():
        fig, axes = style.figure(
            down, across, width=max(3.4, across * (cell * wide + 0.5) + 0.8),
            height=height,
        )  # fmt: skip
        for ax in axes.flat[len(maps) :]:
            ax.set_axis_off()
        for k, a in enumerate(maps):
            drawn = _map(axes.flat[k], a, labels[k], most, 72 * cell)
            if titles is not None:
                axes.flat[k].set_title(titles[k], weight="normal", fontsize=10)
        fig.colorbar(drawn, ax=axes, shrink=min(0.9, 3 / height), aspect=25, pad=0.02,
                     label="weight")  # fmt: skip
        if title is not None:
            fig.suptitle(title, x=0.01, ha="left", fontsize=11, weight="bold")
        return fig.finish(path)


def _maps(
    weights: TensorLike, rows: Any, columns: Any
) -> tuple[list[Vector], list[Labels]]:
    """Return every map (T, S), and its labels."""
    if all(isinstance(label, str) for label in (*rows, *columns)):
        a = numbers(weights)
        maps = list(a[None] if a.ndim == 2 else a)
        labels = [(_visible(rows), _visible(columns))] * len(maps)
    else:
        maps = [numbers(a) for a in weights]
        if not len(maps) == len(rows) == len(columns):
            raise ShapeError(
                f"attention: {len(maps)} maps, {len(rows)} lists of rows and "
                f"{len(columns)} of columns; each map has its own"
            )
        labels = [
            (_visible(r), _visible(c)) for r, c in zip(rows, columns, strict=True)
        ]
    if not maps:
        raise ShapeError("attention: there are no weights to draw")
    for a, (looking, seen) in zip(maps, labels, strict=True):
        _check(a, (len(looking), len(seen)))
    return maps, labels


def _map(ax: Axes, a: Vector, labels: Labels, most: float, points: float) -> Any:
    """Draw one map; labels are as large as its cells allow."""
    ax.grid(False)
    ax.spines[:].set_visible(False)
    size = float(np.clip(0.62 * points, 4, 9))
    ax.tick_params(length=0, labelsize=size, top=True, labeltop=True, labelbottom=False)
    ax.set_yticks(range(len(labels[0])), labels[0])
    ax.set_xticks(range(len(labels[1])), labels[1])
    return ax.imshow(a, cmap="Blues", vmin=0, vmax=most or 1)


def attention_on_images(
    x: TensorLike,
    weights: Sequence[Any],
    words: Sequence[Sequence[str]],
    *,
    grid: tuple[int, int] | None = None,
    path: str | Path | None = None,
) -> Figure:
    """Draw images, and beside each one what every word of its caption looked at.

    x (N, C, H, W), or one image (C, H, W) with its own weights and words.
    weights  for each image (T, S): T words looked at S places, in rows from the top; by
             default as many rows as columns, else give `grid`
    words    T words for each image
    The darker, the less a place was seen; the brightest of each panel is its largest
    weight, which stands below. As in Xu et al. 2015, figures 2 and 3.
    """
    x = numbers(x)
    if x.ndim == 3:
        x, weights, words = x[None], [weights], [words]  # type: ignore[list-item]
    if not len(x) == len(weights) == len(words):
        raise ShapeError(
            f"attention_on_images: {len(x)} images, {len(weights)} maps and "
            f"{len(words)} captions; one of each belongs together"
        )
    shown = pictures("attention_on_images", x)
    found = [
        _on_grid(numbers(a), said, grid) for a, said in zip(weights, words, strict=True)
    ]
    across = 1 + max(map(len, found))
    with style.sheet():
        side = min(1.25, 9.0 / across)
        fig, axes = style.figure(
            len(x), across, width=max(3.0, side * across), height=(side + 0.5) * len(x)
        )
        for ax in axes.flat:
            style.bare(ax)
        for line, picture, maps, said in zip(axes, shown, found, words, strict=True):
            line[0].imshow(picture, cmap="gray", vmin=0, vmax=1)
            for ax, a, word in zip(line[1:], maps, said, strict=False):
                _veiled(ax, picture, a, word)
        return fig.finish(path)


def _veiled(ax: Axes, picture: Vector, a: Vector, word: str) -> None:
    """Draw an image, dark where it was not looked at."""
    from matplotlib.colors import ListedColormap

    h, w = picture.shape[:2]
    ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
    dark = VEIL * (1 - a / (a.max() or 1))
    ax.imshow(a, cmap=ListedColormap([style.INK]), alpha=dark,
              extent=(-0.5, w - 0.5, h - 0.5, -0.5))  # fmt: skip
    ax.set_title(word, fontsize=10, weight="normal", loc="center")
    ax.set_xlabel(f"{a.max():.2f}", fontsize=8, color=style.GRAY)


def _on_grid(a: Vector, words: Sequence[str], grid: tuple[int, int] | None) -> Vector:
    """Return weights (T, S) as (T, h, w)."""
    if not len(words):
        return np.empty((0, 1, 1))  # an image about which nothing was said
    _check(a, (len(words), a.shape[-1] if a.ndim else 0))
    side = math.isqrt(a.shape[1])
    h, w = grid or (side, side)
    if h * w != a.shape[1]:
        raise ShapeError(
            f"attention_on_images: {a.shape[1]} places are no grid {h} × {w}; give "
            "grid=(rows, columns)"
        )
    return np.reshape(a, (len(a), h, w))


def _check(a: Vector, shape: tuple[int, int]) -> None:
    """Refuse what are no weights, or those of other words."""
    if a.shape != shape or not a.size:
        raise ShapeError(
            f"attention: weights {a.shape} for {shape[0]} tokens that look "
            f"(rows) at {shape[1]} (columns); they are (T, S), or (heads, T, S): of a "
            "batch take one, weights[0]"
        )
    if not np.isfinite(a).all() or a.min() < 0 or a.max() > 1 + 1e-3:
        raise RangeError(
            f"attention: weights are shares in [0, 1], these go from {a.min():g} to "
            f"{a.max():g}; are they scores, before the softmax?"
        )


def _visible(labels: Sequence[str]) -> list[str]:
    """Return labels that can be seen, blanks too."""
    return [VISIBLE.get(str(label), str(label)) for label in labels]
