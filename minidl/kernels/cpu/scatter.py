"""The gradient of an embedding on a CPU: rows are added number by number.

`np.add.at` is about four times as fast on a flat array with flat indices as on rows
(2048 rows of 128 into 65: 0.9 ms for 3.6).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.ops.indexing import getitem, scatter
from minidl.ops.total import PIECE

Fast = Any  # (y, backward[, aux]), or None to decline


@scatter.fast("cpu")
def scatter_rows(x: Array, *, index: object, shape: tuple[int, ...]) -> Fast:
    """Takes one array of row numbers."""
    if not isinstance(index, np.ndarray) or index.dtype.kind not in "iu":
        return None
    d = math.prod(shape[1:])
    if not index.ndim or x.shape != (*index.shape, *shape[1:]) or d < 2:
        return None
    y = np.zeros(shape, x.dtype)
    places = index.reshape(-1, 1).astype(np.int64) * d + np.arange(d)
    rows, sums = x.reshape(-1, d), y.reshape(-1)
    step = max(PIECE, shape[0])
    for i in range(0, len(rows), step):  # in pieces, so that sums lose no digits
        part = sums if len(rows) <= step else np.zeros_like(sums)
        some = slice(i, i + step)
        np.add.at(part, places[some].reshape(-1), rows[some].reshape(-1))
        if part is not sums:
            sums += part
    return y, lambda g: getitem(g, index=index)
