# %% [markdown]
# # a6 · Training in practice, with your own lines
#
# A network for digits arrives, and does not learn. We follow the seven steps until it
# does; each tool that you wrote finds something. Then we make it a little better with
# averages, and look at classes of unequal size. Run the cells in order, in this folder:
#
#     jupyter lab notebook.py        (with jupytext), or        python notebook.py

# %%
import math
import os

import numpy as np

import minidl as md
from minidl import data, lab, nn, ops, optim, show
from minidl.lab import probes
from minidl.show.picture import Picture
from minidl.train import Trainer, accuracy, f1_score

SEED = int(os.environ.get("SEED", "0"))
md.seed(SEED)
train, validation, test = data.load_mnist5k()

# %% [markdown]
# ## 1. What arrived
#
# A network of 64 hidden units, with pixels from 0 to 255, a last layer with weights of
# size 1, and a rate of 1e-6. **Predict** how many of 100 digits it reads after two
# epochs.


# %%
class Arrived(nn.Module):
    """Pixels (N, 1, 28, 28) from 0 to 1 -> scores (N, 10)."""

    def __init__(self, scale=255.0, last=1.0):
        self.scale = scale
        self.first, self.last = nn.Linear(784, 64), nn.Linear(64, 10)
        if last is not None:
            w = self.last.weight
            w.data[...] = last * np.random.default_rng(SEED).normal(size=w.shape)

    def forward(self, x):
        h = self.first((x.reshape(len(x), 784) - 0.1) * self.scale)
        return self.last(ops.relu(h))


def mended():
    return Arrived(scale=3.0, last=0.01)


def fit(net, lr, epochs, split=train, loss=ops.cross_entropy, judge=validation):
    """Train with Adam and a falling rate; return the trainer."""
    loader = data.DataLoader(split, 50, shuffle=True, seed=SEED)
    rate = optim.schedules.cosine(lr, epochs * len(loader))
    rule = optim.Adam(net.parameters(), lr=rate)
    how = {"metrics": {"accuracy": accuracy}, "progress": False}
    trainer = Trainer(net, rule, loss, **how)
    trainer.fit(loader, data.DataLoader(judge, 500), epochs=epochs)
    return trainer


md.seed(SEED)
arrived = fit(Arrived(), 1e-6, 2)
before = arrived.evaluate(test)["accuracy"]
print(f"as it arrived: {100 * before:.1f} % of the test set")

# %% [markdown]
# ## 2. The first loss
#
# It should be log 10 = 2.303.

# %%
split = (train, validation)
broken, whole = (lab.first_loss(make, split, seed=SEED) for make in (Arrived, mended))
print(broken.saw, "\n ", broken.do)
print(whole.saw)
assert not broken.ok
assert whole.ok
assert abs(whole.facts["first"] / math.log(10) - 1) < 0.1

# %% [markdown]
# ## 3. A few batches by heart
#
# If 5 batches cannot be memorized, something is wrong with the model or the gradients.

# %%
step = lab.overfit(mended, split, seed=SEED)
print(step.saw)
assert step.ok

# %% [markdown]
# ## 4. A rate
#
# **Predict** how far 1e-6 is from a rate that works.

# %%
md.seed(SEED)
found = lab.lr_finder(mended(), ops.cross_entropy, train, seed=SEED)
print(found.text)
assert 1e-4 < found.suggestion < 3e-2

# %% [markdown]
# How large is one step, in lengths of the weights? About 0.001 is healthy.

# %%
for lr in (1e-6, found.suggestion):
    md.seed(SEED)
    net = mended()
    rule, (x, y) = optim.Adam(net.parameters(), lr), train[:50]
    old = [w.copy() for w in probes.weights(net.first)]
    ops.cross_entropy(net(md.Tensor(x)), y).backward()
    rule.step()
    ratio = float(probes.update_ratio(old, probes.weights(net.first)))
    print(f"rate {lr:.2g}: ratio {ratio:.2g}")

