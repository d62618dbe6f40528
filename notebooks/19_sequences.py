# %% [markdown]
# # 19 · Sequences to sequences: a bottleneck, and looking back
#
# One network reads a sentence, another one writes a sentence: a translation, a
# pronunciation, a caption. At first all that the reader knew went through one vector
# of fixed length. Then the writer was allowed to look back at every word, and to decide
# anew for each word where to look. That is attention. Here both are measured on a task
# whose right answer everybody knows: to write a word backwards. Then an image takes
# the place of the sentence.
#
# Predict first, then run. Each claim with a number ends in an `assert`.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import minidl as md
from minidl import data, nn, optim, show
from minidl.models import Captioner, Seq2Seq, beam_search, next_loss, transcribe
from minidl.models.choosing import probabilities

SEED = int(os.environ.get("SEED", "0"))
QUICK = os.environ.get("QUICK") == "1"
rng = np.random.default_rng(SEED)
md.seed(SEED)
colors = {"axes.prop_cycle": plt.cycler(color=show.style.PALETTE)}
plt.style.use([show.style.SETTINGS, colors, {"figure.dpi": 150}])

# %% [markdown]
# ## 1. What is handed over?
#
# `Seq2Seq` has a *reader*, an LSTM in both directions, and a *decoder*, an LSTM that
# writes. Without attention the decoder starts from a vector $h$ that is made of the
# reader's last states, and gets nothing else. With attention it may also look at the
# *memory*: the reader's states at all places.
#
# **Predict.** For words of 4 and of 20 letters: how many numbers does the decoder get
# in each case? And do reader and decoder share any weight?

# %%
PAD, START, END = 0, 1, 2
LETTERS = "abcdefghijklmnopq"


def new(attention):
    start = np.random.default_rng(SEED)
    return Seq2Seq(20, 20, 32, 64, attention=attention, rng=start)


net, handed = new(True), {}
for length in (4, 20):
    (h, _), memory, _ = net.start(np.full((1, length), 3))
    handed[length] = h.size, memory.size
reader, decoder = ({id(p) for p in m.parameters()} for m in (net.reader, net.decoder))
print({length: f"h {a}, memory {b}" for length, (a, b) in handed.items()})
assert handed == {4: (64, 4 * 128), 20: (64, 20 * 128)} and not reader & decoder

# %% [markdown]
# 64 numbers for a word of any length, against 128 for *each letter*. No weight is
# shared.
#
# ## 2. How much goes through one vector?
#
# Words of 17 kinds of letters, to be written backwards. Both nets get the same words
# of mixed lengths, for the same number of steps.
#
# **Predict.** At which length does the one without attention begin to fail? And the
# one with it?


# %%
def words(n, length):
    """Sources, and targets between START and END."""
    x = rng.integers(3, 20, size=(n, length))
    edges = np.full((n, 1), START), np.full((n, 1), END)
    return x, np.concatenate([edges[0], x[:, ::-1], edges[1]], axis=1)


# %%
def learn(net, examples, steps, lr=8e-3, ignore=PAD):
    rate = optim.schedules.warmup(30, optim.schedules.cosine(lr, steps))
    optimizer = optim.Adam(net.parameters(), lr=rate)
    for _ in range(steps):
        x, y = examples()
        loss = next_loss(net(x, y[:, :-1]), y[:, 1:], ignore_index=ignore)
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm(net.parameters(), 1.0)
        optimizer.step()
    return net


# %%
def letters_right(net, x, beams=1):
    length = x.shape[1]
    said = transcribe(net, x, length + 1, beams=beams)
    said = data.pad_sequences([*said, [PAD] * length])[:-1, :length]
    return float((said == x[:, ::-1]).mean())


# %%
lengths, steps = ((4, 8), 120) if QUICK else ((4, 8, 12, 16, 20), 500)


def mixed():
    return words(64, int(rng.choice(lengths)))


nets = {kind: learn(new(kind == "attention"), mixed, steps) for kind in
        ("one vector", "attention")}  # fmt: skip
