"""Judging a model without teaching it."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.backend import to_numpy
from minidl.engine.modes import no_grad
from minidl.engine.tensor import TensorLike, values
from minidl.errors import RangeError
from minidl.nn.module import evaluating
from minidl.train.batches import (
    Data,
    for_evaluation,
    inputs,
    joined,
    numbers,
    pair,
    samples,
)
from minidl.train.history import mean

if TYPE_CHECKING:
    from minidl.train.trainer import Trainer

RECENT = 1000  # samples, and not more than so many scores:
LARGEST = 1_000_000


def evaluate(trainer: Trainer, data: Data, prefix: str) -> dict[str, float]:
    """Return the loss, Σ n L / Σ n over batches of n labels, and every metric."""
    rows: list[Any] = []  # of each batch: its loss, labels, scores and truth
    ranks = trainer.ranks
    with evaluating(trainer.model), no_grad():
        for batch in trainer.shared(for_evaluation(data)):
            xs, y = pair(batch, trainer.device)
            scores, loss = trainer.forward(xs, y)
            seen = (scores, y) if trainer.metrics else None
            rows.append((loss.data, trainer.counted(y), seen))
            if ranks is not None:
                rows[-1] = ranks.judged(*rows[-1])
    if ranks is not None:
        rows = ranks.together(rows)
    if not rows:
        raise RangeError("there is no batch to evaluate; is the iterator used up?")
    losses, counts, pairs = zip(*rows, strict=True)
    n, read = len(losses), numbers([*losses, *counts])
    loss = mean(zip(read[:n], read[n:], strict=True))
    known = [pair for pair in pairs if pair is not None]
    return {f"{prefix}loss": loss} | measure(trainer, known, prefix)


def measure(trainer: Trainer, seen: Collection[Any], prefix: str) -> dict[str, float]:
    """Return every metric over the (scores, y) pairs of some batches."""
    if not seen:
        return {}
    scores, y = (joined(part) for part in zip(*seen, strict=True))
    return {
        f"{prefix}{name}": float(metric(scores, y))
        for name, metric in trainer.metrics.items()
    }


def predict(model: Any, data: Data, device: str | None) -> np.ndarray[Any, Any]:
    """Return the scores of all samples, on the host."""
    with evaluating(model), no_grad():
        scores = [model(*inputs(batch, device)) for batch in for_evaluation(data)]
    if not scores:
        raise RangeError("predict got no batch; is the iterator used up?")
    return joined(scores)


class Recent:
    """The scores of the last thousand or so samples that were trained on.

    They cost nothing, and tell at the end of an epoch how well the training data are
    known; in training mode, with dropout and the like, and measured while the weights
    still moved. Where scores are large, as those of a language model, fewer are kept.
    Mixed labels (mixup, CutMix) have no such metric, and none is made.
    """

    def __init__(self) -> None:
        self.kept: deque[tuple[Any, Any]] = deque()
        self.samples = self.numbers = 0

    def add(self, scores: TensorLike, y: TensorLike) -> None:
        """Take in a batch, and let go of the oldest that are not needed."""
        scores = values(scores)
        self._count(scores, y, 1)
        self.kept.append((scores, values(y)))
        while len(self.kept) > 1 and self._enough():
            self._count(*self.kept.popleft(), -1)

    def _enough(self) -> bool:
        """Whether the oldest batch can go."""
        left = self.samples - samples(self.kept[0][1])
        return left >= RECENT or self.numbers > LARGEST

    def _count(self, scores: TensorLike, y: TensorLike, sign: int) -> None:
        self.samples += sign * samples(y)
        self.numbers += sign * scores.size

    def state_dict(self) -> dict[str, Any]:
        """Return what is kept, for a checkpoint in the middle of an epoch."""
        pairs = [(to_numpy(scores), to_numpy(y)) for scores, y in self.kept]
        return {"pairs": pairs}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.kept.clear()
        self.samples = self.numbers = 0
        for scores, y in state["pairs"]:
            self.add(scores, y)
