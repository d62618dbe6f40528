"""A file is there whole, or as it was before, whatever happens meanwhile.

A new file is written under another name beside its place (a dot, the name, 12 random
digits, ".tmp"), brought to the disk, and renamed: the one step that a file system does
all at once. A process that dies before leaves its temporary file behind; `sweep`, or
the next writer of the same file, removes it. A writer holds a lock on its file, and
locks die with their process, on whatever machine or in whatever container it was.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from minidl.files.locks import fcntl

TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{12}\.tmp", re.DOTALL)


@contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Give a new file to write; at the end it takes the place of `path`, all at once.

    If anything fails before, the old file stays as it was, and the new one is removed.
    """
    path = os.path.realpath(path)  # through a link, which stays a link
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"there is no folder {folder!r} to write {name!r} into")
    new, file = _begin(folder, name)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # on the disk, before the name points to it
        os.replace(new, path)
    finally:
        with suppress(FileNotFoundError):
            os.remove(new)
    sync_folder(folder)  # the new name is to survive a crash too
    with suppress(OSError):  # it can wait
        sweep(folder, name)


def _begin(folder: str, name: str) -> tuple[str, BinaryIO]:
    """Create a temporary file and lock it."""
    while True:
        new = os.path.join(folder, f".{name}.{os.urandom(6).hex()}.tmp")
        file = open(new, "xb")  # noqa: SIM115  the caller closes it
        _lock(file.fileno())
        if os.path.exists(new):
            return new, file
        file.close()  # a sweeper came before the lock


def sweep(folder: str | os.PathLike[str], name: str | None = None) -> list[str]:
    """Remove the temporary files of dead processes, and return their names.

    name   those of this file only
    """
    swept = []
    for entry in sorted(os.listdir(folder)):
        found = TEMPORARY.fullmatch(entry)
        ours = found is not None and name in (None, found[1])
        if ours and _remove(os.path.join(folder, entry)):
            swept.append(entry)
    return swept


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Bring the names in a folder to the disk, where the system can (POSIX)."""
    if hasattr(os, "O_DIRECTORY"):
        entry = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)


def _lock(file: int) -> bool:
    """Lock a file until it is closed; False if somebody has, or the disk knows none."""
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove(path: str) -> bool:
    """Remove a file that nobody writes; say whether it is gone."""
    with suppress(OSError):  # gone meanwhile, or not ours to remove
        if fcntl is None:  # Windows itself refuses to remove an open file
            os.remove(path)
            return True
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe shall not block
        try:
            if _lock(file):
                os.remove(path)
                return True
        finally:
            os.close(file)
    return False
