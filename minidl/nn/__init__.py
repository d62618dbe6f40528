"""Layers: parameters, and the ops that use them.

Each file lists what is public of it in its own `__all__`; this is all of it and
`init`.
"""
# ruff: noqa: F403

from sys import modules as _modules
from typing import Any as _Any

from minidl.foreign import missing as _missing
from minidl.nn import init
from minidl.nn.activation import *
from minidl.nn.attention import *
from minidl.nn.cache import *
from minidl.nn.containers import *
from minidl.nn.conv import *
from minidl.nn.dropout import *
from minidl.nn.embedding import *
from minidl.nn.interchange import *
from minidl.nn.linear import *
from minidl.nn.loss import *
from minidl.nn.module import *
from minidl.nn.norm import *
from minidl.nn.pool import *
from minidl.nn.position import *
from minidl.nn.precision import *
from minidl.nn.receptive import *
from minidl.nn.recurrent import *
from minidl.nn.transformer import *

__all__ = [
    "init",
    *(
        name
        for path, file in list(_modules.items())
        if path.startswith(f"{__name__}.") and file is not init
        for name in getattr(file, "__all__", ())
    ),
]


def __getattr__(name: str) -> _Any:
    raise _missing("minidl.nn", name, __all__)
