"""Transformer layers: attention moves between tokens, a small network thinks on each.

Throughout:  x (N, T, D), one row a token    memory (N, S, D), what an encoder made
             f a part of the layer: attention, or feed-forward
             mask, key_mask  who may look at whom: see nn/attention.py

Around every part goes a shortcut (He et al. 2016) and a layer norm, in one of two ways:
    post-norm  x ← norm(x + dropout(f(x)))    Vaswani et al. 2017, section 3.1
    pre-norm   x ← x + dropout(f(norm(x)))    Xiong et al. 2020: it trains without
               warmup, and wants one more norm after the last layer
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

from minidl import backend, ops
from minidl.backend import Seed
from minidl.engine.tensor import Tensor, TensorLike
from minidl.errors import RangeError
from minidl.nn import init
from minidl.nn.attention import MultiHeadAttention
from minidl.nn.cache import KVCache
from minidl.nn.dropout import Dropout
from minidl.nn.interchange import Layout, State
from minidl.nn.linear import Linear
from minidl.nn.module import Module
from minidl.nn.norm import LayerNorm

__all__ = ["TransformerDecoderLayer", "TransformerEncoderLayer"]

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": ops.relu,
    "gelu": ops.gelu,
    "gelu_tanh": functools.partial(ops.gelu, approximate="tanh"),
}


class Renamed(Layout):
    """Parts that PyTorch calls otherwise: our name → its name, as prefixes."""

    def read(self, state: State, module: Module) -> State:
        """Return the same arrays under our names."""
        swap = {theirs: ours for ours, theirs in self.names.items()}
        return {_swapped(name, swap): array for name, array in state.items()}

    def write(self, state: State, module: Module) -> State:
        """Return the same arrays under PyTorch's names."""
        return {_swapped(name, self.names): array for name, array in state.items()}


def _swapped(name: str, names: dict[str, str]) -> str:
    first, dot, rest = name.partition(".")
    return names.get(first, first) + dot + rest


class _Layer(Module):
    """What encoder and decoder layers have in common: shortcuts and feed-forward."""

    def __init__(
        self,
        dim: int,
        hidden: int | None,
        dropout: float,
        activation: str,
        norm_first: bool,
        bias: bool,
        rng: Seed,
    ) -> None:
        if activation not in ACTIVATIONS:
            names = ", ".join(ACTIVATIONS)
            raise RangeError(f"activation is one of {names}, not {activation!r}")
        hidden = 4 * dim if hidden is None else hidden
        self.norm_first, self.activation = norm_first, activation
        xavier = init.xavier_uniform
        self.linear1 = Linear(dim, hidden, bias, rng=rng)  # before a ReLU
        self.linear2 = Linear(hidden, dim, bias, init=xavier, rng=rng)
        self.dropout = Dropout(dropout, rng=rng)

    def _around(
        self, norm: LayerNorm, f: Callable[[Tensor], Tensor], x: Tensor
    ) -> Tensor:
        """Return x after one part, with its shortcut and its norm."""
        # region a8.11: add what f says; the norm stands before f, or after the sum
        if self.norm_first:
            x = x + self.dropout(f(norm(x)))
        else:
            x = norm(x + self.dropout(f(x)))
        # endregion
        return x

    def _feed_forward(self, x: Tensor) -> Tensor:
        """max(0, x W₁ + b₁) W₂ + b₂, on every token alone."""
        hidden = ACTIVATIONS[self.activation](self.linear1(x))
        y: Tensor = self.linear2(self.dropout(hidden))
        return y


class TransformerEncoderLayer(_Layer):
    """Self-attention, then feed-forward.    x (N, T, D) -> y (N, T, D).

    hidden      width of the feed-forward network; 4 D by default
    dropout     on attention weights, inside feed-forward, and on what is added
    activation  "relu", "gelu", or "gelu_tanh", the approximation that GPT-2 uses
    norm_first  pre-norm rather than post-norm
    With causal=True it is the layer of a GPT; then a cache serves generation.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        hidden: int | None = None,
        dropout: float = 0.1,
        activation: str = "relu",
        norm_first: bool = False,
        eps: float = 1e-5,
        bias: bool = True,
        *,
        rng: Seed = None,
    ) -> None:
        rng = backend.generator(rng)
        settings: dict[str, Any] = {"dropout": dropout, "bias": bias, "rng": rng}
        self.self_attn = MultiHeadAttention(dim, heads, **settings)
        super().__init__(dim, hidden, dropout, activation, norm_first, bias, rng)
        self.norm1 = LayerNorm(dim, eps, bias=bias)
        self.norm2 = LayerNorm(dim, eps, bias=bias)

    def forward(
        self,
        x: Tensor,
        *,
        mask: TensorLike | None = None,
        key_mask: TensorLike | None = None,
        causal: bool = False,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Return x after self-attention and feed-forward, each with a shortcut."""
        given = {"mask": mask, "key_mask": key_mask, "causal": causal, "cache": cache}
        x = self._around(self.norm1, lambda z: self.self_attn(z, **given), x)
        return self._around(self.norm2, self._feed_forward, x)


class TransformerDecoderLayer(_Layer):
    """Causal self-attention, attention to an encoder's output, feed-forward.

    x (N, T, D), memory (N, S, D) -> y (N, T, D). The settings are those of
    TransformerEncoderLayer. Here `causal` is on unless it is switched off.
    """

    torch_layout: ClassVar[Layout] = Renamed({"cross_attn": "multihead_attn"})

    def __init__(
        self,
        dim: int,
        heads: int,
        hidden: int | None = None,
        dropout: float = 0.1,
        activation: str = "relu",
        norm_first: bool = False,
        eps: float = 1e-5,
        bias: bool = True,
        *,
        rng: Seed = None,
    ) -> None:
        rng = backend.generator(rng)
        settings: dict[str, Any] = {"dropout": dropout, "bias": bias, "rng": rng}
        self.self_attn = MultiHeadAttention(dim, heads, **settings)
        self.cross_attn = MultiHeadAttention(dim, heads, **settings)
        super().__init__(dim, hidden, dropout, activation, norm_first, bias, rng)
        self.norm1 = LayerNorm(dim, eps, bias=bias)
        self.norm2 = LayerNorm(dim, eps, bias=bias)
        self.norm3 = LayerNorm(dim, eps, bias=bias)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        *,
        mask: TensorLike | None = None,
        key_mask: TensorLike | None = None,
        memory_mask: TensorLike | None = None,
        memory_key_mask: TensorLike | None = None,
        causal: bool = True,
        cache: KVCache | None = None,
        weights: bool = False,
    ) -> Any:
        """Return y; with `weights` also those of x on memory, (N, heads, T, S)."""
        own = {"mask": mask, "key_mask": key_mask, "causal": causal, "cache": cache}
        there = {"mask": memory_mask, "key_mask": memory_key_mask, "cache": cache}
        seen = []

        def look(z: Tensor) -> Tensor:
            found = self.cross_attn(z, memory, weights=weights, **there)
            y: Tensor = found[0] if weights else found
            if weights:
                seen.append(found[1])
            return y

        # region a8.12: look at what was written, look at the memory, feed forward
        x = self._around(self.norm1, lambda z: self.self_attn(z, **own), x)
        x = self._around(self.norm2, look, x)
        y = self._around(self.norm3, self._feed_forward, x)
        # endregion
        return (y, seen[0]) if weights else y
