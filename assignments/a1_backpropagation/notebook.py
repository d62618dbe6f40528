# %% [markdown]
# # a1 · Backpropagation, with your own engine
#
# Everything here runs on the lines that you wrote: the quotient rule, un-broadcasting,
# fan-out, the order of the walk, the linear layer, softmax and the losses. First we ask
# whether they are right, then we look at what they do, and in the end they learn to
# read handwritten digits. Run the cells in order, in this folder:
#
#     jupyter lab notebook.py        (with jupytext), or        python notebook.py

# %%
import os
from functools import partial

import numpy as np

import minidl as md
from minidl import ops, show
from minidl.show.graph import Drawing, sketch_of
from minidl.show.picture import Picture

SEED = int(os.environ.get("SEED", "0"))
rng = np.random.default_rng(SEED)
md.seed(SEED)

# %% [markdown]
# ## 1. Are the gradients right?
#
# The derivative along a direction $v$ can be had without any calculus, as
# $(L(x + \epsilon v) - L(x - \epsilon v)) / 2\epsilon$. `gradcheck` compares it with
# what your lines say. If one of these fails, `minidl course score` tells you more.

# %%
a, b, c = rng.normal(size=(4, 3)), 2 + rng.random(3), rng.normal(size=(4, 1))
x, w, labels = rng.normal(size=(4, 3)), rng.normal(size=(3, 5)), np.array([0, 4, 2, 2])
functions = {
    "a quotient, stretched": (lambda a, b: a / b, [a, b]),
    "something used thrice": (lambda a, c: a * c + a / (2 + a * a), [a, c]),
    "a linear layer": (ops.affine, [x, w, np.zeros(5)]),
    "softmax": (lambda x: ops.softmax(x), [x]),
    "cross entropy": (lambda s: ops.cross_entropy(s, labels), [x @ w]),
    "hinge loss": (lambda s: ops.hinge_loss(s, labels), [x @ w]),
}
for name, (f, inputs) in functions.items():
    report = md.check.gradcheck(f, inputs)
    print(f"{name:24} {'right' if report else 'wrong'}")
    assert report

# %% [markdown]
# ## 2. What does the way back look like?
#
# The loss of a single number: $L = (x / w - t)^2$ with $x = 6$, $w = 2$, $t = 1$. Blue
# is what comes forward, red what goes back. **Predict** $\partial L / \partial w$
# before you look at the last panel.

# %%
show.backward_steps(
    lambda x, w, t: ops.square(x / w - t), {"x": 6.0, "w": 2.0, "t": 1.0}
)

# %% [markdown]
# ## 3. What does a linear classifier learn?
#
# Scores $s = x W + b$ for 1197 images of 8 × 8 pixels. The column of $W$ that belongs
# to a class is itself an image: its *template*. Gradient descent needs nothing but
# your gradients.

# %%
train, validation, test = md.data.load_digits()
x_train, x_test = train.x.reshape(-1, 64), test.x.reshape(-1, 64)


def parameter(*shape):
    """A small random start; biases, with one axis, start at 0."""
    start = rng.normal(size=shape) / np.sqrt(shape[0]) if len(shape) > 1 else 0.0
    return md.Tensor(np.full(shape, start, dtype=np.float32), requires_grad=True)


def descend(model, loss, parameters, steps=600, rate=0.2):
    """Walk downhill; return the accuracy on the test set every 20 steps."""
    seen = []
    for step in range(steps + 1):
        if step % 20 == 0:
            with md.no_grad():
                said = ops.argmax(model(md.Tensor(x_test)), axis=1)
            seen.append((step, (said == test.y).mean()))
        i = rng.integers(0, len(x_train), 64)
        loss(model(md.Tensor(x_train[i])), train.y[i]).backward()
        with md.no_grad():
            for p in parameters:
                p -= rate * p.grad
                p.grad = None
    return np.array(seen)


def linear(w, b, x):
    """Scores of ten classes."""
    return ops.affine(x, w, b)


# %%
runs, templates = {}, {}
for name, loss in {"softmax": ops.cross_entropy, "hinge": ops.hinge_loss}.items():
    w, b = parameter(64, 10), parameter(10)
    model = partial(linear, w, b)
    runs[f"linear, {name}"] = descend(model, loss, [w, b])
    templates[name] = w.data
    print(f"linear, {name:8} {runs[f'linear, {name}'][-1, 1]:.3f} of the test set")
    assert runs[f"linear, {name}"][-1, 1] > 0.85

# %% [markdown]
# ## 4. And with a layer between?
#
# $s = \max(x W_1 + b_1, 0)\, W_2 + b_2$. The graph of its loss is drawn before
# `backward` frees it.

# %%
leaves = {"W1": parameter(64, 64), "b1": parameter(64)}
leaves |= {"W2": parameter(64, 10), "b2": parameter(10)}


def two_layers(x):
    """Scores of ten classes."""
    h = ops.relu(ops.affine(x, leaves["W1"], leaves["b1"]))
    return ops.affine(h, leaves["W2"], leaves["b2"])


batch = md.Tensor(x_train[:64])
sketch, _ = sketch_of(ops.cross_entropy(two_layers(batch), train.y[:64]), leaves)
runs["two layers, softmax"] = descend(two_layers, ops.cross_entropy, leaves.values())
print(f"two layers {runs['two layers, softmax'][-1, 1]:.3f} of the test set")
assert runs["two layers, softmax"][-1, 1] > 0.93

# %% [markdown]
# ## 5. The picture
#
# Above, the graph that your walk goes through 600 times; in the middle the templates of
# the two linear classifiers, red where ink speaks for a class and blue where it speaks
# against it; below, how they learned. Can you read the digits in the templates? What
# differs between the two losses, and why can a template not know two ways to write
# a 7?


# %%
def show_templates(ax, w, title):
    """Ten images in a row, on one scale."""
    tiles = w.T.reshape(10, 8, 8)
    row = np.full((8, 89), np.nan)
    for k, tile in enumerate(tiles):
        row[:, 9 * k : 9 * k + 8] = tile
    scale = abs(w).max()
    ax.imshow(row, cmap=show.style.SIGNED, vmin=-scale, vmax=scale)
    ax.set_title(title)
    show.style.bare(ax)
    ax.set_xticks(9 * np.arange(10) + 3.5, map(str, range(10)))


with show.style.sheet():
    picture = Picture(figsize=(8, 7.6))
    rows = picture.subplot_mosaic(
        [["graph"], ["softmax"], ["hinge"], ["curves"]],
        height_ratios=[2.2, 1, 1, 2.2],
    )
    below = {i: str(s).replace(",)", ")") for i, s in enumerate(sketch.shapes) if s}
    Drawing(sketch).draw(rows["graph"], below=below)
    rows["graph"].set_title("What backward walks through, from right to left")
    for name, w in templates.items():
        show_templates(rows[name], w, f"Templates learned with the {name} loss")
    for i, (name, run) in enumerate(runs.items()):
        color, dash = show.style.color(i), show.style.dash(i)
        rows["curves"].plot(
            *run.T, color=color, ls=dash, label=f"{name} {run[-1, 1]:.3f}"
        )
    rows["curves"].set(xlabel="step", ylabel="test accuracy", ylim=(0.5, 1))
    rows["curves"].set_title("What your gradients learned")
    rows["curves"].legend(loc="lower right")
    picture.finish("picture.png")
picture
