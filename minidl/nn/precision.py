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

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minidl import ops
from minidl.backend import DType
from minidl.engine.tensor import Tensor, TensorLike
from minidl.errors import DTypeError, GraphError
from minidl.nn.module import Module
from minidl.nn.norm import GroupNorm, InstanceNorm2d, LayerNorm, RMSNorm, _BatchNorm
from minidl.nn.tree import Buffer, Parameter

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

    def forward(self, *xs: Any, **settings: Any) -> Any:
        """Return the model's output, as float32."""
        with self.rounded(), self.exact():
            settings = {name: cast(x, self.dtype) for name, x in settings.items()}
            y = self.model(*(cast(x, self.dtype) for x in xs), **settings)
        return cast(y, np.dtype(np.float32))

    @contextmanager
    def rounded(self) -> Iterator[None]:
        """Put float16 in place of parameters and buffers, but for normalization."""
        places = [
            (module, name, value)
            for module in self.model.modules()
            if not isinstance(module, EXACT)
            for name, value in vars(module).items()
            if isinstance(value, (Parameter, Buffer)) and value.dtype == np.float32
        ]
        found = {id(value) for _, _, value in places}
        exact = (m for m in self.model.modules() if isinstance(m, EXACT))
        found |= {id(value) for m in exact for value in vars(m).values()}
        if any(id(p) not in found for p in self.model.parameters()):
            raise GraphError(
                "MixedPrecision reaches parameters that are attributes of a module; "
                "one here stands in a list or dictionary: give it a module of its own"
            )
        rounded = {id(v): ops.astype(v, self.dtype) for _, _, v in places}
        try:
            for module, name, value in places:
                vars(module)[name] = rounded[id(value)]
            yield
        finally:
            for module, name, value in places:
                vars(module)[name] = value

    @contextmanager
    def exact(self) -> Iterator[None]:
        """Let normalization compute in float32, between two roundings."""
        layers = [m for m in self.model.modules() if isinstance(m, EXACT)]
        try:
            for layer in layers:
                vars(layer)["forward"] = _in_float32(type(layer).forward, layer)
            yield
        finally:
            for layer in layers:
                vars(layer).pop("forward", None)


def _in_float32(forward: Any, layer: Module) -> Any:
    def exact(x: Tensor) -> Any:
        return cast(forward(layer, cast(x, np.dtype(np.float32))), x.dtype)

    return exact


def cast(x: TensorLike, dtype: np.dtype[Any]) -> Any:
    """Return float Tensors and arrays, also in tuples and lists, in this dtype."""
    if isinstance(x, (tuple, list)):
        return type(x)(cast(part, dtype) for part in x)
    if getattr(getattr(x, "dtype", None), "kind", "") != "f" or x.dtype == dtype:
        return x
    return ops.astype(x, dtype)
