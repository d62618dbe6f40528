"""A sweep over the learning rates: the loss against the rate, and what it suggests."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.show import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rate_range(found: Any, *, path: str | Path | None = None) -> Figure:
    """Draw the loss of every step against its rate, and the rate that is suggested.

    found  what `minidl.lab.lr_finder` returns: rates, losses, smoothed (T,), and the
           rates suggestion, steepest, lowest
    """
    with style.sheet():
        fig, axes = style.figure(height=3.6, width=7.0)
        ax = axes[0, 0]
        ax.plot(found.rates, found.losses, ".", color=style.SKY, markersize=5,
                label="loss of a batch")  # fmt: skip
        ax.plot(found.rates, found.smoothed, color=style.BLUE, label="smoothed")
        seen = np.concatenate([found.smoothed, found.losses[: len(found.losses) // 2]])
        low, high = float(seen.min()), float(seen.max())
        margin = 0.08 * (high - low or 1.0)
        ax.set(xscale="log", ylim=(low - margin, high + margin))
        ax.set(xlabel="learning rate", ylabel="loss")
        title = "No rate made the loss fall"
        if not math.isnan(found.suggestion):
            title = f"Begin with a rate of {found.suggestion:.2g}"
            ax.axvspan(
                found.steepest,
                found.lowest,
                color=style.ORANGE,
                alpha=0.18,
                linewidth=0,
                label="from the steepest fall to the smallest loss",
            )
            ax.axvline(found.suggestion, color=style.VERMILION, linestyle="--",
                       label=f"suggestion {found.suggestion:.2g}")  # fmt: skip
        ax.set_title(title)
        ax.legend(loc="best")
        return fig.finish(path)
