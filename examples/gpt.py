"""Train a GPT on Shakespeare, character by character, and let it write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from examples.char_rnn import write
from examples.common import Run, arguments, loss_of, next_loss
from minidl import backend, ops, show
from minidl.backend import Array, Seed
from minidl.data import CharTokenizer, load_shakespeare
from minidl.engine.modes import no_grad
from minidl.models import GPT

EPOCHS, ROWS, CONTEXT, RATE = 10, 32, 128, 2e-3
SIZE = {"dim": 128, "heads": 4, "layers": 4}  # 0.8 million weights


class Windows:
    """Batches (x, y), each (N, C): N places of a text by chance, y one token later.

    An epoch has as many tokens as the text.
    """

    def __init__(self, tokens: Array, rows: int, length: int, rng: Seed = None) -> None:
        self.tokens, self.rows, self.length = tokens, rows, length
        self.rng = backend.generator(rng)

    def __len__(self) -> int:
        return max(1, len(self.tokens) // (self.rows * self.length))

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        for _ in range(len(self)):
            last = len(self.tokens) - self.length
            places = self.rng.integers(last, size=(self.rows, 1))
            i = places + np.arange(self.length)
            yield place(self.tokens[i]), place(self.tokens[i + 1])


def place(tokens: Array) -> Array:
    """Return tokens on the device that `minidl.use` chose."""
    return backend.to_device(tokens, backend.default_device())


def unseen(tokens: Array, context: int, rows: int = 64) -> Iterator[Any]:
    """Yield windows (x, y) of a text whose y counts where half a context was seen."""
    half = context // 2
    starts = np.arange(0, len(tokens) - context, context - half)
    for k in range(0, len(starts), rows):
        i = starts[k : k + rows, None] + np.arange(context)
        y = tokens[i + 1]
        y[:, :half] = -100  # the loss ignores it
        yield place(tokens[i]), place(y)


def draw_attention(model: GPT, letters: CharTokenizer, text: str, out: Path) -> None:
    """Draw all heads of the first and of the last layer, over a line of text."""
    with no_grad():
        maps = model.look(letters.encode(text)[None]).data[0]
    layers = dict.fromkeys((0, len(model.blocks) - 1))  # one layer is both
    weights = [a for i in layers for a in maps[i]]
    titles = [
        f"layer {i + 1}, head {k + 1}" for i in layers for k in range(len(maps[i]))
    ]
    show.attention(
        ops.stack(weights), list(text), list(text), titles=titles,
        path=out / "attention.png",
    )  # fmt: skip


def main(given: Sequence[str] | None = None) -> float:
    """Train, or recall; return nats per character of the validation text."""
    asked = arguments("gpt", "Train a small GPT to write like Shakespeare.", given)
    parts = load_shakespeare()
    letters = CharTokenizer("".join(parts))
    train, validation, test = (letters.encode(text) for text in parts)
    model = GPT(len(letters), CONTEXT, dropout=0.0, **SIZE)
    print(f"{len(letters)} characters, {model.num_parameters()} weights", flush=True)
    run, judged = Run(model, next_loss, asked.out), list(unseen(validation, CONTEXT))
    run.train(
        Windows(train, ROWS, CONTEXT), judged, asked, epochs=EPOCHS, rate=RATE,
        decay=0.1, say=lambda: write(model, letters, 80),
    )  # fmt: skip
    reached = {
        "val_loss": loss_of(model, next_loss, judged),
        "test_loss": loss_of(model, next_loss, unseen(test, CONTEXT)),
    }
    line = max(parts[2][:1000].split("\n"), key=len)[: min(CONTEXT, 24)]
    draw_attention(model, letters, line, run.out)
    run.report(reached, write(model, letters, 1000))
    print(f"{reached['test_loss']:.3f} nats per character of the test text")
    return reached["val_loss"]


if __name__ == "__main__":
    main()
