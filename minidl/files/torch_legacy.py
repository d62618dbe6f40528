"""Weights in the files of torch.save before PyTorch 1.6, without PyTorch.

Such a file is five pickles and then the numbers:

    a magic number, the version of the protocol, facts about the machine
    the state    OrderedDict of name → tensor; a tensor names a storage, and says which
                 of its numbers are its own: offset, shape and strides
    the keys     of the storages, in the order of their numbers
    the numbers  of each storage: how many (8 bytes), then they, little-endian

A pickle is a program: it names functions, and has them called. Here it can name a
dictionary, a tensor and the kinds of storages, which do nothing but keep what they are
given; any other name is refused before it is looked up. Nor is a file read that is not,
bit for bit, the one that is meant: whoever calls `read_torch` knows its SHA-256.
"""

from __future__ import annotations

import hashlib
import io
import math
import pickle
import struct
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.files.layout import Arrays, FileError, Path

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
STORAGES = {  # the names of storages, and the numbers in them
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2",
    "CharStorage": "<i1", "ByteStorage": "<u1", "BoolStorage": "?",
}  # fmt: skip
SIZE_LIMIT = 2**31  # bytes of a file, which is read as a whole


def read_torch(path: Path, sha256: str) -> Arrays:
    """Return name → array of the one file that has this SHA-256.

    Raises FileError if the file is another one, or does not hold a state_dict of the
    legacy layout; OSError if it cannot be read.
    """
    with open(path, "rb") as file:
        content = file.read(SIZE_LIMIT + 1)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise FileError(
            f"{path} is not the file that is meant: its SHA-256 is {found[:12]}…, not "
            f"{sha256[:12]}…; nothing of it was opened. Install it again"
        )
    return unpacked(content, str(path))


def unpacked(content: bytes, name: str) -> Arrays:
    """Return name → array of the bytes of such a file; FileError if they are not."""
    try:
        return _unpacked(content)
    except FileError as error:
        raise FileError(f"{name}: {error}") from None
    except Exception as error:  # a pickle may be broken in any way
        raise FileError(
            f"{name} is no sound file of torch.save in its legacy layout: "
            f"{type(error).__name__}: {str(error)[:80]}"
        ) from error


@dataclass(frozen=True)
class _Storage:
    """Where numbers will be: all tensors of one key share them."""

    code: str
    key: str
    length: int


@dataclass(frozen=True)
class _View:
    """A tensor: some numbers of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return these numbers of all, as an array of its own."""
        sizes = (self.offset, *self.shape, *self.strides)
        if any(type(n) is not int or not 0 <= n < 2**48 for n in sizes):
            raise FileError("a tensor has a shape or a place that is no number")
        size = math.prod(self.shape)
        steps = zip(self.shape, self.strides, strict=True)
        last = self.offset + sum((n - 1) * s for n, s in steps)
        if size and (last >= len(numbers) or size > len(numbers)):
            raise FileError(
                f"a tensor {self.shape} is larger than its storage of {len(numbers)} "
                "numbers"
            )
        strides = [s * numbers.itemsize for s in self.strides]
        view = np.lib.stride_tricks.as_strided(
            numbers[self.offset :], self.shape, strides, writeable=False
        )
        return np.array(view, numbers.dtype.newbyteorder("="), order="C")


def _rebuild(storage: Any, offset: int, shape: Any, strides: Any, *_: Any) -> _View:
    """Stand for torch._utils._rebuild_tensor_v2; what follows is about gradients."""
    if not isinstance(storage, _Storage):
        raise FileError("a tensor without a storage")
    return _View(storage, offset, tuple(shape), tuple(strides))


ADMITTED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
    **{("torch", name): code for name, code in STORAGES.items()},
}


class _Unpickler(pickle._Unpickler):
    """A pickle's program, which may name what is admitted and nothing else.

    It is the one written in Python: that in C makes room for as many memories as the
    file asks for, which may be billions.
    """

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name; FileError before anything is imported."""
        if (module, name) not in ADMITTED:
            raise FileError(
                f"its pickle names {module[:40]}.{name[:40]}, and weights need only "
                "OrderedDict, tensors and their storages; a file that wants more may "
                "run any program: it was not opened further"
            )
        return ADMITTED[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        """Return the storage that a tensor names."""
        kind, code, key, _device, length, view = pid
        known = kind == "storage" and code in STORAGES.values() and view is None
        if not (known and isinstance(key, str) and type(length) is int):
            raise FileError("its pickle names a storage of a kind that is not known")
        return _Storage(code, key, length)


def _unpacked(content: bytes) -> Arrays:
    file = io.BytesIO(content)
    magic, protocol, machine = (_Unpickler(file).load() for _ in range(3))
    if (magic, protocol) != (MAGIC, PROTOCOL) or machine["little_endian"] is not True:
        raise FileError(
            "no file of torch.save in its legacy layout, which PyTorch wrote until 1.5 "
            "and on little-endian machines"
        )
    state = _Unpickler(file).load()
    keys = _Unpickler(file).load()
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(view, _View)
        for name, view in state.items()
    ):
        raise FileError("it holds something else than a state_dict of tensors")
    codes = {view.storage.key: view.storage.code for view in state.values()}
    if not set(keys) >= set(codes):
        raise FileError("it has tensors without numbers")
    numbers = {}
    for key in keys:
        (n,) = struct.unpack("<q", file.read(8))
        dtype = np.dtype(codes[key])
        raw = file.read(n * dtype.itemsize) if n >= 0 else b""
        if len(raw) != n * dtype.itemsize:
            raise FileError("it ends within the numbers of a storage")
        numbers[key] = np.frombuffer(raw, dtype)
    if file.read(1):
        raise FileError("it goes on behind its last number")
    return {name: view.of(numbers[view.storage.key]) for name, view in state.items()}
