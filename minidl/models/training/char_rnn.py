"""Train a CharRNN on Shakespeare, and let it write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minidl import nn, ops
from minidl.backend import Array
from minidl.data import CharTokenizer, load_shakespeare
from minidl.models.char_rnn import AlignedChunks, CharRNN
from minidl.models.choosing import Sampler
from minidl.models.decoding import generate
from minidl.models.training.loop import Budget, Diary, arguments, learn
from minidl.modes import no_grad
from minidl.tensor import Tensor

EPOCHS, ROWS, LENGTH, HIDDEN, RATE = 12, 64, 64, 384, 4e-3


def next_loss(scores: Tensor, y: Any) -> Any:
    """Return nats per token.    scores (N, T, V), y (N, T) -> scalar"""
    flat = ops.reshape(scores, shape=(-1, scores.shape[-1]))
    return ops.cross_entropy(flat, ops.reshape(y, shape=(-1,)))


class Carrying:
    """The loss of chunk after chunk, with the state handed on and its past cut off."""

    def __init__(self, model: CharRNN) -> None:
        self.model, self.state = model, None

    def __call__(self, x: Array, y: Array) -> Any:
        """Return the loss; a new epoch takes over the last state, which fades."""
        before = None if self.state is None else nn.detach_state(self.state)
        scores, self.state = self.model(x, before)
        return next_loss(scores, y)


@no_grad()
def judge(model: CharRNN, tokens: Array, rows: int = 16) -> float:
    """Return nats per character of a text, read through with the state carried on."""
    chunks = AlignedChunks(tokens, rows, 256)
    loss = Carrying(model)
    sums = [float(loss(x, y).data) * x.shape[1] for x, y in chunks]
    return float(sum(sums)) / chunks.times


def write(model: Any, letters: CharTokenizer, length: int, seed: int = 0) -> str:
    """Return a text of the model's own, written after a line's end."""
    choose = Sampler(0.8, rng=seed)
    prompt = letters.encode("\n")[None]
    return letters.decode(generate(model, prompt, length, choose=choose)[0])


def main(given: Sequence[str] | None = None) -> float:
    """Train; return nats per character of the validation text."""
    asked = arguments("char_rnn", "Train an LSTM to write like Shakespeare.", given)
    texts = load_shakespeare()
    letters = CharTokenizer("".join(texts))
    train, validation, test = (letters.encode(text) for text in texts)
    model = CharRNN(len(letters), dim=64, hidden=HIDDEN, dropout=0.1)
    print(f"{len(letters)} characters, {model.num_parameters()} weights", flush=True)
    diary, budget = Diary(model), Budget(asked.epochs, asked.minutes, EPOCHS)
    chunks = AlignedChunks(train, ROWS, LENGTH)
    for record in learn(model, chunks, Carrying(model), budget, rate=RATE):
        record["val_loss"] = judge(model, validation)
        diary.write(record, write(model, letters, 80))
    diary.close(asked.out, write(model, letters, 1000))
    print(f"{judge(model, test):.3f} nats per character of the test text")
    return diary.best


if __name__ == "__main__":
    main()
