# %% [markdown]
# # a2 · Activations, preprocessing, initialization, with your own lines
#
# A network of eight layers learns, or it does not, by three choices that are made
# before the first step: where the data lie, how large the weights are, and what a unit
# makes of its sum. You wrote all three. First we ask whether they are right, then we
# look at what each of them does, and in the end a deep net reads MNIST.
# Run the cells in order, in this folder:
#
#     jupyter lab notebook.py        (with jupytext), or        python notebook.py

# %%
import os

import numpy as np

import minidl as md
from minidl import data, nn, ops, show
from minidl.nn import init
from minidl.show.picture import Picture

SEED = int(os.environ.get("SEED", "0"))
rng = np.random.default_rng(SEED)
md.seed(SEED)

# %% [markdown]
# ## 1. Are the gradients right?
#
# `gradcheck` compares them with central differences, away from the kinks. If one of
# these fails, `minidl course score` tells you more.

# %%
x = rng.uniform(0.25, 2, size=(5, 6)) * rng.choice([-1, 1], size=(5, 6))
curves = {
    "sigmoid": ops.sigmoid,
    "tanh": ops.tanh,
    "relu": ops.relu,
    "leaky relu": lambda x: ops.leaky_relu(x, negative_slope=0.1),
    "elu": lambda x: ops.elu(x, alpha=1.3),
    "maxout": lambda x: ops.maxout(x, pieces=3),
}
for name, f in curves.items():
    report = md.check.gradcheck(f, [x])
    print(f"{name:12} {'right' if report else 'wrong'}")
    assert report

# %% [markdown]
# ## 2. What does preprocessing do to a digit?
#
# Everything is learned on the training images alone. **Predict** how many of the 784
# directions are needed to keep 90 % of the variance of the digits.

# %%
train, validation, test = data.load_mnist5k()
center = data.zero_center(train.x)
p = data.pca(train.x)
enough = int(np.searchsorted(np.cumsum(p.explained), 0.9)) + 1
print(f"mean pixel before {train.x.mean():.3f}, after {center(train.x).mean():.1e}")
print(f"{enough} of {len(p.components)} directions keep 90 % of the variance")
assert abs(center(train.x).mean()) < 1e-4
assert 60 < enough < 120

# %%
zca = data.whiten(train.x, eps=0.1, zca=True)
pictures = [train.x[:6], center(train.x[:6]), zca(train.x[:6])]
pictures += [p.components[:6].reshape(6, 1, 28, 28)]
pictures = [x / abs(x).max(axis=(1, 2, 3), keepdims=True) for x in pictures]
show.filters(
    np.concatenate(pictures),
    columns=6,
    title="As they are, less the mean, whitened (ZCA); and six principal directions",
)

# %% [markdown]
# ## 3. What becomes of a signal in eight layers?
#
# The same images go through eight layers of 100 units whose weights have just been
# drawn. **Predict** what the last layer puts out if the weights are 0.01 · N(0, 1), and
# which unit wants He's 2 / n.

# %%
inputs, width, depth = center(train.x).reshape(-1, 784), 100, 8
STARTS = {
    "tanh, small random": (ops.tanh, init.small_random),
    "sigmoid, Xavier": (ops.sigmoid, init.xavier_normal),
    "tanh, Xavier": (ops.tanh, init.xavier_normal),
    "ReLU, Xavier": (ops.relu, init.xavier_normal),
    "ReLU, He": (ops.relu, init.kaiming_normal),
    "leaky ReLU, He": (ops.leaky_relu, init.kaiming_normal),
    "ELU, He": (ops.elu, init.kaiming_normal),
    "maxout, Xavier": (lambda z: ops.maxout(z, pieces=2), init.xavier_normal),
}


class Deep(nn.Module):
    """Eight layers with one activation, then ten scores."""

    def __init__(self, name):
        self.activation, start = STARTS[name]
        self.pieces = 2 if "maxout" in name else 1
        sizes = [784] + [width] * depth
        self.hidden = nn.ModuleList(
            [nn.Linear(n, width * self.pieces, init=start, rng=rng) for n in sizes[:-1]]
        )
        self.out = nn.Linear(width, 10, init=init.xavier_normal, rng=rng)

    def signals(self, x):
        """What each of the hidden layers puts out."""
        found = []
        for layer in self.hidden:
            x = self.activation(layer(x))
            found.append(x)
        return found

    def forward(self, x):
        """Scores."""
        return self.out(self.signals(x)[-1])


