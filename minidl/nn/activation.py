"""Activations as layers: each is an op, and the settings it is called with.

Throughout:  x input    y output, of the same shape but for Maxout    N batch
Formulas, papers and what happens at the kinks stand in minidl/ops/activation.py; what
such a short class stands for, in minidl/nn/layer.py. PReLU and Maxout learn something
and are written out.
"""

from __future__ import annotations

import numpy as np

from minidl import ops
from minidl.backend import Seed, default_dtype, generator
from minidl.engine.tensor import Tensor
from minidl.nn import init as initializers
from minidl.nn.layer import UnaryLayer
from minidl.nn.module import Module, Parameter

__all__ = [
    "ELU", "GELU", "GLU", "SELU", "Hardtanh", "LeakyReLU", "LogSigmoid", "LogSoftmax",
    "Maxout", "Mish", "PReLU", "ReLU", "SiLU", "Sigmoid", "Softmax", "Softplus",
    "Softsign", "Tanh",
]  # fmt: skip


class ReLU(UnaryLayer, op=ops.relu):
    """max(x, 0)."""


class LeakyReLU(UnaryLayer, op=ops.leaky_relu):
    """x for x > 0, else s x, with a small slope s."""

    negative_slope: float = 0.01


class PReLU(Module):
    """x for x > 0, else a x, with a learned a: one, or one for each channel (axis 1).

    a starts at 0.25 (He et al. 2015, section 2.1). Weight decay would pull it to 0.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        self.weight = Parameter(np.full(num_parameters, init, default_dtype()))

    def forward(self, x: Tensor) -> Tensor:
        """Return x where it is positive, a x elsewhere."""
        y: Tensor = ops.prelu(x, self.weight)
        return y


class ELU(UnaryLayer, op=ops.elu):
    """x for x > 0, else α (eˣ − 1)."""

    alpha: float = 1.0


class SELU(UnaryLayer, op=ops.selu):
    """λ elu(x, α), which keeps mean 0 and variance 1: initialize with lecun_normal."""


class GELU(UnaryLayer, op=ops.gelu):
    """x Φ(x), with Φ the distribution of N(0, 1); approximate="tanh" is faster."""

    approximate: str = "none"


class SiLU(UnaryLayer, op=ops.silu):
    """x σ(x)."""


class Sigmoid(UnaryLayer, op=ops.sigmoid):
    """σ(x) = 1 / (1 + e⁻ˣ)."""


class Tanh(UnaryLayer, op=ops.tanh):
    """tanh x."""


class LogSigmoid(UnaryLayer, op=ops.logsigmoid):
    """ln σ(x)."""


class Softsign(UnaryLayer, op=ops.softsign):
    """x / (1 + |x|)."""


class Mish(UnaryLayer, op=ops.mish):
    """x tanh(ln(1 + eˣ))."""


class Hardtanh(UnaryLayer, op=ops.hardtanh):
    """x between two limits, which it does not pass."""

    min_val: float = -1.0
    max_val: float = 1.0


class GLU(UnaryLayer, op=ops.glu):
    """a σ(b) of the two halves of x along `axis`.    x (N, 2D) -> y (N, D)."""

    axis: int = -1


class Softplus(UnaryLayer, op=ops.softplus):
    """log(1 + exp(βx)) / β, a smooth max(x, 0)."""

    beta: float = 1.0


class Softmax(UnaryLayer, op=ops.softmax):
    """exp(xₖ) / Σⱼ exp(xⱼ), along `axis`. CrossEntropyLoss wants scores, not these."""

    axis: int = -1


class LogSoftmax(UnaryLayer, op=ops.log_softmax):
    """xₖ − log Σⱼ exp(xⱼ), along `axis`."""

    axis: int = -1


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
        init: str | initializers.Initializer = "kaiming_normal",
        rng: Seed = None,
    ) -> None:
        self.pieces, rng = pieces, generator(rng)
        shape = (n_in, n_out * pieces)
        self.weight = Parameter(initializers.named(init)(shape, rng=rng))
        self.bias = Parameter(initializers.bias_for(init, shape[1], shape, rng))

    def forward(self, x: Tensor) -> Tensor:
        """Return the largest of every `pieces` neighbors in x W + b."""
        z = ops.affine(x, self.weight, self.bias)
        y: Tensor = ops.maxout(z, pieces=self.pieces)
        return y
