"""The student's process: locks itself in, runs the student's code, answers arrays.

    python -I -B -S child.py REQUESTS REPLIES        two pipes, by their numbers

What comes first on REQUESTS is the order (JSON, from the grader): where the tree of the
package is, which of its modules is the student's, which files may be read, and how much
of the machine may be used. When all is imported it
says that it is ready; then comes a frame for each question. The verdict is not made
here, and nothing here knows a right answer: all that leaves is arrays (frames.py), or
the text of an exception as an array of bytes.

The order of the lines in `main` is the point: limits, then NumPy and the library that
we need ourselves, then Landlock and seccomp, and only then the first byte of a student.
This file imports the standard library, NumPy, and the files beside it, by their paths.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import sys
import traceback
from types import ModuleType
from typing import Any

FOREIGN = {"torch", "tensorflow", "jax", "jaxlib", "keras", "cupy", "autograd"}


def load(name: str, path: str) -> ModuleType:
    """Import one file under a name of our choice."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class Door:
    """Which packages there are: the library, NumPy, the tree; the rest is not here.

    `import` asks the finders in turn, this one first. The module under test is the
    student's file; an import from inside of a region may not reach for minidl at all.
    """

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.homes = {"numpy": order["numpy"], "minidl": order["tree"]}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return where a module is; None lets the next finder look."""
        top = name.partition(".")[0]
        if top in FOREIGN:
            raise ImportError(f"{top} is not part of this course; write it yourself")
        if top == "minidl" and self.inside_region():
            raise ImportError("a task is solved without the finished minidl")
        if name == self.order["module"]:
            return importlib.util.spec_from_file_location(name, self.order["source"])
        if self.homes.get(name):
            finder = importlib.machinery.PathFinder
            return finder.find_spec(name, [self.homes[name]])
        return None

    def inside_region(self) -> bool:
        """Whether the nearest frame that is not Python's own is the student's."""
        frame, (start, end) = sys._getframe(2), self.order["lines"]
        while frame is not None and "importlib" in frame.f_code.co_filename:
            frame = frame.f_back  # type: ignore[assignment]
        if frame is None or frame.f_code.co_filename != self.order["source"]:
            return False
        return bool(start <= frame.f_lineno <= end)


def lock_in(order: dict[str, Any], here: str) -> tuple[Any, Any]:
    """Take the limits, import what is ours, close the doors behind us."""
    limits = load("limits", os.path.join(here, "limits.py"))
    landlock = load("landlock", os.path.join(here, "landlock.py"))
    seccomp = load("seccomp", os.path.join(here, "seccomp.py"))
    limits.apply(**order["limits"])
    sys.path[:] = order["path"]
    sys.meta_path.insert(0, Door(order))
    importlib.import_module("numpy")
    frames = load("frames", os.path.join(here, "frames.py"))
    above = os.path.dirname(here)
    plain = load("answers_child", os.path.join(above, "answers_child.py")).plain
    limits.drop_privileges(order["user"])
    if order["landlock"]:
        landlock.lock(order["read"], order["write"], order["listed"])
    if order["seccomp"]:
        seccomp.install()
    return frames, plain


def answer(
    frames: Any, plain: Any, calls: Any, request: dict[str, Any], source: str
) -> bytes:
    """Return the frame that answers one question."""
    try:
        function = getattr(calls, frames.words(request.pop(frames.CALL)))
        return bytes(frames.encode(plain(function(**request))))
    except BaseException as error:  # a SystemExit is no way out of a question
        return excuse(frames, error, source)


def excuse(frames: Any, error: BaseException, source: str) -> bytes:
    """Return the frame that tells of an exception, and the student's line if any."""
    import numpy as np

    line = 0
    try:
        said = f"{type(error).__name__}: {str(error)[:500]}"
        stack = traceback.extract_tb(error.__traceback__)
        line = [0, *(f.lineno or 0 for f in stack if f.filename == source)][-1]
    except BaseException:  # an exception whose text raises
        said = "Exception: it cannot be shown"
    told = {frames.ERROR: frames.text(said), frames.LINE: np.array(line)}
    return bytes(frames.encode(told))


def ordered(requests: int) -> dict[str, Any]:
    """Read the order: eight digits, its length, and so many bytes of JSON."""
    size, text = int(os.read(requests, 8)), b""
    while len(text) < size:
        text += os.read(requests, size - len(text))
    order: dict[str, Any] = json.loads(text)
    return order


def write(pipe: int, reply: bytes) -> None:
    """Write all of a frame."""
    while reply:
        reply = reply[os.write(pipe, reply) :]


def main() -> None:
    """Read the order, lock in, and answer until there are no more questions."""
    requests, replies = int(sys.argv[1]), int(sys.argv[2])
    here = os.path.dirname(os.path.abspath(__file__))
    order = ordered(requests)
    frames, plain = lock_in(order, here)
    calls: Any = None
    refused = b""
    try:
        calls = load(
            "calls", order["calls"]
        )  # imports the tree, the student's file too
    except BaseException as error:  # each question gets this answer
        refused = excuse(frames, error, order["source"])
    write(replies, frames.encode({frames.READY: frames.text("ready")}))
    while (request := frames.read(lambda size: os.read(requests, size))) is not None:
        reply = refused or answer(frames, plain, calls, request, order["source"])
        write(replies, reply)
    os._exit(0)  # no hook of anybody's runs now


if __name__ == "__main__":
    main()
