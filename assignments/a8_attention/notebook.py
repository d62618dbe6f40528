# %% [markdown]
# # a8 · Attention and transformers, with your own lines
#
# First we check your gradients. Then we look at single parts: why scores are divided
# by the root of D, and what positions are for. In the end your code trains two
# networks: a transformer that reverses and sorts letters, whose attention maps show
# how it does this, and a small GPT that invents first names. Run the cells in order,
# in this folder:
#
#     jupyter lab notebook.py        (with jupytext), or        python notebook.py

# %%
import os
import time

import numpy as np

import minidl as md
from minidl import data, models, nn, ops, optim, show
from minidl.models import generate, next_loss
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
q, k, v = (
    rng.normal(size=(2, 3, 4)),
    rng.normal(size=(2, 5, 4)),
    rng.normal(size=(2, 5, 3)),
)
may_look = rng.random((3, 5)) < 0.7
may_look[1] = False  # this query may look at nothing
functions = {
    "additive scores": (ops.additive_scores, [q, k, rng.normal(size=4)]),
    "attention": (ops.scaled_dot_product_attention, [q, k, v]),
    "with a mask": (
        lambda *x: ops.scaled_dot_product_attention(*x, may_look),
        [q, k, v],
    ),
}
for name, (f, inputs) in functions.items():
    report = md.check.gradcheck(f, inputs)
    print(f"{name:16} {'right' if report else 'wrong'}")
    assert report

# %% [markdown]
# ## 2. Why the root of D?
#
# Queries and keys are random numbers of variance 1; each query has 16 keys.
# **Predict**: how large is the largest of the 16 weights, on average, for D = 4 and for
# D = 256? And if the scores are divided by the root of D?


# %%
def largest(d, scale):
    """Return the mean of the largest weight of a query."""
    q, k = rng.normal(size=(2, 200, 16, d))
    eye = np.eye(16)  # as values the unit vectors: the mixture is the weights
    return ops.scaled_dot_product_attention(q, k, eye, scale=scale).max(axis=-1).mean()


sizes = [4, 16, 64, 256]
plain = [largest(d, 1.0) for d in sizes]
divided = [largest(d, None) for d in sizes]
for d, a, b in zip(sizes, plain, divided, strict=True):
    print(f"D = {d:3}: largest weight {a:.2f}, divided by the root of D {b:.2f}")
assert plain[-1] > 0.85
assert max(divided) < 0.4

# %% [markdown]
# Where one weight is nearly 1, the softmax is *saturated*: its gradient $p\,(1 - p)$ is
# nearly 0, and nothing is learned.
#
# ## 3. What are positions for?
#
# Self-attention without a mask, without positions: **predict** what happens to the
# output if the tokens come in the opposite order.

# %%
layer = nn.MultiHeadAttention(16, heads=4, rng=SEED)
x = md.Tensor(rng.normal(size=(1, 6, 16)).astype("float32"))
backwards = slice(None, None, -1)
change = abs(layer(x[:, backwards]) - layer(x)[:, backwards]).max().item()
place = nn.PositionalEncoding(16)
placed = abs(layer(place(x[:, backwards])) - layer(place(x))[:, backwards]).max().item()
print(f"without positions {change:.1e}, with positions {placed:.1e}")
assert change < 1e-5 < 1e-2 < placed

# %% [markdown]
# ## 4. A transformer that reverses and sorts
#
# It reads a command, `<` (reverse) or `#` (sort), and ten letters. Then it writes ten
# letters. One encoder layer and one decoder layer, with one head each, so that we can
# see where it looks. **Predict**: where does the decoder look when it writes the first
# letter of a reversed word? And of a sorted one?

# %%
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SYMBOLS = LETTERS + "<#"
REVERSE, SORT, LENGTH = 26, 27, 10


def exercises(n):
    """Return sources (n, 11), with a command first, and answers (n, 10)."""
    words = rng.integers(0, 26, size=(n, LENGTH))
    sort = rng.random(n) < 0.5
    answers = np.where(sort[:, None], np.sort(words, axis=1), words[:, ::-1])
    command = np.where(sort, SORT, REVERSE)[:, None]
    return np.concatenate([command, words], axis=1), answers


