"""minidl itself: its layers, its ops, its optimizers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import minidl as md
from benchmarks.workloads import DIM, HEADS, HIDDEN, LAYERS, LENGTH, LETTERS, Given
from minidl import nn, ops, optim

Step = Callable[[], Any]
RULES: dict[str, Any] = {
    "sgd": optim.SGD,
    "momentum": optim.Momentum,
    "nesterov": optim.Nesterov,
    "adagrad": optim.Adagrad,
    "adadelta": optim.Adadelta,
    "rmsprop": optim.RMSProp,
    "adam": optim.Adam,
}


def put(layer: Any, **arrays: np.ndarray) -> Any:
    """Give a layer its first weights, and return it."""
    for name, array in arrays.items():
        getattr(layer, name).data[...] = array
    return layer


def linear(w: np.ndarray, b: np.ndarray) -> Any:
    """Return a Linear with these weights."""
    return put(nn.Linear(*w.shape), weight=w, bias=b)


def training(
    model: Any, rule: Callable[[Any], Any], given: Given, x: Any = None
) -> Step:
    """Return a step: scores, cross entropy, backward, the rule."""
    optimizer = rule(list(model.parameters()))
    x = md.Tensor(given.data["x"]) if x is None else x
    labels = given.data["labels"].reshape(-1)

    def step() -> float:
        optimizer.zero_grad()
        scores = model(x)
        loss = ops.cross_entropy(scores.reshape(-1, scores.shape[-1]), labels)
        loss.backward()
        optimizer.step()
        return float(loss)

    return step


def mlp(given: Given) -> Step:
    """Linear and ReLU in turn."""
    arrays = list(given.params.values())
    layers: list[Any] = []
    for w, b in zip(arrays[::2], arrays[1::2], strict=True):
        layers += [linear(w, b), nn.ReLU()]
    return training(nn.Sequential(*layers[:-1]), optim.Adam, given)


def cnn(given: Given) -> Step:
    """Convolution, batch norm, ReLU; pooling after every second."""
    p, layers = given.params, []
    for i in range(4):
        f, c = p[f"w{i}"].shape[:2]
        conv = nn.Conv2d(c, f, 3, padding=1, bias=False)
        layers += [put(conv, weight=p[f"w{i}"]), nn.BatchNorm2d(f), nn.ReLU()]
        if i % 2:
            layers.append(nn.MaxPool2d(2))
    model = nn.Sequential(*layers, nn.Flatten(), linear(p["w"], p["b"]))
    return training(model, partial(optim.Momentum, lr=0.01), given)


class Letters(nn.Module):
    """An LSTM and a score for each letter."""

    def __init__(self, p: dict[str, np.ndarray]) -> None:
        self.lstm = nn.LSTM(LETTERS, HIDDEN)
        put(self.lstm.cells[0], weight_x=p["wx"], weight_h=p["wh"], bias=p["bias"])
        self.head = linear(p["w"], p["b"])

    def forward(self, x: Any) -> Any:
        """Return scores at every time."""
        return self.head(self.lstm(x)[0])


def lstm(given: Given) -> Step:
    """One layer, many letters."""
    return training(Letters(given.params), optim.Adam, given)


def gpt(given: Given) -> Step:
    """minidl.models.GPT with the approximate GELU."""
    p, context = given.params, len(given.params["positions"])
    model = md.models.GPT(LETTERS, context, DIM, HEADS, LAYERS, dropout=0.0)
    put(model.embedding, weight=p["embedding"])
    put(model.positions, weight=p["positions"])
    for i, block in enumerate(model.blocks):
        block.activation = "gelu_tanh"
        a = block.self_attn
        parts = {"q": a.query, "k": a.key, "v": a.value, "o": a.output}
        parts |= {"1": block.linear1, "2": block.linear2}
        for name, part in parts.items():
            put(part, weight=p[f"{i}.w{name}"], bias=p[f"{i}.b{name}"])
    return training(model, optim.AdamW, given, given.data["x"])


def update(given: Given, rule: str) -> Step:
    """An optimizer alone."""
    params = [md.Tensor(p, requires_grad=True) for p in given.params.values()]
    for p, g in zip(params, given.data.values(), strict=True):
        p.grad = g
    optimizer = RULES[rule](params, lr=1e-3)

    def step() -> tuple[Any, ...]:
        optimizer.step()
        return (params[0].data,)

    return step


def chain(given: Given, length: int = LENGTH) -> Step:
    """y ← y · c and y ← y + c in turn, and back."""
    c, one = md.Tensor(given.data["c"]), np.ones(4, np.float32)

    def step() -> tuple[Any, ...]:
        x = md.Tensor(given.params["x"], requires_grad=True)
        y = x
        for _ in range(length // 2):
            y = y * c
            y = y + c
        y.backward(one)
        return y.data, x.grad

    return step


OPS: dict[str, Callable[..., Any]] = {
    "conv3x3-3": partial(ops.conv2d, padding=1),
    "conv3x3-32": partial(ops.conv2d, padding=1),
    "conv3x3-64": partial(ops.conv2d, padding=1),
    "conv5x5-s2": partial(ops.conv2d, padding=2, stride=2),
    "conv1x1": ops.conv2d,
    "batch_norm2d": lambda x, w, b: ops.batch_norm(x, w, b)[0],
    "batch_norm1d": lambda x, w, b: ops.batch_norm(x, w, b)[0],
    "layer_norm": ops.layer_norm,
    "max_pool": partial(ops.max_pool2d, kernel_size=2),
    "cross_entropy-1000": ops.cross_entropy,
    "cross_entropy-10": ops.cross_entropy,
    "dropout": nn.Dropout(0.5),
    "gelu-tanh": partial(ops.gelu, approximate="tanh"),
    "gelu": ops.gelu,
    "elu": ops.elu,
    "erf": ops.erf,
    "rnn": lambda x, w, b: ops.rnn(x, None, w, b)[0],
    "gru": lambda x, w, b: ops.gru(x, None, w, b)[0],
    "lstm": lambda x, w, b: ops.lstm(x, None, None, w, b)[0],
}


def single(given: Given, name: str) -> Step:
    """One op, forward and backward."""
    xs = [md.Tensor(x, requires_grad=True) for x in given.params.values()]
    extra, op, one = list(given.data.values()), OPS[name], []

    def step() -> tuple[Any, ...]:
        y = op(*xs, *extra)
        if not one:
            one.append(np.ones_like(y.data))
        return (y.data, *md.grad(y, xs, one[0]))

    return step


WORK: dict[str, Callable[[Given], Step]] = {
    "a": mlp, "b": mlp, "c": cnn, "d": lstm, "e": gpt, "g": chain,
    **{f"f.{rule}": partial(update, rule=rule) for rule in RULES},
    **{f"h.{name}": partial(single, name=name) for name in OPS},
}  # fmt: skip
