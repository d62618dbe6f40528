"""Gradient flow: how much of a gradient arrives at times long past.

    L depends on the last state; on the way back  ∂L/∂hₜ = ∂L/∂hₜ₊₁ ∂hₜ₊₁/∂hₜ,
    a product of as many matrices as there are steps: it vanishes or explodes unless
    their singular values are near 1

Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013, who clip it. An LSTM has
a second state, c, whose path is a product of forget gates alone.

Throughout:  x input (N, T, D)    h, c states (L, N, H) of L layers    g ∂L/∂h
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import backend, ops
from minidl.backend import Seed
from minidl.engine.backward import grad
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.errors import RangeError, ShapeError
from minidl.nn.module import Module
from minidl.show import style
from minidl.show.style import numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Vector = np.ndarray[Any, Any]


def flow(
    layer: Module, x: TensorLike, *, clip: float | None = None, rng: Seed = 0
) -> dict[str, Vector]:
    """Return the norms of ∂L/∂hₜ, and of ∂L/∂cₜ for an LSTM: {"h": (T,), "c": (T,)}.

    layer  nn.RNN, nn.LSTM, nn.GRU, or what is called like one: layer(x, state)
    x      (N, T, D)
    clip   the longest that ∂L/∂hₜ of a sequence may be; it is cut after each step
    Backpropagation by hand, a step at a time. L is h_T along a random direction of
    length 1, for each sequence by itself; the norms are means over the N sequences. h
    and c count as two inputs of the next step.
    """
    xs = values(x)
    if xs.ndim != 3 or not xs.shape[1]:
        raise ShapeError(f"flow: x {xs.shape} should be sequences (N, T, D), T ≥ 1")
    if clip is not None and not clip > 0:
        raise RangeError(f"flow: clip is {clip}; it is above 0, or None")
    past: list[tuple[Tensor, ...]] = []  # states 1 … T, each cut off from the others
    for t in range(xs.shape[1]):
        before = _given(past[-1]) if past else None
        past.append(_leaves(layer(xs[:, t : t + 1], before)[1]))
    g = _start(past[-1], backend.generator(rng))
    norms = [_norms(g)]
    with np.errstate(over="ignore", invalid="ignore"):  # exploding is what may be seen
        for t in range(len(past) - 1, 0, -1):
            g = _back(layer, xs[:, t : t + 1], past[t - 1], g)
            if clip is not None:
                g = [_clipped(each, clip) for each in g]
            norms.append(_norms(g))
    columns = np.array(norms[::-1]).T
    return dict(zip("hc", columns, strict=False))


def gradient_flow(
    norms: Mapping[str, Any],
    *,
    title: str | None = None,
    path: str | Path | None = None,
) -> Figure:
    """Draw ‖∂L/∂hₜ‖ against t, on a scale of powers of ten.

    norms  {name: (T,)}, what `flow` measured; the last is where L is. Gradients that
           are exactly 0, or overflowed, leave a gap.

    >>> fig = gradient_flow({"vanishing": [0.25, 0.5, 1], "exploding": [4, 2, 1]})
    >>> fig.axes[0].get_yscale()
    'log'
    """
    lines = {name: numbers(y) for name, y in norms.items()}
    lengths = {name: y.shape for name, y in lines.items()}
    if not lines or any(y.ndim != 1 or not y.size for y in lines.values()):
        raise ShapeError(
            f"gradient_flow: norms {lengths}; give {{name: (T,)}}, such as "
            'show.flow(layer, x) returns, or {"RNN": show.flow(layer, x)["h"]}'
        )
    if any((y < 0).any() for y in lines.values()):
        raise RangeError("gradient_flow: a norm is below 0; a norm never is")
    with style.sheet():
        fig, axes = style.figure(height=3.8)
        ax = axes[0, 0]
        for i, (name, y) in enumerate(lines.items()):
            y = np.where((y > 0) & np.isfinite(y), y, np.nan)
            t = np.arange(1, len(y) + 1)
            ax.plot(t, y, style.dash(i), color=style.color(i), label=name)
        ax.set(yscale="log", xlabel="t; the loss is at the end", ylabel="‖∂L/∂hₜ‖")
        ax.set_title(title or "How much of the gradient arrives at time t")
        ax.margins(x=0.02)
        fig.legend(loc="outside right upper")
        return fig.finish(path)


def _back(
    layer: Module, x: TensorLike, before: tuple[Tensor, ...], g: list[Any]
) -> list[Any]:
    """Return the gradients of the states before a step, from those after it."""
    after = layer(x, _given(before))[1]
    ys = after if isinstance(after, tuple) else (after,)
    return list(grad(ys, before, g))


def _leaves(state: Any) -> tuple[Tensor, ...]:
    """Return the states as a tuple, without their past, ready for a gradient."""
    states = state if isinstance(state, tuple) else (state,)
    return tuple(Tensor(values(s), requires_grad=True) for s in states)


def _given(states: tuple[Tensor, ...]) -> Any:
    """Return states as their layer takes them."""
    return states if len(states) > 1 else states[0]


def _start(states: tuple[Tensor, ...], rng: np.random.Generator) -> list[Any]:
    """Return ∂L/∂h, of length 1 for each sequence, and ∂L/∂c = 0."""
    g = [np.zeros(s.shape, s.dtype) for s in states]
    towards = rng.normal(size=g[0].shape)
    g[0] += (towards / _lengths(towards)).astype(g[0].dtype)
    return [backend.to_device(each, states[0].device) for each in g]


def _lengths(g: TensorLike) -> Any:
    """Return the norm for each sequence.    (L, N, H) -> (1, N, 1)"""
    g = g.astype("float64")  # squares of float32 overflow soon
    return ops.sum(g * g, axis=(0, 2), keepdims=True) ** 0.5


def _norms(g: list[Any]) -> list[float]:
    return [float(_lengths(each).mean()) for each in g]


def _clipped(g: TensorLike, clip: float) -> Any:
    """g min(1, clip / ‖g‖), for each sequence."""
    n = _lengths(g)
    return g * (clip / ops.maximum(n, clip)).astype(g.dtype)
