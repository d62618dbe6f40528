"""What is asked of the engine: arrays by name go in, arrays by name come out."""
# ruff: noqa: D103  what each one asks, its row says

from functools import partial

import numpy as np

from minidl import Tensor, data, ops, optim
from minidl.lab import judgment, probes, reading, space, trend
from minidl.lab.ensemble import averaged
from minidl.lab.first_steps import compared
from minidl.lab.lr_finder import growing_rates, read
from minidl.optim.averaging import newest_weight
from minidl.train import metrics

# a6.1

VERDICTS = ("low", "right", "spread", "high")


def firsts(scores, y, first, weight=None):
    """The verdicts on several first losses, cross entropy with or without weights."""
    return of_first(partial(ops.cross_entropy, weight=weight), scores, y, first)


def firsts_of_hinge(scores, y, first):
    return of_first(ops.hinge_loss, scores, y, first)


def of_first(loss, scores, y, first):
    """A verdict is given as its place in VERDICTS."""
    found = [compared(one, loss, scores, y) for one in first.tolist()]
    expected, ratio, verdict = zip(*found, strict=True)
    return {
        "expected": np.array(expected), "ratio": np.array(ratio),
        "verdict": np.array([VERDICTS.index(word) for word in verdict]),
    }  # fmt: skip


# a6.2, a6.3


def accumulated(x, k, sizes=None, lr=0.1):
    """Gradient descent on |θ − x_i|², k rows at a time; θ and more after each row."""
    theta = Tensor(np.zeros(x.shape[1]), requires_grad=True)
    rule, seen, found = optim.SGD([theta], lr=float(lr)), [], []
    sizes = np.ones(len(x)) if sizes is None else sizes
    keep = partial(remember, seen, theta)
    with optim.Accumulation(rule, int(k), keep) as accumulate:
        for row, size in zip(x, sizes.tolist(), strict=True):
            d = theta - row
            stepped = accumulate.backward((d * d).sum(), size)
            g = theta.grad
            found.append((stepped, theta.data.copy(), g is None or not g.any()))
    stepped, path, cleared = zip(*found, strict=True)
    return {
        "stepped": np.array(stepped), "path": np.array(path), "last": theta.data,
        "cleared": np.array(cleared), "seen": np.array(seen).reshape(-1, x.shape[1]),
    }  # fmt: skip


def remember(seen, theta):
    seen.append(theta.grad.copy())


# a6.4

AVERAGES = ("none", "macro", "micro", "weighted", "binary")


def shares(said, truth, average):
    """All three, as one of AVERAGES."""
    how = AVERAGES[int(average)]
    return {
        f.__name__: np.array(f(said, truth, how))
        for f in (metrics.precision, metrics.recall, metrics.f1_score)
    }


def shares_of_zero(said, truth, classes):
    """Classes that never occur, never are predicted, or both; 0 / 0 is 0, then 1."""
    return {
        f"{f.__name__}_{zero}": f(
            said, truth, "none", classes=int(classes), zero_division=zero
        )
        for f in (metrics.precision, metrics.recall, metrics.f1_score)
        for zero in (0.0, 1.0)
    }


# a6.5


def focal(x, labels, gamma, alpha=None):
    how = {} if alpha is None else {"alpha": plain(alpha)}
    return {"y": ops.focal_loss(x, labels, float(gamma), reduction="none", **how)}


def focal_dx(x, labels, gamma, alpha=None):
    how = {} if alpha is None else {"alpha": plain(alpha)}
    x = Tensor(x, requires_grad=True)
    y = ops.focal_loss(x, labels, float(gamma), **how)
    y.backward()
    return {"y": y.data, "dx": x.grad}


def plain(alpha):
    """One number, or one for each class."""
    return alpha if np.ndim(alpha) else float(alpha)


# a6.6


def positions(u, low, high):
    domain = space.LogUniform(float(low), float(high))
    return {"values": np.array([domain.at(x) for x in u.tolist()])}


# a6.7


def sweep(losses):
    """What is read from the losses of a sweep over the rates."""
    rates = growing_rates(1e-5, 10.0, len(losses))
    found = read(rates, losses)
    names = ("steepest", "lowest", "suggestion")
    return {name: np.array(getattr(found, name)) for name in names}


# a6.8


def step_size(w, step, v=None, step_v=None):
    """Of one matrix, or of two."""
    before, after = [w], [w + step]
    if v is not None:
        before, after = [w, v], [w + step, v + step_v]
    return {"ratio": np.asarray(probes.update_ratio(before, after))}


# a6.9


def slope(y):
    found = trend.line(y)
    return {"rise": np.array(found.rise), "error": np.array(found.error)}


# a6.10


def verdicts(train, val):
    """Whether each of several runs (R, E) overfits; E = 0: no training loss."""
    found = [
        judgment.overfitting(reading.read({"train_loss": a, "val_loss": b}))
        for a, b in zip(train, val, strict=True)
    ]
    return {"overfits": np.array([evidence is not None for evidence in found])}


# a6.11


def folds(n, k, seed, y=None):
    """The fold of each sample, the sizes, how many of each class are in each fold."""
    n, k = int(n), int(k)
    fold = np.full(n, -1)
    arrays = (np.arange(n),) if y is None else (np.arange(n), y)
    times = np.zeros(n, np.int64)
    for i, (train, held) in enumerate(data.KFold(k, rng=int(seed)).split(*arrays)):
        fold[held.x] = i
        times[held.x] += 1
        times[train.x] += 10
    found = {"fold": fold, "sizes": np.sort(np.bincount(fold + 1)), "times": times}
    for c in [] if y is None else np.unique(y).tolist():
        found[f"class_{c}"] = np.bincount(fold[y == c] + 1, minlength=k + 1)
    return found


# a6.12


def bag(n, seed):
    drawn, never = data.bootstrap(np.arange(int(n)), rng=int(seed))
    return {"drawn": drawn.x, "never": never.x}


# a6.13


def newest(n, decay, warmup):
    """Weights of the n-th value, n (T,); a decay of 0 stands for a plain mean."""
    d = float(decay) or None
    ws = [newest_weight(int(i), d, bool(warmup)) for i in n]
    return {"weights": np.array(ws)}


# a6.14


def answers(scores, weights):
    p, disagreement = averaged(scores, weights)
    return {"p": p, "disagreement": disagreement}
