"""Convolution: one small matrix, multiplied with every window of the image.

Throughout:  x images (N, C, H, W)    w kernels    b bias    y output    g = ∂L/∂y
             F kernels    KH KW the window    OH OW how many windows    G groups
             X = unfold x, the windows as columns    W = w as a matrix of F rows

The kernel is not flipped: what deep learning calls convolution is a cross-correlation.
With the windows as columns it is one product, Y = W X; its transpose takes the same
matrices backwards, dX = Wᵀ G and dW = G Xᵀ. Columns are KH KW times as large as the
image, so that the way back makes them again rather than keep them.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

from minidl.engine.op import op
from minidl.engine.tensor import TensorLike
from minidl.errors import RangeError, ShapeError
from minidl.ops.shape import pad, reshape
from minidl.ops.windows import (
    Lengths,
    Padding,
    check_images,
    fold,
    pair,
    place,
    slide,
    unfold,
)

__all__ = ["conv1d", "conv2d", "conv_transpose2d"]


@op
def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
    """y[n,f,i,j] = b[f] + Σ_{c,u,v} w[f,c,u,v] x[n, c, i s + u d − p, j s + v d − p].

    x (N, C, H, W), w (F, C/G, KH, KW), b (F,) -> y (N, F, OH, OW).  LeCun et al. 1989.

    stride s, padding p, dilation d: ints or pairs (height, width); padding may also be
    "same", "valid" or ((top, bottom), (left, right)). With groups=G the channels fall
    into G parts, each with kernels of its own; G = C is a depthwise convolution.
    Raises ShapeError if channels do not match or no window fits.
    """
    check_channels("conv2d", x, w, b, groups)
    at = slide("conv2d", x, w.shape[2:], stride, padding, dilation)
    n, f, (oh, ow) = x.shape[0], w.shape[0], at.out

    def columns():
        cols = unfold(x, **at.settings)
        return cols.reshape((n, groups, cols.shape[1] // groups, oh * ow))

    # region a5.5: kernels as the rows of a matrix, times windows as columns
    kernels = w.reshape((groups, f // groups, w.size // f))
    y = (kernels @ columns()).reshape((n, f, oh, ow))
    if b is not None:
        y += b.reshape((f, 1, 1))
    # endregion

    def backward(g, wanted):
        dx = dw = db = None
        # region a5.6: the transpose takes each product backwards
        rows = g.reshape((n, groups, f // groups, oh * ow))
        if wanted[0]:
            cols = (_t(kernels) @ rows).reshape((n, w.size // f * groups, oh * ow))
            dx = fold(cols, output_size=at.image, **at.settings)
        if wanted[1]:
            dw = (rows @ _t(columns())).sum(axis=0).reshape(w.shape)
        if wanted[2]:
            db = g.sum(axis=(0, 2, 3))
        # endregion
        return dx, dw, db

    return y, backward


@op
def conv_transpose2d(
    x, w, b=None, *, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """y = fold(Wᵀ x) + b: what conv2d does to gradients, done to images.

    x (N, C, H, W), w (C, F/G, KH, KW), b (F,) -> y (N, F, OH, OW) with
    OH = (H − 1) s − 2 p + d (KH − 1) + 1 + output_padding.    Zeiler et al. 2010.

    Each pixel of x paints its kernel into y, s pixels apart. A conv2d of stride s takes
    s image sizes to one; output_padding (below s or d) says which one to return to.
    Raises ShapeError if channels do not match, RangeError for an output_padding beyond.
    """
    at, beyond = _canvas(x, w, b, stride, padding, output_padding, groups, dilation)
    n, f, length = x.shape[0], w.shape[1] * groups, x.shape[2] * x.shape[3]
    kernels = w.reshape((groups, w.shape[0] // groups, w.size // w.shape[0]))
    pixels = x.reshape((n, groups, w.shape[0] // groups, length))
    cols = (_t(kernels) @ pixels).reshape((n, w.size // w.shape[0] * groups, length))
    y = pad(fold(cols, output_size=at.image, **at.settings), width=beyond)
    if b is not None:
        y += b.reshape((f, 1, 1))
    x_shape, (h, width) = x.shape, at.image

    def backward(g, wanted):
        cols = unfold(g[:, :, :h, :width], **at.settings)
        cols = cols.reshape((n, groups, cols.shape[1] // groups, length))
        dx = dw = db = None
        if wanted[0]:
            dx = (kernels @ cols).reshape(x_shape)
        if wanted[1]:
            dw = (pixels @ _t(cols)).sum(axis=0).reshape(w.shape)
        if wanted[2]:
            db = g.sum(axis=(0, 2, 3))
        return dx, dw, db

    return y, backward


def conv1d(
    x: TensorLike,
    w: TensorLike,
    b: TensorLike | None = None,
    stride: Lengths = 1,
    padding: Padding = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Any:
    """Convolve sequences: conv2d on images of one row.

    x (N, C, T), w (F, C/G, K), b (F,) -> y (N, F, OT). Settings are those of conv2d,
    each an int (or padding="same", "valid").
    """
    if x.ndim != 3 or w.ndim != 3:
        raise ShapeError(
            f"conv1d takes x (N, C, T) and w (F, C/groups, K), not {x.shape} and "
            f"{w.shape}; sequences stored as (N, T, D) need x.transpose(0, 2, 1)"
        )
    (n, c, t), (f, cg, k) = x.shape, w.shape
    y = conv2d(
        reshape(x, shape=(n, c, 1, t)),
        reshape(w, shape=(f, cg, 1, k)),
        b,
        stride=_beside(stride, 1),
        padding=padding if isinstance(padding, str) else _beside(padding, 0),
        dilation=_beside(dilation, 1),
        groups=groups,
    )
    return reshape(y, shape=(n, f, y.shape[3]))


def _beside(setting: Any, height: int) -> tuple[Any, Any]:
    """Return the pair (height, setting); PyTorch writes the setting as (s,), too."""
    one = isinstance(setting, (tuple, list)) and len(setting) == 1
    return (height, setting[0] if one else setting)


def check_channels(
    name: str, x: TensorLike, w: TensorLike, b: TensorLike, groups: int
) -> None:
    """Raise unless kernels w (F, C/groups, KH, KW) and bias b (F,) fit the images x."""
    check_images(name, x)
    _check_kernels(name, w, "(F, C/groups, KH, KW)")
    c, f = x.shape[1], w.shape[0]
    _check_groups(name, groups, c, f)
    if c != w.shape[1] * groups:
        hint = (
            "it looks like (N, H, W, C), try x.transpose(0, 3, 1, 2)"
            if x.shape[3] == w.shape[1] * groups
            else "in_channels must be the number of channels that come in"
        )
        raise ShapeError(
            f"{name}: x has {c} channels, but w expects {w.shape[1] * groups} "
            f"(x {x.shape}, w {w.shape}, groups={groups}); {hint}"
        )
    _check_bias(name, b, f)


def _canvas(x, w, b, stride, padding, output_padding, groups, dilation):
    """Return the windows that conv_transpose2d paints, one for each pixel of x.

    And the margins that nobody paints: with an output_padding of a stride or more, a
    further window would fit, which no pixel of x has.
    """
    name = "conv_transpose2d"
    check_images(name, x)
    _check_kernels(name, w, "(C, F/groups, KH, KW)")
    c, f = x.shape[1], w.shape[1] * groups
    _check_groups(name, groups, c, f)
    if c != w.shape[0]:
        raise ShapeError(
            f"{name}: x has {c} channels, but w expects {w.shape[0]} (x {x.shape}, "
            f"w {w.shape}); here w is (C, F/groups, KH, KW), inputs first"
        )
    _check_bias(name, b, f)
    strides, dilations = pair(name, "stride", stride), pair(name, "dilation", dilation)
    pads, extra = (
        pair(name, "padding", padding, 0),
        pair(name, "output_padding", output_padding, 0),
    )
    image, beyond = [], []
    for i in range(2):
        if extra[i] >= max(strides[i], dilations[i]):
            raise RangeError(
                f"{name}: output_padding={output_padding!r} must be smaller than the "
                f"stride {strides} or the dilation {dilations}: it chooses among the "
                "sizes that a strided conv2d takes to one"
            )
        reach = dilations[i] * (w.shape[2 + i] - 1) + 1
        painted = min(extra[i], strides[i] - 1)
        image.append((x.shape[2 + i] - 1) * strides[i] - 2 * pads[i] + reach + painted)
        beyond.append((0, extra[i] - painted))
    if min(image) < 1:
        raise ShapeError(
            f"{name}: padding={padding!r} cuts the whole image away (it would be "
            f"{image[0]} x {image[1]}); try less padding"
        )
    at = place(name, (image[0], image[1]), w.shape[2:], strides, pads, dilations)
    return at, ((0, 0), (0, 0), *beyond)


def _check_kernels(name: str, w: TensorLike, expected: str) -> None:
    if w.ndim != 4:
        raise ShapeError(f"{name} takes kernels {expected}, and w has shape {w.shape}")


def _check_groups(name: str, groups: int, c: int, f: int) -> None:
    if groups < 1 or c % groups or f % groups:
        raise ShapeError(
            f"{name}: groups={groups} must divide both the {c} channels that come in "
            f"and the {f} that go out"
        )


def _check_bias(name: str, b: TensorLike, f: int) -> None:
    if b is not None and b.shape != (f,):
        raise ShapeError(f"{name}: b has shape {b.shape}, but {f} kernels need ({f},)")


def _t(m):
    """Transpose the last two axes."""
    return m.transpose((*range(m.ndim - 2), m.ndim - 1, m.ndim - 2))