right = {
    kind: [letters_right(net, words(200, t)[0]) for t in lengths]
    for kind, net in nets.items()
}
# %%
fig, ax = plt.subplots(figsize=(6, 2.8))
for (kind, shares), mark in zip(right.items(), ("o-", "s--"), strict=True):
    ax.plot(lengths, shares, mark, label=kind)
ax.set(xlabel="letters of a word", ylabel="letters right", ylim=(0, 1.05))
ax.set_xticks(lengths)
ax.legend(loc="center right")

assert right["one vector"][-1] < (0.6 if QUICK else 0.3)
assert min(right["attention"]) > (0.6 if QUICK else 0.8)
assert right["one vector"][0] > right["one vector"][-1] + 0.2

# %% [markdown]
# Without attention the share falls with every few letters, and of 20 letters fewer than
# a third are right. With attention more than four of five are right at every length.
# Long words pay for the bottleneck. (How long the two are trained, and on which mixture
# of lengths, changes the figures: try it.)
#
# ## 3. Where does it look?
#
# The decoder's state makes a *query*; the query meets the memory of each place, and a
# softmax of the scores gives the weights: so much of each place is seen.
#
# **Predict.** Which picture do the weights make when a word is written backwards?

# %%
net = nets["attention"]
x, y = words(200, lengths[-1])
with md.no_grad():
    seen = net.eval().look(x, y[:, :-1]).data[:, :-1]  # without END: (N, T, S)
opposite = np.arange(lengths[-1])[::-1]
hits = (seen.argmax(axis=2) == opposite).mean()
source = [LETTERS[t - 3] for t in x[0]]
print(f"largest weight at the letter that is written: {hits:.1%}")

assert hits > (0.5 if QUICK else 0.8) and np.allclose(seen.sum(axis=2), 1, atol=1e-5)
show.attention(seen[0], source[::-1], source)

# %% [markdown]
# The anti-diagonal: for the first letter it looks at the last. Nobody told it so; it
# was told only which letters are right.
#
# ## 4. What does it see there?
#
# What it gets is the *context*, the mixture of the memory by the weights,
# $c_i = \sum_j p_{ij}\, m_j$. For every letter it is another one.
#
# **Predict.** If all scores are equal, for instance since the query is 0: what is the
# context?

# %%
query, memory = rng.normal(size=(1, 3, 8)), rng.normal(size=(1, 5, 8))
query[0, 0] = 0
context, p = nn.DotAttention()(md.Tensor(query), md.Tensor(memory))
by_hand = np.einsum("ij,jd->id", p.data[0], memory[0])
print("weights of the query 0:", p.data[0, 0])

assert np.allclose(context.data[0], by_hand) and np.allclose(p.data.sum(axis=-1), 1)
assert np.allclose(context.data[0, 0], memory[0].mean(axis=0))

# %% [markdown]
# The mean of the memory: looking everywhere equally is looking nowhere. (The layer
# `nn.AdditiveAttention` scores by a small network in place of a dot product, as the
# paper of 2015 did; the mixture is the same.)
#
# ## 5. How does it know when to stop?
#
# Every target ends with END, and the decoder stops when it says END itself. In training
# it is told what to say; in use nobody tells it.
#
# **Predict.** A second net is trained on words of four letters, with the loss of END
# left out. It may say up to 12 letters. How many does it say?

# %%
stops = {}
for name, ignored in (("with END", PAD), ("without", END)):
    n = 80 if QUICK else 100
    four = learn(new(True), lambda: words(64, 4), n, ignore=ignored)
    said = transcribe(four, words(200, 4)[0], 12)
    stops[name] = np.array([len(row) for row in said])
print({name: f"{n.mean():.1f} letters on average" for name, n in stops.items()})

assert (stops["with END"] == 4).mean() > 0.95 and (stops["without"] == 12).all()

# %% [markdown]
# As many as it may. A network stops only because stopping was one of the things that it
# learned to say.
#
# ## 6. Is the likeliest next letter the way to the likeliest word?
#
# *Greedy*: say the likeliest letter, again and again. *Beam search*: keep the four
# likeliest beginnings. We ask the net without attention for words of 8, where it is
# often unsure, and compare the log-probabilities of what they say.
#
# **Predict.** In how many of 200 words does the beam find something likelier? Is it
# ever worse than greedy? And are its letters right more often?

