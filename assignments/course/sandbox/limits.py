"""L1: how much of the machine a process may use, set by itself before student code.

A limit can be lowered afterwards but not raised, once the capabilities are gone: root
without them is a user like any other, apart from owning root's files.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

MEGABYTE = 2**20
FILE_SIZE = 2 * MEGABYTE
OPEN_FILES = 32  # times FILE_SIZE: what files without names can hold
NOBODY = 65534
STARTING = 30  # seconds of processor time to import everything
THREADS = 64  # beside the processes that the user has already
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
CAPABILITY_VERSION = 0x20080522  # of capset(2), with two words of 32 bits per set
CAPSET = {"x86_64": 126, "aarch64": 91}


def apply(*, seconds: float, megabytes: int, processes: int) -> None:
    """Bound this process and its children.

    seconds     of processor time beside that of the start; the wall clock is the
                parent's business
    megabytes   of address space
    processes   that the user may have in all; root is exempt (the kernel's rule)
    """
    import resource  # not on Windows, where this file is only imported

    cpu = int(seconds) + STARTING
    _lower(resource.RLIMIT_CPU, cpu, cpu + 1)
    _lower(resource.RLIMIT_AS, megabytes * MEGABYTE)
    _lower(resource.RLIMIT_FSIZE, FILE_SIZE)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    if processes:
        _lower(resource.RLIMIT_NPROC, processes)


def _lower(which: int, soft: int, hard: int | None = None) -> None:
    """Set a limit, but never above the one that is there."""
    import resource

    hard = soft if hard is None else hard
    there = resource.getrlimit(which)[1]
    if there != resource.RLIM_INFINITY:
        soft, hard = min(soft, there), min(hard, there)
    resource.setrlimit(which, (soft, hard))


def drop_privileges(user: int = 0) -> None:
    """Give up every capability, and the chance of new ones; die with the grader.

    user   to be from now on, where the grader is root
    """
    if user:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    if sys.platform != "linux":
        return
    keep_private()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    number = CAPSET.get(os.uname().machine)
    if number is not None:
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
        none = (ctypes.c_uint32 * 6)()
        libc.syscall(number, header, none)


def keep_private() -> None:
    """Die with the parent; and let no process of the same user look at our memory."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def processes_now() -> int:
    """Return a limit on processes: those the user has now (threads too), and a few."""
    total = 0
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else []:
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == os.getuid():
                    total += len(os.listdir(f"/proc/{name}/task"))
            except OSError:  # it ended meanwhile
                continue
    return total + THREADS if total else 0
