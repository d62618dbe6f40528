# %% [markdown]
# # 18 · Gradients through time, and the LSTM
#
# A recurrent network uses one function again and again, and so does its gradient on the
# way back: it is multiplied by one and the same matrix at every step. What is
# multiplied a hundred times by the same thing vanishes or explodes, unless somebody
# takes care. We watch both, and the two remedies: to clip what explodes, and to build a
# way back on which nothing is multiplied by a matrix.
#
# Predict first, then run. Each claim with a number ends in an `assert`.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import minidl as md
import minidl.ops as F
from minidl import data, nn, optim, show
from minidl.models import AlignedChunks, CharRNN, next_loss

SEED = int(os.environ.get("SEED", "0"))
QUICK = os.environ.get("QUICK") == "1"
rng = np.random.default_rng(SEED)
md.seed(SEED)
colors = {"axes.prop_cycle": plt.cycler(color=show.style.PALETTE)}
plt.style.use([show.style.SETTINGS, colors, {"figure.dpi": 150}])

# %% [markdown]
# ## 1. What do forty steps do to a gradient?
#
# Leave out the tanh: $h_t = h_{t-1} W$. On the way back the gradient is multiplied by
# $W^\top$ at each step. $W$ is drawn with independent entries of deviation
# $r/\sqrt n$, so that its largest eigenvalue is about $r$ (the *radius*).
#
# **Predict.** $r = 0.5$, 1 and 2. On a logarithmic axis the length of the gradient
# against the distance is about a straight line: of which slope?

# %%
n, T = 100, 40


def lengths(W, f=lambda h: h):
    """Return the length of ∂L/∂h for each distance from the loss, 0 to T."""
    hs = [md.Tensor(rng.normal(size=(1, len(W))), requires_grad=True)]
    for _ in range(T):
        hs.append(f(hs[-1] @ W))
    towards = rng.normal(size=hs[-1].shape)
    grads = md.grad(hs[-1], hs, towards / np.linalg.norm(towards))
    return np.array([np.linalg.norm(g) for g in grads])[::-1]


drawn = rng.normal(size=(n, n)) / np.sqrt(n)
drawn /= abs(np.linalg.eigvals(drawn)).max()  # radius 1 exactly
flows = {r: lengths(r * drawn) for r in (0.5, 1, 2)}
# %%
fig, ax = plt.subplots(figsize=(6, 2.9))
slopes = {}
for i, (r, norms) in enumerate(flows.items()):
    slopes[r] = np.polyfit(np.arange(10, T + 1), np.log(norms[10:]), 1)[0]
    label = f"r = {r}: slope {slopes[r]:.2f}, log r = {np.log(r):.2f}"
    ax.semilogy(norms, show.style.dash(i) + "os^"[i], label=label, markersize=3)
ax.set(xlabel="steps back", ylabel="length of the gradient")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
assert all(abs(slopes[r] - np.log(r)) < 0.1 for r in slopes)
assert flows[0.5][-1] < 1e-8 and flows[2][-1] > 1e8

# %% [markdown]
# The slope is $\log r$: a factor of $r$ for each step. Forty steps are enough for a
# factor of a hundred million in both directions, and only $r = 1$ is between them.
#
# ## 2. Is it the largest eigenvalue, or the largest singular value?
#
# The eigenvalues tell what many multiplications do, the singular values what *one* may
# do: it makes nothing longer than $\sigma_1$ times.
#
# **Predict.** $W = \begin{pmatrix} 0.5 & 5 \\ 0 & 0.5 \end{pmatrix}$ has radius 0.5 and
# $\sigma_1 > 5$. Does a gradient vanish, or explode?

# %%
W = np.array([[0.5, 5.0], [0.0, 0.5]])
singular = np.linalg.svd(W, compute_uv=False)[0]
g, path = np.array([0.0, 1.0]), [1.0]
for _ in range(T):
    g = g @ W.T
    path.append(float(np.linalg.norm(g)))
print(f"σ₁ = {singular:.2f}; longest {max(path):.1f}, after {T} steps {path[-1]:.0e}")

