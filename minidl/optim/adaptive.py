"""A step of its own for each weight: divide by the size of its past gradients.

θ, p   parameter         g   gradient (with λ θ)        η, lr   learning rate
s      sum or running mean of g²                        ε       keeps 0 / 0 away
m      running mean of g                                ρ, α    share of the past kept
d      running mean of Δθ²                              t       step, from 1
"""

from __future__ import annotations

from typing import Any

from minidl.backend import Array, namespace
from minidl.optim.optimizer import Optimizer
from minidl.optim.settings import Params, Rate, Scalar, at_least, fraction


def sqrt(x: Array) -> Array:
    """√x, on x's device."""
    return namespace(x).sqrt(x)


class Adagrad(Optimizer):
    """Steps that shrink as gradients add up: rare features keep large ones.

        s ← s + g²
        θ ← θ − η / (1 + (t − 1) lr_decay) · g / (√s + ε)

    s starts at `initial`.  Duchi, Hazan & Singer 2011, the diagonal form.

    >>> from minidl import Tensor
    >>> p = Tensor([1.0], requires_grad=True)
    >>> p.grad = p.data * 0 + 4
    >>> Adagrad([p], lr=0.1, initial=9.0).step()    # s = 9 + 16 ;  p = 1 − 0.1 · 4 / 5
    >>> p.data
    array([0.92], dtype=float32)
    """

    def __init__(
        self,
        params: Params,
        lr: Rate = 0.01,
        lr_decay: float = 0.0,
        initial: float = 0.0,
        eps: float = 1e-10,
        **options: Any,
    ) -> None:
        super().__init__(params, lr, **options)
        self.lr_decay = at_least("Adagrad", "lr_decay", lr_decay)
        self.initial = at_least("Adagrad", "initial", initial)
        self.eps = at_least("Adagrad", "eps", eps)

    def start(self, p: Array) -> dict[str, Array]:
        """Start s at the initial value."""
        return {"s": namespace(p).full_like(p, self.initial)}

    def update(self, p: Array, g: Array, lr: Scalar, t: Scalar, s: Array) -> None:
        """Remember every gradient, for ever."""
        # region a3.4: steps that shrink with all that was ever climbed
        s += g * g
        p -= lr / (1 + (t - 1) * self.lr_decay) * g / (sqrt(s) + self.eps)
        # endregion


class RMSProp(Optimizer):
    """Adagrad that forgets: a running mean of g² instead of the sum.

        s ← α s + (1 − α) g²
        u = g / (√s + ε)                          θ ← θ − η u

    centered: also m ← α m + (1 − α) g, and √(s − m²), the spread, in place of √s.
    momentum: b ← μ b + u ;  θ ← θ − η b.
    Tieleman & Hinton 2012 (lecture 6.5); centered as in Graves 2013, eq. 38-41, with ε
    outside of the root as in PyTorch.

    >>> from minidl import Tensor
    >>> p = Tensor([1.0], requires_grad=True)
    >>> p.grad = p.data * 0 + 4
    >>> RMSProp([p], lr=0.1, alpha=0.75).step()     # s = 0.25 · 16 ; 1 − 0.1 · 4 / 2
    >>> p.data
    array([0.8], dtype=float32)
    """

    def __init__(
        self,
        params: Params,
        lr: Rate = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, lr, **options)
        self.alpha = fraction("RMSProp", "alpha", alpha)
        self.eps = at_least("RMSProp", "eps", eps)
        self.momentum = fraction("RMSProp", "momentum", momentum)
        self.centered = centered

    def start(self, p: Array) -> dict[str, Array]:
        """Keep m and b only where the settings want them."""
        kept = {"s": True, "m": self.centered, "b": self.momentum > 0}
        return {name: namespace(p).zeros_like(p) for name, on in kept.items() if on}

    def update(
        self,
        p: Array,
        g: Array,
        lr: Scalar,
        t: Scalar,
        s: Array,
        m: Array = None,
        b: Array = None,
    ) -> None:
        """Divide by what a gradient of this weight usually is."""
        # region a3.5: divide by a size that is forgotten after a while
        s *= self.alpha
        s += (1 - self.alpha) * g * g
        u = g / (sqrt(self.spread(g, s, m) if self.centered else s) + self.eps)
        if self.momentum:
            b *= self.momentum
            b += u
        p -= lr * (b if self.momentum else u)
        # endregion

    def spread(self, g: Array, s: Array, m: Array) -> Array:
        """m ← α m + (1 − α) g ;  s − m²."""
        m *= self.alpha
        m += (1 - self.alpha) * g
        return s - m * m


class Adadelta(Optimizer):
    """RMSProp whose learning rate is measured: how far did this weight move before?

        s ← ρ s + (1 − ρ) g²
        Δ = √(d + ε) / √(s + ε) · g
        d ← ρ d + (1 − ρ) Δ²
        θ ← θ − η Δ

    It needs no learning rate (lr = 1): g has the unit 1 / θ, but √d / √s · g has the
    unit of θ, so the step is already a length, and rescaling θ or the loss does not
    change the picture. ε sets the first steps.  Zeiler 2012, algorithm 1 and section
    3.2 (arXiv:1212.5701).

    >>> from minidl import Tensor
    >>> p = Tensor([1.0], requires_grad=True)
    >>> p.grad = p.data * 0 + 3                     # s = 9 ;  Δ = √16 / √(9 + 16) · 3
    >>> Adadelta([p], lr=0.5, rho=0.0, eps=16.0).step()
    >>> p.data.round(5)                             # 1 − 0.5 · 2.4
    array([-0.2], dtype=float32)
    """

    slots = ("s", "d")

    def __init__(
        self,
        params: Params,
        lr: Rate = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        **options: Any,
    ) -> None:
        super().__init__(params, lr, **options)
        self.rho = fraction("Adadelta", "rho", rho)
        self.eps = at_least("Adadelta", "eps", eps)

    def update(
        self, p: Array, g: Array, lr: Scalar, t: Scalar, s: Array, d: Array
    ) -> None:
        """Step as far as the past suggests."""
        # region a3.6: two running means, of squared gradients and of squared steps
        s *= self.rho
        s += (1 - self.rho) * g * g
        delta = sqrt(d + self.eps) / sqrt(s + self.eps) * g
        d *= self.rho
        d += (1 - self.rho) * delta * delta
        p -= lr * delta
        # endregion
