"""Averages of weights along training: often better than the weights of the last step.

    θ   parameter now         a   its average         n   averages taken, from 1

The noise of mini-batches makes θ wander around a minimum; its average stands nearer to
the middle. All three are used alike:

    ema = EMA(model.parameters())
    …  opt.step(); ema.update()        # every step
    with ema.applied():                # the model has the averaged weights in here
        accuracy = evaluate(model)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from minidl.backend import Array, device_of, namespace, to_device, to_numpy
from minidl.engine.modes import stateful
from minidl.errors import GraphError, RangeError, ShapeError
from minidl.optim.groups import Parameter, check_names, named
from minidl.optim.settings import Params, count, fraction


def newest_weight(n: int, decay: float | None = None, warmup: bool = False) -> float:
    """Return w of a ← a + w (θ − a), which takes in the n-th value, n from 1.

        plain mean (decay is None)   w = 1 / n
        exponential moving average   w = 1 − d,   d = decay, or with warm-up
                                                  d = min(decay, n / (n + 9))

    The first value has w = 1: the average starts as θ, not at 0.

    >>> [newest_weight(n) for n in (1, 2, 4)]
    [1.0, 0.5, 0.25]
    >>> [round(newest_weight(n, 0.9, warmup=True), 3) for n in (1, 11, 1000)]
    [1.0, 0.45, 0.1]
    """
    # region a6.13: the weight of the n-th value in a mean, plain or forgetting
    if decay is None or n == 1:
        w = 1 / n
    else:
        w = 1 - (min(decay, n / (n + 9)) if warmup else decay)
    # endregion
    return w


class Average:
    """The loop that all averages share: a ← a + w (θ − a), w = `newest_weight`.

    params    parameters, or (name, parameter) pairs
    buffers   arrays of the model that change with its weights (running statistics):
              left alone by the average, and put back when `applied` ends
    refresh   called when the averaged weights are in: recomputes those buffers
    """

    decay: float | None = None
    warmup = False

    def __init__(
        self,
        params: Params,
        *,
        buffers: Any = (),
        refresh: Callable[[], Any] | None = None,
    ) -> None:
        owner = type(self).__name__
        pairs = named(params, owner)
        check_names(pairs, owner)
        if not pairs:
            raise RangeError(f"{owner} got no parameters; try model.parameters()")
        self.names = [name for name, _ in pairs]
        self.params: list[Parameter] = [p for _, p in pairs]
        self.buffers, self.refresh = list(buffers), refresh
        self.averages: list[Array] = []
        self.n = 0
        self.swapped = False

    def weight(self) -> float:
        """Return the weight of what is new (n counts it already)."""
        return newest_weight(self.n, self.decay, self.warmup)

    def update(self) -> None:
        """Take the weights of now into the average; call it after every step."""
        if self.swapped:
            raise GraphError(
                f"{type(self).__name__}.update() inside `with applied()` would average "
                "the average; call it after optimizer.step()"
            )
        self.take()

    @stateful
    def take(self) -> None:
        """Count, and move the averages; there are none before the first time."""
        self.n += 1
        if not self.averages:
            self.averages = [namespace(p.data).zeros_like(p.data) for p in self.params]
        self.move(self.weight())

    def move(self, w: Array) -> None:
        """a ← a + w (θ − a)."""
        for a, p in zip(self.averages, self.params, strict=True):
            a += w * (p.data - a)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the parameters their averages, and their own values back at the end."""
        self._check_ready()
        saved = [x.data.copy() for x in (*self.params, *self.buffers)]
        self.swapped = True
        try:
            self.write()
            yield
        finally:
            for x, old in zip((*self.params, *self.buffers), saved, strict=True):
                x.data[...] = old
                x.touch()
            self.swapped = False

    def write(self) -> None:
        """Give the parameters their averages for good, as at the end of training."""
        if not self.swapped:
            self._check_ready()
        for a, p in zip(self.averages, self.params, strict=True):
            p.data[...] = a
            p.touch()
        if self.refresh is not None:
            self.refresh()

    def _check_ready(self) -> None:
        name = type(self).__name__
        if self.swapped:
            raise GraphError(f"the averages of this {name} are already applied")
        if not self.averages:
            raise RangeError(
                f"this {name} has averaged nothing yet; call update() after the steps"
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the averages, and how many went in: a flat dict for any store."""
        state: dict[str, Any] = {"average": type(self).__name__} | self.counters()
        for i, a in enumerate(self.averages):
            state[f"averages.{i}"] = np.array(to_numpy(a))
        return state

    def counters(self) -> dict[str, int]:
        """Return what is counted."""
        return {"n": self.n}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` stopped; raises, changing nothing, if it does not fit."""
        if state.get("average") != type(self).__name__:
            raise RangeError(
                f"this state was saved by {state.get('average', 'something else')}, "
                f"not by {type(self).__name__}"
            )
        averages = []
        if int(state["n"]):
            for i, (name, p) in enumerate(zip(self.names, self.params, strict=True)):
                a = state.get(f"averages.{i}")
                if a is None or a.shape != p.data.shape or a.dtype != p.data.dtype:
                    has = "nothing" if a is None else f"{a.dtype} {a.shape}"
                    raise ShapeError(
                        f"the state has {has} for {name}, which is {p.data.dtype} "
                        f"{p.data.shape}; is it the same model?"
                    )
                averages.append(to_device(a, device_of(p.data)).copy())
        if f"averages.{len(averages)}" in state:
            raise ShapeError(
                f"the state has more than the {len(averages)} parameters of this model"
            )
        self.averages = averages
        for name in self.counters():
            setattr(self, name, int(state[name]))


class PolyakAverage(Average):
    """The mean of all θ so far: a ← a + (θ − a) / n.

    Polyak & Juditsky 1992: with it, plain SGD on a noisy convex problem is as good in
    the limit as a second-order method. Begin to update when the first descent is over.

    >>> from minidl import Tensor
    >>> p = Tensor([0.0], requires_grad=True)
    >>> mean = PolyakAverage([p])
    >>> for value in (1.0, 2.0, 6.0):
    ...     p.data[...] = value; mean.update()
    >>> with mean.applied():
    ...     print(p.data)
    [3.]
    >>> p.data
    array([6.], dtype=float32)
    """


class EMA(Average):
    """A mean that forgets: a ← d a + (1 − d) θ.

        d = min(decay, n / (n + 9)) with warm-up, d = decay without

    It looks back over about 1 / (1 − decay) steps. Without the warm-up, the first
    weights, which are the worst, would count for as long as that; with it, an early
    average is over the last tenth or so of what there is.

    >>> from minidl import Tensor
    >>> p = Tensor([0.0], requires_grad=True)
    >>> ema = EMA([p], decay=0.75, warmup=False)
    >>> for value in (4.0, 8.0):
    ...     p.data[...] = value; ema.update()
    >>> ema.averages[0]                             # 0.75 · 4 + 0.25 · 8
    array([5.], dtype=float32)
    """

    def __init__(
        self, params: Params, decay: float = 0.999, warmup: bool = True, **options: Any
    ) -> None:
        super().__init__(params, **options)
        self.decay = fraction("EMA", "decay", decay)
        self.warmup = warmup


class SWA(Average):
    """The mean of θ at the end of each cycle of the rate: a ← a + (θ − a) / n.

    start   steps before the first cycle begins
    every   c, the steps of one cycle; 1 for a constant rate (then perhaps an epoch's)

    `update()` counts steps and takes θ at start + c, start + 2 c, … Use the rate
    `schedules.swa(before, start, lr, cycle=c, lr_min=…)`. The average never saw data,
    so batch norm's running statistics are not its own: give `buffers` and `refresh`,
    which runs the training data through the model once.  Izmailov et al. 2018,
    algorithm 1 (arXiv:1803.05407).
    """

    def __init__(
        self, params: Params, start: int = 0, every: int = 1, **options: Any
    ) -> None:
        super().__init__(params, **options)
        self.start = count("SWA", "start", start, low=0)
        self.every = count("SWA", "every", every)
        self.t = 0

    @stateful
    def take(self) -> None:
        """Count the step, and average at the end of a cycle."""
        self.t += 1
        since = self.t - self.start
        if since > 0 and since % self.every == 0:
            super().take()

    def counters(self) -> dict[str, int]:
        """Return what is counted."""
        return {"n": self.n, "t": self.t}
