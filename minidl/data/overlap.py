"""Batches on their way to a GPU, one ahead: copied while the step before is computed.

    copies    batch 1 │ batch 2 │ batch 3 │ …
    steps             │ step 1  │ step 2  │ step 3 …

A copy runs beside kernels only in a stream of its own and from pinned memory, which the
system cannot move. Two orders must hold, and events keep them without anybody waiting
on the host: a copy begins after the kernels that used its memory before, and a step
begins after its batch has come.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from minidl import backend
from minidl.engine.tensor import Tensor


def overlapped(batches: Iterable[Any]) -> Iterator[Any]:
    """Yield batches as Tensors on the GPU, each sent before the last one is used."""
    lane = Lane()
    ahead: deque[tuple[Any, Any]] = deque()
    try:
        for batch in batches:
            ahead.append(lane.send(batch))
            if len(ahead) > 1:
                yield lane.receive(*ahead.popleft())
        while ahead:
            yield lane.receive(*ahead.popleft())
    finally:  # a loop that was left: nobody may get that memory while it is written
        while ahead:
            lane.receive(*ahead.popleft())


class Lane:
    """A stream of copies, and the pinned memory that they still read."""

    def __init__(self) -> None:
        backend.to_device(np.zeros(0, np.float32), "cuda")  # says what is missing
        self.cupy: Any = sys.modules["cupy"]
        self.stream = self.cupy.cuda.Stream(non_blocking=True)
        self.sources: deque[tuple[Any, list[Any]]] = deque()

    def send(self, batch: tuple[Any, ...]) -> tuple[Any, Any]:
        """Begin to copy a batch; return it, and the event of its arrival."""
        pairs: list[tuple[Any, Any]] = []
        sent = self._place(batch, pairs)
        self.stream.wait_event(self.cupy.cuda.get_current_stream().record())
        for target, source in pairs:
            target.set(source, stream=self.stream)
        there = self.stream.record()
        self.sources.append((there, [source for _, source in pairs]))
        while self.sources[0][0].done and len(self.sources) > 1:
            self.sources.popleft()
        return sent, there

    def receive(self, sent: Any, there: Any) -> Any:
        """Have all kernels from now on wait for a batch, and return it."""
        self.cupy.cuda.get_current_stream().wait_event(there)
        return sent

    def _place(self, batch: tuple[Any, ...], pairs: list[tuple[Any, Any]]) -> Any:
        """Return the batch in new memory of the GPU; pairs tell what is to go there."""
        if isinstance(batch, tuple):
            return tuple(self._place(part, pairs) for part in batch)
        if isinstance(batch, dict):
            return {key: self._place(part, pairs) for key, part in batch.items()}
        data = batch.data if isinstance(batch, Tensor) else batch
        if not hasattr(data, "dtype"):
            return batch
        if isinstance(data, np.ndarray) and data.size:
            pairs.append((self.cupy.empty(data.shape, data.dtype), self._pin(data)))
            data = pairs[-1][0]
        return Tensor(backend.to_device(data, "cuda"), copy=False)

    def _pin(self, data: np.ndarray[Any, Any]) -> Any:
        """Copy an array to pinned memory, row after row."""
        block = self.cupy.cuda.alloc_pinned_memory(data.nbytes)
        source = np.frombuffer(block, data.dtype, data.size).reshape(data.shape)
        source[...] = data
        return source
