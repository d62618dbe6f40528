"""Checkpoint: the callback that saves a run while it goes, and resumes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from minidl.errors import RangeError
from minidl.train.callback import Callback, Record, direction, judged
from minidl.train.checkpoint import Checkpoints, Randomness
from minidl.train.checkpoint_file import Saved

if TYPE_CHECKING:
    from minidl.files import Path
    from minidl.train.trainer import Trainer


class Checkpoint(Callback):
    """Save everything that the run needs to go on, in a folder of its own.

    folder    where the files are; the last `keep` of them and the best one stay
    monitor   the metric that says which is the best; None keeps the last ones only
    every     save after so many epochs
    steps     save after so many steps, too, in the middle of an epoch
    resume    begin where the newest sound file stopped, if there is one: then the same
              script, started again, makes the same run as if it had never been stopped,
              and `epochs` counts from its very beginning
    random    generators of your own to save: {"noise": rng}

    Ctrl-C saves before `fit` returns. Model, optimizer, loader, history, callbacks and
    every generator are in the file; `train.load_checkpoint` reads it without a Trainer.

    >>> import tempfile
    >>> from minidl import nn, ops, optim
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.train import Trainer
    >>> def run(folder, epochs):
    ...     net = nn.Linear(2, 2, rng=0)
    ...     opt = optim.Adam(net.parameters(), lr=0.1)
    ...     save = Checkpoint(folder, resume=True)
    ...     loader = DataLoader(moons(100, rng=0), shuffle=True, seed=0)
    ...     trainer = Trainer(net, opt, ops.cross_entropy, callbacks=[save])
    ...     trainer.fit(loader, epochs=epochs)
    ...     return net.weight.data
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     stopped = run(f"{folder}/a", epochs=1)
    ...     a, b = run(f"{folder}/a", epochs=3), run(f"{folder}/b", epochs=3)
    >>> bool((a == b).all())                                  # bit by bit
    True
    """

    turn: ClassVar[int] = 10  # all that others learned from the epoch is saved with it

    def __init__(
        self,
        folder: Path,
        monitor: str | None = None,
        *,
        mode: str = "auto",
        keep: int = 2,
        every: int = 1,
        steps: int | None = None,
        resume: bool = False,
        random: dict[str, Any] | None = None,
    ) -> None:
        if every < 1 or (steps is not None and steps < 1):
            raise RangeError(
                f"Checkpoint: every={every} epochs, steps={steps}; at least 1 each"
            )
        self.monitor, self.every, self.steps = monitor, every, steps
        mode = direction(monitor, mode) if monitor else "min"
        self.store = Checkpoints(folder, keep, mode=mode)
        self.resume, self.randomness = resume, Randomness(**(random or {}))
        self.resumed: Saved | None = None
        self.saved_at = -1  # the step of the newest file

    def parts(self, trainer: Trainer) -> dict[str, Any]:
        """Return all that is saved, by name."""
        own = {
            "model": trainer.model,
            "optimizer": trainer.optimizer,
            "loader": trainer.train_batches,
            "trainer": trainer,
        }
        kept = {name: part for name, part in own.items() if hasattr(part, "state_dict")}
        return kept | {"random": self.randomness}

    def on_begin(self, trainer: Trainer) -> None:
        """Resume, if this trainer has not made a step yet."""
        if self.resume and trainer.t == 0:
            self.resumed = self.store.resume(self.parts(trainer))
            self.saved_at = trainer.t if self.resumed else -1

    def on_step(self, trainer: Trainer) -> None:
        """Save in the middle of an epoch."""
        if self.steps and trainer.t % self.steps == 0:
            self._save(trainer)

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        """Save with the metric, if it is time."""
        value = judged(self, self.monitor, record) if self.monitor else None
        if trainer.epoch % self.every == 0 or trainer.epoch == trainer.goal:
            self._save(trainer, value)

    def on_end(self, trainer: Trainer) -> None:
        """After Ctrl-C, save what was learned since."""
        if trainer.ending == "interrupted" and self.saved_at != trainer.t:
            self._save(trainer)

    def _save(self, trainer: Trainer, metric: float | None = None) -> None:
        self.store.save(self.parts(trainer), metric)
        self.saved_at = trainer.t
