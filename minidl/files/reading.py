"""Reading without trust: whoever wrote a file may have meant harm, or a disk may have.

A file is refused with one FileError, before anything is made of its contents, and
nothing that stands in it is ever run. layout.py says what the bytes mean.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from minidl.files.layout import (
    CODES,
    DIGEST,
    HEADER_LIMIT,
    SEALED,
    SIZE_LIMIT,
    Arrays,
    FileError,
    Path,
    digest,
    is_strings,
)

SIGNATURES = {  # how files begin that are something else
    b"PK\x03\x04": "a zip archive, such as those of torch.save, and of numpy.savez, "
    "which numpy.load reads",
    b"\x80": "a pickle, as of old versions of torch.save",
    b"\x93NUMPY": "an .npy file; numpy.load reads it",
    b"\x89HDF": "an HDF5 file",
}


def read(
    path: Path, *, sealed: bool = False, limit: int = SIZE_LIMIT
) -> tuple[Arrays, dict[str, str]]:
    """Return the arrays and the strings of a file; FileError if it is not sound.

    sealed   refuse a file without a checksum; a wrong one is refused always
    limit    refuse a file of more bytes

    Nothing is allocated before the header agrees with the size of the file. bfloat16,
    which NumPy does not have, becomes float32.
    """
    with _opened(path, sealed, limit) as contents:
        spans, in_file, metadata = contents.spans, contents.in_file, contents.metadata
        arrays = {name: spans[name].read(contents.file) for name in in_file}
    return {name: arrays[name] for name in spans}, metadata


def inspect(
    path: Path, *, sealed: bool = False, limit: int = SIZE_LIMIT
) -> dict[str, str]:
    """Return the strings of a file after the same checks, and no arrays."""
    with _opened(path, sealed, limit) as contents:
        return contents.metadata


class _Contents(NamedTuple):
    """An open file whose header is sound; the numbers are next in it."""

    file: BufferedReader
    spans: dict[str, _Span]
    in_file: list[str]  # the names, in the order of their numbers
    metadata: dict[str, str]


@contextmanager
def _opened(path: Path, sealed: bool, limit: int) -> Iterator[_Contents]:
    """Open a file and check everything but the numbers (a seal: those too)."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe, or a device without an end
        raise FileError(f"{path} is no regular file")
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise FileError(f"{path} has {size:,} bytes; the limit is {limit:,}")
        n = _header_length(file, size, path)
        has_seal = _check_seal(file, path)
        if sealed and not has_seal:
            raise _damaged(path, "it bears no checksum")
        header = _header(file, n, path)
        metadata = header.pop("__metadata__", {})
        if not is_strings(metadata):
            raise _damaged(path, "its metadata are not strings")
        if has_seal:
            del metadata["sha256"]
        spans = {name: _Span(path, name, entry) for name, entry in header.items()}
        in_file, end = _tiled(spans, path)
        if 8 + n + end != size:
            raise _damaged(path, f"it has {size:,} bytes in place of {8 + n + end:,}")
        yield _Contents(file, spans, in_file, metadata)


def _tiled(spans: dict[str, _Span], path: Path) -> tuple[list[str], int]:
    """Return the names in the order of their numbers, and where these end."""
    in_file = sorted(spans, key=lambda name: (spans[name].begin, spans[name].end))
    end = 0
    for name in in_file:
        if spans[name].begin != end:
            why = f"{_short(name)} does not begin where the last one ends"
            raise _damaged(path, why)
        end = spans[name].end
    return in_file, end


class _Span:
    """What the header says of one array."""

    def __init__(self, path: Path, name: str, entry: Any) -> None:
        self.path, self.name = path, _short(name)
        try:
            code, self.shape = str(entry["dtype"]), tuple(entry["shape"])
            self.begin, self.end = entry["data_offsets"]
        except (TypeError, KeyError, ValueError) as error:
            raise _damaged(path, f"its entry for {self.name} is incomplete") from error
        if code != "BF16" and code not in CODES:
            raise FileError(
                f"{path}: {self.name} is stored as {_short(code)}, which NumPy does "
                "not have; save it as F32 where it comes from"
            )
        self.widen = code == "BF16"
        self.dtype = np.dtype("<u2" if self.widen else CODES[code])
        numbers = (*self.shape, self.begin, self.end)
        if any(type(n) is not int or not 0 <= n < 2**48 for n in numbers):
            raise _damaged(path, f"{self.name} has shape or place {_short(numbers)}")
        if self.end - self.begin != math.prod(self.shape) * self.dtype.itemsize:
            raise _damaged(path, f"{self.name} has another length than its shape says")

    def read(self, file: BufferedReader) -> np.ndarray[Any, Any]:
        """Read the numbers, which are next in the file."""
        try:
            array = np.empty(self.shape, self.dtype)
        except (ValueError, MemoryError) as error:  # 65 axes, or more than there is
            raise _damaged(self.path, f"no room for {self.name}: {error}") from error
        if file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
            raise _damaged(self.path, "it became shorter while it was read")
        if self.widen:  # bfloat16 is the upper half of a float32
            array = (array.astype("<u4") << 16).view("<f4")
        return array.astype(array.dtype.newbyteorder("="), copy=False)


def _header_length(file: BinaryIO, size: int, path: Path) -> int:
    """Return n; what begins in another way is no file of ours."""
    first = file.read(16)
    n = int.from_bytes(first[:8], "little")
    if len(first) > 8 and n <= min(size - 8, HEADER_LIMIT) and first[8:9] == b"{":
        return n
    for signature, what in SIGNATURES.items():
        if first.startswith(signature):
            raise FileError(
                f"{path} is {what}, and no safetensors file; md.load opens no pickles. "
                "For weights of PyTorch: safetensors.torch.save_file, or "
                "nn.load_torch_state_dict in a program that has both"
            )
    raise _damaged(path, f"it has {size:,} bytes and no header at their beginning")


def _check_seal(file: BinaryIO, path: Path) -> bool:
    """Whether the file bears a checksum; FileError if it is a wrong one."""
    file.seek(0)
    start = file.read(DIGEST.stop)
    if not SEALED.fullmatch(start, 8):
        return False
    chunks = iter(lambda: file.read(2**20), b"")
    if digest(chunks, start[: DIGEST.start]) != start[DIGEST]:
        raise _damaged(path, "its checksum is not that of its contents")
    return True


def _header(file: BinaryIO, n: int, path: Path) -> dict[str, Any]:
    file.seek(8)
    try:
        header = json.loads(file.read(n).decode(), object_pairs_hook=_unrepeated)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its header cannot be read ({error})") from error
    return header  # type: ignore[no-any-return]  # it begins with a brace


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(result := dict(pairs)) < len(pairs):
        raise ValueError("a name stands there twice")
    return result


def _damaged(path: Path, why: str) -> FileError:
    return FileError(
        f"{path} is no sound safetensors file: {why}. Was it copied or downloaded to "
        "the end, and was it written by md.save or safetensors?"
    )


def _short(x: object) -> str:
    """Return repr(x), without the length and the control characters of a hostile x."""
    text = repr(x)
    return text if len(text) <= 80 else f"{text[:77]}…"
