"""The gradient of an embedding on a CPU: rows are added number by number.

`np.add.at` is about four times as fast on a flat array with flat indices as on rows
(2048 rows of 128 into 65: 0.9 ms for 3.6). The order of the additions is the same, and
so is every bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.ops.indexing import getitem, scatter

Fast = Any  # (y, backward[, aux]), or None to decline


@scatter.fast("cpu")
def scatter_rows(x: Array, *, index: Any, shape: tuple[int, ...]) -> Fast:
    """Takes one array of row numbers."""
    if not isinstance(index, np.ndarray) or index.dtype.kind not in "iu":
        return None
    d = math.prod(shape[1:])
    if not index.ndim or x.shape != (*index.shape, *shape[1:]) or d < 2:
        return None
    y = np.zeros(shape, x.dtype)
    places = index.reshape(-1, 1).astype(np.int64) * d + np.arange(d)
    np.add.at(y.reshape(-1), places.reshape(-1), x.reshape(-1))
    return y, lambda g: getitem(g, index=index)
