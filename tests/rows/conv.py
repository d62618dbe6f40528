"""Rows of ops/windows.py, ops/conv.py and ops/pool.py; the oracles are loops."""

import numpy as np

from minidl import nn, ops
from minidl.check import loops
from tests import naive
from tests.rows import LayerRow, Row, distinct, normal


def fold(x, *, output_size, **settings):
    """The transpose of unfold, from the matrix of unfold itself."""
    n, c = x.shape[0], 2
    pixels = np.eye(c * np.prod(output_size))
    images = pixels.reshape(-1, c, *output_size)
    matrix = naive.unfold(images, **settings).reshape(len(pixels), -1)
    return (x.reshape(n, -1) @ matrix.T).reshape(n, c, *output_size)


def conv1d(x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
    """One window after the other."""
    x, reach = np.pad(x, ((0, 0), (0, 0), (padding, padding))), dilation * w.shape[2]
    starts = range(0, x.shape[2] - reach + dilation, stride)
    parts = zip(np.split(x, groups, axis=1), np.split(w, groups), strict=True)
    y = [
        [
            np.einsum("nck,fck->nf", xg[:, :, i : i + reach : dilation], wg)
            for i in starts
        ]
        for xg, wg in parts
    ]
    y = np.concatenate([np.stack(yg, axis=2) for yg in y], axis=1)
    return y if b is None else y + b[:, None]


def adaptive(x, output_size):
    """Mean after mean, over windows that PyTorch's formula names."""
    (h, w), (oh, ow) = x.shape[2:], naive.pair(output_size)
    y = np.empty((*x.shape[:2], oh, ow))
    for i, j in np.ndindex(oh, ow):
        rows = slice(i * h // oh, -(-(i + 1) * h // oh))
        columns = slice(j * w // ow, -(-(j + 1) * w // ow))
        y[:, :, i, j] = x[:, :, rows, columns].mean(axis=(2, 3))
    return y


def upsample(x, scale_factor):
    sh, sw = naive.pair(scale_factor)
    return x.repeat(sh, axis=2).repeat(sw, axis=3)


def bilinear(x, scale_factor, align_corners=False):
    """Pixel by pixel: the four neighbors of a place, by how near they are."""
    (h, w), (sh, sw) = x.shape[2:], naive.pair(scale_factor)
    y = np.empty((*x.shape[:2], h * sh, w * sw))
    for i, j in np.ndindex(h * sh, w * sw):
        if align_corners:
            s, t = i * (h - 1) / (h * sh - 1), j * (w - 1) / (w * sw - 1)
        else:
            s, t = max(0, (i + 0.5) / sh - 0.5), max(0, (j + 0.5) / sw - 0.5)
        u, v = min(int(s), h - 1), min(int(t), w - 1)
        below, right = min(u + 1, h - 1), min(v + 1, w - 1)
        a, b = s - u, t - v
        upper = (1 - b) * x[:, :, u, v] + b * x[:, :, u, right]
        lower = (1 - b) * x[:, :, below, v] + b * x[:, :, below, right]
        y[:, :, i, j] = (1 - a) * upper + a * lower
    return y


def hanging(x, kernel_size, stride, padding, reduce, padded=True):
    """ceil_mode: a window begins at every stride before the end of the image."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding)), constant_values=np.nan)
    starts = range(0, x.shape[2] - padding, stride)
    windows = [x[:, :, s : s + kernel_size] for s in starts]
    if reduce is np.nanmean and padded:  # what stands on the frame counts as 0
        windows = [np.nan_to_num(window) for window in windows]
    return np.stack([reduce(window, axis=2) for window in windows], axis=2)


def row(op, oracle, *inputs, **settings):
    return Row(op, inputs, lambda *x: oracle(*x, **settings), settings)


ROWS = [
    row(ops.unfold, naive.unfold, normal(2, 2, 3, 4), kernel_size=2),
    row(ops.unfold, naive.unfold, normal(1, 2, 5, 4), kernel_size=(3, 2), dilation=(1, 2),
        padding=(1, 2), stride=(2, 1)),
    row(ops.fold, fold, normal(2, 8, 6), output_size=(3, 4), kernel_size=2),
    row(ops.fold, fold, normal(1, 12, 18), output_size=(5, 4), kernel_size=(3, 2),
        dilation=(1, 2), padding=(1, 2), stride=(2, 1)),

    row(ops.conv2d, loops.conv2d, normal(2, 3, 4, 5), normal(4, 3, 3, 2), normal(4)),
    row(ops.conv2d, loops.conv2d, normal(2, 2, 5, 5), normal(3, 2, 3, 3), padding=1),
    row(ops.conv2d, loops.conv2d, normal(1, 2, 7, 6), normal(3, 2, 3, 2), normal(3),
        stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
    row(ops.conv2d, loops.conv2d, normal(2, 4, 4, 4), normal(6, 2, 2, 2), normal(6),
        groups=2),
    row(ops.conv2d, loops.conv2d, normal(2, 3, 4, 4), normal(3, 1, 3, 3), normal(3),
        padding=1, groups=3),
    Row(ops.conv2d, (normal(1, 2, 4, 3), normal(2, 2, 3, 3)),
        lambda x, w: loops.conv2d(x, w, padding=1), {"padding": "same"}),
    Row(ops.conv2d, (normal(1, 2, 4, 3), normal(2, 2, 2, 2)),
        lambda x, w: loops.conv2d(x, w, padding=1)[:, :, 1:, 1:], {"padding": "same"}),
    row(ops.conv1d, conv1d, normal(2, 3, 6), normal(4, 3, 3), normal(4)),
    row(ops.conv1d, conv1d, normal(2, 4, 7), normal(2, 2, 3), normal(2), stride=2,
        padding=2, dilation=2, groups=2),
    row(ops.conv_transpose2d, naive.conv_transpose2d, normal(2, 3, 3, 2),
        normal(3, 2, 2, 3), normal(2)),
    row(ops.conv_transpose2d, naive.conv_transpose2d, normal(1, 4, 3, 3),
        normal(4, 1, 3, 2), normal(2), stride=(2, 3), padding=(1, 0),
        output_padding=(1, 2), groups=2, dilation=(2, 1)),

    row(ops.max_pool2d, naive.max_pool2d, distinct(2, 2, 4, 5), kernel_size=2),
    row(ops.max_pool2d, naive.max_pool2d, distinct(2, 1, 5, 6), kernel_size=(3, 2),
        stride=(2, 1), padding=1, dilation=(1, 2)),
    row(ops.avg_pool2d, naive.avg_pool2d, normal(2, 2, 4, 5), kernel_size=2),
    row(ops.avg_pool2d, naive.avg_pool2d, normal(2, 1, 5, 4), kernel_size=(3, 2),
        stride=(2, 1), padding=1),
    row(ops.avg_pool2d, naive.avg_pool2d, normal(2, 1, 5, 4), kernel_size=3, stride=2,
        padding=1, count_include_pad=False),
    row(ops.max_pool1d, lambda x, **kw: naive.max_pool2d(x[:, :, None], (1, 3), (1, 2), (0, 1))[:, :, 0],
        distinct(2, 3, 7), kernel_size=3, stride=2, padding=1),
    row(ops.avg_pool1d, lambda x, **kw: naive.avg_pool2d(x[:, :, None], (1, 2))[:, :, 0],
        normal(2, 3, 7), kernel_size=2),
    Row(ops.max_pool1d, (distinct(2, 2, 6),), lambda x: hanging(x, 3, 2, 1, np.nanmax),
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    Row(ops.max_pool2d, (distinct(2, 1, 5, 4),),
        lambda x: naive.max_pool2d(np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 0)), constant_values=-9), 2),
        {"kernel_size": 2, "ceil_mode": True}),
    Row(ops.avg_pool1d, (normal(2, 2, 6),), lambda x: hanging(x, 3, 2, 1, np.nanmean),
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    Row(ops.avg_pool1d, (normal(2, 2, 6),), lambda x: hanging(x, 3, 2, 1, np.nanmean, False),
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
    Row(ops.avg_pool2d, (normal(1, 2, 5, 4),),
        lambda x: np.concatenate([naive.avg_pool2d(x, 2), naive.avg_pool2d(x[:, :, 4:], (1, 2))], 2),
        {"kernel_size": 2, "ceil_mode": True}),
    row(ops.adaptive_avg_pool2d, adaptive, normal(2, 2, 5, 7), output_size=(2, 3)),
    row(ops.adaptive_avg_pool2d, adaptive, normal(1, 2, 2, 3), output_size=4),
    Row(ops.global_avg_pool2d, (normal(2, 3, 4, 5),), lambda x: x.mean(axis=(2, 3))),
    row(ops.upsample, upsample, normal(2, 2, 2, 3), scale_factor=2),
    row(ops.upsample, upsample, normal(1, 2, 2, 3), scale_factor=(3, 1)),
    Row(ops.upsample, (normal(1, 2, 2, 3),), lambda x: bilinear(x, (3, 2)), {"scale_factor": (3, 2), "mode": "bilinear"}),
    Row(ops.upsample, (normal(1, 2, 3, 2),), lambda x: bilinear(x, 2, True),
        {"scale_factor": 2, "mode": "bilinear", "align_corners": True}),
]  # fmt: skip

IMAGES = normal(2, 2, 6, 4)
LAYERS = [
    LayerRow(nn.MaxPool2d, ops.max_pool2d, (IMAGES,), {"kernel_size": 3, "stride": (2, 1), "padding": 1}),
    LayerRow(nn.AvgPool2d, ops.avg_pool2d, (IMAGES,), {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}),
    LayerRow(nn.AdaptiveAvgPool2d, ops.adaptive_avg_pool2d, (IMAGES,), {"output_size": (2, 3)}),
    LayerRow(nn.GlobalAvgPool2d, ops.global_avg_pool2d, (IMAGES,)),
    LayerRow(nn.MaxPool1d, ops.max_pool1d, (IMAGES[0],), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    LayerRow(nn.AvgPool1d, ops.avg_pool1d, (IMAGES[0],), {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}),
    LayerRow(nn.Upsample, ops.upsample, (IMAGES,), {"scale_factor": (3, 1), "mode": "bilinear", "align_corners": True}),
    LayerRow(nn.Unfold, ops.unfold, (IMAGES,), {"kernel_size": 2, "stride": 2}),
    LayerRow(nn.Fold, ops.fold, (normal(2, 8, 15),), {"output_size": (6, 4), "kernel_size": 2, "padding": 0}),
]  # fmt: skip
