"""Decision boundaries: where in the plane a classifier changes its mind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.backend import to_numpy
from minidl.engine.modes import no_grad
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.errors import ShapeError
from minidl.nn.module import Module, evaluating
from minidl.show import style
from minidl.show.style import label_of, numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Vector = np.ndarray[Any, Any]
MARKS = "osD^vP*X<>"


def boundary(
    model: Module,
    x: TensorLike,
    y: TensorLike,
    *,
    names: Sequence[str] | None = None,
    title: str | None = None,
    resolution: int = 200,
    path: str | Path | None = None,
) -> Figure:
    """Draw what a model says everywhere in the plane, and the data it learned from.

    model  takes a Tensor (N, 2) and returns scores (N, K), or (N,) or (N, 1), the one
           score of class 1; it is asked in evaluation mode, and put back
    x, y   points (N, 2) and labels (N,)

    The paler a color, the less sure the model; the line is where it is undecided. Of an
    ensemble (`minidl.lab.Ensemble`, `bagging`, `snapshot_ensemble`) the thin lines are
    those of its members: where they lie apart, the answer is uncertain.
    """
    points, labels = numbers(x), numbers(y).astype(int).reshape(-1)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) != len(labels):
        raise ShapeError(
            f"boundary: x {points.shape} must be points (N, 2) with labels (N,), not "
            f"{labels.shape}; more features need a projection, such as md.data.pca"
        )
    with style.sheet():
        low, high = points.min(axis=0), points.max(axis=0)
        rim = 0.08 * (high - low).max() or 1.0
        across, up = high - low + 2 * rim
        height = np.clip(4.2 * up / across, 2.0, 6.0) + 0.7
        fig, axes = style.figure(width=6.0, height=float(height))
        ax = axes[0, 0]
        ax.grid(False)
        u, v = (np.linspace(low[i] - rim, high[i] + rim, resolution) for i in (0, 1))
        grid = np.stack(np.meshgrid(u, v), axis=-1)
        dtype = to_numpy(values(x)).dtype
        for i, one in enumerate([model, *getattr(model, "members", ())]):
            p = _ask(one, grid.reshape(-1, 2), dtype)
            p = p.reshape(resolution, resolution, -1)
            if i == 0:
                _shade(ax, u, v, p)
            _border(ax, u, v, p, width=0.5 if i else 1.6)
        for k in np.unique(labels):
            ax.scatter(*points[labels == k].T, s=22, c=style.color(k), linewidths=0.6,
                       marker=MARKS[k % len(MARKS)], edgecolors="white",
                       label=f"class {label_of(k, names)}" if names is None
                       else label_of(k, names))  # fmt: skip
        hits = _ask(model, points, dtype).argmax(axis=1) == labels
        ax.set_title(
            title or f"{100 * hits.mean():.1f} % of {len(labels)} points right"
        )
        ax.set(xlabel="x₁", ylabel="x₂", aspect="equal")
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return fig.finish(path)


def _ask(model: Any, points: Vector, dtype: Any) -> Vector:
    """Return probabilities (N, K) for points (N, 2), without leaving a trace."""
    with evaluating(model), no_grad():
        asked = Tensor(points.astype(dtype if dtype.kind == "f" else "float32"))
        scores = numbers(model(asked))
    scores = scores.reshape(len(points), -1)
    if scores.shape[1] == 1:  # a single score is the logit of class 1
        scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def _shade(ax: Axes, u: Vector, v: Vector, p: Vector) -> None:
    """Color every point by its class, the paler the less sure."""
    from matplotlib.colors import to_rgb

    k = p.shape[-1]
    colors = np.array([to_rgb(style.color(i)) for i in range(k)])
    best = p.argmax(axis=-1)
    surety = (p.max(axis=-1) - 1 / k) / (1 - 1 / k)
    depth = (0.10 + 0.35 * surety)[..., None]
    extent = (u[0], u[-1], v[0], v[-1])
    shade = 1 - depth * (1 - colors[best])
    ax.imshow(shade, origin="lower", extent=extent, interpolation="bilinear")


def _border(ax: Axes, u: Vector, v: Vector, p: Vector, width: float) -> None:
    """Draw where the two most probable classes are equally probable."""
    k, best = p.shape[-1], p.argmax(axis=-1)
    ordered = np.sort(p, axis=-1)
    for i in range(k if k > 2 else 1):
        lead = p[..., i] - np.where(best == i, ordered[..., -2], ordered[..., -1])
        if lead.min() < 0 < lead.max():
            ax.contour(u, v, lead, levels=[0], colors=style.INK, linewidths=width)
