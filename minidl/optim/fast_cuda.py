"""Optimizers on a GPU: one launch for all parameters, in place of ten for each.

It takes contiguous float32 there; everything else is left to the printed lines.
Deletable, together with its line in minidl/optim/__init__.py; the
rules stand in kernels/cuda/optim.cu, and tests/test_device_kernels_optim.py compares.

NAdam takes two launches, for its product of all μ moves before the weights do. AdamP is
left to the printed lines: it asks each weight vector for its length and for its angle
with the gradient before any number may move, which is no rule for a number alone.
"""

from __future__ import annotations

from typing import Any

from minidl.kernels.cuda import compiler as cuda
from minidl.kernels.cuda import optim as cuda_optim
from minidl.optim.adam import Adam, Adamax, AdamW, NAdam
from minidl.optim.adaptive import Adadelta, Adagrad, RMSProp
from minidl.optim.groups import Group, Member
from minidl.optim.optimizer import FAST, Optimizer
from minidl.optim.sgd import SGD, Momentum, Nesterov

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


def step(opt: Optimizer, group: Group, members: list[Member], lr: Any) -> list[Member]:
    """Move all that fits in one launch, and return the members that are left."""
    fit = [m for m in members if _fits(m)] if _is_plain(opt, lr) else []
    rule, slots = KERNELS[type(opt)]
    for t in dict.fromkeys(m.t for m in fit):  # some sat out: their t differ
        now = [m for m in fit if m.t == t]
        if isinstance(opt, NAdam):
            products = [(m.slots["product"],) for m in now]
            cuda_optim.move("nadam_product", products, opt.mu(t))
        rows = [_row(m, slots) for m in now]
        cuda_optim.move(rule, rows, *_numbers(opt, lr, group.weight_decay, t))
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


def _is_plain(opt: Optimizer, lr: Any) -> bool:
    """Whether the rule is the common one, and its rate a number of the host."""
    return not opt.maximize and not hasattr(lr, "dtype")


def _fits(member: Member) -> bool:
    p = member.parameter
    slots = [x for name, x in member.slots.items() if name != "product"]
    arrays = (p.data, p.grad, *slots)
    same = all(x.shape == p.data.shape for x in arrays)
    return same and p.data.size <= cuda.LARGEST and cuda.takes(*arrays)


FAST.update({(rule, "cuda"): step for rule in KERNELS})
