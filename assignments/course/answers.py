"""Rows asked of a tree in a process of its own, and what came of each.

    inputs of a row -> a fresh Python that imports the tree -> arrays, or a Failure

The clock of a group of questions (those of a task) starts when the process is ready for
it. A process that hangs or ends itself costs the rest of that group; the next group
gets a new process. A group may change modules of the tree: the engine is then imported
afresh, in the same process. The child is answers_child.py.
"""

from __future__ import annotations

import itertools
import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from . import answers_child
from .draws import Draw
from .errors import CourseError
from .rows import Row

CHILD = Path(__file__).with_name("answers_child.py")
STARTING = 120.0  # seconds to import what is asked, on a busy machine
# as in the grader's processes: the same sums, and no threads to start; "" is not set
ONE_THREAD = {
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    "MINIDL_NUM_THREADS": "",
}  # fmt: skip

Arrays = dict[str, np.ndarray[Any, Any]]
Question = tuple[str, Arrays]  # a function of calls.py, and what it gets


@dataclass(frozen=True)
class Failure:
    """No answer: the code raised, never ended, was refused, …

    what   a sentence without a subject: "raised ValueError: …", "took over 20 s"
    needs  the unfinished task that it ran into, if that was the reason
    place  the file and the line that it came from, if they are known
    """

    what: str
    needs: str = ""
    place: tuple[str, int] = ("", 0)


Answer = Mapping[str, Any] | Failure


@dataclass
class Given:
    """What came back for a question, and the watched regions that ran (causes.py)."""

    answer: Answer = Failure("was not asked")
    ran: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Group:
    """Questions that share a clock; nothing is asked if `seconds` are over.

    modules  the texts of modules that differ from the tree's, by their names
    """

    asked: Sequence[Question]
    seconds: float
    modules: Mapping[str, str] = field(default_factory=dict)


def inputs_of(row: Row, seed: str, student: str = "", i: int = 0) -> Arrays:
    """Return what a row asks a student in its i-th draw; numbers are 0-d arrays.

    They depend on the arguments alone, and on nothing of this machine: whole numbers
    have 64 bits, where `np.array(3)` has 32 (in a browser) too.
    """
    draw = Draw(seed, student, row.task, row.name, i)
    inputs = {name: np.asarray(x) for name, x in row.inputs(draw).items()}
    inputs = {
        name: x.astype(np.int64) if x.dtype.kind == "i" else x
        for name, x in inputs.items()
    }
    odd = [name for name, x in inputs.items() if x.dtype.kind not in "biuf"]
    if odd:
        raise CourseError(f"{row.task}, {row.name}: {odd[0]} is no array of numbers")
    return inputs


def ask(calls: ModuleType, row: Row, inputs: Mapping[str, Any]) -> Arrays:
    """Return what the row's function makes of copies of the inputs, in this process.

    Tensors become arrays. What the function raises goes through.
    """
    function = getattr(calls, row.call, None)
    if function is None:
        raise CourseError(
            f"{row.task}, {row.name} calls {row.call}, which is not in calls.py"
        )
    made = function(**{name: x.copy() for name, x in inputs.items()})
    if not isinstance(made, dict):
        raise CourseError(
            f"{row.call} of calls.py returned a {type(made).__name__}; it must return "
            "arrays by their names"
        )
    return answers_child.plain(made)


def answered(tree: Path, calls: Path, groups: Sequence[Group]) -> Iterator[list[Given]]:
    """Yield what came for each group of questions, as soon as it is there.

    tree     the folder that holds the package minidl
    """
    with tempfile.TemporaryDirectory() as folder:
        files = _written(groups, Path(folder))
        job = {"tree": str(tree), "calls": str(calls)}
        done = 0
        while done < len(groups):
            rest = [(files[i], groups[i].asked) for i in range(done, len(groups))]
            for given in _of_one_process(job | {"groups": rest}, groups[done:]):
                done += 1
                yield given


