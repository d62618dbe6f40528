"""The report of a run: one HTML page with all that somebody asks about it later.

Verdicts and curves; the monitor; what is taken for what, and the surest mistakes; the
settings; the environment, the seed and the command. It needs no server and no network.
`Trainer(…, report="run.html")` writes it when `fit` ends, however it ends.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from minidl.backend import to_numpy
from minidl.engine.tensor import values
from minidl.errors import DTypeError, RangeError
from minidl.files import Path
from minidl.lab import machine
from minidl.lab.curves import diagnose_curves
from minidl.lab.monitor import Monitor
from minidl.show import confusion, mistakes, page, verdict
from minidl.train import Callback, History, confusion_matrix
from minidl.train.batches import for_evaluation, joined

if TYPE_CHECKING:
    from minidl.train.trainer import Trainer

MANY = 40  # classes: a matrix of more cannot be read


class RunReport(Callback):
    """Write the report of a run when `fit` ends.

    path   the page
    names  of the classes, for the matrix and the mistakes
    notes  further rows of the settings: {"augmentation": "shifts by 2"}

    >>> import tempfile
    >>> from minidl import nn, ops, optim
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.train import Trainer, accuracy
    >>> net = nn.Sequential(nn.Linear(2, 8, rng=0), nn.ReLU(), nn.Linear(8, 2, rng=1))
    >>> opt = optim.Momentum(net.parameters(), lr=0.05)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/run.html"
    ...     run = Trainer(net, opt, ops.cross_entropy, [accuracy], report=path)
    ...     batches = DataLoader(moons(200, rng=0), 20, shuffle=True, seed=0)
    ...     history = run.fit(batches, moons(100, rng=1), epochs=4)
    ...     with open(path, encoding="utf-8") as file:
    ...         text = file.read()
    >>> "What the curves say" in text, "http" in text
    (True, False)
    """

    turn: ClassVar[int] = 30  # after all others have had their say
    writes: ClassVar[bool] = True

    def __init__(
        self, path: Path, names: Any = None, notes: Mapping[str, Any] | None = None
    ) -> None:
        self.path, self.names, self.notes = path, names, dict(notes or {})
        self.begun = time.time()

    def on_begin(self, trainer: Trainer) -> None:
        """Find out now whether the page can be written."""
        self.begun = time.time()
        folder = os.path.dirname(os.fspath(self.path))
        if folder:
            os.makedirs(folder, exist_ok=True)

    def on_end(self, trainer: Trainer) -> None:
        """Write it."""
        if not trainer.history.steps.get("loss"):
            return
        seconds = time.time() - self.begun
        facts = self.notes | {"ended": trainer.ending, "seconds": f"{seconds:.1f}"}
        page.write(self.path, report(trainer, names=self.names, notes=facts))


def report(
    run: Any, *, names: Any = None, notes: Mapping[str, Any] | None = None
) -> str:
    """Return the page of a Trainer, or of a History alone, as text.

    `minidl.lab.RunReport(path)` among the callbacks, or `report=path` of a Trainer,
    writes it to a file.
    """
    history = run if isinstance(run, History) else run.history
    parts = [_verdict(history)]
    if run is not history:
        parts += [*_inside(run), *_judged(run, names)]
        parts.append(_table("Settings", _settings(run) | dict(notes or {})))
        parts.append(_card("The model", f"<pre>{escape(repr(run.model))}</pre>"))
    parts.append(_table("Environment", machine.environment()))
    return page.page("Report of a run", parts)


def compare(runs: Mapping[str, Any], path: Path | None = None) -> str:
    """Return a page that lays several runs side by side: {"name": run, …}.

    runs   Histories, Trainers, or paths of what `History.to_json` wrote

    >>> flat, falling = History(), History()
    >>> for epoch in range(1, 6):
    ...     flat.add_epoch({"epoch": epoch, "train_loss": 2.3, "val_loss": 2.3})
    ...     row = {"epoch": epoch, "train_loss": 1 / epoch, "val_loss": 1.0}
    ...     falling.add_epoch(row)
    >>> compare({"rate 1e-6": flat, "rate 0.1": falling}).count("<tr>")
    3
    """
    if not runs:
        raise RangeError("compare: there is no run; give {'name': history, …}")
    histories = {name: _history(run) for name, run in runs.items()}
    found = {name: diagnose_curves(h) for name, h in histories.items()}
    columns = ["run", "epochs", *_metrics(histories), "verdict"]
    rows = [
        [name, len(h), *(_best(h, metric) for metric in columns[2:-1]),
         ", ".join(f.name for f in found[name])]
        for name, h in histories.items()
    ]  # fmt: skip
    parts = [_card("Side by side", _grid(columns, rows))]
    for name, h in histories.items():
        parts.append(_verdict(h, name))
    text = page.page("Runs side by side", parts)
    if path is not None:
        page.write(path, text)
    return text


def _history(run: Any) -> History:
    """Return the history of whatever was given."""
    if isinstance(run, (str, os.PathLike)):
        return History.from_json(run)
    history = getattr(run, "history", run)
    if not isinstance(history, History):
        raise DTypeError(
            "compare: a run is a History, a Trainer, or the path of a file that "
            f"history.to_json wrote, not {type(run).__name__}"
        )
    return history


def _metrics(histories: Mapping[str, History]) -> list[str]:
    """Return the columns of validation that any run has, then the training loss."""
    names = {name: None for h in histories.values() for name in h.keys()}  # noqa: SIM118
    return [n for n in names if n.startswith("val_")] + ["train_loss"]


def _best(history: History, metric: str) -> str:
    """Return the best value of a column, and when it was."""
    column = history.epochs.get(metric, [])
    numbers = [(v, i) for i, v in enumerate(column, 1) if v is not None and v == v]
    if not numbers:
        return "–"
    best = min(numbers) if metric.endswith("loss") else max(numbers)
    return f"{best[0]:.4g} (epoch {best[1]})"


def _verdict(history: History, title: str = "What the curves say") -> str:
    """The findings, and the curves they were read from."""
    found = diagnose_curves(history)
    figure = verdict(history.steps, history.epochs)
    said = [str(finding) for finding in found]
    return page.section(title, said, figure, ok=found[0].name == "healthy")


def _inside(run: Trainer) -> Iterator[str]:
    """What a Monitor among the callbacks has seen."""
    for callback in run.callbacks:
        if isinstance(callback, Monitor) and callback.figures():
            said = callback.warnings or ["No warnings."]
            ok = not callback.warnings
            yield page.section("Inside the net", said, callback.plot(), ok=ok)


def _judged(run: Trainer, names: Any) -> Iterator[str]:
    """Confusion and mistakes on the validation data, where they are classes."""
    data = run.validation
    if data is None or run.ending == "failed":
        return
    batches = list(for_evaluation(data))
    truth = joined([values(batch[-1]) for batch in batches])
    scores = run.predict(batches)
    if truth.dtype.kind not in "iu" or scores.ndim != 2 or truth.ndim != 1:
        return
    if scores.shape[1] <= MANY:
        matrix = confusion_matrix(scores, truth)
        yield page.section("What is taken for what", [], confusion(matrix, names))
    x = joined([values(batch[0]) for batch in batches])
    if (scores.argmax(axis=1) != truth).any() and _drawable(x):
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        figure = mistakes(to_numpy(x), truth, p, names=names)
        yield page.section("The surest mistakes", [], figure)


def _drawable(x: Any) -> bool:
    """Whether inputs are images (N, C, H, W) or (N, H, W)."""
    return x.ndim == 3 or (x.ndim == 4 and x.shape[1] in (1, 3))


def _settings(run: Trainer) -> dict[str, Any]:
    """What a second run would need."""
    loader, rates = run.train_batches, run.history.steps.get("lr", [])
    parameters: list[Any] = list(getattr(run.model, "parameters", list)())
    return {
        "model": type(run.model).__name__,
        "parameters": f"{sum(p.data.size for p in parameters):,}",
        "optimizer": repr(run.optimizer),
        "learning rate": f"{rates[0]:.4g} at first, {rates[-1]:.4g} at the end",
        "loss": getattr(run.loss, "__name__", repr(run.loss)),
        "metrics": ", ".join(run.metrics) or "none",
        "epochs": f"{run.epoch} of {run.goal}, {run.t} steps",
        "batch size": getattr(loader, "batch_size", "unknown"),
        "shuffled": getattr(loader, "shuffle", "unknown"),
        "seed of the loader": getattr(loader, "seed", "unknown"),
        "device": run.device or "default",
    }


def _card(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _table(title: str, rows: Mapping[str, Any]) -> str:
    return _card(title, page.table(rows.items()))


def _grid(columns: list[str], rows: list[list[Any]]) -> str:
    """Return a table with a row of names."""
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
