"""Mixed precision: a model that computes in float16 and learns in float32.

    x   input, float32       y   output, float32       half   float16 inside

Half as many bytes to move, and GPUs multiply float16 several times faster. But a weight
of 1 cannot take a step of 10⁻⁴ in float16, whose next number is 1.001. So the weights
remain float32, and at every call a copy in float16 does the work: rounding is an
operation like others, whose gradient goes back to float32.

Normalization adds up many squares, and 256² is already beyond float16. So these layers
compute in float32, between two more roundings. Losses come after: they get float32.

Micikevicius et al. 2018, "Mixed precision training", sections 3.1 and 3.3.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from minidl import ops
from minidl.backend import DType
from minidl.engine.tensor import Tensor, TensorLike
from minidl.errors import DTypeError
from minidl.nn.module import Module
from minidl.nn.norm import GroupNorm, InstanceNorm2d, LayerNorm, RMSNorm, _BatchNorm
from minidl.nn.substitute import substituted
from minidl.nn.tree import Tree

__all__ = ["MixedPrecision"]

EXACT = (_BatchNorm, LayerNorm, GroupNorm, InstanceNorm2d, RMSNorm)


class MixedPrecision(Module):
    """`model`, computed in float16.    x float32 -> y float32

    Give its parameters, which are the model's, to the optimizer, and the loss to an
    `optim.GradScaler`. Floating inputs are rounded to float16, outputs come back as
    float32; labels and indices pass as they are.

    dtype   "float16". There is no "bfloat16": NumPy and CuPy have no such type of their
            own, and that of the package ml_dtypes does not count as a float in NumPy

    Raises DTypeError where the model is not float32, or for another dtype.

    >>> from minidl.nn.linear import Linear
    >>> half = MixedPrecision(Linear(2, 3, rng=0))
    >>> y = half(np.ones((1, 2), np.float32))
    >>> y.dtype, half.model.weight.dtype
    (dtype('float32'), dtype('float32'))
    """

    def __init__(self, model: Module, dtype: DType = "float16") -> None:
        if str(dtype) not in ("float16", str(np.float16)):
            hint = (
                "NumPy and CuPy have no bfloat16 of their own, and that of ml_dtypes "
                'is no float to NumPy; try "float16" with optim.GradScaler, or '
                'minidl.use("cuda", tf32=True)'
                if "bfloat16" in str(dtype)
                else 'it may be "float16"'
            )
            raise DTypeError(f"MixedPrecision: dtype is {dtype}; {hint}")
        wide = [n for n, p in model.named_parameters() if p.dtype != np.float32]
        if wide:
            raise DTypeError(
                f"MixedPrecision learns in float32, and {wide[0]} is another float; "
                'try model.astype("float32")'
            )
        self.model, self.dtype = model, np.dtype(np.float16)

    def forward(self, *xs: TensorLike, **settings: Any) -> Any:
        """Return the model's output, as float32."""
        rounded: dict[Any, Any] = {}

        def instead(module: Tree, x: TensorLike) -> Any:
            """Return x rounded, once for all its places; norms keep what is theirs."""
            if isinstance(module, EXACT) or x.dtype != np.float32:
                return x
            if x not in rounded:
                rounded[x] = ops.astype(x, self.dtype)
            return rounded[x]

        settings = {name: cast(x, self.dtype) for name, x in settings.items()}
        with substituted(self.model, instead) as model:
            for layer in model.modules():
                if isinstance(layer, EXACT):
                    kind: Any = type(layer)
                    layer.__class__ = _in_float32(kind)
            y = model(*(cast(x, self.dtype) for x in xs), **settings)
        return cast(y, np.dtype(np.float32))


@functools.cache
def _in_float32(kind: Any) -> Any:
    """Return a class of norms that compute in float32, between two roundings."""

    def forward(self: Any, x: Tensor) -> Any:
        return cast(kind.forward(self, cast(x, np.dtype(np.float32))), x.dtype)

    return type(kind.__name__, (kind,), {"forward": forward, "__doc__": kind.__doc__})


def cast(x: TensorLike, dtype: np.dtype[Any]) -> Any:
    """Return float Tensors and arrays, also in tuples and lists, in this dtype."""
    if isinstance(x, (tuple, list)):
        return type(x)(cast(part, dtype) for part in x)
    if getattr(getattr(x, "dtype", None), "kind", "") != "f" or x.dtype == dtype:
        return x
    return ops.astype(x, dtype)
