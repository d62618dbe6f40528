"""Preparing batches ahead of time: by a thread of this process, or by other processes.

NumPy works without Python's lock for most of the time it copies, so one thread is
enough for arrays in memory and sees them without sending them anywhere. Processes help
a dataset whose `[i]` is slow Python; they get a copy of the recipe, and send arrays.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any

from minidl.data.recipe import Recipe
from minidl.errors import DTypeError, MinidlError

_recipe: Any = None  # in a worker process: how batches are made, or why it cannot


class Pool:
    """Who makes the batches: `workers` processes, or one thread if there are none."""

    def __init__(self, recipe: Recipe, workers: int) -> None:
        self.make: Any = recipe.batch
        self.executor: Any = ThreadPoolExecutor(1, "minidl-prefetch")
        if workers:
            self.make = _work
            self.executor = ProcessPoolExecutor(
                workers, _context(), initializer=_start, initargs=(_packed(recipe),)
            )
        self.close = weakref.finalize(self, _shutdown, self.executor)

    def submit(self, task: tuple[Any, ...]) -> Future[Any]:
        """Have the batch made; its Future comes at once."""
        with _explained():
            return self.executor.submit(self.make, *task)  # type: ignore[no-any-return]

    def result(self, future: Future[Any]) -> Any:
        """Wait for the batch. Errors in the dataset come out here as they were."""
        with _explained():
            return future.result()


@contextmanager
def _explained() -> Iterator[None]:
    """Say what to do about a worker that died."""
    try:
        yield
    except BrokenProcessPool as error:
        raise MinidlError(
            "a worker process of the DataLoader died. In a script, what trains "
            'must stand under `if __name__ == "__main__":`, because workers '
            "import the script; else it may have run out of memory: try fewer "
            "workers, or prefetch=2, which needs no processes. "
            "loader.close() makes room for new workers"
        ) from error


def _shutdown(executor: Any) -> None:
    executor.shutdown(wait=True, cancel_futures=True)


def _context() -> Any:
    """Start workers afresh: a fork would copy the locks of threads in mid-air."""
    methods = multiprocessing.get_all_start_methods()
    method = "forkserver" if "forkserver" in methods else "spawn"
    return multiprocessing.get_context(method)


def _packed(recipe: Recipe) -> bytes:
    try:
        return pickle.dumps(tuple(recipe))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise DTypeError(
            f"workers get the dataset and its transforms by pickle; it says: {error}. "
            "Define functions and classes at the top of a module (no lambdas), or use "
            "prefetch=2, which needs no processes"
        ) from error


def _start(packed: bytes) -> None:
    """Unpack the recipe in the worker; a failure waits until somebody can hear it."""
    global _recipe
    # Ctrl-C goes to every process of a terminal; the one that trains decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _recipe = Recipe(*pickle.loads(packed))
    except Exception as error:
        _recipe = error


def _end_with_parent() -> None:
    """End this worker when the process that trains is gone, even if it was killed."""
    if (parent := multiprocessing.parent_process()) is not None:
        wait([parent.sentinel])
        os._exit(1)


def _work(*task: Any) -> Any:
    if isinstance(_recipe, Exception):
        raise DTypeError(
            f"a worker cannot unpack the dataset: {_recipe!r}. A class defined in a "
            "notebook is unknown to other processes: move it to a module, or use "
            "prefetch=2, which needs no processes"
        )
    return _recipe.batch(*task)