assert max(path) > 5 and path[-1] < 1e-8 and np.diff(np.log(path))[-1] < np.log(0.55)

# %% [markdown]
# First it grows fivefold, then it vanishes. So both are right: the radius rules in the
# long run, $\sigma_1$ in the next step. $\sigma_1 < 1$ is *enough* for vanishing, and
# $\sigma_1 > 1$ is *needed* for exploding, not enough (Pascanu et al. 2013).
#
# **Predict.** Now with the tanh between. Its slope is at most 1, and less where a unit
# is saturated. What becomes of the line for $r = 2$?

# %%
with_tanh = {r: lengths(r * drawn, F.tanh) for r in (0.5, 1, 2)}
for r, norms in with_tanh.items():
    print(f"r = {r}: without {flows[r][-1]:.0e}, with tanh {norms[-1]:.0e}")

assert with_tanh[0.5][-1] < 1e-8
assert with_tanh[2][-1] < 1e-3 * flows[2][-1]

# %% [markdown]
# A slope of at most 1 tames an explosion, here by more than a factor of a thousand. It
# does not help what vanishes.
#
# ## 3. What does clipping cure?
#
# One unit is enough to see an explosion: $h_t = \tanh(w\,h_{t-1} - 0.2)$, 50 steps from
# $h_0 = 0.5$. With a large $w$ it holds a positive value, with a small one it falls to
# a negative one. Say that is wanted: $L = (h_{50} + 0.9)^2$, a function of $w$ alone.
#
# **Predict.** What does $L$ look like where the one turns into the other? How long is a
# step of SGD with a rate of 0.1 there, and where does it lead?


# %%
def unit(w):
    w = md.Tensor(np.array(w, dtype="float64"), requires_grad=True)
    h = md.Tensor(np.full(w.shape, 0.5))
    for _ in range(50):
        h = F.tanh(w * h - 0.2)
    loss = (h + 0.9) ** 2
    loss.sum().backward()
    return loss.data, w.grad


# %%
grid = np.linspace(1.2, 1.8, 60_001)
loss, slope = unit(grid)
cliff = grid[abs(slope).argmax()]
fig, axes = plt.subplots(1, 2, figsize=(8, 2.6))
axes[0].plot(grid, loss)
axes[0].set(xlabel="w", ylabel="L")
axes[1].semilogy(grid, abs(slope))
axes[1].set(xlabel="w", ylabel="|∂L/∂w|", ylim=(1e-2, None))
ends = {}
assert abs(slope).max() > 1000
# %%
for clip in (None, 1.0):
    w = md.Tensor(np.array([cliff]), requires_grad=True)
    for step in range(200):
        _, w.grad = unit(w.data)
        if clip:
            optim.clip_grad_norm([w], clip)
        w.data -= 0.1 * w.grad
        if step == 0:
            print(f"clip {clip}: first step from {cliff:.2f} to {w.data[0]:.2f}")
    ends[clip] = float(unit(w.data)[0][0])
print({clip: round(end, 3) for clip, end in ends.items()})
assert ends[None] > 1 and ends[1.0] < 0.1

# %% [markdown]
# A cliff. One step from its face leads out of the picture, to where the unit is
# saturated for ever; clipped, the step is 0.1 long, and the unit learns. One clips only
# where the norm is above the limit, all gradients by one factor.
#
# **Predict.** What does that do to the direction? And to a gradient that vanishes?

# %%
parts = [md.Tensor(np.zeros(size), requires_grad=True) for size in (3, 40)]
for part in parts:
    part.grad = rng.normal(size=part.shape)
before = np.concatenate([part.grad for part in parts])
optim.clip_grad_norm(parts, 1.0)
after = np.concatenate([part.grad for part in parts])
cosine = before @ after / (np.linalg.norm(before) * np.linalg.norm(after))
noise = rng.normal(size=(4, 100, 8)).astype("float32")
rnn = nn.RNN(8, 32, rng=rng)
plain, clipped = (show.flow(rnn, noise, clip=clip)["h"] for clip in (None, 1.0))

