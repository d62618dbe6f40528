# %% [markdown]
# # 08 · Learning-rate schedules: fast at first, and then quiet
#
# Notebook 07 looked for *the* learning rate. But a large one is right in the beginning,
# far from a minimum, and a small one at the end, when what is left to gain is smaller
# than the noise of a batch. A schedule is a function from the step to the rate. We
# measure why one is needed at all, draw the usual ones, and let them compete for the
# same number of steps.
#
# Predict first, then run. Each claim with a number ends in an `assert`.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import minidl as md
import minidl.ops as F
from minidl import nn, optim, show
from minidl.optim import schedules

SEED = int(os.environ.get("SEED", "0"))
QUICK = os.environ.get("QUICK") == "1"
rng = np.random.default_rng(SEED)
md.seed(SEED)
colors = {"axes.prop_cycle": plt.cycler(color=show.style.PALETTE)}
plt.style.use([show.style.SETTINGS, colors, {"figure.dpi": 150}])

# %% [markdown]
# ## 1. What can a constant rate not do?
#
# $L = \tfrac12 x^2$, from $x = 10$; but every gradient is measured with an error,
# $g = x + \xi$ with $\xi \sim N(0, 1)$, as a batch measures the gradient of all data.
# So $x \leftarrow (1 - \eta)\,x - \eta\,\xi$. When $x$ has settled, its variance does
# not change any more: $V = (1 - \eta)^2 V + \eta^2$.
#
# **Predict.** Solve for $V$. With $\eta$ ten times as small, how much lower is the
# floor, and how much later is it reached?


# %%
def walk(f, steps=1000, runs=500):
    x, heights = np.full(runs, 10.0), []  # many runs, for a mean
    for t in range(steps):
        heights.append(np.mean(x**2) / 2)
        x = x - f(t) * (x + rng.normal(size=runs))
    return np.array(heights)


rates = {"η = 0.3": 0.3, "η = 0.03": 0.03}
height = {name: walk(schedules.constant(eta)) for name, eta in rates.items()}
# %%
fig, ax = plt.subplots(figsize=(6, 2.8))
for (name, eta), dash in zip(rates.items(), ("-", "--"), strict=True):
    ax.loglog(np.arange(1, 1001), height[name], dash, label=name)
    floor, said = height[name][-300:].mean(), eta / (2 - eta) / 2
    first = int(np.argmax(height[name] < 1.5 * said))
    print(f"{name}: floor {floor:.4f}, expected {said:.4f}, reached at step {first}")
    assert abs(floor / said - 1) < 0.1
ax.set(xlabel="step", ylabel="mean height")
ax.legend()
assert np.argmax(height["η = 0.03"] < 1) > 5 * np.argmax(height["η = 0.3"] < 1)

# %% [markdown]
# $V = \eta/(2 - \eta)$: about ten times as low, and about ten times as late. **A
# constant rate must choose** between arriving soon and arriving well. A function need
# not.
#
# ## 2. Which function is the best one here?
#
# **Predict.** $\eta_t = 1/(t + 1)$: what is $x$ after $n$ steps? (Work out the first
# two. The beginning, $x = 10$, is gone after one step.)

# %%
harmonic = walk(lambda t: 1 / (t + 1))
x, noise = 10.0, rng.normal(size=1000)
for t, xi in enumerate(noise):
    x -= (x + xi) / (t + 1)
print(f"x = {x:.6f}, mean of the noise {noise.mean():.6f}")
print(f"mean height after 100 steps {harmonic[100]:.5f}, after 999 {harmonic[999]:.6f}")

assert np.isclose(x, -noise.mean()) and abs(harmonic[100] * 200 - 1) < 0.3
assert harmonic[999] < height["η = 0.03"][-1] / 5

# %% [markdown]
# Exactly minus the mean of all errors, and no unbiased estimate can do better: the
# height falls like $1/2n$, with no floor. Robbins and Monro gave the rule in 1951:
# $\sum \eta_t = \infty$, so that one can get anywhere, and $\sum \eta_t^2 < \infty$, so
# that the noise dies out. But $1/t$ is right because the curvature is 1. If it were
# 0.01, those steps would be far too small, and networks have all curvatures at once.
#
# ## 3. What do the usual ones look like?
#
# In minidl a schedule is a plain function, made by another: `cosine(0.2, 900)(450)`. It
# holds no state: it can be drawn before it is used, and asked in any order.
#
# **Predict.** Which of these have an average of half their peak? Which do not know how
# long training will take?

