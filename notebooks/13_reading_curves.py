# %% [markdown]
# # 13 · Reading learning curves: what does this curve want to tell me?
#
# Training prints a number for each batch and two for each epoch. The lectures read
# these curves as a doctor reads a chart: too high, too low, badly started, stopped too
# soon. Here each of these pictures is made on purpose, read, and then mended by the
# advice of the lecture. If the advice is right, the mended run must be better.
#
# `lab.diagnose_curves` reads a `History` by such rules and says in words what it sees.
# Predict first, then run. Each claim with a number ends in an `assert`.

# %%
import contextlib
import os
import tempfile

import matplotlib.pyplot as plt
import numpy as np

import minidl as md
import minidl.ops as F
from minidl import lab, nn, optim, show
from minidl.models import MLP
from minidl.optim import schedules
from minidl.train import Checkpoint, Trainer, accuracy

SEED = int(os.environ.get("SEED", "0"))
rng = np.random.default_rng(SEED)
md.seed(SEED)
colors = {"axes.prop_cycle": plt.cycler(color=show.style.PALETTE)}
plt.style.use([show.style.SETTINGS, colors, {"figure.dpi": 150}])

# %% [markdown]
# The data are digits of 8 × 8 pixels: 1197 to train, 300 to validate. `run` trains a
# net and returns the `Trainer`; its `history` holds the curves. Where a loss becomes
# infinite the Trainer stops with an error; here we catch it, for we want to see the
# curve.

# %%
digits = md.data.load_digits()
scale = md.data.standardize(digits.train.x.reshape(-1, 64))
x, y = scale(digits.train.x.reshape(-1, 64)), digits.train.y
validation = scale(digits.validation.x.reshape(-1, 64)), digits.validation.y


# %%
def run(lr, rule=optim.SGD, net=None, data=(x, y), epochs=15, batch=30, also=()):
    md.seed(SEED)
    net, how = net() if net else MLP([64, 48, 10]), {"progress": False}
    optimizer = rule(net.parameters(), lr=lr)
    trainer = Trainer(net, optimizer, F.cross_entropy, [accuracy], also, **how)
    with contextlib.suppress(md.errors.NonFiniteError):  # its history ends there
        loader = md.data.DataLoader(data, batch, shuffle=True)
        trainer.fit(loader, validation, epochs=epochs)
    return trainer


def verdict(trainer):
    return [finding.name for finding in lab.diagnose_curves(trainer.history)]


# %% [markdown]
# ## 1. What do four learning rates look like?
#
# The lecture draws four curves: *very high*, the loss explodes; *low*, it falls very
# slowly; *high*, it falls fast and stays too high; *good*, in between.
#
# **Predict.** The rates are 0.003, 0.1 and 2 with SGD. Which is which? What does the
# accuracy say at a rate of 2, when the loss is far above its first value?

# %%
runs = {lr: run(lr) for lr in (0.003, 0.1, 2.0)}
fig, ax = plt.subplots(figsize=(6.5, 2.8))
for (lr, trainer), dash in zip(runs.items(), ("-", "--", ":"), strict=True):
    said = verdict(trainer)
    ax.semilogy(trainer.history.steps["loss"], dash, label=f"{lr}: {said[0]}")
    print(f"rate {lr}: {', '.join(said)}")
ax.set(xlabel="step", ylabel="loss", ylim=(1e-3, 1e4))
ax.legend()
first = {lr: verdict(trainer)[0] for lr, trainer in runs.items()}
assert first == {0.003: "lr_too_low", 0.1: "healthy", 2.0: "diverging"}

# %%
for lr, trainer in runs.items():
    last = trainer.history.last
    print(f"rate {lr}: loss {last['val_loss']:9.3g}, accuracy {last['val_accuracy']}")

assert runs[2.0].history.last["val_loss"] > 100
assert runs[2.0].history.last["val_accuracy"] > 0.2  # twice the level of chance

