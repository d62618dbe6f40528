# %% [markdown]
# # 09 · Batch size: one example, all of them, and where they lead
#
# A step of gradient descent may look at one example, at a batch, or at all data. The
# lecture notes name all three, and say two more things: with $K$ times the batch take
# $K$ times the rate, and small batches find flat minima, which generalize better. We
# measure the noise of a batch, what it costs, where both rules hold and where they end.
#
# Predict first, then run. Each claim with a number ends in an `assert`.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import minidl as md
import minidl.ops as F
from minidl import lab, optim, show
from minidl.models import MLP
from minidl.optim.schedules import constant, warmup

SEED = int(os.environ.get("SEED", "0"))
QUICK = os.environ.get("QUICK") == "1"
rng = np.random.default_rng(SEED)
md.seed(SEED)
colors = {"axes.prop_cycle": plt.cycler(color=show.style.PALETTE)}
plt.style.use([show.style.SETTINGS, colors, {"figure.dpi": 150}])

# %% [markdown]
# The data are MNIST-5k; most sections take the first 1000 images. The net is 784-30-10
# and the rule is plain SGD, so that nothing else remembers or rescales a gradient.

# %%
train, _, test = md.data.load_mnist5k()
x, y = train.x[:1000], train.y[:1000]


def fresh(seed=SEED):
    md.seed(seed)
    return MLP([784, 30, 10])


# %%
def step(net, optimizer, x, y):
    optimizer.zero_grad()
    F.cross_entropy(net(md.Tensor(x)), y).backward()
    optimizer.step()


def judge(net, x=x, y=y):
    with md.no_grad():
        scores = net(md.Tensor(x))
    wrong = scores.numpy().argmax(axis=1) != y
    return F.cross_entropy(scores, y).item(), 100 * wrong.mean()


# %% [markdown]
# ## 1. How noisy is the gradient of a batch?
#
# The gradient over all images is a mean, and that of a batch is the mean of a few of
# them, drawn at random: right on average, and noisy.
#
# **Predict.** From batches of 1 to batches of 256: by which factor does the deviation
# of the gradient fall?

# %%
net, sizes, deviations = fresh(), np.array([1, 4, 16, 64, 256]), []
optimizer = optim.SGD(net.parameters(), lr=0.02)
for start in range(0, 1000, 50):
    step(net, optimizer, x[start : start + 50], y[start : start + 50])
for size in sizes:
    drawn = []
    for rows in rng.integers(3500, size=(40, size)):
        net.zero_grad()
        F.cross_entropy(net(md.Tensor(train.x[rows])), train.y[rows]).backward()
        drawn.append(np.concatenate([p.grad.ravel() for p in net.parameters()]))
    deviations.append(np.sqrt(np.var(drawn, axis=0, ddof=1).sum()))

# %%
power = np.polyfit(np.log(sizes), np.log(deviations), 1)[0]
fig, ax = plt.subplots(figsize=(5.5, 2.6))
ax.loglog(sizes, deviations, "o", label="measured")
ax.loglog(sizes, deviations[0] / sizes**0.5, "--", label="1/√B")
ax.set(xlabel="batch size B", ylabel="deviation of the gradient")
ax.legend()
print(f"power {power:.3f}; from 1 to 256 by {deviations[0] / deviations[-1]:.1f}")

assert abs(power + 0.5) < 0.05 and 12 < deviations[0] / deviations[-1] < 21

# %% [markdown]
# By about 16 for 256 times the work: $1/\sqrt B$, as for every mean of independent
# draws. The last examples of a large batch add little.
#
# ## 2. One example, a batch, or all of them?
#
# The same rate of 0.02, batches of 1, of 64 and of all 1000 images.
#
# **Predict.** Who has the lowest training loss after two *epochs*? After 200 *steps*?


