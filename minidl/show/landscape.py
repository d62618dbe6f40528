"""The loss around a minimum, along one direction or over two."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import DTypeError, ShapeError
from minidl.show import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEVELS = 14  # lines of equal loss, evenly spaced on a logarithmic axis


def landscape(
    found: Any,
    *,
    names: Sequence[str] | None = None,
    title: str | None = None,
    path: str | Path | None = None,
) -> Figure:
    """Draw slices that `minidl.lab.landscape` measured.

    found  one of them, or a list, all along one direction or all over two: curves in
           one panel, or maps side by side with the same lines of equal loss
    names  what each of them is
    """
    several = list(found) if isinstance(found, (list, tuple)) else [found]
    _check(several, names)
    numbered = [f"model {i + 1}" for i in range(len(several))]
    labels = names or (numbered if len(several) > 1 else ["loss"])
    with style.sheet():
        if several[0].losses.ndim == 1:
            fig, axes = style.figure(height=3.8, width=6.5)
            _curves(axes[0, 0], several, labels)
            axes[0, 0].set_title(title or "The loss along a random direction")
        else:
            n = len(several)
            fig, axes = style.figure(1, n, height=3.9, width=4.1 * n + 0.9,
                                     sharey=True)  # fmt: skip
            _maps(fig, axes[0], several, labels)
            if title:
                fig.suptitle(title, fontweight="bold", x=0.01, ha="left")
        return fig.finish(path)


def _check(several: list[Any], names: Sequence[str] | None) -> None:
    if not several or not all(hasattr(one, "losses") for one in several):
        raise DTypeError(
            "show.landscape draws what was measured: try "
            "show.landscape(lab.landscape(model, loss, data))"
        )
    if len({one.losses.ndim for one in several}) > 1:
        raise ShapeError(
            "landscape: slices along one direction and over two do not go into one "
            "picture; draw them apart"
        )
    if names is not None and len(names) != len(several):
        raise ShapeError(f"landscape: {len(names)} names for {len(several)} slices")


def _curves(ax: Axes, several: list[Any], labels: Sequence[str]) -> None:
    """Draw one curve for each slice; a loss of more than 10 × the others is cut."""
    for i, (one, label) in enumerate(zip(several, labels, strict=True)):
        ax.plot(one.at, one.losses, style.dash(i), color=style.color(i), label=label)
    ax.axvline(0, color=style.GRAY, linewidth=1, linestyle=":")
    ax.set(xlabel="a, in lengths of the filters", ylabel="loss")
    ends = [np.nanmax(_finite(one.losses)) for one in several]
    ax.set_ylim(0 if min(np.nanmin(one.losses) for one in several) >= 0 else None,
                1.05 * min(max(ends), 10 * min(ends)))  # fmt: skip
    if len(several) > 1:
        ax.legend(loc="best")


def _maps(fig: Any, axes: Any, several: list[Any], labels: Sequence[str]) -> None:
    """Draw lines of equal loss, the same in every panel."""
    from matplotlib.colors import LogNorm

    all_losses = np.concatenate([_finite(one.losses).ravel() for one in several])
    low = max(np.nanmin(all_losses), 1e-6)
    high = max(np.nanpercentile(all_losses, 98), 2 * low)
    levels = np.geomspace(low, high, LEVELS)
    for ax, one, label in zip(axes, several, labels, strict=True):
        ax.grid(False)
        z = np.clip(_finite(one.losses), low, high)
        shade = ax.contourf(one.at, one.at, z, levels, cmap="Blues",
                            norm=LogNorm(low, high))  # fmt: skip
        ax.contour(one.at, one.at, z, levels[1:-1], colors=style.INK, linewidths=0.5)
        ax.plot(0, 0, "+", color=style.VERMILION, markersize=10, markeredgewidth=2)
        ax.set(xlabel="a", aspect="equal", title=f"{label}: {one.center:.3g} at +")
    axes[0].set_ylabel("b, in lengths of the filters")
    ticks = levels[:: max(1, LEVELS // 5)]
    bar = fig.colorbar(shade, ax=list(axes), ticks=ticks, shrink=0.9, label="loss")
    bar.ax.set_yticklabels([f"{t:.2g}" for t in ticks])
    bar.minorticks_off()


def _finite(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return x with NaN for what is infinite."""
    return np.where(np.isfinite(x), x, np.nan)
