"""Running trials: in this process, or through joblib in several, with a store.

In this process nothing more than minidl is needed. `jobs=4` takes four processes of
joblib's own ("loky"); `backend="dask"` takes the workers of a Dask cluster whose Client
exists already. Results are taken in as they come, written down at once, and sorted by
their numbers in the end.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, TextIO, TypedDict

from minidl import backend as devices
from minidl.errors import MinidlError, RangeError
from minidl.lab.objective import Objective, attempt, settle
from minidl.lab.space import Domains
from minidl.lab.store import Path, Store
from minidl.lab.trials import Trial, shown
from minidl.train.batches import Data
from minidl.train.callback import direction
from minidl.train.progress import in_notebook

BACKENDS = ("loky", "dask")
ADVICE = 'pip install "minidl[search]"'
Planned = tuple[Trial, int]  # a trial that has no value yet, and its seed


class Running(TypedDict, total=False):
    """How trials are run; the head of search.py says what the names mean."""

    store: Path | None
    jobs: int
    backend: str
    progress: bool


class Options(Running, total=False):
    """What every search takes."""

    mode: str | None
    data: Any
    epochs: int
    monitor: str


def runner_for(
    function: Callable[..., Any],
    domains: Domains,
    total: int,
    budgets: bool = False,
    *,
    mode: str | None = None,
    data: Data | None = None,
    epochs: int = 1,
    monitor: str = "val_loss",
    store: Path | None = None,
    jobs: int = 1,
    backend: str = "loky",
    progress: bool = True,
) -> Runner:
    """Return what runs the `total` trials of a search, perhaps with budgets."""
    objective = Objective(function, list(domains), data, epochs, monitor, budgets)
    if mode is None:
        mode = "min" if data is None else direction(monitor, "auto")
    return Runner(
        objective, direction(monitor, mode), total=total,
        store=store, jobs=jobs, backend=backend, progress=progress,
    )  # fmt: skip


class Runner:
    """Runs the trials of one search, part after part; `trials` are all so far.

    store     a path: every finished trial is a line there, and is not run again
    jobs      how many processes; -1: as many as there are cores
    backend   "loky" or "dask"
    progress  a live line in a terminal or a notebook
    """

    def __init__(
        self,
        objective: Objective,
        mode: str,
        *,
        total: int,
        store: Path | None = None,
        jobs: int = 1,
        backend: str = "loky",
        progress: bool = True,
    ) -> None:
        check_jobs(jobs)
        if backend not in BACKENDS:
            raise RangeError(f"backend={backend!r}; there are {BACKENDS}")
        self.objective, self.mode, self.path = objective, mode, store
        self.jobs, self.backend = jobs, backend
        self.trials: list[Trial] = []
        self.line = Line(total, mode, on=progress)

    def run(self, plan: Sequence[Planned]) -> list[Trial]:
        """Run what the store does not have yet; return these trials in order."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.line)
            store = None
            if self.path is not None:
                store = stack.enter_context(Store(self.path))
            done = self._known(store, plan)
            left = [(trial, seed) for trial, seed in plan if trial.index not in done]
            for trial in outcomes(self.objective, left, self.jobs, self.backend):
                if store is not None:
                    store.add(trial)
                done[trial.index] = trial
                self.line.show(trial)
        finished = [done[trial.index] for trial, _ in plan]
        self.trials += finished
        return finished

    def _known(self, store: Store | None, plan: Sequence[Planned]) -> dict[int, Trial]:
        """Return the trials of the plan that the store has, by number."""
        done = {}
        for planned, _ in plan:
            trial = None if store is None else store.known(planned)
            if trial is not None:
                done[trial.index] = trial
                self.line.show(trial)
        return done


def outcomes(
    objective: Objective, plan: Sequence[Planned], jobs: int, backend: str
) -> Iterator[Trial]:
    """Yield the trials as they are finished."""
    if (jobs == 1 and backend == "loky") or not plan:
        for trial, seed in plan:
            yield attempt(objective, trial, seed)
        return
    joblib = needed("joblib")
    died: tuple[type[Exception], ...] = (
        joblib.externals.loky.process_executor.TerminatedWorkerError,
    )
    if backend == "dask":
        check_client()
        client = import_module(
            "distributed.client"
        )  # its scheduler, or too many workers
        died += (client.FutureCancelledError, import_module("distributed").KilledWorker)
    with joblib.parallel_config(backend=backend, n_jobs=jobs):
        # one by one: what is finished is written down at once
        parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1)
        try:
            yield from parallel(
                joblib.delayed(attempt)(objective, trial, seed) for trial, seed in plan
            )
        except died as error:
            raise MinidlError(
                "a process of the search died in the middle of a trial (out of "
                "memory?), or the cluster's scheduler; finished trials are kept if it "
                "has a store, and the same call goes on. Try jobs=1, which shows which "
                f"trial it is ({type(error).__name__})"
            ) from error


