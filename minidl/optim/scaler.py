"""GradScaler: float16 gradients that neither vanish nor overflow.

    s   the scale       L   the loss       bad   whether a gradient is NaN or infinite

The smallest number of float16 is 6 · 10⁻⁸, and many gradients are smaller. So s L is
what goes backward, and every gradient comes out s times as large; divided by s in
float32 again, it is what it was. The largest s that does not overflow is found by
trying: after an overflow the step is left out and s halved, after 2000 good steps in a
row s is doubled.  Micikevicius et al. 2018, section 3.2; constants as in PyTorch.

Nobody asks on the host whether there was an overflow: `where` decides, on the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minidl.backend import Array, namespace, to_device, to_numpy
from minidl.engine.modes import stateful
from minidl.engine.tensor import Tensor
from minidl.errors import DTypeError, RangeError
from minidl.optim.groups import Member
from minidl.optim.optimizer import Optimizer
from minidl.optim.settings import count, positive


class GradScaler:
    """Scales the loss, and takes only the steps whose gradients are finite.

        scores = half(x)                        # an nn.MixedPrecision
        scaler.scale(loss(scores, y)).backward()
        scaler.step(optimizer)                  # g / s, or no step at all
        scaler.update()                         # the next s

    init_scale, growth_factor, backoff_factor, growth_interval   as in PyTorch

    Leaving a step out puts parameters and slots back where they were; the optimizer's
    count of steps, a number of the host, goes on, and schedules with it.
    Clipping comes between `scaler.unscale_(optimizer)` and `scaler.step(optimizer)`.

    >>> from minidl import Tensor
    >>> from minidl.optim import SGD
    >>> p, scaler = Tensor([1.0], requires_grad=True), GradScaler(init_scale=8.0)
    >>> opt = SGD([p], lr=0.1)
    >>> scaler.scale((p * 2).sum()).backward()
    >>> p.grad                                      # 8 · 2
    array([16.], dtype=float32)
    >>> scaler.step(opt); scaler.update(); p.data   # 1 − 0.1 · 2
    array([0.8], dtype=float32)
    >>> p.grad = p.data * float("inf")
    >>> scaler.step(opt); scaler.update(); p.data, scaler.get_scale()
    (array([0.8], dtype=float32), 4.0)
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
    ) -> None:
        name = type(self).__name__
        self.growth_factor = positive(name, "growth_factor", growth_factor)
        self.backoff_factor = positive(name, "backoff_factor", backoff_factor)
        if not (growth_factor > 1 > backoff_factor):
            raise RangeError(
                f"{name}: growth_factor is {growth_factor} and backoff_factor "
                f"{backoff_factor}; the scale grows by the one, above 1, and shrinks "
                "by the other, below 1"
            )
        self.growth_interval = count(name, "growth_interval", growth_interval)
        init_scale = positive(name, "init_scale", init_scale)
        self.scaling: Array = np.array(init_scale, np.float32)
        self.streak: Array = np.array(0, np.int32)  # good steps in a row
        self.bad: Array = np.array(False)  # whether this step has met an overflow
        self.unscaled: list[Optimizer] = []  # whose gradients are themselves again

    def scale(self, loss: Tensor) -> Any:
        """Return s L, from which `backward` shall start.    L of float32 or float64"""
        if loss.dtype == np.float16:
            raise DTypeError(
                "a loss of float16 overflows as soon as it is scaled; compute it in "
                "float32: nn.MixedPrecision returns scores of float32"
            )
        self._to(loss.device)
        return loss * self.scaling.astype(loss.dtype)

    @stateful
    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide the gradients by s, in place, and see whether they are finite."""
        if optimizer in self.unscaled:
            raise RangeError(
                "GradScaler: these gradients are divided by the scale already; call "
                "update() once after every step"
            )
        self.unscaled.append(optimizer)
        for p in optimizer.params:
            if p.grad is not None:
                self._to(p.device)
                p.grad *= (1 / self.scaling).astype(p.grad.dtype)
                self.bad |= ~namespace(p.grad).isfinite(p.grad).all()

    @stateful
    def step(self, optimizer: Optimizer) -> None:
        """Take the optimizer's step if all gradients are finite."""
        if optimizer not in self.unscaled:
            self.unscale_(optimizer)
        moved = [m for m in optimizer.members if m.parameter.grad is not None]
        for m in moved:
            optimizer.prepare(m)
        before = [[x.copy() for x in arrays_of(m)] for m in moved]
        with np.errstate(all="ignore"):  # what a NaN moves will be put back
            optimizer.step()
        for m, copies in zip(moved, before, strict=True):
            for x, old in zip(arrays_of(m), copies, strict=True):
                namespace(x).copyto(x, old, where=self.bad)

    @stateful
    def update(self) -> None:
        """Move s: s / 2 after an overflow, 2 s after 2000 good steps in a row."""
        where = namespace(self.scaling).where
        self.streak += 1
        long = self.streak >= self.growth_interval
        grown = where(long, self.scaling * self.growth_factor, self.scaling)
        grown = where(namespace(grown).isfinite(grown), grown, self.scaling)
        self.scaling[...] = where(self.bad, self.scaling * self.backoff_factor, grown)
        self.streak[...] = where(self.bad | long, 0, self.streak)
        self.bad[...] = False
        self.unscaled.clear()

    def get_scale(self) -> float:
        """Return s; on a GPU this waits for the device."""
        return float(self.scaling)

    def _to(self, device: str) -> None:
        """Move to where the loss is, at the first step."""
        self.scaling, self.streak, self.bad = (
            to_device(x, device) for x in (self.scaling, self.streak, self.bad)
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the scale and the good steps since it last moved."""
        return {"scale": self.get_scale(), "streak": int(to_numpy(self.streak))}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.scaling[...], self.streak[...] = state["scale"], state["streak"]


def arrays_of(member: Member) -> list[Array]:
    """Return what a step changes: a parameter, and its slots."""
    return [member.parameter.data, *member.slots.values()]
