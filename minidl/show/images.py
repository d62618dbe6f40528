"""Images: the data, what a first layer looks for, and what a network got wrong.

N images of H × W points in C channels (1 gray, 3 red green blue); K classes
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
from minidl.show.style import label_of, numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from minidl.show.picture import Picture

Vector = np.ndarray[Any, Any]
Names = Sequence[str] | None


def images(
    x: TensorLike,
    y: TensorLike | None = None,
    *,
    names: Names = None,
    titles: Sequence[str] | None = None,
    columns: int | None = None,
    limit: int = 24,
    path: str | Path | None = None,
) -> Figure:
    """Draw up to `limit` images in a grid, each under its label.

    x       (N, C, H, W), (N, H, W), or rows (N, D) of square images; numbers outside of
            [0, 1], such as standardized ones, are stretched to it together
    y       (N,) labels, which `names` turn into words; or give `titles` of any kind
    """
    x = pictures("images", x)[:limit]
    if y is not None and titles is None:
        titles = [label_of(int(k), names) for k in numbers(y)[:limit]]
    with style.sheet():
        fig, axes = _grid(len(x), columns, 0.0 if titles is None else 0.2)
        for i, picture in enumerate(x):
            _draw(axes[i], picture)
            if titles is not None:
                axes[i].set_title(titles[i], fontsize=10, weight="normal", loc="center")
        return fig.finish(path)


def mistakes(
    x: TensorLike,
    y: TensorLike,
    probabilities: TensorLike,
    *,
    names: Names = None,
    columns: int | None = None,
    limit: int = 12,
    path: str | Path | None = None,
) -> Figure:
    """Draw the images that were taken for another class, the most confident first.

    x (N, C, H, W), y (N,) true labels, probabilities (N, K). Above each image stands
    what was said and how surely, below that what it is.
    """
    p, y = _probabilities(probabilities), numbers(y).astype(int)
    shown = pictures("mistakes", x)
    if not len(shown) == len(p) == len(y):
        raise ShapeError(
            f"mistakes: {len(shown)} images, {len(y)} labels, {len(p)} rows of "
            "probabilities; they must belong together"
        )
    said, surety = p.argmax(axis=1), p.max(axis=1)
    wrong = np.flatnonzero(said != y)
    worst = wrong[np.argsort(-surety[wrong], kind="stable")][:limit]
    with style.sheet():
        fig, axes = _grid(max(len(worst), 1), columns, 0.5)
        for ax, i in zip(axes, worst, strict=False):
            _draw(ax, shown[i])
            verdict = f"{label_of(said[i], names)}, {_percent(surety[i])}"
            ax.set_title(f"is {label_of(y[i], names)}", fontsize=9.5, weight="normal",
                         loc="center", color=style.GRAY, pad=3)  # fmt: skip
            ax.text(0.5, 1.2, verdict, transform=ax.transAxes, fontsize=10,
                    color=style.VERMILION, weight="bold", ha="center")  # fmt: skip
        fig.suptitle(
            f"{len(wrong)} of {len(y)} wrong ({100 * len(wrong) / len(y):.1f} %)"
            + (f", the {len(worst)} most confident" if len(worst) < len(wrong) else ""),
            x=0.01, ha="left", fontsize=11, weight="bold",
        )  # fmt: skip
        if not len(worst):
            axes[0].text(0.5, 0.5, "no mistakes", ha="center", va="center")
        return fig.finish(path)


def _percent(share: float) -> str:
    """Write a share in percent; 100 % is said only of all.

    >>> _percent(0.9997), _percent(0.991), _percent(0.9), _percent(1.0)
    ('>99.9 %', '99.1 %', '90 %', '100 %')
    """
    if 0.999 < share < 1:
        return ">99.9 %"
    return f"{100 * share:.{1 if share > 0.99 else 0}f} %".replace("100.0", "100")


def _probabilities(probabilities: TensorLike) -> Vector:
    p = numbers(probabilities)
    if p.ndim != 2 or not np.allclose(p.sum(axis=1), 1, atol=1e-3) or p.min() < 0:
        raise RangeError(
            f"mistakes: probabilities {p.shape} must be (N, K), rows that sum to 1; "
            "scores become probabilities by md.ops.softmax(scores)"
        )
    return p


def pictures(name: str, x: TensorLike) -> Vector:
    """Return images as (N, H, W) or (N, H, W, 3) in [0, 1]."""
    x = numbers(x)
    x = square_images(name, x) if x.ndim == 2 else x
    if len(x) == 0 or not (x.ndim == 3 or (x.ndim == 4 and x.shape[1] in (1, 3))):
        raise ShapeError(
            f"{name}: x {x.shape} shows no images; they are (N, 1, H, W) gray, "
            "(N, 3, H, W) in color, or (N, H, W), with N ≥ 1; one image needs x[None]"
        )
    if x.ndim == 4:
        x = x[:, 0] if x.shape[1] == 1 else x.transpose(0, 2, 3, 1)
    low, high = x.min(), x.max()
    if low >= 0 and high > 1 and high <= 255 and np.all(x == np.floor(x)):
        low, high = 0, 255
    if low < 0 or high > 1:
        x = (x - low) / (high - low or 1)
    return np.asarray(x)


def square_images(name: str, rows: Vector) -> Vector:
    """Lay rows (N, D) out as square images (N, C, S, S), D = S² or 3 S²."""
    n, d = rows.shape
    for c in (1, 3):
        side = math.isqrt(d // c)
        if c * side * side == d:
            return np.reshape(rows, (n, c, side, side))
    raise ShapeError(
        f"{name}: {d} numbers are no square image; reshape them to (N, C, H, W)"
    )


def _grid(n: int, columns: int | None, caption: float) -> tuple[Picture, list[Axes]]:
    """Return a figure for n images, with so many inches for a caption above each."""
    columns = min(n, columns or (8 if n > 12 else 6))
    rows = math.ceil(n / columns)
    width = max(3.0, min(style.WIDTH, 1.35 * columns))
    height = rows * (width / columns + caption)
    fig, axes = style.figure(rows, columns, width=width, height=height)
    flat = list(axes.flat)
    for ax in flat:
        style.bare(ax)
    return fig, flat


def _draw(ax: Axes, picture: Vector) -> None:
    ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
