"""Memory, copies, streams and graphs of the mock device."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from tests.drycuda.capsules import replace
from tests.drycuda.ledger import ledger

POISON = 0xCB  # fresh memory holds this: numbers that no kernel wrote are seen
DIRECTIONS = {1: "h2d", 2: "d2h", 3: "d2d"}
GIGABYTES = 8
# cudaDeviceAttr: threads and shared memory of a block, warp, processors, sm_90, …
ATTRIBUTES = {1: 1024, 8: 49152, 10: 32, 16: 132, 39: 2048, 5: 2**31 - 1}
ATTRIBUTES |= {75: 9, 76: 0, 97: 232448}
PROPERTIES = {
    "name": b"Mock GPU",
    "major": 9,
    "minor": 0,
    "multiProcessorCount": 132,
    "warpSize": 32,
    "maxThreadsPerBlock": 1024,
    "sharedMemPerBlock": 49152,
    "totalGlobalMem": GIGABYTES << 30,
}
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
graphs: dict[int, list[Callable[[], None]]] = {}


def malloc(size: int) -> int:
    ledger.counts["malloc"] += 1
    pointer: int = libc.malloc(max(size, 1))
    ctypes.memset(pointer, POISON, size)
    return pointer


def memcpy(to: int, source: int, size: int, kind: int) -> None:
    count_copy(kind)
    ledger.counts["sync"] += 1
    ctypes.memmove(to, source, size)


def memcpy_async(to: int, source: int, size: int, kind: int, stream: int) -> None:
    count_copy(kind)
    ledger.do(stream, lambda: ctypes.memmove(to, source, size))


def count_copy(kind: int) -> None:
    ledger.counts[DIRECTIONS.get(kind, "copy")] += 1


def memset_async(pointer: int, value: int, size: int, stream: int) -> None:
    ledger.counts["memset"] += 1
    ledger.do(stream, lambda: ctypes.memset(pointer, value, size))


def synchronize(*_: Any) -> None:
    if ledger.recordings:
        raise RuntimeError("cudaErrorStreamCaptureUnsupported: a sync during capture")
    ledger.counts["sync"] += 1


def begin_capture(stream: int) -> None:
    ledger.recordings[stream] = []


def end_capture(stream: int) -> int:
    graph = ledger.new_handle()
    graphs[graph] = ledger.recordings.pop(stream)
    return graph


def instantiate(graph: int) -> int:
    ready = ledger.new_handle()
    graphs[ready] = graphs[graph]
    return ready


def launch_graph(graph: int, stream: int) -> None:
    ledger.counts["graph"] += 1
    for work in graphs[graph]:
        work()


def always(value: Any) -> Callable[..., Any]:
    return lambda *_: value


def handle(*_: Any) -> int:
    return ledger.new_handle()


RUNTIME: dict[str, Callable[..., Any]] = {
    "driverGetVersion": always(13000),
    "runtimeGetVersion": always(13000),
    "_getCUDAMajorVersion": always(13),
    "getDevice": always(0),
    "getDeviceCount": always(1),
    "setDevice": always(None),
    "_ensure_context": always(None),
    "deviceCanAccessPeer": always(0),
    "deviceGetAttribute": lambda attribute, device: ATTRIBUTES.get(attribute, 0),
    "getDeviceProperties": lambda device: dict(PROPERTIES),
    "memGetInfo": always((GIGABYTES << 30, GIGABYTES << 30)),
    "malloc": malloc,
    "free": libc.free,
    "mallocAsync": lambda size, stream: malloc(size),
    "freeAsync": lambda pointer, stream: libc.free(pointer),
    "hostAlloc": lambda size, flags: libc.malloc(max(size, 1)),
    "freeHost": libc.free,
    "memcpy": memcpy,
    "memcpyAsync": memcpy_async,
    "memset": lambda pointer, value, n: memset_async(pointer, value, n, -1),
    "memsetAsync": memset_async,
    "pointerGetMemoryType": always(0),
    "deviceSynchronize": synchronize,
    "streamSynchronize": synchronize,
    "eventSynchronize": synchronize,
    "streamCreate": handle,
    "streamCreateWithFlags": handle,
    "streamCreateWithPriority": handle,
    "streamDestroy": always(None),
    "streamQuery": always(0),
    "streamWaitEvent": always(None),
    "streamGetFlags": always(1),
    "streamIsCapturing": lambda stream: int(stream in ledger.recordings),
    "streamBeginCapture": begin_capture,
    "streamEndCapture": end_capture,
    "eventCreate": handle,
    "eventCreateWithFlags": handle,
    "eventDestroy": always(None),
    "eventQuery": always(0),
    "eventRecord": always(None),
    "eventElapsedTime": always(1.0),
    "graphInstantiate": instantiate,
    "graphLaunch": launch_graph,
    "graphDestroy": always(None),
    "graphExecDestroy": always(None),
    "profilerStart": always(None),
    "profilerStop": always(None),
}


def install() -> None:
    """Replace the CUDA runtime."""
    from cupy_backends.cuda.api import runtime

    for name, function in RUNTIME.items():
        replace(runtime, name, function)
