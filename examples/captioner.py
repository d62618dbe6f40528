"""Train captioners to name emoji, and compare them with who always says the same."""

from argparse import Namespace
from collections import Counter
from functools import partial

from examples.common import BETAS, END, PAD, START, Run, arguments
from minidl import data, models, optim, show
from minidl.backend import seed, to_numpy
from minidl.data import load_emoji, split_words
from minidl.models import attention_maps, next_loss, transcribe
from minidl.train import Trainer, bleu1

EPOCHS, BATCH, RATE, LONGEST = 30, 50, 2e-3, 12
DRAWN = 6  # images
KINDS = {
    "lstm": lambda v: models.Captioner(v, dropout=0.3, attention=False),
    "attention": lambda v: models.Captioner(v, dropout=0.3),
    "transformer": lambda v: models.TransformerCaptioner(v, dropout=0.2),
}


def main(given=None):
    """Train all three, each with a third of the minutes; return BLEU-1 of each."""
    asked = arguments("captioner", "Learn to name emoji.", given)
    return {kind: one(kind, Namespace(**vars(asked))) for kind in KINDS}


def one(kind, asked):
    """Train one kind, or recall it; return its BLEU-1 on the test images."""
    asked.out, asked.weights = asked.out / kind, asked.weights and asked.weights / kind
    asked.minutes = asked.minutes and asked.minutes / len(KINDS)
    seed(asked.seed)
    train, unseen, test = load_emoji()
    special = ["<pad>", "<start>", "<end>", "<unknown>"]
    words = data.WordTokenizer(train.names, special)

    def names(x):
        return transcribe(model, x, LONGEST, beams=3, alpha=0.7)

    def score(said, part):
        said = [words.strings(row) for row in said]
        return bleu1(said, [split_words(name) for name in part.names])

    def judge():
        return {"val_error": 1 - score(names(unseen.x), unseen)}

    model = KINDS[kind](len(words))
    t = data.pad_sequences([START, *words.encode(n), END] for n in train.names)
    samples, move = (train.x, t[:, :-1], t[:, 1:]), data.RandomShift(2)
    batches = data.DataLoader(
        samples, BATCH, shuffle=True, drop_last=True, transform=move
    )
    run = Run(model, asked, judge=judge, watch="val_error")
    optimizer = optim.AdamW(optim.no_decay(model, 0.05), run.budget.rate(RATE), BETAS)
    loss = partial(next_loss, ignore_index=PAD)
    trainer = Trainer(model, optimizer, loss, callbacks=run.callbacks)
    run.fit(trainer, batches, None, EPOCHS)
    said = names(test.x)
    reached, same = score(said, test), always_the_same(train.names, test.names)
    if kind != "lstm":  # which looks at nothing
        some = range(0, len(said), max(1, len(said) // DRAWN))[:DRAWN]
        draw(model, words, test.x[list(some)], [said[i] for i in some], run.out)
    pairs = zip(said, test.names, strict=True)
    says = "\n".join(f"{words.decode(row):<40}{name}" for row, name in pairs)
    run.report({"test_bleu1": reached, "always_the_same": same}, says)
    print(f"{kind}: BLEU-1 {reached:.3f} on test images; always the same: {same:.3f}")
    return reached


def always_the_same(names, true):
    """Return the best BLEU-1 of who says the k most frequent words to every image."""
    true = [split_words(name) for name in true]
    counts = Counter(word for name in names for word in split_words(name))
    words = [word for word, _ in counts.most_common(LONGEST)]
    return max(bleu1([words[:k]] * len(true), true) for k in range(1, len(words) + 1))


def draw(model, words, x, said, out):
    """Draw images, and where the model looked for each word that it said."""
    maps = attention_maps(model, x, said)
    if maps[0].ndim == 4:  # (layers, heads, T, S): the last layer, all heads together
        maps = [a[-1].mean(axis=0) for a in maps]
    names = [[words.tokens[i] for i in row] for row in said]
    show.attention_on_images(to_numpy(x), maps, names, path=out / "attention.png")


if __name__ == "__main__":
    main()
