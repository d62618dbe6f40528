"""One look for all pictures: few colors, light grids, letters readable on a web page.

Color never carries meaning alone: the palette is Okabe & Ito's, which color-blind
readers can tell apart, and a line style or a label stands beside it. matplotlib is
imported when the first picture is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.backend import to_numpy
from minidl.engine.tensor import TensorLike, values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from minidl.show.picture import Picture

BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
PURPLE, SKY, YELLOW, WINE = "#CC79A7", "#56B4E9", "#BFAE00", "#882255"
INK, GRAY, PALE = "#222222", "#777777", "#DDDDDD"

PALETTE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, WINE, YELLOW, GRAY, INK)
DASHES = ("-", "--", "-.", ":")
SIGNED = "RdBu_r"  # blue below zero, white at it, red above

WIDTH = 8.0  # inches; a picture has 150 pixels to the inch
SETTINGS: dict[str, Any] = {
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.06,
    "figure.constrained_layout.h_pad": 0.06,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": GRAY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "image.interpolation": "nearest",
}


def sheet() -> AbstractContextManager[None]:
    """Return the context to draw in: our settings, over matplotlib's defaults."""
    import matplotlib.style

    return matplotlib.style.context(["default", SETTINGS])


def figure(
    rows: int = 1, columns: int = 1, *, height: float, width: float = WIDTH, **how: Any
) -> tuple[Picture, np.ndarray[Any, Any]]:
    """Return an empty Picture and its axes, an array (rows, columns)."""
    from minidl.show.picture import Picture

    fig = Picture(figsize=(width, height))
    return fig, fig.subplots(rows, columns, squeeze=False, **how)


def bare(axes: Axes) -> None:
    """Take away what an image does not need: ticks, grid and frame."""
    axes.grid(False)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def color(i: int) -> str:
    """Return the i-th color; after ten they begin again."""
    return PALETTE[i % len(PALETTE)]


def dash(i: int) -> str:
    """Return a line style, so that lines differ also without their color."""
    return DASHES[i % len(DASHES)]


def numbers(x: TensorLike) -> np.ndarray[Any, Any]:
    """Return an array, a Tensor or a list as a NumPy array of float64."""
    return np.asarray(to_numpy(values(x)), dtype=np.float64)


def label_of(k: int, names: Sequence[str] | None) -> str:
    """Return the name of class k, or its number."""
    return str(k) if names is None else str(names[k])
