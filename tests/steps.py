"""A network and its step, written out or captured: what tests of `compile` share."""

from __future__ import annotations

import contextlib

import numpy as np

import minidl as md
from minidl import demo, nn, ops, optim
from minidl.backend import to_device, to_numpy


def mlp():
    return nn.Sequential(nn.Linear(20, 16, rng=0), nn.ReLU(), nn.Linear(16, 10, rng=1))


def mixed():
    """Every kind of state that a step may keep: statistics, keys, several axes."""
    return nn.Sequential(
        nn.Linear(20, 16, rng=0),
        nn.BatchNorm1d(16),
        nn.GELU(),
        nn.Dropout(0.4, rng=1),
        nn.LayerNorm(16),
        nn.Linear(16, 10, rng=2),
    )


NETS = {"mlp": (mlp, (8, 20)), "cnn": (demo.network, (2, 1, 28, 28))}


def batches(device, shape, n, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(n):
        x = rng.normal(size=shape).astype("float32")
        y = rng.integers(0, 10, shape[0])
        yield [md.Tensor(to_device(a, device), copy=False) for a in (x, y)]


def same_products(device):
    """Multiply as a captured step does: on a GPU the order of sums may differ."""
    if device == "cpu":
        return contextlib.nullcontext()
    from minidl.kernels.cuda.blas import Products

    return Products()


class Run:
    """A network with its optimizer, and a step that is compiled or not."""

    def __init__(self, make, device, compiled, rule=optim.Adam, **settings):
        self.net, self.device = make().to(device), device
        self.opt = rule(self.net.parameters(), **settings)
        self.compiled = compiled
        self.step = md.compile(self.learn) if compiled else self.learn

    def learn(self, x, y):
        loss = ops.cross_entropy(self.net(x), y)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss

    def over(self, data, between=lambda run, i: None):
        losses = []
        plain = (
            contextlib.nullcontext() if self.compiled else same_products(self.device)
        )
        with plain:
            for i, batch in enumerate(data):
                losses.append(self.step(*batch))
                between(self, i)
        return [
            float(y.data) for y in losses
        ]  # read at the end: they stay as they were

    def state(self):
        opt = self.opt.state_dict()
        arrays = {k: x for k, x in opt.items() if k.startswith("slots")}
        return {
            **{k: to_numpy(x) for k, x in self.net.state_dict().items()},
            **arrays,
            "t": np.array([opt["t"], *opt["steps"]]),
        }

    @property
    def graphs(self):
        return self.step.captured.graphs

    @property
    def captures(self):
        return sum(map(len, self.graphs.values()))


def assert_equal(run, other):
    one, two = run.state(), other.state()
    assert list(one) == list(two)
    for name, x in one.items():
        np.testing.assert_array_equal(x, two[name], err_msg=name)
