# %% [markdown]
# # 15 · Convolution: a network that looks at windows
#
# To a linear layer an image is a list of numbers: each pixel has weights of its own,
# and nothing says that two pixels are neighbors. A convolution looks at one small
# window, and then at the next, with the same few weights. We measure what these two
# ideas, windows and shared weights, do to an image, to a gradient, and to the errors of
# a network that reads digits.
#
# Predict first, then run. Each claim with a number ends in an `assert`.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import minidl as md
import minidl.ops as F
from minidl import nn, optim, show
from minidl.check import loops
from minidl.models import CNN, MLP
from minidl.train import Trainer, accuracy

SEED = int(os.environ.get("SEED", "0"))
QUICK = os.environ.get("QUICK") == "1"
rng = np.random.default_rng(SEED)
md.seed(SEED)
colors = {"axes.prop_cycle": plt.cycler(color=show.style.PALETTE)}
plt.style.use([show.style.SETTINGS, colors, {"figure.dpi": 150}])

# %% [markdown]
# ## 1. What does one filter answer?
#
# A filter $w$ of $3 \times 3$ numbers is laid on a window of the image. Each number is
# multiplied by the pixel under it, and the products are added up:
#
# $$y_{ij} = \sum_{u,v} w_{uv}\, x_{i+u,\,j+v}$$
#
# That is a dot product of filter and window, and it is all. Then the window moves on.
#
# **Predict.** Three filters: nine times $\tfrac19$; a 1 in the middle with $-\tfrac18$
# around it; and $-1, -1, -1$ over $0, 0, 0$ over $1, 1, 1$. What does each answer where
# the image is gray and even? And which finds the upper edge of a stroke?

# %%
train, held, test = md.data.load_mnist5k()
digit = test.x[[np.flatnonzero(test.y == 5)[0]]]
blur = np.full((3, 3), 1 / 9)
dots = np.full((3, 3), -1 / 8)
dots[1, 1] = 1
edges = np.repeat([[-1.0], [0.0], [1.0]], 3, axis=1)
by_hand = np.stack([blur, dots, edges])[:, None].astype("float32")
answers = F.conv2d(digit, by_hand)
windows = sliding_window_view(digit[0, 0], (3, 3))
dot_products = np.einsum("ijuv,fuv->fij", windows, by_hand[:, 0])
assert abs(answers[0] - dot_products).max() < 1e-6

# %%
gray = np.full((1, 1, 5, 5), 0.7, "float32")
even = F.conv2d(gray, by_hand)[0, :, 1, 1]
print("on an even gray of 0.7:", even.round(3) + 0)
fig, axes = plt.subplots(1, 4, figsize=(8, 2.3))
shown = {"the image": digit[0, 0], "blur": answers[0, 0]}
shown |= {"dots": answers[0, 1], "upper and lower edges": answers[0, 2]}
for ax, (name, picture) in zip(axes, shown.items(), strict=True):
    size = abs(picture).max()
    ax.imshow(picture, cmap=show.style.SIGNED, vmin=-size, vmax=size)
    ax.set_title(name, fontsize=9)
    show.style.bare(ax)

assert np.allclose(even, [0.7, 0, 0], atol=1e-6)

# %% [markdown]
# (Blue is below zero, red above.) The first is a mean; the others sum to 0, so they are
# silent where nothing changes. The third is positive where it is darker above than
# below, at the upper edge of the light stroke, and negative at the lower one. A
# convolutional network has such filters, but nobody writes them down: they are weights.
#
# In mathematics a convolution turns the filter around first. What deep learning calls
# convolution does not: it is a *cross-correlation*.

# %%
x, w = np.array([0.0, 0, 1, 0, 0]), np.array([1.0, 2, 3])
ours = F.conv1d(x[None, None], w[None, None])[0, 0]

assert np.allclose(ours, np.correlate(x, w, mode="valid"))
assert not np.allclose(ours, np.convolve(x, w, mode="valid"))

# %% [markdown]
# ## 2. How many pixels come out?
#
# $W$ pixels in a row, a frame of $P$ zeros on both sides, a window of $K$, and steps of
# $S$, the *stride*: $(W - K + 2P)/S + 1$ pixels, says the lecture.
#
# **Predict.** $W = 28$, $K = 5$, $P = 0$, $S = 2$ gives 12.5. How many are there? What
# becomes of the last column?

