"""Many to one, and many to many: a class for a sequence, or a tag for each token.

Both read in two directions. The classifier answers from what it knows at the two ends,
the tagger at every time: so it knows what comes before a token, and what after it.

Throughout:  tokens (N, T), padded with 0 at their ends    scores (N, K), (N, T, K)
             H hidden numbers in each direction
"""

from __future__ import annotations

import numpy as np

from minidl import backend, nn, ops
from minidl.backend import Seed
from minidl.engine.tensor import Tensor, TensorLike, values

PAD = 0


class Tagger(nn.Module):
    """Scores of K tags for each token: [h→ₜ; h←ₜ] W + b.    (N, T) -> (N, T, K).

    Many to many, as many as were given. Schuster & Paliwal 1997. Scores of padding mean
    nothing: leave them out of the loss, `ops.cross_entropy(…, ignore_index=…)`.

    >>> Tagger(10, 3, dim=4, hidden=8, rng=0)([[4, 5, 6, 7]]).shape
    (1, 4, 3)
    """

    def __init__(
        self,
        vocabulary: int,
        tags: int,
        dim: int = 32,
        hidden: int = 64,
        dropout: float = 0.0,
        *,
        rng: Seed = None,
    ) -> None:
        rng = backend.generator(rng)
        self.embedding = nn.Embedding(vocabulary, dim, padding_idx=PAD, rng=rng)
        self.reader = nn.LSTM(dim, hidden, bidirectional=True, rng=rng)
        self.dropout = nn.Dropout(dropout, rng=rng)
        self.output = nn.Linear(2 * hidden, tags, init="head", rng=rng)

    def forward(self, tokens: TensorLike) -> Tensor:
        """Return scores."""
        return self.output(self.dropout(self._read(tokens)[0]))  # type: ignore[no-any-return]

    def _read(self, tokens: TensorLike) -> tuple[Tensor, Tensor]:
        """Return h at every time (N, T, 2H), and h at both ends (N, 2H)."""
        tokens = np.asarray(tokens) if isinstance(tokens, list) else values(tokens)
        lengths = (tokens != PAD).sum(axis=1)
        x = self.dropout(self.embedding(tokens))
        y, (h, _) = self.reader(x, lengths=lengths)
        return y, ops.concatenate([h[0], h[1]], axis=-1)


class SequenceClassifier(Tagger):
    """Scores of K classes for the whole: [h→_T; h←₁] W + b.    (N, T) -> (N, K).

    Many to one: of all that was read only the last state of each direction is used.

    >>> SequenceClassifier(10, 3, dim=4, hidden=8, rng=0)([[4, 5, 6, 0]]).shape
    (1, 3)
    """

    def forward(self, tokens: TensorLike) -> Tensor:
        """Return scores."""
        return self.output(self.dropout(self._read(tokens)[1]))  # type: ignore[no-any-return]
