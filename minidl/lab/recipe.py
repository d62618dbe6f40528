"""The seven steps in a row: from no idea to a trained network, with a report.

    report = recipe(lambda: MLP([784, 100, 10]), load_mnist5k())
    report.model, report.steps;   report.save("recipe.html")

It stops at the first step that is not well, because what comes after it would only hide
the mistake.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Unpack

from minidl.errors import RangeError
from minidl.files import Path
from minidl.lab.bench import Bench, How, Step
from minidl.lab.first_steps import find_rate, first_loss, overfit
from minidl.lab.later_steps import (
    Plan,
    coarse_grid,
    go_on,
    long_run,
    on_all_data,
    read_curves,
    refine,
)
from minidl.lab.trials import shown
from minidl.show import page
from minidl.train import History, Trainer
from minidl.train.batches import Data


@dataclass
class Report:
    """What the recipe did.

    steps    each with `.name .ok .text .figure`
    setting  what was chosen: {"lr": …, "weight_decay": …}
    trainer  of the model at the end, which has seen the validation set too
    chosen   of the model that was chosen in step 7, which has not
    test     the metrics on the test set, measured once, at the end; {} without one
    """

    steps: list[Step] = field(default_factory=list)
    setting: dict[str, Any] = field(default_factory=dict)
    test: dict[str, float] = field(default_factory=dict)
    trainer: Trainer | None = None
    chosen: Trainer | None = None

    @property
    def ok(self) -> bool:
        """Whether every step was well, to the last."""
        return self.trainer is not None and all(step.ok for step in self.steps)

    @property
    def model(self) -> Any:
        """The trained model."""
        return self._trained(self.trainer).model

    @property
    def history(self) -> History:
        """The history of the training that was chosen, with validation columns."""
        return self._trained(self.chosen).history

    def _trained(self, trainer: Trainer | None) -> Trainer:
        if trainer is None:
            raise RangeError(f"there is no model yet; it stopped at {self.steps[-1]}")
        return trainer

    @property
    def conclusion(self) -> str:
        """How it ended, in a sentence."""
        if self.trainer is None:
            step = self.steps[-1]
            return f"Stopped at {step.name}: put it right, and run the recipe again."
        last = {k: v for k, v in self.history.last.items() if k.startswith("val_")}
        said = ", ".join(f"{name} {value:.4g}" for name, value in last.items())
        tested = ", ".join(f"{name} {value:.4g}" for name, value in self.test.items())
        again = ", after training on all but the test set" * (
            self.trainer is not self.chosen
        )
        test = f"; on the test set, looked at once{again}: {tested}" if tested else ""
        return f"Chosen: {shown(self.setting)}. Validation: {said}{test}."

    def save(self, path: Path) -> None:
        """Write the report as one HTML page."""
        cards = [
            page.section(
                step.name, [step.saw, step.means, step.do], step.figure, step.ok
            )
            for step in self.steps
        ]
        end = page.section("The end", [self.conclusion], ok=self.ok)
        page.write(path, page.page("The seven steps", [end, *cards]))

    def __repr__(self) -> str:
        return "\n".join([*map(repr, self.steps), textwrap.fill(self.conclusion, 88)])


def recipe(
    make_model: Callable[[], Any],
    data: Data,
    *,
    epochs: int | None = None,
    jobs: int = 1,
    keep_going: bool = False,
    refit: bool = True,
    progress: bool = True,
    save: Path | None = None,
    **how: Unpack[How],
) -> Report:
    """Run the seven steps, and return a report with the trained model.

    make_model  returns a new model; it is called with nothing, after seeding
    data        train, validation and perhaps test: `load_mnist5k()`, a tuple of sets or
                of pairs (x, y). The test set is measured once, at the very end.
    loss        (scores, y) -> scalar; default: ops.cross_entropy
    optimizer   a function (params, lr=…) that makes one; if it takes weight_decay=…
                too, that is searched as well. Default: optim.Adam
    batch_size, seed
    epochs      of the last trainings; default: 20, or as many as the search had
    jobs        processes for the searches (extra `search`)
    keep_going  do not stop at the first step that is not well
    refit       at the end train what was chosen once more, on training and validation
                data together
    progress    print each step when it is done
    save        a path for the HTML page

    >>> from minidl.data import load_iris, standardize
    >>> from minidl.models import MLP
    >>> train, validation, test = load_iris()
    >>> scale = standardize(train.x)
    >>> parts = [(scale(part.x), part.y) for part in (train, validation, test)]
    >>> report = recipe(lambda: MLP([4, 16, 3]), parts, batch_size=30, progress=False)
    >>> report.ok, len(report.steps), report.test["accuracy"] > 0.85
    (True, 7, True)
    """
    bench = Bench(make_model, data, **how)
    parts = [part for part in (bench.train, bench.validation) if part is not None]
    report = Report()
    for step in _steps(report, make_model, tuple(parts), bench, epochs, jobs, how):
        report.steps.append(step)
        if progress:
            print(step, file=sys.stdout, flush=True)
        if not step.ok and not keep_going:
            break
    if report.chosen is not None:
        last = report.steps[-1]
        report.trainer = on_all_data(bench, last) if refit else report.chosen
        if bench.test is not None:
            report.test = report.trainer.evaluate(bench.test)
    if progress:
        print(textwrap.fill(report.conclusion, 88), flush=True)
    if save is not None:
        report.save(save)
    return report


def _steps(
    report: Report,
    make_model: Callable[[], Any],
    data: Data,
    bench: Bench,
    epochs: int | None,
    jobs: int,
    how: How,
) -> Iterator[Step]:
    """Yield the steps; each takes what those before it have found."""
    yield first_loss(make_model, data, **how)
    yield overfit(make_model, data, **how)
    rate = find_rate(make_model, data, **how)
    yield rate
    if "lr" not in rate.facts:
        return  # there is nothing to search around
    grid = coarse_grid(make_model, data, rate.facts["lr"], jobs=jobs, **how)
    yield grid
    if "result" not in grid.facts:
        return
    fine = refine(make_model, data, grid, jobs=jobs, **how)
    yield fine
    if "setting" not in fine.facts:
        return
    setting, epochs = fine.facts["setting"], epochs or max(20, fine.facts["epochs"])
    flat = long_run(bench, Plan("without decay", setting, epochs), decay=False)
    curves = read_curves(flat.history)
    yield curves
    findings = curves.facts["findings"]
    last = go_on(make_model, data, setting, findings, epochs=epochs, **how)
    if last.ok:
        report.chosen, report.setting = last.facts["trainer"], last.facts["setting"]
    yield last
