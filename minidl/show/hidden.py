"""Hidden units: what one number inside a recurrent network does while it reads.

Throughout:  text of T characters    h activations (T, U) of U units, in [−1, 1] mostly
             p (T,), a property of each character, such as "stands in brackets"

Karpathy, Johnson & Li 2015, "Visualizing and understanding recurrent networks", found
units that count the place in the line, and others that know if a quotation is open.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.engine.tensor import TensorLike
from minidl.errors import RangeError, ShapeError
from minidl.show import style
from minidl.show.style import numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Vector = np.ndarray[Any, Any]
LONGEST = 2000  # characters: each is drawn by itself
CELL = 0.105, 0.2  # inches


def hidden_units(
    text: str,
    h: TensorLike,
    *,
    titles: Sequence[str] | None = None,
    width: int = 80,
    path: str | Path | None = None,
) -> Figure:
    """Draw a text once for each unit, every character on the color of its activation.

    h (T,) of one unit, or (T, U) of some: those that `find_units` found. Blue is below
    zero, red above; the scale is that of the largest activation drawn.
    width  where a line is broken that goes on

    >>> fig = hidden_units("a\\nbc", [0.0, 0.5, -1.0, 1.0])
    >>> fig.axes[0].images[0].get_array().tolist()
    [[0.0, 0.5], [-1.0, 1.0]]
    """
    h = numbers(h)
    h = h[:, None] if h.ndim == 1 else h
    _check("hidden_units", text, h)
    if len(text) > LONGEST:
        raise RangeError(
            f"hidden_units draws up to {LONGEST} characters, and these are {len(text)};"
            f" take a part: text[:{LONGEST}], h[:{LONGEST}]"
        )
    if titles is None:
        titles = [f"unit {u}" for u in range(h.shape[1])]
    if len(titles) != h.shape[1]:
        raise ShapeError(f"hidden_units: {len(titles)} titles for {h.shape[1]} units")
    places = _places(text, width)
    rows, across = places.max(axis=0) + 1
    scale = float(np.abs(h).max()) or 1.0
    with style.sheet():
        fig, axes = style.figure(
            h.shape[1], 1, width=max(3.4, CELL[0] * across + 1.0),
            height=h.shape[1] * (CELL[1] * rows + 0.4) + 0.6,
        )  # fmt: skip
        for ax, unit, name in zip(axes.flat, h.T, titles, strict=True):
            cells = np.full((rows, across), np.nan)
            cells[places[:, 0], places[:, 1]] = unit
            drawn = _text(ax, text, places, cells, scale)
            ax.set_title(name)
        fig.colorbar(drawn, ax=axes, location="bottom", shrink=0.6, aspect=40,
                     pad=0.01, label="activation")  # fmt: skip
        return fig.finish(path)


def _text(ax: Axes, text: str, places: Vector, cells: Vector, scale: float) -> Any:
    """Draw the colors, and the characters over them."""
    style.bare(ax)
    for letter, (row, column) in zip(text, places, strict=True):
        if letter != " ":
            strong = abs(cells[row, column]) > 0.7 * scale
            ax.text(column, row, "↵" if letter == "\n" else letter, ha="center",
                    va="center_baseline", size=7.5, family="DejaVu Sans Mono",
                    color="white" if strong else style.INK)  # fmt: skip
    return ax.imshow(
        cells, cmap=style.SIGNED, vmin=-scale, vmax=scale, aspect=CELL[1] / CELL[0]
    )


def _places(text: str, width: int) -> Vector:
    """Return the row and column of every character.    (T, 2)"""
    if width < 1:
        raise RangeError(f"hidden_units: width is {width}; it is 1 character or more")
    row, column, places = 0, 0, []
    for letter in text:
        if column == width:
            row, column = row + 1, 0
        places.append((row, column))
        row, column = (row + 1, 0) if letter == "\n" else (row, column + 1)
    return np.array(places)


def find_units(h: TensorLike, p: TensorLike, limit: int = 3) -> list[tuple[int, float]]:
    """Return the units that go with a property most closely: (unit, correlation).

    h (T, U), p (T,): r = Σ (h − h̄)(p − p̄) / (T σₕ σₚ), Pearson's; the largest |r|
    first. A unit that never moves has r = 0. Among many units one will fit a short text
    by chance: look again at another text.

    >>> find_units([[0, 5.0], [1, 5], [1, 5], [0, 4]], [1, 0, 0, 1], limit=1)
    [(0, -1.0)]
    """
    h, p = numbers(h), numbers(p)
    if h.ndim != 2 or p.shape != h.shape[:1] or len(p) < 2:
        raise ShapeError(
            f"find_units: activations {h.shape} and a property {p.shape}; they are "
            "(T, U) and (T,), T ≥ 2 characters"
        )
    if p.std() == 0:
        raise RangeError(
            f"find_units: the property is {p[0]:g} at every character, so no unit can "
            "go with it; take a longer text"
        )
    moves = h.std(axis=0)
    together = (h - h.mean(axis=0)).T @ (p - p.mean()) / len(p)
    r = np.where(moves > 0, together / (np.where(moves > 0, moves, 1) * p.std()), 0.0)
    order = np.argsort(-np.abs(r), kind="stable")[:limit]
    return [(int(u), float(r[u].round(6))) for u in order]


def inside(text: str, opening: str, closing: str | None = None) -> Vector:
    """Tell for each character if it stands between two marks, the marks included.

    One mark that both opens and closes, such as a quotation mark, may be given alone.

    >>> inside('a "b" c', '"').astype(int).tolist()
    [0, 0, 1, 1, 1, 0, 0]
    """
    closing = opening if closing is None else closing
    found, is_open = np.zeros(len(text), bool), False
    for t, letter in enumerate(text):
        closes = is_open and letter == closing
        is_open = is_open or letter == opening
        found[t] = is_open
        is_open = is_open and not closes
    return found


def matching(text: str, pattern: str) -> Vector:
    """Tell for each character if it belongs to a match of a regular expression.

    `^` and `$` stand for the beginning and the end of a line.

    >>> matching("ANN. I am", "[A-Z]{2,}").astype(int).tolist()
    [1, 1, 1, 0, 0, 0, 0, 0, 0]
    """
    found = np.zeros(len(text), bool)
    for match in re.finditer(pattern, text, re.MULTILINE):
        found[match.start() : match.end()] = True
    return found


def place_in_line(text: str) -> Vector:
    """Count for each character how many stand before it in its line.

    >>> place_in_line("ab\\ncd").tolist()
    [0, 1, 2, 0, 1]
    """
    places, at = [], 0
    for letter in text:
        places.append(at)
        at = 0 if letter == "\n" else at + 1
    return np.array(places)


def _check(name: str, text: str, h: Vector) -> None:
    if h.ndim != 2 or len(h) != len(text) or not h.size:
        raise ShapeError(
            f"{name}: activations {h.shape} for {len(text)} characters; they are (T,) "
            "of one unit, or (T, U) of U units: of a batch take one, h[0]"
        )
    if not np.isfinite(h).all():
        raise RangeError(f"{name}: the activations hold NaN or inf")
