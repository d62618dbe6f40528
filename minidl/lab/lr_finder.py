"""A learning rate that works, found in a hundred steps.

The rate grows from one step to the next by a constant factor, from tiny to absurd.
First nothing happens, then the loss falls, then it explodes. Where it falls is where to
train (L. N. Smith 2017, "Cyclical learning rates", section 3.3).

    η  rate    L  loss of a batch    m  its running mean    t  step, from 0

All of it happens on a copy: the model, its buffers, the optimizer and the generators
are afterwards what they were, bit for bit.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import optim
from minidl.data import DataLoader
from minidl.errors import DTypeError, RangeError
from minidl.lab.bench import device
from minidl.lab.objective import own_randomness
from minidl.nn.module import Module
from minidl.train import History
from minidl.train.batches import Data, check_scalar, is_samples, pair, samples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Vector = np.ndarray[Any, Any]

BATCH = 32  # where the data are samples and not batches
SPIKE = 5  # steps, of which the median is taken: two bad batches are not seen
BETA = 0.9  # of the running mean
BURN_IN = 10  # steps before the mean is believed
ENOUGH = 4.0  # times the best: then the loss explodes
REACH = 5  # steps to each side, of the line whose slope is taken
INTERVAL = 20  # steps between two looks at the losses on a GPU


@dataclass(frozen=True)
class RateRange:
    """What a sweep over the rates has shown.

    suggestion   the rate to begin with; NaN if no rate made the loss fall
    rates        the rate of each step, and `losses` the loss before it (T,)
    smoothed     the running mean of the losses (T,)
    steepest     where the mean fell fastest        lowest   where it was smallest
    ending       "exploded", "nan" or "done" (the last rate was reached)
    text         all that in words
    """

    suggestion: float
    rates: Vector
    losses: Vector
    smoothed: Vector
    steepest: float
    lowest: float
    ending: str

    @property
    def text(self) -> str:
        """What was seen, what it means, and what to do."""
        if math.isnan(self.suggestion):
            return (
                f"no rate from {self.rates[0]:.1g} to {self.rates[-1]:.1g} made the "
                f"loss fall (it began at {self.losses[0]:.3g}): look for gradients "
                "that do not arrive, a wrong sign, or labels that do not belong to the "
                "inputs"
            )
        ends = {
            "exploded": f"exploded near {self.rates[-1]:.2g}",
            "nan": f"became NaN or infinite near {self.rates[-1]:.2g}",
            "done": f"had not exploded at {self.rates[-1]:.2g}, the last rate tried",
        }
        return (
            f"the loss fell fastest near a rate of {self.steepest:.2g}, was smallest "
            f"near {self.lowest:.2g} and {ends[self.ending]}; begin with "
            f"{self.suggestion:.2g}"
        )

    @property
    def figure(self) -> Figure:
        """The loss against the rate, with what was read from it."""
        return self.plot()

    def plot(self, *, path: str | None = None) -> Figure:
        """Draw the loss against the rate (`minidl.show.rate_range`)."""
        from minidl.show import rate_range

        return rate_range(self, path=path)

    def __repr__(self) -> str:
        return f"RateRange({self.suggestion:.2g}: {self.text})"


def lr_finder(
    model: Module,
    loss: Callable[..., Any],
    data: Any,
    *,
    optimizer: Any = None,
    low: float = 1e-5,
    high: float = 10.0,
    steps: int = 100,
    seed: int = 0,
) -> RateRange:
    """Sweep over the learning rates on a copy of the model, and suggest one.

    loss       (scores, y) -> scalar Tensor
    data       batches (x, y): a loader, a list; or samples: a dataset, a tuple (x, y)
    optimizer  the one that will train the model (its schedule is set aside meanwhile),
               or a function (params, lr=…) that makes one; default: optim.Adam
    low, high  the first and the last rate
    seed       of the order of samples, where there are no batches yet

    It ends when the smoothed loss is 4 times its best, or is no number. The suggestion
    is the geometric mean of two rates: that of the steepest fall, which noise may
    shift, and a third of that of the smallest loss, which is nearly too large already.
    On 4 nets with 3 optimizers it lay within a factor of 3.2 of the best of 11 rates in
    58 of 60 sweeps, and in 55 of 60 with 3 % of the losses 20 times too large
    (`python -m benchmarks.lr_finder`).

    >>> from minidl import nn, ops
    >>> from minidl.data import moons
    >>> net = nn.Sequential(nn.Linear(2, 16, rng=0), nn.ReLU(), nn.Linear(16, 2, rng=1))
    >>> found = lr_finder(net, ops.cross_entropy, moons(200, rng=0))
    >>> 0.003 < found.suggestion < 0.3
    True
    """
    rates = growing_rates(low, high, steps)
    place = _place(data)
    try:
        with own_randomness(seed):
            copies = _copies(model, loss, optimizer)
            losses = _sweep(*copies, _batches(data, seed), rates)
    finally:
        if place is not None:
            vars(data).update(place)
    return read(rates[: len(losses)], np.array(losses))


def growing_rates(low: float, high: float, steps: int) -> Vector:
    """Return ηₜ = low (high / low)^(t / (T − 1)).    -> (T,)

    >>> growing_rates(0.01, 1, 21)[::10].round(3).tolist()
    [0.01, 0.1, 1.0]
    """
    if not 0 < low < high < math.inf:
        raise RangeError(
            f"lr_finder: rates from {low:g} to {high:g}; it must be 0 < low < high"
        )
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 2 * BURN_IN:
        raise RangeError(f"lr_finder: steps = {steps!r}; give {2 * BURN_IN} or more")
    rates: Vector = low * (high / low) ** (np.arange(steps) / (steps - 1))
    return rates


def smoothed(losses: Vector) -> Vector:
    """The running mean of the medians of 5 losses, corrected for its beginning.

    mₜ = β mₜ₋₁ + (1 − β) L̃ₜ,   m̂ₜ = mₜ / (1 − βᵗ⁺¹), as in Adam: without the hat the
    mean would begin at 0, and a loss that rises from there looks like a bad rate.
    """
    half, m, means = SPIKE // 2, 0.0, []
    padded = np.pad(losses, half, mode="edge")
    for t in range(len(losses)):
        m = BETA * m + (1 - BETA) * float(np.median(padded[t : t + SPIKE]))
        means.append(m / (1 - BETA ** (t + 1)))
    return np.array(means)


def ending(means: Vector) -> int:
    """Return the step at which the mean is 4 times its best; T if it never is."""
    best = math.inf
    for t in range(BURN_IN, len(means)):
        best = min(best, float(means[t]))
        # a loss may be below 0; then "4 times" is meant from its size
        if means[t] > best + (ENOUGH - 1) * abs(best):
            return t
    return len(means)


def read(rates: Vector, losses: Vector) -> RateRange:
    """Find the steepest fall and the smallest mean; say how the sweep ended."""
    finite = np.isfinite(losses)
    last = len(losses) if finite.all() else int(np.argmin(finite))
    means = smoothed(losses[:last])
    end = ending(means)
    how = "exploded" if end < last else "done" if last == len(losses) else "nan"
    rates, losses, means = rates[:end], losses[:end], means[:end]
    steepest = lowest = suggestion = math.nan
    if end > BURN_IN + 1:
        # region a6.7: where the mean is smallest, where it fell fastest, and between
        bottom = BURN_IN + int(np.argmin(means[BURN_IN:]))
        slopes = [_slope(np.log(rates), means, t) for t in range(BURN_IN, bottom + 1)]
        at = BURN_IN + int(np.argmin(slopes))
        steepest, lowest = float(rates[at]), float(rates[bottom])
        suggestion = math.sqrt(steepest * lowest / 3)
        # endregion
        if not means[bottom] < _sure_fall(losses):
            steepest = lowest = suggestion = math.nan
    return RateRange(suggestion, rates, losses, means, steepest, lowest, how)


def _slope(x: Vector, y: Vector, t: int) -> float:
    """Return the slope of the line through the points around t (least squares)."""
    near = slice(max(0, t - REACH), t + REACH + 1)
    dx = x[near] - x[near].mean()
    return float((dx * y[near]).sum() / (dx * dx).sum())


def _sure_fall(losses: Vector) -> float:
    """Return what the mean does not reach by chance: 4 deviations below its start.

    Batches differ. From the first losses, at rates that are too small to change them,
    σ = 1.48 · median |L − median L|; a running mean has √((1 − β) / (1 + β)) of it.
    """
    first = losses[: 2 * BURN_IN]
    start = float(np.median(first))
    deviation = 1.48 * float(np.median(abs(first - start)))
    return start - 4 * deviation * math.sqrt((1 - BETA) / (1 + BETA))


def _copies(
    model: Module, loss: Callable[..., Any], optimizer: Any
) -> tuple[Any, Any, Any]:
    """Return copies: nothing is shared with the originals, all of it among them."""
    made = hasattr(optimizer, "step") and not isinstance(optimizer, type)
    rule: Any
    try:
        twin, twin_loss, rule = copy.deepcopy(
            (model, loss, optimizer if made else None)
        )
    except Exception as error:  # whatever in it cannot be copied
        raise DTypeError(
            f"lr_finder works on a copy of the model, and it cannot be copied: {error}"
        ) from error
    if twin is model:
        raise DTypeError(
            f"lr_finder works on a copy of the model, and a {type(model).__name__} has "
            "none; make it an nn.Module"
        )
    if not made:
        return twin, twin_loss, (optimizer or optim.Adam)(twin.parameters(), lr=1.0)
    if not _moves(rule, twin):
        raise DTypeError(
            "lr_finder: the optimizer moves none of the model's parameters; was it "
            "made for another model? Try optimizer=optim.Adam, or leave it out"
        )
    rule.lr_scale = 1.0
    return twin, twin_loss, rule


def _moves(optimizer: Any, model: Module) -> bool:
    """Whether the optimizer holds a parameter of the model."""
    own = {id(p) for p in model.parameters()}
    return any(id(p) in own for p in getattr(optimizer, "params", model.parameters()))


def _sweep(
    model: Module,
    loss: Callable[..., Any],
    optimizer: Any,
    batches: Iterator[Any],
    rates: Vector,
) -> list[float]:
    """Train with growing rates; return the losses until the end or the explosion."""
    place = device(model)
    history, losses = History(), list[float]()
    model.train()
    optimizer.zero_grad()
    with np.errstate(all="ignore"):  # it shall explode
        for t, rate in enumerate(rates.tolist()):
            xs, y = pair(next(batches), place)
            error = loss(model(*xs), y)
            check_scalar(error)
            history.add_step(error.data, step=t, samples=samples(y))
            if place == "cpu" or history.waiting == INTERVAL:
                losses += history.read()
                if _over(losses):
                    break
            error.backward()
            optimizer.lr = rate
            optimizer.step()
            optimizer.zero_grad()
    return losses + history.read()


def _over(losses: list[float]) -> bool:
    """Whether the loss is no number, or its mean has exploded."""
    if not math.isfinite(losses[-1]):
        return True
    return len(losses) > BURN_IN and ending(smoothed(np.array(losses))) < len(losses)


def _batches(data: Data, seed: int) -> Iterator[Any]:
    """Yield batches for ever: small data are walked through many times."""
    if is_samples(data):
        data = DataLoader(data, BATCH, shuffle=True, seed=seed)
    while True:
        walked = False
        for batch in data:
            walked = True
            yield batch
        if not walked:
            raise RangeError(
                "lr_finder got no batch, or an iterator that can be walked only once; "
                "give a DataLoader, a list of batches, or a tuple (x, y)"
            )


def _place(data: Data) -> dict[str, Any] | None:
    """Return where a loader stands, to put it back there."""
    names = ("epoch", "position", "_begun", "_loops")
    known = isinstance(data, DataLoader)
    return {name: getattr(data, name) for name in names} if known else None
