"""What one does to gradients between `backward` and `step`: clip, shake, accumulate.

They change `p.grad` in place and skip parameters without one. Nothing here asks for the
value of an array, so on a GPU nothing waits (but for what `check_finite` asks).
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np

from minidl.backend import Array, Seed, device_of, generator, namespace, to_device
from minidl.engine.modes import stateful
from minidl.engine.tensor import Tensor
from minidl.errors import RangeError
from minidl.optim.groups import Named, named
from minidl.optim.optimizer import Optimizer
from minidl.optim.settings import Params, at_least, count, positive


def _with_gradient(params: Params, owner: str) -> list[Named]:
    if hasattr(params, "data") and hasattr(params, "grad"):
        params = [params]
    return [(name, p) for name, p in named(params, owner) if _filled(p.grad)]


def _filled(g: Array) -> bool:
    return g is not None and g.size > 0


def clip_grad_norm(
    params: Params,
    max_norm: float,
    norm_type: float = 2.0,
    *,
    check_finite: bool = False,
) -> Array:
    """g ← g min(1, c / (‖g‖ + 10⁻⁶)), with ‖g‖ over all parameters; returns ‖g‖.

    The direction stays, the length is at most c = max_norm.  Pascanu, Mikolov & Bengio
    2013, algorithm 1. norm_type: 2, 1, any p above 0, or inf for the largest |gᵢ|.
    Returns a 0-d array, the norm before clipping, in float64: `float(norm)` reads it. A
    norm that is NaN makes every gradient NaN; check_finite raises RangeError instead.

    >>> from minidl import Tensor
    >>> p = Tensor([0.0, 0.0], requires_grad=True)
    >>> p.grad = p.data + [3.0, 4.0]
    >>> float(clip_grad_norm([p], max_norm=1.0)), p.grad.round(3).tolist()
    (5.0, [0.6..., 0.8...])
    """
    max_norm = positive("clip_grad_norm", "max_norm", max_norm)
    pairs = _with_gradient(params, "clip_grad_norm")
    if not pairs:
        return np.zeros(())
    if norm_type != float("inf"):
        positive("clip_grad_norm", "norm_type", norm_type)
    xp = namespace(pairs[0][1].grad)
    sums = xp.empty(len(pairs), np.float64)
    for i, (_, p) in enumerate(pairs):  # CuPy's stack sends a table to the device
        sums[i, ...] = _powers(p.grad, norm_type)
    if check_finite and not xp.isfinite(sums).all():
        bad = next(pairs[i][0] for i in range(len(pairs)) if not xp.isfinite(sums[i]))
        raise RangeError(
            f"clip_grad_norm: the gradient of {bad} holds NaN or Inf, or is too long "
            "to measure; try a smaller lr, and `with minidl.debug():` to find the cause"
        )
    # region a7.8: the norm of all gradients together; each p.grad times one factor
    total = sums.max() if norm_type == float("inf") else sums.sum() ** (1 / norm_type)
    factor = xp.minimum(max_norm / (total + 1e-6), 1)
    for _, p in pairs:
        p.grad *= factor
    # endregion
    return xp.asarray(total)


def _powers(g: Array, kind: float) -> Array:
    """Σ |gᵢ|^kind, or the largest, in float64: squares of float32 would overflow."""
    if kind == float("inf"):
        return abs(g).max()
    flat = g.reshape(-1).astype(np.float64)
    return flat @ flat if kind == 2 else (abs(flat) ** kind).sum()


def clip_grad_value(params: Params, limit: float) -> None:
    """gᵢ ← max(−limit, min(limit, gᵢ)), each for itself: the direction changes."""
    limit = positive("clip_grad_value", "limit", limit)
    for _, p in _with_gradient(params, "clip_grad_value"):
        namespace(p.grad).clip(p.grad, -limit, limit, out=p.grad)


def add_grad_noise(
    params: Params, t: int, eta: float = 0.3, gamma: float = 0.55, rng: Seed = None
) -> None:
    """g ← g + N(0, σ²), σ² = η / (1 + t)^γ, t steps made.

    Neelakantan et al. 2015, eq. 1 (arXiv:1511.06807), who chose η among 0.01, 0.3 and
    1. The noise is drawn on the host. Pass one generator and keep it: an int would draw
    the same numbers at every step.
    """
    eta = at_least("add_grad_noise", "eta", eta)
    gamma = at_least("add_grad_noise", "gamma", gamma)
    sigma = (eta / (1 + count("add_grad_noise", "t", t, low=0)) ** gamma) ** 0.5
    draw = generator(rng)
    for _, p in _with_gradient(params, "add_grad_noise"):
        noise = np.asarray(sigma * draw.standard_normal(p.grad.shape), p.grad.dtype)
        p.grad += to_device(noise, device_of(p.grad))


class Accumulation:
    """One step for k micro-batches: a large batch in the memory of a small one.

        g = Σ nᵢ gᵢ / Σ nᵢ,  as of one batch that holds all the micro-batches

    before_step   called when the sum is complete, to clip, say

    nᵢ is the size given to `backward`, 1 by default: where micro-batches differ in
    size, give how many labels each loss is a mean over. Leaving the `with` block (or
    `flush`) steps on the last group although it is incomplete, with its own mean.

    >>> from minidl import Tensor
    >>> from minidl.optim import SGD
    >>> p = Tensor([0.0], requires_grad=True)
    >>> with Accumulation(SGD([p], lr=1.0), k=2) as accumulate:
    ...     [accumulate.backward((p * x).sum()) for x in (1.0, 3.0, 5.0)]
    [False, True, False]
    >>> p.data                                      # −(1 + 3) / 2 − 5 / 1
    array([-7.], dtype=float32)
    >>> with Accumulation(SGD([p], lr=1.0), k=2) as accumulate:
    ...     [accumulate.backward((p * x).sum(), n) for x, n in ((1.0, 3), (5.0, 1))]
    [False, True]
    >>> p.data                                      # −7 − (3 · 1 + 1 · 5) / (3 + 1)
    array([-9.], dtype=float32)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        k: int,
        before_step: Callable[[], Any] | None = None,
    ) -> None:
        self.optimizer, self.before_step = optimizer, before_step
        self.k = count("Accumulation", "k", k)
        self.waiting = 0
        self.total = 0.0  # Σ nᵢ of those that wait

    @stateful
    def backward(self, loss: Tensor, size: float = 1) -> bool:
        """Add size · ∂loss/∂θ; step on the k-th, and return whether it did."""
        size = positive("Accumulation", "size", size)
        # region a6.2: weigh and count a micro-batch, and step on the k-th
        (loss if size == 1 else loss * size).backward()
        self.waiting, self.total = self.waiting + 1, self.total + size
        if self.waiting == self.k:
            self.flush()
        # endregion
        return self.waiting == 0

    def flush(self) -> None:
        """Step on what waits, be it fewer than k; afterwards the gradients are gone."""
        if not self.waiting:
            return
        params = [p for _, p in _with_gradient(self.optimizer.params, "Accumulation")]
        # region a6.3: divide by the sum of the sizes, step, and set everything back
        for p in params:
            p.grad *= 1 / self.total
        if self.before_step is not None:
            self.before_step()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.waiting, self.total = 0, 0.0
        # endregion

    def __enter__(self) -> Accumulation:
        self.optimizer.zero_grad()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.flush()
