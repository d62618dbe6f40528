"""Bias and variance: why a model errs, measured by training it on many samples.

    f  the true function     y = f(x) + e,  e ~ N(0, σ²)     ŷ_s  fitted to sample s

    E (y − ŷ_s(x))² = (E_s ŷ_s(x) − f(x))²  +  E_s (ŷ_s(x) − E_s ŷ_s(x))²  +  σ²
        error       =        bias²         +           variance            +  noise

Variance is how the answer at one x differs between training sets, and not how answers
differ between inputs.  Geman, Bienenstock & Doursat 1992.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.backend import to_numpy
from minidl.engine.tensor import values
from minidl.errors import RangeError, ShapeError
from minidl.lab.objective import own_randomness, seeds

REPEATS = 10  # noisy targets at each x, on which the error of a fit is measured

Vector = np.ndarray[Any, Any]
Function = Callable[[Any], Any]


@dataclass(frozen=True)
class BiasVariance:
    """The three terms, the error they should sum to, and what they were computed from.

    bias2, variance, noise   means over x
    error                    measured: the mean of (y − ŷ)² with new noise in y
    x (T, …), truth (T, …), predictions (S, T, …) of S fits

    `minidl.show.bias_variance({degree: result, …})` draws several. With S fits, bias2
    still holds variance / S, by which the mean of the fits is off.
    """

    bias2: float
    variance: float
    noise: float
    error: float
    x: Vector
    truth: Vector
    predictions: Vector

    @property
    def total(self) -> float:
        """bias² + variance + noise."""
        return self.bias2 + self.variance + self.noise

    def __repr__(self) -> str:
        return (
            f"bias² {self.bias2:.4g} + variance {self.variance:.4g} + noise "
            f"{self.noise:.4g} = {self.total:.4g}; error measured {self.error:.4g}"
        )


def bias_variance(
    fit: Callable[[Vector, Vector], Function],
    truth: Function,
    draw: Callable[[np.random.Generator], Vector],
    x: Vector,
    *,
    noise: float,
    n: int = 200,
    seed: int = 0,
) -> BiasVariance:
    """Fit n training sets, and part the error into bias², variance and noise.

    fit     (x, y) of a training set -> a function that predicts
    truth   f
    draw    generator -> inputs x of a training set; its y = f(x) + noise · N(0, 1)
    x       where the predictions are compared, such as np.linspace(-1, 1, 50)
    noise   σ, the standard deviation of the noise

    The error is measured apart from the three terms, on new noisy targets, so that
    their sum can be compared with it.

    >>> grid = np.linspace(-1, 1, 20)
    >>> def cubic(x, y):
    ...     return np.polynomial.Polynomial.fit(x, y, 3)
    >>> found = bias_variance(
    ...     cubic, lambda x: np.sin(3 * x), lambda rng: grid, grid, noise=0.2
    ... )
    >>> abs(found.total / found.error - 1) < 0.05, found.variance > found.bias2
    (True, True)
    """
    if n < 2:
        raise RangeError(f"bias_variance: n = {n}; a variance wants 2 fits at least")
    if not 0 <= noise < np.inf:
        raise RangeError(f"bias_variance: noise = {noise}; it is σ, 0 or more")
    f = numbers(truth(x))
    predictions: list[Vector] = []
    errors: list[float] = []
    for start in seeds(seed, range(n)):
        rng = np.random.default_rng(start)
        inputs = draw(rng)
        targets = numbers(truth(inputs))
        targets = targets + noise * rng.normal(size=targets.shape)
        with own_randomness(start):
            answer = numbers(fit(inputs, targets)(x))
        _check(answer, f, len(predictions))
        predictions.append(answer)
        seen = f + noise * rng.normal(size=(REPEATS, *f.shape))
        errors.append(float(((seen - answer) ** 2).mean()))
    fits = np.stack(predictions)
    bias2, variance = terms(fits, f)
    return BiasVariance(
        bias2, variance, noise**2, float(np.mean(errors)), np.asarray(x), f, fits
    )


def terms(predictions: Vector, truth: Vector) -> tuple[float, float]:
    """Return bias² and variance.    predictions (S, T), truth (T,)

    >>> terms(np.array([[1.0, 0], [3.0, 0]]), np.array([0.0, 0]))     # (2² + 0²) / 2
    (2.0, 0.5)
    """
    mean = predictions.mean(axis=0)
    bias2 = ((mean - truth) ** 2).mean()
    variance = ((predictions - mean) ** 2).mean()
    return float(bias2), float(variance)


def numbers(x: Any) -> Vector:
    """Return an array, a Tensor or a list as an array of float64 on the host."""
    array: Vector = np.asarray(to_numpy(values(x)), dtype=np.float64)
    return array


def _check(answer: Vector, truth: Vector, fit: int) -> None:
    """Refuse answers of another shape (they would broadcast) or that are no numbers."""
    if answer.shape != truth.shape:
        raise ShapeError(
            f"bias_variance: the predictions are {answer.shape} and the true values "
            f"{truth.shape}; let both be the same, as by .reshape(-1)"
        )
    if not np.isfinite(answer).all():
        raise RangeError(
            f"bias_variance: fit {fit} predicts NaN or infinity; its training has "
            "diverged: try a smaller learning rate"
        )
