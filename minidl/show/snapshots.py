"""Snapshots of one training: the loss and the rate, and where each model was kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import RangeError
from minidl.show import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def snapshots(history: Any, epochs: int, *, path: str | Path | None = None) -> Figure:
    """Draw the loss of every step above the learning rate, and mark each snapshot.

    history  a History whose rate falls and starts anew, such as that of the Trainer
             that `minidl.lab.snapshot_ensemble` was given
    epochs   of one cycle; a cycle that was cut short has no mark

    Raises RangeError where no cycle is complete.
    """
    steps, n = history.steps, len(history)
    if not 1 <= epochs <= n:
        raise RangeError(
            f"snapshots: epochs = {epochs} of a cycle, and the history has {n}; give "
            "the epochs that snapshot_ensemble was given"
        )
    at = style.numbers(steps["step"]) * n / len(steps["step"])
    ends = np.arange(epochs, n + 1, epochs)
    with style.sheet():
        fig, axes = style.figure(
            2, height=4.6, width=7.0, sharex=True, height_ratios=[2, 1]
        )
        loss, rate = axes[:, 0]
        loss.plot(at, steps["loss"], color=style.SKY, linewidth=0.8, label="a batch")
        own, low = np.arange(1, n + 1), np.inf
        for name, label, color, dash in (
            ("train_loss", "training", style.BLUE, "-"),
            ("val_loss", "validation", style.VERMILION, "--"),
        ):
            if name in history.epochs:
                curve = style.numbers(history[name])
                loss.plot(own, curve, dash, color=color, label=label)
                loss.plot(ends, curve[ends - 1], "o", color=color, markersize=6)
                low = min(low, float(curve.min()))
        rate.plot(at, steps["lr"], color=style.INK)
        for ax in (loss, rate):
            for i, end in enumerate(ends):
                ax.axvline(end, color=style.GRAY, linestyle=":", linewidth=1.2,
                           label=None if i else "snapshot")  # fmt: skip
        loss.set(ylabel="loss", yscale="log")
        if 0 < low < np.inf:  # single batches may be far below
            loss.set_ylim(bottom=low / 3)
        loss.set_title(f"{len(ends)} snapshots of one training of {n} epochs")
        loss.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        rate.set(xlabel="epoch", ylabel="learning rate")
        finished: Figure = fig.finish(path)
        return finished