# %% [markdown]
# (The legend names the readings.) An explosion need not end in NaN. At a rate of 2 the
# loss is above 100 and finite, and the accuracy is still above twice the level of
# chance. **Look at the loss, too**, not at the accuracy alone, and do not wait for NaN.
#
# The fourth reading, *high*, is section 4.
#
# ## 2. What does a moving mean hide?
#
# The loss of a batch is noisy, so one plots a mean over the last $w$ batches. Let the
# true loss fall in a straight line, and add noise of deviation 0.1.
#
# **Predict.** How much smaller is the noise of the mean for $w = 25$? How late is the
# smoothed curve?

# %%
steps, w = 20_000, 25
true = 10 - 0.01 * np.arange(steps)
noise = 0.1 * rng.normal(size=steps)
smooth = np.convolve(true + noise, np.ones(w) / w, "valid")
error = smooth - true[w - 1 :]
late = error.mean() / 0.01
print(f"noise {error.std():.4f}, expected 0.1/√w = {0.1 / np.sqrt(w):.4f}")
print(f"late by {late:.1f} steps, expected (w - 1)/2 = {(w - 1) / 2}")

assert abs(error.std() * np.sqrt(w) / 0.1 - 1) < 0.1
assert abs(late - (w - 1) / 2) < 1

# %% [markdown]
# Smaller by $\sqrt w$, and late by $(w - 1)/2$ steps. `train_loss`, the mean of an
# epoch, is such a mean with a large window, and therefore late: one of the reasons why
# training can look worse than validation at first.
#
# ## 3. Flat at first, then a drop?
#
# The lecture says: bad initialization. Take six hidden layers of ReLU, once with He's
# weights and once with weights of deviation 0.01.
#
# **Predict.** What is the loss of the small weights in the first epochs?


# %%
def deep(init):
    def make():
        layers = [nn.Linear(64, 48, init=init), nn.ReLU()]
        for _ in range(5):
            layers += [nn.Linear(48, 48, init=init), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(48, 10, init="head"))

    return make


def small(shape, rng):
    return 0.01 * rng.normal(size=shape)


# %%
starts = {"0.01": run(0.1, net=deep(small)), "He": run(0.1, net=deep("kaiming_normal"))}
for name, trainer in starts.items():
    losses = trainer.history["train_loss"]
    print(f"{name:>4}: {losses[0]:.3f} … {losses[-1]:.3f}  {verdict(trainer)}")
flat = np.array(starts["0.01"].history["train_loss"])

assert np.abs(flat - np.log(10)).max() < 0.05
assert verdict(starts["0.01"]) == ["bad_init"]
assert starts["He"].history["train_loss"][-1] < 0.1

# %%
md.seed(SEED)
signal, sizes = md.Tensor(x), []
for layer in deep(small)().eval():
    signal = layer(signal)
    sizes.append(signal.data.std())
falls = np.array(sizes[0:10:2]) / sizes[2:12:2]  # of the linear layers
print("divided in each layer by", falls.round(1))

assert ((falls > 12) & (falls < 35)).all()

# %% [markdown]
# $\log 10$, to 0.05, and it stays there: the signal is divided by about twenty in each
# layer ($0.01 \sqrt{48/2}$ is a twentieth), and so is the gradient. SGD does not get
# away from there in 15 epochs. With Adam, which divides by the size of the gradient,
# the loss drops late (`docs/claims.md`, `flat_then_drop`): the same illness, milder.
# He's weights with the same rate reach a loss below 0.1.
#
# ## 4. It could fall, and does not?
#
# A plateau far above the loss that others reach: the rate is too high. To every image
# we add noise, new at each step, so that the gradient stays noisy; the rule is Adam.
#
# **Predict.** At a rate of 0.03 the loss stays up. After five epochs the rate is
# divided by ten. How soon does the loss answer?


# %%
def noisy():
    return nn.Sequential(nn.GaussianNoise(1.0), MLP([64, 48, 10]))


drop = schedules.multistep(0.03, [600], gamma=0.1)
high = run(0.03, optim.Adam, noisy, epochs=10, batch=10)
mended = run(drop, optim.Adam, noisy, epochs=10, batch=10)
before = np.mean(mended.history.steps["loss"][500:600])
soon = np.mean(mended.history.steps["loss"][650:750])
print(f"before the drop {before:.2f}; 50 steps after it {soon:.2f}")
print(f"at the end {mended.history.last['train_loss']:.2f}, without a drop "
      f"{high.history.last['train_loss']:.2f}: {verdict(high)}")  # fmt: skip

