"""The curves of a run, with what they say in words below."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ShapeError
from minidl.show import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Vector = np.ndarray[Any, Any]
COLORS = {"train": style.BLUE, "val": style.VERMILION}
NAMES = {"train": "training", "val": "validation"}


def verdict(
    steps: Mapping[str, Sequence[Any]],
    epochs: Mapping[str, Sequence[Any]],
    says: Sequence[str] = (),
    *,
    title: str = "",
    path: str | Path | None = None,
) -> Figure:
    """Draw the two tables of a History, and write sentences below.

    steps   {"loss": […], "lr": […]}, points with a running mean, or {}
    epochs  {"train_loss": […], "val_loss": […], "train_accuracy": […], …}, or {}
    says    what `minidl.lab.diagnose_curves` found, the gravest first
    """
    panels = [_steps, _losses, _accuracies, _rate]
    wanted = [panel for panel in panels if panel(None, steps, epochs)]
    if not wanted:
        raise ShapeError("verdict: no loss and no accuracy to draw")
    with style.sheet():
        n = len(wanted)
        lines = [line for text in says for line in textwrap.wrap(text, 30 * n + 12)]
        height = 2.9 + 0.19 * len(lines) + 0.3 * bool(title)
        fig, axes = style.figure(1, n, width=3.6 * n + (n == 1), height=height)
        for ax, panel in zip(axes[0], wanted, strict=True):
            panel(ax, steps, epochs)
        if title:
            fig.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=12)
        if lines:
            fig.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=9.5)
        return fig.finish(path)


def _numbers(column: Sequence[Any] | None) -> Vector:
    values = [] if column is None else list(column)
    return np.array([np.nan if v is None or v == "" else float(v) for v in values])


def _steps(ax: Axes | None, steps: Any, epochs: Any) -> bool:
    """Points, for losses of batches are noisy, and a running mean over a twentieth."""
    loss = _numbers(steps.get("loss"))
    if ax is None:
        return bool(np.isfinite(loss).any())
    x = _numbers(steps.get("step")) if "step" in steps else np.arange(1, len(loss) + 1)
    ax.plot(x, loss, ".", color=style.SKY, markersize=2.5, alpha=0.6)
    width = max(1, len(loss) // 20)
    if width > 1 and np.isfinite(loss).all():
        mean = np.convolve(loss, np.ones(width) / width, "valid")
        ax.plot(x[width - 1 :], mean, color=style.BLUE, label=f"mean of {width} steps")
        ax.legend()
    ax.set(title="Loss of steps", xlabel="step")
    finite = loss[np.isfinite(loss)]
    if finite.max() > 20 * np.median(finite) > 0:
        ax.set_yscale("log")
    return True


def _losses(ax: Axes | None, steps: Any, epochs: Any) -> bool:
    return _pair(ax, epochs, "loss", "Loss of epochs")


def _accuracies(ax: Axes | None, steps: Any, epochs: Any) -> bool:
    return _pair(ax, epochs, "accuracy", "Accuracy")


def _pair(ax: Axes | None, epochs: Any, metric: str, title: str) -> bool:
    """Training and validation in one panel."""
    found = {part: _numbers(epochs.get(f"{part}_{metric}")) for part in COLORS}
    found = {part: y for part, y in found.items() if np.isfinite(y).any()}
    if ax is None:
        return bool(found)
    for part, y in found.items():
        x = _numbers(epochs.get("epoch"))
        x = x if len(x) == len(y) else np.arange(1.0, len(y) + 1)
        there = np.isfinite(y)
        ax.plot(x[there], y[there], "-" if part == "train" else "--",
                color=COLORS[part], label=NAMES[part],
                marker="o" if there.sum() < 15 else None, markersize=3)  # fmt: skip
    ax.set(title=title, xlabel="epoch")
    if len(found) > 1:
        ax.legend()
    return True


def _rate(ax: Axes | None, steps: Any, epochs: Any) -> bool:
    """The learning rate, if it changed."""
    column = steps.get("lr") if "lr" in steps else epochs.get("lr")
    rate = _numbers(column)
    if ax is None:
        return len(rate) > 1 and bool(np.nanmax(rate) > np.nanmin(rate))
    ax.plot(np.arange(1, len(rate) + 1), rate, color=style.GREEN)
    ax.set(title="Learning rate", xlabel="step" if "lr" in steps else "epoch")
    return True
