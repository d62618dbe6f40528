"""Activations: what the layers of a network put out, from the first to the last.

The picture behind careful initialization: too small weights, and everything shrinks to
0; too large, and tanh saturates or ReLU explodes; right, and all layers look alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.engine.modes import no_grad
from minidl.engine.tensor import TensorLike
from minidl.errors import RangeError, ShapeError
from minidl.nn.module import Module
from minidl.show import style
from minidl.show.style import numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Vector = np.ndarray[Any, Any]


def activations(
    model: Module,
    x: TensorLike | None = None,
    *,
    title: str | None = None,
    columns: int = 6,
    path: str | Path | None = None,
) -> Figure:
    """Draw a histogram of each layer's output, all on one scale, with mean and spread.

    model  {name: array of outputs}; or layers to be called one after the other on x, a
           Sequential or a list, of which those without parameters are shown
    x      a batch, for the latter
    """
    outputs = _outputs(model, x)
    with style.sheet():
        n = len(outputs)
        columns = min(n, columns)
        rows = -(-n // columns)
        fig, axes = style.figure(
            rows, columns, width=max(3.0, min(10.0, 1.7 * columns)),
            height=1.9 * rows + 0.3, sharex=True,
        )  # fmt: skip
        flat = list(axes.flat)
        for ax in flat[n:]:
            ax.set_axis_off()
        bins = _bins(list(outputs.values()))
        for ax, (name, h) in zip(flat, outputs.items(), strict=False):
            _histogram(ax, h, bins)
            ax.set_title(name, fontsize=9.5)
        fig.suptitle(title or "Outputs of each layer", x=0.01, ha="left", fontsize=11,
                     weight="bold")  # fmt: skip
        return fig.finish(path)


def _histogram(ax: Axes, h: Vector, bins: Vector) -> None:
    finite = h[np.isfinite(h)]
    ax.hist(
        finite,
        bins=list(bins),
        color=style.BLUE,
        weights=np.full(len(finite), 1 / h.size),
    )
    words = f"mean {finite.mean():.2g}\nstd {finite.std():.2g}"
    zeros = (h == 0).mean()
    words += f"\n{100 * zeros:.0f} % are 0" if zeros > 0.01 else ""
    words += f"\n{h.size - len(finite)} not finite" if len(finite) < h.size else ""
    ax.set_xlabel(words.replace("-", "−"), fontsize=8.5, linespacing=1.3)
    ax.set(yticks=[])
    ax.spines["left"].set_visible(False)
    ax.grid(False)


def _bins(outputs: list[Vector]) -> Vector:
    """Return bins that hold all but the rarest values of every layer."""
    ends = [np.nanpercentile(h[np.isfinite(h)], (0.1, 99.9)) for h in outputs]
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, 41)


def _outputs(model: Module, x: TensorLike) -> dict[str, Vector]:
    """Return {name: all numbers that a layer put out}."""
    if isinstance(model, Mapping):
        found = {str(name): numbers(h).reshape(-1) for name, h in model.items()}
    else:
        found = _run(model, x)
    if not found:
        raise ShapeError("activations: there is no layer to draw")
    for name, h in found.items():
        if not np.isfinite(h).any():
            raise RangeError(f"activations: {name} put out no finite number at all")
    return found


def _run(layers: Any, x: TensorLike) -> dict[str, Vector]:
    """Call layers one after the other; keep what those without parameters return."""
    found, bare = {}, {}
    with no_grad():
        for i, layer in enumerate(layers):
            x = layer(x)
            name = f"{i}: {type(layer).__name__}"
            found[name] = numbers(x).reshape(-1)
            if not any(True for _ in getattr(layer, "parameters", list)()):
                bare[name] = found[name]
    return bare or found
