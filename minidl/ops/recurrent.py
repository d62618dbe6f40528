"""Recurrent networks: RNN, LSTM and GRU, for one step and over a whole sequence.

Throughout:  x input, (N, D) at one time, (N, T, D) over time    h, c states (N, H)
             wx (D, K), wh (H, K), b (K,) weights of K / H gates, side by side
             gates: RNN has none, K = H; LSTM i, f, o, g, K = 4H; GRU r, z, n, K = 3H
             z = x wx + b what the input says    u = h wh what the state says
             y output (N, T, H), the state after each time    dz = ∂L/∂z, and so on
             mask (N, T), true where there is a token: elsewhere the state waits, y = 0

A step is a plain function: `step(z, u, h, …) -> new state, back`, where `back` takes
the gradients of the new state to (dz, du, dh, …): those of the old one as far as they
pass beside u. All that recurrent networks have in common is in this file: the product
h wh in each step, and its gradient; the sums over time; masks; the direction. A whole
sequence is one node of the graph, and backpropagation through time (Werbos 1990) is
the loop that runs the steps' ways back, the last step first.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minidl.backend import Array, device_of, namespace
from minidl.engine.op import op
from minidl.engine.tensor import TensorLike, values
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.ops.activation import relu, sigmoid
from minidl.ops.elementwise import tanh, where
from minidl.ops.joining import concatenate, split, stack, unstack
from minidl.ops.linalg import affine

__all__ = ["gru", "gru_cell", "length_mask", "lstm", "lstm_cell", "rnn", "rnn_cell"]

Step = Callable[..., Any]
State = tuple[Any, ...]
Inputs = tuple[Any, State, Any, Any, list[Any]]  # x, (h, …), wx, wh, [b] or [b, bh]

# One step of each kind, and the same kind over time


@op
def rnn_cell(x, h, wx, wh, b=None, *, nonlinearity="tanh"):
    """h′ = tanh(x wx + h wh + b), one step.    x (N, D), h (N, H) -> h′ (N, H).

    nonlinearity  "tanh" or "relu".    Elman 1990.
    """
    (h_new,), backward = one_step(
        "rnn_cell", _rnn_step(nonlinearity), (x, (h,), wx, wh, [b])
    )
    return h_new, backward


@op
def rnn(x, h, wx, wh, b=None, mask=None, *, reverse=False, nonlinearity="tanh"):
    """`rnn_cell` from the first time to the last: x (N, T, D) -> y (N, T, H), h (N, H).

    h       the state before; None is 0. Returned is the state after
    reverse from the last time to the first: y[:, t] knows what comes after t
    mask    (N, T), true where there is a token: elsewhere the state waits, y is 0
    """
    inputs = x, (h,), wx, wh, [b]
    return whole_sequence("rnn", _rnn_step(nonlinearity), inputs, mask, reverse)


def _rnn_step(nonlinearity: str) -> Step:
    """Return the step of a vanilla network."""
    if nonlinearity not in ("tanh", "relu"):
        raise RangeError(f'nonlinearity is "tanh" or "relu", not {nonlinearity!r}')

    def tanh_step(z, u, h):
        # region a7.2: the new state, and the backward function of the step
        h_new = tanh(z + u)

        def back(dh):
            dz = dh * (1 - h_new * h_new)
            return dz, dz, 0.0

        # endregion
        return (h_new,), back

    def relu_step(z, u, h):
        h = relu(z + u)

        def back(dh):
            dz = where(values(h) > 0, dh, 0.0)
            return dz, dz, 0.0

        return (h,), back

    return tanh_step if nonlinearity == "tanh" else relu_step


@op
def lstm_cell(x, h, c, wx, wh, b=None):
    """One step.    x (N, D), h (N, H), c (N, H) -> h′ (N, H), c′ (N, H).

    i, f, o = σ(…),  g = tanh(…) of x wx + h wh + b, a quarter each;
    c′ = f c + i g,  h′ = o tanh c′.

    Hochreiter & Schmidhuber 1997; the forget gate f, Gers, Schmidhuber & Cummins 2000.
    """
    _need_gates("lstm_cell", wh, "i, f, o, g")
    return one_step("lstm_cell", _lstm_step, (x, (h, c), wx, wh, [b]))


@op
def lstm(x, h, c, wx, wh, b=None, mask=None, *, reverse=False):
    """`lstm_cell` from the first time to the last: x (N, T, D) -> y (N, T, H), h, c.

    h, c    the states before, (N, H); None is 0. Returned are the states after
    reverse from the last time to the first: y[:, t] knows what comes after t
    mask    (N, T), true where there is a token: elsewhere the states wait, y is 0
    """
    _need_gates("lstm", wh, "i, f, o, g")
    inputs = x, (h, c), wx, wh, [b]
    return whole_sequence("lstm", _lstm_step, inputs, mask, reverse)


def _lstm_step(z, u, h, c):
    """One step, of z = x wx + b and u = h wh."""
    # region a7.6: the gates i, f, o and the new value g; then c_new; then h_new
    zi, zf, zo, zg = split(z + u, sections=4, axis=1)
    i, f, o, g = sigmoid(zi), sigmoid(zf), sigmoid(zo), tanh(zg)
    c_new = f * c + i * g
    squashed = tanh(c_new)
    h_new = o * squashed
    # endregion

    def back(dh, dc_new):
        # region a7.7: the gradient of c_new; then of c and the gates; then dz
        do = dh * squashed
        dc_new = dc_new + dh * o * (1 - squashed * squashed)
        di, df, dg = dc_new * g, dc_new * c, dc_new * i
        dzi, dzf, dzo = di * i * (1 - i), df * f * (1 - f), do * o * (1 - o)
        dz = concatenate([dzi, dzf, dzo, dg * (1 - g * g)], axis=1)
        dc = dc_new * f
        # endregion
        return dz, dz, 0.0, dc

    return (h_new, c_new), back


@op
def gru_cell(x, h, wx, wh, b=None, bh=None):
    """One step.    x (N, D), h (N, H) -> h′ (N, H).

    With a = x wx + b and u = h wh + bh, cut in three:
    r = σ(aᵣ + uᵣ),  z = σ(a_z + u_z),  n = tanh(aₙ + r uₙ);  h′ = (1 − z) n + z h.

    Cho et al. 2014, with r after the product as in cuDNN and PyTorch: therefore bh,
    whose last third is multiplied by r. Of the other thirds only b + bh counts.
    """
    _need_gates("gru_cell", wh, "r, z, n")
    (h_new,), backward = one_step("gru_cell", _gru_step, (x, (h,), wx, wh, [b, bh]))
    return h_new, backward


@op
def gru(x, h, wx, wh, b=None, bh=None, mask=None, *, reverse=False):
    """`gru_cell` from the first time to the last: x (N, T, D) -> y (N, T, H), h (N, H).

    h       the state before; None is 0. Returned is the state after
    reverse from the last time to the first: y[:, t] knows what comes after t
    mask    (N, T), true where there is a token: elsewhere the state waits, y is 0
    """
    _need_gates("gru", wh, "r, z, n")
    inputs = x, (h,), wx, wh, [b, bh]
    return whole_sequence("gru", _gru_step, inputs, mask, reverse)


def _gru_step(a, u, h):
    """One step, of a = x wx + b and u = h wh + bh."""
    k = h.shape[1]
    un = u[:, 2 * k :]
    gates = sigmoid(a[:, : 2 * k] + u[:, : 2 * k])
    r, z = gates[:, :k], gates[:, k:]
    n = tanh(a[:, 2 * k :] + r * un)

    def back(dh):
        da = dh * (1 - z) * (1 - n * n)
        dr, dz = da * un, dh * (h - n)
        dgates = concatenate([dr, dz], axis=1) * (gates * (1 - gates))
        through = (concatenate([dgates, d], axis=1) for d in (da, da * r))
        return *through, dh * z

    return (n + z * (h - n),), back


# What all kinds have in common


def one_step(name: str, step: Step, inputs: Inputs) -> tuple[State, Callable[..., Any]]:
    """Return the state after one step, and the way back to every input of a cell."""
    x, state, wx, wh, biases = check(name, inputs)
    b, bh = (*biases, None)[:2]
    h = state[0]
    new, back = step(affine(x, wx, b), affine(h, wh, bh), *state)

    def backward(*dnew):
        dz, du, straight, *rest = back(*dnew)
        # region a7.3: gradients of what both products multiply, and of the biases
        dx, dwx, db = dz @ wx.T, x.T @ dz, dz.sum(axis=0)
        dh, dwh, dbh = du @ wh.T + straight, h.T @ du, du.sum(axis=0)
        # endregion
        return dx, dh, *rest, dwx, dwh, *(db, dbh)[: len(biases)]

    return new, backward


def whole_sequence(
    name: str, step: Step, inputs: Inputs, mask: TensorLike, reverse: bool
) -> tuple[State, Callable[..., Any]]:
    """Return (y, state after), and the way back to every input of a sequence op."""
    x, state, wx, wh, biases = check(name, inputs, mask)
    b, bh = (*biases, None)[:2]
    if mask is not None:  # whatever stands there, 0 · ∞ is no number
        x = where(values(mask)[:, :, None], x, 0.0)
    z = unstack(affine(x, wx, b), axis=1)  # for all times in one product
    on = columns(mask, len(z))
    times = range(len(z))[::-1] if reverse else range(len(z))
    ys, before, backs, state = forth(step, z, wh, bh, state, on, times)

    def backward(dy, *dstate):
        dzs, dus = [None] * len(z), [None] * len(z)
        dys = unstack(dy, axis=1)
        # region a7.5: `back` of every step, the last step first; then sums over time
        for t in times[::-1]:
            arrived = chosen(on[t], (dstate[0] + dys[t], *dstate[1:]))
            dzs[t], dus[t], straight, *rest = backs[t](*arrived)
            through = (dus[t] @ wh.T + straight, *rest)
            dstate = passed(on[t], through, dstate)
        dz, du, h = (stack(several, axis=1) for several in (dzs, dus, before))
        dx, dwx, dwh = dz @ wx.T, over_time(x, dz), over_time(h, du)
        # endregion
        dbs = [d.sum(axis=(0, 1)) for d in (dz, du)[: len(biases)]]
        return dx, *dstate, dwx, dwh, *dbs, None

    return (stack(ys, axis=1), *state), backward


def forth(step, z, wh, bh, state, on, times):
    """Take the steps one after the other; return what each of them leaves behind.

    y at every time, h before, the way back, and the state after all.
    """
    ys, before, backs = ([None] * len(z) for _ in range(3))
    for t in times:
        # region a7.4: one step: before[t], backs[t], ys[t], and the next state
        before[t] = state[0]
        new, backs[t] = step(z[t], affine(state[0], wh, bh), *state)
        state = chosen(on[t], new, state)
        (ys[t],) = chosen(on[t], new[:1])
        # endregion
    return ys, before, backs, state


def columns(mask: TensorLike, length: int) -> list[Any]:
    """Return for each time who has a token there, (N, 1); None is everybody."""
    if mask is None:
        return [None] * length
    return [values(mask)[:, t, None] for t in range(length)]


def chosen(on: TensorLike | None, new: State, old: State | None = None) -> State:
    """Return the new numbers where `on` is true, the old ones (or 0) elsewhere."""
    if on is None:
        return new
    old = old or (0.0,) * len(new)
    return tuple(where(on, a, b) for a, b in zip(new, old, strict=True))


def passed(on: TensorLike | None, through: State, waited: State) -> State:
    """Add to what came through the step what went past it, where there was no token."""
    if on is None:
        return through
    pairs = zip(through, waited, strict=True)
    return tuple(a + where(on, 0.0, b) for a, b in pairs)


def over_time(a: TensorLike, b: TensorLike) -> Any:
    """Σₜ aₜᵀ bₜ, as one product.    a (N, T, D), b (N, T, K) -> (D, K)."""
    return a.reshape((-1, a.shape[-1])).T @ b.reshape((-1, b.shape[-1]))


# Checks and masks


def check(name: str, inputs: Inputs, mask: TensorLike | None = None) -> Inputs:
    """Raise unless the shapes fit; return the inputs, zeros for a state of None."""
    x, state, wx, wh, biases = inputs
    wanted = "(N, D)" if name.endswith("_cell") else "(N, T, D)"
    if x.ndim != wanted.count(",") + 1:
        raise ShapeError(f"{name} takes x {wanted}, and got x {tuple(x.shape)}")
    if not x.shape[-2]:
        raise ShapeError(
            f"{name}: x {tuple(x.shape)} is empty; it needs one time and one sequence "
            "at least"
        )
    n, (d, k), features = x.shape[0], wx.shape, wh.shape[0]
    if x.shape[-1] != d or wh.shape[1] != k:
        raise ShapeError(
            f"{name}: x has {x.shape[-1]} features; wx {tuple(wx.shape)} takes {d} and "
            f"makes {k}, wh {tuple(wh.shape)} takes {features} and makes {wh.shape[1]}"
        )
    for b in biases:
        if b is not None and b.shape != (k,):
            raise ShapeError(f"{name}: a bias {tuple(b.shape)} should be ({k},)")
    for s in state:
        if s is not None and s.shape != (n, features):
            raise ShapeError(
                f"{name}: a state has shape {tuple(s.shape)}; for {n} sequences of "
                f"{features} units it should be ({n}, {features})"
            )
    check_mask(name, mask, x)
    zeros = namespace(values(x)).zeros((n, features), x.dtype)
    return x, tuple(zeros if s is None else s for s in state), wx, wh, biases


def check_mask(name: str, mask: TensorLike, x: TensorLike) -> None:
    """Raise unless the mask has a truth value for each time of each sequence."""
    if mask is None:
        return
    if mask.shape != x.shape[:2]:
        raise ShapeError(
            f"{name}: mask {tuple(mask.shape)} should be {tuple(x.shape[:2])}: one "
            "truth value for each time of each sequence"
        )
    if mask.dtype.kind != "b":
        raise DTypeError(
            f"{name}: the mask is {mask.dtype}; it holds truth values, true where "
            "there is a token: try mask.astype(bool)"
        )


def _need_gates(name: str, wh: TensorLike, gates: str) -> None:
    """Raise unless wh has room for these gates."""
    k = gates.count(",") + 1
    if wh.ndim != 2 or wh.shape[1] != k * wh.shape[0]:
        count = {3: "three", 4: "four"}[k]
        raise ShapeError(
            f"{name}: wh {tuple(wh.shape)} should be (H, {k}H): {count} gates {gates}"
        )


def length_mask(lengths: TensorLike, length: int) -> Array:
    """Return the mask of sequences of these lengths, padded to `length`.

    lengths (N,) whole numbers from 1 to T -> mask (N, T), true where there is a token.

    >>> length_mask([3, 1], 3).astype(int)
    array([[1, 1, 1],
           [1, 0, 0]])
    """
    lengths = values(lengths)
    lengths = np.asarray(lengths) if isinstance(lengths, (list, tuple)) else lengths
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
        raise ShapeError(
            f"lengths are whole numbers (N,), one for each sequence, and these are "
            f"{lengths.dtype} {tuple(lengths.shape)}"
        )
    on_host = device_of(lengths) == "cpu" and lengths.size
    if on_host and not 1 <= lengths.min() <= lengths.max() <= length:
        raise RangeError(
            f"lengths go from {lengths.min()} to {lengths.max()}, and sequences padded "
            f"to {length} have 1 … {length} tokens; leave out what is empty"
        )
    return namespace(lengths).arange(length) < lengths[:, None]
