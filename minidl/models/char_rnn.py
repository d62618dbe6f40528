"""The character RNN: a recurrent network that writes one letter after another.

`python -m examples.char_rnn --minutes 15` trains it on Shakespeare.

Throughout:  tokens (N, T)    V in the vocabulary    scores (N, T, V) of what is next
             H hidden numbers    state of the layers: h (L, N, H), of an LSTM (h, c)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl import backend, nn, ops
from minidl.backend import Array, Seed, to_numpy
from minidl.engine.modes import no_grad
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.errors import RangeError
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
