"""Train a CharRNN on Shakespeare, and let it write."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from examples.common import Run, arguments, loss_of, next_loss
from minidl import nn, show
from minidl.backend import Array
from minidl.data import CharTokenizer, load_shakespeare
from minidl.engine.tensor import values
from minidl.models import AlignedChunks, CharRNN, Sampler, generate
from minidl.show.hidden import inside, place_in_line

EPOCHS, ROWS, LENGTH, HIDDEN, RATE = 12, 64, 64, 384, 4e-3
READ, DRAWN = 8000, 480  # characters: to find units, to draw them


class Carrying(nn.Module):
    """Reads chunk after chunk, with the state handed on and its past cut off.

    A text in other rows, or in the other mode, begins with no state; a new epoch takes
    over the last one, which fades.
    """

    def __init__(self, model: CharRNN) -> None:
        self.model, self._state, self._last = model, None, (False, 0)

    def forward(self, x: Any) -> Any:
        """Return the scores.    x (N, T) -> (N, T, V)"""
        now = self.training, len(x)
        before = nn.detach_state(self._state) if self._last == now else None
        scores, self._state = self.model(x, before)
        self._last = now
        return scores


def write(model: Any, letters: CharTokenizer, length: int, seed: int = 0) -> str:
    """Return a text of the model's own, written after a line's end."""
    choose = Sampler(0.8, rng=seed)
    prompt = letters.encode("\n")[None]
    return letters.decode(generate(model, prompt, length, choose=choose)[0])


def in_names(text: str) -> Array:
    """Tell which characters belong to a line that names who speaks: "ROSALIND."."""
    found = np.zeros(len(text), bool)
    for name in re.finditer(r"^[A-Z][A-Z ]+\.$", text, re.MULTILINE):
        found[name.start() : name.end()] = True
    return found


PROPERTIES: dict[str, Callable[[str], Array]] = {
    "in brackets": lambda text: inside(text, "[", "]"),
    "place in the line": place_in_line,
    "who speaks": in_names,
}


def draw_units(
    model: CharRNN, letters: CharTokenizer, texts: Sequence[str], out: Path
) -> dict[str, float]:
    """Draw the unit that goes best with each property; return how well it does.

    It is chosen on the first text, and judged and drawn on the second.
    """
    h = [model.units(letters.encode(text)[None])[0] for text in texts]
    chosen, titles, reached = [], [], {}
    for name, of in PROPERTIES.items():
        p = [of(text) for text in texts]
        if any(each.std() == 0 for each in p):
            continue  # a short text may have no brackets
        unit, _ = show.find_units(h[0], p[0], limit=1)[0]
        _, r = show.find_units(h[1][:, [unit]], p[1])[0]
        chosen.append(unit)
        titles.append(f"unit {unit}, {name}: r = {r:.2f}".replace("-", "−"))
        reached[f"r {name}"] = r
    start = max(0, texts[1].find("[") - 150)
    part = slice(start, start + DRAWN)
    show.hidden_units(
        texts[1][part], h[1][part, chosen], titles=titles, path=out / "hidden.png"
    )
    return reached


def draw_flow(model: CharRNN, tokens: Array, out: Path) -> None:
    """Draw how a gradient goes back through networks that were trained, or not."""
    x = values(model.embedding(tokens))
    sizes = x.shape[2], model.layers.cells[0].hidden_size
    rnn, lstm = nn.RNN(*sizes, rng=0), nn.LSTM(*sizes, rng=0)
    wild = nn.RNN(*sizes, rng=0)
    wild.cells[0].weight_h.data *= 2
    trained = show.flow(model.layers.eval(), x)
    lines = {
        "RNN at its start": show.flow(rnn, x)["h"],
        "RNN, weights × 2": show.flow(wild, x)["h"],
        "the same, clipped": show.flow(wild, x, clip=1.0)["h"],
        "LSTM at its start": show.flow(lstm, x)["h"],
        "LSTM trained, ∂L/∂h": trained["h"],
        "LSTM trained, ∂L/∂c": trained["c"],
    }
    show.gradient_flow(lines, path=out / "flow.png")


def main(given: Sequence[str] | None = None) -> float:
    """Train, or recall; return nats per character of the validation text."""
    asked = arguments("char_rnn", "Train an LSTM to write like Shakespeare.", given)
    parts = load_shakespeare()
    letters = CharTokenizer("".join(parts))
    train, validation, test = (letters.encode(text) for text in parts)
    model = CharRNN(len(letters), dim=64, hidden=HIDDEN, dropout=0.1)
    print(f"{len(letters)} characters, {model.num_parameters()} weights", flush=True)
    run = Run(model, next_loss, asked.out)
    unseen = AlignedChunks(validation, 16, 256)
    run.train(
        AlignedChunks(train, ROWS, LENGTH), unseen, asked, epochs=EPOCHS, rate=RATE,
        say=lambda: write(model, letters, 80), reader=Carrying(model),
    )  # fmt: skip
    reached = {
        name: loss_of(Carrying(model), next_loss, AlignedChunks(text, 16, 256))
        for name, text in (("val_loss", validation), ("test_loss", test))
    }
    reached |= draw_units(model, letters, [p[:READ] for p in parts[1:]], run.out)
    draw_flow(model, validation[: READ // 10].reshape(8, -1), run.out)
    run.report(reached, write(model, letters, 1000))
    print(f"{reached['test_loss']:.3f} nats per character of the test text")
    return reached["val_loss"]


if __name__ == "__main__":
    main()
