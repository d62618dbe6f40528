"""The multilayer perceptron: layers in a row, every number connected to every other.

Throughout:  x input (N, D)    y scores (N, K)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from minidl import backend, nn
from minidl.backend import Seed
from minidl.engine.tensor import Tensor
from minidl.errors import ShapeError


class MLP(nn.Module):
    """y = Wₙ f(… f(W₂ f(W₁ x + b₁) + b₂) …) + bₙ.    x (N, D) -> y (N, K).

    sizes       lengths from the input to the output: [D, …, K]
    activation  makes one f, such as nn.ReLU
    dropout     probability to drop what a hidden layer puts out
    norm        batch norm before each f (Ioffe & Szegedy 2015)
    x of more axes, such as images, is flattened.

    >>> MLP([784, 100, 10], rng=0)(Tensor([[[0.0] * 28] * 28])).shape
    (1, 10)
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Callable[[], Any] = nn.ReLU,
        dropout: float = 0.0,
        norm: bool = False,
        *,
        rng: Seed = None,
    ) -> None:
        if len(sizes) < 2:
            raise ShapeError(
                f"MLP: sizes are the lengths from input to output, two at least, such "
                f"as [784, 100, 10]; these are {list(sizes)}"
            )
        rng = backend.generator(rng)
        layers: list[Any] = [nn.Flatten()]
        for i, (n_in, n_out) in enumerate(pairwise(sizes)):
            if i:
                layers.append(activation())
                layers += [nn.Dropout(dropout, rng=rng)] if dropout else []
            last = i == len(sizes) - 2
            init = "head" if last else "kaiming_normal"
            bias = last or not norm
            layers.append(nn.Linear(n_in, n_out, bias, init=init, rng=rng))
            layers += [nn.BatchNorm1d(n_out)] if norm and not last else []
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of the last layer."""
        y: Tensor = self.layers(x)
        return y
