"""Train a Captioner to name emoji, and compare it with who always says the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.backend import Array, seed
from minidl.data import DataLoader, RandomShift, WordTokenizer, load_emoji, split_words
from minidl.models.beam import beam_search
from minidl.models.captioner import Captioner, TransformerCaptioner
from minidl.models.training.loop import Budget, Diary, arguments, learn
from minidl.models.training.seq2seq import END, START, before_end, padded, teach
from minidl.modes import no_grad

EPOCHS, BATCH, RATE, LONGEST = 30, 50, 2e-3, 12
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


def one(kind: str, asked: Any, minutes: float | None) -> float:
    """Train one kind; return its BLEU-1 on the test images."""
    seed(asked.seed)
    train, validation, test = load_emoji()
    words = WordTokenizer(train.names, SPECIAL)
    captions = [words.encode(name).tolist() for name in train.names]
    target = padded([START, *row, END] for row in captions)
    model = KINDS[kind](len(words))
    print(f"{kind}: {len(words)} words, {model.num_parameters()} weights", flush=True)
    batches = DataLoader(
        (train.x, target), BATCH, shuffle=True, drop_last=True, transform=RandomShift(2)
    )
    diary, budget = Diary(model, "val_error"), Budget(asked.epochs, minutes, EPOCHS)

    def loss(x: Any, y: Any) -> Any:
        return teach(model(x, y[:, :-1]), y)

    truth = [[split_words(name) for name in part.names] for part in (validation, test)]
    for record in learn(model, batches, loss, budget, rate=RATE, decay=0.05):
        said = name_all(model, validation.x, words)
        record["val_error"] = 1 - bleu1(said, truth[0])
        diary.write(record)
    model.load_state_dict(diary.weights)
    said = name_all(model, test.x, words)
    lines = [f"{' '.join(a):<40}{b}" for a, b in zip(said, test.names, strict=True)]
    folder = asked.out / kind
    folder.mkdir(exist_ok=True)
    diary.close(folder, "\n".join(lines))
    same = always_the_same([split_words(name) for name in train.names], truth[1])
    score = bleu1(said, truth[1])
    print(f"{kind}: BLEU-1 {score:.3f} on test images; always the same: {same:.3f}")
    return score


def main(given: Sequence[str] | None = None) -> dict[str, float]:
    """Train all three, each with a third of the minutes; return BLEU-1 of each."""
    asked = arguments("captioner", "Learn to name emoji.", given)
    minutes = None if asked.minutes is None else asked.minutes / len(KINDS)
    return {kind: one(kind, asked, minutes) for kind in KINDS}


if __name__ == "__main__":
    main()
