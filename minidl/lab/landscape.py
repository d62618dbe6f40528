"""The loss around a minimum: slices through it along directions drawn at random.

    θ weights    d direction, of the same shapes    a, b coordinates    n points

    1-D  L(θ + a d)         2-D  L(θ + a d₁ + b d₂)

The length of a direction matters: weights that are ten times as large make every slice
look ten times as flat. So each filter of d gets the length of the same filter of θ (Li,
Xu, Taylor, Studer & Goldstein 2018, section 4): a = 1 then is "as far as the weights
are long", and two ReLU nets that compute the same have the same slices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import nn
from minidl.backend import namespace
from minidl.engine.tensor import Tensor
from minidl.errors import RangeError
from minidl.lab.hessian import Hessian, stream
from minidl.nn.module import Module
from minidl.nn.substitute import substituted
from minidl.train.batches import Data

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Vector = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Landscape:
    """Losses on a slice.

    at      coordinates (n,), from −span to span; the model stands at 0
    losses  (n,), or (n, n): losses[i, j] is L(θ + at[j] d₁ + at[i] d₂)
    """

    at: Vector
    losses: Vector

    @property
    def center(self) -> float:
        """The loss of the model itself."""
        middle = len(self.at) // 2
        return float(self.losses[(middle,) * self.losses.ndim])

    def plot(self, *, path: str | None = None) -> Figure:
        """Draw it (`minidl.show.landscape`, which also lays several side by side)."""
        from minidl.show import landscape

        return landscape(self, path=path)

    def __repr__(self) -> str:
        return (
            f"Landscape({' × '.join(map(str, self.losses.shape))} points within "
            f"±{self.at[-1]:.3g}: {self.center:.3g} in the middle, from "
            f"{np.nanmin(self.losses):.3g} to {np.nanmax(self.losses):.3g})"
        )


def landscape(
    model: Module,
    loss: Callable[..., Any],
    data: Data,
    *,
    directions: int = 1,
    points: int = 21,
    span: float = 1.0,
    seed: int = 0,
) -> Landscape:
    """Measure the loss on a slice through the weights of a model.

    loss        (scores, y) -> scalar Tensor, a mean over the labels
    data        batches (x, y), or samples: a dataset, a tuple (x, y)
    directions  1 or 2; with 2 the loss is computed points² times
    points      along each direction, an odd number: the model itself is among them
    span        how far to each side, in lengths of the filters
    seed        of the directions: two models of one shape get the same draws

    In eval mode, on a copy; the model is not changed. Biases, and the γ and β of norms,
    stay where they are: they have no filters.

    >>> from minidl import ops
    >>> from minidl.data import moons
    >>> from minidl.models import MLP
    >>> net = MLP([2, 8, 2], rng=0)
    >>> slice = landscape(net, ops.cross_entropy, moons(100, rng=0), points=5)
    >>> slice.at.tolist(), slice.losses.shape
    ([-1.0, -0.5, 0.0, 0.5, 1.0], (5,))
    """
    if directions not in (1, 2):
        raise RangeError(f"landscape: directions = {directions!r}; it is 1 or 2")
    if isinstance(points, bool) or not isinstance(points, int) or points < 3:
        raise RangeError(f"landscape: points = {points!r}; give 3 or more")
    if points % 2 == 0:
        raise RangeError(
            f"landscape: points = {points} has no point in the middle, where the model "
            f"stands; try {points + 1}"
        )
    if not 0 < span < np.inf:
        raise RangeError(f"landscape: span = {span!r}; try 1.0")
    h, rng = Hessian(model, loss, data, seed=seed), stream(seed)
    drawn = [direction(model, rng) for _ in range(directions)]
    at = np.linspace(-span, span, points)
    at[points // 2] = 0.0
    losses = np.empty((points,) * directions)
    with np.errstate(all="ignore"):  # far away it may overflow, and that is drawn
        for place in np.ndindex(*losses.shape):
            steps = [float(at[i]) for i in reversed(place)]
            losses[place] = _loss_at(h, drawn, steps)
    return Landscape(at, losses)


def direction(model: Module, rng: np.random.Generator) -> dict[int, Any]:
    """Draw d: N(0, 1), each filter scaled to the length of that of θ.

    A filter is what makes one output: a kernel (C, KH, KW) of a convolution, a column
    of an (in, out) matrix, a row of an embedding. Returned by id of the parameter.
    """
    rows = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    found = {}
    for p in model.parameters():
        if p.requires_grad and p.ndim > 1:
            own = 0 if p.ndim > 2 or id(p) in rows else p.ndim - 1
            axes = tuple(i for i in range(p.ndim) if i != own)
            xp = namespace(p.data)
            d = xp.asarray(rng.normal(size=p.shape), dtype=p.dtype)
            size = xp.sqrt((d * d).sum(axis=axes, keepdims=True))
            kept = xp.sqrt((p.data * p.data).sum(axis=axes, keepdims=True))
            found[id(p)] = d * (kept / size)
    return found


def _loss_at(h: Hessian, drawn: list[dict[int, Any]], steps: list[float]) -> float:
    """Return L(θ + Σ a d)."""

    def moved(module: Any, p: Tensor) -> Tensor:
        if id(p) not in drawn[0]:
            return p
        x = p.data
        for a, d in zip(steps, drawn, strict=True):
            x = x + a * d[id(p)]
        return nn.Parameter(x)

    with substituted(h.model, moved) as twin:
        return Hessian(twin, h.loss, h.batches, seed=h.seed).value()
