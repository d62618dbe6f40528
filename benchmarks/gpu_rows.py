"""The rows of the GPU benchmark. To measure something else, add one.

A row is a function that makes a task (gpu_tasks.py) of a size; its full size, and a
tiny one to rehearse with; and what was predicted for it before it was ever measured.
Nothing is dropped out anywhere: two libraries do not draw the same masks.

`conv_N_C_H_F` is a convolution 3 × 3 of N images of C channels, H × H, to F channels:
the middle ones are those of ResNet's first, second and last stage.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from benchmarks.gpu_layers import Pass
from benchmarks.gpu_tasks import Training, Update
from minidl import backend, demo, models, nn


class Prediction(NamedTuple):
    """The time of `ours` is at most so many times that of `theirs`."""

    ours: str
    theirs: str
    most: float


class Work(NamedTuple):
    """A task, made of a size; what it may take; what was predicted.

    precision  "float32"; "tf32", whose products round their inputs to 10 bits; or
               "float16" inside, for tasks that are made with half=True: on both sides
    compiled   whether torch.compile, which takes a while, is tried
    """

    make: Callable[..., Any]
    size: dict[str, Any]
    tiny: dict[str, Any]
    predictions: tuple[Prediction, ...] = ()
    precision: str = "float32"
    compiled: bool = False


def draw(*shape: int) -> Any:
    """Return normal numbers, always the same."""
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def whole(high: int, *shape: int) -> Any:
    """Return labels or tokens, always the same."""
    return np.random.default_rng(1).integers(0, high, shape)


def mlp(
    batch: int, sizes: tuple[int, ...] = (784, 256, 256, 10), half: bool = False
) -> Training:
    """Linear layers with ReLU between them."""

    def layers(linear: Any, relu: Any) -> list[Any]:
        made = [part for n in pairwise(sizes) for part in (linear(*n), relu())]
        return made[:-1]

    def theirs(torch: Any) -> Any:
        return torch.nn.Sequential(*layers(torch.nn.Linear, torch.nn.ReLU))

    rng = np.random.default_rng(0)
    ours = nn.Sequential(*layers(lambda *n: nn.Linear(*n, rng=rng), nn.ReLU))
    x, labels = draw(batch, sizes[0]), whole(sizes[-1], batch)
    return Training(ours, theirs, x, labels, first=sizes[0] * sizes[1], half=half)


def cnn(batch: int) -> Training:
    """The demo's network, without its dropout."""

    def theirs(torch: Any) -> Any:
        t = torch.nn
        return t.Sequential(
            t.Conv2d(1, 16, 5, stride=2, padding=2, bias=False),
            *(t.BatchNorm2d(16), t.ReLU()),
            t.Conv2d(16, 32, 3, padding=1, bias=False),
            *(t.BatchNorm2d(32), t.MaxPool2d(2), t.ReLU()),
            t.Conv2d(32, 32, 3, bias=False),
            *(t.BatchNorm2d(32), t.ReLU(), t.Flatten()),
            t.Linear(32 * 5 * 5, 10),
        )

    backend.seed(0)
    layers = [m for m in demo.network() if not isinstance(m, nn.Dropout)]
    x, labels = draw(batch, 1, 28, 28), whole(10, batch)
    return Training(nn.Sequential(*layers), theirs, x, labels, first=14 * 14 * 16 * 25)


def gpt(
    batch: int, context: int, dim: int, heads: int, layers: int, half: bool = False
) -> Training:
    """A GPT over 65 letters, as many as Shakespeare uses."""
    letters = 65

    def theirs(torch: Any) -> Any:
        from benchmarks.gpu_torch import gpt_twin

        return gpt_twin(torch, letters, context, dim, heads, layers)

    ours = models.GPT(letters, context, dim, heads, layers, dropout=0.0, rng=0)
    tokens = whole(letters, batch, context + 1)
    x, y = tokens[:, :-1].copy(), tokens[:, 1:].copy()
    return Training(ours, theirs, x, y, half=half)


def conv(n: int, c: int, h: int, f: int) -> Pass:
    """A convolution 3 × 3 that keeps the image's size."""

    def theirs(torch: Any) -> Any:
        layer = torch.nn.Conv2d(c, f, 3, padding=1, bias=False)
        return layer, layer

    ours = nn.Conv2d(c, f, 3, padding=1, bias=False, rng=0)
    return Pass(ours, theirs, draw(n, c, h, h), (n, f, h, h))


