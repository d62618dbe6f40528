"""Networks, layers and optimizers on every device: the same numbers as on the CPU.

On the mock driver it is counted, too, what a training step sends to and fro: nothing,
beyond the batch. Elsewhere the meter shows zeros.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest

import minidl as md
from minidl import backend, demo, nn, ops, optim
from minidl.backend import to_device, to_numpy

CLOSE = {"rtol": 2e-4, "atol": 2e-5}


def floats(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def whole(high, *shape):
    return np.random.default_rng(1).integers(0, high, shape)


def moved(x, device):
    return md.Tensor(to_device(x, device), copy=False)


# ----------------------------------------------------------------------------- layers

LAYERS = {
    "Linear": (lambda: nn.Linear(5, 3), floats(4, 5)),
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3, padding=1), floats(2, 2, 6)),
    "Conv2d": (lambda: nn.Conv2d(2, 4, 3, stride=2, padding=1), floats(2, 2, 6, 6)),
    "Conv2d groups": (lambda: nn.Conv2d(4, 4, 3, groups=2), floats(2, 4, 5, 5)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(2, 3, 2, stride=2), floats(2, 2, 3, 3)),
    "Linear and ReLU": (
        lambda: nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 2)),
        floats(4, 5),
    ),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), floats(2, 2, 6, 6)),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), floats(2, 2, 6, 6)),
    "GlobalAvgPool2d": (lambda: nn.GlobalAvgPool2d(), floats(2, 2, 6, 6)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(5), floats(6, 5)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3), floats(2, 3, 4, 4)),
    "LayerNorm": (lambda: nn.LayerNorm(5), floats(2, 3, 5)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), floats(2, 4, 3, 3)),
    "RMSNorm": (lambda: nn.RMSNorm(5), floats(2, 3, 5)),
    "PReLU": (lambda: nn.PReLU(), floats(4, 5)),
    "GELU": (lambda: nn.GELU(), floats(4, 5)),
    "Maxout": (lambda: nn.Maxout(6, 2), floats(4, 6)),
    "Dropout": (lambda: nn.Dropout(0.4), floats(4, 50)),
    "Dropout2d": (lambda: nn.Dropout2d(0.4), floats(4, 5, 2, 2)),
    "GaussianNoise": (lambda: nn.GaussianNoise(0.4), floats(4, 5)),
    "Embedding": (lambda: nn.Embedding(7, 4), whole(7, 3, 5)),
}  # fmt: skip


def outcome(layer, x, device):
    """Return y, all gradients and all buffers after one training pass."""
    layer = copy.deepcopy(layer).to(device)
    x = moved(x, device)
    x.requires_grad = x.dtype.kind == "f"
    y = layer(x)
    assert y.device == device
    (y * y).sum().backward()
    leaves = [*layer.parameters(), *([x] if x.requires_grad else [])]
    return [y.data, *(p.grad for p in leaves), *(b.data for b in layer.buffers())]


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_the_same_on_every_device(name, device):
    make, x = LAYERS[name]
    layer = make()
    want, got = outcome(layer, x, "cpu"), outcome(layer, x, device)
    for y, expected in zip(got, want, strict=True):
        assert backend.device_of(y) == device
        np.testing.assert_allclose(to_numpy(y), expected, **CLOSE)


# ------------------------------------------------------------------------- optimizers

RULES = [
    "SGD", "Momentum", "Nesterov", "Adagrad", "Adadelta", "RMSProp", "Adam", "AdamW",
    "AdamP", "NAdam", "Adamax",
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_an_optimizer_is_the_same_on_every_device(rule, device, meter):
    def run(device):
        ps = [nn.Parameter(to_device(floats(*s), device)) for s in [(3, 4), (4,)]]
        opt = getattr(optim, rule)(ps, lr=0.05, weight_decay=0.01)
        for step in range(4):
            for p in ps:
                p.grad = to_device(floats(*p.shape, seed=step), device)
            with meter() as spent:
                opt.step()
        if device == "cuda":
            assert (spent.h2d, spent.d2h, spent.syncs) == (0, 0, 0), spent
        return [to_numpy(p) for p in ps]

    for p, expected in zip(run(device), run("cpu"), strict=True):
        np.testing.assert_allclose(p, expected, **CLOSE)


@pytest.mark.parametrize("clip", ["clip_grad_norm", "clip_grad_value"])
def test_clipping_is_the_same_on_every_device(clip, device):
    p = nn.Parameter(to_device(floats(3, 4), device))
    p.grad = to_device(floats(3, 4, seed=2), device)
    getattr(optim, clip)([p], 0.5)
    q = nn.Parameter(floats(3, 4))
    q.grad = floats(3, 4, seed=2)
    getattr(optim, clip)([q], 0.5)
    np.testing.assert_allclose(to_numpy(p.grad), q.grad, **CLOSE)


# --------------------------------------------------------------------- training steps


def mlp():
    return nn.Sequential(
        nn.Linear(784, 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Linear(256, 10),
    )


NETS = {
    "mlp": (mlp, floats(16, 784)),
    "cnn": (demo.network, floats(4, 1, 28, 28)),
}

LAUNCHES = {"mlp": 19, "cnn": 76}  # of a step, products and all


def losses(net, x, labels, device, meter, steps=3):
    """Train for some steps; return the losses, the weights, and what was spent."""
    net = copy.deepcopy(net).to(device)
    opt = optim.Adam(net.parameters(), lr=1e-3)
    x, labels = moved(x, device), moved(labels, device)
    found = []
    for _ in range(steps):
        with meter() as spent:
            loss = ops.cross_entropy(net(x), labels)
            opt.zero_grad()
            loss.backward()
            opt.step()
        found.append(loss.data)
    return [float(y) for y in found], net.state_dict(), spent


@pytest.mark.parametrize("name", NETS)
def test_a_training_step_stays_on_the_device(name, device, meter):
    make, x = NETS[name]
    net, labels = make(), whole(10, len(x))
    got, state, spent = losses(net, x, labels, device, meter)
    want, weights, _ = losses(net, x, labels, "cpu", meter)
    np.testing.assert_allclose(got, want, rtol=1e-4)
    for key, value in state.items():
        # Adam moves a weight by its gradient's sign where the gradient is tiny
        np.testing.assert_allclose(to_numpy(value), weights[key], atol=3e-3, rtol=1e-3)
    if device == "cuda":
        assert (spent.h2d, spent.d2h, spent.syncs) == (0, 0, 0), spent
        assert spent.launches <= LAUNCHES[name], spent
