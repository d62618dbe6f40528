"""The vanilla recurrent network: a state that is computed anew at every time.

Throughout:  x input, (N, D) at one time, (N, T, D) over time    h state (N, H)
             wx (D, H), wh (H, H), b (H,) weights
What is common to all recurrent networks (time, masks, weights) is in recurrent.py.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from minidl.engine.op import op
from minidl.engine.tensor import values
from minidl.errors import RangeError
from minidl.ops.activation import relu
from minidl.ops.elementwise import where
from minidl.ops.recurrent import Step, one_step, whole_sequence
from minidl.ops.trigonometry import tanh


@op
def rnn_cell(x, h, wx, wh, b=None, *, nonlinearity="tanh"):
    """h′ = tanh(x wx + h wh + b), one step.    x (N, D), h (N, H) -> h′ (N, H).

    nonlinearity  "tanh" or "relu".    Elman 1990.
    """
    (h_new,), backward = one_step(
        "rnn_cell", _step(nonlinearity), (x, (h,), wx, wh, [b])
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
    return whole_sequence("rnn", _step(nonlinearity), inputs, mask, reverse)


def _step(nonlinearity: str) -> Step:
    """Return the step of a vanilla network."""
    if nonlinearity not in ("tanh", "relu"):
        raise RangeError(f'nonlinearity is "tanh" or "relu", not {nonlinearity!r}')

    def tanh_step(z, u, h):
        h = tanh(z + u)

        def back(dh):
            dz = dh * (1 - h * h)
            return dz, dz, 0.0

        return (h,), back

    def relu_step(z, u, h):
        h = relu(z + u)

        def back(dh):
            dz = where(values(h) > 0, dh, 0.0)
            return dz, dz, 0.0

        return (h,), back

    return tanh_step if nonlinearity == "tanh" else relu_step
