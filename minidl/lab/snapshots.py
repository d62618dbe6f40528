"""Snapshot ensembles: the rate falls to 0 and starts anew, and each minimum is kept.

One training of C cycles gives C models for the price of one. Huang et al. 2017,
"Snapshot ensembles: train 1, get M for free" (arXiv:1704.00109).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minidl.errors import DTypeError, RangeError
from minidl.lab.ensemble import Ensemble
from minidl.optim.schedules import Schedule, cosine_restarts
from minidl.train import GradientAccumulation, Trainer
from minidl.train.batches import Data


def snapshot_ensemble(
    trainer: Trainer,
    train: Data,
    validation: Data | None = None,
    *,
    cycles: int = 5,
    epochs: int = 5,
) -> Ensemble:
    """Train `cycles` times `epochs` epochs; return the ensemble of the models between.

    trainer     holds model, loss and optimizer; the rate that its optimizer has now is
                the one that each cycle starts from (about the largest that works)
    train       batches, as `Trainer.fit` takes them; validation too

    Within a cycle the rate follows `schedules.cosine_restarts`: half a wave of the
    cosine, down to nearly 0. Afterwards the model holds the last snapshot, and the
    optimizer has its own rate again. A cycle that Ctrl-C or EarlyStopping cuts short is
    the last, and gives no snapshot. Early snapshots may be much weaker than late ones:
    `Ensemble(list(found.members)[-3:])` keeps three. The picture is
    `minidl.show.snapshots(trainer.history, epochs)`.

    >>> from minidl import nn, ops, optim
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.train import accuracy
    >>> net = nn.Sequential(nn.Linear(2, 16, rng=0), nn.ReLU(), nn.Linear(16, 2, rng=1))
    >>> optimizer = optim.Momentum(net.parameters(), lr=0.2)
    >>> trainer = Trainer(net, optimizer, ops.cross_entropy, progress=False)
    >>> batches = DataLoader(moons(200, rng=0), 20, shuffle=True, seed=0)
    >>> ensemble = snapshot_ensemble(trainer, batches, cycles=3, epochs=4)
    >>> len(ensemble.members), len(trainer.history), optimizer.lr
    (3, 12, 0.2)
    >>> x, y = moons(100, rng=1)[:]
    >>> accuracy(ensemble.probabilities(x), y) > 0.9
    True
    """
    for name, number in (("cycles", cycles), ("epochs", epochs)):
        if number < 1:
            raise RangeError(f"snapshot_ensemble: {name} = {number}; it is 1 or more")
    members = []
    with restarts(trainer.optimizer, epochs * steps_of_epoch(trainer, train)):
        for _ in range(cycles):
            trainer.fit(train, validation, epochs)
            if trainer.ending != "done":
                break
            members.append(copy.deepcopy(trainer.model))
    if not members:
        raise RangeError(
            f"snapshot_ensemble: training was {trainer.ending} before the first cycle "
            f"of {epochs} epochs was over; there is no snapshot yet"
        )
    return Ensemble(members)


def steps_of_epoch(trainer: Trainer, train: Data) -> int:
    """Return how many steps the optimizer makes in an epoch."""
    if not hasattr(train, "__len__"):
        raise DTypeError(
            "snapshot_ensemble must know how many batches an epoch has, and a "
            f"{type(train).__name__} has no length; give a DataLoader or a list"
        )
    waits = [c.k for c in trainer.callbacks if isinstance(c, GradientAccumulation)]
    return math.ceil(len(train) / math.prod(waits))


@contextmanager
def restarts(optimizer: Any, steps: int) -> Iterator[None]:
    """Let the rate of every group fall to 0 in `steps` steps, again and again."""
    if not hasattr(optimizer, "groups"):
        raise DTypeError(
            "snapshot_ensemble sets the rate of an optimizer of minidl.optim, and a "
            f"{type(optimizer).__name__} is none; try optim.Momentum"
        )
    before = [(group, group.lr) for group in optimizer.groups]
    try:
        for group, lr in before:
            peak = lr(optimizer.t) if callable(lr) else lr
            group.lr = since(optimizer.t, cosine_restarts(float(peak), steps))
        yield
    finally:
        for group, lr in before:
            group.lr = lr


def since(start: int, schedule: Schedule) -> Schedule:
    """Return a schedule whose step 0 is `start`."""
    return lambda t: schedule(t - start)
