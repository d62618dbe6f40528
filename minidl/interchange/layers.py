"""Rows of the table for operations that are layers: windows, norms, attention.

Throughout:  g the graph    xs what the operation was given    s its settings
             y shape and dtype of the result (rows.py)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl import ops
from minidl.interchange.graph import Graph, Operand
from minidl.interchange.rows import Settings, Xs, fixed, row
from minidl.ops.attention import causal_mask
from minidl.ops.windows import frame_of, pair

# Windows over images


def window(w: Any, s: Settings) -> dict[str, Any]:
    """Return kernel_shape, strides, dilations and pads, as ONNX has them."""
    size = pair("to_onnx", "kernel_size", w)
    stride = s.get("stride")
    stride = size if stride is None else pair("to_onnx", "stride", stride)
    dilation = pair("to_onnx", "dilation", s.get("dilation", 1))
    (top, bottom), (left, right) = frame_of(
        "to_onnx", s.get("padding", 0), size, stride, dilation
    )
    return {
        "kernel_shape": size,
        "strides": stride,
        "dilations": dilation,
        "pads": (top, left, bottom, right),
    }


@row("conv2d")
def conv2d(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Cross-correlation, as there."""
    x, w, b = xs
    w = g.constant(w)
    at = window(w.shape[2:], {"stride": 1, **s})
    return g("Conv", x, w, b, group=s.get("groups", 1), **at)


