"""Convolution in loops: slow, and too simple to be wrong.

What `ops.conv2d` is compared with, and a page to read before minidl/ops/conv.py.

Throughout:  x images (N, C, H, W)    w kernels (F, C/G, KH, KW)    y output
             n which image    f which kernel    i j which window    c u v where in it
"""

from __future__ import annotations

import numpy as np

from minidl.backend import Array
from minidl.ops.conv import check_channels
from minidl.ops.windows import Lengths, Padding, frame, slide


def conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    stride: Lengths = 1,
    padding: Padding = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Array:
    """y[n,f,i,j] = b[f] + Σ_{c,u,v} w[f,c,u,v] x[n, c, i s + u d − p, j s + v d − p].

    x (N, C, H, W), w (F, C/G, KH, KW), b (F,) -> y (N, F, OH, OW); arrays, not Tensors.
    One multiplication at a time: about two seconds for a million of them.

    >>> conv2d(np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2)))
    array([[[[ 8., 12.],
             [20., 24.]]]])

    Raises what ops.conv2d raises, in the same words.
    """
    check_channels("loops.conv2d", x, w, b, groups)
    at = slide("loops.conv2d", x, w.shape[2:], stride, padding, dilation)
    framed, (sh, sw), (dh, dw) = frame(x, at.padding), at.stride, at.dilation
    kernels, channels = len(w) // groups, w.shape[1]  # of one group
    y = np.zeros((len(x), len(w), *at.out), x.dtype)
    # region a5.2: every number of y is one window times one kernel, and a bias
    for n, f, i, j in np.ndindex(*y.shape):
        first = f // kernels * channels  # the first channel that kernel f sees
        for c, u, v in np.ndindex(*w.shape[1:]):
            pixel = framed[n, first + c, i * sh + u * dh, j * sw + v * dw]
            y[n, f, i, j] += w[f, c, u, v] * pixel
        if b is not None:
            y[n, f, i, j] += b[f]
    # endregion
    return y
