"""Folders in which an untrusted process wrote: measured and removed, however they are.

Folders in folders may be thousands deep, without rights, with paths longer than the
kernel takes. So nothing here calls itself, and nothing goes by paths: what lies deep is
moved up to the top, one level at a time, and removed there.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FILES = 10_000  # files and folders of one process
DEPTH = 64
OPEN = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


def size(folder: str, limit: int) -> int:
    """Return the bytes beneath a folder, or a number above the limit.

    Too many files and too many folders in folders are above it too.
    """
    total = files = 0
    waiting = [(folder, 0)]
    while waiting:
        place, depth = waiting.pop()
        with suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                files += 1
                if files > FILES or depth > DEPTH or total > limit:
                    return limit + 1
                with suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, depth + 1))
    return total


def remove(folder: str | os.PathLike[str]) -> None:
    """Remove a folder with all that is in it; nothing may write there meanwhile.

    What cannot be removed stays, without a word: the next run tries again.
    """
    with suppress(OSError):
        top = os.open(folder, OPEN)
        try:
            _empty(top)
        finally:
            os.close(top)
        os.rmdir(folder)


def _empty(top: int) -> None:
    """Remove all that is in an open folder."""
    count, waiting = 0, os.listdir(top)
    while waiting:
        name = waiting.pop()
        with suppress(OSError):
            if not stat.S_ISDIR(os.lstat(name, dir_fd=top).st_mode):
                os.unlink(name, dir_fd=top)
                continue
            os.chmod(name, stat.S_IRWXU, dir_fd=top)
            inner = os.open(name, OPEN, dir_fd=top)
            try:
                for child in os.listdir(inner):
                    if stat.S_ISDIR(os.lstat(child, dir_fd=inner).st_mode):
                        os.chmod(child, stat.S_IRWXU, dir_fd=inner)
                        count += 1
                        moved = f".removed-{count}-{os.urandom(4).hex()}"
                        os.rename(child, moved, src_dir_fd=inner, dst_dir_fd=top)
                        waiting.append(moved)
                    else:
                        os.unlink(child, dir_fd=inner)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=top)


@contextmanager
def temporary(where: Path | None = None) -> Iterator[Path]:
    """Give a folder that is gone afterwards, whatever was done to what is in it."""
    folder = Path(os.path.realpath(tempfile.mkdtemp(dir=where)))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        remove(folder)
