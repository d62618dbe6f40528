"""LSTM, GRU and RNN on a GPU: in each step one product and one launch, each way.

Throughout:  N sequences, T times, H units, K / H gates    x (N, T, D)    g = ∂L/∂·
             z = x wx for all times at once, then the gates in its place (N, T, K)
             u = h wh of one step (N, K)    before  h before each step (N, T, H)
             y (N, T, H)    dz, du  gradients of z + b and of u + bh

What is elementwise in a step is in recurrent.cu; there r and `kept` are explained. The
gradients of the weights are one product each over all times. A cell is a sequence of
length 1. Nothing is copied to the device or from it, and nobody waits.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from minidl.backend import Array, device_of
from minidl.kernels.cuda import compiler as cuda
from minidl.ops.recurrent import check, gru, gru_cell, lstm, lstm_cell, rnn

Fast = Any  # (y, backward[, aux]), or None to decline
NULL = np.uint64(0)  # a pointer to nothing


@lstm.fast("cuda")
def quick_lstm(
    x: Array,
    h: Array | None,
    c: Array | None,
    wx: Array,
    wh: Array,
    b: Array | None = None,
    mask: Array | None = None,
    *,
    reverse: bool = False,
) -> Fast:
    """Return lstm of float32; else None."""
    s = ready("lstm", (x, (h, c), wx, wh, [b]), 4, mask, reverse)
    if s is None:
        return None
    cs = s.scratch()
    h, c = s.forth("lstm", (s.biases[0], s.mask), (s.before, cs, s.y))

    def backward(dy: Array, dh: Array, dc: Array) -> tuple[Any, ...]:
        dc, dz = s.cupy.array(dc, order="C"), s.cupy.empty_like(s.z)
        dh = s.back("lstm_back", (s.z, cs, s.mask), (dc, dz), dy, dh)
        dx, *rest = s.weights(dz, dz)
        return dx, dh, dc, *rest, None

    return (s.y, h, c), backward


@lstm_cell.fast("cuda")
def quick_lstm_cell(
    x: Array,
    h: Array | None,
    c: Array | None,
    wx: Array,
    wh: Array,
    b: Array | None = None,
) -> Fast:
    """Return lstm_cell of float32; else None."""
    s = ready("lstm_cell", (x, (h, c), wx, wh, [b]), 4)
    if s is None:
        return None
    cs = s.scratch()
    states = s.forth("lstm", (s.biases[0], None), (s.before, cs, s.y))

    def backward(dh: Array, dc: Array) -> tuple[Any, ...]:
        dc, dz = s.cupy.array(dc, order="C"), s.cupy.empty_like(s.z)
        dh = s.back("lstm_back", (s.z, cs, None), (dc, dz), None, dh)
        dx, *rest = s.weights(dz, dz)
        return dx[:, 0], dh, dc, *rest

    return states, backward


@gru.fast("cuda")
def quick_gru(
    x: Array,
    h: Array | None,
    wx: Array,
    wh: Array,
    b: Array | None = None,
    bh: Array | None = None,
    mask: Array | None = None,
    *,
    reverse: bool = False,
) -> Fast:
    """Return gru of float32; else None."""
    s = ready("gru", (x, (h,), wx, wh, [b, bh]), 3, mask, reverse)
    if s is None:
        return None
    (h,), back = _gru(s)

    def backward(dy: Array, dh: Array) -> tuple[Any, ...]:
        return *back(dy, dh), None

    return (s.y, h), backward


@gru_cell.fast("cuda")
def quick_gru_cell(
    x: Array,
    h: Array | None,
    wx: Array,
    wh: Array,
    b: Array | None = None,
    bh: Array | None = None,
) -> Fast:
    """Return gru_cell of float32; else None."""
    s = ready("gru_cell", (x, (h,), wx, wh, [b, bh]), 3)
    if s is None:
        return None
    (h,), back = _gru(s)

    def backward(dh: Array) -> tuple[Any, ...]:
        dx, *rest = back(None, dh)
        return dx[:, 0], *rest

    return h, backward


def _gru(s: Sequence) -> Any:
    """Return the states after a GRU's last step, and the way back to all inputs."""
    un = s.scratch()
    states = s.forth("gru", (*s.biases, s.mask), (s.before, un, s.y))

    def back(dy: Array, dh: Array) -> tuple[Any, ...]:
        dz, dus = s.cupy.empty_like(s.z), s.cupy.empty_like(s.z)
        dh = s.back("gru_back", (s.z, s.before, un, s.mask), (dz, dus), dy, dh)
        dx, *rest = s.weights(dz, dus)
        return dx, dh, *rest

    return states, back


