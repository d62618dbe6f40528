"""Captioning: a convolutional network encodes images, and a decoder describes them.

`python -m examples.captioner --minutes 5` learns the names of emoji.

Throughout:  x images (N, C, H, W)    places (N, S, D): features of S = H W / 64 places
             tokens (N, T), padded with 0    scores (N, T, V) of what is next
"""

from __future__ import annotations

from typing import Any, NamedTuple

from minidl import backend, nn, ops
from minidl.backend import Seed
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.models.cnn import ConvFeatures
from minidl.models.decoding import Memory
from minidl.models.seq2seq import Decoder, Saying, Speaker

CHANNELS = (32, 64, 128)


class Captioner(Speaker):
    """An LSTM starts from the image, and with attention also looks at its places.

    x, tokens (N, T), which begin with a start token -> scores (N, T, V).
    Without attention: "Show and tell", Vinyals et al. 2015; with it: "Show, attend and
    tell", Xu et al. 2015. In both the state starts from the mean of all places, as in
    the latter.
    """

    def __init__(
        self,
        vocabulary: int,
        dim: int = 64,
        hidden: int = 128,
        dropout: float = 0.0,
        attention: bool = True,
        *,
        channels: tuple[int, ...] = CHANNELS,
        n_in: int = 3,
        rng: Seed = None,
    ) -> None:
        rng, features = backend.generator(rng), channels[-1]
        self.eye = ConvFeatures(n_in, channels, rng=rng)
        self.dropout = nn.Dropout(dropout, rng=rng)
        xavier = nn.init.xavier_uniform
        self.bridge = nn.Linear(features, 2 * hidden, init=xavier, rng=rng)
        self.decoder = Decoder(
            vocabulary, dim, hidden, features, dropout, attention, rng=rng
        )

    def start(self, x: TensorLike) -> Saying:
        """Look at images, and return the state that the decoder starts from."""
        places = self.dropout(self.eye.places(x))
        start = ops.tanh(self.bridge(places.mean(axis=1)))
        h, c = ops.split(start, sections=2, axis=1)
        return Saying((h[None], c[None]), places)

    def forward(self, x: TensorLike, tokens: TensorLike) -> Tensor:
        """Return scores."""
        scores: Tensor = self.decoder(tokens, self.start(x))[0]
        return scores

    def look(self, x: TensorLike, tokens: TensorLike) -> Tensor:
        """Return where it looked before each word, (N, T, S): maps to draw.

        Row t is that of the word which follows tokens[:, t]; so `tokens` are a start
        token and then the words, the true ones or those that the model said itself.
        """
        return self.decoder.look(tokens, self.start(x))


class Looking(NamedTuple):
    """The state of TransformerCaptioner: the places, and what was said."""

    places: Any
    cache: nn.KVCache | None = None


class TransformerCaptioner(nn.Module):
    """A transformer's decoder looks at the places.    x, tokens -> scores (N, T, V).

    Vaswani et al. 2017, with an image for the other language.
    """

    def __init__(
        self,
        vocabulary: int,
        dim: int = 64,
        heads: int = 4,
        layers: int = 2,
        dropout: float = 0.1,
        *,
        channels: tuple[int, ...] = CHANNELS,
        n_in: int = 3,
        rng: Seed = None,
    ) -> None:
        rng = backend.generator(rng)
        self.eye = ConvFeatures(n_in, channels, rng=rng)
        self.dropout = nn.Dropout(dropout, rng=rng)
        self.bridge = nn.Linear(channels[-1], dim, rng=rng)
        self.embedding = nn.Embedding(vocabulary, dim, rng=rng)
        self.positions = nn.PositionalEncoding(dim, dropout, rng=rng)
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(
                dim, heads, dropout=dropout, norm_first=True, rng=rng
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.output = nn.Linear(dim, vocabulary, init="head", rng=rng)

    def start(self, x: TensorLike) -> Looking:
        """Look at images: the state before the first word."""
        return Looking(self.bridge(self.dropout(self.eye.places(x))))

    def forward(self, x: TensorLike, tokens: TensorLike) -> Tensor:
        """Return scores."""
        return self._say(tokens, self.start(x))

    def look(self, x: TensorLike, tokens: TensorLike) -> Tensor:
        """Return where it looked before each word, (N, layers, heads, T, S)."""
        places, maps = self.start(x).places, []
        y = self.positions(self.embedding(tokens))
        for layer in self.layers:
            y, weights = layer(y, places, weights=True)
            maps.append(weights)
        return ops.stack(maps, axis=1)  # type: ignore[no-any-return]

    def _say(self, tokens: TensorLike, state: Looking) -> Tensor:
        begin = 0 if state.cache is None else len(state.cache)
        y = self.positions(self.embedding(tokens), start=begin)
        for layer in self.layers:
            y = layer(y, state.places, cache=state.cache)
        scores: Tensor = self.output(self.norm(y))
        return scores

    def read(self, tokens: TensorLike, state: Memory = None) -> tuple[Tensor, Looking]:
        """Return the scores of what is next, and the state: see decoding.py."""
        if state.cache is None:
            state = Looking(state.places, nn.KVCache())
        return self._say(tokens, state)[:, -1], state

    def select(self, state: Memory, rows: TensorLike) -> Looking:
        """Return the state of these sequences; the old one is used up."""
        if state.cache is not None:
            state.cache.select(rows)
        return Looking(ops.take(state.places, values(rows), axis=0), state.cache)
