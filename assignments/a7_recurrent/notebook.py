# %% [markdown]
# # a7 · Recurrent networks, with your own lines
#
# First we check your gradients. Then we look at the two troubles of recurrent networks,
# gradients that vanish and gradients that explode, and at the two remedies, the LSTM's
# cell and clipping. In the end your code trains three networks: an RNN and an LSTM that
# write like Shakespeare, and one that reads handwritten digits and says them in words.
# Run the cells in order, in this folder:
#
#     jupyter lab notebook.py        (with jupytext), or        python notebook.py

# %%
import os

import numpy as np

import minidl as md
from minidl import data, models, nn, ops, optim, show
from minidl.models import AlignedChunks, Stateful, generate, next_loss
from minidl.show.picture import Picture

SEED = int(os.environ.get("SEED", "0"))
rng = np.random.default_rng(SEED)
md.seed(SEED)

# %% [markdown]
# ## 1. Are the gradients right?
#
# `gradcheck` compares them with central differences. If one of these fails,
# `minidl course score` tells you more.

# %%
x, h, c = rng.normal(size=(3, 4, 2)), rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
mask = np.arange(4) < np.array([4, 2, 3])[:, None]  # lengths 4, 2, 3


def weights(gates):
    """Weights of 5 units with so many blocks."""
    return [rng.normal(size=(n, 5 * gates)) for n in (2, 5)]


token, words = np.array([[2, 0, 2]]), np.array([[0, 4, 1, 1]] * 3)
functions = {
    "embedding": (lambda w: ops.embedding(token, w), [rng.normal(size=(3, 2))]),
    "RNN": (lambda *xs: ops.rnn(*xs, None, mask), [x, h, *weights(1)]),
    "LSTM": (lambda *xs: ops.lstm(*xs, None, mask), [x, h, c, *weights(4)]),
    "loss": (lambda s: next_loss(s, words, 0), [rng.normal(size=(3, 4, 5))]),
}
for name, (f, inputs) in functions.items():
    report = md.check.gradcheck(f, inputs)
    print(f"{name:10} {'right' if report else 'wrong'}")
    assert report

# %% [markdown]
# ## 2. How far does a gradient travel?
#
# `show.flow` takes a loss at the last of 60 times, and measures the gradient of the
# state at every earlier time. At the last time its length is 1. **Predict**: which of
# the five grow on the way back to time 1, which vanish, which stay about the same?

# %%
noise = rng.normal(size=(8, 60, 16)).astype("float32")


def wild(scale):
    """An RNN of 64 units; the weights between its states are `scale` times larger."""
    layer = nn.RNN(16, 64, rng=SEED)
    layer.cells[0].weight_h.data *= scale
    return layer


def remembering(bias):
    """An LSTM of 64 units whose forget gates begin at σ(bias)."""
    layer = nn.LSTM(16, 64, rng=SEED)
    layer.cells[0].bias.data[64:128] = bias
    return layer


flows = {
    "RNN, at its start": show.flow(wild(1), noise)["h"],
    "RNN, weights × 3": show.flow(wild(3), noise)["h"],
    "the same, clipped": show.flow(wild(3), noise, clip=1.0)["h"],
    "LSTM, cell, f = 0.5": show.flow(remembering(0), noise)["c"],
    "LSTM, cell, f near 1": show.flow(remembering(5), noise)["c"],
}
for name, norms in flows.items():
    print(f"{name:21} length after 59 steps back: {norms[0]:.1e}")
assert flows["RNN, at its start"][0] < 1e-6
assert flows["RNN, weights × 3"][0] > 1e4
assert flows["the same, clipped"].max() < 1.01
assert flows["LSTM, cell, f = 0.5"][0] < 1e-6
assert 0.3 < flows["LSTM, cell, f near 1"][0] < 30

# %% [markdown]
# ## 3. Clipping, on and off
#
# The nine plays of Shakespeare, one letter at a time: 78 letters, so a network that
# knows nothing has a loss of log 78 = 4.36 nats. An LSTM learns for 80 steps at a
# learning rate that is far too high. **Predict** the loss in the end, without clipping,
# and with gradients that are never longer than 0.2.

# %%
texts = data.load_shakespeare()
letters = data.CharTokenizer("".join(texts))
train, validation, _ = (letters.encode(text) for text in texts)


