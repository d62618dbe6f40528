# %% [markdown]
# # 03 · Data preprocessing: where to put the origin, and how long to make the axes
#
# The same wines can be described in grams or in milligrams, and nothing about them
# changes. For gradient descent everything changes. We center, scale, rotate and whiten
# real data, look at what each does to the landscape of the loss, and find one way to
# fool ourselves that is so easy that it has to be shown.
#
# Predict first, then run. Each claim with a number ends in an `assert`.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import minidl as md
import minidl.ops as F
from minidl import data, nn, optim, show

SEED = int(os.environ.get("SEED", "0"))
rng = np.random.default_rng(SEED)
md.seed(SEED)
colors = {"axes.prop_cycle": plt.cycler(color=show.style.PALETTE)}
plt.style.use([show.style.SETTINGS, colors, {"figure.dpi": 150}])

# %% [markdown]
# ## 1. What is the mean of 3500 digits?
#
# **Zero-centering** subtracts from every image the mean image of the training set.
#
# **Predict.** What does the mean of all digits look like? And after centering, is the
# mean of the *test* images exactly zero, too?

# %%
train, _, test = data.load_mnist5k()
center = data.zero_center(train.x)
off_train, off_test = (abs(center(part.x).mean(axis=0)).max() for part in (train, test))
print(f"largest mean of a pixel: {off_train:.0e} in training, {off_test:.2f} in test")
assert off_train < 1e-5 and 0.01 < off_test < 0.1

row = [center.mean[None], train.x[:3], center(train.x[:3])]
titles = ["the mean", *3 * ["an image"], *3 * ["centered"]]
shown = [(part - part.min()) / np.ptp(part) for part in row]
show.images(np.concatenate(shown), titles=titles, columns=7)

# %% [markdown]
# Not exactly: the mean was learned from the training set, and the test set has a
# slightly different one. That is as it should be.
#
# ## 2. Why not give the test set its own mean?
#
# Because a network is used on one image at a time.
#
# **Predict.** A single image arrives, and is centered by its own mean image, the mean
# of this "set" of one. What does the network get to see?

# %%
alone = test.x[:1]
own = alone - alone.mean(axis=0)  # the mean over a set of one
print("by its own mean:", np.unique(own), " by the training mean:", center(alone).std())

assert (own == 0).all() and center(alone).std() > 0.1

# %% [markdown]
# Nothing at all. **Fit on the training set, apply to everything**, is what
# `center = zero_center(train.x)` and then `center(test.x)` say.
#
# ## 3. Can one cheat without noticing?
#
# A hundred patients, 5000 measurements, and a diagnosis that is a *coin toss*: there is
# nothing to learn. We keep the 20 measurements that differ most between sick and
# healthy, and classify by the nearer mean. Half of the patients are for training, half
# for testing.
#
# **Predict.** The accuracy on the test half, if the 20 are chosen (a) on the training
# half, (b) on all hundred patients, "since choosing is only preprocessing"?


# %%
def accuracy(x, y, chosen_on, fit=slice(0, 50), test=slice(50, 100)):
    def means(rows, columns=slice(None)):
        return [x[rows][y[rows] == k][:, columns].mean(axis=0) for k in (0, 1)]

    healthy, sick = means(chosen_on)
    best = np.argsort(-abs(sick - healthy))[:20]
    distances = [((x[test][:, best] - m) ** 2).sum(axis=1) for m in means(fit, best)]
    return np.mean(np.argmin(distances, axis=0) == y[test])


# %%
honest, leaky = [], []
for _ in range(10):
    x, y = rng.normal(size=(100, 5000)), rng.permutation(100) % 2
    honest.append(accuracy(x, y, chosen_on=slice(0, 50)))
    leaky.append(accuracy(x, y, chosen_on=slice(0, 100)))
print(f"(a) {np.mean(honest):.0%}, (b) {np.mean(leaky):.0%}, the mean of ten studies")

assert abs(np.mean(honest) - 0.5) < 0.08 and np.mean(leaky) > 0.75

# %% [markdown]
# More than three quarters right, about coin tosses. The test half took part in the
# choice; that is a **leak**. Everything that is learned from data, a mean, a scale, a
# direction, a choice of columns, belongs to training.
#
# ## 4. Why does the length of an axis matter?
#
# Thirteen measurements of 110 wines, in the units of the laboratory.
#
# **Predict.** Proline comes in mg/l, hue as a ratio. By what factor do the standard
# deviations of the thirteen columns differ?

# %%
wine = data.load_wine()
wines, kinds = wine.train.x.astype("float64"), wine.train.y
spread = wines.std(axis=0)
print("standard deviations:", *(f"{s:.2g}" for s in spread))
print(f"largest over smallest: {spread.max() / spread.min():.0f}")