# %%
x, y = words(200, 8)
unsure, starts = nets["one vector"], y[:, :1]
with md.no_grad():
    state = unsure.eval().start(x)
how = {"end": END, "state": state}
found = {k: beam_search(unsure, starts, 9, beams=k, **how) for k in (1, 4)}
greedy, best = found[1].scores[:, 0], found[4].scores[:, 0]
up, down = np.mean(best > greedy + 1e-5), np.mean(best < greedy - 1e-5)
hit = {k: letters_right(unsure, x, k) for k in found}
print(f"likelier {up:.0%}, less likely {down:.0%}; letters right:", hit)
assert up > 0.2 and down < 0.1 and np.mean(best - greedy) > 0
assert abs(hit[4] - hit[1]) < 0.15

# %% [markdown]
# In more than a fifth of the words it is likelier, and seldom or never less likely.
# Never is not promised: the greedy beginning can fall out of the four and be the better
# one in the end. But the letters are about as often right as before. Beam search finds
# what the *model* holds for likely, and if the model does not know the word, a likelier
# one is not a better one.
#
# ## 7. What does the temperature do?
#
# To *sample* is to draw the next letter by its probability, softmax(scores / $T$).
#
# **Predict.** What is $T \to 0$? What is $T \to \infty$? Which way does the entropy of
# the choice go?

# %%
with md.no_grad():
    scores, _ = unsure.read(starts, state)
temperatures = np.array([0.01, 0.1, 0.3, 1, 3, 10, 100])
entropy = []
for temperature in temperatures:
    p = probabilities(scores, temperature)
    entropy.append(-(p * np.log(np.maximum(p, 1e-300))).sum(axis=1).mean())
sure = (probabilities(scores, 0.01).argmax(axis=1) == scores.data.argmax(axis=1)).mean()
print(np.round(entropy, 2), f"log 20 = {np.log(20):.2f}")
assert (np.diff(entropy) > 0).all() and entropy[0] < 0.15 and sure == 1
assert abs(entropy[-1] - np.log(20)) < 0.01

# %% [markdown]
# $T \to 0$ is greedy, $T \to \infty$ a fair die of 20 sides, and the entropy rises from
# 0 to $\log 20$. The order of the letters never changes.
#
# ## 8. Can it look at an image?
#
# Two handwritten digits side by side, and two words: "three seven". A small
# convolutional network makes features of 2 × 4 places of the image. Their mean becomes
# the decoder's first state, and the places are what it looks at. (The lecture feeds the
# image into every step, by a third matrix; both are in use.)
#
# **Predict.** Where does it look for the first word, and where for the second?

# %%
digits = data.load_digits()
NAMES = ["zero", "one", "two", "three", "four"]
NAMES += ["five", "six", "seven", "eight", "nine"]


def scenes(n, part=digits.train):
    pick = rng.integers(len(part.x), size=(n, 2))
    x = np.concatenate([part.x[pick[:, 0]], part.x[pick[:, 1]]], axis=3)
    y = np.column_stack([np.full(n, START), part.y[pick] + 3, np.full(n, END)])
    return x.astype("float32"), y


eye = Captioner(13, 16, 32, channels=(8, 16), n_in=1, rng=SEED)
eye = learn(eye, lambda: scenes(64), 200 if QUICK else 500, lr=0.01)
# %%
x, y = scenes(500, digits.test)


def say(x):
    said = transcribe(eye, x, 3)
    return data.pad_sequences([*said, [0, 0, 0]])[:-1, :2]


said = say(x)
with md.no_grad():
    seen = eye.eval().look(x, y[:, :2]).data
