"""The figure that every picture is; the one file here that needs matplotlib at once.

It is a plain `Figure`, not one of pyplot's: nothing is left open, nothing needs a
window, and a notebook shows it when it is the last value of a cell.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

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
        self.draw_without_rendering()  # while our settings hold: ticks are made here
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self.savefig(path, **SAVING)
        return self
