# %% [markdown]
# # 07 · Optimizers: the same gradients, and other ways down
#
# Backpropagation says which way is down, here. It does not say how far to go, nor what
# to do where one direction is steep and another nearly flat. The answers fit in one or
# two lines each: remember a velocity, divide by the usual size of a gradient, do both.
# We measure what each line does, in places where one can see it, and then on a network.
#
# Predict first, then run. Each claim with a number ends in an `assert`.

# %%
import os
from functools import partial

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
# ## 1. How fast may one go in a ravine?
#
# $L = \tfrac12 (0.1\,a^2 + 2\,b^2)$: twenty times as steep across ($b$) as along ($a$).
# Gradient descent multiplies $a$ by $1 - 0.1\,\eta$ and $b$ by $1 - 2\,\eta$ at each
# step.
#
# **Predict.** At $\eta = 0.9$: what happens to $b$, and how many steps does $a$ need to
# lose 90 %? At $\eta = 1.05$?


# %%
def descend(rule, steps, curvature=(0.1, 2), start=(-8, 2), turn=None, until=0):
    turn, h = np.eye(len(start)) if turn is None else turn, np.array(curvature)
    p = md.Tensor(turn @ np.array(start, dtype=float), requires_grad=True)
    optimizer, path = rule([p]), [p.data.copy()]
    goal = until * np.square(start) @ h  # a share of the first height
    while len(path) <= steps and (turn.T @ p.data) ** 2 @ h >= goal:
        p.grad = turn @ (h * (turn.T @ p.data))
        optimizer.step()
        path.append(p.data.copy())
    return np.array(path) @ turn


# %%
slow, wild = (descend(lambda p, r=r: optim.SGD(p, lr=r), 60) for r in (0.9, 1.05))
steps = int(np.argmax(abs(slow[:, 0]) < 0.8))
print(f"η = 0.9: b = {slow[:5, 1].round(2)}, and a needs {steps} steps")
print(f"η = 1.05: after 60 steps b = {wild[-1, 1]:.0f}")

assert np.allclose(slow[1:, 1] / slow[:-1, 1], -0.8) and steps == 25
assert abs(wild[-1, 1]) > 500

# %% [markdown]
# Zig-zag across, small steps along. The limit is $\eta < 2/\lambda_{max} = 1$, set by
# the steepest direction, and the flattest then needs about as many steps as the
# **condition number** $\kappa = \lambda_{max}/\lambda_{min}$ says. Here it is 20; for
# the raw wines of notebook 03 it was above $10^8$.
#
# ## 2. What does a velocity change?
#
# **Momentum**: $v \leftarrow \mu v + g$, $\theta \leftarrow \theta - \eta v$.
#
# **Predict.** If the gradient is always 1, what does $v$ become for $\mu = 0.9$? And if
# it is $+1, -1, +1, \dots$, as across a ravine?

# %%
speeds, t = {}, np.arange(100)
for name, gradients in [("always 1", 1.0 + 0 * t), ("+1, −1", (-1.0) ** t)]:
    p = md.Tensor(np.zeros(1), requires_grad=True)
    ball = optim.Momentum([p], lr=1.0, momentum=0.9)
    for g in gradients:
        before, p.grad = p.data.copy(), np.array([g])
        ball.step()
    speeds[name] = abs(float(p.data[0] - before[0]))
print({name: round(speed, 2) for name, speed in speeds.items()})

assert abs(speeds["always 1"] - 10) < 0.01 and abs(speeds["+1, −1"] - 1 / 1.9) < 0.01

# %% [markdown]
# Ten times as fast where gradients agree, half as fast where they disagree:
# $1/(1 - \mu)$ and $1/(1 + \mu)$. That is what a ravine asks for.
#
# **Predict.** With the best rate (and the best $\mu$) for each $\kappa$, how do the
# steps to a millionth of the starting height grow when $\kappa$ grows a hundredfold?


# %%
def steps_needed(rule, curvature):
    return len(descend(rule, 8000, curvature, start=(1, 1), until=1e-6)) - 1


# %%
needed = {"SGD": [], "Momentum": []}
kappas = np.array([10, 30, 100, 300, 1000])
for k in kappas:
    mu = ((k**0.5 - 1) / (k**0.5 + 1)) ** 2
    sgd = partial(optim.SGD, lr=2 / (1 + k))
    ball = partial(optim.Momentum, lr=4 / (1 + k**0.5) ** 2, momentum=mu)  # Polyak
    needed["SGD"].append(steps_needed(sgd, (1, k)))
    needed["Momentum"].append(steps_needed(ball, (1, k)))