# %% [markdown]
# ## 5. Nine draws
#
# One epoch each, with rates on a log axis around the suggestion.


# %%
def objective(lr):
    """The validation loss after one epoch."""
    return fit(mended(), lr, 1).evaluate(validation)["loss"]


space = {"lr": lab.log_uniform(found.suggestion / 10, found.suggestion * 10)}
result = lab.random_search(objective, space, n=9, seed=SEED, progress=False)
for trial in sorted(result.trials, key=lambda t: t.setting["lr"]):
    print(f"rate {trial.setting['lr']:.2g}: {trial.value:.3f}")
lr = result.best.setting["lr"]

# %% [markdown]
# ## 6. Curves
#
# 500 images only, a fifth of their labels wrong, and 30 epochs: **predict** what the
# curves say.

# %%
md.seed(SEED)
rng = np.random.default_rng(SEED)
some = rng.permutation(len(train.x))[:500]
labels = train.y[some]
labels[:100] = rng.integers(0, 10, 100)
few = data.TensorDataset(train.x[some], labels)
small = fit(mended(), 0.01, 30, few)
findings = lab.diagnose_curves(small.history)
for finding in findings:
    print(f"{finding.name}: {finding.text}")
assert findings[0].name == "overfitting"
assert "rise" in findings[0].evidence
md.seed(SEED)
good = fit(mended(), lr, 5)
after = good.evaluate(test)["accuracy"]
print(f"mended, all images: {100 * after:.1f} % of the test set")
assert after > before + 0.2
assert after > 0.9

# %% [markdown]
# ## 7. Micro-batches
#
# The loop of many lecture notes steps when `i % n == 0`. Here are 10 micro-batches of 5
# images, n = 4, and plain gradient descent: how far from one step on each 20 images?


# %%
def lecture_loop(net, rule, batches, n):
    for i, (x, y) in enumerate(batches):
        (ops.cross_entropy(net(md.Tensor(x)), y) * (1 / n)).backward()
        if i % n == 0:
            rule.step()
            rule.zero_grad()


def our_loop(net, rule, batches, n):
    with optim.Accumulation(rule, n) as accumulate:
        for x, y in batches:
            accumulate.backward(ops.cross_entropy(net(md.Tensor(x)), y))


def large_batches(net, rule, batches, n):
    for i in range(0, len(batches), n):
        x, y = (np.concatenate(part) for part in zip(*batches[i : i + n], strict=True))
        rule.zero_grad()
        ops.cross_entropy(net(md.Tensor(x)), y).backward()
        rule.step()


batches = [train[5 * i : 5 * i + 5] for i in range(10)]
ends = []
for loop in (large_batches, our_loop, lecture_loop):
    md.seed(SEED)
    net = mended()
    loop(net, optim.SGD(net.parameters(), 0.1), batches, 4)
    ends.append(net.first.weight.data)
apart = [float(abs(end - ends[0]).max()) for end in ends]
print(f"from large batches: ours {apart[1]:.1e}, the lecture's loop {apart[2]:.1e}")
assert apart[1] < 1e-6 < 1e-3 < apart[2]

# %% [markdown]
# ## 8. Averages
#
# Five networks, their ensemble, five snapshots of one training, and the mean of the
# weights of the last epochs. **Predict** the order.

# %%
nets, scores = [], []
for i in range(5):
    md.seed(10 * SEED + i)
    nets.append(mended())
    trainer = fit(nets[-1], lr, 6)
    scores.append(trainer.evaluate(test)["accuracy"])
ensemble = lab.Ensemble(nets)
together = accuracy(ensemble.probabilities(test), test.y)

md.seed(SEED)
net = mended()
rule = optim.Adam(net.parameters(), lr=lr)
trainer = Trainer(net, rule, ops.cross_entropy, progress=False)
loader = data.DataLoader(train, 50, shuffle=True, seed=SEED)
snapshots = lab.snapshot_ensemble(trainer, loader, cycles=5, epochs=3)
snapped = accuracy(snapshots.probabilities(test), test.y)

