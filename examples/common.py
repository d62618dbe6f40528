"""What the programs share: the command line, and what a run leaves behind.

    weights.safetensors  of the epoch that was best so far on validation data
    results.json         the command, curves and samples; at the end what was reached
    curves.png, samples.png, and the pictures of each program

The first two are written after every epoch. `--weights FOLDER` takes them from an
earlier run, even one that was killed: nothing is trained, the rest is made again.
Ctrl-C ends the training after a step, and the rest is made as well.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import minidl as md
from minidl import backend, process, show, train
from minidl.files import replaced

PAD, START, END = 0, 1, 2  # how the vocabularies of words and phones begin
BETAS = 0.9, 0.99  # of AdamW
WEIGHTS, RESULTS = "weights.safetensors", "results.json"


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
    numbers = {k: vars(asked)[k] for k in ("epochs", "minutes", "seed")}
    asked.command = program + "".join(f" --{k} {v:g}" for k, v in numbers.items() if v)
    if given is None:  # a program of its own
        process.keep_memory()
    md.use(asked.device)
    md.seed(asked.seed)
    return asked


class Run(train.Samples):
    """Keeps what a model learns in the folder `asked.out`: a callback of its Trainer.

    judge  returns more figures of the model; the best epoch has the least `watch`
    say    returns what the model writes after an epoch
    """

    def __init__(
        self, model: Any, asked: Any, *, judge: Callable[[], dict[str, float]] = dict,
        watch: str = "val_loss", say: Callable[[], str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(say or str, show=say is not None)
        self.model, self.asked, self.judge, self.watch = model, asked, judge, watch
        self.out, self.best = asked.out, math.inf
        self.facts = {"command": asked.command, "epochs": {}, "samples": []}
        self.budget = train.Budget(asked.minutes)
        self.callbacks = [self.budget, self, train.GradientClip(1.0)]
        self.out.mkdir(parents=True, exist_ok=True)  # better to fail now than later
        print(f"{self.out}: {model.num_parameters()} weights", flush=True)

    def fit(self, trainer: Any, batches: Any, validation: Any, epochs: int) -> None:
        """Train, or find an earlier run; take its results and its best weights."""
        if self.asked.weights is None:
            epochs = self.asked.epochs or (999 if self.asked.minutes else epochs)
            trainer.fit(batches, validation, epochs=epochs)
        source = self.asked.weights or self.out
        self.facts = json.loads((source / RESULTS).read_text(encoding="utf-8"))
        md.load(source / WEIGHTS, self.model.eval())
        md.save(self.model, self.out / WEIGHTS)

    def on_validation(self, trainer: Any, record: dict[str, float]) -> None:
        """Judge the model; save its weights if they are the best; let it write."""
        record |= self.judge()
        if record[self.watch] < self.best:
            self.best = record[self.watch]
            md.save(self.model, self.out / WEIGHTS)
        super().on_validation(trainer, record)

    def on_epoch(self, trainer: Any, record: dict[str, float]) -> None:
        """Write down how the training went so far."""
        curves = {k: v for k, v in trainer.history.epochs.items() if k != "lr"}
        self.note(epochs=curves, samples=self.texts)

    def on_end(self, trainer: Any) -> None:
        """If no epoch came to its end, keep what there is."""
        if self.best == math.inf:
            md.save(self.model, self.out / WEIGHTS)
            self.note()

    def note(self, **facts: Any) -> None:
        """Write results.json, with these facts besides those that were known."""
        self.facts |= facts
        text = json.dumps(self.facts, indent=1, ensure_ascii=False) + "\n"
        with replaced(self.out / RESULTS) as file:
            file.write(text.encode())

    def report(self, figures: dict[str, float], says: str) -> None:
        """Write what was reached and what the model says, and draw the way there."""
        curves, samples = self.facts["epochs"], self.facts["samples"]
        self.note(
            parameters=self.model.num_parameters(),
            minutes=round(sum(curves.get("seconds", [])) / 60, 1),
            figures={name: round(float(v), 4) for name, v in figures.items()},
            says=says,
        )
        if curves:
            show.curves(curves, path=self.out / "curves.png")
        if any(samples):
            show.samples(samples, path=self.out / "samples.png")
        print(f"{self.out}: {', '.join(sorted(p.name for p in self.out.iterdir()))}")
