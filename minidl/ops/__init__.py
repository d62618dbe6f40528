"""Every differentiable function, in one flat namespace.

Each file lists what is public of it in its own `__all__`; this is all of it.
"""
# ruff: noqa: F403

from sys import modules as _modules
from typing import Any as _Any

from minidl.engine.tensor import Tensor as _Tensor
from minidl.foreign import missing as _missing
from minidl.ops.activation import *
from minidl.ops.attention import *
from minidl.ops.conv import *
from minidl.ops.creation import *
from minidl.ops.dropout import *
from minidl.ops.einsum import *
from minidl.ops.elementwise import *
from minidl.ops.embedding import *
from minidl.ops.indexing import *
from minidl.ops.joining import *
from minidl.ops.linalg import *
from minidl.ops.loss import *
from minidl.ops.norm import *
from minidl.ops.pool import *
from minidl.ops.random import *
from minidl.ops.recurrent import *
from minidl.ops.reduce import *
from minidl.ops.shape import *
from minidl.ops.windows import *

from minidl.ops import methods  # noqa: F401  # isort: skip  attaches the operators

__all__ = [
    name
    for path, file in list(_modules.items())
    if path.startswith(f"{__name__}.")
    for name in getattr(file, "__all__", ())
]
_Tensor.namespace = _modules[__name__]


def __getattr__(name: str) -> _Any:
    raise _missing("minidl.ops", name, __all__)
