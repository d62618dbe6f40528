"""Transcribing a data set: what a model says to each input, and where it looked.

The models have `start(x) -> state`, `read` and `select` (decoding.py) and, to tell
where they look, `look(x, tokens)`: Seq2Seq, Captioner, TransformerCaptioner.

Throughout:  x (N, …) inputs    said: N lists of tokens, without a start and an end
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minidl.backend import Array, to_numpy
from minidl.data import DataLoader, pad_sequences
from minidl.engine.modes import no_grad
from minidl.engine.tensor import TensorLike, values
from minidl.models.beam import beam_search
from minidl.nn.module import evaluating

PART = 250  # inputs at a time


def transcribe(
    model: Any,
    x: TensorLike,
    length: int,
    *,
    start: int = 1,
    end: int = 2,
    beams: int = 1,
    alpha: float = 0.0,
) -> list[list[int]]:
    """Return what the model says to each input, of `length` tokens at most.

    start, end    the tokens around a sentence
    beams, alpha  of `beam_search`; one beam is greedy
    """
    said = []
    for (part,) in DataLoader((x,), PART):
        prompt = np.full((len(part), 1), start)
        with evaluating(model), no_grad():
            state = model.start(part)
        tokens, _ = beam_search(
            model, prompt, length, beams=beams, end=end, state=state, alpha=alpha
        )
        said += [until(end, row) for row in tokens[:, 0]]
    return said


def until(end: int, tokens: Iterable[int]) -> list[int]:
    """Return the tokens before the first `end`.

    >>> until(2, [5, 6, 2, 2]), until(2, [5, 6])
    ([5, 6], [5, 6])
    """
    said = [int(token) for token in tokens]
    return said[: said.index(end)] if end in said else said


def attention_maps(
    model: Any, x: TensorLike, said: Sequence[Sequence[int]], *, start: int = 1
) -> list[Array]:
    """Return where the model looked for each token that it said.

    -> N maps, each (T, S) or (layers, heads, T, S), with the T of its own sentence
    """
    maps: list[Array] = []
    tokens = pad_sequences([start, *row] for row in said)
    with evaluating(model), no_grad():
        for part in DataLoader((x, tokens), PART):
            maps += list(to_numpy(values(model.look(*part))))
    return [a[..., : len(row), :] for a, row in zip(maps, said, strict=True)]
