"""Adam and its family: momentum, divided by the size of the gradients.

θ, p   parameter        g    gradient (with λ θ)            η, lr   learning rate
m      running mean of g     m̂ = m / (1 − β₁ᵗ)              λ       weight decay
v      running mean of g²    v̂ = v / (1 − β₂ᵗ)              ε       keeps 0 / 0 away
t      step, from 1          the hats undo the start at 0
"""

from __future__ import annotations

from typing import Any

from minidl.backend import Array, namespace
from minidl.optim.adaptive import sqrt
from minidl.optim.optimizer import Optimizer
from minidl.optim.settings import Params, Rate, Scalar, at_least, betas_of


class _Moments(Optimizer):
    """What the family shares: two running means and their settings."""

    slots = ("m", "v")

    def __init__(
        self,
        params: Params,
        lr: Rate,
        betas: tuple[float, float],
        eps: float,
        **options: Any,
    ) -> None:
        super().__init__(params, lr, **options)
        self.beta1, self.beta2 = betas_of(type(self).__name__, betas)
        self.eps = at_least(type(self).__name__, "eps", eps)


class Adam(_Moments):
    """Running means of g and of g², corrected for having started at zero.

        m ← β₁ m + (1 − β₁) g         m̂ = m / (1 − β₁ᵗ)
        v ← β₂ v + (1 − β₂) g²        v̂ = v / (1 − β₂ᵗ)
        θ ← θ − η m̂ / (√v̂ + ε)

    Kingma & Ba 2015, algorithm 1 (arXiv:1412.6980).  amsgrad: the largest v so far, in
    place of v, so that steps never grow again (Reddi, Kale & Kumar 2018).

    >>> from minidl import Tensor
    >>> p = Tensor([1.0, 1.0], requires_grad=True)
    >>> (p * Tensor([4.0, -0.01])).sum().backward() # at step 1, m̂ = g and v̂ = g²:
    >>> Adam([p], lr=0.1).step()                    # every weight moves by lr
    >>> p.data.round(6)
    array([0.9, 1.1], dtype=float32)
    """

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, lr, betas, eps, **options)
        self.amsgrad = amsgrad

    def start(self, p: Array) -> dict[str, Array]:
        """Keep the largest v too, where amsgrad wants it."""
        slots = super().start(p)
        return slots | {"top": namespace(p).zeros_like(p)} if self.amsgrad else slots

    def update(
        self,
        p: Array,
        g: Array,
        lr: Scalar,
        t: Scalar,
        m: Array,
        v: Array,
        top: Array = None,
    ) -> None:
        """Step by the mean, in units of the root mean square."""
        # region a3.7: two running means, made up for their start at zero
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g * g
        if self.amsgrad:
            v = namespace(v).maximum(top, v, out=top)
        m_hat, v_hat = m / (1 - self.beta1**t), v / (1 - self.beta2**t)
        p -= lr * m_hat / (sqrt(v_hat) + self.eps)
        # endregion


class AdamW(Adam):
    """Adam with decay as decay: θ ← θ − η λ θ first, and then Adam's step.

    In Adam, λ θ in the gradient is divided by √v̂ like the rest of it, so that weights
    with large gradients hardly decay; here all decay alike.  Loshchilov & Hutter 2019,
    algorithm 2, with η λ for its η_t λ as in PyTorch (arXiv:1711.05101).

    >>> from minidl import Tensor
    >>> p = Tensor([2.0], requires_grad=True)
    >>> p.grad = p.data * 0 + 4
    >>> AdamW([p], lr=0.1, weight_decay=0.5).step() # 2 − 0.1 · 0.5 · 2, then −0.1
    >>> p.data
    array([1.8], dtype=float32)
    """

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        amsgrad: bool = False,
        *,
        weight_decay: float = 0.01,
        **options: Any,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, amsgrad, weight_decay=weight_decay, **options
        )

    def decay(self, p: Array, g: Array, lr: Scalar, weight_decay: float) -> Array:
        """Shrink p itself; g stays as it is."""
        p *= 1 - lr * weight_decay
        return g


class NAdam(_Moments):
    """Adam with Nesterov's look ahead: a share of the new g, a share of the coming m.

        μₜ = β₁ (1 − ½ 0.96^(t ψ))    Π ← Π μₜ        m and v as in Adam
        m̄ = (1 − μₜ) / (1 − Π) g + μₜ₊₁ / (1 − Π μₜ₊₁) m
        θ ← θ − η m̄ / (√v̂ + ε)

    ψ is `momentum_decay`; the schedule of μ lets momentum grow from half of β₁.
    Dozat 2016, algorithm 2, in the form of PyTorch (which keeps m by β₁, not by μₜ).

    >>> from minidl import Tensor
    >>> p = Tensor([1.0], requires_grad=True)
    >>> p.grad = p.data * 0 + 2                     # ψ = 0: μ = ½ β₁ = 0.4 ;  Π = 0.4
    >>> NAdam([p], lr=0.1, betas=(0.8, 0.0), momentum_decay=0).step()
    >>> p.data                                      # 1 − 0.1 (1 + 0.4 / 0.84 · 0.2)
    array([0.89047617], dtype=float32)
    """

    def __init__(
        self,
        params: Params,
        lr: Rate = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        momentum_decay: float = 4e-3,
        **options: Any,
    ) -> None:
        super().__init__(params, lr, betas, eps, **options)
        self.psi = at_least("NAdam", "momentum_decay", momentum_decay)

    def start(self, p: Array) -> dict[str, Array]:
        """Start the product of all μ at 1: a 0-d array, which stays on the device."""
        return {**super().start(p), "product": namespace(p).ones((), dtype=p.dtype)}

    def update(
        self,
        p: Array,
        g: Array,
        lr: Scalar,
        t: Scalar,
        m: Array,
        v: Array,
        product: Array,
    ) -> None:
        """Step by what the mean will be."""
        mu, mu_next = self.mu(t), self.mu(t + 1)
        product *= mu
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g * g
        m_bar = (1 - mu) / (1 - product) * g + mu_next / (1 - product * mu_next) * m
        p -= lr * m_bar / (sqrt(v / (1 - self.beta2**t)) + self.eps)

    def mu(self, t: Scalar) -> Any:
        """μₜ = β₁ (1 − ½ 0.96^(t ψ))."""
        return self.beta1 * (1 - 0.5 * 0.96 ** (t * self.psi))


class Adamax(_Moments):
    """Adam in the ∞-norm: the largest recent |g| instead of a root mean square.

        m ← β₁ m + (1 − β₁) g
        v ← max(β₂ v, |g| + ε)
        θ ← θ − η / (1 − β₁ᵗ) · m / v

    Kingma & Ba 2015, algorithm 2 (v is its u); it has no ε, which is PyTorch's.

    >>> from minidl import Tensor
    >>> p = Tensor([1.0], requires_grad=True)
    >>> p.grad = p.data * 0 + 4
    >>> Adamax([p], lr=0.1).step()                  # m̂ = 4 ;  v = 4
    >>> p.data
    array([0.9], dtype=float32)
    """

    def __init__(
        self,
        params: Params,
        lr: Rate = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        **options: Any,
    ) -> None:
        super().__init__(params, lr, betas, eps, **options)

    def update(
        self, p: Array, g: Array, lr: Scalar, t: Scalar, m: Array, v: Array
    ) -> None:
        """Step by the mean, in units of the largest."""
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        namespace(v).maximum(v, abs(g) + self.eps, out=v)
        p -= lr / (1 - self.beta1**t) * m / v
