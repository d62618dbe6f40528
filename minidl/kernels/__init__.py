"""Faster bodies of some operations, one file per chapter and device.

Each registers itself on its operation, `@conv2d.fast("cpu")`, takes the same arguments,
and returns None for what it cannot do; the operation then runs its own body, which is
the specification. A file here may be deleted together with its line below.
"""

from minidl.kernels import (
    cpu_attention,
    cpu_conv,
    cpu_layer_norm,
    cpu_loss,
    cpu_norm,
    cpu_pool,
    cpu_recurrent,
    cpu_scatter,
    cpu_where,
    cuda_activation,
    cuda_dropout,
    cuda_loss,
    cuda_norm,
    cuda_windows,
)

__all__ = [
    "cpu_attention",
    "cpu_conv",
    "cpu_layer_norm",
    "cpu_loss",
    "cpu_norm",
    "cpu_pool",
    "cpu_recurrent",
    "cpu_scatter",
    "cpu_where",
    "cuda_activation",
    "cuda_dropout",
    "cuda_loss",
    "cuda_norm",
    "cuda_windows",
]