# %%
fig, ax = plt.subplots(figsize=(6, 2.8))
power = {}
for (name, counts), mark in zip(needed.items(), ("o-", "s--"), strict=True):
    power[name] = np.polyfit(np.log(kappas), np.log(counts), 1)[0]
    ax.loglog(kappas, counts, mark, label=f"{name}: κ^{power[name]:.2f}")
ax.set(xlabel="condition number κ", ylabel="steps")
ax.legend()

assert 0.9 < power["SGD"] < 1.1 and 0.4 < power["Momentum"] < 0.65

# %% [markdown]
# A hundred times as many, and somewhat more than ten times: about $\kappa$ against
# $\sqrt\kappa$. That is the best for two fixed numbers $\eta$ and $\mu$. *Conjugate
# gradients* choose both anew in each step, so that each direction is orthogonal to the
# ones before in the metric of the curvature.
#
# **Predict.** How many steps do they need in two dimensions?

# %%
for k in kappas:
    x, h = np.array([1.0, 1.0]), np.array([1.0, k])
    r = d = -h * x  # minus the gradient, and the first direction
    for _ in range(2):
        a = (r @ r) / (d @ (h * d))
        x, new = x + a * d, r - a * h * d
        d, r = new + (new @ new) / (r @ r) * d, new
    assert abs(x).max() < 1e-12

# %% [markdown]
# Two, whatever $\kappa$ is. But they need the exact gradient and a loss that is a
# quadratic function; with the noise of batches they lose that property.
#
# ## 3. What does a velocity cost?
#
# With a velocity the point does not stop at the minimum. **Nesterov's** momentum takes
# the gradient where the velocity is about to carry the point, so that it slows down
# earlier.
#
# **Predict.** One dimension, $L = \tfrac12 x^2$, from $x = 1$, $\eta = 0.1$,
# $\mu = 0.9$. How far to the other side does each go?

# %%
rules = {"Momentum": optim.Momentum, "Nesterov": optim.Nesterov}
fig, ax = plt.subplots(figsize=(6, 2.6))
lowest = {}
for (name, rule), dash in zip(rules.items(), ("-", "--"), strict=True):
    x = descend(lambda p, rule=rule: rule(p, lr=0.1, momentum=0.9), 60, (1,), (1,))
    lowest[name] = float(x.min())
    ax.plot(x, dash, label=f"{name}: down to {lowest[name]:.2f}")
ax.set(xlabel="step", ylabel="x")
ax.legend()

assert lowest["Momentum"] < -0.5 and lowest["Momentum"] < lowest["Nesterov"] - 0.15

# %% [markdown]
# Beyond $-0.5$, half of the first distance; Nesterov's less by 0.15 or more, with as
# many gradients.
#
# ## 4. What if every weight had a rate of its own?
#
# **Adagrad** divides by what it has seen: $s \leftarrow s + g^2$,
# $\theta \leftarrow \theta - \eta\,g/\sqrt s$. **RMSProp** forgets:
# $s \leftarrow 0.99\,s + 0.01\,g^2$.
#
# **Predict.** A gradient that is always 1, $\eta = 1$. How long are the first and the
# hundredth step of each? (Careful with RMSProp: $s$ begins at 0.)


# %%
def step_lengths(rule, gradients):
    p = md.Tensor(np.zeros(1), requires_grad=True)
    optimizer, path = rule([p]), [0.0]
    for g in gradients:
        p.grad = np.array([g])
        optimizer.step()
        path.append(float(p.data[0]))
    return abs(np.diff(path))


adagrad = step_lengths(lambda p: optim.Adagrad(p, lr=1.0), np.ones(1000))
rmsprop = step_lengths(lambda p: optim.RMSProp(p, lr=1.0), np.ones(1000))
# %%
for name, d in [("Adagrad", adagrad), ("RMSProp", rmsprop)]:
    print(f"{name}: steps 1, 100, 1000 are {d[0]:.3f}, {d[99]:.3f}, {d[999]:.3f}")

assert np.allclose(adagrad, 1 / np.sqrt(np.arange(1, 1001)))
assert abs(rmsprop[0] - 10) < 0.01 and abs(rmsprop[999] - 1) < 0.01

