"""The course's command in a student's edition, before the engine is imported.

`python -m minidl course score` imports the package `minidl` first, and a syntax error
in one region would end it there. An edition's minidl/__init__.py therefore begins with
`run_if_asked()`; the engine is then imported in the processes that answer rows.
"""

from __future__ import annotations

import sys
from pathlib import PurePath


def run_if_asked() -> None:
    """Run the command if this process is `minidl course …`, and end the process."""
    words = asked(sys.orig_argv)
    if words is not None:
        from .command import main

        sys.exit(main(words))


def asked(words: list[str]) -> list[str] | None:
    """Return what stands behind `minidl course` on a command line, None if nowhere.

    >>> asked(["python", "-B", "-m", "minidl", "course", "score"])
    ['score']
    >>> asked(["python", "/usr/bin/minidl", "course", "submit"])
    ['submit']
    >>> asked(["python", "-m", "pytest", "minidl", "course"])
    """
    rest = iter(words[1:])
    for word in rest:
        if word in ("-X", "-W"):
            next(rest, "")
        elif word == "-m" or not word.startswith("-"):
            name = next(rest, "") if word == "-m" else PurePath(word).stem
            return [*rest] if [name, next(rest, "")] == ["minidl", "course"] else None
    return None
