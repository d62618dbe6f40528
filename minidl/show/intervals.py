"""Confidence intervals of some metrics, one below the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import RangeError
from minidl.show import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 20  # of the histogram of the bootstrap samples


def intervals(found: Mapping[str, Any], *, path: str | Path | None = None) -> Figure:
    """Draw each metric, its interval, and the bootstrap samples that it comes from.

    found   {name: what `minidl.lab.confidence_interval` returned}, one metric for all;
            a line at 0 is drawn where it is in sight: a difference whose interval holds
            0 may be chance

    Raises RangeError without any.
    """
    if not found:
        raise RangeError('intervals: there are none; try {"net": interval}')
    with style.sheet():
        fig, axes = style.figure(height=0.9 + 0.8 * len(found), width=6.5)
        ax = axes[0, 0]
        for i, one in enumerate(found.values()):
            heights, edges = np.histogram(one.samples, BINS)
            ax.stairs(-i + 0.7 * heights / heights.max(), edges, baseline=-i, fill=True,
                      color=style.color(i), alpha=0.25)  # fmt: skip
            ax.plot([one.low, one.high], [-i, -i], color=style.color(i), linewidth=2.5,
                    marker="|", markersize=10)  # fmt: skip
            ax.plot(one.value, -i, "o", color=style.color(i), markersize=7)
        low, high = ax.get_xlim()
        if low < 0 < high:
            ax.axvline(0, color=style.GRAY, linestyle=":", linewidth=1.2)
        said = [f"{name}\n{one!r}" for name, one in found.items()]
        ax.set_yticks(-np.arange(len(found)), said)
        ax.set(ylim=(0.3 - len(found), 0.9))
        ax.grid(False, axis="y")
        ax.set_title("Each metric, and how exact it is")
        finished: Figure = fig.finish(path)
        return finished
