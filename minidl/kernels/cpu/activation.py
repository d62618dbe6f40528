"""elu on a CPU: the plain formula, a few numbers at a time.

Throughout:  x input    y output    g = ∂L/∂y

A plain body goes through all numbers once for every operation, and each pass reads
memory and writes it. Here all passes are made over a block (see blocks.py) while it is
in the cache; and a number beside an array is an array, which NumPy compares faster.
silu and softmax gain nothing that way, and have no body here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels.cpu.blocks import BLOCK, aligned
from minidl.kernels.cpu.special import blocks
from minidl.ops.activation import elu

Fast = Any  # (y, backward[, aux]), or None to decline


@elu.fast("cpu")
def quick_elu(x: Array, *, alpha: float = 1.0) -> Fast:
    """Return elu of float32 with α ≥ 0; kept is y alone, for α eˣ = y + α if x ≤ 0."""
    if x.dtype != np.float32 or not 0 <= alpha < math.inf:
        return None
    xs, y = np.ascontiguousarray(x).reshape(-1), aligned(x.shape)
    ys, zeros = y.reshape(-1), np.zeros(min(x.size, BLOCK), x.dtype)
    scratch = np.empty_like(zeros)
    for some in blocks(xs.size):
        z, nothing = ys[some], zeros[: ys[some].size]
        np.minimum(xs[some], nothing, out=z)
        np.expm1(z, out=z)
        z *= alpha
        z += np.maximum(xs[some], nothing, out=scratch[: z.size])

    def backward(g: Array) -> Array:
        dx, gs = aligned(x.shape), np.ascontiguousarray(g).reshape(-1)
        out = dx.reshape(-1)
        for some in blocks(out.size):
            d, nothing = out[some], zeros[: out[some].size]
            np.minimum(ys[some], nothing, out=d)
            d += alpha
            if alpha != 1:
                d += (1 - alpha) * (ys[some] > 0).astype(d.dtype)
            d *= gs[some]
        return dx

    return y, backward
