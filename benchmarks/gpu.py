"""The benchmarks on a GPU: python -m benchmarks.gpu [ROW …] [--minutes 9] [--out FILE]

Each row (gpu_rows.py) is one piece of work, done by minidl as it is written ("eager")
and as a CUDA graph ("graph", minidl.compile), and by PyTorch eager, with its fused
optimizer, as a CUDA graph and through torch.compile. All start from the same weights;
a way whose first results differ from minidl's is void. A row has a fresh process, in
which the ways take turns; the table shows medians, timed by events of the device, and
beside them a floor: what only copying, or only multiplying, would take on this device.

Below a row stands what was predicted before there was a GPU to measure on, and whether
it was met: ratios of the same round, the median and the range.

It ends well before `--minutes`, and says what it left out. `--out FILE` writes the
figures as JSON, `--record` adds them as a line to history.jsonl. `DRY=1 python -m
benchmarks.gpu` rehearses it with tiny sizes on the mock driver of tests/drycuda; no
figure is a timing then, and nothing goes to history.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import gpu_table as table

ROOT = Path(__file__).parents[1]
HISTORY = Path(__file__).with_name("history.jsonl")
DRY = os.environ.get("DRY") == "1"
ROW_SECONDS = 80  # at most, torch.compile and all
ENDING, LEAST = 30, 20  # seconds kept for the end; what a row needs to begin
Work = Callable[[str, float], dict[str, Any]]


def work(name: str, seconds: float) -> dict[str, Any]:
    """Run one worker, and return the last that it said before it ended or was ended."""
    command = [sys.executable, "-m", "benchmarks.gpu_worker", name]
    env = {"TORCHINDUCTOR_COMPILE_THREADS": "1", **os.environ}
    try:
        done = subprocess.run(
            command, env=env, cwd=ROOT, capture_output=True, timeout=seconds
        )
        out, why = done.stdout, ""
        if done.returncode:
            error = done.stderr.decode(errors="replace").strip().splitlines()
            why = f"the process failed: {error[-1] if error else done.returncode}"
    except subprocess.TimeoutExpired as late:
        out, why = late.stdout or b"", f"stopped after {seconds:.0f} s"
    found = last_record(out.decode(errors="replace"))
    if why:
        found.setdefault("skipped", {})["the rest"] = why
    return found


def last_record(text: str) -> dict[str, Any]:
    """Return the last line that is a JSON object, or {}."""
    for line in reversed(text.splitlines()):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            return record
    return {}


def report(names: list[str], minutes: float, work: Work, rows: Any) -> dict[str, Any]:
    """Measure rows while there is time, print the table, and return the record."""
    start = time.monotonic()

    def left() -> float:
        return 60 * minutes - ENDING - (time.monotonic() - start)

    first = work("floors", min(ROW_SECONDS, left()))
    if "floors" not in first:
        why = first.get("missing") or first.get("skipped", {}).get("the rest")
        print(f"no benchmark: {why or 'the floors gave no figures'}")
        return {}
    floors = first["floors"]
    record: dict[str, Any] = {"date": time.strftime("%Y-%m-%d"), "benchmark": "gpu"}
    record |= {"dry": DRY, **first["facts"], "floors": {} if DRY else floors}
    record |= {"rows": {}, "predictions": {}, "left_out": []}
    print("; ".join(f"{key} {value}" for key, value in first["facts"].items()))
    print("a rehearsal: no figure is a timing" if DRY else table.speeds(floors))
    print(table.header())
    for name in names:
        if left() < LEAST:
            record["left_out"].append(name)
            continue
        found = work(name, min(ROW_SECONDS, left()))
        told = [table.verdict(found, p, DRY) for p in rows[name].predictions]
        line = (
            table.line(name, found, floors, DRY)
            if "us" in found
            else f"{name}: nothing"
        )
        remarks = table.remarks(found)
        print(
            "\n".join([line, *(f"    {text}" for text in told + remarks)]), flush=True
        )
        record["rows"][name] = table.summary(found, floors, DRY)
        record["predictions"][name] = told
    if record["left_out"]:
        print(f"no time was left for: {', '.join(record['left_out'])}")
    record["seconds"] = round(time.monotonic() - start)
    return record


def keep(record: dict[str, Any], out: Path | None, history: bool) -> None:
    """Write the record to a file of its own, and add it to history, if asked."""
    if out is not None:
        out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if history and not record["dry"]:
        with HISTORY.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def main() -> None:
    """Measure, print the table, and keep the figures."""
    from benchmarks.gpu_rows import ROWS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", default=list(ROWS), metavar="ROW")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--out", type=Path, metavar="FILE")
    parser.add_argument("--record", action="store_true", help="add it to history.jsonl")
    asked = parser.parse_args()
    for name in asked.rows:
        if name not in ROWS:
            parser.error(f"no row is called {name!r}; there are {', '.join(ROWS)}")
    if record := report(asked.rows, asked.minutes, work, ROWS):
        keep(record, asked.out, asked.record)


if __name__ == "__main__":
    main()
