"""The table of the GPU benchmark, and what became of the predictions.

Everything here is a function of what the workers found; nothing touches a device.
"""

from __future__ import annotations

import statistics
from typing import Any

WAYS = (
    *("minidl eager", "minidl graph"),
    *("torch eager", "torch fused", "torch graph", "torch compiled"),
)
WIDTH, CELL = 22, 10


def ratio(found: dict[str, Any], ours: str, theirs: str) -> list[float] | None:
    """Return ours / theirs of the same round: the median and the range; or None."""
    us = found.get("us", {})
    if ours not in us or theirs not in us:
        return None
    pairs = zip(us[ours], us[theirs], strict=True)
    ratios = sorted(a / b for a, b in pairs)
    return [statistics.median(ratios), ratios[0], ratios[-1]]


def floor(found: dict[str, Any], floors: dict[str, float]) -> float | None:
    """Return the microseconds that no implementation goes below, about.

    The larger of two: moving the bytes at the speed of a copy, and multiplying at that
    of a large product. Who needs fewer products may go below it: Winograd's convolution
    does, and causal attention that leaves out what it masks.
    """
    kind = found.get("precision", "float32")
    if "bytes" not in found or not floors.get("bytes") or not floors.get(kind):
        return None
    moving: float = found["bytes"] / floors["bytes"]
    return 1e6 * max(moving, found["flops"] / floors[kind])


def verdict(found: dict[str, Any], prediction: Any, dry: bool = False) -> str:
    """Return one line: what was predicted, what was measured, met or missed."""
    ours, theirs, most = prediction
    ours = f"minidl {ours}"
    told = f"{ours} ≤ {most:g} × {theirs.replace('torch', 'PyTorch')}"
    measured = ratio(found, ours, theirs)
    if measured is None:
        return f"{told}: not measured"
    if {ours, theirs} & set(found["void"]):
        return f"{told}: void, for their first results differ"
    if dry:
        return f"{told}: rehearsed, no timing"
    median, low, high = measured
    end = "met" if median <= most else "missed"
    return f"{told}: {median:.2f} ({low:.2f} to {high:.2f}), {end}"


def header() -> str:
    """Return the head of the table."""
    top = " " * WIDTH + f"{'minidl':>{2 * CELL}}{'PyTorch':>{4 * CELL}}"
    names = [way.partition(" ")[2] for way in WAYS]
    cells = "".join(f"{name:>{CELL}}" for name in [*names, "floor"])
    return f"{top}\n{'µs a step':<{WIDTH}}{cells}"


def line(
    name: str, found: dict[str, Any], floors: dict[str, float], dry: bool = False
) -> str:
    """Return the line of a row: medians; "-" is not there, "void" differs.

    In a rehearsal nothing is a timing: "ran" says that it ran.
    """
    cells = []
    for way in WAYS:
        if way in found.get("void", ()):
            cells.append("void")
        elif way in found.get("us", {}):
            median = statistics.median(found["us"][way])
            cells.append("ran" if dry else short(median))
        else:
            cells.append("-")
    least = None if dry else floor(found, floors)
    cells.append("-" if least is None else short(least))
    return f"{name:<{WIDTH}}" + "".join(f"{cell:>{CELL}}" for cell in cells)


def short(x: float) -> str:
    """Return a number with three digits or so: 0.123, 12.3, 1234.

    >>> short(0.12345), short(12.345), short(12345.6)
    ('0.123', '12.3', '12346')
    """
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.3f}"


def remarks(found: dict[str, Any]) -> list[str]:
    """Return why ways are missing or void."""
    told = [f"{way}: {why}" for way, why in found.get("skipped", {}).items()]
    for way in found.get("void", ()):
        off = found["apart"][way]
        told.append(f"{way}: void, its first results are {off:.1e} from minidl's")
    return told


def summary(
    found: dict[str, Any], floors: dict[str, float], dry: bool = False
) -> dict[str, Any]:
    """Return what is kept of a row: medians with their range, ratios, floor.

    Of a rehearsal: what ran.
    """
    us = {
        way: [statistics.median(times), min(times), max(times)]
        for way, times in found.get("us", {}).items()
    }
    kept = {key: found[key] for key in ("apart", "void", "skipped") if found.get(key)}
    if dry:
        return {"ran": list(us), **kept}
    ratios = {
        f"{ours} / {theirs}": ratio(found, ours, theirs)
        for ours in us
        for theirs in us
        if ours.startswith("minidl") and theirs.startswith("torch")
        if not {ours, theirs} & set(found.get("void", ()))
    }
    return {"us": us, "ratios": ratios, "floor_us": floor(found, floors), **kept}


def speeds(floors: dict[str, float]) -> str:
    """Return the floors in one line."""
    products = ", ".join(
        f"{kind} {floors[kind] / 1e12:.1f}" for kind in ("float32", "tf32", "float16")
    )
    return f"floors: copies {floors['bytes'] / 1e12:.2f} TB/s; TFLOP/s {products}"
