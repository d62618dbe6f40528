"""Choosing the next token by its score: the best one, or one by chance.

Throughout:  scores (N, V)    p probabilities (N, V)    V in the vocabulary
"""

from __future__ import annotations

import numpy as np

from minidl import backend, ops
from minidl.backend import Array, Seed, to_numpy
from minidl.engine.tensor import TensorLike
from minidl.errors import NonFiniteError, RangeError, ShapeError


def greedy(scores: TensorLike) -> Array:
    """Return the token with the best score.    (N, V) -> (N,)"""
    return on_host(scores).argmax(axis=1)


def probabilities(
    scores: TensorLike,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Array:
    """softmax(scores / temperature), of the likelier tokens only.    (N, V) -> p (N, V)

    temperature  below 1: bolder, towards greedy; above 1: wilder
    top_k        the k likeliest (Fan, Lewis & Dauphin 2018)
    top_p        of these the fewest that have a probability of top_p together: the
                 nucleus, small where the model is sure (Holtzman et al. 2020)

    >>> probabilities(np.log([[0.5, 0.3, 0.2]]), top_p=0.7).round(3)
    array([[0.625, 0.375, 0.   ]])
    """
    z = on_host(scores)
    if not 0 < temperature < np.inf:
        raise RangeError(f"temperature is {temperature}; it is above 0 (0 is `greedy`)")
    if top_k is not None and top_k < 1:
        raise RangeError(f"top_k is {top_k}; it is 1 or more, or None for all")
    if top_p is not None and not 0 < top_p <= 1:
        raise RangeError(f"top_p is {top_p}; it is in (0, 1], or None for all")
    order = ops.argsort(z, axis=1, descending=True)
    z = np.take_along_axis(z, order, axis=1)
    # region a7.13: softmax of the scores over the temperature
    p = np.exp((z - z.max(axis=1, keepdims=True)) / temperature)
    p /= p.sum(axis=1, keepdims=True)
    # endregion
    if top_k is not None:
        p[:, top_k:] = 0
        p /= p.sum(axis=1, keepdims=True)
    if top_p is not None:
        likelier = np.cumsum(p, axis=1) - p  # what comes before has so much already
        p = np.where(likelier < top_p, p, 0)
        p /= p.sum(axis=1, keepdims=True)
    y = np.empty_like(p)
    np.put_along_axis(y, order, p, axis=1)
    return y


class Sampler:
    """Draw the next token from `probabilities(scores, …)`.    (N, V) -> (N,)

    >>> Sampler(top_k=1, rng=0)(np.array([[0.0, 3.0, 1.0]]))
    array([1])
    """

    def __init__(
        self,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        *,
        rng: Seed = None,
    ) -> None:
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p
        self.rng = backend.generator(rng)

    def __call__(self, scores: TensorLike) -> Array:
        """Return one token for each row."""
        p = probabilities(scores, self.temperature, self.top_k, self.top_p)
        up_to = np.cumsum(p, axis=1)
        up_to /= up_to[:, -1:]
        return (up_to <= self.rng.random((len(p), 1))).sum(axis=1)


def on_host(scores: TensorLike) -> Array:
    """Return scores (N, V) on the host, as float64."""
    z = to_numpy(scores).astype(np.float64)
    if z.ndim != 2:
        raise ShapeError(
            f"scores of the next token have shape (N, V), and these {z.shape}; of "
            "scores (N, T, V), scores[:, -1] are those of what is next"
        )
    if np.isnan(z).any():
        raise NonFiniteError(
            "the scores of the next token hold NaN; look for it with `md.debug()`"
        )
    return z
