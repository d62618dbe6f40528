"""GRU and RNN on a CPU: the same steps, laid out as those of cpu_recurrent.py.

Throughout:  N batch, T times, H units    all is in the order in which steps are made
             a state is (H, N) and the gates of a step (3H, N): each gate a block of
             rows    gates[t] r, z, n    un[t] what h says of n (H, N)
             hs[t] h before step t, and after it hs[t + 1] (N, H)    g = ∂L/∂·

σ(z) = ½ tanh(z / 2) + ½, with the ½ inside folded into the weights of r and z.
Gradients of weights are one product over all times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels.cpu.recurrent import waiting, without_padding
from minidl.ops.recurrent import check, gru, rnn

Fast = Any  # (y, backward[, aux]), or None to decline


@gru.fast("cpu")
def fast_gru(
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
    """Takes float32."""
    given = _checked("gru", x, h, wx, wh, [b, bh], mask, gates=3)
    if given is None:
        return None
    x, h, (b, bh) = given
    order = slice(None, None, -1 if reverse else 1)
    waits = waiting(mask, x.shape[1])[order]
    xs = without_padding(x, mask).swapaxes(0, 1)[order]
    gates, un, hs = _gru_forth(xs, h, wx, wh, b, bh, waits)

    def backward(dy: Array, dh: Array) -> tuple[Any, ...]:
        dys = dy.swapaxes(0, 1)[order]
        dz, dun, dh = _gru_back(dys, dh, wh, gates, un, hs, waits)
        dx, dwx, db = _of_inputs(dz, xs, wx)
        before, size = hs[:-1].reshape(-1, len(wh)), len(wh)
        dwh, dbh, rows = np.empty_like(wh), db.copy(), dun.reshape(-1, size)
        np.matmul(
            before.T, dz.reshape(-1, 3 * size)[:, : 2 * size], out=dwh[:, : 2 * size]
        )
        np.matmul(before.T, rows, out=dwh[:, 2 * size :])
        dbh[2 * size :] = np.ones(len(rows), rows.dtype) @ rows
        return dx[order].swapaxes(0, 1), dh, dwx, dwh, db, dbh, None

    return (_output(hs, order, mask), hs[-1].copy()), backward


def _gru_forth(
    xs: Array, h: Array, wx: Array, wh: Array, b: Array, bh: Array, waits: list[Any]
) -> tuple[Array, ...]:
    """Take all steps; return the gates (T, 3H, N), un (T, H, N), hs (T + 1, N, H)."""
    (t, n, _), size = xs.shape, len(wh)
    half = np.full((3 * size, 1), 0.5, np.float32)
    half[2 * size :] = 1
    wht, gates = wh.T * half, np.matmul(wx.T * half, xs.swapaxes(1, 2))
    if b is not None:
        gates += b[:, None] * half
    of_h = np.zeros((3 * size, 1), np.float32) if bh is None else bh[:, None] * half
    un, hs = np.empty((t, size, n), np.float32), np.empty((t + 1, n, size), np.float32)
    u, hs[0], h = np.empty((3 * size, n), np.float32), h, np.ascontiguousarray(h.T)
    for s in range(t):
        np.matmul(wht, h, out=u)
        u += of_h
        z, old = gates[s], waits[s]
        rz, fresh = z[: 2 * size], z[2 * size :]
        rz += u[: 2 * size]
        np.tanh(rz, out=rz)
        rz *= 0.5
        rz += 0.5
        un[s] = u[2 * size :]
        fresh += np.multiply(z[:size], un[s], out=u[:size])
        np.tanh(fresh, out=fresh)
        new = h - fresh
        new *= z[size : 2 * size]
        new += fresh
        if old is not None:
            new[:, old] = h[:, old]
        h = new
        hs[s + 1] = h.T
    return gates, un, hs


def _gru_back(
    dys: Array,
    dh: Array,
    wh: Array,
    gates: Array,
    un: Array,
    hs: Array,
    waits: list[Any],
) -> tuple[Array, Array, Array]:
    """Return dz (T, N, 3H), the last third of du (T, N, H), dh (N, H) before all."""
    t, size, n = un.shape
    dzs, duns = (
        np.empty((t, n, 3 * size), np.float32),
        np.empty((t, n, size), np.float32),
    )
    du, dh = np.empty((3 * size, n), np.float32), dh.T
    dr, dz, dun = du.reshape(3, size, n)
    for s in range(t)[::-1]:
        old, late = waits[s], None if waits[s] is None else dh[:, waits[s]]
        dh = dh + dys[s].T
        if old is not None:
            dh[:, old] = 0
        r, z, fresh = gates[s].reshape(3, size, n)
        da = 1 - fresh * fresh
        da *= dh
        da *= 1 - z
        np.multiply(da, r, out=dun)
        np.multiply(da, un[s], out=dr)
        dr *= r - r * r  # σ′ = σ − σ²
        np.subtract(hs[s].T, fresh, out=dz)
        dz *= dh
        dz *= z - z * z
        dzs[s, :, : 2 * size], dzs[s, :, 2 * size :] = du[: 2 * size].T, da.T
        duns[s] = dun.T
        dh *= z
        dh += wh @ du
        if late is not None:
            dh[:, old] = late
    return dzs, duns, np.ascontiguousarray(dh.T)


@rnn.fast("cpu")
def fast_rnn(
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
    """Takes float32."""
    given = _checked("rnn", x, h, wx, wh, [b], mask, gates=1)
    if given is None or nonlinearity not in ("tanh", "relu"):
        return None
    x, h, (b,) = given
    order = slice(None, None, -1 if reverse else 1)
    waits = waiting(mask, x.shape[1])[order]
    xs = without_padding(x, mask).swapaxes(0, 1)[order]
    hs, straight = (
        _rnn_forth(xs, h, wx, wh, b, waits, nonlinearity),
        nonlinearity == "relu",
    )

    def backward(dy: Array, dh: Array) -> tuple[Any, ...]:
        dz, dh = _rnn_back(dy.swapaxes(0, 1)[order], dh, wh, hs, waits, straight)
        dx, dwx, db = _of_inputs(dz, xs, wx)
        dwh = hs[:-1].reshape(-1, len(wh)).T @ dz.reshape(-1, len(wh))
        return dx[order].swapaxes(0, 1), dh, dwx, dwh, db, None

    return (_output(hs, order, mask), hs[-1].copy()), backward


def _rnn_forth(
    xs: Array, h: Array, wx: Array, wh: Array, b: Array, waits: list[Any], kind: str
) -> Array:
    """Take all steps; return h before each and after the last, (T + 1, N, H)."""
    (t, n, _), size = xs.shape, len(wh)
    hs = np.empty((t + 1, n, size), np.float32)
    hs[0] = h
    np.matmul(xs, wx, out=hs[1:])
    if b is not None:
        hs[1:] += b
    u, zeros = np.empty((n, size), np.float32), np.zeros((n, size), np.float32)
    squash: Callable[..., Any] = np.tanh if kind == "tanh" else np.maximum
    for s in range(t):
        new, old = hs[s + 1], waits[s]
        new += np.matmul(hs[s], wh, out=u)
        squash(*((new,) if kind == "tanh" else (new, zeros)), out=new)
        if old is not None:
            new[old] = hs[s, old]
    return hs


def _rnn_back(
    dys: Array, dh: Array, wh: Array, hs: Array, waits: list[Any], straight: bool
) -> tuple[Array, Array]:
    """Return dz (T, N, H), and dh (N, H) before the first step."""
    dzs, wht = np.empty((len(dys), *dh.shape), np.float32), np.ascontiguousarray(wh.T)
    for s in range(len(dys))[::-1]:
        old, dz, h = waits[s], dzs[s], hs[s + 1]
        late = None if old is None else dh[old]
        dh = dh + dys[s]
        if straight:
            np.multiply(dh, h > 0, out=dz)
        else:
            np.multiply(h, h, out=dz)
            np.subtract(1, dz, out=dz)
            dz *= dh
        if old is not None:
            dz[old] = 0
        dh = dz @ wht
        if late is not None:
            dh[old] = late
    return dzs, dh


def _checked(
    name: str,
    x: Array,
    h: Array,
    wx: Array,
    wh: Array,
    biases: Any,
    mask: Array,
    gates: int,
) -> Any:
    """Return x, h and the biases; None unless all is float32 and wh has its gates."""
    if x.dtype != np.float32 or wh.ndim != 2 or wh.shape[1] != gates * wh.shape[0]:
        return None
    x, (h,), wx, wh, biases = check(name, (x, (h,), wx, wh, biases), mask)
    if not h.dtype == wx.dtype == wh.dtype == np.float32:
        return None
    return x, h, biases


def _of_inputs(dz: Array, xs: Array, wx: Array) -> tuple[Array, Array, Array]:
    """Return dx (T, N, D), dwx and db."""
    rows, flat = (
        dz.reshape(-1, wx.shape[1]),
        np.ascontiguousarray(xs).reshape(-1, len(wx)),
    )
    return (
        (rows @ wx.T).reshape(xs.shape),
        flat.T @ rows,
        np.ones(len(rows), rows.dtype) @ rows,
    )


def _output(hs: Array, order: slice, mask: Array | None) -> Array:
    """Return y (N, T, H): the state after each time, 0 where there is no token."""
    y = hs[1:].swapaxes(0, 1)[:, order]
    return y if mask is None else y * mask[:, :, None]
