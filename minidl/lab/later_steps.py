"""Steps 4 to 7 from no idea to a trained network: search, look, go on.

    4  coarse_grid   a few rates and weight decays around that of step 3, briefly
    5  refine        around the best, longer, without decay of the rate
    6  read_curves   what the curves say
    7  go_on         do what they ask for, let the rate decay, keep the best
    then on_all_data  train that once more, on training and validation data together

(Michigan EECS 498-007, lecture 11; first_steps.py has the others, and what they share.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Unpack

import numpy as np

from minidl.backend import to_numpy
from minidl.errors import NonFiniteError
from minidl.lab.bench import Bench, How, Step, judged
from minidl.lab.curves import diagnose_curves
from minidl.lab.inspection import Complaint
from minidl.lab.objective import own_randomness
from minidl.lab.search import grid_search, random_search
from minidl.lab.space import choice, log_uniform
from minidl.lab.trials import Result, Trial, shown
from minidl.optim.schedules import cosine
from minidl.train import History, Trainer
from minidl.train.batches import Data

Make = Callable[[], Any]

DECAYS = (0.0, 1e-5, 1e-4)  # the lecture's, good ones to try
SHORT = 200  # steps of a short training, at least
GRAVE = {
    "nan", "diverging", "lr_too_high", "bad_init", "unshuffled", "leaky_validation"
}  # fmt: skip


# ------------------------------------------------------------------ 4. and 5. searching


def coarse_grid(
    make_model: Make,
    data: Data,
    lr: float,
    *,
    epochs: int | None = None,
    jobs: int = 1,
    **how: Unpack[How],
) -> Step:
    """Train a grid of rates around `lr` and of weight decays, each for a short while.

    epochs   by default 1 or more, so that there are 200 steps at least

    The best is chosen as `best_of` says.
    """
    bench, name = Bench(make_model, data, **how), "4. coarse grid"
    epochs = epochs or short(bench)
    space: dict[str, Any] = {"lr": [lr / 4, lr, lr * 4]}
    if bench.takes_decay:
        space["weight_decay"] = list(DECAYS)
    result = grid_search(make_trainer(bench), space, **searching(bench, epochs, jobs))
    if not result.ranked:
        return judged(name, [(f"all trials failed: {result.failed[0].error}", "")])
    best = best_of(bench, result)
    saw = (
        f"{len(result)} settings, {epochs} epochs each; the best is "
        f"{shown(best.setting)}, with {described(best.record)}"
    )
    facts = {"result": result, "setting": best.setting, "epochs": epochs}
    complaint = _by_chance(bench, saw, best)
    complaints = [] if complaint is None else [complaint]
    return judged(name, complaints, saw, _tells(result), facts, result.plot())


def refine(
    make_model: Make,
    data: Data,
    coarse: Step,
    *,
    n: int = 4,
    epochs: int | None = None,
    jobs: int = 1,
    **how: Unpack[How],
) -> Step:
    """Draw n settings around the best of the grid; train them and that one longer.

    epochs   of each; by default twice those of the grid

    The rate does not decay yet: a plateau shall be seen in the next step.
    """
    bench = Bench(make_model, data, **how)
    epochs = epochs or 2 * coarse.facts["epochs"]
    at = coarse.facts["setting"]
    space: dict[str, Any] = {"lr": log_uniform(at["lr"] / 3, at["lr"] * 3)}
    if "weight_decay" in at:
        decay = at["weight_decay"]
        space["weight_decay"] = (
            log_uniform(decay / 3, decay * 10) if decay else choice(0.0, 1e-6, 1e-5)
        )
    make, settings = make_trainer(bench), searching(bench, epochs, jobs)
    around = random_search(make, space, n, **settings)
    center = grid_search(make, {name: [x] for name, x in at.items()}, **settings)
    trials = [*around.trials, replace(center.trials[0], index=n)]
    result = Result(trials, around.mode, around.domains)
    if not result.ranked:
        return judged("5. refine", [(f"all failed: {result.failed[0].error}", "")])
    best = best_of(bench, result)
    saw = (
        f"that one and {n} around it, {epochs} epochs each; the best is "
        f"{shown(best.setting)}, with {described(best.record)}"
    )
    facts = {"result": result, "setting": best.setting, "epochs": epochs}
    return judged("5. refine", [], saw, _tells(result), facts, result.plot())


def short(bench: Bench) -> int:
    """Return how many epochs a short training has: 200 steps or more."""
    return max(1, math.ceil(SHORT / len(bench.loader())))


def make_trainer(bench: Bench) -> Callable[..., Trainer]:
    """Return the objective of the searches: a Trainer for a setting."""

    def make(**setting: Any) -> Trainer:
        return bench.trainer(bench.model(), **setting)

    return make


def searching(bench: Bench, epochs: int, jobs: int) -> dict[str, Any]:
    """Return how the searches run: data, epochs, what is compared."""
    return {
        "data": (bench.loader(), bench.validation), "epochs": epochs, "jobs": jobs,
        "monitor": "val_accuracy" if bench.labels else "val_loss",
        "seed": bench.seed, "progress": False,
    }  # fmt: skip


def best_of(bench: Bench, result: Result) -> Trial:
    """Return the smallest loss among those whose accuracy is within one standard error.

    With e the smallest share of errors on N validation samples, its standard error is
    √(e (1 − e) / N), at least 1 / N: what differs by less is equal as far as one can
    see, and the loss tells more (Breiman et al. 1984, the one-standard-error rule). For
    targets it is the smallest loss.
    """
    if not bench.labels:
        return result.best
    return min(
        (
            t
            for t in result.ranked
            if t.value >= result.best.value - _error(bench, result)
        ),
        key=lambda trial: trial.record["val_loss"],
    )


def _error(bench: Bench, result: Result) -> float:
    """Return the standard error of the best accuracy."""
    n, accuracy = len(bench.validation), result.best.value
    return max(1 / n, math.sqrt(accuracy * (1 - accuracy) / n))


def described(record: Mapping[str, float]) -> str:
    """Return what was reached on validation data, in words."""
    loss = f"a validation loss of {record['val_loss']:.4g}"
    if "val_accuracy" not in record:
        return loss
    return f"{record['val_accuracy']:.1%} right on validation data and {loss}"


def _tells(result: Result) -> str:
    """Say what a search has shown beside its best."""
    failed = f"{len(result.failed)} failed; " if result.failed else ""
    shares = result.importance()
    if not shares or max(shares.values()) < 0.1:
        return f"{failed}the settings hardly differ"
    top = max(shares, key=shares.__getitem__)
    return f"{failed}{top} explains {shares[top]:.0%} of the differences"


def _by_chance(bench: Bench, saw: str, best: Trial) -> Complaint | None:
    """Return the complaint about a net that does not beat the most frequent class."""
    if not bench.labels:
        return None
    y = to_numpy(bench.validation.y).astype(np.intp)
    frequent = float(np.bincount(y).max()) / len(y)
    chance = frequent + 2 * math.sqrt(frequent * (1 - frequent) / len(y))
    if best.value > chance:
        return None
    return (
        f"{saw}, and always saying the most frequent class gives {frequent:.1%}: "
        "nothing was learned that holds for other samples",
        "do the labels belong to the inputs (shuffled apart)? Are training and "
        "validation data of one kind, and prepared alike?",
    )


# ----------------------------------------------------------------- 6. and 7. the curves


def read_curves(history: Any) -> Step:
    """Say what the curves of a training show (`diagnose_curves`).

    >>> read_curves({"train_loss": [2.3, 1.0, float("nan")]}).ok
    False
    """
    findings = diagnose_curves(history)
    names = [finding.name for finding in findings]
    said = [f"{finding.name.replace('_', ' ')}: {finding.text}" for finding in findings]
    facts = {"findings": names}
    figure = history.plot() if isinstance(history, History) else None
    if GRAVE & set(names):
        advice = [
            (text, f.advice.rstrip(".")) for text, f in zip(said, findings, strict=True)
        ]
        return judged("6. curves", [(t.rstrip("."), a) for t, a in advice], facts=facts,
                      figure=figure)  # fmt: skip
    means = " ".join(finding.advice for finding in findings)
    text = "; ".join(text.rstrip(".") for text in said)
    return judged("6. curves", [], text, means.rstrip("."), facts, figure)


def go_on(
    make_model: Make,
    data: Data,
    setting: dict[str, Any],
    findings: Iterable[str] = (),
    *,
    epochs: int = 20,
    **how: Unpack[How],
) -> Step:
    """Do what the curves ask for, let the rate decay, and keep the best on validation.

    The rate falls along half a cosine. Beside that: more weight decay if the net
    overfits, twice as long if it was still learning, another rate if it was wrong.
    """
    bench, found = Bench(make_model, data, **how), set(findings)
    plans = [Plan("the rate decays", dict(setting), epochs)]
    if "overfitting" in found and bench.takes_decay:
        more = max(1e-3, 10 * setting.get("weight_decay", 0.0))
        plans.append(Plan("more decay", setting | {"weight_decay": more}, epochs))
    if found & {"train_longer", "underfitting"}:
        plans.append(Plan("twice as long", dict(setting), 2 * epochs))
    for name, factor in (("lr_too_low", 3.0), ("lr_too_high", 1 / 3)):
        if name in found:
            changed = setting | {"lr": factor * setting["lr"]}
            plans.append(Plan(f"{factor:.2g} times the rate", changed, epochs))
    runs = {plan.says: long_run(bench, plan) for plan in plans}
    fine = {says: t for says, t in runs.items() if t.history.last}
    if not fine:
        return judged("7. go on", [("the loss became NaN in the first epoch", "")])
    value = "val_accuracy" if bench.labels else "val_loss"
    trials = [
        Trial(i, {"plan": says}, t.history.last[value], record=t.history.last)
        for i, (says, t) in enumerate(fine.items())
    ]
    result = Result(trials, "max" if bench.labels else "min")
    best = best_of(bench, result).setting["plan"]
    said = "; ".join(f"{t.setting['plan']}: {described(t.record)}" for t in trials)
    trainer, plan = runs[best], next(plan for plan in plans if plan.says == best)
    facts = {
        "model": trainer.model, "trainer": trainer, "history": trainer.history,
        "setting": plan.setting, "plan": plan,
    }  # fmt: skip
    means = f"“{best}” is kept" if len(runs) > 1 else ""
    return judged("7. go on", [], said, means, facts, trainer.history.plot())


class Plan:
    """A last training: what is new in it, its setting, how long it is."""

    def __init__(self, says: str, setting: dict[str, Any], epochs: int) -> None:
        self.says, self.setting, self.epochs = says, setting, epochs


def long_run(
    bench: Bench, plan: Plan, *, decay: bool = True, whole: bool = False
) -> Trainer:
    """Train to the end; the rate falls along half a cosine, unless `decay` is False.

    whole   on training and validation set together, so that nothing is left to judge by
    """
    loader, setting = bench.loader(whole), dict(plan.setting)
    if decay:
        setting["lr"] = cosine(setting["lr"], plan.epochs * len(loader))
    with own_randomness(bench.seed), suppress(NonFiniteError):
        trainer = bench.trainer(bench.model(), **setting)
        trainer.fit(loader, None if whole else bench.validation, plan.epochs)
    return trainer  # after a NaN: as it was before it, and the history says so


def on_all_data(bench: Bench, chosen: Step) -> Trainer:
    """Train what step 7 has kept once more, on training and validation set together.

    The validation set has done its work when the last choice is made, and more samples
    make a better net. If the loss becomes NaN, the net of step 7 stays.
    """
    trainer = long_run(bench, chosen.facts["plan"], whole=True)
    done = len(trainer.history) == chosen.facts["plan"].epochs
    kept: Trainer = trainer if done else chosen.facts["trainer"]
    return kept
