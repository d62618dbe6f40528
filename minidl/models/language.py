"""Language modeling: batches out of one long text, and the loss of what comes next.

AlignedChunks  the whole text in order, for networks that carry a state (Stateful)
RandomChunks   places by chance, for a transformer, which starts anew each time
SlidingChunks  every token judged once, after many others

Throughout:  tokens (T,) of a text    batches (x, y), each (N, C), y one token later
             scores (N, C, V), V in the vocabulary
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl import backend, nn, ops
from minidl.backend import Array, Seed, to_device, to_numpy
from minidl.engine.tensor import Tensor, TensorLike
from minidl.errors import RangeError, ShapeError

Batches = Iterator[tuple[Array, Array]]
IGNORED = -100  # a label that does not count


def next_loss(scores: TensorLike, y: TensorLike, ignore_index: int = IGNORED) -> Any:
    """Return nats per token: −log p(y), on average.    (N, C, V), y (N, C) -> scalar"""
    # region a7.11: the mean over all tokens that are not padding
    flat = ops.reshape(scores, shape=(-1, scores.shape[-1]))
    labels = ops.reshape(y, shape=(-1,))
    return ops.cross_entropy(flat, labels, ignore_index=ignore_index)
    # endregion


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
        # region a7.9: the text as parallel streams x, and the next tokens y
        used = rows * self.times
        x = tokens[:used].reshape(rows, self.times)
        y = tokens[1 : used + 1].reshape(rows, self.times)
        # endregion
        device = device or backend.default_device()
        self.x, self.y = to_device(x, device), to_device(y, device)

    def __len__(self) -> int:
        return -(-self.times // self.length)

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        for start in range(0, self.times, self.length):
            part = slice(start, start + self.length)
            yield self.x[:, part], self.y[:, part]


class Stateful(nn.Module):
    """A network that begins each batch where it left the one before.    x -> scores

    model  (x (N, C), state) -> scores, state: a CharRNN, say. With it a Trainer learns
           from AlignedChunks; no gradient goes back into the batch before.
    A batch of other rows, or in the other mode (train, eval), begins with no state. A
    new epoch takes over the last state of the one before.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._state: Any = None
        self._last = (False, 0)

    def forward(self, x: TensorLike) -> Tensor:
        """Return scores."""
        now = self.training, len(x)
        # region a7.10: scores from the last state, detached; self._state and self._last
        before = nn.detach_state(self._state) if self._last == now else None
        scores, self._state = self.model(x, before)
        self._last = now
        # endregion
        return scores  # type: ignore[no-any-return]


class RandomChunks:
    """Batches of N places of a text, by chance: an epoch has as many tokens as it.

    >>> x, y = next(iter(RandomChunks(np.arange(9), rows=4, length=3, rng=0)))
    >>> x.shape, bool((y == x + 1).all())
    ((4, 3), True)
    """

    def __init__(
        self, tokens: TensorLike, rows: int, length: int, rng: Seed = None
    ) -> None:
        self.tokens, self.rows, self.length = _text(tokens, length), rows, length
        self.rng = backend.generator(rng)

    def __len__(self) -> int:
        return max(1, len(self.tokens) // (self.rows * self.length))

    def __iter__(self) -> Batches:
        last = len(self.tokens) - self.length
        for _ in range(len(self)):
            places = self.rng.integers(last, size=(self.rows, 1))
            yield _batch(self.tokens, places + np.arange(self.length))


class SlidingChunks:
    """Chunks that overlap by half, in which only the second half of y counts.

    So each token, but for the first C / 2, is judged once, after C / 2 others at least;
    the other labels are −100, which losses ignore.

    >>> for x, y in SlidingChunks(np.arange(7), rows=2, length=4):
    ...     print(x.tolist(), y.tolist())
    [[0, 1, 2, 3], [2, 3, 4, 5]] [[-100, -100, 3, 4], [-100, -100, 5, 6]]
    """

    def __init__(self, tokens: TensorLike, rows: int, length: int) -> None:
        self.tokens, self.rows, self.length = _text(tokens, length), rows, length

    def __iter__(self) -> Batches:
        half = self.length // 2
        starts = np.arange(0, len(self.tokens) - self.length, self.length - half)
        for k in range(0, len(starts), self.rows):
            i = starts[k : k + self.rows, None] + np.arange(self.length)
            yield _batch(self.tokens, i, ignored=half)


def _text(tokens: TensorLike, length: int) -> Array:
    """Return a text on the host, if it has a chunk and one token more."""
    tokens = to_numpy(tokens)
    if tokens.ndim != 1 or not 1 <= length < len(tokens):
        raise ShapeError(
            f"chunks of {length} out of tokens {tokens.shape}: they are one long text "
            f"(T,), of {length + 1} tokens at least; take a smaller length (1 or more)"
        )
    return tokens


def _batch(tokens: Array, i: Array, ignored: int = 0) -> tuple[Array, Array]:
    """Return tokens[i] and what comes next, on the device that `use` chose."""
    y, device = tokens[i + 1], backend.default_device()
    y[:, :ignored] = IGNORED
    return to_device(tokens[i], device), to_device(y, device)
