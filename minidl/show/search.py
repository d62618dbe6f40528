"""Searches: what was tried, where the good settings lie, and which names mattered.

One result: every trial as a line through one axis for each name, and the share of the
variance that each name explains. Several: their trials in the plane of two names, with
the shadows on both axes (the picture of Bergstra & Bengio 2012, figure 1).

A result is what `minidl.lab.random_search` and its relatives return; u in [0, 1) is the
position of a value in the domain of its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import RangeError
from minidl.show import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = "viridis_r"  # the best are dark


def search(
    *results: Any,
    names: Sequence[str] | None = None,
    x: str | None = None,
    y: str | None = None,
    path: str | Path | None = None,
) -> Figure:
    """Draw a result of a search, or compare several in the plane of two names.

    names  what to call the results, if there are several
    x, y   the two names of the plane; by default the two that matter most

    Raises RangeError if no trial gave a number, or a name is none of the space.
    """
    for result in results:
        if not result.ranked:
            raise RangeError("search: no trial gave a number; there is nothing to draw")
    if not results:
        raise RangeError("search: give one result at least, as in search(result)")
    with style.sheet():
        fig = _alone(results[0]) if len(results) == 1 else _clouds(results, names, x, y)
        finished: Figure = fig.finish(path)
        return finished


def _alone(result: Any) -> Any:
    """Draw parallel coordinates, and beside them how much each name explains."""
    shares = result.importance()
    names = list(shares)
    width = min(12.0, 5.5 + 1.3 * len(names))
    fig, axes = style.figure(1, 2, width=width, height=3.8, width_ratios=[3, 1.2])
    _parallel(axes[0, 0], result, names)
    _bars(axes[0, 1], shares)
    return fig


def _parallel(ax: Axes, result: Any, names: list[str]) -> None:
    """Draw every trial as a line through its values, and its rank on the last axis."""
    ranked = result.ranked
    for rank, trial in reversed(list(enumerate(ranked))):
        heights = [_height(result, name, trial) for name in names]
        height = 1 - rank / max(1, len(ranked) - 1)
        best = rank == 0
        ax.plot(
            range(len(names) + 1), [*heights, height],
            color=style.VERMILION if best else _color(rank, len(ranked)),
            linewidth=2.6 if best else 1.2, alpha=1.0 if best else 0.75,
            marker="o", markersize=3.5, zorder=3 if best else 2,
        )  # fmt: skip
    for trial in result.failed:
        heights = [_height(result, name, trial) for name in names]
        ax.plot(range(len(names)), heights, ":", color=style.GRAY, linewidth=1)
    for i, name in enumerate(names):
        _axis(ax, i, result.domains[name])
    ends = (0, ranked[-1].value), (1, ranked[0].value)
    for u, value in ends:
        _note(ax, len(names), u, f"{value:.3g}")
    last = (
        "value"
        if not result.failed
        else f"value\n({len(result.failed)} failed: dotted)"
    )
    ax.set_xticks(range(len(names) + 1), [*names, last])
    ax.set(xlim=(-0.35, len(names) + 0.45), ylim=(-0.07, 1.07), yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.set_title(
        f"{len(result.trials)} trials; the best ({ranked[0].value:.4g}) is bold"
    )


def _axis(ax: Axes, at: float, domain: Any) -> None:
    """Draw one vertical axis, with the values at its ends, or all options."""
    ax.axvline(at, color=style.GRAY, linewidth=0.8, zorder=1)
    for u, label in _ticks(domain, 2):
        _note(ax, at, u, label)


def _note(ax: Axes, at: float, u: float, text: str) -> None:
    ax.annotate(
        text, (at, u), xytext=(4, 0), textcoords="offset points", va="center",
        fontsize=8.5, zorder=4,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8},
    )  # fmt: skip


def _bars(ax: Axes, shares: dict[str, float]) -> None:
    """Draw the share of the variance that each name explains alone."""
    order = sorted(shares, key=shares.__getitem__)
    bars = ax.barh(
        order, [shares[name] for name in order], color=style.BLUE, height=0.55
    )
    ax.bar_label(bars, [f"{shares[n]:.0%}" for n in order], padding=3, fontsize=9)
    ax.set(xlim=(0, 1.15), xticks=[0, 0.5, 1], xticklabels=["0", "50 %", "100 %"])
    ax.set(xlabel="explained alone", title="What mattered")
    ax.grid(axis="y", visible=False)


def _clouds(
    results: Sequence[Any], names: Sequence[str] | None, x: str | None, y: str | None
) -> Any:
    """Draw the trials of each result in a plane, with their shadows on both axes."""
    called = list(names or (f"search {i + 1}" for i in range(len(results))))
    if len(called) != len(results):
        raise RangeError(f"search: {len(called)} names for {len(results)} results")
    across, up = _two_names(results, x, y)
    n = len(results)
    fig, axes = style.figure(
        2, n, width=4.2 * n, height=5.0, height_ratios=[1, 2.2], sharex="col",
        sharey="row",
    )  # fmt: skip
    for column, (result, name) in enumerate(zip(results, called, strict=True)):
        _shadow(axes[0, column], result, name, across)
        _cloud(axes[1, column], result, across, up)
    axes[0, 0].set_ylabel("value")
    axes[1, 0].set_ylabel(up)
    return fig


def _shadow(ax: Axes, result: Any, name: str, across: str) -> None:
    """Draw the value of every trial above its place on the axis that matters."""
    ranked = result.ranked
    u = [_height(result, across, t) for t in ranked]
    values = [t.value for t in ranked]
    ax.vlines(u, 0, 1, transform=ax.get_xaxis_transform(), color=style.PALE, zorder=1)
    ax.plot(u, values, "o", color=style.BLUE, markersize=5)
    ax.plot(u[0], values[0], "o", color=style.VERMILION, markersize=9,
            markerfacecolor="white", markeredgewidth=2, zorder=3)  # fmt: skip
    ax.margins(y=0.2)
    different = len({round(at, 9) for at in u})
    ax.set_title(
        f"{name}: {len(ranked)} trials, {different} values of {across}\n"
        f"best {values[0]:.3g}"
    )
    if min(values) > 0 and max(values) > 20 * min(values):
        ax.set_yscale("log")


def _cloud(ax: Axes, result: Any, across: str, up: str) -> None:
    """Draw the trials in the plane; short lines at both axes are their shadows."""
    ranked = result.ranked
    u = [_height(result, across, t) for t in ranked]
    v = [_height(result, up, t) for t in ranked]
    colors = [_color(i, len(ranked)) for i in range(len(ranked))]
    ax.scatter(u, v, c=colors, s=42, zorder=3, edgecolors="white", linewidths=0.6)
    ax.plot(u[0], v[0], "o", color=style.VERMILION, markersize=11,
            markerfacecolor="none", markeredgewidth=2, zorder=4)  # fmt: skip
    below, left = ax.get_xaxis_transform(), ax.get_yaxis_transform()
    ax.vlines(u, 0, 0.05, transform=below, color=style.BLUE, linewidth=2)
    ax.hlines(v, 0, 0.05, transform=left, color=style.BLUE, linewidth=2)
    for axis, name in ((ax.xaxis, across), (ax.yaxis, up)):
        ticks = _ticks(result.domains[name], 3)
        axis.set_ticks([at for at, _ in ticks], [label for _, label in ticks])
    ax.set(xlim=(-0.08, 1.08), ylim=(-0.08, 1.08), xlabel=across)


def _two_names(results: Sequence[Any], x: str | None, y: str | None) -> tuple[str, str]:
    """Return the names of the plane: those that matter most in the largest result."""
    largest = max(results, key=lambda result: len(result.trials))
    shares = largest.importance()
    for name in (x, y):
        if name is not None and name not in shares:
            raise RangeError(f"search: {name!r} is none of {', '.join(shares)}")
    order = sorted(shares, key=lambda name: -shares[name])
    given = [name for name in (x, y) if name is not None]
    rest = [name for name in order if name not in given]
    if len(given) + len(rest) < 2:
        raise RangeError("search: a plane needs two names, and this space has one")
    across = x if x is not None else rest.pop(0)
    return across, y if y is not None else rest.pop(0)


def _height(result: Any, name: str, trial: Any) -> float:
    """Return the position of a value, NaN where the setting lacks the name."""
    if name not in trial.setting:
        return float("nan")
    return float(result.domains[name].position(trial.setting[name]))


def _ticks(domain: Any, n: int) -> list[tuple[float, str]]:
    """Return positions and what stands there: all options, or n values of a range."""
    options = getattr(domain, "options", None)
    if options is not None:
        return [(domain.position(option), _word(option)) for option in options]
    values = domain.values(n)
    return [(domain.position(value), _word(value)) for value in values]


def _word(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(getattr(value, "__name__", value))


def _color(rank: int, n: int) -> Any:
    """Return the color of a rank: dark for the best."""
    import matplotlib as mpl

    share = 1 - rank / max(1, n - 1)
    return mpl.colormaps[COLORS](0.15 + 0.8 * np.float64(share))
