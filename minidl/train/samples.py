"""Samples while it trains: after an epoch, what does the model write?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from minidl.errors import RangeError
from minidl.files import Path
from minidl.train.callback import Callback, Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from minidl.train.trainer import Trainer


class Samples(Callback):
    """Keeps, and prints, what the model writes after each epoch.

    write  a function of nothing that returns a text of the model, such as
           lambda: letters.decode(generate(model, prompt, 80)[0])
    every  so many epochs
    show   print it, too
    The weights are those that were judged (averaged ones, say).

    >>> from minidl import nn, ops, optim
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.train import Trainer
    >>> net = nn.Linear(2, 2, rng=0)
    >>> samples = Samples(lambda: f"bias {len(net.bias.data)}")
    >>> opt = optim.SGD(net.parameters(), lr=0.1)
    >>> trainer = Trainer(net, opt, ops.cross_entropy, callbacks=[samples])
    >>> history = trainer.fit(DataLoader(moons(20, rng=0)), epochs=2)
    epoch 1: bias 2
    epoch 2: bias 2
    >>> samples.texts
    ['bias 2', 'bias 2']
    """

    writes: ClassVar[bool] = True

    def __init__(
        self, write: Callable[[], str], every: int = 1, show: bool = True
    ) -> None:
        if every < 1:
            raise RangeError(f"Samples: every = {every}; it is 1 epoch or more")
        self.write, self.every, self.show = write, every, show
        self.texts: list[str] = []
        self.epochs: list[int] = []

    def on_validation(self, trainer: Trainer, record: Record) -> None:
        """Let it write."""
        epoch = int(record["epoch"])
        if epoch % self.every:
            return
        self.texts.append(str(self.write()))
        self.epochs.append(epoch)
        if self.show:
            gap = "\n" if "\n" in self.texts[-1] else " "
            print(f"epoch {epoch}:{gap}{self.texts[-1]}", flush=True)

    def plot(self, *, path: Path | None = None) -> Figure:
        """Draw the samples one below the other (`minidl.show.samples`)."""
        from minidl.show import samples

        labels = [f"epoch {epoch}" for epoch in self.epochs]
        return samples(self.texts, labels, path=None if path is None else str(path))

    def state_dict(self) -> dict[str, Any]:
        """Return the samples so far."""
        return {"texts": list(self.texts), "epochs": list(self.epochs)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on after these samples."""
        self.texts, self.epochs = list(state["texts"]), list(state["epochs"])
