"""minidl: deep learning, every line of it in reach.

>>> import minidl as md
>>> x = md.Tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
array([2., 4., 6.], dtype=float32)
"""

from minidl.tensor import Tensor  # isort: skip  the engine first: see its last lines
from minidl import ops
from minidl.backend import default_dtype, seed, use
from minidl.backward import grad
from minidl.debug import debug
from minidl.modes import no_grad

__version__ = "0.1.0"
__all__ = ["Tensor", "debug", "default_dtype", "grad", "no_grad", "ops", "seed", "use"]
