"""A rate that waits for the metric: smaller when nothing gets better.

It cannot be a function of the step, so it is an object that changes the `lr_scale` of
an optimizer, and works on top of any schedule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from minidl.errors import RangeError
from minidl.optim.optimizer import Optimizer
from minidl.optim.settings import at_least, choice, count, fraction, number


class ReduceOnPlateau:
    """Multiply the learning rate by `factor` when the metric has not improved for long.

    mode            "min" (a loss) or "max" (an accuracy)
    patience        how many bad steps in a row are forgiven
    threshold       how much better counts as better, threshold_mode "rel" or "abs":
                    m < best − threshold |best| or m < best − threshold; "max" with +
    cooldown        steps after a reduction in which nothing is counted
    lr_min          a rate never to go below: a number, or one for each group
    eps             a reduction by less than this is not worth making

    As PyTorch's ReduceLROnPlateau, but for negative metrics: best (1 − threshold) lies
    above a negative best there, so that no better would count as better. NaN is never
    better.

    >>> from minidl import Tensor
    >>> from minidl.optim import SGD
    >>> opt = SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> plateau = ReduceOnPlateau(opt, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0, 2.0):
    ...     plateau.step(loss)
    >>> opt.lr
    0.5
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        lr_min: Any = 0.0,
        eps: float = 1e-8,
    ) -> None:
        name = "ReduceOnPlateau"
        self.optimizer = optimizer
        self.mode = choice(name, "mode", mode, ("min", "max"))
        self.factor = fraction(name, "factor", factor)
        self.patience = count(name, "patience", patience, low=0)
        self.threshold = at_least(name, "threshold", threshold)
        self.threshold_mode = choice(
            name, "threshold_mode", threshold_mode, ("rel", "abs")
        )
        self.cooldown = count(name, "cooldown", cooldown, low=0)
        self.lr_min = self._one_per_group(lr_min)
        self.eps = at_least(name, "eps", eps)
        self.best = math.inf if mode == "min" else -math.inf
        self.bad = 0
        self.resting = 0

    def _one_per_group(self, lr_min: Any) -> list[float]:
        groups = len(self.optimizer.groups)
        each = list(lr_min) if isinstance(lr_min, (list, tuple)) else [lr_min] * groups
        if len(each) != groups:
            raise RangeError(
                f"ReduceOnPlateau: {len(each)} values of lr_min for {groups} groups"
            )
        return [at_least("ReduceOnPlateau", "lr_min", low) for low in each]

    def step(self, metric: Any) -> None:
        """Look at the metric of one epoch, and reduce the rate if it is time."""
        metric = number("ReduceOnPlateau", "metric", _value(metric))
        # region a3.12: count what is bad, and lose patience
        if self.better(metric):
            self.best, self.bad = metric, 0
        else:
            self.bad += 1
        if self.resting:
            self.resting, self.bad = self.resting - 1, 0
        if self.bad > self.patience:
            self._reduce()
            self.resting, self.bad = self.cooldown, 0
        # endregion

    def better(self, metric: float) -> bool:
        """Whether the metric beats the best so far by more than the threshold."""
        margin = self.threshold
        if self.threshold_mode == "rel" and math.isfinite(self.best):
            margin *= abs(self.best)
        if self.mode == "max":
            return metric > self.best + margin
        return metric < self.best - margin

    def _reduce(self) -> None:
        t = self.optimizer.t
        for group, low in zip(self.optimizer.groups, self.lr_min, strict=True):
            old = float(group.rate(t))
            new = max(old * self.factor, low)
            if old - new > self.eps:
                group.lr_scale *= new / old

    def state_dict(self) -> dict[str, Any]:
        """Return what was seen; the scale itself is saved by the optimizer."""
        return {"best": self.best, "bad": self.bad, "resting": self.resting}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` stopped."""
        self.best = float(state["best"])
        self.bad, self.resting = int(state["bad"]), int(state["resting"])


def _value(metric: Any) -> Any:
    """Return the number in a Tensor, a 0-d array or a number."""
    return metric.item() if hasattr(metric, "item") else metric
