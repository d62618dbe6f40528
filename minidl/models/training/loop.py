"""The loop that all models of this package are trained in, within a budget.

    θ ← AdamW(θ, ∇L(batch)),  ‖∇‖ at most `clip`; the rate climbs for a moment and then
    falls along half a cosine, which ends when the budget does

`minidl.train.Trainer` does more; it lives a floor above, and what is trained here needs
a clock. With --minutes the rate depends on the clock, so that a run cannot be repeated
to the bit; with --epochs alone it can.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from minidl import backend, nn, optim, show
from minidl.errors import NonFiniteError, RangeError
from minidl.nn.state import save

Record = dict[str, float]


def arguments(name: str, what: str, given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line, choose the device, start all randomness from the seed."""
    parser = argparse.ArgumentParser(
        prog=f"python -m minidl.models.{name}", description=what
    )
    parser.add_argument("--epochs", type=int, help="stop after so many")
    parser.add_argument("--minutes", type=float, help="stop when they are over")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches")
    parser.add_argument("--out", default=f"demo/{name}", help="the folder for results")
    parser.add_argument("--device", default=None, choices=backend.DEVICES)
    found = parser.parse_args(given)
    if found.device is not None:
        backend.use(found.device)
    backend.seed(found.seed)
    found.out = Path(found.out)
    found.out.mkdir(parents=True, exist_ok=True)  # better to fail now than at the end
    return found


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


class Diary:
    """Prints each epoch, and keeps the weights of the one with the best `watch`."""

    def __init__(self, model: nn.Module, watch: str = "val_loss") -> None:
        self.model, self.watch = model, watch
        self.records: list[Record] = []
        self.best, self.weights = math.inf, model.state_dict()

    def write(self, record: Record, sample: str = "") -> None:
        """Take down an epoch; the record has all its figures."""
        self.records.append(record)
        figures = (f"{k} {v:.3f}" for k, v in record.items() if k != "epoch")
        print(f"epoch {record['epoch']:>3}  " + "  ".join(figures), flush=True)
        if sample:
            print(sample, flush=True)
        if record[self.watch] < self.best:
            self.best, self.weights = record[self.watch], self.model.state_dict()

    def close(self, out: Path, text: str) -> None:
        """Put the best weights back; save them, the curves, and what the model says."""
        self.model.load_state_dict(self.weights)
        save(self.model, out / "weights.safetensors")
        (out / "says.txt").write_text(text + "\n", encoding="utf-8")
        drawn = [{k: v for k, v in r.items() if k != "minutes"} for r in self.records]
        show.curves(drawn, path=out / "curves.png")
        print(f"{out}: weights.safetensors, curves.png, says.txt", flush=True)
