# %% [markdown]
# # 02 · Activation functions: what lets a gradient through
#
# Without a bend between them, ten linear layers are one linear layer. Every bend will
# do for that; yet for twenty years deep networks would hardly train, and part of the
# reason was the shape of one curve, the sigmoid. We measure what is wrong with it, what
# is wrong with its successor, the ReLU, and what ELU and Maxout make better.
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
# ## 1. How steep can they be?
#
# A gradient on its way back is multiplied by the slope of every activation it passes.
# So the slope, dashed below, matters more than the curve.
#
# **Predict.** What is the steepest slope of each of the six? Which of them is flat,
# with a slope of exactly 0, over a whole range?

# %%
functions = {"sigmoid": F.sigmoid, "tanh": F.tanh, "ReLU": F.relu,
             "leaky ReLU": F.leaky_relu, "ELU": F.elu, "GELU": F.gelu}  # fmt: skip
x = md.Tensor(np.linspace(-4, 4, 802), requires_grad=True)  # 802: none of them is 0
slopes = {name: md.grad(f(x).sum(), x)[0] for name, f in functions.items()}
print({name: round(float(slope.max()), 3) for name, slope in slopes.items()})
assert 0.2499 < slopes["sigmoid"].max() <= 0.25 and 0.9999 < slopes["tanh"].max() <= 1
assert slopes["ReLU"].max() == slopes["leaky ReLU"].max() == slopes["ELU"].max() == 1
assert [name for name, slope in slopes.items() if (slope == 0).any()] == ["ReLU"]

# %%
fig, axes = plt.subplots(2, 3, figsize=(8, 3.8), sharex=True, sharey=True)
for ax, (name, f) in zip(axes.flat, functions.items(), strict=True):
    ax.plot(x.data, f(x.data), label="value")
    ax.plot(x.data, slopes[name], "--", label="slope")
    ax.set(title=name, ylim=(-1.2, 2.2))
axes[0, 0].legend()
assert (slopes["ELU"] > 0).all() and slopes["GELU"].max() > 1.1
assert slopes["GELU"].min() < 0

# %% [markdown]
# A quarter is all that a sigmoid ever lets through, and a GELU may even amplify a
# little. Only the ReLU is flat over a whole range. (The slope of a GELU is negative
# below $-0.75$, so that it is 0 at one point.)
#
# ## 2. What does it cost to sit on the flat part?
#
# One sigmoid neuron is at $z = 6$, so it says $\sigma(6) = 0.9975$; the truth is 0.
# With the squared error its gradient is $(p - t)\,p(1-p)$: *being very wrong* is
# multiplied by *being very flat*. With cross entropy the $p(1-p)$ cancels, and $p - t$
# is left.
#
# **Predict.** How many steps of gradient descent on $z$, of rate 1, until $p < 0.1$:
# with cross entropy, and with the squared error?


# %%
def steps_until_right(objective):
    z, steps = md.Tensor([6.0], requires_grad=True), 0
    while F.sigmoid(z.data)[0] >= 0.1:
        z = md.Tensor(z.data - md.grad(objective(z), z)[0], requires_grad=True)
        steps += 1
    return steps


squared = steps_until_right(lambda z: (F.sigmoid(z) * F.sigmoid(z)).sum() / 2)
crossed = steps_until_right(lambda z: F.binary_cross_entropy_with_logits(z, [0.0]))
print(f"cross entropy: {crossed} steps, squared error: {squared}")
assert crossed < 20 and squared > 400

# %% [markdown]
# Fewer than 20 against more than 400. This is **saturation**: the unit hardly moves
# where it is most wrong. A loss that undoes the flatness helps the *last* layer. The
# layers before it have no loss of their own.
#
# ## 3. What is left after ten layers?
#
# Ten layers with orthogonal weights: matrices that turn vectors and keep their length
# exactly, so that whatever the gradient loses, it loses to the activations. (For ReLU,
# which drops half of everything, they are scaled by $\sqrt 2$; notebook 04 says why.)
#
# **Predict.** By which factor at least does the gradient shrink through ten sigmoids?

# %%
digits = md.data.load_digits()
raw, labels = digits.train.x.reshape(-1, 64), digits.train.y  # pixels in [0, 1]
scale = md.data.standardize(raw)
weights = [nn.init.orthogonal((64, 64), rng=rng) for _ in range(10)]
g = rng.normal(size=(100, 64)).astype("float32")


