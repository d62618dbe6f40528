"""PyTorch, eager: its layers, its functions, its optimizers as they come."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.workloads import DIM, HEADS, HIDDEN, LAYERS, LENGTH, LETTERS, Given

Step = Callable[[], Any]
RULES: dict[str, Any] = {
    "sgd": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "nesterov": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
}
RECURRENT = "RNN", "GRU", "LSTM"


def put(parameter: Any, array: np.ndarray) -> None:
    """Give a parameter its first values."""
    parameter.data = torch.tensor(np.ascontiguousarray(array))


def linear(w: np.ndarray, b: np.ndarray) -> Any:
    """Return a Linear with these weights: PyTorch keeps (out, in)."""
    layer = nn.Linear(*w.shape)
    put(layer.weight, w.T)
    put(layer.bias, b)
    return layer


def training(model: Any, rule: Callable[[Any], Any], given: Given) -> Step:
    """Return a step: scores, cross entropy, backward, the rule."""
    optimizer = rule(model.parameters())
    x, labels = (torch.tensor(given.data[name]) for name in ("x", "labels"))

    def step() -> float:
        optimizer.zero_grad()
        scores = model(x)
        loss = F.cross_entropy(scores.flatten(0, -2), labels.flatten())
        loss.backward()
        optimizer.step()
        return loss.item()  # type: ignore[no-any-return]

    return step


def mlp(given: Given) -> Step:
    """Linear and ReLU in turn."""
    arrays = list(given.params.values())
    layers: list[Any] = []
    for w, b in zip(arrays[::2], arrays[1::2], strict=True):
        layers += [linear(w, b), nn.ReLU()]
    return training(nn.Sequential(*layers[:-1]), torch.optim.Adam, given)


def cnn(given: Given) -> Step:
    """Convolution, batch norm, ReLU; pooling after every second."""
    p, layers = given.params, []
    for i in range(4):
        f, c = p[f"w{i}"].shape[:2]
        conv = nn.Conv2d(c, f, 3, padding=1, bias=False)
        put(conv.weight, p[f"w{i}"])
        layers += [conv, nn.BatchNorm2d(f), nn.ReLU()]
        if i % 2:
            layers.append(nn.MaxPool2d(2))
    model = nn.Sequential(*layers, nn.Flatten(), linear(p["w"], p["b"]))
    return training(model, partial(torch.optim.SGD, lr=0.01, momentum=0.9), given)


def gates(array: np.ndarray) -> np.ndarray:
    """Return the gates of an LSTM in PyTorch's order: i, f, g, o."""
    i, f, o, g = np.split(array, 4, axis=-1)
    return np.concatenate([i, f, g, o], axis=-1)


