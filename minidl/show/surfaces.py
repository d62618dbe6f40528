"""Surfaces on which optimizers are raced, each with a difficulty of its own.

p = (x, y) is a point, a Tensor (2,); f(p) its height, to be minimized. Gradients come
from the engine, exact, but for the noise that the noisy bowl is there for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.backend import Seed, generator
from minidl.engine.tensor import Tensor, TensorLike

Vector = np.ndarray[Any, Any]
Factory = Callable[[list[Tensor]], Any]  # from parameters to an optimizer


@dataclass(frozen=True)
class Surface:
    """A function of the plane, where to start on it, and what there is to find.

    f        height at (x, y), written with operators: for Tensors and arrays alike
    start    where every optimizer begins
    minima   the lowest points, all of height `floor`
    window   x from, x to, y from, y to: what a picture shows
    rates    two learning rates: for optimizers whose step is as long as the gradient
             (SGD, Momentum), and for those that divide by its size (RMSProp, Adam)
    noise    standard deviation of what is added to every gradient
    patience how many times as many steps it takes here as elsewhere
    """

    title: str
    f: Callable[[Any, Any], Any]
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]
    window: tuple[float, float, float, float]
    rates: tuple[float, float]
    floor: float = 0.0
    noise: float = 0.0
    patience: int = 1


def ravine(x: TensorLike, y: TensorLike) -> Any:
    """x²/20 + y²: twenty times as steep across as along."""
    return x * x / 20 + y * y


def saddle(x: TensorLike, y: TensorLike) -> Any:
    """x² − y² + y⁴/4: flat at (0, 0), where one way is up and the other down."""
    return x * x - y * y + y * y * y * y / 4


def beale(x: TensorLike, y: TensorLike) -> Any:
    """Σ_k (c_k − x + x yᵏ)², c = (1.5, 2.25, 2.625): a plateau between steep walls."""
    a = 1.5 - x + x * y
    b = 2.25 - x + x * y * y
    c = 2.625 - x + x * y * y * y
    return a * a + b * b + c * c


def rosenbrock(x: TensorLike, y: TensorLike) -> Any:
    """(1 − x)² + 100 (y − x²)²: a bent valley, easy to reach and hard to follow."""
    a, b = 1 - x, y - x * x
    return a * a + 100 * (b * b)


def bowl(x: TensorLike, y: TensorLike) -> Any:
    """(x² + 4 y²) / 2, simple; but each gradient here is measured with an error."""
    return (x * x + 4 * (y * y)) / 2


ROOT2 = 2**0.5
SURFACES = {
    "ravine": Surface(
        "Ravine", ravine, (-8.0, 2.0), ((0, 0),), (-9.5, 3.5, -3, 3), (0.1, 0.3)
    ),
    "saddle": Surface(
        "Saddle", saddle, (-1.6, 0.02), ((0, ROOT2), (0, -ROOT2)),
        (-2.0, 1.5, -1.1, 2.3), (0.02, 0.05), floor=-1.0,
    ),
    "beale": Surface(
        "Beale", beale, (1.0, 1.5), ((3, 0.5),), (-0.5, 4.2, -1.0, 2.0), (0.002, 0.1)
    ),
    "rosenbrock": Surface(
        "Rosenbrock", rosenbrock, (-1.2, 1.0), ((1, 1),), (-1.8, 1.8, -0.7, 2.0),
        (0.0005, 0.1), patience=4,
    ),
    "noisy bowl": Surface(
        "Noisy bowl", bowl, (-4.0, 2.0), ((0, 0),), (-4.8, 2.4, -2.4, 2.9),
        (0.03, 0.1), noise=1.0,
    ),
}  # fmt: skip


def descend(
    surface: Surface, optimizer: Factory, steps: int, rng: Seed = 0
) -> tuple[Vector, Vector]:
    """Return the points (T + 1, 2) that an optimizer visits, and their true heights.

    It ends early, T < steps, when the point leaves all bounds.
    """
    draw = generator(rng)
    p = Tensor(np.array(surface.start), requires_grad=True)
    rule = optimizer([p])
    points = [p.data.copy()]
    for _ in range(steps):
        error = draw.normal(0, 1, 2) * surface.noise
        rule.zero_grad()
        (surface.f(p[0], p[1]) + (p * error).sum()).backward()
        rule.step()
        if not np.abs(p.data).max() < 1e3:
            break
        points.append(p.data.copy())
    trajectory = np.array(points)
    return trajectory, np.asarray(surface.f(*trajectory.T))
