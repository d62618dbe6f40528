"""Positions: attention sees a set of tokens; these say which comes when.

Throughout:  x input (…, T, D)    t position, counted from `start`    k pair of features
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl import backend, ops
from minidl.backend import Array, Seed
from minidl.engine.tensor import Tensor
from minidl.errors import RangeError, ShapeError
from minidl.nn import init
from minidl.nn.dropout import Dropout
from minidl.nn.module import Module, Parameter

__all__ = ["LearnedPositions", "PositionalEncoding", "RoPE"]


def sinusoids(length: int, dim: int) -> np.ndarray[Any, Any]:
    """P[t, 2k] = sin(t / 10000^(2k/D)),  P[t, 2k+1] = cos(…).    -> (length, D).

    Vaswani et al. 2017, section 3.5. A shift in time is a rotation of every pair.

    >>> sinusoids(2, 4).round(2)
    array([[0.  , 1.  , 0.  , 1.  ],
           [0.84, 0.54, 0.01, 1.  ]])
    """
    # region a8.10: an angle for each time and pair; sine and cosine take turns
    k = np.arange(0, dim, 2)
    angle = np.arange(length)[:, None] * np.exp(k * (-math.log(10000) / dim))
    p = np.empty((length, dim))
    p[:, 0::2] = np.sin(angle)
    p[:, 1::2] = np.cos(angle[:, : dim // 2])
    # endregion
    return p


class PositionalEncoding(Module):
    """y = x + P, with the sines and cosines of `sinusoids`; then dropout.

    x (…, T, D) -> y like x. It learns nothing, and takes sequences of any length; its
    table is made when it is needed, and is no part of the state.
    """

    def __init__(self, dim: int, dropout: float = 0.0, *, rng: Seed = None) -> None:
        self.dim = dim
        self.dropout = Dropout(dropout, rng=rng)
        self._tables: dict[tuple[str, str], Array] = {}

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """Return x with its positions; its first token stands at `start`."""
        end = _end(self, x, start, self.dim)
        y: Tensor = self.dropout(x + self._table(x, end)[start:end])
        return y

    def _table(self, x: Tensor, length: int) -> Array:
        """Return `length` rows of the table or more, in the dtype and at home of x."""
        place = (x.device, str(x.dtype))
        table = self._tables.get(place)
        if table is None or len(table) < length:
            rows = length if table is None else max(length, 2 * len(table))
            longer = sinusoids(rows, self.dim).astype(x.dtype)
            table = backend.to_device(longer, x.device)
            self._tables[place] = table
        return table


class LearnedPositions(Module):
    """y = x + W, a learned row for each position; then dropout.

    x (…, T, D) -> y like x, for T up to `max_length`. W (max_length, D) starts as
    N(0, 0.02²), as in GPT (Radford et al. 2018).
    """

    def __init__(
        self, max_length: int, dim: int, dropout: float = 0.0, *, rng: Seed = None
    ) -> None:
        rng = backend.generator(rng)
        self.weight = Parameter(init.normal((max_length, dim), std=0.02, rng=rng))
        self.dropout = Dropout(dropout, rng=rng)

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """Return x with its positions; its first token stands at `start`."""
        length, dim = self.weight.shape
        end = _end(self, x, start, dim)
        if end > length:
            raise RangeError(
                f"LearnedPositions has {length} positions, and the last token of x "
                f"{tuple(x.shape)} would stand at {end - 1}; make it longer, or give "
                "it fewer tokens"
            )
        y: Tensor = self.dropout(x + ops.getitem(self.weight, index=slice(start, end)))
        return y


class RoPE(Module):
    """Turn pairs of features by angles that grow with time: see `ops.rope`.

    x (…, T, D) -> y like x, for queries and keys alike, before their product; it learns
    nothing and takes any length.    Su et al. 2021.
    """

    def __init__(self, base: float = 10000.0) -> None:
        self.base = base

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """Return x turned; its first token stands at `start`."""
        y: Tensor = ops.rope(x, start=start, base=self.base)
        return y


def _end(layer: Module, x: Tensor, start: int, dim: int) -> int:
    """Return the position after the last token, if x fits."""
    if x.ndim < 2 or x.shape[-1] != dim:
        raise ShapeError(
            f"{type(layer).__name__} was made for x (N, T, {dim}), and got "
            f"{tuple(x.shape)}"
        )
    if start < 0:
        raise RangeError(f"{type(layer).__name__}: start is {start}; it is 0 or more")
    end: int = start + x.shape[-2]
    return end
