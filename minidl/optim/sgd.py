"""Gradient descent, and what momentum adds to it.

optimizer.py left `update` open, the formula for one parameter. Here are the first.

θ, p   parameter        g   gradient (with λ θ)       η, lr   learning rate
v      velocity, a sum of past gradients that forgets: 1 / (1 − μ) of them count
μ      momentum         τ   dampening                 t       step, from 1
"""

from __future__ import annotations

from typing import Any

from minidl.backend import Array
from minidl.optim.optimizer import Optimizer
from minidl.optim.settings import Params, Rate, Scalar, fraction, number


class SGD(Optimizer):
    """θ ← θ − η g.    Robbins & Monro 1951; with momentum it is called `Momentum` here.

    >>> from minidl import Tensor
    >>> p = Tensor([1.0, -2.0], requires_grad=True)
    >>> (p * p).sum().backward()                    # g = 2 p = [2, −4]
    >>> SGD([p], lr=0.1).step()                     # p − 0.1 g
    >>> p.data
    array([ 0.8, -1.6], dtype=float32)
    """

    def __init__(self, params: Params, lr: Rate = 1e-3, **options: Any) -> None:
        super().__init__(params, lr, **options)

    def update(self, p: Array, g: Array, lr: Scalar, t: Scalar) -> None:
        """Step downhill."""
        # region a3.1: one step against the gradient
        p -= lr * g
        # endregion


class Momentum(Optimizer):
    """A ball that rolls: v ← μ v + (1 − τ) g ;  θ ← θ − η v.

    The first step starts the ball with v = g, whatever the dampening τ (as PyTorch
    does).  Polyak 1964, in the form that keeps η out of the velocity.

    >>> from minidl import Tensor
    >>> p = Tensor([1.0], requires_grad=True)
    >>> ball = Momentum([p], lr=0.1, momentum=0.5)
    >>> p.grad = p.data * 0 + 2; ball.step()        # v = 2 ;           1 − 0.1 · 2
    >>> p.grad = p.data * 0 + 3; ball.step()        # v = 0.5 · 2 + 3 ; 0.8 − 0.1 · 4
    >>> p.data
    array([0.4], dtype=float32)
    """

    slots = ("v",)

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        momentum: float = 0.9,
        dampening: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(params, lr, **options)
        self.momentum = fraction(type(self).__name__, "momentum", momentum)
        self.dampening = number(type(self).__name__, "dampening", dampening)

    def update(self, p: Array, g: Array, lr: Scalar, t: Scalar, v: Array) -> None:
        """Roll, then step."""
        # region a3.2: the past, faded; what is new; and a step with both
        v *= self.momentum
        v += (1 - self.dampening * (t > 1)) * g
        p -= lr * v
        # endregion


class Nesterov(Optimizer):
    """Momentum that looks where it is going: v ← μ v + g ;  θ ← θ − η (g + μ v).

    Nesterov 1983; Sutskever et al. 2013, in the form of PyTorch, which keeps θ at the
    point looked ahead to.

    >>> from minidl import Tensor
    >>> p = Tensor([1.0], requires_grad=True)
    >>> p.grad = p.data * 0 + 2
    >>> Nesterov([p], lr=0.1, momentum=0.5).step()  # v = 2 ;  p = 1 − 0.1 (2 + 0.5 · 2)
    >>> p.data
    array([0.7], dtype=float32)
    """

    slots = ("v",)

    def __init__(
        self, params: Params, lr: Rate = 1e-3, momentum: float = 0.9, **options: Any
    ) -> None:
        super().__init__(params, lr, **options)
        self.momentum = fraction(type(self).__name__, "momentum", momentum)

    def update(self, p: Array, g: Array, lr: Scalar, t: Scalar, v: Array) -> None:
        """Roll, then step as far as the next roll will go."""
        # region a3.3: momentum, one roll ahead
        v *= self.momentum
        v += g
        p -= lr * (g + self.momentum * v)
        # endregion
