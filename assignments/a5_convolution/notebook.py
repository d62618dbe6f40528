# %% [markdown]
# # a5 · Convolutional networks, with your own lines
#
# First we ask whether your windows, products and poolings are right, then what a
# network gains that looks at windows. In the end your own code reads digits, sorts
# emoji, finds relatives among them, and reads digits that it has hardly ever seen. Run
# the cells in order, in this folder:
#
#     jupyter lab notebook.py        (with jupytext), or        python notebook.py

# %%
import copy
import os
from functools import partial
from time import perf_counter

import numpy as np

import minidl as md
from minidl import data, lab, nn, ops, optim, show
from minidl.check import loops
from minidl.models import CNN
from minidl.show.picture import Picture
from minidl.train import Trainer, accuracy

SEED = int(os.environ.get("SEED", "0"))
rng = np.random.default_rng(SEED)
md.seed(SEED)

# %% [markdown]
# ## 1. Are the gradients right?
#
# `gradcheck` compares them with central differences. If one of these fails,
# `minidl course score` tells you more.

# %%
x, w = rng.normal(size=(2, 4, 6, 5)), rng.normal(size=(6, 2, 3, 2))
b, columns = rng.normal(size=6), rng.normal(size=(2, 24, 20))
uneven = {"stride": (2, 1), "padding": (1, 0)}
functions = {
    "unfold": (lambda x: ops.unfold(x, kernel_size=(3, 2), **uneven), [x]),
    "fold": (lambda c: ops.fold(c, output_size=(6, 5), kernel_size=(2, 3),
                                padding=((0, 0), (1, 0))), [columns]),
    "convolution": (lambda *xs: ops.conv2d(*xs, groups=2, **uneven), [x, w, b]),
    "max pooling": (lambda x: ops.max_pool2d(x, kernel_size=3, stride=2), [x]),
    "mean pooling": (lambda x: ops.avg_pool2d(x, kernel_size=3, stride=2), [x]),
}  # fmt: skip
for name, (f, inputs) in functions.items():
    report = md.check.gradcheck(f, inputs)
    print(f"{name:13} {'right' if report else 'wrong'}")
    assert report

# %% [markdown]
# ## 2. Seven loops, and one product
#
# Both compute the same numbers. **Predict** how many times faster the product is, for 4
# images of 12 × 12 with 4 channels and 4 kernels.

# %%
x, w = rng.normal(size=(4, 4, 12, 12)), rng.normal(size=(4, 4, 3, 3))
found, times = [], []
for convolve in (loops.conv2d, ops.conv2d):
    convolve(x[:1], w, padding=1)  # the first call of all may compile
    start = perf_counter()
    found.append(convolve(x, w, padding=1))
    times.append(perf_counter() - start)
    print(f"{convolve.__module__:20} {1000 * times[-1]:7.1f} ms")
assert np.allclose(*found, atol=1e-10)
assert times[0] > 10 * times[1]

# %% [markdown]
# ## 3. A shifted image
#
# The same kernel looks at every place. **Predict** what becomes of the features if the
# image moves by one pixel; and of the features of a linear layer, which has a weight of
# its own for every pixel.

# %%
image = np.zeros((1, 1, 12, 12))
image[0, 0, 3:8, 4:8] = rng.random((5, 4))
moved = np.roll(image, (1, 2), axis=(2, 3))
kernels, matrix = rng.normal(size=(4, 1, 3, 3)), rng.normal(size=(144, 144))
here, there = (ops.conv2d(x, kernels, padding=1) for x in (image, moved))
assert np.allclose(np.roll(here, (1, 2), axis=(2, 3)), there)
here, there = ((x.reshape(1, 144) @ matrix).reshape(12, 12) for x in (image, moved))
print("linear layer, moved too?", np.allclose(np.roll(here, (1, 2), (0, 1)), there))

# %% [markdown]
# ## 4. What does it see, and what does it cost?
#
# **Predict**, with paper: how far do two convolutions of 3 × 3 see, and how many
# weights have they, compared with one of 5 × 5? Then all numbers of this table: the
# parameters, the multiply-adds for one image, and the last receptive field.

