# %% [markdown]
# # 20 · Self-attention: what if every word looks at every other?
#
# A recurrent network reads one word after another, and what it knows of the first word
# has passed through every state since. Self-attention takes a shorter way: every word
# looks at all words at once, decides how much each of them matters, and takes a mixture
# of what they offer. Here we look at that mixture itself: what it sees, what it cannot
# see, why its scores are divided, how the future is hidden from it, and what several
# heads can do that one head cannot. The next notebook builds a transformer from it.
#
# Predict first, then run. Each claim with a number ends in an `assert`.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import minidl as md
import minidl.ops as F
from minidl import nn, optim, show

SEED = int(os.environ.get("SEED", "0"))
rng = np.random.default_rng(SEED)
md.seed(SEED)
colors = {"axes.prop_cycle": plt.cycler(color=show.style.PALETTE)}
plt.style.use([show.style.SETTINGS, colors, {"figure.dpi": 150}])

# %% [markdown]
# ## 1. Has *love* as much to do with *I* as *I* with *love*?
#
# Each word is a vector $x_i$ of $D$ numbers. Three matrices make three vectors of it: a
# *query* $q_i$, what word $i$ looks for; a *key* $k_i$, what it can be found by; a
# *value* $v_i$, what it has to say. The *score* of a query and a key is their dot
# product divided by $\sqrt D$ (section 4 shows why). The softmax makes *weights* of the
# scores of a query, and the output is the mixture of the values:
#
# $$s_{ij} = \frac{q_i \cdot k_j}{\sqrt D},\qquad
#   p_{ij} = \frac{e^{s_{ij}}}{\sum_{j'} e^{s_{ij'}}},\qquad
#   y_i = \sum_j p_{ij}\, v_j$$
#
# **Predict.** Is $s_{12} = s_{21}$? And $p_{12} = p_{21}$? What if queries and keys
# come from the same matrix?

# %%
words = ["I", "love", "my", "old", "cat"]
x = rng.normal(size=(5, 16))
maps = {"two matrices": rng.normal(size=(2, 16, 16)) / 4}
maps["one matrix"] = maps["two matrices"][[0, 0]]
scores = {name: (x @ a) @ (x @ b).T / 4 for name, (a, b) in maps.items()}
weights = {name: F.softmax(s, axis=-1) for name, s in scores.items()}
gaps = {name: abs(s - s.T).max() for name, s in scores.items()}
print({name: f"{gap:.1e}" for name, gap in gaps.items()})
assert gaps["two matrices"] > 0.1 > 1e-12 > gaps["one matrix"]
assert (np.diag(scores["one matrix"]) > 0).all()  # a squared length
assert abs(weights["one matrix"] - weights["one matrix"].T).max() > 0.05
assert all(np.allclose(p.sum(axis=1), 1) for p in weights.values())

# %%
show.attention(list(weights.values()), [words] * 2, [words] * 2, titles=list(weights))

# %% [markdown]
# With two matrices nothing is symmetric: *I* may look for a verb, and *love* for an
# object. With one matrix the scores are symmetric, and that of a word with itself is a
# squared length, which is why the diagonal on the right is dark. But even then the
# weights are not symmetric: each *row* is divided by a sum of its own, so that it adds
# up to 1.
#
# ## 2. What does it know about the order of the words?
#
# "Dog bites man", "man bites dog". A layer of attention gets the three vectors in one
# order, and then in another.
#
# **Predict.** What happens to the three outputs? And to their mean?

# %%
layer = nn.MultiHeadAttention(16, heads=4, rng=SEED)
x = md.Tensor(rng.normal(size=(1, 7, 16)).astype("float32"))
order = rng.permutation(7)
y, permuted = layer(x).data, layer(x[:, order]).data
moved = abs(permuted - y[:, order]).max()
mean = abs(permuted.mean(axis=1) - y.mean(axis=1)).max()
print(f"outputs, in the new order: {moved:.0e} apart; their mean: {mean:.0e}")

assert moved < 1e-6 and mean < 1e-6

# %% [markdown]
# They come in the new order, and nothing else changes. Attention sees a *set*, not a
# sequence: there is no $i$ or $j$ in the formulas above except as a name. Who wants it
# to know the order must write the position into $x$; notebook 21 shows how.
#
# ## 3. How large are the scores?
#
# Queries and keys of $D$ independent numbers with mean 0 and variance 1. Each product
# $q_a k_a$ has variance 1, and a score is a sum of $D$ of them.
#
# **Predict.** How does the size of $q \cdot k$ (its deviation) grow with $D$?

