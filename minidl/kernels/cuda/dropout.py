"""dropout and noise on a GPU: random bits are drawn there, from the key alone.

No number leaves the device. For the way back dropout keeps nothing but the key, and
draws its mask again: dropping is its own transpose, so that g simply goes through the
same dropout.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.backend import Array, device_of
from minidl.kernels.cuda import compiler as cuda
from minidl.ops.dropout import dropout, gaussian_noise, scale_of, threshold


@dropout.fast("cuda")
def quick_dropout(
    x: Array, key: Array, *, p: float = 0.5, share: tuple[int, ...] = ()
) -> Any:
    """Return dropout of float32 whose last axes, or none, are shared; else None."""
    together = _together(x, share)
    if together is None or not (cuda.takes(x) and _is_key(key)):
        return None
    kept, y = threshold(p), cuda.empty_like(x)
    blocks = -(-x.size // (16 * together)) if x.size else 0
    sizes = np.int64(x.size), np.int64(together)
    cuda.launch("dropout", "dropout", blocks, x, y, key, kept, scale_of(kept), *sizes)
    return y, (lambda g: dropout(g, key, p=p, share=share), None)


@gaussian_noise.fast("cuda")
def quick_noise(x: Array, key: Array, *, std: float = 0.1) -> Any:
    """Return gaussian_noise of contiguous float32; else None."""
    if std < 0 or not (cuda.takes(x) and _is_key(key)):
        return None
    y, blocks = cuda.empty_like(x), -(-x.size // 8)
    args = x, y, key, float(std), np.int64(x.size)
    cuda.launch("dropout", "noise", blocks, *args)
    return y, (lambda g: g, None)


def _together(x: Array, share: tuple[int, ...]) -> int | None:
    """Return how many neighbors stay or go together; None if they are no neighbors."""
    axes = {axis % x.ndim for axis in share if -x.ndim <= axis < x.ndim}
    first = x.ndim - len(axes)
    if len(axes) < len(share) or axes != set(range(first, x.ndim)):
        return None
    together: int = math.prod(x.shape[first:])
    return together


def _is_key(key: Array) -> bool:
    """Whether a key is one, and on the device; what is wrong with it is told there."""
    on_device = hasattr(key, "dtype") and device_of(key) == "cuda"
    return on_device and key.dtype == np.uint64 and key.shape == (2,)
