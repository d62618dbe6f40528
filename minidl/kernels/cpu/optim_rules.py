"""The rules of optimizers on one chunk, with `out=` in place of temporaries.

θ, p   parameter    g   gradient    η, lr   learning rate    t   step, from 1
a, b   memory of a chunk's length, to be written over
The other names are those of minidl/optim/, whose lines these are to rounding, with one
product less where a factor is 1 or two factors are numbers. None of them writes g.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.optim.adaptive import Adadelta, Adagrad, RMSProp
from minidl.optim.sgd import SGD, Momentum, Nesterov

Rule = Callable[..., None]


def sgd(opt: SGD, p: Array, g: Array, lr: float, t: int, a: Array, b: Array) -> None:
    """θ ← θ − η g."""
    p -= np.multiply(g, lr, out=a)


def momentum(
    opt: Momentum, p: Array, g: Array, lr: float, t: int, a: Array, b: Array, v: Array
) -> None:
    """v ← μ v + (1 − τ) g ;  θ ← θ − η v."""
    new = 1 - opt.dampening * (t > 1)
    v *= opt.momentum
    v += g if new == 1 else np.multiply(g, new, out=a)
    p -= np.multiply(v, lr, out=a)


def nesterov(
    opt: Nesterov, p: Array, g: Array, lr: float, t: int, a: Array, b: Array, v: Array
) -> None:
    """v ← μ v + g ;  θ ← θ − η (g + μ v)."""
    v *= opt.momentum
    v += g
    np.multiply(v, opt.momentum, out=a)
    a += g
    a *= lr
    p -= a


def adagrad(
    opt: Adagrad, p: Array, g: Array, lr: float, t: int, a: Array, b: Array, s: Array
) -> None:
    """s ← s + g² ;  θ ← θ − η g / (√s + ε)."""
    s += np.multiply(g, g, out=a)
    np.sqrt(s, out=a)
    a += opt.eps
    np.divide(g, a, out=a)
    a *= lr / (1 + (t - 1) * opt.lr_decay)
    p -= a


def rmsprop(
    opt: RMSProp, p: Array, g: Array, lr: float, t: int, a: Array, b: Array, s: Array
) -> None:
    """s ← α s + (1 − α) g² ;  θ ← θ − η g / (√s + ε)."""
    mean(s, opt.alpha, g, a)
    np.sqrt(s, out=a)
    a += opt.eps
    np.divide(g, a, out=a)
    a *= lr
    p -= a


def adadelta(
    opt: Adadelta, p: Array, g: Array, lr: float, t: int, a: Array, b: Array,
    s: Array, d: Array,
) -> None:  # fmt: skip
    """s ← ρ s + (1 − ρ) g² ;  Δ = √((d + ε) / (s + ε)) g ;  θ ← θ − η Δ ;  d as s."""
    mean(s, opt.rho, g, a)
    np.add(d, opt.eps, out=a)
    a /= np.add(s, opt.eps, out=b)
    np.sqrt(a, out=a)
    a *= g
    mean(d, opt.rho, a, b)
    a *= lr
    p -= a


def mean(s: Array, share: float, x: Array, a: Array) -> None:
    """s ← ρ s + (1 − ρ) x², in place."""
    np.multiply(x, 1 - share, out=a)
    a *= x
    s *= share
    s += a


RULES: dict[type[Any], Rule] = {
    SGD: sgd, Momentum: momentum, Nesterov: nesterov,
    Adagrad: adagrad, RMSProp: rmsprop, Adadelta: adadelta,
}  # fmt: skip
