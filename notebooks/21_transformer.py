# %% [markdown]
# # 21 · The transformer: what else is in it?
#
# *Attention is all you need* is the title of the paper, and lectures repeat it: no
# recurrence, only attention. But two thirds of the weights in its blocks are not in
# its attention, and without some other parts it does not even know the order of the
# words. Here we take one to pieces: we count, we turn texts round, we leave out one
# part after the other and measure what is lost. At the end it invents first names.
#
# Predict first, then run. Each claim with a number ends in an `assert`.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import minidl as md
from minidl import data, nn, optim, show
from minidl.models import GPT, Sampler, generate, next_loss
from minidl.nn.position import sinusoids

SEED = int(os.environ.get("SEED", "0"))
QUICK = os.environ.get("QUICK") == "1"
rng = np.random.default_rng(SEED)
md.seed(SEED)
colors = {"axes.prop_cycle": plt.cycler(color=show.style.PALETTE)}
plt.style.use([show.style.SETTINGS, colors, {"figure.dpi": 150}])

# %% [markdown]
# ## 1. Where are the weights?
#
# A block has self-attention, with four matrices $D \times D$ (queries, keys, values,
# and one behind the heads); and a *feed-forward network*, which every token passes
# alone: a layer from $D$ to $4D$, a ReLU or GELU, a layer back. Around each is a
# shortcut and a layer norm.
#
# **Predict.** Which share of the weights of a block is in its attention?

# %%
D = 64
block = nn.TransformerEncoderLayer(D, heads=4, dropout=0.0, rng=SEED)
where = {"attention": 0, "feed-forward": 0, "norms": 0}
for name, p in block.named_parameters():
    part = name.split(".")[0]
    key = {"self_attn": "attention", "linear1": "feed-forward"}.get(part)
    key = key or {"linear2": "feed-forward"}.get(part, "norms")
    where[key] += p.size
print({k: f"{n} ({n / sum(where.values()):.0%})" for k, n in where.items()})

assert where["attention"] == 4 * D**2 + 4 * D and where["norms"] == 4 * D
assert where["feed-forward"] == 8 * D**2 + 5 * D

# %% [markdown]
# One third: $4D^2$ against $8D^2$ (and a few biases). In the attention words exchange
# what they know; in the larger part each word is alone.
#
# ## 2. Does it know the order of the words?
#
# The block gets seven words, and the same seven backwards.
#
# **Predict.** What happens to the output? And if a mask hides the future?

# %%
x = md.Tensor(rng.normal(size=(1, 7, D)).astype("float32"))
turned = x[:, ::-1]
place = nn.PositionalEncoding(D)
changes = {
    "as it is": block(turned)[:, ::-1] - block(x),
    "with a mask": block(turned, causal=True)[:, ::-1] - block(x, causal=True),
    "with positions": block(place(turned))[:, ::-1] - block(place(x)),
}
changes = {name: float(abs(d.data).max()) for name, d in changes.items()}
print({name: f"{change:.0e}" for name, change in changes.items()})

assert changes["as it is"] < 1e-5 < 0.1 < changes["with positions"]
assert changes["with a mask"] > 0.1

# %% [markdown]
# It comes backwards, too, and each word gets the same vector as before: to a block the
# text is a bag of words. A mask tells it something, since a later word sees more words
# than an earlier one. The usual way is to add a code of the position to each word.
# (Lecture notes sometimes leave this out; then the layer they describe cannot tell "dog
# bites man" from "man bites dog".)
#
# ## 3. What does a position look like?
#
# Features form pairs. Pair $k$ at time $t$ is $(\sin \omega_k t, \cos \omega_k t)$: a
# point on a circle, fast for the first pairs and slow for the last.
#
# **Predict.** From the code of time $t$, how do you get that of time $t + 5$? Does the
# way depend on $t$?

# %%
codes = sinusoids(100, 32)
fig, ax = plt.subplots(figsize=(6, 2.6))
ax.imshow(codes.T, cmap=show.style.SIGNED, aspect="auto", vmin=-1, vmax=1)
ax.grid(False)
ax.set(xlabel="time t", ylabel="feature")