class Letters(nn.Module):
    """An LSTM and a score for each letter."""

    def __init__(self, p: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.lstm = nn.LSTM(LETTERS, HIDDEN, batch_first=True)
        put(self.lstm.weight_ih_l0, gates(p["wx"]).T)
        put(self.lstm.weight_hh_l0, gates(p["wh"]).T)
        put(self.lstm.bias_ih_l0, gates(p["bias"]))
        put(self.lstm.bias_hh_l0, 0 * p["bias"])
        self.lstm.bias_hh_l0.requires_grad_(False)  # others have one bias
        self.head = linear(p["w"], p["b"])

    def forward(self, x: Any) -> Any:
        """Return scores at every time."""
        return self.head(self.lstm(x)[0])


def lstm(given: Given) -> Step:
    """One layer, many letters."""
    return training(Letters(given.params), torch.optim.Adam, given)


class Block(nn.Module):
    """Causal self-attention and an MLP, each after a norm, each added."""

    def __init__(self, p: dict[str, np.ndarray], i: int) -> None:
        super().__init__()
        ws, bs = ([p[f"{i}.{part}{name}"] for name in "qkv"] for part in "wb")
        self.qkv = linear(np.concatenate(ws, axis=1), np.concatenate(bs))
        self.o, self.up, self.down = (
            linear(p[f"{i}.w{name}"], p[f"{i}.b{name}"]) for name in "o12"
        )
        self.norm1, self.norm2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)

    def forward(self, x: Any) -> Any:
        """Return x and what is added to it."""
        n, t, d = x.shape
        qkv = self.qkv(self.norm1(x)).view(n, t, 3, HEADS, d // HEADS)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(n, t, d))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class GPT(nn.Module):
    """Embeddings, blocks, a norm, and scores by the table of embeddings."""

    def __init__(self, p: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(LETTERS, DIM)
        self.positions = nn.Parameter(torch.tensor(p["positions"]))
        put(self.embedding.weight, p["embedding"])
        self.blocks = nn.ModuleList(Block(p, i) for i in range(LAYERS))
        self.norm = nn.LayerNorm(DIM)

    def forward(self, tokens: Any) -> Any:
        """Return scores at every time."""
        x = self.embedding(tokens) + self.positions
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.embedding.weight)


def gpt(given: Given) -> Step:
    """A small GPT."""
    return training(GPT(given.params), torch.optim.AdamW, given)


def update(given: Given, rule: str) -> Step:
    """An optimizer alone."""
    params = [torch.tensor(p, requires_grad=True) for p in given.params.values()]
    for p, g in zip(params, given.data.values(), strict=True):
        p.grad = torch.tensor(g)
    optimizer = RULES[rule](params, lr=1e-3)

    def step() -> tuple[Any, ...]:
        optimizer.step()
        return (params[0],)

    return step


def chain(given: Given) -> Step:
    """y ← y · c and y ← y + c in turn, and back."""
    start, c, one = given.params["x"], torch.tensor(given.data["c"]), torch.ones(4)

    def step() -> tuple[Any, ...]:
        x = torch.tensor(start, requires_grad=True)
        y = x
        for _ in range(LENGTH // 2):
            y = y * c
            y = y + c
        y.backward(one)
        return y, x.grad

    return step


def batch_norm(x: Any, w: Any, b: Any) -> Any:
    """Normalize over the batch, without running statistics."""
    return F.batch_norm(x, None, None, w, b, training=True)


OPS: dict[str, Callable[..., Any]] = {
    "conv3x3-3": partial(F.conv2d, padding=1),
    "conv3x3-32": partial(F.conv2d, padding=1),
    "conv3x3-64": partial(F.conv2d, padding=1),
    "conv5x5-s2": partial(F.conv2d, padding=2, stride=2),
    "conv1x1": F.conv2d,
    "batch_norm2d": batch_norm,
    "batch_norm1d": batch_norm,
    "layer_norm": lambda x, w, b: F.layer_norm(x, w.shape, w, b),
    "max_pool": partial(F.max_pool2d, kernel_size=2),
    "cross_entropy-1000": F.cross_entropy,
    "cross_entropy-10": F.cross_entropy,
    "dropout": F.dropout,
    "gelu-tanh": partial(F.gelu, approximate="tanh"),
    "gelu": F.gelu,
    "elu": F.elu,
    "erf": torch.erf,
}


def single(given: Given, name: str) -> Step:
    """One op, forward and backward."""
    xs = [torch.tensor(x, requires_grad=True) for x in given.params.values()]
    extra = [torch.tensor(x) for x in given.data.values()]
    op, one = OPS[name], []

    def step() -> tuple[Any, ...]:
        y = op(*xs, *extra)
        if not one:
            one.append(torch.ones_like(y))
        return (y, *torch.autograd.grad(y, xs, one[0]))

    return step


def numbers(x: Any) -> np.ndarray:
    """Return a result as an array."""
    return x.detach().numpy()  # type: ignore[no-any-return]


def threads(n: int) -> None:
    """Compute with n threads."""
    torch.set_num_threads(n)


def recurrent(given: Given, kind: str) -> Step:
    """A recurrent layer from zero, without biases; the order of gates is its own."""
    arrays = given.params
    x = torch.tensor(arrays["x"], requires_grad=True)
    layer = getattr(nn, kind)(256, 256, bias=False, batch_first=True)
    put(layer.weight_ih_l0, (gates(arrays["w"]) if kind == "LSTM" else arrays["w"]).T)
    put(layer.weight_hh_l0, (gates(arrays["b"]) if kind == "LSTM" else arrays["b"]).T)
    xs = [x, *layer.parameters()]
    one = torch.ones(32, 64, 256)

    def step() -> tuple[Any, ...]:
        y = layer(x)[0]
        return (y, *torch.autograd.grad(y, xs, one))

    return step


WORK: dict[str, Callable[[Given], Step]] = {
    "a": mlp, "b": mlp, "c": cnn, "d": lstm, "e": gpt, "g": chain,
    **{f"f.{rule}": partial(update, rule=rule) for rule in RULES},
    **{f"h.{name}": partial(single, name=name) for name in OPS},
    **{f"h.{kind.lower()}": partial(recurrent, kind=kind) for kind in RECURRENT},
}  # fmt: skip
