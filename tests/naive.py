"""Transposed convolution and pooling in loops: slow, and too simple to be wrong.

The oracle of tests/rows/conv.py; convolution itself is in minidl/check/loops.py.

Throughout:  x images (N, C, H, W)    w kernels (C, F/G, KH, KW)    b bias (F,)
             s stride    p padding    d dilation: one number each here, or a pair
"""

import numpy as np


def pair(setting):
    return setting if isinstance(setting, tuple) else (setting, setting)


def framed(x, padding, fill=0.0):
    """x with a frame of p pixels above, below, left and right."""
    ph, pw = pair(padding)
    return np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=fill)


def window(x, n, c, i, j, size, stride, dilation=1):
    """The pixels that the window (i, j) sees in channel c of image n."""
    (kh, kw), (sh, sw), (dh, dw) = size, pair(stride), pair(dilation)
    seen = np.empty((kh, kw))
    for u in range(kh):
        for v in range(kw):
            seen[u, v] = x[n, c, i * sh + u * dh, j * sw + v * dw]
    return seen


def count(length, size, stride, dilation=1):
    """How many windows fit into `length` pixels, the frame included."""
    return (length - dilation * (size - 1) - 1) // stride + 1


def grid(x, size, stride, dilation=1):
    """How many windows fit below and beside each other."""
    settings = zip(x.shape[2:], size, pair(stride), pair(dilation), strict=True)
    return tuple(count(*setting) for setting in settings)


def conv_transpose2d(
    x, w, b=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """Every pixel paints its kernel, w (C, F/G, KH, KW), into the output."""
    (sh, sw), (dh, dw), (ph, pw) = pair(stride), pair(dilation), pair(padding)
    (n_count, c_count, h, width), (_, f_count, kh, kw) = x.shape, w.shape
    oh = (h - 1) * sh + dh * (kh - 1) + 1 + pair(output_padding)[0]
    ow = (width - 1) * sw + dw * (kw - 1) + 1 + pair(output_padding)[1]
    y = np.zeros((n_count, f_count * groups, oh, ow))
    for n, c, i, j in np.ndindex(*x.shape):
        first = c // (c_count // groups) * f_count
        for f, u, v in np.ndindex(f_count, kh, kw):
            pixel = x[n, c, i, j] * w[c, f, u, v]
            y[n, first + f, i * sh + u * dh, j * sw + v * dw] += pixel
    if b is not None:
        y += b[:, None, None]
    return y[:, :, ph : oh - ph, pw : ow - pw]


def max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1):
    """The largest pixel of every window; the frame never wins."""
    x, size = framed(x, padding, -np.inf), pair(kernel_size)
    stride = size if stride is None else stride
    y = np.empty((*x.shape[:2], *grid(x, size, stride, dilation)))
    for n, c, i, j in np.ndindex(*y.shape):
        y[n, c, i, j] = window(x, n, c, i, j, size, stride, dilation).max()
    return y


def avg_pool2d(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    """The mean of every window, over the frame too or over real pixels only."""
    inside = framed(np.ones_like(x), padding)
    x, size = framed(x, padding), pair(kernel_size)
    stride = size if stride is None else stride
    y = np.empty((*x.shape[:2], *grid(x, size, stride)))
    for n, c, i, j in np.ndindex(*y.shape):
        seen = window(x, n, c, i, j, size, stride)
        real = window(inside, n, c, i, j, size, stride)
        y[n, c, i, j] = seen.sum() / (seen.size if count_include_pad else real.sum())
    return y


def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    """Every window as a column, channel after channel."""
    x, size = framed(x, padding), pair(kernel_size)
    oh, ow = grid(x, size, stride, dilation)
    columns = np.empty((x.shape[0], x.shape[1], size[0] * size[1], oh * ow))
    for n, c, i, j in np.ndindex(*x.shape[:2], oh, ow):
        seen = window(x, n, c, i, j, size, stride, dilation)
        columns[n, c, :, i * ow + j] = seen.ravel()
    return columns.reshape(x.shape[0], -1, oh * ow)