md.seed(SEED)
net = mended()
rule, mean = optim.SGD(net.parameters(), 0.05), optim.PolyakAverage(net.parameters())
for epoch in range(6):
    for x, y in loader:
        ops.cross_entropy(net(x), y).backward()
        rule.step()
        rule.zero_grad()
        if epoch >= 3:
            mean.update()
trainer = Trainer(net, rule, ops.cross_entropy, metrics={"accuracy": accuracy})
last = trainer.evaluate(test)["accuracy"]
with mean.applied():
    averaged = trainer.evaluate(test)["accuracy"]
bars = {
    "mean of five": float(np.mean(scores)), "ensemble": together,
    "snapshots": snapped, "SGD, last": last, "SGD, average": averaged,
}  # fmt: skip
for name, share in bars.items():
    print(f"{name:13} {100 * share:.1f} %")
doubt = ensemble.disagreement(test)
wrong = ensemble.predict(test) != test.y
sure, unsure = doubt[~wrong].mean(), doubt[wrong].mean()
print(f"disagreement where right {sure:.3f}, where wrong {unsure:.3f}")
assert together > np.mean(scores)
assert unsure > 2 * sure

# %% [markdown]
# How sure is that? Draw the test set anew, 200 times.

# %%
hits = (~wrong).astype(float)
bags = [data.bootstrap(hits, rng=i)[0].x.mean() for i in range(200)]
print(f"ensemble {100 * together:.1f} ± {100 * np.std(bags):.1f} %")
folds = [len(held) for _, held in data.KFold(7, rng=SEED).split(train.x, train.y)]
assert folds == [500] * 7

# %% [markdown]
# ## 9. One in forty
#
# Is it an 8? All other digits are "no", and most of the eights are taken away: 1 image
# of 40 is an 8. **Predict** accuracy and F1 of the answer "no", and what focal loss
# changes.


# %%
def eights(split, each=None):
    """Labels 1 for an 8; at most `each` eights."""
    rare = np.flatnonzero(split.y == 8)[:each]
    chosen = np.concatenate([np.flatnonzero(split.y != 8), rare])
    return data.TensorDataset(split.x[chosen], (split.y[chosen] == 8).astype(np.int64))


unequal, asked = eights(train, 80), eights(test)
alpha = np.array([0.25, 0.75])
losses = {
    "cross entropy": ops.cross_entropy,
    "focal": lambda x, y: ops.focal_loss(x, y, alpha=alpha),
}
print(f"always no: accuracy {1 - asked.y.mean():.3f}, F1 0")
for name, loss in losses.items():
    md.seed(SEED)
    net = mended()
    net.last = nn.Linear(64, 2)
    fit(net, lr, 6, unequal, loss, judge=asked)
    said = net(md.Tensor(asked.x)).data
    right, f1 = accuracy(said, asked.y), f1_score(said, asked.y, "binary")
    print(f"{name:18} accuracy {right:.3f}, F1 {f1:.3f}")
    assert f1 > 0.5

# %% [markdown]
# ## 10. The picture

# %%
with show.style.sheet():
    picture = Picture(figsize=(9.6, 3.2))
    left, middle, right = picture.subplots(1, 3)
    left.semilogx(found.rates, found.losses, ".", color=show.style.color(1))
    left.semilogx(found.rates, found.smoothed, color=show.style.color(0))
    left.axvline(found.suggestion, color="0.3", ls="--")
    left.set(xlabel="rate", title="Loss while the rate grows")
    for i, name in enumerate(("train_loss", "val_loss")):
        how = {"color": show.style.color(i), "ls": show.style.dash(i)}
        middle.plot(range(1, 31), small.history[name], label=name, **how)
    middle.set(xlabel="epoch", title="500 images: it overfits")
    middle.legend()
    names = list(bars)
    right.plot([100 * bars[name] for name in names], range(len(names)), "o")
    right.set_yticks(range(len(names)), names)
    right.set(xlabel="% of the test set", title="Averages")
    picture.finish(None).savefig("picture.png", dpi=100)
picture
