"""Numbers and arrays as HTML: a small array in full, a large one as a summary.

Drawn by hand, because a page of many steps needs many of them, in dark and in light.
"""

from __future__ import annotations

import base64
import struct
import zlib
from html import escape
from typing import Any

import numpy as np

from minidl.engine.tensor import TensorLike
from minidl.show.style import numbers

CELLS, WIDE = 36, 12  # what is shown number by number
BARS = 40
Numbers = np.ndarray[Any, Any]


def number(x: float) -> str:
    """Write a number in a few letters.

    >>> number(-0.12345), number(-0.0)
    ('−0.123', '0')
    """
    return f"{x + 0.0:.3g}".replace("-", "−")


def short(x: TensorLike) -> str:
    """Write a number in a few letters, an array as its shape."""
    x = np.asarray(x)
    return number(x.item()) if x.size == 1 else str(x.shape)


def array(x: TensorLike) -> str:
    """Return HTML for an array: its numbers, or shape, mean and ends if it is large."""
    x = numbers(x)
    if x.ndim == 0:
        return f'<span class="number">{number(x.item())}</span>'
    rows = x.reshape(-1, x.shape[-1]) if x.ndim < 3 else x
    if x.ndim > 2 or x.size > CELLS or rows.shape[-1] > WIDE or not x.size:
        return f"<span>{escape(summary(x))}</span>"
    lines = "".join(
        "<tr>" + "".join(f"<td>{number(v)}</td>" for v in row) + "</tr>" for row in rows
    )
    return f'<table class="grid">{lines}</table>'


def summary(x: Numbers) -> str:
    """Return shape, mean, spread and ends of an array in one line."""
    finite = x[np.isfinite(x)]
    if not finite.size:
        return f"{x.shape}: no finite number" if x.size else f"{x.shape}: empty"
    words = (
        f"{x.shape}: mean {number(finite.mean())}, std {number(finite.std())}, "
        f"{number(finite.min())} to {number(finite.max())}"
    )
    lost = x.size - finite.size
    return words + (f"; {lost} not finite" if lost else "")


def bars(x: TensorLike, what: str) -> str:
    """Return a histogram of all numbers of an array as SVG, and its ends in words."""
    x = numbers(x).reshape(-1)
    finite = x[np.isfinite(x)]
    if not finite.size:
        return "<p>no finite number in it</p>"
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        return f"<p>{len(x):,} × the same number, {number(low)}</p>"
    heights, _ = np.histogram(finite, bins=BARS, range=(low, high))
    heights = heights / heights.max()
    boxes = "".join(
        f'<rect x="{i * 5 + 0.5}" y="{58 - 56 * h:.1f}" width="4" '
        f'height="{56 * h:.1f}"/>'
        for i, h in enumerate(heights)
        if h
    )
    at = 5 * BARS * -low / (high - low)
    zero = f'<line class="zero" x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="58"/>'
    label = escape(f"histogram of {what}: {summary(x)}")
    return (
        f'<svg class="bars" viewBox="0 0 {5 * BARS} 60" preserveAspectRatio="none" '
        f'role="img" aria-label="{label}">{boxes}'
        f'<line x1="0" x2="{5 * BARS}" y1="58.5" y2="58.5"/>'
        f"{zero if low < 0 < high else ''}</svg>"
        f'<p class="quiet">{number(low)} to {number(high)}, mean '
        f"{number(finite.mean())}, std {number(finite.std())}{_zeros(x)}</p>"
    )


def _zeros(x: Numbers) -> str:
    """Say how many of the numbers are 0 or not finite, if any are."""
    zeros, lost = float((x == 0).mean()), int((~np.isfinite(x)).sum())
    words = f"; {100 * zeros:.0f} % are 0" if zeros >= 0.005 else ""
    return words + (f"; {lost} not finite" if lost else "")


def gray(x: TensorLike, what: str) -> str:
    """Return a matrix as an image in gray levels: black its smallest number."""
    x = numbers(x)
    low, high = np.nanmin(x), np.nanmax(x)
    with np.errstate(invalid="ignore"):
        level = np.nan_to_num((x - low) / (high - low or 1.0)) * 255
    code = base64.b64encode(png(level.astype(np.uint8))).decode()
    return f'<img alt="{escape(what)}" src="data:image/png;base64,{code}">'


def png(levels: Numbers) -> bytes:
    """Return gray levels (H, W), 0 to 255, as a PNG file (its standard, RFC 2083).

    >>> png(np.zeros((2, 3), np.uint8))[:4]
    b'\\x89PNG'
    """
    height, width = levels.shape
    rows = np.pad(levels.astype(np.uint8), ((0, 0), (1, 0)))  # 0 before each: no filter
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b"")]
    out = b"\x89PNG\r\n\x1a\n"
    for name, data in parts:
        check = struct.pack(">I", zlib.crc32(name + data))
        out += struct.pack(">I", len(data)) + name + data + check
    return out