assert soon < 0.85 * before and verdict(high)[0] == "lr_too_high"
assert mended.history.last["train_loss"] < 0.7 * high.history.last["train_loss"]

# %% [markdown]
# Within 50 steps, by more than 15 %: the staircase of notebook 08. The level alone
# cannot tell whether the loss *could* fall. `diagnose_curves` looks at how much the
# loss jumps about at that level.
#
# ## 5. Did the rate drop too early?
#
# If the loss was still falling when the rate fell, it stops there, for good.
#
# **Predict.** 600 steps of SGD at 0.1; the rate is divided by ten at step 40, or at
# step 300. Who ends lower?

# %%
at = {when: run(schedules.multistep(0.1, [when], gamma=0.1)) for when in (40, 300)}
fig, ax = plt.subplots(figsize=(6.5, 2.8))
for (when, trainer), dash in zip(at.items(), ("-", "--"), strict=True):
    curve = np.convolve(trainer.history.steps["loss"], np.ones(20) / 20, "valid")
    ax.semilogy(curve, dash, label=f"drop at {when}: {verdict(trainer)[0]}")
ax.set(xlabel="step", ylabel="loss, mean of 20")
ax.legend()
end = {when: trainer.history.last["train_loss"] for when, trainer in at.items()}

assert end[40] > 1.5 * end[300] and verdict(at[40]) == ["decayed_too_early"]

# %% [markdown]
# The early drop ends 1.5 times as high, or higher. The advice of the lecture is to wait
# until the curve is flat, or to take a cosine, which has no such decision.
#
# ## 6. What does the gap between two curves mean?
#
# Training above validation by a little is normal. The lecture has three pictures: the
# gap is moderate and both rise (train longer), the gap grows (over-fitting), no gap
# (the model is too small).
#
# **Predict.** Four runs: 100 images, a fifth of them with labels by chance, and a net
# of 200 units; a net of 2 units; a good net at a small rate, stopped after ten epochs;
# and a good net trained to the end. Is "no gap" always bad?


# %%
def some(start):
    labels, wrong = y[start : start + 100].copy(), rng.choice(100, 20, replace=False)
    labels[wrong] = rng.integers(0, 10, 20)
    return run(0.003, optim.Adam, wide, (x[start : start + 100], labels), 60, 20)


wide, tiny = (lambda: MLP([64, 200, 10])), (lambda: MLP([64, 2, 10]))
cases = {
    "few images": some(0),
    "two units": run(0.3, net=tiny, epochs=20),
    "cut short": run(0.01, epochs=10),
    "good": run(0.1),
}
said, gap = {name: verdict(t)[0] for name, t in cases.items()}, {}
# %%
fig, axes = plt.subplots(1, 4, figsize=(8, 2.2), sharey=True)
for ax, (name, trainer) in zip(axes, cases.items(), strict=True):
    one, other = (trainer.history[k] for k in ("train_accuracy", "val_accuracy"))
    ax.plot(one, "-", label="training")
    ax.plot(other, "--", label="validation")
    ax.set(xlabel="epoch", title=f"{name}:\n{said[name]}", ylim=(0, 1.02))
    gap[name] = one[-1] - other[-1]
axes[0].legend()
print({name: round(float(size), 3) for name, size in gap.items()})
assert gap["few images"] > 0.2 and said["few images"] == "overfitting"
assert said["two units"] == "underfitting" and said["cut short"] == "train_longer"

# %%
level = {name: t.history.last["train_accuracy"] for name, t in cases.items()}
print({name: round(float(share), 3) for name, share in level.items()})

assert abs(gap["two units"]) < 0.1 and abs(gap["good"]) < 0.1
assert level["two units"] < 0.8 < 0.97 < level["good"] and said["good"] == "healthy"

