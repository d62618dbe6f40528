"""Steps 4 to 7 from no idea to a trained network: search, look, go on.

    4  coarse_grid   a few rates and weight decays around that of step 3, briefly
    5  refine        around the best, longer, without decay of the rate
    6  read_curves   what the curves say
    7  go_on         do what they ask for, let the rate decay, keep the best

(Michigan EECS 498-007, lecture 11; first_steps.py has the others, and what they share.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import suppress
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
from minidl.lab.trials import Result, shown
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

    What is compared is `error_of`: the share of validation samples that are wrong.
    """
    bench, name = Bench(make_model, data, **how), "4. coarse grid"
    epochs = epochs or short(bench)
    rates = [lr / 4, lr, lr * 4]
    space: dict[str, Any] = {"lr": rates}
    if bench.takes_decay:
        space["weight_decay"] = list(DECAYS)
    result = grid_search(
        trial_of(bench, epochs), space, seed=bench.seed, jobs=jobs, progress=False
    )
    if not result.ranked:
        return judged(name, [(f"all trials failed: {result.failed[0].error}", "")])
    best = result.best
    saw = (
        f"{len(result)} settings, {epochs} epochs each; the best is "
        f"{shown(best.setting)}, with {described(bench, best.value)}"
    )
    facts = {"result": result, "epochs": epochs}
    if complaint := _by_chance(bench, saw, best.value):
        return judged(name, [complaint], facts=facts, figure=result.plot())
    return judged(name, [], saw, _tells(result), facts, result.plot())


def refine(
    make_model: Make,
    data: Data,
    coarse: Step,
    *,
    n: int = 6,
    epochs: int | None = None,
    jobs: int = 1,
    **how: Unpack[How],
) -> Step:
    """Draw n settings around the best of the grid, and train them longer.

    epochs   of each; by default 3 times those of the grid

    The rate does not decay yet: a plateau shall be seen in the next step.
    """
    bench = Bench(make_model, data, **how)
    grid: Result = coarse.facts["result"]
    epochs = epochs or 3 * coarse.facts["epochs"]
    at = grid.best.setting
    space: dict[str, Any] = {"lr": log_uniform(at["lr"] / 3, at["lr"] * 3)}
    if "weight_decay" in at:
        decay = at["weight_decay"]
        space["weight_decay"] = (
            log_uniform(decay / 3, decay * 10) if decay else choice(0.0, 1e-6, 1e-5)
        )
    result = random_search(
        trial_of(bench, epochs), space, n, seed=bench.seed, jobs=jobs, progress=False
    )
    if not result.ranked:
        return judged("5. refine", [(f"all failed: {result.failed[0].error}", "")])
    saw = (
        f"{n} settings around it, {epochs} epochs each; the best is "
        f"{shown(result.best.setting)}, with {described(bench, result.best.value)}"
    )
    facts = {"result": result, "setting": result.best.setting, "epochs": epochs}
    return judged("5. refine", [], saw, _tells(result), facts, result.plot())


def short(bench: Bench) -> int:
    """Return how many epochs a short training has: 200 steps or more."""
    return max(1, math.ceil(SHORT / len(bench.loader())))


def trial_of(bench: Bench, epochs: int) -> Callable[..., float]:
    """Return the objective: train for so many epochs, and return `error_of`."""

    def trial(**setting: Any) -> float:
        trainer = bench.trainer(bench.model(), **setting)
        trainer.fit(bench.loader(), bench.validation, epochs)
        return error_of(trainer.history)

    return trial


def error_of(history: History) -> float:
    """Return what is to be small at the end of a training, on validation data.

    For labels the share of wrong ones, and 10⁻⁵ of the loss, which decides where two
    are equal. For targets the loss.
    """
    last = history.last
    if not last:
        return math.inf  # it broke in its first epoch
    if "val_accuracy" not in last:
        return float(last["val_loss"])
    return float(1 - last["val_accuracy"] + 1e-5 * min(last["val_loss"], 10.0))


def described(bench: Bench, error: float) -> str:
    """Return a value of `error_of` in words."""
    if bench.labels:
        return f"{1 - error:.1%} right on validation data"
    return f"a validation loss of {error:.4g}"


def _tells(result: Result) -> str:
    """Say what a search has shown beside its best."""
    failed = f"{len(result.failed)} failed; " if result.failed else ""
    shares = result.importance()
    if not shares or max(shares.values()) < 0.1:
        return f"{failed}the settings hardly differ"
    top = max(shares, key=shares.__getitem__)
    return f"{failed}{top} explains {shares[top]:.0%} of the differences"


def _by_chance(bench: Bench, saw: str, error: float) -> Complaint | None:
    """Return the complaint about a net that does not beat the most frequent class."""
    if not bench.labels:
        return None
    y = to_numpy(bench.validation.y)
    frequent = float(np.bincount(y).max()) / len(y)
    chance = frequent + 2 * math.sqrt(frequent * (1 - frequent) / len(y))
    if 1 - error > chance:
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
    errors = {says: error_of(trainer.history) for says, trainer in runs.items()}
    best = min(errors, key=errors.__getitem__)
    said = ", ".join(f"{says}: {described(bench, e)}" for says, e in errors.items())
    trainer = runs[best]
    facts = {
        "model": trainer.model, "trainer": trainer, "history": trainer.history,
        "setting": next(p.setting for p in plans if p.says == best),
        "error": errors[best],
    }  # fmt: skip
    means = f"“{best}” is kept" if len(runs) > 1 else ""
    return judged("7. go on", [], said, means, facts, trainer.history.plot())


class Plan:
    """A last training: what is new in it, its setting, how long it is."""

    def __init__(self, says: str, setting: dict[str, Any], epochs: int) -> None:
        self.says, self.setting, self.epochs = says, setting, epochs


def long_run(bench: Bench, plan: Plan, decay: bool = True) -> Trainer:
    """Train to the end; the rate falls along half a cosine, unless `decay` is False."""
    loader, setting = bench.loader(), dict(plan.setting)
    if decay:
        setting["lr"] = cosine(setting["lr"], plan.epochs * len(loader))
    with own_randomness(bench.seed), suppress(NonFiniteError):
        trainer = bench.trainer(bench.model(), **setting)
        trainer.fit(loader, bench.validation, plan.epochs)
    return trainer  # after a NaN: as it was before it, and the history says so
