"""What the examples share: the command line, a budget, the training, and its results.

    weights.safetensors  of the epoch that was best on validation data
    results.json         the command, the curves, samples, and what the model reached
    curves.png, samples.png, and the pictures of each program

`--weights FOLDER` takes the first two from an earlier run: nothing is trained, the rest
is made again. Ctrl-C ends the training after a step, and the rest is made as well.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import minidl as md
from minidl import backend, ops, optim, show, train
from minidl.backend import Array

PAD, START, END = 0, 1, 2  # how the vocabularies of words and phones begin


def arguments(name: str, what: str, given: Any = None) -> argparse.Namespace:
    """Read the command line, choose the device, start all randomness from the seed."""
    program = f"python -m examples.{name}"
    parser = argparse.ArgumentParser(prog=program, description=what)
    add = parser.add_argument
    add("--epochs", type=int, help="stop after so many")
    add("--minutes", type=float, help="stop when they are over")
    add("--seed", type=int, default=0, help="of weights and batches")
    add("--out", type=Path, default=Path("demo", name), help="the folder for results")
    add("--device", default=backend.default_device(), choices=backend.DEVICES)
    add("--weights", type=Path, metavar="FOLDER", help="judge an earlier run's results")
    asked = parser.parse_args(given)
    if asked.weights is not None and (asked.epochs or asked.minutes):
        parser.error("--weights trains nothing: leave out --epochs and --minutes")
    if any(n is not None and not n > 0 for n in (asked.epochs, asked.minutes)):
        parser.error("give one epoch or more, or minutes above 0")
    numbers = {k: getattr(asked, k) for k in ("epochs", "minutes", "seed")}
    asked.command = " ".join(
        [program, *(f"--{k} {v:g}" for k, v in numbers.items() if v)]
    )
    md.use(asked.device)
    md.seed(asked.seed)
    return asked


class Budget(train.Callback):
    """The batches of so many epochs, or minutes, whichever is used up first.

    With minutes the learning rate follows the clock, so that a run cannot be repeated
    to the bit; with epochs alone it can.
    """

    def __init__(self, batches: Any, asked: Any, epochs: int) -> None:
        self.epochs = asked.epochs or (999 if asked.minutes else epochs)
        self.batches, self.minutes, self.done = batches, asked.minutes, 0
        self.start = time.perf_counter()

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        for batch in self.batches:
            yield batch
            self.done += 1
            if self.progress >= 1:
                return

    @property
    def progress(self) -> float:
        """How much of the budget is used up, from 0 to 1."""
        steps = self.done / (self.epochs * len(self))
        passed = (time.perf_counter() - self.start) / 60
        return min(1.0, max(steps, passed / self.minutes if self.minutes else 0))

    def rate(self, highest: float, climb: float = 0.02) -> Callable[[Any], float]:
        """Return the learning rate: up in a straight line, then down to a twentieth."""

        def now(t: Any) -> float:
            p = self.progress
            up = min(1.0, (p + 1 / (self.epochs * len(self)) + 1e-3) / climb)
            return highest * up * (0.05 + 0.95 * (1 + math.cos(math.pi * p)) / 2)

        return now

    def on_epoch(self, trainer: Any, record: dict[str, float]) -> None:
        """Go no further when the budget is used up."""
        if self.progress >= 1:
            trainer.stop()


class Judge(train.Callback):
    """Puts figures of the model into the record, {"val_error": …}."""

    turn = -1  # before anybody reads the record

    def __init__(self, figures: Callable[[], dict[str, float]]) -> None:
        self.figures = figures

    def on_validation(self, trainer: Any, record: dict[str, float]) -> None:
        """Judge the weights of this epoch."""
        record |= self.figures()


class Run:
    """A model, trained or taken from an earlier run, and what it leaves in a folder."""

    def __init__(self, model: Any, loss: Any, out: Path) -> None:
        self.model, self.loss, self.out = model, loss, out
        self.facts: dict[str, Any] = {"epochs": {}, "samples": []}
        out.mkdir(parents=True, exist_ok=True)  # better to fail now than at the end

    def train(
        self, batches: Any, validation: Any, asked: Any, *, epochs: int, rate: float,
        decay: float = 0.0, judge: Any = dict, say: Any = str, watch: str = "val_loss",
        reader: Any = None,
    ) -> None:  # fmt: skip
        """θ ← AdamW(θ, ∇L),  ‖∇L‖ at most 1, the rate as in Budget; keep the best.

        judge   returns more figures of the model; the best epoch has the least `watch`
        say     returns what the model writes after an epoch
        reader  a module around the model, if the model does not read batches itself
        """
        if asked.weights is not None:
            md.load(asked.weights / "weights.safetensors", self.model.eval())
            text = (asked.weights / "results.json").read_text(encoding="utf-8")
            self.facts = json.loads(text)
            return
        budget, samples = Budget(batches, asked, epochs), train.Samples(say)
        best = train.EarlyStopping(watch, patience=10**6)  # it only takes the best back
        groups = optim.no_decay(self.model, decay)
        optimizer = optim.AdamW(groups, lr=budget.rate(rate), betas=(0.9, 0.99))
        callbacks = [budget, Judge(judge), samples, best, train.GradientClip(1.0)]
        trainer = train.Trainer(
            reader or self.model, optimizer, self.loss, callbacks=callbacks
        )
        columns = trainer.fit(budget, validation, epochs=budget.epochs).epochs
        self.model.eval()
        shown = {k: v for k, v in columns.items() if k != "lr"}
        self.facts = {
            "command": asked.command,
            "epochs": shown,
            "samples": samples.texts,
        }

    def report(self, figures: dict[str, float], says: str) -> None:
        """Write what was reached, and what the model says; the last thing to do."""
        columns, samples = self.facts["epochs"], self.facts["samples"]
        self.facts |= {
            "parameters": self.model.num_parameters(),
            "minutes": round(sum(columns.get("seconds", [])) / 60, 1),
            "figures": {name: round(float(v), 4) for name, v in figures.items()},
            "says": says,
        }
        md.save(self.model, self.out / "weights.safetensors")
        text = json.dumps(self.facts, indent=1, ensure_ascii=False)
        (self.out / "results.json").write_text(text + "\n", encoding="utf-8")
        if columns:
            show.curves(columns, path=self.out / "curves.png")
        if any(samples):
            labels = [f"epoch {i + 1}" for i in range(len(samples))]
            show.samples(samples, labels, path=self.out / "samples.png")
        print(f"{self.out}: {', '.join(sorted(p.name for p in self.out.iterdir()))}")


# What models of sequences have in common


def loss_of(model: Any, loss: Any, batches: Any) -> float:
    """Return the loss of some batches, as after an epoch."""
    return train.Trainer(model, None, loss, progress=False).evaluate(batches)["loss"]


def next_loss(scores: Any, y: Any, ignore_index: int = -100) -> Any:
    """Return nats per token.    scores (N, T, V), y (N, T) -> scalar"""
    flat = ops.reshape(scores, shape=(-1, scores.shape[-1]))
    labels = ops.reshape(y, shape=(-1,))
    return ops.cross_entropy(flat, labels, ignore_index=ignore_index)


def padded(rows: Iterable[Sequence[int]]) -> Array:
    """Return sequences as one array, with PAD after the shorter ones.    -> (N, T)

    >>> padded([[5, 6, 7], [8]])
    array([[5, 6, 7],
           [8, 0, 0]])
    """
    rows = [list(row) for row in rows]
    table = np.full((len(rows), max(map(len, rows))), PAD, np.int64)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return table


def taught(source: Array, target: Array) -> tuple[Array, Array, Array]:
    """Return the input, what was said before, and what comes next: a batch (*xs, y)."""
    return source, target[:, :-1], target[:, 1:]


def before_end(tokens: Iterable[int]) -> list[int]:
    """Return what was said, up to the end."""
    said = [int(token) for token in tokens]
    return said[: said.index(END)] if END in said else said
