"""How one batch is made: the pure function that a loader is built around.

B samples of a batch; `number` counts the batches of an epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minidl.backend import Array
from minidl.data.dataset import collate
from minidl.data.draws import MIX, Draws
from minidl.data.transforms import transformed
from minidl.errors import DTypeError


class Recipe(NamedTuple):
    """How a batch is made, and nothing else: it may travel to another process."""

    dataset: Any
    seed: int
    transform: Callable[..., Any] | None
    mix: Callable[..., Any] | None
    collate: Callable[..., Any] | None

    def batch(self, epoch: int, number: int, indices: Array) -> Any:
        """Return batch `number` of this epoch, as arrays."""
        if self.collate is None and hasattr(self.dataset, "batch"):
            batch = self.dataset.batch(indices)
        else:
            samples = [self.dataset[int(i)] for i in indices]
            batch = (self.collate or collate)(samples)
        if self.transform is not None:
            draws = Draws(self.seed, epoch, indices)
            x, *rest = self._parts(batch, "transform")
            x = transformed(self.transform, x, draws)
            batch = (x, *rest) if isinstance(batch, tuple) else x
        if self.mix is not None:
            x, y, *rest = self._parts(batch, "mix", 2)
            rng = np.random.default_rng((self.seed, MIX, epoch, number))
            batch = (*self.mix(x, y, rng=rng), *rest)
        return batch

    def _parts(
        self, batch: tuple[Any, ...], what: str, least: int = 1
    ) -> tuple[Any, ...]:
        parts = batch if isinstance(batch, tuple) else (batch,)
        if len(parts) < least or isinstance(batch, dict):
            raise DTypeError(
                f"{what}= wants batches (x, y), not {type(batch).__name__} of "
                f"{len(batch)}; change samples in the dataset or in collate= instead"
            )
        return parts