pairs = codes[:, 1::2] + 1j * codes[:, 0::2]  # cos + i sin
turn = pairs[5] / pairs[0]
assert np.allclose(pairs[5:], pairs[:-5] * turn, atol=1e-12)

# %% [markdown]
# Each pair turns by a fixed angle, $5\omega_k$, whatever $t$ is: to $10^{-12}$ one
# rotation fits all times. A rotation is a linear map, so a query can be "the key five
# words back" everywhere in a text.
#
# **Predict.** Then how does the dot product of the codes of two times depend on them?

# %%
products = codes @ codes.T
gaps = np.arange(100)[:, None] - np.arange(100)
spread = [np.ptp(products[gaps == gap]) for gap in range(-50, 51)]
print(f"at distance 0: {products[0, 0]:.0f}; spread at one distance {max(spread):.0e}")

assert max(spread) < 1e-12 and np.argmax(products[50]) == 50

# %% [markdown]
# On the distance alone, and it is largest at distance 0.
#
# ## 4. What is its first loss?
#
# A GPT is a stack of such blocks with a mask, that scores the next token. We give it
# first names, letter by letter: 26 letters, and one sign that begins and ends a name.
#
# **Predict.** Its loss before it has learned anything?

# %%
names = data.load_names()
letters = data.CharTokenizer("abcdefghijklmnopqrstuvwxyz", special=["<edge>"])


def rows(words):
    """Inputs, and what comes next, both (N, 13); −1 does not count."""
    x, y = np.zeros((len(words), 13), int), np.full((len(words), 13), -1)
    for i, word in enumerate(words):
        x[i, 1 : len(word) + 1] = y[i, : len(word)] = letters.encode(word)
        y[i, len(word)] = 0
    return x, y


# %%
(x, y), unseen = rows(names.train), rows(names.validation)


def gpt(seed=SEED):
    return GPT(27, 13, dim=32, heads=4, layers=2, dropout=0.0, rng=seed)


def judge(net):
    with md.no_grad():
        return next_loss(net.eval()(unseen[0]), unseen[1], ignore_index=-1).item()


print(f"{judge(gpt()):.3f} nats a letter, log 27 = {np.log(27):.3f}")
assert abs(judge(gpt()) / np.log(27) - 1) < 0.02

# %% [markdown]
# $\log 27$, as for every classifier that has no reason to prefer a class (notebook 12).
#
# ## 5. What is lost without a part?
#
# A task that needs little training: six letters of eight kinds, a sign, and then the
# same six again. Six nets learn it: whole; without positions; without shortcuts;
# without the feed-forward networks; without norms; without attention, so that each
# letter sees only itself.
#
# **Predict.** How many letters does each get right, if guessing gets one in eight?


# %%
def copies(n=32):
    a = rng.integers(1, 9, size=(n, 6))
    x = np.concatenate([a, np.zeros((n, 1), int), a[:, :-1]], axis=1)
    return x, np.concatenate([np.full((n, 6), -1), a], axis=1)


# %%
def leave_out(net, part):
    if part == "positions":
        net.positions.forward = lambda z, start: z
    for block in net.blocks:
        if part == "shortcuts":
            block._around = lambda norm, f, z: f(norm(z))
        elif part == "feed-forward":
            block._feed_forward = lambda z: 0 * z
        elif part == "norms":
            block.norm1 = block.norm2 = net.norm = nn.Sequential()
        elif part == "attention":
            block.self_attn.forward = lambda z, **_: 0 * z


# %%
def fit(net, examples, steps, lr=6e-3, warm=30):
    rate = optim.schedules.cosine(lr, steps)
    rate = optim.schedules.warmup(warm, rate) if warm else rate
    optimizer = optim.Adam(net.parameters(), lr=rate)
    for _ in range(steps):
        x, y = examples()
        loss = next_loss(net(x), y, ignore_index=-1)
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm(net.parameters(), 1.0)
        optimizer.step()
    return net.eval()


