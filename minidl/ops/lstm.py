"""Long short-term memory: a second state, the cell, that only gates can change.

Throughout:  x input, (N, D) at one time, (N, T, D) over time    h, c states (N, H)
             wx (D, 4H), wh (H, 4H), b (4H,): gates i, f, o, g, side by side
What is common to all recurrent networks (time, masks, weights) is in recurrent.py.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from minidl.engine.op import op
from minidl.errors import ShapeError
from minidl.ops.joining import concatenate
from minidl.ops.recurrent import one_step, whole_sequence
from minidl.ops.special import sigmoid
from minidl.ops.trigonometry import tanh


@op
def lstm_cell(x, h, c, wx, wh, b=None):
    """One step.    x (N, D), h (N, H), c (N, H) -> h′ (N, H), c′ (N, H).

    i, f, o = σ(…),  g = tanh(…) of x wx + h wh + b, a quarter each;
    c′ = f c + i g,  h′ = o tanh c′.

    Hochreiter & Schmidhuber 1997; the forget gate f, Gers, Schmidhuber & Cummins 2000.
    """
    _need_four("lstm_cell", wh)
    return one_step("lstm_cell", _step, (x, (h, c), wx, wh, [b]))


@op
def lstm(x, h, c, wx, wh, b=None, mask=None, *, reverse=False):
    """`lstm_cell` from the first time to the last: x (N, T, D) -> y (N, T, H), h, c.

    h, c    the states before, (N, H); None is 0. Returned are the states after
    reverse from the last time to the first: y[:, t] knows what comes after t
    mask    (N, T), true where there is a token: elsewhere the states wait, y is 0
    """
    _need_four("lstm", wh)
    inputs = x, (h, c), wx, wh, [b]
    return whole_sequence("lstm", _step, inputs, mask, reverse)


def _step(z, u, h, c):
    """One step, of z = x wx + b and u = h wh."""
    n = c.shape[1]
    z = z + u
    gates, g = sigmoid(z[:, : 3 * n]), tanh(z[:, 3 * n :])
    i, f, o = gates[:, :n], gates[:, n : 2 * n], gates[:, 2 * n :]
    c_new = f * c + i * g
    squashed = tanh(c_new)

    def back(dh, dc):
        do = dh * squashed
        dc = dc + dh * o * (1 - squashed * squashed)
        di, df, dg = dc * g, dc * c, dc * i
        dgates = concatenate([di, df, do], axis=1) * (gates * (1 - gates))
        dz = concatenate([dgates, dg * (1 - g * g)], axis=1)
        return dz, dz, 0.0, dc * f

    return (o * squashed, c_new), back


def _need_four(name, wh):
    if wh.ndim != 2 or wh.shape[1] != 4 * wh.shape[0]:
        raise ShapeError(
            f"{name}: wh {tuple(wh.shape)} should be (H, 4H): four gates i, f, o, g"
        )
