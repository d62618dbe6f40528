"""unfold and fold on a GPU: one launch each, not one for each place in a window.

Convolutions are made of these two and a product of matrices.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels import cuda
from minidl.ops.windows import Windows, fold, pair, place, slide, unfold

NAMES = ("h", "w", "kh", "kw", "oh", "ow", "sh", "sw", "top", "left", "dh", "dw")
STRUCT = np.dtype([(name, np.int32) for name in NAMES])


@unfold.fast("cuda")  # type: ignore[attr-defined, untyped-decorator]
def quick_unfold(
    x: Array, *, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:
    """Return unfold of contiguous float32; else None."""
    if not cuda.takes(x) or x.ndim != 4:
        return None
    at = slide("unfold", x, kernel_size, stride, padding, dilation)
    (n, c), (kh, kw), (oh, ow) = x.shape[:2], at.size, at.out
    y = sys.modules["cupy"].empty((n, c * kh * kw, oh * ow), x.dtype)
    cuda.launch("windows", "unfold", y.size, x, y, _struct(at))
    return y, lambda g: fold(g, output_size=at.image, **at.settings)


@fold.fast("cuda")  # type: ignore[attr-defined, untyped-decorator]
def quick_fold(
    x: Array,
    *,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Any:
    """Return fold of contiguous float32 that fits; else None."""
    image = pair("fold", "output_size", output_size)
    kh, kw = pair("fold", "kernel_size", kernel_size)
    if not cuda.takes(x) or x.ndim != 3 or x.shape[1] % (kh * kw):
        return None
    at = place("fold", image, (kh, kw), stride, padding, dilation)
    if x.shape[2] != at.out[0] * at.out[1]:
        return None
    y = sys.modules["cupy"].empty((len(x), x.shape[1] // (kh * kw), *image), x.dtype)
    cuda.launch("windows", "fold", y.size, x, y, _struct(at))
    return y, lambda g: unfold(g, **at.settings)


def _struct(at: Windows) -> Any:
    """Return where the windows lie, as the kernels' struct."""
    frame = (at.padding[0][0], at.padding[1][0])
    numbers = (*at.image, *at.size, *at.out, *at.stride, *frame, *at.dilation)
    return np.array(numbers, STRUCT)[()]
