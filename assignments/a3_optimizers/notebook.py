# %% [markdown]
# # a3 · Optimizers and schedules, with your own rules
#
# Everything that moves here is moved by lines that you wrote: seven rules that turn a
# gradient into a step, and five ways to let the step shrink. First we ask whether they
# are right, then we watch them in two dimensions, where one sees everything, and in the
# end they train a network on handwritten digits. Run the cells in order, in this
# folder:
#
#     jupyter lab notebook.py        (with jupytext), or        python notebook.py

# %%
import os

import numpy as np

import minidl as md
from minidl import data, nn, ops, optim, show
from minidl.optim import schedules
from minidl.show.picture import Picture
from minidl.show.surfaces import SURFACES, descend

SEED = int(os.environ.get("SEED", "0"))

# %% [markdown]
# ## 1. What is a first step?
#
# A weight is 1, its gradient 4, the rate 0.1. **Predict** where each rule puts it.
# Which of them would do the same if the gradient were 4000?


# %%
def first_step(rule, gradient, **settings):
    """Where a weight of 1 is after one step."""
    p = md.Tensor(np.array([1.0]), requires_grad=True)
    p.grad = np.array([gradient])
    rule([p], **settings).step()
    return p.data[0]


rules = {
    "SGD": (optim.SGD, {"lr": 0.1}, 0.6),
    "Momentum": (optim.Momentum, {"lr": 0.1, "momentum": 0.5}, 0.6),
    "Nesterov": (optim.Nesterov, {"lr": 0.1, "momentum": 0.5}, 0.4),
    "Adagrad": (optim.Adagrad, {"lr": 0.1}, 0.9),
    "RMSProp": (optim.RMSProp, {"lr": 0.1, "alpha": 0.75}, 0.8),
    "Adadelta": (optim.Adadelta, {"lr": 1.0, "rho": 0.0, "eps": 9.0}, -1.4),
    "Adam": (optim.Adam, {"lr": 0.1}, 0.9),
}
for name, (rule, settings, expected) in rules.items():
    p, far = first_step(rule, 4.0, **settings), first_step(rule, 4000.0, **settings)
    print(f"{name:9} g = 4: {p:6.3f}    g = 4000: {far:8.2f}")
    assert abs(p - expected) < 1e-6

# %% [markdown]
# ## 2. What do they do in a ravine, and at a saddle?
#
# $f = x^2/20 + y^2$ is twenty times as steep across as along. **Predict** who swings
# from wall to wall, and who goes straight for the middle. At the saddle,
# $f = x^2 - y^2 + y^4/4$, the gradient is nearly 0 where the way out begins.

# %%
WALKERS = {
    "ravine": {
        "SGD": lambda p: optim.SGD(p, lr=0.8),
        "Momentum": lambda p: optim.Momentum(p, lr=0.1, momentum=0.9),
        "Nesterov": lambda p: optim.Nesterov(p, lr=0.1, momentum=0.9),
        "Adagrad": lambda p: optim.Adagrad(p, lr=1.5),
        "RMSProp": lambda p: optim.RMSProp(p, lr=0.3, alpha=0.9),
        "Adadelta": lambda p: optim.Adadelta(p, eps=1e-2),
        "Adam": lambda p: optim.Adam(p, lr=0.3),
    },
}
WALKERS["saddle"] = WALKERS["ravine"] | {
    "SGD": lambda p: optim.SGD(p, lr=0.05),
    "Momentum": lambda p: optim.Momentum(p, lr=0.02, momentum=0.9),
    "Nesterov": lambda p: optim.Nesterov(p, lr=0.02, momentum=0.9),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.3),
    "RMSProp": lambda p: optim.RMSProp(p, lr=0.03, alpha=0.9),
    "Adam": lambda p: optim.Adam(p, lr=0.05),
}
ways = {}
for place, walkers in WALKERS.items():
    surface = SURFACES[place]
    for name, walker in walkers.items():
        points, heights = descend(surface, walker, steps=100)
        ways[place, name] = points
        below = f"{heights[10]:7.3f} {heights[30]:7.3f} {heights[-1]:7.3f}"
        print(f"{place:7} {name:9} height after 10, 30, 100 steps: {below}")
        assert heights[-1] < heights[0]
swings = np.sign(ways["ravine", "SGD"][:12, 1])
assert (swings[1:] != swings[:-1]).all()  # plain descent goes from wall to wall

# %% [markdown]
# ## 3. How should the rate fall?
#
# Five schedules of 600 steps. **Predict** which one has the largest rate at step 300.

# %%
STEPS = 600
SHAPES = {
    "constant": schedules.constant,
    "step": lambda lr: schedules.step(lr, every=STEPS // 3, gamma=0.2),
    "linear": lambda lr: schedules.linear(lr, steps=STEPS),
    "cosine": lambda lr: schedules.cosine(lr, steps=STEPS),
    "warm-up, inverse √": lambda lr: schedules.inverse_sqrt(lr, warmup=60),
}
show.schedule({name: shape(1.0) for name, shape in SHAPES.items()}, STEPS)

# %% [markdown]
# ## 4. Who learns to read?
#
# A network with two hidden layers, 3500 digits of MNIST, 600 steps. Everyone starts at
# the same weights and sees the same batches.

# %%
train, validation, test = data.load_mnist5k()
x_train, x_validation, x_test = (
    s.x.reshape(-1, 784) for s in (train, validation, test)
)


def network():
    """The same weights at every call."""
    rng = np.random.default_rng(SEED)
    sizes = [(784, 64), (64, 64), (64, 10)]
    layers = [nn.Linear(n, k, rng=rng) for n, k in sizes]
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])