# %%
settings = [(W, K, P, S) for W in (28, 32) for K, P in ((3, 1), (5, 0), (4, 1))
            for S in (1, 2)]  # fmt: skip
for W, K, P, S in settings:
    image, one = np.zeros((1, 1, W, W)), np.zeros((1, 1, K, K))
    out = F.conv2d(image, one, stride=S, padding=P).shape[2]
    assert out == int((W - K + 2 * P) / S + 1)
print(len(settings), "settings agree")

pixels = md.Tensor(digit, requires_grad=True)
F.conv2d(pixels, np.ones((1, 1, 5, 5), "float32"), stride=2).sum().backward()
gradient = pixels.grad[0, 0]
print("gradient in the first row:", gradient[0].astype(int))
assert not gradient[:, -1].any() and gradient[:-1, :-1].all()

# %% [markdown]
# Twelve: the formula is meant rounded down, and a rest of the image is in no window.
# Nothing warns of it: those pixels have no influence, and get no gradient. (The other
# numbers of the row tell in how many windows a pixel is, along that row: 1, 2 or 3.)
#
# ## 3. Is a convolution something else than a matrix?
#
# It is linear in the image. So there must be a matrix that does the same.
#
# **Predict.** An image of $8 \times 8$, a frame of 1, a filter of $3 \times 3$: how
# large is the matrix, how many *different* numbers other than 0 are in it, and which
# share of it is 0?

# %%
w = rng.normal(size=(1, 1, 3, 3))
basis = np.eye(64).reshape(64, 1, 8, 8)  # each image has one pixel that is 1
matrix = F.conv2d(basis, w, padding=1).reshape(64, 64)
image = rng.normal(size=(1, 1, 8, 8))
product = image.reshape(1, 64) @ matrix
numbers = np.unique(matrix[matrix != 0])
print(f"{matrix.shape}, {len(numbers)} numbers, {np.mean(matrix == 0):.0%} zeros")

assert np.allclose(product.reshape(8, 8), F.conv2d(image, w, padding=1), atol=1e-6)
assert np.array_equal(numbers, np.sort(w.ravel())) and np.mean(matrix == 0) > 0.85

# %%
fig, ax = plt.subplots(figsize=(3.6, 3.2))
size = abs(matrix).max()
drawn = ax.imshow(matrix.T, cmap=show.style.SIGNED, vmin=-size, vmax=size)
ax.set(xlabel="pixel of the image", ylabel="pixel of the answer")
fig.colorbar(drawn, ax=ax, shrink=0.8, label="weight")
ax.grid(False)
# %% [markdown]
# 4096 places, nine numbers. So a convolution is a linear layer that was told two things
# about images: **only neighbors matter** (the zeros), and **a thing is the same thing
# elsewhere** (the repeated numbers). For MNIST a linear layer with as many outputs
# would have 614,656 weights; the filter has nine.
#
# Nobody multiplies with that matrix. The formula is seven loops (which image, filter,
# row, column; which channel, row, column of the window), and fast code copies all
# windows side by side (`unfold`) and makes *one* product of it.
#
# **Predict.** Do both give the same numbers? And what does the fast way cost, how much
# larger than the images are their windows ($3 \times 3$, frame of 1)?

# %%
images, kernels = rng.normal(size=(2, 3, 9, 9)), rng.normal(size=(4, 3, 3, 3))
slow = loops.conv2d(images, kernels, padding=1)
fast = F.conv2d(images, kernels, padding=1)
columns = F.unfold(images, kernel_size=3, padding=1)
print(f"differ by {abs(slow - fast).max():.0e}; {columns.size / images.size:.0f} times")

assert abs(slow - fast).max() < 1e-6 and columns.size == 9 * images.size

# %% [markdown]
# The same, for nine times the memory. Speed is bought with copies.
#
# ## 4. What if the image moves?
#
# Weights are shared by all places. So if the digit moves, its features should move
# along, and stay what they are.
#
# **Predict.** A digit moves by 3 pixels to the right. Three layers of random filters,
# each with a ReLU: how large is the difference after moving the features back, against
# the features themselves? And for three linear layers?

