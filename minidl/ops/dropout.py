"""Noise that a network is trained with, and cannot get used to.

An op must be a pure function, for it may run a second time. So the randomness comes in
as an input, a key, and the noise is computed from it: the same key, the same noise.
Layers own a key and advance it after each call.

Random bits.  They are NumPy's Philox4x64-10 (Salmon et al. 2011), a cipher that turns a
counter into noise: `numpy.random.Philox(key=key).random_raw`, with key = (seed, call).
Block b = 0, 1, … of four 64-bit words encrypts the 256-bit counter b + 1; each word is
cut into four numbers of 16 bits, the lowest first. Any element can therefore be had
without those before it, on any device, and masks are equal everywhere. (They are drawn
on the host, and sent to the device, until a kernel for the device draws them there.)

Throughout:  x input    y output    g = ∂L/∂y    p probability to drop
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.backend import Array, device_of, namespace, to_device, to_numpy
from minidl.engine.op import op
from minidl.engine.tensor import values
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.ops.elementwise import where

__all__ = ["dropout", "gaussian_noise"]

BITS = 16  # random bits for each element: p is rounded to a multiple of 2⁻¹⁶


@op(linear=True)
def dropout(x, key, *, p=0.5, share=()):
    """x m / q, with m = 1 of probability q = 1 − p, else 0: the mean of y is x.

    x any shape, key (2,) uint64 -> y like x.    Srivastava et al. 2014, section 4, in
    the inverted form, which divides by q in training so that a test needs no change.
    Elements along the axes in `share` are kept or dropped together: share=(2, 3) drops
    whole channels (Tompson et al. 2015), share=(1,) a feature at every time step.
    q is t / 2¹⁶ with a whole t, and y is scaled by exactly 2¹⁶ / t. Dropping is linear
    in x and its own transpose: g is dropped where x was.

    >>> dropout(np.ones(8), np.array([3, 0], np.uint64), p=0.5)
    array([0., 0., 2., 0., 2., 2., 0., 2.])
    """
    kept = threshold(p)
    mask = keep_mask(x, key, kept, share)
    # region a4.6: keep x where the mask is true, and make up for what is lost
    y = where(mask, x, 0.0)  # times 0 would leave nan of inf
    y *= scale_of(kept)
    # endregion
    return y, (lambda g: _masked(g, mask, scale=scale_of(kept)), None)


@op(linear=True)
def _masked(x, mask, *, scale):
    """x m · scale: the backward of dropout, and its own."""
    # region a4.7: what was dropped gets no gradient; the rest is scaled as x was
    y = where(mask, x, 0.0)
    y *= scale
    # endregion
    return y, (lambda g: _masked(g, mask, scale=scale), None)


@op(linear=True)
def gaussian_noise(x, key, *, std=0.1):
    """x + n, with every n from N(0, std²); the gradient passes unchanged.

    x any shape, key (2,) uint64 -> y like x.    Noise on inputs is a penalty on large
    slopes (Bishop 1995). The normals are `random_normals` of the key, in float32 if x
    is no wider.
    """
    if std < 0:
        raise RangeError(f"gaussian_noise: std is {std}, and a deviation is 0 or more")
    float_of = np.float32 if x.dtype.itemsize <= 4 else np.float64
    noise = random_normals(key, x.size, float_of).reshape(x.shape)
    noise *= std
    return x + to_device(noise.astype(x.dtype, copy=False), device_of(x)), (
        lambda g: g,
        None,
    )


def threshold(p: float) -> int:
    """Return t: an element is kept if its 16 random bits are below t = (1 − p) 2¹⁶."""
    if not 0 <= p <= 1:
        raise RangeError(
            f"dropout: p is {p}, the probability to drop an element; it is in [0, 1]"
        )
    kept: int = round((1 - p) * 2**BITS)
    return kept


def scale_of(kept: int) -> float:
    """Return 1 / q = 2¹⁶ / t; where nothing is kept there is nothing to scale."""
    return 2**BITS / kept if kept else 0.0


def keep_mask(x: Array, key: Array, kept: int, share: tuple[int, ...] = ()) -> Array:
    """Return which elements of x to keep: booleans of its shape, 1 along `share`."""
    if any(not -x.ndim <= axis < x.ndim for axis in share):
        raise ShapeError(
            f"dropout: x {x.shape} has {x.ndim} axes, numbered from 0, and share is "
            f"{share}; it names the axes along which elements are dropped together"
        )
    axes = {axis % x.ndim for axis in share}
    shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    if kept in (0, 2**BITS):
        return namespace(values(x)).full(shape, kept > 0)
    mask = random_bits(key, math.prod(shape)) < kept
    return to_device(mask.reshape(shape), device_of(x))


def random_bits(key: Array, n: int) -> Array:
    """Return n random numbers of 16 bits, as a NumPy array: a pure function of the key.

    >>> random_bits(np.array([3, 0], np.uint64), 4)
    array([56523, 56495,  6978, 61229], dtype=uint16)
    """
    words = _philox(key).random_raw(-(-n * BITS // 64))
    return words.astype("<u8", copy=False).view("<u2")[:n]


def random_normals(key: Array, n: int, dtype: Any = np.float64) -> Array:
    """Return n numbers from N(0, 1), as a NumPy array: a pure function of the key.

    Each 64-bit word gives two, r cos θ and r sin θ, with r = √(−2 ln u), u in (0, 1)
    from its low half, and θ in [0, 2π) from its high half.    Box & Muller 1958.

    >>> random_normals(np.array([3, 0], np.uint64), 3).round(4)
    array([ 0.4991, -0.2186,  1.4216])
    """
    words = _philox(key).random_raw(-(-n // 2)).astype("<u8", copy=False).view("<u4")
    halves = words.reshape(-1, 2).astype(dtype) * dtype(2**-32)
    u, turn = halves[:, 0] + dtype(2**-33), halves[:, 1] * dtype(2)
    r, theta = np.sqrt(-2 * np.log(u)), turn * dtype(math.pi)
    return np.stack([r * np.cos(theta), r * np.sin(theta)], axis=1).reshape(-1)[:n]


def _philox(key: Array) -> np.random.Philox:
    """Return NumPy's counter-based generator for a key, at the start of its stream."""
    key = to_numpy(key)
    if key.shape != (2,):
        raise ShapeError(
            f"a key is two uint64, (seed, call), and this has shape {key.shape}; "
            "try numpy.array([seed, call], 'uint64'), or the layer nn.Dropout(0.5), "
            "which has a key of its own"
        )
    if key.dtype != np.uint64:
        raise DTypeError(
            f"a key is two uint64, (seed, call), and these are {key.dtype}"
        )
    return np.random.Philox(key=key)
