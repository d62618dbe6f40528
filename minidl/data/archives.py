"""Archives that came from elsewhere, opened with care: zip, tar and gzip.

An archive says itself where its files go and how large they are, so it may lie: names
such as ../../.bashrc, links out of the folder, or ten kilobytes that become ten
gigabytes. Here a name must stay inside of the folder, only plain files and folders are
made, and bytes are counted as they come, not as the archive promises.

Whatever is wrong is one DataError, and the folder is as it was before.
"""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple, Self

from minidl.errors import DataError

Path = str | os.PathLike[str]

LIMIT = 4 * 2**30  # bytes that an archive may become, and …
COUNT = 100_000  # … how many files and folders
CHUNK = 2**20
NAME_LIMIT = 2**16  # bytes of a long name, and what else a tar notes of a file
try:
    from lzma import LZMAError

    XZ: tuple[type[Exception], ...] = (LZMAError,)
except ImportError:  # the Python of a browser reads no .xz; tarfile says so
    XZ = ()
DAMAGE: tuple[type[Exception], ...] = (
    EOFError, OSError, zlib.error, *XZ, zipfile.BadZipFile,
    tarfile.TarError, NotImplementedError, RuntimeError, ValueError, OverflowError,
)  # fmt: skip
DEVICES = {"CON", "PRN", "AUX", "NUL"}  # names that are no files on Windows


class Entry(NamedTuple):
    """A file or folder of an archive."""

    name: str
    is_folder: bool
    file: IO[bytes] | None


def unpack(archive: Path, folder: Path, *, limit: int = LIMIT) -> list[str]:
    """Unpack a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz; return the files' names.

    limit   bytes that all files together may have, unpacked

    The files are written beside the folder first and moved when all of them are sound.
    Raises DataError for an archive that is damaged, too large, or reaches outside.
    """
    target = os.path.abspath(folder)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    new = tempfile.mkdtemp(prefix=".unpack-", dir=os.path.dirname(target))
    try:
        names = []
        for entry in entries(archive, limit):
            place = os.path.join(new, *entry.name.split("/"))
            os.makedirs(
                place if entry.is_folder else os.path.dirname(place), exist_ok=True
            )
            if entry.file is not None:
                with open(place, "xb") as out:
                    limit -= _copy(entry.file, out, limit, archive)
                names.append(entry.name)
        _move(new, target)
        return names
    except (FileExistsError, NotADirectoryError) as error:
        name = os.path.relpath(error.filename, new)
        raise DataError(f"{archive} holds {name!r} twice") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def read_members(archive: Path, sizes: dict[str, int]) -> dict[str, bytes]:
    """Return some files of an archive, each of exactly the size that it must have.

    Nothing is written anywhere. Raises DataError where one is missing or different.
    """
    found: dict[str, bytes] = {}
    for entry in entries(archive):
        if entry.name not in sizes or entry.file is None:
            continue
        size = sizes[entry.name]
        content = _read(entry.file, size + 1, archive)
        if len(content) != size or entry.name in found:
            raise DataError(
                f"{entry.name} in {archive} should be there once and have {size:,} "
                "bytes, and is not so: the archive is another one, or damaged"
            )
        found[entry.name] = content
    missing = sorted(set(sizes) - set(found))
    if missing:
        raise DataError(f"{archive} has no {', '.join(missing)}: it is another archive")
    return found


