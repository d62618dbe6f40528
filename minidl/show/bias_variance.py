"""Bias and variance: fits to many training sets, and the terms that they err by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import RangeError
from minidl.show import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FITS = 30  # of each model, that are drawn
COLUMNS = 4  # models whose fits are drawn
TERMS = (
    ("bias²", style.VERMILION, "--"), ("variance", style.BLUE, "-."),
    ("noise", style.GRAY, ":"),
)  # fmt: skip


def bias_variance(
    results: Mapping[Any, Any], *, name: str = "model", path: str | Path | None = None
) -> Figure:
    """Draw the fits of some models above the three terms of all of them.

    results   {degree, width, …: what `minidl.lab.bias_variance` returned}
    name      what the keys are, such as "degree"

    Fits are drawn where x is (T,), of four models at most. A ring is the error as it
    was measured, which the sum of the terms should meet. Raises RangeError without
    results.
    """
    if not results:
        raise RangeError('bias_variance: no results; try {"degree 3": result}')
    with style.sheet():
        shown = _some(list(results))
        flat = all(np.ndim(results[key].x) == 1 for key in shown)
        rows = 2 if flat else 1
        fig, axes = style.figure(
            rows, len(shown), height=2.9 * rows, width=max(6.5, 2.7 * len(shown))
        )
        if flat:
            top = _limits([results[key] for key in shown])
            for ax, key in zip(axes[0], shown, strict=True):
                _fits(ax, results[key], top)
                ax.set_title(f"{name} {key}")
            axes[0, 0].legend(loc="upper right")
        for ax in axes[-1, 1:]:
            ax.remove()
        gs = axes[-1, 0].get_gridspec()
        axes[-1, 0].remove()
        _terms(fig.add_subplot(gs[-1, :]), results, name)
        finished: Figure = fig.finish(path)
        return finished


def _some(keys: list[Any]) -> list[Any]:
    """Return at most four keys, evenly spread, first and last among them."""
    at = np.linspace(0, len(keys) - 1, min(COLUMNS, len(keys))).round().astype(int)
    return [keys[i] for i in at]


def _limits(results: list[Any]) -> tuple[float, float]:
    """Return a range of y that shows the truth, and fits near it."""
    truth = np.concatenate([r.truth for r in results])
    low, high = float(truth.min()), float(truth.max())
    margin = 0.6 * (high - low or 1.0)
    return low - margin, high + margin


def _fits(ax: Axes, result: Any, limits: tuple[float, float]) -> None:
    """Draw single fits, their mean, and the truth."""
    order = np.argsort(result.x)
    x = result.x[order]
    ax.plot(x, result.predictions[:FITS, order].T, color=style.SKY, alpha=0.35,
            linewidth=0.8)  # fmt: skip
    mean = result.predictions.mean(axis=0)[order]
    ax.plot(x, mean, color=style.BLUE, linewidth=2.2, label="mean of the fits")
    ax.plot(x, result.truth[order], "--", color=style.INK, label="truth")
    ax.set(ylim=limits, xlabel="x")


def _terms(ax: Axes, results: Mapping[Any, Any], name: str) -> None:
    """Draw the three terms as lines, and the measured error as rings."""
    at = np.arange(len(results))
    terms = np.array([(r.bias2, r.variance, r.noise) for r in results.values()])
    for (label, color, dash), heights in zip(TERMS, terms.T, strict=True):
        ax.plot(at, heights, dash, color=color, label=label, marker="o", markersize=4)
    ax.plot(at, terms.sum(axis=1), color=style.INK, label="their sum")
    errors = [r.error for r in results.values()]
    ax.plot(at, errors, "o", markerfacecolor="none", markeredgecolor=style.INK,
            markersize=9, label="error, measured")  # fmt: skip
    ax.set(xlabel=name, ylabel="squared error")
    if (terms > 0).all():
        ax.set_yscale("log")
    ax.set_xticks(at, [str(key) for key in results])
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    best = min(results, key=lambda key: results[key].error)
    ax.set_title(f"The error is smallest for {name} {best}")