# %%
sizes = np.array([4, 16, 64, 256, 1024])
deviations = []
for d in sizes:
    q, k = rng.normal(size=(2, 400, d))
    deviations.append((q @ k.T).std())
power = np.polyfit(np.log(sizes), np.log(deviations), 1)[0]
print(np.round(deviations, 1), f"power of D: {power:.3f}")

assert np.allclose(deviations, np.sqrt(sizes), rtol=0.1) and abs(power - 0.5) < 0.03

# %% [markdown]
# As $\sqrt D$: 16 for 256 features. Is that bad? A softmax of large scores is
# *saturated*: it gives nearly everything to the largest.
#
# ## 4. What does the division by √D do?
#
# Some lecture notes leave it out. 400 queries, 16 keys for each.
#
# **Predict.** How large is the largest of 16 weights, on average, if $D = 256$: without
# the division, and with it?


# %%
def largest(d, scale):
    q, k = rng.normal(size=(400, 1, d)), rng.normal(size=(400, 16, d))
    unit = np.eye(16)[None]  # with these as values the mixture is the weights
    return F.scaled_dot_product_attention(q, k, unit, scale=scale).max(axis=-1).mean()


plain = [largest(d, 1.0) for d in sizes]
divided = [largest(d, None) for d in sizes]  # None: 1/√D
fig, ax = plt.subplots(figsize=(6, 2.6))
ax.semilogx(sizes, plain, "o-", label="not divided")
ax.semilogx(sizes, divided, "s--", label="divided by √D")
ax.set(xlabel="features D", ylabel="largest of 16 weights", ylim=(0, 1))
ax.legend(loc="center right")
assert plain[3] > 0.9 and np.ptp(divided) < 0.05 and max(divided) < 0.3

# %% [markdown]
# More than 0.9 without it; with it about a quarter, for every $D$. Why should a network
# not be sure from the start? Because of the slopes: the gradient of a softmax is made
# of $p_i (1 - p_i)$ and $p_i p_j$, and all are near 0 if one $p$ is near 1.
#
# **Predict.** The gradient that comes to the 16 scores of a query, $D = 256$: how much
# smaller is it without the division, for a typical query? And on average?


# %%
def slopes(d, divide):
    q, k = rng.normal(size=(400, 1, d)), rng.normal(size=(400, 16, d))
    s = (q @ k.swapaxes(1, 2)) * divide
    s, v = md.Tensor(s, requires_grad=True), rng.normal(size=(400, 16, 8))
    (F.softmax(s, axis=-1) @ v).backward(rng.normal(size=(400, 1, 8)))
    return np.sqrt((s.grad**2).sum(axis=(1, 2)))


# %%
ratio = {}
for d in (256, 1024):
    without, with_it = slopes(d, 1.0), slopes(d, d**-0.5)
    typical = np.median(without) / np.median(with_it)
    ratio[d] = typical, without.mean() / with_it.mean()
    print(f"D = {d}: the median is {typical:.1e} of it, the mean {ratio[d][1]:.2f}")

assert 1e-3 < ratio[256][0] < 0.05 and ratio[1024][0] < 1e-3
assert 0.1 < ratio[256][1] < 0.5

# %% [markdown]
# For a typical query it is about a hundredth with 256 features, and less than a
# thousandth with 1024. The mean says something milder: a quarter. In a few queries two
# keys happen to fit equally well, and these few still get a large gradient. So a
# network without the division does not stand still; most of its queries learn nothing
# at first.
#
# ## 5. How is the future hidden?
#
# Who learns to write the next word must not see it. So the scores of all later words
# are set to $-\infty$ before the softmax, and their weights are $e^{-\infty} = 0$.
#
# **Predict.** What is the output for the *first* word? And if word 7 is exchanged: by
# how much do the outputs of the words before it change, to the last bit?

# %%
q, k, v = rng.normal(size=(3, 12, 16)).astype("float32")
y = F.scaled_dot_product_attention(q, k, v, causal=True)
k2, v2 = k.copy(), v.copy()
k2[7], v2[7] = rng.normal(size=(2, 16))
changed = abs(F.scaled_dot_product_attention(q, k2, v2, causal=True) - y).max(axis=1)
print("y[0] is v[0]:", np.array_equal(y[0], v[0]), " change:", np.round(changed, 1))

