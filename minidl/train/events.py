"""The files that TensorBoard reads, as far as numbers over steps need them.

A file is a row of records, little-endian, each with checksums:

    8 bytes  n, the length    4 bytes  masked CRC of these 8
    n bytes  the content      4 bytes  masked CRC of the content

The content is an Event, in the wire format of Protocol Buffers: fields one after the
other, each a key (number << 3 | type) and a value.

    Event        1 wall_time (double)   2 step (int64)   3 file_version (string)
                 5 summary (Summary)
    Summary      1 value (Value), repeated
    Value        1 tag (string)         2 simple_value (float)
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping

Path = str | os.PathLike[str]

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5  # types of the wire format
POLYNOMIAL = 0x82F63B78  # CRC-32C (Castagnoli), lowest bit first


def _table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


TABLE = _table()


def crc32c(data: bytes) -> int:
    """Return the checksum CRC-32C.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    """Turn and shift a CRC, so that data which hold CRCs are checked as well."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(n: int) -> bytes:
    """Return a whole number, seven bits a byte, the lowest first.

    >>> varint(300).hex()
    'ac02'
    """
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes([*out, n])


def field(number: int, kind: int, value: bytes) -> bytes:
    """Return one field; the value of kind BYTES gets its length in front."""
    size = varint(len(value)) if kind == BYTES else b""
    return varint(number << 3 | kind) + size + value


def record(content: bytes) -> bytes:
    """Return the content between its length and its checksums."""
    size = struct.pack("<Q", len(content))
    sums = (struct.pack("<I", masked(crc32c(part))) for part in (size, content))
    return size + next(sums) + content + next(sums)


def event(step: int, when: float, numbers: Mapping[str, float]) -> bytes:
    """Return an Event with named numbers."""
    values = b"".join(
        field(1, BYTES, field(1, BYTES, tag.encode()) + field(2, FOUR, _float(number)))
        for tag, number in numbers.items()
    )
    head = field(1, EIGHT, struct.pack("<d", when)) + field(2, VARINT, varint(step))
    return head + field(5, BYTES, values)


def _float(number: float) -> bytes:
    try:
        return struct.pack("<f", number)
    except OverflowError:  # beyond float32
        return struct.pack("<f", float("inf") if number > 0 else float("-inf"))


class EventFile:
    """A new file of events in a folder; every write is complete on disk at once."""

    def __init__(self, folder: Path) -> None:
        os.makedirs(folder, exist_ok=True)
        now = time.time()
        stem = f"events.out.tfevents.{int(now)}.{socket.gethostname()}.{os.getpid()}"
        names = (f"{stem}.{i}" for i in range(1000))
        self.path = next(
            path
            for path in (os.path.join(folder, name) for name in names)
            if not os.path.exists(path)
        )
        version = field(3, BYTES, b"brain.Event:2")
        self._append(record(field(1, EIGHT, struct.pack("<d", now)) + version))

    def write(self, rows: Mapping[int, Mapping[str, float]]) -> None:
        """Add {step: {tag: number}}."""
        now = time.time()
        self._append(b"".join(record(event(t, now, row)) for t, row in rows.items()))

    def _append(self, data: bytes) -> None:
        with open(self.path, "ab") as file:
            file.write(data)
