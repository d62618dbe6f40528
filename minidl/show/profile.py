"""Where the time of a step went: bars for operations and layers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from minidl.errors import RangeError
from minidl.show import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from minidl.nn.profile import profile as Profile


def profile(
    measured: Profile, *, most: int = 12, path: str | Path | None = None
) -> Figure:
    """Draw what `with minidl.profile() as p` measured: forward and backward times.

    most   how many operations, and how many layers, are shown: the longest

    Raises RangeError where nothing was measured.
    """
    panels = {"operations": measured.ops, "layers": measured.layers}
    if not measured.ops:
        raise RangeError(
            "profile: no operation was measured; call the model, and backward, inside "
            "`with minidl.profile() as p:`"
        )
    heights = [min(most, len(rows)) for rows in panels.values()]
    with style.sheet():
        fig, axes = style.figure(
            2, height=1.6 + 0.26 * sum(heights), height_ratios=heights
        )
        for ax, (title, rows) in zip(axes[:, 0], panels.items(), strict=True):
            _bars(ax, dict(list(rows.items())[:most]))
            more = f", the longest {most} of {len(rows)}" if len(rows) > most else ""
            ax.set_title(f"Time in {title}{more}")
        axes[0, 0].legend(loc="lower right")
        axes[1, 0].set_xlabel("ms")
        finished: Figure = fig.finish(path)
        return finished


def _bars(ax: Any, rows: dict[str, Any]) -> None:
    """Draw a bar for each row, the longest on top: forward, then backward."""
    names = [f"{name} × {row.calls}" for name, row in rows.items()]
    forward = [1e3 * row.forward for row in rows.values()]
    backward = [1e3 * row.backward for row in rows.values()]
    ax.barh(names, forward, color=style.BLUE, label="forward")
    ax.barh(names, backward, left=forward, color=style.ORANGE, label="backward",
            hatch="//", edgecolor="white")  # fmt: skip
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