# %%
parts = ["nothing", "positions", "shortcuts", "feed-forward", "norms", "attention"]
right, nets = {}, {}
for part in ["nothing", "attention"] if QUICK else parts:
    nets[part] = gpt()
    leave_out(nets[part], part)
    fit(nets[part], copies, 120 if QUICK else 250)
    x, y = copies(300)
    right[part] = float((nets[part](x).data.argmax(axis=2) == y)[y >= 0].mean())
# %%
fig, ax = plt.subplots(figsize=(6, 2.6))
bars = ax.barh(list(right), list(right.values()))
ax.bar_label(bars, fmt="%.2f", padding=3)
ax.set(xlabel="letters right", ylabel="left out", xlim=(0, 1.15))
ax.invert_yaxis()
assert right["nothing"] > (0.5 if QUICK else 0.95) and right["attention"] < 0.2
if not QUICK:
    assert min(right["shortcuts"], right["feed-forward"]) > 0.9
    assert max(right["positions"], right["norms"]) < 0.9

# %% [markdown]
# To copy, attention is everything: without it nothing is better than a guess. Without
# positions more than one letter in ten is wrong, for the mask alone tells the order
# badly. Without norms 250 steps are not enough. (They also bring the embeddings, which
# a GPT draws with a deviation of 0.02, to size 1.) But **without shortcuts, or without
# the feed-forward networks, few letters are lost**: two blocks are not deep, and to
# carry a letter to another place needs no thinking about it. So what a transformer
# needs depends on what it does: shortcuts were invented for deep networks (He et al.),
# and the feed-forward networks may be where large models keep what they know (Geva et
# al.).
#
# ## 6. Where do its heads look?
#
# **Predict.** When the net copies, at which place must some head look, to write the
# letter that comes next?

# %%
net = nets["nothing"]
x, _ = copies(200)
with md.no_grad():
    seen = net.look(x).data  # (N, layers, heads, T, T)
late = np.arange(6, 12)
back = seen[..., late, late - 6].mean(axis=(0, -1))
print("mean weight six places back:", back.round(2).tolist())

assert np.triu(seen, 1).max() == 0 and back.max() > (0.3 if QUICK else 0.5)
tokens = ["#abcdefgh"[token] for token in x[0]]
names8 = [f"layer {i}, head {k}" for i in (1, 2) for k in (1, 2, 3, 4)]
show.attention(seen[0].reshape(8, 12, 12), tokens, tokens, titles=names8)

# %% [markdown]
# Six places back. At the sign "#" the first letter is due, which stands six places
# before it, and so on: a shift by six, for which section 3 gives the reason that it can
# be learned at once for all places. Nothing is above the diagonal, for that is hidden.
#
# ## 7. Where must the norm stand?
#
# The paper of 2017 normalizes *after* the shortcut has been added, and warms the rate
# up over thousands of steps. Later the norm was moved *before* each part (*pre-norm*),
# so that the shortcut itself is never touched.
#
# **Predict.** Six blocks, first names, 80 steps without a warm-up: which of the two
# learns faster?

# %%
(x, y), depth, steps = rows(names.train), 3 if QUICK else 6, 30 if QUICK else 80


def some_names():
    pick = rng.integers(len(x), size=32)
    return x[pick], y[pick]


def deep(norm_first):
    net, start = gpt(), np.random.default_rng(SEED)
    how = {"dropout": 0.0, "norm_first": norm_first, "rng": start}
    layers = [nn.TransformerEncoderLayer(32, 4, **how) for _ in range(depth)]
    net.blocks = nn.ModuleList(layers)
    return net


# %%
nats = {}
for name, first in [("pre-norm", True), ("post-norm", False)]:
    nats[name] = judge(fit(deep(first), some_names, steps, warm=0))
print({name: f"{n:.2f}" for name, n in nats.items()})

assert QUICK or nats["post-norm"] > nats["pre-norm"] + 0.05  # 30 steps are too few

