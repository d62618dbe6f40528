"""The inside of a net against the step: one panel for each figure, one line a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minidl.errors import ShapeError
from minidl.show import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Series = Mapping[str, Sequence[tuple[int, float]]]  # figure: (step, value), …
# figure: title, logarithmic, a line to compare with
PANELS = {
    "update_ratio": ("Update / weight", True, (1e-3, "1e-3 is well")),
    "gradient": ("Length of the gradient", True, None),
    "deviation": ("Deviation of the activations", True, None),
    "mean": ("Mean of the activations", False, (0.0, "")),
    "saturation": ("Share where the function is flat", False, None),
    "dead": ("Share of dead units", False, None),
}


def monitor(layers: Mapping[str, Series], *, path: str | Path | None = None) -> Figure:
    """Draw what a `minidl.lab.Monitor` measured; `monitor.figures()` has the form.

    layers  {"0 (Linear)": {"update_ratio": [(step, value), …], …}, …}
    """
    present = [f for f in PANELS if any(layers[name].get(f) for name in layers)]
    if not present:
        raise ShapeError(
            "monitor: nothing was measured yet; let a Trainer run with "
            "callbacks=[minidl.lab.Monitor()]"
        )
    with style.sheet():
        rows = -(-len(present) // 2)
        fig, axes = style.figure(
            rows, 2, height=2.6 * rows + 0.5, width=9.5, sharex=True
        )
        for ax in axes.flat[len(present) :]:
            ax.set_visible(False)
        for ax, figure in zip(axes.flat, present, strict=False):
            _panel(ax, figure, layers)
        handles: dict[str, Any] = {}
        for ax in axes.flat:
            for line, name in zip(*ax.get_legend_handles_labels(), strict=True):
                handles.setdefault(name, line)
        lines = [handles[name] for name in layers if name in handles]
        fig.legend(handles=lines, loc="outside right upper")
        return fig.finish(path)


def _panel(ax: Axes, figure: str, layers: Mapping[str, Series]) -> None:
    """Draw one figure of all layers."""
    title, log, compare = PANELS[figure]
    for i, (name, series) in enumerate(layers.items()):
        points: Any = series.get(figure, ())
        if points:
            steps, values = zip(*points, strict=True)
            mark = "o" if len(points) < 15 else None
            ax.plot(steps, values, style.dash(i // 10), color=style.color(i),
                    label=name, marker=mark, markersize=3)  # fmt: skip
    if compare is not None:
        at, says = compare
        ax.axhline(at, color=style.GRAY, linewidth=1, linestyle=":")
        if says:
            ax.annotate(says, (1, at), xycoords=("axes fraction", "data"), ha="right",
                        va="bottom", color=style.GRAY, fontsize=8.5)  # fmt: skip
    if log:
        ax.set_yscale("log", nonpositive="mask")
    elif figure in ("saturation", "dead"):
        ax.set_ylim(-0.03, 1.03)
    ax.set_title(title)
    ax.set_xlabel("step")
    ax.tick_params(labelbottom=True)
