"""Train a GPT on Shakespeare, character by character, and let it write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minidl import backend
from minidl.backend import Array, Seed
from minidl.data import CharTokenizer, load_shakespeare
from minidl.models.gpt import GPT
from minidl.models.training.char_rnn import next_loss, write
from minidl.models.training.loop import Budget, Diary, arguments, learn
from minidl.modes import no_grad

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


@no_grad()
def judge(model: GPT, tokens: Array, rows: int = 64) -> float:
    """Return nats per token of a text, of which half a context at least was seen."""
    c, half = model.context, model.context // 2
    starts = np.arange(0, len(tokens) - c, c - half)
    total: Any = 0.0
    for k in range(0, len(starts), rows):
        i = starts[k : k + rows, None] + np.arange(c)
        scores = model(place(tokens[i]))[:, half:]
        loss = next_loss(scores, place(tokens[i[:, half:] + 1]))
        total = total + loss.data * len(i)
    return float(total) / len(starts)


def main(given: Sequence[str] | None = None) -> float:
    """Train; return nats per character of the validation text."""
    asked = arguments("gpt", "Train a small GPT to write like Shakespeare.", given)
    texts = load_shakespeare()
    letters = CharTokenizer("".join(texts))
    train, validation, test = (letters.encode(text) for text in texts)
    model = GPT(len(letters), CONTEXT, dropout=0.0, **SIZE)
    print(f"{len(letters)} characters, {model.num_parameters()} weights", flush=True)
    diary, budget = Diary(model), Budget(asked.epochs, asked.minutes, EPOCHS)
    windows = Windows(train, ROWS, CONTEXT)

    def loss(x: Array, y: Array) -> Any:
        return next_loss(model(x), y)

    for record in learn(model, windows, loss, budget, rate=RATE, decay=0.1):
        record["val_loss"] = judge(model, validation)
        diary.write(record, write(model, letters, 80))
    diary.close(asked.out, write(model, letters, 1000))
    print(f"{judge(model, test):.3f} nats per character of the test text")
    return diary.best


if __name__ == "__main__":
    main()
