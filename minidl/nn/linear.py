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
    2015, eq. 10); b (out,) starts at 0. `init` draws another W: a function of nn.init
    or its name, such as "head" for the last layer of a classifier, or "torch".

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
        init: str | Initializer = "kaiming_normal",
        rng: Seed = None,
    ) -> None:
        rng = backend.generator(rng)
        shape = (n_in, n_out)
        self.weight = Parameter(initializers.named(init)(shape, rng=rng))
        b = initializers.bias_for(init, n_out, shape, rng) if bias else None
        self.bias = None if b is None else Parameter(b)

    def forward(self, x: Tensor) -> Tensor:
        """Return x W + b."""
        y: Tensor = ops.affine(x, self.weight, self.bias)
        return y
