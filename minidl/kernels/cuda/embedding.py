"""The gradient of an embedding on a GPU: two launches, and the same bits every time.

Throughout:  i rows that were taken, n of them    g (n, D) what arrived for each

CuPy's `add.at` adds with atomics, in whatever order the threads come, and sums of
floats depend on it. Here a block of threads gathers each row in order: see
embedding.cu, which also says what that costs.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from minidl.backend import Array, device_of
from minidl.kernels.cuda import compiler as cuda
from minidl.ops.indexing import getitem, scatter


@scatter.fast("cuda")
def gather_rows(x: Array, *, index: Any, shape: tuple[int, ...]) -> Any:
    """Return scatter of float32 by one array of row numbers; else None."""
    if not (_is_rows(index) and device_of(x) == "cuda" and x.dtype == np.float32):
        return None
    if x.shape != (*index.shape, *shape[1:]) or not math.prod(shape):
        return None
    cupy = sys.modules["cupy"]
    ids = cupy.ascontiguousarray(index, np.int64)
    n, rows, d = ids.size, shape[0], math.prod(shape[1:])
    y, counts = cupy.empty(shape, x.dtype), cupy.zeros(rows, np.int32)
    places = cupy.empty(n, np.int32)
    cuda.launch("embedding", "count", n, ids, places, counts, rows)
    g, grid = cupy.ascontiguousarray(x), (rows, -(-d // cuda.THREADS))
    sizes = np.int32(d), np.int64(n)
    kernel = cuda.kernel("embedding", "gather")
    kernel(grid, (cuda.THREADS,), (places, counts, g, y, *sizes))
    return y, lambda g: getitem(g, index=index)


def _is_rows(index: Any) -> bool:
    """Whether an index is one array of whole numbers on the device."""
    whole = hasattr(index, "dtype") and index.dtype.kind in "iu"
    return bool(whole and device_of(index) == "cuda" and index.ndim)