def gradient_sizes(f, gain):
    h = [md.Tensor(scale(raw)[:100], requires_grad=True)]
    for w in weights:
        h.append(f(h[-1] @ md.Tensor(gain * w)))
    return [np.linalg.norm(dh) for dh in md.grad(h[-1], h, grad_outputs=g)]


# %%
fig, ax = plt.subplots(figsize=(6, 2.8))
left = {}
gains = {"sigmoid": (1, "-"), "tanh": (1, "--"), "ReLU": (2**0.5, "-.")}
for name, (gain, dash) in gains.items():
    sizes = np.array(gradient_sizes(functions[name], gain))
    left[name] = sizes[0] / sizes[-1]
    ax.semilogy(sizes / sizes[-1], dash, marker="o", markersize=4, label=name)
ax.set(xlabel="layer (10 is the last)", title="Size of the gradient, on its way back")
ax.legend()
print({name: f"{share:.1g}" for name, share in left.items()})
assert left["sigmoid"] < 0.25**10 < 1e-6 and left["tanh"] > 0.1 and left["ReLU"] > 0.5

# %% [markdown]
# Less than a millionth is left, as it must be: each layer takes three quarters or more.
# tanh keeps a tenth and more of it here, the ReLU more than half.
#
# ## 4. Why should activations be centered around 0?
#
# For one sample the gradient of a neuron's weights is $\partial L/\partial w = g\,x$,
# with one number $g$ for the neuron. If all inputs are positive, as the outputs of
# sigmoids are, then all components of that gradient have **the same sign**.
#
# **Predict.** For a neuron with 64 inputs: in how many samples of a hundred do all 64
# gradients agree in sign, if the inputs come from sigmoids, and if they come from
# tanhs?

# %%
z = scale(raw) @ nn.init.orthogonal((64, 64), rng=rng)
agree = {}
for name, h in [("sigmoid", F.sigmoid(z)), ("tanh", F.tanh(z))]:
    w = md.Tensor(rng.normal(size=(len(h), 64)).astype("float32"), requires_grad=True)
    error = (w * md.Tensor(h)).sum(axis=1) - rng.normal(size=len(h)).astype("float32")
    (error * error).sum().backward()  # each sample has weights, and a gradient, alone
    agree[name] = np.mean(abs(np.sign(w.grad).sum(axis=1)) == 64)
print({name: f"{share:.0%}" for name, share in agree.items()})
assert agree["sigmoid"] == 1 and agree["tanh"] < 0.01

# %% [markdown]
# So all weights of the neuron must go up together or down together. If the goal asks
# one to grow and another to shrink, the only way is a zig-zag. Below two weights must
# go from $(0, 0)$ to $(1.5, -1.5)$, one sample at a time; the inputs are uniform in
# $[0, 1]$ on the left, and the very same inputs minus their mean on the right.
#
# **Predict.** In which directions can a step on the left go at all?

# %%
inputs = rng.uniform(0, 1, size=(300, 2))
goal = np.array([1.5, -1.5])


def descend(x):
    path = [np.zeros(2)]
    for sample in x[:60]:
        error = sample @ (path[-1] - goal)
        path.append(path[-1] - error * sample / np.mean(np.sum(x**2, axis=1)))
    return np.array(path)


paths = {"positive inputs": descend(inputs),
         "centered inputs": descend(inputs - inputs.mean(axis=0))}  # fmt: skip
# %%
fig, axes = plt.subplots(1, 2, figsize=(8, 3.6), sharex=True, sharey=True)
together = {}
for ax, (name, path) in zip(axes, paths.items(), strict=True):
    steps = np.diff(path, axis=0)
    together[name] = np.mean(steps.prod(axis=1) >= 0)
    ax.plot(*path.T, marker=".", linewidth=1)
    ax.plot(*goal, "*", markersize=12, color=show.style.VERMILION)
    ax.set(title=name, xlabel="w₁", ylabel="w₂", aspect="equal")
print({name: f"{share:.0%} up or down together" for name, share in together.items()})
assert together["positive inputs"] == 1 and together["centered inputs"] < 0.95

# %% [markdown]
# Up and to the right, or down and to the left: nothing else. A batch softens this,
# since signs differ from sample to sample, but not entirely: the curvature stays. For
# inputs in $[0, 1]$ the loss is about 7 times as strongly curved in one direction as in
# the other; for centered ones about equally.

