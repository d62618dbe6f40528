"""The bytes of a file of arrays; opening one must never run code from it.

The layout is that of safetensors, which other libraries read and write too:

    8 bytes    n, the length of the header (little-endian)
    n bytes    the header, JSON:  {"__metadata__": {str: str},
               "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}
    the rest   the numbers, little-endian, in C order; offsets count from here

A sealed file bears a checksum: its metadata begin with "sha256", the SHA-256 of all
other bytes, header included. It is checked before anything else is believed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from minidl import backend
from minidl.errors import DTypeError, MinidlError
from minidl.files.whole import replaced

Path = str | os.PathLike[str]
Arrays = dict[str, np.ndarray[Any, Any]]

CODES = {
    "BOOL": "?", "U8": "<u1", "I8": "<i1", "U16": "<u2", "I16": "<i2", "U32": "<u4",
    "I32": "<i4", "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
NAMES = {np.dtype(code): name for name, code in CODES.items()}
HEADER_LIMIT = 100_000_000  # bytes, as in the safetensors library
SIZE_LIMIT = 2**36  # bytes of a whole file, 64 GiB: far more than training here needs

SEAL = b'{"__metadata__":{"sha256":"'  # how a sealed header begins, in byte 8,
SEALED = re.compile(re.escape(SEAL) + rb"[0-9a-f]{64}")  # and goes on
DIGEST = slice(8 + len(SEAL), 8 + len(SEAL) + 64)  # where its checksum stands


# endings that name another layout: a file that bears one would mislead its reader
FOREIGN = {
    ".npz": "numpy.savez(path, **state)", ".npy": "numpy.save(path, array)",
    ".pt": "", ".pth": "", ".pkl": "", ".pickle": "", ".h5": "", ".hdf5": "",
    ".onnx": "", ".zip": "", ".json": "", ".csv": "", ".txt": "",
}  # fmt: skip
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FileError(MinidlError, ValueError):
    """A file that is damaged, cut short, or something else than it should be."""


class SaveError(OSError, FileError):
    """A file that could not be written: the disk is full, read-only, or fails."""

    def __str__(self) -> str:
        return str(self.strerror)


def write(
    path: Path,
    arrays: Mapping[str, Any],
    metadata: Mapping[str, str] | None = None,
    *,
    sealed: bool = False,
) -> None:
    """Write named arrays and a few strings: all of it or, if that fails, nothing.

    sealed   with a checksum, which every reader here checks

    What dead processes left of earlier attempts is removed. Raises DTypeError for what
    a file cannot hold, FileError for a name that ends like another kind of file,
    FileNotFoundError without the folder, and SaveError if the disk is full or fails.
    """
    _check_name(path)
    ready = {name: _plain(name, x) for name, x in arrays.items()}
    seal = {"sha256": "0" * 64} if sealed else {}
    # Wide numbers first: then each array begins at a multiple of its item's size.
    order = sorted(ready, key=lambda name: -ready[name].itemsize)
    text = _header_of(ready, order, seal | dict(metadata or {}) | seal)
    if len(text) > HEADER_LIMIT:
        raise FileError(f"{path}: {len(ready):,} names are too many for one file")
    head = len(text).to_bytes(8, "little") + text
    numbers = [ready[name].reshape(-1).view(np.uint8).data for name in order]
    if sealed:
        before, after = head[: DIGEST.start], head[DIGEST.stop :]
        head = before + digest([before, after, *numbers]) + after
    try:
        with replaced(path) as file:
            file.write(head)
            for piece in numbers:
                file.write(piece)
    except FileNotFoundError:
        raise
    except OSError as error:
        size = len(head) + sum(piece.nbytes for piece in numbers)
        raise SaveError(error.errno, _not_saved(path, error, size)) from error


def _check_name(path: Path) -> None:
    stem, ending = os.path.splitext(os.fspath(path))
    other = FOREIGN.get(ending.lower())
    if other is not None:
        raise FileError(
            f"{path}: the layout written here is that of safetensors, and {ending} "
            f"names another; try {stem}.safetensors{f', or {other}' if other else ''}"
        )


def _not_saved(path: Path, error: OSError, size: int) -> str:
    """Say what failed, and what a full disk lacks."""
    need = ""
    if error.errno in FULL:
        free = shutil.disk_usage(os.path.dirname(os.path.realpath(path))).free
        need = f" (it needs {size:,} bytes, and the disk has {free:,} left)"
    return (
        f"{path} was not saved: {error.strerror or error}{need}; the file that stood "
        "there before, if any, is as it was"
    )


def digest(pieces: Iterable[Any], first: bytes = b"") -> bytes:
    """Return the SHA-256 of all the pieces, in hexadecimal digits."""
    sha256 = hashlib.sha256(first)
    for piece in pieces:
        sha256.update(piece)
    return sha256.hexdigest().encode()


def _header_of(ready: Arrays, order: list[str], metadata: dict[str, str]) -> bytes:
    """Return the header: metadata, then the names in their order; spaces to align."""
    header: dict[str, Any] = {}
    if not is_strings(metadata):
        raise DTypeError("save: metadata are strings; try json.dumps for the rest")
    if metadata:
        header["__metadata__"] = metadata
    offsets, end = {}, 0
    for name in order:
        offsets[name] = [end, end := end + ready[name].nbytes]
    for name, x in ready.items():
        shape, dtype = list(x.shape), NAMES[x.dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets[name]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)


def is_strings(x: object) -> bool:
    """Whether x is a dictionary of strings, as metadata are."""
    return isinstance(x, dict) and all(isinstance(v, str) for v in x.values())


def _plain(name: str, x: object) -> np.ndarray[Any, Any]:
    """Return x as a little-endian array in C order, on the CPU."""
    if not isinstance(name, str) or name == "__metadata__":
        raise DTypeError(f"save: a name must be a string of its own, not {name!r}")
    array = backend.to_numpy(x)
    array = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    if array.dtype not in NAMES:
        raise DTypeError(
            f"save: {name!r} is {array.dtype}; a file holds floats, integers and truth "
            f"values ({', '.join(NAMES.values())}), and metadata hold strings"
        )
    return array
