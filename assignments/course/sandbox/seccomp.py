"""L2, the kernel's questions: which system calls a student's process may make.

A filter is a small program for a machine of the kernel's own (classic BPF): it looks at
the number of a call and its arguments, and says allow, or "not permitted". Once it is
installed it stays, for all threads and for all that the process starts.

Refused: new processes and programs, sockets, signals to others, tracing, other
processes' memory, mounts, namespaces, keys, modules, the clock, modes, owners and times
of files (which Landlock does not cover), memory that the limits do not count, and all
calls newer than this table but a few. Threads are allowed; the limits bound them.

https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

# name: number on x86-64, on aarch64; 0 where the architecture has no such call
DENIED = {
    # new processes and programs
    "fork": (57, 0), "vfork": (58, 0), "execve": (59, 221), "execveat": (322, 281),
    # sockets
    "socket": (41, 198), "connect": (42, 203), "accept": (43, 202), "bind": (49, 200),
    "listen": (50, 201), "socketpair": (53, 199), "accept4": (288, 242),
    "sendto": (44, 206), "sendmsg": (46, 211), "sendmmsg": (307, 269),
    # other processes: signals, memory, scheduling
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "kcmp": (312, 272), "setpgid": (109, 154),
    "setsid": (112, 157), "setpriority": (141, 140), "ioprio_set": (251, 30),
    "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122), "sched_setattr": (314, 274),
    "migrate_pages": (256, 238), "move_pages": (279, 239),
    # memory that the limits do not count, queues that stay behind
    "memfd_create": (319, 279), "shmget": (29, 194), "shmat": (30, 196),
    "shmctl": (31, 195), "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191),
    "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189),
    "msgrcv": (70, 188), "msgctl": (71, 187), "mq_open": (240, 180),
    "mq_unlink": (241, 181), "userfaultfd": (323, 282),
    # what Landlock does not cover: modes, owners, times, attributes
    "chmod": (90, 0), "fchmod": (91, 52), "fchmodat": (268, 53), "chown": (92, 0),
    "fchown": (93, 55), "lchown": (94, 0), "fchownat": (260, 54), "utime": (132, 0),
    "utimes": (235, 0), "futimesat": (261, 0), "utimensat": (280, 88),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "truncate": (76, 45), "mknod": (133, 0), "mknodat": (259, 33),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    # the machine
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "unshare": (272, 97), "setns": (308, 268),
    "personality": (135, 92), "acct": (163, 89), "settimeofday": (164, 170),
    "adjtimex": (159, 171), "clock_settime": (227, 112), "clock_adjtime": (305, 266),
    "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142),
    "sethostname": (170, 161), "setdomainname": (171, 162), "iopl": (172, 0),
    "ioperm": (173, 0), "init_module": (175, 105), "delete_module": (176, 106),
    "finit_module": (313, 273), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "quotactl": (179, 60), "syslog": (103, 116),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "perf_event_open": (298, 241), "bpf": (321, 280), "fanotify_init": (300, 262),
    "seccomp": (317, 277),
}  # fmt: skip
CLONE, KILL, TGKILL = (56, 220), (62, 129), (234, 131)
PRLIMIT, FCNTL, IOCTL = (302, 261), (72, 25), (16, 29)
NEWER = 424  # from here on the numbers are the same everywhere; allowed of them are
# close_range, openat2, faccessat2, futex_waitv, cachestat, futex_* and mseal
NEW_ALLOWED = (436, 437, 439, 449, 451, 454, 455, 456, 462)
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
    for numbers in DENIED.values():
        if numbers[column]:
            steps += [(EQUAL, 0, 1, numbers[column]), _end(REFUSE)]
    steps += _when(CLONE[column], 0, [(ANY_BIT, 1, 0, CLONE_THREAD), _end(REFUSE)])
    for numbers in (KILL, TGKILL):  # itself only: abort() does so
        steps += _when(numbers[column], 0, [(EQUAL, 1, 0, pid), _end(REFUSE)])
    itself = [(EQUAL, 2, 0, 0), (EQUAL, 1, 0, pid), _end(REFUSE)]
    steps += _when(PRLIMIT[column], 0, itself)
    for numbers, bad in ((FCNTL, OWNERS), (IOCTL, TERMINALS)):
        checks = [s for value in bad for s in ((EQUAL, 0, 1, value), _end(REFUSE))]
        steps += _when(numbers[column], 1, checks)
    steps += [s for n in NEW_ALLOWED for s in ((EQUAL, 0, 1, n), _end(ALLOW))]
    # ENOSYS, so that the C library falls back on the older call (clone3 → clone)
    return [*steps, (AT_LEAST, 0, 1, NEWER), _end(UNKNOWN), _end(ALLOW)]


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
