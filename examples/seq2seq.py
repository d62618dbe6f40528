"""Train a Seq2Seq to pronounce English words: "walkways" → W AO K W EY Z."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from examples.common import (
    END,
    PAD,
    START,
    Run,
    arguments,
    before_end,
    next_loss,
    padded,
    taught,
)
from minidl import show
from minidl.backend import Array, to_numpy
from minidl.data import CharTokenizer, DataLoader, load_cmudict
from minidl.engine.modes import no_grad
from minidl.engine.tensor import values
from minidl.models import Seq2Seq, beam_search

EPOCHS, BATCH, DIM, HIDDEN, RATE = 25, 64, 64, 192, 3e-3
DRAWN = 8  # words
Words = Sequence[tuple[str, tuple[str, ...]]]


def edit_distance(a: Sequence[Any], b: Sequence[Any]) -> int:
    """Return how many tokens to insert, leave out or replace.    Levenshtein 1966.

    >>> edit_distance("kitten", "sitting")
    3
    """
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(last + (x != y), row[j] + 1, row[j - 1] + 1)
    return row[-1]


class Speech:
    """Letters and phones as numbers."""

    def __init__(self, words: Words) -> None:
        self.letters = CharTokenizer("".join(w for w, _ in words), special=["<pad>"])
        self.phones = ["<pad>", "<start>", "<end>"]
        self.phones += sorted({phone for _, said in words for phone in said})
        self.number = {phone: i for i, phone in enumerate(self.phones)}

    def arrays(self, words: Words) -> tuple[Array, Array]:
        """Return source (N, S) and target (N, T), with its start and end."""
        source = padded(self.letters.encode(word).tolist() for word, _ in words)
        said = ([self.number[phone] for phone in said] for _, said in words)
        return source, padded([START, *row, END] for row in said)

    def lines(self, words: Words, said: Sequence[Sequence[int]]) -> list[str]:
        """Return a line for each word: what the model said, and what is true."""
        return [
            f"{word:<14}{' '.join(self.phones[i] for i in row):<34}{' '.join(true)}"
            for (word, true), row in zip(words, said, strict=False)
        ]


@no_grad()
def pronounce(model: Seq2Seq, source: Array, beams: int = 1) -> list[list[int]]:
    """Return what the model says to each word, as numbers of phones."""
    model.eval()
    said: list[list[int]] = []
    for (part,) in DataLoader((source,), 250):
        prompt = np.full((len(part), 1), START)
        state = model.start(part)
        found = beam_search(model, prompt, 20, beams=beams, end=END, state=state)
        said += [before_end(row) for row in found.tokens[:, 0]]
    return said


def error_rate(said: list[list[int]], target: Array) -> float:
    """Return how many phones are wrong, too many or missing, for each true one."""
    true = [before_end(row[1:]) for row in to_numpy(target)]
    errors = sum(map(edit_distance, said, true))
    return errors / sum(map(len, true))


def monotone(maps: Iterable[Any]) -> float:
    """Return the share of steps at which the center of attention moves forward.

    maps of weights (T, S), one for each word; centers cₜ = Σₛ s aₜₛ, steps with
    cₜ₊₁ > cₜ. Reading in order gives 1, looking anywhere ½; no step at all, 0.

    >>> monotone([[[1.0, 0, 0], [0.5, 0.5, 0], [1, 0, 0]]])
    0.5
    """
    steps = [np.diff(np.asarray(a) @ np.arange(len(a[0]))) > 0 for a in maps if len(a)]
    forward = np.concatenate([np.zeros(0, bool), *steps])
    return float(forward.mean()) if len(forward) else 0.0


@no_grad()
def maps_of(model: Seq2Seq, source: Array, said: list[list[int]]) -> list[Array]:
    """Return where the model looked for each phone that it said: maps (T, S)."""
    model.eval()
    maps: list[Array] = []
    target = padded([START, *row] for row in said)
    for a, b in DataLoader((source, target), 250):
        maps += list(to_numpy(values(model.look(a, b))))
    lengths = (source != PAD).sum(axis=1)
    return [a[: len(row), :s] for a, row, s in zip(maps, said, lengths, strict=True)]


def main(given: Sequence[str] | None = None) -> float:
    """Train, or recall; return the phone error rate on the test words."""
    asked = arguments("seq2seq", "Learn to pronounce English words.", given)
    words = load_cmudict()
    speech = Speech([*words.train, *words.validation, *words.test])
    parts = [speech.arrays(part) for part in words]
    train, unseen, (test, test_target) = parts
    model = Seq2Seq(len(speech.letters), len(speech.phones), dim=DIM, hidden=HIDDEN,
                    dropout=0.2)  # fmt: skip
    print(f"{len(words.train)} words, {model.num_parameters()} weights", flush=True)
    run = Run(model, partial(next_loss, ignore_index=PAD), asked.out)
    batches = DataLoader(taught(*train), BATCH, shuffle=True, drop_last=True)

    def judge() -> dict[str, float]:
        return {"val_error": error_rate(pronounce(model, unseen[0]), unseen[1])}

    def say() -> str:
        return "\n".join(
            speech.lines(words.validation[:4], pronounce(model, unseen[0][:4]))
        )

    run.train(
        batches, None, asked, epochs=EPOCHS, rate=RATE, decay=0.01,
        judge=judge, say=say, watch="val_error",
    )  # fmt: skip
    said = pronounce(model, test, beams=4)
    maps = maps_of(model, test, said)
    reached = {
        **judge(),
        "test_error": error_rate(said, test_target),
        "monotone": monotone(maps),
    }
    chosen = [i for i, (word, _) in enumerate(words.test) if len(word) > 6 and said[i]]
    chosen = chosen[:DRAWN]  # the first long ones, right or wrong
    if chosen:
        show.attention(
            [maps[i] for i in chosen],
            [[speech.phones[k] for k in said[i]] for i in chosen],
            [list(words.test[i][0]) for i in chosen],
            path=run.out / "attention.png",
        )
    run.report(reached, "\n".join(speech.lines(words.test[:40], said)))
    print(f"phone error rate {reached['test_error']:.3f} on {len(said)} test words")
    return reached["test_error"]


if __name__ == "__main__":
    main()