@row("conv_transpose2d")
def conv_transpose2d(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """The transpose of it."""
    x, w, b = xs
    w = g.constant(w)
    at = window(w.shape[2:], {"stride": 1, **s})
    beyond = pair("to_onnx", "output_padding", s.get("output_padding", 0), 0)
    group = s.get("groups", 1)
    return g("ConvTranspose", x, w, b, group=group, output_padding=beyond, **at)


@row("max_pool2d")
def max_pool2d(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """The largest of each window."""
    at = window(s["kernel_size"], s)
    return g("MaxPool", xs[0], ceil_mode=int(s.get("ceil_mode", False)), **at)


@row("avg_pool2d")
def avg_pool2d(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """The mean of each window."""
    how: dict[str, Any] = {
        "ceil_mode": int(s.get("ceil_mode", False)),
        "count_include_pad": int(s.get("count_include_pad", True)),
    }
    return g("AveragePool", xs[0], **how, **window(s["kernel_size"], s))


@row("adaptive_avg_pool2d", "upsample")
def two_products(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """A X Bᵀ: a linear map of the rows, and one of the columns.

    What A and B are the operation says itself, given every image with a single 1.
    """
    settings = {k: v for k, v in s.items() if k != "name"}
    what = "output_size" if "output_size" in s else "scale_factor"
    down, across = pair("to_onnx", what, settings.get(what, 2))
    op, (h, w) = getattr(ops, s["name"]), xs[0].shape[2:]
    a, b = np.eye(fixed(h), dtype=y.dtype), np.eye(fixed(w), dtype=y.dtype)
    rows = op(a[:, None, :, None], **settings | {what: (down, 1)})[:, 0, :, 0]
    columns = op(b[:, None, None, :], **settings | {what: (1, across)})[:, 0, 0]
    return g("MatMul", g("MatMul", rows.T, xs[0]), columns)


@row("unfold")
def unfold(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """A convolution whose kernels each pick one place of the window."""
    at, c = window(s["kernel_size"], {"stride": 1, **s}), xs[0].shape[1]
    kh, kw = at["kernel_shape"]
    picks = np.eye(kh * kw, dtype=y.dtype).reshape(kh * kw, 1, kh, kw)
    columns = g("Conv", xs[0], np.tile(picks, (c, 1, 1, 1)), group=c, **at)
    return g.reshape(columns, y.shape)


@row("fold")
def fold(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Columns added up to images."""
    at = window(s["kernel_size"], {"stride": 1, **s})
    image = pair("to_onnx", "output_size", s["output_size"])
    block = list(at.pop("kernel_shape"))
    return g("Col2Im", xs[0], list(image), block, **at)


# Norms


def normalized(g: Graph, x: Operand, axes: Sequence[int], eps: float) -> Any:
    """Return (x − μ) / √(σ² + ε), with μ and σ² over these axes."""
    d = g("Sub", x, g.reduce("ReduceMean", x, axes, True))
    var = g.reduce("ReduceMean", g("Mul", d, d), axes, True)
    return g("Div", d, g("Sqrt", g("Add", var, g.like(eps, x.dtype))))


def scaled(g: Graph, x: Any, gamma: Any, beta: Any, shape: Sequence[Any]) -> Any:
    """Return γ x + β, with γ and β in this shape, where they are not None."""
    for kind, b in (("Mul", gamma), ("Add", beta)):
        if b is not None:
            x = g(kind, x, g.reshape(g.constant(b), shape))
    return x


def column(x: Operand) -> tuple[int, ...]:
    """Return the shape in which a number for each channel stands beside x."""
    return (1, -1, *(1,) * (x.ndim - 2))


@row("batch_norm")
def batch_norm(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """By the mean and the variance of this batch."""
    x, gamma, beta = xs
    axes = (0, *range(2, x.ndim))
    return scaled(g, normalized(g, x, axes, s.get("eps", 1e-5)), gamma, beta, column(x))


@row("batch_norm_eval")
def batch_norm_eval(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """By a mean and a variance that are known."""
    x, mean, var, gamma, beta = xs
    n = g.constant(mean).shape[0]
    gamma = np.ones(n, y.dtype) if gamma is None else gamma
    beta = np.zeros(n, y.dtype) if beta is None else beta
    known = (g.constant(v) for v in (gamma, beta, mean, var))
    return g("BatchNormalization", x, *known, epsilon=s.get("eps", 1e-5))


@row("layer_norm")
def layer_norm(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Over the last axes."""
    x, gamma, beta = xs
    shape = y.shape[-last_axes(g, gamma, s) :]
    gamma = np.ones(shape, y.dtype) if gamma is None else gamma
    eps = s.get("eps", 1e-5)
    return g("LayerNormalization", x, gamma, beta, axis=-len(shape), epsilon=eps)


@row("rms_norm")
def rms_norm(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """x / √(mean of x² + ε), over the last axes."""
    x, gamma = xs
    k = last_axes(g, gamma, s)
    axes = tuple(range(x.ndim - k, x.ndim))
    square = g.reduce("ReduceMean", g("Mul", x, x), axes, True)
    root = g("Sqrt", g("Add", square, g.like(s.get("eps", 1e-5), y.dtype)))
    return scaled(g, g("Div", x, root), gamma, None, y.shape[-k:])


def last_axes(g: Graph, gamma: Any, s: Settings) -> int:
    """Return how many last axes are normalized."""
    return s.get("n_axes") or (1 if gamma is None else g.constant(gamma).ndim)


@row("group_norm")
def group_norm(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Each group of channels of each example."""
    x, gamma, beta = xs
    inside = math.prod(fixed(n) for n in y.shape[1:]) // s["num_groups"]
    groups = g.reshape(x, (y.shape[0], s["num_groups"], inside))
    rows = normalized(g, groups, (2,), s.get("eps", 1e-5))
    return scaled(g, g.reshape(rows, y.shape), gamma, beta, column(x))


@row("normalize")
def normalize(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """x / max(‖x‖, ε)."""
    length = g.reduce("ReduceL2", xs[0], [s.get("axis", -1) % xs[0].ndim], True)
    return g("Div", xs[0], g("Max", length, g.like(s.get("eps", 1e-12), y.dtype)))


# Attention: who may look at nothing gets zeros


def weights_of(g: Graph, scores: Operand, mask: Any) -> Any:
    """Return softmax over the last axis, of what the mask lets through."""
    never = g.like(-math.inf, scores.dtype)
    if mask is not None:
        mask = g.constant(mask)
        truth = mask.dtype.kind == "b"
        scores = g("Where", mask, scores, never) if truth else g("Add", scores, mask)
    scores = scores._replace(dtype=never.dtype)
    top = g.reduce("ReduceMax", scores, [-1], True)
    some = g("Greater", top, never)
    p = g("Softmax", g("Where", some, scores, g.like(0.0, never.dtype)), axis=-1)
    return g("Where", some, p, g.like(0.0, never.dtype))


@row("masked_softmax")
def masked_softmax(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """softmax(s) of what the mask lets through."""
    scores, mask = xs
    return weights_of(g, scores, mask)


@row("scaled_dot_product_attention")
def attention(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """softmax(q kᵀ / √D) v."""
    q, k, v = (g.constant(x) for x in xs[:3])
    n, length, places = q.ndim, q.shape[-2], k.shape[-2]
    scale = s.get("scale")
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    turned = g.transpose(k, [*range(k.ndim - 2), k.ndim - 1, k.ndim - 2])
    scores = g("MatMul", g("Mul", q, g.like(scale, y.dtype)), turned)
    scores = scores._replace(shape=(*q.shape[: n - 1], places), dtype=y.dtype)
    if s.get("causal"):
        past = causal_mask(fixed(length), fixed(places), like=np.ones(1))
        shape, never = scores.shape, g.like(-math.inf, y.dtype)
        scores = g("Where", past, scores, never)._replace(shape=shape, dtype=y.dtype)
    return g("MatMul", weights_of(g, scores, xs[3]), v)


@row("rope")
def rope(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Turned pairs: what turns (1, 0) by the angle gives its cosine and sine."""
    t, d = (fixed(n) for n in y.shape[-2:])
    pairs = np.tile(np.array([1, 0], y.dtype), d // 2)
    turned = ops.rope(
        np.broadcast_to(pairs, (t, d)), **{k: v for k, v in s.items() if k != "name"}
    )
    cos, sin = turned[:, 0::2].copy(), turned[:, 1::2].copy()
    last = len(y.shape) - 1
    even, odd = (g.slices(xs[0], [(last, i, d, 2)]) for i in (0, 1))
    first = g("Sub", g("Mul", even, cos), g("Mul", odd, sin))
    second = g("Add", g("Mul", even, sin), g("Mul", odd, cos))
    parts = (g("Unsqueeze", part, [last + 1]) for part in (first, second))
    return g.reshape(g("Concat", *parts, axis=last + 1), y.shape)
