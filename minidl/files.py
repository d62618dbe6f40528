"""Arrays in a file, without pickle: opening a file must never run code from it.

The layout is that of safetensors, which other libraries read and write too:

    8 bytes    n, the length of the header (little-endian)
    n bytes    the header, JSON:  {"__metadata__": {str: str},
               "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}
    the rest   the numbers, little-endian, in C order; offsets count from here

A file is written beside its place and moved there when it is complete, so that a crash,
or a full disk, leaves the old file as it was.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any, Protocol

import numpy as np

from minidl import backend
from minidl.backend import Array
from minidl.errors import DTypeError, MinidlError

Path = str | os.PathLike[str]
Arrays = dict[str, np.ndarray[Any, Any]]

CODES = {
    "BOOL": "?", "U8": "<u1", "I8": "<i1", "U16": "<u2", "I16": "<i2", "U32": "<u4",
    "I32": "<i4", "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
NAMES = {np.dtype(code): name for name, code in CODES.items()}
SIGNATURES = {  # how files begin that are something else
    b"PK": "a zip archive, such as those of torch.save and numpy.savez",
    b"\x80": "a pickle, as of old versions of torch.save",
    b"\x93NUMPY": "an .npy file; numpy.load reads it",
    b"\x89HDF": "an HDF5 file",
}
HEADER_LIMIT = 100_000_000  # bytes, as in the safetensors library


class FileError(MinidlError, ValueError):
    """A file that is damaged, cut short, or something else than it should be."""


class HasState(Protocol):
    """What `save` and `load` need of a model: a Module has both."""

    def state_dict(self) -> dict[str, Array]:
        """Return name → array."""

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Any:
        """Write the values of `state` into the model."""


# A model's state


def save(model: HasState | Mapping[str, Any], path: Path) -> None:
    """Write the state of a module, or any mapping of name → array, to a file.

    >>> import minidl as md, tempfile
    >>> net = md.nn.Linear(3, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     md.save(net, f"{folder}/net.safetensors")
    ...     twin = md.load(f"{folder}/net.safetensors", md.nn.Linear(3, 2))
    >>> bool((twin.weight == net.weight).all())
    True
    """
    state = model if isinstance(model, Mapping) else model.state_dict()
    write(path, state)


def load(path: Path, model: Any = None, strict: bool = True) -> Any:
    """Read a file that `save` made: into `model`, which is returned, or as a dictionary.

    The dictionary maps names to NumPy arrays. `strict` is that of `load_state_dict`.
    Raises FileError for a file of another kind, or a damaged one; what does not fit the
    model raises as `load_state_dict` does, and leaves the model as it was.
    """
    state = read(path)[0]
    if model is None:
        return state
    model.load_state_dict(state, strict)
    return model


# Any arrays


def write(
    path: Path, arrays: Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays and a few strings; all of it or, if something fails, nothing."""
    ready = {name: _plain(name, x) for name, x in arrays.items()}
    header: dict[str, Any] = {}
    if metadata:
        header["__metadata__"] = dict(metadata)
        if not _is_strings(header["__metadata__"]):
            raise DTypeError("save: metadata are strings; try json.dumps for the rest")
    # Wide numbers first: then each array begins at a multiple of its item's size.
    order = sorted(ready, key=lambda name: -ready[name].itemsize)
    offsets, end = {}, 0
    for name in order:
        offsets[name] = [end, end := end + ready[name].nbytes]
    for name, x in ready.items():
        shape, dtype = list(x.shape), NAMES[x.dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets[name]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > HEADER_LIMIT:
        raise FileError(f"{path}: {len(ready):,} names are too many for one file")
    with replaced(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            file.write(ready[name].reshape(-1).view(np.uint8).data)


def read(path: Path) -> tuple[Arrays, dict[str, str]]:
    """Return the arrays and the strings of a file; FileError if it is not sound.

    Nothing is allocated before the header agrees with the size of the file. bfloat16,
    which NumPy does not have, becomes float32.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        header, start = _header(file, size, path)
        metadata = header.pop("__metadata__", {})
        if not _is_strings(metadata):
            raise _damaged(path, "its metadata are not strings")
        spans = {name: _Span(path, name, entry) for name, entry in header.items()}
        in_file = sorted(spans, key=lambda name: (spans[name].begin, spans[name].end))
        end = 0
        for name in in_file:
            if spans[name].begin != end:
                raise _damaged(path, f"{name!r} does not begin where the last one ends")
            end = spans[name].end
        if start + end != size:
            raise _damaged(path, f"it has {size:,} bytes in place of {start + end:,}")
        arrays = {name: spans[name].read(file) for name in in_file}
    return {name: arrays[name] for name in spans}, metadata


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """Give a new file to write; at the end it takes the place of `path`, all at once.

    If anything fails before, the old file stays as it was, and the new one is removed.
    """
    path = os.path.realpath(path)  # through a link, which stays a link
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"there is no folder {folder!r} to write {name!r} into")
    new = os.path.join(folder, f".{name}.{os.urandom(6).hex()}.tmp")
    try:
        with open(new, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # on the disk, before the name points to it
        os.replace(new, path)
    finally:
        with suppress(FileNotFoundError):
            os.remove(new)
    if hasattr(os, "O_DIRECTORY"):  # POSIX: the new name is to survive a crash too
        entry = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)


# The parts of a file


class _Span:
    """What the header says of one array."""

    def __init__(self, path: Path, name: str, entry: Any) -> None:
        try:
            code, self.shape = entry["dtype"], tuple(entry["shape"])
            self.begin, self.end = entry["data_offsets"]
        except (TypeError, KeyError, ValueError) as error:
            raise _damaged(path, f"its entry for {name!r} is incomplete") from error
        if code != "BF16" and code not in CODES:
            raise FileError(
                f"{path}: {name!r} is stored as {code}, which NumPy does not have; save "
                "it as F32 where it comes from"
            )
        self.widen = code == "BF16"
        self.dtype = np.dtype("<u2" if self.widen else CODES[code])
        numbers = (*self.shape, self.begin, self.end)
        if any(type(n) is not int or n < 0 for n in numbers):
            raise _damaged(path, f"{name!r} has shape or place {numbers}")
        if self.end - self.begin != math.prod(self.shape) * self.dtype.itemsize:
            raise _damaged(path, f"{name!r} has another length than its shape says")

    def read(self, file: IO[bytes]) -> np.ndarray[Any, Any]:
        """Read the numbers, which are next in the file."""
        array = np.empty(self.shape, self.dtype)
        file.readinto(array.reshape(-1).view(np.uint8).data)  # type: ignore[attr-defined]
        if self.widen:  # bfloat16 is the upper half of a float32
            array = (array.astype("<u4") << 16).view("<f4")
        return array.astype(array.dtype.newbyteorder("="), copy=False)


def _header(file: IO[bytes], size: int, path: Path) -> tuple[dict[str, Any], int]:
    """Return the header, and where the numbers begin."""
    first = file.read(16)
    for signature, what in SIGNATURES.items():
        if first.startswith(signature):
            raise FileError(
                f"{path} is {what}, and no safetensors file; minidl opens no pickles. "
                "Weights of PyTorch: save_file of safetensors.torch, or "
                "nn.load_torch_state_dict in a program that has torch"
            )
    n = int.from_bytes(first[:8], "little")
    if len(first) < 8 or n > min(size - 8, HEADER_LIMIT) or first[8:9] not in b"{":
        raise _damaged(path, f"it has {size:,} bytes and no header at their beginning")
    file.seek(8)
    try:
        header = json.loads(file.read(n).decode(), object_pairs_hook=_unrepeated)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its header cannot be read ({error})") from error
    return header, 8 + n


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(result := dict(pairs)) < len(pairs):
        raise ValueError("a name stands there twice")
    return result


def _damaged(path: Path, why: str) -> FileError:
    return FileError(
        f"{path} is no sound safetensors file: {why}. Was it copied or downloaded to "
        "the end, and was it written by minidl.save or safetensors?"
    )


def _is_strings(x: Any) -> bool:
    return isinstance(x, dict) and all(isinstance(v, str) for v in x.values())


def _plain(name: str, x: Any) -> np.ndarray[Any, Any]:
    """Return x as a little-endian array in C order, on the CPU."""
    if not isinstance(name, str) or name == "__metadata__":
        raise DTypeError(f"save: a name must be a string of its own, not {name!r}")
    x = backend.to_numpy(x)
    x = x.astype(x.dtype.newbyteorder("<"), order="C", copy=False)
    if x.dtype not in NAMES:
        raise DTypeError(
            f"save: {name!r} is {x.dtype}; a file holds floats, integers and truth "
            f"values ({', '.join(NAMES.values())}), and metadata hold strings"
        )
    return x
