"""What a check found: a line for each input, and a sentence for each that is wrong."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.errors import MinidlError

OK, WRONG, KINK, EDGE = "ok", "wrong", "kink", "edge"
WIDE = 60  # columns of a picture in the terminal


class GradientError(MinidlError, AssertionError):
    """A gradient that is not the derivative of what was computed."""


@dataclass
class Finding:
    """The gradient of one input against a difference quotient.

    error       |analytic − numeric|, relative to the size of the gradient
    verdict     "ok", "wrong"; "kink", "edge" where there is no derivative anywhere
    at          the element that is furthest off, None for a slope along a direction
    left, right the one-sided slopes at a kink
    kinks       elements that were left out: kinks and edges of the domain
    compared    elements that were looked at      directions   0: one by one
    missed      probability of not seeing one element that is off by 1 %
    wrong_at    which elements are wrong, if they were looked at one by one
    part        what it belongs to, in a report on several: "in training"
    """

    name: str
    shape: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    verdict: str = OK
    at: tuple[int, ...] | None = None
    value: float = 0.0
    left: float = 0.0
    right: float = 0.0
    kinks: int = 0
    compared: int = 0
    directions: int = 0
    missed: float = 0.0
    wrong_at: Any = None
    bent: Finding | None = None
    tie: bool = False
    part: str = ""

    def __str__(self) -> str:
        where = self.name + (f"[{', '.join(map(str, self.at))}]" if self.at else "")
        if self.verdict == EDGE:
            return (
                f"{where} sits at the edge of the domain, where there is no difference "
                "quotient; look at inputs away from it"
            )
        if self.verdict == KINK:
            near = 1e-6 * (abs(self.left) + abs(self.right)) + 1e-9
            between = min(self.left, self.right) <= self.analytic + near
            between = between and self.analytic - near <= max(self.left, self.right)
            fair = "a fair choice between them" if between else "neither, nor between"
            return (
                f"{where} = {self.value:.6g} sits on a kink: the slope is "
                f"{self.left:.6g} to the left and {self.right:.6g} to the right; "
                f"the gradient says {self.analytic:.6g}, {fair}. There is no "
                "derivative to compare with; look at inputs away from it"
            )
        if self.tie:
            return (
                f"∂L/∂{self.name} is wrong at a tie: where several entries equal "
                f"{self.value:.6g}, their gradients must add up to {self.numeric:.6g}, "
                f"and they add up to {self.analytic:.6g}; choose one, or share"
            )
        said = "" if self.verdict == OK else ", which is wrong"
        return (
            f"∂L/∂{where}: the gradient says {self.analytic:.9g}, a difference "
            f"quotient {self.numeric:.9g} (relative error {self.error:.1e}){said}"
        )


@dataclass
class Report:
    """All findings of a check; true if every gradient is right.

    ok        whether nothing is wrong; kinks are no mistakes
    worst     the finding that is furthest off      wrong, kinks   lists of findings
    faults    what is wrong apart from the numbers: g is written into, a state grows
    text      the whole message      table   a line for each input
    picture   the wrong elements as a grid

    >>> report = Report("f", [Finding("x", (3,), 2.0, 2.0, 0.0)])
    >>> report.ok, report.error, report.worst.name
    (True, 0.0, 'x')
    """

    title: str
    findings: list[Finding] = field(default_factory=list)
    order: str = "gradient"
    faults: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return self.ok

    @property
    def ok(self) -> bool:
        """Whether every gradient is right."""
        return not self.faults and all(f.verdict != WRONG for f in self.findings)

    @property
    def error(self) -> float:
        """The largest relative error of all inputs."""
        return max((f.error for f in self.findings), default=0.0)

    @property
    def worst(self) -> Finding:
        """The finding that is furthest off, a wrong one if there is any."""
        return max(self.findings, key=lambda f: (f.verdict == WRONG, f.error))

    @property
    def wrong(self) -> list[Finding]:
        """The findings that are wrong, in the order of the inputs."""
        return [f for f in self.findings if f.verdict == WRONG]

    @property
    def kinks(self) -> list[Finding]:
        """One finding for each input of which elements were left out."""
        found = []
        for f in self.findings:
            bent = f if f.verdict in (KINK, EDGE) else f.bent
            if bent is not None:
                found.append(bent)
        return found

    @property
    def text(self) -> str:
        """The whole message."""
        return str(self)

    def __str__(self) -> str:
        if self.ok:
            n = len({f.name for f in self.findings})
            lines = [
                f"{self.title}: the {self.order} of {n} input{'s' * (n != 1)} is right "
                f"(largest relative error {self.error:.1e})"
            ]
            if self.order == "rule":
                lines = [f"{self.title}: the steps are those of the formula"]
            return "\n".join([*lines, *self._left_out(), *self._chance()])
        lines = [f"{self.title}: the {self.order} fails"]
        lines += [f"  {said}" for said in self.faults]
        if self.order == "rule":
            f = self.worst
            lines += [
                f"  {f.name}: {f.analytic:.9g} where the formula gives {f.numeric:.9g}"
            ]
            return "\n".join(lines)
        lines += [f"  {f.part + ': ' if f.part else ''}{f}" for f in self.wrong]
        bad = {f.name for f in self.wrong}
        right = [f.name for f in self.findings if f.verdict == OK and f.name not in bad]
        if right:
            lines.append(f"  right for: {', '.join(dict.fromkeys(right))}")
        lines += self._left_out()
        if self.wrong:
            lines.append(
                "  minidl.check.explain, given the same, says what may be wrong"
            )
        return "\n".join(lines)

    def _left_out(self) -> list[str]:
        lines = []
        for f in self.findings:
            if f.kinks or f.verdict in (KINK, EDGE):
                n = f.kinks or 1
                first = f.bent or f
                lines.append(f"  left out: {n} of {f.name} ({first})")
        return lines

    def _chance(self) -> list[str]:
        large = [f for f in self.findings if f.directions and f.compared > 5000]
        return [
            f"  {f.name}: {f.compared} elements along {f.directions} random directions;"
            f" one wrong element, off by 1 %, is missed with probability {f.missed:.0e}"
            for f in large
        ]

    @property
    def table(self) -> str:
        """A line for each input: shape, slopes, relative error, verdict."""
        rows = [("input", "shape", "gradient", "differences", "rel. error", "verdict")]
        for f in self.findings:
            name = f.name + (f"[{', '.join(map(str, f.at))}]" if f.at else "")
            shape = "×".join(map(str, f.shape)) or "–"
            left = f", {f.kinks} left out" if f.kinks else ""
            verdict = f"{f.verdict}{left} {f.part}".strip()
            rows.append(
                (
                    name,
                    shape,
                    f"{f.analytic:.6g}",
                    f"{f.numeric:.6g}",
                    f"{f.error:.1e}",
                    verdict,
                )
            )
        wide = [max(len(r[k]) for r in rows) for k in range(6)]
        return "\n".join(
            "  ".join(
                cell.ljust(w) if k in (0, 1, 5) else cell.rjust(w)
                for k, (cell, w) in enumerate(zip(row, wide, strict=True))
            ).rstrip()
            for row in rows
        )

    @property
    def picture(self) -> str:
        """The wrong elements as a grid, for a terminal: # wrong, · right."""
        parts = []
        for f in self.findings:
            if f.wrong_at is not None and f.wrong_at.any():
                grid = flattened(f.wrong_at)
                rows = [
                    "".join("#" if cell else "·" for cell in row[:WIDE])
                    for row in grid[:WIDE]
                ]
                cut = " (the first rows and columns)" if max(grid.shape) > WIDE else ""
                n = f"{int(f.wrong_at.sum())} of {f.wrong_at.size}"
                head = f"{f.name} {f.shape}: {n} are wrong{cut}"
                parts.append("\n".join([head, *("  " + row for row in rows)]))
        return "\n".join(parts)

    def save_picture(self, path: str | Path) -> bool:
        """Write the grids as a PNG, one below the other; return whether there are any.

        Wrong elements are dark, right ones light: legible in gray as well.
        """
        grids = [
            flattened(f.wrong_at)
            for f in self.findings
            if f.wrong_at is not None and f.wrong_at.any()
        ]
        if not grids:
            return False
        wide = max(g.shape[1] for g in grids)
        side = max(1, min(16, 480 // wide))
        rows = []
        for g in grids:
            cells = np.full((g.shape[0], wide), 255, np.uint8)
            cells[:, : g.shape[1]] = np.where(g, 40, 220)
            big = cells.repeat(side, 0).repeat(side, 1)
            if side > 3:
                big[::side], big[:, ::side] = 255, 255
            rows += [big, np.full((side, big.shape[1]), 255, np.uint8)]
        Path(path).write_bytes(png(np.concatenate(rows)))
        return True


def flattened(a: object) -> Any:
    """Return an array as a grid of two axes: images side by side become rows.

    >>> flattened(np.ones((2, 3, 4))).shape
    (6, 4)
    """
    a = np.asarray(a)
    if a.ndim < 2:
        return a.reshape(1, -1)
    return a.reshape(-1, a.shape[-1])


def png(gray: Array) -> bytes:
    """Return a gray image (H, W) uint8 as a PNG file (RFC 2083)."""
    height, width = gray.shape
    lines = np.concatenate([np.zeros((height, 1), np.uint8), gray], axis=1).tobytes()

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", head),
            chunk(b"IDAT", zlib.compress(lines)),
            chunk(b"IEND", b""),
        ]
    )
