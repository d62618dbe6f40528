"""Faster bodies of some operations, one file per chapter and device.

Each registers itself on its operation, `@conv2d.fast("cpu")`, takes the same arguments,
and returns None for what it cannot do; the operation then runs its own body, which is
the specification. A file here may be deleted together with its line below.
"""

from minidl.kernels import (
    cpu_conv,
    cpu_layer_norm,
    cpu_loss,
    cpu_norm,
    cpu_pool,
    cpu_where,
)

__all__ = [
    "cpu_conv",
    "cpu_layer_norm",
    "cpu_loss",
    "cpu_norm",
    "cpu_pool",
    "cpu_where",
]