column = seen.argmax(axis=2) % 4
left, right_half = (column[:, 0] < 2).mean(), (column[:, 1] >= 2).mean()
# %%
heard = [[NAMES[w - 3] if w >= 3 else "?" for w in row] for row in said[:3]]
print(f"{(said == y[:, 1:3]).mean():.1%} of the words are right")
print(f"first word: left {left:.0%}; second word: right {right_half:.0%}")

assert (said == y[:, 1:3]).mean() > (0.8 if QUICK else 0.9)
assert min(left, right_half) > 0.9
show.attention_on_images(x[:3], seen[:3], heard, grid=(2, 4))

# %% [markdown]
# Left, then right, as we would.
#
# ## 9. Is where it looks the reason of what it says?
#
# That is how such pictures are read, and they do not prove it: a weight says how much
# of a place is in the mixture, not what the rest of the network makes of it. So we
# interfere: cover one half of the image with black, and look at what changes.
#
# **Predict.** The left half is covered. How often does the first word change, and how
# often the second?

# %%
changes = []
for half in (0, 1):
    covered = x.copy()
    covered[..., 8 * half : 8 * half + 8] = 0
    changes.append((say(covered) != said).mean(axis=0))
print("left covered:", changes[0].round(2), " right covered:", changes[1].round(2))

assert min(changes[0][0], changes[1][1]) > 0.8
assert changes[1][0] < 0.15

# %% [markdown]
# The word for the covered half changes in more than four of five images (one in ten
# might stay by luck). *This* is evidence that the word comes from the place; the map
# alone was a good guess. With the right half covered the first word seldom changes.
# With the left half covered the second word may or may not: with other seeds it changes
# in half of the images, though the network looks to the right there. It also depends on
# the word that was said before, and on the decoder's state, and no map shows these.
#
# ## Exercise: the first state of a captioner
#
# Without a look back, all that the decoder knows of the image is its first state. Write
# `answer(places, bridge)` that makes it. `places` (N, S, D) are the features of S
# places; `bridge` is a linear layer from D to 2 H. Take the mean of all places, send it
# through `bridge` and tanh; the first half of the result is $h$, the second $c$, both
# of shape (1, N, H). (The methods of a Tensor, and `md.ops.tanh`, will do.)

# %%
answer = None  # a function of places and bridge, in place of None


def check(answer):
    with md.no_grad():
        h, c = answer(eye.eye.places(md.Tensor(x[:5])), eye.bridge)
        state = eye.start(x[:5])
    assert h.shape == c.shape == (1, 5, 32), f"h {h.shape}, c {c.shape}"
    for ours, theirs in zip((h, c), state.hidden, strict=True):
        assert np.allclose(ours.data, theirs.data, atol=1e-6)
    return "right"


print(check(answer) if answer else "Your turn.")

# %% [markdown]
# <details><summary>A solution</summary>
#
# ```python
# def answer(places, bridge):
#     both = md.ops.tanh(bridge(places.mean(axis=1)))[None]
#     half = both.shape[-1] // 2
#     return both[..., :half], both[..., half:]
# ```
# </details>
#
# **And without a check:** `python -m examples.seq2seq --minutes 15` learns to pronounce
# English in this way; in docs/sequences.md its maps are nearly always monotone. Why
# there, and not here?
#
# ## References
#
# - I. Sutskever, O. Vinyals, Q. Le, *Sequence to sequence learning with neural
#   networks*, NeurIPS 2014: two LSTMs, one vector.
# - D. Bahdanau, K. Cho, Y. Bengio, *Neural machine translation by jointly learning to
#   align and translate*, ICLR 2015: attention; M.-T. Luong, H. Pham, C. Manning,
#   *Effective approaches to attention-based neural machine translation*, EMNLP 2015:
#   the form that is used here.
# - O. Vinyals et al., *Show and tell*, CVPR 2015; K. Xu et al., *Show, attend and
#   tell*, ICML 2015: captions, without and with a look back.
# - S. Jain, B. Wallace, *Attention is not explanation*, NAACL 2019.
# - Lectures: EECS 498, *Attention*; CS231n, *Recurrent neural networks*.
# - In the source: `minidl/models/seq2seq.py`, `captioner.py`, `beam.py`, `choosing.py`.
