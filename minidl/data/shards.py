"""Shards: a folder of files as one dataset, larger than memory.

Only blocks of neighboring samples are read, and a few of them are kept. So a shuffled
epoch mixes blocks, and samples within a window of blocks, and not all with all: every
block is read once. The order is a pure function of (seed, epoch), as everywhere in the
loader, which therefore goes on in the middle of an epoch as it always does.

N samples, B of them in a batch; a block holds neighbors of one file, a window some
blocks that are mixed with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.data.dataset import Dataset, as_array
from minidl.data.draws import permutation, scramble
from minidl.data.shard_files import Column, open_shards
from minidl.errors import RangeError


class Shards(Dataset):
    """The samples of all files of a folder, in the order of their names.

    x-000.npy, x-001.npy, … beside y-000.npy, …   arrays, a column for each name
    any.npz                                       columns by name, as np.savez has them
    any.parquet                                   columns by name (extra `parquet`)

    columns  which columns, in which order; default: all, x and y first. A tuple of
             names joins columns of numbers to one array: [("age", "height"), "label"]
    block    samples that are read at once (of Parquet: its row groups)
    window   blocks that a shuffled loader mixes, and as many are kept in memory

    `.npy` and `.npz` are mapped into memory, block by block; a `.npz` that is
    compressed cannot be. Nothing is unpickled. Raises DataError for files that do not
    fit each other, and names them.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i in range(3):
    ...         np.savez(f"{folder}/{i}.npz", x=np.full((4, 2), i, "f"), y=[i] * 4)
    ...     shards = Shards(folder, block=2)
    ...     x, y = shards.batch([0, 5, 11])
    >>> shards
    Shards(12 samples in 3 files, x float32 (2,), y int64 ())
    >>> x.shape, y
    ((3, 2), array([0, 1, 2]))
    """

    def __init__(
        self,
        folder: str | Path,
        columns: Sequence[Column] | None = None,
        *,
        block: int = 1024,
        window: int = 16,
    ) -> None:
        for name, value in (("block", block), ("window", window)):
            if value < 1:
                raise RangeError(f"Shards: {name} is {value}; it is 1 or more")
        self.folder, self.window = Path(folder), window
        self.files, self.columns = open_shards(self.folder, columns)
        self.blocks: list[tuple[int, int, int]] = []  # file, first row in it, rows
        for i, file in enumerate(self.files):
            self.blocks += [(i, *rows) for rows in file.blocks(block)]
        lengths = [rows for _, _, rows in self.blocks]
        self.starts = np.concatenate([[0], np.cumsum(lengths)])  # of each block
        self._kept: dict[int, tuple[Array, ...]] = {}  # the oldest first

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return self.batch(np.arange(len(self))[i])
        if not -len(self) <= i < len(self):
            raise IndexError(f"sample {i} of {len(self)}")
        row = self.batch([i % len(self)])
        return tuple(a[0] for a in row) if isinstance(row, tuple) else row[0]

    def batch(self, indices: Any) -> Any:
        """Return these samples.    indices (B,) -> (x (B, …), y (B, …))"""
        indices = np.asarray(indices)
        homes = np.searchsorted(self.starts, indices, side="right") - 1
        order = np.argsort(homes, kind="stable")
        back = np.argsort(order, kind="stable")
        parts = []
        for home in np.unique(homes):
            rows = indices[homes == home] - self.starts[home]
            parts.append([a[rows] for a in self._block(int(home))])
        arrays = [
            as_array(np.concatenate(each)[back]) for each in zip(*parts, strict=True)
        ]
        return tuple(arrays) if len(self.columns) > 1 else arrays[0]

    def order(self, seed: int, epoch: int) -> Order:
        """Return the shuffled order of an epoch, which DataLoader asks for."""
        return Order(self.starts, self.window, seed, epoch)

    def _block(self, i: int) -> tuple[Array, ...]:
        """Return a block's arrays; the oldest of those that are kept makes room."""
        if i not in self._kept:
            while len(self._kept) >= self.window:
                del self._kept[next(iter(self._kept))]
            file, first, rows = self.blocks[i]
            self._kept[i] = self.files[file].read(self.columns, first, rows)
        return self._kept[i]

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_kept": {}}  # a worker reads for itself

    def __repr__(self) -> str:
        shown = [
            f"{name} {dtype} {shape}"
            for name, dtype, shape in self.files[0].kinds(self.columns)
        ]
        what = f"{len(self)} samples in {len(self.files)} files"
        return f"Shards({', '.join([what, *shown])})"


class Order:
    """The numbers 0 … N − 1, shuffled by blocks; any part of them is made when asked.

    Blocks come in the order of (seed, epoch), `window` of them are joined, and their
    samples mixed by (seed, epoch, window). So nothing of the length N is kept.
    """

    def __init__(self, starts: Array, window: int, seed: int, epoch: int) -> None:
        self.starts, self.window, self.key = starts, window, (seed, epoch)
        self.blocks = permutation(seed, epoch, len(starts) - 1)
        lengths = np.diff(starts)[self.blocks]
        firsts = np.concatenate([[0], np.cumsum(lengths)])
        self.ends = firsts[[*range(window, len(lengths), window), len(lengths)]]
        self._made: tuple[int, Array] = (-1, np.zeros(0, np.int64))

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, part: slice) -> Array:
        first, stop, _ = part.indices(len(self))
        found = [np.zeros(0, np.int64)]
        while first < stop:
            i = int(np.searchsorted(self.ends, first, side="right"))
            begin = int(self.ends[i - 1]) if i else 0
            found.append(self._of_window(i)[first - begin : stop - begin])
            first = int(self.ends[i])
        return np.concatenate(found)

    def _of_window(self, i: int) -> Array:
        """Return the samples of the i-th window, mixed."""
        if self._made[0] != i:
            blocks = self.blocks[i * self.window : (i + 1) * self.window]
            samples = np.concatenate(
                [np.arange(self.starts[b], self.starts[b + 1]) for b in blocks]
            )
            seed = int(scramble(np.array([i], np.uint64))[0]) ^ self.key[0]
            self._made = i, samples[permutation(seed, self.key[1], len(samples))]
        return self._made[1]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self[:], dtype)
