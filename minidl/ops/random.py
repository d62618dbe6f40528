"""Random numbers, as Tensors: drawn on the host, from minidl's own generators.

Throughout:  shape  a tuple, or a number for one axis
             dtype  the default dtype, float32; the numbers are drawn in float64 and
                    cast, so that they are the same in every width, up to rounding
             rng    a Generator, a seed, or None for the next child of `md.seed`

So `md.seed(n)` gives the same numbers on every device. Nothing here has a gradient:
`mean + std * randn(…)` has one in mean and std (Kingma & Welling 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.backend import (
    DType,
    Seed,
    default_device,
    default_dtype,
    generator,
    to_device,
    to_numpy,
)
from minidl.engine.tensor import Tensor, TensorLike
from minidl.errors import RangeError, ShapeError

__all__ = ["multinomial", "normal", "rand", "randint", "randn", "uniform"]

Shape = int | Sequence[int]
Drawn = np.ndarray[Any, Any] | float


def rand(
    *shape: Any, dtype: DType | None = None, device: str | None = None, rng: Seed = None
) -> Tensor:
    """Return numbers from [0, 1), all equally likely: rand(2, 3) or rand((2, 3)).

    >>> y = rand(2, 3, rng=0)
    >>> y.shape, bool((y >= 0).all() and (y < 1).all())
    ((2, 3), True)
    """
    return uniform(0.0, 1.0, _lengths(shape), dtype, device, rng=rng)


def randn(
    *shape: Any, dtype: DType | None = None, device: str | None = None, rng: Seed = None
) -> Tensor:
    """Return numbers from N(0, 1): randn(2, 3) or randn((2, 3))."""
    return normal(0.0, 1.0, _lengths(shape), dtype, device, rng=rng)


def normal(
    mean: float = 0.0,
    std: float = 1.0,
    shape: Shape = (),
    dtype: Any = None,
    device: str | None = None,
    *,
    rng: Seed = None,
) -> Tensor:
    """Return numbers from N(mean, std²). Raises RangeError for a negative std."""
    if not std >= 0:
        raise RangeError(f"normal: std is {std}; a standard deviation is 0 or more")
    return _tensor(generator(rng).normal(mean, std, shape), dtype, device)


def uniform(
    low: float = 0.0,
    high: float = 1.0,
    shape: Shape = (),
    dtype: DType | None = None,
    device: str | None = None,
    *,
    rng: Seed = None,
) -> Tensor:
    """Return numbers from [low, high), all equally likely.

    Raises RangeError unless low < high.
    """
    if not low < high:
        raise RangeError(f"uniform: low={low} must be less than high={high}")
    dtype = np.dtype(dtype or default_dtype())
    y = np.asarray(generator(rng).uniform(low, high, shape), dtype)
    below = np.nextafter(dtype.type(high), dtype.type(low))  # a cast may round up
    return _tensor(np.minimum(y, below), dtype, device)


def randint(
    low: int,
    high: int | None = None,
    shape: Shape = (),
    device: str | None = None,
    *,
    rng: Seed = None,
) -> Tensor:
    """Return whole numbers low, low + 1, …, high − 1; or 0 … low − 1, as int64.

    Raises RangeError if there are none, and TypeError for a shape in place of `high`.

    >>> randint(0, 10, (2, 3), rng=0).shape
    (2, 3)
    """
    if isinstance(high, (tuple, list)):
        raise TypeError(
            f"randint takes low, high, shape; for randint({low}, {high}) write "
            f"randint(0, {low}, {high})"
        )
    if high is None:
        low, high = 0, low
    if not low < high:
        raise RangeError(f"randint: there is no whole number from {low} below {high}")
    return _tensor(generator(rng).integers(low, high, shape), np.int64, device)


def multinomial(
    p: TensorLike,
    n: int = 1,
    replacement: bool = False,
    device: str | None = None,
    *,
    rng: Seed = None,
) -> Tensor:
    """Return n classes drawn for each row.    p (K,) or (N, K) -> y (n,) or (N, n).

    p            weights, 0 or more; a row need not sum to 1. Scores become weights by
                 softmax
    replacement  whether a class may be drawn twice; without it, n classes in the order
                 in which they were drawn
    Raises RangeError for negative weights, for a row without a positive one, and for
    more classes than have a chance.
    """
    p = to_numpy(p).astype(np.float64)
    if p.ndim not in (1, 2):
        raise ShapeError(f"multinomial: p {p.shape} should be (K,) or (N, K)")
    rows = p.reshape(-1, p.shape[-1])
    if not (np.isfinite(rows).all() and (rows >= 0).all() and rows.any(axis=1).all()):
        raise RangeError(
            "multinomial: p are weights, finite, 0 or more, and one of each row above "
            "0; scores become weights by softmax(x)"
        )
    chances = (rows > 0).sum(axis=1)
    if n < 1 or (not replacement and (chances < n).any()):
        raise RangeError(
            f"multinomial: n={n} classes from rows of which one has "
            f"{chances.min()} with a weight above 0; give a smaller n, 1 or more, or "
            "replacement=True"
        )
    rng = generator(rng)
    drawn = [rng.choice(len(row), n, replacement, row / row.sum()) for row in rows]
    return _tensor(np.array(drawn).reshape(*p.shape[:-1], n), np.int64, device)


def _lengths(shape: tuple[Any, ...]) -> Any:
    """Take f((2, 3)) for f(2, 3)."""
    return shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape


def _tensor(drawn: Drawn, dtype: DType | None, device: str | None) -> Tensor:
    array = np.asarray(drawn, dtype or default_dtype())
    return Tensor(to_device(array, device or default_device()), copy=False)
