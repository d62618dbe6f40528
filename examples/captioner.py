"""Train a Captioner to name emoji, and compare it with who always says the same."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
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
from minidl.backend import Array, seed, to_numpy
from minidl.data import DataLoader, RandomShift, WordTokenizer, load_emoji, split_words
from minidl.engine.modes import no_grad
from minidl.engine.tensor import values
from minidl.models import Captioner, TransformerCaptioner, beam_search

EPOCHS, BATCH, RATE, LONGEST = 30, 50, 2e-3, 12
DRAWN = 6  # images
SPECIAL = ["<pad>", "<start>", "<end>", "<unknown>"]
KINDS: dict[str, Any] = {
    "lstm": lambda v: Captioner(v, dropout=0.3, attention=False),
    "attention": lambda v: Captioner(v, dropout=0.3),
    "transformer": lambda v: TransformerCaptioner(v, dropout=0.2),
}


def bleu1(said: Sequence[Sequence[str]], true: Sequence[Sequence[str]]) -> float:
    """Return the share of words said that are true, no word counted too often.

    Times exp(1 − r / c) if the c words said are fewer than the r true ones.    Papineni
    et al. 2002, with words alone, over the whole corpus, one reference each.

    >>> bleu1([["red", "red", "heart"]], [["red", "heart"]])
    0.666...
    """
    hits = sum(
        (Counter(a) & Counter(b)).total() for a, b in zip(said, true, strict=True)
    )
    c, r = sum(map(len, said)), sum(map(len, true))
    return hits / c * min(1.0, float(np.exp(1 - r / c))) if c else 0.0


def always_the_same(train: Sequence[Sequence[str]], true: Any) -> float:
    """Return the best BLEU-1 of who says the k most frequent words to every image."""
    ranked = [w for w, _ in Counter(w for ws in train for w in ws).most_common(LONGEST)]
    counts = range(1, len(ranked) + 1)
    return max(bleu1([ranked[:k]] * len(true), true) for k in counts)


@no_grad()
def name_all(model: Any, x: Array, words: WordTokenizer) -> list[list[str]]:
    """Return what the model calls each image, in words."""
    model.eval()
    said: list[list[str]] = []
    for (part,) in DataLoader((x,), 90):
        prompt = np.full((len(part), 1), START)
        found = beam_search(
            model, prompt, LONGEST, beams=3, end=END, state=model.start(part), alpha=0.7
        )
        said += [words.strings(before_end(row)) for row in found.tokens[:, 0]]
    return said


@no_grad()
def draw(model: Any, words: WordTokenizer, x: Array, out: Path) -> None:
    """Draw some images, and where the model looked for each word that it said."""
    if isinstance(model, Captioner) and model.decoder.attention is None:
        return
    x = x[:: max(1, len(x) // DRAWN)][:DRAWN]
    said = name_all(model, x, words)
    tokens = padded([START, *(words[word] for word in name)] for name in said)
    maps = to_numpy(values(model.look(x, tokens)))
    if maps.ndim == 5:  # (N, layers, heads, T, S): the last layer, all heads together
        maps = maps[:, -1].mean(axis=1)
    weights = [a[: len(name)] for a, name in zip(maps, said, strict=True)]
    show.attention_on_images(to_numpy(x), weights, said, path=out / "attention.png")


def split_all(names: Sequence[str]) -> list[list[str]]:
    """Return names as lists of words."""
    return [split_words(name) for name in names]


def one(kind: str, asked: Any) -> float:
    """Train one kind, or recall it; return its BLEU-1 on the test images."""
    seed(asked.seed)
    train, unseen, test = load_emoji()
    words = WordTokenizer(train.names, SPECIAL)
    model = KINDS[kind](len(words))
    print(f"{kind}: {len(words)} words, {model.num_parameters()} weights", flush=True)
    own = Namespace(**vars(asked))
    own.minutes = asked.minutes and asked.minutes / len(KINDS)
    own.weights = asked.weights and asked.weights / kind
    truth, test_truth = split_all(unseen.names), split_all(test.names)
    run = Run(model, partial(next_loss, ignore_index=PAD), asked.out / kind)

    def judge() -> dict[str, float]:
        return {"val_error": 1 - bleu1(name_all(model, unseen.x, words), truth)}

    names = padded([START, *words.encode(name).tolist(), END] for name in train.names)
    batches = DataLoader(taught(train.x, names), BATCH, shuffle=True, drop_last=True,
                         transform=RandomShift(2))  # fmt: skip
    run.train(
        batches, None, own, epochs=EPOCHS, rate=RATE, decay=0.05,
        judge=judge, watch="val_error",
    )  # fmt: skip
    said = name_all(model, test.x, words)
    same = always_the_same(split_all(train.names), test_truth)
    reached = {"test_bleu1": bleu1(said, test_truth), "always_the_same": same}
    lines = [f"{' '.join(a):<40}{b}" for a, b in zip(said, test.names, strict=True)]
    draw(model, words, test.x, run.out)
    run.report(reached, "\n".join(lines))
    score = reached["test_bleu1"]
    print(f"{kind}: BLEU-1 {score:.3f} on test images; always the same: {same:.3f}")
    return score


def main(given: Sequence[str] | None = None) -> dict[str, float]:
    """Train all three, each with a third of the minutes; return BLEU-1 of each."""
    asked = arguments("captioner", "Learn to name emoji.", given)
    return {kind: one(kind, asked) for kind in KINDS}


if __name__ == "__main__":
    main()