# %% [markdown]
# Pre-norm. Xiong et al. show why: at the start the gradients of post-norm's last layers
# are large, and a warm-up keeps the first steps small.
#
# ## 8. Does a cache change what it writes?
#
# Who writes letter after letter reads everything again at each step. But no letter
# looks at later ones, so keys and values of old letters stay as they are, and can be
# kept.
#
# **Predict.** 12 letters after one sign: how many tokens does the net read without the
# cache, how many with it? And are the names the same?

# %%
net = fit(gpt(), some_names, 80 if QUICK else 200)
forward, tokens_read = net.forward, []


def counted(tokens, cache=None):
    tokens_read[-1] += tokens.shape[1]
    return forward(tokens, cache=cache)


# %%
net.forward, written, start = counted, {}, np.zeros((200, 1), int)
for cache in (True, False):
    tokens_read.append(0)
    choose = Sampler(0.8, rng=SEED)
    written[cache] = generate(net, start, 12, choose=choose, cache=cache)
print(f"tokens read: {tokens_read[0]} with the cache, {tokens_read[1]} without")
assert tokens_read == [12, 12 * 13 // 2] and (written[True] == written[False]).all()

# %% [markdown]
# 12 and 78, for the same names: $T$ against $T(T+1)/2$.
#
# ## 9. What has it invented?
#
# **Predict.** How many of 200 names are on no list of 8402? (And would you give one to
# a child?)

# %%
invented = ["".join(letters.decode(row[: np.argmax(row == 0)] if 0 in row else row))
            for row in written[True]]  # fmt: skip
known = {*names.train, *names.validation, *names.test}
new = [name for name in dict.fromkeys(invented) if name not in known]
print(f"{judge(net):.2f} nats; {len(new)} new:", *new[:30])

assert len(new) > 100 and judge(net) < (2.7 if QUICK else 2.5)

# %% [markdown]
# More than half. Most can be pronounced, few will be given. (`python -m examples.gpt
# --minutes 15` writes Shakespeare, nearly; docs/sequences.md has a scene of it.)
#
# ## Exercise: how many weights?
#
# Write `answer(vocabulary, context, dim, layers)`: the number of weights of
# `models.GPT`. There is a vector for each token (the same table scores what comes
# next), one for each position, the blocks of section 1 with all their biases, and one
# norm at the end, which has two numbers for each feature.

# %%
answer = None  # a function of vocabulary, context, dim and layers, in place of None


def check(answer):
    for v, c, d, n in [(27, 13, 32, 2), (78, 128, 128, 4), (1000, 64, 16, 1)]:
        net = GPT(v, c, d, 4, n)
        weights = sum(p.size for p in net.parameters())
        assert answer(v, c, d, n) == weights, f"{(v, c, d, n)}: {weights} weights"
    return "right"


print(check(answer) if answer else "Your turn.")

# %% [markdown]
# <details><summary>A solution</summary>
#
# ```python
# def answer(vocabulary, context, dim, layers):
#     block = 12 * dim**2 + 13 * dim
#     return (vocabulary + context) * dim + layers * block + 2 * dim
# ```
# </details>
#
# **And without a check:** GPT-2 has 50,257 tokens, a context of 1024, 768 features and
# 12 layers. Is your number the one that is always quoted, 124 million?
#
# ## References
#
# - A. Vaswani et al., *Attention is all you need*, NeurIPS 2017.
# - A. Radford et al., *Improving language understanding by generative pre-training*
#   (2018): GPT; *Language models are unsupervised multitask learners* (2019): GPT-2.
# - R. Xiong et al., *On layer normalization in the transformer architecture*, ICML
#   2020: pre-norm and post-norm.
# - K. He et al., *Deep residual learning for image recognition*, CVPR 2016: shortcuts,
#   for nets of many layers.
# - M. Geva et al., *Transformer feed-forward layers are key-value memories*, EMNLP
#   2021: what the larger part may be doing.
# - Lectures: EECS 498, *Attention*; CS231n, *Attention and transformers*.
# - In the source: `minidl/nn/transformer.py`, `minidl/nn/position.py`,
#   `minidl/nn/cache.py`, `minidl/models/gpt.py`.
