"""The other side of a trial: a fresh process that imports the tree and answers rows.

It runs as a script, `python -I -B trial_child.py`, gets its job and gives its answers
in pickles, and is for the instructor's own code only: the reference, its blanks and the
mutants. Submissions of others run in child.py, which trusts nobody.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import pickle
import sys
from pathlib import Path
from typing import Any


class Grafted(importlib.abc.MetaPathFinder):
    """Finds some modules in other files than those of the tree."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return where a grafted module is, None for all others."""
        if (file := self.files.get(name)) is None:
            return None
        return importlib.util.spec_from_file_location(name, file)


def answer(calls: Any, call: str, inputs: dict[str, Any]) -> tuple[str, Any]:
    """Return ("arrays", …), or ("error", what it raised and which task is missing)."""
    import numpy as np

    try:
        made = getattr(calls, call)(**inputs)
        return "arrays", {
            name: np.array(y.data if hasattr(y, "requires_grad") else y)
            for name, y in made.items()
        }
    except Exception as error:
        return "error", (f"raised {type(error).__name__}: {error}", missing(error))


def missing(error: BaseException | None) -> str:
    """Return the unfinished task that an error came from, or ""."""
    seen: list[BaseException] = []  # the engine raises some errors from themselves
    while error is not None and error not in seen:
        if isinstance(task := getattr(error, "task", ""), str) and task:
            return task
        seen.append(error)
        error = error.__cause__ or error.__context__
    return ""


def main() -> None:
    """Read a job, answer it."""
    job = pickle.load(sys.stdin.buffer)
    out, sys.stdout = sys.stdout.buffer, sys.stderr
    sys.path.insert(0, job["tree"])
    sys.meta_path.insert(0, Grafted(job["files"]))
    spec: Any = importlib.util.spec_from_file_location("calls", job["calls"])
    calls = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(calls)
        answers = [answer(calls, call, inputs) for call, inputs in job["asked"]]
    except Exception as error:
        what = f"cannot be imported: {type(error).__name__}: {error}"
        answers = [("error", (what, missing(error)))] * len(job["asked"])
    home = str(Path(sys.modules["minidl"].__file__ or "").parents[1])
    assert home == job["tree"], f"minidl came from {home}"
    pickle.dump(answers, out)


if __name__ == "__main__":
    main()
