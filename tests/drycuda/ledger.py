"""What the mock device did, for tests to count."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Ledger:
    """Counts of launches, copies, syncs and allocations; and what went wrong.

    counts    by kind: launch, gemm, h2d, d2h, d2d, memset, sync, malloc
    kernels   launches by the name of the kernel
    errors    what a callback could not raise: a test must find this empty
    """

    def __init__(self) -> None:
        self.installed = False
        self.counts: Counter[str] = Counter()
        self.kernels: Counter[str] = Counter()
        self.errors: list[str] = []
        self.recordings: dict[int, list[Callable[[], None]]] = {}  # by stream
        self.handles = itertools.count(0x1000, 16)

    def do(self, stream: int, work: Callable[[], None]) -> None:
        """Do work of the device: now, or when the graph being captured is launched."""
        if stream in self.recordings:
            self.recordings[stream].append(work)
        else:
            work()

    def new_handle(self) -> int:
        """Return a number that stands for a stream, event, module or graph."""
        return next(self.handles)


ledger = Ledger()


class Meter:
    """What the device did between two moments: all zero where nobody counts."""

    def __init__(self) -> None:
        self.launches = self.h2d = self.d2h = self.syncs = 0
        self.kernels: Counter[str] = Counter()

    def __repr__(self) -> str:
        return (
            f"launches {self.launches}, h2d {self.h2d}, d2h {self.d2h}, "
            f"syncs {self.syncs}: {dict(self.kernels)}"
        )


@contextmanager
def metered() -> Iterator[Meter]:
    """Count what the device does inside the block; launches include products."""
    meter, before, kernels = Meter(), ledger.counts.copy(), ledger.kernels.copy()
    yield meter
    spent = ledger.counts - before
    meter.launches = spent["launch"] + spent["gemm"] + spent["memset"]
    meter.h2d, meter.d2h, meter.syncs = spent["h2d"], spent["d2h"], spent["sync"]
    meter.kernels = ledger.kernels - kernels