def _written(groups: Sequence[Group], folder: Path) -> list[dict[str, str]]:
    """Write the modules of each group, equal ones once; return files by modules."""
    found: list[dict[str, str]] = []
    for i, group in enumerate(groups):
        if i and group.modules == groups[i - 1].modules:
            found.append(found[-1])
            continue
        found.append({})
        for j, (name, text) in enumerate(group.modules.items()):
            path = folder / f"{i}" / f"{j}" / f"graft.{name}.py"
            path.parent.mkdir(parents=True)
            path.write_text(text, encoding="utf-8")
            found[-1][name] = str(path)
    return found


def _of_one_process(
    job: dict[str, Any], groups: Sequence[Group]
) -> Iterator[list[Given]]:
    """Yield the answers of the groups, up to the one in which the process ends."""
    process = _Here(job) if sys.platform == "emscripten" else _Process(job)
    try:
        for i, group in enumerate(groups):
            first = process.next(STARTING)
            if first != ("ready",):
                failed = _failed(process, first, STARTING, "cannot be imported")
                for same in [group] if first else _alike(groups[i:]):
                    yield [Given(failed) for _ in same.asked]
                if not first:
                    return
                continue
            end = time.monotonic() + group.seconds
            given: list[Given] = []
            for _ in group.asked:
                given.append(Given())
                while (said := process.next(end - time.monotonic())) and (
                    said[0] == "runs"
                ):
                    given[-1].ran.add(said[1])
                if not said:
                    failed = _failed(process, said, group.seconds, "ended the process")
                    given[-1].answer = failed
                    more = len(group.asked) - len(given)
                    yield [*given, *(Given(failed, given[-1].ran) for _ in range(more))]
                    return
                given[-1].answer = _answer(said)
            yield given
    finally:
        process.end()


def _alike(groups: Sequence[Group]) -> Iterator[Group]:
    """Return the first group and those behind it that change the same modules."""
    modules = groups[0].modules
    return itertools.takewhile(lambda group: group.modules == modules, groups)


class _Process:
    """A process that answers a job; what it says is read by a thread as it comes."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  closed in `end`
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-X", "utf8", str(CHILD)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
            env=os.environ | ONE_THREAD,
        )  # fmt: skip
        self.said: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read, args=(job,), daemon=True)
        self.reader.start()

    def next(self, seconds: float) -> Any:
        """Return what it says next: () if it ended, None if the time is over."""
        try:
            return self.said.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return None

    def last_words(self) -> str:
        """Return the last line that it wrote to stderr."""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def end(self) -> None:
        """Kill it and close what belongs to it."""
        self.process.kill()
        self.process.wait()
        self.reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
        self.errors.close()

    def _read(self, job: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            pickle.dump(job, self.process.stdin)
            self.process.stdin.close()
            while True:
                self.said.put(pickle.load(self.process.stdout))
        except (OSError, EOFError, pickle.UnpicklingError):
            self.said.put(())


class _Here:
    """The same answers in this process, for a browser, which has no others.

    There is no time limit: who asks can end the worker in which this runs. The engine
    is imported afresh, and what was imported before is put back at the end.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        self.path, self.finders = [*sys.path], [*sys.meta_path]
        self.modules = {name: sys.modules.pop(name) for name in answers_child.engine()}
        self.said: deque[Any] = deque()
        self.answers = answers_child.answers(job, self.said.append)

    def next(self, seconds: float) -> Any:
        """Return what is said next: () at the end. It takes as long as it takes."""
        if not self.said:
            self.said.extend(itertools.islice(self.answers, 1))
        return self.said.popleft() if self.said else ()

    def last_words(self) -> str:
        """Return "": there is no stderr of its own."""
        return ""

    def end(self) -> None:
        """Put back the modules that were there before."""
        for name in answers_child.engine():
            del sys.modules[name]
        sys.modules.update(self.modules)
        sys.path[:], sys.meta_path[:] = self.path, self.finders


def _failed(
    process: _Process | _Here, said: Any, seconds: float, otherwise: str
) -> Failure:
    if said is None:
        return Failure(f"took longer than {seconds:g} s")
    if said != ():
        return _failure(said)
    words = process.last_words()
    return Failure(otherwise + (f": {words}" if words else ""))


def _answer(said: Any) -> Answer:
    return dict(said[1]) if said[0] == "arrays" else _failure(said)


def _failure(said: Any) -> Failure:
    _, what, task, place = said
    return Failure(what, task, place)