def learn(model, rule, steps, clip, rows=64, length=32):
    """Read the text in chunks, and learn; return the loss at every step."""
    net, losses = Stateful(model), []
    while len(losses) < steps:
        for x, y in AlignedChunks(train, rows, length):
            loss = next_loss(net(x), y)
            rule.zero_grad()
            loss.backward()
            optim.clip_grad_norm(model.parameters(), clip)
            rule.step()
            losses.append(loss.item())
            if len(losses) == steps:
                break
    return losses


clips = {}
for name, clip in {"off": 1e9, "on": 0.2}.items():
    model = models.CharRNN(len(letters), dim=32, hidden=48, rng=SEED)
    rule = optim.Momentum(model.parameters(), lr=8.0)
    clips[name] = learn(model, rule, 80, clip, rows=32)
    late, worst = np.mean(clips[name][-20:]), max(clips[name])
    print(f"clipping {name:3}: {late:.2f} nats in the end, {worst:.2f} at the worst")
assert np.mean(clips["on"][-20:]) < 2.5 < np.mean(clips["off"][-20:])

# %% [markdown]
# ## 4. An RNN and an LSTM write
#
# Both have 128 units, and about the same time to learn; an LSTM's step does four times
# the work. The loss on letters that they have not seen says how well they predict.
# **Predict** which one is ahead.

# %%
STEPS = {"rnn": 2000, "lstm": 700}


def judge(model, text=validation[:20_000]):
    """Return nats per letter of a text that was not learned."""
    net = Stateful(model).eval()
    with md.no_grad():
        losses = [next_loss(net(x), y).item() for x, y in AlignedChunks(text, 20, 100)]
    return np.mean(losses)


def write(model, temperature, length=300):
    """Return what the model writes after the end of a line."""
    choose = models.Sampler(temperature, rng=SEED)
    prompt = letters.encode("\n")[None]
    return letters.decode(generate(model.eval(), prompt, length, choose=choose)[0])


curves, nats, writers = {}, {}, {}
for kind, steps in STEPS.items():
    model = models.CharRNN(len(letters), dim=32, hidden=128, kind=kind, rng=SEED)
    rule = optim.Adam(model.parameters(), lr=optim.schedules.cosine(6e-3, steps))
    curves[kind], writers[kind] = learn(model, rule, steps, clip=1.0), model
    nats[kind] = judge(model)
    print(f"{kind}: {nats[kind]:.3f} nats per letter after {steps} steps")
assert nats["rnn"] < 1.75

# %%
for temperature in (0.3, 0.8, 1.5):
    print(f"--- the LSTM at temperature {temperature}")
    print(write(writers["lstm"], temperature))

# %% [markdown]
# ## 5. Two digits in words
#
# An image with one or two handwritten digits goes through two layers, and becomes the
# first state of an LSTM. It hears START and says "three seven END". Captions of one
# word are shorter, so they are padded. **Predict**: how does the network know when to
# stop?

# %%
VOCABULARY = ["<pad>", "<start>", "<end>", "zero", "one", "two", "three", "four",
              "five", "six", "seven", "eight", "nine"]  # fmt: skip
PAD, START, END, ZERO = 0, 1, 2, 3
digits = data.load_mnist5k()


def captioned(part, n):
    """Return n images (n, 28 · 56), a quarter with one digit only, and captions."""
    pick, single = rng.integers(len(part.x), size=(n, 2)), rng.random(n) < 0.25
    x, y = part.x[pick, 0].copy(), part.y[pick] + ZERO
    x[single, 1], y[single, 1] = 0, END
    last = np.where(single, PAD, END)
    captions = np.column_stack([np.full(n, START), y, last])
    return np.concatenate([x[:, 0], x[:, 1]], axis=2).reshape(n, -1), captions


class Captioner(nn.Module):
    """An image becomes the state of an LSTM, which says what it sees."""

    def __init__(self):
        start = np.random.default_rng(SEED)
        self.eye = nn.Sequential(
            nn.Linear(28 * 56, 200, rng=start), nn.ReLU(), nn.Dropout(0.3, rng=start)
        )
        self.bridge = nn.Linear(200, 2 * 96, init=nn.init.xavier_uniform, rng=start)
        self.embedding = nn.Embedding(len(VOCABULARY), 32, PAD, rng=start)
        self.lstm = nn.LSTM(32, 96, rng=start)
        self.output = nn.Linear(96, len(VOCABULARY), init="head", rng=start)

    def look(self, x):
        """Return the state (h, c) that an image begins with."""
        h, c = ops.split(self.bridge(self.eye(x - 0.13)), sections=2, axis=1)
        return h[None], c[None]

    def read(self, tokens, state=None):
        """Return the scores of the next word, and the state."""
        y, state = self.lstm(self.embedding(tokens), state)
        return self.output(y[:, -1]), state

    def forward(self, x, tokens):
        """Return the scores at all times."""
        return self.output(self.lstm(self.embedding(tokens), self.look(x))[0])