# %%
T, PEAK = 900, 0.2
usual = {
    "constant": schedules.constant(PEAK),
    "step": schedules.multistep(PEAK, [T // 2, 3 * T // 4], gamma=0.2),
    "cosine": schedules.cosine(PEAK, T),
    "linear": schedules.linear(PEAK, T),
    "inverse sqrt": schedules.inverse_sqrt(PEAK, warmup=50),
    "warm-up, cosine": schedules.warmup(100, schedules.cosine(PEAK, T - 100)),
}
average = {name: np.mean([f(t) for t in range(T)]) / PEAK for name, f in usual.items()}
# %%
print({name: round(float(share), 2) for name, share in average.items()})
halves = [name for name, share in average.items() if abs(share - 0.5) < 0.01]
assert halves == ["cosine", "linear", "warm-up, cosine"]
assert usual["constant"](10**6) == PEAK

show.schedule(usual, T)

# %% [markdown]
# Cosine and linear; a warm-up changes little about it. Only the constant and the
# inverse square root need not know when training ends; all others have a **budget**.
#
# ## 4. What happens when the rate drops?
#
# A network 64-32-10 on digits; to every pixel we add noise, new at each step, so that
# it cannot learn the images by heart, and gradients stay noisy to the end. 900 steps of
# 10 images with SGD.
#
# **Predict.** "step" divides the rate by 5 at step 450, and again at 675. What does the
# loss do right after 450? Is it falling before?

# %%
digits = md.data.load_digits()
scale = md.data.standardize(digits.train.x.reshape(-1, 64))
images, labels = scale(digits.train.x.reshape(-1, 64)), digits.train.y


def network(depth):
    md.seed(SEED)
    layers = [nn.Linear(64, 32), nn.ReLU()]
    for _ in range(depth - 1):
        layers += [nn.Linear(32, 32), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(32, 10))


# %%
def noisy(n, draw, blur=1.0):
    rows = draw.integers(0, len(images), n)
    noise = draw.normal(size=(n, 64)).astype("float32")
    return md.Tensor(images[rows] + blur * noise), labels[rows]


fixed = noisy(2000, np.random.default_rng(SEED + 1000))  # the same for all


# %%
def train(rule, steps=T, batch=10, depth=1, blur=1.0, after=None):
    net, draw, losses = network(depth), np.random.default_rng(SEED), []
    optimizer = rule(net.parameters())
    for t in range(steps):
        x, y = noisy(batch, draw, blur)
        losses.append(step(optimizer, F.cross_entropy(net(x), y)))
        if after:
            after(t, losses, optimizer)
    return judge(net), np.array(losses)


# %%
def step(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def judge(net):
    with md.no_grad():
        return F.cross_entropy(net(fixed[0]), fixed[1]).item()


def sgd(f):
    return lambda parameters: optim.SGD(parameters, lr=f)


# %%
stepped = train(sgd(usual["step"]))[1]
constant = train(sgd(usual["constant"]))[1]
fig, ax = plt.subplots(figsize=(6.5, 2.8))
for losses, name, dash in [(constant, "constant", "--"), (stepped, "step", "-")]:
    smooth = np.convolve(losses, np.ones(50) / 50, "valid")
    ax.plot(np.arange(49, T), smooth, dash, label=name)
ax.set(xlabel="step", ylabel="training loss, mean of 50", ylim=(0, 2))
ax.legend()
before, after = stepped[350:450].mean(), stepped[460:560].mean()
print(f"100 steps before the drop {before:.2f}, 100 after it {after:.2f}")
assert after < 0.85 * before and constant[460:].mean() > 1.2 * stepped[460:].mean()

# %% [markdown]
# It drops with the rate, by more than 15 % from the 100 steps before to the 100 after:
# the famous staircase. The constant rate stays a fifth higher and more. This fits
# section 1: the noise of the steps kept the loss up, and with the rate it falls.
#
# ## 5. Who makes the most of 900 steps?
#
# Four constant rates against five schedules with a peak of 0.2. All meet the same
# batches; the loss is judged on 2000 noisy images that are the same for all.
#
# **Predict.** Does any constant rate beat the cosine? And the inverse square root,
# which does not know when the end comes?

# %%
result = {}
for eta in (0.02, 0.05, 0.1, 0.2):
    result[f"constant {eta}"] = train(sgd(schedules.constant(eta)))[0]
for name in list(usual)[1:]:
    result[name] = train(sgd(usual[name]))[0]
order = sorted(result, key=result.get)
fig, ax = plt.subplots(figsize=(6.5, 3))
shades = [show.style.GRAY if k[:8] == "constant" else show.style.BLUE for k in order]
ax.barh(order, [result[k] for k in order], color=shades)
ax.set(xlabel="loss after 900 steps")
best = min(loss for name, loss in result.items() if name[:8] == "constant")
assert max(result[k] for k in ("cosine", "linear", "inverse sqrt")) < best

# %% [markdown]
# No constant rate beats cosine, linear or inverse square root, though four of them were
# tried, and of the schedules one each. What the three have in common is that the rate
# falls.
#
# ## 6. What if the budget is cut?
#
# A cosine is planned for 2700 steps, and is stopped after 900.
#
# **Predict.** Is it better or worse than the cosine planned for 900? It had the
# *higher* rate all the time.

# %%
cut = train(sgd(schedules.cosine(PEAK, 3 * T)))[0]
print(f"planned for 900: {result['cosine']:.3f}; cut at 900 of 2700: {cut:.3f}")

assert cut > 1.05 * result["cosine"]

# %% [markdown]
# Worse, by more than 5 %: at 900 its rate is still three quarters of the peak. It is in
# the last part of a cosine that the loss falls to its end. (So two trainings of
# different length must not be compared half-way, each on its own schedule.)
#
# ## 7. Why would one begin slowly?
#
# Adam's first steps have the full length, though $m$ and $v$ have seen one batch or two
# (notebook 07). In a deep network that can move all layers far at once. **Warm-up**
# raises the rate in a straight line: Goyal et al. for large batches, Vaswani et al. for
# transformers.
#
# **Predict.** Adam at a rate of 0.03, which is high, 300 steps, no noise: with 1 and
# with 8 hidden layers, with and without 100 steps of warm-up. Where does it matter? And
# if the runs of 8 layers are repeated with noise of $10^{-7}$ in the pixels?


# %%
def adam(f):
    return lambda parameters: optim.Adam(parameters, lr=f)


# %%
final = {}
fig, axes = plt.subplots(1, 2, figsize=(8, 2.8), sharey=True)
for ax, depth in zip(axes, (1, 8), strict=True):
    for steps, dash in [(0, "-"), (100, "--")]:
        f = schedules.warmup(steps, schedules.constant(0.03))
        losses = train(adam(f), 300, 50, depth, blur=0.0)[1]
        final[depth, steps] = losses[-50:].mean()
        smooth = np.convolve(losses, np.ones(10) / 10, "valid")
        ax.semilogy(smooth, dash, label=f"{steps} steps of warm-up")
    ax.set(xlabel="step", title=f"{depth} hidden layer{'s' if depth > 1 else ''}")
    ax.legend()
assert max(final[1, 0], final[1, 100]) < 0.1

# %%
again = {}
for steps in (0, 100):
    f = schedules.warmup(steps, schedules.constant(0.03))
    again[8, steps] = train(adam(f), 300, 50, depth=8, blur=1e-7)[1][-50:].mean()
for (depth, steps), loss in final.items():
    said = f"; again {again[depth, steps]:.3f}" if depth == 8 else ""
    print(f"{depth} layers, warm-up {steps:>3}: last 50 steps {loss:.3f}{said}")

assert min(final[8, 0], final[8, 100]) > 3 * max(final[1, 0], final[1, 100])
assert max(abs(again[key] / final[key] - 1) for key in again) > 0.05

# %% [markdown]
# With one layer both end below 0.1. With eight both end at more than three times that,
# and which of the two is lower may be chance: noise of $10^{-7}$, as small as rounding,
# changes one of the ends by more than 5 %. A pair of curves is no evidence here. At
# this rate depth does harm, with or without warm-up. (Notebook 21 leaves it out in a
# transformer.)
#
# ## 8. What if nobody knows the schedule?
#
# Then look. `ReduceOnPlateau` multiplies the rate by a factor when a metric has not
# improved for a while. It is not a function of the step, since it has to remember.
#
# **Predict.** From 0.2, times 0.3 whenever the mean loss of 50 steps has not improved
# by 2 % for two such means in a row: does it end above or below the constant 0.2?

# %%
plateau, path = [], []


def watch(t, losses, optimizer):
    if t == 0:
        how = {"factor": 0.3, "patience": 1, "threshold": 0.02}
        plateau.append(optim.ReduceOnPlateau(optimizer, **how))
    if t % 50 == 49:
        plateau[0].step(np.mean(losses[-50:]))
    path.append(optimizer.lr)


# %%
waited, losses = train(sgd(schedules.constant(PEAK)), after=watch)
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2.6))
left.plot(losses.reshape(-1, 50).mean(axis=1), "o-", markersize=4)
left.set(xlabel="number of the mean", title="Mean loss of 50 steps", ylim=(0, 2))
right.semilogy(path)
right.set(xlabel="step", title="The rate that came out of it")
print(f"plateau {waited:.3f}, constant 0.2: {result['constant 0.2']:.3f}")

assert (np.diff(path) <= 0).all() and path[-1] < path[0]
assert waited < 0.95 * result["constant 0.2"]

# %% [markdown]
# Below, by more than 5 %. It finds a staircase of its own, at the price of two more
# settings. Use it where the length of training is open.
#
# ## 9. Does Adam need a schedule, too?
#
# Lectures say that SGD with momentum needs one, and that Adam does well without.
#
# **Predict.** Each rule at the best of four rates, constant and with a cosine: by how
# much is the loss smaller with the cosine?

# %%
rules = {
    "Momentum": (lambda p, f: optim.Momentum(p, lr=f), (0.003, 0.01, 0.02, 0.03)),
    "Adam": (lambda p, f: optim.Adam(p, lr=f), (0.001, 0.003, 0.01, 0.03)),
}
found = {}
for name, (rule, rates) in rules.items():
    for form in ("constant", "cosine"):
        found[name, form] = []
        for rate in rates[1:3] if QUICK else rates:
            f = schedules.cosine(rate, T) if form == "cosine" else rate
            found[name, form].append(train(lambda p, f=f, r=rule: r(p, f))[0])

# %%
fig, axes = plt.subplots(1, 2, figsize=(8, 2.8), sharey=True)
for ax, (name, (_, rates)) in zip(axes, rules.items(), strict=True):
    for form, line in [("constant", "o--"), ("cosine", "s-")]:
        losses = found[name, form]
        ax.semilogx(rates[1:3] if QUICK else rates, losses, line, label=form)
    ax.set(title=name, xlabel="(first) rate", ylabel="loss, 900 steps", ylim=(0.3, 1.3))
    ax.set_xticks(rates, rates)
    ax.minorticks_off()
    ax.legend()
print({key: np.round(losses, 2).tolist() for key, losses in found.items()})
# %%
gain = {
    name: min(found[name, "constant"]) / min(found[name, "cosine"]) for name in rules
}
print({name: f"constant / cosine {ratio:.2f}" for name, ratio in gain.items()})
saved = {
    name: found[name, "cosine"][-1] / found[name, "constant"][-1] for name in rules
}
assert all(0.9 < ratio < 1.4 for ratio in gain.values()) and max(saved.values()) < 0.9

# %% [markdown]
# If each form has its own best rate, the constant one ends at 0.9 to 1.4 times the loss
# of the cosine, for both rules. At the highest rate the constant one stays clearly
# above its cosine, for Adam as for Momentum. On MNIST-5k it is the same
# (`docs/claims.md`): a cosine saves 0.6 points of test error for both. So Adam is no
# exception: what holds for Momentum holds for it.
#
# ## Exercise: one cycle
#
# Smith's one-cycle rule: from a tenth of `peak` in a straight line up to `peak` in the
# first 45 % of the steps, down again to a tenth in the next 45 %, and then down to 0 in
# the last tenth. Write `answer(t, peak, steps)`; at $t = steps$ it is 0.

# %%
answer = None  # a function (t, peak, steps) -> rate, in place of None


def check(answer):
    got = [answer(t, 0.5, 100) for t in (0, 9, 45, 54, 90, 95, 100)]
    assert np.allclose(got, [0.05, 0.14, 0.5, 0.41, 0.05, 0.025, 0])
    assert max(answer(t, 0.3, 1000) for t in range(1001)) == answer(450, 0.3, 1000)
    return "right"


print(check(answer) if answer else "Your turn.")

# %% [markdown]
# <details><summary>A solution</summary>
#
# ```python
# def answer(t, peak, steps):
#     return np.interp(t / steps, [0, 0.45, 0.9, 1], [peak / 10, peak, peak / 10, 0])
# ```
# </details>
#
# **And without a check:** in section 4, instead of dividing the rate by 5, multiply the
# batch by 5. What does the loss do? (Smith et al., below.)
#
# ## References
#
# - H. Robbins, S. Monro, *A stochastic approximation method*, Annals of Mathematical
#   Statistics 22 (1951): section 2.
# - I. Loshchilov, F. Hutter, *SGDR: stochastic gradient descent with warm restarts*,
#   ICLR 2017: the cosine.
# - P. Goyal et al., *Accurate, large minibatch SGD: training ImageNet in 1 hour*, 2017:
#   warm-up.
# - A. Vaswani et al., *Attention is all you need*, NIPS 2017: warm-up and inverse
#   square root.
# - S. Smith, P.-J. Kindermans, C. Ying, Q. Le, *Don't decay the learning rate, increase
#   the batch size*, ICLR 2018.
# - Lectures: CS231n, *Training neural networks II*; EECS 498, *Training neural networks
#   II*.
# - In the source: `minidl/optim/schedules.py`, `plateau.py`.
