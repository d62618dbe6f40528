"""The LSTM on a CPU: the same steps, laid out so that no step copies anything twice.

Throughout:  N batch, T times, H units    all is in the order in which steps are made
             a state is (H, N) and the gates of a step (4H, N): each gate a block of
             rows, and wᵀ h, for few columns, is a third faster than h w
             gates[t] i, f, o, g    cs[t] c before step t    ys[t] (N, H)    g = ∂L/∂·

σ(z) = ½ tanh(z / 2) + ½, with the ½ inside folded into the weights: one call of tanh
serves all four gates. Gradients of weights are one product over all times.

The products of a step are so small that OpenBLAS spends a fifth of them on packing its
operands, unless they come in pieces that it calls small: see `product`.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels.parts import parts, together
from minidl.ops.recurrent import check, lstm

SMALL = 1_000_000  # multiplications: up to here OpenBLAS calls a product small
LEAST = 8  # sequences for a thread

Fast = Any  # (y, backward[, aux]), or None to decline


class Cell:
    """What a step does to each unit; numba has another one."""

    def forward(self, z: Array, u: Array, c: Array, new_c: Array, h: Array) -> None:
        """Write the gates into z (4H, N), which was x's share and u is h's; c and h."""
        size = len(c)
        z += u
        np.tanh(z, out=z)
        z[: 3 * size] *= 0.5
        z[: 3 * size] += 0.5
        i, f, o, g = z.reshape(4, *c.shape)
        scratch = u[:size]
        np.multiply(f, c, out=new_c)
        new_c += np.multiply(i, g, out=scratch)
        np.multiply(o, np.tanh(new_c, out=scratch), out=h)

    def backward(self, dh: Array, dc: Array, z: Array, c: Array, dz: Array) -> None:
        """Write dz of one step, and into dc that of c before it."""
        size, n = c.shape
        slope = np.empty_like(z)
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
    return by_steps(Cell(), x, h, c, wx, wh, b, mask, reverse)


def by_steps(
    cell: Cell,
    x: Array,
    h: Array | None,
    c: Array | None,
    wx: Array,
    wh: Array,
    b: Array | None,
    mask: Array | None,
    reverse: bool,
) -> Fast:
    """Return lstm(x, …) and the way back, or None; each thread takes some of N."""
    if x.dtype != np.float32 or not x.size or wh.ndim != 2:
        return None
    if wh.shape[1] != 4 * wh.shape[0]:
        return None
    x, (h, c), wx, wh, (b,) = check("lstm", (x, (h, c), wx, wh, [b]), mask)
    if not h.dtype == c.dtype == wx.dtype == wh.dtype == np.float32:
        return None
    some = parts(len(x), LEAST)
    if len(some) == 1:
        return of_some(cell, x, h, c, wx, wh, b, mask, reverse)

    def forward(at: slice) -> Any:
        on = None if mask is None else mask[at]
        return of_some(cell, x[at], h[at], c[at], wx, wh, b, on, reverse)

    made = together(forward, some)
    ways = {at.start: back for at, (_, back) in zip(some, made, strict=True)}

    def backward(dy: Array, dh: Array, dc: Array) -> tuple[Any, ...]:
        def back(at: slice) -> Any:
            return ways[at.start](dy[at], dh[at], dc[at])

        found = [*zip(*together(back, some), strict=True)]
        own = [np.concatenate(rows) for rows in found[:3]]
        return *own, *(reduce(np.add, sums) for sums in found[3:6]), None

    results = zip(*(y for y, _ in made), strict=True)
    return tuple(np.concatenate(rows) for rows in results), backward


def of_some(
    cell: Cell,
    x: Array,
    h: Array,
    c: Array,
    wx: Array,
    wh: Array,
    b: Array,
    mask: Array | None,
    reverse: bool,
) -> Fast:
    """Return what `by_steps` does, for some of the batch."""
    order = slice(None, None, -1 if reverse else 1)
    waits = waiting(mask, x.shape[1])[order]
    xs = without_padding(x, mask).swapaxes(0, 1)[order]
    gates, cs, hs, c_last = steps_forth(cell, xs, h, c, wx, wh, b, waits)
    y = hs[1:].swapaxes(0, 1)[:, order]
    if mask is not None:
        y = y * mask[:, :, None]

    def backward(dy: Array, dh: Array, dc: Array) -> tuple[Any, ...]:
        dys = dy.swapaxes(0, 1)[order]
        dz, dh, dc = steps_back(cell, dys, dh.T, dc.T, wh, gates, cs, waits)
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


def product(a: Array, b: Array, out: Array) -> Array:
    """Write a @ b, by rows of a in pieces that OpenBLAS does not pack."""
    (m, k), n = a.shape, b.shape[1]
    rows = next((r for r in (64, 32, 16, 8) if m % r == 0 and r * k * n <= SMALL), m)
    np.matmul(a.reshape(-1, rows, k), b, out=out.reshape(-1, rows, n))
    return out


def steps_forth(
    cell: Cell,
    xs: Array,
    h: Array,
    c: Array,
    wx: Array,
    wh: Array,
    b: Array,
    waits: list[Any],
) -> tuple[Array, ...]:
    """Take all steps; return the gates, c before each, h before each and last, c last.

    gates (T, 4H, N), c (T, H, N), h (T + 1, N, H), c (N, H)
    """
    (t, n, _), size = xs.shape, len(wh)
    half = np.full((4 * size, 1), 0.5, np.float32)
    half[3 * size :] = 1
    wht = np.ascontiguousarray(wh.T * half)
    gates = np.matmul(wx.T * half, xs.swapaxes(1, 2))
    if b is not None:
        gates += b[:, None] * half
    cs, hs = (np.empty((t + 1, *shape), np.float32) for shape in ((size, n), (n, size)))
    u, h_now = np.empty((4 * size, n), np.float32), np.array(h.T, order="C")
    hs[0], cs[0] = h, c.T
    for s in range(t):
        old, before = waits[s], h_now
        h_now = np.empty_like(before) if old is not None else before
        product(wht, before, out=u)
        cell.forward(gates[s], u, cs[s], cs[s + 1], h_now)
        if old is not None:
            cs[s + 1][:, old], h_now[:, old] = cs[s][:, old], before[:, old]
        hs[s + 1] = h_now.T
    return gates, cs[:-1], hs, np.ascontiguousarray(cs[-1].T)


def steps_back(
    cell: Cell,
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
    dzs, dc = np.empty((t, n, 4 * size), np.float32), np.array(dc, order="C")
    dz, wh = np.empty((4 * size, n), np.float32), np.ascontiguousarray(wh)
    dh_before = np.empty((size, n), np.float32)
    for s in range(t)[::-1]:
        old = waits[s]
        late = None if old is None else (dh[:, old], dc[:, old])
        dh = np.ascontiguousarray(dh + dys[s].T)
        if old is not None:
            dh[:, old] = dc[:, old] = 0
        cell.backward(dh, dc, gates[s], cs[s], dz)
        dzs[s] = dz.T
        dh = product(wh, dz, out=dh_before)
        if late is not None:
            dh[:, old] += late[0]
            dc[:, old] += late[1]
    return dzs, np.ascontiguousarray(dh.T), np.ascontiguousarray(dc.T)
