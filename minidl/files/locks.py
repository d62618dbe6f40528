"""Locks on files, where the system has them: `fcntl`, or None.

Windows and the Python of a browser have no fcntl (JupyterLite has an empty module of
that name). Without locks, nobody is told that somebody else writes the same file.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def _locks() -> Any:
    try:
        module = import_module("fcntl")
    except ImportError:
        return None
    return module if hasattr(module, "flock") else None


fcntl: Any = _locks()
