"""L2, the kernel's questions: which system calls a student's process may make.

A filter is a small program for a machine of the kernel's own (classic BPF): it looks at
the number of a call and its arguments, and says allow, or "not permitted". Once it is
installed it stays, for all threads and for all that the process starts.

Allowed is what Python and NumPy need to compute and to work with files, and nothing
else: so no new processes or programs, no sockets, no signals to others, no tracing,
watching of files (inotify), settings of the process (prctl: it dies with the grader),
mounts, keys, queues, modes, owners and times of files (which Landlock does not cover),
nor memory that the limits do not count. Threads are allowed; the limits bound them.

https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct
import sys

# name: number on x86-64, on aarch64; -1 where the architecture has no such call
ALLOWED = {
    # files, by what is open and by name
    "read": (0, 63), "write": (1, 64), "open": (2, -1), "close": (3, 57),
    "stat": (4, -1), "fstat": (5, 80), "lstat": (6, -1), "lseek": (8, 62),
    "pread64": (17, 67), "pwrite64": (18, 68), "readv": (19, 65), "writev": (20, 66),
    "access": (21, -1), "pipe": (22, -1), "dup": (32, 23), "dup2": (33, -1),
    "sendfile": (40, 71), "flock": (73, 32), "fsync": (74, 82), "fdatasync": (75, 83),
    "ftruncate": (77, 46), "getdents": (78, -1), "getcwd": (79, 17), "chdir": (80, 49),
    "fchdir": (81, 50), "rename": (82, -1), "mkdir": (83, -1), "rmdir": (84, -1),
    "creat": (85, -1), "unlink": (87, -1), "readlink": (89, -1), "umask": (95, 166),
    "statfs": (137, 43), "fstatfs": (138, 44), "getdents64": (217, 61),
    "openat": (257, 56), "mkdirat": (258, 34), "newfstatat": (262, 79),
    "unlinkat": (263, 35), "renameat": (264, 38), "readlinkat": (267, 78),
    "faccessat": (269, 48), "dup3": (292, 24), "pipe2": (293, 59), "preadv": (295, 69),
    "pwritev": (296, 70), "renameat2": (316, 276), "statx": (332, 291),
    # waiting
    "poll": (7, -1), "select": (23, -1), "pselect6": (270, 72), "ppoll": (271, 73),
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "futex": (202, 98),
    "sched_yield": (24, 124), "restart_syscall": (219, 128),
    # memory
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214),
    "mremap": (25, 216), "madvise": (28, 233), "membarrier": (324, 283),
    # threads and signals of its own
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132), "set_tid_address": (218, 96),
    "set_robust_list": (273, 99), "get_robust_list": (274, 100), "rseq": (334, 293),
    "exit": (60, 93), "exit_group": (231, 94),
    # who and where it is, what time it is, random numbers
    "getpid": (39, 172), "uname": (63, 160), "gettimeofday": (96, 169),
    "getrlimit": (97, 163), "getrusage": (98, 165), "sysinfo": (99, 179),
    "times": (100, 153), "getuid": (102, 174), "getgid": (104, 176),
    "geteuid": (107, 175), "getegid": (108, 177), "getppid": (110, 173),
    "getpgrp": (111, -1), "getgroups": (115, 158), "getresuid": (118, 148),
    "getresgid": (120, 150), "getpgid": (121, 155), "getsid": (124, 156),
    "gettid": (186, 178), "time": (201, -1), "sched_getaffinity": (204, 123),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "getcpu": (309, 168),
    "getrandom": (318, 278),
}  # fmt: skip
CLONE, KILL, TGKILL = (56, 220), (62, 129), (234, 131)
PRLIMIT, FCNTL, IOCTL = (302, 261), (72, 25), (16, 29)
NEWER = 424  # from here on the numbers are the same everywhere; allowed of them are
# close_range, openat2, faccessat2 and futex_waitv
NEW_ALLOWED = (436, 437, 439, 449)
SECCOMP = (317, 277)
CLONE_THREAD = 0x00010000
OWNERS = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: signals by way of a file
TERMINALS = (0x5412, 0x541C, 0x8901, 0x8902)  # TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP

ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, ARGUMENT = 0, 4, 16  # places in struct seccomp_data
X32 = 0x40000000
ALLOW, DIE = 0x7FFF0000, 0x80000000
REFUSE, UNKNOWN = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
SET_MODE_FILTER, ALL_THREADS, PR_SET_NO_NEW_PRIVS = 1, 1, 38

Step = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


class SeccompError(OSError):
    """The kernel refused, or the architecture is not in the table."""


def program(machine: str, pid: int) -> list[Step]:
    """Return the filter for a process, step by step; jumps count the steps to skip."""
    column, audit = ARCHITECTURES[machine]
    steps: list[Step] = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, audit), _end(DIE)]
    steps += [(LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, X32), _end(DIE)]
    for numbers in ALLOWED.values():
        if numbers[column] >= 0:
            steps += [(EQUAL, 0, 1, numbers[column]), _end(ALLOW)]
    steps += _when(CLONE[column], 0, [(ANY_BIT, 1, 0, CLONE_THREAD), _end(REFUSE)])
    itself = [
        (EQUAL, 1, 0, pid),
        _end(REFUSE),
    ]  # and to abort: killed is somebody else's
    for numbers, argument in ((KILL, 1), (TGKILL, 2)):
        abort = [(LOAD, 0, 0, ARGUMENT + 8 * argument), (EQUAL, 1, 0, signal.SIGABRT)]
        steps += _when(numbers[column], 0, [*itself, *abort, _end(REFUSE)])
    own = [(EQUAL, 2, 0, 0), (EQUAL, 1, 0, pid), _end(REFUSE)]
    steps += _when(PRLIMIT[column], 0, own)
    for numbers, bad in ((FCNTL, OWNERS), (IOCTL, TERMINALS)):
        checks = [s for value in bad for s in ((EQUAL, 0, 1, value), _end(REFUSE))]
        steps += _when(numbers[column], 1, checks)
    steps += [s for n in NEW_ALLOWED for s in ((EQUAL, 0, 1, n), _end(ALLOW))]
    # ENOSYS, so that the C library falls back on the older call (clone3 → clone)
    return [*steps, (AT_LEAST, 0, 1, NEWER), _end(UNKNOWN), _end(REFUSE)]


def _end(what: int) -> Step:
    return (RETURN, 0, 0, what)


def _when(number: int, argument: int, checks: list[Step]) -> list[Step]:
    """Check an argument of one call; what passes the checks is allowed."""
    load = (LOAD, 0, 0, ARGUMENT + 8 * argument)  # its lower half, little-endian
    body = [load, *checks, _end(ALLOW)]
    return [(EQUAL, 0, len(body), number), *body]


def describe() -> str:
    """Say whether there is a filter for this machine."""
    machine = os.uname().machine
    if sys.platform != "linux" or machine not in ARCHITECTURES:
        return f"no seccomp filter for {sys.platform} on {machine}"
    return "seccomp"


def install() -> None:
    """Filter this process, for good. Raises SeccompError where that cannot be."""
    machine = os.uname().machine
    if sys.platform != "linux" or machine not in ARCHITECTURES:
        raise SeccompError(describe())
    steps = program(machine, os.getpid())
    code = b"".join(struct.pack("<HBBI", *step) for step in steps)
    memory = ctypes.create_string_buffer(code, len(code))
    filter_ = ctypes.create_string_buffer(
        struct.pack("@HP", len(steps), ctypes.addressof(memory))
    )
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    number = SECCOMP[ARCHITECTURES[machine][0]]
    if libc.syscall(number, SET_MODE_FILTER, ALL_THREADS, filter_) != 0:
        error = ctypes.get_errno()
        raise SeccompError(error, f"seccomp: {os.strerror(error)}")