def judge(net, x, y):
    """The loss, and the share that is read rightly."""
    with md.no_grad():
        scores = net(md.Tensor(x))
        loss = ops.cross_entropy(scores, y).item()
        return loss, (ops.argmax(scores, axis=1) == y).mean()


def learn(rule, steps=STEPS, batch=50, plateau=None):
    """Train; return the loss of each step, the rates, and the accuracy on the test."""
    rng, net = np.random.default_rng(SEED + 1), network()
    optimizer = rule(list(net.parameters()))
    waits = plateau(optimizer) if plateau else None
    losses, rates = [], []
    for step in range(steps):
        i = rng.integers(0, len(x_train), batch)
        loss = ops.cross_entropy(net(md.Tensor(x_train[i])), train.y[i])
        optimizer.zero_grad()
        loss.backward()
        rates.append(optimizer.lr)
        optimizer.step()
        losses.append(loss.item())
        if waits and step % 20 == 19:
            waits.step(judge(net, x_validation, validation.y)[0])
    return np.array(losses), np.array(rates), judge(net, x_test, test.y)[1]


# %%
RULES = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "Momentum": lambda p: optim.Momentum(p, lr=0.02, momentum=0.9),
    "Nesterov": lambda p: optim.Nesterov(p, lr=0.02, momentum=0.9),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.02),
    "RMSProp": lambda p: optim.RMSProp(p, lr=0.001),
    "Adadelta": lambda p: optim.Adadelta(p, eps=1e-5),
    "Adam": lambda p: optim.Adam(p, lr=0.002),
}
runs = {name: learn(rule) for name, rule in RULES.items()}
for name, (losses, _, accuracy) in runs.items():
    print(f"{name:9} loss {losses[-50:].mean():.3f}    {accuracy:.3f} of the test set")
    assert accuracy > 0.88

# %% [markdown]
# ## 5. And with a schedule?
#
# Adam with a rate that is too high to end well, 0.01, and the same rate with your
# schedules; at last a rate that waits for the loss on the validation set. **Predict**
# which of them end with the lowest training loss.

# %%
falling = {
    name: learn(lambda p, f=shape: optim.Adam(p, lr=f(0.01)))
    for name, shape in SHAPES.items()
}
falling["plateau"] = learn(
    lambda p: optim.Adam(p, lr=0.01),
    plateau=lambda adam: optim.ReduceOnPlateau(adam, factor=0.3, patience=2),
)
for name, (losses, rates, accuracy) in falling.items():
    at_last = f"loss {losses[-50:].mean():.3f}    rate at last {rates[-1]:.1e}"
    print(f"{name:19} {at_last}    {accuracy:.3f} of the test set")
ends = {name: losses[-50:].mean() for name, (losses, _, _) in falling.items()}
assert max(ends["linear"], ends["cosine"], ends["step"]) < ends["constant"]
assert falling["plateau"][1][-1] < 0.01  # it has lost patience

# %% [markdown]
# ## 6. The picture
#
# Above, the ravine and the saddle; below, on the left, seven rules on digits, on the
# right what a schedule does for one of them. Who is best in the ravine, and is it the
# one who reads best? What would you have to tune before you believe the answer?


# %%
def draw_ways(ax, place):
    """A map of a surface, and a line for each rule."""
    surface = SURFACES[place]
    west, east, south, north = surface.window
    u, v = np.meshgrid(np.linspace(west, east, 120), np.linspace(south, north, 120))
    height = surface.f(u, v) - surface.floor
    levels = np.geomspace(height.max() * 1e-3, height.max(), 12)
    ax.contour(u, v, height, levels, colors="0.8", linewidths=0.7)
    for i, name in enumerate(RULES):
        style = {"color": show.style.color(i), "ls": show.style.dash(i)}
        ax.plot(*ways[place, name].T, label=name, lw=1.3, **style)
    ax.plot(*surface.start, "o", color="0.2", ms=4)
    ax.plot(*np.transpose(surface.minima), "*", color="0.2", ms=9)
    ax.set(xlim=(west, east), ylim=(south, north), title=surface.title)
    ax.grid(False)


def draw_losses(ax, found, title):
    """A smooth line for each run, and how much of the test set it reads."""
    for i, (name, (losses, _, accuracy)) in enumerate(found.items()):
        smooth = np.convolve(losses, np.ones(40) / 40, mode="valid")
        style = {"color": show.style.color(i), "ls": show.style.dash(i)}
        ax.plot(smooth, label=f"{name} {100 * accuracy:.1f}", lw=1.3, **style)
    ax.set(yscale="log", xlabel="step", title=title)
    ax.legend(fontsize=7, title="% of the test set", title_fontsize=7, ncols=2)


with show.style.sheet():
    picture = Picture(figsize=(8.4, 6.4))
    axes = picture.subplots(2, 2)
    draw_ways(axes[0, 0], "ravine")
    draw_ways(axes[0, 1], "saddle")
    axes[0, 1].legend(fontsize=7, loc="lower right")
    draw_losses(axes[1, 0], runs, "Training loss of seven rules")
    draw_losses(axes[1, 1], falling, "Adam at 0.01, and with your schedules")
    picture.finish(None).savefig("picture.png", dpi=82)
picture
