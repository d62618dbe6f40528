"""Train a GPT on Shakespeare, character by character, and let it write."""

from examples.char_rnn import write
from examples.common import BETAS, Run, arguments
from minidl import models, ops, optim, show
from minidl.data import CharTokenizer, load_shakespeare
from minidl.engine.modes import no_grad
from minidl.models import RandomChunks, SlidingChunks, next_loss
from minidl.train import Trainer

EPOCHS, ROWS, CONTEXT, RATE = 10, 32, 128, 2e-3
SIZE = {"dim": 128, "heads": 4, "layers": 4}  # 0.8 million weights


def main(given=None):
    """Train, or recall; return nats per character of the validation text."""
    asked = arguments("gpt", "Train a small GPT to write like Shakespeare.", given)
    texts = load_shakespeare()
    letters = CharTokenizer("".join(texts))
    train, *unseen = (letters.encode(text) for text in texts)
    windows = [SlidingChunks(tokens, 64, CONTEXT) for tokens in unseen]
    model = models.GPT(len(letters), CONTEXT, dropout=0.0, **SIZE)
    run = Run(model, asked, say=lambda: write(model, letters, 80))
    optimizer = optim.AdamW(optim.no_decay(model, 0.1), run.budget.rate(RATE), BETAS)
    trainer = Trainer(model, optimizer, next_loss, callbacks=run.callbacks)
    run.fit(trainer, RandomChunks(train, ROWS, CONTEXT), windows[0], EPOCHS)
    val_loss, test_loss = (trainer.evaluate(text)["loss"] for text in windows)
    line = max(texts[2][:1000].split("\n"), key=len)[: min(CONTEXT, 24)]
    draw_attention(model, letters, line, run.out)
    figures = {"val_loss": val_loss, "test_loss": test_loss}
    run.report(figures, write(model, letters, 1000))
    print(f"{test_loss:.3f} nats per character of the test text")
    return val_loss


@no_grad()
def draw_attention(model, letters, text, out):
    """Draw all heads of the first and of the last layer, over a line of text."""
    maps = model.look(letters.encode(text)[None]).data[0]
    layers, heads = dict.fromkeys((0, len(maps) - 1)), range(len(maps[0]))
    titles = [f"layer {i + 1}, head {k + 1}" for i in layers for k in heads]
    weights = ops.stack([maps[i][k] for i in layers for k in heads])
    path = out / "attention.png"
    show.attention(weights, list(text), list(text), titles=titles, path=path)


if __name__ == "__main__":
    main()
