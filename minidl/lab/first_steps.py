"""Steps 1 to 3 from no idea to a trained network: is anything wrong, and which rate?

    1  first_loss    without weight decay it is log K, or something is wrong
    2  overfit       a few mini-batches to 100 %, or something is wrong
    3  find_rate     a rate that makes the loss fall within 100 steps

(Michigan EECS 498-007, lecture 11; later_steps.py has the others, and `recipe` runs all
seven.) Each returns a `Step`: what it saw, what that means, what to do; and takes the
material of `Bench`: make_model, data, loss=, optimizer=, batch_size=, seed=.

K classes    H what the frequencies of the classes alone cost    η rate
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Unpack

import numpy as np

from minidl import nn, show
from minidl.engine.modes import no_grad
from minidl.errors import MinidlError
from minidl.lab import inspection
from minidl.lab.bench import Bench, How, Step, judged
from minidl.lab.inspection import Complaint
from minidl.lab.lr_finder import lr_finder
from minidl.nn.module import Module
from minidl.train.batches import Data

Make = Callable[[], Any]

NEAR = 0.1  # of log K: the first loss is right
HIGH = 2.0  # times log K: more than weights of an ordinary size can explain
RATES = (1e-2, 1e-3, 1e-1, 1e-4)  # the lecture's, good ones to try
FEW = 10  # samples with targets, in the place of whole batches with labels
STEPS = 200  # in which a few batches are memorized
MORE = 4  # times as many, at the best rate, where that was nearly enough
FALL = 0.05  # of H, that the loss must fall below it in 100 steps


# ------------------------------------------------------------------------ 1. first loss


def first_loss(make_model: Make, data: Data, **how: Unpack[How]) -> Step:
    """Compare the first loss with log K, the loss of equal scores: p = 1 / K for each.

    High:  up to twice log K the first scores are merely spread, by weights of He's size
           in the last layer; beyond it inputs or weights are too large.
    Low:   the net knows the answer before it has learned anything.

    >>> from minidl.data import load_iris, standardize
    >>> from minidl.models import MLP
    >>> train, validation, _ = load_iris()
    >>> first_loss(lambda: MLP([4, 16, 7]), (train, validation)).saw
    'the model gives 7 scores, and the labels 0 … 2 are 3 classes...'
    """
    bench = Bench(make_model, data, **how)
    name, complaints = "1. first loss", list(inspection.of_data(bench))
    model, losses = bench.model(), []
    try:
        with no_grad():
            for number, batch in enumerate(bench.batches(10)):
                scores, y, loss = bench.forward(model.train(), batch)
                losses.append(float(loss))
                if number == 0:
                    complaints += inspection.of_scores(bench, model, batch, scores)
                    complaints += inspection.of_loss(bench, scores, y)
                    begun = scores, y
            first = float(np.mean(losses))
            expected, ratio, verdict = compared(first, bench.loss, *begun)
    except (MinidlError, IndexError, ValueError, TypeError) as error:
        complaints.append((f"the first batch fails: {error}", ""))
        return judged(name, complaints)
    facts = {"first": first, "expected": expected}
    name_of = f"log {scores.shape[1]} = " if bench.labels else ""
    known = f"{name_of}{expected:.3f}"
    saw = f"the first loss is {first:.3f}, and that of equal scores {known}"
    if verdict == "right":
        return judged(
            name, complaints, saw, "all classes get nearly equal scores", facts
        )
    if bench.labels:
        complaints += _far_from(verdict, ratio, saw)
    means = (
        "the first scores are spread, and the first steps are spent on bringing them "
        "together; that is no mistake. To begin at log K make the last layer "
        'nn.Linear(..., init="head")'
    )
    return judged(name, complaints, saw, means, facts)


def compared(
    first: float, loss: Callable[..., Any], scores: Any, y: Any
) -> tuple[float, float, str]:
    """Return the loss of equal scores, the first loss in units of it, and a verdict.

    scores (N, K), y (N,) of one batch; the verdict is "low", "right" (within 10 %),
    "spread" (up to twice as much) or "high", which a ratio of NaN is as well

    >>> from minidl import ops
    >>> compared(2 * math.log(3), ops.cross_entropy, np.ones((5, 3)), [0, 0, 1, 1, 0])
    (1.0986..., 2.0, 'spread')
    """
    # region a6.1: the loss of equal scores, and how far from it the first loss is
    expected = float(loss(scores * 0, y))
    ratio = first / expected if expected else math.nan
    verdict = "low" if ratio < 1 else "spread" if ratio <= HIGH else "high"
    if abs(ratio - 1) <= NEAR:
        verdict = "right"
    # endregion
    return expected, ratio, verdict


def _far_from(verdict: str, ratio: float, saw: str) -> list[Complaint]:
    """Return the complaint about a first loss that is too far from log K."""
    if verdict == "low":
        return [(f"{saw}: lower, the net knows the answer before it has learned",
                 "look for the label in the input, for a loss of another form (a sum? "
                 "a sign?), for a model that was trained already")]  # fmt: skip
    if verdict == "high":
        return [(f"{saw}: {ratio:.1f} times as much, the net is sure of what is wrong",
                 "look at the scale of the inputs (about 1) and of the first weights "
                 '(init="kaiming_normal"; init="head" in the last layer)')]  # fmt: skip
    return []


# --------------------------------------------------------------------------- 2. overfit


def overfit(
    make_model: Make,
    data: Data,
    *,
    batches: int = 5,
    lr: float | None = None,
    steps: int = STEPS,
    **how: Unpack[How],
) -> Step:
    """Memorize 5 mini-batches, with dropout, noise and weight decay off.

    Whatever cannot do that has a mistake: a rate that is too low or weights that begin
    badly (the loss does not fall), a rate that is too high (Inf or NaN), or the usual
    ones, which are looked for first: see inspection.py. Of targets, which are harder to
    memorize than labels, 10 samples are taken.

    lr   the only rate to try; by default 0.01, 0.001, 0.1, 0.0001, until one works

    >>> from minidl.data import load_digits
    >>> from minidl.models import MLP
    >>> step = overfit(lambda: MLP([64, 32, 10]), load_digits(), batches=3)
    >>> step.ok, step.facts["accuracy"]
    (True, 1.0)
    """
    bench, name = Bench(make_model, data, **how), "2. overfit"
    rows = bench.batches(batches)
    if not bench.labels:
        rows = [tuple(part[:FEW] for part in rows[0])]
    complaints: list[Complaint] = []
    try:
        complaints += inspection.of_training(bench, plain(bench.model()), rows[0])
    except (MinidlError, ValueError, TypeError) as error:
        return judged(name, [(f"the first steps fail: {error}", "")])
    if complaints:
        return judged(name, complaints)
    runs = _tried(bench, rows, RATES if lr is None else (lr,), steps)
    best = min(runs, key=lambda rate: runs[rate].order)
    run, facts = runs[best], {"lr": best, "accuracy": runs[best].accuracy}
    n = sum(len(batch[-1]) for batch in rows)
    batch = "a batch" if len(rows) == 1 else f"{len(rows)} batches"
    saw = f"{batch} ({n} samples) at a rate of {best:g}: {run}"
    if not run.done:
        complaints.append(_why_not(saw, runs))
    elif run.gap:
        complaints.append((
            f"{saw}; but in evaluation mode only {run.judged:.0%} of them are right",
            "batch norm's running statistics do not fit: larger batches, or another "
            "momentum",
        ))  # fmt: skip
    means = "model, loss and gradients can learn"
    return judged(name, complaints, saw, means, facts, run.figure())


class Memorized:
    """How a few batches were memorized: the losses, and what was right at the end."""

    def __init__(self, bench: Bench) -> None:
        self.labels = bench.labels
        self.losses: list[float] = []
        self.accuracy = self.judged = math.nan

    @property
    def done(self) -> bool:
        """Whether all labels are known, or a fiftieth of the first loss is left."""
        if not self.losses or not math.isfinite(self.losses[-1]):
            return False
        if self.labels:
            return self.accuracy == 1.0
        return self.losses[-1] < 0.02 * self.losses[0]

    @property
    def fell(self) -> bool:
        """Whether the loss came down to a half: then more steps may do."""
        return self.losses[-1] < 0.5 * self.losses[0]

    @property
    def gap(self) -> bool:
        """Whether evaluation mode sees much less than training mode did."""
        return self.judged < self.accuracy - 0.2

    @property
    def order(self) -> tuple[bool, float]:
        """What the best run has the smallest of."""
        last = self.losses[-1] if self.losses else math.inf
        return not self.done, last if math.isfinite(last) else math.inf

    def figure(self) -> Any:
        """Draw the loss, on a logarithmic axis if it allows one."""
        seen = [x for x in self.losses if math.isfinite(x)]
        if len(seen) < 2:
            return None
        return show.curves({"train_loss": seen}, log=min(seen) > 0)

    def __repr__(self) -> str:
        if not self.losses:
            return "the loss was no number from the start"
        right = "" if math.isnan(self.accuracy) else f", {self.accuracy:.0%} right"
        return f"loss {self.losses[0]:.3g} → {self.losses[-1]:.3g}{right}"


def _tried(
    bench: Bench, rows: Sequence[Any], rates: Sequence[float], steps: int
) -> dict[float, Memorized]:
    """Return a run for each rate, until one works; the best gets more steps at last."""
    runs: dict[float, Memorized] = {}
    for rate in rates:
        runs[rate] = memorize(bench, rows, rate, steps)
        if runs[rate].done:
            return runs
    best = min(runs, key=lambda rate: runs[rate].order)
    if runs[best].fell:
        runs[best] = memorize(bench, rows, best, MORE * steps)
    return runs


def memorize(bench: Bench, rows: Sequence[Any], lr: float, steps: int) -> Memorized:
    """Train on the same batches for so many steps, or until all of them are known."""
    run, model = Memorized(bench), plain(bench.model())
    optimizer = bench.rule(model.parameters(), lr=lr)
    rounds = max(1, steps // len(rows))
    with np.errstate(all="ignore"):
        with no_grad():
            first = [float(bench.forward(model.train(), batch)[2]) for batch in rows]
        run.losses.append(float(np.mean(first)))
        for _ in range(rounds):
            model.train()
            losses, right = [], []
            for batch in rows:
                scores, y, loss = bench.forward(model, batch)
                losses.append(float(loss))
                right.append(bench.right(scores, y))
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
            run.losses.append(float(np.mean(losses)))
            run.accuracy = float(np.mean(right))
            if run.done or not math.isfinite(run.losses[-1]):
                break
        model.eval()
        with no_grad():
            judged_rows = [bench.forward(model, batch)[:2] for batch in rows]
        run.judged = float(np.mean([bench.right(*row) for row in judged_rows]))
    return run


def plain(model: Module) -> Any:
    """Switch dropout and noise off: what is to be learned shall hold still."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module, nn.GaussianNoise):
            module.std = 0.0
    return model


