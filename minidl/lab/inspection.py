"""What can be seen before training: mistakes in data, model, loss and optimizer.

Each check returns a complaint, (what is seen, what to do), or None. They look for the
mistakes that everybody makes, and that no error message tells.

x inputs (N, …)    y labels (N,)    scores (N, K)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minidl import nn
from minidl.backend import namespace, to_numpy
from minidl.engine.modes import no_grad
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.lab.bench import Bench, Vector, device, leaves
from minidl.nn.module import Module
from minidl.train.batches import pair

Complaint = tuple[str, str]
SAMPLES = 1000  # of the data, that are looked at
LEAK = 0.99  # share of a feature's variance between the classes: then it is the label
WIDE = 10.0  # deviation of inputs that are not on the scale of 1
SURE = 20.0  # scores that far apart leave no doubt


# ----------------------------------------------------------------------------- the data


def of_data(bench: Bench) -> Iterator[Complaint]:
    """Yield what is wrong with the data alone."""
    for check in (scale, leak, shared):
        if complaint := check(bench):
            yield complaint


def scale(bench: Bench) -> Complaint | None:
    """Inputs of the size of 1 is what first weights and rates are made for."""
    x = to_numpy(bench.train.x[:SAMPLES])
    if x.dtype.kind != "f":
        return None  # numbers of words
    if not np.isfinite(x).all():
        bad = int((~np.isfinite(x)).sum())
        return (
            f"{bad} of the inputs are NaN or infinite",
            "replace them before anything is trained",
        )
    spread, center = float(x.std()), float(x.mean())
    if spread <= WIDE and abs(center) <= WIDE:
        return None
    pixels = x.min() >= 0 and 100 < x.max() <= 255
    cure = (
        "x / 255" if pixels else "standardize(train.x)(x), learned from training data"
    )
    return (
        f"the inputs run from {x.min():.4g} to {x.max():.4g}, with a deviation of "
        f"{spread:.3g}, and not of about 1",
        f"bring them to the scale of 1: {cure}",
    )


def leak(bench: Bench) -> Complaint | None:
    """A single feature that names the class: the label is part of the input.

    η² = the variance between the classes, as a share of all of it, of one feature.
    """
    x, y = to_numpy(bench.train.x[:SAMPLES]), to_numpy(bench.train.y[:SAMPLES])
    if not bench.labels or x.dtype.kind != "f" or len(np.unique(y)) < 2:
        return None
    flat = x.reshape(len(x), -1).astype(np.float64)
    total = flat.var(axis=0)
    within = np.zeros_like(total)
    for k in np.unique(y):
        own = flat[y == k]
        within += len(own) / len(flat) * own.var(axis=0)
    share = 1 - np.divide(within, total, out=np.ones_like(total), where=total > 1e-12)
    at = int(share.argmax())
    if share[at] < LEAK:
        return None
    place = np.unravel_index(at, x.shape[1:])
    where = ", ".join(str(int(i)) for i in place)
    return (
        f"x[:, {where}] alone tells the class ({share[at]:.1%} of its variance lies "
        "between the classes): the label is part of the input",
        "take it out of x; in use it will not be there",
    )


def shared(bench: Bench) -> Complaint | None:
    """Samples of the validation set that are in the training set, too."""
    known = {row.tobytes() for row in np.ascontiguousarray(to_numpy(bench.train.x))}
    rows = np.ascontiguousarray(to_numpy(bench.validation.x))
    same = sum(row.tobytes() in known for row in rows)
    if same <= 0.1 * len(rows):
        return None
    return (
        f"{same} of {len(rows)} validation samples are in the training set as well",
        "part the data before copies of them are made: train_test_split(x, y)",
    )


# ------------------------------------------------------------------ the model, the loss


def of_scores(
    bench: Bench, model: Module, batch: Any, scores: TensorLike
) -> Iterator[Complaint]:
    """Yield what is wrong with the first scores of a model."""
    s = to_numpy(values(scores))
    if not np.isfinite(s).all():
        yield ("the first scores hold NaN or infinity",
               "look into it by `with minidl.debug(): model(x)`")  # fmt: skip
        return
    if bench.labels and s.ndim == 2:
        for check in (classes, probabilities):
            if complaint := check(bench, s):
                yield complaint
    if silent := silent_layer(model, batch):
        yield (
            f"all units of {silent} are 0 for every sample: the layer is dead from the "
            "start, and no gradient passes",
            "look at the bias before it (0, or 0.01), at first weights and inputs",
        )


def classes(bench: Bench, scores: Vector) -> Complaint | None:
    """As many scores as classes."""
    k, labels = scores.shape[1], to_numpy(bench.train.y)
    known = int(labels.max()) + 1
    if k == known:
        return None
    return (
        f"the model gives {k} scores, and the labels 0 … {known - 1} are {known} "
        "classes",
        f"let its last layer have {known} outputs",
    )


def probabilities(bench: Bench, scores: Vector) -> Complaint | None:
    """Scores that are probabilities already would get a softmax twice."""
    sums = scores.sum(axis=1)
    if scores.min() < 0 or scores.shape[1] < 2 or not np.allclose(sums, 1, atol=1e-3):
        return None
    return (
        "each row of scores is positive and its sum is 1: the model ends with a "
        "softmax, and cross entropy makes another, which takes most of the gradient",
        "let the model return scores, without nn.Softmax",
    )


def silent_layer(model: Module, batch: Any) -> str:
    """Return the name of the first ReLU that is 0 for a whole batch; "" if none is.

    A ReLU that is 0 for all samples lets no gradient through.
    """
    xs, _ = pair(batch, device(model))
    found: list[str] = []

    def look(name: str) -> Any:
        def hook(module: Module, inputs: Sequence[Any], output: Any) -> None:
            y = values(output)
            if not found and not bool(namespace(y).any(y)):
                found.append(f"{name} ({type(module).__name__})")

        return hook

    handles = [
        module.register_forward_hook(look(name))
        for name, module in leaves(model)
        if isinstance(module, nn.ReLU)
    ]
    try:
        with no_grad():
            model(*xs)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else ""


def of_loss(bench: Bench, scores: TensorLike, y: TensorLike) -> Iterator[Complaint]:
    """Yield what is wrong with the loss: try it on scores whose loss is known.

    Scores of ±20 for the right classes must cost nearly nothing, and the same scores
    for wrong ones much. (Smoothed labels cost more; they keep the order.)
    """
    s = to_numpy(values(scores))
    labels = to_numpy(values(y))
    if not bench.labels or s.ndim != 2 or labels.max() >= s.shape[1] or s.shape[1] < 2:
        return
    sure = np.full(s.shape, -SURE, s.dtype)
    sure[np.arange(len(s)), labels] = SURE
    right = _loss(bench, sure, y)
    wrong = _loss(bench, np.roll(sure, 1, axis=1), y)
    even = _loss(bench, np.zeros_like(sure), y)
    if not right < wrong:
        yield (
            f"the loss of perfect scores is {right:.3g} and that of wrong ones "
            f"{wrong:.3g}: it rewards mistakes",
            "its sign is wrong; the loss is −log p of the right class",
        )
    elif wrong < 3 * even and right > 0.2 * even:
        yield (
            f"perfect scores still cost {right:.3g}, and entirely wrong ones only "
            f"{wrong:.3g}: a softmax comes before that of the cross entropy",
            "give the loss the scores themselves",
        )


def _loss(bench: Bench, scores: Vector, y: TensorLike) -> float:
    with no_grad():
        return float(
            to_numpy(values(bench.loss(Tensor(scores), Tensor(to_numpy(values(y))))))
        )


# ---------------------------------------------------------------- before the first step


def of_training(bench: Bench, model: Module, batch: Any) -> Iterator[Complaint]:
    """Yield what is wrong with the first steps: modes, gradients, what moves."""
    model.train()
    if still := [
        name or "the model" for name, m in model.named_modules() if not m.training
    ]:
        yield (
            f"after model.train(), {_some(still)} stays in evaluation mode, in which "
            "batch norm and dropout do not do their work",
            "call model.train() before each epoch, and do not override it; a frozen "
            "part may stay so",
        )
    yield from _gradients(bench, model, batch)
    yield from _rates(bench, model)


def _gradients(bench: Bench, model: Module, batch: Any) -> Iterator[Complaint]:
    """Make three steps, and look at each parameter."""
    optimizer = bench.rule(model.parameters(), lr=1e-3)
    before = {name: to_numpy(p.data).copy() for name, p in model.named_parameters()}
    missing: set[str] = set(before)
    for _ in range(3):  # behind a layer of zeros, gradients come with the second step
        bench.forward(model, batch)[2].backward()
        missing -= {n for n, p in model.named_parameters() if _arrives(p)}
        optimizer.step()
        optimizer.zero_grad()
    if missing:
        yield (
            f"no gradient reaches {_some(sorted(missing))} in three steps: frozen "
            "(requires_grad=False), cut off by .data, .numpy() or detach(), dead, or "
            "never used",
            "leave it so only if it is meant",
        )
    if any(_arrives(p) for p in model.parameters()):
        yield (
            "after optimizer.zero_grad() the gradients are still there: they add up "
            "from step to step, and each step goes where all earlier ones went",
            "clear them in each step: optimizer.zero_grad(), for all parameters",
        )
    unmoved = [
        name
        for name, p in model.named_parameters()
        if name not in missing and np.array_equal(before[name], to_numpy(p.data))
    ]
    if unmoved:
        yield (
            f"{_some(unmoved)} gets gradients and does not move: the optimizer does "
            "not know it",
            "give the optimizer model.parameters(), all of them",
        )


def _rates(bench: Bench, model: Module) -> Iterator[Complaint]:
    """Make the optimizer twice: does it take the rate that it is given?"""
    made = [bench.rule(model.parameters(), lr=lr) for lr in (1e-3, 1e-2)]
    rates = [getattr(optimizer, "lr", math.nan) for optimizer in made]
    if rates[0] == rates[1]:
        yield (
            f"the optimizer has the rate {rates[0]:g}, whatever it is asked for",
            "pass it on: optimizer=lambda params, lr: optim.SGD(params, lr=lr)",
        )


def _arrives(p: TensorLike) -> bool:
    """Whether a parameter has a gradient that is not 0."""
    return p.grad is not None and bool(namespace(p.grad).any(p.grad))


def _some(names: list[str]) -> str:
    """Return a few names; say how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
