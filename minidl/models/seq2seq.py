"""Sequence to sequence: one network reads, another one writes and looks back.

`python -m examples.seq2seq --minutes 20` learns to pronounce English.

Throughout:  source (N, S) and target (N, T) tokens, padded with 0 at their ends
             memory (N, S, M), what was read    mask (N, S), true where it is a token
             h hidden states (N, T, H)    a weights (N, T, S)    scores (N, T, V)
"""

from __future__ import annotations

from typing import Any, NamedTuple

from minidl import backend, nn, ops
from minidl.backend import Seed
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.errors import RangeError
from minidl.models.char_rnn import select_rows
from minidl.models.decoding import Memory

PAD = 0


class Saying(NamedTuple):
    """A decoder's state: h and c (layers, N, H), the memory, and its mask."""

    hidden: Any
    memory: TensorLike | None = None
    mask: TensorLike | None = None


class Decoder(nn.Module):
    """An LSTM that writes, and looks at a memory before each word.

    hₜ = LSTM(E[tokenₜ], hₜ₋₁),  a = softmax((hₜ Wₐ) · memory / √M),
    zₜ = tanh([a memory; hₜ] W),  scoresₜ = zₜ Wₒ + b.    Luong, Pham & Manning 2015,
    "general" attention, sections 3 and 3.1. Without attention z = h, and the state is
    all it knows (Sutskever, Vinyals & Le 2014).
    """

    def __init__(
        self,
        vocabulary: int,
        dim: int,
        hidden: int,
        memory: int,
        dropout: float = 0.0,
        attention: bool = True,
        *,
        rng: Seed = None,
    ) -> None:
        rng, xavier = backend.generator(rng), nn.init.xavier_uniform
        self.embedding = nn.Embedding(vocabulary, dim, rng=rng)
        self.layers = nn.LSTM(dim, hidden, rng=rng)
        self.dropout = nn.Dropout(dropout, rng=rng)
        self.attention = nn.DotAttention() if attention else None
        if attention:
            self.query = nn.Linear(hidden, memory, False, init=xavier, rng=rng)
            self.mixer = nn.Linear(memory + hidden, hidden, init=xavier, rng=rng)
        self.output = nn.Linear(hidden, vocabulary, init="head", rng=rng)

    def forward(self, tokens: TensorLike, state: Saying) -> tuple[Tensor, Saying, Any]:
        """Return scores at every time, the state after, and the weights (or None)."""
        x = self.dropout(self.embedding(tokens))
        z, hidden = self.layers(x, state.hidden)
        weights = None
        if self.attention is not None:
            query = self.query(z)
            seen, weights = self.attention(query, state.memory, key_mask=state.mask)
            z = ops.tanh(self.mixer(ops.concatenate([seen, z], axis=-1)))
        scores = self.output(self.dropout(z))
        return scores, Saying(hidden, state.memory, state.mask), weights

    def look(self, tokens: TensorLike, state: Saying) -> Tensor:
        """Return the weights (N, T, S) alone."""
        weights = self(tokens, state)[2]
        if weights is None:
            raise RangeError(
                "this model was made with attention=False, so it looks at nothing: "
                "there are no weights to draw"
            )
        return weights  # type: ignore[no-any-return]


class Speaker(nn.Module):
    """What has a decoder can speak: `read` and `select`, for decoding.py."""

    decoder: Decoder

    def read(self, tokens: TensorLike, state: Memory = None) -> tuple[Tensor, Saying]:
        """Return the scores of what is next, and the state."""
        scores, state, _ = self.decoder(tokens, state)
        return scores[:, -1], state

    def select(self, state: Memory, rows: TensorLike) -> Saying:
        """Return the state of these sequences."""
        hidden, memory, mask = state
        if memory is not None:
            memory = ops.take(memory, rows, axis=0)
        mask = None if mask is None else values(mask)[values(rows)]
        return Saying(select_rows(hidden, rows), memory, mask)


class Seq2Seq(Speaker):
    """A bidirectional LSTM reads, a Decoder writes.    source, target -> scores.

    source (N, S), target (N, T), which begins with a start token -> scores (N, T, V) of
    what is next in the target. Attention came with Bahdanau, Cho & Bengio 2015; from
    them also is that the decoder starts at tanh of what the reader knew at the end.

    >>> import numpy as np
    >>> net = Seq2Seq(5, 7, dim=4, hidden=6, rng=0)
    >>> net(np.array([[1, 2, 3]]), np.array([[1, 4]])).shape
    (1, 2, 7)
    """

    def __init__(
        self,
        source: int,
        target: int,
        dim: int = 64,
        hidden: int = 192,
        dropout: float = 0.0,
        attention: bool = True,
        *,
        rng: Seed = None,
    ) -> None:
        rng = backend.generator(rng)
        self.embedding = nn.Embedding(source, dim, padding_idx=PAD, rng=rng)
        self.reader = nn.LSTM(dim, hidden, bidirectional=True, rng=rng)
        self.dropout = nn.Dropout(dropout, rng=rng)
        start = {"init": nn.init.xavier_uniform, "rng": rng}
        self.bridge = nn.Linear(2 * hidden, hidden, **start)  # type: ignore[arg-type]
        self.decoder = Decoder(
            target, dim, hidden, 2 * hidden, dropout, attention, rng=rng
        )

    def start(self, source: TensorLike) -> Saying:
        """Read (N, S), and return the state that the decoder starts from."""
        mask = values(source) != PAD
        lengths = mask.sum(axis=1)
        x = self.dropout(self.embedding(source))
        memory, (h, _) = self.reader(x, lengths=lengths)
        both = ops.concatenate([h[:1], h[1:]], axis=-1)  # forwards, backwards
        h = ops.tanh(self.bridge(both))
        return Saying((h, ops.zeros_like(h)), self.dropout(memory), mask)

    def forward(self, source: TensorLike, target: TensorLike) -> Tensor:
        """Return scores."""
        scores: Tensor = self.decoder(target, self.start(source))[0]
        return scores

    def look(self, source: TensorLike, target: TensorLike) -> Tensor:
        """Return where it looked before each token, (N, T, S): a map to draw.

        Row t is that of the token which follows target[:, t]; so `target` is a start
        token and then a sequence, the true one or what the model said itself.
        """
        return self.decoder.look(target, self.start(source))