class Clerk(nn.Module):
    """An encoder reads the source; a decoder looks at it and writes the answer."""

    def __init__(self, dim=64):
        start = np.random.default_rng(SEED)
        how = {"hidden": 2 * dim, "dropout": 0.0, "norm_first": True, "rng": start}
        self.embedding = nn.Embedding(len(SYMBOLS), dim, rng=start)
        self.positions = nn.PositionalEncoding(dim)
        self.encoder = nn.TransformerEncoderLayer(dim, 1, **how)
        self.decoder = nn.TransformerDecoderLayer(dim, 1, **how)
        self.norms = nn.ModuleList([nn.LayerNorm(dim), nn.LayerNorm(dim)])
        self.output = nn.Linear(dim, len(SYMBOLS), init="head", rng=start)

    def memory(self, source):
        """Return what the encoder knows about every symbol, (N, S, D)."""
        return self.norms[0](self.encoder(self.positions(self.embedding(source))))

    def forward(self, memory, target, cache=None, weights=False):
        """Return the scores of the next letter, and where the decoder looked."""
        start = 0 if cache is None else len(cache)
        x = self.positions(self.embedding(target), start=start)
        y = self.decoder(x, memory, cache=cache, weights=weights)
        y, looked = y if weights else (y, None)
        return self.output(self.norms[1](y)), looked

    def read(self, tokens, state):
        """Return the scores of what is next: for `generate`."""
        memory, cache = state
        return self(memory, tokens, cache)[0][:, -1], state


def said(source, answer):
    """Return what the decoder reads: the command, and all letters but the last."""
    return np.concatenate([source[:, :1], answer[:, :-1]], axis=1)


# %%
clerk, STEPS, curve = Clerk(), 1500, []
rate = optim.schedules.warmup(100, optim.schedules.cosine(3e-3, STEPS))
rule = optim.Adam(clerk.parameters(), lr=rate)
began = time.perf_counter()
for _ in range(STEPS):
    source, answer = exercises(64)
    scores, _ = clerk(clerk.memory(source), said(source, answer))
    loss = next_loss(scores, answer)
    rule.zero_grad()
    loss.backward()
    optim.clip_grad_norm(clerk.parameters(), 1.0)
    rule.step()
    curve.append(loss.item())
print(f"{time.perf_counter() - began:.0f} s")

# %%
source, answer = exercises(1000)
with md.no_grad():
    state = (clerk.eval().memory(source), nn.KVCache())
    written = generate(clerk, source[:, :1], LENGTH, state=state)
right = (written == answer).all(axis=1)
share = {c: right[source[:, 0] == c].mean() for c in (REVERSE, SORT)}
print(f"words that are right: reversed {share[REVERSE]:.1%}, sorted {share[SORT]:.1%}")
assert share[REVERSE] > 0.9
assert share[SORT] > 0.9


# %%
def spelled(tokens):
    """Return tokens as text."""
    return "".join(SYMBOLS[t] for t in tokens)


def map_of(word, command):
    """Return where the decoder looked for each letter, (10, 11), and both texts."""
    tokens = np.array([[SYMBOLS.index(s) for s in command + word]])
    answer = sorted(word) if command == "#" else word[::-1]
    answer = np.array([[SYMBOLS.index(s) for s in answer]])
    with md.no_grad():
        _, looked = clerk(clerk.memory(tokens), said(tokens, answer), weights=True)
    return looked.data[0, 0], spelled(tokens[0]), spelled(answer[0])


def looks_at(maps, source, answer):
    """Share of letters with the largest weight at the letter that is written."""
    seen = np.take_along_axis(source, maps.argmax(axis=-1), axis=1)
    return (seen == answer).mean()


with md.no_grad():
    _, looked = clerk(clerk.memory(source), said(source, answer), weights=True)
for c, name in ((REVERSE, "reversing"), (SORT, "sorting")):
    of = source[:, 0] == c
    found = looks_at(looked.data[of, 0], source[of], answer[of])
    print(f"{name}: {found:.1%} of the letters are where it looked most")
drawn = [map_of("transforme", command) for command in "<#"]

# %% [markdown]
# ## 5. A GPT that invents first names
#
# 6722 first names, letter by letter. The same token says that a name begins and that it
# ends; there are 26 letters besides, so who knows nothing has a loss of log 27 = 3.30
# nats. Who knows only the letter before (a table of counts) gets 2.44. **Predict**: how
# much does it help to see all letters before?

# %%
EDGE = 0
names = data.load_names()
letters = data.CharTokenizer(LETTERS, special=["<edge>"])
LONGEST = 12


def rows(words):
    """Return inputs and what comes next, both (N, 13); −1 is padding."""
    x = np.full((len(words), LONGEST + 1), EDGE)
    y = np.full((len(words), LONGEST + 1), -1)
    for i, word in enumerate(words):
        n = len(word)
        x[i, 1 : n + 1] = y[i, :n] = letters.encode(word)
        y[i, n] = EDGE
    return x, y