# %%
two = nn.Sequential(nn.Conv2d(1, 1, 3, bias=False), nn.Conv2d(1, 1, 3, bias=False))
one = nn.Sequential(nn.Conv2d(1, 1, 5, bias=False))
assert nn.receptive_fields(two)[-1].sees == nn.receptive_fields(one)[-1].sees
assert (two.num_parameters(), one.num_parameters()) == (18, 25)

CHANNELS = (8, 16, 32)
net = CNN(1, 10, CHANNELS, rng=SEED)
table = net.summary((1, 1, 28, 28))
print(table)
assert table.parameters == (9 * 8 + 16) + (72 * 16 + 32) + (144 * 32 + 64) + 330
products = 784 * 9 * 8 + 196 * 72 * 16 + 49 * 144 * 32 + 320
assert table.multiply_adds == products
for layer in nn.receptive_fields(net.features):
    print(f"{layer.name:10} sees {layer.sees}, {layer.apart[0]} pixels apart")
assert nn.receptive_fields(net.features)[-1] == ("blocks.10", (22, 22), (8, 8))

# %% [markdown]
# ## 5. Digits
#
# 6,300 weights, and 3500 digits of MNIST, ten times each: as they are, shifted, and cut
# and pasted. **Predict** which of the three ends with the lowest loss on the training
# set, and which with the fewest errors on the test set.

# %%
train, validation, test = data.load_mnist5k()


def fit(net, split, epochs, lr=0.01, **how):
    """Train with Adam and a cosine; return the trainer and its history."""
    loader = data.DataLoader(split, 50, shuffle=True, seed=SEED, **how)
    learning = [p for p in net.parameters() if p.requires_grad]
    rule = optim.Adam(learning, lr=optim.schedules.cosine(lr, epochs * len(loader)))
    trainer = Trainer(net, rule, ops.cross_entropy, metrics={"accuracy": accuracy})
    return trainer, trainer.fit(loader, epochs=epochs)


# %%
WAYS = {
    "as they are": {},
    "shifted": {"transform": data.RandomShift(2)},
    "CutMix": {"mix": partial(data.cutmix, classes=10, rng=rng)},
}
read, errors = {}, {}
for way, how in WAYS.items():
    net = CNN(1, 10, CHANNELS, rng=SEED)
    trainer, history = fit(net, train, epochs=10, **how)
    read[way] = trainer.evaluate(test)["accuracy"]
    errors[way] = history["train_loss"]
    print(f"{way:12} {100 * read[way]:.1f} % of the test set")
assert read["shifted"] >= 0.96
assert errors["as they are"][-1] < errors["shifted"][-1]

# %% [markdown]
# ## 6. Emoji, and their relatives
#
# 1395 emoji of 32 × 32 pixels in nine categories. A category is a matter of meaning
# (is a melon a food or a plant?), so that nobody gets all of them right.

# %%
emoji, _, unseen = data.load_emoji()
net = CNN(3, 9, (16, 32, 64), rng=SEED)
trainer, _ = fit(net, emoji, epochs=14)
sorted_right = trainer.evaluate(unseen)["accuracy"]
print(f"{100 * sorted_right:.1f} % of the test set; guessing the commonest gives 19 %")
assert sorted_right >= 0.57

# %% [markdown]
# What goes into the last layer are 64 features. Who has nearly the same? **Predict**:
# do relatives by features belong to the same category more often than relatives by
# pixels?

# %%
first_kernels = net.features.blocks[0].weight.data
features = lab.features(net, emoji.x)
queries = lab.features(net, unseen.x)
near = lab.nearest(queries, k=5, among=features)
by_pixels = lab.nearest(unseen.x, k=5, among=emoji.x)
alike = {
    name: float((emoji.y[found] == unseen.y[:, None]).mean())
    for name, found in {"features": near, "pixels": by_pixels}.items()
}
print({name: round(share, 3) for name, share in alike.items()})
assert alike["features"] > alike["pixels"]