# %%
def run(batch, steps):
    net, curve, t = fresh(), [], 0
    optimizer = optim.SGD(net.parameters(), lr=0.02)
    loader = md.data.DataLoader((x, y), batch, shuffle=True, seed=SEED)
    while t < steps:
        for xs, ys in loader:
            if t % max(1, steps // 20) == 0:
                curve.append((t, judge(net)[0]))
            step(net, optimizer, xs.data, ys)
            if (t := t + 1) == steps:
                break
    return np.array([*curve, (t, judge(net)[0])]).T


# %%
fig, axes = plt.subplots(1, 2, figsize=(7.5, 2.6), sharey=True)
epochs, equal = {}, {}
for batch, dash in ((1, "-"), (64, "--"), (1000, ":")):
    t, loss = run(batch, 2 * -(-1000 // batch))
    axes[0].plot(t * batch / 1000, loss, dash, label=f"batches of {batch}")
    u, other = run(batch, 200)
    axes[1].plot(u, other, dash)
    epochs[batch], equal[batch] = loss[-1], other[-1]
axes[0].set(xlabel="epoch", ylabel="training loss")
axes[1].set(xlabel="step", xlim=(0, 200))
axes[0].legend()
assert epochs[1] < epochs[64] / 4 and epochs[64] < epochs[1000]
# %%
print("two epochs:", {b: round(float(loss), 2) for b, loss in epochs.items()})
print("200 steps: ", {b: round(float(loss), 2) for b, loss in equal.items()})

assert equal[1000] < equal[64] < equal[1] < 1.3 * equal[1000]

# %% [markdown]
# At equal epochs single examples win by far: they have made 2000 steps, all data only
# two. At equal steps the order is reversed, but the difference is small, and all data
# pay for it with a thousand times the work. Early in training the noise of a single
# example costs little.
#
# One example at a time is not what anyone does, though: 64 rows in one product take a
# computer much less than 64 times the time of one row (CS231n, *Optimization*).
#
# ## 3. A large batch in a small memory?
#
# Gradients add up until they are cleared. So five *micro-batches*, each loss divided by
# five, should give the gradient of one batch. The loop of the lecture notes:
#
# ```
# for i, (x, y) in enumerate(loader):
#     (loss(net(x), y) / 5).backward()
#     if i % 5 == 0:
#         optimizer.step()
#         optimizer.zero_grad()
# ```
#
# **Predict.** 23 micro-batches in an epoch, two epochs. How many micro-batches are in
# each step of this loop?


# %%
def loop(due):
    w = md.Tensor([0.0], requires_grad=True)
    optimizer, sizes = optim.SGD([w], lr=1.0), []
    for _ in range(2):  # epochs
        for i in range(23):
            w.sum().backward()  # a gradient of 1 each: they are counted
            if due(i):
                sizes.append(int(w.grad[0]))
                optimizer.step()
                optimizer.zero_grad()
    return sizes


# %%
theirs, ours = loop(lambda i: i % 5 == 0), loop(lambda i: (i + 1) % 5 == 0 or i == 22)
print("i % 5 == 0:            ", theirs)
print("(i + 1) % 5, or last:  ", ours)
assert theirs == [1, 5, 5, 5, 5, 3, 5, 5, 5, 5] and ours == [5, 5, 5, 5, 3] * 2

# %% [markdown]
# It steps at once, on one micro-batch in five, and the two at the end of the epoch wait
# until the next one (those of the second epoch are never used). It is to be
# `(i + 1) % 5`, and the last group needs a mean of its own, over three.
# `optim.Accumulation` does both.
#
# **Predict.** A batch of 60 images in micro-batches of 25, 25 and 10. How near is the
# accumulated gradient to that of the whole batch, if one divides by three? And if each
# is weighted with its size?

# %%
net = fresh()
F.cross_entropy(net(md.Tensor(x[:60])), y[:60]).backward()
whole, gaps = [p.grad.copy() for p in net.parameters()], {}
for name, weights in {"by three": (1, 1, 1), "by size": (25, 25, 10)}.items():
    sums = optim.Accumulation(optim.SGD(net.parameters(), lr=1.0), k=3)
    before = [p.data.copy() for p in net.parameters()]
    with sums:
        for a, b, n in zip((0, 25, 50), (25, 50, 60), weights, strict=True):
            sums.backward(F.cross_entropy(net(md.Tensor(x[a:b])), y[a:b]), n)
    moved = zip(before, net.parameters(), whole, strict=True)
    gaps[name] = max(abs(b - p.data - g).max() for b, p, g in moved)
    net = fresh()
# %%
print({name: f"{gap:.0e}" for name, gap in gaps.items()}, end=", ")
print(f"largest gradient {max(abs(g).max() for g in whole):.2f}")

assert gaps["by size"] < 1e-6 < 1e-3 < gaps["by three"]

# %% [markdown]
# To rounding, if micro-batches are weighted with their sizes. Not everything is as in
# one batch: batch normalization (notebook 05) still sees 25 images, not 60.
#
# ## 4. What does an evaluation remember?
#
# To judge a net one takes the largest batches, for no gradient is wanted. The lecture
# notes wrap this into `no_grad`, so that "gradients are not updated".
#
# **Predict.** How many operations does one pass record, without and with `no_grad`? Are
# the scores the same? Does it switch dropout off?


# %%
def recorded(node):
    if not hasattr(node, "edges"):  # nothing, or a leaf
        return 0
    return 1 + sum(recorded(edge[0]) for edge in node.edges if edge)


net = MLP([784, 30, 10], dropout=0.5).eval()
plain = net(md.Tensor(x))
with md.no_grad():
    silent = net(md.Tensor(x))
    net.train()
    one, other = net(md.Tensor(x)).numpy(), net(md.Tensor(x)).numpy()
print(f"recorded: {recorded(plain.node)} and {recorded(silent.node)} operations")
# %%
assert recorded(plain.node) >= 3 and recorded(silent.node) == 0
assert (plain.data == silent.data).all() and (one != other).any()

# %% [markdown]
# None, and the scores are equal to the bit. Nothing is *updated* by an evaluation in
# either case; what `no_grad` saves is memory, since no layer has to keep its inputs.
# Dropout is still on: that is switched off by `eval()`. One needs both.
#
# ## 5. Eight times the batch, eight times the rate?
#
# An epoch with eight times the batch has an eighth of the steps. The rule: multiply the
# rate by eight too, and let it rise slowly at first (*warm-up*), since the first steps
# are the riskiest.
#
# **Predict.** Batches of 32 at 0.05 are the model. Which of these follows its training
# loss, epoch by epoch: 256 at 0.05; 256 at 0.4; the same after a warm-up of two epochs;
# 2048 at 3.2?


# %%
def curve(batch, lr, warm=0):
    net, losses = fresh(), []
    steps = warm * -(-3500 // batch)
    rate = warmup(steps, constant(lr)) if steps else lr
    optimizer = optim.SGD(net.parameters(), lr=rate)
    loader = md.data.DataLoader(train, batch, shuffle=True, seed=SEED)
    for _ in range(8 if QUICK else 15):
        for xs, ys in loader:
            step(net, optimizer, xs.data, ys)
        losses.append(judge(net, train.x, train.y)[0])
    return np.array(losses)


# %%
names = {"32 at 0.05": (32, 0.05), "256 at 0.05": (256, 0.05), "256 at 0.4": (256, 0.4),
         "256, warm-up": (256, 0.4, 2), "2048 at 3.2": (2048, 3.2)}  # fmt: skip
curves = {name: curve(*how) for name, how in names.items()}
small = curves["32 at 0.05"]
fig, ax = plt.subplots(figsize=(6.5, 2.8))
for i, (name, losses) in enumerate(curves.items()):
    line = show.style.dash(i) + ".osD^"[i]
    ax.semilogy(1 + np.arange(len(losses)), losses, line, ms=4, label=name)
ax.set(xlabel="epoch", ylabel="training loss")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
away = {name: np.mean(abs(losses / small - 1)[2:]) for name, losses in curves.items()}

# %%
print({name: f"{100 * gap:.0f} %" for name, gap in away.items()})
assert away["256 at 0.4"] < (0.3 if QUICK else 0.15) < 1 < away["256 at 0.05"]
assert away["256 at 0.4"] < away["256, warm-up"] < (0.7 if QUICK else 0.3)
assert away["2048 at 3.2"] > 2

# %% [markdown]
# The rule holds for eight times the batch: the curve is followed within 15 %. With the
# old rate one is far behind. The warm-up makes it *worse* here: nothing explodes
# without it, and its two epochs are lost. At 64 times the batch the rule has ended: a
# rate of 3.2 is beyond what the curvature allows (notebook 07, section 1), and a
# warm-up of two epochs does not help (`docs/minima.md`). The rule cannot raise the
# largest rate that works.
#
# ## 6. How curved is it, without the matrix?
#
# At a minimum the loss rises as $\tfrac12\, d^\top H d$. The sharpest direction belongs
# to the largest eigenvalue $\lambda_1$ of the Hessian $H$. For our 23,860 weights $H$
# has more than $5 \cdot 10^8$ entries; but a *product* $Hv$ costs about two gradients,
# for it is the gradient of $g \cdot v$ (Pearlmutter). `lab.sharpness` needs only such
# products (the exercise says how). A small net, where the whole matrix can be made, is
# the test.
#
# **Predict.** How near do they come?

# %%
iris = md.data.load_iris()[0]
tiny = MLP([4, 7, 3]).astype("float64")  # 59 weights
data = md.data.standardize(iris.x)(iris.x).astype("float64"), iris.y
optimizer = optim.SGD(tiny.parameters(), lr=0.1)
for _ in range(300):
    step(tiny, optimizer, *data)
# %%
eigenvalues = np.linalg.eigvalsh(lab.Hessian(tiny, F.cross_entropy, data).full())
found = lab.sharpness(tiny, F.cross_entropy, data, draws=0)
print(f"{len(eigenvalues)} eigenvalues, the largest {eigenvalues[-1]:.5f}; "
      f"from {found.steps} products {found.eigenvalue:.5f}")  # fmt: skip
print("median of their sizes:", f"{np.median(abs(eigenvalues)):.0e}")
assert abs(found.eigenvalue / eigenvalues[-1] - 1) < 0.01
assert np.median(abs(eigenvalues)) < eigenvalues[-1] / 50

# %% [markdown]
# Within 1 %. And most directions are nearly flat: half of the eigenvalues are smaller
# than a fiftieth of the largest one. "A minimum" of a network is a valley with many
# flat directions and few steep ones.
#
# ## 7. Do small batches find flat minima?
#
# Where a net stands longer, the curvature changes, so the minima must be compared at
# one training loss: each run ends where it is 0.05 (within 2 %, or as near as a step
# comes; 0.2 with `QUICK`).
#
# **Predict.** Batches of 10, and of 500, at a rate of 0.05; and 500 at ten times the
# rate. Order the three by $\lambda_1$, and by their test errors.


# %%
TARGET = 0.2 if QUICK else 0.05


def walk(net, batch, lr, seed):
    optimizer = optim.SGD(net.parameters(), lr=lr)
    loader = md.data.DataLoader((x, y), batch, shuffle=True, seed=seed)
    while True:
        for i, (xs, ys) in enumerate(loader, start=1):
            step(net, optimizer, xs.data, ys)
            if i % 5 == 0 or i == len(loader):
                yield judge(net)[0]


# %%
def to_target(batch, lr, seed):
    net, best = fresh(seed), (np.inf, None)
    for loss in walk(net, batch, lr, seed):
        away = abs(loss / TARGET - 1)
        if away < best[0]:
            best = away, net.state_dict()
        if away < 0.02 or loss < TARGET / 2:
            break
    net.load_state_dict(best[1])
    return net


# %%
def measure(net):
    sharp = lab.sharpness(net, F.cross_entropy, (x, y), tolerance=0.02, draws=0)
    return judge(net)[0], sharp.eigenvalue, judge(net, test.x, test.y)[1]


settings = [(10, 0.05), (500, 0.05), (500, 0.5)]
seeds = range(SEED, SEED + (1 if QUICK else 3))
nets = {s: [to_target(*s, seed) for seed in seeds] for s in settings}
table = {s: np.mean([measure(net) for net in nets[s]], axis=0) for s in settings}
# %%
for (batch, lr), (loss, sharp, error) in table.items():
    print(f"batches of {batch:>3} at {lr:<4}: training loss {loss:.3f}, "
          f"λ₁ {sharp:.2f}, test error {error:.1f} %")  # fmt: skip
losses, sharps, errors = np.array(list(table.values())).T

assert abs(losses / TARGET - 1).max() < 0.05
assert sharps[2] < sharps[0] < sharps[1] < 2.5 * sharps[2]
assert np.ptp(errors) < 2 and sharps[2] < (6 if QUICK else 2 / 0.5)
start = [nets[s][0] for s in settings]
slices = [lab.landscape(net, F.cross_entropy, (x, y), span=1.5) for net in start]
show.landscape(slices, names=[f"batches of {b} at {lr}" for b, lr in settings])

# %% [markdown]
# At one rate the small batch is flatter: there the lecture is right. But the large
# batch at a tenfold rate is the flattest of the three. **The rate does as much as the
# batch.** (It has to: with all data, a rate $\eta$ cannot stay where
# $\lambda_1 > 2/\eta$, see notebook 07, and $2/0.5$ is 4.) And the test errors? They
# lie within two points of each other. Over five seeds they stand in the order of
# $\lambda_1$, each about a standard error from the next (`docs/minima.md`): evidence,
# not a law.
#
# ## 8. Is sharpness a property of the function?
#
# ReLU lets factors through: $\mathrm{relu}(10 z) = 10\,\mathrm{relu}(z)$. Multiply all
# weights of the first layer by 10 and divide those of the second by 10.
#
# **Predict.** What happens to the scores? To $\lambda_1$? To the slices of the picture,
# whose directions are made as long as the weights?

# %%
net = nets[10, 0.05][0]
before = net(md.Tensor(x)).data, measure(net)
hidden, last = net.layers[1], net.layers[3]
with md.no_grad():
    hidden.weight *= 10
    hidden.bias *= 10
    last.weight /= 10
after = net(md.Tensor(x)).data, measure(net)
same = lab.landscape(net, F.cross_entropy, (x, y), span=1.5)
print(f"λ₁ {before[1][1]:.2f}, then {after[1][1]:.0f}")
assert abs(before[0] - after[0]).max() < 1e-3 and after[1][1] > 10 * before[1][1]
assert np.allclose(same.losses, slices[0].losses, rtol=0.01)

# %% [markdown]
# The same function, and a $\lambda_1$ more than ten times as large (Dinh et al.). So
# $\lambda_1$ alone cannot say how well a net generalizes; it compares nets whose
# weights are of similar size, as above. The slices stay: `lab.landscape` gives every
# direction the length of the weights it changes.
#
# ## Exercise: power iteration
#
# Take any vector, multiply it by $H$, bring it back to length 1, and again: the part
# along the eigenvector with the largest $|\lambda|$ grows faster than all others. Write
# `answer(product, n)`: the eigenvalue of largest size of an $n \times n$ matrix, of
# which you only have the function `product(v)`, to 0.1 %. It may be negative.

# %%
answer = None  # a function (product, n) -> an eigenvalue


def check(answer):
    turn = np.linalg.qr(rng.normal(size=(30, 30)))[0]
    for largest in (5.0, -7.0):
        h = turn * np.array([largest, *np.linspace(-3, 3, 29)]) @ turn.T
        assert abs(answer(lambda v, h=h: h @ v, 30) / largest - 1) < 1e-3
    h = lab.Hessian(tiny, F.cross_entropy, data)
    assert abs(answer(lambda v: h @ v, h.shape[0]) / eigenvalues[-1] - 1) < 0.01
    return "right"


print(check(answer) if answer else "Your turn.")

# %% [markdown]
# <details><summary>A solution</summary>
#
# ```python
# def answer(product, n):
#     v = np.random.default_rng(0).normal(size=n)
#     for _ in range(100):
#         v = product(v / np.linalg.norm(v))
#     v /= np.linalg.norm(v)
#     return v @ product(v)
# ```
# </details>
#
# **And without a check:** what does it return if the two largest are 5 and −5?
#
# ## References
#
# - P. Goyal et al., *Accurate, large minibatch SGD: training ImageNet in 1 hour*, 2017:
#   section 5, with ResNet-50 and batches of up to 8192.
# - N. S. Keskar et al., *On large-batch training for deep learning: generalization gap
#   and sharp minima*, ICLR 2017: the claim of section 7.
# - L. Dinh, R. Pascanu, S. Bengio, Y. Bengio, *Sharp minima can generalize for deep
#   nets*, ICML 2017: section 8.
# - H. Li et al., *Visualizing the loss landscape of neural nets*, NeurIPS 2018: the
#   slices, and the length of their directions.
# - B. Pearlmutter, *Fast exact multiplication by the Hessian*, Neural Computation 6
#   (1994): $Hv$.
# - Lectures: EECS 498-007 (fall 2019), lectures 4 and 11; CS231n, *Optimization*.
# - In the source: `minidl/optim/gradients.py` (Accumulation), `lab/hessian.py`,
#   `lab/sharpness.py`, `lab/landscape.py`; figures over five seeds: `docs/minima.md`.
