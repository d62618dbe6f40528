"""The table of parameters that an optimizer's kernel walks: see optim.cu.

Who moves which parameter, and by which rule, is said in minidl/optim/fast_cuda.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels.cuda import compiler as cuda

MOST, CHUNK = 80, 2048  # as in optim.cu
TABLE = np.dtype(
    [(name, np.uint64, MOST) for name in "pgabc"]
    + [(name, np.int32, MOST) for name in ("size", "first")]
)
NUMBER = np.dtype([("value", np.float32), ("at", np.uint64)], align=True)


def move(rule: str, rows: Sequence[tuple[Array, ...]], *numbers: Any) -> None:
    """Run the kernel of a rule over rows (p, g, slots…), in as few launches as fit.

    Numbers arrive there as 32-bit floats, True and False as ints, in this order. Those
    that follow the replays of a captured step (capture/replay.py) are read from memory.
    """
    found = cuda.kernel("optim", rule)
    settings = [np.int32(x) if type(x) is bool else number_of(x) for x in numbers]
    for i in range(0, len(rows), MOST):
        table, blocks = table_of(rows[i : i + MOST])
        if blocks:
            n = np.int32(len(rows[i : i + MOST]))
            found((blocks,), (cuda.THREADS,), (table, n, *settings))


def number_of(x: Any) -> Any:
    """Return a number, or where to read it, as a C struct."""
    if hasattr(x, "cell"):  # a Number of capture/replay.py
        return np.array((0, x.cell("float32").data.ptr), NUMBER)[()]
    return np.array((x, 0), NUMBER)[()]


def table_of(rows: Sequence[tuple[Array, ...]]) -> tuple[Any, int]:
    """Return the table as a C struct, and how many blocks there are to run."""
    table, n = np.zeros((), TABLE), len(rows)
    for name, arrays in zip("pgabc", zip(*rows, strict=True), strict=False):
        table[name][:n] = [x.data.ptr for x in arrays]
    sizes = np.array([row[0].size for row in rows])
    ends = np.cumsum(-(-sizes // CHUNK))
    table["size"][:n], table["first"][1:n] = sizes, ends[:-1]
    return table[()], int(ends[-1])