def in_processes(
    function: Callable[..., Any], rows: Sequence[tuple[Any, ...]], jobs: int
) -> list[Any]:
    """Return function(*row) of each row, in `jobs` processes with this one's defaults.

    >>> in_processes(pow, [(2, 3), (3, 2)], jobs=1)
    [8, 9]
    """
    check_jobs(jobs)
    if jobs == 1:
        return [function(*row) for row in rows]
    joblib = needed("joblib")
    defaults = devices.default_device(), str(devices.default_dtype())
    call = joblib.delayed(_as_here)
    found: list[Any] = joblib.Parallel(n_jobs=jobs)(
        call(defaults, function, row) for row in rows
    )
    return found


def _as_here(
    defaults: tuple[str, str], function: Callable[..., Any], row: tuple[Any, ...]
) -> Any:
    settle(*defaults)
    return function(*row)


def check_jobs(jobs: int) -> None:
    """Refuse what is no number of processes."""
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < -1 or jobs == 0:
        raise RangeError(f"jobs = {jobs!r}; it is 1 or more, or -1 for all cores")


def needed(package: str) -> Any:
    """Return joblib or dask.distributed, or say how to get it."""
    try:
        return import_module(package)
    except ImportError as error:
        raise MinidlError(
            f"several processes need {package}: {ADVICE}; jobs=1 needs nothing"
        ) from error


def check_client() -> None:
    """Refuse backend="dask" where no Dask cluster is connected."""
    distributed = needed("distributed")
    try:
        distributed.get_client()
    except ValueError as error:
        raise MinidlError(
            'backend="dask" takes the cluster that is connected, and there is none; '
            'write `from dask.distributed import Client; Client("tcp://HOST:8786")` '
            "before, or Client() for processes of this machine"
        ) from error


class Line:
    """The live line: how many trials are over, the best so far, the time left.

    >>> line = Line(20, "min", on=False)
    >>> line.show(Trial(0, {"lr": 0.1}, 0.5)); line.show(Trial(1, {}, 0.0, "no"))
    >>> line.text(left=75)
    'trial 2/20  best 0.5 (lr=0.1)  1 failed  75 s left'
    """

    def __init__(self, total: int, mode: str, *, on: bool) -> None:
        self.total, self.sign = total, 1 if mode == "min" else -1
        self.out = stream() if on else None
        self.done = self.failed = self.known = 0
        self.best: Trial | None = None
        self.start = 0.0

    def __enter__(self) -> Line:
        self.start, self.known = time.perf_counter(), self.done
        return self

    def __exit__(self, *_: object) -> None:
        if self.out is not None and self.done:
            self.out.write("\n")
            self.out.flush()

    def show(self, trial: Trial) -> None:
        """Count a trial, and draw the line."""
        self.done += 1
        if trial.error:
            self.failed += 1
        elif self.best is None or self.sign * (trial.value - self.best.value) < 0:
            self.best = trial
        if self.out is None:
            return
        each = (time.perf_counter() - self.start) / max(1, self.done - self.known)
        self.out.write(f"\r\x1b[K{self.text(each * (self.total - self.done))}")
        self.out.flush()

    def text(self, left: float) -> str:
        """Return the line."""
        parts = [f"trial {self.done}/{self.total}"]
        if self.best is not None:
            parts.append(f"best {self.best.value:.4g} ({shown(self.best.setting)})")
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.done < self.total:
            parts.append(f"{left:.0f} s left")
        return "  ".join(parts)


def stream() -> TextIO | None:
    """Return where a live line is seen: a notebook, a terminal, or None."""
    if in_notebook():
        return sys.stdout
    return sys.stderr if sys.stderr is not None and sys.stderr.isatty() else None
