"""Batches in an order that can be repeated: the loader.

An optimizer takes one step for each batch. This file makes the batches.

Batch k of epoch e is a pure function of (seed, e, k): the order is a permutation drawn
from (seed, e), and a sample's augmentation depends on (seed, e, the sample's number).
So it does not matter who prepares a batch (this thread, a prefetching one, one of four
processes), nor whether training was interrupted before it.

N samples, B of them in a batch; `position` counts the batches of an epoch handed out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

from minidl import backend
from minidl.backend import Array, Seed
from minidl.data.dataset import TensorDataset, in_width
from minidl.data.draws import permutation, seed_from
from minidl.data.recipe import Recipe
from minidl.data.sampler import BalancedSampler
from minidl.engine.tensor import Tensor
from minidl.errors import DTypeError, RangeError


class DataLoader:
    """The batches of a dataset, epoch after epoch: `for x, y in loader:`.

    dataset     a Dataset, a tuple of arrays, or anything with len() and [i]
    shuffle     a new order in every epoch; drop_last leaves out a last, smaller batch
    seed        an int; by default one drawn from minidl.seed
    transform   changes x, a batch of images (transforms.py); `mix(x, y, rng=…)` changes
                both (mixing.py)
    collate     puts a list of samples side by side in some way of your own
    sampler     which samples, in which order, in place of shuffle: BalancedSampler
    prefetch    so many batches are prepared ahead, by a thread
    workers     so many processes prepare them: for a slow `dataset[i]` in Python. In a
                browser, which has neither, batches are prepared in place: the same ones
    device      where the batches go; default: as `minidl.use` says. To a GPU they are
                copied one ahead, while it computes
    dtype       of fractions: the default dtype, which layers have; None keeps theirs

    Arrays come as Tensors, labels (B,) as int64. Every `for` begins a new epoch, also
    after a `break`; only after `load_state_dict` does it go on inside one.

    >>> loader = DataLoader((np.arange(10.0), np.arange(10)), 4, shuffle=True, seed=0)
    >>> [len(x) for x, y in loader], loader.epoch
    ([4, 4, 2], 1)
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 32,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        seed: Seed = None,
        transform: Callable[..., Any] | None = None,
        mix: Callable[..., Any] | None = None,
        collate: Callable[..., Any] | None = None,
        prefetch: int = 0,
        workers: int = 0,
        device: str | None = None,
        dtype: Any = "default",
        sampler: BalancedSampler | None = None,
    ) -> None:
        self.sampler = sampler
        self.dataset, self.dtype = _as_dataset(dataset, dtype), dtype
        self.batch_size, self.shuffle, self.drop_last = batch_size, shuffle, drop_last
        self.transform, self.mix, self.collate = transform, mix, collate
        self.prefetch, self.workers, self.device = prefetch, workers, device
        self._check()
        random = shuffle or sampler or transform is not None or mix is not None
        self.seed = seed_from(seed) if random or seed is not None else 0
        if self.seed < 0:
            raise RangeError(f"a seed is a whole number from 0 on, not {self.seed}")
        self.epoch = 0  # of the next batch
        self.position = 0  # batches of this epoch handed out so far
        self.rows_of: Callable[[int], slice] | None = None  # see minidl.parallel
        self._begun = False  # whether some loop is inside this epoch
        self._loops = 0
        self._pool: Any = None

    def _check(self) -> None:
        whole = {"batch_size": 1, "prefetch": 0, "workers": 0}
        for name, least in whole.items():
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or value < least:
                raise RangeError(
                    f"{name} must be a whole number from {least} on, not {value!r}"
                )
        if self.sampler is not None:
            self._check_sampler(self.sampler)
        if len(self) == 0:
            raise RangeError(
                f"no batch: the dataset has {len(self.dataset)} samples, batch_size is "
                f"{self.batch_size}, drop_last {self.drop_last}"
            )

    def _check_sampler(self, sampler: BalancedSampler) -> None:
        if self.shuffle:
            raise RangeError("a sampler is an order itself; leave shuffle=True out")
        if len(sampler.labels) != len(self.dataset):
            raise RangeError(
                f"the sampler knows {len(sampler.labels)} labels, and the dataset has "
                f"{len(self.dataset)} samples; make it of this dataset's labels"
            )

    def __len__(self) -> int:
        n, b = len(self.dataset), self.batch_size
        n = n if self.sampler is None else len(self.sampler)
        return n // b if self.drop_last else -(-n // b)

    def samples_in(self, k: int) -> int:
        """Return how many samples batch k of an epoch has."""
        n = len(self.dataset) if self.sampler is None else len(self.sampler)
        return min(self.batch_size, n - k * self.batch_size)

    def order(self, epoch: int) -> Array:
        """Return the samples' numbers in the order of this epoch.    -> (N,) int64"""
        if self.sampler is not None:
            return self.sampler.order(self.seed, epoch)
        if self.shuffle and hasattr(self.dataset, "order"):  # Shards: block by block
            return self.dataset.order(self.seed, epoch)
        n = len(self.dataset)
        if self.shuffle:
            return permutation(self.seed, epoch, n)
        return np.arange(n, dtype=np.int64)

    def __iter__(self) -> Iterator[Any]:
        if self._begun:  # the loop before was left early
            self.epoch, self.position = self.epoch + 1, 0
        self._begun = True
        self._loops += 1
        return self._run(self._loops, self.epoch, self.position)

    def _run(self, loop: int, epoch: int, start: int) -> Iterator[Any]:
        batches, device = self._batches(epoch, start), self.device
        if (device or backend.default_device()) == "cuda":
            from minidl.data.overlap import overlapped

            batches, device = overlapped(batches), "cuda"
        for position, batch in enumerate(batches, start + 1):
            if loop == self._loops:
                self.position = position
            yield _as_tensors(batch, device or "cpu", self.dtype)
        if loop == self._loops:
            self.epoch, self.position, self._begun = epoch + 1, 0, False

    def _batches(self, epoch: int, start: int) -> Iterator[Any]:
        """Yield the arrays of batches start, start + 1, … of this epoch."""
        order, b, todo = self.order(epoch), self.batch_size, range(start, len(self))
        tasks = ((epoch, k, self._own(order[k * b : k * b + b])) for k in todo)
        if not (self.prefetch or self.workers) or not _has_helpers():
            recipe = self._recipe()
            for task in tasks:
                yield recipe.batch(*task)
            return
        if self._pool is None:
            from minidl.data.ahead import Pool

            self._pool = Pool(self._recipe(), self.workers)
        ahead = max(self.prefetch, 2 * self.workers)
        pending: deque[Any] = deque()
        try:
            for task in tasks:
                pending.append(self._pool.submit(task))
                if len(pending) > ahead:
                    yield self._pool.result(pending.popleft())
            while pending:
                yield self._pool.result(pending.popleft())
        finally:
            for future in pending:
                future.cancel()

    def _own(self, samples: Array) -> Array:
        """Return those of a batch that this process takes: without ranks, all."""
        return samples if self.rows_of is None else samples[self.rows_of(len(samples))]

    def _recipe(self) -> Recipe:
        return Recipe(self.dataset, self.seed, self.transform, self.mix, self.collate)

    def close(self) -> None:
        """End the helping thread or processes; the next epoch starts new ones."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    # Stopping and going on

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader stands, in whole numbers: enough to go on from here.

        Inside a loop, the batch just handed out counts as done.
        """
        names = ("seed", "epoch", "position", "batch_size", "shuffle", "drop_last")
        return {name: getattr(self, name) for name in names} | {
            "samples": len(self.dataset)
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken: the next `for` yields what followed.

        Raises RangeError if this loader would cut the epochs into other batches.
        """
        mine = self.state_dict()
        if state.keys() != mine.keys():
            raise RangeError(
                f"a loader's state has the keys {sorted(mine)}, not {sorted(state)}"
            )
        moving = {"seed", "epoch", "position"}
        for name in sorted(mine.keys() - moving):
            if state[name] != mine[name]:
                raise RangeError(
                    f"the state was saved with {name}={state[name]}, but this loader "
                    f"has {mine[name]}; make the loader as it was then"
                )
        if not 0 <= state["position"] <= len(self) or min(state[k] for k in moving) < 0:
            raise RangeError(f"no such place among {len(self)} batches: {state}")
        self.close()  # its thread or processes have the old seed
        self.seed, self.epoch = int(state["seed"]), int(state["epoch"])
        self.position, self._begun = int(state["position"]), False
        self._loops += 1  # a loop still running no longer moves the position

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_pool": None}

    def __repr__(self) -> str:
        return (
            f"DataLoader({self.dataset!r}, batch_size={self.batch_size}, "
            f"shuffle={self.shuffle}, batches={len(self)}, seed={self.seed})"
        )


def _has_helpers() -> bool:
    """Whether this Python has processes and threads: that of a browser has neither."""
    try:
        import_module("_multiprocessing")
    except ImportError:
        return False
    return True


def _as_dataset(data: Any, dtype: Any) -> Any:
    """Wrap arrays; refuse what has no length or no samples by number."""
    if isinstance(data, tuple):
        return TensorDataset(*data, dtype=dtype)
    if isinstance(data, (np.ndarray, Tensor)):
        return TensorDataset(data, dtype=dtype)
    if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        raise DTypeError(
            f"a dataset has len() and [i], and {type(data).__name__} has not; a stream "
            "can be made a list, or be looped over without a loader"
        )
    return data


def _as_tensors(batch: Any, device: str, dtype: Any) -> Any:
    """Wrap every array of a batch without a copy, and bring it to device and dtype."""
    if isinstance(batch, tuple):
        return tuple(_as_tensors(part, device, dtype) for part in batch)
    if isinstance(batch, dict):
        return {key: _as_tensors(part, device, dtype) for key, part in batch.items()}
    batch = batch.data if isinstance(batch, Tensor) else batch
    if hasattr(batch, "dtype"):
        batch = backend.to_device(in_width(batch, dtype), device)
        return Tensor(batch, copy=False)
    return batch
