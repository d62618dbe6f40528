"""AdamP: Adam that does not lengthen weights whose length means nothing.

Before a normalization the scale of a weight vector w has no effect, so its gradient is
orthogonal to w. Momentum's steps are not, and steps beside w make it longer; a longer w
turns more slowly, as if the learning rate had been cut. AdamP takes that part out.

    w      one weight vector: an output channel of p, or all of p
    u      Adam's step m̂ / (√v̂ + ε)                δ      what counts as orthogonal
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minidl.backend import Array, namespace
from minidl.optim.adam import AdamW
from minidl.optim.adaptive import sqrt
from minidl.optim.settings import Params, Rate, Scalar, at_least


class AdamP(AdamW):
    """Adam's step u without its part along w, where the gradient is orthogonal to w.

        q = u − (ŵ·u) ŵ   if |cos(w, g)| < δ / √dim(w),  else u      ŵ = w / (‖w‖ + ε)
        θ ← θ − η λ r θ ;  θ ← θ − η q                     r = wd_ratio if so, else 1

    Heo et al. 2021, algorithm 2 (arXiv:2006.08217). As in the authors' code, w is first
    each output channel (axis 0 of a convolution, the last of an (in, out) matrix), and
    where not all of these pass, the whole of p; m̂ and v̂ are Adam's; vectors (biases,
    norms) make Adam's step; and decay, which such weights need less, is scaled by r.

    >>> from minidl import Tensor
    >>> p = Tensor([[3.0], [4.0]], requires_grad=True)  # one channel: ŵ = (0.6, 0.8)
    >>> (p * Tensor([[4.0], [-3.0]])).sum().backward()  # g is orthogonal; u = (1, −1)
    >>> AdamP([p], lr=0.1).step()                       # q = u + 0.2 ŵ
    >>> p.data
    array([[2.888],
           [4.084]], dtype=float32)
    """

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        delta: float = 0.1,
        wd_ratio: float = 0.1,
        weight_decay: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay=weight_decay, **options)
        self.delta = at_least("AdamP", "delta", delta)
        self.wd_ratio = at_least("AdamP", "wd_ratio", wd_ratio)

    def decay(self, p: Array, g: Array, lr: Scalar, weight_decay: float) -> Array:
        """Shrink p itself, and less where only its direction counts."""
        free = sum(share for _, share in self.views(p, g))
        p *= 1 - lr * weight_decay * (1 - free * (1 - self.wd_ratio))
        return g

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
        """Adam's step, turned."""
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g * g
        u = q = m / (1 - self.beta1**t) / (sqrt(v / (1 - self.beta2**t)) + self.eps)
        for axes, passed in self.views(p, g):
            # region a4.12: take the part along w out of q, where `passed` is 1
            w = p / (norm(p, axes) + self.eps)
            q = q - passed * (w * u).sum(axis=axes, keepdims=True) * w
            # endregion
        p -= lr * q

    def views(self, p: Array, g: Array) -> Iterator[tuple[tuple[int, ...], Any]]:
        """Yield the axes of w and whether they count: 0 or 1, in p's dtype.

        At most one counts. No `if`, and so no wait for the device.
        """
        if p.ndim < 2:
            return
        channel = p.ndim - 1 if p.ndim == 2 else 0
        left = namespace(p).ones((), dtype=p.dtype)
        for kept in (channel, None):
            axes = tuple(i for i in range(p.ndim) if i != kept)
            dim = p.size // (1 if kept is None else p.shape[kept])
            norms = [namespace(x).maximum(norm(x, axes), self.eps) for x in (p, g)]
            cos = abs((p * g).sum(axis=axes, keepdims=True)) / (norms[0] * norms[1])
            passed = left * (cos.max() < self.delta / dim**0.5)
            left = left - passed
            yield axes, passed


def norm(x: Array, axes: tuple[int, ...]) -> Array:
    """‖x‖ over some axes."""
    return sqrt((x * x).sum(axis=axes, keepdims=True))
