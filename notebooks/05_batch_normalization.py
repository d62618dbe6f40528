# %% [markdown]
# # 05 · Batch normalization: a layer that looks at its neighbors
#
# A good initialization gives every layer a signal of the right size, at the first step.
# Then all weights move, and nothing keeps the sizes. Batch normalization does: at every
# step it removes the mean and the variance of every feature over the batch. It made
# deep networks easier to train, at a price: the output for one image depends on the
# others in its batch.
#
# Predict first, then run. Each claim with a number ends in an `assert`.

# %%
import copy
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
# ## 1. What can such a layer not see?
#
# For a batch $x$ $(N, D)$ and each of its $D$ features,
#
# $$\hat x = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}}, \qquad
# y = \gamma \hat x + \beta,$$
#
# with $\mu$ and $\sigma^2$ the mean and the variance of this feature over the batch,
# and two learned numbers $\gamma$ and $\beta$, at first 1 and 0.
#
# **Predict.** One student measures a length in kilometers, another in millimeters and
# from another origin: $x' = 10^6 x + 5$. By how much do their outputs differ?

# %%
x = rng.normal(2, 3, size=(32, 4))
norm = nn.BatchNorm1d(4).astype("float64")
y, y_other = (norm(md.Tensor(z)).data for z in (x, 1e6 * x + 5))
print(f"largest difference: {abs(y - y_other).max():.0e}")

assert np.allclose(y.mean(axis=0), 0) and np.allclose(y.std(axis=0), 1, atol=1e-5)
assert abs(y - y_other).max() < 1e-4

# %% [markdown]
# By less than $10^{-4}$, for the sake of $\varepsilon$. The layer before may have any
# positive scale and any bias: they are removed again.
#
# ## 2. What does it do for bad weights?
#
# Notebook 04 found that ten ReLU layers want weights of one exact size, He's. Here are
# ten layers of 100 units with weights a quarter as large, without and with batch norm
# between the matrix and the ReLU.
#
# **Predict.** Without: $1/4$ per layer makes which size at layer 10? And with?

# %%
digits = md.data.load_digits()
scale = md.data.standardize(digits.train.x.reshape(-1, 64))
images, labels = scale(digits.train.x.reshape(-1, 64)), digits.train.y
test = md.Tensor(scale(digits.test.x.reshape(-1, 64)))


def through(size, normalize, depth=10):
    h = [md.Tensor(images[:300])]
    for _ in range(depth):
        w = nn.init.kaiming_normal((h[-1].shape[1], 100), rng=rng)
        z = h[-1] @ md.Tensor(size * w)
        h.append(F.relu(F.batch_norm(z)[0] if normalize else z))
    return {f"layer {i}": h[i].data for i in (1, 2, 4, 7, 10)}


# %%
plain, normal = through(0.25, False), through(0.25, True)
sizes = [float(np.sqrt(np.mean(h["layer 10"] ** 2))) for h in (plain, normal)]
print(f"size at layer 10: {sizes[0]:.0e} without, {sizes[1]:.2f} with")

assert sizes[0] < 1e-5 and abs(sizes[1] - 2**-0.5) < 0.03
show.activations(normal, title="Weights four times too small, and batch norm")

# %% [markdown]
# Every layer looks like the first, of size $1/\sqrt 2$: a ReLU leaves half of the mean
# square 1.
#
# ## 3. Does the size of the weights matter at all?
#
# If $xW$ and $x(aW)$ are normalized to the same thing, then the loss does not change
# along the direction of $W$ itself.
#
# **Predict.** Then what is the angle between $W$ and its gradient? And if $W$ is ten
# times as large, how large is the gradient?


# %%
def gradient_of(w):
    w = md.Tensor(w, requires_grad=True)
    scores = F.batch_norm(md.Tensor(images.astype("float64")) @ w, eps=0.0)[0]
    return md.grad(F.cross_entropy(scores, labels), w)[0]


