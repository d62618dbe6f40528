"""Optimizers in one pass: each number is read once, moved, and written once.

θ, p   parameter    g   gradient    η, lr   learning rate    λ   weight decay
Slots and settings have the names that they have in minidl/optim/.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minidl.kernels.numba.loops import (
    ZERO,
    In1,
    Loop,
    Number,
    Out1,
    formula,
    loop,
    ready,
)
from minidl.kernels.optim import fits
from minidl.kernels.parts import each
from minidl.optim.adam import Adam, AdamW
from minidl.optim.adaptive import Adadelta, Adagrad, RMSProp
from minidl.optim.groups import Group, Member
from minidl.optim.optimizer import FAST, Fast, Optimizer
from minidl.optim.sgd import SGD, Momentum, Nesterov


@formula
def decayed(g: Number, p: Number, decay: Number) -> Number:
    """g + λ θ, but not g + 0 · ∞."""
    return g if decay == ZERO else g + decay * p


@loop
def sgd(p: Out1, g: In1, decay: Number, lr: Number) -> None:
    """θ ← θ − η g."""
    for i in range(p.size):
        p[i] -= lr * decayed(g[i], p[i], decay)


@loop
def momentum(
    p: Out1, g: In1, v: Out1, decay: Number, lr: Number, mu: Number, new: Number
) -> None:
    """v ← μ v + (1 − τ) g ;  θ ← θ − η v."""
    for i in range(p.size):
        v[i] = mu * v[i] + new * decayed(g[i], p[i], decay)
        p[i] -= lr * v[i]


@loop
def nesterov(p: Out1, g: In1, v: Out1, decay: Number, lr: Number, mu: Number) -> None:
    """v ← μ v + g ;  θ ← θ − η (g + μ v)."""
    for i in range(p.size):
        x = decayed(g[i], p[i], decay)
        v[i] = mu * v[i] + x
        p[i] -= lr * (x + mu * v[i])


@loop
def adagrad(p: Out1, g: In1, s: Out1, decay: Number, lr: Number, eps: Number) -> None:
    """s ← s + g² ;  θ ← θ − η g / (√s + ε)."""
    for i in range(p.size):
        x = decayed(g[i], p[i], decay)
        s[i] += x * x
        p[i] -= lr * x / (np.sqrt(s[i]) + eps)


@loop
def rmsprop(
    p: Out1, g: In1, s: Out1, decay: Number, lr: Number, alpha: Number,
    new: Number, eps: Number,
) -> None:  # fmt: skip
    """s ← α s + (1 − α) g² ;  θ ← θ − η g / (√s + ε)."""
    for i in range(p.size):
        x = decayed(g[i], p[i], decay)
        s[i] = alpha * s[i] + new * x * x
        p[i] -= lr * x / (np.sqrt(s[i]) + eps)


@loop
def adadelta(
    p: Out1, g: In1, s: Out1, d: Out1, decay: Number, lr: Number, rho: Number,
    new: Number, eps: Number,
) -> None:  # fmt: skip
    """s ← ρ s + (1 − ρ) g² ;  Δ = √(d + ε) / √(s + ε) g ;  θ ← θ − η Δ ;  d as s."""
    for i in range(p.size):
        x = decayed(g[i], p[i], decay)
        s[i] = rho * s[i] + new * x * x
        x *= np.sqrt((d[i] + eps) / (s[i] + eps))
        d[i] = rho * d[i] + new * x * x
        p[i] -= lr * x


@loop
def adam(
    p: Out1, g: In1, m: Out1, v: Out1, decay: Number, shrink: Number, lr: Number,
    beta1: Number, new1: Number, beta2: Number, new2: Number, eps: Number,
) -> None:  # fmt: skip
    """m ← β₁ m + (1 − β₁) g ;  v ← β₂ v + (1 − β₂) g² ;  θ ← θ − η m / (√v + ε).

    The hats of m̂ and v̂ are in η and ε, as in kernels/cpu/optim.py. decay is Adam's λ,
    and shrink = 1 − η λ is AdamW's.
    """
    for i in range(p.size):
        x = decayed(g[i], p[i], decay)
        m[i] = beta1 * m[i] + new1 * x
        v[i] = beta2 * v[i] + new2 * x * x
        p[i] = shrink * p[i] - lr * m[i] / (np.sqrt(v[i]) + eps)


# What a loop takes after p, g and the slots, for an optimizer, η, t and λ.
Numbers = Callable[[Any, float, int, float], tuple[float, ...]]


def of_adam(opt: Adam, lr: float, t: int, decay: float) -> tuple[float, ...]:
    """Return the numbers that `adam` takes."""
    hat1, hat2 = 1 - opt.beta1**t, 1 - opt.beta2**t
    decays = (0.0, 1 - lr * decay) if isinstance(opt, AdamW) else (decay, 1.0)
    betas = opt.beta1, 1 - opt.beta1, opt.beta2, 1 - opt.beta2
    return *decays, lr * hat2**0.5 / hat1, *betas, opt.eps * hat2**0.5


RULES: dict[type, tuple[Loop, Numbers]] = {
    SGD: (sgd, lambda o, lr, t, decay: (decay, lr)),
    Momentum: (
        momentum,
        lambda o, lr, t, decay: (decay, lr, o.momentum, 1 - o.dampening * (t > 1)),
    ),
    Nesterov: (nesterov, lambda o, lr, t, decay: (decay, lr, o.momentum)),
    Adagrad: (
        adagrad,
        lambda o, lr, t, decay: (decay, lr / (1 + (t - 1) * o.lr_decay), o.eps),
    ),
    RMSProp: (
        rmsprop,
        lambda o, lr, t, decay: (decay, lr, o.alpha, 1 - o.alpha, o.eps),
    ),
    Adadelta: (adadelta, lambda o, lr, t, decay: (decay, lr, o.rho, 1 - o.rho, o.eps)),
    Adam: (adam, of_adam),
    AdamW: (adam, of_adam),
}
LARGE = 1 << 14  # numbers of a group: below, it would not pay to compile a loop


def in_one_pass(body: Loop, numbers: Numbers, other: Fast | None) -> Fast:
    """Return a way to move members by a loop, and by another way what it leaves."""

    def move(
        opt: Optimizer, group: Group, members: list[Member], lr: Any
    ) -> list[Member]:
        size = sum(m.parameter.data.size for m in members)
        plain = isinstance(lr, (int, float)) and is_plain(opt)
        if plain and size >= LARGE and ready(body):
            left = []
            for m in members:
                if not fits(m):
                    left.append(m)
                    continue
                arrays = m.parameter.data, m.parameter.grad, *m.slots.values()
                rows = [x.reshape(-1) for x in arrays]
                own = numbers(opt, lr, m.t, group.weight_decay)
                each(lambda *some: body(*some, *own), *rows)  # noqa: B023
            members = left
        return other(opt, group, members, lr) if other and members else members

    return move


def is_plain(opt: Optimizer) -> bool:
    """Whether the settings ask for no more than a loop does."""
    rare = ("maximize", "amsgrad", "centered")
    rolls = isinstance(opt, RMSProp) and opt.momentum > 0
    return not rolls and not any(getattr(opt, name, False) for name in rare)


for kind, (one, numbers_of) in RULES.items():
    FAST[kind, "cpu"] = in_one_pass(one, numbers_of, FAST.get((kind, "cpu")))