assert abs(cosine - 1) < 1e-12 and abs(np.linalg.norm(after) - 1) < 1e-5
assert np.allclose(plain, clipped) and plain[0] < 1e-8

# %% [markdown]
# The direction stays, and a small gradient stays small: clipping is a remedy for one of
# the two illnesses. The lecture calls it artificial, and not a very good method. It is
# a trick, and in use to this day: GPT-3 was trained with a limit of 1 (Brown et al.
# 2020).
#
# ## 4. How much comes back through an LSTM?
#
# An **LSTM** has a second state, the cell $c$, and no matrix on its way:
#
# $$c_t = f_t\, c_{t-1} + i_t\, g_t, \qquad h_t = o_t \tanh c_t.$$
#
# $i$, $f$ and $o$ are gates between 0 and 1; $g$ is what goes in. "The gradient of the
# cell flows straight through, as in a ResNet."
#
# **Predict.** 100 steps, weights as they are drawn. What arrives at the first time
# through an RNN, and through the cell of an LSTM whose forget gates begin at
# $\sigma(0)$, $\sigma(1)$ (minidl's default), $\sigma(5)$?

# %%
through = {"RNN": plain}
for bias in (0, 1, 5):
    lstm = nn.LSTM(8, 32, forget_bias=float(bias), rng=SEED)
    through[f"LSTM, f = σ({bias})"] = show.flow(lstm, noise)["c"]
for name, norms in through.items():
    print(f"{name:<14} {norms[0]:.0e}")

assert through["RNN"][0] < 1e-8 and through["LSTM, f = σ(0)"][0] < 1e-10
assert 1e-14 < through["LSTM, f = σ(1)"][0] < 1e-3
assert through["LSTM, f = σ(5)"][0] > 1e-2
show.gradient_flow(through)

# %% [markdown]
# It is not the LSTM as such. With $f = \tfrac12$ a gradient vanishes as it does in the
# RNN. A bias of 1 makes $f \approx 0.73$, and $0.73^{100} \approx 10^{-14}$; more than
# that arrives, but less than a thousandth. Only near 1 the way is straight:
# $\sigma(5)^{100} = 0.51$. What is true is that an LSTM *can learn* to keep.
#
# ## 5. What exactly is multiplied?
#
# Along the cell: $\partial c_t/\partial c_{t-1} = f_t$, number by number.
#
# **Predict.** $\partial c_T/\partial c_0 = \prod f_t$, exactly. Is that the whole
# gradient of $c_0$?

# %%
small = nn.LSTMCell(3, 4, rng=rng)
small.astype("float64")
xs = rng.normal(size=(10, 1, 3))


# %%
def gates(W_h):
    """Return ∂(Σ c_T)/∂c₀ and Π f, for given weights between states."""
    small.weight_h.data[...] = W_h
    c0 = md.Tensor(rng.normal(size=(1, 4)), requires_grad=True)
    h, c, product = md.Tensor(np.zeros((1, 4))), c0, 1.0
    for x in xs:
        a = x @ small.weight_x.data + h.data @ small.weight_h.data + small.bias.data
        product = product / (1 + np.exp(-a[:, 4:8]))
        h, c = small(md.Tensor(x), (h, c))
    return md.grad(c.sum(), c0)[0], product


# %%
drawn_h = small.weight_h.data.copy()
alone, product = gates(0.0)
whole, product_h = gates(drawn_h)
print("W_h = 0:  gradient", alone[0].round(5), " Π f", product[0].round(5))
print("W_h drawn: gradient", whole[0].round(5), " Π f", product_h[0].round(5))

assert abs(alone - product).max() < 1e-6
assert abs(whole - product_h).max() > 0.1 * abs(product_h).max()