w = rng.normal(size=(64, 10))
g, g_large = gradient_of(w), gradient_of(10 * w)
cosine = (w * g).sum() / np.linalg.norm(w) / np.linalg.norm(g)
shrunk = np.linalg.norm(g) / np.linalg.norm(g_large)
print(f"cosine {abs(cosine):.0e}; at 10 W the gradient is {shrunk:.3f} times smaller")

assert abs(cosine) < 1e-10 and abs(shrunk - 10) < 1e-6

# %% [markdown]
# A right angle. By Pythagoras each step of plain descent makes $W$ *longer*, and the
# longer it is, the smaller the gradient: a rate that is too large becomes effectively
# smaller by itself.
#
# ## 4. What does that do to the landscape?
#
# Six layers, and one step of length $\eta$ against the gradient. Far out, where the
# step is everything, each matrix without normalization multiplies the scores by about
# $\eta$, so that the loss grows like $\eta^6$.
#
# **Predict.** With batch norm after each of the first five, which matrices still
# matter? (And do not forget the last $\gamma$.)


# %%
def network(norm=None, order="before", depth=5, width=50):
    md.seed(SEED)
    stack, w = [], 64
    for _ in range(depth):
        between = [nn.ReLU()] if norm is None else [norm(width), nn.ReLU()]
        stack += [nn.Linear(w, width), *between[:: 1 if order == "before" else -1]]
        w = width
    return nn.Sequential(*stack, nn.Linear(width, 10))


# %%
def along_the_gradient(net, rates):
    loss = F.cross_entropy(net(md.Tensor(images)), labels)
    gradients = md.grad(loss, net.parameters())
    start, losses = [p.data.copy() for p in net.parameters()], []
    for rate in rates:
        for p, old, g in zip(net.parameters(), start, gradients, strict=True):
            p.data[...] = old - rate * g
        with md.no_grad():
            losses.append(F.cross_entropy(net(md.Tensor(images)), labels).item())
    return np.array(losses), loss.item()


# %%
rates = np.geomspace(0.01, 1000, 41)
fig, ax = plt.subplots(figsize=(6, 3))
power = {}
for name, kind, dash in [("without", None, "-"), ("batch norm", nn.BatchNorm1d, "--")]:
    losses, start = along_the_gradient(network(kind), rates)
    power[name] = np.polyfit(np.log(rates[-9:]), np.log(losses[-9:]), 1)[0]
    ax.loglog(rates, losses, dash, label=name)
ax.set(xlabel="length of the step, η", ylabel="loss", title="After one step")
ax.legend()
print({name: f"η^{p:.1f}" for name, p in power.items()})
assert 5 < power["without"] < 6.5 and 1.3 < power["batch norm"] < 2.2

# %% [markdown]
# Only the last matrix, and the last $\gamma$ before it: about $\eta^2$. All others may
# be of any size, for the next normalization removes it. A step that is too long still
# raises the loss, but far less. (Santurkar et al. argue that smoothness of this kind is
# what helps, not distributions that stay the same, as the inventors wrote.)
#
# ## 5. Which learning rates work?
#
# The same six layers, three epochs of SGD on digits, for eight learning rates.
#
# **Predict.** By what factor is the largest rate that works (80 % on the test set)
# larger with batch norm? Is training at the *small* rates faster, too?


# %%
def shuffled(batch, epoch):
    how = {"shuffle": True, "drop_last": True, "seed": SEED + epoch}
    return md.data.DataLoader((images, labels), batch, **how)