# %%
captioner, STEPS_SEEN = Captioner(), 1000
rate = optim.schedules.cosine(3e-3, STEPS_SEEN)
rule = optim.AdamW(captioner.parameters(), lr=rate, weight_decay=0.01)
for _ in range(STEPS_SEEN):
    x, captions = captioned(digits.train, 64)
    scores = captioner(x, captions[:, :-1])
    loss = next_loss(scores, captions[:, 1:], ignore_index=PAD)
    rule.zero_grad()
    loss.backward()
    optim.clip_grad_norm(captioner.parameters(), 1.0)
    rule.step()

# %%
x, captions = captioned(digits.test, 1000)
with md.no_grad():
    state = captioner.eval().look(md.Tensor(x))
said = generate(captioner, captions[:, :1], 3, end=END, state=state)
true = captions[:, 1 : 1 + said.shape[1]]
is_word = true >= ZERO
words_right = (said == true)[is_word].mean()
lengths_right = ((said >= ZERO).sum(axis=1) == is_word.sum(axis=1)).mean()
print(f"{words_right:.1%} of the words, {lengths_right:.1%} of the lengths are right")
assert words_right > 0.85
assert lengths_right > 0.95

# %% [markdown]
# ## 6. The picture
#
# Top, from the left: the gradient on its way back through 60 steps; an LSTM with and
# without clipping; the RNN and the LSTM on Shakespeare. Below: images that were not
# learned, and what the network says; four captions are right, two are wrong. Which of
# the two is ahead at equal steps, and which at equal time? (A step of the LSTM takes
# about three times as long.)

# %%


def smooth(losses, width=25):
    """A moving mean."""
    return np.convolve(losses, np.ones(width) / width, mode="valid")


def spoken(row):
    """Return a caption in words."""
    return " ".join(VOCABULARY[word] for word in row if word >= ZERO)


with show.style.sheet():
    picture = Picture(figsize=(9.6, 5.2))
    grid = picture.add_gridspec(2, 12, height_ratios=[3, 1])
    left, middle, right = (picture.add_subplot(grid[0, k : k + 4]) for k in (0, 4, 8))
    for i, (name, norms) in enumerate(flows.items()):
        how = {"color": show.style.color(i), "ls": show.style.dash(i)}
        times = np.flatnonzero(norms > 0)
        left.plot(times + 1, norms[times], label=name, **how)
    left.set(xlabel="time; the loss is at 60", yscale="log", ylim=(1e-12, 1e16))
    left.set_title("Length of the gradient")
    left.legend(fontsize=7, loc="upper right")
    for i, (name, losses) in enumerate(clips.items()):
        middle.plot(losses, color=show.style.color(i), label=f"clipping {name}")
    middle.set(xlabel="step", title="An LSTM, rate 8: loss", ylim=(2, 7))
    middle.legend(fontsize=8)
    for i, (kind, losses) in enumerate(curves.items()):
        label = f"{kind.upper()}, {nats[kind]:.2f} on new text"
        right.plot(smooth(losses), color=show.style.color(i), label=label)
    right.set(xlabel="step", title="Shakespeare: nats per letter", ylim=(1.4, 3.2))
    right.legend(fontsize=8, loc="upper right")
    right_ones = ((said == true) | ~is_word).all(axis=1)
    shown = [*np.flatnonzero(right_ones)[:4], *np.flatnonzero(~right_ones)[:2]]
    for k, n in enumerate(shown):
        ax = picture.add_subplot(grid[1, 2 * k : 2 * k + 2])
        ax.imshow(x[n].reshape(28, 56), cmap="gray_r")
        ax.set(xticks=[], yticks=[])
        ax.set_title(spoken(said[n]), fontsize=8)
    picture.finish(None).savefig("picture.png", dpi=100)
picture