# %% [markdown]
# Adagrad slows down as $1/\sqrt t$, without end; a weight whose gradient is rarely
# other than 0 keeps large steps. RMSProp settles at $\eta$, whatever the size of the
# gradient. But its first step is **ten times** as long: $1/\sqrt{1 - 0.99}$, since $s$
# knows only a hundredth of $g^2$.
#
# ## 5. What does Adam's correction correct?
#
# **Adam** keeps a running mean $m$ of $g$ ($\beta_1 = 0.9$) and $v$ of $g^2$
# ($\beta_2 = 0.999$), both from 0, and divides by $1 - \beta^t$ to make up for the
# start: $\hat m/\sqrt{\hat v}$.
#
# **Predict.** Without the correction, $m/\sqrt v$: how long is the first step, in units
# of $\eta$? Does it get better or worse at the second?

# %%
t = np.arange(1, 3001)
plain = (1 - 0.9**t) / np.sqrt(1 - 0.999**t)  # for a gradient that is always 1
adam = step_lengths(lambda p: optim.Adam(p, lr=1.0), np.ones(3000))
fig, ax = plt.subplots(figsize=(6, 2.6))
ax.semilogx(t, plain, label="without correction")
ax.semilogx(t, adam, "--", label="Adam")
ax.set(xlabel="step", ylabel="length of step / η", ylim=(0, None))
ax.legend()
print(f"step 1: {plain[0]:.2f}, longest {plain.max():.2f} at step {plain.argmax() + 1}")
assert abs(plain[0] - 10**0.5) < 0.01 and plain.max() > 6 and np.allclose(adam, 1)

# %% [markdown]
# $0.1/\sqrt{0.001} \approx 3.16$, and it gets *worse*: more than six, since $m$ is near
# its final value after some ten steps and $v$ only after some thousand. With the
# correction every step is $\eta$.
#
# **Predict.** Adam's very first step, for gradients of $10^{-6}$, 1 and $-1000$?

# %%
first = []
for g in (1e-6, 1.0, -1000.0):
    p = md.Tensor(np.zeros(1), requires_grad=True)
    p.grad = np.array([g])
    optim.Adam([p], lr=0.1).step()
    first.append(float(p.data[0]))
print([round(step, 4) for step in first])

assert np.allclose(first, [-0.1, -0.1, 0.1], rtol=0.02)

# %% [markdown]
# Only the sign counts. So Adam's $\eta$ is a *length*, while SGD's is a factor.
#
# ## 6. Who minds the units?
#
# Say the loss is measured in cents, not in euros: 100 times as large.
#
# **Predict.** Whose path through a ravine stays the same?

# %%
makers = {
    "SGD": partial(optim.SGD, lr=0.005), "Momentum": partial(optim.Momentum, lr=0.005),
    "Adagrad": partial(optim.Adagrad, lr=1.0), "Adam": partial(optim.Adam, lr=0.3),
    "RMSProp": partial(optim.RMSProp, lr=0.1),
}  # fmt: skip
moved = {}
for name, rule in makers.items():
    euros, cents = (descend(rule, 5, np.multiply(c, (0.1, 2.0))) for c in (1, 100))
    moved[name] = float(abs(euros - cents).max())
print({name: f"{difference:.0e}" for name, difference in moved.items()})

assert max(moved[k] for k in ("Adagrad", "RMSProp", "Adam")) < 1e-4
assert min(moved["SGD"], moved["Momentum"]) > 0.1

# %% [markdown]
# Those that divide: the unit of the *loss* cancels in $g/\sqrt v$. And the unit of the
# weights? Let both be measured in millimeters instead of meters: the numbers are 1000
# times as large, the same point and the same loss.
#
# **Predict.** Does Adam take the same path?

# %%
changed = {}
for name, rule in makers.items():
    meters = descend(rule, 200, (0.1, 2.0), (-8.0, 0.5))
    millis = descend(rule, 200, (1e-7, 2e-6), (-8000.0, 500.0)) / 1000
    changed[name] = float(abs(meters - millis).max())
print({name: f"{difference:.1f}" for name, difference in changed.items()})

assert min(changed.values()) > 0.5

