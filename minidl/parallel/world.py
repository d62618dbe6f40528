"""The world: all ranks of a parallel run, what they share, and sums over them.

MPI (mpi4py) brings the messages. Nothing here waits for ever: a rank that died, or does
not come to where the others wait, is an error after a time limit, and ends all of them.

Throughout:  n labels in the rows of a rank    g gradient of the mean over them
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from importlib import import_module
from types import TracebackType
from typing import Any

import numpy as np

from minidl.backend import Array, device_of, to_device, to_numpy
from minidl.engine.tensor import values
from minidl.errors import MinidlError, RangeError

BUCKET = 4 << 20  # bytes of gradients that are sent at once
LIMIT = 60.0  # seconds that a rank waits for the others


class RankError(MinidlError, RuntimeError):
    """Another process of a parallel run died, does not answer, or computes else."""


class DeadRankError(RankError):
    """A process of the same machine died: every other one sees it for itself."""


class World:
    """All ranks of a parallel run: this one is `rank`, of `size`.

    comm   a communicator of mpi4py
    limit  seconds to wait for the others, in one sum; it should be longer than the time
           by which steps of the ranks differ

    After an error on any rank the whole run ends, with that error on its screen.
    """

    def __init__(self, comm: Any, limit: float = LIMIT) -> None:
        if not limit > 0:
            raise RangeError(f"World: limit is {limit} seconds; give more than 0")
        self.comm, self.limit = comm, limit
        self.rank, self.size = int(comm.Get_rank()), int(comm.Get_size())
        self.lent = False  # whether the rows of now are another rank's, see `share`
        self.peers: list[tuple[str, int]] = []
        self.peers = self.gather((socket.gethostname(), os.getpid()))

    # Sums and messages: every rank must come here, in the same order

    def sum(self, x: Array) -> Array:
        """Add up x (…) over all ranks, in place, and return it."""
        self.wait(self.start(x))
        return x

    def start(self, x: Array) -> Any:
        """Begin to add up x over all ranks; `wait` for what it returns."""
        return self.comm.Iallreduce(import_module("mpi4py.MPI").IN_PLACE, x)

    def gather(self, thing: Any) -> list[Any]:
        """Return what each rank has given, by rank; to all of them."""
        data = np.frombuffer(pickle.dumps(thing), np.uint8)
        sizes = np.zeros(self.size, np.int64)
        sizes[self.rank] = len(data)
        self.sum(sizes)
        whole = np.empty(int(sizes.sum()), np.uint8)
        self.wait(self.comm.Iallgatherv(data, (whole, [int(n) for n in sizes])))
        ends = np.cumsum(sizes)
        parts = zip(ends - sizes, ends, strict=True)
        return [pickle.loads(whole[a:b].tobytes()) for a, b in parts]

    def broadcast(self, x: Array) -> None:
        """Give all ranks the numbers of rank 0, in place."""
        plain = np.array(to_numpy(x))
        self.wait(self.comm.Ibcast(plain, root=0))
        if self.rank:
            x[...] = to_device(plain, device_of(x))

    def wait(self, request: Any) -> None:
        """Wait until a message has come, no longer than `limit`.

        A rank that waits gives its core away: there may be more ranks than cores.
        """
        start, look, turns = time.monotonic(), 0.5, 0
        while not request.Test():
            turns += 1
            if turns < 100:
                continue
            time.sleep(2e-5 if turns < 5000 else 1e-3)
            waited = time.monotonic() - start
            if waited > look:
                look += 0.5
                self._refuse_the_dead()
            if waited > self.limit:
                raise RankError(
                    f"rank {self.rank} of {self.size} waited {waited:.0f} s for the "
                    "others: one of them hangs, or has fewer batches, or left the loop "
                    "early; all ranks must do the same steps (limit= is the time)"
                )

    def _refuse_the_dead(self) -> None:
        for rank, (host, pid) in enumerate(self.peers):
            if host == socket.gethostname() and not _lives(pid):
                raise DeadRankError(
                    f"rank {rank} (process {pid}) has died, and rank {self.rank} of "
                    f"{self.size} cannot go on without it; was it killed, or out of "
                    "memory? Start all again: a Checkpoint(resume=True) goes on from "
                    "the newest file"
                )

    # Of a batch, and of gradients

    def rows(self, n: int) -> slice:
        """Return which of n rows are those of this rank: neighbors, as even as can be.

        Where there are fewer rows than ranks, one that has none borrows the last row,
        and counts for nothing: `lent` says so.
        """
        each, more = divmod(n, self.size)
        first = self.rank * each + min(self.rank, more)
        last = first + each + (self.rank < more)
        self.lent = first == last
        return slice(n - 1, n) if self.lent else slice(first, last)

    def share(self, batches: Iterable[Any]) -> Shared:
        """Return the batches with the rows of this rank alone.

        Every rank walks the same batches: with one seed, a DataLoader draws the same
        order everywhere, and reads no other rows.
        """
        return Shared(self, batches)

    def average(self, params: Iterable[Any], n: float) -> float:
        """Make each gradient Σ nᵢ gᵢ / Σ nᵢ over all ranks; return Σ nᵢ.

        params  whose `.grad` is nᵢ gᵢ here: backward of n times a mean over n labels
        n       how many labels this rank has counted; 0 where its rows are lent

        They are sent in buckets, the next one while one is added up. A gradient that no
        rank has stays None.
        """
        params = list(params)
        n = 0.0 if self.lent else float(n)
        has = [float(p.grad is not None and not self.lent) for p in params]
        head = np.array([n, *has])
        pending: list[tuple[Array, Any, list[Any]]] = [(head, self.start(head), [])]
        for bucket in _buckets(params):
            parts = [self._flat(p) for p in bucket]
            flat = np.concatenate(parts)
            pending.append((flat, self.start(flat), bucket))
        for _, request, _ in pending:
            self.wait(request)
        if not head[0]:
            raise RangeError(
                "no label counts in this batch on any rank: there is no mean to learn "
                "from; is every label ignore_index?"
            )
        used = {id(p) for p, count in zip(params, head[1:], strict=True) if count}
        for flat, _, bucket in pending[1:]:
            flat *= 1 / head[0]
            self._put(flat, bucket, used)
        return float(head[0])

    def _flat(self, p: Any) -> Array:
        """Return a gradient as a row on the host; zeros where it does not count."""
        if p.grad is None or self.lent:
            return np.zeros(p.data.size, p.data.dtype)
        return to_numpy(p.grad).reshape(-1)

    def _put(self, flat: Array, bucket: Sequence[Any], used: set[int]) -> None:
        """Write the sums into the gradients."""
        at = 0
        for p in bucket:
            part = flat[at : at + p.data.size].reshape(p.data.shape)
            at += p.data.size
            if id(p) in used:
                p.grad = to_device(part, device_of(p.data)).copy()
            else:
                p.grad = None

    def same(self, named: Iterable[tuple[str, Any]]) -> None:
        """Raise RankError, which names the array, unless all ranks have the same."""
        sums = {name: _checksum(x) for name, x in named}
        all_sums = self.gather(sums)
        for rank, theirs in enumerate(all_sums):
            for name, checksum in theirs.items():
                if all_sums[0].get(name) != checksum:
                    raise RankError(
                        f"{name} is no longer the same on rank {rank} as on rank 0: "
                        "the ranks have learned different things. Was something drawn "
                        "or changed on one of them alone?"
                    )

    def __deepcopy__(self, memo: Any) -> World:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return mpi, (self.limit,)

    def __repr__(self) -> str:
        return f"World(rank {self.rank} of {self.size})"


@cache
def mpi(limit: float = LIMIT) -> World:
    """Return the world of this process, one of those that mpiexec started.

    From now on an error that nobody catches ends all ranks, not only this one.
    """
    try:
        comm = import_module("mpi4py.MPI").COMM_WORLD
    except (ImportError, RuntimeError) as error:
        raise MinidlError(
            'parallel="mpi" needs mpi4py and MPI: pip install "minidl[mpi]"; start it '
            f"with mpiexec -n 4 python train.py ({error})"
        ) from error
    world = World(comm, limit)
    sys.excepthook = _ending(world, sys.excepthook)
    _survive()
    return world


def _survive() -> None:
    """Ignore SIGUSR1, by which MPICH's launcher says that a rank died: `wait` sees it.

    It would end this rank without a word.
    """
    news = getattr(signal, "SIGUSR1", None)
    if news is None or threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(news) is signal.SIG_DFL:
        signal.signal(news, signal.SIG_IGN)


def _ending(world: World, before: Callable[..., Any]) -> Callable[..., Any]:
    """Return a hook for errors that nobody caught: say them, and end all ranks."""

    def hook(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if world.size == 1:
            before(kind, error, trace)
            return
        *story, last = traceback.format_exception(kind, error, trace)
        words = f"{''.join(story)}rank {world.rank} ends all ranks: {last}"
        sys.stderr.write(words)  # at once: ranks share a screen
        sys.stderr.flush()
        time.sleep(0.5)  # until the launcher has passed it on
        if issubclass(kind, DeadRankError):
            os._exit(1)
        world.comm.Abort(1)

    return hook


class Shared:
    """Batches, of which each rank is given its rows; see World.share."""

    def __init__(self, world: World, batches: Any) -> None:
        self.world, self.batches = world, batches
        self.loader = hasattr(batches, "rows_of") and hasattr(batches, "position")

    def __iter__(self) -> Iterator[Any]:
        if self.loader:
            return self._rows_alone()
        return (self._cut(batch) for batch in self.batches)

    def _rows_alone(self) -> Iterator[Any]:
        """Yield the batches of a DataLoader, which then reads no other rows."""
        loader, self.batches.rows_of = self.batches, self.world.rows
        try:
            for batch in loader:
                self.world.rows(loader.samples_in(loader.position - 1))
                yield batch
        finally:
            loader.rows_of = None

    def _cut(self, batch: Any) -> Any:
        """Return the rows of this rank of a batch, whatever it is made of."""
        if isinstance(batch, (tuple, list)):
            return tuple(self._cut(part) for part in batch)
        if hasattr(batch, "items"):
            return {name: self._cut(part) for name, part in batch.items()}
        part = values(batch)
        return part[self.world.rows(len(part))]

    def __len__(self) -> int:
        return len(self.batches)

    def __getattr__(self, name: str) -> Any:
        if name in ("state_dict", "load_state_dict", "mix"):
            return getattr(self.batches, name)
        raise AttributeError(name)


def _buckets(params: Sequence[Any]) -> list[list[Any]]:
    """Cut the parameters, the last first, into parts of one dtype of about BUCKET."""
    buckets: list[list[Any]] = []
    room, dtype = 0, None
    for p in params[::-1]:  # as backward makes them
        if room < p.data.nbytes or p.data.dtype != dtype:
            buckets.append([])
            room, dtype = BUCKET, p.data.dtype
        buckets[-1].append(p)
        room -= p.data.nbytes
    return buckets


def _checksum(x: Any) -> int:
    zlib = import_module("zlib")
    return int(zlib.crc32(np.ascontiguousarray(to_numpy(values(x))).tobytes()))


def _lives(pid: int) -> bool:
    """Whether a process of this machine runs; a zombie does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return True
