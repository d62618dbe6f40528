"""L3: bubblewrap, where it is installed: a process in namespaces of its own.

It sees no other process and no network, and of the files only those that are named,
read-only but its own folder. Inside, the process still closes the doors of L2.

https://github.com/containers/bubblewrap
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import PurePath

SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache")


def found() -> str:
    """Return the path of the program; "" if it is not installed."""
    return shutil.which("bwrap") or ""


def command(read: Iterable[str], home: str) -> list[str]:
    """Return the words that stand before the command that is to be wrapped."""
    words = [found(), "--unshare-all", "--die-with-parent", "--new-session"]
    words += ["--cap-drop", "ALL", "--hostname", "grader"]
    words += ["--proc", "/proc", "--dev", "/dev"]
    for path in outermost([*SYSTEM, *read]):
        if not path.startswith("/dev/"):
            words += ["--ro-bind-try", path, path]
    return [*words, "--bind", home, home, "--chdir", home, "--"]


def outermost(paths: Iterable[str]) -> list[str]:
    """Return the paths that lie in no other: a mount for each entry would be slow.

    >>> outermost(["/usr/lib/a.so", "/usr/lib", "/usr/lib64", "/usr/lib"])
    ['/usr/lib', '/usr/lib64']
    """
    unique = dict.fromkeys(paths)
    return [
        path
        for path in unique
        if not any(str(parent) in unique for parent in PurePath(path).parents)
    ]
