"""Callbacks between `backward` and `step`: collect gradients, and clip them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from minidl.backend import device_of, to_device, to_numpy
from minidl.engine.tensor import TensorLike
from minidl.errors import RangeError, ShapeError
from minidl.optim import clip_grad_norm, clip_grad_value
from minidl.train.callback import Callback

if TYPE_CHECKING:
    from minidl.engine.tensor import Tensor
    from minidl.train.trainer import Trainer


class GradientAccumulation(Callback):
    """One step for k batches: g = Σ nᵢ gᵢ / Σ nᵢ, as of one batch that holds them all.

    nᵢ is the number of labels in a batch, without those that the loss ignores. The last
    group of an epoch may be incomplete; it steps with the mean of what it has.
    The loop for it by hand is `optim.Accumulation`.

    >>> from minidl import nn, ops, optim
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.train import Trainer
    >>> net = nn.Linear(2, 2, rng=0)
    >>> opt = optim.SGD(net.parameters(), lr=0.1)
    >>> four = GradientAccumulation(4)
    >>> trainer = Trainer(net, opt, ops.cross_entropy, callbacks=[four])
    >>> history = trainer.fit(DataLoader(moons(100, rng=0), 10))   # 4 + 4 + 2 batches
    >>> trainer.t, opt.t
    (10, 3)
    """

    turn: ClassVar[int] = -20  # gradients are complete before anyone clips them

    def __init__(self, k: int) -> None:
        if k < 1:
            raise RangeError(
                f"GradientAccumulation: k is {k}, but one batch is the least"
            )
        self.k, self.waiting, self.complete = k, 0, False
        self.unit = 0  # labels that weigh 1: as many as the very first batch had
        self.total: Any = 0  # labels that wait
        self.params: list[Any] = []

    def alone(self) -> str:
        """Return why it stands alone."""
        return "gradients are added up over the ranks already; start more ranks instead"

    def on_begin(self, trainer: Trainer) -> None:
        """Note whose gradients are to be kept."""
        self.params = list(trainer.optimizer.params)
        if trainer.position == 0:
            self.waiting = self.total = 0

    def on_loss(self, trainer: Trainer, loss: Tensor, y: TensorLike) -> Tensor:
        """Weigh it by its labels, nᵢ / unit."""
        self.unit = self.unit or max(1, y.size if getattr(y, "ndim", 0) else 1)
        weight = trainer.counted(y) / self.unit
        if isinstance(weight, float) and weight == 1:
            return loss
        array = hasattr(weight, "astype")  # as on a GPU
        weighed: Tensor = loss * (weight.astype(loss.dtype) if array else weight)
        return weighed

    def on_backward(self, trainer: Trainer) -> bool | None:
        """Wait for the k-th; then divide by Σ nᵢ."""
        if not self.complete:
            n = trainer.counted(trainer.truth)
            self.waiting, self.total = self.waiting + 1, self.total + n
            if self.waiting < self.k:
                return False
        for p in self.params:
            if p.grad is not None:
                p.grad *= np.divide(self.unit, self.total)  # 0 labels: all is NaN
        self.waiting = self.total = 0
        return None

    def on_train_end(self, trainer: Trainer) -> None:
        """Step on what waits."""
        if self.waiting:
            self.complete = True
            try:
                trainer.update()
            finally:
                self.complete = False

    def state_dict(self) -> dict[str, Any]:
        """Return the gradients that wait, for a checkpoint within a group."""
        grads = {
            str(i): np.array(to_numpy(p.grad))
            for i, p in enumerate(self.params)
            if self.waiting and p.grad is not None
        }
        total = float(to_numpy(self.total))
        state = {"waiting": self.waiting, "total": total, "unit": self.unit}
        return state | ({"grads": grads} if grads else {})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on within the group."""
        self.waiting = int(state["waiting"])
        self.unit = int(state.get("unit", 1))
        self.total = float(state.get("total", self.waiting))
        for i, g in state.get("grads", {}).items():
            p = self.params[int(i)]
            if g.shape != p.data.shape:
                raise ShapeError(
                    f"GradientAccumulation: the gradient that was saved for parameter "
                    f"{i} has shape {g.shape}, the parameter {p.data.shape}"
                )
            p.grad = to_device(g, device_of(p.data)).copy()


class GradientClip(Callback):
    """Bound the gradient before every step: its length, or each of its numbers.

    max_norm   g ← g min(1, max_norm / ‖g‖), ‖g‖ over all parameters
    max_value  gᵢ ← max(−max_value, min(max_value, gᵢ))

    `norm` is the length before clipping, an array () that nobody has read.

    >>> from minidl import nn, ops, optim
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.train import Trainer
    >>> net = nn.Linear(2, 2, rng=0)
    >>> before, opt = net.weight.data.copy(), optim.SGD(net.parameters(), lr=1.0)
    >>> trainer = Trainer(net, opt, ops.cross_entropy, callbacks=[GradientClip(0.01)])
    >>> history = trainer.fit(DataLoader(moons(40, rng=0), 40))    # one step
    >>> bool(np.linalg.norm(net.weight.data - before) <= 0.01)
    True
    """

    turn: ClassVar[int] = -10

    def __init__(
        self, max_norm: float | None = None, *, max_value: float | None = None
    ) -> None:
        if (max_norm is None) == (max_value is None):
            raise RangeError(
                "GradientClip takes max_norm or max_value, one of them; max_norm=1.0 "
                "is where most people begin"
            )
        if not (max_norm or max_value or 0) > 0:
            raise RangeError(
                f"GradientClip: the bound is {max_norm or max_value or 0}; it must be "
                "above 0"
            )
        self.max_norm, self.max_value = max_norm, max_value
        self.norm: Any = None

    def on_backward(self, trainer: Trainer) -> None:
        """Clip."""
        params = trainer.optimizer.params
        if self.max_norm is not None:
            self.norm = clip_grad_norm(params, self.max_norm)
        else:
            assert self.max_value is not None
            clip_grad_value(params, self.max_value)
