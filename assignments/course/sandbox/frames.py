"""Arrays over a pipe: all that a student's process can say.

A frame is a length and so many bytes; inside, arrays by name, each as

    name length (1), name, dtype code (1), ndim (1), shape (8 each), the raw bytes

with whole numbers in little-endian order. Nothing is unpickled or evaluated, and every
length is checked before memory is taken for it: what does not fit is a `FrameError`,
never a surprise. Even an error travels as an array, the bytes of its text, under a name
that no answer can have.

This file runs in the student's process too, so it imports NumPy and the library only.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

MAGIC = b"mdl1"
HEAD = struct.Struct("<4sI")  # magic, bytes that follow
CAP = 2**24  # bytes of a frame
COUNT = 64  # arrays in a frame
NAME = 64  # bytes of a name
NDIM = 8
ERROR = "!error"  # the text of an exception
LINE = "!line"  # … and the line of the student's file that it came from
READY = "!ready"  # all is imported: the clock of the task starts
CALL = "!call"  # the function that is asked for
TEXT = 4000  # bytes of a text

DTYPES = (  # the code is the place in this list
    "|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8",
    "<f2", "<f4", "<f8", "<c8", "<c16",
)  # fmt: skip
CODES = {np.dtype(name): code for code, name in enumerate(DTYPES)}


class FrameError(Exception):
    """Bytes that are no frame, or an array that cannot travel."""


def encode(arrays: Mapping[str, Any], cap: int = CAP) -> bytes:
    """Return the frame of some arrays.

    >>> decode(encode({"x": np.arange(3.0)})[HEAD.size :])
    {'x': array([0., 1., 2.])}
    """
    if len(arrays) > COUNT:
        raise FrameError(f"{len(arrays)} arrays; at most {COUNT} can be sent")
    parts, size = [struct.pack("<B", len(arrays))], 1
    for name, array in arrays.items():
        key, code = name.encode(), CODES.get(array.dtype.newbyteorder("<"))
        if code is None:
            raise FrameError(f"{name!r} is an array of {array.dtype}, not of numbers")
        if len(key) > NAME or array.ndim > NDIM:
            raise FrameError(
                f"{name!r}: its name or its {array.ndim} axes are too many"
            )
        size += array.nbytes + len(key) + 3 + 8 * array.ndim
        if size > cap:
            raise FrameError(f"{size:,} bytes or more; {cap:,} can be sent")
        parts += [struct.pack("<B", len(key)), key]
        parts += [struct.pack(f"<BB{array.ndim}Q", code, array.ndim, *array.shape)]
        parts += [array.astype(DTYPES[code], order="C", copy=False).tobytes()]
    body = b"".join(parts)
    return HEAD.pack(MAGIC, len(body)) + body


def length(head: bytes, cap: int = CAP) -> int:
    """Return how many bytes follow a head; FrameError if it is none."""
    magic, size = HEAD.unpack(head)
    if magic != MAGIC or size > cap:
        raise FrameError("what came back is no frame of arrays")
    return int(size)


def decode(body: bytes) -> dict[str, Any]:
    """Return the arrays of a frame's bytes, each with memory of its own."""
    arrays: dict[str, Any] = {}
    try:
        count, at = body[0], 1
        for _ in range(count):
            name, array, at = _one(body, at)
            if name in arrays:
                raise FrameError("a name came twice")
            arrays[name] = array
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise FrameError("a frame ends in the middle of an array") from error
    if at != len(body) or count > COUNT:
        raise FrameError("a frame holds more than its arrays")
    return arrays


def _one(body: bytes, at: int) -> tuple[str, Any, int]:
    """Return the name and the array that begin at a place, and where they end."""
    end = at + 1 + body[at]
    name = body[at + 1 : end].decode("ascii")
    code, ndim = struct.unpack_from("<BB", body, end)
    if code >= len(DTYPES) or ndim > NDIM or len(name) > NAME:
        raise FrameError("an array of no kind that is known")
    shape = struct.unpack_from(f"<{ndim}Q", body, end + 2)
    dtype, start = np.dtype(DTYPES[code]), end + 2 + 8 * ndim
    stop = start + math.prod(shape) * dtype.itemsize  # Python's numbers: no overflow
    if max(shape, default=0) > CAP or stop > len(body):
        raise FrameError("an array is larger than its frame")
    raw = np.frombuffer(body[start:stop], np.uint8)
    if dtype.kind == "b":
        return name, (raw != 0).reshape(shape), stop
    native = raw.view(dtype).astype(dtype.newbyteorder("="))
    return name, native.reshape(shape), stop


def text(words: str) -> Any:
    """Return a text as an array of bytes, cut if it is long."""
    return np.frombuffer(words.encode("utf-8", "replace")[:TEXT], np.uint8)


def words(array: Any) -> str:
    """Return the text of such an array; whatever it holds, there is one."""
    raw = np.asarray(array, np.uint8).tobytes()[:TEXT]
    return raw.decode("utf-8", "replace")


def told(answer: Mapping[str, Any]) -> tuple[str, int] | None:
    """Return what an error frame says and the line it names, None of arrays.

    No byte of it is to be trusted; a line that is no whole number is none: 0.
    """
    if ERROR not in answer:
        return None
    line = answer.get(LINE, np.array(0))
    known = line.shape == () and line.dtype.kind in "iu" and 0 < int(line) < 10**6
    return words(answer[ERROR].ravel().view("u1")), int(line) if known else 0


def read(take: Callable[[int], bytes], cap: int = CAP) -> dict[str, Any] | None:
    """Read one frame with a function that reads at most n bytes; None at the end."""
    head = _exactly(take, HEAD.size)
    if not head:
        return None
    return decode(_exactly(take, length(head, cap)))


def _exactly(take: Callable[[int], bytes], size: int) -> bytes:
    parts, missing = [], size
    while missing and (part := take(min(missing, 2**16))):
        parts.append(part)
        missing -= len(part)
    if missing and parts:
        raise FrameError("the pipe closed in the middle of a frame")
    return b"".join(parts)