def descend(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


# %%
def train(net, lr, batch=50, epochs=3):
    optimizer = optim.SGD(net.parameters(), lr=lr)
    for epoch in range(epochs):
        for x, y in shuffled(batch, epoch):
            loss = F.cross_entropy(net(x), y)
            if not loss.item() < 1000:  # lost
                return 0.1
            descend(optimizer, loss)
    return md.train.accuracy(net.eval()(test).data, digits.test.y)


# %%
rates = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]
kinds = {"without": None, "batch norm": nn.BatchNorm1d, "layer norm": nn.LayerNorm}
fig, ax = plt.subplots(figsize=(6, 3))
reached = {}
for name, mark in zip(kinds, ("o-", "s--", "^-."), strict=True):
    reached[name] = [train(network(kinds[name]), lr) for lr in rates]
    ax.semilogx(rates, reached[name], mark, label=name)
ax.set(xlabel="learning rate", ylabel="test accuracy", ylim=(0, 1))
ax.legend()
assert max(map(max, reached.values())) > 0.9

# %%
works = {k: np.max(np.array(rates)[np.array(v) > 0.8]) for k, v in reached.items()}
small = {name: np.mean(accuracy[:3]) for name, accuracy in reached.items()}
for name in kinds:
    print(f"{name}: works up to {works[name]:g}; at small rates {small[name]:.2f}")

assert works["batch norm"] >= 3 and works["without"] <= 0.3
assert small["batch norm"] < small["without"] + 0.03

# %% [markdown]
# At least ten times as large. At small rates nothing is gained: these six layers were
# well initialized, so there was nothing to repair. What batch norm gives here is a
# *wider choice of rates*. (Layer norm: section 9.)
#
# ## 6. Must the gradient go through the mean and the variance?
#
# Every $x_n$ moves $\mu$ and $\sigma^2$, and so all outputs. Let us forget it, and take
# both for constants: one feature, one bias, $z = x + b - \mathrm{mean}(x + b)$.
#
# **Predict.** Does the loss depend on $b$? What does the wrong gradient say, and what
# becomes of $b$ after 1000 steps?

# %%
x, goal = rng.normal(size=200), rng.normal(1, 1, size=200)
b, gaps, way = 0.0, [], []
for _ in range(1000):
    z = x + b - np.mean(x + b)
    gaps.append(np.mean((z - goal) ** 2))
    way.append(b)
    b -= 0.1 * np.mean(2 * (z - goal))  # ∂z/∂b taken for 1, and it is 1 − 1
print(f"b = {b:.0f}; the loss went from {gaps[0]:.6f} to {gaps[-1]:.6f}")

assert b > 150 and np.isclose(gaps[0], gaps[-1])

# %% [markdown]
# The loss does not depend on $b$, the wrong gradient says that it does, and $b$ grows
# without end: the example of Ioffe and Szegedy's section 2.
#
# **Predict.** $y$ does not change if all $x_n$ are shifted, or all are stretched. What
# then are $\sum_n \partial L/\partial x_n$ and
# $\sum_n \hat x_n\, \partial L/\partial x_n$, whatever the loss?

# %%
from minidl.check import explain
from minidl.engine.op import op


@op
def forgetful_norm(x):
    rstd = 1 / np.sqrt(x.var(axis=0))
    return (x - x.mean(axis=0)) * rstd, (lambda g: g * rstd,)


x = md.Tensor(rng.normal(size=(8, 3)), requires_grad=True)
xhat = F.batch_norm(x, eps=0.0)[0]
(dx,) = md.grad(xhat, x, grad_outputs=rng.normal(size=(8, 3)))
# %%
sums = abs(dx.sum(axis=0)).max(), abs((xhat.data * dx).sum(axis=0)).max()
diagnosis = explain(forgetful_norm, [x.data])
print(f"Σ dx = {sums[0]:.0e}, Σ x̂ dx = {sums[1]:.0e}\n{diagnosis}")

assert max(sums) < 1e-12
assert "the mean and the variance over axis 0" in str(diagnosis)

