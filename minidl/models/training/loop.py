"""The loop that all models of this package are trained in, within a budget.

    θ ← AdamW(θ, ∇L(batch)),  ‖∇‖ at most `clip`; the rate climbs for a moment and then
    falls along half a cosine, which ends when the budget does

`minidl.train.Trainer` does more; it lives a floor above, and what is trained here needs
a clock. With --minutes the rate depends on the clock, so that a run cannot be repeated
to the bit; with --epochs alone it can.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

from minidl import nn, optim
from minidl.errors import NonFiniteError, RangeError

Record = dict[str, float]


class Budget:
    """So many epochs, or minutes, whichever is used up first; `progress` is 0 … 1."""

    def __init__(
        self, epochs: int | None, minutes: float | None, otherwise: int
    ) -> None:
        if epochs is None:
            epochs = otherwise if minutes is None else 10**6
        if epochs < 1 or (minutes is not None and not minutes > 0):
            raise RangeError(
                f"epochs is {epochs} and minutes {minutes}; give one epoch or more, or "
                "minutes above 0"
            )
        self.epochs, self.minutes, self.steps, self.done = epochs, minutes, 1, 0
        self.start = time.perf_counter()

    @property
    def passed(self) -> float:
        """Minutes since the beginning."""
        return (time.perf_counter() - self.start) / 60

    @property
    def progress(self) -> float:
        """How much of the budget is used up."""
        steps = self.done / (self.epochs * self.steps)
        return min(1.0, max(steps, self.passed / self.minutes if self.minutes else 0))

    def rate(self, highest: float, climb: float = 0.02) -> Callable[[Any], float]:
        """Return the learning rate: up in a straight line, then down to a twentieth."""

        def now(t: Any) -> float:
            p = self.progress
            up = min(1.0, (p + 1 / (self.epochs * self.steps) + 1e-3) / climb)
            return highest * up * (0.05 + 0.95 * (1 + math.cos(math.pi * p)) / 2)

        return now


def learn(
    model: nn.Module,
    batches: Any,
    loss: Callable[..., Any],
    budget: Budget,
    *,
    rate: float,
    decay: float = 0.0,
    clip: float = 1.0,
) -> Iterator[Record]:
    """Train, and yield a record after every epoch, {"epoch", "train_loss", "minutes"}.

    batches  something with len() that begins anew with every `for`
    loss     loss(*batch) -> a scalar Tensor
    """
    budget.steps = len(batches)
    groups = optim.no_decay(model, decay)
    optimizer = optim.AdamW(groups, lr=budget.rate(rate), betas=(0.9, 0.99))
    for epoch in range(1, budget.epochs + 1):
        model.train()
        total: Any = 0.0
        before = budget.done
        for batch in batches:
            value = loss(*batch)
            model.zero_grad()
            value.backward()
            optim.clip_grad_norm(model.parameters(), clip)
            optimizer.step()
            total = total + value.data  # stays on its device: nobody waits for it
            budget.done += 1
            if budget.progress >= 1:
                break
        model.eval()
        mean = float(total) / (budget.done - before)
        if not math.isfinite(mean):
            raise NonFiniteError(
                f"the loss of epoch {epoch} is {mean}; try a rate below {rate}, and "
                "`with minidl.debug():` to find where it began"
            )
        yield {"epoch": epoch, "train_loss": mean, "minutes": budget.passed}
        if budget.progress >= 1:
            return
