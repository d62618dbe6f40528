"""Curves: how training went, and how the learning rate will go."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import RangeError, ShapeError
from minidl.show import style
from minidl.show.style import numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Vector = np.ndarray[Any, Any]
PARTS = {
    "": ("training", style.BLUE, "-"),
    "train": ("training", style.BLUE, "-"),
    "val": ("validation", style.VERMILION, "--"),
    "test": ("test", style.GREEN, "-."),
}
WORDS = {"lr": "learning rate"}
ASIDE = ("step", "seconds")  # of a History: they number and time the epochs
MOST = 3  # panels side by side
FALLING = ("loss", "error", "perplexity")  # the best of these is the smallest


def curves(
    history: Any, *, log: bool = False, path: str | Path | None = None
) -> Figure:
    """Draw every metric of a training run against the epoch, one panel for each.

    history  a History of a Trainer, or {"train_loss": […], "val_loss": […], …}, or a
             list of such records, one per epoch; `train_`, `val_` and `test_` share a
             panel, `epoch`, if it is there, numbers the epochs; None and nan leave a
             gap. With `epoch` given, a list k times as long has k values in each epoch.
             `step`, `seconds` and a rate `lr` that never changes are left out, where
             something else is left to draw
    log      draw the losses on a logarithmic axis
    """
    epochs, panels = _panels(_columns(history))
    with style.sheet():
        rows = -(-len(panels) // MOST)
        columns = -(-len(panels) // rows)
        width = 4.0 * columns + (columns == 1)
        fig, axes = style.figure(rows, columns, width=width, height=3.2 * rows)
        for ax in axes.flat[len(panels) :]:
            ax.remove()
        for ax, (metric, parts) in zip(axes.flat, panels.items(), strict=False):
            _panel(ax, metric, parts, epochs)
            if log and metric.endswith(FALLING):
                ax.set_yscale("log")
        return fig.finish(path)


def _panel(ax: Axes, metric: str, parts: dict[str, Vector], epochs: Vector) -> None:
    """Draw one metric; the title names the best value that was not trained on."""
    for part, y in parts.items():
        label, color, dash = PARTS[part]
        x = epochs if len(y) == len(epochs) else _spread(len(y), epochs)
        mark = "o" if len(epochs) <= 12 and len(y) == len(epochs) else None
        ax.plot(x, y, dash, color=color, label=label, marker=mark, markersize=3.5)
    title = WORDS.get(metric, metric.replace("_", " "))
    judged = parts.get("val", parts.get("test"))
    if judged is not None and len(judged) == len(epochs) and np.isfinite(judged).any():
        falling = metric.endswith(FALLING)
        best = int(np.nanargmin(judged) if falling else np.nanargmax(judged))
        title += f": best {judged[best]:.3f} at epoch {epochs[best]:g}"
        ax.plot(epochs[best], judged[best], "o", color=style.VERMILION, markersize=8,
                markerfacecolor="white", markeredgewidth=1.8, zorder=3)  # fmt: skip
    ax.set_title(title[0].upper() + title[1:])
    ax.set_xlabel("epoch")
    ax.locator_params(axis="x", integer=True)
    if len(parts) > 1:
        ax.legend()


def _spread(n: int, epochs: Vector) -> Vector:
    """Return where n values fall when every epoch holds n / len(epochs) of them."""
    each = n // len(epochs)
    at = np.interp(  # the last value of an epoch stands at the epoch's number
        np.arange(1, n + 1) / each,
        np.arange(len(epochs) + 1),
        np.concatenate([[epochs[0] - 1], epochs]),
    )
    return np.asarray(at)


def _columns(history: Any) -> dict[str, Any]:
    """Return a history as {name: list}; records become columns."""
    if isinstance(history, Mapping) or hasattr(history, "keys"):
        return {name: history[name] for name in history.keys()}  # noqa: SIM118
    records = list(history)
    names = {name: None for record in records for name in record}
    return {name: [record.get(name) for record in records] for name in names}


def _panels(columns: dict[str, Any]) -> tuple[Vector, dict[str, dict[str, Vector]]]:
    """Sort the columns by metric, and return them with the numbers of the epochs."""
    series = {
        name: np.array([np.nan if v is None else float(v) for v in column])
        for name, column in columns.items()
    }
    epochs = series.pop("epoch", None)
    series = {name: y for name, y in series.items() if _tells(name, y)} or series
    lengths = {name: len(y) for name, y in series.items()}
    if not lengths or max(lengths.values()) == 0:
        raise ShapeError(
            'curves: the history is empty; it may be {"train_loss": [0.9, 0.5], …}'
        )
    if epochs is None:
        epochs = np.arange(1.0, max(lengths.values()) + 1)
        wrong = {name for name, n in lengths.items() if n != len(epochs)}
    else:
        wrong = {n for n, y in lengths.items() if y == 0 or y % len(epochs)}
    if wrong:
        raise ShapeError(
            f"curves: {lengths} values for {len(epochs)} epochs; give None where an "
            'epoch has no value, or add "epoch" if there are several for each'
        )
    panels: dict[str, dict[str, Vector]] = {}
    for name, y in series.items():
        part, metric = _split(name)
        panels.setdefault(metric, {})[part] = y
    return epochs, panels


def _tells(name: str, y: Vector) -> bool:
    """Whether a column is something that a person wants to see."""
    if name in ASIDE or "/" in name:  # "dead/1": of a layer, for show.monitor
        return False
    return not (name == "lr" and len(set(y[~np.isnan(y)])) < 2)


def _split(name: str) -> tuple[str, str]:
    """Split "validation_loss" into ("val", "loss").

    >>> _split("validation_loss"), _split("lr")
    (('val', 'loss'), ('', 'lr'))
    """
    found = re.fullmatch(r"(train|val|test)(?:ing|id|idation)?_(.+)", name)
    return (found[1], found[2]) if found else ("", name)


def schedule(
    f: Callable[..., Any],
    steps: int,
    *,
    names: Sequence[str] | None = None,
    log: bool = False,
    path: str | Path | None = None,
) -> Figure:
    """Draw the learning rate η(t) for t = 0 … steps − 1.

    f      a schedule, a function of the step; several in a list, or {name: schedule}
    names  what to call them, if f is a list
    """
    if steps < 1:
        raise RangeError(f"schedule: steps = {steps}; draw at least one")
    named = _named(f, names)
    with style.sheet():
        fig, axes = style.figure(height=3.2, width=style.WIDTH if len(named) > 1 else 6)
        ax = axes[0, 0]
        t = np.arange(steps)
        for i, (name, g) in enumerate(named.items()):
            rates = [float(numbers(g(int(step)))) for step in t]
            ax.plot(t, rates, style.dash(i), color=style.color(i), label=name)
        ax.set(xlabel="step t", ylabel="learning rate η(t)", title="Learning rate")
        ax.margins(x=0.02)
        ax.set_yscale("log") if log else ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))
        if len(named) > 1:
            fig.legend(loc="outside right upper")
        return fig.finish(path)


def _named(
    f: Callable[..., Any], names: Iterable[str] | None
) -> dict[str, Callable[[int], Any]]:
    """Return schedules with their names."""
    if isinstance(f, Mapping):
        return dict(f)
    several = [f] if callable(f) else list(f)
    chosen = [f"schedule {i + 1}" for i in range(len(several))]
    chosen = chosen if names is None else list(names)
    if len(chosen) != len(several):
        raise ShapeError(f"schedule: {len(chosen)} names for {len(several)} schedules")
    return dict(zip(chosen, several, strict=True))
