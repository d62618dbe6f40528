"""Signs that several rules look for: jumps, plateaus, rises, rates that moved."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from minidl.lab import trend
from minidl.lab.reading import Reading
from minidl.lab.trend import Vector

EARLY = 0.45  # the part of a run in which a rate should not have decayed for good


def overshot(run: Reading) -> bool:
    """Whether the loss jumped far above its first value, and remained high.

    A hard batch is high too: the jump must be large in units of the noise.
    """
    y = run.training
    peak = float(y.max())
    sigma = trend.noise(y[: max(50, len(y) // 5)])
    if not run.by_step:
        return False  # the mean of an epoch does not show it
    stays = run.level > 0.12 and peak - run.start > 12 * sigma
    return peak > 8 * run.start or (peak > 2 * run.start and stays)


def unrest(run: Reading) -> Iterator[tuple[str, float, float]]:
    """Yield what jumps about at a high level: its name, its size, what is too much."""
    training, validation = jitter(run["train_loss"]), jitter(run["val_loss"])
    both = min(training, validation)  # dropout shakes one, few judges shake the other
    yield "jumps from epoch to epoch", both, 0.08 if run.level > 0.4 else 0.15
    half = run.training[len(run.training) // 2 :]
    if trend.noise(trend.blocks(half, 20)) > 0.1 * max(half.mean(), 1e-12):
        yield "wandering / noise of batches", wander(half), 1.8
    train = run["train_loss"]
    if len(train) >= 4 and run.level > 0.2 and train[0] < 1.6 * run.end:
        yield "jumps of the validation loss", validation, 0.08
    yield "rise from its lowest value", rebound(run), 0.3


def stuck(run: Reading) -> bool:
    """Whether the loss fell in the first tenth, and no more at the same rate.

    Nothing in a training loss tells this from a model that is too small, which is why
    it is asked only where there is nothing else.
    """
    trace, learned = run.trace, run.start - run.end
    if len(trace) < 20 or not 0.3 < run.level < 0.9 or decay_at(run) is not None:
        return False
    later = trace[len(trace) // 10 :]
    flat = abs(trend.line(later).rise) < 0.2 * learned
    return flat and abs(float(np.median(later[:4])) - run.end) < 0.2 * learned


def rebound(run: Reading) -> float:
    """By which share of its lowest value the loss rose again and stayed; 0: it did not.

    A rise beyond the noise, of a quarter of what had been learned, while the rate was
    not raised again.
    """
    trace = trend.smoothed(run.trace)
    if len(trace) < 5:
        return 0.0
    low, place = float(trace.min()), int(np.argmin(trace)) / (len(trace) - 1)
    back = run.end - low
    large = back > max(0.25 * (run.start - low), 4 * trend.noise(run.trace))
    return back / low if large and low > 0 and not rate_raised(run, place) else 0.0


def wander(y: Vector) -> float:
    """How much means of k steps vary, over what the noise of single steps explains.

    Batches drawn anew are independent: their means vary by σ / √k. Weights that jump
    about carry a high loss from step to step, and their means vary by more.
    """
    if len(y) < 40:
        return 0.0
    k = len(y) // 20
    means = y[: 20 * k].reshape(20, k).mean(axis=1)
    of_means = math.sqrt(float((np.diff(means, 2) ** 2).mean()) / 6)
    of_steps = math.sqrt(float((np.diff(y) ** 2).mean()) / 2)
    return of_means / (of_steps / math.sqrt(k)) if of_steps > 0 else 0.0


def jitter(y: Vector) -> float:
    """The noise of the second half of a positive curve, as a share of its level."""
    late = y[len(y) // 2 :] if len(y) >= 10 else y[len(y) > 5 :]
    return trend.noise(np.log(np.maximum(late, 1e-12))) if len(late) >= 5 else 0.0


def steps_per_epoch(run: Reading) -> int | None:
    """How many steps an epoch has: by the steps' epochs, or by the table of epochs."""
    n = len(run["loss"])
    if len(run.epoch_of):
        counts = np.unique(run.epoch_of, return_counts=True)[1]
        return int(np.median(counts))
    epochs = max(len(run["train_loss"]), len(run["val_loss"]))
    if epochs and n % epochs == 0:
        return n // epochs
    return None


def repeats(rate: Vector, period: int) -> bool:
    """Whether the rate itself goes up and down within a period, again and again."""
    if len(rate) < 3 * period or np.ptp(rate) == 0:
        return False
    ups = int((np.diff(rate) > 0).sum())
    return ups > 0 and trend.rhythm(rate, period) > 0.5


def rate_raised(run: Reading, place: float) -> bool:
    """Whether the rate is higher now, or was in between, than at a place of the run."""
    if len(run.rate) < 2:
        return False
    then = trend.at(run.rate, place)
    return float(run.rate[round(place * (len(run.rate) - 1)) :].max()) > 1.5 * then


def warming(run: Reading, place: float) -> bool:
    """Whether the rate was on its way up until then: no wonder that little happened."""
    if len(run.rate) < 2:
        return False
    half = trend.at(run.rate, place / 2)
    return half < 0.6 * float(run.rate.max()) and half <= trend.at(run.rate, place)


def decay_at(run: Reading) -> float | None:
    """Where the rate fell below 0.3 of its highest value for good; None: nowhere."""
    rate = run.rate
    if len(rate) < 4 or rate[-1] > 0.3 * rate.max():
        return None
    return float(np.flatnonzero(rate > 0.3 * rate.max())[-1] + 1) / len(rate)


def decayed(run: Reading) -> bool:
    """Whether it fell for good in the first part of the run."""
    place = decay_at(run)
    return place is not None and place < EARLY


def epoch_level(run: Reading) -> float:
    """What is left of the first loss at the end, as the means of epochs have it."""
    train = run["train_loss"]
    first = max(run.start, float(train[0]))
    return float(np.median(train[-3:])) / first if first > 0 else math.nan


def error_of(judges: int | None) -> float:
    """A standard error of an accuracy near 0.9, of so many samples."""
    return math.sqrt(0.1 / (judges or 1000))


def unfinished(run: Reading) -> float:
    """Which share of all progress came in the last third, if that is no accident.

    Both training and validation must have it, where both are there. In a run of few
    epochs a validation loss that fell by a quarter there is unfinished too, however far
    it has come.
    """
    fine = run["train_loss"] if len(run["train_loss"]) >= 3 else run.trace
    shares = [_late_share(y, run.start) for y in (run["val_loss"], fine) if len(y) > 2]
    val = run["val_loss"]
    if 2 < len(val) < 8 and val[-1] < 0.75 * trend.at(val, 2 / 3):
        shares[0] = max(shares[0], 0.06)
    return min(shares, default=0.0)


def _late_share(y: Vector, start: float) -> float:
    """Which share of a curve's fall came in its last third; 0 if noise may be it."""
    last = float(np.mean(y[-2:])) if len(y) > 8 else float(y[-1])
    then = trend.at(y, 2 / 3)
    total, late = max(start, float(y[0])) - last, then - last
    if late <= 0 or total <= 0:
        return 0.0
    if len(y) > 8:  # enough of them to tell a trend from noise
        shaking, half = trend.noise(y[len(y) // 3 :]), trend.line(y[len(y) // 2 :])
        if late < 3 * shaking or half.t > -4:
            return 0.0
    return late / total
