"""The gated recurrent unit: one state, which moves only as far as its gate opens.

Throughout:  x input, (N, D) at one time, (N, T, D) over time    h state (N, H)
             wx (D, 3H), wh (H, 3H), b and bh (3H,): gates r, z, n, side by side
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
def gru_cell(x, h, wx, wh, b=None, bh=None):
    """One step.    x (N, D), h (N, H) -> h′ (N, H).

    With a = x wx + b and u = h wh + bh, cut in three:
    r = σ(aᵣ + uᵣ),  z = σ(a_z + u_z),  n = tanh(aₙ + r uₙ);  h′ = (1 − z) n + z h.

    Cho et al. 2014, with r after the product as in cuDNN and PyTorch: therefore bh,
    whose last third is multiplied by r. Of the other thirds only b + bh counts.
    """
    _need_three("gru_cell", wh)
    (h_new,), backward = one_step("gru_cell", _step, (x, (h,), wx, wh, [b, bh]))
    return h_new, backward


@op
def gru(x, h, wx, wh, b=None, bh=None, mask=None, *, reverse=False):
    """`gru_cell` from the first time to the last: x (N, T, D) -> y (N, T, H), h (N, H).

    h       the state before; None is 0. Returned is the state after
    reverse from the last time to the first: y[:, t] knows what comes after t
    mask    (N, T), true where there is a token: elsewhere the state waits, y is 0
    """
    _need_three("gru", wh)
    inputs = x, (h,), wx, wh, [b, bh]
    return whole_sequence("gru", _step, inputs, mask, reverse)


def _step(a, u, h):
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


def _need_three(name, wh):
    if wh.ndim != 2 or wh.shape[1] != 3 * wh.shape[0]:
        raise ShapeError(
            f"{name}: wh {tuple(wh.shape)} should be (H, 3H): three gates r, z, n"
        )
