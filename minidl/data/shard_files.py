"""Files of samples: rows from first to last, of .npy, .npz and Parquet.

Each kind of file says its columns and its number of rows when it is opened, and reads a
block of rows when it is asked to. Nothing stays open or mapped in between: pages of a
mapped file count as memory of the process for as long as it is mapped.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from minidl.backend import Array
from minidl.errors import DataError

Column = str | tuple[str, ...]
Kind = tuple[str, Any, tuple[int, ...]]  # name, dtype, shape of one sample


class ShardFile(Protocol):
    """What all kinds of files have."""

    rows: int

    def blocks(self, size: int) -> list[tuple[int, int]]:
        """Return (first row, number of rows) of each block."""

    def read(
        self, columns: Sequence[Column], first: int, rows: int
    ) -> tuple[Array, ...]:
        """Return a block of rows, an array for each column."""

    def kinds(self, columns: Sequence[Column]) -> list[Kind]:
        """Return the name, dtype and shape of a sample of each column."""


class Where(NamedTuple):
    """An array in a file: its header, and where its numbers begin."""

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: Any


class NumpyFile:
    """Columns that are arrays of NumPy, in one .npz or in a .npy each."""

    def __init__(self, arrays: dict[str, Where]) -> None:
        self.arrays = arrays
        lengths = {name: where.shape[0] for name, where in arrays.items()}
        if len(set(lengths.values())) > 1:
            paths = sorted({str(where.path) for where in arrays.values()})
            raise DataError(
                f"Shards: {', '.join(paths)}: the columns have different numbers of "
                f"rows, {lengths}; every sample needs a row in each"
            )
        self.rows = next(iter(lengths.values()))

    def blocks(self, size: int) -> list[tuple[int, int]]:
        """Return blocks of `size` rows; the last one may be shorter."""
        return [(i, min(size, self.rows - i)) for i in range(0, self.rows, size)]

    def read(
        self, columns: Sequence[Column], first: int, rows: int
    ) -> tuple[Array, ...]:
        """Map the files, copy the rows, and let go of the files."""
        return tuple(
            joined([self._rows(name, first, rows) for name in several(column)], column)
            for column in columns
        )

    def _rows(self, name: str, first: int, rows: int) -> Array:
        at = self.arrays[name]
        mapped = np.memmap(at.path, at.dtype, "r", at.offset, at.shape)
        return np.array(mapped[first : first + rows])

    def kinds(self, columns: Sequence[Column]) -> list[Kind]:
        """Return what the headers say."""
        found = {n: (n, a.dtype, a.shape[1:]) for n, a in self.arrays.items()}
        return [_kind([found[name] for name in several(c)]) for c in columns]


class ParquetFile:
    """A Parquet file, read by pyarrow; its row groups are the blocks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        opened = self._open()
        self.names: list[str] = opened.schema_arrow.names
        meta = opened.metadata
        self.groups = [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]
        self.rows = sum(self.groups)
        opened.close()

    def _open(self) -> Any:
        try:
            parquet = import_module("pyarrow.parquet")
        except ImportError as error:
            raise ImportError(
                f"{self.path} is a Parquet file, and reading it needs pyarrow: "
                'pip install "minidl[parquet]"'
            ) from error
        try:
            return parquet.ParquetFile(self.path)
        except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
            raise DataError(
                f"Shards: {self.path} is no Parquet file: {error}"
            ) from error

    def blocks(self, size: int) -> list[tuple[int, int]]:
        """Return the row groups."""
        starts = np.cumsum([0, *self.groups])[:-1]
        return [(int(a), n) for a, n in zip(starts, self.groups, strict=True) if n]

    def read(
        self, columns: Sequence[Column], first: int, rows: int
    ) -> tuple[Array, ...]:
        """Read the row group that begins there."""
        group = (
            int(np.searchsorted(np.cumsum([0, *self.groups]), first, side="right")) - 1
        )
        names = [name for column in columns for name in several(column)]
        opened = self._open()
        table = opened.read_row_group(group, columns=list(dict.fromkeys(names)))
        opened.close()
        return tuple(
            joined([self._numbers(table, name) for name in several(column)], column)
            for column in columns
        )

    def _numbers(self, table: Any, name: str) -> Array:
        """Return a column: (N,) numbers, or (N, D) from lists of one length."""
        column = table.column(name).combine_chunks()
        if column.null_count:
            raise DataError(
                f"Shards: {self.path}: column {name!r} has {column.null_count} rows "
                "without a value; fill or drop them before"
            )
        kind = str(column.type)
        if kind.startswith(("list", "fixed_size_list", "large_list")):
            flat = column.flatten().to_numpy(zero_copy_only=False)
            if len(flat) % max(1, len(column)):
                raise DataError(
                    f"Shards: {self.path}: the lists of column {name!r} have several "
                    "lengths; pad them to one"
                )
            return flat.reshape(len(column), -1)
        return column.to_numpy(zero_copy_only=False)

    def kinds(self, columns: Sequence[Column]) -> list[Kind]:
        """Return what the first row group holds."""
        if not self.rows:
            return []
        first, rows = self.blocks(1)[0]
        arrays = self.read(columns, first, rows)
        return [
            (" ".join(several(c)), a.dtype, a.shape[1:])
            for c, a in zip(columns, arrays, strict=True)
        ]


