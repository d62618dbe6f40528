"""Parts of a batch at the same time, for a user who asked for threads.

NumPy, BLAS and the loops of numba let go of Python's lock while they compute, so that
threads share the cores; BLAS has one (process.py). How a batch is cut depends on its
length and the number of threads alone, and parts come back in order, so that sums of
them are the same every time. Where other programs have the cores, and parts come
late, the caller computes them all for a while.

Without the extra `fast`, or if nobody asked for threads (`minidl.set_num_threads`,
MINIDL_NUM_THREADS), there is one part, and no thread but the caller's. A part that is
cut again is computed by the thread that it is in.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from importlib import import_module
from itertools import pairwise
from typing import Any, TypeVar

from minidl.process import threads_of_ours

T = TypeVar("T")
LATE, WAKING = 1.5, 2e-4  # times as long as the caller's part, and seconds to begin
REST, LONGEST = 4, 5000  # calls without threads after one in which they came late
WORK = 1 << 20  # multiplications for a thread


class Team:
    """The threads of this process, besides the caller's; `lock` while they work."""

    pool: Any

    def __init__(self) -> None:
        self.afresh()

    def afresh(self) -> None:
        """Begin without threads: a child made by fork has the caller's alone."""
        self.lock, self.size, self.pool = threading.Lock(), 0, None
        self.rest, self.pause = 0, 0  # calls without threads: still to come, last time

    def judge(self, late: bool) -> None:
        """Rest after a call that came late, twice as long if it happens again soon."""
        if late:
            self.rest = self.pause = min(LONGEST, max(REST, 2 * self.pause))
        else:
            self.pause = self.pause * 3 // 4

    def submit(self, size: int, work: Callable[..., T], *words: Any) -> Any:
        """Let one of `size` threads do it, in the context of the caller (errstate)."""
        if self.size < size:
            futures = import_module("concurrent.futures")  # here, for it takes a while
            self.pool, self.size = futures.ThreadPoolExecutor(size), size
        return self.pool.submit(copy_context().run, work, *words)


team = Team()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=team.afresh)


def parts(n: int, least: int = 1) -> list[slice]:
    """Cut n rows into a part for each thread, as long as it has `least` rows."""
    count = max(1, min(threads_of_ours(), n // least))
    ends = [n * i // count for i in range(count + 1)]
    return [slice(a, z) for a, z in pairwise(ends)]


def parts_of(n: int, work: int) -> list[slice]:
    """Cut n rows of so many multiplications each; little work is one part."""
    return parts(n, WORK // max(1, work) + 1)


def together(work: Callable[[slice], T], some: list[slice]) -> list[T]:
    """Return what `work` makes of each part, in order; the caller takes the first.

    Without other threads while Python ends, for then none can be started.
    """
    ends = not threading.main_thread().is_alive()
    if len(some) == 1 or ends or not team.lock.acquire(blocking=False):
        return [work(part) for part in some]
    try:
        if team.rest:
            team.rest -= 1
            return [work(part) for part in some]
        return at_once(work, some)
    finally:
        team.lock.release()


def at_once(work: Callable[[slice], T], some: list[slice]) -> list[T]:
    """Compute all parts in threads; if the others come late, the next calls do not.

    On a busy machine a thread may wait for a core longer than its part would take.
    """
    start = time.perf_counter()
    others = [team.submit(len(some) - 1, work, part) for part in some[1:]]
    try:
        first = work(some[0])
        own = time.perf_counter() - start
    finally:
        for other in others:
            other.exception()  # waits
    team.judge(time.perf_counter() - start > LATE * own + WAKING)
    return [first, *(other.result() for other in others)]


def each(loop: Callable[..., object], *arrays: Any, least: int = 1 << 16) -> None:
    """Call a loop with parts of flat arrays, which all have the same length."""
    if (n := len(arrays[0])) < 2 * least:  # one part; optimizers have many short ones
        loop(*arrays)
    else:
        together(lambda part: loop(*(x[part] for x in arrays)), parts(n, least))
