"""Ensembles: the accuracy against how many members answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import RangeError, ShapeError
from minidl.show import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def members(accuracies: Mapping[str, Any], *, path: str | Path | None = None) -> Figure:
    """Draw accuracies of ensembles of 1, 2, … M members.

    accuracies   {name: (M,), or (R, M) of R repetitions: their mean is drawn, and a
                 band of one standard error}; such as
                 `minidl.lab.Boosting.staged_accuracy` returns

    Raises RangeError without any, ShapeError where one is neither.
    """
    if not accuracies:
        raise RangeError('members: no accuracies; try {"5 nets": [0.91, 0.92, 0.93]}')
    with style.sheet():
        fig, axes = style.figure(height=3.4, width=6.5)
        ax = axes[0, 0]
        for i, (name, numbers) in enumerate(accuracies.items()):
            runs = np.atleast_2d(style.numbers(numbers))
            if runs.ndim != 2 or not runs.size:
                raise ShapeError(
                    f"members: {name} has the shape {np.shape(numbers)}; one accuracy "
                    "for each number of members is (M,), of R repetitions (R, M)"
                )
            _line(ax, runs, name, i)
        ax.set(xlabel="members", ylabel="accuracy")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_title("Accuracy of the first members together")
        ax.legend(loc="lower right")
        finished: Figure = fig.finish(path)
        return finished


def _line(ax: Any, runs: Any, name: str, i: int) -> None:
    """Draw the mean, and one standard error around it."""
    m, mean = np.arange(1, runs.shape[1] + 1), runs.mean(axis=0)
    few = len(m) <= 15
    ax.plot(m, mean, style.dash(i), color=style.color(i), label=name,
            marker="o" if few else None, markersize=4.5)  # fmt: skip
    if len(runs) > 1:
        error = runs.std(axis=0, ddof=1) / len(runs) ** 0.5
        ax.fill_between(m, mean - error, mean + error, color=style.color(i),
                        alpha=0.15, linewidth=0)  # fmt: skip