# %% [markdown]
# If nothing goes from $h$ back into the gates ($W_h = 0$), it is the product, to the
# last digit. Otherwise there are side ways, from $c$ through $h$ and the gates of the
# next step: they carry a gradient as an RNN does. The straight way is one of several.
# And that of a ResNet is straighter: its factor is 1, not $f$.
#
# ## 6. Who can add two numbers, 50 steps apart?
#
# The test of Hochreiter and Schmidhuber: 50 random numbers; two of them are marked, one
# in each half; the answer is their sum. Who always says 1 has a mean square error of
# 1/6 = 0.167.
#
# **Predict.** 450 steps of Adam, 32 units each: an RNN, LSTMs with a forget bias of 1
# and 3, and a GRU (two gates and no cell, see the exercise). Who is below a tenth of
# that?

# %%
LENGTH, STEPS = (20, 200) if QUICK else (50, 450)


def batch(n=50):
    x = np.zeros((n, LENGTH, 2), "float32")
    x[:, :, 0] = rng.random((n, LENGTH))
    half, rows = LENGTH // 2, np.arange(n)
    x[rows, rng.integers(half, size=n), 1] = 1
    x[rows, half + rng.integers(half, size=n), 1] = 1
    return md.Tensor(x), (x[:, :, 0] * x[:, :, 1]).sum(axis=1, keepdims=True)


# %%
def move(parameters, rule, loss):
    rule.zero_grad()
    loss.backward()
    optim.clip_grad_norm(parameters, 1.0)
    rule.step()


# %%
def adds(layer):
    output = nn.Linear(32, 1, init="head", rng=SEED)
    own = [*layer.parameters(), *output.parameters()]
    rule, losses = optim.Adam(own, lr=0.01), []
    for _ in range(STEPS):
        x, y = batch()
        loss = F.mse_loss(output(layer(x)[0][:, -1]), y)
        move(own, rule, loss)
        losses.append(loss.item())
    return np.array(losses)


# %%
makers = {"RNN": nn.RNN(2, 32, rng=SEED), "GRU": nn.GRU(2, 32, rng=SEED)}
for bias in () if QUICK else (1, 3):
    lstm = nn.LSTM(2, 32, forget_bias=float(bias), rng=SEED)
    makers[f"LSTM, bias {bias}"] = lstm
window = np.ones(25) / 25
curves = {name: np.convolve(adds(layer), window, mode="valid")
          for name, layer in makers.items()}  # fmt: skip
error = {name: float(curve[-1]) for name, curve in curves.items()}
print({name: round(loss, 4) for name, loss in error.items()})
# %%
fig, ax = plt.subplots(figsize=(6.5, 2.9))
for i, (name, curve) in enumerate(curves.items()):
    ax.semilogy(curve, show.style.dash(i), label=name)
ax.axhline(1 / 6, color=show.style.GRAY, lw=1)
ax.set(xlabel="step", ylabel="mean square error")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))

assert error["RNN"] > 0.1 and error["GRU"] < (0.05 if QUICK else 0.0167)

# %% [markdown]
# The RNN has learned little more than the mean; the GRU is there. It has the straight
# way, too: its state is kept where $z$ is near 1. An LSTM can learn the task
# (Hochreiter and Schmidhuber show it), but in so few steps, with either bias, it is no
# further than the RNN (seed 0): a way back that can be opened has to be found first.
# Give it more steps, and look when it leaves the mean.
#
# ## 7. Are more layers better?
#
# Layers may be stacked: the states of one are the inputs of the next. "Very deep
# recurrent networks are not usual", says the lecture.
#
# **Predict.** LSTMs of 1, 2 and 3 layers with about equally many weights read
# Shakespeare, as many letters each. Which tells the next letter best?

# %%
texts = data.load_shakespeare()
letters = data.CharTokenizer("".join(texts))
train, validation, _ = (letters.encode(text) for text in texts)


# %%
def nats(num_layers, hidden, steps):
    model = CharRNN(78, 32, hidden, num_layers, rng=SEED)
    rule = optim.Adam(model.parameters(), lr=optim.schedules.cosine(0.01, steps))
    for _, (x, y) in zip(range(steps), AlignedChunks(train, 50, 25), strict=False):
        move(model.parameters(), rule, next_loss(model(x)[0], y))
    with md.no_grad():
        text = validation[:10_001]
        x, y = text[:-1].reshape(50, 200), text[1:].reshape(50, 200)
        score = next_loss(model(x)[0], y).item()
    return score, model.num_parameters()


