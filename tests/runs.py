"""Small training runs that the tests of the Trainer and its callbacks share."""

import os
import signal

import numpy as np

from minidl import nn, ops, optim
from minidl.data import DataLoader, blobs
from minidl.train import Callback, Trainer, accuracy

POINTS = blobs(90, 3, rng=0)
TRAIN, VALIDATION = POINTS.subset(range(60)), POINTS.subset(range(60, 90))


def net(width=8, norm=False, drop=0.0):
    middle = [nn.BatchNorm1d(width)] if norm else []
    return nn.Sequential(
        nn.Linear(2, width, rng=0),
        *middle,
        nn.ReLU(),
        nn.Dropout(drop, rng=1),
        nn.Linear(width, 3, rng=2),
    )


def loader(batch=10, seed=0, **options):
    return DataLoader(TRAIN, batch, shuffle=True, seed=seed, **options)


def trainer(
    model=None,
    callbacks=(),
    rule=optim.Adam,
    lr=0.01,
    loss=ops.cross_entropy,
    **options,
):
    model = net() if model is None else model
    optimizer = rule(model.parameters(), lr=lr)
    return Trainer(
        model, optimizer, loss, [accuracy], callbacks, progress=False, **options
    )


def weights(thing):
    model = getattr(thing, "model", thing)
    return {name: array.copy() for name, array in model.state_dict().items()}


def assert_same(a, b):
    """Bit by bit."""
    a, b = (
        weights(a) if hasattr(a, "model") else a,
        weights(b) if hasattr(b, "model") else b,
    )
    assert list(a) == list(b)
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def press(_):
    """Press Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


class Script(Callback):
    """Pretends that validation gave these values, epoch after epoch."""

    turn = -1

    def __init__(self, values, name="val_loss"):
        self.values, self.name = list(values), name

    def on_validation(self, trainer, record):
        record[self.name] = self.values[trainer.epoch]


class At(Callback):
    """Does something at one step."""

    def __init__(self, step, action):
        self.step, self.action = step, action

    def on_step(self, trainer):
        if trainer.t == self.step:
            self.action(trainer)
