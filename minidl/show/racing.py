"""The race: optimizers side by side, on surfaces one can see and on a small network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import optim
from minidl.errors import RangeError
from minidl.show import style
from minidl.show.digits import learn_digits
from minidl.show.surfaces import SURFACES, Factory, Surface, descend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from minidl.show.picture import Picture

Vector = np.ndarray[Any, Any]
Run = tuple[Vector, Vector]  # what the upper panel shows, what the lower one shows
NET_RATES = (0.05, 0.01)


def racers(rates: tuple[float, float]) -> dict[str, Factory]:
    """Return six optimizers, for a surface that suits these two learning rates.

    The first is for steps as long as the gradient; the second for those that are
    divided by its size, Adagrad starting five times as fast, for it only slows down.
    """
    far, near = rates
    return {
        "SGD": lambda p: optim.SGD(p, lr=far),
        "Momentum": lambda p: optim.Momentum(p, lr=far),
        "Nesterov": lambda p: optim.Nesterov(p, lr=far),
        "Adagrad": lambda p: optim.Adagrad(p, lr=5 * near),
        "RMSProp": lambda p: optim.RMSProp(p, lr=near),
        "Adam": lambda p: optim.Adam(p, lr=near),
    }


def optimizer_race(
    optimizers: Mapping[str, Factory] | None = None,
    surfaces: Sequence[str] = tuple(SURFACES),
    *,
    steps: int = 150,
    net_steps: int = 300,
    seed: int = 0,
    path: str | Path | None = None,
) -> Figure:
    """Draw the ways of optimizers down test surfaces, and how fast each gets down.

    optimizers  {name: function from parameters to an optimizer}, such as
                {"Adam": lambda p: md.optim.Adam(p, lr=0.1)}; by default six, with
                rates that suit each surface
    surfaces    some of ravine, saddle, beale, rosenbrock, noisy bowl
    net_steps   steps of a net 64-32-10 on 8 × 8 digits, in a last column; 0 for none

    All start from the same point and meet the same noise: one seed, one picture.
    """
    unknown = [name for name in surfaces if name not in SURFACES]
    if unknown or steps < 1 or not (surfaces or net_steps):
        raise RangeError(
            f"optimizer_race: surfaces={list(surfaces)}, steps={steps}; there are the "
            f"surfaces {list(SURFACES)}, and at least one step must be made"
        )
    count = len(surfaces) + bool(net_steps)
    with style.sheet():
        fig, pairs = _panels(count)
        for (top, bottom), name in zip(pairs, surfaces, strict=False):
            surface = SURFACES[name]
            rules = optimizers or racers(surface.rates)
            many = steps * surface.patience
            runs = {k: descend(surface, rule, many, seed) for k, rule in rules.items()}
            _map(top, surface, runs)
            _heights(bottom, surface, runs)
        if net_steps:
            rules = optimizers or racers(NET_RATES)
            runs = {k: learn_digits(rule, net_steps, seed) for k, rule in rules.items()}
            _learning(*pairs[-1], runs)
        handles, labels = pairs[0][0].get_legend_handles_labels()
        columns = min(len(labels), 2 * len(fig.axes))
        fig.legend(handles, labels, loc="outside upper center", ncols=columns)
        return fig.finish(path)


def _panels(count: int) -> tuple[Picture, list[tuple[Axes, Axes]]]:
    """Return a figure of `count` pairs of axes, one above the other, three in a row."""
    across = min(count, 3)
    rows = -(-count // across)
    fig, axes = style.figure(
        2 * rows, across, width=3.5 * across, height=5.4 * rows + 0.3,
        height_ratios=[1.25, 1] * rows,
    )  # fmt: skip
    tops, bottoms = axes[::2].flat, axes[1::2].flat
    pairs = list(zip(tops, bottoms, strict=True))
    for pair in pairs[count:]:
        for ax in pair:
            ax.remove()
    return fig, pairs[:count]


def _map(ax: Axes, surface: Surface, runs: Mapping[str, Run]) -> None:
    """Draw a surface as a map, and the trajectories on it."""
    from matplotlib.patheffects import Normal, Stroke

    west, east, south, north = surface.window
    u, v = np.meshgrid(np.linspace(west, east, 160), np.linspace(south, north, 160))
    height = np.asarray(surface.f(u, v)) - surface.floor
    levels = np.geomspace(max(height.min(), height.max() * 1e-4), height.max(), 14)
    ax.contourf(u, v, np.log10(np.maximum(height, levels[0])), np.log10(levels),
                cmap="Greys_r", alpha=0.3)  # fmt: skip
    ax.contour(u, v, height, levels, colors="white", linewidths=0.6)
    halo = [Stroke(linewidth=2.8, foreground="white", alpha=0.8), Normal()]
    for i, (name, (trajectory, _)) in enumerate(runs.items()):
        color = style.color(i)
        ax.plot(*trajectory.T, style.dash(i), color=color, label=name, linewidth=1.5,
                path_effects=halo)  # fmt: skip
        ax.plot(
            *trajectory[-1], "o", color=color, markersize=5, markeredgecolor="white"
        )
    ax.plot(*surface.start, "o", color="white", markeredgecolor=style.INK, markersize=6)
    ax.plot(
        *np.transpose(surface.minima), "*", color=style.INK, markersize=10, zorder=2.5
    )
    ax.set(xlim=(west, east), ylim=(south, north), title=surface.title)
    ax.grid(False)


def _heights(ax: Axes, surface: Surface, runs: Mapping[str, Run]) -> None:
    """Draw how far above the lowest point each is, step by step."""
    for i, (name, (_, height)) in enumerate(runs.items()):
        above = np.maximum(height - surface.floor, 1e-12)
        ax.plot(_smooth(above) if surface.noise else above, style.dash(i), label=name,
                color=style.color(i), linewidth=1.5)  # fmt: skip
    top = max(height[0] for _, height in runs.values()) - surface.floor
    ax.set(yscale="log", xlabel="step", ylim=(top * 1e-6, top * 5))
    ax.set_ylabel("height, smoothed" if surface.noise else "height above minimum")


def _learning(top: Axes, bottom: Axes, runs: Mapping[str, Run]) -> None:
    """Draw test accuracy above, training loss below."""
    for i, (name, (accuracy, loss)) in enumerate(runs.items()):
        how: dict[str, Any] = {"color": style.color(i), "label": name, "linewidth": 1.5}
        top.plot(*accuracy.T, style.dash(i), **how)
        bottom.plot(_smooth(loss), style.dash(i), **how)
    top.set(title="A net on digits", ylabel="test accuracy", ylim=(0, 1.02))
    bottom.set(yscale="log", xlabel="step", ylabel="training loss, smoothed")


def _smooth(y: Vector, width: int = 15) -> Vector:
    """Return the mean of each value and up to width − 1 before it."""
    total = np.concatenate([[0.0], np.cumsum(y)])
    last = np.arange(1, len(y) + 1)
    first = np.maximum(last - width, 0)
    return np.asarray((total[last] - total[first]) / (last - first))
