"""The walls around one student's process: which command, which files, which limits.

    process    L1   limits, a cleared environment, a clock, no survivors
    landlock   L2   and: files by Landlock, system calls by seccomp
    bwrap      L3   and: namespaces of its own (no network, no other processes to see)

What may be read is Python, NumPy, the libraries they have loaded, and the tree of the
task: not the place where packages are installed, where a finished minidl may be.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import sysconfig
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from . import bwrap, landlock, limits, seccomp
from .process import Process

LEVELS = ("process", "landlock", "bwrap")
RANK = {"process": 1, "landlock": 2, "bwrap": 3}
HERE = Path(__file__).resolve().parents[1]
PACKAGES = {"site-packages", "dist-packages"}
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/etc/ld.so.cache")


@dataclass(frozen=True)
class Job:
    """What a process is to run.

    calls    the file of functions that are asked
    tree     the folder with the package minidl; "" if there is none
    module   the name of the student's module, and the file it is in
    lines    first and last line of the student's region in that file
    """

    calls: str
    tree: str = ""
    module: str = ""
    source: str = ""
    lines: tuple[int, int] = (0, 0)
    seconds: float = 20.0
    megabytes: int = 1024


@dataclass(frozen=True)
class Box:
    """A level, and what it needs to know of this machine."""

    level: str
    processes: int = field(default_factory=limits.processes_now)

    def start(self, job: Job, home: str) -> Process:
        """Start a process for a job, in its throw-away folder."""
        named = [os.path.dirname(job.calls), job.tree, os.path.dirname(job.source)]
        read = [*readable(), *(path for path in named if path)]
        words = ["-I", "-B", "-S", "-X", "utf8", str(HERE / "sandbox" / "child.py")]
        command = [sys.executable, *words]
        if self.level == "bwrap":
            shown = [*read, str(HERE), *interpreter()]
            command = [*bwrap.command(shown, home), *command]
        return Process(command, self._order(job, read, home), home, job.seconds)

    def _order(self, job: Job, read: list[str], home: str) -> dict[str, Any]:
        """Return what the process is told first (child.py)."""
        locked = self.level != "process"
        user = 0 if locked else other_user([home, *read])
        if user:
            os.chown(home, user, user)
        return {
            "calls": job.calls,
            "tree": job.tree,
            "module": job.module,
            "source": job.source,
            "lines": list(job.lines),
            "numpy": str(Path(np.__file__).parent.parent),
            "path": library(),
            "user": user,
            "landlock": locked and bool(landlock.abi()),
            "seccomp": locked,
            "read": read,
            "write": [home],
            "listed": library(),
            "limits": {
                "seconds": job.seconds,
                "megabytes": job.megabytes,
                "processes": self.processes,
            },
        }


def other_user(paths: list[str]) -> int:
    """Return whom a process of root's is to be at L1: nobody, where that can be.

    Then it reads what everybody may read, and not the grader's own files. It cannot be
    where Python itself lies in a folder of root's.
    """
    if os.geteuid() != 0:
        return 0
    places = {Path(path) for path in paths if not path.startswith("/dev/")}
    around = {folder for place in places for folder in place.parents}
    open_ = all(folder.stat().st_mode & stat.S_IXOTH for folder in around)
    return limits.NOBODY if open_ else 0


def statement(level: str) -> str:
    """Say in one line what a level consists of on this machine."""
    if level == "process":
        return (
            "L1 process: resource limits, a cleared environment, a clock; files and "
            "network are open"
        )
    doors = [landlock.describe(landlock.abi()), seccomp.describe(), "resource limits"]
    if level == "bwrap":
        doors.insert(0, "namespaces")
    return f"L{RANK[level]} {level}: {', '.join(doors)}"


@cache
def library() -> list[str]:
    """Return where Python's own modules are."""
    compiled = sysconfig.get_config_var("DESTSHARED") or ""
    places = [sysconfig.get_path("stdlib"), compiled]
    return [os.path.realpath(p) for p in places if os.path.isdir(p)]


@cache
def interpreter() -> list[str]:
    """Return what is needed to start Python itself."""
    home = Path(sys.executable).parent
    venv = [str(home.parent / "pyvenv.cfg")] if sys.prefix != sys.base_prefix else []
    real = os.path.realpath(sys.executable)
    return [str(home), os.path.dirname(real), *venv, *library()]


@cache
def readable() -> list[str]:
    """Return the files and folders that any process may read."""
    found = [*DEVICES]
    for place in library():
        names = os.listdir(place)
        inner = [os.path.join(place, n) for n in names if n not in PACKAGES]
        found += inner if PACKAGES & set(names) else [place]
    folder = Path(np.__file__).parent
    found += [str(folder), str(folder.parent / "numpy.libs")]
    return [path for path in dict.fromkeys(found + libraries()) if os.path.exists(path)]


def libraries() -> list[str]:
    """Return the folders of the shared libraries that this process has loaded.

    A folder that holds packages of Python too is left out: its libraries are loaded.
    """
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
            paths = re.findall(r" (/\S+\.so[.\d]*)$", file.read(), re.MULTILINE)
    except OSError:
        return []
    folders = {os.path.dirname(path) for path in paths}
    plain = re.compile(r"/lib(64|32)?(/[\w-]*linux-gnu\w*)?$")
    return [
        folder
        for folder in sorted(folders)
        if plain.search(folder)
        and not any(name.startswith("python") for name in os.listdir(folder))
    ]
