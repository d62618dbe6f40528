"""What a step of an LSTM does to each unit, in one pass: see kernels/cpu/recurrent.py.

Throughout:  z (4H, N) sums, then gates i, f, o, g    u (4H, N) the share of h in z
             c (H, N) before the step, new_c and h after it
z and u of i, f and o are already halved, for σ(z) = ½ tanh(z / 2) + ½.
"""

from __future__ import annotations

from typing import Any

from minidl.backend import Array, optional
from minidl.kernels.numba.loops import (
    HALF,
    ONE,
    In2,
    Out2,
    loop,
    ready,
    tanh,
)
from minidl.ops.recurrent import lstm

SMALL = 4096  # numbers in a state: up to here calls cost more than numbers
recurrent = optional("minidl.kernels.cpu.recurrent")

Fast = Any  # (y, backward), or None to decline


@loop
def forward(z: Out2, u: In2, c: In2, new_c: Out2, h: Out2) -> None:
    """c ← f c + i g ;  h = o tanh c."""
    size, n = c.shape
    for j in range(size):
        for k in range(n):
            i = HALF * tanh(z[j, k] + u[j, k]) + HALF
            f = HALF * tanh(z[size + j, k] + u[size + j, k]) + HALF
            o = HALF * tanh(z[2 * size + j, k] + u[2 * size + j, k]) + HALF
            g = tanh(z[3 * size + j, k] + u[3 * size + j, k])
            z[j, k], z[size + j, k] = i, f
            z[2 * size + j, k], z[3 * size + j, k] = o, g
            new_c[j, k] = f * c[j, k] + i * g
            h[j, k] = o * tanh(new_c[j, k])


@loop
def backward(dh: In2, dc: Out2, z: In2, c: In2, dz: Out2) -> None:
    """dz from dh and dc; and into dc that of c before the step."""
    size, n = c.shape
    for j in range(size):
        for k in range(n):
            i, f = z[j, k], z[size + j, k]
            o, g = z[2 * size + j, k], z[3 * size + j, k]
            squashed = tanh(f * c[j, k] + i * g)
            d = dc[j, k] + dh[j, k] * o * (ONE - squashed * squashed)
            dz[j, k] = d * g * (i - i * i)
            dz[size + j, k] = d * c[j, k] * (f - f * f)
            dz[2 * size + j, k] = dh[j, k] * squashed * (o - o * o)
            dz[3 * size + j, k] = d * i * (ONE - g * g)
            dc[j, k] = d * f


class Cell:
    """What kernels/cpu/recurrent.py calls at each step."""

    forward = staticmethod(forward)
    backward = staticmethod(backward)


def lstm_in_one_pass(
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
    """Return lstm of float32 where a state is large."""
    if x.ndim != 3 or len(x) * len(wh) < SMALL or not ready(forward, backward):
        return None
    return recurrent.by_steps(Cell(), x, h, c, wx, wh, b, mask, reverse)


if recurrent:
    lstm.fast("cpu", rank=2)(lstm_in_one_pass)
