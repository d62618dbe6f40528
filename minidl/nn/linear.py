"""Linear layers: parameters, and the op that uses them.

ops/linalg.py left open where w and b come from: a layer makes them, and keeps them. How
they are found again, to be trained and saved, is in module.py.
"""

from __future__ import annotations

from typing import ClassVar

from minidl import backend, ops
from minidl.backend import Seed
from minidl.engine.tensor import Tensor
from minidl.nn import init as initializers
from minidl.nn.init import Initializer
from minidl.nn.interchange import Layout
from minidl.nn.module import Module, Parameter

__all__ = ["Linear"]


class Linear(Module):
    """y = x W + b.    x (N, in) -> y (N, out); further leading axes count as batch.

    W (in, out) starts as N(0, 2/in), which keeps the variance through a ReLU (He et al.
    2015, eq. 10); b (out,) starts at 0. `init` draws another W: a function of shape and
    rng, such as those of nn.init.

    >>> Linear(3, 2, rng=0)(Tensor([[1.0, 0.0, 2.0]])).shape
    (1, 2)
    """

    torch_layout: ClassVar[Layout] = Layout(transposed=("weight",))

    def __init__(
        self,
        n_in: int,
        n_out: int,
        bias: bool = True,
        *,
        init: Initializer = initializers.kaiming_normal,
        rng: Seed = None,
    ) -> None:
        rng = backend.generator(rng)
        self.weight = Parameter(init((n_in, n_out), rng=rng))
        self.bias = Parameter(initializers.zeros(n_out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return x W + b."""
        y: Tensor = ops.affine(x, self.weight, self.bias)
        return y
