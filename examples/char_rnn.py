"""Train a CharRNN on Shakespeare, and let it write."""

from examples.common import BETAS, Run, arguments
from minidl import models, nn, optim, show
from minidl.data import CharTokenizer, load_shakespeare
from minidl.engine.tensor import values
from minidl.models import AlignedChunks, Stateful, next_loss
from minidl.show.hidden import inside, matching, place_in_line
from minidl.train import Trainer

EPOCHS, ROWS, LENGTH, HIDDEN, RATE = 12, 64, 64, 384, 4e-3
READ, DRAWN = 8000, 480  # characters: to find units, to draw them


def main(given=None):
    """Train, or recall; return nats per character of the validation text."""
    asked = arguments("char_rnn", "Train an LSTM to write like Shakespeare.", given)
    texts = load_shakespeare()
    letters = CharTokenizer("".join(texts))
    train, *unseen = (letters.encode(text) for text in texts)
    chunks = [AlignedChunks(tokens, 16, 256) for tokens in unseen]
    model = models.CharRNN(len(letters), dim=64, hidden=HIDDEN, dropout=0.1)
    run = Run(model, asked, say=lambda: write(model, letters, 80))
    optimizer = optim.AdamW(optim.no_decay(model, 0), run.budget.rate(RATE), BETAS)
    trainer = Trainer(Stateful(model), optimizer, next_loss, callbacks=run.callbacks)
    run.fit(trainer, AlignedChunks(train, ROWS, LENGTH), chunks[0], EPOCHS)
    val_loss, test_loss = (loss_of(model, text) for text in chunks)
    r = draw_units(model, letters, [text[:READ] for text in texts[1:]], run.out)
    draw_flow(model, unseen[0][: READ // 10].reshape(8, -1), run.out)
    figures = {"val_loss": val_loss, "test_loss": test_loss, **r}
    run.report(figures, write(model, letters, 1000))
    print(f"{test_loss:.3f} nats per character of the test text")
    return val_loss


def loss_of(model, chunks):
    """Return the loss of a text, read from its beginning."""
    judge = Trainer(Stateful(model), None, next_loss, progress=False)
    return judge.evaluate(chunks)["loss"]


def write(model, letters, length):
    """Return a text of the model's own, written after a line's end."""
    prompt, choose = letters.encode("\n")[None], models.Sampler(0.8, rng=0)
    return letters.decode(models.generate(model, prompt, length, choose=choose)[0])


PROPERTIES = {
    "in brackets": lambda text: inside(text, "[", "]"),
    "place in the line": place_in_line,
    "who speaks": lambda text: matching(text, r"^[A-Z][A-Z ]+\.$"),  # "ROSALIND."
}


def draw_units(model, letters, texts, out):
    """Draw the unit that goes best with each property; return how well it does.

    It is chosen on the first text, and judged and drawn on the second.
    """
    h, h_new = (model.units(letters.encode(text)[None])[0] for text in texts)
    units, titles, reached = [], [], {}
    for name, of in PROPERTIES.items():
        p, p_new = (of(text) for text in texts)
        if p.std() and p_new.std():  # a short text may have no brackets
            unit, _ = show.find_units(h, p, limit=1)[0]
            _, r = show.find_units(h_new[:, [unit]], p_new)[0]
            units.append(unit)
            titles.append(f"unit {unit}, {name}: r = {r:.2f}".replace("-", "−"))
            reached[f"r {name}"] = r
    start = max(0, texts[1].find("[") - 150)
    part, path = slice(start, start + DRAWN), out / "hidden.png"
    show.hidden_units(texts[1][part], h_new[part, units], titles=titles, path=path)
    return reached


def draw_flow(model, tokens, out):
    """Draw how a gradient goes back through networks that were trained, or not."""
    x = values(model.embedding(tokens))
    sizes = x.shape[2], model.layers.cells[0].hidden_size
    wild = nn.RNN(*sizes, rng=0)
    wild.cells[0].weight_h.data *= 2
    trained = show.flow(model.layers.eval(), x)
    lines = {
        "RNN at its start": show.flow(nn.RNN(*sizes, rng=0), x)["h"],
        "RNN, weights × 2": show.flow(wild, x)["h"],
        "the same, clipped": show.flow(wild, x, clip=1.0)["h"],
        "LSTM at its start": show.flow(nn.LSTM(*sizes, rng=0), x)["h"],
        "LSTM trained, ∂L/∂h": trained["h"],
        "LSTM trained, ∂L/∂c": trained["c"],
    }
    show.gradient_flow(lines, path=out / "flow.png")


if __name__ == "__main__":
    main()