def several(column: Column) -> tuple[str, ...]:
    """Return the names that a column is made of."""
    return (column,) if isinstance(column, str) else tuple(column)


def joined(arrays: Sequence[Array], column: Column) -> Array:
    """Return one array as it is; several (N,) or (N, D), side by side."""
    if isinstance(column, str):
        return arrays[0]
    rows = [a.reshape(len(a), -1) for a in arrays]
    return np.concatenate(rows, axis=1)


def _kind(kinds: Sequence[Kind]) -> Kind:
    if len(kinds) == 1:
        return kinds[0]
    width = sum(int(np.prod(shape)) for _, _, shape in kinds)
    names = " ".join(name for name, _, _ in kinds)
    return names, np.result_type(*(dtype for _, dtype, _ in kinds)), (width,)


# Opening a folder


def open_shards(
    folder: Path, columns: Sequence[Column] | None
) -> tuple[list[ShardFile], list[Column]]:
    """Return the files of a folder that have rows, and the columns to read of them."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(
            f"Shards: no such folder: {folder} ({error.strerror})"
        ) from error
    files = [
        NumpyFile({n: _header(p) for n, p in group.items()}) for group in _npy(paths)
    ]
    found: list[tuple[Any, list[str]]] = [(file, list(file.arrays)) for file in files]
    for path in paths:
        if path.suffix == ".npz":
            zipped = NumpyFile(_members(path))
            found.append((zipped, list(zipped.arrays)))
        elif path.suffix == ".parquet":
            table = ParquetFile(path)
            found.append((table, table.names))
    if not found:
        raise DataError(
            f"Shards: {folder} has no .npy, .npz or .parquet file; write some with "
            "np.savez(f'{folder}/{i:04}.npz', x=x, y=y)"
        )
    chosen: list[Column] = [*(_first_x(found[0][1]) if columns is None else columns)]
    for file, names in found:
        lacking = {n for c in chosen for n in several(c)} - set(names)
        if lacking:
            raise DataError(
                f"Shards: {_name(file)} lacks the columns {sorted(lacking)}; it has "
                f"{names}. All files of the folder have the same columns"
            )
    whole = [file for file, _ in found if file.rows]
    _alike(whole, chosen)
    return whole, chosen


def _alike(files: Sequence[Any], columns: Sequence[Column]) -> None:
    """Raise unless samples of all files have one dtype and shape."""
    first = files[0].kinds(columns) if files else []
    for file in files[1:]:
        if (kinds := file.kinds(columns)) != first:
            raise DataError(
                f"Shards: a sample of {_name(files[0])} is {first}, of {_name(file)} "
                f"{kinds}; all files need the same dtypes and shapes"
            )


def _name(file: Any) -> str:
    return str(getattr(file, "path", None) or next(iter(file.arrays.values())).path)


def _first_x(names: Sequence[str]) -> list[str]:
    """Return all columns, x and y before the others."""
    return sorted(names, key=lambda name: {"x": 0, "y": 1}.get(name, 2))


def _npy(paths: Sequence[Path]) -> list[dict[str, Path]]:
    """Return {column: path} of each group of .npy files: x-000.npy beside y-000.npy."""
    groups: dict[str, dict[str, Path]] = {}
    for path in paths:
        if path.suffix == ".npy":
            column, hyphen, number = path.stem.partition("-")
            key = number if hyphen else path.stem
            groups.setdefault(key, {})[column if hyphen else "x"] = path
    return [groups[key] for key in sorted(groups)]


def _header(path: Path) -> Where:
    with open(path, "rb") as file:
        return _where(path, file)


def _where(path: Path, file: Any) -> Where:
    """Read the header of an array, where the file stands."""
    try:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = read(file)
    except (ValueError, KeyError) as error:
        raise DataError(f"Shards: {path} holds no array of NumPy: {error}") from error
    if fortran or dtype.hasobject or not shape:
        raise DataError(
            f"Shards: {path}: an array of {dtype} {shape} cannot be read by rows; it "
            "should hold numbers, one row for each sample, in C order: "
            "np.ascontiguousarray(x)"
        )
    return Where(path, file.tell(), shape, dtype)


def _members(path: Path) -> dict[str, Where]:
    """Return where the arrays of a .npz stand, which are files in a zip, not packed."""
    found = {}
    try:
        with zipfile.ZipFile(path) as archive, open(path, "rb") as raw:
            for info in archive.infolist():
                if info.compress_type != zipfile.ZIP_STORED:
                    raise DataError(
                        f"Shards: {path} is compressed and cannot be mapped into "
                        "memory; write it with np.savez, not np.savez_compressed"
                    )
                raw.seek(info.header_offset + 26)  # lengths of the name and the extra
                name, extra = (int.from_bytes(raw.read(2), "little") for _ in range(2))
                raw.seek(info.header_offset + 30 + name + extra)
                found[info.filename.removesuffix(".npy")] = _where(path, raw)
    except zipfile.BadZipFile as error:
        raise DataError(f"Shards: {path} is no .npz file: {error}") from error
    if not found:
        raise DataError(f"Shards: {path} is empty")
    return found
