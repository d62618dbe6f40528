"""Averages of weights in the loop, and the statistics of batch norm that fit them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

from minidl.engine.modes import no_grad
from minidl.errors import RangeError
from minidl.nn.module import Module, evaluating
from minidl.train.batches import Data, inputs
from minidl.train.callback import Callback

if TYPE_CHECKING:
    from minidl.train.trainer import Trainer


class WeightAverage(Callback):
    """Average the weights after every update; validate, and end, with the average.

    average   an `optim.EMA`, `optim.PolyakAverage` or `optim.SWA` of the model

    Training itself goes on from the weights of the last step, a second fit from the
    average. After Ctrl-C these stay
    in the model; with `with average.applied():` the averaged ones can be looked at.

    >>> from minidl import nn, ops, optim
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.train import Trainer
    >>> net = nn.Linear(2, 2, rng=0)
    >>> ema = optim.EMA(net.parameters(), decay=0.9)
    >>> opt = optim.SGD(net.parameters(), lr=0.1)
    >>> trainer = Trainer(net, opt, ops.cross_entropy, callbacks=[WeightAverage(ema)])
    >>> history = trainer.fit(DataLoader(moons(100, rng=0), 10), epochs=2)
    >>> ema.n, bool((net.weight.data == ema.averages[0]).all())
    (20, True)
    """

    turn: ClassVar[int] = -5  # its on_end comes before EarlyStopping takes the best

    def __init__(self, average: Any) -> None:
        self.average = average

    def on_update(self, trainer: Trainer) -> None:
        """Take the new weights in."""
        self.average.update()

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Put the average in, once there is one."""
        with self.average.applied() if self.average.averages else nullcontext():
            yield

    def on_end(self, trainer: Trainer) -> None:
        """Leave the average in the model."""
        if trainer.ending in ("done", "stopped") and self.average.averages:
            self.average.write()

    def state_dict(self) -> dict[str, Any]:
        """Return the averages."""
        state: dict[str, Any] = self.average.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.average.load_state_dict(state)


def update_batch_norm(model: Any, batches: Any, device: str | None = None) -> None:
    """Recompute the running statistics of every batch norm: plain means over `batches`.

    For weights that never saw data, such as an average's: `SWA(…, refresh=lambda:
    update_batch_norm(net, loader))`.  Izmailov et al. 2018, algorithm 1, last line.

    Only the batch norms are in training mode meanwhile: dropout drops nothing and draws
    no numbers (PyTorch's update_bn has it drop); frozen ones keep their statistics. A
    loader stands afterwards where it stood before; do not give one that a loop is
    walking right now.

    >>> import numpy as np
    >>> from minidl import nn
    >>> net = nn.Sequential(nn.BatchNorm1d(1))
    >>> x = np.array([[1.0], [3.0]], np.float32)
    >>> update_batch_norm(net, [x, x + 2])                    # means 2 and 4
    >>> net[0].running_mean.data, net[0].running_var.data     # n − 1 = 1 below
    (array([3.], dtype=float32), array([2.], dtype=float32))
    """
    norms = [
        module
        for module in model.modules()
        if hasattr(module, "reset_running_stats") and module._mode is None
    ]
    if not norms:
        return
    place = batches.state_dict() if hasattr(batches, "state_dict") else None
    momenta = [norm.momentum for norm in norms]
    try:
        with evaluating(model), no_grad():
            for norm in norms:
                norm.reset_running_stats()
                norm.training, norm.momentum = True, None
            if not _walk(model, batches, device):
                raise RangeError("update_batch_norm got no batch; is it used up?")
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        if place is not None:
            batches.load_state_dict(place)


def _walk(model: Module, batches: Data, device: str | None) -> int:
    """Run all batches through the model; return how many there were."""
    count = 0
    for batch in batches:
        model(*inputs(batch, device))
        count += 1
    return count
