"""Activations as layers: each is an op, and the settings it is called with.

Throughout:  x input    y output, of the same shape but for Maxout    N batch
Formulas, papers and what happens at the kinks stand in minidl/ops/activation.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minidl import ops
from minidl.backend import Seed, default_dtype
from minidl.engine.tensor import Tensor
from minidl.nn import init as initializers
from minidl.nn.module import Module, Parameter


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = ops.relu(x)
        return y


class LeakyReLU(Module):
    """x for x > 0, else s x, with a small slope s."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = ops.leaky_relu(x, negative_slope=self.negative_slope)
        return y


class PReLU(Module):
    """x for x > 0, else a x, with a learned a: one, or one for each channel (axis 1).

    a starts at 0.25 (He et al. 2015, section 2.1). Weight decay would pull it to 0.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        self.weight = Parameter(np.full(num_parameters, init, default_dtype()))

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = ops.prelu(x, self.weight)
        return y


class ELU(Module):
    """x for x > 0, else α (eˣ − 1)."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = ops.elu(x, alpha=self.alpha)
        return y


class SELU(Module):
    """λ elu(x, α), which keeps mean 0 and variance 1: initialize with lecun_normal."""

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = ops.selu(x)
        return y


class GELU(Module):
    """x Φ(x), with Φ the distribution of N(0, 1); approximate="tanh" is faster."""

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = ops.gelu(x, approximate=self.approximate)
        return y


class SiLU(Module):
    """x σ(x)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = ops.silu(x)
        return y


class Sigmoid(Module):
    """σ(x) = 1 / (1 + e⁻ˣ)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = ops.sigmoid(x)
        return y


class Tanh(Module):
    """tanh x."""

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = ops.tanh(x)
        return y


class Softplus(Module):
    """log(1 + exp(βx)) / β, a smooth max(x, 0)."""

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = ops.softplus(x, beta=self.beta)
        return y


class Softmax(Module):
    """exp(xₖ) / Σⱼ exp(xⱼ), along `axis`. CrossEntropyLoss wants scores, not these."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = ops.softmax(x, axis=self.axis)
        return y


class LogSoftmax(Module):
    """xₖ − log Σⱼ exp(xⱼ), along `axis`."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = ops.log_softmax(x, axis=self.axis)
        return y


class Maxout(Module):
    """The largest of k linear functions of x, for each of the outputs.

    x (N, in) -> y (N, out): y_i = max_j (x W + b)_{ik+j}, j = 0 … k − 1, so that W is
    (in, out k).    Goodfellow et al. 2013, section 2. It starts as Linear does.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        pieces: int = 2,
        *,
        init: Callable[..., Any] = initializers.kaiming_normal,
        rng: Seed = None,
    ) -> None:
        self.pieces = pieces
        self.weight = Parameter(init((n_in, n_out * pieces), rng=rng))
        self.bias = Parameter(np.zeros(n_out * pieces, default_dtype()))

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        z = ops.affine(x, self.weight, self.bias)
        y: Tensor = ops.maxout(z, pieces=self.pieces)
        return y
