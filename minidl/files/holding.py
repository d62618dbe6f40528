"""One process at a time writes into a folder.

It holds a lock on the folder itself. Locks die with their process, however it ended, so
that there is nothing to clean up.
"""

from __future__ import annotations

import os
from contextlib import suppress

from minidl.files.locks import fcntl

_held: dict[str, int] = {}  # folder -> open folder; a process may hold one many times


def hold(folder: str | os.PathLike[str]) -> bool:
    """Hold a folder until this process ends; False if another process does.

    A disk that knows no locks lets everybody in.
    """
    where = os.path.realpath(folder)
    if fcntl is None or (where in _held and _is_there(_held[where], where)):
        return True
    entry = os.open(where, os.O_RDONLY)
    try:
        fcntl.flock(entry, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(entry)
        return not isinstance(error, BlockingIOError)
    _held[where] = entry
    return True


def _is_there(entry: int, folder: str) -> bool:
    """Whether the folder that is held still bears that name: it may be a new one."""
    with suppress(OSError):
        if os.path.samestat(os.fstat(entry), os.stat(folder)):
            return True
    os.close(_held.pop(folder))
    return False
