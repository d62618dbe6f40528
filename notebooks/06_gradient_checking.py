# %% [markdown]
# # 06 · Gradient checking: what wrong gradients look like
#
# A wrong *backward* pass gives no error. The network trains, a little worse than it
# could, and nobody knows why. So every gradient is compared with a second one, which
# needs no calculus: nudge and see. We find out how far to nudge, how close is close
# enough, and how a check can be blind.
#
# Predict first, then run. Each claim with a number ends in an `assert`.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import minidl as md
import minidl.ops as F
from minidl import nn, optim, show
from minidl.check import explain, gradcheck
from minidl.engine.op import op
from minidl.errors import GraphError

SEED = int(os.environ.get("SEED", "0"))
rng = np.random.default_rng(SEED)
md.seed(SEED)
colors = {"axes.prop_cycle": plt.cycler(color=show.style.PALETTE)}
plt.style.use([show.style.SETTINGS, colors, {"figure.dpi": 150}])

# %% [markdown]
# ## 1. One side, or both?
#
# The slope of $f$ at $x$, by a nudge $h$: *forward*, $(f(x + h) - f(x))/h$, or
# *central*, $(f(x + h) - f(x - h))/2h$. Taylor's series says
#
# $$f(x \pm h) = f \pm h f' + \tfrac{h^2}{2} f'' \pm \tfrac{h^3}{6} f''' + \dots$$
#
# **Predict.** What is left of each error when $h$ becomes ten times smaller?


# %%
def f(x):
    return np.exp(np.sin(3 * x))


def forward(f, x, h):
    return (f(x + h) - f(x)) / h