# %% [markdown]
# Two runs have a gap below 0.1: the net of two units, and the good one. **The gap alone
# says nothing; the level decides.** Without a gap *and* at a low level, the model is
# too small or the rate too low. Without a gap at a high level, one is done.
#
# ## 7. How large should an update be?
#
# The lecture's rule of thumb: in each step the weights should change by about a
# thousandth, $\lVert\Delta w\rVert / \lVert w\rVert \approx 10^{-3}$. `lab.Monitor`
# measures it while the net trains.
#
# **Predict.** Five rates with momentum. Is the ratio proportional to the rate? Is it
# near a thousandth where the validation loss is best?

# %%
rates, ratio, loss = (1e-4, 1e-3, 1e-2, 3e-2, 1e-1), {}, {}
for lr in rates:
    monitor = lab.Monitor(every=20, warn=False)
    trainer = run(lr, optim.Momentum, epochs=10, also=[monitor])
    seen = monitor.layers["layers.1"].history["update_ratio"]
    ratio[lr] = np.median([value for _, value in seen])
    loss[lr] = trainer.history.last["val_loss"]
    print(f"rate {lr:<6} update ratio {ratio[lr]:.1e}, validation loss {loss[lr]:.3f}")
best = min(loss, key=loss.get)
growth = np.log(ratio[1e-1] / ratio[1e-4]) / np.log(1000)
print(f"the best rate is {best}; the ratio grows as the rate to the power {growth:.2f}")
assert 1e-4 < ratio[best] < 2e-2 and 0.6 < growth < 1.1

# %% [markdown]
# At the best rate the ratio lies between 1e-4 and 2e-2. So the rule of thumb holds
# within a factor of twenty: enough to see that a rate is a hundred times too small or
# too large, without a validation set, and no more than that. The ratio grows about as
# the rate does (a power between 0.6 and 1.1).
#
# ## 8. Up, down, and up again: three causes?
#
# A loss that rises in the middle can have very different reasons. We make three: a
# patch of wrong labels in the middle of the data, which are not shuffled; gradients
# that are not cleared for a while; a rate that is cyclic.
#
# **Predict.** Which one question to each run tells them apart?


# %%
def loop(lr, labels=y, forget=range(0)):
    md.seed(SEED)
    net, curve = MLP([64, 48, 10]), []
    optimizer = optim.SGD(net.parameters(), lr=lr)
    for t in range(117):
        rows = slice(t % 39 * 30, t % 39 * 30 + 30)
        if t not in forget:
            optimizer.zero_grad()
        loss = F.cross_entropy(net(md.Tensor(x[rows])), labels[rows])
        curve.append([loss.item(), length(loss, net)])
        optimizer.step()
    return np.array(curve).T  # the losses, the lengths of the gradients


# %%
def length(loss, net):
    loss.backward()
    return np.sqrt(sum((p.grad**2).sum() for p in net.parameters()))


patch = y.copy()
patch[540:690] = rng.permutation(patch[540:690])
three = {
    "wrong labels": loop(0.1, labels=patch),
    "not cleared": loop(0.1, forget=range(40, 80)),
    "cyclic rate": loop(lambda t: 0.1 if t % 60 < 45 else 1.5),
}
# %%
fig, axes = plt.subplots(1, 3, figsize=(8, 2.2), sharey=True)
for ax, (name, (losses, _)) in zip(axes, three.items(), strict=True):
    ax.plot(losses)
    ax.set(xlabel="step", title=name, ylim=(0, 5))
axes[0].set_ylabel("loss")
calm, _ = loop(0.1)

assert all(losses[40:].max() > calm[40:].max() + 0.5 for losses, _ in three.values())

# %%
bad = three["wrong labels"][0][[20, 59, 98]]
norms, highest = three["not cleared"][1], three["cyclic rate"][0][40:].argmax() + 40
print("wrong labels, the same samples in each epoch:", bad.round(2))
print(
    f"not cleared, gradient × {np.median(norms[60:80]) / np.median(norms[20:40]):.0f}"
)
print(f"cyclic, highest loss at step {highest}, {highest % 60} of its cycle")

assert bad.min() > 1.3 * calm[20] and (highest - 1) % 60 >= 45
assert np.median(norms[60:80]) > 3 * np.median(norms[20:40])

