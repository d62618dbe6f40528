"""What the harness measures: shapes, numbers, and first weights, for every library.

    a MLP 784-512-512-10    b 20 layers of 64    c CNN    d LSTM    e GPT
    f optimizers            g a chain of ops     h single ops, forward and backward

A workload draws its numbers from a seed. Every library gets them from the same file
(`save`, `load`), so that their losses must agree, step by step. Weights of a layer are
(in, out), kernels (F, C, KH, KW), the gates of an LSTM in the order i, f, o, g.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

Arrays = dict[str, np.ndarray]
Generator = np.random.Generator

LETTERS, HIDDEN, TIMES = 65, 256, 64  # of the LSTM
DIM, HEADS, LAYERS, CONTEXT = 128, 4, 4, 128  # of the GPT
LENGTH = 1000  # of the chain


class Given(NamedTuple):
    """What a library starts from: the batch, and the first weights by name."""

    data: Arrays
    params: Arrays


class Workload(NamedTuple):
    """What it is called, and how its numbers are drawn."""

    title: str
    draw: Callable[[Generator], Given]


def normal(rng: Generator, *shape: int, std: float = 1.0) -> np.ndarray:
    """Return normal float32 numbers."""
    return rng.standard_normal(shape, np.float32) * np.float32(std)


def zeros(n: int) -> np.ndarray:
    """Return a first bias."""
    return np.zeros(n, np.float32)


def mlp(rng: Generator, sizes: tuple[int, ...], batch: int) -> Given:
    """Layers w0, b0, w1, … with ReLU between them."""
    params: Arrays = {}
    for i, (n, m) in enumerate(pairwise(sizes)):
        params[f"w{i}"] = normal(rng, n, m, std=(2 / n) ** 0.5)
        params[f"b{i}"] = zeros(m)
    x, labels = normal(rng, batch, sizes[0]), rng.integers(0, sizes[-1], batch)
    return Given({"x": x, "labels": labels}, params)


def cnn(rng: Generator) -> Given:
    """Two convolutions, pooling, two more, pooling; batch norm after each; linear."""
    params: Arrays = {}
    for i, (n, m) in enumerate(pairwise((3, 32, 32, 64, 64))):
        params[f"w{i}"] = normal(rng, m, n, 3, 3, std=(2 / (9 * n)) ** 0.5)
        params[f"gamma{i}"], params[f"beta{i}"] = zeros(m) + 1, zeros(m)
    params["w"], params["b"] = normal(rng, 64 * 8 * 8, 10, std=0.01), zeros(10)
    x, labels = normal(rng, 64, 3, 32, 32), rng.integers(0, 10, 64)
    return Given({"x": x, "labels": labels}, params)


def lstm(rng: Generator) -> Given:
    """Letters as one-hot rows, one layer, and a score for every letter at each time."""
    tokens = rng.integers(0, LETTERS, (32, TIMES + 1))
    x = np.eye(LETTERS, dtype=np.float32)[tokens[:, :-1]]
    params = {
        "wx": normal(rng, LETTERS, 4 * HIDDEN, std=LETTERS**-0.5),
        "wh": normal(rng, HIDDEN, 4 * HIDDEN, std=HIDDEN**-0.5),
        "bias": zeros(4 * HIDDEN),
        "w": normal(rng, HIDDEN, LETTERS, std=HIDDEN**-0.5),
        "b": zeros(LETTERS),
    }
    return Given({"x": x, "labels": tokens[:, 1:]}, params)


def gpt(rng: Generator) -> Given:
    """As in minidl.models.GPT, without dropout, with GPT-2's approximate GELU."""
    d = DIM
    params = {
        "embedding": normal(rng, LETTERS, d, std=0.02),
        "positions": normal(rng, CONTEXT, d, std=0.02),
    }
    shapes = {"q": (d, d), "k": (d, d), "v": (d, d), "o": (d, d)}
    shapes |= {"1": (d, 4 * d), "2": (4 * d, d)}
    for i in range(LAYERS):
        for name, (n, m) in shapes.items():
            params[f"{i}.w{name}"] = normal(rng, n, m, std=n**-0.5)
            params[f"{i}.b{name}"] = zeros(m)
        for norm in ("norm1", "norm2"):
            params[f"{i}.{norm}.gamma"] = zeros(d) + 1
            params[f"{i}.{norm}.beta"] = zeros(d)
    params["norm.gamma"], params["norm.beta"] = zeros(d) + 1, zeros(d)
    tokens = rng.integers(0, LETTERS, (16, CONTEXT + 1))
    return Given({"x": tokens[:, :-1], "labels": tokens[:, 1:]}, params)