(x, y), (new_x, new_y) = rows(names.train), rows(names.validation)
counts = np.full((27, 27), 0.1)
np.add.at(counts, (x[y >= 0], y[y >= 0]), 1)
known = new_y >= 0
table = counts / counts.sum(axis=1, keepdims=True)
bigrams = -np.log(table[new_x[known], new_y[known]]).mean()
print(f"a table of pairs: {bigrams:.3f} nats a letter")

# %%
SIZE = {"context": LONGEST + 1, "dim": 48, "heads": 4, "layers": 2, "dropout": 0.1}
gpt, STEPS_GPT, learned = models.GPT(len(letters), rng=SEED, **SIZE), 1500, []
rate = optim.schedules.warmup(100, optim.schedules.cosine(6e-3, STEPS_GPT))
rule = optim.AdamW(gpt.parameters(), lr=rate, weight_decay=0.05)
began = time.perf_counter()
for _ in range(STEPS_GPT):
    pick = rng.integers(len(x), size=64)
    loss = next_loss(gpt(x[pick]), y[pick], ignore_index=-1)
    rule.zero_grad()
    loss.backward()
    optim.clip_grad_norm(gpt.parameters(), 1.0)
    rule.step()
    learned.append(loss.item())
with md.no_grad():
    nats = next_loss(gpt.eval()(new_x), new_y, ignore_index=-1).item()
print(f"GPT: {nats:.3f} nats a letter, {time.perf_counter() - began:.0f} s")
assert nats < 2.20 < bigrams

# %%
prompt = np.full((200, 1), EDGE)
began = time.perf_counter()
with_cache = generate(
    gpt, prompt, LONGEST, choose=models.Sampler(0.8, rng=SEED), end=EDGE
)
fast = time.perf_counter() - began
began = time.perf_counter()
without = generate(
    gpt, prompt, LONGEST, choose=models.Sampler(0.8, rng=SEED), end=EDGE, cache=False
)
slow = time.perf_counter() - began
assert (with_cache == without).all()
known_names = {*names.train, *names.validation, *names.test}
invented = [letters.decode(row) for row in with_cache]
unknown = [name for name in dict.fromkeys(invented) if name not in known_names]
print(f"200 names in {fast:.2f} s with the cache, {slow:.2f} s without, all the same")
print(f"{len(unknown)} of them are on no list:", *unknown[:24])

# %%
best = models.beam_search(gpt, prompt[:1], LONGEST, beams=6, end=EDGE)
for row, score in zip(best.tokens[0], best.scores[0], strict=True):
    print(f"{letters.decode(row):12} probability {np.exp(score):.4f}")

# %% [markdown]
# ## 6. The picture
#
# Top: where the decoder looked when it wrote each letter (rows), in the source
# (columns). Below: four heads of the GPT on one name, and what it learned.

# %%
with md.no_grad():
    heads = gpt.look(letters.encode("katherine")[None]).data[0]
with show.style.sheet():
    picture = Picture(figsize=(9.6, 6.4))
    grid = picture.add_gridspec(2, 12, height_ratios=[1.25, 1])
    for i, (weights, seen, wrote) in enumerate(drawn):
        ax = picture.add_subplot(grid[0, 4 * i : 4 * i + 4])
        ax.imshow(weights, cmap="Blues", vmin=0, vmax=1)
        ax.grid(False)
        ax.set_xticks(range(len(seen)), list(seen))
        ax.set_yticks(range(len(wrote)), list(wrote))
        ax.set_title("Reversing" if i == 0 else "Sorting")
    ax = picture.add_subplot(grid[0, 8:])
    window = np.ones(25) / 25
    for i, (name, losses) in enumerate({"letters": curve, "names": learned}.items()):
        ax.plot(
            np.convolve(losses, window, "valid"), color=show.style.color(i), label=name
        )
    ax.axhline(bigrams, color=show.style.GRAY, ls=":")
    ax.text(0, bigrams + 0.04, "names, by pairs of letters", fontsize=7)
    ax.set(xlabel="step", title="Nats a letter", ylim=(0, 3.4))
    ax.legend(fontsize=8)
    for i in range(4):
        ax = picture.add_subplot(grid[1, 3 * i : 3 * i + 3])
        ax.imshow(heads[i // 2, i % 2], cmap="Blues", vmin=0, vmax=1)
        ax.grid(False)
        ax.set_xticks(range(9), list("katherine"))
        ax.set_yticks(range(9), list("katherine"))
        ax.set_title(f"GPT: layer {i // 2 + 1}, head {i % 2 + 1}", fontsize=8)
    picture.finish(None).savefig("picture.png", dpi=90)
picture