# %% [markdown]
# No rule does. A step of Adam is about $\eta$ long *in the unit of the weight*: 0.3
# meters, or 0.3 millimeters. Dividing by $\sqrt v$ makes a method blind to the scale of
# the gradient, not of the weight.
#
# It also gives every weight a rate of its own, so that a ravine along the axes is less
# of a ravine. But axes are a matter of how we look.
#
# **Predict.** A ravine with $\kappa = 200$, along the axes, and turned by 45°. Steps to
# a ten-thousandth of the height, for Momentum and for Adam: who notices the turn?

# %%
c, s = np.cos(np.pi / 4), np.sin(np.pi / 4)
long, turned = (0.01, 2.0), {}
for name, rule in [("Momentum", lambda p: optim.Momentum(p, lr=0.1)),
                   ("Adam", lambda p: optim.Adam(p, lr=0.3))]:  # fmt: skip
    for how, turn in [("straight", None), ("turned", np.array([[c, -s], [s, c]]))]:
        path = descend(rule, 4000, long, (-8, 0.5), turn, until=1e-4)
        turned[name, how] = len(path) - 1
print(turned)
assert turned["Momentum", "straight"] == turned["Momentum", "turned"]
assert 2 * turned["Adam", "straight"] < turned["Adam", "turned"]
assert turned["Adam", "turned"] < turned["Momentum", "turned"]

# %% [markdown]
# Momentum does not notice, Adam needs more than twice as many steps: it has one number
# for each weight, and a turned ravine would need one for each *pair*. (Here it is still
# ahead. On a network nobody knows where the ravines point.)
#
# ## 7. And all of them, side by side?
#
# **Predict.** A saddle, flat at its middle, is met almost exactly from its ridge. Who
# gets away first: those whose step is as long as the gradient, or those that divide?
# And who is lowest after 600 steps in the bent valley?

# %%
from minidl.show.racing import racers
from minidl.show.surfaces import SURFACES
from minidl.show.surfaces import descend as race

saddle, away = SURFACES["saddle"], {}
for name, rule in racers(saddle.rates).items():
    path, _ = race(saddle, rule, 150)
    away[name] = int(np.argmax(abs(path[:, 1]) > 1)) or None
print(away)

assert max(away[k] for k in ("Adagrad", "RMSProp", "Adam")) < away["Momentum"]
assert away["Momentum"] < (away["SGD"] or 151)

# %%
bent = SURFACES["rosenbrock"]
low = {name: race(bent, rule, 600)[1][-1] for name, rule in racers(bent.rates).items()}
print({name: f"{height:.2g}" for name, height in low.items()})
assert min(low, key=low.get) == "Adam" and max(low, key=low.get) == "SGD"
show.optimizer_race(surfaces=["saddle", "rosenbrock"], net_steps=0)

# %% [markdown]
# Those that divide: near the saddle the gradient is tiny, and divided by its usual size
# it is 1. SGD is the last on both surfaces, and Adam the lowest in the valley. (Each
# surface has two rates, one for those whose step is as long as the gradient and one for
# those that divide. Other rates give another order.)
#
# ## 8. And on a network, over all rates?
#
# 64-32-10 on digits, three epochs, eleven rates from $10^{-4}$ to 10, six optimizers.
# We compare the *training* loss, for that is what an optimizer is asked to make small.
# (All is float64 here: fast kernels for float32 take longer to compile than this.)
#
# **Predict.** Which reaches the smallest loss at its best rate? How far apart are the
# best rates of SGD and of Adam? And whose window of good rates is widest?

# %%
digits = md.data.load_digits()
scale = md.data.standardize(digits.train.x.reshape(-1, 64))
images = scale(digits.train.x.reshape(-1, 64)).astype("float64")
labels = digits.train.y
how = {"shuffle": True, "seed": SEED, "dtype": None}
loader = md.data.DataLoader((images, labels), 50, **how)
batches = [batch for _ in range(3) for batch in loader]


# %%
def final_loss(rule, lr):
    md.seed(SEED)
    net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = rule(net.astype("float64").parameters(), lr=float(lr))
    for x, y in batches:
        loss = F.cross_entropy(net(x), y)
        if not loss.item() < 30:  # lost
            return 30.0
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return F.cross_entropy(net(md.Tensor(images)), labels).item()


