# %% [markdown]
# # a4 · Normalization and regularization, with your own lines
#
# Two troubles of large networks: signals that drift while the layers below them learn,
# and a training set that is learned by heart. You wrote a cure for the one, batch norm
# and its sister, and five for the other. First we ask whether they are right, then we
# look at what each does, and in the end a network that has far too many weights for
# 500 digits learns with and without them. Run the cells in order, in this folder:
#
#     jupyter lab notebook.py        (with jupytext), or        python notebook.py

# %%
import os
from functools import partial
from itertools import pairwise

import numpy as np

import minidl as md
from minidl import data, nn, ops, optim, show
from minidl.show.picture import Picture
from minidl.train import EarlyStopping, Trainer

SEED = int(os.environ.get("SEED", "0"))
rng = np.random.default_rng(SEED)
md.seed(SEED)

# %% [markdown]
# ## 1. Are the gradients right?
#
# `gradcheck` compares them with central differences. If one of these fails,
# `minidl course score` tells you more.

# %%
x, image = rng.normal(size=(5, 4)), rng.normal(size=(3, 2, 2, 3))
gamma, beta = rng.normal(size=4), rng.normal(size=4)
key = np.array([SEED, 1], np.uint64)
functions = {
    "batch norm": (lambda *xs: ops.batch_norm(*xs)[0], [x, gamma, beta]),
    "of images": (lambda x: ops.batch_norm(x)[0], [image]),
    "layer norm": (ops.layer_norm, [x, gamma, beta]),
    "dropout": (lambda x: ops.dropout(x, key, p=0.4), [x]),
    "smoothed": (
        lambda x: ops.cross_entropy(x, np.array([0, 3, 1, 1, 2]), label_smoothing=0.2),
        [x],
    ),
}
for name, (f, inputs) in functions.items():
    report = md.check.gradcheck(f, inputs)
    print(f"{name:11} {'right' if report else 'wrong'}")
    assert report

# %% [markdown]
# ## 2. Who shares a mean?
#
# A batch of 64 vectors with 10 features, each on a scale of its own. **Predict** in
# which picture the columns look alike, and in which the rows do.

# %%
scales = rng.uniform(0.2, 3, size=10)
wild = rng.normal(size=(64, 10)) * scales + 3 * rng.normal(size=10)
by_batch, by_layer = ops.batch_norm(wild)[0], ops.layer_norm(wild)
print("batch norm: means of columns", abs(by_batch.mean(axis=0)).max().round(6))
print("layer norm: means of rows   ", abs(by_layer.mean(axis=1)).max().round(6))
assert abs(by_batch.mean(axis=0)).max() < 1e-6 < abs(by_batch.mean(axis=1)).max()
assert abs(by_layer.mean(axis=1)).max() < 1e-6 < abs(by_layer.mean(axis=0)).max()

# %% [markdown]
# ## 3. What does a layer remember?
#
# In evaluation an example must not depend on its neighbors, so batch norm then uses
# what it remembers. **Predict**: after how many batches is the memory, which starts at
# 0, within 1 % of the true mean 5, if each batch has a share of 0.1?

# %%
layer, seen = nn.BatchNorm1d(1, momentum=0.1), []
for _ in range(60):
    layer(md.Tensor((5 + 0.1 * rng.normal(size=(200, 1))).astype("float32")))
    seen.append(layer.running_mean.data.item())
enough = next(i for i, mean in enumerate(seen, 1) if mean > 4.95)
print(f"{enough} batches; (1 − 0.1)^n = 0.01 says n = {np.log(0.01) / np.log(0.9):.1f}")
assert 40 < enough < 48

# %% [markdown]
# ## 4. What does dropout leave of a sum?
#
# A unit adds up 1000 ones. **Predict** the mean of what it gets with p = 0.5, and how
# far it strays.

# %%
ones = np.ones((2000, 1000), np.float32)
sums = ops.dropout(ones, key, p=0.5).sum(axis=1)
print(f"mean {sums.mean():.1f}, standard deviation {sums.std():.1f}")
assert abs(sums.mean() - 1000) < 5
assert abs(sums.std() - np.sqrt(1000)) < 3

# %% [markdown]
# ## 5. A rate that is too high, and batch norm
#
# Five layers of sigmoids, which saturate, on 3500 digits of MNIST: 6 epochs at several
# learning rates. **Predict** which of the two networks minds.

# %%
train, validation, test = data.load_mnist5k()


def flat(split):
    """Images as vectors, nearly centered, and labels."""
    x = split.x.reshape(len(split.x), -1) - 0.13
    return x, split.y


def deep(norm):
    """Five layers of 64 sigmoids, with or without batch norm before each."""
    start, layers, sizes = np.random.default_rng(SEED), [], [784] + 5 * [64]
    for i, o in pairwise(sizes):
        layers += [nn.Linear(i, o, rng=start, init=nn.init.xavier_normal)]
        layers += [nn.BatchNorm1d(o), nn.Sigmoid()] if norm else [nn.Sigmoid()]
    return nn.Sequential(*layers, nn.Linear(64, 10, rng=start))


def surprise(scores, labels):
    """Cross entropy, without whatever a loss adds to it."""
    return ops.cross_entropy(scores, labels).item()


