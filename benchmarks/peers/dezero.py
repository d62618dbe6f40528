"""DeZero: its layers and functions. It has no product of stacks, so no GPT."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import dezero.functions as F
import dezero.layers as L
import numpy as np
from dezero import Function, Parameter, Variable, optimizers

from benchmarks.workloads import HIDDEN, LENGTH, LETTERS, TIMES, Given

Step = Callable[[], Any]
RULES: dict[str, Any] = {
    "sgd": optimizers.SGD, "momentum": optimizers.MomentumSGD,
    "adagrad": optimizers.AdaGrad, "adadelta": optimizers.AdaDelta,
    "adam": optimizers.Adam,
}  # fmt: skip


def linear(w: np.ndarray, b: np.ndarray | None = None) -> Any:
    """Return a Linear with these weights."""
    layer = L.Linear(w.shape[1], nobias=b is None, in_size=w.shape[0])
    layer.W.data = np.ascontiguousarray(w)
    if b is not None:
        layer.b.data = b.copy()
    return layer


class Model(L.Layer):
    """Layers, and the function of x that calls them."""

    def __init__(self, layers: dict[str, Any], call: Callable[..., Any]) -> None:
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.call = call

    def forward(self, x: Any) -> Any:
        """Return scores."""
        return self.call(self, x)


def training(model: Any, rule: Any, given: Given) -> Step:
    """Return a step: scores, cross entropy, backward, the rule."""
    optimizer = rule.setup(model)
    x, labels = given.data["x"], given.data["labels"].reshape(-1)

    def step() -> float:
        loss = F.softmax_cross_entropy(model(x), labels)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return float(loss.data)

    return step


def mlp(given: Given) -> Step:
    """Linear and ReLU in turn."""
    arrays = list(given.params.values())
    pairs = list(zip(arrays[::2], arrays[1::2], strict=True))
    layers = {f"l{i}": linear(w.copy(), b) for i, (w, b) in enumerate(pairs)}

    def call(model: Any, x: Any) -> Any:
        for i in range(len(pairs) - 1):
            x = F.relu(getattr(model, f"l{i}")(x))
        return getattr(model, f"l{len(pairs) - 1}")(x)

    return training(Model(layers, call), optimizers.Adam(), given)


def cnn(given: Given) -> Step:
    """Convolution, batch norm, ReLU; pooling after every second."""
    p, layers = given.params, {}
    for i in range(4):
        f, c = p[f"w{i}"].shape[:2]
        conv = L.Conv2d(f, 3, pad=1, nobias=True, in_channels=c)
        conv.W.data = p[f"w{i}"].copy()
        layers[f"conv{i}"], layers[f"norm{i}"] = conv, L.BatchNorm()
    layers["head"] = linear(p["w"].copy(), p["b"])

    def call(model: Any, x: Any) -> Any:
        for i in range(4):
            x = getattr(model, f"norm{i}")(getattr(model, f"conv{i}")(x))
            x = F.pooling(F.relu(x), 2, 2) if i % 2 else F.relu(x)
        return model.head(F.reshape(x, (len(x), -1)))

    return training(Model(layers, call), optimizers.MomentumSGD(lr=0.01), given)


def lstm(given: Given) -> Step:
    """Its LSTM takes one step at a time."""
    p = given.params
    cell = L.LSTM(HIDDEN, in_size=LETTERS)
    cuts = (np.split(p[name], 4, axis=-1) for name in ("wx", "wh", "bias"))
    for gate, wx, wh, b in zip("ifou", *cuts, strict=True):
        setattr(cell, f"x2{gate}", linear(wx.copy(), b))
        setattr(cell, f"h2{gate}", linear(wh.copy()))

    def call(model: Any, x: Any) -> Any:
        model.cell.reset_state()
        scores = [model.head(model.cell(x[:, t])) for t in range(TIMES)]
        rows = [F.reshape(s, (len(x), 1, LETTERS)) for s in scores]
        return F.reshape(joined(rows), (-1, LETTERS))

    model = Model({"cell": cell, "head": linear(p["w"].copy(), p["b"])}, call)
    return training(model, optimizers.Adam(), given)


class Joined(Function):
    """Put arrays (N, 1, K) beside each other."""

    def forward(self, *xs: Any) -> Any:
        """Return (N, T, K)."""
        return np.concatenate(xs, axis=1)

    def backward(self, g: Any) -> Any:
        """Return the parts of g."""
        return tuple(Variable(g.data[:, t : t + 1]) for t in range(TIMES))


def joined(xs: list[Any]) -> Any:
    """Put arrays beside each other; DeZero has no function for it."""
    return Joined()(*xs)


def update(given: Given, rule: str) -> Step:
    """An optimizer alone."""
    params = {name: Parameter(p.copy()) for name, p in given.params.items()}
    for p, g in zip(params.values(), given.data.values(), strict=True):
        p.grad = Variable(g)
    named = {"alpha": 1e-3} if rule == "adam" else {"lr": 1e-3}
    optimizer = RULES[rule](**({} if rule == "adadelta" else named))
    optimizer.setup(Model(params, len))

    def step() -> tuple[Any, ...]:
        optimizer.update()
        return (params["w0"].data,)

    return step


def chain(given: Given) -> Step:
    """y ← y · c and y ← y + c in turn, and back."""
    c = Variable(given.data["c"])

    def step() -> tuple[Any, ...]:
        x = Variable(given.params["x"])
        y = x
        for _ in range(LENGTH // 2):
            y = y * c
            y = y + c
        y.backward()
        return y.data, x.grad.data

    return step


def batch_norm(x: Any, w: Any, b: Any) -> Any:
    """Its running statistics are arrays that it writes."""
    mean, var = np.zeros_like(w.data), np.ones_like(w.data)
    return F.batch_nrom(x, w, b, mean, var)  # so spelled there


OPS: dict[str, Callable[..., Any]] = {
    "conv3x3-3": partial(F.conv2d, pad=1),
    "conv3x3-32": partial(F.conv2d, pad=1),
    "conv3x3-64": partial(F.conv2d, pad=1),
    "conv5x5-s2": partial(F.conv2d, pad=2, stride=2),
    "conv1x1": F.conv2d,
    "batch_norm2d": batch_norm,
    "batch_norm1d": batch_norm,
    "max_pool": partial(F.pooling, kernel_size=2, stride=2),
    "cross_entropy-1000": F.softmax_cross_entropy,
    "cross_entropy-10": F.softmax_cross_entropy,
    "dropout": F.dropout,
}


def single(given: Given, name: str) -> Step:
    """One op, forward and backward."""
    xs = [Variable(x) for x in given.params.values()]
    extra, op = list(given.data.values()), OPS[name]

    def step() -> tuple[Any, ...]:
        for x in xs:
            x.cleargrad()
        y = op(*xs, *extra)
        y.backward()
        return (y.data, *(x.grad.data for x in xs))

    return step


WORK: dict[str, Callable[[Given], Step]] = {
    "a": mlp, "b": mlp, "c": cnn, "d": lstm, "g": chain,
    **{f"f.{rule}": partial(update, rule=rule) for rule in RULES},
    **{f"h.{name}": partial(single, name=name) for name in OPS},
}  # fmt: skip
