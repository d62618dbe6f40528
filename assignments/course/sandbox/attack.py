"""What a hostile submission would try first, bounded, against our own canaries.

Each function runs in a student's process, under the sandbox that is to be proved, and
says whether it got through: 1, or 0. It knows of the canaries' places, as a submission
might; nobody else's file, process or port is ever touched.
"""

from __future__ import annotations

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
