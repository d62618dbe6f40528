"""What somebody packed: a folder, a zip, a tar or a file alone, read with care.

Nothing of it is trusted and nothing is written anywhere. Only regular files count, each
is read up to a cap, and names serve for comparing only. What cannot be read becomes a
sentence: nothing here raises because of what is in a package.
"""

from __future__ import annotations

import bz2
import io
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..sentences import say

FILE = 2**20  # bytes of one file
ALL = 64 * 2**20  # bytes of a package, and bytes that it may become
MANY = 10_000  # files that are looked at
DEPTH = 40  # folders in folders
DIRECTORY = 4 * 2**20  # bytes of the table in a zip
CODE = (".py", ".ipynb")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz",
            ".7z", ".rar", ".gz")  # fmt: skip
LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", "__pycache__", ".git")


class RefusedError(Exception):
    """A package that is not read any further, and why."""


@dataclass(frozen=True)
class Member:
    """A file of a package: its path in it, its bytes, when it was changed."""

    name: str
    content: bytes
    date: float = 0.0


@dataclass
class Package:
    """What was read, what was not and why, and the names of all other files."""

    members: list[Member] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def read(path: Path) -> Package:
    """Return the files of code in a package, and its submission.json."""
    package = Package()
    try:
        for member in _reader(path)(path, package):
            package.members.append(member)
    except RefusedError as error:
        package.notes.append(say("no further", why=error))
    except Exception as error:  # whatever a library says of what a student made
        why = (str(error) or type(error).__name__).splitlines()[0][:200]
        why = why.replace(str(path), path.name)
        package.notes.append(say("unreadable", why=why))
    return package


def _reader(path: Path) -> Callable[[Path, Package], Iterator[Member]]:
    if path.is_dir():
        return _of_folder
    name = path.name.lower()
    if name.endswith(CODE):
        return _alone
    if name.endswith(".zip") or not name.endswith(ARCHIVES):
        return _of_zip
    return _of_tar


def _wanted(name: str, package: Package) -> str:
    """Return the path of a file that is to be read, with slashes; "" if it is not."""
    plain = name.replace("\\", "/")
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    if not parts or parts[-1].startswith("._") or set(parts) & set(LITTER):
        return ""
    if not parts[-1].lower().endswith(CODE) and parts[-1] != "submission.json":
        package.others.append("/".join(parts)[:80])
        return ""
    if plain.startswith("/") or ".." in parts or re.match("[A-Za-z]:", parts[0]):
        package.notes.append(say("outside", name=name[:80]))
        return ""
    return "/".join(parts)


def _of_folder(path: Path, package: Package) -> Iterator[Member]:
    waiting, count = [(str(path), "")], 0
    while waiting:
        folder, inner = waiting.pop()
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            count += 1
            if count > MANY:
                raise RefusedError(say("many files", most=MANY))
            name = f"{inner}/{entry.name}" if inner else entry.name
            if entry.is_dir(follow_symlinks=False):
                if name.count("/") >= DEPTH:
                    raise RefusedError(say("deep", most=DEPTH))
                waiting.append((entry.path, name))
            elif wanted := _wanted(name, package):
                content, date = _regular(entry.path)
                if content is None:
                    package.notes.append(say("not a file", name=name[:80]))
                else:
                    yield Member(wanted, content, date)


def _alone(path: Path, package: Package) -> Iterator[Member]:
    content, date = _regular(str(path))
    if content is None:
        raise RefusedError(say("no file"))
    yield Member(path.name, content, date)


def _regular(file: str, limit: int = FILE) -> tuple[bytes | None, float]:
    """Return the beginning of a regular file and its date; None of a link, a pipe, …"""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        place = os.open(file, flags)
    except OSError:
        return None, 0.0
    with os.fdopen(place, "rb") as opened:
        state = os.fstat(place)
        if not stat.S_ISREG(state.st_mode):
            return None, 0.0
        return opened.read(limit + 1), state.st_mtime


def _content(path: Path) -> bytes:
    """Return the bytes of an archive."""
    content, _ = _regular(str(path), ALL)
    if content is None:
        raise RefusedError(say("no file"))
    if len(content) > ALL:
        raise RefusedError(say("many bytes", most=ALL))
    return content


def _of_zip(path: Path, package: Package) -> Iterator[Member]:
    content, left = _content(path), ALL
    end = content.rfind(b"PK\x05\x06")
    if end >= 0 and len(content) >= end + 22:
        (size,) = struct.unpack_from("<I", content, end + 12)
        if size > DIRECTORY:  # before a library makes an object of each entry
            raise RefusedError(say("many files", most=MANY))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if len(entries) > MANY:
            raise RefusedError(say("many files", most=MANY))
        for info in entries:
            name = "" if info.is_dir() else _wanted(info.orig_filename, package)
            text = _unzipped(archive, info, name, package) if name else None
            if text is not None:
                left -= len(text)
                if left < 0:
                    raise RefusedError(say("becomes", most=ALL))
                yield Member(name, text, _seconds(info.date_time))


def _unzipped(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, package: Package
) -> bytes | None:
    """Return the beginning of a file in a zip; None, and a note, if it has none."""
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        package.notes.append(say("device", name=name))
        return None
    try:
        with archive.open(info) as file:
            return file.read(FILE + 1)
    except Exception as error:  # of this file; the others may be sound
        why = (str(error) or type(error).__name__).splitlines()[0][:120]
        package.notes.append(say("damaged", name=name, why=why))
        return None


def _seconds(date: tuple[int, ...]) -> float:
    """Return a number that grows with a date of a zip, valid or not."""
    weights = (31_622_400, 2_678_400, 86_400, 3_600, 60, 1)
    return float(sum(n * w for n, w in zip(date, weights, strict=False)))


def _of_tar(path: Path, package: Package) -> Iterator[Member]:
    content, name = _content(path), path.name.lower()
    inflate = next((f for ends, f in INFLATES.items() if name.endswith(ends)), None)
    if inflate is not None:
        content, whole = inflate(content)
        if len(content) > ALL:
            raise RefusedError(say("becomes", most=ALL))
        if not whole:
            package.notes.append(say("cut"))
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        for count, info in enumerate(archive):
            if count >= MANY:
                raise RefusedError(say("many files", most=MANY))
            wanted = "" if info.isdir() else _wanted(info.name, package)
            if wanted and (not info.isreg() or info.issparse()):
                package.notes.append(say("link", name=wanted))
            elif wanted and (file := archive.extractfile(info)) is not None:
                yield Member(wanted, file.read(FILE + 1), float(info.mtime))


def _gzip(content: bytes) -> tuple[bytes, bool]:
    inner = zlib.decompressobj(wbits=31)
    return inner.decompress(content, ALL + 1), inner.eof


def _bzip2(content: bytes) -> tuple[bytes, bool]:
    outer = bz2.BZ2Decompressor()
    return outer.decompress(content, ALL + 1), outer.eof


def _xz(content: bytes) -> tuple[bytes, bool]:
    import lzma  # not in the Python of a browser, where this file is only imported

    outer = lzma.LZMADecompressor(memlimit=2**27)
    return outer.decompress(content, ALL + 1), outer.eof


INFLATES = {(".gz", ".tgz"): _gzip, (".bz2", ".tbz2"): _bzip2, (".xz", ".txz"): _xz}