def gunzip(path: Path, limit: int) -> bytes:
    """Return the content of a .gz file, which may have `limit` bytes at most."""
    with _diagnosed(path), gzip.open(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise DataError(
            f"{path} becomes more than the {limit:,} bytes that it may have"
        )
    return content


def entries(archive: Path, limit: int = LIMIT) -> Iterator[Entry]:
    """Yield the files and folders of an archive, after a look at each name and kind.

    A file must be read before the next one is asked for.
    """
    with _diagnosed(archive):
        is_zip = zipfile.is_zipfile(archive)
        for count, entry in enumerate(
            _zip(archive) if is_zip else _tar(archive, limit)
        ):
            if count >= COUNT:
                raise DataError(f"{archive} holds more than {COUNT:,} files")
            yield entry


def _zip(archive: Path) -> Iterator[Entry]:
    with zipfile.ZipFile(archive) as source:
        for info in source.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(archive, info.filename, "is a link or a device")
            name = _checked(archive, info.orig_filename)
            if info.is_dir():
                yield Entry(name, True, None)
            else:
                with source.open(info) as file:
                    yield Entry(name, False, file)


def _tar(archive: Path, limit: int) -> Iterator[Entry]:
    with tarfile.open(archive, tarinfo=_Header) as source:
        for info in source:
            if not (info.isreg() or info.isdir()) or info.issparse():
                raise _refused(archive, info.name, "is a link, a device or sparse")
            name = _checked(archive, info.name)
            limit -= info.size  # even to skip a file, it must be decompressed
            if limit < 0:
                raise DataError(f"{archive} becomes larger than it may, unpacked")
            yield Entry(name, info.isdir(), source.extractfile(info))
        # tarfile stops at the first header that it cannot read. Was that the end? And
        # a compressed file is sound only if its checksum is, which comes last.
        rest = source.fileobj
        assert rest is not None
        rest.seek(source.offset)
        first = True
        while (chunk := rest.read(CHUNK)) or first:
            first, limit = False, limit - len(chunk)
            if not chunk or any(chunk) or limit < -CHUNK:
                raise EOFError("it does not end as a tar file does")


class _Header(tarfile.TarInfo):
    """A header of a tar file; tarfile reads what belongs to long names at once."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        is_file = header.type in (*tarfile.REGULAR_TYPES, tarfile.GNUTYPE_SPARSE)
        if header.size < 0 or (not is_file and header.size > NAME_LIMIT):
            raise OverflowError(f"a header of {header.size:,} bytes")
        return header


def _checked(archive: Path, name: str) -> str:
    """Return a name that stays inside of any folder, on any system."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\\" in name or ":" in name:
        raise _refused(archive, name, "reaches outside of the folder")
    if not name.isprintable() or len(name) > 1000 or len(parts) > 50:
        raise _refused(archive, name, "has a name that is no name")
    for part in parts:
        if part.split(".")[0].upper() in DEVICES or part != part.rstrip(" ."):
            raise _refused(archive, name, "has a name that Windows reads differently")
    return "/".join(parts) or "."


def _refused(archive: Path, name: str, why: str) -> DataError:
    return DataError(
        f"{archive} is not unpacked: {name[:80]!r} in it {why}, as no data set needs; "
        "do not trust where it came from"
    )


def _copy(file: IO[bytes], out: IO[bytes], limit: int, archive: Path) -> int:
    """Copy a file; return its length, or raise DataError when it passes the limit."""
    length = 0
    while chunk := _read(file, min(CHUNK, limit - length + 1), archive):
        length += len(chunk)
        if length > limit:
            raise DataError(
                f"{archive} is not unpacked: it becomes larger than it may; if it is "
                "what you want, give unpack(…, limit=) more bytes"
            )
        out.write(chunk)
    return length


def _read(file: IO[bytes], size: int, archive: Path) -> bytes:
    with _diagnosed(archive):
        return file.read(size)


def _move(new: str, target: str) -> None:
    """Move everything to its place; a file of the same name is replaced."""
    for folder, _, files in os.walk(new):
        place = os.path.normpath(os.path.join(target, os.path.relpath(folder, new)))
        os.makedirs(place, exist_ok=True)
        for name in files:
            os.replace(os.path.join(folder, name), os.path.join(place, name))


@contextmanager
def _diagnosed(path: Path) -> Iterator[None]:
    """Turn what the libraries say of a damaged file into one DataError."""
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}") from error
    except DAMAGE as error:
        why = (str(error) or type(error).__name__).splitlines()[0].rstrip(":")
        raise DataError(
            f"{path} is no sound archive ({why}); was it downloaded to the end?"
        ) from error