# %%
rates = 10 ** np.arange(-4, 1.1, 0.5)
six = [optim.SGD, optim.Momentum, optim.Nesterov]
six += [optim.Adagrad, optim.RMSProp, optim.Adam]
fig, ax = plt.subplots(figsize=(7, 3.2))
results = {}
for i, rule in enumerate(six):
    results[rule.__name__] = losses = [final_loss(rule, lr) for lr in rates]
    line = show.style.dash(i) + "osD^vP"[i]
    ax.loglog(rates, losses, line, label=rule.__name__, markersize=4)
ax.set(xlabel="learning rate", ylabel="training loss after 3 epochs")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
assert max(min(losses) for losses in results.values()) < 0.1

# %%
best = {name: rates[np.argmin(losses)] for name, losses in results.items()}
for name, losses in results.items():
    window = np.sum(np.array(losses) < 0.2)
    print(f"{name:<9} loss {min(losses):.3f} at {best[name]:.2g}; {window} good rates")
    assert 2 <= window <= 4

assert best["SGD"] > 20 * best["Adam"]

# %% [markdown]
# At its own best rate each of the six gets below 0.1. But the best rates of SGD and
# Adam lie apart by a factor of more than 20: **a comparison at one common rate says
# nothing**. And all windows are about equally wide, two to four rates of eleven: Adam's
# is no wider here. The next notebook lets the rate change during training.
#
# ## 9. No rate at all?
#
# **Adadelta** divides by the size of the gradients and multiplies by the size of its
# own last updates. So its unit is right (section 6), and its paper promises that no
# rate has to be chosen: it is 1.
#
# **Predict.** With the loss as in section 8: is 1 the best of 0.1, 1 and 10?

# %%
adadelta = {lr: final_loss(optim.Adadelta, lr) for lr in (0.1, 1, 10)}
print({lr: round(float(loss), 3) for lr, loss in adadelta.items()})

assert adadelta[10] < adadelta[1] / 1.5 and adadelta[1] < adadelta[0.1]

# %% [markdown]
# Not here: 10 is better than 1, and 1 than 0.1. It begins with updates near
# $\sqrt\varepsilon$ and needs many steps until they have grown; three epochs are few.
#
# ## Exercise: where Adam climbs
#
# Reddi et al. (2018) found gradients that lead Adam uphill, with $\beta_1 = 0$. The
# gradient repeats in a cycle of three numbers whose sum is positive, so that on average
# the weight should go down. Write `answer()`: three such numbers, with which Adam with
# `betas=(0, 0.1)` goes up. (A rare large gradient is divided by a large root.)

# %%
answer = None  # a function () -> three numbers, in place of None


def check(answer):
    cycle = [float(g) for g in answer()]
    p = md.Tensor(np.zeros(1), requires_grad=True)
    adam = optim.Adam([p], lr=0.01, betas=(0.0, 0.1))
    for t in range(900):
        p.grad = np.array([cycle[t % 3]])
        adam.step()
    assert len(cycle) == 3 and sum(cycle) > 0 and float(p.data[0]) > 1
    return "right"


print(check(answer) if answer else "Your turn.")

# %% [markdown]
# <details><summary>A solution</summary>
#
# ```python
# def answer():
#     return [3, -1, -1]
# ```
# </details>
#
# **And without a check:** `python -m minidl.show.race` draws all surfaces. Which one
# punishes momentum?
#
# ## References
#
# - B. Polyak, *Some methods of speeding up the convergence of iteration methods*, USSR
#   Computational Mathematics and Mathematical Physics 4 (1964): momentum,
#   $\sqrt\kappa$.
# - I. Sutskever, J. Martens, G. Dahl, G. Hinton, *On the importance of initialization
#   and momentum in deep learning*, ICML 2013: Nesterov's, for networks.
# - J. Duchi, E. Hazan, Y. Singer, *Adaptive subgradient methods*, JMLR 12 (2011).
# - T. Tieleman, G. Hinton, *Lecture 6.5: RMSProp*, Coursera (2012).
# - D. Kingma, J. Ba, *Adam: a method for stochastic optimization*, ICLR 2015.
# - M. Zeiler, *ADADELTA: an adaptive learning rate method*, 2012.
# - S. Reddi, S. Kale, S. Kumar, *On the convergence of Adam and beyond*, ICLR 2018.
# - Lectures: CS231n, *Training neural networks II*; EECS 498, *Optimization*.
# - In the source: `minidl/optim/sgd.py`, `adaptive.py`, `adam.py`.