assert spread.max() / spread.min() > 1000

# %% [markdown]
# For a linear model with squared error the loss is a bowl, $\tfrac12 w^\top H w$ around
# its minimum with $H = X^\top X / N$. Its steepest and its flattest direction differ by
# the **condition number** of $H$, largest over smallest eigenvalue. The learning rate
# must suit the steepest; the flattest takes about that many steps.
#
# **Predict.** Put the four in order, and guess the powers of ten: raw; centered;
# standardized (each column to mean 0, deviation 1); whitened (decorrelated as well).

# %%
ways = {"raw": lambda x: x, "centered": data.zero_center(wines),
        "standardized": data.standardize(wines),
        "whitened": data.whiten(wines, eps=0)}  # fmt: skip
condition = {}
for name, way in ways.items():
    z = np.column_stack([way(wines), np.ones(len(wines))])  # the ones are for the bias
    condition[name] = np.linalg.cond(z.T @ z / len(z))
    print(f"{name:<13} {condition[name]:.1e}")

assert condition["raw"] > 1e8 > condition["centered"] > 1e6
assert 10 < condition["standardized"] < 100 and condition["whitened"] < 1.1

# %% [markdown]
# From hundreds of millions to a few dozen, by a subtraction and a division.
#
# (The unit alone matters as well, even if it is the same for all columns. Pixels from 0
# to 255 in place of 0 to 1 make every curvature $255^2 \approx 65\,000$ times as large,
# and need a rate that is 65,000 times smaller.)
#
# ## 5. What does that look like?
#
# Two of the columns, total phenols and flavanoids, are strongly correlated. A linear
# model of the two is to find the weights $(1, -1)$. Below is its loss as a landscape
# over the weights, and gradient descent, its rate one over the largest curvature.
#
# **Predict.** In which of the four landscapes do contours become circles, and how many
# steps are needed there?

# %%
pair = wines[:, [5, 6]]
views = {
    "raw": pair,
    "centered": data.zero_center(pair)(pair),
    "standardized": data.standardize(pair)(pair),
    "whitened": data.whiten(pair, eps=0)(pair),
}


def descend(z):
    h, path = z.T @ z / len(z), [np.zeros(2)]
    while np.linalg.norm(path[-1] - goal) > 0.01:
        path.append(path[-1] - h @ (path[-1] - goal) / np.linalg.eigvalsh(h).max())
    return h, np.array(path)


# %%
goal = np.array([1.0, -1.0])
landscapes = {name: descend(z) for name, z in views.items()}
steps = {name: len(path) - 1 for name, (_, path) in landscapes.items()}

assert steps["raw"] > 200 and 50 < steps["standardized"] < steps["centered"] < 100
assert steps["whitened"] == 1

# %%
grid = np.stack(np.meshgrid(np.linspace(-1, 3, 80), np.linspace(-3, 1, 80)), axis=-1)
away, levels = grid - goal, np.geomspace(0.003, 3, 8)
fig, axes = plt.subplots(1, 4, figsize=(8, 2.6), sharex=True, sharey=True)
for ax, (name, (h, path)) in zip(axes, landscapes.items(), strict=True):
    height = (away @ h * away).sum(axis=-1) / np.trace(h)
    ax.contour(*np.moveaxis(grid, -1, 0), height, levels, colors="0.75", linewidths=0.8)
    ax.plot(*path.T, ".-", linewidth=1, markersize=3)
    ax.set(title=name, xlabel=f"steps: {steps[name]}", aspect="equal")

# %% [markdown]
# The whitened landscape is a round bowl: the gradient points straight at the minimum,
# and one step does it. Standardizing alone cannot undo the correlation.
#
# ## 6. Does it decide whether something is learned?
#
# Three kinds of wine, a linear classifier, 100 steps of gradient descent with all data
# at once, each with the rate that suits its own landscape.
#
# **Predict.** Which of the four tell the test wines apart, at least 90 % of them?


# %%
def classify(way, steps=100):
    parts = (way(part.x.astype("float64")) for part in (wine.train, wine.test))
    x, x_test = (np.column_stack([z, np.ones(len(z))]) for z in parts)
    w = md.Tensor(np.zeros((14, 3)), requires_grad=True)  # the last row is the bias
    optimizer = optim.SGD([w], lr=2 / np.linalg.eigvalsh(x.T @ x / len(x)).max())
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(md.Tensor(x) @ w, kinds)
        w.grad = md.grad(loss, w)[0]
        optimizer.step()
        losses.append(loss.item())
    return losses, md.train.accuracy(x_test @ w.data, wine.test.y)


