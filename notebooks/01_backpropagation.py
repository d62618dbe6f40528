# %% [markdown]
# # 01 · Backpropagation: a tape, and the way back
#
# A network has millions of numbers, and training asks of every one of them the same
# question: *if you grew a little, what would the loss do?* Backpropagation answers for
# all of them at once: for each product of matrices in the loss it needs at most two,
# one for each factor. We build it here from nothing, in some twenty lines, and then
# watch minidl do the same with arrays.
#
# Every section asks a question. **Write your prediction down before you run the cell**;
# each claim with a number ends in an `assert`.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import minidl as md
import minidl.ops as F
from minidl import show

SEED = int(os.environ.get("SEED", "0"))
rng = np.random.default_rng(SEED)
md.seed(SEED)
colors = {"axes.prop_cycle": plt.cycler(color=show.style.PALETTE)}
plt.style.use([show.style.SETTINGS, colors, {"figure.dpi": 150}])

# %% [markdown]
# ## 1. What does one weight do to the loss?
#
# One neuron, one sample: $L = (w x + b - t)^2$ with $x = 3$, $w = -2$, $b = 1$ and
# target $t = -1$. We can always *nudge*: move $w$ by a little $h$ and see how much $L$
# moves.
#
# **Predict.** $e = wx + b - t$ is $-4$. Which sign does $\partial L / \partial w$ have,
# and how large is it? (Chain rule: $\partial L/\partial e = 2e$, and
# $\partial e/\partial w = x$.)


# %%
def loss(w, x, b, t):
    e = w * x + b - t
    return e * e


h = 1e-6
point = {"w": -2.0, "x": 3.0, "b": 1.0, "t": -1.0}
nudged = {k: (loss(**point | {k: v + h}) - loss(**point)) / h for k, v in point.items()}
print({k: round(slope, 3) for k, slope in nudged.items()})

assert abs(nudged["w"] - 2 * -4 * 3) < 1e-4
assert abs(nudged["t"] + nudged["b"]) < 1e-4  # t enters where b does, with a minus

# %% [markdown]
# Nudging needs no calculus, but it costs one evaluation of the loss *per number*. For a
# network with a million weights that is a million evaluations for one step of descent.
#
# ## 2. How little must a number remember?
#
# While the loss is computed, let every number note **what it was made from, and the
# slope toward each of these**. All numbers go on one list, the *tape*, in the order in
# which they are made. Reading the tape backward, each number passes its own gradient
# on: times the slope, to each of its sources. That is the whole algorithm.
#
# **Predict.** How many numbers are on the tape after one `loss`, and in which order
# will `backward` meet them?

# %%
tape = []


class Number:
    def __init__(self, value, *sources):
        self.value, self.sources, self.grad = value, sources, 0.0
        tape.append(self)

    def __add__(a, b):
        return Number(a.value + b.value, (a, 1.0), (b, 1.0))

    def __sub__(a, b):
        return Number(a.value - b.value, (a, 1.0), (b, -1.0))

    def __mul__(a, b):
        return Number(a.value * b.value, (a, b.value), (b, a.value))


# %%
def backward(y):
    y.grad = 1.0  # ∂y/∂y
    for number in reversed(tape):  # the youngest first
        for source, slope in number.sources:
            source.grad += slope * number.grad


inputs = {name: Number(value) for name, value in point.items()}
backward(loss(**inputs))
print({name: number.grad for name, number in inputs.items()}, len(tape), "on the tape")

assert all(abs(inputs[name].grad - nudged[name]) < 1e-4 for name in point)
assert len(tape) == 4 + 4  # four inputs, and × + − ×

# %% [markdown]
# `loss` did not change at all: it is the same function that took plain floats above.
# What changed is the kind of number we sent through it. minidl works like this too: its
# `Tensor` is `Number` with an array inside. It has no global list: each result knows
# what it was made from and when, so `backward` finds the tape of any loss.
#
# ## 3. What does the backward pass look like?
#
# **Predict.** In the picture the number above a node is its value, the one below it its
# gradient. Which gradient comes first, on the far right, and which stands on its left,
# at $e = -4$?

