"""Attention layers: queries look at keys, and take home a mixture of their values.

Throughout:  N batch, L queries, S keys, D = dim features, heads of D / heads each
             mask        who may look at whom: (L, S), (N, L, S) or (N, heads, L, S)
             key_mask    (N, S), true where a key is a token, false where it is padding
Truth values say *may look*: that is what `ops.length_mask` gives and what PyTorch's
scaled_dot_product_attention takes; PyTorch's MultiheadAttention takes the opposite.
Floats are added to the scores. Who may look at nothing gets zeros from its heads.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from minidl import backend, ops
from minidl.backend import Array, Seed
from minidl.engine.tensor import Tensor, values
from minidl.errors import DTypeError, ShapeError
from minidl.nn import init
from minidl.nn.cache import KVCache
from minidl.nn.dropout import Dropout
from minidl.nn.interchange import Layout, State
from minidl.nn.linear import Linear
from minidl.nn.module import Module

PARTS = ("query", "key", "value")


class Projections(Layout):
    """PyTorch keeps the maps of query, key and value in one matrix, (3D, D).

    If keys or values have another length, it keeps three: q_proj_weight, ….
    """

    def read(self, state: State, module: Any) -> State:
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

    def write(self, state: State, module: Any) -> State:
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
        start = {"init": init.xavier_uniform, "rng": rng}
        self.query = Linear(dim, dim, bias, **start)  # type: ignore[arg-type]
        self.key = Linear(key_dim or dim, dim, bias, **start)  # type: ignore[arg-type]
        self.value = Linear(value_dim or dim, dim, bias, **start)  # type: ignore[arg-type]
        self.output = Linear(dim, dim, bias, **start)  # type: ignore[arg-type]
        self.dropout = Dropout(dropout, rng=rng)

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        *,
        mask: Any = None,
        key_mask: Any = None,
        causal: bool = False,
        cache: KVCache | None = None,
        weights: bool = False,
    ) -> Any:
        """Return y, or y and the weights."""
        own = key is None
        key = query if key is None else key
        value = key if value is None else value
        self._check(query, key, value)
        q = self._cut(self.query(query))
        k, v = self._keys(key, value, own, cache)
        mask = joined_masks(mask, key_mask, q.shape[0], k.shape[2])
        if weights or (self.training and self.dropout.p):
            p = attention_weights(q, k, mask, causal)
            y = self.dropout(p) @ v
        else:
            p = None
            y = ops.scaled_dot_product_attention(q, k, v, mask, causal=causal)
        y = self.output(ops.reshape(y.swapaxes(1, 2), shape=query.shape))
        return (y, p) if weights else y

    def multiply_adds(self, inputs: tuple[Any, ...], output: Any) -> int:
        """Return what q kᵀ and p v cost, N L S D each; the maps count themselves."""
        given = [x for x in inputs[:2] if x is not None]
        n, length, dim = inputs[0].shape
        return int(2 * n * length * given[-1].shape[1] * dim)

    def _keys(
        self, key: Tensor, value: Tensor, own: bool, cache: KVCache | None
    ) -> tuple[Any, Any]:
        """Return keys and values, those of the cache included."""
        if cache is not None and not own and (kept := cache.get(self, key.shape[:2])):
            return kept
        k, v = self._cut(self.key(key)), self._cut(self.value(value))
        if cache is None:
            return k, v
        return cache.append(self, k, v) if own else cache.keep(self, k, v)

    def _cut(self, x: Tensor) -> Tensor:
        """Deal features out to heads.    (N, L, D) -> (N, heads, L, D / heads)."""
        n, length, d = x.shape
        cut = ops.reshape(x, shape=(n, length, self.heads, d // self.heads))
        return cut.swapaxes(1, 2)  # type: ignore[no-any-return]

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        for what, x in (("query", query), ("key", key), ("value", value)):
            d = getattr(self, what).weight.shape[0]
            if x.ndim != 3 or x.shape[2] != d or not x.shape[1]:
                raise ShapeError(
                    f"MultiHeadAttention takes a {what} (N, T, {d}) with T ≥ 1, not "
                    f"{tuple(x.shape)}; x[None] makes one sequence a batch"
                )
        if key.shape[:2] != value.shape[:2] or key.shape[0] != query.shape[0]:
            raise ShapeError(
                f"MultiHeadAttention: query {tuple(query.shape)}, key "
                f"{tuple(key.shape)} and value {tuple(value.shape)} need one batch "
                "size, and one value for each key"
            )


def attention_weights(q: Any, k: Any, mask: Any = None, causal: bool = False) -> Any:
    """softmax(q kᵀ / √D), masked: the weights of `ops.scaled_dot_product_attention`."""
    s = ops.matmul(q * (1 / math.sqrt(q.shape[-1])), k.swapaxes(-1, -2))
    if causal:
        past = ops.causal_mask(s.shape[-2], s.shape[-1], like=s)
        s = ops.masked_fill(s, ~past, value=-math.inf)
    return ops.masked_softmax(s, mask)


def joined_masks(mask: Any, key_mask: Any, n: int, keys: int) -> Any:
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
