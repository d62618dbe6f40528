"""Attention layers: queries look at keys, and return a mixture of their values.

Throughout:  N batch, L queries, S keys, D = dim features, heads of D / heads each
             s scores (N, L, S), p weights: their softmax
             mask        who may look at whom: (L, S), (N, L, S) or (N, heads, L, S)
             key_mask    (N, S), true where a key is a token, false where it is padding
Truth values say *may look*: that is what `ops.length_mask` gives and what PyTorch's
scaled_dot_product_attention takes; PyTorch's MultiheadAttention takes the opposite.
Floats are added to the scores. Who may look at nothing gets zeros from its heads.
One sequence (L, D) needs no batch: then nothing beside it has one, and y has none.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from minidl import backend, ops
from minidl.backend import Array, Seed
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.nn import init
from minidl.nn.cache import KVCache
from minidl.nn.dropout import Dropout
from minidl.nn.interchange import Layout, State
from minidl.nn.layer import takes_one
from minidl.nn.linear import Linear
from minidl.nn.module import Module
from minidl.ops.attention import dot_scores

__all__ = ["AdditiveAttention", "DotAttention", "MultiHeadAttention"]

# One head, between a decoder and what an encoder has read: query (N, L, D), key
# (N, S, …) and value (N, S, E), which defaults to key. Both layers return the context
# (N, L, E), the mixture of the values, and the weights (N, L, S), to draw.


class DotAttention(Module):
    """Context = softmax(q kᵀ) v, with nothing to learn.    Luong et al. 2015, "dot".

    query (N, L, D), key (N, S, D), value (N, S, E) -> context (N, L, E) and weights
    (N, L, S). value defaults to key. scaled: divide the scores by √D.
    """

    def __init__(self, scaled: bool = True) -> None:
        self.scaled = scaled

    @takes_one(2)
    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: TensorLike | None = None,
        key_mask: TensorLike | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return context and weights."""
        _check_scores(self, query, key, query.shape[-1], query.shape[-1])
        s, _ = dot_scores(query, key, None if self.scaled else 1.0)
        return _mixed(s, key if value is None else value, key_mask)

    def multiply_adds(
        self, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]
    ) -> int:
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

    @takes_one(2)
    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: TensorLike | None = None,
        key_mask: TensorLike | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return context and weights."""
        d, e = self.query.weight.shape[0], self.key.weight.shape[0]
        _check_scores(self, query, key, d, e)
        w = ops.reshape(self.score.weight, shape=(-1,))
        s = ops.additive_scores(self.query(query), self.key(key), w)
        return _mixed(s, key if value is None else value, key_mask)

    def multiply_adds(
        self, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]
    ) -> int:
        """Return what w · tanh(…) and p v cost; both maps count themselves."""
        context, p = output
        return int(p.size * (self.score.weight.size + context.shape[-1]))


def _mixed(s: Any, value: TensorLike, key_mask: TensorLike | None) -> tuple[Any, Any]:
    """Return the mixture of values by the scores s, and the weights."""
    mask = joined_masks(None, key_mask, s.shape[0], s.shape[2])
    mask = None if mask is None else mask[:, 0]
    # region a8.3: weights of the scores, and the mixture of the values
    p = ops.masked_softmax(s, mask)
    context = ops.matmul(p, value)
    # endregion
    return context, p


def _check_scores(
    layer: Module, query: TensorLike, key: TensorLike, d: int, e: int
) -> None:
    fits = query.ndim == key.ndim == 3 and len(query) == len(key)
    if not fits or (query.shape[2], key.shape[2]) != (d, e) or not key.shape[1]:
        raise ShapeError(
            f"{type(layer).__name__} takes query (N, L, {d}) and key (N, S, {e}), S ≥ "
            f"1, or both without N, and got {tuple(query.shape)} and {tuple(key.shape)}"
        )


# Many heads

PARTS = ("query", "key", "value")


class Projections(Layout):
    """PyTorch keeps the maps of query, key and value in one matrix, (3D, D).

    If keys or values have another length, it keeps three: q_proj_weight, ….
    """

    def read(self, state: State, module: Module) -> State:
        """Return the state of four Linear layers, as PyTorch lays them out."""
        ours: State = {}
        for name, array in state.items():
            if name.startswith("in_proj_"):
                kind = name.removeprefix("in_proj_")
                cut = np.split(array, 3) if len(array) % 3 == 0 else [array]
                thirds = zip(PARTS, cut, strict=False)
                ours |= {f"{part}.{kind}": third for part, third in thirds}
            elif name.endswith("_proj_weight"):
                part = next(p for p in PARTS if p[0] == name[0])
                ours[f"{part}.weight"] = array
            else:
                ours[name.replace("out_proj.", "output.")] = array
        return super().read(ours, module)

    def write(self, state: State, module: Module) -> State:
        """Return PyTorch's arrays from those of four Linear layers."""
        state = super().write(state, module)
        theirs = {
            name.replace("output.", "out_proj."): array
            for name, array in state.items()
            if name.split(".")[0] not in PARTS
        }
        weights = [state[f"{part}.weight"] for part in PARTS]
        if len({w.shape for w in weights}) == 1:
            theirs["in_proj_weight"] = np.concatenate(weights)
        else:
            names = (f"{part[0]}_proj_weight" for part in PARTS)
            theirs |= dict(zip(names, weights, strict=True))
        if "query.bias" in state:
            biases = [state[f"{part}.bias"] for part in PARTS]
            theirs["in_proj_bias"] = np.concatenate(biases)
        return theirs


