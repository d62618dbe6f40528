"""A fresh process that imports a tree and answers rows; or the same in this process.

It runs as a script, `python -I -B answers_child.py`, and speaks in pickles: it gets a
job, then, for each group of questions, says ("ready",) and gives an answer for each
question as soon as it has it. It is for the owner's code only: the reference, the
mutants, a student's work on the student's own machine. Submissions of others run in
grade/child.py, which trusts nobody.
This file imports the standard library and NumPy only.
"""

from __future__ import annotations

import builtins
import importlib.abc
import importlib.machinery
import importlib.util
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# ("ready",), ("arrays", {…}), ("error", what, task, (file, line)) or ("runs", task)
Said = tuple[Any, ...]
RUNS = "_region_runs_"  # what the regions of watched files call (causes.py)


class Grafted(importlib.abc.MetaPathFinder):
    """Finds minidl in the tree only, and some of its modules in other files.

    What the tree lacks is not here, even where another minidl is installed: its faster
    bodies would answer for a region.
    """

    def __init__(self, tree: str, files: dict[str, str]) -> None:
        self.tree, self.files = tree, files

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return where a module of minidl is, None for all others."""
        if name.partition(".")[0] != "minidl":
            return None
        if (file := self.files.get(name)) is not None:
            return importlib.util.spec_from_file_location(name, file)
        places = [self.tree] if name == "minidl" else path
        found = importlib.machinery.PathFinder.find_spec(name, places)
        if found is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return found


def plain(result: Any) -> dict[str, Any]:
    """Return what a function of calls.py gave back as plain arrays by name.

    A Tensor is its array. A subclass of ndarray, or an object that says it is an array,
    becomes one here. None is left out: it is judged as absent.
    """
    import numpy as np

    if not isinstance(result, dict):
        raise TypeError(f"{type(result).__name__} came back, not arrays by name")
    answers = {}
    for name, value in result.items():
        if type(value).__module__.startswith("minidl."):
            value = value.data  # of a Tensor
        if value is not None:
            answers[str(name)] = np.array(value, order="C", subok=False)
    return answers


def answer(calls: Any, call: str, inputs: dict[str, Any], tree: str) -> Said:
    """Return what one question gives: arrays, or what was raised."""
    try:
        return "arrays", plain(getattr(calls, call)(**inputs))
    except BaseException as error:  # a SystemExit is no way out of a question
        return failure(error, "raised ", tree)


def failure(error: BaseException, how: str, tree: str) -> Said:
    """Return what an exception says, which task is missing, and the line it is from."""
    try:
        what = f"{how}{type(error).__name__}: {error}"
    except Exception:  # an exception whose text raises
        what = f"{how}{type(error).__name__}"
    return "error", what, missing(error), place(error, tree)


def missing(error: BaseException | None) -> str:
    """Return the unfinished task that an error came from, or ""."""
    seen: list[BaseException] = []  # the engine raises some errors from themselves
    while error is not None and error not in seen:
        if isinstance(task := getattr(error, "task", ""), str) and task:
            return task
        seen.append(error)
        error = error.__cause__ or error.__context__
    return ""


def place(error: BaseException, tree: str) -> tuple[str, int]:
    """Return the innermost file of the tree, or grafted into it, and its line."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(Path(tree) / "minidl") or path.name.startswith("graft."):
            return frame.filename, frame.lineno or 0
    return "", 0


def answers(job: dict[str, Any], tell: Callable[[Said], None]) -> Iterator[Said]:
    """Say "ready" before each group of questions, then yield an answer for each.

    A group that changes other files than the one before gets an engine imported afresh.
    If that fails, why is said in place of "ready", and nothing of the group is asked.
    NumPy and Python stay as they are: no text may change them (np.seterr, np.exp = …).

    tell   is told of each watched region that runs, once a question
    """
    ran = set[str]()

    def runs(task: str) -> None:
        if task not in ran:
            ran.add(task)
            tell(("runs", task))

    setattr(builtins, RUNS, runs)
    sys.path.insert(0, job["tree"])
    finder = Grafted(job["tree"], {})
    sys.meta_path.insert(0, finder)
    last, calls, begins = None, None, ()
    for files, asked in job["groups"]:
        if files != last:
            last = finder.files = files
            calls, begins = imported(job)
        yield begins
        for call, inputs in asked if calls is not None else ():
            ran.clear()
            own = {name: x.copy() for name, x in inputs.items()}  # groups share theirs
            yield answer(calls, call, own, job["tree"])


def imported(job: dict[str, Any]) -> tuple[Any, Said]:
    """Import calls.py, and the engine afresh; or return None and why it cannot be."""
    for name in engine():
        del sys.modules[name]
    spec: Any = importlib.util.spec_from_file_location("calls", job["calls"])
    calls = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(calls)
    except BaseException as error:
        return None, failure(error, "cannot be imported: ", job["tree"])
    home = str(Path(sys.modules["minidl"].__file__ or "").parents[1])
    assert home == job["tree"], f"minidl came from {home}"
    return calls, ("ready",)


def engine() -> list[str]:
    """Return the modules of minidl that are imported."""
    return [name for name in sys.modules if name.partition(".")[0] == "minidl"]


def main() -> None:
    """Read a job, answer it."""
    job = pickle.load(sys.stdin.buffer)
    out, sys.stdout = sys.stdout.buffer, sys.stderr

    def tell(said: Said) -> None:
        pickle.dump(said, out)
        out.flush()

    for said in answers(job, tell):
        tell(said)


if __name__ == "__main__":
    main()