def norm(name: str, size: int, shape: tuple[int, ...]) -> Pass:
    """A layer of normalization, called as in PyTorch."""

    def theirs(torch: Any) -> Any:
        layer = getattr(torch.nn, name)(size)
        return layer, layer

    return Pass(getattr(nn, name)(size), theirs, draw(*shape), shape)


def lstm(n: int, t: int, d: int) -> Pass:
    """One layer of an LSTM, as wide as its input."""

    def theirs(torch: Any) -> Any:
        layer = torch.nn.LSTM(d, d, batch_first=True)
        return layer, lambda x: layer(x)[0]

    x = draw(n, t, d)
    return Pass(nn.LSTM(d, d, rng=0), theirs, x, x.shape, lambda layer, x: layer(x)[0])


def attention(n: int, t: int, d: int, heads: int) -> Pass:
    """Causal self-attention with its four maps."""

    def theirs(torch: Any) -> Any:
        from benchmarks.gpu_torch import causal_twin

        return causal_twin(torch, d, heads, t)

    def ahead(layer: Any, x: Any) -> Any:
        return layer(x, causal=True)

    ours, x = nn.MultiHeadAttention(d, heads, rng=0), draw(n, t, d)
    return Pass(ours, theirs, x, x.shape, ahead)


FAST = (
    Prediction("eager", "torch eager", 0.5),
    Prediction("graph", "torch eager", 0.2),
    Prediction("graph", "torch graph", 1.1),
)
CUDNN = (Prediction("eager", "torch eager", 3.0),)

SMALL = {"batch": 4, "sizes": (12, 8, 10)}
TEXT = {"batch": 32, "context": 256, "dim": 384, "heads": 6, "layers": 6}
WORD = {"batch": 2, "context": 8, "dim": 8, "heads": 2, "layers": 1}
HALF = {"half": True}
DOT = {"n": 2, "c": 2, "h": 5, "f": 3}
PAGE = {"name": "LayerNorm", "size": 768, "shape": (8192, 768)}
LINE = {"name": "LayerNorm", "size": 6, "shape": (4, 6)}
MAPS = {"name": "BatchNorm2d", "size": 64, "shape": (64, 64, 56, 56)}
MAP = {"name": "BatchNorm2d", "size": 2, "shape": (3, 2, 4, 4)}


def sized(n: int, c: int, h: int, f: int) -> dict[str, int]:
    """Return the size of a convolution."""
    return {"n": n, "c": c, "h": h, "f": f}


ROWS = {
    "mlp_128": Work(mlp, {"batch": 128}, SMALL, FAST, compiled=True),
    "mlp_1024": Work(mlp, {"batch": 1024}, SMALL, FAST),
    "cnn": Work(cnn, {"batch": 50}, {"batch": 2}, compiled=True),
    "adam_50m": Work(Update, {"count": 48, "n": 1024}, {"count": 2, "n": 4}),
    "conv_64_64_56_64": Work(conv, sized(64, 64, 56, 64), DOT, CUDNN),
    "conv_64_128_28_128": Work(conv, sized(64, 128, 28, 128), DOT, CUDNN),
    "conv_64_512_7_512": Work(conv, sized(64, 512, 7, 512), DOT, CUDNN),
    "conv_64_16_14_32": Work(conv, sized(64, 16, 14, 32), DOT, CUDNN),
    "layer_norm": Work(norm, PAGE, LINE, compiled=True),
    "batch_norm": Work(norm, MAPS, MAP),
    "lstm": Work(lstm, {"n": 64, "t": 128, "d": 512}, {"n": 2, "t": 3, "d": 4}),
    "attention": Work(
        attention,
        {"n": 8, "t": 512, "d": 512, "heads": 8},
        {"n": 2, "t": 4, "d": 8, "heads": 2},
    ),
    "gpt": Work(gpt, TEXT, WORD, compiled=True),
    "mlp_1024_tf32": Work(mlp, {"batch": 1024}, SMALL, precision="tf32"),
    "conv_64_64_56_64_tf32": Work(conv, sized(64, 64, 56, 64), DOT, precision="tf32"),
    "gpt_tf32": Work(gpt, TEXT, WORD, precision="tf32"),
    "mlp_1024_float16": Work(
        mlp, {"batch": 1024} | HALF, SMALL | HALF, precision="float16"
    ),
    "gpt_float16": Work(gpt, TEXT | HALF, WORD | HALF, precision="float16"),
}
