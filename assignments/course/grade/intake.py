"""Submissions as they come in: folders and zip files, a1_ada.zip, a1_grace/, …

Nothing of an archive is trusted. Only regular files count, each is read up to a cap,
and none is written anywhere under a name of the archive's: what is taken are the texts
of the files that the assignment names, and those only.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from minidl.data import archives
from minidl.errors import DataError

from ..assignment import Assignment
from ..errors import CourseError

FILE = 2**20  # bytes of one file of a student
ALL = 64 * 2**20  # bytes that an archive may become
MANY = 10_000  # files of a folder that are looked at
SUFFIX = ".zip"


@dataclass(frozen=True)
class Submission:
    """What one student handed in.

    student   the name behind the underscore of the file's or folder's name
    texts     the files that the assignment names, as far as they are there
    digest    of those texts: what decides whether it must be graded again
    notes     what is odd about it, in sentences
    """

    student: str
    texts: Mapping[str, str]
    digest: str
    notes: tuple[str, ...] = ()


def found(folder: Path, assignment: str) -> dict[str, Path]:
    """Return the submissions of a folder, by student, in order.

    A name that does not begin with the assignment's is somebody else's. A student who
    handed in twice (a folder and a zip) is there twice, the second as "ada (2)".
    """
    if not folder.is_dir():
        raise CourseError(f"there is no folder {folder} with submissions")
    every: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.name.startswith("."):
            continue
        stem = path.name[: -len(SUFFIX)] if path.suffix == SUFFIX else path.name
        match = re.fullmatch(rf"{re.escape(assignment)}_(.+)", stem)
        if match is None or not (path.is_dir() or path.suffix == SUFFIX):
            continue
        student, n = match[1], 1
        while student in every:
            n += 1
            student = f"{match[1]} ({n})"
        every[student] = path
    if not every:
        raise CourseError(
            f"{folder} holds no submissions of {assignment}; they are folders or zip "
            f"files named {assignment}_<student>, such as {assignment}_ada.zip"
        )
    return every


def take(path: Path, student: str, assignment: Assignment) -> Submission:
    """Return the texts of a submission; what is wrong with it becomes a note."""
    notes: list[str] = []
    try:
        pairs = _of_folder(path) if path.is_dir() else _of_zip(path)
        files = _chosen(pairs, assignment.files, notes)
    except (DataError, OSError) as error:
        files, notes = (
            {},
            [f"the submission cannot be read: {error}".replace(str(path), path.name)],
        )
    texts: dict[str, str] = {}
    for name, content in sorted(files.items()):
        try:
            texts[name] = text_of(content)
        except UnicodeDecodeError:
            notes.append(f"{name} is no text in UTF-8")
    for name in assignment.files:
        if name not in files and files:
            notes.append(f"{name} is missing")
    state = hashlib.blake2b(digest_size=16)
    for name, text in texts.items():
        state.update(f"{len(name)} {name} {len(text)} ".encode())
        state.update(text.encode("utf-8", "surrogatepass"))
    return Submission(student, texts, state.hexdigest(), tuple(notes))


def text_of(content: bytes) -> str:
    """Return a file's text: without its mark of bytes, every line ending in \\n."""
    text = content.decode("utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _chosen(
    pairs: Iterator[tuple[str, bytes]], wanted: list[str], notes: list[str]
) -> dict[str, bytes]:
    """Return the files that are wanted: minidl/ops/a.py, or else any/folder/…/a.py.

    The path that ends like the wanted one counts; among several, the shortest.
    """
    best: dict[str, tuple[int, bytes]] = {}
    for name, content in pairs:
        parts = PurePosixPath(name).parts
        for want in wanted:
            tail = PurePosixPath(want).parts
            whole = parts[-len(tail) :] == tail
            if not whole and (len(parts) != 1 or parts[0] != tail[-1]):
                continue
            far = len(parts) if whole else MANY  # a bare name is the last resort
            if len(content) > FILE:
                notes.append(f"{want} is larger than {FILE:,} bytes and was not read")
            elif want not in best or far < best[want][0]:
                best[want] = (far, content)
    return {want: content for want, (_, content) in best.items()}


def _of_zip(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the Python files of an archive; DataError if it is none, or a trick."""
    size = path.stat().st_size
    if size > ALL:
        raise DataError(f"it has {size:,} bytes, {ALL:,} are read")
    left = ALL
    for entry in archives.entries(path, ALL):
        if entry.file is None or not entry.name.endswith(".py"):
            continue
        content = entry.file.read(min(FILE, left) + 1)
        left -= len(content)
        if left < 0:
            raise DataError(f"it becomes more than {ALL:,} bytes")
        yield entry.name, content


def _of_folder(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the Python files of a folder; links are not followed."""
    count = 0
    for place, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            count += 1
            if count > MANY:
                raise DataError(f"it holds more than {MANY:,} files")
            if name.endswith(".py"):
                file = os.path.join(place, name)
                content = _regular(file)
                if content is not None:
                    yield os.path.relpath(file, path).replace(os.sep, "/"), content


def _regular(file: str) -> bytes | None:
    """Return the beginning of a regular file; None of a link, a pipe, a device."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        place = os.open(file, flags)
    except OSError:
        return None
    with os.fdopen(place, "rb") as opened:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            return None
        return opened.read(FILE + 1)
