"""Beam search: several beginnings at once, since the best word may lead astray.

Throughout:  N sequences, T tokens given, L tokens written, V in the vocabulary
             k beams: N k rows, the beams of a sequence one after the other
             end  the token after which all is said
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minidl import ops
from minidl.backend import Array, to_device
from minidl.engine.tensor import TensorLike
from minidl.errors import RangeError
from minidl.models.choosing import on_host
from minidl.models.decoding import Reader, as_prompt, reading


class Beams(NamedTuple):
    """The k best continuations: tokens (N, k, ≤ L), their scores (N, k), best first."""

    tokens: Array
    scores: Array


def beam_search(
    model: Reader,
    prompt: Any,
    length: int,
    *,
    beams: int = 4,
    end: int | None = None,
    state: Any = None,
    alpha: float = 0.0,
) -> Beams:
    """Keep the k likeliest beginnings at every step.    prompt (N, T) -> Beams

    The score of tokens w is log p(w | prompt) / ((5 + |w|) / 6)^alpha: with alpha = 0
    short ones win (Wu et al. 2016, section 7; here it ranks the last k only). A beam
    that is over stays among the k as it is. One beam is greedy. A score of −∞ says that
    there are not so many continuations.
    """
    given, k = as_prompt(prompt, length), beams
    if k < 1:
        raise RangeError(f"beams is {beams}; it is 1 or more (1 is greedy)")
    n, first = len(given), np.arange(len(given)).repeat(k)
    total = np.full((n, k), -np.inf)
    total[:, 0] = 0  # at first all beams of a sequence are the same one
    tokens, over = np.empty((n * k, 0), np.int64), np.zeros(n * k, bool)
    with reading(model) as read:
        scores, state = read(given, state)
        device = getattr(scores, "device", "cpu")
        scores = on_host(scores)[first]
        state = model.select(state, to_device(first, device))
        for left in range(length)[::-1]:
            total, rows, token = _best(total, scores, over, end)
            tokens = np.concatenate([tokens[rows], token[:, None]], axis=1)
            over = over[rows] if end is None else over[rows] | (token == end)
            if over.all() or not left:
                break
            state = model.select(state, to_device(rows, device))
            scores, state = read(token[:, None], state)
    return _ranked(tokens.reshape(n, k, tokens.shape[1]), total, end, alpha)


def _best(
    total: Array, scores: TensorLike, over: Array, end: int | None
) -> tuple[Array, Array, Array]:
    """Return the k best of all continuations: scores (N, k), whose, which token."""
    n, k = total.shape
    log_p = ops.log_softmax(on_host(scores), axis=1)
    if end is not None:
        log_p[over] = -np.inf
        log_p[over, end] = 0.0  # what is over goes on at no cost, in one way
    v = log_p.shape[1]
    # region a8.14: the k best of all k V continuations: of which beam, by which token
    ways = (total[..., None] + log_p.reshape(n, k, v)).reshape(n, k * v)
    total, best = ops.topk(ways, k, axis=1)
    rows = best // v + np.arange(n)[:, None] * k
    token = best % v
    # endregion
    return total, rows.reshape(-1), token.reshape(-1)


def _ranked(tokens: Array, total: Array, end: int | None, alpha: float) -> Beams:
    """Put the beams in order, longer ones with a bonus."""
    lengths = np.full(total.shape, tokens.shape[2])
    if end is not None:
        lengths = np.minimum((tokens != end).sum(axis=2) + 1, lengths)
    scores = total / ((5 + lengths) / 6) ** alpha
    order = ops.argsort(scores, axis=1, descending=True)
    return Beams(
        np.take_along_axis(tokens, order[..., None], axis=1),
        np.take_along_axis(scores, order, axis=1),
    )
