"""The character RNN: a recurrent network that writes one letter after another.

`python -m examples.char_rnn --minutes 15` trains it on Shakespeare.

Throughout:  tokens (N, T)    V in the vocabulary    scores (N, T, V) of what is next
             H hidden numbers    state of the layers: h (L, N, H), of an LSTM (h, c)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl import backend, nn, ops
from minidl.backend import Array, Seed, to_numpy
from minidl.engine.modes import no_grad
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.errors import RangeError, ShapeError
from minidl.models.decoding import Memory

KINDS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class CharRNN(nn.Module):
    """p(xₜ₊₁ | x₁ … xₜ) = softmax(W hₜ + b),  hₜ = LSTM(E[xₜ], hₜ₋₁).

    tokens (N, T) -> scores (N, T, V) and the state, with which the next call goes on.
    The letters may as well be words or pieces.    Graves 2013; Karpathy 2015, "The
    unreasonable effectiveness of recurrent neural networks".

    kind     "rnn", "lstm" or "gru"
    dropout  probability to drop what a layer hands up, never what it hands on in time
             (Zaremba, Sutskever & Vinyals 2014)

    >>> scores, state = CharRNN(10, dim=4, hidden=8, rng=0)([[1, 2, 3]])
    >>> scores.shape
    (1, 3, 10)
    """

    def __init__(
        self,
        vocabulary: int,
        dim: int = 64,
        hidden: int = 256,
        num_layers: int = 1,
        kind: str = "lstm",
        dropout: float = 0.0,
        *,
        rng: Seed = None,
    ) -> None:
        if kind not in KINDS:
            raise RangeError(f"CharRNN: kind is one of {list(KINDS)}, not {kind!r}")
        rng = backend.generator(rng)
        self.embedding = nn.Embedding(vocabulary, dim, rng=rng)
        self.layers = KINDS[kind](dim, hidden, num_layers, dropout=dropout, rng=rng)
        self.dropout = nn.Dropout(dropout, rng=rng)
        self.output = nn.Linear(hidden, vocabulary, init="head", rng=rng)

    def forward(self, tokens: TensorLike, state: Memory = None) -> tuple[Tensor, Any]:
        """Return scores at every time, and the state after the last."""
        h, state = self.layers(self.embedding(tokens), state)
        return self.output(self.dropout(h)), state

    def read(self, tokens: TensorLike, state: Memory = None) -> tuple[Tensor, Any]:
        """Return the scores of what is next, and the state: see decoding.py."""
        h, state = self.layers(self.embedding(tokens), state)
        return self.output(h[:, -1]), state

    @no_grad()
    def units(self, tokens: TensorLike) -> Array:
        """Return what the last layer's units hold after each token: (N, T, H), to draw.

        Of an LSTM tanh(cₜ), what it keeps whether or not it shows it; else hₜ.
        """
        x, state, found = self.embedding(tokens), None, []
        for t in range(x.shape[1]):
            _, state = self.layers(x[:, t : t + 1], state)
            last = ops.tanh(state[1][-1]) if isinstance(state, tuple) else state[-1]
            found.append(to_numpy(values(last)))
        return np.stack(found, axis=1)

    def select(self, state: Memory, rows: TensorLike) -> Any:
        """Return the state of these sequences."""
        return select_rows(state, rows)


def select_rows(state: Memory, rows: TensorLike) -> Any:
    """Return some of the N sequences of a recurrent state (L, N, H), or a tuple of."""
    if isinstance(state, tuple):
        return tuple(select_rows(s, rows) for s in state)
    return ops.take(state, rows, axis=1)


class AlignedChunks:
    """A long text in chunks for truncated backpropagation through time.

    The text is cut into N streams of equal length, and every chunk (x, y), each (N, T),
    takes T further tokens of all of them; y is x one token later. So row n of a chunk
    goes on where row n of the chunk before it ended, and its state may be handed on:

        state = None
        for x, y in AlignedChunks(tokens, rows=50, length=100):
            scores, state = model(x, nn.detach_state(state) if state else None)

    The gradient ends at the chunk's beginning, what was seen does not (Williams & Peng
    1990). Every `for` begins anew; the last chunk may be shorter, and what is left over
    at the end of the text (fewer than N tokens) is not used.

    >>> import numpy as np
    >>> for x, y in AlignedChunks(np.arange(9), rows=2, length=3):
    ...     print(x.tolist(), y.tolist())
    [[0, 1, 2], [4, 5, 6]] [[1, 2, 3], [5, 6, 7]]
    [[3], [7]] [[4], [8]]
    """

    def __init__(
        self, tokens: TensorLike, rows: int, length: int, device: str | None = None
    ) -> None:
        tokens = to_numpy(tokens)
        if rows < 1 or length < 1:
            raise RangeError(f"rows is {rows} and length {length}; both are ≥ 1")
        if tokens.ndim != 1 or len(tokens) <= rows:
            raise ShapeError(
                f"AlignedChunks: tokens {tokens.shape} should be one long text (T,), "
                f"of {rows + 1} tokens at least for {rows} rows"
            )
        self.length, self.times = length, (len(tokens) - 1) // rows
        used, device = rows * self.times, device or backend.default_device()
        x, y = tokens[:used], tokens[1 : used + 1]
        self.x = backend.to_device(x.reshape(rows, self.times), device)
        self.y = backend.to_device(y.reshape(rows, self.times), device)

    def __len__(self) -> int:
        return -(-self.times // self.length)

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        for start in range(0, self.times, self.length):
            part = slice(start, start + self.length)
            yield self.x[:, part], self.y[:, part]
