"""The sandbox attacks itself before anybody else does.

`reach` starts a process of ours under a level's walls, lets it try what a hostile
submission would (attack.py), and looks whether anything got through. A level is what
this proves on this machine, not what the kernel's version promises.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CourseError
from . import bwrap, frames, landlock, seccomp
from .box import LEVELS, Box, Job, statement
from .limits import FILE_SIZE, OPEN_FILES
from .process import EndedError

ATTACKS = (
    "read_file", "write_file", "change_mode", "connect", "signal_parent",
    "look_at_parent", "fork", "execute", "memory", "large_file", "environment",
    "outlive", "watch", "queue", "segments", "unlinked",
)  # fmt: skip
LIMITED = {"memory", "large_file", "environment", "unlinked"}  # what L1 stops
MEGABYTES = 512
CANARY = "MINIDL_CANARY"


@dataclass(frozen=True)
class Proof:
    """What a level stopped, and what got through."""

    level: str
    through: tuple[str, ...]
    trouble: str = ""

    @property
    def holds(self) -> bool:
        """Whether the level does here what it says."""
        stopped = LIMITED if self.level == "process" else set(ATTACKS)
        return not self.trouble and not stopped & set(self.through)

    def __str__(self) -> str:
        if self.trouble:
            return f"{self.level} is not to be had: {self.trouble}"
        open_ = ", ".join(self.through).replace("_", " ")
        return f"{statement(self.level)}; probe: " + (
            f"{len(ATTACKS) - len(self.through)} of {len(ATTACKS)} attacks stopped"
            + (f" (through: {open_})" if open_ else "")
        )


def probe(level: str) -> Proof:
    """Attack a level's walls from inside; only our own canaries are touched."""
    if trouble := missing(level):
        return Proof(level, (), trouble)
    with canaries() as (home, questions):
        job = Job(str(Path(__file__).parent / "attack.py"), megabytes=MEGABYTES)
        through = []
        try:
            with Box(level).start(job, home) as process:
                for attack in ATTACKS:
                    process.send({frames.CALL: frames.text(attack), **questions})
                    answer = process.receive()
                    if frames.ERROR in answer:
                        return Proof(level, (), frames.words(answer[frames.ERROR]))
                    if answer["through"]:
                        through.append(attack)
        except EndedError as error:
            said = process.output.decode("utf-8", "replace").strip().splitlines()
            return Proof(level, (), f"it {error}" + (f": {said[-1]}" if said else ""))
    return Proof(level, tuple(through))


def missing(level: str) -> str:
    """Return what a level needs and this machine has not; "" if nothing."""
    if os.name != "posix":
        return "grading needs Linux (or another POSIX system, at L1)"
    if level == "bwrap" and not bwrap.found():
        return "bubblewrap is not installed (the package `bubblewrap`)"
    if level != "process" and seccomp.describe() != "seccomp":
        return seccomp.describe()
    if level == "landlock" and not landlock.abi():
        return landlock.describe(0)
    return ""


@contextmanager
def canaries() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give a folder, a file beside it, an open port, a variable; all of them ours."""
    os.environ[CANARY] = "alive"
    with tempfile.TemporaryDirectory() as folder, socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        os.chmod(folder, 0o711)  # a process that is nobody must find its home
        canary, home = Path(folder, "canary"), Path(folder, "home")
        canary.write_text("alive\n")
        canary.chmod(0o600)
        home.mkdir()
        yield (
            os.path.realpath(home),
            {
                "path": frames.text(os.path.realpath(canary)),
                "port": np.int64(door.getsockname()[1]).reshape(()),
                "pid": np.array(os.getpid()),
                "megabytes": np.array(MEGABYTES),
                "size": np.array(FILE_SIZE + 1),
                "name": frames.text(CANARY),
                "disk": np.array(FILE_SIZE * OPEN_FILES),
            },
        )
    with suppress(KeyError):
        del os.environ[CANARY]


def reach(wanted: str = "auto") -> Proof:
    """Return the proof of the level that is wanted, or of the best that holds here.

    Raises CourseError if the one that was asked for does not hold.
    """
    levels = LEVELS[::-1] if wanted == "auto" else (wanted,)
    proofs = []
    for level in levels:
        proofs.append(probe(level))
        if proofs[-1].holds:
            return proofs[-1]
    raise CourseError(
        "no sandbox holds here:\n" + "\n".join(f"  {proof}" for proof in proofs)
    )
