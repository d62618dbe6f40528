"""The report after a loss that is not a number: what happened, and what to try."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from minidl.backend import Array

if TYPE_CHECKING:
    from minidl.train.trainer import Trainer

LARGE = 100.0  # a gradient that a step should not have met

ADVICE = {
    "data": "np.isfinite(x) finds the samples of that batch to drop or to mend",
    "steep": "the gradient exploded: try callbacks=[GradientClip(max_norm=1.0)], a "
    "learning rate of {lr:.1g}, or schedules.warmup",
    "update": "the step was too large: try a learning rate of {lr:.1g}",
    "log": "a log, a root or a division met the edge of its domain: add a small ε "
    "inside, or take a loss that works on scores, such as ops.cross_entropy",
    "exp": "an exponential overflowed: try a learning rate of {lr:.1g}, inputs of mean "
    "0 and variance 1, or a loss that works on scores, such as ops.cross_entropy",
    "other": "try a learning rate of {lr:.1g}, inputs of mean 0 and variance 1, or "
    "GradientClip(max_norm=1.0)",
}
EDGES = ("log", "sqrt", "rsqrt", "divide", "reciprocal", "power")


@dataclass
class Finding:
    """What the replay found: the step, the cause, and in which part of the step."""

    step: int
    cause: str = ""
    kind: str = ""  # data, forward, backward or update
    largest: tuple[str, float] | None = None  # of the gradients: its place and size


def sizes(pairs: list[tuple[str, Any]]) -> list[tuple[str, Array]]:
    """Return max |gᵢ| of every parameter, () each, not read from the device."""
    return [(name, abs(p.grad).max()) for name, p in pairs if p.grad is not None]


def largest(found: list[tuple[str, Array]]) -> tuple[str, float] | None:
    """Return the name of the parameter with the largest gradient, and its size."""
    pairs = [(name, float(size)) for name, size in found]
    return max(pairs, key=lambda pair: pair[1], default=None)


def report(trainer: Trainer, finding: Finding, losses: list[float]) -> str:
    """Tell the whole story, a fact in a line."""
    bad = next((x for x in losses[::-1] if not math.isfinite(x)), None)
    what = "the parameters became infinite or NaN"
    if bad is not None:
        what = f"the loss became {bad}"
    lines = [
        f"training stopped at step {finding.step} (epoch {trainer.epoch + 1}): {what}",
        f"  last losses: {' '.join(f'{x:.4g}' for x in losses[-6:])}",
    ]
    if finding.largest is not None:
        name, size = finding.largest
        lines.append(f"  largest gradient: {size:.3g}, in {name}")
    cause = finding.cause or (
        "not found: made again under minidl.debug(), the steps went well. Does the "
        "model draw random numbers of its own, or the loss change from call to call?"
    )
    lines += [
        f"  first cause: {cause}",
        "  the model is as it was before that step: the last finite parameters",
        f"  advice: {advice(trainer, finding)}",
    ]
    return "\n".join(lines)


def advice(trainer: Trainer, finding: Finding) -> str:
    """Choose by what was seen."""
    op = finding.cause.removeprefix("the backward of ").split(" ")[0].rstrip(",")
    large = finding.largest is not None and finding.largest[1] > LARGE
    if finding.kind == "data":
        key = "data"
    elif large or (finding.largest and not math.isfinite(finding.largest[1])):
        key = "steep"
    elif finding.kind == "update":
        key = "update"
    elif op in EDGES:
        key = "log"
    else:
        key = "exp" if op in ("exp", "expm1") else "other"
    return ADVICE[key].format(lr=float(getattr(trainer.optimizer, "lr", 1e-3)) / 10)
