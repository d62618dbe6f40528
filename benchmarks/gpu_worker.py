"""One row of the GPU benchmark, in a process: python -m benchmarks.gpu_worker ROW

A process for each row frees all memory behind it, and an error on the device, after
which nothing runs any more, costs one row only. `ROW` may be "floors": what this device
can do at best, when it only copies or only multiplies.

It prints lines of JSON, the last of which counts; there may be a second one with
torch.compile, which takes so long that the first figures should be safe by then.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.gpu_device import (
    DRY,
    ROUNDS,
    facts,
    floors,
    mock_errors,
    on_device,
    on_host,
    pytorch,
    ready,
    sampled,
)

WAYS = ("minidl eager", "minidl graph", "torch eager", "torch fused", "torch graph")
COMPILED = "torch compiled"
# how far first results may lie apart, relatively
CLOSE = {"float32": 1e-3, "tf32": 2e-2, "float16": 2e-2}


def apart(xs: list[Any], ys: list[Any]) -> float:
    """Return how far results lie apart: ‖x − y‖ / ‖y‖, the largest of all pairs."""
    return max(
        float(np.linalg.norm(x - y)) / max(float(np.linalg.norm(y)), 1e-30)
        if np.isfinite(x).all() and np.isfinite(y).all()
        else float("inf")
        for x, y in zip(xs, ys, strict=True)
    )


def measure(
    row: Any, size: dict[str, Any], device: str, torch: Any, rounds: int = ROUNDS
) -> Iterator[dict[str, Any]]:
    """Yield what a row took: once without torch.compile, and once with it, if asked.

    us       way → microseconds of a step, of every round
    apart    way → how far its first results lie from minidl's
    void     ways whose results differ: their times mean nothing
    skipped  way → why it is not there
    """
    task = row.make(**size)
    sides: dict[str, Any] = {}
    found: dict[str, Any] = {"flops": task.flops, "bytes": task.bytes}
    found |= {"precision": row.precision, "apart": {}, "void": [], "skipped": {}}
    reference: list[Any] = []
    later = [COMPILED] if row.compiled and torch is not None else []
    sample = on_device if device == "cuda" else on_host
    for ways in (WAYS, later):
        for way in ways:
            side = _side(task, way, device, torch, found)
            if side is None:
                continue
            results = _first(side, way, found)
            if not results:
                continue
            reference = reference or results
            found["apart"][way] = apart(results, reference)
            if found["apart"][way] > CLOSE[row.precision]:
                found["void"].append(way)
            sides[way] = side
        if ways and sides:
            steps = {way: side.step for way, side in sides.items()}
            times = sampled(steps, sample, rounds)
            found["us"] = {way: [1e6 * t for t in ts] for way, ts in times.items()}
        if ways:
            yield found


def _side(task: Any, way: str, device: str, torch: Any, found: Any) -> Any:
    """Return this way's Side, or None, noting why."""
    library, _, kind = way.partition(" ")
    if kind == "graph" and device == "cpu":
        return None
    if library == "torch" and torch is None:
        return None
    try:
        if library == "minidl":
            return task.minidl(device, kind)
        return task.torch(torch, device, kind)
    except Exception as error:  # whatever it is, the other ways are measured
        found["skipped"][way] = said(error)
        return None


def _first(side: Any, way: str, found: Any) -> list[Any]:
    """Return a Side's first results, or none, noting why."""
    try:
        results: list[Any] = side.first()
    except Exception as error:
        found["skipped"][way] = said(error)
        return []
    if why := side.why():
        found["skipped"][way] = why
        return []
    return results


def said(error: Exception) -> str:
    """Return an error in one short line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:200]


def main(name: str) -> None:
    """Measure a row, and print lines of JSON."""
    if missing := ready():
        print(json.dumps({"missing": missing}))
        return
    if name == "floors":
        print(json.dumps({"facts": facts(), "floors": floors()}))
        return
    from benchmarks.gpu_rows import ROWS
    from minidl import backend

    row = ROWS[name]
    backend.use("cuda", tf32=row.precision == "tf32")
    torch, _ = pytorch(row.precision == "tf32")
    for found in measure(row, row.tiny if DRY else row.size, "cuda", torch):
        print(json.dumps(found), flush=True)
    if errors := mock_errors():
        raise SystemExit(f"the mock driver: {errors[0]}")


if __name__ == "__main__":
    main(sys.argv[1])