def _why_not(saw: str, runs: dict[float, Memorized]) -> Complaint:
    """Return why the batches were not memorized, from the losses at all rates."""
    ends = {lr: run.losses for lr, run in runs.items() if run.losses}
    broken = [lr for lr, x in ends.items() if not math.isfinite(x[-1])]
    rises = [lr for lr, x in ends.items() if lr not in broken and x[-1] > x[0]]
    if len(broken) + len(rises) == len(runs):
        smallest = min(runs)
        if smallest < 1e-3:
            return (f"{saw}: the loss rises at every rate, down to {smallest:g}",
                    "look for a wrong sign: a loss that rewards mistakes, "
                    "maximize=True, += in the place of -=")  # fmt: skip
        return (
            f"{saw}: the loss explodes",
            "the rate is too high; a tenth of it, or less",
        )
    return (
        f"{saw}: these few samples cannot be memorized",
        "a higher rate, or more steps; look at the first weights (all zero?), the size "
        "of the net, and whether the labels belong to the inputs",
    )


# ---------------------------------------------------------------------------- 3. a rate


def find_rate(make_model: Make, data: Data, **how: Unpack[How]) -> Step:
    """Find a rate that makes the loss fall within 100 steps, on all data.

    `lr_finder` suggests one; 100 steps at it must bring the loss below H, what the
    frequencies of the classes alone would cost. Who only learns the frequencies has
    inputs that tell nothing about the labels.

    >>> from minidl.data import load_digits
    >>> from minidl.models import MLP
    >>> step = find_rate(lambda: MLP([64, 32, 10]), load_digits())
    >>> step.ok, 0.001 < step.facts["lr"] < 0.2
    (True, True)
    """
    bench, name = Bench(make_model, data, **how), "3. a rate"
    found = lr_finder(
        bench.model(), bench.loss, bench.loader(), optimizer=bench.optimizer,
        seed=bench.seed,
    )  # fmt: skip
    if math.isnan(found.suggestion):
        return judged(name, [(found.text, "")], figure=found.figure)
    guess = bench.guess()
    ends = {}
    for lr in (found.suggestion, found.suggestion / 5):
        ends[lr] = _hundred(bench, lr)
        if ends[lr] < (1 - FALL) * guess:
            break
    lr = min(ends, key=ends.__getitem__)
    facts = {"lr": lr, "guess": guess, "after 100 steps": ends[lr]}
    saw = (
        f"{found.text}; 100 steps at {lr:.2g} bring it to {ends[lr]:.3g}, and knowing "
        f"how frequent the answers are would cost {guess:.3g}"
    )
    if not ends[lr] < (1 - FALL) * guess:
        return judged(
            name,
            [(f"{saw}: nothing was learned that the inputs tell",
              "do the labels belong to the inputs (shuffled apart)? Do the inputs tell "
              "anything? Is the rate far off?")],
            facts=facts, figure=found.figure,
        )  # fmt: skip
    return judged(name, [], saw, "this rate learns", facts, found.figure)


def _hundred(bench: Bench, lr: float) -> float:
    """Return the mean loss of the last 20 of 100 steps."""
    model = bench.model().train()
    optimizer = bench.rule(model.parameters(), lr=lr)
    losses: list[float] = []
    loader = bench.loader()
    epochs = range(math.ceil(100 / len(loader)))
    with np.errstate(all="ignore"):
        for batch in chain.from_iterable(loader for _ in epochs):
            loss = bench.forward(model, batch)[2]
            losses.append(float(loss))
            if len(losses) == 100 or not math.isfinite(losses[-1]):
                break
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return float(np.mean(losses[-20:])) if math.isfinite(losses[-1]) else math.inf