assert np.array_equal(y[0], v[0])
assert (changed[:7] == 0).all() and (changed[7:] > 0).all()

# %% [markdown]
# The first word sees itself only, so it gets its own value. And before word 7 not one
# bit changes: a weight of 0 times any finite number adds 0. All words of a text can
# therefore be trained at once, each without seeing what follows.
#
# Some programs write a large negative number, such as $-10^9$, in place of $-\infty$.
# Others compute the softmax first, and set weights to 0 afterwards.
#
# **Predict.** A query that may look at nothing (all of its keys are padding): what does
# it get from each of the three, and from a softmax of nothing but $-\infty$?

# %%
s, nobody = rng.normal(size=(1, 4)).astype("float32"), np.zeros((1, 4), bool)
with np.errstate(invalid="ignore"):
    low = np.full_like(s, -np.inf)
    naive = np.exp(low - low.max()) / np.exp(low - low.max()).sum()
large = F.softmax(np.where(nobody, s, s - np.float32(1e9)), axis=-1)
ours = F.masked_softmax(s, nobody)
some = np.array([[True, True, False, False]])
after = (F.softmax(s, axis=-1) * some).sum()
print("−∞:", naive, " −1e9:", large, " masked_softmax:", ours)
print(f"softmax, then 0: the row adds up to {after:.2f}")
assert np.isnan(naive).all() and (large == 0.25).all() and (ours == 0).all()
assert after < 0.99 and abs(F.masked_softmax(s, some).sum() - 1) < 1e-6

# %% [markdown]
# $-\infty - (-\infty)$ is NaN, and one NaN spoils the whole batch. $-10^9$ gives no
# error at all: in float32 all scores become the same number, and the query takes the
# mean of exactly those values that it must not see. Zeros are what "nothing" means.
# And weights that are set to 0 after the softmax do not add up to 1 any more.
#
# ## 6. What can one head not do?
#
# Lectures call several heads "something like an ensemble". Let us see. Eight tokens,
# each of them eight random numbers $x_t$ and its place. Two tasks: at every time return
# the **sum** of the token before and the first token, $x_{t-1} + x_0$, or the
# **difference**, $x_{t-1} - x_0$. Both need two places at once. Heads share the $D$
# features out, so that four heads of 8 have as many weights as one head of 32.
#
# **Predict.** Which of the two tasks can one head learn? And four?


# %%
class Net(nn.Module):
    def __init__(self, heads, seed=SEED):
        start = np.random.default_rng(seed)
        how = {"init": nn.init.xavier_uniform, "rng": start}
        self.embed = nn.Linear(16, 32, **how)
        self.attention = nn.MultiHeadAttention(32, heads, rng=start)
        self.output = nn.Linear(32, 8, **how)

    def forward(self, x):
        return self.output(self.attention(self.embed(x)))


# %%
def examples(n, sign):
    x = rng.normal(size=(n, 8, 8)).astype("float32")
    place = np.broadcast_to(np.eye(8, dtype="float32"), (n, 8, 8))
    return np.concatenate([x, place], axis=-1), x[:, :-1] + sign * x[:, :1]


def unexplained(net, sign):
    """Mean squared error, as a share of the variance of the answers."""
    x, y = examples(1000, sign)
    return float(((net(md.Tensor(x)).data[:, 1:] - y) ** 2).mean() / y.var())


