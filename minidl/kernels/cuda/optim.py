"""Optimizers on a GPU: one launch for all parameters, in place of ten for each.

A kernel of optim.cu walks a table of parameters, gradients and slots, and moves them by
one rule. It takes contiguous float32; everything else is left to the printed lines,
with which tests/test_device_kernels_optim.py compares.

NAdam takes two launches, for its product of all μ moves before the weights do. AdamP is
left to the printed lines: it asks each weight vector for its length and for its angle
with the gradient before any number may move, which is no rule for a number alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels.cuda import compiler as cuda
from minidl.optim.adam import Adam, Adamax, AdamW, NAdam
from minidl.optim.adaptive import Adadelta, Adagrad, RMSProp
from minidl.optim.groups import Group, Member
from minidl.optim.optimizer import FAST, Optimizer
from minidl.optim.sgd import SGD, Momentum, Nesterov

MOST, CHUNK = 80, 2048  # as in optim.cu
TABLE = np.dtype(
    [(name, np.uint64, MOST) for name in "pgabc"]
    + [(name, np.int32, MOST) for name in ("size", "first")]
)
NUMBER = np.dtype([("value", np.float32), ("at", np.uint64)], align=True)

# The kernel of a rule, and the slots it is given, in the order there.
KERNELS: dict[type, tuple[str, tuple[str, ...]]] = {
    SGD: ("sgd", ()),
    Momentum: ("momentum", ("v",)),
    Nesterov: ("momentum", ("v",)),
    Adagrad: ("adagrad", ("s",)),
    RMSProp: ("rmsprop", ("s", "m", "b")),
    Adadelta: ("adadelta", ("s", "d")),
    Adam: ("adam", ("m", "v", "top")),
    AdamW: ("adam", ("m", "v", "top")),
    NAdam: ("nadam", ("m", "v", "product")),
    Adamax: ("adamax", ("m", "v")),
}


def step(
    opt: Optimizer, group: Group, members: list[Member], lr: Array
) -> list[Member]:
    """Move all that fits in one launch, and return the members that are left."""
    fit = [m for m in members if _fits(m)] if _is_plain(opt, lr) else []
    rule, slots = KERNELS[type(opt)]
    for t in dict.fromkeys(m.t for m in fit):  # some sat out: their t differ
        now = [m for m in fit if m.t == t]
        if isinstance(opt, NAdam):
            products = [(m.slots["product"],) for m in now]
            move("nadam_product", products, opt.mu(t))
        rows = [_row(m, slots) for m in now]
        move(rule, rows, *_numbers(opt, lr, group.weight_decay, t))
    moved = set(map(id, fit))
    return [m for m in members if id(m) not in moved]


def _row(member: Member, slots: tuple[str, ...]) -> tuple[Any, ...]:
    """Return p, g and the slots; p stands for a slot that the settings do not want."""
    p = member.parameter
    return p.data, p.grad, *(member.slots.get(name, p.data) for name in slots)


def _numbers(opt: Any, lr: float, decay: float, t: int) -> tuple[Any, ...]:
    """Return the settings of the rule's kernel, in the order there."""
    match opt:
        case Adagrad():
            return lr / (1 + (t - 1) * opt.lr_decay), decay, opt.eps
        case RMSProp():
            past = opt.alpha, 1 - opt.alpha, opt.eps
            return lr, decay, *past, bool(opt.centered), opt.momentum
        case Adadelta():
            return lr, decay, opt.rho, 1 - opt.rho, opt.eps
        case Momentum():
            return lr, decay, opt.momentum, 1 - opt.dampening * (t > 1), False
        case Nesterov():
            return lr, decay, opt.momentum, 1.0, True
        case SGD():
            return lr, decay
    return _of_moments(opt, lr, decay, t)


def _of_moments(opt: Any, lr: float, decay: float, t: int) -> tuple[Any, ...]:
    """Return the settings for Adam and its family."""
    one, two = (opt.beta1, 1 - opt.beta1), (opt.beta2, 1 - opt.beta2)
    hat1, hat2 = 1 - opt.beta1**t, 1 - opt.beta2**t
    match opt:
        case NAdam():
            return lr, decay, *one, *two, hat2, opt.eps, opt.mu(t), opt.mu(t + 1)
        case Adamax():
            return lr / hat1, decay, *one, opt.beta2, opt.eps
        case AdamW():
            decay, shrink = 0.0, 1 - lr * decay
        case _:
            shrink = 1.0
    return lr, decay, shrink, *one, hat1, *two, hat2, opt.eps, bool(opt.amsgrad)


def _is_plain(opt: Optimizer, lr: Array) -> bool:
    """Whether the rule is the common one, and its rate a number of the host."""
    return not opt.maximize and not hasattr(lr, "dtype")


def _fits(member: Member) -> bool:
    p = member.parameter
    slots = [x for name, x in member.slots.items() if name != "product"]
    arrays = (p.data, p.grad, *slots)
    same = all(x.shape == p.data.shape for x in arrays)
    return same and p.data.size <= cuda.LARGEST and cuda.takes(*arrays)


def move(rule: str, rows: Sequence[tuple[Array, ...]], *numbers: Any) -> None:
    """Run the kernel of a rule over rows (p, g, slots…), in as few launches as fit.

    Numbers arrive there as 32-bit floats, True and False as ints, in this order. Those
    that follow the replays of a captured step (capture/replay.py) are read from memory.
    """
    found = cuda.kernel("optim", rule)
    settings = [np.int32(x) if type(x) is bool else number_of(x) for x in numbers]
    for i in range(0, len(rows), MOST):
        table, blocks = table_of(rows[i : i + MOST])
        if blocks:
            n = np.int32(len(rows[i : i + MOST]))
            found((blocks,), (cuda.THREADS,), (table, n, *settings))


def number_of(x: Array) -> Any:
    """Return a number, or where to read it, as a C struct."""
    if hasattr(x, "cell"):  # a Number of capture/replay.py
        return np.array((0, x.cell("float32").data.ptr), NUMBER)[()]
    return np.array((x, 0), NUMBER)[()]


def table_of(rows: Sequence[tuple[Array, ...]]) -> tuple[Any, int]:
    """Return the table as a C struct, and how many blocks there are to run."""
    table, n = np.zeros((), TABLE), len(rows)
    for name, arrays in zip("pgabc", zip(*rows, strict=True), strict=False):
        table[name][:n] = [x.data.ptr for x in arrays]
    sizes = np.array([row[0].size for row in rows])
    ends = np.cumsum(-(-sizes // CHUNK))
    table["size"][:n], table["first"][1:n] = sizes, ends[:-1]
    return table[()], int(ends[-1])


FAST.update({(rule, "cuda"): step for rule in KERNELS})
