"""Decoding: how a model that scores the next token is made to write.

What a model needs, whatever it is:
    read(tokens, state) -> scores, state    tokens (N, T), scores (N, V) of what is next
    select(state, rows) -> state            these sequences only; for beam search

`state` is what it remembers of the tokens before: hidden states, a KV cache, an image
to look at; None is the beginning of everything. So each token is read once.

Throughout:  N sequences, T tokens given, L tokens written, V in the vocabulary
             end  the token after which all is said
How one token is chosen stands in choosing.py; beam search, in beam.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

import numpy as np

from minidl.backend import Array, to_device, to_numpy
from minidl.engine.modes import no_grad
from minidl.engine.tensor import TensorLike
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.models.choosing import greedy
from minidl.nn.module import evaluating

Choose = Callable[[Any], Array]
Memory: TypeAlias = Any  # what a model remembers: hidden states, a cache, or None
Read: TypeAlias = Callable[[Array, Any], tuple[Any, Any]]


class Reader(Protocol):
    """What `generate` and `beam_search` ask of a model."""

    def read(self, tokens: TensorLike, state: Memory = None) -> tuple[Any, Any]:
        """Return the scores of the next token, and what is remembered now."""

    def select(self, state: Memory, rows: TensorLike) -> Any:
        """Return the state of these rows, in this order, some maybe twice."""


def generate(
    model: Reader,
    prompt: Any,
    length: int,
    *,
    choose: Choose = greedy,
    end: int | None = None,
    state: Any = None,
    cache: bool = True,
) -> Array:
    """Go on with a prompt, token after token.    prompt (N, T) -> (N, ≤ length) int64

    choose  scores (N, V) -> tokens (N,): `greedy`, or a Sampler
    end     a row is over after this token, and is filled up with it
    state   what was there before the prompt: an image, a sentence to translate
    cache   False: read everything again at every step; the same tokens, more slowly
    """
    given = as_prompt(prompt, length)
    written, over = np.empty((len(given), 0), np.int64), np.zeros(len(given), bool)
    with reading(model) as read:
        read = read if cache else anew(read, state)
        for _ in range(length):
            # region a7.12: one more column of `written`; then `given`, `state`, `over`
            scores, state = read(given, state)
            token = choose(scores)
            if end is not None:
                token = np.where(over, end, token)
                over |= token == end
            written = np.concatenate([written, token[:, None]], axis=1)
            given = token[:, None]
            if over.all():
                break
            # endregion
    return written


def anew(read: Read, state: Memory) -> Read:
    """Return a `read` that reads everything again from `state`, at every step."""
    seen = []

    def again(tokens: Array, _: Memory) -> tuple[Any, Memory]:
        seen.append(tokens)
        return read(np.concatenate(seen, axis=1), state)

    return again


@contextmanager
def reading(model: Any) -> Iterator[Read]:
    """Read without dropout and gradients, on the model's device; then set it back."""
    parameters = list(model.parameters()) if hasattr(model, "parameters") else []
    device = parameters[0].device if parameters else "cpu"
    with evaluating(model), no_grad():
        yield lambda tokens, state: model.read(to_device(tokens, device), state)


def as_prompt(prompt: TensorLike, length: int) -> Array:
    """Return the tokens to begin with, on the host."""
    tokens = to_numpy(prompt)
    if tokens.ndim != 2 or not tokens.shape[1]:
        raise ShapeError(
            f"a prompt has shape (N, T), T ≥ 1, and this one {tokens.shape}; "
            "prompt[None] makes one text a batch; a start token may be all of it"
        )
    if tokens.dtype.kind not in "iu":
        raise DTypeError(f"a prompt holds whole numbers, not {tokens.dtype}")
    if length < 0:
        raise RangeError(f"length is {length}; it is how many tokens to write")
    return tokens.astype(np.int64)