# %%
steps = 40 if QUICK else 120
sizes = {1: 96, 2: 61, 3: 48}
deep = {layers: nats(layers, hidden, steps) for layers, hidden in sizes.items()}
for layers, (loss, weights) in deep.items():
    print(f"{layers} layers: {weights} weights, {loss:.2f} nats")
losses = [loss for loss, _ in deep.values()]
weights = [count for _, count in deep.values()]

assert max(weights) / min(weights) < 1.1 and losses[0] == min(losses)

# %% [markdown]
# Not here: after 120 steps one layer is ahead. At equal numbers of weights a deeper
# network is narrower, and starts more slowly; what each would reach in the end is not
# measured here. Systems that stack eight layers have shortcuts between them, and far
# more text (Wu et al. 2016).
#
# ## Exercise: a GRU in two lines
#
# The *gated recurrent unit* does without a cell. From $a = x W_x + b$ and
# $u = h W_h + b_h$, each cut into three blocks of $H$ columns for $r$, $z$ and $n$:
#
# $$r = \sigma(a_r + u_r),\quad z = \sigma(a_z + u_z),\quad n = \tanh(a_n + r\,u_n),
# \quad h' = (1 - z)\,n + z\,h.$$
#
# Write `answer(a, u, h)` for arrays (N, 3H), (N, 3H), (N, H). Which factor takes the
# place of the forget gate?

# %%
answer = None  # a function (a, u, h) -> the new state


def check(answer):
    x, h = rng.normal(size=(4, 3)), rng.normal(size=(4, 5))
    wx, wh = rng.normal(size=(3, 15)), rng.normal(size=(5, 15))
    b, bh = rng.normal(size=(2, 15))
    found = answer(x @ wx + b, h @ wh + bh, h)
    assert np.allclose(found, F.gru_cell(x, h, wx, wh, b, bh)), "another state"
    return "right"


print(check(answer) if answer else "Your turn.")

# %% [markdown]
# <details><summary>A solution</summary>
#
# $z$ is the forget gate: where it is 1 the state stays, and so does its gradient.
#
# ```python
# def answer(a, u, h):
#     r, z = np.split(1 / (1 + np.exp(-(a + u))), 3, axis=1)[:2]
#     n = np.tanh(np.split(a, 3, axis=1)[2] + r * np.split(u, 3, axis=1)[2])
#     return (1 - z) * n + z * h
# ```
# </details>
#
# ## References
#
# - S. Hochreiter, J. Schmidhuber, *Long short-term memory*, Neural Computation 9
#   (1997): the cell, and the task of section 6.
# - F. Gers, J. Schmidhuber, F. Cummins, *Learning to forget*, Neural Computation 12
#   (2000): the forget gate.
# - Y. Bengio, P. Simard, P. Frasconi, *Learning long-term dependencies with gradient
#   descent is difficult*, IEEE Trans. Neural Networks 5 (1994): section 1.
# - R. Pascanu, T. Mikolov, Y. Bengio, *On the difficulty of training recurrent neural
#   networks*, ICML 2013: sections 2 and 3.
# - R. Jozefowicz, W. Zaremba, I. Sutskever, *An empirical exploration of recurrent
#   network architectures*, ICML 2015: the bias of 1.
# - K. Cho et al., *Learning phrase representations using RNN encoder-decoder*, EMNLP
#   2014: the GRU.
# - T. Brown et al., *Language models are few-shot learners*, NeurIPS 2020: appendix B.
# - Y. Wu et al., *Google's neural machine translation system*, 2016: section 7.
# - Lectures: EECS 498-007 (fall 2019), lecture 12; CS231n, *Recurrent neural networks*.
# - In the source: `minidl/nn/recurrent.py`, `minidl/ops/recurrent.py`,
#   `minidl/show/flow.py`, `minidl/optim/gradients.py`.