def central(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


# %%
x0 = 0.7 + 0.02 * rng.uniform()
slope = f(x0) * 3 * np.cos(3 * x0)
gain = {}
for way in (forward, central):
    errors = [abs(way(f, x0, h) / slope - 1) for h in (1e-2, 1e-3)]
    gain[way] = errors[0] / errors[1]
    print(f"{way.__name__}: {errors[0]:.1e} and {errors[1]:.1e}, {gain[way]:.0f} times")

assert 5 < gain[forward] < 20 and 80 < gain[central] < 120

# %% [markdown]
# A tenth, and a hundredth: $\tfrac h2 f''$ is left of the one, $\tfrac{h^2}{6} f'''$ of
# the other, where the even terms cancel. Central costs one more evaluation and is worth
# it.
#
# ## 2. Then why not $h = 10^{-15}$?
#
# **Predict.** Sketch the error against $h$, both on logarithmic axes, from 1 down to
# $10^{-14}$. float64 has 16 digits, float32 has 7. Where is the best $h$ of each of the
# three?

# %%
steps = np.geomspace(1e-14, 1, 200)
points = 0.7 + 0.1 * rng.uniform(size=50)  # the error at one point is full of luck
slopes = f(points) * 3 * np.cos(3 * points)


def typical_error(way, h, dtype):
    x = points.astype(dtype)
    nudged = way(f, x, dtype(h))
    return np.median(abs(nudged / slopes - 1))


# %%
fig, ax = plt.subplots(figsize=(6.5, 3.4))
best = {}
for way, dtype, dash in [(forward, np.float64, "--"), (central, np.float64, "-"),
                         (central, np.float32, "-.")]:  # fmt: skip
    errors = np.array([typical_error(way, h, dtype) for h in steps])
    name = f"{way.__name__}, {dtype.__name__}"
    best[name] = steps[errors.argmin()], errors.min()
    ax.loglog(steps, errors, dash, label=name)
ax.set(xlabel="step h", ylabel="relative error", ylim=(1e-13, 10))
ax.legend(loc="lower left")
for name, (h, error) in best.items():
    print(f"{name}: best h {h:.0e}, error {error:.0e}")

# %%
(h1, e1), (h2, e2), (h3, e3) = best.values()
assert 1e-9 < h1 < 1e-7 and 1e-10 < e1 < 1e-7
assert 1e-6 < h2 < 1e-4 and e2 < 1e-9
assert 1e-3 < h3 < 1e-1 and 1e-6 < e3 < 1e-3 and e3 > 1000 * e2
assert np.float32(0.7) + np.float32(1e-8) == np.float32(0.7)

# %% [markdown]
# A **V**. On the right the formula is wrong, by $h$ or $h^2$. On the left the two
# values agree in nearly all their digits, and their difference is made of rounding: an
# error of $\epsilon/h$, $\epsilon \approx 10^{-16}$. The best $h$ is where they meet:
# at $\sqrt\epsilon \approx 10^{-8}$ forward, $\sqrt[3]\epsilon \approx 10^{-5}$
# central.
#
# In float32 the best that can be had is thousands of times worse, and at $h = 10^{-8}$
# the nudge is lost altogether: $x + h = x$. So: **float64, central, $h$ about $10^{-5}$
# or $10^{-6}$**. That is what `gradcheck` does.
#
# ## 3. How close is close enough?
#
# The difference must be compared with something. Below is a gradient that forgets its
# 2, for a loss that happens to be small: a mean over a million pixels.
#
# **Predict.** Is $|a - n| < 10^{-4}$ content with it? What is the *relative* error,
# $|a - n| / \max(|a|, |n|)$?

# %%
x = rng.uniform(1, 2, size=8)
numeric = [central(lambda t, v=v: np.sum((x + t * v) ** 2) / 1e6, 0, 1e-5)
           for v in np.eye(8)]  # fmt: skip
wrong = x / 1e6  # should be 2 x / 10⁶
absolute = abs(wrong - numeric).max()
relative = (abs(wrong - numeric) / np.maximum(abs(wrong), np.abs(numeric))).max()
print(f"absolute {absolute:.0e}, relative {relative:.2f}")

assert absolute < 1e-4 and abs(relative - 0.5) < 1e-3

# %% [markdown]
# As a rule of thumb for float64 and smooth functions, a relative error of
#
# | | says |
# |---|---|
# | $10^{-7}$ or less | right |
# | $10^{-4}$ | right only if there are kinks, or float32, or a deep network |
# | $10^{-2}$ or more | wrong |
#
# Most mistakes leave no doubt: a forgotten 2 gives 0.5, a wrong sign 2. In between is a
# normalization that uses another $\varepsilon$ in its backward pass, or a value rounded
# to float32: because of these, tolerances should be tight.
#
# ## 4. Can a check be blind?
#
# A check needs one number $L$, and the outputs are many. So take $L = \sum_k u_k\,y_k$.
# The easy choice is $u_k = 1$, the sum of all outputs. Here is a softmax whose gradient
# is three times too large.
#
# **Predict.** What is the sum of the outputs of a softmax? And what are the right and
# the wrong gradient of this sum?


# %%
@op
def triple_softmax(x):
    y = np.exp(x - x.max(axis=1, keepdims=True))
    y = y / y.sum(axis=1, keepdims=True)
    return y, (lambda g: 3 * y * (g - (g * y).sum(axis=1, keepdims=True)),)


scores = rng.normal(size=(2, 5))
x = md.Tensor(scores, requires_grad=True)
(blind,) = md.grad(triple_softmax(x).sum(), x)
report = gradcheck(triple_softmax, [scores], raise_exception=False)
print(f"with ones: {abs(blind).max():.0e}; with random u: error {report.error:.2f}")
assert abs(blind).max() < 1e-12 and report.error > 1e-3

# %% [markdown]
# The sum is always 1, so its gradient is 0, and three times 0 is 0. The check saw
# nothing because there was nothing to see. With **random** $u$ such luck has
# probability zero. (The same holds for layer norm and batch norm, before $\gamma$ and
# $\beta$: their sums are always 0.)
#
# ## 5. What if there is a corner nearby?
#
# A ReLU at $x = 0.3\,h$: the nudge to the left steps over the corner.
#
# **Predict.** The gradient says 1. What does the central difference say?

# %%
offset = np.linspace(-2, 2, 401)  # where x is, in units of h
h = 1e-6
seen = central(lambda x: np.maximum(x, 0), offset * h, h)
fig, ax = plt.subplots(figsize=(6, 2.6))
ax.plot(offset, offset > 0, label="gradient of ReLU")
ax.plot(offset, seen, "--", label="central difference")
ax.set(xlabel="x / h", ylabel="slope", title="A corner, as a difference sees it")
ax.legend()

assert np.allclose(seen[abs(offset - 0.3) < 1e-9], 0.65)
assert np.allclose(seen, np.clip((offset + 1) / 2, 0, 1))

# %% [markdown]
# 0.65. Neither is at fault. One unit that close to its corner is rare, but a network
# has many: if a million pre-activations are $N(0, 1)$, how many lie within $h$ of 0?
# About $10^6 \cdot 2h \cdot 0.4$.
#
# **Predict.** How many for $h = 10^{-3}$, and how many for $h = 10^{-6}$? And what does
# `gradcheck` say to a ReLU *at* 0?

# %%
z = rng.normal(size=1_000_000)
near = {h: int(np.sum(abs(z) < h)) for h in (1e-3, 1e-6)}
report = gradcheck(F.relu, [np.array([1.0, -2.0, 0.0])], mode="full",
                   raise_exception=False)  # fmt: skip
print(report.kinks[0])

assert 650 < near[1e-3] < 950 and near[1e-6] < 8
assert report.kinks[0].verdict == "kink"

# %% [markdown]
# About 800, and about one. So near corners small steps are better, and `gradcheck`
# tries steps of several sizes before it complains; a slope that stays different on both
# sides it calls by its name. Better still: check at points away from corners.
#
# ## 6. Must every element be nudged?
#
# $W$ $(64, 50)$ has 3200 elements: 6400 evaluations. Or one random direction $v$, and
# the slope along it against $\langle \nabla L, v\rangle$: two.
#
# **Predict.** Now let one row of 64 be wrong, by a factor of 2. In how many of 50
# trials is it seen along *one* direction?


# %%
@op
def one_row_wrong(x, w):
    def dw(g):
        right = x.T @ g
        right[5] *= 2
        return right

    return x @ w, (lambda g: g @ w.T, dw)


# %%
x, w = rng.normal(size=(30, 64)), rng.normal(size=(64, 50))
rows = []
for i in range(50):
    report = gradcheck(one_row_wrong, [x, w], rng=i, raise_exception=False)
    rows += [found.at[0] for found in report.wrong]
print(f"seen in {len(rows)} of 50 trials, always in row {set(rows)}")

assert rows == 50 * [5]

# %% [markdown]
# Always. The wrong part is about an eighth of the gradient's length ($1/\sqrt{64}$),
# and a random direction is never exactly at a right angle to it. *Where* it is costs a
# little more: `gradcheck` halves the input again and again, and keeps the half that is
# further off, until a single element is left.
#
# ## 7. What do typical mistakes look like?
#
# A bank of wrong backward passes, of $xw$, $xw + b$, $\tanh x$ and $x^3$. Each has a
# symptom, and `explain` knows them.
#
# **Predict.** What is wrong with each of these six? Which of them would NumPy have
# noticed?

# %%
bank = {
    "a": lambda x, b: (x + b, (lambda g: g, lambda g: g)),
    "b": lambda x, w: (x @ w, (lambda g: g @ w.T, lambda g: g.T @ x)),
    "c": lambda x, w: (x @ w, (lambda g: g @ w.T, lambda g: x.T @ g / len(x))),
    "d": lambda x, w: (x @ w, (lambda g: g @ w.T, lambda g: -x.T @ g)),
    "e": lambda x: (np.tanh(x), (lambda g: g * (1 - x * x),)),
    "f": lambda x: (x * x * x, (lambda g: 3 * x * g,)),
}
x, w, b = rng.normal(size=(6, 4)), rng.normal(size=(4, 4)), rng.normal(size=4)
given = {"a": [x, b], "b": [x, w], "c": [x, w], "d": [x, w], "e": [x], "f": [x]}
# %%
said = {}
for name, body in bank.items():
    (said[name],) = explain(op(body), given[name]).sentences
    print(f"{name}) {said[name].partition(': ')[2]}\n")

symptoms = [".sum(axis=0) is missing", "transpose", "6 times too small", "wrong sign",
            "the input in the place of the output", "lacks a factor"]  # fmt: skip
assert all(s in m for s, m in zip(symptoms, said.values(), strict=True))

# %% [markdown]
# Only (a) has another shape, and even that NumPy would broadcast. (b) has the right
# shape because the layer is square: so **check with sizes that all differ**. And (c) is
# right for a batch of one.
#
# ## 8. Would the network not have told us?
#
# Digits, two hidden layers, Momentum. Four backward passes: the right one; a ReLU that
# forgets its mask (the gradient passes through units that are off); a layer that sends
# back $g B$ with a random matrix $B$ in the place of $W^\top$; and a wrong sign.
#
# **Predict.** Which of them reach 85 % on the test set?


# %%
@op
def maskless_relu(x):
    return np.maximum(x, 0), (lambda g: g,)


@op
def random_back(x, w, b):
    return x @ w, (lambda g: g @ b, lambda g: x.T @ g, None)


@op
def turned_back(x, w):
    return x @ w, (lambda g: -g @ w.T, lambda g: x.T @ g)


# %%
digits = md.data.load_digits()
scale = md.data.standardize(digits.train.x.reshape(-1, 64))
images = scale(digits.train.x.reshape(-1, 64))
test = scale(digits.test.x.reshape(-1, 64))
shapes = (64, 50), (50, 50), (50, 10)
other = [nn.init.kaiming_normal(s, rng=rng).T for s in shapes]
passes = {
    "right": (F.relu, lambda h, w, i: h @ w),
    "no mask": (maskless_relu, lambda h, w, i: h @ w),
    "random B": (F.relu, lambda h, w, i: random_back(h, w, other[i])),
    "wrong sign": (F.relu, lambda h, w, i: turned_back(h, w)),
}


# %%
def through(x, ws, relu, times):
    for i, w in enumerate(ws):
        x = times(relu(x) if i else x, w, i)
    return x


def judge(scores):
    return md.train.accuracy(scores.data, digits.test.y)


# %%
def train(*way, steps=240):
    draw, losses = np.random.default_rng(SEED), []
    ws = [md.Tensor(nn.init.kaiming_normal(s, rng=draw), True) for s in shapes]
    optimizer = optim.Momentum(ws, lr=0.02)
    for rows in draw.integers(0, len(images), (steps, 50)):
        scores = through(md.Tensor(images[rows]), ws, *way)
        loss = F.cross_entropy(scores, digits.train.y[rows])
        losses.append(loss.item())
        if not losses[-1] < 100:
            return losses, 0.1  # lost
        optimizer.zero_grad(), loss.backward(), optimizer.step()
    return losses, judge(through(md.Tensor(test), ws, *way))


# %%
fig, ax = plt.subplots(figsize=(6.5, 3))
reached = {}
for i, (name, way) in enumerate(passes.items()):
    losses, reached[name] = train(*way)
    smooth = np.convolve(losses, np.ones(15) / 15, "valid")
    ax.plot(smooth, show.style.dash(i), label=f"{name}: {reached[name]:.0%}")
ax.set(xlabel="step", ylabel="training loss, smoothed", yscale="log")
ax.legend(title="test accuracy", loc="upper left", bbox_to_anchor=(1, 1))

assert min(reached[name] for name in ("right", "no mask", "random B")) > 0.9
assert reached["wrong sign"] < 0.5

# %% [markdown]
# All but the wrong sign pass 90 %. *That a network learns proves nothing about its
# gradient*: a small step in any direction that is less than a right angle away from the
# right one goes downhill. (Random
# $B$ is known as feedback alignment: Lillicrap et al. 2016 found that the weights turn
# towards $B$.)
#
# ## 9. And if the function is not the same twice?
#
# A dropout layer draws another mask at each call. The difference of two calls divided
# by $h$ is then a difference of masks, divided by $10^{-6}$.
#
# **Predict.** What does `gradcheck` say to dropout as a *function*, and to the *layer*,
# whose random state it can keep the same?

# %%
layer, x = nn.Dropout(0.5), rng.normal(size=(6, 5))
try:
    gradcheck(lambda x: layer(x), [x])
    raise RuntimeError("random numbers were compared")
except GraphError as error:
    print(error)
report = gradcheck(layer, [x])
print(report)
assert report and report.error < 1e-6

# %% [markdown]
# So freeze masks, running means, shuffling. And check **a few steps into training**
# too, for at the start many things are small or symmetric; and *without* weight decay
# first: its gradient is right, and can be so large that a wrong one is not seen.
#
# ## Exercise: your own check
#
# Write `answer(f, x)`: the gradient of a function `f` of a float64 array, which returns
# a number, by central differences, element by element, as an array like `x`. Leave `x`
# as it was.

# %%
answer = None  # a function (f, x) -> gradient, in place of None


def check(answer):
    a, x = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    before = x.copy()
    numeric = answer(lambda x: float(np.sum(a * np.sin(x))), x)
    assert numeric.shape == x.shape and (x == before).all()
    assert np.allclose(numeric, a * np.cos(x), rtol=1e-7, atol=1e-8)
    return "right"


print(check(answer) if answer else "Your turn.")

# %% [markdown]
# <details><summary>A solution</summary>
#
# ```python
# def answer(f, x, h=1e-5):
#     gradient = np.zeros_like(x)
#     for at in np.ndindex(x.shape):
#         nudge = np.zeros_like(x)
#         nudge[at] = h
#         gradient[at] = (f(x + nudge) - f(x - nudge)) / (2 * h)
#     return gradient
# ```
# </details>
#
# **And without a check:** add the *complex step*, $\mathrm{Im} f(x + ih)/h$, to the
# picture of section 2. Why has it no left side of the V?
#
# ## References
#
# - C. Bishop, *Pattern recognition and machine learning*, Springer 2006, section 5.3.3:
#   numerical differentiation as a check of backpropagation.
# - W. Squire, G. Trapp, *Using complex variables to estimate derivatives of real
#   functions*, SIAM Review 40 (1998).
# - T. Lillicrap et al., *Random synaptic feedback weights support error backpropagation
#   for deep learning*, Nature Communications 7 (2016): the random $B$ of section 8.
# - Lectures: CS231n, *Training neural networks*, notes on gradient checks (thresholds,
#   kinks, regularization); EECS 498, *Optimization*.
# - In the source: `minidl/check/`, above all `slopes.py`.
