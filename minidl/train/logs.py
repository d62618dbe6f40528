"""Callbacks that write the history down, for other programs to read.

CSV needs no explanation. Of the files that TensorBoard reads, this is what numbers over
steps need. A file is a row of records, little-endian, each with checksums:

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
from typing import TYPE_CHECKING, Any, ClassVar

from minidl.errors import RangeError
from minidl.train.callback import Callback, Record
from minidl.train.history import PARTS

if TYPE_CHECKING:
    from minidl.train.trainer import Trainer

Path = str | os.PathLike[str]

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5  # types of the wire format
POLYNOMIAL = 0x82F63B78  # CRC-32C (Castagnoli), lowest bit first


class CSVLog(Callback):
    """Keep a CSV file as complete as the history: a line for each epoch, or each step.

    path   the file; it is written anew after every epoch, so that a resumed run has
           one table, and a column that comes late has its place
    part   "epochs" or "steps"

    >>> import tempfile
    >>> from minidl import nn, ops, optim
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.train import Trainer
    >>> net = nn.Linear(2, 2, rng=0)
    >>> opt = optim.SGD(net.parameters(), lr=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = CSVLog(f"{folder}/run.csv")
    ...     trainer = Trainer(net, opt, ops.cross_entropy, callbacks=[log])
    ...     history = trainer.fit(DataLoader(moons(100, rng=0)), epochs=2)
    ...     with open(f"{folder}/run.csv") as file:
    ...         print(file.readline().strip())
    epoch,step,train_loss,lr,seconds
    """

    turn: ClassVar[int] = 5
    writes: ClassVar[bool] = True

    def __init__(self, path: Path, part: str = "epochs") -> None:
        if part not in PARTS:
            raise RangeError(f"CSVLog: part={part!r}; it may be one of {PARTS}")
        self.path, self.part = path, part

    def on_begin(self, trainer: Trainer) -> None:
        """Find out now, and not after an epoch, whether the file can be written."""
        folder = os.path.dirname(os.fspath(self.path))
        if folder:
            os.makedirs(folder, exist_ok=True)
        with open(self.path, "a"):
            pass

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        """Write the table."""
        beside = f"{os.fspath(self.path)}.part"
        trainer.history.to_csv(beside, self.part)
        os.replace(beside, self.path)

    def on_end(self, trainer: Trainer) -> None:
        """After Ctrl-C or an error, write the steps of the epoch that was left."""
        if trainer.position:
            self.on_epoch(trainer, {})


class TensorBoardLog(Callback):
    """Write losses, metrics and rates for `tensorboard --logdir FOLDER`.

    folder   where each `fit` begins a file of its own; a subfolder for each run puts
             their curves into one picture

    Steps are written at the end of each epoch, under "step/…", and so is the record,
    under "epoch/…". It needs nothing to be installed here (the format is below).

    >>> import tempfile
    >>> from minidl import nn, ops, optim
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.train import Trainer
    >>> net = nn.Linear(2, 2, rng=0)
    >>> opt = optim.SGD(net.parameters(), lr=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = TensorBoardLog(folder)
    ...     trainer = Trainer(net, opt, ops.cross_entropy, callbacks=[log])
    ...     history = trainer.fit(DataLoader(moons(100, rng=0)), epochs=2)
    ...     print(os.listdir(folder)[0].startswith("events.out.tfevents"))
    True
    """

    turn: ClassVar[int] = 5
    writes: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file: EventFile | None = None
        self.done = 0  # rows of the steps that are written

    def on_begin(self, trainer: Trainer) -> None:
        """Begin a file; after a resume, the next one goes on where it was left."""
        self.file = EventFile(self.folder)

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        """Write the steps since the last time, and the record."""
        self._steps(trainer)
        assert self.file is not None
        row = {f"epoch/{k}": v for k, v in record.items() if k not in ("epoch", "step")}
        self.file.write({int(record["epoch"]): row})

    def on_end(self, trainer: Trainer) -> None:
        """Write what is left."""
        self._steps(trainer)

    def _steps(self, trainer: Trainer) -> None:
        assert self.file is not None
        columns = [trainer.history.steps.get(k, []) for k in ("step", "loss", "lr")]
        new = list(zip(*(column[self.done :] for column in columns), strict=True))
        self.file.write({t: {"step/loss": x, "step/lr": lr} for t, x, lr in new})
        self.done += len(new)

    def state_dict(self) -> dict[str, Any]:
        """Return how many steps are written already."""
        return {"done": self.done}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on after them."""
        self.done = int(state["done"])


# The format of TensorBoard's files


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