# %%
tensors = {name: md.Tensor(value, requires_grad=True) for name, value in point.items()}
loss(**tensors).backward()
assert all(tensors[name].grad == inputs[name].grad for name in point)
assert (tape[-1].grad, tape[-2].grad) == (1, -8)

show.backward_steps(loss, point, columns=2)

# %% [markdown]
# 1, for $\partial L/\partial L = 1$, and then $2e = -8$: the two arrows from $e$ to the
# product bring back $-4$ each.
#
# ## 4. Why `+=`, and not `=`?
#
# In $L = e \cdot e$ the number $e$ is used twice, so two gradients come back to it.
# Where a value **fans out**, gradients **add up**: a nudge to $e$ reaches $L$ by both
# ways.
#
# **Predict.** Replace `+=` by `=` in `backward`. What becomes of the gradient of
# $y = x \cdot x$ at $x = 3$, and of $y = x \cdot x \cdot x$?


# %%
def forgetful(y):
    y.grad = 1.0
    for number in reversed(tape):
        for source, slope in number.sources:
            source.grad = slope * number.grad  # the bug


for f, right, wrong in [(lambda x: x * x, 6, 3), (lambda x: x * x * x, 27, 9)]:
    for way, expected in [(backward, right), (forgetful, wrong)]:
        tape.clear()
        x = Number(3.0)
        way(f(x))
        print(f"{way.__name__:<10} {x.grad:4.0f}")
        assert x.grad == expected

# %% [markdown]
# No crash, no warning: a plausible number that is two or three times too small. Section
# 8 shows how one notices.
#
# ## 5. How much work is it?
#
# Let $y$ double thirty times: $y \leftarrow y + y$. Each doubling has two ways back, so
# from the end to the beginning lead $2^{30}$ paths, and the chain rule sums over all.
#
# **Predict.** How many multiplications by a slope does `backward` do: $2^{30}$, $30^2$,
# or $60$? And what is $\partial y/\partial x$?

# %%
tape.clear()
x = y = Number(1.0)
for _ in range(30):
    y = y + y
backward(y)
products = sum(len(number.sources) for number in tape)
print(f"{products} products for {x.grad:.0f} paths")

assert x.grad == 2**30 and products == 60

# %% [markdown]
# Youngest first is what makes it cheap: when a number's turn comes, all results that
# used it have already added their gradients to it, so it passes the *total* on, once.
# That is two products per operation, however many paths there are.
#
# How cheap is it for a network? Count evaluations instead of seconds.
#
# **Predict.** It has 2778 weights. Nudging evaluates the loss once for each of them,
# and once more. How many backward passes does minidl need for all 2778 gradients?

# %%
digits = md.data.load_digits().train
images, labels = digits.x[:100].reshape(100, 64), digits.y[:100]
net = md.nn.Sequential(
    md.nn.Linear(64, 32), md.nn.ReLU(), md.nn.Linear(32, 16), md.nn.ReLU(),
    md.nn.Linear(16, 10),
)  # fmt: skip
F.cross_entropy(net(md.Tensor(images)), labels).backward()
filled = sum(p.grad.size for p in net.parameters())
print(f"one backward pass: {filled} gradients; nudging: {filled + 1} times the loss")

assert filled == 2778 == (64 * 32 + 32) + (32 * 16 + 16) + (16 * 10 + 10)

# %% [markdown]
# One.
#
# **Predict.** Three weights and three biases. Which of these six arrays have changed
# after `backward`? And which after `step`, with gradient descent?


# %%
def changed(before):
    return [k for k, p in net.named_parameters() if (p.data != before[k]).any()]


start = {name: p.data.copy() for name, p in net.named_parameters()}
optimizer = md.optim.SGD(net.parameters(), lr=0.1)
F.cross_entropy(net(md.Tensor(images)), labels).backward()
after_backward = changed(start)
optimizer.step()
print("after backward:", after_backward, " after step:", changed(start))

assert after_backward == [] and changed(start) == list(start)