class MultiHeadAttention(Module):
    """Every head attends with maps of its own; their mixtures are joined and mapped.

    query (N, L, D), key (N, S, key_dim), value (N, S, value_dim) -> y (N, L, D).
    headᵢ = softmax(Q Wqᵢ (K Wkᵢ)ᵀ / √dₕ) V Wvᵢ,  y = [head₁ … headₕ] Wo.    Vaswani et
    al. 2017, section 3.2.2. Called with the query alone it is self-attention; value
    defaults to key.

    causal   no query sees what comes after it
    weights  return also the weights (N, heads, L, S), to draw or to use
    cache    keys and values of tokens seen before: see KVCache
    dropout  probability to drop a weight, in training

    >>> MultiHeadAttention(8, heads=2, rng=0)(np.ones((1, 3, 8), np.float32)).shape
    (1, 3, 8)
    """

    torch_layout: ClassVar[Layout] = Projections()

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        dropout: float = 0.0,
        bias: bool = True,
        key_dim: int | None = None,
        value_dim: int | None = None,
        rng: Seed = None,
    ) -> None:
        if heads < 1 or dim % heads:
            raise ShapeError(
                f"MultiHeadAttention: {dim} features cannot be shared among {heads} "
                "heads equally; heads must divide dim"
            )
        rng = backend.generator(rng)
        self.heads = heads
        start: dict[str, Any] = {"init": init.xavier_uniform, "rng": rng}
        self.query = Linear(dim, dim, bias, **start)
        self.key = Linear(key_dim or dim, dim, bias, **start)
        self.value = Linear(value_dim or dim, dim, bias, **start)
        self.output = Linear(dim, dim, bias, **start)
        self.dropout = Dropout(dropout, rng=rng)

    @takes_one(2)
    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        *,
        mask: TensorLike | None = None,
        key_mask: TensorLike | None = None,
        causal: bool = False,
        cache: KVCache | None = None,
        weights: bool = False,
    ) -> Any:
        """Return y, or y and the weights."""
        own = key is None
        key = query if key is None else key
        value = key if value is None else value
        self._check(query, key, value)
        q = split_heads(self.query(query), self.heads)
        k, v = self._keys(key, value, own, cache)
        mask = joined_masks(mask, key_mask, q.shape[0], k.shape[2])
        if weights or (self.training and self.dropout.p):
            p = attention_weights(q, k, mask, causal)
            y = self.dropout(p) @ v
        else:
            p = None
            y = ops.scaled_dot_product_attention(q, k, v, mask, causal=causal)
        y = self.output(join_heads(y))
        return (y, p) if weights else y

    def multiply_adds(self, inputs: tuple[Any, ...], output: Any) -> int:
        """Return what q kᵀ and p v cost, N L S D each; the maps count themselves."""
        given = [x for x in inputs[:2] if x is not None]
        return int(2 * inputs[0].size * given[-1].shape[-2])

    def _keys(
        self, key: Tensor, value: Tensor, own: bool, cache: KVCache | None
    ) -> tuple[Any, Any]:
        """Return keys and values, those of the cache included."""
        if cache is not None and not own and (kept := cache.get(self, key.shape[:2])):
            return kept
        k = split_heads(self.key(key), self.heads)
        v = split_heads(self.value(value), self.heads)
        if cache is None:
            return k, v
        return cache.append(self, k, v) if own else cache.keep(self, k, v)

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        for what, x in (("query", query), ("key", key), ("value", value)):
            d = getattr(self, what).weight.shape[0]
            if x.ndim != 3 or x.shape[2] != d or not x.shape[1]:
                raise ShapeError(
                    f"MultiHeadAttention takes a {what} (N, T, {d}) with T ≥ 1, or "
                    f"all of them without N, not {tuple(x.shape)}"
                )
        if key.shape[:2] != value.shape[:2] or key.shape[0] != query.shape[0]:
            raise ShapeError(
                f"MultiHeadAttention: query {tuple(query.shape)}, key "
                f"{tuple(key.shape)} and value {tuple(value.shape)} need one batch "
                "size, and one value for each key"
            )


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Share the features out among the heads.    (N, L, D) -> (N, heads, L, D / heads).

    The first head gets the first D / heads features of every token.
    """
    # region a8.7: cut the features, then heads before tokens
    n, length, d = x.shape
    cut = ops.reshape(x, shape=(n, length, heads, d // heads))
    parts: Tensor = cut.swapaxes(1, 2)
    # endregion
    return parts


def join_heads(parts: Tensor) -> Tensor:
    """Return the features of all heads, side by side: undo `split_heads`."""
    # region a8.8: tokens before heads, then the features of all heads in a row
    n, heads, length, size = parts.shape
    x: Tensor = ops.reshape(parts.swapaxes(1, 2), shape=(n, length, heads * size))
    # endregion
    return x


# Weights and masks


def attention_weights(
    q: TensorLike, k: TensorLike, mask: TensorLike | None = None, causal: bool = False
) -> Any:
    """softmax(q kᵀ / √D), masked: the weights of `ops.scaled_dot_product_attention`."""
    s, _ = dot_scores(q, k, causal=causal)
    return ops.masked_softmax(s, mask)


def joined_masks(mask: TensorLike, key_mask: TensorLike, n: int, keys: int) -> Any:
    """Return both masks as one that stretches to (N, heads, L, S)."""
    if mask is not None and mask.ndim == 3:
        mask = mask[:, None]
    if key_mask is None:
        return mask
    tokens: Array = values(key_mask)
    if tokens.shape != (n, keys) or tokens.dtype.kind != "b":
        raise (DTypeError if tokens.dtype.kind != "b" else ShapeError)(
            f"key_mask should be truth values of shape ({n}, {keys}), true where a key "
            f"is a token (not padding); it is {tokens.dtype} {tuple(tokens.shape)}"
        )
    tokens = tokens[:, None, None, :]
    if mask is None:
        return tokens
    if values(mask).dtype.kind == "b":
        return values(mask) & tokens
    return ops.where(tokens, mask, -math.inf)
