"""Rules on training against validation; each returns evidence, or None.

What looks ill and is not: training above validation (dropout and augmentation make
training harder), a validation loss that rises a little while the accuracy stays, the
jumps of a validation set with few samples. How many samples it has is read from its
accuracies, which are whole numbers of samples over all of them.
"""

from __future__ import annotations

import math

import numpy as np

from minidl.lab import signs, trend
from minidl.lab.findings import Evidence
from minidl.lab.reading import Reading
from minidl.lab.trend import Vector

UNKNOWN = 1000  # samples, where the accuracies do not tell


def overfitting(run: Reading) -> Evidence | None:
    """The gap between training and validation grows."""
    return _rising_validation(run) or _wide_gap(run)


def _rising_validation(run: Reading) -> Evidence | None:
    """The validation loss rises from its lowest value, and training goes on falling."""
    train, val = run["train_loss"], run["val_loss"]
    if len(val) < 5:
        return None
    smooth = trend.smoothed(val)
    best, last = int(np.argmin(smooth)), _last(val)
    low = float(smooth[best])
    place, rise = best / (len(val) - 1), last - low
    if place > 0.85 or rise * (run.judges or UNKNOWN) < 4:
        return None  # it is too late to tell, or one or two samples make the rise
    # a net that becomes sure of its mistakes, and makes no more, is a milder case
    enough = 0.25 if len(run["val_accuracy"]) and not _accuracy_fell(run) else 0.2
    least = max(enough * low, 0.02 * run.start)
    # region a6.10: does it still learn, is the rise large, clear of noise, steady?
    learns = not len(train) or train[-1] <= 0.9 * trend.at(train, place)
    large, clear = rise > least, rise > 4 * trend.noise(val)
    overfits = learns and large and clear and trend.line(val[best:]).t > 3
    # endregion
    if overfits:
        return {"rise": rise / low, "best validation loss": low, "last": last}
    return None


def _wide_gap(run: Reading) -> Evidence | None:
    """Training knows its samples by heart, and validation stays far behind."""
    known, judged = run["train_accuracy"], run["val_accuracy"]
    if min(len(known), len(judged)) < 4:
        return None
    training = trend.ends(known)[1]
    gap, error = training - trend.ends(judged)[1], signs.error_of(run.judges)
    if gap > 0.17 + error and training > 0.9:
        return {"gap of the accuracies": gap, "training": training}
    return None


def leaky_validation(run: Reading) -> Evidence | None:
    """No gap at a high accuracy may be success, or validation that was trained on.

    A net that has learned its samples by heart, the hard ones too, leaves a gap to
    samples that it has not seen. Here there is none: validation is where training is.
    """
    train, val = run["train_loss"], run["val_loss"]
    if len(train) != len(val) or len(val) < 5 or (run.judges or UNKNOWN) < 90:
        return None  # a few samples may all be right without having been seen
    # a training loss is a mean over its epoch: it comes half an epoch late
    now = np.append((train[:-1] + train[1:]) / 2, train[-1])
    apart = np.log(np.maximum(val, 1e-12) / np.maximum(now, 1e-12))[len(val) // 3 :]
    known, judged = run["train_accuracy"], run["val_accuracy"]
    level = signs.epoch_level(run)
    hard = int((known < 0.99).sum() if len(known) else (train > 2 * train[-1]).sum())
    perfect = not len(judged) or trend.ends(judged, 1 / 3)[1] > 0.994
    ratio = math.exp(float(np.median(apart)))
    beside = float(np.median(np.abs(apart))) < 0.5 and 0.55 < ratio < 1.3
    if hard >= 4 and level < 0.025 and perfect and beside:
        return {"validation loss / training loss": ratio, "level": level}
    return None


def underfitting(run: Reading) -> Evidence | None:
    """No gap, and both are poor: train longer, or take a larger model.

    No gap at a high accuracy is success: the level must be read as well.
    """
    train, val = run["train_loss"], run["val_loss"]
    known, judged = run["train_accuracy"], run["val_accuracy"]
    if len(train) < 5 or not len(val) + len(judged) or signs.unfinished(run) > 0.08:
        return None
    level = signs.epoch_level(run)
    if level > 0.97:
        return None  # it has not begun to learn, which is another matter
    if not len(known) or not len(judged):
        poor = level > 0.35 and len(val) > 0 and val[-1] < 1.3 * train[-1]
        return {"level": level} if poor else None
    training, validation = trend.ends(known)[1], trend.ends(judged)[1]
    gap, error = training - validation, 1 - validation
    if max(training, validation) < 0.9 and level > 0.15 and gap < 0.4 * error:
        return {"level": level, "training": training, "validation": validation}
    return None


def train_longer(run: Reading) -> Evidence | None:
    """Both rise together at a moderate distance: train longer."""
    left = signs.unfinished(run)
    annealed = len(run.rate) > 1 and run.rate[-1] < 0.1 * run.rate.max()
    if annealed or not len(run["val_loss"]):  # a training loss falls for ever
        least = 0.12
    else:
        least = 0.05 if len(run["train_loss"]) < 8 else 0.08
    perfect = len(run["val_accuracy"]) and run["val_accuracy"][-1] > 0.99
    if left < least or perfect or not 0.0 < run.level < 0.9:
        return None
    return {"share of the progress in the last third": left, "level": run.level}


def noisy_validation(run: Reading) -> Evidence | None:
    """A curve of few samples jumps, and cannot tell one setting from another."""
    judged, val, n = run["val_accuracy"], run["val_loss"], run.judges
    late, few = judged[len(judged) // 3 :], n is not None and n <= 25
    if n is not None and few:
        p = (float(np.mean(late)) * n + 1) / (n + 2)
        error = math.sqrt(p * (1 - p) / n)
        if error > 0.065:
            return {"samples": float(n), "standard error of the accuracy": error}
    jumps, quiet = trend.roughness(late), trend.noise(run["train_accuracy"])
    if len(late) >= 6 and jumps > max(0.02 if few else 0.035, 4 * quiet):
        return {"jumps of the accuracy": jumps}
    loud, calm = signs.jitter(val), signs.jitter(run["train_loss"])
    wild = loud > 0.75 or (loud > 0.35 and trend.noise(val) > 0.035 * run.start)
    if wild and loud > 5 * calm:
        return {"jumps of the validation loss": loud, "of training": calm}
    return None


def _last(y: Vector) -> float:
    """The level of the last eighth of a curve."""
    return float(np.median(y[-max(2, len(y) // 8) :]))


def _accuracy_fell(run: Reading) -> bool:
    """Whether the validation accuracy ends below its best, by more than 1.5 points."""
    judged = run["val_accuracy"]
    if len(judged) < 5:
        return False
    return bool(trend.smoothed(judged).max() - judged[-3:].mean() > 0.015)