def fit(net, rule, images, labels, epochs, callbacks=(), loss=None, mix=None):
    """Train and return the history of the validation set."""
    metrics = {"accuracy": md.train.accuracy, "surprise": surprise}
    loss, callbacks = loss or ops.cross_entropy, list(callbacks)
    trainer = Trainer(net, rule, loss, callbacks=callbacks, metrics=metrics)
    few = data.TensorDataset(images, labels)
    loader = data.DataLoader(few, 50, shuffle=True, seed=SEED, mix=mix)
    history = trainer.fit(loader, data.TensorDataset(*flat(validation)), epochs=epochs)
    return trainer, history


# %%
RATES = [0.01, 0.1, 1.0]
normed = {}
for rate in RATES:
    for norm in (False, True):
        net = deep(norm)
        rule = optim.SGD(net.parameters(), lr=rate)
        history = fit(net, rule, *flat(train), epochs=6)[1]
        normed[rate, norm] = history["val_accuracy"]
        how = "with" if norm else "without"
        print(f"rate {rate:<5} {how:8} {normed[rate, norm][-1]:.3f}")
assert max(normed[rate, False][-1] for rate in RATES) < 0.5
assert min(normed[rate, True][-1] for rate in RATES) > 0.75

# %% [markdown]
# ## 6. Five hundred digits by heart
#
# Two layers of 256 units, 270,000 weights, and 500 digits to learn. **Predict** the
# loss on the training set after 40 epochs, and which way the loss on the validation set
# goes meanwhile.

# %%
chosen = np.random.default_rng(SEED).permutation(len(train.x))[:500]
few_x, few_y = (part[chosen] for part in flat(train))


def wide(p=0.0):
    """Two wide layers, with dropout behind each."""
    start, layers = np.random.default_rng(SEED), []
    for i in (784, 256):
        layers += [nn.Linear(i, 256, rng=start), nn.ReLU(), nn.Dropout(p, rng=start)]
    return nn.Sequential(*layers, nn.Linear(256, 10, rng=start))


def regularized(p=0.0, weight_decay=0.0, **how):
    """Train on the few digits; return the history and what the test set says."""
    net = wide(p)
    rule = optim.Momentum(net.parameters(), lr=0.05, weight_decay=weight_decay)
    trainer, history = fit(net, rule, few_x, few_y, epochs=40, **how)
    judged = trainer.evaluate(data.TensorDataset(*flat(test)), prefix="test_")
    return history, judged


# %%
CURES = {
    "nothing": {},
    "dropout": {"p": 0.4},
    "L2": {"weight_decay": 1e-2},
    "smoothing": {"loss": nn.CrossEntropyLoss(label_smoothing=0.1)},
    "mixup": {"mix": partial(data.mixup, classes=10, alpha=0.4, rng=rng)},
    "early stopping": {"callbacks": [EarlyStopping("val_surprise", 4, mode="min")]},
}
runs = {name: regularized(**how) for name, how in CURES.items()}
for name, (history, judged) in runs.items():
    found = history["val_surprise"]
    print(
        f"{name:15} {len(found):2} epochs; validation {found[-1]:.3f}, best "
        f"{min(found):.3f}; test {judged['test_surprise']:.3f}, "
        f"{judged['test_accuracy']:.3f} read rightly"
    )
plain, judged = runs["nothing"]
print(f"training loss, nothing done: {plain['train_loss'][-1]:.4f}")
assert plain["train_loss"][-1] < 0.01  # by heart
assert plain["val_surprise"][-1] > 1.05 * min(plain["val_surprise"])  # it was better
assert len(runs["early stopping"][0]["val_loss"]) < 40
for name in ("L2", "early stopping"):
    assert runs[name][1]["test_surprise"] < judged["test_surprise"], name

# %% [markdown]
# ## 7. The picture
#
# On the left, batch norm at three rates; in the middle, learning by heart: training
# falls and validation rises; on the right, what each cure does to the latter. Which
# cures keep it from rising? Which do not, here? Does the network with the lowest loss
# read most digits?

# %%
with show.style.sheet():
    picture = Picture(figsize=(9.6, 3.5))
    left, middle, right = picture.subplots(1, 3)
    for i, rate in enumerate(RATES):
        for norm in (True, False):
            how = {"color": show.style.color(i), "ls": "-" if norm else ":"}
            label = f"rate {rate:g}" if norm else None
            left.plot(range(1, 7), normed[rate, norm], label=label, **how)
    left.set(xlabel="epoch", ylim=(0, 1), title="Accuracy of five sigmoids")
    left.legend(title="– batch norm   ··· without", fontsize=8, title_fontsize=8)
    epochs = range(1, 41)
    for i, name in enumerate(["nothing", "L2"]):
        history, color = runs[name][0], show.style.color(i)
        middle.plot(epochs, history["train_loss"], ":", color=color)
        middle.plot(epochs, history["val_surprise"], color=color, label=name)
    middle.set(
        xlabel="epoch", yscale="log", ylim=(1e-5, 5), title="By heart, and with L2"
    )
    middle.legend(
        title="– validation   ··· training", loc="lower left",
        fontsize=8, title_fontsize=8,
    )  # fmt: skip
    for i, (name, (history, judged)) in enumerate(runs.items()):
        how = {"color": show.style.color(i), "ls": show.style.dash(i)}
        label = f"{name} {100 * judged['test_accuracy']:.1f}"
        y = history["val_surprise"]
        right.plot(range(1, len(y) + 1), y, label=label, **how)
    right.set(xlabel="epoch", ylim=(0.3, 1.1), title="Validation loss of five cures")
    right.legend(title="% of the test set", fontsize=8, title_fontsize=8)
    picture.finish(None).savefig("picture.png", dpi=110)
picture
