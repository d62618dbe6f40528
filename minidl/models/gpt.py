"""GPT: a transformer that sees what was written, and scores what comes next.

`python -m examples.gpt --minutes 15` trains it on Shakespeare.

Throughout:  tokens (N, T)    V in the vocabulary    scores (N, T, V) of what is next
             D features    C the context: how many tokens it sees at once
"""

from __future__ import annotations

from typing import NamedTuple

from minidl import backend, nn, ops
from minidl.backend import Array, Seed, namespace
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.errors import RangeError
from minidl.models.decoding import Memory


class Written(NamedTuple):
    """What a GPT remembers: all tokens (N, T), where its window begins, the cache."""

    tokens: Array
    start: int
    cache: nn.KVCache


class GPT(nn.Module):
    """Embeddings and positions, blocks of causal self-attention, scores by Eᵀ.

    tokens (N, T) -> scores (N, T, V), T ≤ C.    Radford et al. 2018 and 2019: norms
    stand before each part, what is added to the stream starts smaller by 1 / √(2
    layers), and the table of embeddings also scores (Press & Wolf 2017).

    vocabulary  V        dim    D           heads    of attention; they divide D
    context     C        layers of blocks   dropout  as in nn.TransformerEncoderLayer

    >>> GPT(10, context=8, dim=8, heads=2, layers=1, rng=0)([[1, 2, 3]]).shape
    (1, 3, 10)
    """

    def __init__(
        self,
        vocabulary: int,
        context: int = 128,
        dim: int = 128,
        heads: int = 4,
        layers: int = 4,
        dropout: float = 0.1,
        *,
        rng: Seed = None,
    ) -> None:
        if context < 2:
            raise RangeError(f"GPT: context is {context}; it is 2 tokens or more")
        rng = backend.generator(rng)
        self.context = context
        self.embedding = nn.Embedding(vocabulary, dim, init=_small, rng=rng)
        self.positions = nn.LearnedPositions(context, dim, dropout, rng=rng)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                dim, heads, dropout=dropout, activation="gelu", norm_first=True, rng=rng
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim)
        for block in self.blocks:
            for added in (block.self_attn.output, block.linear2):
                added.weight.data /= (2 * layers) ** 0.5

    def forward(self, tokens: TensorLike, cache: nn.KVCache | None = None) -> Tensor:
        """Return scores at every time; with a cache, `tokens` are the new ones only."""
        # region a8.13: new tokens stand after those in the cache; none sees a later one
        start = 0 if cache is None else len(cache)
        x = self.positions(self.embedding(tokens), start=start)
        for block in self.blocks:
            x = block(x, causal=True, cache=cache)
        # endregion
        return self.embedding.scores(self.norm(x))

    def look(self, tokens: TensorLike) -> Tensor:
        """Return where each token looked, (N, layers, heads, T, T): maps to draw."""
        x, maps = self.positions(self.embedding(tokens)), []
        for block in self.blocks:
            _, weights = block.self_attn(block.norm1(x), causal=True, weights=True)
            maps.append(weights)
            x = block(x, causal=True)
        return ops.stack(maps, axis=1)  # type: ignore[no-any-return]

    def read(self, tokens: TensorLike, state: Memory = None) -> tuple[Tensor, Written]:
        """Return the scores of what is next, and what is remembered: see decoding.py.

        When the context is full, the window moves on by half of it and is read again:
        so a text of any length costs two readings of each token, not C. The window is
        told by the length of the text, so it is the same without a cache.
        """
        new = tokens = values(tokens)
        if state is not None:
            tokens = namespace(new).concatenate([state.tokens, new], axis=1)
        half = self.context // 2
        start = half * max(0, -((self.context - tokens.shape[1]) // half))
        if state is None or start != state.start:
            state, new = Written(tokens, start, nn.KVCache()), tokens[:, start:]
        scores = self(new, cache=state.cache)
        return scores[:, -1], Written(tokens, start, state.cache)

    def select(self, state: Memory, rows: TensorLike) -> Written:
        """Return the state of these sequences; the old one is used up."""
        state.cache.select(rows)
        return Written(state.tokens[values(rows)], state.start, state.cache)


def _small(shape: tuple[int, ...], *, rng: Seed = None) -> Array:
    """N(0, 0.02²), as in GPT."""
    return nn.init.normal(shape, std=0.02, rng=rng)
