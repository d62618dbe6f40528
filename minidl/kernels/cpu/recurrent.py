"""The LSTM on a CPU: the same steps, laid out so that no step copies anything twice.

Throughout:  N batch, T times, H units    all is in the order in which steps are made
             a state is (H, N) and the gates of a step (4H, N): each gate a block of
             rows, and wᵀ h, for few columns, is a third faster than h w
             gates[t] i, f, o, g    cs[t] c before step t    ys[t] (N, H)    g = ∂L/∂·

σ(z) = ½ tanh(z / 2) + ½, with the ½ inside folded into the weights: one call of tanh
serves all four gates. Gradients of weights are one product over all times.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.ops.recurrent import check, lstm

Fast = Any  # (y, backward[, aux]), or None to decline


@lstm.fast("cpu")
def fast_lstm(
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
    """Takes float32. A mask becomes, for each step, a list of those who wait."""
    if x.dtype != np.float32 or wh.ndim != 2 or wh.shape[1] != 4 * wh.shape[0]:
        return None
    x, (h, c), wx, wh, (b,) = check("lstm", (x, (h, c), wx, wh, [b]), mask)
    if not h.dtype == c.dtype == wx.dtype == wh.dtype == np.float32:
        return None
    order = slice(None, None, -1 if reverse else 1)
    waits = waiting(mask, x.shape[1])[order]
    xs = without_padding(x, mask).swapaxes(0, 1)[order]
    gates, cs, hs, c_last = steps_forth(xs, h, c, wx, wh, b, waits)
    y = hs[1:].swapaxes(0, 1)[:, order]
    if mask is not None:
        y = y * mask[:, :, None]

    def backward(dy: Array, dh: Array, dc: Array) -> tuple[Any, ...]:
        dys = dy.swapaxes(0, 1)[order]
        dz, dh, dc = steps_back(dys, dh.T, dc.T, wh, gates, cs, waits)
        rows, before = dz.reshape(-1, dz.shape[2]), hs[:-1].reshape(-1, len(wh))
        dx = (rows @ wx.T).reshape(xs.shape)[order].swapaxes(0, 1)
        dwx = np.ascontiguousarray(xs).reshape(-1, len(wx)).T @ rows
        db = np.ones(len(rows), rows.dtype) @ rows
        return dx, dh, dc, dwx, before.T @ rows, db, None

    return (y, hs[-1].copy(), c_last), backward


def waiting(mask: Array | None, length: int) -> list[Any]:
    """Return for each time which sequences have no token there; None: all have one."""
    if mask is None or mask.all():
        return [None] * length
    return [np.flatnonzero(~on) if not on.all() else None for on in mask.T]


def without_padding(x: Array, mask: Array | None) -> Array:
    """Return x (N, T, …) with zeros where there is no token."""
    return x if mask is None else np.where(mask[:, :, None], x, np.float32(0))


def steps_forth(
    xs: Array, h: Array, c: Array, wx: Array, wh: Array, b: Array, waits: list[Any]
) -> tuple[Array, ...]:
    """Take all steps; return the gates, c before each, h before each and last, c last.

    gates (T, 4H, N), c (T, H, N), h (T + 1, N, H), c (N, H)
    """
    (t, n, _), size = xs.shape, len(wh)
    half = np.full((4 * size, 1), 0.5, np.float32)
    half[3 * size :] = 1
    wht = wh.T * half
    gates = np.matmul(wx.T * half, xs.swapaxes(1, 2))
    if b is not None:
        gates += b[:, None] * half
    cs, hs = np.empty((t, size, n), np.float32), np.empty((t + 1, n, size), np.float32)
    u, scratch = np.empty((4 * size, n), np.float32), np.empty((size, n), np.float32)
    hs[0], h, c = h, np.ascontiguousarray(h.T), np.ascontiguousarray(c.T)
    for s in range(t):
        z = gates[s]
        z += np.matmul(wht, h, out=u)
        np.tanh(z, out=z)
        z[: 3 * size] *= 0.5
        z[: 3 * size] += 0.5
        i, f, o, g = z.reshape(4, size, n)
        cs[s], past, c, old = c, c, f * c, waits[s]
        c += np.multiply(i, g, out=scratch)
        new = np.multiply(o, np.tanh(c, out=scratch))
        if old is not None:
            c[:, old], new[:, old] = past[:, old], h[:, old]
        h = new
        hs[s + 1] = h.T
    return gates, cs, hs, np.ascontiguousarray(c.T)


def steps_back(
    dys: Array,
    dh: Array,
    dc: Array,
    wh: Array,
    gates: Array,
    cs: Array,
    waits: list[Any],
) -> tuple[Array, Array, Array]:
    """Return dz (T, N, 4H), and dh, dc (N, H) before the first step."""
    t, size, n = cs.shape
    dzs, dc = np.empty((t, n, 4 * size), np.float32), dc.copy()
    dz, slope = (np.empty((4 * size, n), np.float32) for _ in range(2))
    for s in range(t)[::-1]:
        old = waits[s]
        late = None if old is None else (dh[:, old], dc[:, old])
        dh = dh + dys[s].T
        if old is not None:
            dh[:, old] = dc[:, old] = 0
        one_step_back(dh, dc, gates[s], cs[s], dz, slope)
        dzs[s] = dz.T
        dh = wh @ dz
        if late is not None:
            dh[:, old] += late[0]
            dc[:, old] += late[1]
    return dzs, np.ascontiguousarray(dh.T), np.ascontiguousarray(dc.T)


def one_step_back(
    dh: Array, dc: Array, z: Array, c: Array, dz: Array, slope: Array
) -> None:
    """Write dz of one step, and into dc that of c before it; `slope` is scratch."""
    size, n = c.shape
    (i, f, o, g), (di, df, do, dg) = z.reshape(4, size, n), dz.reshape(4, size, n)
    scratch = slope[:size]
    squashed = f * c  # tanh of c after the step, as the step computed it
    squashed += np.multiply(i, g, out=scratch)
    np.tanh(squashed, out=squashed)
    np.multiply(dh, squashed, out=do)
    squashed *= squashed
    np.subtract(1, squashed, out=squashed)
    squashed *= np.multiply(dh, o, out=scratch)
    dc += squashed
    np.multiply(dc, g, out=di)
    np.multiply(dc, c, out=df)
    np.multiply(dc, i, out=dg)
    np.multiply(z, z, out=slope)
    sigmoids, tanhs = slope[: 3 * size], slope[3 * size :]
    np.subtract(z[: 3 * size], sigmoids, out=sigmoids)  # σ′ = σ − σ²
    np.subtract(1, tanhs, out=tanhs)  # tanh′ = 1 − tanh²
    dz *= slope
    dc *= f
