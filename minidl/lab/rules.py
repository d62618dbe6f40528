"""Rules on the training loss and the learning rate; each returns evidence, or None.

A rule's docstring is what the lecture says on that picture. "Level" is always a share
of the first loss: 1 is nothing learned, 0 is all of it. A rule asks for an effect that
is large, and that is not an accident: it must stand clear of the noise that the curve
itself shows (trend.py).

What looks ill and is not: a loss that rises after the rate was raised again (restarts),
a flat start while the rate warms up, the noise of small batches, a rate that decayed
slowly while the loss became flat.
"""

from __future__ import annotations

import math

import numpy as np

from minidl.lab import signs, trend
from minidl.lab.findings import Evidence
from minidl.lab.reading import Reading


def nan(run: Reading) -> Evidence | None:
    """If the loss becomes Inf or NaN, the rate is too high (or a formula is unsafe)."""
    if run.broken is None:
        return None
    column, row, number = run.broken
    before = run[column][:row]
    last = float(before[-1]) if len(before) else math.nan
    return {"step" if column == "loss" else "epoch": number, "last finite loss": last}


def diverging(run: Reading) -> Evidence | None:
    """Very high rate: the loss explodes. It need not become NaN for that."""
    y = run.training
    if len(y) < 3:
        return None
    start, end, peak = run.start, run.end, float(y.max())
    above = end > 1.5 * start and end > start + 6 * trend.noise(y)
    never_back = peak > 10 * start and end > 0.6 * start
    if above or never_back or signs.rebound(run) > 2:
        return {"first loss": start, "highest loss": peak, "last loss": end}
    return None


def lr_too_high(run: Reading) -> Evidence | None:
    """High rate: the loss falls fast and stays too high; it jumps about up there."""
    if len(run.training) < 8 or not run.level > 0.05:
        return None
    peak = float(run.training.max()) / run.start
    evidence = {"level": run.level, "highest loss / first": peak}
    if signs.overshot(run) or (not len(run["val_loss"]) and signs.stuck(run)):
        return evidence
    if run.level < 0.1:
        return None
    for name, size, least in signs.unrest(run):
        if size > least:
            return evidence | {name: size}
    return None


def unshuffled(run: Reading) -> Evidence | None:
    """Data in the order of their classes: the loss has a rhythm, once an epoch."""
    y = np.log(np.maximum(run["loss"], 1e-12))
    late, period, least = y[len(y) // 4 :], signs.steps_per_epoch(run), 0.35
    if period is None:  # a search among many finds more by chance
        period, least = trend.period(late, range(6, len(late) // 3)), 0.5
    if len(late) < 3 * period:
        late = y  # so that there is an epoch more
    if period < 6 or len(late) < 3 * period:
        return None
    alike = trend.rhythm(late, period)
    chance = 5 / math.sqrt(len(late) - 2 * period + 1)
    if alike > max(least, chance) and not signs.repeats(run.rate, period):
        return {"steps in an epoch": float(period), "correlation of epochs": alike}
    return None


def bad_init(run: Reading) -> Evidence | None:
    """A loss that is flat at first and then falls was badly initialized."""
    trace = trend.smoothed(run.trace)
    if len(trace) < 10:
        return None
    start, fall = run.start, run.start - float(trace.min())
    late = trend.line(trace[len(trace) // 2 :])
    if abs(run.level - 1) < 0.06 and abs(late.rise) < 0.005 * start:
        whole = {"level": run.level, "share of the run that is flat": 1.0}
        return whole if trace.max() < 2 * start else None
    flat = int(np.argmax(trace < start - 0.05 * fall))  # blocks before it falls
    share, epochs = flat / len(trace), len(run["train_loss"])
    lasting = share > 0.15 or (share > 0.08 and share * epochs > 1.5)
    if fall < 0.2 * start or flat < 4 or not lasting or signs.warming(run, share):
        return None
    crept = start - float(trace[flat - 1])
    fell = float((trace[:-flat] - trace[flat:]).max())  # in as many blocks, at most
    if crept < 0.15 * fell and trace[:flat].max() < 1.5 * start:
        return {"level": run.level, "share of the run that is flat": share}
    return None


def lr_too_low(run: Reading) -> Evidence | None:
    """Low rate: the loss falls very slowly, in a straight line, to the end."""
    trace = run.trace
    if len(trace) < 6 or not 0.35 < run.level < 1.02:
        return None
    if signs.warming(run, 0.5) or signs.decayed(run):
        return None
    whole, late = trend.line(trace), trend.line(trace[len(trace) // 2 :])
    epochs = [y for y in (run["val_loss"], run["train_loss"]) if len(y) > 5]
    surest = min([late.t, *(trend.line(y[len(y) // 2 :]).t for y in epochs)])
    pace = 2 * late.rise / whole.rise if whole.rise < 0 else 0.0
    slow = pace > 0.5 or run.level > 0.85
    if whole.t < -5 and surest < -3 and slow:
        return {"level": run.level, "pace at the end / in all": pace}
    return None


def decayed_too_early(run: Reading) -> Evidence | None:
    """The loss was still falling when the rate dropped: wait until it is flat."""
    y, place, left = run.training, signs.decay_at(run), signs.unfinished(run)
    if place is None or place > signs.EARLY or not run.level > 0.04:
        return None
    k = round(place * len(y))
    before = y[:k][-max(k // 2, min(k, 40)) :]
    after = y[k:][: max(2 * len(before), (len(y) - k) // 4)]
    if not len(before) or not len(after):
        return None
    fall, later = trend.line(before), trend.line(after)
    share = -fall.rise / max(float(before.mean()), 1e-12)
    slower = later.rise / len(after) > 0.5 * fall.rise / len(before)
    falling = share > 0.08 and fall.t < -2 and slower and left > 0.02
    hardly_begun = float(np.median(before[-5:])) > 0.5 * run.start and left > 0.05
    if falling or hardly_begun:
        return {"place": place, "fall just before": share, "level": run.level}
    return None