# %% [markdown]
# Both are 0. The right gradient is $g$, minus its mean, minus its share along $\hat x$,
# times $\gamma/\sigma$.
#
# ## 7. What happens when there is no batch?
#
# In use, images come one at a time, and one value has no variance. So in training the
# layer keeps **running statistics**, $m \leftarrow 0.9\,m + 0.1\,\mu$, and `eval()`
# makes it use them. After $t$ batches $0.9^t$ of each is still its beginning.
#
# **Predict.** A network learns digits in 69 steps, and is judged after every five: with
# the statistics of the test batch, and with running ones whose momentum is 0.1, or
# 0.01. How far behind is the last? ($0.99^{69} = 0.50$.)


# %%
def judged(momentum, mode):
    net, accuracy = network(nn.BatchNorm1d), []
    for layer in net[1:-1:3]:
        layer.momentum = momentum
    optimizer = optim.SGD(net.parameters(), lr=0.3)
    for step, (x, y) in enumerate([b for e in range(3) for b in shuffled(50, e)]):
        if step % 5 == 0:  # a copy, because looking in training mode counts too
            scores = copy.deepcopy(net).train(mode)(test)
            accuracy.append(md.train.accuracy(scores.data, digits.test.y))
        descend(optimizer, F.cross_entropy(net(x), y))
    return np.array(accuracy)


# %%
curves = {"of the batch": judged(0.1, True), "running, 0.1": judged(0.1, False),
          "running, 0.01": judged(0.01, False)}  # fmt: skip
fig, ax = plt.subplots(figsize=(6, 2.8))
for (name, curve), mark in zip(curves.items(), ("o-", "s--", "^-."), strict=True):
    ax.plot(np.arange(0, 69, 5), curve, mark, label=name, markersize=4)
ax.set(xlabel="step", ylabel="test accuracy", title="By which statistics?")
ax.legend(loc="lower right")
of_batch, fast, slow = curves.values()
assert (of_batch - slow)[1:8].min() > 0.1 and of_batch[1] > fast[1] + 0.05
assert abs(of_batch - fast)[-1] < 0.05

# %% [markdown]
# It is one network, judged in three ways. Running statistics are always those of the
# networks of the past, and too long a memory costs more than ten points from step 5 to
# step 35. If a network is good in training and bad in `eval`, look at them first.
#
# ## 8. What does a batch of two look like?
#
# The smaller the batch, the more chance there is in $\mu$ and $\sigma^2$; the output
# for an image depends on the others in its batch.
#
# **Predict.** $N = 2$, and $a > b$. What are $\hat a$ and $\hat b$? And in batches of
# 4, 16 and 64, how far does the output for *one* image wander?

# %%
pair = F.batch_norm(rng.normal(size=(2, 5)), eps=0.0)[0]
print(pair.round(6))
wander = {}
for n in (4, 16, 64):
    crowd = rng.normal(size=(2000, n))
    crowd[:, 0] = 1.0  # the image
    wander[n] = F.batch_norm(crowd.T, eps=0.0)[0][0].std()
print({n: round(float(spread), 2) for n, spread in wander.items()})

assert np.allclose(abs(pair), 1) and np.allclose(pair.sum(axis=0), 0)
assert wander[4] > 1.5 * wander[16] > 2.5 * wander[64]

# %% [markdown]
# In a batch of two every feature is $+1$ and $-1$: all that is left is *who has more of
# it*. With four times the batch the output for the same image varies about half as
# much, as any mean does.
#
# ## 9. What if each image is normalized by itself?
#
# **Layer norm** takes the mean and the variance over the features of *one* image. No
# neighbors, no running statistics, no difference between training and use; but features
# are no longer of mean 0 and of equal size.
#
# **Predict.** Two epochs at a rate of 0.05, with batches of 2 to 32. Where does batch
# norm break down, and does layer norm?

# %%
batches, found = [2, 4, 8, 16, 32], {}
fig, ax = plt.subplots(figsize=(6, 2.8))
for name, mark in zip(kinds, ("o-", "s--", "^-."), strict=True):
    runs = [train(network(kinds[name]), 0.05, batch, epochs=2) for batch in batches]
    ax.semilogx(batches, runs, mark, label=name, base=2)
    found[name] = runs
