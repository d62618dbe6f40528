"""Train a Seq2Seq to pronounce English words: "walkways" → W AO K W EY Z."""

from functools import partial

import numpy as np

from examples.common import BETAS, END, PAD, START, Run, arguments
from minidl import data, models, optim, show
from minidl.data import load_cmudict, pad_sequences
from minidl.models import attention_maps, next_loss, transcribe
from minidl.train import Trainer, token_error_rate

EPOCHS, BATCH, HIDDEN, RATE = 25, 64, 192, 3e-3
LONGEST, DRAWN = 20, 8  # phones of a word, words


def main(given=None):
    """Train, or recall; return the phone error rate on the test words."""
    asked = arguments("seq2seq", "Learn to pronounce English words.", given)
    train, unseen, test = load_cmudict()
    words, sounds = zip(*train, *unseen, *test, strict=True)
    letters = data.CharTokenizer("".join(words), ["<pad>"])
    special = ["<pad>", "<start>", "<end>"]
    phones = data.WordTokenizer(map(" ".join, sounds), special, unknown=None)

    def source(part):  # (N, S)
        return pad_sequences(letters.encode(word) for word, _ in part)

    def truth(part):  # N lists of phones
        return [phones.encode(" ".join(sound)).tolist() for _, sound in part]

    def lines(part, said):
        return "\n".join(
            f"{word:<14}{phones.decode(row):<34}{' '.join(sound)}"
            for (word, sound), row in zip(part, said, strict=True)
        )

    def say():
        return lines(unseen[:4], transcribe(model, source(unseen[:4]), LONGEST))

    def judge():
        said = transcribe(model, source(unseen), LONGEST)
        return {"val_error": token_error_rate(said, truth(unseen))}

    model = models.Seq2Seq(len(letters), len(phones), 64, HIDDEN, dropout=0.2)
    t = pad_sequences([START, *row, END] for row in truth(train))
    samples = source(train), t[:, :-1], t[:, 1:]
    batches = data.DataLoader(samples, BATCH, shuffle=True, drop_last=True)
    run = Run(model, asked, judge=judge, watch="val_error", say=say)
    optimizer = optim.AdamW(optim.no_decay(model, 0.01), run.budget.rate(RATE), BETAS)
    loss = partial(next_loss, ignore_index=PAD)
    trainer = Trainer(model, optimizer, loss, callbacks=run.callbacks)
    run.fit(trainer, batches, None, EPOCHS)
    said = transcribe(model, source(test), LONGEST, beams=4)
    maps, error = looks(model, source(test), said), token_error_rate(said, truth(test))
    if long := [i for i, row in enumerate(said) if row and len(test[i][0]) > 6][:DRAWN]:
        rows = [[phones.tokens[token] for token in said[i]] for i in long]
        columns, path = [list(test[i][0]) for i in long], run.out / "attention.png"
        show.attention([maps[i] for i in long], rows, columns, path=path)
    figures = judge() | {"test_error": error, "monotone": monotone(maps)}
    run.report(figures, lines(test[:40], said[:40]))
    print(f"phone error rate {error:.3f} on {len(said)} test words")
    return error


def looks(model, source, said):
    """Return which letters the model looked at for each phone: maps (T, S)."""
    maps, lengths = attention_maps(model, source, said), (source != PAD).sum(axis=1)
    return [a[:, :s] for a, s in zip(maps, lengths, strict=True)]


def monotone(maps):
    """Return the share of steps at which the center of attention moves forward.

    maps of weights (T, S), one for each word; centers cₜ = Σₛ s aₜₛ, steps with
    cₜ₊₁ > cₜ. Reading in order gives 1, looking anywhere ½; no step at all, 0.
    """
    steps = [np.diff(np.asarray(a) @ np.arange(len(a[0]))) > 0 for a in maps if len(a)]
    forward = np.concatenate([np.zeros(0, bool), *steps])
    return float(forward.mean()) if len(forward) else 0.0


if __name__ == "__main__":
    main()
