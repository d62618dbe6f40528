"""The confusion matrix: which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.engine.tensor import TensorLike
from minidl.errors import ShapeError
from minidl.show import style
from minidl.show.style import label_of, numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Vector = np.ndarray[Any, Any]


def confusion(
    matrix: TensorLike,
    names: Sequence[str] | None = None,
    *,
    path: str | Path | None = None,
) -> Figure:
    """Draw counts C (K, K), C_ij samples of class i taken for class j.

    Hits are blue, each by its share of its row. Mistakes are orange, the commonest the
    darkest: on one scale with the hits they could not be seen. At the rims stand
    recall, C_ii / Σ_j C_ij, and precision, C_ii / Σ_j C_ji.
    """
    c = numbers(matrix)
    if c.ndim != 2 or c.shape[0] != c.shape[1] or not c.size or c.min() < 0:
        raise ShapeError(
            f"confusion: the matrix {c.shape} must be counts (K, K); "
            "md.train.confusion_matrix(scores, labels) makes one"
        )
    k = len(c)
    if names is not None and len(names) != k:
        raise ShapeError(f"confusion: {len(names)} names for {k} classes")
    with style.sheet():
        side = float(np.clip(0.46 * k + 1.8, 3.6, style.WIDTH))
        fig, axes = style.figure(width=side + 0.6, height=side)
        ax = axes[0, 0]
        ax.grid(False)
        ax.spines[:].set_visible(False)
        _cells(ax, c)
        if k <= 25:
            _write(ax, c)
            _rims(ax, c)
        ticks = range(k) if k <= 25 else range(0, k, -(-k // 25))
        labels = [label_of(i, names) for i in ticks]
        ax.set_yticks(ticks, labels)
        turned = {"rotation": 45, "ha": "right"} if max(map(len, labels)) > 3 else {}
        ax.set_xticks(ticks, labels, **turned)
        ax.tick_params(length=0)
        ax.set(xlabel="taken for", ylabel="true class")
        total, hits = int(c.sum()), int(np.trace(c))
        ax.set_title(f"{hits} of {total} right ({100 * hits / max(total, 1):.1f} %)")
        return fig.finish(path)


def _cells(ax: Axes, c: Vector) -> None:
    """Color the diagonal by recall, and the rest by count."""
    import matplotlib

    diagonal = np.eye(len(c), dtype=bool)
    hits, others = _share(np.diag(c), c.sum(axis=1)), np.where(diagonal, 0, c)
    blues, oranges = matplotlib.colormaps["Blues"], matplotlib.colormaps["Oranges"]
    colors = oranges(0.75 * others / (others.max() or 1))
    colors[diagonal] = blues(0.15 + 0.65 * np.nan_to_num(hits))
    colors[c == 0] = (0.97, 0.97, 0.97, 1)
    ax.imshow(colors)
    edges = np.arange(len(c) + 1) - 0.5
    if len(c) <= 25:
        ax.hlines(edges, edges[0], edges[-1], color="white", linewidth=1.5)
        ax.vlines(edges, edges[0], edges[-1], color="white", linewidth=1.5)


def _write(ax: Axes, c: Vector) -> None:
    """Write the counts into the cells; zeros stay empty."""
    size = 9 if len(c) <= 12 and c.max() < 10_000 else 7
    hits = np.nan_to_num(_share(np.diag(c), c.sum(axis=1)))
    worst = (c - np.diag(np.diag(c))).max()
    for i, j in np.argwhere(c):
        dark = hits[i] > 0.6 if i == j else c[i, j] > 0.8 * worst
        ink = "white" if dark else style.INK
        ax.text(j, i, f"{c[i, j]:.0f}", ha="center", va="center", color=ink, size=size)


def _rims(ax: Axes, c: Vector) -> None:
    """Write recall to the right of the rows, precision above the columns."""
    k = len(c)
    recall, precision = (_share(np.diag(c), c.sum(axis=axis)) for axis in (1, 0))
    right, top = ax.secondary_yaxis("right"), ax.secondary_xaxis("top")
    right.set_yticks(range(k), [_percent(share) for share in recall])
    top.set_xticks(range(k), [_percent(share) for share in precision])
    right.set_ylabel("recall", color=style.GRAY)
    top.set_xlabel("precision", color=style.GRAY)
    for rim in (right, top):
        rim.spines[:].set_visible(False)
        rim.tick_params(length=0, labelsize=8, labelcolor=style.GRAY)


def _share(part: Vector, whole: Vector) -> Vector:
    """Divide; nan for 0 / 0."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{100 * share:.0f} %"