ax.set(xlabel="batch size", ylabel="test accuracy", ylim=(0, 1))
ax.legend()
print({name: [round(a, 2) for a in runs] for name, runs in found.items()})

assert found["batch norm"][0] < 0.6 < 0.8 < min(found["layer norm"])
assert found["batch norm"][3] > 0.8

# %% [markdown]
# At 2 batch norm stays below 60 %, and layer norm above 80 % everywhere. So layer norm
# is used where batches are small or sequences differ in length, as in recurrent
# networks and transformers.
#
# ## 10. Before the ReLU, or after it?
#
# The inventors put it before. After it, the next layer would get inputs of mean 0.
#
# **Predict.** In which of the two places is the *bias* of the linear layer before it
# useless, so that its gradient is 0? Which place gives the better network?

# %%
places = {order: network(nn.BatchNorm1d, order) for order in ("before", "after")}
accuracy, bias = {}, {}
for order, net in places.items():
    F.cross_entropy(net(md.Tensor(images)), labels).backward()
    bias[order] = float(abs(net[0].bias.grad).max())
    accuracy[order] = train(net, 0.1)
print("largest gradient of the bias:", {k: f"{g:.0e}" for k, g in bias.items()})
print("test accuracy:", {k: round(a, 2) for k, a in accuracy.items()})

assert bias["before"] < 1e-6 and bias["after"] > 1e-3
assert abs(accuracy["before"] - accuracy["after"]) < 0.08

# %% [markdown]
# Before: there the mean removes the bias at once (so use `bias=False`). As to the
# better network: they are within 8 points, and another seed may reverse the order.
#
# ## Exercise: fold it away
#
# In `eval` mode $\mu$ and $\sigma^2$ are constants: a linear layer and the batch norm
# behind it are together *one* linear layer. Write
# `answer(w, b, mean, var, gamma, beta, eps)` that returns its weight $(D, K)$ and its
# bias $(K,)$, as arrays.

# %%
answer = None  # a function that returns (weight, bias), in place of None


def check(answer):
    shapes = (6, 5), (5, 3), 3, 3, 3, 3
    x, w, b, mean, gamma, beta = (rng.normal(size=shape) for shape in shapes)
    var = rng.uniform(0.5, 2, size=3)
    weight, bias = answer(w, b, mean, var, gamma, beta, 1e-5)
    assert weight.shape == (5, 3) and bias.shape == (3,)
    want = F.batch_norm_eval(x @ w + b, mean, var, gamma, beta, eps=1e-5)
    assert np.allclose(x @ weight + bias, want)
    return "right"


print(check(answer) if answer else "Your turn.")

# %% [markdown]
# <details><summary>A solution</summary>
#
# ```python
# def answer(w, b, mean, var, gamma, beta, eps):
#     scale = gamma / np.sqrt(var + eps)
#     return w * scale, (b - mean) * scale + beta
# ```
# </details>
#
# **And without a check:** start section 5 with weights four times too small.
#
# ## References
#
# - S. Ioffe, C. Szegedy, *Batch normalization: accelerating deep network training by
#   reducing internal covariate shift*, ICML 2015: the layer, its gradient, section 6.
# - S. Santurkar, D. Tsipras, A. Ilyas, A. Madry, *How does batch normalization help
#   optimization?*, NeurIPS 2018: the landscape, section 4.
# - J. Bjorck et al., *Understanding batch normalization*, NeurIPS 2018: larger rates.
# - J. L. Ba, J. R. Kiros, G. Hinton, *Layer normalization*, 2016.
# - Y. Wu, K. He, *Group normalization*, ECCV 2018: what becomes of small batches.
# - Lectures: CS231n, *Training neural networks I*; EECS 498, *Convolutional networks*.
# - In the source: `minidl/ops/norm.py`, `minidl/nn/norm.py`.