# %%
for name, x in [("positive", inputs), ("centered", inputs - inputs.mean(axis=0))]:
    curvature = np.linalg.eigvalsh(x.T @ x / len(x))
    print(f"{name}: {curvature[1] / curvature[0]:.1f} times the smaller curvature")
    low, high = (5, 10) if name == "positive" else (1, 1.5)
    assert low < curvature[1] / curvature[0] < high

# %% [markdown]
# ## 5. How does a ReLU die?
#
# A ReLU passes a gradient only to units that are on. A unit that is off *for every
# sample* gets none: in a first layer, whose inputs never change, it can never come
# back. Ten hidden units read raw pixels (all positive!), and the first step alone is a
# hundred times too large; 300 good steps follow.
#
# **Predict.** How many of the ten does a single bad step kill? Do 300 good ones revive
# any?


# %%
def train(x, first_rate, steps=300):
    md.seed(SEED)
    net = nn.Sequential(nn.Linear(64, 10), nn.ReLU(), nn.Linear(10, 10))
    optimizer = optim.SGD(net.parameters(), lr=lambda t: 0.1 if t else first_rate)
    dead = []
    for _ in range(steps):
        loss = F.cross_entropy(net(md.Tensor(x)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        dead.append((net[0](md.Tensor(x)).data <= 0).all(axis=0))
    return loss.item(), dead[0], dead[-1]


# %%
well, _, _ = train(raw, 0.1)
ill, killed, still_dead = train(raw, 10.0)
print(f"dead after one step: {killed.sum()} of 10, in the end: {still_dead.sum()}")
print(f"final loss {ill:.2f}; without the bad step {well:.2f}")
assert killed.sum() >= 3 and still_dead[killed].all()  # none of them came back
assert ill > 1.2 * well

# %% [markdown]
# Three or more, and none comes back. The loss ends a fifth higher, or worse.
#
# **Predict.** The same bad step, with standardized pixels: as many, or fewer? And with
# a *leaky* ReLU: are the gradients of the units that are off still 0?

# %%
_, killed_centered, _ = train(scale(raw), 10.0)
print(f"with centered inputs the step kills {killed_centered.sum()} of 10")

off = md.Tensor(-np.ones(5), requires_grad=True)
slope_off = {name: md.grad(f(off).sum(), off)[0][0] for name, f in functions.items()}
print({name: round(float(slope), 3) for name, slope in slope_off.items()})
assert killed_centered.sum() <= 1
assert slope_off["ReLU"] == 0 and slope_off["leaky ReLU"] == 0.01

# %% [markdown]
# None die, or one at most; and a leaky unit that is off still moves, slowly.
#
# Lectures give a share, such as a tenth, and remedies: centered inputs, or first biases
# of +0.01, so that units begin by being on.
#
# **Predict.** A hundred units, 30 steps at one rate. What share is dead in the end, at
# which rate? And which remedy helps?


# %%
def dead(x, rate, bias=0.0):
    start = np.random.default_rng(SEED)
    first, last = nn.Linear(64, 100, rng=start), nn.Linear(100, 10, rng=start)
    first.bias.data[:] = bias
    net = nn.Sequential(first, nn.ReLU(), last)
    optimizer = optim.SGD(net.parameters(), lr=rate)
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(net(md.Tensor(x)), labels).backward()
        optimizer.step()
    return (first(md.Tensor(x)).data <= 0).all(axis=0).mean()


# %%
rates = [0.1, 0.3, 1, 2, 3, 5]
cases = {"raw pixels": (raw, 0), "bias +0.01": (raw, 0.01), "centered": (scale(raw), 0)}
fig, ax = plt.subplots(figsize=(6, 2.6))
share = {}
for (name, (x, b)), line in zip(cases.items(), ("o-", "s--", "^:"), strict=True):
    share[name] = [dead(x, rate, b) for rate in rates]
    ax.semilogx(rates, share[name], line, label=name)
ax.set(xlabel="learning rate", ylabel="share of dead units")
ax.legend()
assert max(share["centered"]) < 0.05 and max(share["raw pixels"][:2]) < 0.15
assert min(share["raw pixels"][-1], share["bias +0.01"][-1]) > 0.8

# %% [markdown]
# There is no usual share: less than 15 % at rates of 0.1 and 0.3, more than 80 % at 5,
# and between them a steep rise. Centering prevents it; a first bias of 0.01 does not.
#
# ## 6. What does an ELU do for the mean?
#
# A ReLU has only positive outputs: what section 4 warned of, one layer further up. The
# ELU goes down to $-1$, smoothly: $e^x - 1$ for $x < 0$.
#
# **Predict.** Feed both with $N(0, 1)$. The mean output of the ReLU is
# $1/\sqrt{2\pi} \approx 0.40$. Is that of the ELU about half as large, or about 0?

# %%
noise = rng.normal(size=200_000)
means = {name: float(functions[name](noise).mean()) for name in ("ReLU", "ELU")}
print({name: round(mean, 2) for name, mean in means.items()})

assert abs(means["ReLU"] - (2 * np.pi) ** -0.5) < 0.01
assert 0.14 < means["ELU"] < 0.18

# %% [markdown]
# Less than half of it: about 0.16. And where the unit is off, its slope is the ELU
# itself plus 1: never 0. The price is an exponential.
#
# ## 7. What if the network chooses the bend?
#
# A **Maxout** unit has no curve of its own. It is the largest of $k$ linear functions
# of its inputs, and all of them are learned: any convex function, piece by piece.
#
# **Predict.** One Maxout unit with one input is to become $x^2$ on $[-1, 1]$. How much
# smaller does the largest error get with 8 pieces, compared with 2?


# %%
def parabola(pieces):
    unit = nn.Maxout(1, 1, pieces, init=nn.init.normal, rng=SEED)
    x = md.Tensor(np.linspace(-1, 1, 201, dtype="float32")[:, None])
    optimizer = optim.Adam(unit.parameters(), lr=0.02)
    for _ in range(1500):
        optimizer.zero_grad()
        F.mse_loss(unit(x), x * x).backward()
        optimizer.step()
    largest = (x.data @ unit.weight.data + unit.bias.data).argmax(axis=1)
    return x.data.ravel(), unit(x).data.ravel(), len(set(largest))


fits = {pieces: parabola(pieces) for pieces in (2, 4, 8)}
assert fits[8][2] < 8  # pieces in use

# %%
fig, axes = plt.subplots(1, 3, figsize=(8, 2.4), sharey=True)
worst = {}
for ax, (pieces, (x, y, used)) in zip(axes, fits.items(), strict=True):
    ax.plot(x, x * x, color=show.style.GRAY, linewidth=4, alpha=0.4, label="x²")
    ax.plot(x, y, label="Maxout")
    worst[pieces] = float(abs(y - x * x).max())
    ax.set(title=f"{pieces} pieces", xlabel=f"{used} used; error {worst[pieces]:.2f}")
axes[0].legend()

assert worst[8] < worst[2] / 3

# %% [markdown]
# With 8 pieces the largest error is less than a third of that with 2. Not all pieces
# are used: one that is nowhere the largest gets no gradient. But the unit cannot die,
# since *some* piece is always the largest. The price is $k$ times as many weights. A
# ReLU is the Maxout of $x$ and 0, a leaky ReLU that of $x$ and $x/100$.
#
# ## 8. And does it matter?
#
# Six networks, equal but for the bend: five hidden layers of 50, on 1197 images of
# digits, six epochs, the same order of samples. (Maxout has twice the weights, drawn
# with half the variance, because the larger of two numbers is already larger.)
#
# **Predict.** Rank them by test accuracy after *one* epoch, and after six.

# %%
layers = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "ReLU": nn.ReLU,
          "leaky ReLU": nn.LeakyReLU, "ELU": nn.ELU, "Maxout": None}  # fmt: skip


def network(bend):
    stack, width = [], 64
    for _ in range(5):
        if bend is None:
            stack += [nn.Maxout(width, 50, init=nn.init.lecun_normal)]
        else:
            stack += [nn.Linear(width, 50), bend()]
        width = 50
    return nn.Sequential(*stack, nn.Linear(50, 10))


# %%
def race(net, epochs=6):
    optimizer = optim.Momentum(net.parameters(), lr=0.02, momentum=0.9)
    test, accuracy = md.Tensor(scale(digits.test.x.reshape(-1, 64))), []
    for epoch in range(epochs):
        pairs = (scale(raw), labels)
        for x, y in md.data.DataLoader(pairs, 50, shuffle=True, seed=SEED + epoch):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
        accuracy.append(md.train.accuracy(net(test).data, digits.test.y))
    return accuracy


# %%
results = {}
for name, bend in layers.items():
    md.seed(SEED)
    results[name] = race(network(bend))
    print(f"{name:<11}", *(f"{accuracy:.2f}" for accuracy in results[name]))
begin, end = np.array([(r[0], r[-1]) for r in results.values()]).T
# %%
fig, ax = plt.subplots(figsize=(6, 2.6))
ax.hlines(range(len(begin)), begin, end, color=show.style.GRAY)
ax.plot(begin, range(len(begin)), "o", label="after one epoch")
ax.plot(end, range(len(begin)), "s", label="after six")
ax.set_yticks(range(len(begin)), results)
ax.invert_yaxis()
ax.set(xlabel="test accuracy", xlim=(0, 1))
ax.legend(loc="center", bbox_to_anchor=(0.35, 0.4))
last = {name: accuracy[-1] for name, accuracy in results.items()}
assert last.pop("sigmoid") < 0.3 and min(last.values()) > 0.9

# %% [markdown]
# The sigmoid network has learned next to nothing: fewer than 30 % are right, and one in
# ten is a guess. All others end above 90 %, within 6 points of each other.
#
# They differ in how they *begin*. Krizhevsky et al. found that a larger ReLU network
# reached its goal on larger images six times as fast as one of tanhs. And here?

# %%
first = {name: accuracy[0] for name, accuracy in results.items()}
print({name: round(accuracy, 2) for name, accuracy in first.items()})

assert first["tanh"] > first["ReLU"] and first["ELU"] > first["ReLU"] + 0.05
assert max(last.values()) - min(last.values()) < 0.06

# %% [markdown]
# Not here: after one epoch tanh is ahead of ReLU, and ELU clearly is. A measured factor
# belongs to the network it was measured on. What carries over is what was measured
# before: *slopes near 1, outputs near 0, no unit that nothing can move.*
#
# ## Exercise: straight lines and one bend
#
# Write `answer(x)` that returns $|x|$ for a Tensor, using `F.relu`, $+$ and $-$ only.
# With weights beside them every continuous curve of finitely many straight pieces can
# be made in this way: that is what a hidden layer of ReLUs does.

# %%
answer = None  # a function of a Tensor, in place of None


def check(answer):
    x = md.Tensor([-3.0, -0.5, 0.5, 2.0], requires_grad=True)
    y = answer(x)
    assert np.allclose(y.data, [3, 0.5, 0.5, 2])
    assert np.allclose(md.grad(y.sum(), x)[0], [-1, -1, 1, 1])
    return "right"


print(check(answer) if answer else "Your turn.")

# %% [markdown]
# <details><summary>A solution</summary>
#
# ```python
# def answer(x):
#     return F.relu(x) + F.relu(-x)
# ```
# </details>
#
# **And without a check:** in section 8, how many layers can the sigmoid network have
# and still learn in six epochs? Do larger first weights help?
#
# ## References
#
# - Y. LeCun, L. Bottou, G. Orr, K.-R. Müller, *Efficient BackProp* (1998): why inputs
#   and activations should be centered.
# - X. Glorot, Y. Bengio, *Understanding the difficulty of training deep feedforward
#   neural networks*, AISTATS 2010: sigmoids saturate, layer by layer.
# - V. Nair, G. Hinton, *Rectified linear units improve restricted Boltzmann machines*,
#   ICML 2010; A. Krizhevsky, I. Sutskever, G. Hinton, *ImageNet classification with
#   deep convolutional neural networks*, NIPS 2012: ReLU, and the factor of six.
# - A. Maas, A. Hannun, A. Ng, *Rectifier nonlinearities improve neural network acoustic
#   models* (2013): the leaky ReLU.
# - I. Goodfellow et al., *Maxout networks*, ICML 2013.
# - D.-A. Clevert, T. Unterthiner, S. Hochreiter, *Fast and accurate deep network
#   learning by exponential linear units (ELUs)*, ICLR 2016.
# - D. Hendrycks, K. Gimpel, *Gaussian error linear units (GELUs)*, 2016.
# - Lectures: CS231n, *Training neural networks I*; EECS 498, *Training neural networks
#   I*.
# - In the source: `minidl/ops/activation.py`.
