"""minidl: deep learning, every line of it in reach.

>>> import minidl as md
>>> x = md.Tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
array([2., 4., 6.], dtype=float32)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as _numpy

from minidl import backend, foreign, ops, process
from minidl.backend import default_dtype, seed, use
from minidl.engine.backward import grad
from minidl.engine.debug import debug
from minidl.engine.modes import enable_grad, no_grad
from minidl.engine.op import op
from minidl.engine.tensor import Tensor
from minidl.process import get_num_threads, keep_memory, set_num_threads

if TYPE_CHECKING:
    from minidl import check, data, lab, models, nn, optim, show, train
    from minidl.capture.compile import compile
    from minidl.interchange import to_onnx
    from minidl.nn.profile import profile
    from minidl.nn.state import load, save

__version__ = "0.1.0"
__all__ = [
    "Tensor",
    "check",
    "compile",
    "data",
    "debug",
    "default_dtype",
    "enable_grad",
    "get_num_threads",
    "grad",
    "keep_memory",
    "lab",
    "load",
    "models",
    "nn",
    "no_grad",
    "op",
    "ops",
    "optim",
    "profile",
    "save",
    "seed",
    "set_num_threads",
    "show",
    "to_onnx",
    "train",
    "use",
]


# What NumPy has under the same name is here, too: md.exp is md.ops.exp.
_SHORT = {name for name in ops.__all__ if hasattr(_numpy, name)}
_HOMES = {"load": "nn.state", "save": "nn.state", "profile": "nn.profile",
          "compile": "capture.compile", "to_onnx": "interchange"}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a package when it is first named: `import minidl` stays quick."""
    if name in _SHORT:
        return getattr(ops, name)
    if name in _HOMES:
        return getattr(import_module(f"minidl.{_HOMES[name]}"), name)
    if name in __all__:
        return import_module(f"minidl.{name}")
    raise foreign.missing("minidl", name, _places)


def _places() -> dict[str, str]:
    """Return every public name, those of packages too, and where it is."""
    where = {name: f"md.{name}" for name in __dir__()}
    for home in ("train", "data", "optim", "nn", "ops"):
        names = import_module(f"minidl.{home}").__all__
        where |= {known: f"md.{home}.{known}" for known in names}
    return where


def __dir__() -> list[str]:
    return sorted({*__all__, *_SHORT})


process.from_environment()
backend.optional("minidl.kernels")  # faster bodies of some operations