# %%
signals = {}
for name in STARTS:
    with md.no_grad():
        signals[name] = [h.numpy() for h in Deep(name).signals(md.Tensor(inputs[:500]))]
    first, last = signals[name][0].std(), signals[name][-1].std()
    print(f"{name:20} std of layer 1: {first:.2g}, of layer 8: {last:.2g}")
assert signals["tanh, small random"][-1].std() < 1e-3  # the signal has died
assert 0.3 < signals["ReLU, He"][-1].std() / signals["ReLU, He"][0].std() < 3
assert signals["ReLU, Xavier"][-1].std() < 0.5 * signals["ReLU, He"][-1].std()

# %% [markdown]
# ## 4. Who learns?
#
# The same 350 steps of gradient descent with momentum, at the same rate, for everyone.


# %%
def learn(name, steps=350, batch=100):
    """Train; return pairs (step, loss), and the accuracy on the test set."""
    net, seen = Deep(name), []
    optimizer = md.optim.Momentum(net.parameters(), lr=0.01, momentum=0.9)
    for step in range(steps):
        i = rng.integers(0, len(inputs), batch)
        loss = ops.cross_entropy(net(md.Tensor(inputs[i])), train.y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append((step, loss.item()))
    with md.no_grad():
        scores = net(md.Tensor(center(test.x).reshape(-1, 784)))
    return np.array(seen), (ops.argmax(scores, axis=1) == test.y).mean()


runs = {name: learn(name) for name in STARTS}
for name, (_, accuracy) in runs.items():
    print(f"{name:20} {accuracy:.3f} of the test set")
assert runs["tanh, small random"][1] < 0.2  # chance: nothing came back, nothing moved
assert runs["sigmoid, Xavier"][1] < 0.3  # eight slopes of at most 1/4, multiplied
assert min(runs[name][1] for name in STARTS if "He" in name) > 0.88

# %% [markdown]
# ## 5. The picture
#
# On the left what the first, third, fifth and eighth layer put out before training, on
# one scale in each row; on the right how the loss went from there. Which rows could
# have told you, before a single step, who would learn?


# %%
def smooth(loss, window=15):
    """The mean of each `window` losses that follow on each other."""
    kernel = np.ones(window) / window
    return np.convolve(loss, kernel, mode="valid")


SHOWN = ["tanh, small random", "sigmoid, Xavier", "tanh, Xavier", "ReLU, He"]
LAYERS = [1, 3, 5, 8]
with show.style.sheet():
    picture = Picture(figsize=(8.6, 4.8))
    left, right = picture.subfigures(1, 2, width_ratios=[1.15, 1])
    grid = left.subplots(len(SHOWN), len(LAYERS), sharex="row")
    for axes, name in zip(grid, SHOWN, strict=True):
        widest = np.percentile(abs(signals[name][0]), 99.5)
        low = -widest if signals[name][0].min() < 0 else 0.0
        for ax, layer in zip(axes, LAYERS, strict=True):
            h = signals[name][layer - 1].ravel()
            ax.hist(h, bins=np.linspace(low, widest, 30), color=show.style.BLUE)
            ax.set(yticks=[])
            ax.set_xlabel(f"std {h.std():.1g}".replace("-", "−"), fontsize=8.5)
            ax.set_title(f"layer {layer}" if name == SHOWN[0] else "", fontsize=9)
            ax.grid(False)
            ax.set_xticks([0, float(f"{widest:.1g}")])
        axes[0].set_ylabel(name.replace(", ", ",\n"), fontsize=9)
    ax = right.subplots()
    for i, (name, (seen, accuracy)) in enumerate(runs.items()):
        style = {"color": show.style.color(i), "ls": show.style.dash(i // 2)}
        y = smooth(seen[:, 1])
        ax.plot(np.arange(len(y)), y, label=f"{name}: {accuracy:.2f}", **style)
    ax.set(xlabel="step", ylim=(0, 2.5))
    ax.set_title("Training loss; test accuracy")
    ax.legend(loc="upper right", bbox_to_anchor=(1, 0.88), fontsize=7.5)
    picture.finish(None).savefig("picture.png", dpi=120)
picture