# %% [markdown]
# ## 7. Frozen
#
# A network that has learned the digits 0 to 4 gets a new last layer, and three or five
# images of each of 5 to 9. Either its features are frozen, and only the new layer
# learns; or everything goes on learning from there; or it is thrown away, and a network
# begins from nothing. **Predict** who reads most of 5 to 9, with 15 and with 25 images.


# %%
def digits(split, first, each=None):
    """Five digits from `first` on, called 0 to 4; `each` images of them, or all."""
    found = [np.flatnonzero(split.y == first + k)[:each] for k in range(5)]
    chosen = np.concatenate(found)
    return data.TensorDataset(split.x[chosen], split.y[chosen] - first)


def some(each):
    """What three networks read after `each` images of each of 5 to 9."""
    frozen, tuned = (copy.deepcopy(known) for _ in range(2))
    lab.replace_head(frozen.freeze("features"), 5, rng=SEED)
    lab.replace_head(tuned, 5, rng=SEED)
    nothing = CNN(1, 5, CHANNELS, rng=SEED)
    found = {}
    for name, net, epochs, lr in (
        ("frozen", frozen, 200, 0.05), ("tuned", tuned, 60, 0.01),
        ("from nothing", nothing, 60, 0.01),
    ):  # fmt: skip
        trainer, _ = fit(net, digits(train, 5, each), epochs, lr)
        found[name] = trainer.evaluate(digits(test, 5))["accuracy"]
    before, after = known.state_dict(), frozen.state_dict()
    still = [n for n in before if n.startswith("features")]
    assert all(np.array_equal(before[name], after[name]) for name in still)
    return found


known = CNN(1, 5, CHANNELS, rng=SEED)
fit(known, digits(train, 0), epochs=6, transform=data.RandomShift(2))
few, more = some(3), some(5)
for name in few:
    print(f"{name:13} 15 images {few[name]:.3f}    25 images {more[name]:.3f}")
assert few["from nothing"] < few["frozen"]
assert max(0.74, more["from nothing"]) < more["tuned"]

# %% [markdown]
# ## 8. The picture
#
# On the left the kernels of the first layer for emoji; in the middle some emoji of the
# test set, and beside each its five relatives; on the right the losses of the three
# trainings with digits. Which kernels find edges, and which colors?


# %%
def grid(images, columns):
    """Images (N, H, W, 3) side by side, with white lines between them."""
    n, h, w, _ = images.shape
    sheet = np.ones((-(-n // columns) * (h + 1), columns * (w + 1), 3))
    for i, image in enumerate(images):
        top, left = i // columns * (h + 1), i % columns * (w + 1)
        sheet[top : top + h, left : left + w] = image
    return sheet


# %%
w = first_kernels.transpose(0, 2, 3, 1)
scale = abs(w).max(axis=(1, 2, 3), keepdims=True)
asked = rng.permutation(len(unseen.x))[:6]
relatives = [
    np.concatenate([unseen.x[[i]], np.ones_like(emoji.x[:1]), emoji.x[near[i]]])
    for i in asked
]
with show.style.sheet():
    picture = Picture(figsize=(9.6, 3.4))
    left, middle, right = picture.subplots(1, 3)
    left.imshow(grid(0.5 + 0.5 * w / scale, 4))
    left.set(title="Sixteen kernels")
    middle.imshow(grid(np.concatenate(relatives).transpose(0, 2, 3, 1), 7))
    middle.set(title="Emoji, and their relatives")
    for ax in (left, middle):
        show.style.bare(ax)
    for i, (way, losses) in enumerate(errors.items()):
        label = f"{way} {100 * read[way]:.1f}"
        how = {"color": show.style.color(i), "ls": show.style.dash(i)}
        right.plot(range(1, 11), losses, label=label, **how)
    right.set(xlabel="epoch", yscale="log", title="Training loss of three ways")
    right.legend(title="% of the test set", fontsize=8, title_fontsize=8)
    picture.finish(None).savefig("picture.png", dpi=110)
picture
