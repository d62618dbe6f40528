"""Optimizers on a GPU: one launch for all parameters, in place of ten for each.

It takes contiguous float32 there; everything else is left to the printed lines, or to
the twin for the CPU. Deletable, together with its line in minidl/optim/__init__.py; the
rules stand in kernels/optim.cu, and tests/test_device_kernels.py compares.
"""

from __future__ import annotations

from typing import Any

from minidl.backend import device_of
from minidl.kernels import cuda, cuda_optim
from minidl.optim.adam import Adam, AdamW
from minidl.optim.groups import Group, Member
from minidl.optim.optimizer import FAST, Optimizer, Twin
from minidl.optim.sgd import SGD, Momentum, Nesterov

LARGEST = 2**31 - 1  # numbers of a parameter: the kernel counts in 32 bits
ON_CPU: dict[type, Twin | None] = {
    rule: FAST.get(rule) for rule in (Adam, AdamW, SGD, Momentum, Nesterov)
}


def step(opt: Optimizer, group: Group, members: list[Member], lr: Any) -> list[Member]:
    """Move what lies on a GPU in one launch, and return the members that are left."""
    if members and device_of(members[0].parameter.data) == "cuda":
        fit = [m for m in members if _fits(m)] if _is_plain(opt, lr) else []
        for t in sorted({m.t for m in fit}):  # some sat out: their t differ
            rows = [
                (m.parameter.data, m.parameter.grad, *m.slots.values())
                for m in fit
                if m.t == t
            ]
            rule, *numbers = _numbers(opt, lr, group.weight_decay, t)
            cuda_optim.move(rule, rows, *numbers)
        moved = set(map(id, fit))
        return [m for m in members if id(m) not in moved]
    twin = ON_CPU[type(opt)]
    return twin(opt, group, members, lr) if twin else members


def _numbers(opt: Any, lr: float, decay: float, t: int) -> tuple[Any, ...]:
    """Return the name of the rule's kernel and its settings, in the order there."""
    if isinstance(opt, Adam):
        apart = isinstance(opt, AdamW)
        decay, shrink = (0.0, 1 - lr * decay) if apart else (decay, 1.0)
        one, two = ((b, 1 - b, 1 - b**t) for b in (opt.beta1, opt.beta2))
        return "adam", lr, decay, shrink, *one, *two, opt.eps
    if isinstance(opt, Momentum):
        share = 1 - opt.dampening * (t > 1)
        return "momentum", lr, decay, opt.momentum, share, 0
    if isinstance(opt, Nesterov):
        return "momentum", lr, decay, opt.momentum, 1.0, 1
    return "sgd", lr, decay


def _is_plain(opt: Optimizer, lr: Any) -> bool:
    """Whether the rule is the common one, and its rate a number of the host."""
    plain = not opt.maximize and not getattr(opt, "amsgrad", False)
    return plain and isinstance(lr, (int, float))


def _fits(member: Member) -> bool:
    p = member.parameter
    arrays = (p.data, p.grad, *member.slots.values())
    same = all(x.shape == p.data.shape for x in arrays)
    return same and p.data.size <= LARGEST and cuda.takes(*arrays)


FAST.update(dict.fromkeys(ON_CPU, step))