# %%
fig, ax = plt.subplots(figsize=(6, 2.8))
right = {}
for i, (name, way) in enumerate(ways.items()):
    losses, right[name] = classify(way)
    ax.semilogy(losses, show.style.dash(i), label=f"{name}: {right[name]:.0%} right")
ax.set(xlabel="step", ylabel="training loss")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))

assert right["raw"] < 0.5 < right["centered"] < 0.8
assert right["standardized"] > 0.9 and right["whitened"] > 0.9

# %% [markdown]
# Raw, fewer than half are right, and the commonest kind alone makes two fifths. The
# model, the data and the number of steps were equal; only the axes were not.
#
# ## 7. How many directions are there in a digit?
#
# **PCA** turns the axes: first the direction in which the data vary most, then the one
# at right angles to it in which they vary most, and so on. Each direction of $784$
# pixels is an image.
#
# **Predict.** How many of the 784 hold 90 % of all variance?

# %%
p = data.pca(train.x)
share = p.explained.cumsum()
needed = {q: int(np.searchsorted(share, q)) + 1 for q in (0.5, 0.9, 0.99)}
print("directions for a share of the variance:", needed)
assert 80 < needed[0.9] < 90 and needed[0.99] < 784 / 2

show.filters(p.components[:16].T, columns=8, title="The first 16 directions")

# %% [markdown]
# Each tile is a question asked of an image: *how much of this is in you?* Answers to
# the first $k$ questions are $k$ numbers, and from them the image can be made again.
#
# **Predict.** From which of these on can you read all six digits: 5, 20, 84, 317?

# %%
sample, rows, errors = test.x[:6], [test.x[:6]], []
for k in (5, 20, 84, 317):
    p = data.pca(train.x, k)
    rows.append(np.clip(p.inverse(p(sample)), 0, 1))
    errors.append(np.mean((p.inverse(p(test.x)) - test.x) ** 2))
print("mean squared error", np.round(errors, 4))
assert errors == sorted(errors, reverse=True) and errors[2] < errors[0] / 4

names = ["whole", "from 5", "from 20", "from 84", "from 317"]
titles = [title for name in names for title in (name, *5 * [""])]
show.images(np.concatenate(rows), titles=titles, columns=6, limit=30)

# %% [markdown]
# PCA was fitted to training images; these are test images, and still it works.
#
# ## 8. What is left to do after turning?
#
# Turned data are *decorrelated*, but some axes are longer than others. **Whitening**
# divides each by its standard deviation, and what was an ellipse becomes round.
#
# **Predict.** Sketch the cloud of phenols and flavanoids: centered, turned, whitened.

# %%
clouds = {"centered": views["centered"], "turned (PCA)": data.pca(pair)(pair),
          "whitened": views["whitened"]}  # fmt: skip
fig, axes = plt.subplots(1, 3, figsize=(8, 2.9), sharex=True, sharey=True)
for ax, (name, z) in zip(axes, clouds.items(), strict=True):
    for kind, mark in enumerate("osD"):
        ax.plot(*z[kinds == kind].T, mark, markersize=4, alpha=0.7)
    ax.set(
        title=name, aspect="equal", xlabel=f"correlation {np.corrcoef(z.T)[0, 1]:.2f}"
    )

assert np.corrcoef(clouds["centered"].T)[0, 1] > 0.8
assert abs(np.corrcoef(clouds["turned (PCA)"].T)[0, 1]) < 1e-9
assert np.allclose(np.cov(clouds["whitened"].T), np.eye(2))

# %% [markdown]
# ## 9. What does whitening cost?
#
# All directions count alike afterwards, also those in which next to nothing happened
# before. In digits, more than half of the 784 directions hold less than 1 % of the
# variance (section 7), among them what happens in the borders, which are nearly empty.
#
# **Predict.** A linear classifier, one epoch of SGD, the best of five learning rates
# for each: does whitening all 784 directions help? And whitening the first 50, dropping
# the others?


# %%
def epoch(way, rate):
    md.seed(SEED)
    x, x_test = (way(part.x).reshape(len(part.x), -1) for part in (train, test))
    net = nn.Linear(x.shape[1], 10, init=nn.init.zeros)
    optimizer = optim.SGD(net.parameters(), lr=rate)
    for batch, y in data.DataLoader((x, train.y), 50, shuffle=True, seed=SEED):
        optimizer.zero_grad()
        F.cross_entropy(net(batch), y).backward()
        optimizer.step()
    return md.train.accuracy(net(md.Tensor(x_test)).data, test.y)


