"""Downloads: a file of the net, once, whole, and the right one.

A file counts as downloaded when its SHA-256 is the one we know, and only then gets its
name; until then it is `name.part`, which the next try goes on with (HTTP Range). So it
does not matter which mirror it came from, how often the line broke, or who sent it.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from minidl.errors import DataError

CHUNK = 2**18
TIMEOUT = 30.0  # seconds without a byte
TRIES = 3  # at one mirror, as long as each brings nothing new
TROUBLE = (OSError, ValueError)


def cache_folder() -> Path:
    """Return the folder for downloads: MINIDL_CACHE, or the user's cache folder."""
    own = os.environ.get("MINIDL_CACHE")
    if own:
        return Path(own).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "minidl"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home()) / "minidl" / "cache"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "minidl"


def download(
    mirrors: str | Sequence[str],
    sha256: str,
    *,
    size: int,
    name: str | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> Path:
    """Return the path of a file with this SHA-256, from the cache or from a mirror.

    mirrors   addresses (http, https) of the same file; they are tried in turn
    size      its length in bytes; no mirror is listened to for longer
    name      under which to keep it; by default the end of the first address
    folder    where; by default the cache folder (MINIDL_CACHE)

    Raises DataError, which says what each mirror answered; what came is kept, and the
    next call goes on from there.
    """
    addresses = [mirrors] if isinstance(mirrors, str) else list(mirrors)
    path = Path(folder or cache_folder()) / (name or addresses[0].rpartition("/")[2])
    if path.is_file() and path.stat().st_size == size and hash_of(path) == sha256:
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"there is no place for downloads: {error}; set MINIDL_CACHE to a folder "
            "that you may write to"
        ) from error
    part = path.with_name(path.name + ".part")
    answers = []
    for address in addresses:
        try:
            _complete(address, part, size)
            _check(part, size, sha256)
            os.replace(part, path)
            return path
        except TROUBLE as error:
            answers.append(f"\n  {address}: {error or type(error).__name__}")
    raise DataError(
        f"{path.name} could not be downloaded; is there a network, or a proxy to name "
        f"in https_proxy? You may also get it elsewhere and put it at {path}. "
        f"What was tried:{''.join(answers)}"
    )


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(part: Path, size: int, sha256: str) -> None:
    """Raise DataError unless the file is the one we want; remove it if it is not."""
    length, found = part.stat().st_size, hash_of(part)
    if found != sha256:
        part.unlink()
        raise DataError(
            f"it sent another file: {length:,} bytes with SHA-256 {found[:12]}…, where "
            f"{size:,} bytes with {sha256[:12]}… are due"
        )


def _complete(address: str, part: Path, size: int) -> None:
    """Add to the part until it has `size` bytes; try again while that helps."""
    left = TRIES
    while _length(part) < size:
        before = _length(part)
        try:
            _receive(address, part, size)
            if _length(part) < size:
                raise ConnectionError(f"it stopped after {_length(part):,} bytes")
        except TROUBLE as error:
            left = TRIES if _length(part) > before else left - 1
            if left == 0 or isinstance(error, DataError):
                raise


def _receive(address: str, part: Path, size: int) -> None:
    """Ask for the rest of the file, and append what comes to the part.

    Raises DataError where it is of no use to ask again, else OSError.
    """
    from http.client import HTTPException  # both cost 20 ms, and most never download
    from urllib import error, request

    if not address.startswith(("http://", "https://")):
        raise DataError("an address begins with https:// or http://")
    start = _length(part)
    headers = {"User-Agent": "minidl", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        question = request.Request(address, headers=headers)
        with request.urlopen(question, timeout=TIMEOUT) as answer:
            if not _goes_on(answer, start):
                start = 0  # this mirror sends the file from its beginning
            with open(part, "ab" if start else "wb") as file:
                _append(answer, file, start, size)
    except error.HTTPError as problem:
        problem.close()
        if problem.code < 500:  # it has no such file, now or in a second
            raise DataError(f"it answers {problem}") from problem
        raise
    except HTTPException as problem:
        raise ConnectionError(f"it breaks off ({type(problem).__name__})") from problem


def _goes_on(answer: Any, start: int) -> bool:
    """Whether the answer begins where the part ends."""
    said = answer.headers.get("Content-Range", "")
    return bool(answer.status == 206 and said.startswith(f"bytes {start}-"))


def _append(answer: Any, file: IO[bytes], length: int, size: int) -> None:
    progress = Progress(os.path.basename(file.name).removesuffix(".part"), size)
    try:
        while chunk := answer.read1(CHUNK):
            length += len(chunk)
            if length > size:
                file.truncate(0)
                raise DataError(f"it sends more than the {size:,} bytes that are due")
            file.write(chunk)
            progress.show(length)
    finally:
        progress.end()


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


class Progress:
    """One line in a terminal, and nothing anywhere else."""

    def __init__(self, name: str, size: int) -> None:
        self.name, self.size, self.shown = name, size, -1
        self.live = sys.stderr is not None and sys.stderr.isatty()

    def show(self, length: int) -> None:
        """Say how much is there, whenever it is a percent more."""
        percent = 100 * length // self.size
        if self.live and percent != self.shown:
            self.shown = percent
            line = f"\r{self.name}: {length / 1e6:.1f} of {self.size / 1e6:.1f} MB"
            print(f"{line} ({percent} %)", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line as it is, and begin a new one."""
        if self.live and self.shown >= 0:
            print(file=sys.stderr)
