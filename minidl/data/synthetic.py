"""Toy sets whose pictures one can draw: points in the plane, and lines with noise.

All return a TensorDataset with x (n, D) float32 and y: labels (n,) int64, or targets
(n, 1) float32. Samples come in random order; classes are as equal in size as n allows.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minidl.backend import Array, Seed, generator
from minidl.data.dataset import TensorDataset
from minidl.errors import RangeError


def spirals(
    n: int = 300, classes: int = 3, *, noise: float = 0.1, rng: Seed = None
) -> TensorDataset:
    """One spiral arm per class, each 2/3 of a turn long, ending on the unit circle.

    Sample with t ∈ [0, 1]: radius t, angle 2π c / classes + 4π/3 · t + noise · N(0, 1).

    >>> spirals(300, 3, rng=0)
    TensorDataset(x float32 (300, 2), y int64 (300,) of 3 classes)
    """
    y, t, g = _classes(n, classes, rng)
    angle = 2 * math.pi * y / classes + (4 * math.pi / 3) * t + noise * g.normal(size=n)
    return _shuffled(np.stack([t * np.cos(angle), t * np.sin(angle)], 1), y, g)


def moons(n: int = 200, *, noise: float = 0.1, rng: Seed = None) -> TensorDataset:
    """Two half circles, one reaching into the other, plus N(0, noise²).

    Class 0: (cos πt, sin πt); class 1: (1 − cos πt, ½ − sin πt).

    >>> moons(100, rng=0).classes
    2
    """
    y, t, g = _classes(n, 2, rng)
    x = np.stack([np.cos(math.pi * t), np.sin(math.pi * t)], 1)
    x[y == 1] = np.array([1.0, 0.5]) - x[y == 1]
    return _shuffled(x + noise * g.normal(size=x.shape), y, g)


def circles(
    n: int = 200, *, factor: float = 0.5, noise: float = 0.05, rng: Seed = None
) -> TensorDataset:
    """The unit circle (class 0) around one of radius `factor` (class 1), plus noise.

    >>> circles(100, rng=0).x.shape
    (100, 2)
    """
    y, _, g = _classes(n, 2, rng)
    angle = g.uniform(0, 2 * math.pi, n)
    x = np.stack([np.cos(angle), np.sin(angle)], 1) * np.where(y, factor, 1.0)[:, None]
    return _shuffled(x + noise * g.normal(size=x.shape), y, g)


def blobs(
    n: int = 300,
    classes: int = 3,
    *,
    features: int = 2,
    std: float = 1.0,
    centers: Array | None = None,
    rng: Seed = None,
) -> TensorDataset:
    """A cloud N(center, std²) per class; centers (classes, D) default to random ones.

    >>> blobs(30, centers=[[0.0, 0.0], [9.0, 9.0]], rng=0)
    TensorDataset(x float32 (30, 2), y int64 (30,) of 2 classes)
    """
    if centers is not None:
        centers = np.asarray(centers, np.float64)
        classes, features = centers.shape
    y, _, g = _classes(n, classes, rng)
    if centers is None:
        centers = g.uniform(-10, 10, (classes, features))
    return _shuffled(centers[y] + std * g.normal(size=(n, features)), y, g)


def xor(n: int = 200, *, noise: float = 0.0, rng: Seed = None) -> TensorDataset:
    """Points of the square [−1, 1]²; class 1 where x₀ and x₁ have different signs.

    No straight line parts them. Noise moves the points after they got their class.

    >>> toy = xor(100, rng=0)
    >>> bool(((toy.x[:, 0] * toy.x[:, 1] < 0) == toy.y).all())
    True
    """
    y, _, g = _classes(n, 2, rng)
    size = 1 - g.random((n, 2))  # (0, 1]: no point on an axis
    sign = np.where(g.random(n) < 0.5, -1.0, 1.0)
    x = size * np.stack([sign, np.where(y, -sign, sign)], 1)
    return _shuffled(x + noise * g.normal(size=x.shape), y, g)


def regression(
    n: int = 100,
    *,
    function: Callable[[Array], Array] | None = None,
    features: int = 1,
    noise: float = 0.1,
    rng: Seed = None,
) -> TensorDataset:
    """y = f(x) + N(0, noise²), x uniform in [−1, 1]^D.    x (n, D), y (n, 1)

    function   takes x (n, D) and returns n numbers; default: a random linear one,
               whose weight (D, 1) and bias are kept as `dataset.weight, dataset.bias`

    >>> line = regression(50, features=3, noise=0, rng=0)
    >>> bool(np.allclose(line.x @ line.weight + line.bias, line.y, atol=1e-6))
    True
    >>> regression(50, function=lambda x: np.sin(3 * x), rng=0).y.shape
    (50, 1)
    """
    g = generator(rng)
    x = g.uniform(-1, 1, (n, features))
    weight, bias = g.normal(size=(features, 1)), float(g.normal())
    y = x @ weight + bias if function is None else np.asarray(function(x))
    y = y.reshape(n, 1) + noise * g.normal(size=(n, 1))
    dataset = LinearData(x.astype(np.float32), y.astype(np.float32))
    if function is None:
        dataset.weight, dataset.bias = weight.astype(np.float32), bias
    return dataset


class LinearData(TensorDataset):
    """A TensorDataset that remembers the line it was made from, if it was one."""

    weight: Array | None = None
    bias: float | None = None


def _classes(
    n: int, classes: int, rng: Seed
) -> tuple[Array, Array, np.random.Generator]:
    """Return labels (n,), and for each sample its place t ∈ [0, 1] within the class."""
    if not 1 <= classes <= n:
        raise RangeError(f"{n} samples cannot fill {classes} classes")
    y = np.arange(n) % classes
    turn = np.arange(n) // classes
    t = turn / np.maximum(np.bincount(y)[y] - 1, 1)
    return y, t, generator(rng)


def _shuffled(x: Array, y: Array, g: np.random.Generator) -> TensorDataset:
    order = g.permutation(len(y))
    return TensorDataset(x[order].astype(np.float32), y[order].astype(np.int64))
