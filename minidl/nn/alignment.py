"""Attention with one head, between a decoder and what an encoder has read.

Throughout:  query (N, L, D), key (N, S, …), value (N, S, E); value defaults to key
             s scores (N, L, S)    key_mask (N, S), true where a key is a token
Every layer here returns the context (N, L, E), which is the mixture of the values, and
the weights of the mixture (N, L, S), to draw.
"""

from __future__ import annotations

import math
from typing import Any

from minidl import backend, ops
from minidl.backend import Seed
from minidl.engine.tensor import Tensor
from minidl.errors import RangeError, ShapeError
from minidl.nn import init
from minidl.nn.attention import joined_masks
from minidl.nn.linear import Linear
from minidl.nn.module import Module


class DotAttention(Module):
    """Context = softmax(q kᵀ) v, with nothing to learn.    Luong et al. 2015, "dot".

    query (N, L, D), key (N, S, D), value (N, S, E) -> context (N, L, E) and weights
    (N, L, S). value defaults to key. scaled: divide the scores by √D.
    """

    def __init__(self, scaled: bool = True) -> None:
        self.scaled = scaled

    def forward(
        self, query: Tensor, key: Tensor, value: Any = None, key_mask: Any = None
    ) -> tuple[Tensor, Tensor]:
        """Return context and weights."""
        _check_scores(self, query, key, query.shape[-1], query.shape[-1])
        scale = 1 / math.sqrt(query.shape[-1]) if self.scaled else 1.0
        s = ops.matmul(query * scale, key.swapaxes(axis1=1, axis2=2))
        return _mixed(s, key if value is None else value, key_mask)

    def multiply_adds(self, inputs: tuple[Any, ...], output: Any) -> int:
        """Return what q kᵀ and p v cost: N L S numbers, of D and of E products."""
        context, p = output
        return int(p.size * (inputs[0].shape[-1] + context.shape[-1]))


class AdditiveAttention(Module):
    """Context = softmax(s) v,  sᵢⱼ = w · tanh(qᵢ Wq + kⱼ Wk).    Bahdanau et al. 2015.

    query (N, L, query_dim), key (N, S, key_dim), value (N, S, E) -> context (N, L, E)
    and weights (N, L, S). value defaults to key. The first attention of all: between a
    decoder's state and what an encoder read.
    """

    def __init__(
        self, query_dim: int, key_dim: int, hidden: int, *, rng: Seed = None
    ) -> None:
        if hidden < 1:
            raise RangeError(f"AdditiveAttention: hidden is {hidden}; it is 1 or more")
        rng = backend.generator(rng)
        start = init.xavier_uniform
        self.query = Linear(query_dim, hidden, bias=True, init=start, rng=rng)
        self.key = Linear(key_dim, hidden, bias=False, init=start, rng=rng)
        self.score = Linear(hidden, 1, bias=False, init=start, rng=rng)

    def forward(
        self, query: Tensor, key: Tensor, value: Any = None, key_mask: Any = None
    ) -> tuple[Tensor, Tensor]:
        """Return context and weights."""
        d, e = self.query.weight.shape[0], self.key.weight.shape[0]
        _check_scores(self, query, key, d, e)
        w = ops.reshape(self.score.weight, shape=(-1,))
        s = ops.additive_scores(self.query(query), self.key(key), w)
        return _mixed(s, key if value is None else value, key_mask)

    def multiply_adds(self, inputs: tuple[Any, ...], output: Any) -> int:
        """Return what w · tanh(…) and p v cost; both maps count themselves."""
        context, p = output
        return int(p.size * (self.score.weight.size + context.shape[-1]))


def _mixed(s: Any, value: Any, key_mask: Any) -> tuple[Any, Any]:
    """Return the mixture of values by the scores s, and the weights."""
    mask = joined_masks(None, key_mask, s.shape[0], s.shape[2])
    p = ops.masked_softmax(s, None if mask is None else mask[:, 0])
    return ops.matmul(p, value), p


def _check_scores(layer: Module, query: Any, key: Any, d: int, e: int) -> None:
    fits = query.ndim == key.ndim == 3 and len(query) == len(key)
    if not fits or (query.shape[2], key.shape[2]) != (d, e) or not key.shape[1]:
        raise ShapeError(
            f"{type(layer).__name__} takes query (N, L, {d}) and key (N, S, {e}), S ≥ "
            f"1, and got {tuple(query.shape)} and {tuple(key.shape)}"
        )