@rnn.fast("cuda")
def quick_rnn(
    x: Array,
    h: Array | None,
    wx: Array,
    wh: Array,
    b: Array | None = None,
    mask: Array | None = None,
    *,
    reverse: bool = False,
    nonlinearity: str = "tanh",
) -> Fast:
    """Return rnn of float32; else None."""
    s = ready("rnn", (x, (h,), wx, wh, [b]), 1, mask, reverse)
    if s is None or nonlinearity not in ("tanh", "relu"):
        return None
    straight = nonlinearity == "relu"
    (h,) = s.forth("rnn", (s.biases[0], s.mask, straight), (s.before, s.y))

    def backward(dy: Array, dh: Array) -> tuple[Any, ...]:
        dz = s.cupy.empty_like(s.z)
        dh = s.back("rnn_back", (s.y, s.mask, straight), (dz,), dy, dh)
        dx, *rest = s.weights(dz, dz)
        return dx, dh, *rest, None

    return (s.y, h), backward


class Sequence:
    """What the kernels of all three need, and what is done with every step."""

    def __init__(self, x: Array, state: Any, wx: Array, wh: Array, biases: Any) -> None:
        self.cupy = sys.modules["cupy"]
        tidy = self.cupy.ascontiguousarray  # does nothing to what has no gaps
        self.n, self.t, d = x.shape
        self.size, self.k = wh.shape
        self.state, self.wx, self.wh = tuple(map(tidy, state)), tidy(wx), tidy(wh)
        self.biases = [b if b is None else tidy(b) for b in biases]
        self.rows = tidy(x).reshape(self.n * self.t, d)
        self.z = (self.rows @ self.wx).reshape(self.n, self.t, self.k)
        self.y, self.before = self.scratch(), self.scratch()
        self.times, self.mask = range(self.t), None

    def scratch(self) -> Array:
        """Return new memory (N, T, H)."""
        return self.cupy.empty((self.n, self.t, self.size), np.float32)

    def forth(self, kernel: str, given: tuple[Any, ...], kept: tuple[Any, ...]) -> Any:
        """Take all steps; return the states after them.

        given, kept   what the kernel takes before the states, and after them
        """
        old, new = self.state, tuple(self.cupy.empty_like(s) for s in self.state)
        u = self.cupy.empty((self.n, self.k), np.float32)
        for t in self.times:
            self.cupy.matmul(old[0], self.wh, out=u)
            self._step(kernel, t, self.z, u, *given, *old, *new, *kept)
            old = new
        return new

    def back(
        self, kernel: str, given: tuple[Any, ...], out: Array, dy: Array, dh: Array
    ) -> Array:
        """Take all steps back; return ∂L/∂h before the first of them.

        given, out   what the kernel takes before dy, and after `kept`
        """
        r, wht = self.cupy.array(dh, order="C"), self.wh.T  # r is written over
        kept, du = self.cupy.zeros_like(r), self.cupy.empty((self.n, self.k), r.dtype)
        dy = None if dy is None else self.cupy.ascontiguousarray(dy)
        for t in self.times[::-1]:
            self._step(kernel, t, *given, dy, r, kept, *out, du)
            self.cupy.matmul(du, wht, out=r)
        r += kept
        return r

    def _step(self, kernel: str, t: int, *args: Any) -> None:
        """Run the kernel of one step."""
        args = tuple(NULL if a is None else a for a in args)
        n = self.n * self.size
        cuda.launch("recurrent", kernel, n, *args, t, self.t, self.size)

    def weights(self, dz: Array, du: Array) -> tuple[Any, ...]:
        """Return dx, dwx, dwh, and a gradient for each bias."""
        rows = self.n * self.t
        dz, du = dz.reshape(rows, self.k), du.reshape(rows, self.k)
        dx = (dz @ self.wx.T).reshape(self.n, self.t, len(self.wx))
        dwh = self.before.reshape(rows, self.size).T @ du
        biases = [
            None if b is None else d.sum(axis=0)
            for b, d in zip(self.biases, (dz, du), strict=False)
        ]
        return dx, self.rows.T @ dz, dwh, *biases


def ready(
    name: str, inputs: Any, gates: int, mask: Array | None = None, back: bool = False
) -> Any:
    """Return the sequence; None unless all is float32 and on the device."""
    x, state, wx, wh, biases = inputs
    arrays = [a for a in (x, *state, wx, wh, *biases) if a is not None]
    if any(device_of(a) != "cuda" or a.dtype != np.float32 for a in arrays):
        return None
    if wx.ndim != 2 or wh.ndim != 2 or wh.shape[1] != gates * wh.shape[0]:
        return None
    if mask is not None and device_of(mask) != "cuda":
        return None
    x, *rest = check(name, inputs, mask)
    if mask is not None:  # whatever stands there, 0 · ∞ is no number
        x = sys.modules["cupy"].where(mask[:, :, None], x, np.float32(0))
    found = Sequence(x[:, None] if x.ndim == 2 else x, *rest)
    found.mask = mask if mask is None else found.cupy.ascontiguousarray(mask)
    if back:
        found.times = found.times[::-1]
    return found
