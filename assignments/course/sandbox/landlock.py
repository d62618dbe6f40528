"""L2, files: this process may read here, write there, and nothing anywhere else.

Landlock (Linux 5.13) lets an unprivileged process lock itself in, for good, with all
that it starts. Which rules the kernel knows depends on its ABI: 2 refer, 3 truncate,
4 TCP, 5 ioctl of devices, 6 signals and abstract sockets. What a kernel does not know
is left out, and `describe` says so; seccomp refuses sockets and signals besides.

https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

CREATE, ADD, RESTRICT = 444, 445, 446  # the same numbers on every architecture
VERSION = 1  # flag of CREATE: ask for the ABI only
BENEATH = 1
READ_FILE, READ_DIR = 1 << 2, 1 << 3
WRITE_FILE, TRUNCATE, DEVICE = 1 << 1, 1 << 14, 1 << 15
REMOVE, MAKE = 0b11 << 4, 0b11 << 7  # of files and folders; no links, no devices
FIRST = (1 << 13) - 1  # all rights of ABI 1
TCP = 0b11  # bind, connect
SCOPES = 0b11  # abstract sockets, signals


class LandlockError(OSError):
    """The kernel refused."""


def abi() -> int:
    """Return the version that this kernel speaks; 0 if none."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return max(0, int(libc.syscall(CREATE, None, 0, VERSION)))
    except (AttributeError, OSError, ValueError):
        return 0


def describe(version: int) -> str:
    """Say which rules a kernel with this ABI keeps."""
    if not version:
        return "no Landlock (Linux 5.13 or later, and `landlock` among its LSMs)"
    parts = ["files"] + ["TCP"] * (version >= 4) + ["signals"] * (version >= 6)
    return f"Landlock ABI {version} ({', '.join(parts)})"


def lock(read: Iterable[str], write: Iterable[str], listed: Iterable[str] = ()) -> int:
    """Lock this thread in for good; return the ABI.

    read    files, and folders with all that is in them
    write   folders in which files may be made, changed and removed
    listed  folders whose names may be listed, and no more
    """
    version = abi()
    if not version:
        raise LandlockError("this kernel has no Landlock")
    handled = FIRST | (version >= 2) << 13
    handled |= (version >= 3) * TRUNCATE | (version >= 5) * DEVICE
    attributes = [handled] + [TCP] * (version >= 4) + [SCOPES] * (version >= 6)
    packed = struct.pack(f"<{len(attributes)}Q", *attributes)
    rules = _call(CREATE, packed, len(packed), 0)
    try:
        for path in read:
            _allow(rules, path, READ_FILE | READ_DIR)
        for path in write:
            rights = READ_FILE | READ_DIR | WRITE_FILE | REMOVE | MAKE
            _allow(rules, path, rights | TRUNCATE & handled)
        for path in listed:
            _allow(rules, path, READ_DIR)
        _call(RESTRICT, rules, 0)
    finally:
        os.close(rules)
    return version


def _allow(rules: int, path: str, rights: int) -> None:
    """Allow something beneath a path; a path that is not there needs no rule."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):
            rights &= READ_FILE | WRITE_FILE | TRUNCATE
        _call(ADD, rules, BENEATH, struct.pack("<Qi", rights, place), 0)
    finally:
        os.close(place)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(number, *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise LandlockError(error, f"Landlock: {os.strerror(error)}")
    return int(result)
