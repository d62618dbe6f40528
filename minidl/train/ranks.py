"""What a Trainer does otherwise where it is one of several ranks.

Each rank learns from its rows of a batch. What the history shows, what stops a run and
what is judged are the same on all ranks: a step begins with one small message, with the
loss and whatever would end the run; gradients follow (World.average). Rank 0 alone
writes files and lines on the screen.

Throughout:  n labels that count in the rows of this rank    L the mean loss over them
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.backend import device_of, to_numpy
from minidl.engine.tensor import Tensor
from minidl.errors import RangeError
from minidl.train import batches

if TYPE_CHECKING:
    from minidl.train.trainer import Trainer

REASONS = ("interrupted", "stopped", "now")


class Ranks:
    """The other ranks, as a Trainer sees them.

    parallel  "mpi", or a World, whose time limit may be another
    """

    def __init__(self, trainer: Trainer, parallel: Any) -> None:
        if isinstance(parallel, str):
            if parallel != "mpi":
                raise RangeError(f'parallel is "mpi" or a World, not {parallel!r}')
            parallel = import_module("minidl.parallel").mpi()
        self.trainer, self.world = trainer, parallel
        self.rank: int = parallel.rank
        self.wishes: set[str] = set()  # reasons to stop, of this rank alone

    def begin(self) -> None:
        """Give all ranks the model of rank 0, and to each its own noise."""
        trainer, world = self.trainer, self.world
        for callback in trainer.callbacks:
            if reason := callback.alone():
                name = type(callback).__name__
                raise RangeError(f"{name} cannot work on several ranks: {reason}")
        for _, x in self._state():
            world.broadcast(x.data)
            x.touch()
        module: Any
        for module in trainer.model.modules():
            if hasattr(module, "next_key"):  # dropout: rows differ, so do masks
                module.key.data[0] += np.uint64(self.rank)
                module.key.touch()

    def _state(self) -> list[tuple[str, Any]]:
        """Return the model's parameters and buffers, by name."""
        return list(self.trainer.model.named_state())

    # A step

    def note(self, loss: Tensor, y: Any) -> None:
        """Put the loss over all ranks into the history, and agree whether to stop."""
        trainer = self.trainer
        n = 0.0 if self.world.lent else self.counts(y)
        mean = float(to_numpy(loss.data)) if n else 0.0
        samples = 0 if self.world.lent else batches.samples(y)
        total = self._agree([n, n * mean, samples])
        trainer.truth = y
        whole = total[1] / total[0] if total[0] else float("nan")
        trainer.history.add_step(
            np.array(whole, loss.dtype),
            total[0],
            step=trainer.t + 1,
            epoch=trainer.epoch + 1,
            samples=int(total[2]),
            lr=trainer.rate(),
        )
        trainer.guard.after(device_of(loss.data))

    def counts(self, y: Any) -> float:
        """Return how many labels count in the rows of this rank."""
        return float(to_numpy(self.trainer.counted(y)))

    @staticmethod
    def nothing(scores: Any) -> Tensor:
        """Return a loss of 0 that depends on the scores, where no label counts.

        This rank takes part in what all do together, and teaches nothing.
        """
        while isinstance(scores, (tuple, list)):
            scores = scores[0]
        zero: Tensor = (scores * 0.0).sum()
        return zero

    def backward(self, loss: Tensor, y: Any) -> None:
        """Make the gradients those of the mean over the labels of all ranks."""
        n = self.counts(y)
        (loss * n).backward()
        self.world.average(self.trainer.optimizer.params, n)

    # What all agree on

    def agree(self) -> None:
        """Stop where one of the ranks has a reason to."""
        self._agree([])

    def _agree(self, numbers: Sequence[float]) -> Any:
        """Add numbers up over all ranks, and hear what they wish."""
        wishes = [float(reason in self.wishes) for reason in REASONS]
        total = self.world.sum(np.array([*numbers, *wishes]))
        self.wishes.clear()
        trainer = self.trainer
        interrupted, stopped, now = total[len(numbers) :]
        if interrupted:
            trainer.stopping = "interrupted"
        elif stopped and not trainer.stopping:
            trainer.stopping = "stopped"
        trainer.cut_short = trainer.cut_short or bool(now)
        return total

    def level(self) -> None:
        """Average the statistics of batch norm, where each rank has its own."""
        for name, x in self._state():
            if "running_" in name:
                self.world.sum(x.data)
                x.data /= self.world.size
                x.touch()

    def end_of_training(self) -> None:
        """See, after an epoch, that all have learned the same."""
        self.level()
        self.world.same((n, p) for n, p in self.trainer.model.named_parameters())

    # What is judged

    def judged(self, loss: Any, n: Any, seen: Any) -> Any:
        """Return what one batch says, on the host; nothing where its rows are lent."""
        if self.world.lent:
            return None
        pair = None if seen is None else tuple(to_numpy(x) for x in seen)
        return float(to_numpy(loss)), float(to_numpy(n)), pair

    def together(self, rows: Sequence[Any]) -> list[Any]:
        """Return the rows of all ranks, batch after batch: the order of one process."""
        by_rank = self.world.gather(rows)
        of_all = (row for batch in zip(*by_rank, strict=True) for row in batch)
        return [row for row in of_all if row is not None]

    def recent(self, kept: Iterable[Any]) -> list[Any]:
        """Return the newest (scores, labels) of all ranks."""
        mine = [tuple(to_numpy(x) for x in pair) for pair in kept]
        return [pair for of_rank in self.world.gather(mine) for pair in of_rank]

    def gather(self, thing: Any) -> list[Any]:
        """Return what each rank gives."""
        return self.world.gather(thing)  # type: ignore[no-any-return]


def of_rank(state: Mapping[str, Any], rank: int) -> Mapping[str, Any]:
    """Return the part of one rank of what all have saved; it may have been one."""
    several = state.get("ranks")
    if several is None:
        return state
    part: Mapping[str, Any] = several[rank if rank < len(several) else 0]
    return part