# %% [markdown]
# The pictures alone are alike. One question each: *does it come back with every pass
# over the data?* Then look at those samples, and shuffle. *Does it come with the rate?*
# Then it is the schedule. *Does the gradient grow, step by step?* Then it is not
# cleared and adds up; the lecture notes name this cause, one of three.
#
# ## 9. Which epoch was the best?
#
# Five runs with few images each, as in section 6.
#
# **Predict.** Does early stopping by validation loss stop at the same epoch as stopping
# by validation accuracy?

# %%
table = []
for start in range(0, 500, 100):
    h = some(start).history
    losses, shares = np.array(h["val_loss"]), np.array(h["val_accuracy"])
    best = losses.argmin(), shares.argmax()
    table.append([*best, losses[-1] / losses.min(), shares.max() - shares[-1]])
    print(f"best loss in epoch {best[0] + 1}, best accuracy in {best[1] + 1}; then "
          f"loss × {table[-1][2]:.2f}, accuracy - {table[-1][3]:.3f}")  # fmt: skip
by_loss, by_accuracy, worse, lost = np.mean(table, axis=0)
print(f"mean: epochs {by_loss + 1:.1f} and {by_accuracy + 1:.1f}")
assert by_accuracy < by_loss < 30 and worse > 1.1 and 0 < lost < 0.1

# %% [markdown]
# On average the accuracy is best even before the loss is. After that the loss grows by
# a tenth and more, while the accuracy falls by less than ten points: wrong answers cost
# more the surer the net is of them. So the two rules stop at different epochs, and
# which is right depends on what one needs, scores or classes. On MNIST-5k early
# stopping by the loss improves the loss and lowers the accuracy
# (`docs/regularizers.md`): the claim that it helps holds for what it watches.
#
# The lecture advises to keep a snapshot of every epoch and to take the best back.
# `Checkpoint` does, in a folder; what comes back is the maximum of the history,
# exactly.

# %%
with tempfile.TemporaryDirectory() as folder:
    keep = Checkpoint(folder, "val_accuracy", keep=8)
    trainer = run(0.1, epochs=8, also=[keep])
    keep.store.load_best({"model": trainer.model}, strict=False)
    back = trainer.evaluate(validation)["accuracy"]
print(f"restored {back:.4f}; history {np.round(trainer.history['val_accuracy'], 4)}")

assert np.isclose(back, max(trainer.history["val_accuracy"]))

# %% [markdown]
# ## Exercise: find the leak
#
# A validation accuracy that is too good often has a simple cause: some of the
# validation samples are in the training set. Write `answer(train, validation)`: the
# sorted list of the rows of `validation` (M, D) that equal some row of `train` (N, D).
# Do not compare all N · M pairs in Python.

# %%
answer = None  # a function (train, validation) -> sorted list of rows


def check(answer):
    train, held = rng.normal(size=(500, 8)), rng.normal(size=(200, 8))
    leaked = sorted(rng.choice(200, 12, replace=False).tolist())
    held[leaked] = train[rng.choice(500, 12, replace=False)]
    assert list(answer(train, held)) == leaked
    assert list(answer(train, rng.normal(size=(50, 8)))) == []
    return "right"


print(check(answer) if answer else "Your turn.")

# %% [markdown]
# <details><summary>A solution</summary>
#
# ```python
# def answer(train, validation):
#     known = {row.tobytes() for row in train}
#     return [i for i, row in enumerate(validation) if row.tobytes() in known]
# ```
# </details>
#
# **And without a check:** from which share of leaked samples on does `diagnose_curves`
# say `leaky_validation`?
#
# ## References
#
# - Y. Bengio, *Practical recommendations for gradient-based training of deep
#   architectures*, 2012: monitoring, early stopping, and what to look at first.
# - L. Prechelt, *Early stopping: but when?*, 1998: sections 6 and 9.
# - Lectures: EECS 498-007 (fall 2019), lecture 11; CS231n, *Training neural networks*:
#   the four rates, the gaps, the update ratio.
# - In the source: `minidl/lab/curves.py`, `rules.py`, `monitor.py`. How often
#   `diagnose_curves` is right, and how often it cries wolf, stands in
#   `docs/gallery.md`.