# %%
def fit(net, sign, steps=300):
    rate = optim.schedules.warmup(50, optim.schedules.cosine(0.02, steps))
    optimizer = optim.Adam(net.parameters(), lr=rate)
    for _ in range(steps):
        x, y = examples(64, sign)
        loss = ((net(md.Tensor(x))[:, 1:] - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net


# %%
nets = {(sign, h): fit(Net(h), sign) for sign in (1, -1) for h in (1, 4)}
errors = {key: unexplained(net, key[0]) for key, net in nets.items()}
for (sign, heads), error in errors.items():
    task = "sum" if sign > 0 else "difference"
    print(f"{task}, {heads} heads: {error:.4f} of the variance is left")

count = [sum(p.size for p in Net(h).parameters()) for h in (1, 4)]
assert count[0] == count[1]
assert max(errors[1, 1], errors[1, 4], errors[-1, 4]) < 0.01
assert 0.4 < errors[-1, 1] < 0.6

# %% [markdown]
# One head learns the sum as well as four: half of its weight goes to each place, and
# twice the mean of two numbers is their sum. But it does not learn the difference. **A
# head can only average**: its weights are not negative and add up to 1, so that
# $p\,x_{t-1} + (1 - p)\,x_0$, times any matrix, never gives the two places opposite
# signs. The best it can do is to return one of the two and leave half of the variance.
# Four heads can: one looks at the place before, another at the first, and the matrix
# behind them subtracts. (The weights depend on $x$ too, so that a head is no linear
# function. For eight numbers at once this did not help.)
#
# **Predict.** Where does the one head of the sum look? And of the four heads of the
# difference: does each look at both places, or at one of them?


# %%
def looks(net, sign):
    """Mean weights (heads, 8, 8); then, for each head, at the place before, at first"""
    with md.no_grad():
        z = net.embed(md.Tensor(examples(500, sign)[0]))
        p = net.attention(z, weights=True)[1].data.mean(axis=0)
    later = np.arange(2, 8)
    return p, p[:, later, later - 1].mean(axis=1), p[:, later, 0].mean(axis=1)


# %%
one, (half,), (other,) = looks(nets[1, 1], 1)
four, before, first = looks(nets[-1, 4], -1)
print(f"sum: {half:.2f} at the place before, {other:.2f} at the first")
print("difference:", before.round(2), "and", first.round(2))
assert 0.4 < half < 0.6 and 0.4 < other < 0.6
assert before.max() > 0.8 and first.max() > 0.8
# %%
tokens = [f"x{t}" for t in range(8)]
show.attention(
    [one[0], four[before.argmax()], four[first.argmax()]],
    [tokens] * 3,
    [tokens] * 3,
    titles=["sum", "difference", "difference"],
)

# %% [markdown]
# Half and half; and with four heads at least one looks at the place before (the line
# below the diagonal), and at least one at the first token.
#
# ## 7. Are heads an ensemble?
#
# The members of an ensemble are trained apart, each solves the task alone, and their
# answers are averaged. Take four nets of one head, each from another start, and average
# what they say. Then take the net of four heads, and silence one head: its rows in the
# matrix behind the heads become 0.
#
# **Predict.** What is left of the variance in each case?

# %%
members = [nets[-1, 1]] + [fit(Net(1, SEED + 100 * i), -1) for i in (1, 2, 3)]
together = unexplained(lambda x: sum(net(x) for net in members) * 0.25, -1)
net, silenced = nets[-1, 4], []
rows = net.attention.output.weight.data
for h in range(4):
    kept = rows.copy()
    rows[8 * h : 8 * h + 8] = 0
    silenced.append(unexplained(net, -1))
    rows[:] = kept
print(f"ensemble: {together:.2f}; one head silent: {np.round(silenced, 2)}")
assert 0.2 < together < 0.6 and max(silenced) > 0.2

# %% [markdown]
# The ensemble leaves a fifth of the variance or more. Some of its members return
# $x_{t-1}$, the others $-x_0$, and the mean of the two is half of the difference; an
# ensemble does not know that it should double it. And in the net of four heads there is
# one without which a fifth of the variance or more comes back. So heads are no
# ensemble: they are **trained together, and share the work**. (Not always evenly: with
# some seeds a head or two can be left out.)
#
# What they say is put side by side and multiplied by one matrix $W$. Cut into four
# blocks of rows, that is a sum: $y = [h_1\, h_2\, h_3\, h_4]\, W = \sum_i h_i W_i$, in
# which every head has a matrix of its own.
#
# **Predict.** If the four are *averaged* in place of joined, so that all go through the
# same matrix: is the difference lost?


# %%
def by_heads(x):
    n, t, d = x.shape
    return F.reshape(x, shape=(n, t, 4, d // 4)).swapaxes(1, 2)


class Averaged(Net):
    def forward(self, x):
        a, z = self.attention, self.embed(x)
        q, k, v = (by_heads(part(z)) for part in (a.query, a.key, a.value))
        h = F.scaled_dot_product_attention(q, k, v).mean(axis=1)
        return h @ self.output.weight[:8]


# %%
averaged = unexplained(fit(Averaged(4), -1), -1)
print(f"averaged heads: {averaged:.4f} of the variance is left")

assert averaged < 0.01

# %% [markdown]
# It is not: every head also has a matrix of its own *before*, the one that makes its
# values, and there a sign can turn. What counts is that the heads are trained as one
# network, not how they are put together.
#
# ## 8. What does it cost to look at everything?
#
# Four maps of $D \times D$ for each of $T$ tokens: $4\,T D^2$ products. Each pair of a
# query and a key costs $D$ products for the score and $D$ for the mixture.
#
# **Predict.** For $D = 128$: at which $T$ does looking cost as much as the maps?

# %%
lengths, looking, maps = np.array([16, 64, 256, 1024, 4096]), [], []
layer = nn.MultiHeadAttention(128, heads=4, rng=SEED)
for t in lengths[:4]:
    table = layer.summary(np.zeros((1, t, 128), "float32"))
    looking.append(table.rows[0].multiply_adds)  # what the layer itself does
    maps.append(table.multiply_adds - looking[-1])
assert maps == [4 * t * 128**2 for t in lengths[:4]]
assert looking == [2 * t**2 * 128 for t in lengths[:4]]
# %%
fig, ax = plt.subplots(figsize=(6, 2.8))
ax.loglog(lengths, 4.0 * lengths * 128**2, "s--", label="maps, 4 T D²")
ax.loglog(lengths, 2.0 * lengths**2 * 128, "o-", label="looking, 2 T² D")
ax.axvline(256, color=show.style.GRAY, linestyle=":")
ax.set(xlabel="tokens T", ylabel="products and sums")
ax.legend()
assert looking[2] == maps[2]  # T = 256 = 2 D

# %% [markdown]
# At $T = 2D$, here 256. Below it the square does not matter, and most of what is
# written about the "quadratic cost" concerns long texts. (These are counts. How long
# they take is another question, for they are few, large products.) A recurrent layer of
# $D$ units needs $2\,T D^2$, fewer at every length; but its $T$ steps wait for each
# other, and here all are done at once.
#
# ## Exercise: a dictionary in two features
#
# Attention can be read as a dictionary that answers roughly: each query gets the value
# whose key fits. How many words can it hold with $D = 2$? Write `answer(n)`, which
# returns queries and keys, both $(n, 2)$, so that query $i$ gives at least 99 % of its
# weight to value $i$, for any $n$ up to 50. (Where must $n$ keys lie in the plane, so
# that each has its largest dot product with itself? How long must a query be?)

# %%
answer = None  # a function of n that returns queries and keys, in place of None


def check(answer):
    for n in (2, 10, 26, 50):
        q, k = (np.asarray(part, "float64") for part in answer(n))
        assert q.shape == k.shape == (n, 2), f"n = {n}: {q.shape}, {k.shape}"
        p = F.scaled_dot_product_attention(q, k, np.eye(n))
        print(f"{n} words: the right one gets at least {np.diag(p).min():.3f}")
        assert np.diag(p).min() > 0.99
    return "right"


print(check(answer) if answer else "Your turn.")

# %% [markdown]
# <details><summary>A solution</summary>
#
# On a circle. The neighbor's dot product is smaller by a factor of
# $\cos(2\pi/n)$, and the query must be long enough to make much of that.
#
# ```python
# def answer(n):
#     angle = 2 * np.pi * np.arange(n) / n
#     keys = np.stack([np.cos(angle), np.sin(angle)], axis=1)
#     return keys * 10 / (1 - np.cos(2 * np.pi / n)), keys
# ```
# </details>
#
# **And without a check:** two heads of 16 are enough for the difference. Do they learn
# it from every seed?
#
# ## References
#
# - A. Vaswani et al., *Attention is all you need*, NeurIPS 2017: queries, keys, values,
#   the division by $\sqrt D$ (section 3.2.1), heads (3.2.2), and costs (table 1).
# - D. Bahdanau, K. Cho, Y. Bengio, *Neural machine translation by jointly learning to
#   align and translate*, ICLR 2015: attention, before it looked at itself.
# - P. Michel, O. Levy, G. Neubig, *Are sixteen heads really better than one?*, NeurIPS
#   2019: in large trained networks many heads can be left out.
# - Lectures: EECS 498, *Attention*; CS231n, *Attention and transformers*.
# - In the source: `minidl/ops/attention.py`, `minidl/nn/attention.py`.