# %% [markdown]
# Backpropagation moves no weight, though lectures sometimes speak as if it did: it only
# fills in `.grad`. The optimizer moves them.
#
# ## 6. And with matrices?
#
# A layer is $Y = XW$ with $X\,(N, D)$ and $W\,(D, K)$. Given
# $G = \partial L/\partial Y$ $(N, K)$, the chain rule for every element of $W$, written
# as one product, is either $G X^\top$, $X^\top G$ or $X G$.
#
# **Predict.** A gradient has the shape of what it belongs to. Which of the three fits
# $W$? And which product of $G$ and $W$ fits $X$?

# %%
x = md.Tensor(rng.normal(size=(5, 3)), requires_grad=True)
w = md.Tensor(rng.normal(size=(3, 2)), requires_grad=True)
g = rng.normal(size=(5, 2))  # some ∂L/∂Y
(x @ w).backward(g)
print("∂L/∂X", x.grad.shape, "  ∂L/∂W", w.grad.shape)

assert np.allclose(w.grad, x.data.T @ g)
assert np.allclose(x.grad, g @ w.data.T)

# %% [markdown]
# ## 7. What does broadcasting do on its way back?
#
# Adding a bias $b\,(K,)$ to $Y\,(N, K)$ uses each $b_k$ in all $N$ rows. That is a
# fan-out, though no line of ours made the copies; so what comes back must be added up.
#
# **Predict.** $L = \sum_{nk} (Y + b)_{nk}$ with $N = 5$. What is
# $\partial L/\partial b$?

# %%
y = md.Tensor(rng.normal(size=(5, 2)), requires_grad=True)
b = md.Tensor(np.zeros(2), requires_grad=True)
(y + b).sum().backward()
print("∂L/∂b =", b.grad)

assert b.grad.tolist() == [5, 5] and (y.grad == 1).all()

# %% [markdown]
# This sum is the line most often forgotten by hand. So let us forget it: here is an
# operation in minidl's own form, which returns its value and the way back.
#
# **Predict.** `backward` gets a gradient $(5, 2)$ for a bias of shape $(2,)$. In NumPy
# `b - 0.1 * g` would be a bias of shape $(5, 2)$, without a word. What does minidl do?

# %%
from minidl.engine.op import op
from minidl.errors import GraphError


@op
def add_bias(y, b):
    return y + b, (lambda g: g, lambda g: g)  # the second should be g.sum(axis=0)


try:
    add_bias(y, b).sum().backward()
    raise RuntimeError("a wrong gradient went through")
except GraphError as error:
    print(error)
    assert "(5, 2)" in str(error) and "add_bias" in str(error)

# %% [markdown]
# ## 8. How would we notice a wrong gradient that has the right shape?
#
# As in section 1: by nudging, in float64, along one random direction $v$, so that a
# single pair of evaluations judges all elements at once: $\langle \nabla L, v \rangle$
# against $(L(x + hv) - L(x - hv))/2h$.
#
# **Predict.** The square below forgets its 2. What ratio will the two numbers have?

# %%
from minidl.check import explain, gradcheck


@op
def square(x):
    return x * x, (lambda g: g * x,)  # should be 2 g x


z = rng.uniform(1, 2, size=6)
found = explain(square, [z])
print(found)

assert "2 times too small" in str(found) and gradcheck(lambda x: x * x, [z])

# %% [markdown]
# Notebook 06 is about nothing else.
#
# ## 9. What does the tape of a whole network look like?
#
# Two layers and the loss; the backward pass goes from right to left. The loss is
# softmax and cross entropy in one, and its gradient is short:
# $\partial L/\partial s = (p - y)/N$, *what the network believes minus what is true*.
#
# **Predict.** What do the ten numbers in a row of that gradient add up to?

# %%
V = md.Tensor(rng.normal(size=(32, 10)).astype("float32"), requires_grad=True)
hidden = F.relu(md.Tensor(images) @ net[0].weight + net[0].bias)
scores = hidden @ V
objective = F.cross_entropy(scores, labels)
(ds,) = md.grad(objective, scores, retain_graph=True)
belief, truth = F.softmax(scores.data), np.eye(10)[labels]

assert np.allclose(ds, (belief - truth) / 100, atol=1e-6)
assert np.abs(ds.sum(axis=1)).max() < 1e-6  # what one class gains, the others lose
leaves = {"W": net[0].weight, "b": net[0].bias, "V": V}
show.graph(objective, leaves, title="Two layers and a loss")

