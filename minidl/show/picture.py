"""The figure that every picture is; the one file here that needs matplotlib at once.

It is a plain `Figure`, not one of pyplot's: nothing is left open, nothing needs a
window, and a notebook shows it when it is the last value of a cell.
"""

from __future__ import annotations

import io
import textwrap
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

GAP = 8  # pixels between a title and its neighbor
SAVING: dict[str, Any] = {"dpi": 150, "bbox_inches": "tight", "pad_inches": 0.08}


class Picture(Figure):
    """A matplotlib Figure that draws itself without a window, also in a notebook."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", **SAVING)
        return buffer.getvalue()

    def finish(self, path: str | Path | None) -> Picture:
        """Settle the layout, save under `path` if one is given, and return itself."""
        for _ in range(4):  # while our settings hold: ticks are made here
            self.draw_without_rendering()
            if not _fit_titles(self):  # else the new lines need room
                break
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self.savefig(path, **SAVING)
        return self


def _fit_titles(figure: Figure) -> bool:
    """Break titles that would run into their neighbors; say whether there were any."""
    boxes = [ax.get_window_extent() for ax in figure.axes]
    above = getattr(figure, "_suptitle", None)
    changed = above is not None and _fit(above, figure.bbox.width - 2 * GAP)
    for ax, box in zip(figure.axes, boxes, strict=True):
        beside = [b.x0 for b in boxes if b.x0 > box.x0 + 1 and _in_a_row(b, box)]
        room = min(beside, default=figure.bbox.x1) - box.x0 - GAP
        for title in (ax.title, ax._left_title, ax._right_title):  # type: ignore[attr-defined]
            changed |= _fit(title, room)
    return changed


def _in_a_row(a: Any, b: Any) -> bool:
    return bool(a.y0 < b.y1 and b.y0 < a.y1)


def _fit(title: Text, room: float) -> bool:
    """Break a title into lines of the width `room`, in pixels; a long word shrinks."""
    text = title.get_text()
    width = title.get_window_extent().width if text else 0.0
    if width <= room or room <= 0:
        return False
    widest = max(map(len, text.split("\n")))
    characters = max(1, int(room / width * widest))
    lines = [
        part
        for line in text.split("\n")
        for part in textwrap.wrap(line, characters, break_long_words=False) or [""]
    ]
    title.set_text("\n".join(lines))
    width = title.get_window_extent().width
    if width > room:
        title.set_fontsize(float(title.get_fontsize()) * room / width)
    return True
