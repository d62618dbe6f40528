"""The table of operations: what each is tried on, and what an independent oracle says.

Every module of this package holds `ROWS` for one chapter of minidl.ops. A row buys, in
tests/test_ops.py: the value; gradients of order 1, 2 and 3; float32 stays float32;
inputs are never written; the graph dies without the garbage collector; each device.
Layers that are one op stand in `LAYERS` beside them: see tests/test_layers.py.

Every line of a table draws from a generator of its own, whose seed is the line's text:
a line that is added or taken away changes no other.
"""

from __future__ import annotations

import importlib
import linecache
import pkgutil
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minidl import nn
from minidl.engine.tensor import values

_drawn: Counter[tuple[str, int]] = Counter()  # how often a line has drawn


def generator():
    """Return a generator for the line of a table that is being made."""
    frame = sys._getframe(1)
    while frame.f_code.co_name != "<module>":
        frame = frame.f_back
    place = frame.f_code.co_filename, frame.f_lineno
    _drawn[place] += 1
    text = linecache.getline(*place).strip()
    return np.random.default_rng([zlib.crc32(text.encode()), _drawn[place]])


def normal(*shape):
    return generator().standard_normal(shape)


def positive(*shape):
    return generator().uniform(0.5, 2.0, shape)


def off_zero(*shape):
    """Away from a kink at 0, where a difference quotient tells nothing."""
    rng = generator()
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.1, 2.0, shape)


def distinct(*shape):
    """No two numbers closer than 0.1: no ties for max, sort and pooling."""
    n, rng = int(np.prod(shape)), generator()
    return (rng.permutation(n) * 0.1 + rng.uniform(0, 0.02, n)).reshape(shape) - n / 20


@dataclass
class Row:
    """One op, the inputs to try it on (float64), and what an oracle says it returns.

    op        the function of minidl.ops; `name` tells rows of one op apart
    inputs    arrays; integer and boolean ones and None get no gradient
    oracle    a function of the same inputs, in NumPy (or stored figures)
    settings  keyword arguments for the op, and for the oracle if it takes them by `**`
    orders    the highest order of gradient to check
    """

    op: Callable[..., Any]
    inputs: tuple[Any, ...]
    oracle: Callable[..., Any] | None
    settings: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    orders: int = 3
    rtol: float = 1e-10

    def __str__(self) -> str:
        shapes = "-".join("x".join(map(str, np.shape(x))) or "0d" for x in self.inputs)
        extra = ",".join(f"{k}={plain(v)}" for k, v in self.settings.items())
        parts = (self.op.__name__, self.name, shapes, extra)
        return "-".join(part for part in parts if part).replace(" ", "")[:90]

    def __call__(self, *inputs: Any) -> Any:
        return self.op(*inputs, **self.settings)


@dataclass
class LayerRow:
    """One layer that is an op with settings, and the inputs to try it on."""

    layer: type[nn.Module]
    op: Callable[..., Any]
    inputs: tuple[Any, ...]
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        extra = ",".join(f"{k}={plain(v)}" for k, v in self.settings.items())
        return f"{self.layer.__name__}-{extra}".rstrip("-").replace(" ", "")[:90]


def plain(value: Any) -> str:
    """What a test may be called: a function by its name, not by where it lies."""
    return getattr(value, "__name__", str(value))


def curved(row: Row) -> Callable[..., Any]:
    """y + ½ y²: at order 2 and above, the way back through a linear map counts too.

    Of a linear y alone, the second derivative is zero whatever its closures return.
    """

    def f(*inputs: Any) -> Any:
        ys = row(*inputs)
        ys = ys if isinstance(ys, (tuple, list)) else (ys,)
        floats = [y for y in ys if values(y).dtype.kind == "f"]
        return tuple(y + 0.5 * y * y for y in floats)

    return f


def alone(row: Row, i: int) -> Callable[..., Any]:
    """The row as a function of its i-th input: the others want no gradient."""
    return lambda x: row(*row.inputs[:i], x, *row.inputs[i + 1 :])


def float_inputs(row: Row) -> list[int]:
    return [i for i, x in enumerate(row.inputs) if is_float(x)]


def has_gradient(row: Row) -> bool:
    """Whether an output is a float: argmax and comparisons have no gradient."""
    ys = row(*row.inputs)
    ys = ys if isinstance(ys, (tuple, list)) else (ys,)
    return row.orders > 0 and any(values(y).dtype.kind == "f" for y in ys)


def is_float(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def all_rows() -> list[Row]:
    return [row for module in modules() for row in module.ROWS]


def all_layers() -> list[LayerRow]:
    return [row for module in modules() for row in getattr(module, "LAYERS", ())]


def modules() -> list[Any]:
    names = [f"{__name__}.{info.name}" for info in pkgutil.iter_modules(__path__)]
    return [importlib.import_module(name) for name in names]