# %% [markdown]
# ## 10. Can one differentiate a derivative?
#
# The backward pass is a computation like any other. If *its* steps go on the tape too
# (`create_graph=True`), it can be differentiated in turn, as often as we like.
#
# **Predict.** Sketch $\tanh$, its slope, and the slope of its slope. Where does the
# second derivative vanish, and what does it say about $\tanh$ there?

# %%
x = md.Tensor(np.linspace(-3, 3, 601), requires_grad=True)
derivatives = [F.tanh(x)]
for _ in range(3):
    derivatives += md.grad(derivatives[-1].sum(), x, create_graph=True)
f, slope, bend, third = (d.data for d in derivatives)

assert np.allclose(slope, 1 - f**2) and np.allclose(bend, -2 * f * slope)

# %%
fig, ax = plt.subplots(figsize=(6, 2.8))
names = ["tanh", "1st", "2nd", "3rd"]
for y, name, dash in zip(derivatives, names, show.style.DASHES, strict=True):
    ax.plot(x.data, y.data, dash, label=name)
ax.set(xlabel="x", title="tanh and its derivatives")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
assert np.allclose(third[300], -2) and abs(bend[300]) < 1e-12  # at x = 0
assert max(abs(slope[0]), abs(bend[0])) < 0.02  # at x = −3

# %% [markdown]
# It is 0 at 0, where tanh is steepest and closest to a straight line, and goes to 0 far
# out, where nothing changes any more. There the *first* derivative is nearly 0 too (at
# $-3$ both are below 0.02), and with it the gradient: the beginning of notebook 02.
#
# ## Exercise: the Hessian, without the Hessian
#
# The second derivatives of a loss with a million weights would be a matrix of $10^{12}$
# numbers. But its product with *one* vector, $Hv$, needs two calls of `md.grad` and no
# matrix. The hint: $Hv = \partial \langle \nabla L, v \rangle / \partial x$.
#
# Write `answer(f, x, v)` that returns $Hv$ as an array, for a function `f` of Tensors
# and arrays `x` and `v` of one shape. Run the cell to see whether it is right.

# %%
answer = None  # a function (f, x, v) -> H v, in place of None


def check(answer):
    a, x, v = rng.normal(size=(4, 4)), rng.normal(size=4), rng.normal(size=4)
    cube = answer(lambda x: (x * x * x).sum(), x, v)  # H = diag(6 x)
    assert np.allclose(cube, 6 * x * v)
    form = answer(lambda x: (x * (md.Tensor(a) @ x)).sum(), x, v)  # H = A + Aᵀ
    assert np.allclose(form, (a + a.T) @ v)
    return "right"


print(check(answer) if answer else "Your turn.")

# %% [markdown]
# <details><summary>A solution</summary>
#
# ```python
# def answer(f, x, v):
#     x = md.Tensor(x, requires_grad=True)
#     (gradient,) = md.grad(f(x), x, create_graph=True)
#     return md.grad((gradient * md.Tensor(v)).sum(), x)[0]
# ```
# </details>
#
# **And without a check:** give `Number` a method `exp`, and with it a sigmoid. How many
# numbers does one sigmoid put on the tape, and how many would it be if you taught
# `Number` the sigmoid's own slope, $\sigma(1 - \sigma)$?
#
# ## References
#
# - D. Rumelhart, G. Hinton, R. Williams, *Learning representations by back-propagating
#   errors*, Nature 323 (1986): the paper after which networks were trained this way.
# - S. Linnainmaa, *Taylor expansion of the accumulated rounding error*, BIT 16 (1976):
#   the reverse pass itself, a decade earlier.
# - A. Griewank, A. Walther, *Evaluating Derivatives*, 2nd ed., SIAM (2008): why a
#   gradient costs no more than a small multiple of the function.
# - B. Pearlmutter, *Fast exact multiplication by the Hessian*, Neural Computation 6
#   (1994): the exercise.
# - A. Baydin et al., *Automatic differentiation in machine learning: a survey*, JMLR 18
#   (2018).
# - Lectures: CS231n and EECS 498, *Backpropagation*.
# - In the source: `minidl/engine/tensor.py`, `op.py`, `backward.py`.