# %%
still = np.pad(digit, ((0, 0), (0, 0), (6, 6), (6, 6)))  # room to move
moved = np.roll(still, 3, axis=3)
filters = [nn.Conv2d(n, 6, 3, padding=1, bias=False, rng=rng) for n in (1, 6, 6)]
linears = [nn.Linear(1600, 1600, bias=False, rng=rng) for _ in range(3)]


def seen(layers, x):
    h = [md.Tensor(x)]
    for layer in layers:
        h.append(F.relu(layer(h[-1])))
    return [each.data for each in h]


def differ(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(a)


# %%
a, b = seen(filters, still), seen(filters, moved)
convolved = differ(a[3], np.roll(b[3], -3, axis=3))
flat_a, flat_b = (seen(linears, x.reshape(1, -1))[3] for x in (still, moved))
back = np.roll(flat_b.reshape(40, 40), -3, axis=1)
linear = differ(flat_a.reshape(40, 40), back)
print(f"convolution {convolved:.0e}, linear layers {linear:.2f}")

far = np.roll(seen(filters, np.roll(still, 13, axis=3))[3], -13, axis=3)
assert convolved < 1e-6 and linear > 0.5 and differ(a[3], far) > 0.05

# %%
fig, axes = plt.subplots(2, 4, figsize=(8, 4.1))
for row, h, name in ((axes[0], a, "here"), (axes[1], b, "moved")):
    for i, ax in enumerate(row):
        ax.imshow(h[i][0, 0], cmap="gray")
        ax.axvline(20, color=show.style.ORANGE, lw=1, ls="--")
        what = "image" if i == 0 else f"layer {i}"
        ax.set_title(f"{what}, {name}", fontsize=9)
        show.style.bare(ax)

# %% [markdown]
# The features move along and are the same (the dashed line is the middle of the image).
# This is called **equivariance**. It ends at the frame: where a digit is cut off, or
# where the zeros around the image come into a window, the features do change.
#
# ## 5. Where does the gradient of a pixel come from?
#
# On the way forward `unfold` copies a pixel into every window that sees it. What is
# copied gets a gradient from each copy, and they add up: `fold` does that. The two are
# transposes of each other, $\langle \mathrm{unfold}\,x,\ z\rangle = \langle x,\
# \mathrm{fold}\,z\rangle$.
#
# **Predict.** Windows of $3 \times 3$, stride 1, no frame: how many windows see the
# pixel in the corner, the one beside it, and one in the middle?

# %%
x, z = rng.normal(size=(2, 3, 7, 6)), rng.normal(size=(2, 27, 20))
left = (F.unfold(x, kernel_size=3) * z).sum()
right = (x * F.fold(z, output_size=(7, 6), kernel_size=3)).sum()
ones = np.ones((1, 1, 7, 6))
times = F.fold(F.unfold(ones, kernel_size=3), output_size=(7, 6), kernel_size=3)[0, 0]
print(times.astype(int))

assert abs(left - right) < 1e-6 * np.linalg.norm(x) * np.linalg.norm(z)
assert (times[0, 0], times[0, 1], times[3, 3]) == (1, 2, 9)
framed = {"kernel_size": 3, "padding": 1}
times = F.fold(F.unfold(ones, **framed), output_size=(7, 6), **framed)[0, 0]
assert times[0, 0] == 4 and F.conv2d(ones, blur[None, None], padding=1).shape[2] == 7

# %% [markdown]
# One, two, nine: without a frame the corner has a ninth of the influence of the middle.
# With a frame of 1 it is in four windows, and the image keeps its size.
#
# ## 6. One window of five, or two of three?
#
# A window over windows sees more of the image.
#
# **Predict.** Two layers of $3 \times 3$ against one of $5 \times 5$: how far does each
# see, and how many weights does it have for each pair of channels? Seven layers of
# $3 \times 3$: does the corner of what they see count as much as its middle?

# %%
two = nn.Sequential(*[nn.Conv2d(1, 1, 3, bias=False) for _ in range(2)])
one = nn.Sequential(nn.Conv2d(1, 1, 5, bias=False))
sees = [nn.receptive_fields(net)[-1].sees for net in (two, one)]
print(f"see {sees}, weights {two.num_parameters()} and {one.num_parameters()}")
assert sees == [(5, 5), (5, 5)] and two.num_parameters() == 18
assert one.num_parameters() == 25

pixels = md.Tensor(np.zeros((1, 1, 21, 21)), requires_grad=True)
answer = pixels
for _ in range(7):  # each a mean
    answer = F.conv2d(answer, blur[None, None], padding=1)
answer[0, 0, 10, 10].backward()
influence = pixels.grad[0, 0]
# %%
reached = np.flatnonzero(influence.any(axis=0))
fig, ax = plt.subplots(figsize=(6, 2.3))
ax.plot(influence[10] / influence.max(), "o-", label="along the middle")
ax.plot(np.diag(influence) / influence.max(), "s--", label="along the diagonal")
ax.set(xticks=range(0, 21, 5), xlabel="pixel", ylabel="influence / largest")
ax.legend()
assert len(reached) == 15 and influence[10, 3] < 0.01 * influence.max()

# %% [markdown]
# Both see 25 pixels; two layers have 18 weights instead of 25, and a ReLU between them
# for nothing. (They cannot be every $5 \times 5$ filter.) Seven layers see 15 pixels
# across. But of these means the outermost pixel has less than a hundredth of the
# influence of the middle: what a unit *can* see is larger than what it mostly *does*
# see, in networks too (Luo et al. 2016).
#
# ## 7. Does pooling make a network blind to shifts?
#
# Features move along with the image (section 4). To name a digit, the place should not
# matter. *Pooling* takes the largest of $2 \times 2$ features, or their mean, without
# weights; one may also just keep every second (stride 2). "Max pooling brings
# invariance to small shifts", say lectures.
#
# **Predict.** 200 digits move by one pixel. Of the features that are not 0, which share
# has another value than before: with stride, mean, max, and the mean over *all* places?

# %%
known = md.models.pretrained("digits-cnn").features.blocks[0].weight.data
some = np.pad(test.x[rng.permutation(len(test.x))[:200]], [(0, 0)] * 2 + [(2, 2)] * 2)
before, after = (
    F.relu(F.conv2d(x, known, padding=1)) for x in (some, np.roll(some, 1, axis=3))
)
ways = {
    "stride": lambda h: h[:, :, ::2, ::2],
    "mean": lambda h: F.avg_pool2d(h, kernel_size=2),
    "max": lambda h: F.max_pool2d(h, kernel_size=2),
    "mean of all": F.global_avg_pool2d,
}
# %%
changed, size = {}, {}
for name, pool in ways.items():
    a, b = pool(before), pool(after)
    alive = (a > 1e-6) | (b > 1e-6)
    changed[name] = np.mean(abs(a - b)[alive] > 1e-5)
    size[name] = differ(a, b)
    print(f"{name:<12} {changed[name]:4.0%} differ, by {size[name]:4.0%} of their size")

assert 0.7 < changed["max"] < 0.9 and min(changed["stride"], changed["mean"]) > 0.95
assert 0.7 < size["max"] / size["stride"] < 0.9 and size["max"] > 1 / 3
assert abs(size["max"] / size["mean"] - 1) < 0.1 and size["mean of all"] < 1e-5

# %% [markdown]
# Max pooling leaves about a fifth of the features exactly as they were, and the
# difference is about a fifth smaller than with stride: it *damps* a shift, and so does
# the mean, as much. **Invariant it is not**: four fifths change, by a third of their
# size and more. Only the mean over all places, as in the last layer of our `CNN`,
# makes a shift vanish (away from the frame). Zhang (2019) shows it for large
# networks, and blurs before he drops pixels.
#
# ## 8. What is it worth?
#
# A CNN of about 6,000 weights, and an MLP with ten times as many; the same 3500 digits.
# Then the test of the idea: *one* permutation of the 784 pixels, the same for all
# images. No information is lost, but neighbors are neighbors no more.
#
# **Predict.** Which of the two is better? Which suffers from the permutation, by how
# many points?

# %%
order = rng.permutation(784)
epochs = 3 if QUICK else 8


def as_it_is(x):
    return x


def mixed(x):
    return x.reshape(-1, 784)[:, order].reshape(-1, 1, 28, 28)


# %%
def fit(net, view, lr, epochs):
    ready = (view(train.x), train.y)
    loader = md.data.DataLoader(ready, 50, shuffle=True, seed=SEED)
    rate = optim.schedules.cosine(lr, epochs * len(loader))
    optimizer = optim.Adam(net.parameters(), lr=rate)
    trainer = Trainer(net, optimizer, F.cross_entropy, [accuracy], progress=False)
    trainer.fit(loader, epochs=epochs)
    return trainer.evaluate((view(test.x), test.y))["accuracy"]


# %%
right = {}
for view in (as_it_is, mixed):
    cnn = CNN(1, 10, (8, 16, 32), rng=SEED)
    right["CNN", view.__name__] = fit(cnn, view, 0.01, epochs)
    mlp = MLP([784, 80, 10], rng=SEED)
    right["MLP", view.__name__] = fit(mlp, view, 0.01, epochs)
    if view is as_it_is:
        learned = cnn.features.blocks[0].weight
for (net, view), share in right.items():
    print(f"{net}, {view:<9} {share:.1%}")
print(f"weights: {cnn.num_parameters()} and {mlp.num_parameters()}")
# %%
a, b, c, d = right.values()  # CNN, MLP; CNN mixed, MLP mixed
assert mlp.num_parameters() > 10 * cnn.num_parameters()
assert a > (0.91 if QUICK else 0.94) and a > b + (-0.02 if QUICK else 0.01)
assert a - c > 0.06 and abs(b - d) < 0.02 and c < d - 0.02

show.filters(learned, title="What the first layer has learned")

# %% [markdown]
# With a tenth of the weights the CNN is ahead. On mixed pixels it loses more than six
# points, and falls below the MLP, which stays where it was: to it the order of the
# pixels never meant anything. **The advantage is not the convolution; it is that the
# assumption holds.** Where neighbors mean nothing (the columns of a table), a
# convolution is the wrong layer.
#
# ## Exercise: a filter that finds vertical edges
#
# Write `answer()`: a filter (3, 3) that answers at least 1 where an image goes from 0
# on the left to 1 on the right, $-1$ or less where it goes from 1 to 0, and 0 where
# brightness changes from top to bottom only.

# %%
answer = None  # a function () -> (3, 3) numbers


def check(answer):
    w = np.array(answer(), dtype="float64")[None, None]
    assert w.shape == (1, 1, 3, 3), "a filter has 3 rows and 3 columns"
    step = np.repeat([[0.0, 0, 0, 1, 1, 1]], 6, axis=0)
    at_edge = F.conv2d(step[None, None], w)[0, 0, :, 1:3]
    assert (at_edge >= 1).all(), "from 0 to 1: at least 1"
    assert np.allclose(F.conv2d(1 - step[None, None], w)[0, 0, :, 1:3], -at_edge)
    rows = np.repeat(rng.normal(size=(6, 1)), 6, axis=1)
    assert np.allclose(F.conv2d(rows[None, None], w), 0), "silent on rows"
    return "right"


print(check(answer) if answer else "Your turn.")

# %% [markdown]
# <details><summary>A solution</summary>
#
# Each row must sum to 0, and grow from left to right. This is Sobel's filter: it looks
# at three rows at once, and the middle one has twice the weight.
#
# ```python
# def answer():
#     return [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
# ```
# </details>
#
# ## References
#
# - Y. LeCun et al., *Backpropagation applied to handwritten zip code recognition*,
#   Neural Computation 1 (1989): shared weights, on digits.
# - V. Dumoulin, F. Visin, *A guide to convolution arithmetic for deep learning*, 2016:
#   section 2 in pictures.
# - W. Luo et al., *Understanding the effective receptive field in deep convolutional
#   neural networks*, NIPS 2016: section 6.
# - R. Zhang, *Making convolutional networks shift-invariant again*, ICML 2019: section
#   7.
# - Lectures: EECS 498-007 (fall 2019), lecture 7; CS231n, *Convolutional networks*.
# - In the source: `minidl/ops/conv.py`, `windows.py`, `pool.py`,
#   `minidl/nn/receptive.py`.
