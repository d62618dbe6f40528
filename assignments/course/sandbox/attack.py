"""What a hostile submission would try first, bounded, against our own canaries.

Each function runs in a student's process, under the sandbox that is to be proved, and
says whether it got through: 1, or 0. It knows of the canaries' places, as a submission
might; nobody else's file, process or port is ever touched.
"""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Callable
from typing import Any

import numpy as np


def tried(action: Callable[[], object]) -> dict[str, Any]:
    """Return whether something could be done."""
    try:
        return {"through": np.int8(bool(action()))}
    except (OSError, MemoryError):
        return {"through": np.int8(0)}


def word(raw: Any) -> str:
    """Return the text that an array of bytes holds."""
    return bytes(np.asarray(raw, np.uint8)).decode()


def read_file(path: Any, **_: Any) -> dict[str, Any]:
    """Read a file that lies beside the submissions."""

    def action() -> bool:
        with open(word(path)) as file:
            return bool(file.read())

    return tried(action)


def write_file(path: Any, **_: Any) -> dict[str, Any]:
    """Change a file that is not its own."""

    def action() -> bool:
        with open(word(path), "a") as file:
            return bool(file.write("reached\n"))

    return tried(action)


def change_mode(path: Any, **_: Any) -> dict[str, Any]:
    """Change who may read a file."""

    def action() -> bool:
        os.chmod(word(path), 0o600)
        return True

    return tried(action)


def connect(port: Any, **_: Any) -> dict[str, Any]:
    """Reach somebody over the network."""

    def action() -> bool:
        with socket.create_connection(("127.0.0.1", int(port)), timeout=1):
            return True

    return tried(action)


def signal_parent(pid: Any, **_: Any) -> dict[str, Any]:
    """Send the grader a signal: number 0, which only asks whether one may."""

    def action() -> bool:
        os.kill(int(pid), 0)
        return True

    return tried(action)


def look_at_parent(pid: Any, **_: Any) -> dict[str, Any]:
    """Read the grader's environment, or its memory."""

    def action() -> bool:
        with open(f"/proc/{int(pid)}/environ", "rb") as file:
            return bool(file.read())

    return tried(action)


def fork(**_: Any) -> dict[str, Any]:
    """Become two processes."""

    def action() -> bool:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        return os.waitpid(pid, 0)[0] == pid

    return tried(action)


def execute(**_: Any) -> dict[str, Any]:
    """Start another program."""

    def action() -> bool:
        pid = os.posix_spawn("/bin/true", ["true"], {})
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    return tried(action)


def memory(megabytes: Any, **_: Any) -> dict[str, Any]:
    """Take more memory than there is for it, 64 megabytes at a time."""

    def action() -> bool:
        taken = [np.zeros(2**26, np.uint8) for _ in range(int(megabytes) // 64 + 2)]
        return bool(taken)

    return tried(action)


def large_file(size: Any, **_: Any) -> dict[str, Any]:
    """Write a file larger than it may be, by its last byte."""

    def action() -> bool:
        with open("large", "wb") as file:
            file.seek(int(size))
            return bool(file.write(b"."))

    return tried(action)


def environment(name: Any, **_: Any) -> dict[str, Any]:
    """Find a variable of the grader's environment."""
    return tried(lambda: word(name) in os.environ)


CALLS = {  # numbers on x86-64 and on aarch64
    "x86_64": {"prctl": 157, "io_setup": 206, "modify_ldt": 154, "inotify_init1": 294,
               "inotify_add_watch": 254},
    "aarch64": {"prctl": 167, "io_setup": 0, "inotify_init1": 26,
                "inotify_add_watch": 27},
}  # fmt: skip


def call(name: str, *arguments: object) -> int:
    """Make a system call; OSError where it is refused, or not on this machine."""
    number = CALLS.get(os.uname().machine, {}).get(name)
    if number is None:
        raise OSError(f"there is no {name} here")
    result = int(ctypes.CDLL(None, use_errno=True).syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def outlive(**_: Any) -> dict[str, Any]:
    """Go on when the grader is gone: switch PR_SET_PDEATHSIG off."""
    return tried(lambda: call("prctl", 1, 0, 0, 0, 0) == 0)


def watch(path: Any, **_: Any) -> dict[str, Any]:
    """Be told of every file that appears beside the submissions."""

    def action() -> bool:
        place = call("inotify_init1", os.O_NONBLOCK)
        folder = os.path.dirname(word(path)).encode()
        return call("inotify_add_watch", place, folder, 0x3C0) >= 0

    return tried(action)


def queue(**_: Any) -> dict[str, Any]:
    """Take memory of the kernel's own, by a queue for input and output."""
    return tried(lambda: call("io_setup", 1, ctypes.byref(ctypes.c_ulong())) == 0)


def segments(**_: Any) -> dict[str, Any]:
    """Read the table of memory segments, by a call that nobody needs."""
    return tried(
        lambda: call("modify_ldt", 0, ctypes.create_string_buffer(64), 64) >= 0
    )


def unlinked(disk: Any, **_: Any) -> dict[str, Any]:
    """Fill the disk with files that are open and have no names."""
    held, total = [], 0
    try:
        while total <= int(disk):
            held.append(open("unlinked", "wb", buffering=0))  # noqa: SIM115
            os.unlink("unlinked")
            for block in [bytes(2**16)] * 32:
                total += held[-1].write(block)
    except OSError:
        pass
    finally:
        for file in held:
            file.close()
    return {"through": np.int8(total > int(disk))}