# %%
images = {"pixels in [0, 1]": lambda x: x, "centered": data.zero_center(train.x),
          "standardized": data.standardize(train.x),
          "whitened, all": data.whiten(train.x),
          "whitened, 50": data.whiten(train.x, 50)}  # fmt: skip
rates = (0.003, 0.01, 0.03, 0.1, 0.3)
best = {name: max(epoch(way, rate) for rate in rates) for name, way in images.items()}
for name, accuracy_best in best.items():
    print(f"{name:<17} {accuracy_best:.3f}")

assert best["whitened, all"] < min(best["centered"], best["standardized"]) - 0.03
assert best["whitened, 50"] > best["whitened, all"]
assert np.ptp(list(best.values())[:3]) < 0.04

# %% [markdown]
# Pixels all have the same unit already, and here the simple ways are within 4 points of
# each other, *once each has its own learning rate*. Whitening everything does harm, by
# more than 3 points: it makes the directions that say least as large as all others.
# Without them, with the first 50 alone, it does less. (ε is added to the variances to
# limit this; try `eps=0.1`.)
#
# ## 10. So what does one do with images?
#
# Three numbers and three more: the mean and the deviation of each color, over all
# pixels of all training images. The papers on AlexNet and ResNet subtract a mean image,
# the one on VGG a mean color; the weights that libraries offer today want this.
#
# **Predict.** For 32 × 32 color images: how many numbers does standardizing learn for
# each pixel of each color, and how many for each color?

# %%
emoji = data.load_emoji().train.x
each, color = data.standardize(emoji), data.standardize(emoji, per="channel")
print(f"{each.mean.size} means, or {color.mean.size}: {color.mean.ravel().round(2)}")
seen = color(emoji)

assert (each.mean.size, color.mean.size) == (3072, 3)
assert np.allclose(seen.mean(axis=(0, 2, 3)), 0, atol=1e-3)
assert np.allclose(seen.std(axis=(0, 2, 3)), 1, atol=1e-3)
stretched = (seen - seen.min()) / np.ptp(seen)
show.images(np.concatenate([emoji[:6], stretched[:6]]), columns=6)

# %% [markdown]
# Above what came, below what the network gets, stretched for the eye. A picture moved
# by a pixel is still treated the same: that is why one number per color suits a
# convolution.
#
# ## Exercise: data that do not fit into memory
#
# Training data come in pieces $(n_i, D)$, too many to keep, and each can be read once.
# Write `answer(pieces)`, for any iterable of such arrays: the standard deviation of
# each column, over all rows of all pieces. (The pieces have different lengths, and
# different means.)

# %%
answer = None  # a function of an iterable of arrays, in place of None


def check(answer):
    sizes = rng.integers(1, 200, size=8)
    parts = [rng.normal(5 * rng.normal(size=3), [0.1, 1, 30], (n, 3)) for n in sizes]
    found = answer(part.copy() for part in parts)
    assert np.allclose(found, np.concatenate(parts).std(axis=0)), "another deviation"
    assert np.allclose(answer(iter(parts[:1])), parts[0].std(axis=0)), "of one piece"
    return "right"


print(check(answer) if answer else "Your turn.")

# %% [markdown]
# <details><summary>A solution</summary>
#
# ```python
# def answer(pieces):
#     n, total, squares = 0, 0.0, 0.0
#     for x in pieces:
#         n += len(x)
#         total = total + x.sum(axis=0)
#         squares = squares + (x**2).sum(axis=0)
#     return np.sqrt(squares / n - (total / n) ** 2)
# ```
#
# Where the mean is much larger than the deviation, this difference loses digits: the
# formula of Chan, Golub and LeVeque (1983) joins the variances of two pieces instead.
# </details>
#
# **And without a check:** `data.whiten(x, zca=True)` turns whitened digits back to
# images. Look at them with `show.images`. What has been stressed, and what would a
# first layer learn from it?
#
# ## References
#
# - Y. LeCun, L. Bottou, G. Orr, K.-R. Müller, *Efficient BackProp* (1998): centering,
#   scaling and decorrelating inputs, and the condition number.
# - T. Hastie, R. Tibshirani, J. Friedman, *The Elements of Statistical Learning*, 2nd
#   ed. (2009), section 7.10.2: the wrong way to do cross-validation, which is section
#   3.
# - I. Jolliffe, *Principal Component Analysis*, 2nd ed. (2002).
# - A. Bell, T. Sejnowski, *The "independent components" of natural scenes are edge
#   filters*, Vision Research 37 (1997): ZCA.
# - A. Krizhevsky, *Learning multiple layers of features from tiny images* (2009):
#   whitened images.
# - Lectures: CS231n and EECS 498, *Training neural networks I*.
# - In the source: `minidl/data/preprocess.py`.
