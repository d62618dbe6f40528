"""A fresh edition runs: untouched, with each task wrong in turn, and solved.

In every state a student's commands are run as a student runs them: `score`, `submit`
and pytest; of the wrong answers that are Python only the first by all three, for in the
others `score` alone can find something new. None may end in a traceback, a slip costs
its own task only, and the points are what the state says.
"""

from __future__ import annotations

import compileall
import importlib.util
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..answers import ONE_THREAD
from ..assignment import Assignment, find
from ..regions import region_of, replace
from .mutation import mutated

JOBS = 2
SLIP = "def f(\n"  # in a region: no Python
SCORE = ["-m", "minidl", "course", "score"]
SUBMIT = ["-m", "minidl", "course", "submit", "--student", "가나"]
TESTS = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]


@dataclass(frozen=True)
class State:
    """What stands in the regions of an edition.

    codes   the lines of regions that are not blank, by their tasks
    wrong   the task that is wrong, if one is        slip   it is no Python
    all_commands   whether all are tried, not `score` alone
    """

    name: str
    codes: Mapping[str, str]
    wrong: str = ""
    slip: bool = False
    all_commands: bool = True


def states(assignment: Assignment) -> Iterator[State]:
    """Yield the states in which the commands must work."""
    solved = {
        task.name: region_of(assignment.source(task.file), task.name).code
        for task in assignment.tasks.values()
    }
    yield State("untouched", {})
    yield State("solved", solved)
    for task in assignment.tasks:
        yield State(f"a slip in {task}", solved | {task: SLIP}, task, True)
        wrong = next((m for m in assignment.mutants if m.task == task), None)
        if wrong is not None:
            code = mutated(assignment, wrong)
            name, codes = f"{wrong.name!r} in {task}", solved | {task: code}
            yield State(name, codes, task, all_commands=wrong is assignment.mutants[0])


def walkthrough_faults(
    assignment: Assignment, files: Mapping[str, bytes], most: int | None = None
) -> list[str]:
    """Return a sentence for everything that a student's commands do wrongly.

    files   the edition        most   so many states are tried, the first ones (all)
    """
    chosen = [*states(assignment)][:most]
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(JOBS) as pool:
        fresh = _unpacked(files, Path(place, "edition"))
        found = pool.map(lambda state: list(_tried(assignment, fresh, state)), chosen)
        pairs = list(zip(chosen, found, strict=True))
    return [f"the edition, {state.name}: {x}" for state, xs in pairs for x in xs]


def _unpacked(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write an edition, compiled; a file that is changed later is compiled again."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(folder, quiet=2, invalidation_mode=mode)
    return folder


def _tried(a: Assignment, fresh: Path, state: State) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as place:
        folder = shutil.copytree(fresh, Path(place, "edition"))
        for task, code in state.codes.items():
            path = folder / a.tasks[task].file
            text = path.read_text(encoding="utf-8")
            text = replace(text, region_of(text, task), code)
            path.write_text(text, encoding="utf-8")
        score = _run(folder, SCORE)
        yield from _score(a, state, score)
        if not state.all_commands:
            return
        said = _run(folder, SUBMIT)
        careful = "careful" in said.stdout
        if said.returncode or careful != (not state.codes or state.slip):
            yield f"submit ends with {said.returncode}: {_last(said)}"
        if importlib.util.find_spec("pytest") is not None:
            said = _run(folder, TESTS)
            counts = re.findall(r"(\d+) (?:passed|failed)", said.stdout)
            rows = len(find("", folder).public)
            same = said.returncode == score.returncode
            if not same or sum(map(int, counts)) != rows:
                yield f"pytest ends with {said.returncode}: {_last(said)}"


def _score(
    a: Assignment, state: State, said: subprocess.CompletedProcess[str]
) -> Iterator[str]:
    """Judge what `score` printed."""
    lines = re.findall(r"^[✓ ] (\S+) +(\d+) of +(\d+)  ", said.stdout, re.MULTILINE)
    points = {task: (int(got), int(of)) for task, got, of in lines}
    if said.stderr or said.returncode not in (0, 1) or list(points) != list(a.tasks):
        yield f"score ends with {said.returncode}: {_last(said)}"
        return
    for task, (got, of) in points.items():
        if not state.codes and got:
            yield f"score gives {task} {got} points for a blank"
        if state.codes and not state.wrong and got < of:
            yield f"score gives {task} {got} of {of} points for the solution"
        if state.slip and task == state.wrong:
            if got or f"{a.tasks[task].file}, line" not in said.stdout:
                yield f"score does not say in which line of {task} the slip is"
        elif state.wrong and got < of and not _blamed(state, task, said.stdout):
            yield f"score lets {state.wrong}, which is wrong, cost points of {task}"


def _blamed(state: State, task: str, said: str) -> bool:
    """Whether `score` says that a task fails because of the one that is wrong."""
    note = re.search(rf"^{re.escape(task)}:.*(\n  .*)*", said, re.MULTILINE)
    words = note[0] if note else ""
    if task == state.wrong:
        return f"{task}: comes from" not in re.sub(" +", " ", words)
    way = f"needs {state.wrong} first" if state.slip else f"comes from {state.wrong}:"
    return way in words


def _run(folder: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    """Run Python in an edition, where a student would."""
    gone = ("PYTHONPATH", "PYTEST_ADDOPTS")
    env = {k: v for k, v in os.environ.items() if k not in gone}
    set_here = {"PYTHONUTF8": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | ONE_THREAD
    return subprocess.run(
        [sys.executable, "-B", *words], cwd=folder, env=env | set_here,
        capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip


def _last(said: subprocess.CompletedProcess[str]) -> str:
    lines = (said.stdout + said.stderr).strip().splitlines()
    return lines[-1] if lines else "it says nothing"