def update(rng: Generator) -> Given:
    """Ten million parameters in 50 arrays, and a gradient for each."""
    params = {f"w{i}": normal(rng, 400, 500) for i in range(50)}
    return Given({f"w{i}": normal(rng, 400, 500) for i in range(50)}, params)


def chain(rng: Generator) -> Given:
    """Four numbers and a factor near 1."""
    return Given({"c": zeros(4) + np.float32(1.0001)}, {"x": zeros(4) + 1})


def single(
    rng: Generator, shapes: tuple[tuple[int, ...], ...], classes: int = 0
) -> Given:
    """The inputs of an op, x, w, b; and labels, where it takes them."""
    params = {"x": normal(rng, *shapes[0])}
    for name, shape in zip(("w", "b"), shapes[1:], strict=False):
        params[name] = normal(rng, *shape, std=0.06)
    labels = {"labels": rng.integers(0, classes, shapes[0][0])} if classes else {}
    return Given(labels, params)


WORKLOADS = {
    "a": Workload(
        "MLP 784-512-512-10, batch 128, Adam",
        partial(mlp, sizes=(784, 512, 512, 10), batch=128),
    ),
    "b": Workload(
        "MLP, 20 layers of 64, batch 32, Adam",
        partial(mlp, sizes=(64,) * 20 + (10,), batch=32),
    ),
    "c": Workload("CNN, 4 convolutions, batch 64, Momentum", cnn),
    "d": Workload("LSTM 256, 64 letters, batch 32, Adam", lstm),
    "e": Workload("GPT, 4 layers of 128, 16 x 128 letters, AdamW", gpt),
    "g": Workload("chain of 1000 ops on 4 numbers", chain),
}
RULES = ["sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam"]
WORKLOADS |= {
    f"f.{rule}": Workload(f"{rule}, 10 million weights", update) for rule in RULES
}
IMAGES = (64, 32, 32, 32)
SINGLE: dict[str, tuple[tuple[int, ...], ...]] = {
    "conv3x3-3": ((64, 3, 32, 32), (32, 3, 3, 3)),
    "conv3x3-32": (IMAGES, (32, 32, 3, 3)),
    "conv3x3-64": ((64, 64, 16, 16), (64, 64, 3, 3)),
    "conv5x5-s2": ((64, 16, 32, 32), (32, 16, 5, 5)),
    "conv1x1": ((64, 64, 16, 16), (128, 64, 1, 1)),
    "batch_norm2d": (IMAGES, (32,), (32,)),
    "batch_norm1d": ((512, 512), (512,), (512,)),
    "layer_norm": ((2048, 128), (128,), (128,)),
    "max_pool": (IMAGES,),
    "cross_entropy-1000": ((2048, 1000),),
    "cross_entropy-10": ((128, 10),),
    "dropout": ((1024, 1024),),
    "gelu-tanh": ((2048, 512),),
    "gelu": ((2048, 512),),
    "elu": ((2048, 512),),
    "erf": ((2048, 512),),
    "rnn": ((32, 64, 256), (256, 256), (256, 256)),
    "gru": ((32, 64, 256), (256, 768), (256, 768)),
    "lstm": ((32, 64, 256), (256, 1024), (256, 1024)),
}
for _name, _shapes in SINGLE.items():
    _classes = _shapes[0][1] if _name.startswith("cross_entropy") else 0
    WORKLOADS[f"h.{_name}"] = Workload(
        " ".join([_name, *map(str, _shapes[:1])]),
        partial(single, shapes=_shapes, classes=_classes),
    )
RANDOM = ("h.dropout",)  # every library draws its own numbers
TRAINING = ("a", "b", "c", "d", "e")  # what returns a loss, and needs memory


def save(name: str, path: Path) -> None:
    """Draw a workload's numbers and write them down, for every library to read."""
    given = WORKLOADS[name].draw(np.random.default_rng(0))
    data = {f"data/{key}": x for key, x in given.data.items()}
    np.savez(path, **data, **{f"params/{key}": p for key, p in given.params.items()})


def load(path: Path) -> Given:
    """Read what `save` wrote."""
    given = Given({}, {})
    with np.load(path) as file:
        for key in file.files:
            part, _, name = key.partition("/")
            getattr(given, part)[name] = file[key]
    return given
